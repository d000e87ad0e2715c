"""Writing the exported functions: all files are made elsewhere first, and put into the folder when all are there."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from flowdis._checks import check_choice
from flowdis._files import write_whole
from flowdis.export.functions import DecodeFunction, EncodeFunction, FlowFunction
from flowdis.models import LatentFlow

__all__ = ["EXPORT_FORMATS", "export_model"]

EXPORT_FORMATS = ("onnx", "torch", "both")
"""What is written: ONNX files, programs of `torch.export`, or both."""

_DESCRIPTION, _FORMAT, _VERSION = "flowdis.json", "flowdis.export", 1
_ENDINGS = {"onnx": ".onnx", "torch": ".pt2"}
_BATCH = 3  # of the examples that are traced; any other serves then


def export_model(model: nn.Module, folder: str | FilePath, *, format: str = "onnx", steps: int = 16) -> list[FilePath]:
    """Writes encoder, flow and decoder as functions of any batch, in float32, which need no flowdis to run.

    - `encode`: images (B, C, H, W) in [0, 1] to codes (B, D)
    - `flow`: codes (B, D) and amounts (B, K) to the codes at the end of one segment of a path
    - `decode`: codes (B, D) to images (B, C, H, W) in [0, 1]

    Beside them, flowdis.json has the names, units and shapes. `examples/edit_without_flowdis.py` shows how they are
    used. Nothing is written unless everything can be.

    Arguments:
        model: The latent flow; it is not changed.
        folder: The folder, made where it does not exist.
        format: A name in `EXPORT_FORMATS`.
        steps: The number of Runge-Kutta steps of a segment, whatever its amounts.

    Returns:
        The files written.

    Raises:
        ImportError: if ONNX files are asked for and the extra `export` is not installed.
        OSError: if the folder cannot be written.
        TypeError: if it is not a latent flow.
        ValueError: if codes move with inertia or noise, or a module of the model cannot be exported.
    """
    if not isinstance(model, LatentFlow):
        raise TypeError(f"`model` must be a LatentFlow, got {type(model).__name__}")
    check_choice("format", format, EXPORT_FORMATS)
    formats = ("onnx", "torch") if format == "both" else (format,)
    if "onnx" in formats:
        _need_onnx()
    still = copy.deepcopy(model).cpu().float().eval().requires_grad_(False)
    functions = _functions(still, steps)
    made: list[tuple[str, bytes]] = []
    with TemporaryDirectory() as scratch:
        for name, (function, examples) in functions.items():
            program = _program(name, function, examples)
            for kind in formats:
                file = FilePath(scratch) / f"{name}{_ENDINGS[kind]}"
                _refusing(name, kind, partial(_WRITERS[kind], program, file))
                made.append((file.name, file.read_bytes()))
    description = json.dumps(_description(still, steps, formats), indent=2) + "\n"
    made.append((_DESCRIPTION, description.encode()))
    return [write_whole(FilePath(folder) / name, content) for name, content in made]


def _functions(model: LatentFlow, steps: int) -> dict[str, tuple[nn.Module, tuple[Tensor, ...]]]:
    """The functions by name, each with an example of its inputs."""
    images = torch.full((_BATCH, *model.image_shape), 0.5)
    codes, amounts = torch.zeros(_BATCH, model.dim), torch.ones(_BATCH, len(model.names))
    return {
        "encode": (EncodeFunction(model), (images,)),
        "flow": (FlowFunction(model, steps), (codes, amounts)),
        "decode": (DecodeFunction(model), (codes,)),
    }


def _program(name: str, function: nn.Module, examples: tuple[Tensor, ...]) -> Any:
    batch = torch.export.Dim("batch", min=1)
    shapes = tuple({0: batch} for _ in examples)
    return _refusing(name, "torch", lambda: torch.export.export(function, examples, dynamic_shapes=shapes))


def _write_torch(program: Any, file: FilePath) -> None:
    torch.export.save(program, file)


def _write_onnx(program: Any, file: FilePath) -> None:
    inputs = [spec.arg.name for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    outputs = {"encode": "codes", "flow": "moved", "decode": "images"}[file.stem]
    made = torch.onnx.export(
        program, input_names=inputs, output_names=[outputs], dynamo=True, verbose=False, optimize=False
    )
    if made is None:
        raise RuntimeError("the exporter gave no program")
    made.save(file, external_data=False)


_WRITERS: dict[str, Callable[[Any, FilePath], None]] = {"onnx": _write_onnx, "torch": _write_torch}


def _refusing(name: str, kind: str, work: Callable[[], Any]) -> Any:
    """What the work gives, its failures told as those of the model's part."""
    try:
        with torch.no_grad(), _quiet():
            return work()
    except Exception as error:  # exporters raise whatever they meet in a foreign module
        told = " ".join(str(error).split())[:300]
        wanted = f"`model` must be made of operations that {kind} can export"
        raise ValueError(f"{wanted}, got one whose function {name!r} it cannot: {told}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' talk of their own insides."""
    talkers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    levels = [talker.level for talker in talkers]
    for talker in talkers:
        talker.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for talker, level in zip(talkers, levels, strict=True):
            talker.setLevel(level)


def _need_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError("export to ONNX needs it: pip install 'flowdis[export]'") from error


def _description(model: LatentFlow, steps: int, formats: Sequence[str]) -> dict[str, Any]:
    """What a foreign program needs to know."""
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "image_shape": list(model.image_shape),
        "image_range": [0.0, 1.0],
        "dim": model.dim,
        "dtype": "float32",
        "transformations": [
            {"name": name, "unit": unit.name, "size": unit.size, "logarithmic": unit.logarithmic}
            for name, unit in model.units.items()
        ],
        "amount": "value / size, or log(value) / log(size) where logarithmic",
        "solver": {"method": "rk4", "steps": steps},
        "files": {name: {kind: f"{name}{_ENDINGS[kind]}" for kind in formats} for name in ("encode", "flow", "decode")},
        "inputs": {"encode": ["images"], "flow": ["codes", "amounts"], "decode": ["codes"]},
        "outputs": {"encode": ["codes"], "flow": ["moved"], "decode": ["images"]},
    }
