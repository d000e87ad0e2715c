"""The beta-TCVAE: a divergence in three parts, of which the dependence between latents weighs most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from flowdis._checks import check_positive
from flowdis.baselines.fitted import FITTED, check_fittable, fit_flows
from flowdis.baselines.total_correlation import decompose, log_sample_weights
from flowdis.baselines.vae import image_terms
from flowdis.data.batch import SequenceBatch
from flowdis.models import LatentFlow
from flowdis.objectives import Bound, Draw, Objective

__all__ = ["BetaTCVAE"]


@dataclass(frozen=True)
class BetaTCVAE(Objective):
    r"""The beta-TCVAE, on single images.

    .. math:: -E_q[\log p(x | z)] + \alpha I(x; z) + \beta \, TC(z) + \gamma \sum_d KL(q(z_d) \| N(0, 1))

    With weights of 1 it is the VAE in expectation. Flows are fitted to the codes afterwards.

    Arguments:
        alpha: The weight of the mutual information.
        beta: The weight of the total correlation.
        gamma: The weight of the latents' own divergences.
        dataset_size: The number of images that the batch stands for; the batch itself where left out, which moves the
            terms of weighted sampling by a constant and their gradients not at all.
        stratified: Whether to sample stratified rather than weighted.

    Raises:
        ValueError: if a weight is negative or not finite, or stratified sampling lacks a size.

    Reference: Chen et al. 2018, arXiv 1802.04942.
    """

    alpha: float = 1.0
    beta: float = 6.0
    gamma: float = 1.0
    dataset_size: int | None = None
    stratified: bool = False

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "gamma"):
            check_positive(name, getattr(self, name), zero=True)
        if self.dataset_size is not None:
            check_positive("dataset_size", self.dataset_size)
        elif self.stratified:
            raise ValueError("`dataset_size` must be given for stratified sampling, got None")

    def frames(self, wanted: int) -> int | None:
        """None but frame 0: sequences start anywhere, so that all poses are met."""
        return 0

    def check(self, model: LatentFlow) -> None:
        """See `Objective.check`."""
        check_fittable(model)

    def __call__(
        self,
        model: LatentFlow,
        batch: SequenceBatch,
        *,
        parts: nn.Module | None = None,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Bound:
        """See `Objective.__call__`."""
        images = batch.first
        weights = log_sample_weights(len(images), self.dataset_size, stratified=self.stratified, like=images)
        posterior, z, terms = image_terms(model, images, generator)
        split = decompose(z, posterior, weights)
        terms |= {
            "mutual_information": split.mutual_information,
            "total_correlation": split.total_correlation,
            "dimension_kl": split.dimension_kl,
        }
        loss = (
            terms["reconstruction"]
            + self.alpha * split.mutual_information
            + self.beta * split.total_correlation
            + self.gamma * split.dimension_kl
        )
        return Bound(terms, loss.mean())

    def finish(self, model: LatentFlow, draw: Draw) -> None:
        """Fits the flows."""
        fit_flows(model, draw(FITTED))
