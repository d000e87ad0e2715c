"""Law 7: the evidence lower bound, term by term. (The importance-weighted likelihood has a file of its own.)"""

from __future__ import annotations

import pytest
import torch

from flowdis.data import Orbit, SequenceBatch, TransformSequences, units_of
from flowdis.dynamics import Solver
from flowdis.models import LatentFlow, LatentFlowConfig, Posterior
from flowdis.objectives import Weights, bound, energy, kl_path, log_prior
from flowdis.paths import Path

NAMES = ("rotate", "hue")


def model(field: str = "helmholtz", motion: dict[str, object] | None = None, **options: object) -> LatentFlow:
    torch.random.default_generator.manual_seed(0)
    config = LatentFlowConfig(
        (3, 8, 8),
        units_of(NAMES),
        dim=6,
        channels=(4,),
        field=field,
        field_options={} if field == "linear" else {"hidden": 8, **options},
        dynamics="overdamped" if motion is None else "underdamped",
        dynamics_options=motion or {},
    )
    return LatentFlow(config, generator=torch.Generator().manual_seed(0)).double()


def batch(count: int = 5, frames: int | None = 2) -> SequenceBatch:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(10, 3, 8, 8, generator=generator, dtype=torch.float64)
    sequences = TransformSequences(images, {name: Orbit(reach=90.0) for name in NAMES})
    return sequences.sample(count, generator=generator, frames=frames)


def test_kl_of_the_posterior_agrees_with_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, log_std = torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
    normal = torch.distributions.Normal(mean, log_std.exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(Posterior(mean, log_std).kl(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("count", [1, 4, 64])
def test_kl_is_a_sum_over_latents_whatever_the_batch(count: int) -> None:
    posterior = Posterior(torch.ones(count, 2), torch.zeros(count, 2))
    assert torch.equal(posterior.kl(), torch.ones(count))


def test_densities_agree_with_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    z, mean, log_std = torch.randn(3, 7, 4, generator=generator, dtype=torch.float64)
    expected = torch.distributions.Normal(mean, log_std.exp()).log_prob(z).sum(-1)
    torch.testing.assert_close(Posterior(mean, log_std).log_density(z), expected, rtol=1e-12, atol=1e-12)


def test_kl_path_is_zero_where_posterior_and_prior_are_one_density() -> None:
    z = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lengths = torch.ones(3, 5, 2, dtype=torch.float64)
    rates = torch.tensor([-1.0, 0.5], dtype=torch.float64)
    variance = 1 + 2 * rates.exp().sum()
    normal = torch.distributions.Normal(0.0, variance.sqrt())
    log_p = log_prior(z, lengths, rates)
    torch.testing.assert_close(log_p, normal.log_prob(z).sum(-1), rtol=1e-12, atol=1e-12)
    assert not kl_path(normal.log_prob(z).sum(-1), log_p).abs().gt(1e-10).any()


def test_the_prior_does_not_ride_the_posterior_s_flow() -> None:
    z = torch.zeros(1, 1, 3, dtype=torch.float64)
    rates = torch.zeros(1, dtype=torch.float64)
    still, moved = (log_prior(z, torch.full((1, 1, 1), size).double(), rates) for size in (0.0, 1.5))
    torch.testing.assert_close(still - moved, torch.full((1, 1), 1.5 * torch.tensor(4.0).log()).double())


def test_amounts_run_up_to_a_time_count_whole_and_part_segments() -> None:
    path = Path(("a",), torch.tensor([[1.0], [-2.0]]))
    times = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0])
    assert path.elapsed(times, absolute=False).squeeze(-1).tolist() == [0.0, 0.5, 1.0, 0.0, -1.0]
    assert path.elapsed(times, absolute=True).squeeze(-1).tolist() == [0.0, 0.5, 1.0, 2.0, 3.0]


def test_a_random_few_frames_leave_the_bound_unbiased() -> None:
    flow, whole = model(), batch(4, None)
    noise = torch.Generator()
    full = bound(flow, whole, generator=noise.manual_seed(3)).terms["reconstruction"]
    parts = []
    for step in range(1, whole.length + 1):
        index = torch.tensor([0, step])
        few = SequenceBatch(whole.names, whole.frames[index], whole.times[index], whole.amounts, whole.length)
        parts.append(bound(flow, few, generator=noise.manual_seed(3)).terms["reconstruction"])
    # The integration grid differs a little between the two, hence not to rounding.
    torch.testing.assert_close(torch.stack(parts).mean(0), full, rtol=1e-6, atol=0)


def test_terms_are_per_sample_and_weights_weigh_them() -> None:
    flow, sequences = model(), batch()
    noise = torch.Generator()
    plain = bound(flow, sequences, generator=noise.manual_seed(0))
    assert all(term.shape == (5,) for term in plain.terms.values())
    heavy = bound(flow, sequences, weights=Weights(kl_initial=4.0), generator=noise.manual_seed(0))
    expected = 3 * plain.terms["kl_initial"].mean()
    torch.testing.assert_close(heavy.loss - plain.loss, expected, rtol=1e-9, atol=1e-9)


def test_a_sample_s_terms_do_not_depend_on_its_batch() -> None:
    flow, sequences = model(), batch(3)
    posterior = flow.encode(sequences.first)
    z = posterior.mean
    alone = energy(flow, Path(NAMES, sequences.amounts[:, :1]), z[None, :1], sequences.times[:1])
    together = energy(flow, Path(NAMES, sequences.amounts), z[None], sequences.times[:1])
    torch.testing.assert_close(together[:1], alone, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("field", "options", "weights"),
    [
        ("helmholtz", {}, Weights(energy=0.1)),
        ("solenoidal", {}, Weights()),
        ("potential", {}, Weights()),
        ("potential", {"clocked": True, "forced": True}, Weights(hamilton_jacobi=0.1, energy=0.1)),
        ("potential", {"depth": 2, "clocked": True}, Weights(hamilton_jacobi=0.1)),
    ],
)
def test_every_parameter_gets_a_finite_gradient(field: str, options: dict, weights: Weights) -> None:
    flow = model(field, **options)
    bound(flow, batch(8), weights=weights, generator=torch.Generator().manual_seed(0)).loss.backward()
    for name, parameter in flow.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("start", ["launch", "rest"])
def test_every_parameter_of_motion_with_inertia_gets_a_finite_gradient(start: str) -> None:
    motion = {"stiffness": 0.3, "start": start, "learned": ["damping", "stiffness", "coupling"]}
    for field, options in (("helmholtz", {}), ("wave", {"profile": "cosine", "damped": True})):
        flow = model(field, motion, **options)
        bound(flow, batch(8), weights=Weights(energy=0.1), generator=torch.Generator().manual_seed(0)).loss.backward()
        for name, parameter in flow.named_parameters():
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.any(), name


def test_with_inertia_kl_path_estimates_the_divergence_of_latent_and_momentum() -> None:
    count, damping, stiffness, spread = 6000, 1.2, 0.5, 0.2
    flow = model("linear", {"damping": damping, "stiffness": stiffness, "spread": spread})
    flow.fields.load_state_dict({"matrix": 0.3 * torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(2))})
    one = batch(1, 1)
    many = SequenceBatch(
        NAMES, one.frames.expand(-1, count, -1, -1, -1), one.times, one.amounts.expand(-1, count, -1), one.length
    )
    solver, generator = Solver(steps=24), torch.Generator().manual_seed(0)
    with torch.no_grad():
        terms = bound(flow, many, solver=solver, generator=generator).terms["kl_path"]
        posterior = flow.encode(one.first)
    amounts = one.amounts[0, 0]
    length, eye = float(amounts.abs().sum()), torch.eye(6, dtype=torch.float64)
    mixed = torch.einsum("k,kij->ij", amounts / length, flow.fields.matrix.detach())
    drift = torch.cat(
        [torch.cat([0 * eye, eye], 1), torch.cat([damping * mixed - stiffness**2 * eye, -damping * eye], 1)]
    )
    launch = torch.cat([eye, mixed])
    move = torch.linalg.matrix_exp(length * float(one.times[1]) * drift)
    start = launch @ torch.diag((2 * posterior.log_std[0]).exp()) @ launch.mT + spread**2 * torch.block_diag(
        0 * eye, eye
    )
    mean, covariance = move @ launch @ posterior.mean[0], move @ start @ move.mT
    run = float(one.times[1]) * float(amounts.abs() @ flow.log_diffusion.exp())
    variances = torch.cat([torch.full((6,), 1 + 2 * run), (2 * flow.motion.log_momentum).exp().expand(6)]).double()
    normal = torch.distributions.MultivariateNormal
    exact, latent = (
        float(
            torch.distributions.kl_divergence(
                normal(mean[:size], covariance[:size, :size]), normal(0 * mean[:size], torch.diag(variances[:size]))
            )
        )
        for size in (12, 6)
    )
    error = 4 * float(terms.std()) / count**0.5
    assert float(terms.mean()) == pytest.approx(exact, abs=error + 2e-3)
    assert exact > latent > 0  # so that what is added is at least the divergence of the latents


def test_energy_with_inertia_is_that_of_the_momentum() -> None:
    flow = model("linear", {})
    amounts = torch.tensor([[2.0, -1.0]], dtype=torch.float64)
    states = torch.randn(1, 4, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    result = energy(flow, Path(NAMES, amounts), states, torch.tensor([0.5], dtype=torch.float64))
    torch.testing.assert_close(result, 0.5 * 9 * states[0, :, 6:].square().sum(-1))


def test_hamilton_jacobi_term_needs_clocked_potentials() -> None:
    with pytest.raises(ValueError, match="hamilton_jacobi"):
        bound(model(), batch(), weights=Weights(hamilton_jacobi=1.0), generator=torch.Generator())


def test_energy_of_a_path_is_half_the_squared_speed() -> None:
    torch.random.default_generator.manual_seed(0)
    flow = LatentFlow(LatentFlowConfig((3, 8, 8), units_of(NAMES), dim=6, channels=(4,), field="constant")).double()
    direction = torch.arange(12, dtype=torch.float64).reshape(2, 6)
    flow.fields.load_state_dict({"direction": direction})
    path = Path(NAMES, torch.tensor([[2.0, 0.0], [0.0, -1.0]], dtype=torch.float64))
    z = torch.zeros(2, 6, dtype=torch.float64)
    result = energy(flow, path, z, torch.tensor([0.5, 1.5], dtype=torch.float64))
    expected = 0.5 * (4 * direction[0].square().sum() + direction[1].square().sum())
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("name", ["reconstruction", "kl_initial", "kl_path", "energy", "hamilton_jacobi"])
def test_weights_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Weights(**{name: -1.0})
