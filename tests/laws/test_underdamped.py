"""Law 5: motion with inertia against the damped oscillator, its volume, its invariants, its limits."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from flowdis.dynamics import Overdamped, Solver, Underdamped, advance, transport
from flowdis.fields import HelmholtzField, LinearField, PotentialField, VelocityField
from flowdis.paths import Path, Unit, flows

FLOW = flows({"flow": Unit()})[0]
REGIMES = {"underdamped": (1.3, 0.5), "critical": (1.0, 2.0), "overdamped": (0.7, 3.0), "undamped": (1.1, 0.0)}
regimes = pytest.mark.parametrize(("stiffness", "damping"), REGIMES.values(), ids=REGIMES)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(matrix: Tensor) -> LinearField:
    bank = LinearField(("flow",), matrix.shape[-1]).double()
    bank.load_state_dict({"matrix": matrix[None]})
    return bank


def nothing(dim: int) -> VelocityField:
    """A field that does not push, so that only the spring and the damping act."""
    return linear(torch.zeros(dim, dim, dtype=torch.float64))["flow"]


def hill(dim: int, seed: int = 0) -> PotentialField:
    """A nonlinear gradient field that pushes noticeably."""
    bank = PotentialField(("flow",), dim, hidden=12, generator=torch.Generator().manual_seed(seed)).double()
    bank.network.amplitude.data *= 4
    return bank.requires_grad_(False)


def run(dynamics: Underdamped, field: VelocityField, state: Tensor, step: float, count: int) -> Tensor:
    push = None
    for _ in range(count):
        state, push = advance(dynamics, field, state, 0.0, step, push=push)
    return state


def step_map(dynamics: Underdamped, field: VelocityField, dim: int, step: float) -> tuple[Tensor, Tensor]:
    """The matrices of a linear step, as columns: of the state, and of the noise."""
    eye = torch.eye(2 * dim, dtype=torch.float64)
    if dynamics.temperature == 0:
        return advance(dynamics, field, eye, 0.0, step)[0].mT, torch.zeros(2 * dim, dim, dtype=torch.float64)
    still = torch.zeros(2 * dim, dim, dtype=torch.float64)
    state = advance(dynamics, field, eye, 0.0, step, noise=still)[0].mT
    noise = torch.eye(dim, dtype=torch.float64)
    return state, advance(dynamics, field, torch.zeros(dim, 2 * dim).double(), 0.0, step, noise=noise)[0].mT


def oscillator(time: float, stiffness: float, damping: float, x: float, p: float) -> tuple[float, float]:
    """The damped oscillator in closed form."""
    s, decay = stiffness**2 - damping**2 / 4, math.exp(-damping * time / 2)
    root = math.sqrt(abs(s))
    if s > 0:
        c, q = math.cos(root * time), math.sin(root * time) / root
    elif s < 0:
        c, q = math.cosh(root * time), math.sinh(root * time) / root
    else:
        c, q = 1.0, time
    return (
        decay * (x * c + (p + damping * x / 2) * q),
        decay * (p * c - (stiffness**2 * x + damping * p / 2) * q),
    )


@regimes
def test_a_damped_oscillator_is_met_in_all_regimes_at_second_order(stiffness: float, damping: float) -> None:
    dynamics = Underdamped(damping=damping, stiffness=stiffness, coupling=1.0)
    start = torch.tensor([0.8, -0.4], dtype=torch.float64)
    exact = torch.tensor(oscillator(2.0, stiffness, damping, 0.8, -0.4), dtype=torch.float64)
    coarse, fine = (run(dynamics, nothing(1), start, 2.0 / count, count) for count in (100, 200))
    ratio = float((coarse - exact).norm() / (fine - exact).norm())
    assert math.log2(ratio) == pytest.approx(2, abs=0.02)
    # The error of a symmetric method has even powers of the step alone, so this leaves the fourth.
    torch.testing.assert_close((4 * fine - coarse) / 3, exact, rtol=0, atol=1e-8)


def test_a_launch_and_a_start_from_rest_are_the_oscillator_s() -> None:
    bank, z = linear(torch.tensor([[-0.5]]).double()), torch.tensor([[0.8], [-2.0]], dtype=torch.float64)
    for start, launch in (("launch", -0.5), ("rest", 0.0)):
        dynamics = Underdamped(damping=0.6, stiffness=1.0, coupling=0.4, start=start)
        end = transport(bank, FLOW(1.5), z, dynamics=dynamics, solver=Solver("euler", steps=1500)).states[-1]
        for i, x in enumerate(z.flatten().tolist()):
            # The field -z / 2 at coupling 0.4 stiffens the spring.
            exact = oscillator(1.5, math.sqrt(1.2), 0.6, x, launch * x)
            torch.testing.assert_close(end[i], torch.tensor(exact, dtype=torch.float64), rtol=0, atol=1e-6)


def jacobian(function: Callable[[Tensor], Tensor], state: Tensor) -> Tensor:
    return torch.autograd.functional.jacobian(function, state)


@pytest.mark.parametrize("damping", [0.0, 0.7, 2.5])
def test_a_step_changes_volume_by_the_damping_alone_and_is_conformally_symplectic(damping: float) -> None:
    dim, step = 3, 0.3
    dynamics = Underdamped(damping=damping, stiffness=0.5, coupling=1.5)
    field = hill(dim)["flow"]
    form = torch.zeros(2 * dim, 2 * dim, dtype=torch.float64)
    form[:dim, dim:], form[dim:, :dim] = torch.eye(dim), -torch.eye(dim)
    for seed in range(3):
        matrix = jacobian(lambda x: advance(dynamics, field, x, 0.0, step)[0], draw(2 * dim, seed=seed))
        assert float(torch.linalg.slogdet(matrix).logabsdet) == pytest.approx(-damping * step * dim, abs=1e-12)
        torch.testing.assert_close(matrix.mT @ form @ matrix, math.exp(-damping * step) * form, rtol=0, atol=1e-13)


def test_volume_is_exact_for_fields_that_turn_too() -> None:
    bank = HelmholtzField(("flow",), 3, hidden=8, generator=torch.Generator().manual_seed(0)).double()
    dynamics = Underdamped(damping=1.1)
    matrix = jacobian(lambda x: run(dynamics, bank["flow"], x, 0.2, 3), draw(6))
    assert float(torch.linalg.slogdet(matrix).logabsdet) == pytest.approx(-1.1 * 0.6 * 3, abs=1e-12)


def test_log_density_of_latent_and_momentum_grows_by_damping_times_dimension() -> None:
    bank = HelmholtzField(("flow",), 3, hidden=8, generator=torch.Generator().manual_seed(0)).double()
    speeds = torch.tensor([1.0, 2.0, 0.0, 0.3], dtype=torch.float64)
    path = FLOW(1.5 * speeds) >> FLOW(-0.5 * speeds)
    times = torch.tensor([0.0, 0.5, 1.0, 2.0], dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    z = draw(4, 3)
    dynamics = Underdamped(damping=1.7, spread=0.2)
    walk = transport(bank, path, z, dynamics=dynamics, frames=times, log_q=z.sum(-1), generator=generator)
    run_up = path.elapsed(times, absolute=True).squeeze(-1)
    torch.testing.assert_close(walk.log_q - walk.log_q[0], 1.7 * 3 * run_up, rtol=0, atol=1e-12)
    launch = torch.tensor([1.0, 1.0, 0.0, 1.0]).double().unsqueeze(-1) * bank["flow"](z, 0.0)
    momentum = torch.distributions.Normal(launch, 0.2).log_prob(dynamics.momentum(walk.states[0])).sum(-1)
    torch.testing.assert_close(walk.log_q[0], z.sum(-1) + momentum, rtol=0, atol=1e-12)


def test_a_gaussian_of_latent_and_momentum_is_pushed_to_the_gaussian_of_the_linear_map() -> None:
    matrix, spread = 0.4 * draw(2, 2), 0.3
    bank, dynamics = linear(matrix), Underdamped(damping=1.3, stiffness=0.8, spread=spread)
    z, generator = draw(50, 2, seed=1), torch.Generator().manual_seed(0)
    log_q = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    solver = Solver("euler", steps=8)
    walk = transport(bank, FLOW(0.8), z, dynamics=dynamics, log_q=log_q, generator=generator, solver=solver)
    once = step_map(dynamics, bank["flow"], 2, 0.1)[0]
    eye = torch.eye(2, dtype=torch.float64)
    launch = torch.cat([eye, matrix])
    start = launch @ launch.mT + spread**2 * torch.block_diag(0 * eye, eye)
    whole = torch.linalg.matrix_power(once, 8)
    end = torch.distributions.MultivariateNormal(torch.zeros(4).double(), whole @ start @ whole.mT)
    torch.testing.assert_close(walk.log_q[-1], end.log_prob(walk.states[-1]), rtol=0, atol=1e-9)


def stationary(state: Tensor, noise: Tensor) -> Tensor:
    """The covariance that a linear map with noise leaves as it is."""
    size = state.shape[0]
    system = torch.eye(size**2, dtype=torch.float64) - torch.kron(state, state)
    return torch.linalg.solve(system, (noise @ noise.mT).flatten()).unflatten(0, (size, size))


@pytest.mark.parametrize("step", [0.7, 0.05])
def test_noise_keeps_the_law_of_the_latent_exactly_and_that_of_the_momentum_to_second_order(step: float) -> None:
    stiffness, temperature = 1.2, 0.4
    dynamics = Underdamped(temperature, damping=0.9, stiffness=stiffness)
    covariance = stationary(*step_map(dynamics, nothing(1), 1, step))
    momentum = temperature * (1 - (step * stiffness) ** 2 / 4)
    wanted = torch.diag(torch.tensor([temperature / stiffness**2, momentum], dtype=torch.float64))
    torch.testing.assert_close(covariance, wanted, rtol=0, atol=1e-12)


def test_noisy_motion_settles_to_its_stationary_law() -> None:
    stiffness, temperature, count = 1.5, 0.6, 20_000
    dynamics = Underdamped(temperature, damping=2.0, stiffness=stiffness)
    bank, z = linear(torch.zeros(1, 1).double()), torch.ones(count, 1, dtype=torch.float64)
    end = transport(
        bank,
        FLOW(8.0),
        z,
        dynamics=dynamics,
        solver=Solver("euler", steps=80),
        generator=torch.Generator().manual_seed(0),
    ).states[-1]
    error = 4 * math.sqrt(2 / count)
    assert float(end[:, 0].var()) == pytest.approx(temperature / stiffness**2, rel=error)
    assert float(end[:, 1].var()) == pytest.approx(temperature * (1 - 0.15**2 / 4), rel=error)
    assert abs(float((end[:, 0] * end[:, 1]).mean())) < 4 * temperature / stiffness / math.sqrt(count)


def gaussian_divergence(first: Tensor, second: Tensor) -> float:
    normals = [torch.distributions.MultivariateNormal(torch.zeros(len(c)).double(), c) for c in (first, second)]
    return float(torch.distributions.kl_divergence(*normals))


def test_a_common_flow_keeps_a_divergence_and_common_noise_lowers_it_through_the_momentum() -> None:
    matrix, temperature, damping = 0.4 * draw(2, 2), 0.5, 0.8
    factors = [torch.eye(4, dtype=torch.float64) + 0.3 * draw(4, 4, seed=seed) for seed in (1, 2)]
    q, p = (factor @ factor.mT for factor in factors)
    before = gaussian_divergence(q, p)
    field = linear(matrix)["flow"]
    still = step_map(Underdamped(damping=damping), field, 2, 0.5)[0]
    assert gaussian_divergence(*(still @ c @ still.mT for c in (q, p))) == pytest.approx(before, abs=1e-12)

    def after(step: float) -> float:
        state, noise = step_map(Underdamped(temperature, damping=damping), field, 2, step)
        return gaussian_divergence(*(state @ c @ state.mT + noise @ noise.mT for c in (q, p)))

    slope = (torch.linalg.inv(p) - torch.linalg.inv(q))[2:]
    rate = -damping * temperature * float((slope @ q @ slope.mT).trace())
    one, two = ((after(h) - before) / h for h in (2e-4, 1e-4))
    assert 2 * two - one == pytest.approx(rate, rel=1e-5)


def test_leapfrog_keeps_its_own_energy_of_an_oscillator() -> None:
    stiffness, step = 1.3, 0.4
    dynamics = Underdamped(damping=0.0, stiffness=stiffness, coupling=1.0)
    state = torch.tensor([1.0, 0.3], dtype=torch.float64)

    def kept(x: Tensor) -> float:
        return float(x[1] ** 2 + stiffness**2 * (1 - (step * stiffness) ** 2 / 4) * x[0] ** 2)

    start, field = kept(state), nothing(1)
    for _ in range(50):
        state = run(dynamics, field, state, step, 4)
        assert kept(state) == pytest.approx(start, abs=1e-13)


def test_leapfrog_is_reversible_and_its_energy_error_falls_by_four_without_drift() -> None:
    dim, bank = 4, hill(4)
    dynamics = Underdamped(damping=0.0, stiffness=1.0, coupling=1.0)
    field, state = bank["flow"], draw(8)
    flip = torch.cat([torch.ones(dim), -torch.ones(dim)]).double()
    there = run(dynamics, field, state, 0.1, 300)
    assert float((there - state).norm()) > 0.1
    torch.testing.assert_close(flip * run(dynamics, field, flip * there, 0.1, 300), state, rtol=0, atol=1e-12)

    def errors(step: float) -> Tensor:
        path, now = [state], state
        for _ in range(round(24 / step)):
            now = run(dynamics, field, now, step, 1)
            path.append(now)
        walk = torch.stack(path)
        energy = dynamics.energy(walk, bank.potential(walk[:, :dim]).squeeze(-1))
        return energy - energy[0]

    coarse, fine = errors(0.12), errors(0.06)
    assert float(coarse.abs().max() / fine.abs().max()) == pytest.approx(4, rel=0.1)
    # What the error's mean moves by from one half to the other is little beside its swing.
    first, last = coarse.chunk(2)
    assert abs(float(first.mean() - last.mean())) < 0.2 * float(coarse.abs().max())


def reference(z: Tensor, p: Tensor, force: Callable[[Tensor], Tensor], h: float, g: float) -> tuple[Tensor, Tensor]:
    """One step, written out, for a damping of either sign."""
    p = math.exp(-g * h / 2) * p + h / 2 * force(z)
    z = z + h * p
    return z, math.exp(-g * h / 2) * (p + h / 2 * force(z))


def test_turned_round_in_time_a_damped_step_is_one_of_negative_damping() -> None:
    bank, state, step = hill(3), draw(6), 0.25
    dynamics = Underdamped(damping=0.8, stiffness=0.6, coupling=1.0)

    def force(z: Tensor) -> Tensor:
        return bank["flow"](z, 0.0) - 0.36 * z

    z, p = state.chunk(2)
    torch.testing.assert_close(
        run(dynamics, bank["flow"], state, step, 1), torch.cat(reference(z, p, force, step, 0.8)), rtol=0, atol=1e-15
    )
    for _ in range(20):
        z, p = reference(z, p, force, step, -0.8)
    back = run(dynamics, bank["flow"], torch.cat([z, -p]), step, 20)
    torch.testing.assert_close(torch.cat([back[:3], -back[3:]]), state, rtol=0, atol=1e-13)


def test_steps_of_negative_length_undo_a_damped_motion() -> None:
    bank, state = hill(3), draw(6)
    dynamics = Underdamped(damping=1.0, stiffness=1.5, coupling=0.5)
    end = run(dynamics, bank["flow"], state, 0.1, 200)  # g t = 20
    torch.testing.assert_close(run(dynamics, bank["flow"], end, -0.1, 200), state, rtol=0, atol=1e-11)


@pytest.mark.parametrize("damping", [0.0, 0.4, 1.5])
def test_a_step_s_eigenvalues_have_the_numerical_dispersion(damping: float) -> None:
    stiffness, step = 1.1, 0.5
    dynamics = Underdamped(damping=damping, stiffness=stiffness, coupling=1.0)
    values = torch.linalg.eigvals(step_map(dynamics, nothing(1), 1, step)[0])
    cosine = (1 - (step * stiffness) ** 2 / 2) * math.cosh(damping * step / 2)
    wanted = math.exp(-damping * step / 2) * torch.tensor([cosine, cosine], dtype=torch.float64)
    torch.testing.assert_close(values.real, wanted, rtol=0, atol=1e-14)
    sizes = wanted.new_full((2,), math.exp(-damping * step / 2))
    torch.testing.assert_close(values.abs(), sizes, rtol=0, atol=1e-14)


def test_strongly_damped_motion_has_a_slow_rate_that_tends_to_stiffness_squared_over_damping() -> None:
    stiffness = 0.9
    left = []
    for damping in (10.0, 20.0):
        dynamics = Underdamped(damping=damping, stiffness=stiffness)
        rows = torch.eye(2, dtype=torch.float64)
        drift = dynamics.drift(nothing(1), rows, 0.0).mT
        slow = -float(torch.linalg.eigvals(drift).real.max())
        assert slow == pytest.approx((damping - math.sqrt(damping**2 - 4 * stiffness**2)) / 2, abs=1e-12)
        step = -math.log(float(torch.linalg.eigvals(step_map(dynamics, nothing(1), 1, 1e-3)[0]).real.max())) / 1e-3
        assert step == pytest.approx(slow, rel=1e-4)
        left.append(slow * damping / stiffness**2 - 1 - stiffness**2 / damping**2)
    assert left[0] / left[1] == pytest.approx(16, rel=0.05)  # the next term is of fourth order


def test_energy_is_lost_at_the_damping_times_the_squared_momentum() -> None:
    bank, state = hill(3), draw(6).requires_grad_()
    dynamics = Underdamped(damping=0.7, stiffness=0.8, coupling=1.2)

    def energy(x: Tensor) -> Tensor:
        return dynamics.energy(x, bank.potential(x[..., :3]).squeeze(-1))

    slope = torch.autograd.grad(energy(state), state)[0]
    rate = slope @ dynamics.drift(bank["flow"], state, 0.0)
    wanted = -0.7 * float(dynamics.momentum(state).detach().square().sum())
    assert float(rate.detach()) == pytest.approx(wanted, abs=1e-12)
    start = state.detach()
    ahead, behind = (run(dynamics, bank["flow"], start, sign * 1e-5, 10) for sign in (1, -1))
    assert float(energy(ahead) - energy(behind)) / 2e-4 == pytest.approx(wanted, rel=1e-6)


def test_splitting_is_of_second_order_on_a_damped_nonlinear_motion() -> None:
    bank, z = hill(4), draw(5, 4)
    dynamics = Underdamped(damping=0.9, stiffness=0.7, coupling=2.0)
    ends = [
        transport(bank, FLOW(2.0), z, dynamics=dynamics, solver=Solver("euler", steps=steps)).states[-1]
        for steps in (20, 40, 80)
    ]
    ratio = float((ends[0] - ends[1]).norm() / (ends[1] - ends[2]).norm())
    assert math.log2(ratio) == pytest.approx(2, abs=0.05)


def test_the_motion_meets_its_own_equation() -> None:
    bank, state = hill(3), draw(2, 6)
    dynamics = Underdamped(damping=1.4, stiffness=0.5)
    rate, divergence = dynamics.drift_and_divergence(bank["flow"], state, 0.0)
    ahead, behind = (run(dynamics, bank["flow"], state, sign * 1e-4, 1) for sign in (1, -1))
    torch.testing.assert_close((ahead - behind) / 2e-4, rate, rtol=0, atol=1e-7)
    for i in range(2):
        matrix = jacobian(lambda x: dynamics.drift(bank["flow"], x, 0.0), state[i])
        torch.testing.assert_close(divergence[i], matrix.trace(), rtol=0, atol=1e-12)


def test_for_large_damping_motion_tends_to_the_overdamped_flow_as_one_over_the_damping() -> None:
    bank = HelmholtzField(("flow",), 4, hidden=12, generator=torch.Generator().manual_seed(0)).double()
    bank.requires_grad_(False)
    z, path = draw(6, 4), FLOW(torch.tensor([2.0, -1.0, 0.5, 3.0, -2.0, 1.0]).double())
    goal = transport(bank, path, z, dynamics=Overdamped()).z[-1]

    def error(damping: float) -> float:
        dynamics = Underdamped(damping=damping)
        end = transport(bank, path, z, dynamics=dynamics, solver=Solver("euler", steps=round(40 * damping))).z[-1]
        return float((end - goal).norm())

    slopes = [math.log2(error(2 * damping) / error(damping)) for damping in (5.0, 10.0)]
    assert slopes == pytest.approx([-1, -1], abs=0.2)
    assert abs(slopes[1] + 1) < abs(slopes[0] + 1)


def test_a_path_over_several_fields_is_one_mix_in_the_time_of_its_amounts() -> None:
    first, second = 0.5 * draw(3, 3), 0.5 * draw(3, 3, seed=1)
    bank = LinearField(("a", "b"), 3).double()
    bank.load_state_dict({"matrix": torch.stack([first, second])})
    mixed = linear((1.2 * first - 0.8 * second) / 2.0)
    z, dynamics, solver = draw(4, 3, seed=2), Underdamped(stiffness=0.4), Solver(steps=16)
    path = Path(("a", "b"), torch.tensor([[1.2, -0.8]], dtype=torch.float64))
    one = transport(bank, path, z, dynamics=dynamics, solver=solver).states
    torch.testing.assert_close(one, transport(mixed, FLOW(2.0), z, dynamics=dynamics, solver=solver).states)
