"""Draws what a model found that nobody told what moves: docs/images/found.png.

python docs/make_explanation.py --model runs/found/model

The model is that of `flowdis train --supervision none --single 1 --steps 4000 --out runs/found`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from flowdis.data import digits
from flowdis.metrics import explain
from flowdis.models import LatentFlow
from flowdis.plots import explanation_figure
from flowdis.training.recipes import recipe


def main() -> None:
    """Explains the model by sequences of test digits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the folder of the model")
    given = parser.parse_args()
    model = LatentFlow.from_pretrained(given.model).eval()
    chosen = replace(recipe("demo").with_supervision("none"), single=1.0)
    sequences = chosen.sequences(digits(train=False)[0])
    batch = sequences.sample(500, generator=torch.Generator().manual_seed(3))
    found = explain(model, batch, amount=2.6)
    explanation_figure(found).savefig(Path(__file__).parent / "images" / "found.png")


if __name__ == "__main__":
    main()
