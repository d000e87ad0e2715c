from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from flowdis.data.grids import Factor, FactorGrid
from flowdis.paths import Unit

DEGREE = Unit("degree", 45.0)
SHAPE = Factor("shape", (0.0, 1.0, 2.0), ordered=False)
SCALE = Factor("scale", (0.5, 0.75, 1.0, 2.0), Unit("factor", 1.25, logarithmic=True))
HUE = Factor("hue", (0.0, 72.0, 144.0, 216.0, 288.0), DEGREE, period=360.0)


def steps(name: str, size: int) -> Factor:
    return Factor(name, tuple(map(float, range(size))))


@pytest.fixture
def grid() -> FactorGrid:
    return FactorGrid([SHAPE, SCALE, HUE])


@pytest.mark.parametrize("sizes", [(1, 3, 6, 40, 32, 32), (10, 10, 10, 8, 4, 15), (6, 6, 2, 3, 3, 40, 40), (183,)])
def test_numbers_of_published_sets_are_those_of_numpy_last_factor_fastest(sizes: tuple[int, ...]) -> None:
    grid = FactorGrid([steps(str(k), size) for k, size in enumerate(sizes)])
    assert len(grid) == math.prod(sizes) and grid.sizes == sizes
    numbers = torch.randint(len(grid), (1000,), generator=torch.Generator().manual_seed(0))
    classes = grid.classes(numbers)
    assert np.array_equal(classes.numpy(), np.stack(np.unravel_index(numbers.numpy(), sizes), 1))
    assert torch.equal(grid.index(classes), numbers)
    assert torch.equal(grid.nearest(grid.values(numbers)), classes)


def test_a_single_number_and_any_batch_shape_work(grid: FactorGrid) -> None:
    assert grid.classes(torch.tensor(59)).tolist() == [2, 3, 4]
    numbers = torch.arange(60).view(3, 4, 5)
    assert grid.classes(numbers).shape == (3, 4, 5, 3)
    assert torch.equal(grid.index(grid.classes(numbers).int()), numbers)
    everything = list(itertools.product(range(3), range(4), range(5)))
    assert grid.classes(torch.arange(60)).tolist() == [list(row) for row in everything]


def test_values_are_looked_up_in_float64(grid: FactorGrid) -> None:
    values = grid.values(torch.tensor([0, 59]))
    assert values.dtype == torch.float64 and values.tolist() == [[0.0, 0.5, 0.0], [2.0, 2.0, 288.0]]


def test_nearest_goes_the_shorter_way_round(grid: FactorGrid) -> None:
    values = torch.tensor([[0.0, 0.6, 359.0], [2.0, 0.88, -73.0], [1.0, 9.0, 360.0 + 110.0]])
    assert grid.nearest(values).tolist() == [[0, 0, 0], [2, 2, 4], [1, 3, 2]]


def test_ends_that_meet_count_as_one_step_and_keep_their_own_class() -> None:
    published = Factor("orientation", tuple(np.degrees(np.linspace(0, 2 * np.pi, 40))), DEGREE, period=360.0)
    assert (published.size, published.cycle, HUE.cycle, SCALE.cycle) == (40, 39, 5, None)
    grid = FactorGrid([published])
    assert torch.equal(grid.nearest(grid.values(torch.arange(40)))[:, 0], torch.arange(40))


def test_classes_that_are_not_on_the_grid_are_named(grid: FactorGrid) -> None:
    with pytest.raises(ValueError, match=r"'scale' must lie in 0\.\.3, got 4 in row 1"):
        grid.index(torch.tensor([[0, 0, 0], [2, 4, 0]]))
    with pytest.raises(ValueError, match="'hue'.*got -1"):
        grid.index(torch.tensor([0, 0, -1]))
    with pytest.raises(ValueError, match=r"F=3 \(shape, scale, hue\), got shape \(2,\)"):
        grid.index(torch.tensor([0, 0]))
    for number in (-1, 60):
        with pytest.raises(IndexError, match=rf"0\.\.59, got {number}"):
            grid.classes(torch.tensor([3, number]))
    with pytest.raises(ValueError, match="finite"):
        grid.nearest(torch.tensor([0.0, math.nan, 0.0]))
    with pytest.raises(ValueError, match=r"'shape' must be categories 0\.\.2"):
        grid.nearest(torch.tensor([0.5, 1.0, 0.0]))


def test_samples_are_even_and_keep_what_is_fixed(grid: FactorGrid, generator: torch.Generator) -> None:
    classes = grid.sample(6000, generator=generator, fixed={"scale": 3})
    assert set(classes[:, 1].tolist()) == {3}
    counts = torch.bincount(classes[:, 0] * 5 + classes[:, 2], minlength=15)
    assert counts.min() > 320 and counts.max() < 480  # 400 expected, 19 the standard deviation
    again = grid.sample(6000, generator=torch.Generator().manual_seed(0), fixed={"scale": 3})
    assert torch.equal(classes, again)
    assert not torch.equal(classes, grid.sample(6000, generator=generator, fixed={"scale": 3}))
    with pytest.raises(ValueError, match=r"'scale' must lie in 0\.\.3, got 4"):
        grid.sample(1, generator=generator, fixed={"scale": 4})
    with pytest.raises(ValueError, match="did you mean 'scale'"):
        grid.sample(1, generator=generator, fixed={"scael": 0})


def test_pairs_change_every_named_factor_and_no_other(grid: FactorGrid, generator: torch.Generator) -> None:
    before, after = grid.pairs(500, ["hue", "shape"], generator=generator)
    assert ((before != after) == torch.tensor([True, False, True])).all()
    grid.index(after)
    jumps = (after - before)[:, 2] % 5
    assert set(jumps.tolist()) == {1, 2, 3, 4}
    with pytest.raises(ValueError, match="one factor or more"):
        grid.pairs(3, [], generator=generator)
    with pytest.raises(ValueError, match="each once"):
        grid.pairs(3, ["hue", "hue"], generator=generator)
    with pytest.raises(ValueError, match="two values or more, got 'one'"):
        FactorGrid([steps("one", 1), HUE]).pairs(3, ["one"], generator=generator)


def test_groups_share_one_factor_and_vary_the_others(grid: FactorGrid, generator: torch.Generator) -> None:
    shared, classes = grid.groups(300, 16, generator=generator)
    assert classes.shape == (300, 16, 3) and set(shared.tolist()) == {0, 1, 2}
    same = (classes == classes[:, :1]).all(1)
    assert same[torch.arange(300), shared].all()
    assert same.sum() == 300  # 16 draws out of three classes or more never agree by chance here
    shared, pairs = grid.groups(400, 2, generator=generator, sharing=["scale"])
    assert set(shared.tolist()) == {1} and torch.equal(pairs[:, 0, 1], pairs[:, 1, 1])
    assert (pairs[:, 0, 2] != pairs[:, 1, 2]).double().mean() == pytest.approx(0.8, abs=0.1)


def test_factors_that_paths_move_are_transformations() -> None:
    assert HUE.transformation.range == (0.0, 360.0) and HUE.transformation.period == 360.0
    assert SCALE.transformation.range == (0.5, 2.0) and SCALE.transformation.unit.logarithmic
    for factor in (SHAPE, steps("one", 1)):
        with pytest.raises(ValueError, match=factor.name):
            _ = factor.transformation


@pytest.mark.parametrize(
    ("values", "unit", "period", "ordered"),
    [
        ((), DEGREE, None, True),
        ((1.0, 1.0), DEGREE, None, True),
        ((0.0, math.inf), DEGREE, None, True),
        ((0.0, 1.0), SCALE.unit, None, True),
        ((0.0, 400.0), DEGREE, 360.0, True),
        ((0.0, 1.0), DEGREE, 0.0, True),
        ((1.0, 2.0), DEGREE, None, False),
        ((0.0, 1.0), DEGREE, 2.0, False),
    ],
)
def test_factors_that_make_no_sense_are_refused_by_name(values, unit, period, ordered) -> None:
    with pytest.raises(ValueError, match="'wrong'"):
        Factor("wrong", values, unit, period, ordered)


def test_names_must_differ() -> None:
    for factors in ([], [HUE, HUE]):
        with pytest.raises(ValueError, match="different names"):
            FactorGrid(factors)
