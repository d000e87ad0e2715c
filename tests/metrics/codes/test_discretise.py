from __future__ import annotations

import numpy as np
import pytest

from flowdis.metrics.codes.discretise import discretise


def partition(bins):
    """The bins' numbers do not matter: each sample's set of companions."""
    return (bins[:, None] == bins[None, :]).tolist()


def test_equal_counts():
    codes = np.random.default_rng(0).normal(size=(1000, 3))
    bins = discretise(codes, 20)
    assert all(np.bincount(column).tolist() == [50] * 20 for column in bins.T)
    for column, z in zip(bins.T, codes.T, strict=True):
        assert (np.diff(column[np.argsort(z)]) >= 0).all()
    # As near to equal as the number of samples allows.
    assert set(np.bincount(discretise(codes[:993], 20)[:, 0]).tolist()) == {49, 50}


@pytest.mark.parametrize("count", [1000, 993, 57])
def test_equal_counts_see_only_the_order(count):
    codes = np.random.default_rng(0).standard_t(2, size=(count, 3))
    bins = discretise(codes, 20)
    for curve in (np.arctan, lambda z: 3 * z + 7, lambda z: z**3):
        assert np.array_equal(discretise(curve(codes), 20), bins)
    middle = np.argsort(codes, axis=0)[count // 2]
    reversed_ = discretise(-codes, 20)
    for d in range(3):
        # Where the middle sample lies on the edge between the two middle bins, it has to go to one of them.
        kept = np.arange(count) != middle[d] if count % 2 else slice(None)
        assert np.array_equal(19 - reversed_[kept, d], bins[kept, d])


def test_equal_values_share_a_bin():
    rng = np.random.default_rng(0)
    codes = np.minimum(rng.exponential(size=(500, 4)), 1.0).round(2)
    codes[:, 1] = rng.integers(0, 4, 500)
    codes[:, 2] = 5.0
    codes[:, 3] = np.repeat([0.0, 1.0, 2.0], [490, 5, 5])
    for kind in ("equal_count", "equal_width"):
        bins = discretise(codes, 20, kind)
        assert bins.min() >= 0 and bins.max() <= 19
        for column, z in zip(bins.T, codes.T, strict=True):
            assert all(len(set(column[z == value])) == 1 for value in np.unique(z))
        assert set(bins[:, 2]) == {0}
        # A code of few values loses none of them, however rare.
        assert [len(np.unique(bins[:, d])) for d in (1, 3)] == [4, 3]


def test_a_code_of_few_values_is_kept_whole():
    codes = np.random.default_rng(0).integers(0, 40, (2000, 1)).astype(float)
    assert len(np.unique(discretise(codes, 20))) == 20
    assert np.array_equal(discretise(codes, 20, whole=40), codes)


def test_equal_widths_are_those_of_a_histogram():
    codes = np.column_stack([np.random.default_rng(0).normal(size=1000), np.arange(1000) % 7])
    bins = discretise(codes, 20, "equal_width")
    for column, z in zip(bins.T, codes.T, strict=True):
        counts, edges = np.histogram(z, 20)
        assert np.bincount(column, minlength=20).tolist() == counts.tolist()
        assert np.array_equal(column, np.digitize(z, edges[1:-1]))


def test_columns_do_not_mix():
    codes = np.random.default_rng(0).normal(size=(50, 3)) * [1, 100, 1e-3]
    for kind in ("equal_count", "equal_width"):
        bins = discretise(codes, 5, kind)
        assert np.array_equal(discretise(codes[:, [2, 0, 1]].copy(), 5, kind), bins[:, [2, 0, 1]])
        assert partition(discretise(codes[:, 1:2].copy(), 5, kind)[:, 0]) == partition(bins[:, 1])


@pytest.mark.parametrize(
    ("count", "bins", "kind", "told"),
    [
        (19, 20, "equal_count", "at least as many samples as bins, got 19 samples, 20 bins"),
        (100, 1, "equal_count", "`bins` must be >= 2, got 1"),
        (100, 20, "equal_widths", "`kind` must be one of equal_count, equal_width, got 'equal_widths'.*did you mean"),
    ],
)
def test_what_cannot_be_cut_is_named(count, bins, kind, told):
    with pytest.raises(ValueError, match=told):
        discretise(np.zeros((count, 1)), bins, kind)
