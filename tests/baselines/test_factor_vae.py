"""The FactorVAE: two networks, two optimisers, one batch in halves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from flowdis.baselines import BetaVAE, FactorVAE
from flowdis.baselines.factor_vae import Discriminator
from flowdis.dynamics import FlowError
from flowdis.objectives import Bound
from flowdis.training import save_checkpoint
from tests.baselines.toys import batch, small_model, trainer

OBJECTIVE = FactorVAE(hidden=16, layers=2)


def discriminator(seed: int = 0) -> Discriminator:
    return Discriminator(6, hidden=16, layers=2, generator=torch.Generator().manual_seed(seed))


def loss(objective: FactorVAE, parts: Discriminator | None) -> Bound:
    return objective(small_model(objective), batch(objective), parts=parts, generator=torch.Generator().manual_seed(0))


def test_one_step_of_two_optimisers_changes_both_networks() -> None:
    run = trainer(OBJECTIVE)
    before = {name: [p.detach().clone() for p in module.parameters()] for name, module in run._modules().items()}
    with torch.autograd.set_detect_anomaly(True):
        run._advance()
    names = [name for name, _ in run.model.named_parameters()]
    for name, old, new in zip(names, before["model"], run.model.parameters(), strict=True):
        assert torch.equal(old, new) != name.startswith(("encoder", "decoder")), name
    assert not any(torch.equal(old, new) for old, new in zip(before["parts"], run.parts.parameters(), strict=True))


def test_the_model_s_loss_leaves_the_discriminator_alone_and_the_other_way_round() -> None:
    parts, model = discriminator(), small_model(OBJECTIVE)
    bound = OBJECTIVE(model, batch(OBJECTIVE), parts=parts, generator=torch.Generator().manual_seed(0))
    bound.parts_loss.backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.grad is not None for parameter in parts.parameters())
    parts.zero_grad()
    bound.loss.backward()
    assert all(parameter.grad is None for parameter in parts.parameters())


def test_the_total_correlation_reaches_the_encoder() -> None:
    parts, model = discriminator(), small_model(OBJECTIVE)
    bound = OBJECTIVE(model, batch(OBJECTIVE), parts=parts, generator=torch.Generator().manual_seed(0))
    bound.terms["total_correlation"].mean().backward()
    assert all(parameter.grad.any() for parameter in model.encoder.parameters())
    assert all(parameter.grad is None for parameter in model.decoder.parameters())


def test_gamma_weighs_the_total_correlation_and_without_it_it_is_the_vae_of_half_the_batch() -> None:
    plain, heavy, none = (loss(replace(OBJECTIVE, gamma=gamma), discriminator()) for gamma in (1.0, 4.0, 0.0))
    torch.testing.assert_close(
        heavy.loss - plain.loss, 3 * plain.terms["total_correlation"].mean(), rtol=1e-3, atol=1e-3
    )
    whole = batch(OBJECTIVE)
    half = replace(whole, frames=whole.frames[:, :4], amounts=whole.amounts[:, :4])
    vae = BetaVAE(beta=1.0)(small_model(OBJECTIVE), half, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(none.loss, vae.loss)


def test_a_blind_discriminator_is_at_chance_and_sees_no_total_correlation() -> None:
    parts = discriminator()
    torch.nn.init.zeros_(parts.body[-1].weight)
    bound = loss(OBJECTIVE, parts)
    assert torch.equal(bound.terms["total_correlation"], torch.zeros(4))
    torch.testing.assert_close(bound.parts_loss, torch.tensor(2.0).log())


def test_a_trained_discriminator_tells_the_total_correlation_of_a_gaussian() -> None:
    noise = torch.Generator().manual_seed(0)
    root = torch.linalg.cholesky(torch.tensor([[1.0, 0.9], [0.9, 1.0]]))
    parts = Discriminator(2, hidden=32, layers=2, generator=noise)
    optimizer = torch.optim.Adam(parts.parameters(), lr=0.01, betas=(0.5, 0.9))
    for _ in range(300):
        joint = torch.randn(256, 2, generator=noise) @ root.mT
        product = torch.randn(256, 2, generator=noise)
        logits = parts(torch.cat([joint, product]))
        kind = torch.arange(2).repeat_interleave(256)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, kind).backward()
        optimizer.step()
    with torch.no_grad():
        z = torch.randn(5000, 2, generator=noise) @ root.mT
        estimate = (parts(z)[:, 0] - parts(z)[:, 1]).mean()
    torch.testing.assert_close(estimate, -0.5 * torch.tensor(1 - 0.9**2).log(), rtol=0, atol=0.1)


def test_the_discriminator_depends_on_the_seed_alone_and_draws_from_no_hidden_source() -> None:
    state = torch.get_rng_state()
    one, again, other = discriminator(), discriminator(), discriminator(1)
    assert torch.equal(torch.get_rng_state(), state)
    for name, weight in one.named_parameters():
        assert torch.equal(weight, again.get_parameter(name)), name
        assert name.endswith("bias") or not torch.equal(weight, other.get_parameter(name)), name


def test_the_published_discriminator_is_the_default() -> None:
    model = small_model(OBJECTIVE)
    parts = FactorVAE().parts(model, torch.Generator().manual_seed(0))
    linear = [module for module in parts.modules() if isinstance(module, torch.nn.Linear)]
    assert [module.out_features for module in linear] == [1000] * 6 + [2] and linear[0].in_features == 6
    (group,) = FactorVAE().optimizer(parts).param_groups
    assert (group["lr"], group["betas"], FactorVAE().gamma) == (1e-4, (0.5, 0.9), 35.0)


def test_a_checkpoint_of_another_objective_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    trainer(BetaVAE(), checkpoint=file, steps=1).run()
    with pytest.raises(ValueError, match="must be of a training by FactorVAE, got one by BetaVAE"):
        trainer(OBJECTIVE, checkpoint=file).resume()
    save_checkpoint(file, {"model": {}})
    with pytest.raises(ValueError, match=r"checkpoint .*checkpoint\.pt belongs to another model"):
        trainer(OBJECTIVE, checkpoint=file).resume()


def test_it_needs_its_discriminator() -> None:
    with pytest.raises(ValueError, match="`parts` must be the discriminator"):
        loss(OBJECTIVE, None)


def test_a_discriminator_whose_loss_is_not_finite_stops_the_run() -> None:
    run = trainer(OBJECTIVE)
    torch.nn.init.constant_(run.parts.body[-1].bias, float("nan"))
    with pytest.raises(FlowError, match="training stopped at step 0: total_correlation is not finite"):
        run.run()
