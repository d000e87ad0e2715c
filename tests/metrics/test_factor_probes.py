from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from flowdis.data.grids import Factor
from flowdis.metrics.factor_probes import FactorProbes, fit_probes
from flowdis.paths import Unit
from tests.metrics.worlds import FACTORS, Renderer

SIZE = Factor("size", (0.5, 1.0), Unit("factor", 1.25, logarithmic=True))
TURN = Factor("turn", (0.0, 180.0), Unit("degree", 45.0), period=360.0)
KIND = Factor("kind", (0.0, 1.0, 2.0), ordered=False)


def by_hand(*factors):
    """Probes without a network, for readings that are written down."""
    return FactorProbes(factors, (1, 4, 4), nn.Identity(), torch.zeros(len(factors)), torch.ones(len(factors)))


def drawn(count, generator):
    values = torch.rand(count, 3, generator=generator)
    values = torch.stack([values[:, 0].round(), 0.1 + 0.8 * values[:, 1], 360 * values[:, 2]], -1)
    return Renderer().render(values), values


def test_movements_are_those_of_ordered_circular_and_unordered_factors():
    probes = by_hand(SIZE, TURN, KIND)
    certain = 40.0 * torch.eye(3).double()

    def reading(size, degrees, kind):
        turn = math.radians(degrees)
        plain = torch.tensor([size, math.cos(turn), math.sin(turn)]).double()
        return torch.cat([plain, certain[kind]]).unsqueeze(0)

    moves, weights = probes.movement(reading(0.2, 350, 0), reading(-0.3, 20, 2))
    torch.testing.assert_close(moves, torch.tensor([[-0.5, 30.0, 1.0]]).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(weights, torch.ones(1, 3).double(), rtol=0, atol=1e-6)
    moves, _ = probes.movement(reading(0.2, 20, 1), reading(0.2, 350, 1))
    torch.testing.assert_close(moves, torch.tensor([[0.0, -30.0, 0.0]]).double(), rtol=0, atol=1e-5)


def test_an_unsure_class_does_not_move_by_itself_and_moves_by_what_its_chances_do():
    probes = by_hand(KIND)
    before, after = (torch.tensor([p]).double().log() for p in ([0.5, 0.3, 0.2], [0.1, 0.3, 0.6]))
    assert float(probes.movement(before, before)[0]) == 0.0
    assert float(probes.movement(before, after)[0]) == pytest.approx(0.4)


def test_an_angle_that_cannot_be_seen_weighs_nothing():
    probes = by_hand(TURN)
    seen = torch.tensor([[1.0, 0.0], [0.01, 0.0], [3.0, 0.0]]).double()
    weights = probes.movement(seen, seen.flip(-1))[1]
    torch.testing.assert_close(weights, torch.tensor([[1.0], [1e-4], [1.0]]).double())


def test_probes_learn_every_kind_of_factor_and_read_new_images(generator):
    images, values = drawn(1500, generator)
    state = torch.random.get_rng_state()
    probes = fit_probes(images, values, FACTORS, generator=torch.Generator().manual_seed(1), steps=120)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert probes.names == ("kind", "level", "angle")
    fresh, truth = drawn(300, generator)
    accuracy = probes.accuracy(probes.read(fresh), truth)
    assert accuracy["kind"] == 1.0
    assert accuracy["level"] > 0.98
    assert accuracy["angle"] > 0.98
    turned = truth.clone()
    turned[:, 1] += 0.1
    turned[:, 2] += 45
    moves, weights = probes.movement(probes.read(fresh), probes.read(Renderer().render(turned)))
    assert float(weights.min()) > 0.5
    torch.testing.assert_close(moves[:, 1:].mean(0), torch.tensor([0.1, 45.0]).double(), rtol=0.1, atol=0)
    assert float(moves[:, 0].max()) < 0.1
    torch.testing.assert_close(probes.read(fresh, batch_size=7), probes.read(fresh))


def test_factors_that_multiply_are_read_in_logarithms(generator):
    factor = Factor("level", (0.1, 0.9), Unit("factor", 2.0, logarithmic=True))
    values = torch.exp2(-3 + 2.8 * torch.rand(1000, 1, generator=generator))
    images = values[..., None, None].expand(-1, 1, 4, 4)
    probes = fit_probes(images, values, [factor], generator=generator, steps=100)
    doubled, _ = probes.movement(probes.read(0.5 * images[values[:, 0] > 0.3]), probes.read(images[values[:, 0] > 0.3]))
    assert float(doubled.mean()) == pytest.approx(math.log(2), rel=0.1)


def test_accuracy_of_guessing_the_mean_is_zero_and_of_a_factor_that_does_not_vary_too():
    probes = by_hand(SIZE)
    values = torch.tensor([[1.0], [2.0], [4.0]]).double()
    assert probes.accuracy(values.log().mean().expand(3, 1), values)["size"] == pytest.approx(0.0, abs=1e-12)
    assert probes.accuracy(values.log(), values)["size"] == pytest.approx(1.0)
    assert probes.accuracy(values.log(), torch.ones(3, 1).double())["size"] == 0.0


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (0, 0.5, r"`values` of factor 'kind' must be classes 0 to 1, got 0.5 in row 2"),
        (0, 2.0, r"`values` of factor 'kind' must be classes 0 to 1, got 2.0 in row 2"),
        (1, math.nan, r"`values` of factor 'level' must be finite, got nan in row 2"),
        (2, None, r"`values` of factor 'angle' must vary to be learned"),
    ],
)
def test_bad_values_are_named_with_their_factor(generator, column, value, message):
    images, values = drawn(9, generator)
    if value is None:
        values[:, column] = 7.0
    else:
        values[2, column] = value
    with pytest.raises(ValueError, match=message):
        fit_probes(images, values, FACTORS, generator=generator, steps=1)


def test_shapes_that_do_not_match_are_named(generator):
    images, values = drawn(9, generator)
    with pytest.raises(ValueError, match=r"`values` must have shape \(N, F\), got \(9, 2\) for images"):
        fit_probes(images, values[:, :2], FACTORS, generator=generator)
    negative = Factor("level", (0.1, 0.9), Unit("factor", 2.0, logarithmic=True))
    with pytest.raises(ValueError, match="`values` of factor 'level' must be positive factors, got -0.5"):
        fit_probes(images, torch.linspace(-0.5, 1, 9)[:, None], [negative], generator=generator)
    probes = fit_probes(images, values, FACTORS, generator=generator, steps=1)
    with pytest.raises(ValueError, match=r"`images` must end in \(C, H, W\) = \(3, 8, 8\)"):
        probes.read(torch.zeros(2, 3, 9, 8))
