"""Law 3: Ornstein-Uhlenbeck and linear Gaussian flows with noise."""

from __future__ import annotations

import math

import pytest
import torch

from flowdis.dynamics import Overdamped, Solver, transport
from flowdis.fields import LinearField
from flowdis.paths import Path


def linear(matrix: torch.Tensor) -> LinearField:
    bank = LinearField(("flow",), matrix.shape[-1]).double()
    bank.load_state_dict({"matrix": matrix[None]})
    return bank


def run(matrix: torch.Tensor, z: torch.Tensor, temperature: float, steps: int, segments: int = 1) -> torch.Tensor:
    path = Path(("flow",), torch.ones(segments, 1, dtype=torch.float64))
    return transport(
        linear(matrix),
        path,
        z,
        dynamics=Overdamped(temperature),
        solver=Solver("euler", steps=steps),
        generator=torch.Generator().manual_seed(1),
    ).z[-1]


def test_ornstein_uhlenbeck_mean_and_variance() -> None:
    theta, temperature, mean, variance, count = 0.8, 0.3, 1.5, 0.4, 100_000
    generator = torch.Generator().manual_seed(0)
    z = mean + math.sqrt(variance) * torch.randn(count, 1, generator=generator, dtype=torch.float64)
    end = run(torch.tensor([[-theta]], dtype=torch.float64), z, temperature, steps=200)
    decay = math.exp(-theta)
    spread = decay**2 * variance + temperature / theta * (1 - decay**2)
    # Four standard errors, and the scheme's bias of relative order theta / (2 steps).
    assert float(end.mean()) == pytest.approx(decay * mean, abs=4 * math.sqrt(spread / count) + 0.005)
    assert float(end.var()) == pytest.approx(spread, rel=4 * math.sqrt(2 / count) + 0.005)


def test_a_turning_part_of_the_drift_leaves_the_stationary_law_as_it_is() -> None:
    temperature, steps, count = 0.4, 400, 100_000
    generator = torch.Generator().manual_seed(0)
    turn = torch.tensor([[0.0, 1.3, 0.0], [-1.3, 0.0, 0.7], [0.0, -0.7, 0.0]], dtype=torch.float64)
    drift = -(temperature * torch.eye(3, dtype=torch.float64) + turn)
    z = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    end = run(drift, z, temperature, steps)
    moved = (end - z).square().sum(-1).mean()
    assert float(moved) > 1  # samples move, their law does not
    # Five standard errors, and the scheme's own variance: each step adds h^2 (T^2 I + S S^T).
    added = (temperature**2 + float(turn.square().sum())) / steps
    error = (end.T @ end / count - torch.eye(3, dtype=torch.float64)).abs().max()
    assert float(error) < 5 * math.sqrt(2 / count) + added


def test_euler_maruyama_meets_its_own_stationary_variance_and_not_the_continuous_one() -> None:
    theta, temperature, steps, count = 1.0, 0.5, 2, 200_000
    z = torch.zeros(count, 1, dtype=torch.float64)
    end = run(torch.tensor([[-theta]], dtype=torch.float64), z, temperature, steps=steps, segments=12)
    stationary = temperature / (theta * (1 - theta / (2 * steps)))
    assert float(end.var()) == pytest.approx(stationary, rel=4 * math.sqrt(2 / count))
    assert abs(float(end.var()) - temperature / theta) > 0.1


def test_linear_gaussian_flow_follows_its_moment_equations() -> None:
    matrix = torch.tensor([[-0.5, -1.0], [1.0, -0.2]], dtype=torch.float64)
    temperature, count = 0.2, 100_000
    z = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(count, 2)
    end = run(matrix, z, temperature, steps=400)
    # Van Loan: one block exponential holds both the propagator and the noise's covariance.
    block = torch.zeros(4, 4, dtype=torch.float64)
    block[:2, :2], block[:2, 2:], block[2:, 2:] = -matrix, 2 * temperature * torch.eye(2), matrix.mT
    exponential = torch.linalg.matrix_exp(block)
    propagator = exponential[2:, 2:].mT
    covariance = propagator @ exponential[:2, 2:]
    torch.testing.assert_close(end.mean(0), propagator @ z[0], rtol=0, atol=0.01)
    torch.testing.assert_close(end.T.cov(), covariance, rtol=0, atol=0.01)
