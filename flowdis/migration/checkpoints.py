"""Files of torch.save from elsewhere: tensors and plain values only, nothing in them is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import torch
from torch import Tensor

__all__ = ["read_torch_file", "state_dict_of", "take"]


def read_torch_file(file: str | FilePath) -> Mapping[str, Any]:
    """The dictionary in a file of `torch.save`, read without running what a pickle may hold.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds objects other than tensors and plain values, is damaged, or holds no dictionary.
    """
    path = FilePath(file).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"`file` must be a checkpoint, got {path}, which does not exist")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises several unrelated types on foreign files
        wanted = (
            "save `model.state_dict()` where its code is installed" if "weights_only" in str(error) else "is it whole?"
        )
        reason = str(error).splitlines()[0]
        raise ValueError(f"`file` must hold tensors and plain values only ({wanted}), got {path}: {reason}") from error
    if not isinstance(found, Mapping):
        raise ValueError(f"`file` must hold a dictionary, got {type(found).__name__} in {path}")
    return found


def state_dict_of(found: Mapping[str, Any], key: str, file: str | FilePath) -> dict[str, Tensor]:
    """The state dict under a key, less the "module." that several GPUs put before its names.

    Raises:
        ValueError: if there is none, naming the keys that there are.
    """
    values = found.get(key)
    if not isinstance(values, Mapping) or not all(isinstance(value, Tensor) for value in values.values()):
        raise ValueError(f"`file` must hold a state dict {key!r}, got {sorted(map(str, found))} in {file}")
    return {str(name).removeprefix("module."): value for name, value in values.items()}


def take(state: Mapping[str, Tensor], name: str, ndim: int, file: str | FilePath) -> Tensor:
    """A tensor of a state dict by name.

    Raises:
        ValueError: if it is missing or does not have `ndim` axes.
    """
    if name not in state:
        raise ValueError(f"`file` must hold {name!r}, got {sorted(state)} in {file}")
    if state[name].ndim != ndim:
        raise ValueError(f"`file` must hold {name!r} with {ndim} axes, got {tuple(state[name].shape)} in {file}")
    return state[name]
