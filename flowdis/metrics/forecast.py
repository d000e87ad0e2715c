"""How well a forecast foretells: its error frame by frame, and how long it is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_positive

__all__ = ["ForecastScores", "frame_errors", "measure_forecasts", "persistence", "valid_times"]

_Frames = Float[Tensor, "T B C H W"]
_PerFrame = Float[Tensor, "T B"]
_Seen = Float[Tensor, "F B C H W"]

_VALID = 0.025


@dataclass(frozen=True)
class ForecastScores:
    """What forecasts of some sequences are worth.

    Arguments:
        valid_time: The mean valid prediction time, in frames.
        valid_time_error: Its standard error over sequences, NaN for a single one.
        frame_error: The mean squared error of all frames, as a share of the frames' mean square.
        frame_errors: The same for each frame, T numbers.
        sequences: How many sequences there were.
    """

    valid_time: float
    valid_time_error: float
    frame_error: float
    frame_errors: tuple[float, ...]
    sequences: int

    @classmethod
    def of(cls, forecast: _Frames, truth: _Frames, *, threshold: float = _VALID) -> ForecastScores:
        """The scores of a forecast (T, B, C, H, W).

        Raises:
            ValueError: if shapes differ, there is no frame, or a sequence is black throughout.
        """
        errors = frame_errors(forecast, truth)
        times = valid_times(forecast, truth, threshold=threshold).double()
        count = len(times)
        spread = float(times.std()) / count**0.5 if count > 1 else float("nan")
        each = errors.mean(1)
        return cls(float(times.mean()), spread, float(each.mean()), tuple(each.tolist()), count)

    def to_json(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return {
            "valid_time": self.valid_time,
            "valid_time_error": self.valid_time_error,
            "frame_error": self.frame_error,
            "frame_errors": list(self.frame_errors),
            "sequences": self.sequences,
        }


def frame_errors(forecast: _Frames, truth: _Frames) -> _PerFrame:
    """The mean squared error (T, B) of each frame, as a share of the mean square of all true frames of its sequence.

    Arguments:
        forecast: The frames foretold, with shape (T, B, C, H, W).
        truth: The true ones, of the same shape.

    Raises:
        ValueError: if shapes differ, there is no frame, or a sequence is black throughout.
    """
    if forecast.shape != truth.shape or not truth.numel():
        shapes = f"{tuple(truth.shape)}, got {tuple(forecast.shape)}"
        raise ValueError(f"`forecast` must have as many frames and sequences as the truth, at least one, {shapes}")
    size = truth.square().flatten(2).mean(-1).mean(0)
    if not bool((size > 0).all()):
        black = int((size <= 0).nonzero()[0])
        raise ValueError(f"`truth` must have light in every sequence, got none in number {black}")
    return (forecast - truth).square().flatten(2).mean(-1) / size


def valid_times(forecast: _Frames, truth: _Frames, *, threshold: float = _VALID) -> Int[Tensor, "B"]:
    """The valid prediction times (B): the number, from 1, of the first frame that is wrong; T + 1 where none is.

    A frame is wrong when its mean squared error exceeds `threshold` of the mean square of the true frames.

    Arguments:
        forecast: The frames foretold, with shape (T, B, C, H, W).
        truth: The true ones, of the same shape.
        threshold: The largest share that is right; the published one where left out.

    Raises:
        ValueError: as for `frame_errors`, or if `threshold` is not positive.

    Reference: Botev et al. 2021, Which priors matter?, arXiv 2111.05458.

    Example:
        >>> import torch
        >>> truth = torch.ones(3, 1, 1, 2, 2)
        >>> valid_times(truth * torch.tensor([1.0, 1.1, 1.2]).reshape(3, 1, 1, 1, 1), truth)
        tensor([3])
    """
    check_positive("threshold", threshold)
    right = frame_errors(forecast, truth) <= threshold
    return 1 + right.long().cumprod(0).sum(0)


def persistence(seen: _Seen, steps: int) -> _Frames:
    """The forecast (T, B, C, H, W) that nothing moves: the last frame seen (F, B, C, H, W), T times."""
    check_positive("steps", steps)
    return seen[-1:].expand(int(steps), -1, -1, -1, -1)


def measure_forecasts(
    forecasters: Mapping[str, Callable[[Tensor, int], Tensor]],
    frames: _Frames,
    *,
    seen: int,
    threshold: float = _VALID,
) -> dict[str, ForecastScores]:
    """Scores several forecasters on the same sequences, each given the first frames and asked for the others.

    Arguments:
        forecasters: By name, what makes (T, B, C, H, W) of frames seen (F, B, C, H, W) and T.
        frames: The true sequences, with shape (F + T, B, C, H, W).
        seen: The number F of frames that are shown.
        threshold: See `valid_times`.

    Returns:
        The scores by name, in order, with "persistence" last.

    Raises:
        ValueError: if there is no frame to foretell, or a forecaster does not give what was asked for.
    """
    if not 0 < seen < len(frames):
        raise ValueError(f"`seen` must leave some of {len(frames)} frames to foretell, got {seen}")
    shown, truth = frames[:seen], frames[seen:]
    made = {name: forecast(shown, len(truth)) for name, forecast in forecasters.items()}
    made["persistence"] = persistence(shown, len(truth))
    return {name: ForecastScores.of(forecast, truth, threshold=threshold) for name, forecast in made.items()}
