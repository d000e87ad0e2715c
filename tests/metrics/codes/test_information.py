from __future__ import annotations

import warnings

import numpy as np
import pytest

from flowdis.metrics.codes import differential_entropies, measure, read
from flowdis.metrics.codes.information import entropies, joint_counts, mutual_information
from tests.metrics.codes.toys import GRID, PERFECT, factor_sample

LOG4, LOG5 = np.log(4), np.log(5)


def quiet(codes, factors, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return measure(read(codes, factors), **options)


def test_a_perfect_code_tells_the_whole_entropy_of_its_factor():
    information = measure(read(PERFECT, GRID))
    assert np.allclose(information.matrix, np.diag([LOG4, LOG5]), rtol=0, atol=1e-12)
    # Independence of whole numbers is met exactly, not to rounding.
    assert information.matrix[0, 1] == information.matrix[1, 0] == 0.0
    assert np.allclose(information.factor_entropies, [LOG4, LOG5], rtol=0, atol=1e-12)
    assert np.allclose(information.code_entropies, [LOG4, LOG5], rtol=0, atol=1e-12)
    assert np.allclose(information.shares, np.eye(2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["equal_count", "equal_width"])
def test_it_agrees_with_scikit_learn_and_scipy(kind):
    from scipy.stats import entropy
    from sklearn.metrics import mutual_info_score

    factors = factor_sample(700, 3, 8, 30)
    rng = np.random.default_rng(1)
    codes = np.column_stack(
        [factors @ [1.0, 0.3, 0.1] + rng.normal(size=700), rng.normal(size=(700, 2)), factors[:, 2]]
    )
    information = quiet(codes, factors, kind=kind)
    wanted = [[mutual_info_score(b, v) for v in factors.T] for b in information.binned.T]
    assert np.allclose(information.matrix, wanted, rtol=0, atol=1e-9)
    assert np.allclose(information.factor_entropies, [entropy(np.bincount(v)) for v in factors.T], rtol=0, atol=1e-12)
    binned = [entropy(np.bincount(b)) for b in information.binned.T]
    assert np.allclose(information.code_entropies, binned, rtol=0, atol=1e-12)


def test_counts_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    bins, factors = rng.integers(0, 6, (300, 4)), factor_sample(300, 3, 5)
    counts = joint_counts(bins, factors, 6, 5)
    looped = np.zeros((4, 2, 6, 5), dtype=np.int64)
    for row in range(300):
        for d in range(4):
            for f in range(2):
                looped[d, f, bins[row, d], factors[row, f]] += 1
    assert np.array_equal(counts, looped)


def test_counting_in_blocks_changes_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    bins, factors = rng.integers(0, 6, (300, 4)), factor_sample(300, 3, 5)
    whole = joint_counts(bins, factors, 6, 5)
    monkeypatch.setattr("flowdis.metrics.codes.information._BLOCK", 70)
    assert np.array_equal(joint_counts(bins, factors, 6, 5), whole)


def test_information_of_a_noisy_channel():
    # A binary symmetric channel with error 1/8: log 2 - H(1/8).
    counts = np.array([[[7, 1], [1, 7]]])
    wanted = np.log(2) + (7 / 8) * np.log(7 / 8) + (1 / 8) * np.log(1 / 8)
    assert mutual_information(counts) == pytest.approx([wanted], abs=1e-12)
    assert entropies(np.array([[7, 1], [4, 4]])) == pytest.approx([np.log(2) - wanted, np.log(2)], abs=1e-12)


def test_it_is_symmetric_and_bounded_by_both_entropies():
    counts = np.random.default_rng(0).integers(0, 4, (50, 6, 9))
    information = mutual_information(counts)
    assert np.allclose(mutual_information(counts.transpose(0, 2, 1)), information, rtol=0, atol=1e-12)
    assert (information >= 0).all()
    assert (information <= np.minimum(entropies(counts.sum(2)), entropies(counts.sum(1))) + 1e-12).all()


def test_differential_entropies_of_normal_codes():
    codes = np.random.default_rng(0).normal(size=(20_000, 2)) * [1.0, 100.0]
    wanted = 0.5 * np.log(2 * np.pi * np.e) + np.log([1.0, 100.0])
    assert wanted.round(3).tolist() == [1.419, 6.024]
    # The histogram's own error falls with its width, and the sample's is sqrt(1 / (2 N)) = 0.005.
    assert differential_entropies(codes) == pytest.approx(wanted, abs=0.02)
    assert np.array_equal(differential_entropies(codes[:, ::-1].copy()), differential_entropies(codes)[::-1])
    assert differential_entropies(codes[:50], bins=10) == pytest.approx(wanted, abs=0.5)
    assert differential_entropies(np.zeros((200, 1))).tolist() == [-np.inf]


def test_differential_entropy_of_a_uniform_code_is_that_of_its_length():
    codes = np.linspace(-3, 5, 100_001)[:, None]
    assert differential_entropies(codes) == pytest.approx([np.log(8)], abs=1e-4)


def test_swapping_columns_swaps_rows_and_nothing_else():
    rng = np.random.default_rng(0)
    factors = factor_sample(500, 3, 6)
    codes = factors @ rng.normal(size=(2, 4)) + rng.normal(size=(500, 4))
    information = quiet(codes, factors)
    swapped = quiet(codes[:, [3, 0, 2, 1]], factors[:, ::-1])
    assert np.array_equal(swapped.matrix, information.matrix[[3, 0, 2, 1]][:, ::-1])
    # N = D * k samples reshaped rather than transposed would give other numbers.
    other = quiet(codes.ravel().reshape(4, 500).T, factors)
    assert not np.allclose(other.matrix, information.matrix, atol=1e-3)


@pytest.mark.parametrize(
    ("count", "measured", "warned"), [(200, 0.143, True), (1000, 0.038, True), (10_000, 0.003, False)]
)
def test_few_samples_look_like_information_and_are_warned_of(count, measured, warned):
    rng = np.random.default_rng(0)
    table = read(rng.normal(size=(count, 1)), rng.integers(0, 10, count), names=["digit"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        information = measure(table, kind="equal_width")
    share = float(information.shares[0, 0])
    freedom = float(2 * count * information.bias[0, 0])
    # 2 N I is near chi-squared with (b - 1)(c - 1) degrees of freedom: 4 standard deviations.
    spread = 4 * np.sqrt(2 * freedom) / (2 * count) / np.log(10)
    assert share == pytest.approx(measured, abs=2 * spread)
    assert share == pytest.approx(float(information.bias[0, 0]) / np.log(10), abs=max(spread, 0.2 * share))
    assert bool(caught) == warned
    if warned:
        message = str(caught[0].message)
        assert f"N={count} samples are few for" in message and "10 classes of digit" in message
        assert "(b - 1)(c - 1) / (2 N)" in message


def test_chance_is_not_taken_for_information():
    rng = np.random.default_rng(3)
    for count, sizes in ((60, (2, 5, 40)), (200, (2, 5, 40)), (1000, (2, 5, 10)), (1000, (5, 40)), (4000, (2, 5, 40))):
        factors = np.stack([rng.permutation(np.arange(count) % size) for size in sizes], axis=1)
        # At 4 standard deviations one entry in 30,000 is above; of these 120 or 80 none.
        assert not quiet(rng.normal(size=(count, 40)), factors).told.any()


def test_what_little_is_told_is_noticed():
    factors = factor_sample(2000, 2, 5, 10, 40)
    rng = np.random.default_rng(0)
    for count, noise in ((2000, 2.0), (200, 0.5)):
        scaled = factors[:count] / factors.std(axis=0)
        told = quiet(scaled + noise * rng.normal(size=scaled.shape), factors[:count]).told
        assert told.diagonal()[:3].all()
    # Forty classes in 200 samples: a chi-squared law would call the factor itself chance.
    assert quiet(factors[:200].astype(float), factors[:200]).told.diagonal().all()


def test_rows_taken_are_measured_in_the_same_bins():
    factors = factor_sample(400, 3, 6)
    rng = np.random.default_rng(0)
    information = quiet(factors @ rng.normal(size=(2, 3)) + rng.normal(size=(400, 3)), factors)
    rows = rng.integers(0, 400, 400)
    taken = information.take(rows)
    counts = joint_counts(information.binned[rows], factors[rows], 20, 6)
    assert np.array_equal(taken.matrix, mutual_information(counts))
    assert np.array_equal(information.take(np.arange(400)).matrix, information.matrix)


def test_a_factor_of_more_classes_than_bins_can_still_be_told_whole():
    factors = factor_sample(4000, 40)
    information = quiet(np.column_stack([factors[:, 0], factors[:, 0] + 1e-4 * np.arange(4000)]), factors)
    assert information.shares[0, 0] == pytest.approx(1, abs=1e-12)
    # A continuous code in 20 bins tells log 20 at most.
    assert 0.6 < information.shares[1, 0] <= np.log(20) / information.factor_entropies[0]
