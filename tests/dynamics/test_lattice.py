"""Oscillator lattices as they are used: shapes, inverses, gradients, stability, and what they refuse."""

from __future__ import annotations

import pytest
import torch

from flowdis.dynamics import COUPLINGS, FlowError, Lattice
from flowdis.dynamics.fourier import Torus
from flowdis.dynamics.oscillators import Oscillators
from flowdis.dynamics.picking import check_picked
from flowdis.dynamics.propagators import propagator
from tests.dynamics.lattices import COUPLED, by_convolution, make_lattice, random_state


def test_every_coupling_is_tested() -> None:
    assert set(COUPLED) == set(COUPLINGS)


@pytest.mark.parametrize("shape", [(2, 5), (2, 6), (3, 4, 5), (1, 3, 6)])
def test_spectra_are_those_of_torch_and_go_back(shape: tuple[int, ...]) -> None:
    torus, sides = Torus(shape[1:]), tuple(shape[1:])
    field = torch.randn(*sides, shape[0], 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fourier = torus.fourier(field)
    spectrum = fourier.to_spectrum(field)
    whole = torch.fft.fftn(field, dim=tuple(range(len(sides))))[: sides[0] // 2 + 1].flatten(0, len(sides) - 1)
    torch.testing.assert_close(spectrum, torch.cat([whole.real, whole.imag], dim=1), rtol=0, atol=1e-13)
    torch.testing.assert_close(fourier.to_field(spectrum), field, rtol=0, atol=1e-14)
    many = torch.stack([spectrum, 2 * spectrum])
    torch.testing.assert_close(fourier.to_field(many), torch.stack([field, 2 * field]), rtol=0, atol=1e-14)


@pytest.mark.parametrize("sides", [(7,), (4, 5), (40,), (3, 40)])
def test_kernels_act_as_circular_convolutions_and_transposes_as_their_adjoints(sides: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    fields = torch.randn(2, 3, *sides, generator=generator, dtype=torch.float64)
    kernel = torch.randn(4, 3, *[3] * len(sides), generator=generator, dtype=torch.float64)
    torus = Torus(sides)
    fourier, matrices = torus.fourier(fields), torus.kernel_spectrum(kernel)
    inside = fields.permute(*range(2, fields.ndim), 1, 0)
    acted = fourier.to_field(matrices @ fourier.to_spectrum(inside))
    expected = by_convolution(fields, kernel)
    torch.testing.assert_close(acted, expected.permute(*range(2, fields.ndim), 1, 0), rtol=0, atol=1e-13)
    other = torch.randn(acted.shape, generator=generator, dtype=torch.float64)
    adjoint = fourier.to_field(matrices.mT @ fourier.to_spectrum(other))
    torch.testing.assert_close((acted * other).sum(), (adjoint * inside).sum(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("stiffness", [0.0, 0.04, 0.0625, 0.1, 3.0, 400.0])
def test_single_oscillators_are_exact_in_every_regime_gradients_included(stiffness: float) -> None:
    """At a damping of 0.5 the critical stiffness is 0.0625."""
    values = torch.tensor([[stiffness], [0.5]], dtype=torch.float64).requires_grad_()

    def entries(values: torch.Tensor) -> torch.Tensor:
        return torch.stack([part[0, 0, 0] for part in propagator(values[:1], values[1:], 0.8).real])

    def exact(values: torch.Tensor) -> torch.Tensor:
        zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        rows = torch.cat([zero, one]), torch.cat([-values[0], -values[1]])
        return torch.linalg.matrix_exp(0.8 * torch.stack(rows)).flatten()

    torch.testing.assert_close(entries(values), exact(values), rtol=1e-12, atol=2e-14)
    found, truth = (torch.autograd.functional.jacobian(function, values) for function in (entries, exact))
    torch.testing.assert_close(found, truth, rtol=1e-11, atol=1e-13)


def test_strong_damping_over_long_steps_does_not_overflow() -> None:
    values = torch.tensor([[1.0]]), torch.tensor([[2000.0]])
    assert all(bool(part.isfinite().all()) for part in propagator(*values, 10.0).real)


@pytest.mark.parametrize("coupling", COUPLED)
@pytest.mark.parametrize("integrator", ["strang", "nwm"])
def test_steps_are_undone_to_rounding(coupling: str, integrator: str) -> None:
    lattice = make_lattice(coupling=coupling, integrator=integrator)
    state, drive = random_state(lattice), random_state(lattice, seed=2)[:, : lattice.size]
    with torch.no_grad():
        there = lattice(state, 1, drive=drive, every=50)[-1]
        if integrator == "nwm" and lattice.coupling.moving:
            with pytest.raises(ValueError, match='`inverse` must be left out of the integrator "nwm"'):
                lattice(there, 1, drive=drive, inverse=True)
            return
        back = lattice(there, 50, drive=drive, inverse=True)[-1]
    torch.testing.assert_close(back, state, rtol=0, atol=1e-11)


@pytest.mark.parametrize("coupling", COUPLED)
def test_frames_are_steps_apart_and_samples_are_alone(coupling: str) -> None:
    lattice = make_lattice((2, 5), coupling=coupling)
    state = random_state(lattice, 4)
    with torch.no_grad():
        states = lattice(state, 6)
        torch.testing.assert_close(lattice(state, 2, every=3), states[2::3], rtol=0, atol=1e-13)
        torch.testing.assert_close(lattice(states[2], 3), states[3:], rtol=0, atol=1e-13)
        torch.testing.assert_close(lattice(state[2:3], 6), states[:, 2:3], rtol=0, atol=1e-13)
        torch.testing.assert_close(lattice(state[0], 6), states[:, 0], rtol=0, atol=1e-13)
        grid = lattice(state.reshape(2, 2, -1), 6)
    torch.testing.assert_close(grid.flatten(1, 2), states, rtol=0, atol=1e-13)


def test_frames_are_picked_for_each_sample() -> None:
    picked = torch.zeros(3, 2, 2, dtype=torch.long)
    assert check_picked(picked, 5, (2, 2)) is picked
    with pytest.raises(ValueError, match=r"`picked` must have shape \(D, \*\) with \* = \(4,\), got \(3, 2, 2\)"):
        check_picked(picked, 5, (4,))


@torch.no_grad()
def test_picked_frames_are_those_of_the_whole_roll_out() -> None:
    lattice = make_lattice((2, 4, 5))
    state = random_state(lattice, 4).reshape(2, 2, -1)
    states = torch.cat([state[None], lattice(state, 6, every=2)])
    picked = torch.tensor([[0, 6, 3, 1], [2, 0, 5, 6], [4, 4, 4, 4]]).reshape(3, 2, 2)
    found = lattice(state, 6, every=2, picked=picked)
    for index in range(3):
        for row in range(2):
            for column in range(2):
                expected = states[picked[index, row, column], row, column]
                torch.testing.assert_close(found[index, row, column], expected, rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match="`picked` must hold frames from 0, the start, to 5, got 0 to 6"):
        lattice(state, 5, picked=picked)


def test_a_drive_of_the_uncoupled_lattice_moves_its_rest() -> None:
    lattice = make_lattice((1, 4), coupling="none", damping=1.0, stiffness=1.0, step=0.02)
    drive = random_state(lattice, seed=2)[:, : lattice.size]
    with torch.no_grad():
        z, p = lattice.split(lattice(torch.zeros_like(random_state(lattice)), 1, drive=drive, every=1500)[-1])
    expected = drive.reshape(z.shape) / lattice.oscillators.stiffness.detach()[:, None]
    torch.testing.assert_close(z, expected, rtol=1e-4, atol=0)  # off by h^2 / 12
    assert p.abs().max() < 1e-3


@pytest.mark.parametrize("coupling", COUPLED)
@pytest.mark.parametrize(("integrator", "gyroscopic"), [("strang", None), ("strang", 0.1), ("nwm", None)])
def test_every_parameter_gets_a_finite_gradient(coupling: str, integrator: str, gyroscopic: float | None) -> None:
    lattice = Lattice((2, 4, 3), coupling=coupling, integrator=integrator, gyroscopic=gyroscopic, neighbour=0.1)
    state = random_state(lattice).float()
    lattice(state, 4)[-1].square().sum().backward()
    for name, parameter in lattice.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name
        assert bool(parameter.grad.any()), name


def test_gradients_agree_with_differences() -> None:
    for coupling, integrator in (("conservative", "strang"), ("published", "strang"), ("published", "nwm")):
        lattice = make_lattice((1, 3, 4), coupling=coupling, integrator=integrator, spread=0.3)
        state = random_state(lattice, 1)
        parameters = tuple(lattice.parameters())
        assert torch.autograd.gradcheck(lambda *_, run=lattice, at=state: run(at, 2)[-1].sum(), parameters, atol=1e-6)


@pytest.mark.parametrize("coupling", COUPLED)
@pytest.mark.parametrize("integrator", ["strang", "nwm"])
def test_lattices_start_stable(coupling: str, integrator: str) -> None:
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        found = Lattice((3, 4, 4), coupling=coupling, integrator=integrator, generator=generator).stability()
        assert found.stable and found.growth < 1
        assert found.kappa_min > 0 and found.alpha_min == pytest.approx(0.02, rel=1e-3)


def test_channels_start_with_a_spread_of_frequencies_and_numbers_as_given() -> None:
    found = Oscillators(5, Torus((4,))).stiffness.detach()
    torch.testing.assert_close(found.sqrt(), torch.tensor([0.25, 0.42045, 0.70711, 1.18921, 2.0]), rtol=1e-4, atol=0)
    given = Lattice((2, 4), stiffness=[0.5, 30.0], damping=1e-4, neighbour=0.0, gyroscopic=-0.2).oscillators
    torch.testing.assert_close(given.stiffness.detach(), torch.tensor([0.5, 30.0]), rtol=1e-5, atol=0)
    torch.testing.assert_close(given.damping.detach(), torch.full((2,), 1e-4), rtol=1e-4, atol=0)
    assert not given.neighbour.any() and bool((given.gyroscopic == -0.2).all())
    undamped = Lattice((2, 4), damping=0.0)
    assert not undamped.oscillators.damping.any() and undamped.oscillators.raw_damping is None


def test_only_the_conservative_coupling_has_springs_unless_they_are_asked_for() -> None:
    for coupling in COUPLED:
        lattice = Lattice((1, 4, 4), coupling=coupling)
        assert bool(lattice.oscillators.neighbour.any()) == (coupling == "conservative")
    assert bool(Lattice((1, 4, 4), coupling="none", neighbour=0.3).oscillators.neighbour.all())


def test_float32_and_float64_agree() -> None:
    lattice = make_lattice()
    state = random_state(lattice)
    with torch.no_grad():
        double = lattice(state, 20)
        single = lattice.float()(state.float(), 20)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-4)


def test_inputs_are_left_as_they_are() -> None:
    lattice = make_lattice()
    state = random_state(lattice)
    before = state.clone()
    lattice(state, 3)
    lattice.stability()
    assert torch.equal(state, before)


def test_a_kick_that_does_not_settle_says_so() -> None:
    lattice = make_lattice((1, 4), coupling="published")
    with torch.no_grad():
        lattice.coupling.momentum_weight.fill_(-40.0)
    with pytest.raises(FlowError, match=r"kick of 0\.125 .* does not settle: a shorter step may help"):
        lattice(random_state(lattice), 1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"coupling": "convolutional"}, r"`coupling` must be one of conservative, published, dense, none"),
        ({"integrator": "euler"}, r"`integrator` must be one of strang, nwm, got 'euler'"),
        ({"step": 0.0}, r"`step` must be a finite number > 0, got 0.0"),
        ({"damping": -0.1}, r"`damping` must be a finite number >= 0, got -0.1"),
        ({"neighbour": -1.0}, r"`neighbour` must be a finite number >= 0, got -1.0"),
        ({"stiffness": 0.0}, r"`stiffness` must be a finite number > 0, got 0.0"),
        ({"stiffness": [1.0, 2.0, 3.0]}, r"`stiffness` must be one number or one for each of 2 channels, got \[1.0"),
        ({"kernel": 4}, r"`kernel` must be odd and positive, got 4"),
        ({"kernel": 7}, r"`shape` must have sides of at least 7 sites, got \(2, 5, 6\)"),
        ({"strength": 1.0, "coupling": "published"}, r"`strength` must be below 1, where the coupling overcomes"),
        ({"strength": 2.0, "coupling": "dense"}, r"`strength` must be below 1, where the coupling overcomes"),
        ({"gyroscopic": 0.1, "integrator": "nwm"}, r'`gyroscopic` must be left out of the integrator "nwm"'),
        (
            {"integrator": "nwm", "coupling": "none", "stiffness": 4.0, "damping": 3.0, "step": 0.6},
            r"`step` must be below 0.5, or `damping` below 2.133 for the published step with stiffness 4 and",
        ),
        (
            {"integrator": "nwm", "coupling": "none", "stiffness": 1.0, "damping": 0.0, "step": 2.5},
            r"`step` must be below 2 for the published step with stiffness 1 and damping 0, got step 2.5",
        ),
    ],
)
def test_what_a_lattice_refuses(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Lattice((2, 5, 6), **options)


@pytest.mark.parametrize("shape", [(2,), (2, 3, 4, 5), (2, 2, 5), (0, 4), (1, 2)])
def test_shapes_that_are_no_lattice_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`shape` must (be \(C, n\)|have sides of at least 3 sites)"):
        Lattice(shape)


def test_too_strong_a_coupling_for_the_step_is_refused_with_a_limit_that_holds() -> None:
    options = {"strength": 3.0, "damping": 0.0, "stiffness": 1.0}
    with pytest.raises(ValueError, match=r"`step` must be at most .* for so strong a coupling") as caught:
        Lattice((1, 5, 6), step=2.0, **options, generator=torch.Generator().manual_seed(0))
    limit = float(str(caught.value).split("at most ")[1].split()[0])
    fine = Lattice((1, 5, 6), step=0.99 * limit, **options, generator=torch.Generator().manual_seed(0))
    assert fine.stability().stable
    with pytest.raises(ValueError, match="`step` must be at most"):
        Lattice((1, 5, 6), step=1.03 * limit, **options, generator=torch.Generator().manual_seed(0))


def test_states_and_drives_of_another_lattice_are_refused() -> None:
    lattice = make_lattice()
    state = random_state(lattice)
    with pytest.raises(ValueError, match=r"`state` must end in S=80, positions and momenta of \(2, 4, 5\), got shape"):
        lattice(state[:, :40], 1)
    with pytest.raises(ValueError, match=r"`drive` must end in N=40, one number for each oscillator"):
        lattice(state, 1, drive=state)
    for name in ("frames", "every"):
        with pytest.raises(ValueError, match=rf"`{name}` must be a finite number > 0, got 0"):
            lattice(state, **({"frames": 1} | {name: 0}))


@pytest.mark.parametrize("coupling", ["published", "dense"])
def test_couplings_without_an_energy_say_so(coupling: str) -> None:
    lattice = make_lattice(coupling=coupling)
    with pytest.raises(ValueError, match=f"`coupling` must be conservative or none for an energy, got {coupling}"):
        lattice.energy(random_state(lattice))


def test_couplings_of_positions_have_no_slope_by_momenta() -> None:
    lattice = make_lattice()
    fields = torch.zeros(4, 5, 2, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match="`coupling` must be one whose force depends on the momenta, got Conservative"):
        lattice.coupling.momentum_slope(fields, fields, lattice.fourier(), None)
