from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from flowdis.data import FrameSequences, RenderedFrames
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.paths import Unit
from flowdis.training import Trainer, TrainingConfig


def numbered(times: int = 12, count: int = 5) -> np.ndarray:
    """Frames (T, N, 1, 2, 2) whose bytes say which they are: 20 n + t."""
    labels = 20 * np.arange(count)[None] + np.arange(times)[:, None]
    return np.broadcast_to(labels[..., None, None, None], (times, count, 1, 2, 2)).astype(np.uint8)


class Flat:
    """Renders one grey that is the state's first number."""

    image_shape = (3, 2, 4)

    def render(self, values: Tensor) -> Tensor:
        return values[:, :1, None, None].expand(-1, *self.image_shape)


def read(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Times and rows out of numbered frames (F, B, ...)."""
    labels = (frames[..., 0, 0, 0] * 255).round().long()
    return labels % 20, labels // 20


def test_windows_are_consecutive_frames_of_one_sequence_each(generator: torch.Generator) -> None:
    recorded = FrameSequences(numbered(), dt=0.5, name="numbers")
    batch = recorded.sample(200, generator=generator, frames=4)
    times, rows = read(batch.frames)
    assert batch.frames.shape == (5, 200, 1, 2, 2) and batch.frames.dtype == torch.float32
    assert (times.diff(dim=0) == 1).all() and (rows == rows[:1]).all()
    assert set(times[0].tolist()) == set(range(8)) and set(rows[0].tolist()) == set(range(5))
    assert batch.names == ("time",) and batch.units == {"time": Unit("step")} and batch.scenes is None
    assert batch.times.tolist() == [0, 1, 2, 3, 4] and batch.length == 4
    assert batch.amounts.shape == (4, 200, 1) and (batch.amounts == 1).all()


def test_the_whole_length_is_seen_where_nothing_else_is_asked(generator: torch.Generator) -> None:
    batch = FrameSequences(numbered()).sample(3, generator=generator)
    assert (read(batch.frames)[0] == torch.arange(12)[:, None]).all() and batch.length == 11
    alone = FrameSequences(numbered()).sample(3, generator=generator, frames=0)
    assert alone.frames.shape[0] == 1 and alone.amounts.shape == (0, 3, 1)


def test_whole_speeds_skip_frames_and_say_so(generator: torch.Generator) -> None:
    recorded = FrameSequences(numbered())
    batch = recorded.sample(100, generator=generator, frames=3, speed=3)
    times, rows = read(batch.frames)
    assert (times.diff(dim=0) == 3).all() and (rows == rows[:1]).all() and set(times[0].tolist()) == {0, 1, 2}
    assert (batch.amounts == 3).all() and batch.times.tolist() == [0, 1, 2, 3]
    assert recorded.batch([0], speed=4).frames.shape[0] == 3
    for speed in (0.5, 1.5, 0.0, -1.0):
        with pytest.raises(ValueError, match="`speed` must be a whole number"):
            recorded.sample(1, speed=speed)
    with pytest.raises(ValueError, match="ramp=0"):
        recorded.sample(1, speed=0.05)


def test_given_windows_of_given_sequences() -> None:
    recorded = FrameSequences(numbered())
    times, rows = read(recorded.batch([3, 1, 1], first=2, frames=2).frames)
    assert times.tolist() == [[2] * 3, [3] * 3, [4] * 3] and rows[0].tolist() == [3, 1, 1]
    seen = [read(batch.frames) for batch in recorded.batches(2, first=9)]
    assert [rows[0].tolist() for _, rows in seen] == [[0, 1], [2, 3], [4]]
    assert all((times == torch.tensor([[9], [10], [11]])).all() for times, _ in seen)


def test_draws_repeat_by_generator_alone() -> None:
    recorded = FrameSequences(numbered())
    first, again, other = (
        recorded.sample(30, generator=torch.Generator().manual_seed(seed), frames=2).frames for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_rows_are_picked_with_their_states() -> None:
    states = torch.arange(60.0).reshape(12, 5, 1)
    recorded = FrameSequences(numbered(), states, dt=0.5, name="numbers")
    picked = recorded[torch.tensor([4, 2])]
    assert read(picked.frames)[1][0].tolist() == [4, 2] and torch.equal(picked.states, states[:, [4, 2]])
    assert (picked.dt, picked.name, len(recorded[1:])) == (0.5, "numbers", 4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_floats_keep_their_type(dtype: torch.dtype, generator: torch.Generator) -> None:
    frames = torch.rand(4, 3, 2, 5, 6, dtype=dtype, generator=torch.Generator().manual_seed(0))
    recorded = FrameSequences(frames)
    assert recorded.image_shape == (2, 5, 6) and (len(recorded), recorded.length) == (3, 3)
    batch = recorded.sample(2, generator=generator)
    assert batch.frames.dtype == batch.times.dtype == batch.amounts.dtype == dtype
    assert torch.equal(recorded.frames, frames)


def test_frames_are_rendered_from_states_only_where_they_are_seen(generator: torch.Generator) -> None:
    grey = torch.rand(9, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lazy = FrameSequences(RenderedFrames(Flat(), grey))
    assert torch.equal(lazy.states, grey) and lazy.image_shape == (3, 2, 4) and (len(lazy), lazy.length) == (4, 8)
    assert torch.equal(lazy.frames[..., 1, 0, 2], grey[..., 0].float())
    batch = lazy.batch([2, 0], first=3, frames=1)
    assert torch.equal(batch.frames[..., 0, 0, 0], grey[3:5, [2, 0], 0].float())
    stored = lazy[1:].in_memory()
    assert stored.source.dtype == torch.uint8 and torch.equal(stored.states, grey[:, 1:])
    assert (stored.frames - lazy[1:].frames).abs().max() <= 0.5 / 255 + 1e-7
    assert stored.in_memory() is stored and lazy.to("cpu").frames.equal(lazy.frames)


def test_windows_longer_than_the_sequences_are_refused() -> None:
    recorded = FrameSequences(numbered())
    with pytest.raises(ValueError, match="`frames` must lie in 0 to 11 for sequences of 12 frames.*got 12"):
        recorded.sample(1, frames=12)
    with pytest.raises(ValueError, match="`frames` must lie in 0 to 3 .*at speed 3, got 4"):
        recorded.sample(1, frames=4, speed=3)
    with pytest.raises(ValueError, match="from frame 10 on"):
        recorded.batch([0], first=10, frames=2)
    with pytest.raises(ValueError, match="`first` must lie in 0 to 11, got 12"):
        recorded.batch([0], first=12)


def test_bad_input_is_named() -> None:
    good = numbered()
    with pytest.raises(TypeError, match="int64"):
        FrameSequences(good.astype(np.int64))
    with pytest.raises(ValueError, match=r"\(T, N, C, H, W\)"):
        FrameSequences(good[:, 0])
    with pytest.raises(ValueError, match=r"\(H, W, C\)"):
        FrameSequences(np.zeros((3, 2, 8, 8, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"\[0, 1\].*255"):
        FrameSequences(good.astype(np.float32))
    with pytest.raises(ValueError, match=r"\(T, N\) = \(1, 5\)"):
        FrameSequences(good[:1])
    with pytest.raises(ValueError, match=r"`states` must have shape .*\(12, 5\)"):
        FrameSequences(good, torch.zeros(12, 4, 2))
    with pytest.raises(ValueError, match="`states` must be finite"):
        FrameSequences(good, torch.full((12, 5, 2), float("nan")))
    with pytest.raises(ValueError, match="`dt`"):
        FrameSequences(good, dt=0.0)
    with pytest.raises(ValueError, match="batch_size"):
        FrameSequences(good).sample(0)
    with pytest.raises(ValueError, match="`rows`"):
        FrameSequences(good).batch([])


def test_read_only_arrays_serve_and_bits_are_black_and_white() -> None:
    fixed = numbered()
    fixed.flags.writeable = False
    assert read(FrameSequences(fixed).frames)[0][-1, 0] == 11
    assert FrameSequences(np.ones((2, 1, 1, 2, 2), dtype=bool)).frames.min() == 1


def test_the_trainer_trains_on_them() -> None:
    recorded = FrameSequences(np.random.default_rng(0).integers(0, 256, (9, 4, 1, 16, 16), dtype=np.uint8))
    model = LatentFlow(LatentFlowConfig((1, 16, 16), {"time": Unit("step")}, dim=4, channels=(4,)))
    config = TrainingConfig(steps=2, batch_size=3, frames=2, ramp=0.0)
    result = Trainer(model, recorded, config, quiet=True).run()
    assert result.finished and result.steps == 2 and np.isfinite(result.history[0]["loss"])
    with pytest.raises(ValueError, match="train with `ramp=0`"):
        Trainer(model, recorded, TrainingConfig(steps=2), quiet=True).run()
