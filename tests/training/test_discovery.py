"""Discovery: distinct flows of decoders whose factors are known, in seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from flowdis.data import SequenceBatch
from flowdis.dynamics import FlowError
from flowdis.editing import edit
from flowdis.metrics import variation_predictability
from flowdis.metrics.degenerate import random_flows, with_fields
from flowdis.models import CodeDensity, LatentFlow, ModuleDecoder, Posterior
from flowdis.training import Trainer, TrainingConfig
from flowdis.training.discovery import Discovered, discover, discovery_model
from flowdis.training.discovery_objective import CodeFlows, Discovery
from flowdis.training.encoders import fit_encoder
from flowdis.training.found_flows import report_flows, traversals

QUICK = TrainingConfig(steps=110, batch_size=64, ramp=0.0, warmup=10, learning_rate=2e-2, log_every=10)
PRIOR = CodeDensity.prior(2)


class Bar(nn.Module):
    """A vertical bar whose place is the first latent and whose brightness is the second, less 1/2."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.linspace(-2.5, 2.5, 8))

    def forward(self, z: Tensor) -> Tensor:
        bump = torch.exp(-2 * (self.places - z[:, :1]).square())
        light = 0.05 + 0.9 * bump * torch.sigmoid(1.5 * z[:, 1:2])
        return light[:, None, None, :].expand(-1, 1, 8, 8) - 0.5


class BarEncoder(nn.Module):
    """Reads the place, and takes the brightness for the middle."""

    def forward(self, images: Tensor) -> Posterior:
        weights = (images.mean((1, 2)) - 0.05).clamp(min=1e-6)
        place = (weights * torch.linspace(-2.5, 2.5, 8)).sum(-1, keepdim=True) / weights.sum(-1, keepdim=True)
        mean = torch.cat([place, torch.zeros_like(place)], dim=-1)
        return Posterior(mean, torch.full_like(mean, -3.0))


@pytest.fixture(scope="module")
def found() -> Discovered:
    return discover(
        Bar(), PRIOR, encoder=BarEncoder(), flows=2, field_options={"hidden": 16}, training=QUICK, quiet=True
    )


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_flows_of_a_bar_are_told_apart_and_change_images_in_different_ways(found: Discovered) -> None:
    report = report_flows(found, generator=seeded(5), pairs=300)
    assert report.accuracy > 0.9
    assert bool((report.correlations > 0.7).all())
    assert report.overlaps[0, 1].abs() < 0.3
    torch.testing.assert_close(report.overlaps.diagonal(), torch.ones(2))
    # The log-ratio of strengths is held to well within a factor of two of 0.4.
    assert bool(((report.strengths / 0.4).log().abs() < 0.4).all())
    assert bool((report.divergences < 1.5).all())
    written = report.to_json()
    assert written["accuracy"] == report.accuracy and list(written["flows"]) == ["flow_1", "flow_2"]


def test_found_flows_are_told_apart_by_others_than_their_reader_and_untrained_ones_less(found: Discovered) -> None:
    images = found.model.decode(found.density.sample(60, seeded(1)))
    score = variation_predictability(
        found.model, images, generator=seeded(2), pairs=600, train_share=0.05, seeds=2, steps=60
    )
    assert score.score > 0.8 > score.controls["static"]


def test_what_is_found_edits_images(found: Discovered, tmp_path: Path) -> None:
    images = found.model.decode(torch.tensor([[-1.0, 0.0], [0.5, 0.0]]))
    first, second = found.model.flows()
    there = edit(found.model, images, first(0.8) >> second(-0.5))
    assert there.shape == images.shape and not torch.allclose(there, images, atol=0.02)
    found.model.save_pretrained(tmp_path)
    again = LatentFlow.from_pretrained(tmp_path, encoder=BarEncoder(), decoder=Bar())
    torch.testing.assert_close(edit(again, images, first(0.8) >> second(-0.5)), there)


def test_traversals_go_through_the_images_in_the_middle(found: Discovered) -> None:
    z = found.density.sample(3, seeded(3))
    films = traversals(found, z, span=1.0, frames=5)
    assert films.shape == (2, 5, 3, 1, 8, 8)
    torch.testing.assert_close(films[1, 2], found.model.decode(z).detach())
    flow = found.model.flows()[1]
    for place, amount in ((0, -1.0), (1, -0.5), (4, 1.0)):
        end = found.model.decode(found.model.transport(flow.by_amount(amount), z).z[-1]).detach()
        torch.testing.assert_close(films[1, place], end, rtol=1e-4, atol=1e-4)


def test_constant_flows_of_a_linear_map_that_begin_alike_become_different_directions() -> None:
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            square = torch.linalg.qr(torch.randn(16, 16, generator=seeded(4)))[0]
            self.matrix = nn.Parameter(square[:, :2])

        def forward(self, z: Tensor) -> Tensor:
            return 0.1 * (z @ self.matrix.T).reshape(-1, 1, 4, 4)

    training = replace(QUICK, steps=160)
    begun = discovery_model(Linear(), PRIOR, flows=2, field="constant").fields.direction.detach()
    assert abs(float(torch.cosine_similarity(begun[0], begun[1], dim=0))) > 0.99
    found = discover(
        Linear(), PRIOR, flows=2, field="constant", objective=Discovery(listening=0.5), training=training, quiet=True
    )
    report = report_flows(found, generator=seeded(1), pairs=100)
    assert report.overlaps[0, 1].abs() < 0.4 and report.accuracy > 0.95


def test_neither_the_decoder_nor_its_normalisations_change() -> None:
    decoder = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.Unflatten(-1, (1, 4, 4)))
    before = {name: value.clone() for name, value in decoder.state_dict().items()}
    found = discover(decoder, PRIOR, flows=2, training=replace(QUICK, steps=3), quiet=True)
    for name, value in before.items():
        torch.testing.assert_close(decoder.state_dict()[name], value, rtol=0, atol=0)
        torch.testing.assert_close(found.model.decoder.state_dict()[name], value, rtol=0, atol=0)
    assert decoder.training and all(parameter.requires_grad for parameter in decoder.parameters())


def untrained(seed: int = 0) -> LatentFlow:
    return discovery_model(Bar(), PRIOR, flows=3, field_options={"hidden": 8}, seed=seed)


def test_losses_of_fields_and_reader_reach_only_their_own() -> None:
    model, objective = untrained(), Discovery()
    parts = objective.parts(model, seeded())
    batch = CodeFlows(model, PRIOR).sample(32, generator=seeded())
    bound = objective(model, batch, parts=parts)
    assert set(bound.terms) == {"flow", "amount", "strength", "density"}
    assert all(term.shape == (32,) for term in bound.terms.values())
    bound.parts_loss.backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.isfinite(parameter.grad).all() for parameter in parts.parameters())
    parts.zero_grad()
    bound.loss.backward()
    assert all(parameter.grad is None for parameter in parts.parameters())
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.fields.parameters())
    weights = {"flow": 1.0, "amount": 1.0, "strength": 1.0, "density": 0.3}
    total = sum(weights[name] * term.mean() for name, term in bound.terms.items())
    torch.testing.assert_close(bound.loss, total)


def test_directions_are_driven_apart_until_the_reader_is_heard() -> None:
    model, objective = untrained(), Discovery(listening=0.5)
    parts = objective.parts(model, seeded())
    batch = CodeFlows(model, PRIOR).sample(8, generator=seeded())
    for progress, heard in ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0)):
        bound = objective(model, batch, parts=parts, progress=progress)
        weights = {"flow": heard, "amount": heard, "strength": 1.0, "density": 0.3, "likeness": 1 - heard}
        total = sum(weights[name] * term.mean() for name, term in bound.terms.items())
        torch.testing.assert_close(bound.loss, total)
        assert ("likeness" in bound.terms) == (heard < 1)


def test_how_much_of_an_image_changes_counts_where_asked_for() -> None:
    model = untrained()
    batch = CodeFlows(model, PRIOR).sample(8, generator=seeded())
    bounds = []
    for objective in (Discovery(), Discovery(locality_weight=2.0)):
        bounds.append(objective(model, batch, parts=objective.parts(model, seeded())))
    plain, local = bounds
    assert set(local.terms) - set(plain.terms) == {"locality"} and bool((local.terms["locality"] < 0).all())
    torch.testing.assert_close(local.loss, plain.loss + 2 * local.terms["locality"].mean())


def test_one_flow_at_a_time_moves_by_amounts_of_either_sign() -> None:
    sampler = CodeFlows(untrained(), PRIOR, least=0.5, reach=2.0)
    batch = sampler.sample(400, generator=seeded(), speed=0.5)
    moving = batch.amounts[0] != 0
    assert bool((moving.sum(-1) == 1).all()) and bool((moving.sum(0) > 90).all())
    sizes = batch.amounts[0].sum(-1)
    assert 0.25 <= sizes.abs().min() < sizes.abs().max() <= 1.0 and 140 < int((sizes > 0).sum()) < 260
    torch.testing.assert_close(batch.first, sampler.model.decode(batch.codes).detach())


def test_a_run_that_is_taken_up_again_ends_where_one_in_one_go_does(tmp_path: Path) -> None:
    def run(name: str, steps: int) -> dict[str, Tensor]:
        model = untrained()
        settings = replace(QUICK, steps=6, batch_size=8)
        trainer = Trainer(model, CodeFlows(model, PRIOR), settings, tmp_path / name, True, objective=Discovery())
        trainer.resume()
        for _ in range(steps):
            trainer._advance()
        trainer.save()
        return model.state_dict()

    whole = run("whole.pt", 6)
    run("halves.pt", 3)
    for name, value in run("halves.pt", 3).items():
        torch.testing.assert_close(value, whole[name], rtol=0, atol=0)


def test_it_follows_the_decoder_s_type() -> None:
    found = discover(Bar().double(), PRIOR, flows=2, training=replace(QUICK, steps=2, batch_size=5), quiet=True)
    assert found.model.dtype == torch.float64
    assert report_flows(found, generator=seeded(), pairs=4).strengths.dtype == torch.float64


def test_untrained_flows_of_the_same_strength_are_a_control(found: Discovered) -> None:
    z = found.density.sample(100, seeded(7))
    other = with_fields(found.model, random_flows(found.model, z, generator=seeded(8)))
    control = report_flows(replace(found, model=other), generator=seeded(5), pairs=100)
    assert control.accuracy < report_flows(found, generator=seeded(5), pairs=100).accuracy


def test_images_in_other_ranges_are_read_as_images_and_found_again() -> None:
    decoder = ModuleDecoder(nn.Sequential(nn.Unflatten(-1, (1, 1, 2)), nn.Tanh()), image_range=(-1.0, 1.0))
    model = discovery_model(decoder, PRIOR, flows=2)
    z = torch.tensor([[-30.0, 0.0], [30.0, 0.5]])
    torch.testing.assert_close(model.decode(z).flatten(1), (1 + z.tanh()) / 2)
    images = model.decode(torch.tensor([[0.3, -0.7], [1.1, 0.2]]))
    model.encoder.quiet = True
    again = model.decode(model.encode(images).mean)
    assert float((again - images).square().mean().sqrt()) < 2e-3  # the tolerance of an inversion is 1e-3


def test_an_encoder_is_learned_from_the_decoder_s_own_images() -> None:
    model = discovery_model(Bar(), PRIOR, flows=2)
    encoder = fit_encoder(model, PRIOR, steps=150, hidden=32, quiet=True)
    z = torch.tensor([[-1.0, 0.5], [0.0, 0.0], [1.0, -0.5]])
    posterior = encoder(model.decode(z))
    torch.testing.assert_close(posterior.mean.detach(), z, rtol=0, atol=0.4)
    assert posterior.log_std.max() < -0.5  # a standard normal has 0


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        (lambda: discover(Bar(), PRIOR, flows=1), ValueError, "`flows` must be at least 2 to be told apart, got 1"),
        (lambda: discover(nn.Identity(), PRIOR), ValueError, r"`decoder` must make images \(B, C, H, W\) of codes"),
        (lambda: discover(Bar(), PRIOR, field="wav"), ValueError, r"`field` must be one of .* \(did you mean 'wave'"),
        (lambda: discover(Bar(), PRIOR, likelihood="x"), ValueError, "`likelihood` must be one of"),
        (lambda: Discovery(strength=0.0), ValueError, "`strength` must be a finite number > 0, got 0"),
        (lambda: Discovery(density_weight=-1.0), ValueError, "`density_weight` must be a finite number >= 0"),
        (lambda: Discovery(locality_weight=-1.0), ValueError, "`locality_weight` must be a finite number >= 0"),
        (lambda: CodeFlows(untrained(), CodeDensity.prior(3)), ValueError, "must be over D=2 latents, got 3"),
        (lambda: CodeFlows(untrained(), PRIOR, least=2.0), ValueError, "`least` must be at most `reach`, got 2.0"),
        (
            lambda: discover(Bar(), PRIOR, likelihood="bernoulli"),
            ValueError,
            "`encoder` must be given for a decoder of",
        ),
        (lambda: fit_encoder(untrained(), PRIOR, steps=0), ValueError, "`steps` must be a finite number > 0, got 0"),
    ],
)
def test_bad_input_is_named(wrong, kind, said) -> None:
    with pytest.raises(kind, match=said):
        wrong()


def test_what_does_not_suit_the_objective_is_named(found: Discovered) -> None:
    objective, model = Discovery(), untrained()
    batch = CodeFlows(model, PRIOR).sample(4, generator=seeded())
    with pytest.raises(ValueError, match="`parts` must be the reader"):
        objective(model, batch)
    plain = SequenceBatch(model.names, batch.frames, batch.times, batch.amounts, 1)
    with pytest.raises(ValueError, match="`batch` must be one of `CodeFlows`, with its codes, got SequenceBatch"):
        objective(model, plain, parts=objective.parts(model, seeded()))
    model.decoder.requires_grad_(True)
    with pytest.raises(ValueError, match="`model` must have a frozen decoder"):
        Trainer(model, CodeFlows(model, PRIOR), QUICK, quiet=True, objective=objective)
    with pytest.raises(ValueError, match="`frames` must be odd and at least 3, got 4"):
        traversals(found, torch.zeros(1, 2), frames=4)


def test_a_decoder_that_makes_no_numbers_stops_the_run() -> None:
    decoder = Bar()
    nn.init.constant_(decoder.places, float("nan"))
    with pytest.raises((FlowError, ValueError), match="not finite|must hold different images"):
        discover(decoder, PRIOR, flows=2, training=replace(QUICK, steps=1), quiet=True)
