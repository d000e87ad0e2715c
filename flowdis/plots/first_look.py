"""A first look at images before anything is trained on them: one HTML page that needs nothing else."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool
from torch import Tensor

from flowdis._files import write_whole
from flowdis.data.album import Album
from flowdis.data.attributes import AttributeTable
from flowdis.plots.canvas import PALETTE, figure_png, new_figure, quiet_axes, to_pixels
from flowdis.plots.pages import page, picture, table, tiles
from flowdis.plots.sheets import contact_sheet

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = ["write_first_look"]

_ACROSS, _DOWN = 16, 4  # images of a sheet
_SIDE = 1280  # pixels that a sheet may be wide
_LISTED = 12  # sizes, and categories, that are shown by themselves
_NAMED = 200  # files left out that are listed
_FOOTER = "Made with flowdis, before training. This page holds all its pictures and asks for nothing from elsewhere."


def write_first_look(
    folder: str | Path,
    album: Album,
    tested: Bool[Tensor, "N"],
    *,
    attributes: AttributeTable | None = None,
    title: str = "images",
) -> Path:
    """Writes `index.html`: how many images were read, of what sizes and modes, samples, the split, what was left out.

    Arguments:
        folder: Where to write; made if it does not exist.
        album: What was read.
        tested: Which images are kept for testing, with shape (N).
        attributes: What a table tells of each image.
        title: What the images are, in words.

    Returns:
        The file, written whole or not at all.

    Raises:
        OSError: if the folder cannot be written.
        ValueError: if `tested` or `attributes` are not of N images.
    """
    if len(tested) != len(album) or (attributes is not None and len(attributes) != len(album)):
        got = f"{len(tested)} and {'none' if attributes is None else len(attributes)}"
        raise ValueError(f"`tested` and `attributes` must be of N={len(album)} images, got {got}")
    channels, height, width = album.images.shape[1:]
    shade = "colour" if channels == 3 else "grey" if channels == 1 else f"{channels} channels"
    facts = [
        (f"{len(album):,}", "images were read"),
        (f"{len(album.skipped):,}", "files were left out"),
        (
            f"{width} × {height}",
            f"pixels, in {shade}, each is brought to",
        ),
        (f"{int((~tested).sum()):,}", "images to train on"),
        (f"{int(tested.sum()):,}", "images to test on, of other files"),
    ]
    sections = [("At a glance", tiles(facts)), ("Samples", _samples(album, tested)), ("Files", _files(album))]
    sections.append(("Brightness", _shown(_brightness(album), "Mean brightness of the images, by channel")))
    if attributes is not None:
        sections.append(("Attributes", _shown(_histograms(attributes, tested), "How often each value occurs")))
    if album.skipped:
        sections.append(("Left out", _left_out(album)))
    summary = "What was read, as the model will see it."
    return write_whole(Path(folder) / "index.html", page(f"First look: {title}", summary, sections, _FOOTER).encode())


def _samples(album: Album, tested: Tensor) -> str:
    parts = []
    for name, rows in (("to train on", (~tested).nonzero()[:, 0]), ("to test on", tested.nonzero()[:, 0])):
        if not len(rows) or album.images.shape[1] not in (1, 3, 4):
            continue
        count = min(len(rows), _ACROSS * _DOWN)
        picked = rows[torch.linspace(0, len(rows) - 1, count).round().long()]
        caption = f"{'All' if count == len(rows) else f'{count} of the'} {len(rows)} images {name}"
        parts.append(picture(caption, _sheet(album.images[picked]), alternative=caption))
    return "\n".join(parts) or f"<p>Images of {album.images.shape[1]} channels cannot be shown.</p>"


def _sheet(images: Tensor) -> bytes:
    """Images side by side as the bytes of a PNG file, small ones enlarged to whole multiples of their pixels."""
    from PIL import Image

    sheet = contact_sheet(images[None], columns=min(_ACROSS, len(images)))[0]
    larger = max(1, min(4, _SIDE // sheet.shape[-1]))
    stream = io.BytesIO()
    shown = Image.fromarray(to_pixels(sheet))
    shown.resize((shown.width * larger, shown.height * larger), Image.Resampling.NEAREST).save(stream, "PNG")
    return stream.getvalue()


def _files(album: Album) -> str:
    counted = {
        "Formats": Counter(look.kind for look in album.looks),
        "Modes": Counter(look.mode for look in album.looks),
        "Sizes in pixels": Counter(f"{look.width} × {look.height}" for look in album.looks),
    }
    return "\n".join(_counts(name, counts) for name, counts in counted.items())


def _counts(name: str, counts: Counter[str]) -> str:
    usual = counts.most_common(_LISTED)
    others = sum(counts.values()) - sum(count for _, count in usual)
    rows = [*usual, *([(f"{len(counts) - len(usual)} others", others)] if others else [])]
    return table(name, (name, "images"), [(key, [f"<td>{count:,}</td>"]) for key, count in rows])


def _left_out(album: Album) -> str:
    skipped = list(album.skipped.items())
    rows = [(file.name, [f'<td class="words">{escape(reason)}</td>']) for file, reason in skipped[:_NAMED]]
    more = f"<p>And {len(skipped) - _NAMED} more.</p>" if len(skipped) > _NAMED else ""
    return table("Files that were left out, and why", ("file", "reason"), rows, words=1) + more


def _shown(figure: matplotlib.figure.Figure, caption: str) -> str:
    light, dark = (figure_png(figure, ground=False, dark=dark) for dark in (False, True))
    return picture(caption, light, dark=dark, alternative=f"Histograms: {caption}")


def _brightness(album: Album) -> matplotlib.figure.Figure:
    means = album.images.mean((-1, -2))
    names = ("red", "green", "blue") if means.shape[1] == 3 else tuple(f"channel {c}" for c in range(means.shape[1]))
    figure = new_figure(7.0, 2.4)
    axes = figure.add_axes((0.1, 0.2, 0.86, 0.72))
    quiet_axes(axes)
    colours = ("#c0524a", "#2c9c72", "#3a86c8") if len(names) == 3 else PALETTE
    for k, name in enumerate(names):
        axes.hist(means[:, k].numpy(), bins=30, range=(0, 1), histtype="step", color=colours[k % 10], label=name)
    axes.set_ylabel("images", fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    return figure


def _histograms(attributes: AttributeTable, tested: Tensor) -> matplotlib.figure.Figure:
    """A histogram of each attribute, of the images to train on and to test on above each other."""
    count = len(attributes.names)
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = new_figure(3.2 * columns, 2.3 * rows)
    for k, name in enumerate(attributes.names):
        axes = figure.add_subplot(rows, columns, k + 1)
        quiet_axes(axes)
        values = attributes[name]
        parts = [values[~tested].numpy(), values[tested].numpy()]
        words = attributes.levels.get(name)
        bins: Sequence[float] | int = 24
        if attributes.kinds[k] != "continuous" and len(values.unique()) <= _LISTED:
            low, high = int(values.min()), int(values.max())
            bins = [at - 0.5 for at in range(low, high + 2)] if high - low < 2 * _LISTED else 24
        axes.hist(parts, bins=bins, stacked=True, color=PALETTE[:2], label=["train", "test"])
        if words is not None and len(words) <= _LISTED:
            axes.set_xticks(range(len(words)), words, rotation=20 if len(words) > 4 else 0)
        axes.set_title(f"{name} ({attributes.kinds[k]})", fontsize=9)
        if k == 0:
            axes.legend(fontsize=7, frameon=False)
    figure.tight_layout()
    return figure
