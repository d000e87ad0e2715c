"""Pieces of an HTML page: plain functions that return text, every word escaped."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files

__all__ = ["definitions", "details", "page", "picture", "section", "slug", "table", "tiles"]


_WORDS = ' class="words"'


def slug(text: str) -> str:
    """A name for a link's target: "Once round" becomes "once-round"."""
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split()) or "section"


def page(title: str, summary: str, sections: Sequence[tuple[str, str]], footer: str) -> str:
    """A whole page that needs nothing else: a header, links to its sections, the sections (heading, body)."""
    links = "".join(f'<li><a href="#{slug(name)}">{escape(name)}</a></li>' for name, _ in sections)
    lead = f"<p>{escape(summary)}</p>" if summary else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_style()}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#content">Skip to the content</a>\n'
        f"<header><h1>{escape(title)}</h1>{lead}</header>\n"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n<main id="content">\n'
        + "\n".join(section(name, body) for name, body in sections)
        + f"\n</main>\n<footer><p>{escape(footer)}</p></footer>\n</body>\n</html>\n"
    )


def _style() -> str:
    return files("flowdis.plots").joinpath("report.css").read_text(encoding="utf-8")


def section(heading: str, body: str) -> str:
    """A section under a heading of the second level; `body` is HTML."""
    name = slug(heading)
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{escape(heading)}</h2>\n{body}\n</section>'


def picture(
    caption: str, image: bytes, *, alternative: str, dark: bytes | None = None, still: bytes | None = None
) -> str:
    """A picture with a caption, embedded.

    Arguments:
        caption: What stands under it.
        image: The bytes of a PNG or GIF file.
        alternative: What it shows, for those who do not see it.
        dark: The picture for dark pages, where it is another.
        still: The picture for readers who want nothing to move, where it moves.
    """
    width, height = _size(image)
    sources = ""
    if dark is not None:
        sources += f'<source media="(prefers-color-scheme: dark)" srcset="{_embedded(dark)}">'
    if still is not None:
        sources += f'<source media="(prefers-reduced-motion: reduce)" srcset="{_embedded(still)}">'
    kind = "moving" if image[:3] == b"GIF" else "wide"
    label = escape(caption)
    source = f'src="{_embedded(image)}" alt="{escape(alternative)}" width="{width}" height="{height}"'
    return (
        f'<figure class="{kind}"><div class="scroll" tabindex="0" role="group" aria-label="{label}">'
        f"<picture>{sources}<img {source}></picture></div><figcaption>{label}</figcaption></figure>"
    )


def _embedded(image: bytes) -> str:
    kind = "gif" if image[:3] == b"GIF" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def _size(image: bytes) -> tuple[int, int]:
    """Width and height in pixels, read from the head of a PNG or GIF file."""
    if image[:3] == b"GIF":
        width, height = struct.unpack("<HH", image[6:10])
    else:
        width, height = struct.unpack(">II", image[16:24])
    return int(width), int(height)


def table(caption: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], *, words: int = 0) -> str:
    """A table that scrolls by itself where the page is narrow.

    Arguments:
        caption: What it shows.
        columns: The headings of all columns, that of the rows' own first.
        rows: Each row's heading, and its cells as HTML, `<td>` and all.
        words: How many of the last columns hold words, which stand left, rather than numbers.
    """
    first = len(columns) - words
    head = "".join(
        f'<th scope="col"{_WORDS if place >= first else ""}>{escape(name)}</th>' for place, name in enumerate(columns)
    )
    body = "\n".join(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>' for name, cells in rows)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(caption)}"><table>\n'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def definitions(meanings: Mapping[str, str]) -> str:
    """A list of terms with their meanings."""
    items = "".join(f"<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>" for term, meaning in meanings.items())
    return f'<dl class="meanings">{items}</dl>'


def details(summary: str, body: str, *, unfolded: bool = False) -> str:
    """HTML that is folded away under a line, or can be."""
    return f"<details{' open' if unfolded else ''}><summary>{escape(summary)}</summary>\n{body}\n</details>"


def tiles(facts: Sequence[tuple[str, str]]) -> str:
    """Large numbers with what they mean, side by side."""
    items = "".join(f"<div><dt>{escape(meaning)}</dt><dd>{escape(number)}</dd></div>" for number, meaning in facts)
    return f'<dl class="tiles">{items}</dl>'
