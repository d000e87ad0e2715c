"""A model on disk: config.json and model.safetensors in one folder; nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from flowdis._files import write_whole
from flowdis.models.sources import CONFIG, WEIGHTS, find_model

__all__ = ["StoredConfig", "fill_model", "read_config", "read_model", "write_model"]

Config = TypeVar("Config")


@runtime_checkable
class StoredConfig(Protocol):
    """The configuration of a model, as JSON."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        ...


def write_model(folder: FilePath, config: StoredConfig, weights: Mapping[str, Tensor]) -> None:
    """Writes both files, each whole or not at all."""
    kept: dict[str, Tensor] = {}
    held: set[int] = set()
    for key, value in weights.items():
        whole = value.detach().contiguous()
        # The format has no tensors that share memory, as tied weights of an encoder and a decoder do.
        kept[key] = whole.clone() if whole.untyped_storage().data_ptr() in held else whole
        held.add(whole.untyped_storage().data_ptr())
    # Its own `save_file` makes a file that nobody else may read.
    write_whole(folder / WEIGHTS, save(kept))
    write_whole(folder / CONFIG, (json.dumps(config.to_json(), indent=2) + "\n").encode())


def read_config(file: FilePath) -> dict[str, Any]:
    """The values of a config, as they are written.

    Raises:
        ValueError: if the file does not hold a JSON object.
    """
    try:
        values = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file} is not the config of a flowdis model: {error}") from error
    if not isinstance(values, dict):
        told = f"config must be a JSON object, got {type(values).__name__}"
        raise ValueError(f"{file} is not the config of a flowdis model: {told}")
    return values


def read_model(
    source: str | FilePath,
    made: Callable[[Mapping[str, Any]], Config],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> tuple[Config, dict[str, Tensor]]:
    """Reads a model from where `find_model` finds it.

    Arguments:
        source: A folder, the name of a packaged model, or the name of a hub repository.
        made: Makes the configuration of JSON values.
        revision: A branch, tag or commit of the hub repository.
        token: A hub token.
        local_files_only: Whether to look only into the hub's local cache.

    Raises:
        FileNotFoundError: if there is no such model, or one of its files is missing.
        ValueError: if a file is not what flowdis writes, weights are pickled, or the name is that of two models.
    """
    config, weights = find_model(source, revision=revision, token=token, local_files_only=local_files_only)
    values = read_config(config)
    try:
        made_config = made(values)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{config} is not the config of a flowdis model: {error}") from error
    return made_config, _read_weights(weights)


def fill_model(
    model: nn.Module, weights: Mapping[str, Tensor], source: str | FilePath, dtype: torch.dtype | None = None
) -> None:
    """Loads weights into a model, which takes their type, or float32 where they are stored in half precision.

    Arguments:
        model: The model.
        weights: The weights by name.
        source: Where they came from.
        dtype: The type that the model takes instead.

    Raises:
        ValueError: if they are of another model; the message lists what is missing, unknown or of another shape.
    """
    wanted = model.state_dict()
    problems = [f"missing {key}" for key in sorted(set(wanted) - set(weights))]
    problems += [f"unknown {key}" for key in sorted(set(weights) - set(wanted))]
    problems += [
        f"{key} has shape {tuple(weights[key].shape)}, wanted {tuple(wanted[key].shape)}"
        for key in sorted(set(weights) & set(wanted))
        if weights[key].shape != wanted[key].shape
    ]
    if problems:
        raise ValueError(f"weights of {source} do not fit the config: {'; '.join(problems)}")
    # Own modules may have counters among their weights, which are integers.
    stored = next(value.dtype for value in weights.values() if value.is_floating_point())
    # Half precision saves space; flows are integrated in single precision or better.
    wide = torch.float32 if stored in (torch.float16, torch.bfloat16) else stored
    model.to(wide if dtype is None else dtype).load_state_dict(weights)


def _read_weights(file: FilePath) -> dict[str, Tensor]:
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise ValueError(f"{file} is not a safetensors file: {error}") from error
    # Weights of a model wrapped for several devices carry the wrapper's prefix.
    if weights and all(key.startswith("module.") for key in weights):
        return {key.removeprefix("module."): value for key, value in weights.items()}
    return weights
