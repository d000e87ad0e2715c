"""Couplings of single codes: what is exchanged, what is held, what costs least."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from flowdis.training.couplings import _assignment, couple_codes, differences


def world(count: int = 300) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Generator]:
    """Codes of which the first two entries are attributes, and three groups."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(count, 4, generator=generator)
    return codes, codes[:, :2].clone(), torch.randint(3, (count,), generator=generator), generator


def test_the_assignment_costs_as_little_as_the_hungarian_method_finds() -> None:
    cost = torch.rand(40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows, columns = linear_sum_assignment(cost.numpy())
    ours = _assignment(cost)
    assert sorted(ours.tolist()) == list(range(40))
    assert float(cost[torch.arange(40), ours].sum()) == pytest.approx(
        float(cost.numpy()[rows, columns].sum()), abs=1e-12
    )


def test_pairs_differ_in_one_attribute_and_stay_in_their_group() -> None:
    codes, attributes, groups, generator = world()
    pairs = couple_codes(codes, attributes, groups=groups, batch_size=64, rounds=2, generator=generator)
    assert len(pairs) == 2 * 2 * len(codes)
    assert bool((groups[pairs.start] == groups[pairs.end]).all())
    gaps = (attributes[pairs.end] - attributes[pairs.start]).abs()
    changed = gaps.gather(1, pairs.attribute.unsqueeze(1)).mean()
    held = gaps.gather(1, 1 - pairs.attribute.unsqueeze(1)).mean()
    assert float(held) < 0.3 * float(changed)


def test_exchanging_partners_brings_the_rest_of_their_codes_together() -> None:
    """With as strong a hold, but of codes one at a time, nothing is left to exchange."""
    codes, attributes, _, _ = world()
    rest = []
    for batch_size in (1, 300):
        generator = torch.Generator().manual_seed(1)
        pairs = couple_codes(codes, attributes, batch_size=batch_size, rounds=1, hold=2.0, generator=generator)
        rest.append(float((codes[pairs.end] - codes[pairs.start])[:, 2:].square().sum(-1).mean()))
    assert rest[1] < 0.6 * rest[0]


def test_two_values_are_paired_with_each_other_and_draws_repeat() -> None:
    codes, attributes, _, _ = world()
    binary = (attributes[:, :1] > 0.5).float()
    first, second = (
        couple_codes(codes, binary, batch_size=100, rounds=1, generator=torch.Generator().manual_seed(3)) for _ in "ab"
    )
    assert torch.equal(first.end, second.end)
    assert bool((binary[first.start] != binary[first.end]).all())


def test_a_group_without_a_difference_has_no_pairs() -> None:
    codes, attributes, groups, generator = world()
    attributes[groups == 1] = 0.5
    pairs = couple_codes(codes, attributes, groups=groups, rounds=1, generator=generator)
    assert bool((groups[pairs.start] != 1).all())
    with pytest.raises(ValueError, match="`attributes` must differ within at least one group"):
        couple_codes(codes, torch.ones(300, 1), groups=groups, generator=generator)


@pytest.mark.parametrize("name", ["batch_size", "rounds", "reach", "tolerance"])
def test_numbers_must_be_positive(name: str) -> None:
    codes, attributes, _, generator = world(10)
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        couple_codes(codes, attributes, generator=generator, **{name: 0})


def test_differences_are_the_short_way_round_and_pairs_too() -> None:
    periods = torch.tensor([6.0, torch.inf])
    end, start = torch.tensor([[5.5, 5.5], [0.5, 0.5], [2.0, 2.0]]), torch.tensor([[0.5, 0.5], [5.5, 5.5], [0.0, 0.0]])
    assert differences(end, start, periods).tolist() == [[-1.0, 5.0], [1.0, -5.0], [2.0, 2.0]]
    assert torch.equal(differences(end, start), end - start)
    generator = torch.Generator().manual_seed(0)
    attributes = torch.rand(300, 2, generator=generator) * 6
    codes = torch.cat([(attributes[:, :1]).cos(), attributes[:, :1].sin(), attributes[:, 1:]], -1)
    pairs = couple_codes(codes, attributes, periods=periods, batch_size=100, rounds=2, generator=generator)
    gaps = differences(attributes[pairs.end], attributes[pairs.start], periods)
    plain = attributes[pairs.end] - attributes[pairs.start]
    own = pairs.attribute == 0
    assert float(gaps[own, 0].abs().max()) <= 3.0 and float(plain[own, 0].abs().max()) > 4.5  # some go over the top
    assert float(gaps[own, 1].abs().mean()) < 0.3 * float(gaps[own, 0].abs().mean())
