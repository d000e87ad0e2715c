"""A model on disk: config.json and model.safetensors in one folder; nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any, Protocol, TypeVar, runtime_checkable

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from flowdis._files import write_whole

__all__ = ["StoredConfig", "fill_model", "read_model", "write_model"]

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"

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
    write_whole(folder / _WEIGHTS, save(kept))
    write_whole(folder / _CONFIG, (json.dumps(config.to_json(), indent=2) + "\n").encode())


def read_model(
    source: str | FilePath,
    read_config: Callable[[Mapping[str, Any]], Config],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> tuple[Config, dict[str, Tensor]]:
    """Reads a folder or a hub repository.

    Arguments:
        source: A folder, or the name of a hub repository.
        read_config: Makes the configuration of JSON values.
        revision: A branch, tag or commit of the hub repository.
        token: A hub token.
        local_files_only: Whether to look only into the hub's local cache.

    Raises:
        FileNotFoundError: if the folder or one of its files is missing.
        ValueError: if a file is not what flowdis writes.
    """
    folder = FilePath(source)
    if folder.is_dir():
        files = [folder / _CONFIG, folder / _WEIGHTS]
        for file in files:
            if not file.is_file():
                raise FileNotFoundError(f"model folder {folder} must hold {file.name}, which is missing")
    elif str(source).count("/") == 1 and not str(source).startswith((".", "/", "~")) and not folder.parent.exists():
        files = _from_hub(str(source), revision, token, local_files_only)
    else:
        raise FileNotFoundError(f"`source` must be a model folder or the name of a hub repository, got {source}")
    return _read_config(files[0], read_config), _read_weights(files[1])


def fill_model(model: nn.Module, weights: Mapping[str, Tensor], source: str | FilePath) -> None:
    """Loads weights into a model, which takes their type.

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
    floating = (value.dtype for value in weights.values() if value.is_floating_point())
    model.to(next(floating)).load_state_dict(weights)


def _from_hub(name: str, revision: str | None, token: str | bool | None, local_files_only: bool) -> list[FilePath]:
    from huggingface_hub import hf_hub_download

    try:
        return [
            FilePath(hf_hub_download(name, file, revision=revision, token=token, local_files_only=local_files_only))
            for file in (_CONFIG, _WEIGHTS)
        ]
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"`source` must be a model folder or the name of a hub repository, got {name}: there is no such "
            f"folder, and the hub gives nothing ({error})"
        ) from error


def _read_config(file: FilePath, read_config: Callable[[Mapping[str, Any]], Config]) -> Config:
    try:
        values = json.loads(file.read_text())
        if not isinstance(values, dict):
            raise ValueError(f"config must be a JSON object, got {type(values).__name__}")
        return read_config(values)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is not the config of a flowdis model: {error}") from error


def _read_weights(file: FilePath) -> dict[str, Tensor]:
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise ValueError(f"{file} is not a safetensors file: {error}") from error
    # Weights of a model wrapped for several devices carry the wrapper's prefix.
    if weights and all(key.startswith("module.") for key in weights):
        return {key.removeprefix("module."): value for key, value in weights.items()}
    return weights
