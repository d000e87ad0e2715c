"""Checkpoints: written whole or not at all, read without unpickling code."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import torch

from flowdis._files import replacing

__all__ = ["load_checkpoint", "save_checkpoint"]

_FORMAT = "flowdis.training"
_VERSION = 1


def save_checkpoint(file: FilePath, state: dict[str, Any]) -> None:
    """Writes a training state to `file` atomically: the old checkpoint stays until the new one is on disk."""
    with replacing(file) as stream:
        torch.save({"format": _FORMAT, "version": _VERSION, **state}, stream)


def load_checkpoint(file: FilePath) -> dict[str, Any]:
    """Reads a training state that `save_checkpoint` wrote, tensors and plain values only.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a checkpoint of this library.
    """
    if not file.is_file():
        raise FileNotFoundError(f"`file` must be a checkpoint, got {file}, which does not exist")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises several unrelated types on foreign files
        raise ValueError(f"{file} is not a readable checkpoint: {error}") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT or state.get("version") != _VERSION:
        raise ValueError(f"{file} must be a checkpoint of format {_FORMAT!r}, version {_VERSION}")
    return state
