"""Underdamped motion: what it takes and refuses, what starts it, and that samples and gradients come out right."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowdis.dynamics import DYNAMICS, FlowError, Overdamped, Solver, Underdamped, advance, transport
from flowdis.dynamics.segments import first_motion, unit_mix
from flowdis.fields import HelmholtzField, LinearField
from flowdis.paths import Path

NAMES = ("rotate", "hue")


def bank() -> HelmholtzField:
    return HelmholtzField(NAMES, 3, hidden=8, generator=torch.Generator().manual_seed(0)).double()


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def path(*rows: tuple[float, float]) -> Path:
    return Path(NAMES, torch.tensor(rows, dtype=torch.float64))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"temperature": -1.0}, "`temperature` must be a finite number >= 0, got -1.0"),
        ({"damping": -0.1}, "`damping` must be a finite number >= 0, got -0.1"),
        ({"damping": float("nan")}, "`damping` must be a finite number >= 0, got nan"),
        ({"stiffness": -1.0}, "`stiffness` must be"),
        ({"coupling": -1.0}, "`coupling` must be"),
        ({"spread": -1.0}, "`spread` must be"),
        ({"start": "still"}, "`start` must be one of launch, rest, got 'still'"),
        ({"damping": 0.0}, "`coupling` must be given where `damping` is 0"),
        ({"damping": torch.ones(2)}, r"`damping` must be one number, got shape \(2,\)"),
        ({"stiffness": torch.tensor(-1.0)}, "`stiffness` must be"),
    ],
)
def test_numbers_are_checked(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Underdamped(**options)


def test_a_state_of_the_wrong_size_or_kind_is_named() -> None:
    motion, field, odd = Underdamped(), bank()["hue"], torch.zeros(2, 5, dtype=torch.float64)
    attempts = (
        lambda: motion.project(odd),
        lambda: motion.momentum(odd),
        lambda: motion.energy(odd),
        lambda: motion.drift(field, odd, 0.0),
        lambda: motion.drift_and_divergence(field, odd, 0.0),
        lambda: advance(motion, field, odd, 0.0, 0.1),
    )
    for attempt in attempts:
        with pytest.raises(ValueError, match=r"`state` must end in 2 D numbers, .*got shape \(2, 5\)"):
            attempt()
    with pytest.raises(ValueError, match=r"`z` must end in D=3, got shape \(2, 2\)"):
        motion.drift(field, torch.zeros(2, 4, dtype=torch.float64), 0.0)
    with pytest.raises(ValueError, match=r"`z` must end in D=3, got shape \(2, 6\)"):
        Overdamped().drift(field, torch.zeros(2, 6, dtype=torch.float64), 0.0)
    with pytest.raises(ValueError, match=r"`z` must end in D=3 latents, got shape \(2, 6\)"):
        transport(bank(), path((1.0, 0.0)), torch.zeros(2, 6).double(), dynamics=motion)
    with pytest.raises(TypeError, match="state"):
        motion.project(torch.zeros(2, 6, dtype=torch.long))


@pytest.mark.parametrize(
    ("motion", "steps", "told"),
    [
        (Underdamped(stiffness=10.0), 9, r"steps shorter than 2 / stiffness = 0.2, got steps of 0.2222: raise its"),
        (Underdamped(damping=50.0), 40, r"steps shorter than 2 / damping = 0.04, got steps of 0.05: raise its"),
    ],
)
def test_steps_that_are_too_long_are_refused_with_the_limit(motion: Underdamped, steps: int, told: str) -> None:
    z = draw(2, 3)
    with pytest.raises(ValueError, match=f"`solver` must take {told}"):
        transport(bank(), path((-1.5, 0.5)), z, dynamics=motion, solver=Solver("euler", steps=steps))
    enough = Solver("euler", steps=2 * steps)
    assert torch.isfinite(transport(bank(), path((-1.5, 0.5)), z, dynamics=motion, solver=enough).z).all()


def test_the_stiffness_limit_is_where_the_motion_begins_to_grow() -> None:
    still = LinearField(("flow",), 1).double()
    still.load_state_dict({"matrix": torch.zeros(1, 1, 1)})
    for damping in (0.0, 0.5):
        for step, grows in ((1.98, False), (2.02, True)):
            motion = Underdamped(damping=damping, stiffness=1.0, coupling=1.0)
            rows = torch.eye(2, dtype=torch.float64)
            size = torch.linalg.eigvals(advance(motion, still["flow"], rows, 0.0, step)[0]).abs().max()
            assert (float(size) > 1 + 1e-9) is grows


def test_adaptive_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="`solver` must take fixed steps for underdamped motion, got method 'dopri5'"):
        transport(bank(), path((1.0, 0.0)), draw(2, 3), dynamics=Underdamped(), solver=Solver("dopri5"))


def test_densities_are_refused_where_there_is_none() -> None:
    z, log_q, generator = draw(2, 3), torch.zeros(2).double(), torch.Generator()
    for motion, source, told in (
        (Underdamped(spread=0.0), generator, "`log_q` must be left out where `spread` is 0"),
        (Underdamped(), None, "`generator` must be given where `log_q` is"),
        (Underdamped(0.1), generator, "`log_q` can only be transported without noise"),
    ):
        with pytest.raises(ValueError, match=told):
            transport(bank(), path((1.0, 0.0)), z, dynamics=motion, log_q=log_q, generator=source)
    with pytest.raises(ValueError, match="`generator` must be given at temperatures above 0"):
        transport(bank(), path((1.0, 0.0)), z, dynamics=Underdamped(0.1))
    with pytest.raises(ValueError, match="`noise` must be given at temperatures above 0 alone, got 0.0"):
        advance(Underdamped(), bank()["hue"], torch.zeros(6).double(), 0.0, 0.1, noise=torch.zeros(3).double())


def test_noise_comes_from_the_generator() -> None:
    motion, z = Underdamped(0.3, stiffness=0.5), draw(4, 3)

    def once(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return transport(bank(), path((1.0, -0.5)), z, dynamics=motion, generator=generator).z

    state = torch.get_rng_state()
    assert torch.equal(once(0), once(0)) and not torch.equal(once(0), once(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_launches_take_the_velocity_of_the_first_mix_and_rest_takes_none() -> None:
    fields, z, start = bank(), draw(2, 3), torch.zeros(1)
    moving = path((0.0, 0.0), (1.0, -3.0), (5.0, 0.0))
    launched = transport(fields, moving, z, dynamics=Underdamped(), frames=start)
    mix = torch.tensor([0.25, -0.75], dtype=torch.float64)
    torch.testing.assert_close(Underdamped().momentum(launched.states[0]), fields(mix)(z, 0.0), rtol=0, atol=0)
    rested = transport(fields, moving, z, dynamics=Underdamped(start="rest"), frames=start)
    assert torch.equal(rested.states[0], torch.cat([z, torch.zeros_like(z)], -1))


def test_unit_mixes_and_first_motions() -> None:
    mix, time = unit_mix(torch.tensor([[1.0, -3.0], [0.0, 0.0]]))
    assert mix.tolist() == [[0.25, -0.75], [0.0, 0.0]] and time.tolist() == [4.0, 0.0]
    amounts = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 0.0]], [[0.0, -1.0], [0.0, 1.0], [0.0, 0.0]]])
    mix, clock = first_motion(Path(NAMES, amounts, 10 * amounts + 1))
    assert mix.tolist() == [[0.0, -1.0], [1.0, 0.0], [0.0, 0.0]]
    assert clock.tolist() == [[1.0, -9.0], [21.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("size", [1e-44, 1e-39, 1e-25, 1e-15])
def test_amounts_of_almost_nothing_have_finite_gradients(size: float) -> None:
    amounts = torch.tensor([[size, size]], requires_grad=True)
    mix, time = unit_mix(amounts)
    (mix.sum() * time.sum() + time.sum()).backward()
    assert amounts.grad is not None and bool(amounts.grad.isfinite().all())


def test_a_sample_does_not_depend_on_its_batch_mates() -> None:
    fields, z = bank(), draw(5, 3)
    amounts = torch.tensor([[0.1, 0.0], [-3.0, 1.0], [0.0, 0.0], [0.7, 0.2], [2.0, -5.0]]).double()
    motion, solver = Underdamped(stiffness=0.3), Solver(steps_per_unit=6.0)
    together = transport(fields, Path(NAMES, amounts[None]), z, dynamics=motion, frames=3, solver=solver)
    for i in range(5):
        alone = transport(fields, Path(NAMES, amounts[None, i]), z[i], dynamics=motion, frames=3, solver=solver)
        torch.testing.assert_close(together.states[:, i], alone.states, rtol=0, atol=1e-12)


def test_it_costs_as_many_evaluations_as_the_method_s_steps() -> None:
    z = draw(3, 3)
    for method, per_step in (("euler", 1), ("midpoint", 2), ("rk4", 4)):
        solver = Solver(method, steps=10)
        assert transport(bank(), path((1.0, 0.0)), z, dynamics=Underdamped(), solver=solver).nfe == 10 * per_step + 1


def test_gradients_reach_fields_amounts_latents_and_learned_numbers() -> None:
    fields, z = bank(), draw(4, 3).requires_grad_()
    numbers = {name: torch.tensor(0.7, dtype=torch.float64, requires_grad=True) for name in ("damping", "stiffness")}
    numbers["coupling"] = torch.tensor(1.2, dtype=torch.float64, requires_grad=True)
    amounts = draw(1, 4, 2, seed=1).requires_grad_()
    solver = Solver(steps=4)

    def loss() -> Tensor:
        motion = Underdamped(**numbers)
        return transport(fields, Path(NAMES, amounts), z, dynamics=motion, solver=solver).states.square().sum()

    loss().backward()
    for name, tensor in {**numbers, "z": z, "amounts": amounts, **dict(fields.named_parameters())}.items():
        assert tensor.grad is not None and torch.isfinite(tensor.grad).all() and tensor.grad.any(), name
    for number in numbers.values():
        with torch.no_grad():
            number += 1e-6
            above = loss()
            number -= 2e-6
            below = loss()
            number += 1e-6
        assert float(number.grad) == pytest.approx(float(above - below) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_dtypes_follow_the_latents(dtype: torch.dtype) -> None:
    z = draw(2, 3).to(dtype)
    truth = transport(bank(), path((1.0, 0.5)), z.double(), dynamics=Underdamped(stiffness=0.4)).z
    moved = transport(bank().float(), path((1.0, 0.5)), z, dynamics=Underdamped(stiffness=0.4))
    assert moved.z.dtype == dtype and moved.states.shape == (1, 2, 6)
    # About a hundred steps in single precision, and one rounding to half.
    torch.testing.assert_close(moved.z.double(), truth, rtol=0, atol=16 * torch.finfo(dtype).eps)


def test_it_runs_on_the_device_of_the_latents(device: torch.device) -> None:
    z, motion = draw(3, 3).float(), Underdamped(0.2, stiffness=0.4)
    there = path((1.0, 0.5), (0.0, -1.0))
    moved = transport(
        bank().float().to(device),
        there >> ~there,
        z.to(device),
        dynamics=motion,
        generator=torch.Generator(device).manual_seed(0),
    )
    assert moved.z.device.type == device.type
    torch.testing.assert_close(moved.z[-1].cpu(), z, rtol=0, atol=0)


def test_a_motion_that_leaves_for_infinity_names_flow_sample_and_time() -> None:
    growing = LinearField(("growth",), 1)
    growing.load_state_dict({"matrix": torch.full((1, 1, 1), 1e6)})
    z = torch.tensor([[0.0], [1.0], [0.0]])
    with pytest.raises(FlowError, match=r"flow of growth failed at sample 1, time .* of the path"):
        transport(
            growing, Path(("growth",), torch.tensor([[20.0]])), z, dynamics=Underdamped(), solver=Solver(steps=40)
        )


def test_dynamics_are_listed_by_name() -> None:
    assert {name: kind().temperature for name, kind in DYNAMICS.items()} == {"overdamped": 0.0, "underdamped": 0.0}
