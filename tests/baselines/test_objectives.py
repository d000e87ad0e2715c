"""What holds for every baseline: gradients, units, training, resuming, and a model whose flows can be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from flowdis import edit
from flowdis.baselines import FactorVAE, TopographicVAE
from flowdis.data import digits
from flowdis.models import LatentFlow
from flowdis.objectives import Objective
from flowdis.training import load_checkpoint
from tests.baselines.toys import OBJECTIVES, batch, sequences, small_model, trainer

every_objective = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)


def result(objective: Objective, model: LatentFlow, count: int = 8, seed: int = 0):
    parts = objective.parts(model, torch.Generator().manual_seed(0))
    drawn = batch(objective, count)
    drawn = replace(drawn, frames=drawn.frames.to(model.dtype))
    return parts, objective(model, drawn, parts=parts, generator=torch.Generator().manual_seed(seed))


@every_objective
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_parameter_gets_a_finite_gradient(objective: Objective, dtype: torch.dtype) -> None:
    model = small_model(objective).to(dtype)
    parts, bound = result(objective, model)
    bound.loss.backward()
    assert bound.loss.dtype == dtype
    for name, parameter in model.named_parameters():
        if name.startswith(("encoder", "decoder")):
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.any(), name
        else:  # flows are fitted afterwards
            assert parameter.grad is None, name
    if parts is not None:
        assert all(parameter.grad is None for parameter in parts.parameters())
        bound.parts_loss.backward()
        assert all(parameter.grad.isfinite().all() and parameter.grad.any() for parameter in parts.parameters())


@every_objective
def test_terms_are_per_sample_in_nats_and_do_not_depend_on_the_dtype(objective: Objective) -> None:
    _, single = result(objective, small_model(objective))
    _, double = result(objective, small_model(objective).double())
    shapes = {term.shape for term in single.terms.values()}
    assert shapes == {(4,) if isinstance(objective, FactorVAE) else (8,)}
    assert single.terms.keys() == double.terms.keys()
    for name in ("kl", "kl_z", "kl_u", "kl_transition"):  # what no sample enters: noise differs between dtypes
        if name in single.terms:
            torch.testing.assert_close(single.terms[name], double.terms[name].float(), rtol=1e-4, atol=1e-4)


@every_objective
def test_the_same_noise_gives_the_same_loss_and_other_noise_another(objective: Objective) -> None:
    model = small_model(objective)
    state = torch.get_rng_state()
    (_, one), (_, again), (_, other) = (result(objective, model, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.loss, again.loss) and not torch.equal(one.loss, other.loss)
    assert torch.equal(torch.get_rng_state(), state)


@every_objective
def test_thirty_steps_on_digits_lower_the_loss(objective: Objective) -> None:
    images = digits()[0][::100]
    model = small_model(objective, shape=(3, 28, 28))
    run = trainer(objective, steps=30, batch_size=16, model=model, sequences=sequences(images), learning_rate=0.01)
    for _ in range(30):
        run._advance()
    losses = [entry["loss"] for entry in run.history]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


@every_objective
def test_an_interrupted_run_goes_on_bit_for_bit(objective: Objective, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    whole = trainer(objective)
    whole.run()
    first = trainer(objective, checkpoint=file)
    for _ in range(3):
        first._advance()
    first.save()
    rest = trainer(objective, checkpoint=file)
    assert rest.resume() and rest.step == 3
    rest.run()
    assert [entry["loss"] for entry in rest.history] == [entry["loss"] for entry in whole.history]
    for name, module in whole._modules().items():
        theirs = rest._modules()[name].state_dict()
        assert all(torch.equal(value, theirs[key]) for key, value in module.state_dict().items()), name
    assert load_checkpoint(file).keys() >= {*whole._modules(), *whole._optimizers()}


@every_objective
def test_a_trained_model_is_saved_with_flows_that_edit(objective: Objective, tmp_path: Path) -> None:
    run = trainer(objective)
    before = run.model.fields.matrix.detach().clone()
    run.run()
    assert not torch.equal(run.model.fields.matrix, before)
    run.model.save_pretrained(tmp_path / "model")
    model = LatentFlow.from_pretrained(tmp_path / "model")
    images = sequences().sample(3, generator=torch.Generator().manual_seed(5)).first
    rotate, hue = model.flows("rotate", "hue")
    edited = edit(model, images, rotate(60) + hue(30))
    assert torch.equal(edited, edit(run.model, images, rotate(60) + hue(30)))
    assert edited.shape == images.shape and edited.isfinite().all()
    assert not torch.allclose(edited, edit(model, images, rotate(0)))


@every_objective
def test_only_the_wanted_frames_are_drawn(objective: Objective) -> None:
    run = trainer(objective, steps=2)
    run.run()
    wanted = objective.frames(1)
    assert run.seen == 2 * 8 * (3 if wanted is None else 1 + wanted)
    assert result(objective, small_model(objective))[1].images == (3 if wanted is None else 1 + wanted)


@every_objective
def test_a_model_of_another_kind_is_refused_before_training(objective: Objective) -> None:
    with pytest.raises(ValueError, match="`field` must be linear"):
        trainer(objective, model=small_model(objective, field="helmholtz"))
    if isinstance(objective, TopographicVAE):
        with pytest.raises(ValueError, match="`encoder` must be topographic .* got ConvEncoder"):
            trainer(objective, model=small_model(OBJECTIVES["vae"]))


@pytest.mark.parametrize("name", ["factor_vae", "beta_tcvae", "beta_tcvae, stratified"])
def test_a_batch_of_one_is_too_small_to_tell_how_latents_depend(name: str) -> None:
    with pytest.raises(ValueError, match=r"`batch` must hold at least \d images.*, got 1"):
        result(OBJECTIVES[name], small_model(OBJECTIVES[name]), count=1)


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if not name.startswith(("factor", "beta_tcvae"))])
def test_a_batch_of_one_is_enough_elsewhere(name: str) -> None:
    assert torch.isfinite(result(OBJECTIVES[name], small_model(OBJECTIVES[name]), count=1)[1].loss)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("beta_vae", {"beta": -1.0}),
        ("beta_vae", {"capacity": float("nan")}),
        ("factor_vae", {"gamma": -1.0}),
        ("factor_vae", {"hidden": 0}),
        ("factor_vae", {"learning_rate": 0.0}),
        ("beta_tcvae", {"alpha": float("inf")}),
        ("beta_tcvae", {"dataset_size": 0}),
        ("slow_vae", {"rate": 0.0}),
        ("slow_vae", {"gamma": -1.0}),
    ],
)
def test_numbers_are_checked_at_birth(name: str, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be a finite number"):
        replace(OBJECTIVES[name], **options)
