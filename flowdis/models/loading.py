"""Loading a model of either kind by its name."""

from __future__ import annotations

from pathlib import Path as FilePath

import torch
from torch import nn

from flowdis.fields import FieldBank
from flowdis.models.latent_flow import LatentFlow
from flowdis.models.sources import find_model
from flowdis.models.storage import read_config
from flowdis.models.versions import KINDS
from flowdis.models.wave_machine import WaveMachine

__all__ = ["load"]


def load(
    source: str | FilePath,
    *,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    fields: FieldBank | None = None,
    amounts: nn.Module | None = None,
    dtype: torch.dtype | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> LatentFlow | WaveMachine:
    """Loads a model from the package, a folder or the Hugging Face hub, whichever kind it is of.

    Arguments:
        source: The name of a packaged model, such as "digits", a folder, or the name of a hub repository. Where a
            model's folder here bears the name of a packaged one, "./digits" names the folder, and "packaged:digits" the
            other.
        encoder: The user's own encoder, where a latent flow was saved with one.
        decoder: The user's own decoder, likewise.
        fields: The user's own fields, likewise.
        amounts: The user's own network that infers amounts, likewise.
        dtype: The type of the parameters; that of the file where left out, or float32 where that is half precision.
        revision: A branch, tag or commit of the hub repository.
        token: A hub token.
        local_files_only: Whether to look only into the hub's local cache.

    Returns:
        A `LatentFlow` or a `WaveMachine`, ready for use.

    Raises:
        FileNotFoundError: if there is no such model, or one of its files is missing.
        ValueError: if the name is that of two models, files are not what flowdis writes or are pickled, the model is of
            a newer release, or own modules are not passed or not wanted.

    Example:
        >>> load("digits").names
        ('scale', 'rotate', 'hue')
    """
    config, _ = find_model(source, revision=revision, token=token, local_files_only=local_files_only)
    kind = KINDS.get(str(read_config(config).get("format")))
    own = {"encoder": encoder, "decoder": decoder, "fields": fields, "amounts": amounts}
    if kind == WaveMachine.__name__:
        given = [name for name, module in own.items() if module is not None]
        if given:
            raise ValueError(f"`{given[0]}` must be left out for a wave machine, got one for {source}")
        return WaveMachine.from_pretrained(config.parent, dtype=dtype)
    return LatentFlow.from_pretrained(
        config.parent, encoder=encoder, decoder=decoder, fields=fields, amounts=amounts, dtype=dtype
    )
