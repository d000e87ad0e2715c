"""Law 2: flows, densities and solvers against closed forms and autograd."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flowdis import dynamics
from flowdis.dynamics import Solver, transport
from flowdis.fields import HelmholtzField, LinearField, PotentialField
from flowdis.models import gaussian_log_density
from flowdis.paths import Path
from tests import problems

TIGHT = Solver("dopri5", rtol=1e-11, atol=1e-12)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(matrices: Tensor, names: tuple[str, ...]) -> LinearField:
    bank = LinearField(names, matrices.shape[-1]).double()
    bank.load_state_dict({"matrix": matrices})
    return bank


def amounts(*rows: list[float]) -> Path:
    names = tuple(f"flow{i}" for i in range(len(rows[0]))) if len(rows[0]) > 1 else ("flow",)
    return Path(names, torch.tensor(rows, dtype=torch.float64))


def test_linear_flow_is_the_matrix_exponential() -> None:
    matrix, z = 0.5 * draw(4, 4), draw(6, 4, seed=1)
    result = transport(linear(matrix[None], ("flow",)), amounts([1.7]), z, solver=TIGHT).z[-1]
    torch.testing.assert_close(result, z @ torch.linalg.matrix_exp(1.7 * matrix).mT, rtol=1e-8, atol=1e-9)


def test_gaussian_pushed_by_a_linear_flow_keeps_its_closed_form_density() -> None:
    matrix, mean = 0.4 * draw(3, 3), draw(3, seed=1)
    factor = torch.eye(3, dtype=torch.float64) + 0.3 * draw(3, 3, seed=2).tril()
    start = torch.distributions.MultivariateNormal(mean, scale_tril=factor)
    z = mean + draw(50, 3, seed=3) @ factor.mT
    result = transport(linear(matrix[None], ("flow",)), amounts([1.2]), z, log_q=start.log_prob(z), solver=TIGHT)
    spread = torch.linalg.matrix_exp(1.2 * matrix)
    end = torch.distributions.MultivariateNormal(spread @ mean, spread @ factor @ factor.mT @ spread.mT)
    torch.testing.assert_close(result.log_q[-1], end.log_prob(result.z[-1]), rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", [HelmholtzField, PotentialField])
def test_density_of_a_neural_flow_agrees_with_the_whole_map_s_determinant(kind: type) -> None:
    bank = kind(("a", "b"), 5, hidden=16, generator=torch.Generator().manual_seed(0)).double()
    path = Path(("a", "b"), torch.tensor([[1.5, -0.5], [0.0, 2.0]], dtype=torch.float64))
    z = draw(5)
    log_q = gaussian_log_density(z, 0.0, 0.0)
    result = transport(bank, path, z, log_q=log_q, solver=TIGHT)
    jacobian = torch.autograd.functional.jacobian(lambda y: transport(bank, path, y, solver=TIGHT).z[-1], z)
    expected = log_q - torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close(result.log_q[-1], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("problem", problems.hamilton_jacobi_problems(), ids=lambda p: type(p).__name__)
def test_clocked_exact_flows_and_their_determinants_are_met(problem: object) -> None:
    z = draw(4, 3, seed=5)
    result = transport(problem.bank(), amounts([0.8]), z, log_q=torch.zeros(4).double(), solver=TIGHT)
    torch.testing.assert_close(result.z[-1], problem.flow(z, 0.8), rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(-result.log_q[-1], problem.log_det(0.8).expand(4), rtol=0, atol=1e-7)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_solvers_converge_at_their_order(method: str, order: int) -> None:
    rotation, z = problems.Rotation(), torch.tensor([1.0, 0.5], dtype=torch.float64)
    exact = rotation.flow(z, 1.0)

    def error(steps: int) -> float:
        result = transport(rotation.bank(), amounts([1.0]), z, solver=Solver(method, steps=steps))
        return float((result.z[-1] - exact).detach().norm())

    assert math.log2(error(8) / error(16)) == pytest.approx(order, abs=0.25)


def test_fixed_steps_cost_what_they_say() -> None:
    z = draw(3, 2)
    for method, per_step in (("euler", 1), ("midpoint", 2), ("rk4", 4)):
        result = transport(problems.Rotation().bank(), amounts([1.0]), z, solver=Solver(method, steps=50))
        assert result.nfe == 50 * per_step


def test_steps_follow_the_amount_and_not_the_batch_mates() -> None:
    bank = HelmholtzField(("flow",), 4, hidden=16, generator=torch.Generator().manual_seed(0)).double()
    z, values = draw(6, 4), torch.tensor([0.1, -3.0, 0.7, 8.0, 0.0, 2.0], dtype=torch.float64)
    together = transport(bank, Path(("flow",), values[None, :, None]), z, log_q=z.sum(-1))
    for i, value in enumerate(values):
        alone = transport(bank, Path(("flow",), value.reshape(1, 1)), z[i], log_q=z[i].sum(-1))
        torch.testing.assert_close(together.z[-1, i], alone.z[-1], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(together.log_q[-1, i], alone.log_q[-1], rtol=1e-12, atol=1e-12)


def test_all_frames_of_one_integration_lie_on_the_exact_curve() -> None:
    rotation, z = problems.Rotation(), draw(3, 2)
    path = amounts([1.0]) >> amounts([-2.0])
    times = torch.tensor([0.0, 0.25, 1.0, 1.5, 2.0], dtype=torch.float64)
    result = transport(rotation.bank(), path, z, frames=times, solver=TIGHT)
    for frame, angle in zip(result.z, [0.0, 0.25, 1.0, 0.0, -1.0], strict=True):
        torch.testing.assert_close(frame, rotation.flow(z, angle), rtol=0, atol=1e-9)


def test_a_rotation_keeps_lengths_and_densities_and_comes_round() -> None:
    rotation, z = problems.Rotation(dim=3), draw(6, 3)
    log_q = gaussian_log_density(z, 0.0, 0.0)
    times = torch.tensor([0.3, 0.7, 1.0], dtype=torch.float64)
    walk = transport(rotation.bank(), amounts([2 * math.pi]), z, frames=times, log_q=log_q, solver=TIGHT)
    torch.testing.assert_close(walk.z.norm(dim=-1), z.norm(dim=-1).expand(3, 6), rtol=0, atol=1e-9)
    torch.testing.assert_close(walk.log_q, gaussian_log_density(walk.z, 0.0, 0.0), rtol=0, atol=1e-9)
    torch.testing.assert_close(walk.z[-1], z, rtol=0, atol=1e-9)


def test_adjoint_gradients_equal_those_of_backpropagation() -> None:
    bank = HelmholtzField(("a", "b", "unused"), 3, hidden=8, generator=torch.Generator().manual_seed(0)).double()
    z = draw(4, 3)
    gradients = []
    for adjoint in (False, True):
        start = z.clone().requires_grad_()
        moved = torch.tensor([[0.8, -0.4, 0.0]], dtype=torch.float64, requires_grad=True)
        solver = Solver("dopri5", rtol=1e-10, atol=1e-11, adjoint=adjoint)
        result = transport(bank, Path(bank.names, moved), start, solver=solver, log_q=start.sum(-1))
        bank.zero_grad()
        (result.z.square().sum() + result.log_q.sum()).backward()
        gradients.append([start.grad, moved.grad, *[p.grad.clone() for p in bank.parameters()]])
    for plain, adjoint_gradient in zip(*gradients, strict=True):
        torch.testing.assert_close(adjoint_gradient, plain, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_latents_are_integrated_in_single_precision(dtype: torch.dtype) -> None:
    z = torch.tensor([[1.0, 0.5]], dtype=dtype)
    result = transport(problems.Rotation().bank().float(), amounts([1.0]), z)
    assert result.z.dtype == dtype
    exact = problems.Rotation().flow(z.double(), 1.0)
    torch.testing.assert_close(result.z[-1].double(), exact, rtol=0, atol=2 * torch.finfo(dtype).eps)


def test_velocity_runs_under_no_grad_and_inference_mode() -> None:
    bank = PotentialField(("flow",), 2, hidden=8, generator=torch.Generator().manual_seed(0))
    plain = transport(bank, amounts([1.0]), torch.ones(2)).z
    with torch.inference_mode():
        quiet = transport(bank, amounts([1.0]), torch.ones(2)).z
    torch.testing.assert_close(plain.detach(), quiet.clone())


def test_dynamics_names_are_listed() -> None:
    assert set(dynamics.DYNAMICS) == {"overdamped", "underdamped"}
    assert set(dynamics.SOLVERS) == {"rk4", "midpoint", "euler", "dopri5"}
