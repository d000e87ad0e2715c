"""Codes that do not change under a turn, in use: `python -m benchmarks.invariance [--model DIR | --minutes M]`.

Digits are turned by random angles, and read by a k-nearest-neighbour classifier. It is fitted on turned training
digits, as in use, or on upright ones, which is harder, and tested on turned test digits. Rows: pixels; codes; codes
averaged along the orbit of a turn (`invariant`), and with three harmonics of the orbit beside; codes and images slid
along the orbit to where they are nearest to the code of an upright reference (`canonicalize`). One reference serves
all digits: the mean upright training digit.

The gap says how far apart the two ends of an orbit are, half a turn to either side, beside the spread of codes: a flow
that does not come round gives no invariant.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import flowdis as fd
from flowdis.data import apply_path
from flowdis.metrics.batches import spread
from flowdis.models import LatentFlow
from flowdis.paths import Path as FlowPath
from flowdis.training import Trainer
from flowdis.training.recipes import recipe

__all__ = ["accuracies", "main", "text", "trained"]

_AT_ONCE = 250
_SAMPLES = 36
_HARMONICS = 3


def trained(train: Tensor, minutes: float, steps: int | None, seed: int, *, quiet: bool = False) -> LatentFlow:
    """A model of the recipe of the demonstration, trained on images (N, 3, 28, 28)."""
    chosen = recipe("demo")
    chosen = chosen.with_training(replace(chosen.training, minutes=minutes, steps=steps, seed=seed))
    sequences = chosen.sequences(train)
    model = chosen.model((train.shape[1], train.shape[2], train.shape[3]), sequences.units).to(train.device)
    if not Trainer(model, sequences, chosen.training, quiet=quiet).run().finished:
        raise KeyboardInterrupt
    return model.eval()


def turned(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images (N, C, H, W), each turned by an angle of its own, anywhere on the circle."""
    amounts = 8 * torch.rand(1, len(images), 1, generator=generator) - 4  # of 45 degrees
    return apply_path(images, FlowPath(("rotate",), amounts.to(images)))


@torch.no_grad()
def representations(model: LatentFlow, images: Tensor, reference: Tensor) -> tuple[dict[str, Tensor], float]:
    """By name what the classifier sees of images (N, C, H, W), with shape (N, F), and the mean gap of the orbits."""
    (rotate,) = model.flows("rotate")
    found: dict[str, list[Tensor]] = {}
    gaps = []
    for piece in images.split(_AT_ONCE):
        z = fd.encode(model, piece)
        there, back = (model.transport(rotate(end), z).z[-1] for end in (180.0, -180.0))
        gaps.append((there - back).square().sum(-1))
        still = fd.invariant(model, piece, rotate, samples=_SAMPLES, harmonics=_HARMONICS)
        posed, _ = fd.canonicalize(model, piece, rotate, reference)
        made = {
            "pixels": piece,
            "codes": z,
            "mean of the orbit": still[:, : model.dim],
            "invariant, 3 harmonics": still,
            "canonicalized codes": fd.encode(model, posed),
            "canonicalized images": posed,
        }
        for name, values in made.items():
            found.setdefault(name, []).append(values.flatten(1).cpu())
    whole = {name: torch.cat(pieces) for name, pieces in found.items()}
    spread_of_codes = (whole["codes"] - whole["codes"].mean(0)).square().sum(-1).mean().sqrt()
    return whole, float(torch.cat(gaps).mean().sqrt() / spread_of_codes)


def accuracies(
    model: LatentFlow,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    neighbours: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    """The accuracy of the classifier on turned test digits, by representation and by what it was fitted on.

    Arguments:
        model: The model, with a flow named rotate.
        train: Upright images (N, C, H, W) and their labels (N).
        test: The same of others.
        neighbours: How many neighbours vote.
        seed: The seed of the angles.
    """
    from sklearn.neighbors import KNeighborsClassifier

    generator = torch.Generator().manual_seed(seed)
    reference = train[0].mean(0)
    fitted = {"turned": turned(train[0], generator), "upright": train[0]}
    seen, gap = representations(model, turned(test[0], generator), reference)
    table: dict[str, dict[str, float]] = {}
    for told, images in fitted.items():
        known, _ = representations(model, images, reference)
        for name, values in known.items():
            votes = KNeighborsClassifier(neighbours).fit(values.numpy(), train[1].numpy())
            table.setdefault(name, {})[told] = float(votes.score(seen[name].numpy(), test[1].numpy()))
    return {"accuracy": table, "gap": gap, "train": len(train[0]), "test": len(test[0]), "neighbours": neighbours}


def text(found: dict[str, Any]) -> str:
    """The accuracies as lines of Markdown, with the points gained over codes."""
    table = found["accuracy"]
    lines = ["| | fitted on turned | over codes | fitted on upright | over codes |", "|---|---|---|---|---|"]
    for name, row in table.items():
        cells = [f"{row[told]:.3f} | {100 * (row[told] - table['codes'][told]):+.1f}" for told in ("turned", "upright")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"gap of the orbits: {found['gap']:.2f} of the spread of codes"])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Reads turned digits off codes that do not change under a turn.")
    parser.add_argument("--model", type=Path, help="the folder of a model; one is trained if left out")
    parser.add_argument("--minutes", type=float, default=5.0, help="minutes of training")
    parser.add_argument("--steps", type=int, help="steps of training, in place of minutes")
    parser.add_argument("--seed", type=int, default=0, help="the seed of weights, of training and of the angles")
    parser.add_argument("--train", type=int, default=1000, help="training digits that the classifier is fitted on")
    parser.add_argument("--test", type=int, default=500, help="test digits")
    parser.add_argument("--neighbours", type=int, default=5, help="neighbours that vote")
    parser.add_argument("--device", default="cpu", help="where to train and measure: cpu, cuda, cuda:1 or mps")
    parser.add_argument("--out", type=Path, help="a file to write the JSON to as well")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    device = torch.device(options.device)
    (images, labels), (others, truth) = fd.data.digits(), fd.data.digits(train=False)
    if options.model is None:
        model = trained(images.to(device), options.minutes, options.steps, options.seed, quiet=options.json)
    else:
        model = LatentFlow.from_pretrained(options.model).to(device)
    train = (spread(images, options.train).to(device), spread(labels, options.train))
    test = (spread(others, options.test).to(device), spread(truth, options.test))
    found = accuracies(model, train, test, neighbours=options.neighbours, seed=options.seed)
    written = json.dumps(found, indent=2)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(written + "\n")
    print(written if options.json else text(found))


if __name__ == "__main__":
    main()
