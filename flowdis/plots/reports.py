"""Reports: pictures and numbers of a model in one HTML file that needs nothing else."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from flowdis._files import write_whole
from flowdis.plots.canvas import figure_png
from flowdis.plots.curves import error_curves, training_curves
from flowdis.plots.meanings import PROTOCOLS, SECTIONS, title_of
from flowdis.plots.pages import definitions, page, picture, tiles
from flowdis.plots.tables import format_number, metrics_tables

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = ["write_report"]

_HOW = {
    "truth": "the source image, truly transformed",
    "edit": "what the model makes of the source: encoded, moved along the flow, decoded",
    "difference": "how far the two are apart in each pixel, from 0 to 1, in the channel in which it is most",
    "error": "the sum of |edit − truth| over pixels and channels, each value from 0 to 1",
}
_FOOTER = "Made with flowdis. This page holds all its pictures and asks for nothing from anywhere else."


def write_report(
    folder: str | FilePath,
    *,
    title: str,
    summary: str = "",
    metrics: Mapping[str, Any] | None = None,
    figures: Mapping[str, matplotlib.figure.Figure] | None = None,
    animations: Mapping[str, str | FilePath] | None = None,
    history: Sequence[Mapping[str, float]] | None = None,
) -> FilePath:
    """Writes `index.html`: the pictures, the metrics as tables with what they mean, and the training curves.

    What is left out or empty has no section. Metrics of names that are not known are shown in plain tables.

    Arguments:
        folder: Where to write; made if it does not exist.
        title: The heading.
        summary: A sentence or two under it.
        metrics: The nested numbers of metrics.json.
        figures: Figures by caption.
        animations: GIF files by caption.
        history: The logged steps of training, as `TrainingResult.history` has them.

    Returns:
        The file, written whole or not at all.

    Raises:
        FileNotFoundError: if an animation's file does not exist.
        ValueError: if it is not a GIF.
        OSError: if the folder cannot be written.
    """
    metrics = metrics or {}
    sections: list[tuple[str, str]] = []
    facts = _facts(metrics)
    if facts:
        sections.append(("At a glance", tiles(facts)))
    if metrics.get("failures"):
        sections.append(("Failures", metrics_tables(metrics["failures"], section="failures")))
    if animations:
        shown = "\n".join(_animation(caption, FilePath(file)) for caption, file in animations.items())
        sections.append(("Edits in motion", f'<div class="pair">{shown}</div>'))
    if figures:
        shown = "\n".join(_figure(caption, figure) for caption, figure in figures.items())
        sections.append(("Edits and codes", definitions(_HOW) + shown))
    sections += _numbers(metrics, history)
    content = page(title, summary, sections, _FOOTER)
    return write_whole(FilePath(folder) / "index.html", content.encode())


def _figure(caption: str, figure: matplotlib.figure.Figure) -> str:
    light, dark = (figure_png(figure, ground=False, dark=dark) for dark in (False, True))
    return picture(caption, light, dark=dark, alternative=f"Figure: {caption}")


def _animation(caption: str, file: FilePath) -> str:
    from PIL import Image

    if not file.is_file():
        raise FileNotFoundError(f"`animations` must be GIF files, got {file}, which does not exist")
    content = file.read_bytes()
    if content[:3] != b"GIF":
        raise ValueError(f"`animations` must be GIF files, got {file}, which is not one")
    still = io.BytesIO()
    with Image.open(io.BytesIO(content)) as opened:
        opened.convert("RGB").save(still, "PNG")
    return picture(caption, content, still=still.getvalue(), alternative=f"Animation: {caption}")


def _numbers(metrics: Mapping[str, Any], history: Sequence[Mapping[str, float]] | None) -> list[tuple[str, str]]:
    """The sections of numbers, known ones first in their order, then the others."""
    sections = []
    plain = {key: value for key, value in metrics.items() if key not in SECTIONS and not _nested(value)}
    others = [key for key in metrics if key not in SECTIONS and key not in plain]
    for key in (*SECTIONS, *others):
        value = metrics.get(key)
        curves = history if key == "training" else None
        if key == "failures" or (_empty(value) and not curves):
            continue
        name, told = SECTIONS.get(key, (title_of(key), ""))
        parts = [f"<p>{told}</p>"] if told else []
        if curves:
            parts.append(_figure("The terms of the training objective, and the learning rate", training_curves(curves)))
        if key == "protocols" and isinstance(value, Mapping):
            parts += [
                _protocol(protocol, tables, first=place == 0) for place, (protocol, tables) in enumerate(value.items())
            ]
        elif not _empty(value):
            parts.append(metrics_tables(value, section=key, caption=name))
        sections.append((name, "\n".join(parts)))
    if plain:
        sections.append(("Further numbers", metrics_tables(plain, caption="Further numbers")))
    return sections


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _empty(value: Any) -> bool:
    return value is None or (_nested(value) and not value)


def _protocol(name: str, tables: Any, *, first: bool) -> str:
    title = f"{title_of(name)} protocol"
    told = PROTOCOLS.get(name, "")
    parts = [f"<h3>{escape(title)}</h3>", f"<p>{told}</p>" if told else ""]
    parts.append(
        metrics_tables(tables, section="protocols", caption=f"{title}: errors, summed over frames", unfolded=first)
    )
    frames = _frames(tables)
    if frames:
        parts.append(_figure(f"{title}: error of each frame, in pixels", error_curves(frames)))
    return "\n".join(parts)


def _frames(tables: Any) -> dict[str, Mapping[str, Sequence[float]]]:
    """Per transformation the error of each frame by name, where the metrics have them."""
    errors = tables.get("equivariance") if isinstance(tables, Mapping) else None
    if not isinstance(errors, Mapping):
        return {}
    frames = {name: table.get("frames") for name, table in errors.items() if isinstance(table, Mapping)}
    return {name: series for name, series in frames.items() if isinstance(series, Mapping) and "error" in series}


def _facts(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The largest ratio of each kind, and how the model was trained: number, meaning."""
    facts = []
    for path, to, told in (
        (
            ("protocols", "orbit", "equivariance"),
            "floor",
            "of the autoencoder's own error, from any pose: {}",
        ),
        (
            ("protocols", "published", "equivariance"),
            "identity",
            "of the error of no edit, published protocol: {}",
        ),
        (("composition",), "floor", "of the autoencoder's own error, two at once or in a row: {}"),
        (("round",), "floor", "of the autoencoder's own error, once round: {}"),
    ):
        worst = _worst(_at(metrics, path), to)
        if worst is not None:
            facts.append((f"{worst[0]:.2f} ×", told.format(f"{worst[1].replace('_', ' ')}, the worst of them")))
    undo, seconds = _at(metrics, ("undo", "latent")), _at(metrics, ("training", "seconds"))
    if isinstance(undo, int | float):
        facts.append((format_number(undo), "of a code's length is lost by a path and its inverse, at most"))
    if isinstance(seconds, int | float):
        facts.append((f"{seconds / 60:.1f} min", "of training"))
    return facts


def _at(metrics: Any, path: Sequence[str]) -> Any:
    for key in path:
        metrics = metrics.get(key) if isinstance(metrics, Mapping) else None
    return metrics


def _worst(records: Any, to: str) -> tuple[float, str] | None:
    """The largest error relative to another number of the same record, and whose it is."""
    ratios = []
    for name, record in records.items() if isinstance(records, Mapping) else ():
        error, base = _at(record, ("error",)), _at(record, (to,))
        if isinstance(error, int | float) and isinstance(base, int | float) and base > 0:
            ratios.append((error / base, str(name)))
    return max(ratios, default=None)
