r"""Discovery: K flows of a decoder that is left as it is, found without labels, sequences or images.

Latent traversals as potential flows (Song et al. 2023, arXiv 2304.12944): of all flows of the codes, those that a small
network can tell apart by what they do to images, that do enough, and that keep codes where codes live.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import torch
from torch import Tensor, nn

from flowdis._checks import check_choice
from flowdis.fields import FIELDS
from flowdis.models import LIKELIHOODS, CodeDensity, InversionEncoder, LatentFlow, LatentFlowConfig
from flowdis.paths import Unit
from flowdis.training.config import TrainingConfig
from flowdis.training.discovery_objective import CodeFlows, Discovery
from flowdis.training.discovery_terms import PairReader
from flowdis.training.trainer import Trainer, TrainingResult

__all__ = ["Discovered", "discover", "discovery_model"]


@dataclass(frozen=True, eq=False)
class Discovered:
    """What was found.

    Arguments:
        model: The model, whose flows are flow_1 to flow_K, for `edit` and all else that takes a `LatentFlow`.
        reader: What tells them apart by the images that they lead from and to.
        density: Where the decoder's codes live.
        training: What the run came to.
    """

    model: LatentFlow
    reader: PairReader
    density: CodeDensity
    training: TrainingResult


def discovery_model(
    decoder: nn.Module,
    density: CodeDensity,
    *,
    encoder: nn.Module | None = None,
    flows: int = 6,
    field: str = "helmholtz",
    field_options: Mapping[str, Any] | None = None,
    likelihood: str = "gaussian",
    seed: int = 0,
) -> LatentFlow:
    """A model of untrained flows, over frozen copies of a decoder and an encoder.

    Arguments:
        decoder: A module, codes (B, D) to what the likelihood reads (B, C, H, W): for "gaussian" images less 1/2, which
            `ModuleDecoder` makes of images in any range, else logits.
        density: Where its codes live.
        encoder: A module, images (B, C, H, W) to a posterior or codes, as that of any `LatentFlow`; images are inverted
            by optimisation where left out, for which the likelihood must be "gaussian".
        flows: The number K of flows.
        field: The kind of field, a name in `FIELDS`.
        field_options: Keyword arguments of that kind.
        likelihood: How the decoder's output is read, a name in `LIKELIHOODS`.
        seed: The seed of the fields.

    Raises:
        TypeError: if the decoder is no module.
        ValueError: if a name is unknown, there are less than two flows, the decoder makes no images of the codes, or
            there is no encoder and images cannot be inverted.
    """
    check_choice("field", field, tuple(FIELDS))
    check_choice("likelihood", likelihood, tuple(LIKELIHOODS))
    if not isinstance(decoder, nn.Module):
        raise TypeError(f"`decoder` must be a torch module, got {type(decoder).__name__}")
    if flows < 2:
        raise ValueError(f"`flows` must be at least 2 to be told apart, got {flows}")
    if encoder is None and likelihood != "gaussian":
        hint = "`ModuleDecoder` makes a decoder of images of one of logits and a sigmoid"
        raise ValueError(f"`encoder` must be given for a decoder of likelihood {likelihood!r}, got None: {hint}")
    decoder = _frozen(decoder)
    shape = _image_shape(decoder, density.dim)
    names = [f"flow_{index + 1}" for index in range(flows)]
    config = LatentFlowConfig(
        shape,
        {name: Unit() for name in names},
        dim=density.dim,
        field=field,
        field_options=dict(field_options or {}),
        likelihood=likelihood,
        frozen=("encoder", "decoder"),
    )
    model = LatentFlow(
        config,
        encoder=InversionEncoder(decoder, (density.dim,)) if encoder is None else _frozen(encoder),
        decoder=decoder,
        generator=torch.Generator().manual_seed(seed),
    )
    like = next(decoder.parameters(), torch.zeros(()))
    return model.to(device=like.device, dtype=like.dtype)


def discover(
    decoder: nn.Module,
    density: CodeDensity,
    *,
    encoder: nn.Module | None = None,
    flows: int = 6,
    field: str = "helmholtz",
    field_options: Mapping[str, Any] | None = None,
    likelihood: str = "gaussian",
    objective: Discovery | None = None,
    training: TrainingConfig | None = None,
    checkpoint: FilePath | None = None,
    quiet: bool = False,
) -> Discovered:
    """Finds flows of a decoder; interrupted, it resumes from its checkpoint.

    Arguments:
        decoder: See `discovery_model`; it is copied, and the copy is frozen.
        density: Where its codes live: `CodeDensity.prior` for most GANs, `CodeDensity.fit` for a VAE.
        encoder: See `discovery_model`.
        flows: The number K of flows.
        field: The kind of field.
        field_options: Keyword arguments of that kind.
        likelihood: How the decoder's output is read.
        objective: What is asked of the flows.
        training: The settings of the run; three minutes where left out.
        checkpoint: The file of the checkpoint; none is written where left out.
        quiet: Whether to show no progress bar.

    Raises:
        TypeError: if the decoder is no module.
        ValueError: if an argument does not fit, or the checkpoint belongs to another model.
        FlowError: if the loss stops being finite.
    """
    training = TrainingConfig(minutes=3.0, batch_size=64, ramp=0.0) if training is None else training
    model = discovery_model(
        decoder,
        density,
        encoder=encoder,
        flows=flows,
        field=field,
        field_options=field_options,
        likelihood=likelihood,
        seed=training.seed,
    )
    sampler = CodeFlows(model, density)
    trainer = Trainer(model, sampler, training, checkpoint, quiet, objective=objective or Discovery())
    trainer.resume()
    result = trainer.run()
    assert isinstance(trainer.parts, PairReader)
    return Discovered(model, trainer.parts.eval(), density, result)


def _frozen(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).requires_grad_(False).eval()


@torch.no_grad()
def _image_shape(decoder: nn.Module, dim: int) -> tuple[int, int, int]:
    probe = torch.zeros(1, dim).to(next(decoder.parameters(), torch.zeros(())))
    output = decoder(probe)
    if not isinstance(output, Tensor) or output.ndim != 4 or len(output) != 1:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"`decoder` must make images (B, C, H, W) of codes {tuple(probe.shape)}, got {got}")
    channels, height, width = output.shape[1:]
    return channels, height, width
