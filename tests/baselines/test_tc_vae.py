"""The beta-TCVAE: three weights, and the VAE where they are one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flowdis.baselines import BetaTCVAE, BetaVAE
from flowdis.objectives import Bound
from tests.baselines.toys import batch, small_model


def losses(*objectives: BetaTCVAE | BetaVAE, seeds: int = 1) -> list[list[Bound]]:
    """By objective, the losses of one batch by one model with different noise."""
    model, sequences = small_model(objectives[0]).double(), batch(objectives[0])
    sequences = replace(sequences, frames=sequences.frames.double())
    with torch.no_grad():
        return [
            [objective(model, sequences, generator=torch.Generator().manual_seed(seed)) for seed in range(seeds)]
            for objective in objectives
        ]


@pytest.mark.parametrize("options", [{}, {"dataset_size": 100, "stratified": True}], ids=str)
def test_with_weights_of_one_it_is_the_vae_in_expectation(options: dict) -> None:
    ours, theirs = losses(BetaTCVAE(1.0, 1.0, 1.0, **options), BetaVAE(beta=1.0), seeds=50)
    apart = torch.stack([one.loss - other.loss for one, other in zip(ours, theirs, strict=True)])
    error = apart.std() / len(apart) ** 0.5
    assert apart.mean().abs() < 4 * error and error < 0.2
    # They differ by the sampled divergence alone.
    terms = ours[0].terms
    sampled = terms["mutual_information"] + terms["total_correlation"] + terms["dimension_kl"]
    torch.testing.assert_close(ours[0].loss, (terms["reconstruction"] + sampled).mean())


@pytest.mark.parametrize(
    ("weight", "term"),
    [("alpha", "mutual_information"), ("beta", "total_correlation"), ("gamma", "dimension_kl")],
)
def test_each_weight_weighs_its_own_term(weight: str, term: str) -> None:
    (plain,), (heavy,) = losses(*(replace(BetaTCVAE(), **{weight: value}) for value in (1.0, 4.0)))
    torch.testing.assert_close(heavy.loss - plain.loss, 3 * plain.terms[term].mean())


def test_the_published_weights_are_the_defaults() -> None:
    assert (BetaTCVAE().alpha, BetaTCVAE().beta, BetaTCVAE().gamma) == (1.0, 6.0, 1.0)
    with pytest.raises(ValueError, match="`dataset_size` must be given for stratified sampling"):
        BetaTCVAE(stratified=True)
