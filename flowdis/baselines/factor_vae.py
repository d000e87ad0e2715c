"""The FactorVAE: the dependence between latents is what a discriminator can tell joint samples by."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from flowdis._checks import check_positive
from flowdis._types import Latent
from flowdis.baselines.fitted import FITTED, check_fittable, fit_flows
from flowdis.baselines.total_correlation import density_ratio, permuted_dimensions
from flowdis.baselines.vae import image_terms
from flowdis.data.batch import SequenceBatch
from flowdis.models import LatentFlow
from flowdis.objectives import Bound, Draw, Objective

__all__ = ["Discriminator", "FactorVAE"]

_Logits = Float[Tensor, "*batch 2"]


class Discriminator(nn.Module):
    """Tells samples of the joint density of latents from samples of the product of its marginals.

    Arguments:
        dim: The number D of latents.
        hidden: The width of its hidden layers.
        layers: Their number.
        generator: The source of its weights.
    """

    def __init__(self, dim: int, *, hidden: int, layers: int, generator: torch.Generator) -> None:
        super().__init__()
        widths = [dim, *[hidden] * layers, 2]
        modules: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            linear = nn.utils.skip_init(nn.Linear, before, after)
            nn.init.kaiming_normal_(linear.weight, a=0.2, generator=generator)
            nn.init.zeros_(linear.bias)
            modules += [linear, nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*modules[:-1])

    def forward(self, z: Latent) -> _Logits:
        """The logits (*, 2) of "joint" and "product" for latents (*, D)."""
        return self.body(z)


@dataclass(frozen=True)
class FactorVAE(Objective):
    r"""The FactorVAE, on single images: half a batch is reconstructed, the other half is permuted.

    .. math:: -E_q[\log p(x | z)] + KL(q(z | x) \| N(0, I)) + \gamma \, E_q \Big[ \log \frac{D(z)}{1 - D(z)} \Big]

    The discriminator D is trained in turn on samples of q(z) and on samples whose latents are permuted over the
    batch. Flows are fitted to the codes afterwards.

    Arguments:
        gamma: The weight of the total correlation.
        hidden: The width of the discriminator's hidden layers.
        layers: Their number.
        learning_rate: The discriminator's learning rate, by Adam with decays of 0.5 and 0.9.

    Raises:
        ValueError: if a number is out of range.

    Reference: Kim and Mnih 2018, Disentangling by factorising, arXiv 1802.05983, algorithm 2.
    """

    gamma: float = 35.0
    hidden: int = 1000
    layers: int = 6
    learning_rate: float = 1e-4

    def __post_init__(self) -> None:
        check_positive("gamma", self.gamma, zero=True)
        for name in ("hidden", "layers", "learning_rate"):
            check_positive(name, getattr(self, name))

    def frames(self, wanted: int) -> int | None:
        """None but frame 0: sequences start anywhere, so that all poses are met."""
        return 0

    def check(self, model: LatentFlow) -> None:
        """See `Objective.check`."""
        check_fittable(model)

    def parts(self, model: LatentFlow, generator: torch.Generator) -> nn.Module | None:
        """A new discriminator."""
        made = Discriminator(model.dim, hidden=self.hidden, layers=self.layers, generator=generator)
        return made.to(device=model.device, dtype=model.dtype)

    def optimizer(self, parts: nn.Module) -> torch.optim.Optimizer:
        """The published optimiser of the discriminator."""
        return torch.optim.Adam(parts.parameters(), lr=self.learning_rate, betas=(0.5, 0.9))

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
        if parts is None:
            raise ValueError("`parts` must be the discriminator that `FactorVAE.parts` makes, got None")
        if len(batch.first) < 4:
            got = len(batch.first)
            raise ValueError(f"`batch` must hold at least 4 images, half of them to permute latents over, got {got}")
        seen, others = batch.first.tensor_split(2)
        _, z, terms = image_terms(model, seen, generator)
        with torch.no_grad():
            product = permuted_dimensions(model.encode(others).sample(generator), generator)
        # The model's loss must not reach the discriminator's weights, only pass through it.
        fixed = {name: weight.detach() for name, weight in parts.named_parameters()}
        terms["total_correlation"] = density_ratio(functional_call(parts, fixed, (z,)))
        loss = terms["reconstruction"] + terms["kl"] + self.gamma * terms["total_correlation"]
        return Bound(terms, loss.mean(), parts_loss=_told_apart(parts, z.detach(), product))

    def finish(self, model: LatentFlow, draw: Draw) -> None:
        """Fits the flows."""
        fit_flows(model, draw(FITTED))


def _told_apart(discriminator: nn.Module, joint: Tensor, product: Tensor) -> Tensor:
    """The cross-entropy in nats of telling joint from product, both equally likely."""
    logits = discriminator(torch.cat([joint, product]))
    log_joint, log_product = F.log_softmax(logits, dim=-1).split([len(joint), len(product)])
    return -0.5 * (log_joint[:, 0].mean() + log_product[:, 1].mean())
