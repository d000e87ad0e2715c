r"""Flows learned on codes alone: where a flow should take the code of an image is the code of the moved image.

Of an encoder that stays as it is, codes are found once, and nothing is decoded. Between the codes :math:`z, z'` of an
image before and after amounts A, the error is

.. math:: |\phi_A(z) - z'|^2, \qquad \text{or} \qquad
    -\log N(\phi_A(z);\, z', \operatorname{diag} \sigma^2(x')),

the second weighing each latent by how sharply the encoder reads it, so that latents that tell nothing hardly count.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from flowdis._checks import check_choice, check_positive
from flowdis.data.batch import CodePairs
from flowdis.dynamics import Solver
from flowdis.models import LatentFlow, gaussian_log_density
from flowdis.objectives.base import Bound, Objective

__all__ = ["CodePrediction"]

_KINDS = ("gaussian", "squared")


@dataclass(frozen=True)
class CodePrediction(Objective):
    """The prediction of the code of a moved image; see the module's text. Only the flows learn from it.

    Arguments:
        kind: "gaussian", in nats, or "squared", in squared units of latents.
        pixels: The weight of the squared distance between the decoded prediction and the decoded code of the moved
            image, summed over pixels. At 0, nothing is decoded.
        solver_steps: Runge-Kutta steps per segment.

    Raises:
        ValueError: if a name is unknown or a number is out of range.
    """

    kind: str = "gaussian"
    pixels: float = 0.0
    solver_steps: int = 4

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, _KINDS)
        check_positive("pixels", self.pixels, zero=True)
        check_positive("solver_steps", self.solver_steps)

    def frames(self, wanted: int) -> int | None:
        """One beside the first."""
        return 1

    def check(self, model: LatentFlow) -> None:
        """See `Objective.check`.

        Raises:
            ValueError: if the model's encoder is trained on, so that cached codes would not stay its codes.
        """
        learned = [name for name, parameter in model.encoder.named_parameters() if parameter.requires_grad]
        if learned:
            told = "freeze it (`LatentFlowConfig(frozen=('encoder', 'decoder'))`)"
            raise ValueError(f"`model` must have a frozen encoder, got one that learns {learned[0]}: {told}")

    def __call__(
        self,
        model: LatentFlow,
        batch: CodePairs,
        *,
        parts: nn.Module | None = None,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Bound:
        """See `Objective.__call__`."""
        if not isinstance(batch, CodePairs):
            raise ValueError(f"`batch` must be CodePairs, as `CodeSequences` draws them, got {type(batch).__name__}")
        path, solver = batch.path.to(batch.start), Solver(steps=self.solver_steps)
        found = model.transport(path, batch.start, solver=solver, generator=generator).z[-1]
        if self.kind == "gaussian":
            error = -gaussian_log_density(found, batch.end, batch.log_std)
        else:
            error = (found - batch.end).square().sum(-1)
        terms, loss = {"prediction": error}, error
        if self.pixels > 0:
            with torch.no_grad():
                truth = model.decode(batch.end)
            terms["pixels"] = (model.decode(found) - truth).square().sum((-3, -2, -1))
            loss = loss + self.pixels * terms["pixels"]
        return Bound(terms, loss.mean())
