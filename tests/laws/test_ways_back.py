"""Law 4 for motion with inertia: there and back, on and on, the other way; and clocks that tell them apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowdis.dynamics import Overdamped, Solver, Underdamped, advance, transport
from flowdis.dynamics.retrace import retraced
from flowdis.fields import FieldBank, HelmholtzField, PotentialField, WaveField
from flowdis.paths import Path, Unit, flows

A, B = flows({"a": Unit(), "b": Unit()})
MOTION = Underdamped(damping=2.0, stiffness=0.5)
COARSE = Solver(steps_per_unit=6.0)
KINDS = {
    "still": lambda g: HelmholtzField(("a", "b"), 4, hidden=8, generator=g),
    "clocked": lambda g: PotentialField(("a", "b"), 4, hidden=8, clocked=True, generator=g),
    "wave": lambda g: WaveField(("a", "b"), 4, hidden=8, generator=g),
    "rest": lambda g: WaveField(("a", "b"), 4, hidden=8, rest=True, generator=g),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def build(kind: str) -> FieldBank:
    return KINDS[kind](torch.Generator().manual_seed(0)).double().requires_grad_(False)


def end(bank: FieldBank, path: Path, z: Tensor, dynamics: object = MOTION, solver: Solver | None = None) -> Tensor:
    return transport(bank, path, z, dynamics=dynamics, solver=solver).z[-1]


@kinds
def test_a_path_and_back_is_the_identity(kind: str) -> None:
    bank, z = build(kind), draw(5, 4)
    path = (A(1.3, clock=0.4) >> B(-2.0)) >> (A(0.5) + B(0.7))
    for there, back in ((path, ~path), (~path, path)):
        for dynamics, solver in ((MOTION, COARSE), (Overdamped(), None)):
            torch.testing.assert_close(end(bank, there >> back, z, dynamics, solver), z, rtol=0, atol=1e-8)
        assert float((end(bank, there, z, solver=COARSE) - z).norm(dim=-1).min()) > 1e-2


def test_frames_on_the_way_back_are_those_of_the_way_there_and_so_are_densities() -> None:
    bank, z, path = build("clocked"), draw(5, 4), A(1.3) >> B(-2.0)
    generator = torch.Generator().manual_seed(0)
    walk = transport(bank, path >> ~path, z, dynamics=MOTION, frames=12, log_q=z.sum(-1), generator=generator)
    states, densities = walk.states, walk.log_q
    torch.testing.assert_close(states[6:11], states[:5].flip(0), rtol=0, atol=1e-14)
    torch.testing.assert_close(densities[6:11], densities[:5].flip(0), rtol=0, atol=1e-13)
    assert not torch.equal(states[0], states[1])
    torch.testing.assert_close(walk.z[-1], z, rtol=0, atol=0)


@kinds
def test_retracing_is_the_exact_inverse_of_the_steps(kind: str) -> None:
    bank, z, steps = build(kind), draw(5, 4), 24
    walk = transport(bank, A(1.5), z, dynamics=MOTION, solver=Solver("euler", steps=steps))
    state, h = walk.states[-1], 1.5 / steps
    for i in reversed(range(steps)):
        state, _ = advance(MOTION, bank["a"], state, (i + 1) * h, -h)
    torch.testing.assert_close(MOTION.project(state), z, rtol=0, atol=1e-11)


def test_in_single_precision_a_long_damped_path_comes_back_where_inverting_its_steps_does_not() -> None:
    bank, z, path = build("still").float(), draw(5, 4).float(), A(12.0)
    torch.testing.assert_close(end(bank, path >> ~path, z), z, rtol=0, atol=0)
    state = transport(bank, path, z, dynamics=MOTION, solver=Solver("euler", steps=300)).states[-1]
    for _ in range(300):
        state, _ = advance(MOTION, bank["a"], state, 0.0, -0.04)
    assert not float((MOTION.project(state) - z).abs().max()) < 1.0


def test_momentum_is_carried_so_that_one_flow_adds_its_amounts() -> None:
    bank, z = build("still"), draw(5, 4)
    fine = Solver("euler", steps_per_unit=160)
    whole = transport(bank, A(1.9), z, dynamics=MOTION, solver=fine).states[-1]
    parts = transport(bank, A(0.8) >> A(1.1), z, dynamics=MOTION, solver=fine).states[-1]
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5)
    again = end(bank, A(1.1), end(bank, A(0.8), z))
    assert float((again - whole[:, :4]).abs().max()) > 1e-4  # launched anew


def test_staying_first_does_not_change_a_launch() -> None:
    bank, z = build("clocked"), draw(5, 4)
    launched = end(bank, A(1.0, clock=0.3), z)
    torch.testing.assert_close(end(bank, A(0.0) >> A(1.0, clock=0.3), z), launched, rtol=0, atol=0)
    torch.testing.assert_close(end(bank, A(0.0) >> B(0.0), z), z, rtol=0, atol=0)


def test_addition_commutes() -> None:
    bank, z = build("still"), draw(5, 4)
    torch.testing.assert_close(end(bank, A(0.8) + B(-1.0), z), end(bank, B(-1.0) + A(0.8), z), rtol=0, atol=1e-12)


def test_a_negative_amount_runs_the_field_backwards_in_positive_time() -> None:
    bank, z = build("still"), draw(5, 4)
    forward, backward = (
        transport(bank, A(amount), z, dynamics=MOTION, frames=torch.zeros(1)).states[0] for amount in (1.0, -1.0)
    )
    torch.testing.assert_close(MOTION.momentum(backward), -MOTION.momentum(forward), rtol=0, atol=0)
    stiff = Underdamped(damping=60.0)
    error = end(bank, A(-1.0), z, stiff) - end(bank, A(-1.0), z, Overdamped())
    assert float(error.abs().max()) < 0.02 * float((end(bank, A(-1.0), z) - z).abs().max()) + 1e-2


def test_the_inverse_and_the_opposite_are_two_things() -> None:
    bank, z, path = build("still"), draw(5, 4), A(1.0) >> B(0.5)
    assert path.opposite().amounts.tolist() == [[-1.0, -0.0], [-0.0, -0.5]]
    assert (~path).amounts.tolist() == [[-0.0, -0.5], [-1.0, -0.0]]
    # For motion with inertia, the opposite after a path is a new motion, which its momentum carries past the start.
    assert float((end(bank, A(1.0) >> A(1.0).opposite(), z) - z).abs().max()) > 1e-3
    torch.testing.assert_close(end(bank, A(1.0) >> ~A(1.0), z), z, rtol=0, atol=0)
    # A way back with nothing behind it is a launch the other way.
    torch.testing.assert_close(end(bank, ~A(1.0), z), end(bank, A(-1.0), z), rtol=0, atol=1e-12)


def test_a_wave_from_rest_is_undone_by_the_inverse_and_mirrored_by_the_opposite() -> None:
    bank, z, path = build("rest"), draw(5, 4), A(1.2) >> B(0.7, clock=0.3)
    torch.testing.assert_close(end(bank, path >> ~path, z, Overdamped()), z, rtol=0, atol=1e-8)
    opposite = path.opposite()
    for row in range(2):
        for s in (0.0, 0.4, 1.0):
            forward = bank(path.amounts[row], path.clock(row))(z, s)
            mirrored = bank(opposite.amounts[row], opposite.clock(row))(z, s)
            torch.testing.assert_close(mirrored, -forward, rtol=0, atol=0)
    moved = end(bank, A(1.2) >> A(1.2).opposite(), z, Overdamped()) - z
    assert float(moved.abs().max()) > 1e-5
    for twice in (~~path, path.opposite().opposite()):
        torch.testing.assert_close(twice.amounts, path.amounts, rtol=0, atol=0)
    torch.testing.assert_close((~path).opposite().clocks, (~path.opposite()).clocks, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("path", "ways"),
    [
        (A(1.0) >> A(-1.0), None),
        (A(1.0), None),
        (A(1.0) >> ~A(1.0), [-1, 0]),
        (~A(1.0) >> A(1.0), [-1, 0]),
        (A(1.0) >> A(0.0) >> ~A(1.0), [-1, -1, 0]),
        (A(1.0) >> B(2.0) >> ~B(2.0) >> ~A(1.0), [-1, -1, 1, 0]),
        (A(1.0) >> B(2.0) >> ~A(1.0), None),
        (A(1.0) >> ~A(0.5), None),
        (A(1.0) >> ~A(1.0) >> A(1.0) >> ~A(1.0), [-1, 0, -1, 2]),
        (A(1.0, clock=0.7) >> ~A(1.0), None),
        ((A(0.1) + B(0.3, clock=0.7)) >> ~(A(0.1) + B(0.3, clock=0.7)), [-1, 0]),
        (A(0.1, clock=0.3) >> ~~~A(0.1, clock=0.3), [-1, 0]),
    ],
)
def test_which_segments_close_which(path: Path, ways: list[int] | None) -> None:
    for dtype in (torch.float64, torch.float32):
        found = retraced(path.to(torch.empty(0, dtype=dtype)))
        assert (found if ways is None else found.tolist()) == ways


def test_each_sample_comes_back_on_its_own_way_whatever_its_batch() -> None:
    bank, z = build("clocked"), draw(4, 4)
    there, back = torch.tensor([0.5, -1.0, 0.0, 1.5]).double(), torch.tensor([0.5, -0.4, 0.0, 1.5]).double()
    path = A(there) >> ~A(back) >> B(0.5)
    assert retraced(path).tolist() == [[-1, -1, -1, -1], [0, -1, -1, 0], [-1, -1, -1, -1]]
    frames = torch.tensor([0.5, 1.75, 2.0, 3.0]).double()
    together = transport(bank, path, z, dynamics=MOTION, solver=COARSE, frames=frames)
    for i in range(4):
        one = A(float(there[i])) >> ~A(float(back[i])) >> B(0.5)
        alone = transport(bank, one, z[i], dynamics=MOTION, solver=COARSE, frames=frames)
        # A frame on the way back is a stop on the way there, which changes the steps a little.
        torch.testing.assert_close(together.states[:, i], alone.states, rtol=0, atol=1e-4)
        last = transport(bank, one, z[i], dynamics=MOTION, solver=COARSE).states[-1]
        torch.testing.assert_close(
            transport(bank, path, z, dynamics=MOTION, solver=COARSE).states[-1, i], last, rtol=0, atol=1e-12
        )
    torch.testing.assert_close(together.z[2, [0, 2, 3]], z[[0, 2, 3]], rtol=0, atol=0)
