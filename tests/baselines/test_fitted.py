"""Flows fitted to codes: those that the codes truly follow come back, by a model that uses them."""

from __future__ import annotations

import pytest
import torch

from flowdis.baselines import fit_flows
from flowdis.data import SequenceBatch, Steps, TransformSequences, units_of
from flowdis.fields import ConstantField, FieldBank, LinearField
from flowdis.models import LatentFlow, LatentFlowConfig
from tests.baselines.toys import OBJECTIVES, batch, small_model
from tests.models.toys import CentredDecoder, CentredEncoder

F64 = torch.float64


def pixel_model(bank: FieldBank) -> LatentFlow:
    """Codes are the two pixels, less one half."""
    kind = "linear" if isinstance(bank, LinearField) else "constant"
    config = LatentFlowConfig((1, 1, 2), units_of(["rotate"]), dim=2, field=kind)
    return LatentFlow(config, encoder=CentredEncoder(), decoder=CentredDecoder(), fields=bank).double()


def turning(amounts: torch.Tensor) -> SequenceBatch:
    """Two pixels that turn about mid grey by 0.1 radians per amount and frame."""
    angle = torch.arange(9, dtype=F64)[:, None] * 0.1 * amounts
    start = torch.rand(len(amounts), generator=torch.Generator().manual_seed(0), dtype=F64) * 6
    turned = 0.5 + 0.4 * torch.stack([torch.cos(start + angle), torch.sin(start + angle)], dim=-1)
    times = torch.arange(9, dtype=F64) / 8
    return SequenceBatch(("rotate",), turned[:, :, None, None], times, 8 * amounts[None, :, None], 8)


def test_a_linear_flow_comes_back() -> None:
    model = pixel_model(LinearField(("rotate",), 2))
    fit_flows(model, turning(torch.linspace(-1, 1, 40, dtype=F64)))
    expected = 0.1 * torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=F64)
    torch.testing.assert_close(model.fields.matrix, expected, rtol=0, atol=1e-4)


def test_a_constant_flow_comes_back() -> None:
    model = pixel_model(ConstantField(("rotate",), 2))
    amounts = torch.linspace(-1, 1, 40, dtype=F64)
    direction = torch.tensor([[0.02, -0.05]], dtype=F64)
    frames = 0.5 + torch.arange(9, dtype=F64)[:, None, None] * amounts[:, None] * direction
    drawn = SequenceBatch(
        ("rotate",), frames[:, :, None, None], torch.arange(9, dtype=F64) / 8, 8 * amounts[None, :, None], 8
    )
    fit_flows(model, drawn)
    torch.testing.assert_close(model.fields.direction, direction, rtol=1e-9, atol=1e-12)


def test_a_fit_depends_on_neither_the_batching_nor_an_earlier_fit() -> None:
    objective = OBJECTIVES["vae"]
    model = small_model(objective).double()
    drawn = batch(objective, 64, frames=None)
    fit_flows(model, drawn)
    once = model.fields.matrix.clone()
    fit_flows(model, drawn, batch_size=7)
    torch.testing.assert_close(model.fields.matrix, once, rtol=0, atol=1e-9)


def test_the_encoder_the_decoder_and_the_sequences_are_left_alone() -> None:
    objective = OBJECTIVES["vae"]
    model = small_model(objective)
    drawn = batch(objective, 64, frames=None)
    frames, weights = drawn.frames.clone(), {name: p.clone() for name, p in model.state_dict().items()}
    fit_flows(model, drawn)
    assert torch.equal(drawn.frames, frames)
    changed = [name for name, weight in model.state_dict().items() if not torch.equal(weight, weights[name])]
    assert changed == ["fields.matrix"]


def test_dead_latents_neither_break_the_fit_nor_move() -> None:
    objective = OBJECTIVES["vae"]
    model = small_model(objective).double()
    head = model.encoder.head[0]
    with torch.no_grad():
        head.weight[:2] = 0
        head.bias[:2] = 0
    fit_flows(model, batch(objective, 64, frames=None))
    assert model.fields.matrix.isfinite().all()
    torch.testing.assert_close(model.fields.matrix[:, :2], torch.zeros(2, 2, 6).double(), rtol=0, atol=1e-12)


def test_a_transformation_that_never_moves_gets_no_flow() -> None:
    objective = OBJECTIVES["vae"]
    model = small_model(objective)
    moving = TransformSequences(
        torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)),
        {name: Steps(30.0) for name in model.names},
        which="hue",
    )
    fit_flows(model, moving.sample(32, generator=torch.Generator().manual_seed(0)))
    rotate, hue = model.fields.matrix
    assert not rotate.any() and hue.any()


def test_what_cannot_be_fitted_is_named() -> None:
    objective = OBJECTIVES["vae"]
    drawn = batch(objective, 2, frames=None)
    with pytest.raises(
        ValueError, match="`batch` must hold at least 12 pairs of neighbouring frames to fit, got fewer"
    ):
        fit_flows(small_model(objective), drawn)
    with pytest.raises(ValueError, match="`field` must be linear or constant .* got HelmholtzField"):
        fit_flows(small_model(objective, field="helmholtz"), drawn)
    still = small_model(objective, field="constant")
    fit_flows(still, drawn)
    assert still.fields.direction.any()
