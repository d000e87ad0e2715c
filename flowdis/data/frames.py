"""Recorded or simulated motion: sequences of frames as they are, out of which windows are drawn by the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_finite, check_floating, check_images, check_positive
from flowdis.data.batch import SequenceBatch
from flowdis.data.rendered import RenderedFrames
from flowdis.data.sources import as_floats
from flowdis.paths import Unit

__all__ = ["FrameSequences"]

_Frames = Float[Tensor, "T N C H W"]
_Rows = Int[Tensor, "B"]


@dataclass(frozen=True, eq=False)
class FrameSequences:
    """N sequences of T frames each, dt apart: recorded, or rendered from states as they are asked for.

    Arguments:
        source: The frames, uint8 in 0..255 or floats in [0, 1], with shape (T, N, C, H, W).
        states: The true state of each frame, where it is known, with shape (T, N, S); those of `RenderedFrames` if
            left out.
        dt: The time from one frame to the next.
        name: What the sequences are called in reports.

    Raises:
        TypeError: if frames are neither bytes nor floats, or states are not floats.
        ValueError: if there are fewer than two frames, axes or values are wrong, or states do not fit the frames.

    Example:
        >>> recorded = FrameSequences(np.zeros((20, 5, 1, 8, 8), dtype=np.uint8), dt=0.1)
        >>> batch = recorded.sample(3, generator=torch.Generator().manual_seed(0), frames=4)
        >>> len(recorded), recorded.length, batch.frames.shape, batch.amounts.shape
        (5, 19, torch.Size([5, 3, 1, 8, 8]), torch.Size([4, 3, 1]))
    """

    source: Tensor | np.ndarray | RenderedFrames
    states: Tensor | None = None
    dt: float = 1.0
    name: str = "frames"
    pixels: Tensor | RenderedFrames = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_positive("dt", self.dt)
        pixels = self.source if isinstance(self.source, RenderedFrames) else _checked(self.source)
        counts = tuple(pixels.shape[:2])
        if counts[0] < 2 or counts[1] < 1:
            raise ValueError(f"`source` must hold T >= 2 frames of N >= 1 sequences, got (T, N) = {counts}")
        object.__setattr__(self, "pixels", pixels)
        if self.states is None and isinstance(pixels, RenderedFrames):
            object.__setattr__(self, "states", pixels.states)
        if self.states is None:
            return
        check_finite("states", check_floating("states", self.states))
        if self.states.ndim != 3 or self.states.shape[:2] != counts:
            got = tuple(self.states.shape)
            raise ValueError(f"`states` must have shape (T, N, S) with (T, N) = {counts} as the frames, got {got}")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.pixels.shape[2:]
        return channels, height, width

    @property
    def length(self) -> int:
        """The number T - 1 of steps from the first frame to the last."""
        return self.pixels.shape[0] - 1

    @property
    def frames(self) -> _Frames:
        """All frames as floats in [0, 1], with shape (T, N, C, H, W); batches make only those that they hold."""
        return self._read(torch.arange(self.length + 1)[:, None], torch.arange(len(self)))

    def __len__(self) -> int:
        return self.pixels.shape[1]

    def __getitem__(self, rows: slice | _Rows) -> FrameSequences:
        """Some of the sequences, in the order of `rows`."""
        states = None if self.states is None else self.states[:, _on(self.states, rows)]
        if isinstance(self.pixels, Tensor):
            return replace(self, source=self.pixels[:, _on(self.pixels, rows)], states=states)
        source = replace(self.pixels, states=self.pixels.states[:, _on(self.pixels.states, rows)])
        return replace(self, source=source, states=states)

    def to(self, device: torch.device | str) -> FrameSequences:
        """The same sequences on a device, where their batches then are."""
        dtype = torch.float32 if torch.device(device).type == "mps" else None
        states = None if self.states is None else self.states.to(device=device, dtype=dtype)
        if isinstance(self.pixels, Tensor):
            return replace(self, source=self.pixels.to(device=device), states=states)
        source = replace(self.pixels, states=self.pixels.states.to(device=device, dtype=dtype))
        return replace(self, source=source, states=states)

    def in_memory(self) -> FrameSequences:
        """The same sequences as bytes in memory, rounded to 1/255; for frames that are drawn again and again."""
        if isinstance(self.pixels, Tensor):
            return self
        rows = torch.arange(len(self))
        every = [self._read(time[None], rows) for time in torch.arange(self.length + 1)]
        return replace(self, source=torch.stack([(frames * 255).round().to(torch.uint8) for frames in every]))

    def sample(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        frames: int | None = None,
        speed: float = 1.0,
    ) -> SequenceBatch:
        """Draws windows of consecutive frames: random sequences, with replacement, each from a random frame on.

        Arguments:
            batch_size: The number B of windows.
            generator: Where all randomness comes from, on any device.
            frames: The number of frames after x_0; as many as there are if left out.
            speed: How fast to play: n shows every n-th frame, and each amount is n. What was not recorded cannot be
                shown, so n is a whole number, and a `TrainingConfig` must have `ramp=0`.

        Returns:
            The batch, of the one transformation "time", counted in steps; it is where the sequences are.

        Raises:
            ValueError: if `batch_size` is not positive, `speed` is not a whole number, or the sequences are shorter
                than asked.
        """
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}")
        count, stride = self._window(frames, speed, 0)
        device = generator.device if generator is not None else torch.device("cpu")
        rows = torch.randint(len(self), (batch_size,), generator=generator, device=device)
        latest = self.length - count * stride
        first = torch.randint(latest + 1, (batch_size,), generator=generator, device=device)
        return self._seen(rows, first, count, stride)

    def batch(
        self, rows: _Rows | Sequence[int], *, first: int = 0, frames: int | None = None, speed: float = 1.0
    ) -> SequenceBatch:
        """The same window of given sequences.

        Arguments:
            rows: Which sequences, with shape (B).
            first: The frame that x_0 is.
            frames: The number of frames after x_0; as many as there are if left out.
            speed: How fast to play, as `sample` says.

        Returns:
            The batch, where the sequences are.

        Raises:
            ValueError: if there are no rows, `speed` is not a whole number, or the window reaches out of the sequences.
        """
        picked = torch.as_tensor(rows)
        if picked.ndim != 1 or len(picked) == 0:
            raise ValueError(f"`rows` must have shape (B,) with B >= 1, got {tuple(picked.shape)}")
        if not 0 <= first <= self.length:
            raise ValueError(f"`first` must lie in 0 to {self.length}, got {first}")
        count, stride = self._window(frames, speed, first)
        return self._seen(picked, torch.full_like(picked, first), count, stride)

    def batches(
        self, batch_size: int, *, first: int = 0, frames: int | None = None, speed: float = 1.0
    ) -> Iterator[SequenceBatch]:
        """The same window of all sequences, once and in order; the other arguments are those of `batch`.

        Arguments:
            batch_size: The number of sequences in a batch; the last one may have fewer.

        Yields:
            The batches, where the sequences are.
        """
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}")
        for rows in torch.arange(len(self)).split(batch_size):
            yield self.batch(rows, first=first, frames=frames, speed=speed)

    def _window(self, frames: int | None, speed: float, first: int) -> tuple[int, int]:
        """How many frames follow x_0, and how many steps lie between two of them."""
        if not (speed >= 1 and speed == int(speed)):
            hint = "; recorded motion cannot be slowed down, so train with `ramp=0`" if speed < 1 else ""
            raise ValueError(f"`speed` must be a whole number of at least 1, got {speed}{hint}")
        stride = int(speed)
        most = (self.length - first) // stride
        count = most if frames is None else frames
        if not 0 <= count <= most:
            held = f"sequences of {self.length + 1} frames, from frame {first} on at speed {stride}"
            raise ValueError(f"`frames` must lie in 0 to {most} for {held}, got {frames}")
        return count, stride

    def _seen(self, rows: Tensor, first: Tensor, count: int, stride: int) -> SequenceBatch:
        ticks = torch.arange(count + 1, device=first.device)
        frames = self._read(first + stride * ticks[:, None], rows)
        return SequenceBatch(
            names=("time",),
            frames=frames,
            times=ticks.to(frames),
            amounts=frames.new_full((count, len(rows), 1), stride),
            length=count,
            units={"time": Unit("step")},
        )

    def _read(self, times: Tensor, rows: Tensor) -> Tensor:
        """The frames at times and rows that broadcast."""
        if isinstance(self.pixels, RenderedFrames):
            states = self.pixels.states
            return self.pixels.read(times.to(states.device), rows.to(states.device))
        picked = self.pixels[times.to(self.pixels.device), rows.to(self.pixels.device)]
        return picked if picked.is_floating_point() else as_floats(picked)


def _checked(source: Tensor | np.ndarray) -> Tensor:
    """Frames as a tensor (T, N, C, H, W) of bytes or floats."""
    if isinstance(source, np.ndarray):
        source = torch.from_numpy(source if source.flags.writeable else source.copy())
    if source.dtype == torch.bool:
        source = source.to(torch.uint8) * 255
    if not (source.is_floating_point() or source.dtype == torch.uint8):
        raise TypeError(f"`source` must hold uint8 in 0..255 or floats in [0, 1], got {source.dtype}")
    if source.ndim != 5:
        raise ValueError(f"`source` must have shape (T, N, C, H, W), got {tuple(source.shape)}")
    check_images("source", source if source.is_floating_point() else source[:1, :1].to(torch.float32) / 255)
    return source


def _on(like: Tensor, rows: slice | Tensor) -> slice | Tensor:
    return rows if isinstance(rows, slice) else rows.to(like.device)
