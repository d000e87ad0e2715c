"""The configuration of a wave machine: everything that rebuilds it, as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from dataclasses import field as dataclass_field
from typing import Any

from flowdis._checks import check_choice, check_positive
from flowdis.models.frame_encoder import READINGS
from flowdis.models.latent_dynamics import LATENT_DYNAMICS
from flowdis.models.likelihood import LIKELIHOODS
from flowdis.models.versions import ConfigFormat

__all__ = ["SHOWN", "WaveMachineConfig", "default_lattice"]

_FORMAT = ConfigFormat("flowdis.wave_machine")

SHOWN = ("positions", "both")
"""What of the state the decoder sees: positions only, or positions and momenta."""

_CHANNELS, _PIXELS, _LEAST, _MOST = 4, 4, 4, 24


def default_lattice(image_shape: Sequence[int]) -> tuple[int, int, int]:
    """The shape (C, H, W) of the torus for images: 4 channels, a site for every 4 pixels of a side, 4 to 24 of them.

    Example:
        >>> default_lattice((3, 32, 32)), default_lattice((1, 28, 200))
        ((4, 8, 8), (4, 7, 24))
    """
    height, width = (min(_MOST, max(_LEAST, round(side / _PIXELS))) for side in image_shape[1:])
    return _CHANNELS, height, width


@dataclass(frozen=True)
class WaveMachineConfig:
    """What a `WaveMachine` is made of.

    Arguments:
        image_shape: (C, H, W) of the frames.
        shape: The lattice's shape, (C, n) of rings or (C, H, W) of a torus; from `default_lattice` where left out.
        dynamics: "lattice", or "gru" for a gated recurrent unit with as many parameters as the lattice would need.
        dynamics_options: Keyword arguments of that kind, such as `coupling` of a lattice.
        frames: How many frames the encoder reads.
        read: "backwards", so that the posterior is of the state at the first of them, or "forwards", at the last.
        shown: What the decoder sees, "positions" or "both".
        drive: Whether the latents hold a constant drive beside the first state.
        steps_per_frame: Steps of the dynamics from frame to frame.
        channels: Channels after each halving of resolution; chosen from the image's size where left out.
        features: The width of a frame's encoding.
        decoder_hidden: The width of the decoder's hidden linear layer, 0 for none.
        likelihood: A name in `LIKELIHOODS`: "bernoulli", "gaussian" or "laplace".
        noise: The scale of the Gaussian likelihood and of Laplace's, in units of pixel values.

    Raises:
        ValueError: if a name is unknown or a number is out of range.
    """

    image_shape: tuple[int, int, int]
    shape: tuple[int, ...] | None = None
    dynamics: str = "lattice"
    dynamics_options: Mapping[str, Any] = dataclass_field(default_factory=dict)
    frames: int = 10
    read: str = "backwards"
    shown: str = "both"
    drive: bool = False
    steps_per_frame: int = 1
    channels: tuple[int, ...] | None = None
    features: int = 128
    decoder_hidden: int = 256
    likelihood: str = "bernoulli"
    noise: float = 0.1

    def __post_init__(self) -> None:
        check_choice("dynamics", self.dynamics, tuple(LATENT_DYNAMICS))
        check_choice("read", self.read, READINGS)
        check_choice("shown", self.shown, SHOWN)
        check_choice("likelihood", self.likelihood, tuple(LIKELIHOODS))
        for name in ("frames", "steps_per_frame", "features", "noise"):
            check_positive(name, getattr(self, name))
        check_positive("decoder_hidden", self.decoder_hidden, zero=True)
        if len(self.image_shape) != 3 or any(size < 1 for size in self.image_shape):
            raise ValueError(f"`image_shape` must be (C, H, W), all positive, got {tuple(self.image_shape)}")

    @property
    def anchor(self) -> int:
        """The frame, among those that the encoder reads, that the posterior's state is of."""
        return 0 if self.read == "backwards" else self.frames - 1

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON values, with its format and version."""
        return _FORMAT.stamp(asdict(self))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> WaveMachineConfig:
        """Reads what `to_json` wrote, in this release or an older one.

        Raises:
            ValueError: if the values come from another library, a newer version, or have unknown keys.
        """
        kept = _FORMAT.read(values)
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(kept) - known)
        if unknown or "image_shape" not in kept:
            lacking = [] if "image_shape" in kept else ["image_shape"]
            raise ValueError(f"config has unknown keys {unknown} and lacks {lacking}")
        for key in ("image_shape", "shape", "channels"):
            if kept.get(key) is not None:
                kept[key] = tuple(kept[key])
        return cls(**kept)
