"""Turns and recolours a real digit: `python examples/quickstart.py [MODEL_FOLDER] [PICTURE.png]`.

The model is the small one that comes with the package, unless the folder of another is named.
"""

import sys
from pathlib import Path

import torch

import flowdis as fd

picture = Path(sys.argv[2] if len(sys.argv) > 2 else "quickstart.png")

model = fd.load(sys.argv[1] if len(sys.argv) > 1 else "digits")

digit = fd.data.digits(train=False)[0][420]  # a four that the model was not trained on
rotate, hue = model.flows("rotate", "hue")
path = rotate(45) >> hue(120)  # first turn, then recolour; rotate(45) + hue(120) would do both at once

times = torch.linspace(0.25, 2, 8)
edited = fd.edit(model, digit, path, frames=times)
truth = fd.data.apply_path(digit, path, model.units, times=times)
figure = fd.plots.strip(digit, truth, edited, title="rotate 45 then hue 120")
figure.savefig(picture)

undone = fd.edit(model, edited[-1], ~path)
print(f"There: {(edited[-1] - truth[-1]).abs().sum():.0f} off the truth, of {truth[-1].sum():.0f} in all.")
print(f"And back: {(undone - digit).abs().sum():.0f} off the original. The frames are in {picture}.")
