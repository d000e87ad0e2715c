"""The configuration of a model: everything that rebuilds it, as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from dataclasses import field as dataclass_field
from math import prod
from typing import Any

from flowdis._checks import check_choice, check_positive
from flowdis.dynamics import DYNAMICS, Solver
from flowdis.fields import FIELDS
from flowdis.models.amounts import AMOUNTS
from flowdis.models.likelihood import LIKELIHOODS
from flowdis.models.principal import DECODERS, ENCODERS
from flowdis.models.versions import ConfigFormat
from flowdis.paths import Unit

__all__ = ["MODULES", "LatentFlowConfig"]

MODULES = ("encoder", "decoder", "fields", "amounts")
"""The modules of a model, each of which may be the user's own, or frozen."""


def _without_linear_parts(values: dict[str, Any]) -> dict[str, Any]:
    """Configs that do not say whether Helmholtz fields have a linear part are from before they had one."""
    if values.get("field", "helmholtz") != "helmholtz":
        return values
    return {**values, "field_options": {"linear": False, **values.get("field_options", {})}}


_FORMAT = ConfigFormat("flowdis.latent_flow", (_without_linear_parts,))


@dataclass(frozen=True)
class LatentFlowConfig:
    """What a `LatentFlow` is made of.

    Arguments:
        image_shape: (C, H, W) of the images.
        units: The transformations in order, each with its natural unit.
        dim: The number D of latents.
        channels: Channels after each halving of resolution; chosen from the image's size where left out.
        encoder: The kind of encoder, a name in `ENCODERS`.
        encoder_options: Keyword arguments of that kind, beside those of the convolutional one.
        encoder_hidden: Width of a hidden linear layer of the encoder, 0 for none.
        decoder: The kind of decoder, a name in `DECODERS`.
        decoder_hidden: Width of a hidden linear layer of the decoder, 0 for none.
        field: The kind of velocity field, a name in `FIELDS`.
        field_options: Keyword arguments of that kind, beside names and dim.
        likelihood: A name in `LIKELIHOODS`: "bernoulli", "gaussian" or "laplace".
        noise: The scale of the Gaussian likelihood and of Laplace's, in units of pixel values.
        dynamics: How the fields push codes, a name in `DYNAMICS`.
        dynamics_options: Of underdamped dynamics, the arguments of `Underdamped` beside the temperature, and
            "learned": which of damping, stiffness and coupling are learned, from those values on.
        temperature: The temperature of the dynamics.
        supervision: Whether amounts are known, or what is inferred of them: "weak", which one of the transformations
            moves a sequence; "none", at each step which of them move, and how fast.
        supervision_options: Keyword arguments of the network that infers them.
        mixing: For each transformation, how much of each of the fields an amount of 1 is, where fields have been
            renamed, turned round or merged; each is a field of its own where left out.
        solver: The numerical method of transports outside training.
        own_modules: Which of "encoder", "decoder", "fields", "amounts" are the user's own, to be passed in on loading.
        own_types: The classes of these, to be told of on loading.
        latent_shape: The shape of the codes of own modules, where it is not (D,): D is its product.
        encoder_noise: The standard deviation, in units of latents, of the posterior of an own encoder that gives codes
            alone.
        frozen: Which of the modules are not trained: they learn nothing and stay in the mode for evaluation.

    Raises:
        ValueError: if a name is unknown or a number is out of range.
    """

    image_shape: tuple[int, int, int]
    units: Mapping[str, Unit]
    dim: int = 64
    channels: tuple[int, ...] | None = None
    encoder: str = "conv"
    encoder_options: Mapping[str, Any] = dataclass_field(default_factory=dict)
    encoder_hidden: int = 0
    decoder: str = "conv"
    decoder_hidden: int = 256
    field: str = "helmholtz"
    field_options: Mapping[str, Any] = dataclass_field(default_factory=dict)
    likelihood: str = "bernoulli"
    noise: float = 0.05
    dynamics: str = "overdamped"
    dynamics_options: Mapping[str, Any] = dataclass_field(default_factory=dict)
    temperature: float = 0.0
    supervision: str = "known"
    supervision_options: Mapping[str, Any] = dataclass_field(default_factory=dict)
    mixing: Mapping[str, Sequence[float]] | None = None
    solver: Solver = Solver()
    own_modules: tuple[str, ...] = ()
    own_types: tuple[str, ...] = ()
    latent_shape: tuple[int, ...] | None = None
    encoder_noise: float = 0.1
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("encoder", self.encoder, tuple(ENCODERS))
        check_choice("decoder", self.decoder, tuple(DECODERS))
        check_choice("field", self.field, tuple(FIELDS))
        check_choice("likelihood", self.likelihood, tuple(LIKELIHOODS))
        if self.decoder == "principal" and self.likelihood == "bernoulli":
            raise ValueError("`likelihood` must read means of pixels for a principal decoder, got 'bernoulli'")
        check_choice("dynamics", self.dynamics, tuple(DYNAMICS))
        check_choice("supervision", self.supervision, tuple(AMOUNTS))
        check_positive("dim", self.dim)
        check_positive("noise", self.noise)
        check_positive("encoder_noise", self.encoder_noise)
        for name in self.frozen:
            check_choice("frozen", name, MODULES)
        shape = self.latent_shape
        if shape is not None and (not shape or min(shape) < 1 or prod(shape) != self.dim):
            wanted = f"`dim` must be the product of `latent_shape` {tuple(shape)}, which is {prod(shape)}"
            raise ValueError(f"{wanted}, got {self.dim}")
        check_positive("temperature", self.temperature, zero=True)
        if not self.units:
            raise ValueError("`units` must name at least one transformation, got none")
        if self.mixing is not None and tuple(self.mixing) != tuple(self.units):
            raise ValueError(f"`mixing` must have a row for each of {tuple(self.units)}, got {tuple(self.mixing)}")

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of the fields: those of the transformations, or where these are mixtures, flow_1 and on."""
        if self.mixing is None:
            return tuple(self.units)
        count = len(next(iter(self.mixing.values())))
        return tuple(f"flow_{index + 1}" for index in range(count))

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON values, with its format and version."""
        return _FORMAT.stamp(asdict(self))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LatentFlowConfig:
        """Reads what `to_json` wrote, in this release or an older one.

        Raises:
            ValueError: if the values come from another library, a newer version, or have unknown keys.
        """
        kept = _FORMAT.read(values)
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(kept) - known)
        missing = sorted({"image_shape", "units"} - set(kept))
        if unknown or missing:
            raise ValueError(f"config has unknown keys {unknown} and lacks {missing}")
        kept["units"] = {name: Unit(**unit) for name, unit in kept["units"].items()}
        for key in ("image_shape", "channels", "own_modules", "own_types", "latent_shape", "frozen"):
            if kept.get(key) is not None:
                kept[key] = tuple(kept[key])
        if kept.get("mixing") is not None:
            kept["mixing"] = {name: tuple(row) for name, row in kept["mixing"].items()}
        if "solver" in kept:
            kept["solver"] = Solver(**kept["solver"])
        return cls(**kept)
