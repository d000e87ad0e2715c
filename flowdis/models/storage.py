"""A model on disk: config.json and model.safetensors in one folder; nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path as FilePath

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from flowdis._files import write_whole
from flowdis.models.config import LatentFlowConfig

__all__ = ["read_model", "write_model"]

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


def write_model(folder: FilePath, config: LatentFlowConfig, weights: Mapping[str, Tensor]) -> None:
    """Writes both files, each whole or not at all."""
    # Its own `save_file` makes a file that nobody else may read.
    write_whole(folder / _WEIGHTS, save({key: value.detach().contiguous() for key, value in weights.items()}))
    write_whole(folder / _CONFIG, (json.dumps(config.to_json(), indent=2) + "\n").encode())


def read_model(
    source: str | FilePath,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> tuple[LatentFlowConfig, dict[str, Tensor]]:
    """Reads a folder or a hub repository.

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
    return _read_config(files[0]), _read_weights(files[1])


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


def _read_config(file: FilePath) -> LatentFlowConfig:
    try:
        values = json.loads(file.read_text())
        if not isinstance(values, dict):
            raise ValueError(f"config must be a JSON object, got {type(values).__name__}")
        return LatentFlowConfig.from_json(values)
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
