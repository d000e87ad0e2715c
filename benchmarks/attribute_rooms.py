"""Flows from labels of single rooms beside those from sequences: `python -m benchmarks.attribute_rooms --run RUN`.

RUN is a folder of `flowdis train --data rooms`. Its encoder and decoder stay; flows of all factors are fitted to labels
of single rooms, and measured by the orbit protocol beside those that the run learned from sequences.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from flowdis.cli.subjects import load_subject
from flowdis.data import rooms
from flowdis.metrics import evaluate_protocol
from flowdis.models import LatentFlow
from flowdis.training import AttributeConfig, fit_attribute_flows

__all__ = ["attribute_model", "compared", "main", "table"]


def attribute_model(model: LatentFlow, *, images: int, config: AttributeConfig, quiet: bool = False) -> LatentFlow:
    """The model with flows that are fitted to labels of single rooms, in the units of its own.

    Arguments:
        model: A model whose flows are factors of rooms, and whose images are.
        images: How many rooms are labelled.
        config: The settings of the fit.
        quiet: Whether to show no progress bar.
    """
    data = rooms(image_size=model.image_shape[-1])
    generator = torch.Generator().manual_seed(config.seed)
    drawn = torch.randint(len(data), (images,), generator=generator)
    values, numbered = data.values(drawn), {factor.name: k for k, factor in enumerate(data.factors)}
    known = {factor.name: factor for factor in data.factors}
    attributes = {name: values[:, numbered[name]] for name in model.names}
    periods = {name: period for name in model.names if (period := known[name].period) is not None}
    shape = values[:, numbered["shape"]].long()
    # An amount of a factor that multiplies is a logarithm.
    logs = [name for name, unit in model.units.items() if unit.logarithmic]
    attributes |= {name: attributes[name].log() for name in logs}
    fitted = fit_attribute_flows(
        model, data.images(drawn), attributes, labels=shape, periods=periods, config=config, quiet=quiet
    ).flow
    units = {
        name: replace(model.units[name], size=_size(unit.size, name in logs)) for name, unit in fitted.units.items()
    }
    config_of = replace(fitted.config, units=units)
    return LatentFlow(config_of, encoder=fitted.encoder, decoder=fitted.decoder, fields=fitted.fields).eval()


def _size(size: float, logarithmic: bool) -> float:
    return float(torch.tensor(size).exp()) if logarithmic else size


def compared(models: Mapping[str, LatentFlow], *, limit: int, seed: int = 0) -> dict[str, Any]:
    """By model and factor, the errors of the orbit protocol."""
    subject = load_subject("rooms")
    found: dict[str, Any] = {}
    for label, model in models.items():
        generator = torch.Generator().manual_seed(seed)
        errors = evaluate_protocol(
            model, subject.train, subject.test, "orbit", generator=generator, limit=limit, controls={}
        )
        found[label] = {
            name: {key: error.total(key) for key in ("error", "identity", "floor")} for name, error in errors.items()
        }
    return found


def table(found: Mapping[str, Any]) -> str:
    """The errors as lines of Markdown."""
    lines = ["| factor | sequences | single labels | ratio | identity | floor |", "|---" * 6 + "|"]
    for name, one in found["sequences"].items():
        other = found["labels"][name]
        cells = [f"{one['error']:.0f}", f"{other['error']:.0f}", f"{other['error'] / one['error']:.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} | {one['identity']:.0f} | {one['floor']:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Flows from labels of single rooms beside those from sequences.")
    parser.add_argument("--run", type=Path, required=True, help="the folder of `flowdis train --data rooms`")
    parser.add_argument("--images", type=int, default=3000, help="rooms that are labelled")
    parser.add_argument("--steps", type=int, default=1500, help="steps of the fit")
    parser.add_argument("--reach", type=float, default=0.5, help="how far an attribute differs between coupled codes")
    parser.add_argument("--hidden", type=int, default=256, help="hidden units of the field")
    parser.add_argument("--limit", type=int, default=200, help="test rooms that are measured")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="threads of torch; its own choice if left out")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    model = LatentFlow.from_pretrained(options.run / "model").eval()
    config = AttributeConfig(
        steps=options.steps, reach=options.reach, seed=options.seed, field_options={"hidden": options.hidden}
    )
    begun = time.perf_counter()
    fitted = attribute_model(model, images=options.images, config=config, quiet=options.json)
    seconds = time.perf_counter() - begun
    found = compared({"sequences": model, "labels": fitted}, limit=options.limit)
    settings = {name: value for name, value in vars(options).items() if name not in ("run", "json")}
    report = {"settings": settings, "seconds": seconds, **found}
    print(json.dumps(report, indent=2) if options.json else f"{table(found)}\n\nfitted in {seconds:.0f} s")


if __name__ == "__main__":
    main()
