"""Simulated motion against closed forms, other integrators and laws of conservation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from flowdis.data.physics import Bodies, DoublePendulum, Pendulum, SeparableSystem, Spring, simulate

SYSTEMS = {
    "spring": Spring(),
    "pendulum": Pendulum(),
    "bodies": Bodies((1.0, 1.5, 0.7), softening=0.3),
    "double_pendulum": DoublePendulum((0.5, 0.8), 3.0, (1.0, 0.7)),
}


def states(name: str, count: int = 6, seed: int = 0) -> Tensor:
    """States that are neither at rest nor in a collision."""
    generator = torch.Generator().manual_seed(seed)
    size = {"spring": 2, "pendulum": 2, "bodies": 12, "double_pendulum": 4}[name]
    drawn = torch.randn(count, size, dtype=torch.float64, generator=generator)
    if name == "bodies":
        corners = 2 * math.pi * torch.arange(3, dtype=torch.float64) / 3
        cosine, sine = corners.cos(), corners.sin()
        triangle = torch.cat([torch.stack([cosine, sine], 1), 0.7 * torch.stack([-sine, cosine], 1)]).flatten()
        return triangle + 0.1 * drawn
    return drawn if name != "double_pendulum" else drawn * drawn.new_tensor([1.0, 1.0, 0.5, 0.5])


def slopes(name: str, state: Tensor, friction: float) -> Tensor:
    """The equations of motion, out of the energy by autograd."""
    system = SYSTEMS[name]
    gradient = torch.func.grad(lambda s: system.energy(s).sum())(state)
    position, momentum = gradient.chunk(2, -1)
    return torch.cat([momentum, -position - friction * momentum], -1)


def written(name: str, state: Tensor) -> Tensor:
    """The equations of motion without friction, as the systems have them."""
    system = SYSTEMS[name]
    if isinstance(system, DoublePendulum):
        return system.slopes(state)
    position, momentum = state.chunk(2, -1)
    return torch.cat([momentum / state.new_tensor(system.masses), system.force(position)], -1)


def reference(name: str, start: Tensor, times: np.ndarray, friction: float) -> Tensor:
    """One state (S) moved by an explicit method of order 8 at full accuracy."""
    from scipy.integrate import solve_ivp

    def change(_: float, state: np.ndarray) -> np.ndarray:
        found = written(name, torch.from_numpy(state))
        half = len(state) // 2
        found[half:] -= friction * found[:half]
        return found.numpy()

    end = float(times[-1])
    found = solve_ivp(change, (0, end), start.numpy(), method="DOP853", t_eval=times, rtol=1e-11, atol=1e-11)
    return torch.from_numpy(found.y.T.copy())


@pytest.mark.parametrize("name", SYSTEMS)
def test_forces_are_gradients_of_the_energy(name: str) -> None:
    state = states(name)
    assert (written(name, state) - slopes(name, state, 0.0)).abs().max() < 1e-12


@pytest.mark.parametrize("friction", [0.0, 0.3])
@pytest.mark.parametrize("name", SYSTEMS)
def test_paths_are_those_of_an_accurate_explicit_method(name: str, friction: float) -> None:
    start, substeps = states(name, 1), 15 if name == "double_pendulum" else 40
    found = simulate(SYSTEMS[name], start, 2, dt=0.25, friction=friction, substeps=substeps)
    expected = reference(name, start[0], np.linspace(0, 0.5, 3), friction)
    exact = name != "double_pendulum" or friction == 0  # else of fourth order at steps of 1/60
    assert (found[:, 0] - expected).abs().max() < (1e-8 if exact else 2e-6)


@pytest.mark.parametrize("friction", [0.0, 0.3])
@pytest.mark.parametrize("name", ["spring", "pendulum", "bodies"])
def test_errors_fall_with_the_fourth_power_of_the_step(name: str, friction: float) -> None:
    start = states(name)
    exact, coarse, fine = (
        simulate(SYSTEMS[name], start, 1, dt=1.0, friction=friction, substeps=n)[-1] for n in (160, 10, 20)
    )
    order = math.log2(float((coarse - exact).norm() / (fine - exact).norm()))
    assert 3.8 < order < 4.3


def test_the_order_of_the_double_pendulum_is_ten_and_with_friction_four() -> None:
    system, start = SYSTEMS["double_pendulum"], states("double_pendulum")
    for friction, steps, low in ((0.0, (12, 3, 6), 8.0), (2.0, (40, 8, 16), 3.5)):
        exact, coarse, fine = (simulate(system, start, 1, dt=0.5, friction=friction, substeps=n)[-1] for n in steps)
        order = math.log2(float((coarse - exact).norm() / (fine - exact).norm()))
        assert low < order


@pytest.mark.parametrize("name", SYSTEMS)
def test_energy_is_kept_without_drift(name: str) -> None:
    system, start, steps = SYSTEMS[name], states(name, 3), 20
    if name == "bodies":  # twice round a long ellipse of period 6.8, with an encounter in each half of the time
        system, start, steps = Bodies(), start.new_tensor([[1.0, 0.0, -1.0, 0.0, 0.0, 0.35, 0.0, -0.35]]), 54
    path = simulate(system, start, steps, dt=0.25)
    change = (system.energy(path) - system.energy(path[0])).abs()
    assert change.max() < 1e-5
    assert change[steps // 2 :].max() <= 3 * change[: steps // 2].max() + 1e-12


@pytest.mark.parametrize("name", ["spring", "pendulum", "bodies"])
def test_the_error_of_the_energy_is_of_fourth_order(name: str) -> None:
    system, start = SYSTEMS[name], states(name)
    errors = []
    for substeps in (10, 20):
        path = simulate(system, start, 3, dt=0.5, substeps=substeps)
        errors.append(float((system.energy(path) - system.energy(start)).norm()))
    assert 3.7 < math.log2(errors[0] / errors[1]) < 4.4


@pytest.mark.parametrize("name", SYSTEMS)
def test_motion_runs_backwards_where_momenta_are_turned(name: str) -> None:
    start = states(name)
    turn = start.new_tensor([1.0] * (start.shape[1] // 2) + [-1.0] * (start.shape[1] // 2))
    there = simulate(SYSTEMS[name], start, 1, dt=0.8)[-1]
    back = simulate(SYSTEMS[name], turn * there, 1, dt=0.8)[-1]
    assert (turn * back - start).abs().max() < 1e-9
    undone = simulate(SYSTEMS[name], there, 1, dt=-0.8)[-1]
    assert (undone - start).abs().max() < 1e-9


@pytest.mark.parametrize("friction", [0.0, 0.4])
@pytest.mark.parametrize("name", SYSTEMS)
def test_phase_space_keeps_its_form_but_for_friction(name: str, friction: float) -> None:
    """J^T Omega J is Omega without friction; its volume shrinks by exp(-f t tr M^-1) with it, M being constant."""
    system, start = SYSTEMS[name], states(name, 1)
    size = start.shape[1] // 2

    def end(state: Tensor) -> Tensor:
        return simulate(system, state[None], 1, dt=0.1, friction=friction, substeps=4)[-1, 0]

    jacobian = torch.autograd.functional.jacobian(end, start[0])
    if friction == 0:
        omega = torch.kron(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]), torch.eye(size)).double()
        assert (jacobian.T @ omega @ jacobian - omega).abs().max() < 1e-9
    elif isinstance(system, SeparableSystem):
        rate = friction * sum(1 / mass for mass in system.masses)
        assert float(torch.linalg.slogdet(jacobian)[1]) == pytest.approx(-0.1 * rate, abs=1e-11)


@pytest.mark.parametrize("friction", [0.0, 0.05, 4.0])
def test_the_spring_is_a_damped_oscillator(friction: float) -> None:
    spring, start = Spring(), states("spring")
    times = 0.1 * torch.arange(31, dtype=torch.float64)
    path = simulate(spring, start, 30, dt=0.1, friction=friction)
    rate, square = friction / spring.mass, spring.stiffness / spring.mass
    omega = complex(square - rate**2 / 4) ** 0.5  # imaginary where it does not swing
    angle = omega * times[:, None]
    decay = (-rate * times[:, None] / 2).exp()
    height, speed = start[:, 0], start[:, 1] / spring.mass
    cosine, sine = angle.to(torch.complex128).cos().real, (angle.to(torch.complex128).sin() / omega).real
    expected = decay * (height * cosine + (speed + rate * height / 2) * sine)
    assert (path[..., 0] - expected).abs().max() < 1e-6


def test_the_period_of_the_pendulum_is_an_elliptic_integral() -> None:
    from scipy.special import ellipk

    pendulum = Pendulum(mass=0.7, gravity=3.0, length=1.3)
    for angle in (0.3, 1.5, 2.8):
        period = 4 * math.sqrt(1.3 / 3.0) * float(ellipk(math.sin(angle / 2) ** 2))
        start = torch.tensor([[angle, 0.0]], dtype=torch.float64)
        path = simulate(pendulum, start, 4, dt=period / 4, substeps=200)[:, 0]
        assert path[2].tolist() == pytest.approx([-angle, 0], abs=1e-6)
        assert path[4].tolist() == pytest.approx([angle, 0], abs=1e-6)
        assert abs(float(path[1, 0])) < 1e-6 and float(path[1, 1]) < 0


@pytest.mark.parametrize("friction", [0.0, 0.05])
def test_bodies_keep_momentum_and_angular_momentum_or_lose_what_friction_takes(friction: float) -> None:
    bodies = Bodies((1.0, 1.0, 1.0), softening=0.3)
    path = simulate(bodies, states("bodies"), 10, dt=0.4, friction=friction, substeps=20)
    places, momenta = (half.unflatten(-1, (3, 2)) for half in path.chunk(2, -1))
    left = (-friction * 0.4 * torch.arange(11, dtype=torch.float64)).exp()[:, None]
    total = momenta.sum(-2)
    spin = (places[..., 0] * momenta[..., 1] - places[..., 1] * momenta[..., 0]).sum(-1)
    assert (total - left[..., None] * total[0]).abs().max() < 1e-12
    assert (spin - left * spin[0]).abs().max() < 1e-12


@pytest.mark.parametrize("name", SYSTEMS)
def test_friction_takes_energy_at_its_rate(name: str) -> None:
    system, friction = SYSTEMS[name], 0.3
    path = simulate(system, states(name), 40, dt=0.025, friction=friction)
    speeds = torch.func.grad(lambda s: system.energy(s).sum())(path).chunk(2, -1)[1]
    power = friction * speeds.square().sum(-1)
    weights = torch.tensor([1.0] + [4.0, 2.0] * 19 + [4.0, 1.0], dtype=torch.float64) * 0.025 / 3  # Simpson's rule
    lost = system.energy(path[0]) - system.energy(path[-1])
    assert (lost - weights @ power).abs().max() < 1e-4 * lost.abs().max()
    assert (system.energy(path).diff(dim=0) < 1e-9).all()


def test_three_bodies_dance_the_figure_eight() -> None:
    """Chenciner and Montgomery 2000: one period of the choreography, with figures by Simo."""
    x, y, p, q = 0.97000436, -0.24308753, 0.93240737, 0.86473146
    places = [x, y, -x, -y, 0.0, 0.0]
    start = torch.tensor([[*places, p / 2, q / 2, p / 2, q / 2, -p, -q]], dtype=torch.float64)
    path = simulate(Bodies((1.0, 1.0, 1.0)), start, 3, dt=6.32591398 / 3, substeps=400)[:, 0]
    assert (path[3] - path[0]).abs().max() < 1e-6
    swapped = path[1, :6].reshape(3, 2)  # after a third each body is where another was
    assert (torch.cdist(swapped, path[0, :6].reshape(3, 2)).amin(1) < 1e-6).all()


@pytest.mark.parametrize("friction", [0.0, 0.1])
@pytest.mark.parametrize("name", SYSTEMS)
def test_sequences_do_not_depend_on_those_beside_them(name: str, friction: float) -> None:
    start = states(name, 5)
    together = simulate(SYSTEMS[name], start, 2, dt=0.2, friction=friction)
    alone = simulate(SYSTEMS[name], start[3:4], 2, dt=0.2, friction=friction)
    assert (together[:, 3:4] - alone).abs().max() < 1e-13


def test_what_cannot_be_simulated_is_named() -> None:
    start = states("spring")
    with pytest.raises(TypeError, match="float64"):
        simulate(Spring(), start.float(), 2, dt=0.1)
    with pytest.raises(ValueError, match="S=2 positions and momenta"):
        simulate(Spring(), states("double_pendulum"), 2, dt=0.1)
    with pytest.raises(ValueError, match="S=4"):
        simulate(DoublePendulum(), start, 2, dt=0.1)
    with pytest.raises(ValueError, match="`steps`"):
        simulate(Spring(), start, 0, dt=0.1)
    with pytest.raises(ValueError, match="`substeps`"):
        simulate(Spring(), start, 1, dt=0.1, substeps=0)
    with pytest.raises(ValueError, match="friction"):
        simulate(Spring(), start, 1, dt=0.1, friction=-1.0)
    with pytest.raises(ValueError, match="`start` must be finite"):
        simulate(Spring(), start * float("nan"), 1, dt=0.1)
    with pytest.raises(ValueError, match="finite states, got none of row 1 at time 0.1"):
        meeting = torch.tensor([[1.0, 0, -1, 0, 0, 0, 0, 0], [0.0] * 8], dtype=torch.float64)
        simulate(Bodies(), meeting, 1, dt=0.1)
    with pytest.raises(ValueError, match="`dt` must be short enough"):
        simulate(DoublePendulum(), 20 * states("double_pendulum"), 1, dt=1.0, substeps=1)


def test_what_no_system_can_be_is_named() -> None:
    for make in (lambda: Spring(mass=0.0), lambda: Pendulum(length=-1.0), lambda: DoublePendulum(gravity=0.0)):
        with pytest.raises(ValueError, match="must be a finite number > 0"):
            make()
    with pytest.raises(ValueError, match="`weights`"):
        DoublePendulum((0.5, 0.0))
    with pytest.raises(ValueError, match="two bodies or more"):
        Bodies((1.0,))
    with pytest.raises(ValueError, match="softening"):
        Bodies(softening=-0.1)
