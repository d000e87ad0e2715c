"""The variational autoencoder of single images, and those that weigh its divergence or hold it to a capacity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flowdis._checks import check_positive
from flowdis._types import Images, Latent
from flowdis.baselines.fitted import FITTED, check_fittable, fit_flows
from flowdis.data.batch import SequenceBatch
from flowdis.models import LatentFlow, Posterior
from flowdis.objectives import Bound, Draw, Objective

__all__ = ["BetaVAE", "image_terms"]


def image_terms(
    model: LatentFlow, images: Images, generator: torch.Generator | None
) -> tuple[Posterior, Latent, dict[str, Tensor]]:
    """The posterior of images (*, C, H, W), a sample of it, and the terms of their evidence lower bound.

    Arguments:
        model: The model.
        images: The images.
        generator: The source of the sample.

    Returns:
        The posterior, the sample (*, D), and by name "reconstruction" and "kl" in nats per image, with shape (*).
    """
    posterior = model.encode(images)
    z = posterior.sample(generator)
    return posterior, z, {"reconstruction": -model.log_likelihood(images, z), "kl": posterior.kl()}


@dataclass(frozen=True)
class BetaVAE(Objective):
    r"""The beta-VAE, on single images; with a beta of 1, the VAE.

    .. math:: -E_q[\log p(x | z)] + \beta \, |KL(q(z | x) \| N(0, I)) - C|

    The capacity C rises from 0 over the first part of the training. Without one it is the beta-VAE of Higgins et al.
    Burgess et al. take a beta of 1000 and a capacity of 25 nats. Flows are fitted to the codes afterwards.

    Arguments:
        beta: The weight of the divergence.
        capacity: The largest C, in nats per image.
        rise: The share of the training over which C rises.

    Raises:
        ValueError: if a number is negative or not finite.

    References:
        Higgins et al. 2017, beta-VAE, ICLR. Burgess et al. 2018, arXiv 1804.03599, equation 8; the share is that of
        Locatello et al. 2019, arXiv 1811.12359.
    """

    beta: float = 4.0
    capacity: float = 0.0
    rise: float = 1 / 3

    def __post_init__(self) -> None:
        for name in ("beta", "capacity", "rise"):
            check_positive(name, getattr(self, name), zero=True)

    def frames(self, wanted: int) -> int | None:
        """None but frame 0: sequences start anywhere, so that all poses are met."""
        return 0

    def check(self, model: LatentFlow) -> None:
        """See `Objective.check`."""
        check_fittable(model)

    def capacity_at(self, progress: float) -> float:
        """The capacity C in nats where `progress` of the training is done.

        Example:
            >>> [BetaVAE(capacity=25.0, rise=0.5).capacity_at(share) for share in (0.0, 0.25, 0.5, 1.0)]
            [0.0, 12.5, 25.0, 25.0]
        """
        return self.capacity * (min(1.0, progress / self.rise) if self.rise else 1.0)

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
        _, _, terms = image_terms(model, batch.first, generator)
        excess = (terms["kl"] - self.capacity_at(progress)).abs()
        return Bound(terms, (terms["reconstruction"] + self.beta * excess).mean())

    def finish(self, model: LatentFlow, draw: Draw) -> None:
        """Fits the flows."""
        fit_flows(model, draw(FITTED))
