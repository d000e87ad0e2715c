from __future__ import annotations

import pytest
import torch

from flowdis.data import TransformSequences
from flowdis.data.motions import Steps
from flowdis.metrics import code_pairs, fit_controls, protocol_sequences
from tests.metrics.toys import brightness_model, grey, small_model


def brightened(count, generator, frames=None):
    sequences = TransformSequences(grey(count), {"brightness": Steps(1.05, start=(0.8, 1.1))})
    return sequences.batch(torch.arange(count), generator=generator, frames=frames)


def test_pairs_are_neighbouring_frames_with_their_amounts(generator):
    model, batch = brightness_model(), brightened(5, generator)
    start, end, amounts = code_pairs(model, {"brightness": batch})
    assert start.shape == end.shape == (40, 48)
    # Pixels are multiplied by exp(amount times the unit's step), whatever is in the batch.
    factors = (amounts[:, 1] * model.units["brightness"].step).exp()
    torch.testing.assert_close(end, start * factors[:, None], rtol=1e-9, atol=0)
    assert not amounts[:, 0].any()


def test_pairs_start_at_the_first_image_when_only_some_frames_are_seen(generator):
    model = brightness_model()
    batch = brightened(5, generator, frames=3)
    start, end, amounts = code_pairs(model, {"brightness": batch})
    factors = (amounts[:, 1] * model.units["brightness"].step).exp()
    torch.testing.assert_close(end, start * factors[:, None], rtol=1e-9, atol=0)


def test_the_linear_control_finds_a_linear_flow(generator):
    model = brightness_model()
    # Only grey images are seen, so only what the matrix does to grey codes is known.
    matrix = fit_controls(model, {"brightness": brightened(40, generator)})["linear"].matrix
    z = grey(4).flatten(1)
    truth = z * model.units["brightness"].step
    # The ridge is 1e-4 of the mean squared regressor, of which grey pixels have few strong directions.
    assert float((z @ matrix[1].mT - truth).norm() / truth.norm()) < 0.02
    assert not matrix[0].any()


def test_the_constant_control_is_the_mean_velocity(generator):
    model, batch = brightness_model(), brightened(20, generator)
    direction = fit_controls(model, {"brightness": batch})["constant"].direction
    start, end, amounts = code_pairs(model, {"brightness": batch})
    step = amounts[:, 1:]
    torch.testing.assert_close(direction[1], ((end - start) * step).sum(0) / step.square().sum())
    assert not direction[0].any()


def test_controls_of_all_transformations_are_fitted_together(generator):
    model = small_model("rotate", "hue", "scale")
    images = torch.rand(20, 3, 8, 8, generator=generator).double()
    controls = fit_controls(model, protocol_sequences(model, images, "orbit", generator=generator))
    assert set(controls) == {"constant", "linear"}
    for bank in controls.values():
        assert bank.names == model.names
        assert all(parameter.flatten(1).any(1).all() for parameter in bank.parameters())
        assert not any(parameter.requires_grad for parameter in bank.parameters())


def test_too_few_pairs_leave_the_linear_control_out(generator):
    assert set(fit_controls(brightness_model(), {"brightness": brightened(2, generator)})) == {"constant"}


def test_nothing_to_fit_is_an_error(generator):
    model = brightness_model()
    with pytest.raises(ValueError, match="at least two frames"):
        fit_controls(model, {})
    still = TransformSequences(grey(), {"hue": Steps(20.0), "brightness": Steps(1.0)}, which="brightness")
    with pytest.raises(ValueError, match="only zero amounts"):
        fit_controls(model, {"brightness": still.batch(torch.arange(3), generator=generator)})
