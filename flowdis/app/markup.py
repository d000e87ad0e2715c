"""The parts of the page that take input, as HTML: where images come from, the sliders, the choice of a view."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from flowdis.app.dials import Dial
from flowdis.app.samples import Samples
from flowdis.app.state import Controls, EditState
from flowdis.app.uploads import FORMATS, MOST_BYTES
from flowdis.app.views import picture

__all__ = [
    "VIEWS",
    "asset",
    "header_markup",
    "history_markup",
    "history_value",
    "panel_markup",
    "panel_value",
    "source_markup",
    "views_markup",
]

VIEWS = {
    "frames": "Frames",
    "film": "Film",
    "compare": "In turn / at once",
    "commutators": "Order",
    "export": "Export",
}
"""What can be looked at below the images, with labels."""


def asset(name: str) -> str:
    """The text of a file beside this one."""
    return (Path(__file__).parent / name).read_text()


def panel_value(state: EditState) -> dict[str, Any]:
    """What the sliders are set to, as the page's script reads it."""
    controls: Controls = state.now.controls
    return {
        "values": dict(controls.values),
        "order": list(controls.order),
        "at_once": controls.at_once,
    }


def history_value(state: EditState) -> dict[str, bool]:
    """Whether there is something to undo or to redo."""
    return {"undo": bool(state.past), "redo": bool(state.future)}


def panel_markup(dials: tuple[Dial, ...]) -> str:
    """The mode and the sliders."""
    rows = "".join(_row(dial) for dial in dials)
    return f"""
<div class="panel">
  <fieldset class="segments"><legend class="unseen">How flows are composed</legend>
    <label><input type="radio" name="mode" value="turn" checked><span>In turn</span></label>
    <label><input type="radio" name="mode" value="once"><span>At once</span></label>
  </fieldset>
  <ol class="flows" aria-label="Flows, in the order in which they run">{rows}</ol>
  <p class="unseen" role="status" data-told></p>
</div>"""


def history_markup() -> str:
    """The buttons of history."""
    return """
<div class="history">
  <button type="button" data-act="undo" disabled>Undo</button>
  <button type="button" data-act="redo" disabled>Redo</button>
  <button type="button" data-act="reset">Reset</button>
</div>"""


def _row(dial: Dial) -> str:
    name, label = _inert(dial.name), _inert(dial.label)
    log = math.log if dial.logarithmic else float
    places = max(0, min(6, 2 - math.floor(math.log10(dial.high)))) if dial.step != 1.0 else 0
    sign = {"degree": "°", "factor": "×"}.get(dial.flow.unit.name, "")
    before, after = ("×", "") if sign == "×" else ("", sign)
    described = _inert(dial.described)
    return f"""
<li class="flow" data-name="{name}" data-log="{int(dial.logarithmic)}" data-low="{dial.low:.12g}"
    data-high="{dial.high:.12g}" data-places="{places}" data-rest="{dial.identity:g}" data-sign="{sign}">
  <span class="grip" draggable="true" title="Drag to change the order" aria-hidden="true"><i></i></span>
  <label for="slider-{name}">{label}</label>
  <span class="number"><span aria-hidden="true">{before}</span><input type="number" step="any"
    value="{dial.identity:g}" aria-label="{described}"><span aria-hidden="true">{after}</span></span>
  <input type="range" id="slider-{name}" min="{log(dial.low):.12g}" max="{log(dial.high):.12g}"
    step="{dial.step:.12g}" value="0">
  <span class="moves"><button type="button" data-act="up" aria-label="Run {label} earlier">↑</button
  ><button type="button" data-act="down" aria-label="Run {label} later">↓</button></span>
</li>"""


def source_markup(samples: Samples) -> str:
    """Where images come from: a field to drop one on, and samples."""
    buttons = "".join(
        f'<button type="button" data-index="{index}" aria-label="Edit {_inert(name)}">{picture(image, "")}</button>'
        for index, (image, name) in enumerate(zip(samples.images, samples.names, strict=True))
    )
    accept = ",".join(f"image/{kind.lower()}" for kind in FORMATS)
    return f"""
<div class="source" data-most="{MOST_BYTES}">
  <label class="drop"><input type="file" accept="{accept}" class="unseen" aria-label="Load an image">
    <span><b>Load an image</b> or drop it here</span></label>
  <div class="samples" role="group" aria-label="Samples">{buttons}</div>
</div>"""


def views_markup() -> str:
    """The choice of what is looked at below the images."""
    choices = "".join(
        f'<label><input type="radio" name="view" value="{key}"{" checked" if key == "frames" else ""}>'
        f"<span>{label}</span></label>"
        for key, label in VIEWS.items()
    )
    return f'<fieldset class="segments views"><legend class="unseen">What to look at</legend>{choices}</fieldset>'


def header_markup(name: str, units: Mapping[str, Any]) -> str:
    """The head of the page: what this is, and which model it edits with."""
    flows = ", ".join(_inert(flow.replace("_", " ")) for flow in units)
    told = f'<p>Edits by latent flows: {flows}</p><p class="model">{_inert(name)}</p>'
    return f'<header class="head"><h1>flowdis</h1>{told}</header>'


def _inert(text: str) -> str:
    """Text of a stranger's model that neither HTML nor the page's templates read as more than text."""
    escaped = escape(text)
    for sign in "`${}\\":
        escaped = escaped.replace(sign, f"&#{ord(sign)};")
    return escaped
