"""What a model knows before its first step: principal components of its images, and flows linear in their codes."""

from __future__ import annotations

import torch

from flowdis.fields import HelmholtzField
from flowdis.models import LatentFlow, PrincipalDecoder, PrincipalEncoder
from flowdis.training.codes import CodeSequences, start_linear
from flowdis.training.trainer import Sampler

__all__ = ["start_principal"]

_IMAGES = 4000
_NUMBERS = 50_000_000  # of the images that components are found from, beside what D of them take
_SEQUENCES = 2000


def start_principal(model: LatentFlow, sequences: Sampler, *, seed: int = 0, quiet: bool = False) -> None:
    """Sets the linear parts of a new model from its training sequences; a model without such parts stays as it is.

    The encoder and the decoder begin as principal components of first frames, where they are of the kind "principal",
    and Helmholtz fields with a linear part then as the linear flows that fit the codes of neighbouring frames best.

    Arguments:
        model: The new model, which is changed.
        sequences: What it will be trained on.
        seed: The seed of the sequences that are drawn.
        quiet: Whether to show no progress bar.
    """
    encoder, decoder = model.encoder, model.decoder
    if not isinstance(encoder, PrincipalEncoder) or not isinstance(decoder, PrincipalDecoder):
        return
    generator = torch.Generator().manual_seed(seed)
    count = min(_IMAGES, max(2 * model.dim, _NUMBERS // encoder.components.centre.numel()))
    first = [
        sequences.sample(min(250, count - begin), generator=generator, frames=0).frames[0]
        for begin in range(0, count, 250)
    ]
    encoder.start(torch.cat(first).to(device=model.device, dtype=model.dtype), seed=seed)
    decoder.start(encoder)
    if isinstance(model.fields, HelmholtzField) and model.fields.matrix is not None and model.amounts is None:
        codes = CodeSequences(model, sequences, _SEQUENCES, generator=generator, quiet=quiet)
        start_linear(model, codes)
