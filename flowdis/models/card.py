"""Model cards: the page beside a model that says what it was trained on, how well it does, and how it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path as FilePath
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from flowdis._files import write_whole
from flowdis.models.sources import CARD

__all__ = ["CardFacts", "ModelCard", "markdown_table"]

_PICTURES = (".png", ".gif")
_LICENCE = "MIT, as the library is. The licence of the data is its own."

Table = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class CardFacts:
    """What is known of a model beside the model itself.

    Arguments:
        title: The first line of the page.
        about: A sentence or two on what it does.
        code: Code that uses it, runnable as it is.
        tags: What it is found by on the hub.
        model: What it is made of, by name.
        training: What it was trained on, and how, by name; the page says that this is not recorded where empty.
        tables: Measured numbers, by caption, row and column; the first column is told to the hub.
        pictures: PNG or GIF files, by name, with what they show below.
        shown: What each picture shows.
        limits: What it cannot do.
        data: The name of the data set, for the hub.
        licence: The licence of the weights, in words.
    """

    title: str
    about: str
    code: str
    tags: Sequence[str] = ()
    model: Mapping[str, str] = dataclass_field(default_factory=dict)
    training: Mapping[str, str] = dataclass_field(default_factory=dict)
    tables: Mapping[str, Table] = dataclass_field(default_factory=dict)
    pictures: Mapping[str, bytes] = dataclass_field(default_factory=dict)
    shown: Mapping[str, str] = dataclass_field(default_factory=dict)
    limits: Sequence[str] = ()
    data: str = "images"
    licence: str = _LICENCE


@dataclass(frozen=True)
class ModelCard:
    """A page in Markdown, with the hub's metadata before it, and the pictures that it shows.

    Arguments:
        text: The page.
        pictures: PNG or GIF files by name.

    Raises:
        ValueError: if a picture is not a PNG or GIF file in the same folder, by its name.
    """

    text: str
    pictures: Mapping[str, bytes] = dataclass_field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.pictures:
            if FilePath(name).suffix not in _PICTURES or FilePath(name).name != name:
                raise ValueError(f"`pictures` must be named like strip.png or film.gif, got {name!r}")

    @classmethod
    def of(cls, facts: CardFacts) -> ModelCard:
        """The page that tells of these facts."""
        parts = [f"# {facts.title}", facts.about, "## How to use it", f"```python\n{facts.code.strip()}\n```"]
        if facts.pictures:
            parts += [f"![{facts.shown.get(name, name)}]({name})" for name in facts.pictures]
        if facts.model:
            parts += ["## What it is made of", _facts(facts.model)]
        told = _facts(facts.training) if facts.training else "How this model was trained is not recorded."
        parts += ["## Training", told]
        if facts.tables:
            parts.append("## How well it does")
        for caption, table in facts.tables.items():
            parts += [caption, markdown_table(table)]
        if facts.limits:
            parts += ["## Limits", "\n".join(f"- {limit}" for limit in facts.limits)]
        parts += ["## Licence", facts.licence]
        return cls(f"---\n{_metadata(facts)}\n---\n\n" + "\n\n".join(parts) + "\n", dict(facts.pictures))

    def write(self, folder: str | FilePath) -> None:
        """Writes the page and its pictures into a folder, each whole or not at all.

        Raises:
            OSError: if the folder cannot be written.
        """
        for name, picture in self.pictures.items():
            write_whole(FilePath(folder) / name, picture)
        write_whole(FilePath(folder) / CARD, self.text.encode())

    @classmethod
    def read(cls, folder: str | FilePath) -> ModelCard:
        """The page of a model's folder, with the pictures beside it that it shows.

        Raises:
            FileNotFoundError: if there is none.
        """
        file = FilePath(folder).expanduser() / CARD
        if not file.is_file():
            raise FileNotFoundError(f"`folder` must hold {CARD}, got {folder} without it")
        text = file.read_text()
        beside = sorted(path for path in file.parent.iterdir() if path.suffix in _PICTURES)
        return cls(text, {path.name: path.read_bytes() for path in beside if f"]({path.name})" in text})


def markdown_table(table: Table) -> str:
    """A table of numbers, by row and column, in Markdown.

    Example:
        >>> print(markdown_table({"rotate": {"error": 283.2, "floor": 264.3}}))
        |  | error | floor |
        |---|---|---|
        | rotate | 283 | 264 |
    """
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    lines = [["", *columns], ["---"] * (1 + len(columns))]
    lines += [[name, *(f"{row[c]:,.3g}" if c in row else "" for c in columns)] for name, row in table.items()]
    head, rule, *rest = lines
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|", *(f"| {' | '.join(row)} |" for row in rest)])


def _facts(facts: Mapping[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())])


def _metadata(facts: CardFacts) -> str:
    results = [
        EvalResult(
            task_type="image-to-image",
            dataset_type=facts.data,
            dataset_name=facts.data,
            metric_type=column.replace(" ", "_"),
            metric_name=f"{row}, {column}",
            metric_value=value,
        )
        for table in facts.tables.values()
        for row, columns in table.items()
        for column, value in list(columns.items())[:1]
    ]
    made: dict[str, Any] = {"model_name": facts.title, "eval_results": results} if results else {}
    data = ModelCardData(license="mit", library_name="flowdis", tags=list(facts.tags), **made)
    return data.to_yaml().strip()
