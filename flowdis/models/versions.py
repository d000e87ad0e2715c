"""Versions of a config on disk: whose it is, and how older ones are brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["KINDS", "ConfigFormat", "Migration"]

Migration = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the values of one version into those of the next."""

KINDS = {"flowdis.latent_flow": "LatentFlow", "flowdis.wave_machine": "WaveMachine"}
"""The classes of models by the format of their config."""


@dataclass(frozen=True)
class ConfigFormat:
    """The format of a config, with the table that brings older versions up to date.

    Arguments:
        name: What is written as its format.
        migrations: The first turns the values of version 1 into those of version 2, the second those of 2 into 3, and
            so on.

    Example:
        >>> made = ConfigFormat("colours", (lambda values: {"hue": values["colour"]},))
        >>> made.read({"format": "colours", "version": 1, "colour": 120})
        {'hue': 120}
        >>> made.stamp({"hue": 120})
        {'format': 'colours', 'version': 2, 'hue': 120}
    """

    name: str
    migrations: tuple[Migration, ...] = ()

    @property
    def version(self) -> int:
        """The version that is written."""
        return 1 + len(self.migrations)

    def stamp(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values with their format and version before them."""
        return {"format": self.name, "version": self.version, **values}

    def read(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as the newest version has them, without format and version.

        Raises:
            ValueError: if they are of another format, or of a version that this release does not know.
        """
        found, number = values.get("format"), values.get("version")
        if found != self.name:
            raise ValueError(f"config must have format {self.name!r}, got {found!r}{_guess(values)}")
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"config must have a version from 1 to {self.version}, got {number!r}")
        if number > self.version:
            told = f"config has version {number}, and this release reads up to {self.version}"
            raise ValueError(f"{told}: it needs flowdis newer than {_release()}; pip install -U flowdis")
        kept = {key: value for key, value in values.items() if key not in ("format", "version")}
        for migrate in self.migrations[number - 1 :]:
            kept = migrate(kept)
        return kept


def _guess(values: Mapping[str, Any]) -> str:
    """What a config of another format seems to be."""
    kind = KINDS.get(str(values.get("format")))
    if kind is not None:
        return f": it is that of a {kind}, which `flowdis.load` reads, as it does either kind"
    if "_class_name" in values or "_diffusers_version" in values:
        told = f": it seems to be that of {values.get('_class_name', 'a model')} of diffusers"
        return f"{told}; `flowdis.models.diffusers_pair` makes an encoder and a decoder of it"
    if "model_type" in values or "architectures" in values or "transformers_version" in values:
        kind = values.get("model_type") or ", ".join(map(str, values.get("architectures") or ["a model"]))
        return f": it seems to be that of {kind} of transformers, which has no flows"
    if "pretrained_cfg" in values:
        return f": it seems to be that of {values.get('architecture', 'a model')} of timm, which has no flows"
    return ""


def _release() -> str:
    try:
        return version("flowdis")
    except PackageNotFoundError:  # run from its sources
        return "this one"
