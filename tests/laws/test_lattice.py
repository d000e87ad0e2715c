"""Law 6: the oscillator lattice against closed forms, brute force and autograd (all in float64)."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flowdis.dynamics import Lattice, nwm_step
from flowdis.dynamics.fourier import Torus
from flowdis.dynamics.lattice_stability import published_limit
from flowdis.dynamics.lattice_steps import Force, split_steps
from flowdis.dynamics.propagators import propagator
from tests.dynamics.lattices import by_convolution, linear_matrix, make_lattice, random_state

POSITIONS = ("conservative", "none")
MOMENTA = ("published", "dense")


def slogdet(step: object, state: Tensor) -> float:
    jacobian = torch.autograd.functional.jacobian(lambda point: step(point[None])[0], state)
    return float(torch.linalg.slogdet(jacobian).logabsdet)


# T9: volume


@pytest.mark.parametrize("coupling", POSITIONS)
@pytest.mark.parametrize("integrator", ["strang", "nwm"])
def test_volume_of_a_force_of_positions_shrinks_by_the_damping_alone(coupling: str, integrator: str) -> None:
    lattice = make_lattice(coupling=coupling, integrator=integrator, damping=0.3)
    state = random_state(lattice)
    with torch.no_grad():
        found = lattice.log_det(state, steps=2)
    h, count, alpha = lattice.step, lattice.size, 0.3
    expected = -h * alpha * count if integrator == "strang" else count * math.log(1 - h * alpha)
    # Weights are float32 numbers, hence 1e-7 of 0.3.
    torch.testing.assert_close(found, torch.full((3,), 2 * expected).double(), rtol=1e-6, atol=0)
    truth = slogdet(lambda point: lattice(point, 2)[-1], state[0])
    assert abs(float(found[0]) - truth) < 1e-11


@pytest.mark.parametrize("coupling", MOMENTA)
@pytest.mark.parametrize("integrator", ["strang", "nwm"])
def test_volume_of_a_force_of_momenta_agrees_with_autograd(coupling: str, integrator: str) -> None:
    lattice = make_lattice((1, 3, 3), coupling=coupling, integrator=integrator, damping=0.3)
    state, drive = random_state(lattice), random_state(lattice, seed=2)[:, : lattice.size]
    with torch.no_grad():
        found = lattice.log_det(state, drive=drive, steps=2)
    for index in range(len(state)):
        pushed = drive[index : index + 1]
        truth = slogdet(lambda point, pushed=pushed: lattice(point, 2, drive=pushed)[-1], state[index])
        assert abs(float(found[index]) - truth) < 1e-10
    assert float(found.std()) > 1e-4  # it depends on the state, as it must


def test_published_step_is_semi_implicit_euler() -> None:
    lattice = make_lattice(coupling="published", integrator="nwm", damping=0.3, spread=0.3)
    state, drive = random_state(lattice), random_state(lattice, seed=2)[:, : lattice.size]
    coupling, oscillators = lattice.coupling, lattice.oscillators
    (z, p), s = lattice.split(state), drive.reshape(-1, *lattice.shape)
    gamma, alpha, bias = (
        part.reshape(-1, 1, 1) for part in (oscillators.stiffness, oscillators.damping, coupling.bias)
    )
    for _ in range(3):
        pulled = by_convolution(z, coupling.weight) + by_convolution(p, coupling.momentum_weight)
        z, p = nwm_step(z, p, torch.tanh(pulled + s + bias), stiffness=gamma, damping=alpha, step=lattice.step)
    torch.testing.assert_close(lattice(state, 3, drive=drive)[-1], lattice.join(z, p), rtol=0, atol=1e-13)


# T12: reversibility and energy


def ring(step: float = 0.1) -> Lattice:
    """A nonlinear conservative ring of 32 sites whose kernel is that of a stretched string."""
    lattice = Lattice((1, 32), stiffness=0.3, damping=0.0, neighbour=0.2, step=step).double()
    with torch.no_grad():
        lattice.coupling.weight.copy_(torch.tensor([[[0.0, -0.7, 0.7]]]))
    return lattice


def bump(lattice: Lattice) -> Tensor:
    site = torch.arange(32, dtype=torch.float64)
    z = 1.5 * torch.exp(-(((site - 12) / 3) ** 2)) + 0.5 * torch.cos(2 * math.pi * site / 32)
    p = 0.4 * torch.sin(2 * math.pi * site / 32)
    return lattice.join(z[None, None], p[None, None])


def flipped(state: Tensor) -> Tensor:
    z, p = state.chunk(2, dim=-1)
    return torch.cat([z, -p], dim=-1)


@torch.no_grad()
def test_a_conservative_ring_runs_back_with_its_momenta_flipped() -> None:
    lattice = ring()
    start = bump(lattice)
    there = lattice(start, 1, every=2000)[-1]
    assert (there - start).abs().max() > 0.5
    back = flipped(lattice(flipped(there), 1, every=2000)[-1])
    torch.testing.assert_close(back, start, rtol=0, atol=1e-12)
    torch.testing.assert_close(lattice(there, 1, every=2000, inverse=True)[-1], start, rtol=0, atol=1e-12)


@torch.no_grad()
def test_energy_errors_fall_by_four_per_halving_and_do_not_drift() -> None:
    errors = []
    for step in (0.4, 0.2, 0.1):
        lattice = ring(step)
        start = bump(lattice)
        energies = lattice.energy(lattice(start, round(200 / step)))[:, 0]
        errors.append(float((energies / lattice.energy(start) - 1).abs().max()))
    ratios = [before / after for before, after in zip(errors, errors[1:], strict=False)]
    assert all(3.5 < ratio < 4.5 for ratio in ratios), ratios
    time = torch.arange(len(energies), dtype=torch.float64) * step
    centred = time - time.mean()
    slope = float((centred * energies).sum() / (centred.square().sum() * energies[0]))
    assert abs(slope) < 1e-6


# T15 and T16: a ring of springs, by leapfrog and exactly


def leapfrog(z: Tensor, p: Tensor, h: float, steps: int, stiffness: float = 0.0) -> tuple[Tensor, Tensor]:
    """KDK of springs between neighbours of strength 1: the force kicks, and free motion is the linear part."""
    torus = Torus((z.shape[-1],))
    fourier = torus.fourier(z)
    zero = torch.zeros(1, dtype=torch.float64)
    bends = torus.stiffness(zero + stiffness, zero + 1).repeat(1, 2).unsqueeze(-1)
    free = propagator(torch.zeros_like(bends[:, :1, 0]), torch.zeros_like(bends[:, :1, 0]), h)
    spectra = (fourier.to_spectrum(field[:, None, None]) for field in (z, p))
    positions, momenta = split_steps(*spectra, Force(lambda spectrum: -bends * spectrum), free, h, 1, steps)
    return fourier.to_field(positions)[0, :, 0, 0], fourier.to_field(momenta)[0, :, 0, 0]


def pulse(site: Tensor) -> Tensor:
    return torch.exp(-(((site % 64 - 20) / 4) ** 2)) - 0.3 * torch.exp(-(((site % 64 - 41) / 2) ** 2))


def test_leapfrog_at_the_courant_limit_is_d_alembert_s_solution() -> None:
    site = torch.arange(64, dtype=torch.float64)
    # h = 1: the momentum that makes the first step right is that of the pulse moved by one site, either way.
    g = 0.2 * torch.sin(2 * math.pi * site / 64) + 0.05
    f = pulse(site)
    z, _ = leapfrog(f, g, 1.0, 1000)
    shift = 1000 % 64
    travelling = (f.roll(shift) + f.roll(-shift)) / 2
    # At h c = dx the exact sum of g over the domain of dependence, every second site, takes the integral's place.
    dependence = sum(g.roll(1000 - 1 - 2 * n) for n in range(1000))
    torch.testing.assert_close(z, travelling + dependence, rtol=0, atol=3e-10)
    assert abs(float(z.mean() - f.mean()) - 1000 * 0.05) < 1e-9
    beyond, _ = leapfrog(f, g, 1.05, 200)
    assert beyond.abs().max() > 1e20


def test_leapfrog_s_dispersion_is_the_closed_form() -> None:
    site, h, stiffness = torch.arange(32, dtype=torch.float64), 0.3, 0.5
    k = 2 * math.pi * 5 / 32
    frequency = math.sqrt(stiffness + 4 * math.sin(k / 2) ** 2)
    omega = 2 / h * math.asin(h * frequency / 2)
    # A standing wave of leapfrog: z = cos(kj) cos(omega t), with p = 0 at the start.
    z, _ = leapfrog(torch.cos(k * site), torch.zeros(32).double(), h, 2000, stiffness)
    torch.testing.assert_close(z, torch.cos(k * site) * math.cos(omega * h * 2000), rtol=0, atol=1e-11)


@torch.no_grad()
@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_plane_waves_follow_the_dispersion_of_ring_and_torus(damping: float) -> None:
    for shape, counts in (((1, 32), (5,)), ((1, 6, 9), (2, -3))):
        lattice = Lattice(shape, coupling="none", stiffness=0.5, neighbour=0.7, damping=damping).double()
        gamma, kappa = (float(part[0]) for part in (lattice.oscillators.stiffness, lattice.oscillators.neighbour))
        alpha = float(lattice.oscillators.damping[0])
        angles = [2 * math.pi * count / side for count, side in zip(counts, shape[1:], strict=True)]
        square = gamma + sum(4 * kappa * math.sin(angle / 2) ** 2 for angle in angles)
        omega = math.sqrt(square - alpha**2 / 4)
        grid = torch.meshgrid(*(torch.arange(side).double() for side in shape[1:]), indexing="ij")
        phase = sum(angle * site for angle, site in zip(angles, grid, strict=True))
        time = lattice.step * torch.arange(1, 4001, dtype=torch.float64)

        def wave(t: Tensor | float, phase: Tensor = phase, omega: float = omega, alpha: float = alpha) -> Tensor:
            factor = torch.exp((-alpha / 2 - 1j * omega) * torch.as_tensor(t, dtype=torch.complex128))
            turning = torch.exp(1j * phase) * factor
            return torch.stack([turning.real, ((-alpha / 2 - 1j * omega) * turning).real])[:, None]

        states = lattice(lattice.join(*wave(0.0)[:, None])[0][None], 4000)
        torch.testing.assert_close(states[-1, 0], lattice.join(*wave(time[-1])), rtol=0, atol=1e-11)


@torch.no_grad()
def test_a_wave_packet_travels_at_the_group_velocity() -> None:
    lattice = Lattice((1, 400), coupling="none", stiffness=0.5, neighbour=1.0, damping=0.0, step=0.5).double()
    gamma, kappa = (float(part[0]) for part in (lattice.oscillators.stiffness, lattice.oscillators.neighbour))
    k, site = 2 * math.pi * 60 / 400, torch.arange(400, dtype=torch.float64)
    omega = math.sqrt(gamma + 4 * kappa * math.sin(k / 2) ** 2)
    packet = torch.exp(-(((site - 100) / 20) ** 2)) * torch.exp(1j * k * site)
    start = lattice.join(packet.real[None], (-1j * omega * packet).real[None])
    z, _ = lattice.split(lattice(start[None], 1, every=240)[-1])
    weight = z.square().flatten()
    moved = float((site * weight).sum() / weight.sum()) - 100
    assert moved == pytest.approx(kappa * math.sin(k) / omega * 120, rel=0.01)  # the packet has a width


# T17: the exact linear part


@pytest.mark.parametrize("shape", [(2, 7), (2, 6), (2, 4, 5), (1, 5, 4)])
@pytest.mark.parametrize("gyroscopic", [None, 0.4])
def test_linear_part_is_the_matrix_exponential(shape: tuple[int, ...], gyroscopic: float | None) -> None:
    lattice = Lattice(shape, coupling="none", damping=0.3, neighbour=0.6, gyroscopic=gyroscopic).double()
    state = random_state(lattice)
    exact = state @ torch.linalg.matrix_exp(3 * lattice.step * linear_matrix(lattice)).T
    torch.testing.assert_close(lattice(state, 3)[-1], exact, rtol=0, atol=5e-14)
    rate = state @ linear_matrix(lattice)[lattice.size :].T
    torch.testing.assert_close(lattice.acceleration(state), rate, rtol=0, atol=2e-14)


def test_long_sides_take_fast_transforms_with_the_same_result() -> None:
    long = Lattice((2, 5, 40), damping=0.3, gyroscopic=0.2).double()
    state = random_state(long)
    exact = torch.linalg.matrix_exp(long.step * linear_matrix(long)).T
    kick = long.step / 2 * (long.acceleration(state) - state @ linear_matrix(long)[long.size :].T)
    z, p = state.chunk(2, dim=-1)
    moved = torch.cat([z, p + kick], dim=-1) @ exact
    second = long.step / 2 * (long.acceleration(moved) - moved @ linear_matrix(long)[long.size :].T)
    z, p = moved.chunk(2, dim=-1)
    torch.testing.assert_close(long(state, 1)[-1], torch.cat([z, p + second], dim=-1), rtol=0, atol=3e-14)


@torch.no_grad()
@pytest.mark.parametrize("direction", [1, -1])
def test_gyroscopic_waves_have_the_frequency_of_their_direction_and_do_not_grow(direction: int) -> None:
    lattice = Lattice((1, 24), coupling="none", stiffness=0.8, damping=0.0, gyroscopic=0.6).double()
    gamma, beta = float(lattice.oscillators.stiffness[0]), float(lattice.oscillators.gyroscopic[0, 0])
    site, k = torch.arange(24, dtype=torch.float64), direction * 2 * math.pi * 3 / 24
    omega = -beta * math.sin(k) + math.sqrt(beta**2 * math.sin(k) ** 2 + gamma)
    wave = torch.exp(1j * k * site)[None]
    start = lattice.join(wave.real, (-1j * omega * wave).real)
    count = 2000
    end = wave * torch.exp(torch.tensor(-1j * omega * lattice.step * count, dtype=torch.complex128))
    expected = lattice.join(end.real, (-1j * omega * end).real)
    torch.testing.assert_close(lattice(start[None], 1, every=count)[-1, 0], expected, rtol=0, atol=1e-11)
    assert abs(lattice.stability().growth - 1) < 1e-14


def test_gyroscopic_term_keeps_energy() -> None:
    lattice = make_lattice(damping=0.0, gyroscopic=0.5)
    state = random_state(lattice)
    z, p = state.chunk(2, dim=-1)
    gradient = torch.autograd.functional.jacobian(lambda point: lattice.energy(point).sum(), state)
    rate = torch.cat([p, lattice.acceleration(state)], dim=-1)
    assert (gradient * rate).sum(-1).abs().max() < 1e-12


# T19: translation equivariance


@torch.no_grad()
@pytest.mark.parametrize("coupling", ["conservative", "published", "none"])
def test_a_shifted_state_has_a_shifted_future_only_if_all_sites_are_alike(coupling: str) -> None:
    lattice = make_lattice((2, 6, 5), coupling=coupling, gyroscopic=0.2)

    def shifted(state: Tensor) -> Tensor:
        return lattice.join(*(part.roll((2, -1), (-2, -1)) for part in lattice.split(state)))

    state = random_state(lattice)
    torch.testing.assert_close(lattice(shifted(state), 20), shifted(lattice(state, 20)), rtol=0, atol=1e-12)
    per_site = 0.1 * random_state(lattice, seed=5)[:, : lattice.size]  # a bias for each site, as drives are
    fixed = lattice(shifted(state), 20, drive=per_site)
    assert (fixed - shifted(lattice(state, 20, drive=per_site))).abs().max() > 1e-2


@torch.no_grad()
def test_dense_coupling_knows_no_neighbours() -> None:
    lattice = make_lattice((1, 4, 5), coupling="dense")
    state = random_state(lattice)
    shifted = lattice.join(*(part.roll(1, -1) for part in lattice.split(state)))
    moved = lattice.join(*(part.roll(1, -1) for part in lattice.split(lattice(state, 20)[-1])))
    assert (lattice(shifted, 20)[-1] - moved).abs().max() > 1e-2


# T20 and T21: energy and the conservative force


def test_force_is_minus_the_gradient_of_the_energy_and_damping_takes_it_away() -> None:
    lattice = make_lattice(damping=0.4)
    state, drive = random_state(lattice), random_state(lattice, seed=3)[:, : lattice.size]
    gradient = torch.autograd.functional.jacobian(lambda point: lattice.energy(point, drive=drive).sum(), state)
    slope, velocity = gradient.chunk(2, dim=-1)
    p = state.chunk(2, dim=-1)[1]
    torch.testing.assert_close(velocity, p, rtol=0, atol=1e-14)
    alpha = lattice.oscillators.damping.repeat_interleave(lattice.torus.sites)
    torch.testing.assert_close(lattice.acceleration(state, drive=drive), -slope - alpha * p, rtol=0, atol=1e-12)


@torch.no_grad()
def test_energy_falls_by_what_the_damping_takes() -> None:
    lattice = make_lattice(damping=0.4, step=1e-3)
    state = random_state(lattice)
    states = torch.cat([lattice(state, 1, inverse=True), state[None], lattice(state, 1)])
    rate = (lattice.energy(states[2]) - lattice.energy(states[0])) / (2 * lattice.step)
    alpha = lattice.oscillators.damping.repeat_interleave(lattice.torus.sites)
    lost = -(alpha * state.chunk(2, dim=-1)[1].square()).sum(-1)
    torch.testing.assert_close(rate, lost, rtol=1e-5, atol=0)  # centred differences at h = 1e-3


def test_conservative_force_has_a_symmetric_jacobian_and_the_published_one_has_not() -> None:
    gaps = {}
    for coupling in ("conservative", "published"):
        lattice = make_lattice((2, 3, 4), coupling=coupling)
        with torch.no_grad():
            lattice.coupling.weight.normal_(generator=torch.Generator().manual_seed(0))
        jacobian = torch.autograd.functional.jacobian(lattice.acceleration, random_state(lattice, 1))[0]
        of_positions = jacobian[:, 0, : lattice.size]
        gaps[coupling] = float((of_positions - of_positions.T).abs().max())
    assert gaps["conservative"] < 1e-14
    assert gaps["published"] > 0.1


# T22: order


@torch.no_grad()
@pytest.mark.parametrize(("integrator", "order"), [("nwm", 1), ("strang", 2)])
@pytest.mark.parametrize("coupling", ["conservative", "published"])
def test_errors_fall_with_the_order_of_the_step(coupling: str, integrator: str, order: int) -> None:
    def end(step: float, kind: str = integrator) -> Tensor:
        lattice = make_lattice((1, 8), coupling=coupling, integrator=kind, damping=0.3, step=step)
        return lattice(random_state(lattice), 1, every=round(2.0 / step))[-1]

    exact = end(0.0025, "strang")
    steps = (0.1, 0.05) if order == 2 else (0.02, 0.01)
    errors = [float((end(step) - exact).norm()) for step in steps]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)


# Stability: the conditions of Jury


@torch.no_grad()
def test_growth_of_the_published_step_obeys_jury_s_conditions() -> None:
    generator = torch.Generator().manual_seed(0)
    kappa, alpha = 6 * torch.rand(2, 20000, generator=generator, dtype=torch.float64) - 1
    h = 1.5 * torch.rand(20000, generator=generator, dtype=torch.float64) + 0.1
    unit = torch.eye(2, dtype=torch.float64)
    # The step is one number for all; in units of time of h it is 1, kappa is kappa h^2 and alpha is alpha h.
    columns = [
        nwm_step(*point.expand(20000, 2).T, 0.0 * h, stiffness=kappa * h**2, damping=alpha * h, step=1.0)
        for point in unit
    ]
    matrices = torch.stack([torch.stack(column, dim=-1) for column in columns], dim=-1)
    radius = torch.linalg.eigvals(matrices).abs().amax(-1)
    stable = (kappa > 0) & (h * alpha > 0) & (h * alpha < 2) & (h**2 * kappa < 4 - 2 * h * alpha)
    assert bool(((radius < 1) == stable).all())
    for k, a, limit in ((1.3, 0.4, published_limit(1.3, 0.4)), (5.0, 2.0, published_limit(5.0, 2.0))):
        assert limit**2 * k == pytest.approx(4 - 2 * limit * a)


@torch.no_grad()
@pytest.mark.parametrize("coupling", ["conservative", "published", "none"])
@pytest.mark.parametrize("integrator", ["strang", "nwm"])
def test_growth_is_that_of_the_linearised_step_on_all_sites(coupling: str, integrator: str) -> None:
    lattice = make_lattice((2, 3, 4), coupling=coupling, integrator=integrator, spread=0.4)
    rest = torch.zeros(lattice.state_size, dtype=torch.float64)
    with torch.enable_grad():
        step = torch.autograd.functional.jacobian(lambda point: lattice(point[None], 1)[0, 0], rest)
        rate = torch.autograd.functional.jacobian(lambda point: lattice.acceleration(point[None])[0], rest)
    found = lattice.stability()
    assert found.growth == pytest.approx(float(torch.linalg.eigvals(step).abs().max()), abs=1e-8)
    for value, part in ((found.kappa_min, rate[:, : lattice.size]), (found.alpha_min, rate[:, lattice.size :])):
        assert value == pytest.approx(-float(torch.linalg.eigvalsh((part + part.T) / 2).max()), abs=1e-12)
