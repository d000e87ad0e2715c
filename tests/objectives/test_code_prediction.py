"""The prediction of codes: its error is what it says, the true flow has the least, and nothing is decoded unasked."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from flowdis.data import SequenceBatch
from flowdis.data.batch import CodePairs
from flowdis.objectives import CodePrediction
from tests.models.toys import small_model, turning_model

AMOUNTS = torch.tensor([[[0.5], [-2.0], [1.0]]], dtype=torch.float64)


def pairs() -> CodePairs:
    """Codes of the plane that are turned by 45 degrees per amount."""
    start = torch.tensor([[0.1, 0.2], [0.3, 0.0], [-0.2, 0.2]], dtype=torch.float64)
    angle = AMOUNTS[0, :, 0] * torch.pi / 4
    cos, sin = angle.cos(), angle.sin()
    end = torch.stack([cos * start[:, 0] - sin * start[:, 1], sin * start[:, 0] + cos * start[:, 1]], -1)
    log_std = torch.tensor([[-1.0, 0.0], [-2.0, 1.0], [0.5, -0.5]], dtype=torch.float64)
    return CodePairs(("rotate",), start, end, AMOUNTS, log_std)


def test_the_true_flow_has_no_error() -> None:
    found = CodePrediction("squared", pixels=1.0, solver_steps=64)(turning_model(), pairs())
    # Runge-Kutta of order 4: steps of h = pi / 2 / 64 leave errors of about h^4 / 120.
    assert found.terms["prediction"].max() < 1e-12 and found.terms["pixels"].max() < 1e-12


@pytest.mark.parametrize("kind", ["squared", "gaussian"])
def test_errors_are_those_of_torch_distributions(kind: str) -> None:
    model, batch = turning_model(), pairs()
    model.fields.load_state_dict({"matrix": torch.zeros(1, 2, 2, dtype=torch.float64)})  # nothing moves
    found = CodePrediction(kind)(model, batch)
    if kind == "squared":
        wanted = (batch.start - batch.end).square().sum(-1)
    else:
        wanted = -torch.distributions.Normal(batch.end, batch.log_std.exp()).log_prob(batch.start).sum(-1)
    torch.testing.assert_close(found.terms["prediction"], wanted, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.loss, wanted.mean(), rtol=1e-12, atol=1e-12)


def test_nothing_is_decoded_unless_pixels_count() -> None:
    class Counting(nn.Module):
        calls = 0

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return z.reshape(len(z), 1, 1, -1)

    model = turning_model()
    model.decoder = Counting()
    CodePrediction()(model, pairs())
    assert model.decoder.calls == 0
    found = CodePrediction("squared", pixels=3.0)(model, pairs())
    assert model.decoder.calls == 2
    wanted = found.terms["prediction"] + 3 * found.terms["pixels"]
    torch.testing.assert_close(found.loss, wanted.mean())


def test_every_field_gets_a_finite_gradient_and_the_rest_none() -> None:
    model = small_model(("rotate",)).train()
    model.encoder.requires_grad_(False)
    model.decoder.requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    start, end, log_std = torch.randn(3, 5, 4, generator=generator)
    batch = CodePairs(("rotate",), start, end, torch.randn(1, 5, 1, generator=generator), log_std)
    CodePrediction(pixels=0.1)(model, batch).loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.fields.parameters())
    assert all(p.grad is None for module in (model.encoder, model.decoder) for p in module.parameters())


def test_bad_input_is_named() -> None:
    for changes, told in (
        ({"kind": "cubed"}, "`kind` must be one of gaussian, squared, got 'cubed'"),
        ({"pixels": -1.0}, "`pixels` must be"),
        ({"solver_steps": 0}, "`solver_steps` must be"),
    ):
        with pytest.raises(ValueError, match=told):
            CodePrediction(**changes)
    with pytest.raises(ValueError, match=r"`model` must have a frozen encoder, got one that learns body\.1\.weight"):
        CodePrediction().check(small_model())
    import jaxtyping

    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(ValueError, match=r"must have one B, got \[2, 3\]"):
            replace(pairs(), end=torch.zeros(2, 2, dtype=torch.float64))
        images = SequenceBatch(("rotate",), torch.zeros(1, 1, 1, 1, 2), torch.zeros(1), torch.zeros(1, 1, 1), 1)
        with pytest.raises(ValueError, match="`batch` must be CodePairs, .* got SequenceBatch"):
            CodePrediction()(turning_model(), images)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
