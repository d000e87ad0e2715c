"""The closed-form problems hold what they claim."""

from __future__ import annotations

import pytest
import torch

from tests.fields.banks import jacobian, normal
from tests.problems import Linear, Plane, Quadratic, Radial, Rotation, hamilton_jacobi_problems

PROBLEMS = {
    "linear": Linear(0.5 * normal(3, 3, seed=4)),
    "rotation": Rotation(0.7, dim=3),
    **dict(zip(("radial", "plane", "quadratic"), hamilton_jacobi_problems(3), strict=True)),
}
Problem = Linear | Rotation | Radial | Plane | Quadratic
problems = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)


@problems
def test_the_map_follows_the_velocity(problem: Problem) -> None:
    z, step = normal(4, 3), 1e-4
    torch.testing.assert_close(problem.flow(z, 0.0), z, rtol=0, atol=1e-14)
    # Central differences of order four: error about step^4, rounding about 1e-16 / step.
    near = [problem.flow(z, 0.6 + i * step) for i in (-2, -1, 1, 2)]
    slope = (near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * step)
    torch.testing.assert_close(problem(problem.flow(z, 0.6), 0.6), slope, rtol=0, atol=1e-10)


@problems
def test_log_determinant_and_divergence_are_the_maps(problem: Problem) -> None:
    z = normal(3)
    truth = torch.linalg.slogdet(jacobian(lambda x: problem.flow(x, 0.6), z))[1]
    torch.testing.assert_close(problem.log_det(0.6), truth, rtol=0, atol=1e-12)
    _, divergence = problem.velocity_and_divergence(z, 0.6)
    torch.testing.assert_close(divergence, jacobian(lambda x: problem(x, 0.6), z).trace(), rtol=0, atol=1e-12)


@problems
def test_a_problems_bank_is_its_field(problem: Problem) -> None:
    z, amounts = normal(4, 3), torch.tensor([0.5], dtype=torch.float64)
    velocity, divergence = problem.bank()(amounts).velocity_and_divergence(z, 0.8)
    wanted = problem.velocity_and_divergence(z, 0.4)
    torch.testing.assert_close(velocity, 0.5 * wanted[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(divergence, 0.5 * wanted[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("problem", hamilton_jacobi_problems(3), ids=["radial", "plane", "quadratic"])
def test_potentials_solve_the_hamilton_jacobi_equation(problem: Radial | Plane | Quadratic) -> None:
    z = normal(4, 3).requires_grad_()
    t = torch.full((4,), 0.6, dtype=torch.float64, requires_grad=True)
    by_z, by_t = torch.autograd.grad(problem.potential(z, t).sum(), (z, t))
    residual = by_t + 0.5 * by_z.square().sum(-1)
    torch.testing.assert_close(residual, torch.zeros_like(residual), rtol=0, atol=1e-13)
    torch.testing.assert_close(by_z, problem(z, t), rtol=0, atol=1e-13)
