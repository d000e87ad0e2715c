"""Law 4: the algebra of paths, as the flows that they move."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flowdis.dynamics import Solver, transport
from flowdis.fields import HelmholtzField, LinearField, PotentialField
from flowdis.paths import Path, Unit, flows

TIGHT = Solver("dopri5", rtol=1e-11, atol=1e-12)
A, B = flows({"a": Unit(), "b": Unit()})


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(first: Tensor, second: Tensor) -> LinearField:
    bank = LinearField(("a", "b"), first.shape[-1]).double()
    bank.load_state_dict({"matrix": torch.stack([first, second])})
    return bank


def neural(clocked: bool) -> PotentialField | HelmholtzField:
    generator = torch.Generator().manual_seed(0)
    if clocked:
        return PotentialField(("a", "b"), 4, hidden=16, clocked=True, generator=generator).double()
    return HelmholtzField(("a", "b"), 4, hidden=16, generator=generator).double()


def end(bank: torch.nn.Module, path: Path, z: Tensor, solver: Solver = TIGHT) -> Tensor:
    return transport(bank, path, z, solver=solver).z[-1]


@pytest.mark.parametrize("clocked", [False, True])
def test_a_path_and_back_is_the_identity(clocked: bool) -> None:
    z = draw(5, 4)
    path = (A(1.3, clock=0.4) >> B(-2.0)) >> (A(0.5) + B(0.7))
    torch.testing.assert_close(end(neural(clocked), path >> ~path, z), z, rtol=0, atol=1e-8)
    torch.testing.assert_close(end(neural(clocked), ~path >> path, z), z, rtol=0, atol=1e-8)


def test_one_autonomous_flow_adds_its_amounts() -> None:
    z = draw(5, 4)
    torch.testing.assert_close(
        end(neural(False), A(0.8) >> A(1.1), z), end(neural(False), A(1.9), z), rtol=0, atol=1e-8
    )


def test_a_clocked_flow_adds_its_amounts_when_its_clock_runs_on() -> None:
    z, bank = draw(5, 4), neural(True)
    split = (A(0.8) >> A(1.1)).running()
    torch.testing.assert_close(end(bank, split, z), end(bank, A(1.9), z), rtol=0, atol=1e-8)
    assert (end(bank, A(0.8) >> A(1.1), z) - end(bank, A(1.9), z)).abs().max() > 1e-4


def test_addition_commutes_and_is_one_flow_of_the_summed_velocity() -> None:
    z, bank = draw(5, 4), neural(False)
    torch.testing.assert_close(end(bank, A(0.8) + B(-1.0), z), end(bank, B(-1.0) + A(0.8), z), rtol=0, atol=1e-12)
    velocity = bank((A(0.8) + B(-1.0)).amounts[0])(z, 0.0)
    torch.testing.assert_close(velocity, 0.8 * bank["a"](z, 0.0) - bank["b"](z, 0.0), rtol=0, atol=1e-12)


def test_back_reverses_rows_and_signs() -> None:
    path = A(1.0) >> (A(2.0) + B(3.0))
    assert (~path).amounts.tolist() == [[-2.0, -3.0], [-1.0, -0.0]]
    assert torch.equal((~~path).amounts, path.amounts)
    assert torch.equal((0.5 * path).amounts, 0.5 * path.amounts)


def test_order_matters_as_published_for_a_quarter_turn_and_a_stretch() -> None:
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    stretch = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    bank, z = linear(turn, stretch), torch.tensor([1.0, 0.0], dtype=torch.float64)
    first_turn = end(bank, A(math.pi / 2) >> B(1.0), z)
    first_stretch = end(bank, B(1.0) >> A(math.pi / 2), z)
    torch.testing.assert_close(first_turn, torch.tensor([0.0, 1.0], dtype=torch.float64), rtol=0, atol=1e-8)
    torch.testing.assert_close(first_stretch, torch.tensor([0.0, math.e], dtype=torch.float64), rtol=0, atol=1e-8)


def test_commuting_flows_compose_alike_in_sequence_and_at_once() -> None:
    matrix = 0.4 * draw(4, 4)
    bank, z = linear(matrix, matrix @ matrix), draw(5, 4, seed=1)
    both = end(bank, A(0.9) + B(0.6), z)
    for path in (A(0.9) >> B(0.6), B(0.6) >> A(0.9)):
        torch.testing.assert_close(end(bank, path, z), both, rtol=0, atol=1e-8)


def test_the_gap_of_flows_that_do_not_commute_is_half_their_bracket() -> None:
    first, second = 0.5 * draw(3, 3), 0.5 * draw(3, 3, seed=1)
    bank, z = linear(first, second), draw(3, seed=2)
    # [v_a, v_b] of linear fields, as (D v_b) v_a - (D v_a) v_b.
    bracket = (second @ first - first @ second) @ z

    def remainder(size: float) -> float:
        gap = end(bank, A(size) >> B(size), z) - end(bank, A(size) + B(size), z)
        return float((gap - 0.5 * size**2 * bracket).detach().norm())

    assert math.log2(remainder(0.08) / remainder(0.04)) == pytest.approx(3, abs=0.3)


def test_alternating_small_steps_converge_to_the_linear_mix_as_one_over_n() -> None:
    bank, z = neural(False), draw(5, 4)
    goal = end(bank, A(1.0) + B(1.0), z)

    def error(n: int) -> float:
        path = A(1.0 / n) >> B(1.0 / n)
        for _ in range(n - 1):
            path = path >> A(1.0 / n) >> B(1.0 / n)
        return float((end(bank, path, z, Solver(steps=4)) - goal).detach().norm())

    assert math.log2(error(8) / error(16)) == pytest.approx(1, abs=0.15)


def test_amounts_per_sample_equal_one_path_each() -> None:
    bank, z = neural(False), draw(3, 4)
    values = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    together = end(bank, A(values) >> B(0.5), z, Solver())
    for i, value in enumerate(values):
        alone = end(bank, A(float(value)) >> B(0.5), z[i], Solver())
        torch.testing.assert_close(together[i], alone, rtol=0, atol=1e-12)
