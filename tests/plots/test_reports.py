from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from flowdis.plots import save_gif, write_report
from flowdis.plots.canvas import new_figure
from flowdis.plots.tables import format_number
from tests.plots.toys import stills

VOID = {"meta", "img", "source", "br", "link"}


def error(scale: float) -> dict[str, Any]:
    sums = {"error": 3.12 * scale, "identity": 8.9 * scale, "floor": 2.4 * scale, "constant": 7.7 * scale,
            "linear": 5.5 * scale, "black": 9.9 * scale}  # fmt: skip
    return {
        **sums,
        "without_last": {name: 0.7 * value for name, value in sums.items()},
        "frames": {name: [0.3 * value, 0.7 * value] for name, value in sums.items()},
    }


PATH_ERROR = {"error": 46.51, "identity": 262.3, "floor": 36.32, "constant": 200.1, "linear": 99.9}

METRICS: dict[str, Any] = {
    "protocols": {
        "published": {"equivariance": {"rotate": error(101.0), "hue": error(203.0)}},
        "orbit": {"equivariance": {"rotate": error(307.0), "hue": error(411.0)}},
    },
    "composition": {
        "sequential": PATH_ERROR,
        "linear": PATH_ERROR,
        "pairs": {"rotate 45, hue 120": {"sequential": PATH_ERROR, "linear": PATH_ERROR}},
    },
    "backwards": {"rotate": {"forward": 44.1, "backward": 46.2, "controls": {"forward": PATH_ERROR}}},
    "round": {"rotate": {"error": 77.7, "identity": 0.0, "floor": 36.6}},
    "undo": {"pixels": 1.25e-4, "latent": 1.3e-7, "paths": {"rotate": {"pixels": 1e-5, "latent": 1e-8}}},
    "commutator": {
        "names": ["rotate", "hue"],
        "gap": [[0.0, 0.123], [0.123, 0.0]],
        "safe": [["rotate", "hue"]],
        "pixels": {"rotate, hue": 4.44},
    },
    "log_likelihood": {"nats_per_sequence": -812.34, "samples": 64},
    "training": {"steps": 1503, "seconds": 300.25, "frames_per_second": 1310.4, "parameters": 1288662},
    "seed": 7,
    "<mine>": {"a & b": {"<x>": 1.5, "nothing": None, "wrong": math.nan, "right": True}},
}


def leaves(values: Any) -> list[Any]:
    if isinstance(values, dict):
        return [leaf for value in values.values() for leaf in leaves(value)]
    if isinstance(values, list):
        return [leaf for value in values for leaf in leaves(value)]
    return [values]


class Page(HTMLParser):
    """Checks that tags are balanced, and gathers what is in them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> tuple[Page, str]:
    folder = tmp_path_factory.mktemp("report")
    figure = new_figure(1.0, 1.0)
    figure.text(0.1, 0.5, "a")
    moving = save_gif(stills(3, 3, 8, 8), folder / "a.gif")
    history = [{"step": 20.0 * i, "seconds": 2.0 * i, "loss": 90.0 - i} for i in range(4)]
    file = write_report(
        folder / "new", title='Turns & <"hues">', summary="All of it.", metrics=METRICS,
        figures={"A <figure>": figure}, animations={"In motion": moving}, history=history,
    )  # fmt: skip
    assert [path.name for path in file.parent.iterdir()] == ["index.html"]
    text = file.read_text(encoding="utf-8")
    return Page(text), text


def test_every_number_is_there(page):
    shown = set(page[0].words)
    for leaf in leaves(METRICS):
        wanted = format_number(leaf)
        assert wanted in shown or any(wanted in words.split(" and ") for words in shown), leaf
    assert f"{3.12 / 2.4:.3f}" in shown
    assert f"{3.12 / 8.9:.3f}" in shown
    assert "mine" not in shown
    assert "<x>" in shown


def test_the_page_stands_alone(page):
    parsed, text = page
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    assert parsed.all("script") == []
    assert all(a["src"].startswith("data:image/") for a in parsed.all("img"))
    assert all(a["srcset"].startswith("data:image/") for a in parsed.all("source"))
    assert "prefers-color-scheme: dark" in text


def test_the_page_can_be_read_by_all(page):
    parsed, _ = page
    assert parsed.all("html")[0]["lang"] == "en"
    assert all(a["alt"] and int(a["width"]) > 0 and int(a["height"]) > 0 for a in parsed.all("img"))
    assert len(parsed.all("caption")) == len(parsed.all("table"))
    assert all(a.get("scope") for a in parsed.all("th"))
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in zip(levels, levels[1:], strict=False))
    names = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(set(names)) == len(names)
    links = [a["href"].removeprefix("#") for a in parsed.all("a")]
    assert set(links) <= set(names)


def test_what_is_not_there_is_left_out(tmp_path):
    text = write_report(tmp_path, title="Nothing").read_text(encoding="utf-8")
    assert Page(text).all("section") == []
    text = write_report(tmp_path, title="Little", metrics={"undo": {"latent": 0.5}, "protocols": {}}).read_text(
        encoding="utf-8"
    )
    headings = [words for words in Page(text).words if words in ("Undo", "Equivariance", "Training")]
    assert set(headings) == {"Undo"}


def test_failures_are_told(tmp_path):
    metrics = {"failures": {"composition": "flow of hue failed at sample 3"}}
    text = write_report(tmp_path, title="Broken", metrics=metrics).read_text(encoding="utf-8")
    assert "flow of hue failed at sample 3" in Page(text).words


def test_missing_and_foreign_animations_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.gif"):
        write_report(tmp_path, title="a", animations={"b": tmp_path / "no.gif"})
    (tmp_path / "text.gif").write_text("text")
    with pytest.raises(ValueError, match="GIF files"):
        write_report(tmp_path, title="a", animations={"b": tmp_path / "text.gif"})
    assert not (tmp_path / "index.html").exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.0, "0"), (-3, "−3"), (1234567, "1,234,567"), (1234.5, "1,234"), (46.514, "46.51"),
        (0.0012345, "0.001234"), (-2.5e-9, "−2.5 × 10⁻⁹"), (3e12, "3 × 10¹²"), (math.inf, "not finite"),
        ([0.5, 2], "0.5, 2"), ([], "none"), (None, "–"), (False, "no"),
    ],
)  # fmt: skip
def test_numbers_are_written_for_people(value, text):
    assert format_number(value) == text
