"""Files as neighbouring code writes them: the same names, shapes and keys, with random weights of small sizes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import Tensor

DIM, COUNT = 6, 3
SHAPE = (6, 7)


def layer(*shape: int, generator: torch.Generator, transposed: bool = False) -> dict[str, Tensor]:
    inputs = math.prod(shape[1:])
    outputs = shape[1] if transposed else shape[0]
    weight = torch.randn(shape, generator=generator) / math.sqrt(inputs)
    return {"weight": weight, "bias": 0.1 * torch.randn(outputs, generator=generator)}


def named(parts: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for name, part in parts.items() for key, value in part.items()}


def wide_vae(generator: torch.Generator, channels: int = 3, side: int = 2) -> dict[str, Tensor]:
    """The state dict of a ConvVAE: names and shapes as its code has them."""
    d, g = DIM, {"generator": generator}
    t = g | {"transposed": True}
    return named(
        {
            "encoder.encoder.0": layer(d, channels, 4, 4, **g),
            "encoder.encoder.2": layer(2 * d, d, 4, 4, **g),
            "encoder.encoder.4": layer(3 * d, 2 * d, side, side, **g),
            "encoder.encoder.6": layer(2 * d, 3 * d, 1, 1, **g),
            "encoder.encoder.8": layer(2 * d, 2 * d, 1, 1, **g),
            "encoder.linear_means": layer(d, 2 * d, **g),
            "encoder.linear_log_var": layer(d, 2 * d, **g),
            "decoder.decoder.0": layer(d, d, **g),
            "decoder.decoder.3": layer(d, 2 * d, 1, 1, **t),
            "decoder.decoder.5": layer(2 * d, 3 * d, 1, 1, **t),
            "decoder.decoder.7": layer(3 * d, 2 * d, side, side, **t),
            "decoder.decoder.9": layer(2 * d, d, 4, 4, **t),
            "decoder.decoder.11": layer(d, channels, 4, 4, **t),
        }
    )


def deep_vae(generator: torch.Generator, channels: int = 3, side: int = 1) -> dict[str, Tensor]:
    """The state dict of a ConvVAE2."""
    d, g = DIM, {"generator": generator}
    t = g | {"transposed": True}
    encoder = {
        f"encoder.encoder.{4 * k + 2 * odd}": layer(
            d, channels if k + odd == 0 else d, 3 if odd else 4, 3 if odd else 4, **g
        )
        for k in range(4)
        for odd in (0, 1)
    }
    decoder = {
        f"decoder.decoder.{9 + 4 * k + 2 * odd}": layer(
            d, channels if k + odd == 4 else d, 3 if odd else 4, 3 if odd else 4, **t
        )
        for k in range(4)
        for odd in (0, 1)
    }
    return named(
        encoder
        | {
            "encoder.encoder.16": layer(d, d, side, side, **g),
            "encoder.encoder.18": layer(d, d, 1, 1, **g),
            "encoder.encoder.20": layer(d, d, 1, 1, **g),
            "encoder.linear_means": layer(d, d, **g),
            "encoder.linear_log_var": layer(d, d, **g),
            "decoder.decoder.0": layer(d, d, **g),
            "decoder.decoder.3": layer(d, d, 1, 1, **t),
            "decoder.decoder.5": layer(d, d, 1, 1, **t),
            "decoder.decoder.7": layer(d, d, side, side, **t),
        }
        | decoder
    )


def potentials(generator: torch.Generator) -> dict[str, Tensor]:
    """The state dict of an HJPDE: K potentials and K forces."""
    layers = ("layer_x", "layer_time", "layer_time2", "layer_fusion", "layer_out")
    return named(
        {
            f"{kind}.{k}.{name}": layer(1 if name == "layer_out" else DIM, DIM, generator=generator)
            for kind in ("MLP_SET", "FORCE_SET")
            for k in range(COUNT)
            for name in layers
        }
    )


def checkpoint(vae: dict[str, Tensor], generator: torch.Generator) -> dict[str, object]:
    prior = {f"MLP_SET.{k}.{name}": torch.zeros(4, 1) for k in range(COUNT) for name in ("mu", "sigma")}
    return {"iter": 7, "support_sets": potentials(generator), "prior": prior, "vae": vae}


def latent_flow_checkpoint(generator: torch.Generator) -> dict[str, object]:
    """A checkpoint of digits of 8 x 8."""
    return checkpoint(wide_vae(generator), generator)


def wave_machine_state(
    generator: torch.Generator, channels: int = 1, shared: bool = True, side: int = 8
) -> dict[str, Tensor]:
    """Names and shapes as `tcornn_2d.py` saves them."""
    size, kernels = channels * math.prod(SHAPE), 1 if shared else channels

    def random(*shape: int, scale: float) -> Tensor:
        return scale * torch.randn(shape, generator=generator)

    return {
        "encoder.model.1.weight": random(4 * size, side**2, scale=0.3),
        "encoder.model.1.bias": random(4 * size, scale=0.1),
        "decoder.model.0.weight": random(side**2, size, scale=0.3),
        "decoder.model.0.bias": random(side**2, scale=0.1),
        "rnn.dt": torch.tensor([-1.95]),
        "rnn.gamma": torch.tensor([1.2]),
        "rnn.alpha": torch.tensor([0.4]),
        "rnn.b_bar": random(1, *SHAPE, scale=0.3),
        "rnn.coupling.conv.weight": random(kernels, 1, 3, 3, scale=0.2),
        "rnn.damping.conv.weight": random(kernels, 1, 3, 3, scale=0.2),
        "rnn.driving.conv.weight": random(kernels, 1, 3, 3, scale=0.5),
        "grouper.model.weight": torch.ones(1, 1, 5, 5, 1),
    }


EXTRA = {"elapsed_time": 12.5, "uuid": "0b1c"}


def write_evaluation(folder: Path, results: dict[str, object], function: str | None = None) -> None:
    files = folder / "results" / "json"
    files.mkdir(parents=True)
    (files / "evaluation_results.json").write_text(json.dumps(results | EXTRA, indent=2))
    if function is not None:
        (files / "evaluation_config.json").write_text(json.dumps({"evaluation.evaluation_fn": function}))


def write_aggregate(file: Path, rows: list[dict[str, object]]) -> None:
    """As pandas writes a frame: columns of rows."""
    names = {name for row in rows for name in row}
    file.write_text(json.dumps({name: {str(k): row.get(name) for k, row in enumerate(rows)} for name in names}))
