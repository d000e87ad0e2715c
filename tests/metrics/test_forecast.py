"""Forecasts whose errors and valid times are known."""

from __future__ import annotations

import math
from collections.abc import Iterator

import jaxtyping
import pytest
import torch

from flowdis.metrics.forecast import (
    ForecastScores,
    frame_errors,
    measure_forecasts,
    persistence,
    valid_times,
)


def truth(frames: int = 6, sequences: int = 3) -> torch.Tensor:
    return torch.rand(frames, sequences, 2, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_frame_errors_are_shares_of_the_mean_square_of_the_sequence() -> None:
    true = truth()
    off = 0.1 * torch.randn(true.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = frame_errors(true + off, true)
    for t in range(6):
        for b in range(3):
            expected = off[t, b].square().mean() / true[:, b].square().mean()
            assert found[t, b] == pytest.approx(float(expected), rel=1e-12)
    assert not frame_errors(true, true).any()


def test_valid_time_is_the_number_of_the_first_wrong_frame() -> None:
    true = torch.ones(6, 4, 1, 2, 2, dtype=torch.float64)
    wrong = torch.zeros(6, 4, dtype=torch.float64)
    wrong[2:, 0] = 0.2  # from the third frame on
    wrong[0, 1] = 0.2  # the first alone, right again later
    wrong[5, 2] = 0.2  # the last
    made = true + wrong[..., None, None, None]
    assert valid_times(made, true).tolist() == [3, 1, 6, 7]
    assert valid_times(made, true, threshold=0.05).tolist() == [7, 7, 7, 7]


@pytest.mark.parametrize(("off", "expected"), [(0.1581, 7), (0.1582, 1)])  # squares on either side of 0.025
def test_the_threshold_is_a_share_of_the_mean_square(off: float, expected: int) -> None:
    true = torch.full((6, 1, 1, 2, 2), 3.0, dtype=torch.float64)
    assert valid_times(true * (1 + off), true).tolist() == [expected]


def test_valid_time_does_not_depend_on_brightness_or_other_sequences() -> None:
    true = truth()
    made = true + 0.12 * torch.randn(true.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    times = valid_times(made, true)
    assert torch.equal(valid_times(0.3 * made, 0.3 * true), times)
    assert valid_times(made[:, 1:2], true[:, 1:2]).tolist() == times[1:2].tolist()


def test_persistence_repeats_the_last_frame() -> None:
    frames = truth()
    kept = persistence(frames[:4], 3)
    assert kept.shape[0] == 3 and all(torch.equal(kept[t], frames[3]) for t in range(3))


def test_scores_are_means_over_sequences() -> None:
    true = torch.ones(4, 2, 1, 2, 2, dtype=torch.float64)
    made = true.clone()
    made[1:, 0] = 1.2
    scores = ForecastScores.of(made, true)
    assert scores.valid_time == pytest.approx((2 + 5) / 2)
    assert scores.valid_time_error == pytest.approx(3 / math.sqrt(2) / math.sqrt(2))
    assert scores.frame_errors == pytest.approx((0.0, 0.02, 0.02, 0.02))
    assert scores.frame_error == pytest.approx(0.015) and scores.sequences == 2
    assert set(scores.to_json()) == {"valid_time", "valid_time_error", "frame_error", "frame_errors", "sequences"}
    assert math.isnan(ForecastScores.of(made[:, :1], true[:, :1]).valid_time_error)


def test_forecasters_see_the_first_frames_only_and_persistence_stands_beside_them() -> None:
    frames, shown = truth(), []

    def oracle(seen: torch.Tensor, steps: int) -> torch.Tensor:
        shown.append(seen)
        return frames[len(seen) : len(seen) + steps]

    scores = measure_forecasts({"oracle": oracle}, frames, seen=2)
    assert torch.equal(shown[0], frames[:2])
    assert list(scores) == ["oracle", "persistence"]
    assert scores["oracle"].valid_time == 5 and scores["oracle"].frame_error == 0
    assert scores["persistence"].frame_error > 0.1


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Annotations are not looked at, as when the library is used."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def test_other_shapes_than_the_truth_s_are_named(unchecked: None) -> None:
    frames = truth()
    with pytest.raises(ValueError, match=r"`forecast` must have as many frames .* \(6, 3, 2, 4, 5\), got \(5, 3, 2"):
        frame_errors(frames[1:], frames)
    with pytest.raises(ValueError, match="`forecast` must have as many frames"):
        measure_forecasts({"short": lambda seen, steps: seen}, frames, seen=2)


def test_bad_input_is_named() -> None:
    frames = truth()
    with pytest.raises(ValueError, match="`truth` must have light in every sequence, got none in number 1"):
        frame_errors(frames, frames * torch.tensor([1.0, 0.0, 1.0]).reshape(1, 3, 1, 1, 1))
    with pytest.raises(ValueError, match="`threshold` must be a finite number > 0"):
        valid_times(frames, frames, threshold=0.0)
    with pytest.raises(ValueError, match="`steps` must be a finite number > 0"):
        persistence(frames, 0)
    for seen in (0, 6):
        with pytest.raises(ValueError, match=f"`seen` must leave some of 6 frames to foretell, got {seen}"):
            measure_forecasts({}, frames, seen=seen)
