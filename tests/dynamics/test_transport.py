"""What transport refuses, and how it fails."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flowdis.dynamics import FlowError, Overdamped, Solver, frame_times, transport
from flowdis.fields import AutogradField, HelmholtzField
from flowdis.paths import Path


class Blowup(nn.Module):
    """z' = z^2, which leaves for infinity at time 1 / z_0."""

    def forward(self, z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return z.square()


def bank() -> HelmholtzField:
    return HelmholtzField(("rotate", "hue"), 3, hidden=8, generator=torch.Generator().manual_seed(0))


def path(*amounts: float) -> Path:
    return Path(("rotate", "hue"), torch.tensor([amounts]))


@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_a_flow_that_leaves_for_infinity_names_flow_sample_and_time(method: str) -> None:
    field = AutogradField(("growth",), 1, [Blowup()])
    z = torch.tensor([[0.1], [1.0], [0.2]])
    with pytest.raises(FlowError, match=r"flow of growth failed at sample 1, time .* of the path"):
        transport(field, Path(("growth",), torch.tensor([[3.0]])), z, solver=Solver(method))


def test_latents_that_are_not_finite_are_named_before_any_work() -> None:
    z = torch.zeros(2, 3)
    z[1, 2] = float("nan")
    with pytest.raises(ValueError, match=r"`z` must be finite, got nan at index \(1, 2\)"):
        transport(bank(), path(1.0, 0.0), z)


def test_integer_latents_are_refused() -> None:
    # Under the tests' type checker the annotation refuses them first, with a TypeError of its own.
    with pytest.raises(TypeError, match="z"):
        transport(bank(), path(1.0, 0.0), torch.zeros(2, 3, dtype=torch.long))


def test_a_path_of_another_model_is_refused() -> None:
    other = Path(("rotate", "scale"), torch.tensor([[1.0, 0.0]]))
    with pytest.raises(ValueError, match=r"`path` must move .*rotate, hue.*got .*rotate, scale"):
        transport(bank(), other, torch.zeros(2, 3))


def test_amounts_for_another_batch_are_refused() -> None:
    per_sample = Path(("rotate", "hue"), torch.ones(1, 4, 2))
    with pytest.raises(ValueError, match=r"one per sample of `z` with shape \(2, 3\)"):
        transport(bank(), per_sample, torch.zeros(2, 3))


def test_density_of_a_noisy_flow_is_refused_rather_than_guessed() -> None:
    with pytest.raises(ValueError, match="`log_q` can only be transported without noise"):
        transport(
            bank(),
            path(1.0, 0.0),
            torch.zeros(2, 3),
            dynamics=Overdamped(0.1),
            log_q=torch.zeros(2),
            generator=torch.Generator(),
        )


def test_noise_needs_a_generator() -> None:
    with pytest.raises(ValueError, match="`generator` must be given"):
        transport(bank(), path(1.0, 0.0), torch.zeros(2, 3), dynamics=Overdamped(0.1))


@pytest.mark.parametrize("frames", [0, torch.tensor([0.5, 0.2]), torch.tensor([1.5]), torch.tensor([-0.1])])
def test_frames_outside_the_path_are_refused(frames: int | torch.Tensor) -> None:
    with pytest.raises(ValueError, match="`frames` must be"):
        frame_times(frames, 1)


def test_a_path_of_one_time_at_its_start_returns_the_start() -> None:
    z = torch.ones(2, 3)
    result = transport(bank(), path(1.0, 0.0), z, frames=torch.tensor([0.0]))
    assert result.nfe == 0
    assert torch.equal(result.z[0], z)


def test_a_path_that_does_not_move_returns_the_start() -> None:
    z = torch.ones(2, 3)
    assert torch.equal(transport(bank(), path(0.0, 0.0), z).z[0], z)


def test_unused_flows_get_no_gradient_of_the_wrong_shape() -> None:
    fields = bank()
    transport(fields, path(1.0, 0.0), torch.ones(2, 3)).z.sum().backward()
    for parameter in fields.parameters():
        assert parameter.grad is not None and parameter.grad.shape == parameter.shape
        assert not parameter.grad[1].any()


@pytest.mark.parametrize("options", [{"method": "rk5"}, {"steps_per_unit": 0.0}, {"steps": 0}, {"rtol": -1.0}])
def test_solvers_check_their_settings(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Solver(**options)


def test_temperature_is_checked() -> None:
    with pytest.raises(ValueError, match="temperature"):
        Overdamped(-1.0)
