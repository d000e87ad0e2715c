from __future__ import annotations

import pytest
import torch

from flowdis.dynamics import Solver
from flowdis.metrics import undo_error
from tests.metrics.toys import brightness_model, grey, linear_model, small_model


def turning(temperature=0.0):
    """Codes that turn, by 45 degrees an amount, in 24 planes."""
    matrix = torch.zeros(48, 48, dtype=torch.float64)
    matrix[:24, 24:], matrix[24:, :24] = -torch.eye(24) * torch.pi / 4, torch.eye(24) * torch.pi / 4
    return linear_model({"rotate": matrix, "hue": matrix.flip(0, 1) / 2}, temperature=temperature)


def test_two_full_turns_are_undone():
    model = turning()
    rotate, hue = model.flows()
    error = undo_error(model, grey(), rotate(720) >> hue(720), solver=Solver("dopri5", rtol=1e-10, atol=1e-10))
    assert error.latent < 1e-8
    assert error.latent_mean <= error.latent
    assert error.pixels < 1e-6
    # The default's fixed steps follow the amount.
    assert undo_error(model, grey(), rotate(720) >> hue(720)).latent < 1e-3


def test_the_error_is_the_solvers():
    model = turning()
    path = model.flows("rotate")[0](360)
    coarse, fine = (undo_error(model, grey(), path, solver=Solver(steps=steps)).latent for steps in (16, 32))
    # What Runge-Kutta steps lose, in the length of the codes, is of order 6 a step and 5 over the path.
    assert 16 < coarse / fine < 64


def test_a_path_that_does_not_move_leaves_nothing():
    model = brightness_model()
    error = undo_error(model, grey(), model.flows("hue")[0](360))
    assert (error.pixels, error.latent, error.latent_mean) == (0.0, 0.0, 0.0)


def test_it_is_the_distance_there_and_back():
    model = small_model("rotate", "scale")
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    path, solver = model.flows("rotate")[0](torch.tensor([45.0, -90.0, 360.0])), Solver("euler", steps=2)
    with torch.no_grad():
        z = model.encode(images).mean
        back = model.transport(path >> ~path, z, solver=solver).z[-1]
        ratios = (back - z).norm(dim=-1) / z.norm(dim=-1)
        pixels = (model.decode(back) - model.decode(z)).abs().sum((1, 2, 3))
    for batch_size in (1, 2, 250):
        error = undo_error(model, images, path, solver=solver, batch_size=batch_size)
        assert error.latent == pytest.approx(float(ratios.max()), rel=1e-9)
        assert error.latent_mean == pytest.approx(float(ratios.mean()), rel=1e-9)
        assert error.pixels == pytest.approx(float(pixels.mean()), rel=1e-9)
    assert set(error.to_json()) == {"pixels", "latent", "latent_mean"}


def test_noise_cannot_be_undone():
    model = turning(temperature=0.1)
    with pytest.raises(ValueError, match="`model` must have temperature 0 to undo a path, got 0.1"):
        undo_error(model, grey(), model.flows("rotate")[0](45))
