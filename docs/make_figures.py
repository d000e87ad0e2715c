"""Draws the pictures of the README and the documentation: python docs/make_figures.py --model demo/model."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import flowdis as fd

FRAMES = 8
EDITS: dict[str, Callable[[fd.Flow, fd.Flow, fd.Flow], fd.Path]] = {
    "rotate(180)": lambda rotate, scale, hue: rotate(180),
    "scale(1.5)": lambda rotate, scale, hue: scale(1.5),
    "hue(240)": lambda rotate, scale, hue: hue(240),
    "rotate(90) >> hue(180)": lambda rotate, scale, hue: rotate(90) >> hue(180),
    "rotate(90) + hue(180)": lambda rotate, scale, hue: rotate(90) + hue(180),
    "p = scale(0.7) + hue(120)\np >> ~p": lambda rotate, scale, hue: there_and_back(scale(0.7) + hue(120)),
}
DIGITS = (2, 4, 3, 7, 5, 9)


def there_and_back(path: fd.Path) -> fd.Path:
    """The path and its inverse."""
    return path >> ~path


def test_digits(classes: tuple[int, ...], skip: int = 0) -> Tensor:
    """One test image (N, 3, 28, 28) of each class: the one after the first `skip` in file order."""
    images, labels = fd.data.digits(train=False)
    return torch.stack([images[labels == label][skip] for label in classes])


def edits(model: fd.LatentFlow, file: Path) -> None:
    """The picture at the top of the README: six edits of six test digits, frame by frame, with the truth."""
    from matplotlib.figure import Figure

    flows = model.flows("rotate", "scale", "hue")
    figure = Figure(figsize=(9.6, 4.9), facecolor="white")
    axes = figure.subplots(
        len(EDITS),
        FRAMES + 2,
        gridspec_kw={"width_ratios": [1] * (FRAMES + 2), "wspace": 0.06, "hspace": 0.06},
    )
    figure.subplots_adjust(left=0.235, right=0.995, top=0.945, bottom=0.005)
    for row, image, (text, build) in zip(axes, test_digits(DIGITS), EDITS.items(), strict=True):
        path = build(*flows)
        frames = fd.edit(model, image, path, frames=FRAMES)
        truth = fd.data.apply_path(image, path, model.units)
        for place, picture in zip(row, (image, *frames, truth), strict=True):
            place.imshow(picture.movedim(0, -1).clamp(0, 1).numpy(), interpolation="nearest")
            place.axis("off")
        row[0].text(
            -0.12, 0.5, text, transform=row[0].transAxes, family="monospace", fontsize=8.5, ha="right", va="center"
        )
        for place in (row[0], row[-1]):  # a little apart from the frames between
            box = place.get_position()
            place.set_position([box.x0 + (0.006 if place is row[-1] else -0.006), box.y0, box.width, box.height])
    axes[0][0].set_title("image", fontsize=8.5, pad=4)
    axes[0][1].set_title("the edit, in eight frames", fontsize=8.5, pad=4, loc="left")
    axes[0][-1].set_title("truth", fontsize=8.5, pad=4)
    figure.savefig(file, dpi=120)


def turning(model: fd.LatentFlow, file: Path) -> None:
    """An animation of six test digits once round, then through all hues: the truth above, the edit below."""
    rotate, hue = model.flows("rotate", "hue")
    images = test_digits(DIGITS, skip=1)
    path, times = rotate(360) >> hue(360), torch.linspace(0, 2, 41)[1:]
    truth = fd.data.apply_path(images, path, model.units, times=times)
    frames = torch.cat([truth, fd.edit(model, images, path, frames=times)], dim=1)
    fd.plots.save_gif(frames, file, seconds=6.0, magnify=3, columns=len(images))


def strip(model: fd.LatentFlow, file: Path) -> None:
    """Two test digits turned and recoloured at once: truth, edit and difference."""
    rotate, hue = model.flows("rotate", "hue")
    images, path = test_digits((3, 5), skip=2), rotate(90) + hue(240)
    times = torch.linspace(0, 1, FRAMES + 1)[1:]
    figure = fd.plots.strip(
        images,
        fd.data.apply_path(images, path, model.units, times=times),
        fd.edit(model, images, path, frames=times),
        values={"rotate": 90 * times, "hue": 240 * times},
        units=model.units,
    )
    figure.savefig(file, dpi=100)


def portrait(model: fd.LatentFlow, file: Path) -> None:
    """The codes of 200 test digits in random poses, and the flows through them."""
    images, labels = fd.data.digits(train=False)
    images, labels = images[::5], labels[::5]
    turns = torch.rand(len(images), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rotate, hue = model.flows("rotate", "hue")
    posed = fd.data.apply_path(images, rotate(360 * turns) + hue(360 * turns.flip(0)), model.units)
    fd.plots.latent_portrait(model, posed, labels=labels).savefig(file, dpi=100)


PICTURES: dict[str, Callable[[fd.LatentFlow, Path], None]] = {
    "edits.png": edits,
    "turning.gif": turning,
    "strip.png": strip,
    "portrait.png": portrait,
}


def main() -> None:
    """Draws all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a model folder with rotate, scale and hue")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images", help="where to write")
    arguments = parser.parse_args()
    model = fd.LatentFlow.from_pretrained(arguments.model)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        draw(model, arguments.out / name)
        print(arguments.out / name)


if __name__ == "__main__":
    main()
