"""Where a model is: in the package, in a folder, or on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path as FilePath

__all__ = ["CARD", "CONFIG", "WEIGHTS", "find_model", "packaged_models"]

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
"""The files of a model, and the page that tells of it."""

_PACKAGED, _PREFIX = FilePath(__file__).parents[1] / "pretrained", "packaged:"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def packaged_models() -> tuple[str, ...]:
    """The names of the models that come inside the package.

    Example:
        >>> packaged_models()
        ('digits',)
    """
    return tuple(sorted(folder.name for folder in _PACKAGED.iterdir() if (folder / CONFIG).is_file()))


def find_model(
    source: str | FilePath,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> tuple[FilePath, FilePath]:
    """The files of the config and of the weights of a model.

    A path object names a folder, as does a string that is one. The name of a packaged model, such as "digits", names
    that one, unless a model's folder bears the same name here: then "./digits" names the folder, and
    "packaged:digits" what is in the package. Two words with a slash between them, of which the first is no folder,
    are the name of a repository on the hub.

    Arguments:
        source: A folder, the name of a packaged model, or the name of a hub repository.
        revision: A branch, tag or commit of the hub repository.
        token: A hub token.
        local_files_only: Whether to look only into the hub's local cache.

    Raises:
        FileNotFoundError: if there is no such model, or one of its files is missing.
        ValueError: if the name is that of a packaged model and of a model's folder here, or there are pickled weights
            alone.
    """
    name, folder = str(source), FilePath(source).expanduser()
    if isinstance(source, str) and name.removeprefix(_PREFIX) in packaged_models():
        if name.startswith(_PREFIX):
            return _in_folder(_PACKAGED / name.removeprefix(_PREFIX))
        if any((folder / file).is_file() for file in (CONFIG, WEIGHTS)):
            told = f"`source` must name one model, and {name!r} is one in the package and a folder here"
            raise ValueError(f"{told}: './{name}' names the folder, '{_PREFIX}{name}' the other")
        return _in_folder(_PACKAGED / name)
    if folder.is_dir():
        return _in_folder(folder)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")) and not folder.parent.exists():
        return _on_hub(name, revision, token, local_files_only)
    known = ", ".join(packaged_models())
    wanted = f"`source` must be a model folder or the name of a hub repository, or of a packaged model ({known})"
    raise FileNotFoundError(f"{wanted}, got {source}")


def _in_folder(folder: FilePath) -> tuple[FilePath, FilePath]:
    for file in (folder / CONFIG, folder / WEIGHTS):
        if not file.is_file():
            pickled = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLES and p.is_file())
            if file.name == WEIGHTS and pickled:
                told = f"model folder {folder} must hold {WEIGHTS}, got {', '.join(pickled)} alone"
                raise ValueError(f"{told}: pickled weights run code when they are read, and are never read here")
            raise FileNotFoundError(f"model folder {folder} must hold {file.name}, which is missing")
    return folder / CONFIG, folder / WEIGHTS


def _on_hub(name: str, revision: str | None, token: str | bool | None, local: bool) -> tuple[FilePath, FilePath]:
    from huggingface_hub import hf_hub_download

    try:
        config, weights = (
            FilePath(hf_hub_download(name, file, revision=revision, token=token, local_files_only=local))
            for file in (CONFIG, WEIGHTS)
        )
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"`source` must be a model folder or the name of a hub repository, got {name}: there is no such "
            f"folder, and the hub gives no {CONFIG} and {WEIGHTS} of it ({error})"
        ) from error
    return config, weights
