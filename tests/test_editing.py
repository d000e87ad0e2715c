"""Editing: exact on a model whose flow is known, and without side effects on any."""

from __future__ import annotations

import math

import pytest
import torch

from flowdis.data import units_of
from flowdis.editing import decode, edit, encode, trajectory
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.orbits import canonicalize, invariant
from flowdis.paths import Path
from tests.models.toys import at_angles, small_model, stills, turning_model


def test_an_edit_moves_by_natural_units() -> None:
    model = turning_model()
    (rotate,) = model.flows()
    start = torch.tensor([0.0, 100.0, -30.0])
    # Sixteen Runge-Kutta steps per 45 degrees: (pi/64)^5 / 120 each, 128 of them at most.
    for degrees in (45.0, -200.0, 360.0):
        edited = edit(model, at_angles(start), rotate(degrees))
        assert (edited - at_angles(start + degrees)).abs().max() < 128 * (math.pi / 64) ** 5 / 120
    each = torch.tensor([10.0, -20.0, 90.0])
    assert (edit(model, at_angles(start), rotate(each)) - at_angles(start + each)).abs().max() < 1e-6
    path = rotate(90) >> rotate(-45)
    frames = edit(model, at_angles(start), path, frames=4)
    for frame, reached in zip(frames, (45.0, 90.0, 67.5, 45.0), strict=True):
        assert (frame - at_angles(start + reached)).abs().max() < 1e-6
    chosen = edit(model, at_angles(start), path, frames=torch.tensor([0.0, 1.5]))
    assert (chosen[0] - at_angles(start)).abs().max() < 1e-14
    assert (chosen[1] - at_angles(start + 67.5)).abs().max() < 1e-6
    assert (edit(model, edit(model, at_angles(start), path), ~path) - at_angles(start)).abs().max() < 1e-6


def test_a_trajectory_has_the_density_of_the_posterior_that_is_moved() -> None:
    model = turning_model()
    (rotate,) = model.flows()
    images = at_angles(torch.tensor([0.0, 50.0]))
    moved = trajectory(model, images, rotate(30), frames=2)
    # A turn keeps volume, so the density at the mean stays that of a Gaussian with log standard deviation -2.
    assert moved.log_q is not None and moved.z.shape == (2, 2, 2) and moved.log_q.shape == (2, 2)
    assert (moved.log_q - 2 * (2 - 0.5 * math.log(2 * math.pi))).abs().max() < 1e-12
    drawn = trajectory(model, images, rotate(30), generator=torch.Generator().manual_seed(0))
    assert (drawn.z[-1] - moved.z[-1]).abs().min() > 0


@pytest.mark.parametrize("training", [True, False])
def test_editing_leaves_everything_as_it_was(training: bool) -> None:
    model = small_model().train(training)
    model.encoder.eval()
    rotate, _ = model.flows()
    images = stills(2, 3, 8, 8).requires_grad_()
    modes = [module.training for module in model.modules()]
    before, weights = images.detach().clone(), {key: value.clone() for key, value in model.state_dict().items()}
    path = rotate(45)
    amounts = path.amounts.clone()
    results = [
        encode(model, images),
        decode(model, encode(model, images)),
        edit(model, images, path, frames=2),
        trajectory(model, images, path).z,
        invariant(model, images, rotate, samples=3),
        *canonicalize(model, images, rotate, images[0], samples=4),
    ]
    assert not any(result.requires_grad for result in results) and torch.is_grad_enabled()
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(images, before) and images.grad is None and torch.equal(path.amounts, amounts)
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    with torch.inference_mode():
        assert torch.equal(edit(model, images, path), edit(model, before, path))


def test_an_image_is_edited_the_same_in_any_company() -> None:
    model = small_model().eval()
    rotate, hue = model.flows()
    images = stills(7, 3, 8, 8)
    degrees = torch.linspace(-300, 400, 7)
    path = rotate(degrees) >> hue(degrees / 2)
    together = edit(model, images, path, frames=3)
    for index in range(7):
        alone = edit(model, images[index], rotate(degrees[index]) >> hue(degrees[index] / 2), frames=3)
        assert (alone - together[:, index]).abs().max() < 1e-6
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    shuffled = edit(model, images[order], Path(path.names, path.amounts[:, order]), frames=3)
    assert (shuffled - together[:, order]).abs().max() < 1e-6
    nested = edit(model, images[:6].reshape(2, 3, 3, 8, 8), rotate(45))
    assert (nested.flatten(0, 1) - edit(model, images[:6], rotate(45))).abs().max() < 1e-6


def test_images_of_another_dtype_are_brought_to_the_model() -> None:
    model = small_model().double().eval()
    (rotate, _), images = model.flows(), stills(1, 3, 8, 8)
    assert edit(model, images, rotate(10)).dtype == torch.float64
    assert torch.equal(edit(model, images, rotate(10)), edit(model, images.double(), rotate(10)))


def test_a_noisy_model_needs_a_generator_and_has_no_density() -> None:
    config = LatentFlowConfig((3, 8, 8), units_of(["rotate"]), dim=4, channels=(4,), decoder_hidden=8, temperature=0.1)
    model = LatentFlow(config, generator=torch.Generator().manual_seed(0)).eval()
    (rotate,), images = model.flows(), stills(2, 3, 8, 8)
    with pytest.raises(ValueError, match="`generator` must be given at temperatures above 0"):
        edit(model, images, rotate(10))
    one, again = (edit(model, images, rotate(10), generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, again)
    assert trajectory(model, images, rotate(10), generator=torch.Generator().manual_seed(5)).log_q is None
