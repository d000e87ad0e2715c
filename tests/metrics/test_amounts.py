"""Inferred amounts beside true ones: matching, accuracy, speeds, and names for what was found."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from flowdis.metrics.amounts import match_amounts, matched
from flowdis.paths import Unit
from tests.models.toys import small_model, stills

FLOWS, NAMES = ("flow_1", "flow_2", "flow_3"), ("scale", "rotate", "hue")


def alone(count: int = 300, seed: int = 0) -> Tensor:
    """True amounts of steps in each of which one of three transformations moves, at speeds of 0.5 to 1.5."""
    generator = torch.Generator().manual_seed(seed)
    which = torch.randint(3, (count,), generator=generator)
    return torch.nn.functional.one_hot(which, 3) * (0.5 + torch.rand(count, 1, generator=generator))


def test_a_permutation_of_the_truth_is_perfect_in_every_order() -> None:
    true = alone()
    for order in itertools.permutations(range(3)):
        scores = match_amounts(true[:, list(order)], true, flows=FLOWS, names=NAMES)
        assert scores.accuracy == scores.switches == scores.used == 1
        assert scores.speed_correlation == pytest.approx(1, abs=1e-6)
        assert scores.matching == {NAMES[k]: FLOWS[place] for place, k in enumerate(order)}
        assert scores.sizes == pytest.approx(dict.fromkeys(NAMES, 1.0)) and scores.backwards == ()


def test_directions_and_sizes_are_found() -> None:
    true = alone()
    scores = match_amounts(true * torch.tensor([2.0, -0.5, 1.0]), true, flows=FLOWS, names=NAMES)
    assert scores.backwards == ("rotate",) and scores.accuracy == 1
    assert scores.sizes == pytest.approx({"scale": 0.5, "rotate": 2.0, "hue": 1.0})
    assert scores.speed_correlation == pytest.approx(1, abs=1e-6)  # the other way round, and told exactly


def test_a_sequence_has_the_speed_of_its_steps_together() -> None:
    speed = alone(500)
    wobble = torch.tensor([0.5, -0.5])  # one step too fast, the next too slow
    inferred = torch.cat([speed * (1 + w) for w in wobble]) * torch.tensor([1.0, -2.0, 1.0])
    true, belongs = speed.repeat(2, 1), torch.arange(500).repeat(2)
    scores = match_amounts(inferred, true, flows=FLOWS, names=NAMES, sequences=belongs)
    assert scores.backwards == ("rotate",)
    assert list(scores.sequence_correlations.values()) == pytest.approx([1.0] * 3)
    assert all(value is not None and value < 0.7 for value in scores.correlations.values())
    single = match_amounts(inferred, true, flows=FLOWS, names=NAMES)
    assert single.sequence_correlations == single.correlations


def test_the_long_way_round_is_told_by_its_sign() -> None:
    true = alone()
    around = torch.where(true > 0, (360 - 10 * true) / 350, 0.0)  # a turn of 10 degrees as one of -350
    scores = match_amounts(around, true, flows=FLOWS, names=NAMES)
    assert scores.accuracy == 1 and scores.backwards == ()
    assert scores.speed_correlation == pytest.approx(-1, abs=1e-6)


def test_what_tells_nothing_scores_chance() -> None:
    true = alone(3000)
    noise = alone(3000, seed=1)
    scores = match_amounts(noise, true, flows=FLOWS, names=NAMES)
    assert scores.accuracy is not None and abs(scores.accuracy - 1 / 3) < 5 * (2 / 9 / 3000) ** 0.5
    assert scores.speed_correlation is not None and abs(scores.speed_correlation) < 5 / 1000**0.5
    still = match_amounts(torch.zeros_like(true), true, flows=FLOWS, names=NAMES)
    assert still.accuracy == 0 and still.used == 0 and still.speed_correlation == 0


def test_the_matching_is_the_best_of_all() -> None:
    generator = torch.Generator().manual_seed(2)
    true = alone()
    inferred = true @ torch.rand(3, 3, generator=generator) + 0.3 * torch.rand(300, 3, generator=generator)
    scores = match_amounts(inferred, true, flows=FLOWS, names=NAMES)
    table = np.abs(np.corrcoef(inferred.T, true.T)[:3, 3:])
    best = max(itertools.permutations(range(3)), key=lambda order: sum(table[k, f] for f, k in enumerate(order)))
    assert scores.matching == {NAMES[f]: FLOWS[k] for f, k in enumerate(best)}


def test_speeds_are_judged_where_the_transformation_moves() -> None:
    true = alone()
    steady = (true > 0).float()  # which moves is right, how fast is not told
    scores = match_amounts(steady, true, flows=FLOWS, names=NAMES)
    assert scores.accuracy == 1 and scores.speed_correlation == 0
    untold = match_amounts(true, steady, flows=FLOWS, names=NAMES)
    assert untold.speed_correlation is None and untold.correlations == dict.fromkeys(NAMES)


def test_more_flows_than_transformations_and_fewer() -> None:
    true = alone()
    more = match_amounts(torch.cat([torch.zeros(300, 1), true[:, :2]], 1), true[:, :2], flows=FLOWS, names=NAMES[:2])
    assert more.matching == {"scale": "flow_2", "rotate": "flow_3"} and more.used == pytest.approx(2 / 3)
    fewer = match_amounts(true[:, :2], true, flows=FLOWS[:2], names=NAMES)
    assert set(fewer.matching) == {"scale", "rotate"} and fewer.accuracies["hue"] == 0
    several = torch.ones(4, 3)
    assert match_amounts(several, several, flows=FLOWS, names=NAMES).accuracy is None


def test_matched_flows_run_as_what_they_are_matched_to() -> None:
    model = small_model(("rotate", "hue")).eval()
    true = alone()[:, :2]
    scores = match_amounts(true.flip(1) * torch.tensor([-2.0, 1.0]), true, flows=model.names, names=("turn", "grow"))
    units = {"turn": Unit("degree", 45.0), "grow": Unit("factor", 2.0, logarithmic=True)}
    named = matched(model, scores, units)
    assert named.names == ("turn", "grow")
    turn, grow = named.flows()
    first, second = model.flows()
    images = stills(2, 3, 8, 8)
    assert torch.allclose(named(images, turn(45.0)), model(images, second.by_amount(1.0)), atol=1e-6)
    # An amount of -2 of the first flow is one of growing, a factor of 2.
    assert torch.allclose(named(images, grow(2.0)), model(images, first.by_amount(-2.0)), atol=1e-6)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"must have shapes \(N, 3\) and \(N, 2\), got \(300, 3\) and \(300, 3\)"):
        match_amounts(alone(), alone(), flows=FLOWS, names=NAMES[:2])
    with pytest.raises(ValueError, match=r"`sequences` must have shape \(300,\), got \(2,\)"):
        match_amounts(alone(), alone(), flows=FLOWS, names=NAMES, sequences=torch.arange(2))
    with pytest.raises(ValueError, match="`inferred` must be finite"):
        match_amounts(alone() / 0, alone(), flows=FLOWS, names=NAMES)
