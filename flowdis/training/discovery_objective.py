"""The objective and the sampler of flows that nobody names, of a decoder that stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from flowdis._checks import check_positive
from flowdis.data.batch import SequenceBatch
from flowdis.dynamics import Overdamped, Solver
from flowdis.metrics.seeds import draw_seed
from flowdis.models import CodeDensity, LatentFlow
from flowdis.objectives import Bound, Objective
from flowdis.objectives.base import ramp
from flowdis.training.discovery_terms import (
    PairReader,
    density_cost,
    image_strengths,
    likeness_cost,
    locality_cost,
    reading_costs,
    strength_cost,
)

__all__ = ["CodeBatch", "CodeFlows", "Discovery"]


@dataclass(frozen=True, eq=False)
class CodeBatch(SequenceBatch):
    """Images that a decoder made, the codes that it made them of, and the flow that each is to follow.

    Arguments:
        codes: The codes, with shape (B, D).
        density: Where codes live.
    """

    codes: Float[Tensor, "B D"] = field(kw_only=True)
    density: CodeDensity = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class CodeFlows:
    """Draws codes, and for each one flow and an amount of it of either sign: a `Sampler`.

    Arguments:
        model: The model whose decoder makes the images.
        density: Where codes live.
        least: The least amount.
        reach: The greatest amount.

    Raises:
        ValueError: if the codes are not the model's, or it is not 0 < least <= reach.
    """

    model: LatentFlow
    density: CodeDensity
    least: float = 0.25
    reach: float = 1.0

    def __post_init__(self) -> None:
        check_positive("least", self.least)
        check_positive("reach", self.reach)
        if self.least > self.reach:
            raise ValueError(f"`least` must be at most `reach`, got {self.least} and {self.reach}")
        if self.density.dim != self.model.dim:
            raise ValueError(f"`density` must be over D={self.model.dim} latents, got {self.density.dim}")

    @torch.no_grad()
    def sample(
        self, batch_size: int, *, generator: torch.Generator, frames: int | None = None, speed: float = 1.0
    ) -> CodeBatch:
        """Draws `batch_size` images with a path each, amounts multiplied by `speed`, and no other frames."""
        model = self.model
        z = self.density.sample(batch_size, generator).to(device=model.device, dtype=model.dtype)
        rows, device = (batch_size,), generator.device
        flows = torch.randint(len(model.names), rows, generator=generator, device=device)
        sizes = self.least + (self.reach - self.least) * torch.rand(rows, generator=generator, device=device)
        signs = 2 * torch.randint(2, rows, generator=generator, device=device) - 1
        amounts = (speed * sizes * signs).to(z)
        table = z.new_zeros(1, batch_size, len(model.names))
        table[0, torch.arange(batch_size), flows.to(z.device)] = amounts
        start = z.new_zeros(1)
        return CodeBatch(model.names, model.decode(z).unsqueeze(0), start, table, 1, codes=z, density=self.density)


@dataclass(frozen=True)
class Discovery(Objective):
    r"""Flows that a reader of image pairs tells apart, that change images as much as wanted, and keep codes' density.

    .. math:: -E \big[ \log q(k | x, x') + \log q(a | k, x, x') \big]
              + \alpha \sum_k \Big( \log \frac{R_k}{R_*} \Big)^2 / K
              + \beta \, KL\big( (\phi_k^a)_\# p \,\|\, p \big)
              + \gamma \, E \log \rho(x, x')

    with k uniform, x the decoded image of a code z of density p, x' that of :math:`\phi_k^a(z)`. The first term is,
    but for constants, a lower bound of the information that pairs of images hold on flow and amount (Barber and Agakov
    2003). Fields and reader lower it together; the decoder stays as it is. At first the reader knows nothing, and flows
    that begin alike would stay so; until it has learned, their directions are driven apart. The last term, off unless
    asked for, is the share of pixels that change (`locality_cost`): mixtures of two things in two places are told apart
    as well as each alone, but change more of the image.

    Arguments:
        strength: How much an amount of 1 changes an image, as the root mean square, in units of the distance of two
            independent images.
        strength_weight: The weight alpha of the strengths.
        density_weight: The weight beta of the divergence from where codes live.
        locality_weight: The weight gamma of the share of the image that changes; 0 where flows may change all of it.
        amount_noise: The standard deviation s of q(a | k, x, x').
        context: Whether the reader sees the first image beside the difference.
        solver_steps: Runge-Kutta steps of an amount.
        learning_rate: The reader's learning rate, by Adam.
        listening: The share of the budget over which the reader gets its say, and the directions of flows lose theirs
            (see `likeness_cost`).

    Raises:
        ValueError: if a number is out of range.

    References:
        Song, Keller, Sebe and Welling 2023, Latent traversals in generative models as potential flows, arXiv
        2304.12944. Voynov and Babenko 2020, Unsupervised discovery of interpretable directions in the GAN latent
        space, arXiv 2002.03754, for the reader.
    """

    strength: float = 0.4
    strength_weight: float = 1.0
    density_weight: float = 0.3
    locality_weight: float = 0.0
    amount_noise: float = 0.5
    context: bool = False
    solver_steps: int = 2
    learning_rate: float = 3e-3
    listening: float = 0.3

    def __post_init__(self) -> None:
        for name in ("strength", "amount_noise", "solver_steps", "learning_rate"):
            check_positive(name, getattr(self, name))
        for name in ("strength_weight", "density_weight", "locality_weight", "listening"):
            check_positive(name, getattr(self, name), zero=True)

    def frames(self, wanted: int) -> int | None:
        """None but the first: what follows is decoded."""
        return 0

    def check(self, model: LatentFlow) -> None:
        """Checks that the decoder is frozen, there are flows to tell apart, and they are overdamped without noise.

        Raises:
            ValueError: if not.
        """
        if any(parameter.requires_grad for parameter in model.decoder.parameters()):
            raise ValueError("`model` must have a frozen decoder: call `model.decoder.requires_grad_(False)` first")
        if len(model.names) < 2:
            raise ValueError(f"`model` must have at least 2 flows to be told apart, got {len(model.names)}")
        if not isinstance(model.dynamics, Overdamped) or model.dynamics.temperature > 0:
            raise ValueError("`model` must have overdamped dynamics at temperature 0 for densities to be known")

    def parts(self, model: LatentFlow, generator: torch.Generator) -> nn.Module | None:
        """A new reader."""
        seed = draw_seed(generator)
        reader = PairReader(model.image_shape, len(model.names), seed=seed, context=self.context)
        return reader.to(device=model.device, dtype=model.dtype)

    def optimizer(self, parts: nn.Module) -> torch.optim.Optimizer:
        """The reader's optimiser."""
        return torch.optim.Adam(parts.parameters(), lr=self.learning_rate)

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
            raise ValueError("`parts` must be the reader that `Discovery.parts` makes, got None")
        if not isinstance(batch, CodeBatch):
            raise ValueError(f"`batch` must be one of `CodeFlows`, with its codes, got {type(batch).__name__}")
        flows = batch.amounts[0].abs().argmax(-1)
        amounts = batch.amounts[0].gather(1, flows.unsqueeze(1)).squeeze(1)
        start = batch.density.log_density(batch.codes)
        solver = Solver(steps=self.solver_steps)
        moved = model.transport(batch.path, batch.codes, log_q=start, solver=solver)
        assert moved.log_q is not None
        before, after = batch.first, model.decode(moved.z[-1])
        # The model's loss must not reach the reader's weights, only pass through it.
        fixed = {name: weight.detach() for name, weight in parts.named_parameters()}
        logits, sizes = functional_call(parts, fixed, (before, after))
        named, read = reading_costs(logits, sizes, flows, amounts, self.amount_noise)
        strengths = image_strengths(before, after, flows, amounts, len(model.names))
        terms = {
            "flow": named,
            "amount": read,
            "strength": strength_cost(strengths, self.strength**2)[flows],
            "density": density_cost(batch.density, moved.z[-1], moved.log_q[-1]),
        }
        heard = ramp(self.listening, progress)
        weights = {"flow": heard, "amount": heard, "strength": self.strength_weight, "density": self.density_weight}
        if self.locality_weight:
            terms["locality"], weights["locality"] = locality_cost(before, after), self.locality_weight
        if heard < 1:
            each = torch.eye(len(model.names)).to(batch.codes).unsqueeze(1)
            terms["likeness"] = likeness_cost(model.fields(each)(batch.codes, 0.0))
            weights["likeness"] = 1 - heard
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum(0).mean()
        logits, sizes = parts(before, after.detach())
        costs = reading_costs(logits, sizes, flows, amounts, self.amount_noise)
        return Bound(terms, loss, parts_loss=sum(costs, torch.zeros_like(loss)).mean())
