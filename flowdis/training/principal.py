"""What a model knows before its first step: principal components of its images, and flows linear in their codes."""

from __future__ import annotations

from math import prod

import torch

from flowdis.fields import HelmholtzField
from flowdis.models import LatentFlow, PrincipalDecoder, PrincipalEncoder
from flowdis.training.codes import CodeSequences, start_linear
from flowdis.training.trainer import Sampler

__all__ = ["start_principal"]

_IMAGES = 4000
_PER_ROW = 5  # sequences, of each speed, by rows of all matrices: with fewer, flows fit images rather than motions
_SPEEDS = (1.0, 1 / 3)  # long motions tell how codes come round, short ones how fine detail turns
_AT_ONCE = 30_000_000  # pixels, over channels and frames
_IN_ALL = 1_300_000_000  # the same, of the sequences: large images would take longer to read than to train on


def start_principal(model: LatentFlow, sequences: Sampler, *, seed: int = 0, quiet: bool = False) -> None:
    """Sets the linear parts of a new model from its training sequences; a model without such parts stays as it is.

    The encoder and the decoder begin as principal components of first frames, where they are of the kind "principal",
    and Helmholtz fields with a linear part, where codes move without inertia by known amounts, then as the linear flows
    that fit codes on short ways best. Of 384 latents, three transformations and 64 x 64 colours, this reads 100,000
    frames.

    Arguments:
        model: The new model, which is changed.
        sequences: What it will be trained on.
        seed: The seed of the sequences that are drawn.
        quiet: Whether to show no progress bar.
    """
    encoder, decoder = model.encoder, model.decoder
    if not isinstance(encoder, PrincipalEncoder) or not isinstance(decoder, PrincipalDecoder):
        return
    generator, pixels = torch.Generator().manual_seed(seed), prod(model.image_shape)
    size = max(1, _AT_ONCE // pixels)
    first = [
        encoder.components.shrunk(sequences.sample(count, generator=generator, frames=0).frames[0])
        for count in (min(size, _IMAGES - begin) for begin in range(0, _IMAGES, size))
    ]
    encoder.start(torch.cat(first).to(device=model.device, dtype=model.dtype), seed=seed)
    decoder.start(encoder)
    fields, still = model.fields, model.config.dynamics == "overdamped" and model.amounts is None
    if isinstance(fields, HelmholtzField) and fields.matrix is not None and still:
        size = max(1, size // 10)
        rows, frames = len(model.names) * model.dim, len(sequences.sample(1, generator=generator).frames)
        count = max(rows, min(_PER_ROW * rows, _IN_ALL // (len(_SPEEDS) * frames * pixels)))
        codes = (
            CodeSequences(model, sequences, count, generator=generator, speed=speed, batch_size=size, quiet=quiet)
            for speed in _SPEEDS
        )
        start_linear(model, *codes)
