"""Fragments of the page as HTML: pictures, strips, the gauge, the map of commutators, files to take home."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

from jaxtyping import Float
from torch import Tensor

from flowdis.app.actions import Comparison, Reading
from flowdis.app.exports import png_bytes
from flowdis.metrics import Commutator

__all__ = [
    "alert",
    "commutator_view",
    "comparison_view",
    "data_url",
    "exports_view",
    "film_view",
    "gauge_view",
    "picture",
    "strip_view",
]

_Image = Float[Tensor, "C H W"]
_CRISP = 128  # pixels of a side, below which they are shown as squares
_SAFE = 0.1  # the gap below which a pair of flows may be mixed in any order


def data_url(content: bytes, kind: str) -> str:
    """Bytes as an address that a browser reads in place."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture(image: _Image, described: str) -> str:
    """An image, magnified by the page, its pixels crisp where they are few."""
    crisp = ' class="crisp"' if max(image.shape[-2:]) <= _CRISP else ""
    return f'<img src="{data_url(png_bytes(image), "image/png")}" alt="{escape(described)}"{crisp}>'


def figure(inner: str, title: str, told: str = "") -> str:
    """A picture under its title, with a line below."""
    line = f"<span>{escape(told)}</span>" if told else ""
    return f"<figure>{inner}<figcaption><strong>{escape(title)}</strong>{line}</figcaption></figure>"


def alert(message: str) -> str:
    """What went wrong, read out by screen readers; nothing for an empty message."""
    return f'<p class="alert" role="alert">{escape(message)}</p>' if message else ""


def strip_view(frames: Float[Tensor, "T C H W"]) -> str:
    """Frames side by side, from the first to the last."""
    count = len(frames)
    pictures = [picture(frame, f"frame {index + 1} of {count}") for index, frame in enumerate(frames)]
    told = '<p class="note">The way from the start to the end of the path.</p>'
    return f'<div class="strip">{"".join(pictures)}</div>{told}'


def film_view(film: bytes) -> str:
    """The film, with a link to keep it."""
    url = data_url(film, "image/gif")
    shown = f'<img class="crisp" src="{url}" alt="The edit as a film, there and back">'
    told = f'There and back, in a loop.<br><a download="edit.gif" href="{url}">Download the GIF</a>'
    return f'<div class="film">{figure(shown, "Film")}<p class="note">{told}</p></div>'


def comparison_view(found: Comparison) -> str:
    """The edit in turn, at once, and the difference, with how large it is."""
    largest = float(found.difference.max())
    levels = round(255 * largest)
    told = (
        "No pixel differs."
        if levels == 0
        else (f"Pixels differ by {found.total:.1f} in all; the largest difference is {levels} of 255 levels.")
    )
    shown = found.difference / largest if levels else 0 * found.difference
    stretched = "stretched to full contrast" if levels else "none"
    return (
        '<div class="three">'
        + figure(picture(found.in_turn, "The edit in turn"), "In turn")
        + figure(picture(found.at_once, "The edit at once"), "At once")
        + figure(picture(shown, "The difference of the two"), "Difference", stretched)
        + f'</div><p class="note">{told}</p>'
    )


def commutator_view(found: Commutator) -> str:
    """The gaps of all pairs of flows as a table in shades, and which mixes are safe in any order."""
    labels = [escape(name.replace("_", " ")) for name in found.names]
    head = "".join(f'<th scope="col">{label}</th>' for label in labels)
    rows = []
    for i, label in enumerate(labels):
        cells = "".join(_cell(float(found.gap[i, j]), i == j) for j in range(len(labels)))
        rows.append(f'<tr><th scope="row">{label}</th>{cells}</tr>')
    return (
        '<div class="map"><table><caption>Gap between one order and the other, relative to the way</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f'<p class="note">{_sentence(found)}</p></div>'
    )


def _cell(gap: float, same: bool) -> str:
    if same:
        return '<td class="same">–</td>'
    share = min(1.0, gap / (2 * _SAFE)) if gap <= 2 * _SAFE else 1.0
    kind = "safe" if gap <= _SAFE else "unsafe"
    return f'<td class="{kind}" style="--share:{share:.2f}">{gap:.2f}</td>'


def _sentence(found: Commutator) -> str:
    safe = [f"{a} with {b}" for a, b in found.safe(_SAFE)]
    count = len(found.names)
    if count == 1:
        return "There is one flow, which commutes with itself."
    every = count * (count - 1) // 2
    if len(safe) == every:
        return "All mixes are safe: in any order or at once, the result is nearly the same."
    if not safe:
        return "No mix is safe in any order: the result depends on which flow runs first."
    told = escape(", ".join(safe).replace("_", " "))
    return f"Safe in any order or at once: {told}. For the other mixes, the order changes the result."


def gauge_view(edited: Reading, original: Reading, told: str) -> str:
    """Where the edited code stands among codes of data, with a warning outside of the border."""
    above = edited.value - edited.border
    words = (
        f"Outside of the data: {-above:.1f} nats below the 1 % border. Do not trust this edit."
        if edited.outside
        else f"Inside the data: {above:.1f} nats above the 1 % border."
    )
    label = escape(f"{words} Compared with codes of {told}.")
    state = "outside" if edited.outside else "inside"
    return (
        f'<div class="gauge {state}"><div class="bar" role="img" aria-label="{label}">'
        f'<i class="was" style="left:{100 * original.place:.1f}%"></i>'
        f'<i class="is" style="left:{100 * edited.place:.1f}%"></i></div>'
        f'<p role="status">{escape(words)}</p></div>'
    )


def exports_view(files: Iterable[tuple[str, str, bytes, str]], text: str, code: str) -> str:
    """Links to files, each a label, a name, its bytes and its kind, above the path in words and in Python."""
    links = "".join(
        f'<a download="{escape(name)}" href="{data_url(content, kind)}">{escape(label)}</a>'
        for label, name, content, kind in files
    )
    return (
        f'<div class="exports"><p class="links">{links}</p><div class="codes">'
        f'<div><h2>Path</h2><pre tabindex="0" aria-label="The path in words">{escape(text)}</pre></div>'
        f'<div><h2>Python</h2><pre tabindex="0" aria-label="The edit in Python">{escape(code)}</pre></div></div></div>'
    )
