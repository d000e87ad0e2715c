from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from flowdis.data import (
    TRANSFORMS,
    Augmentation,
    Orbit,
    SequenceBatch,
    Steps,
    StillScenes,
    TransformSequences,
    apply_path,
    orbit,
    published,
)
from flowdis.paths import Path, Unit

NAMES = ("scale", "rotate", "hue")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stills(count: int = 6, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(count, 3, 12, 10, generator=seeded(1), dtype=torch.float64).to(dtype)


def begin(batch: SequenceBatch) -> Path:
    assert batch.start is not None
    return batch.start


def same(a: SequenceBatch, b: SequenceBatch) -> bool:
    return all(torch.equal(getattr(a, f), getattr(b, f)) for f in ("first", "frames", "times", "amounts"))


def test_a_batch_is_what_its_path_says() -> None:
    batch = TransformSequences(stills(), NAMES, length=5).sample(4, generator=seeded())
    assert batch.names == NAMES and batch.length == 5
    assert batch.frames.shape == (6, 4, 3, 12, 10) and batch.amounts.shape == (1, 4, 3)
    assert batch.times.tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert torch.equal(batch.first, batch.frames[0])
    assert torch.equal(batch.truth(times=batch.times), batch.frames)
    assert isinstance(batch.scenes, StillScenes)
    assert torch.equal(batch.first, apply_path(batch.scenes.images, begin(batch)))
    longer = Path(NAMES, 2 * batch.amounts)
    assert (batch.truth(longer, times=batch.times / 2) - batch.frames).abs().max() < 1e-5


def test_a_batch_without_its_scenes_has_no_truth() -> None:
    batch = TransformSequences(stills(), NAMES).sample(2, generator=seeded())
    with pytest.raises(ValueError, match="`scenes` must be known"):
        replace(batch, scenes=None).truth()


def test_frames_and_their_times_begin_with_the_first() -> None:
    batch = TransformSequences(stills(), NAMES).sample(2, generator=seeded())
    with pytest.raises(ValueError, match="`times` must begin at 0"):
        replace(batch, frames=batch.frames[1:], times=batch.times[1:])
    with pytest.raises((ValueError, TypeError), match="times"):  # a TypeError where annotations are checked
        replace(batch, times=batch.times[1:])


def test_the_generator_decides_all() -> None:
    sequences = TransformSequences(stills(), NAMES, augmentation=Augmentation())
    first, again = (sequences.sample(5, generator=seeded(3), frames=2) for _ in range(2))
    assert same(first, again)
    assert not same(first, sequences.sample(5, generator=seeded(4), frames=2))
    generator = seeded(3)
    one, two = (sequences.sample(5, generator=generator) for _ in range(2))
    assert not same(one, two)


def test_few_frames_are_those_of_the_full_sequence() -> None:
    sequences = TransformSequences(stills(), NAMES)
    full = sequences.sample(3, generator=seeded(5))
    seen = set()
    for frames in (1, 2, 3, 8):
        few = sequences.sample(3, generator=seeded(5), frames=frames)
        steps = (few.times * 8).round().long()
        assert steps.tolist() == sorted(set(steps.tolist())) and len(steps) == frames + 1 and steps[0] == 0
        assert torch.equal(few.first, full.first) and torch.equal(few.amounts, full.amounts)
        assert torch.equal(few.frames, full.frames[steps])
        assert few.weights.tolist() == pytest.approx([1.0] + [8 / frames] * frames)
        seen |= set(steps.tolist())
    assert seen == set(range(9))


def test_batches_cover_all_images_and_do_not_depend_on_their_size() -> None:
    sequences = TransformSequences(stills(7), NAMES)
    whole = list(sequences.batches(7, generator=seeded(), frames=2))
    ragged = list(sequences.batches(3, generator=seeded(), frames=2))
    assert [len(batch.first) for batch in ragged] == [3, 3, 1]
    assert torch.equal(torch.cat([batch.amounts for batch in ragged], 1), whole[0].amounts)
    assert (torch.cat([batch.frames for batch in ragged], 1) - whole[0].frames).abs().max() < 1e-6


def test_chosen_images() -> None:
    images = stills()
    sequences = published(images, "rotate")
    batch = sequences.batch([4, 1])
    assert torch.equal(batch.first, images[[4, 1]])
    assert torch.equal(sequences.batch(torch.tensor([1])).frames[:, 0], batch.frames[:, 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_frames_and_amounts_have_the_dtype_of_the_images(dtype: torch.dtype) -> None:
    batch = TransformSequences(stills(dtype=dtype), NAMES).sample(1, generator=seeded())
    assert {batch.first.dtype, batch.frames.dtype, batch.times.dtype, batch.amounts.dtype} == {dtype}


def test_the_generator_may_be_on_another_device_than_the_images(device: torch.device) -> None:
    sequences = TransformSequences(stills().to(device), NAMES, augmentation=Augmentation())
    here = TransformSequences(stills(), NAMES, augmentation=Augmentation()).sample(3, generator=seeded(), frames=2)
    batch = sequences.sample(3, generator=seeded(), frames=2)
    assert batch.frames.device == batch.times.device == batch.amounts.device == sequences.images.device
    assert (batch.frames.cpu() - here.frames).abs().max() < 1e-5
    there = sequences.sample(3, generator=torch.Generator(device).manual_seed(0), frames=2)
    assert there.frames.device == sequences.images.device


def test_sequences_move_in_one_transformation_or_in_several() -> None:
    # 3 sets of one, 0.4 in all; 4 sets of more, 0.6 in all; 5 standard errors of a share are below 0.04
    batch = TransformSequences(stills(), NAMES, single=0.4).sample(4000, generator=seeded(), frames=1)
    active = batch.amounts[0] != 0
    code = (active * torch.tensor([1, 2, 4])).sum(1)
    shares = code.bincount(minlength=8) / 4000
    expected = [0, 0.4 / 3, 0.4 / 3, 0.15, 0.4 / 3, 0.15, 0.15, 0.15]
    assert shares[0] == 0 and (shares - torch.tensor(expected)).abs().max() < 0.04
    still = begin(batch).amounts[0][:, 1][~active[:, 1]]
    assert still.std() > 1  # what does not move still starts anywhere


def test_orbits_start_and_end_anywhere() -> None:
    names = ("rotate", "scale", "translate_x")
    batch = TransformSequences(stills(), names, single=0.0).sample(3000, generator=seeded(), frames=1)
    start, change = begin(batch).amounts[0], batch.amounts[0]
    turned = change[:, 0][change[:, 0] != 0] * 45
    assert -360 <= turned.min() < -350 and 350 < turned.max() <= 360
    assert 0 <= start[:, 0].min() < 0.1 and 7.9 < start[:, 0].max() <= 8
    step = math.log(1.5)
    for scales in (start[:, 1] * step, (start + change)[:, 1] * step):
        assert math.log(0.6) - 1e-5 <= scales.min() < math.log(0.62)
        assert math.log(1.95) < scales.max() <= math.log(2.0) + 1e-5
    assert (start + change)[:, 2].abs().max() <= 1 + 1e-6


def test_an_orbit_can_be_narrowed() -> None:
    motions = {"rotate": Orbit(start=(10.0, 20.0), reach=30.0), "scale": Orbit(reach=1.2)}
    batch = TransformSequences(stills(), motions).sample(500, generator=seeded(), frames=1)
    degrees = begin(batch).amounts[0][:, 0] * 45
    assert 10 <= degrees.min() and degrees.max() <= 20
    assert (batch.amounts[0][:, 0] * 45).abs().max() <= 30
    assert (batch.amounts[0][:, 1] * math.log(1.5)).abs().max() <= math.log(1.2)


def test_published_steps() -> None:
    images = stills()
    for which, expected in {
        "scale": [1 + 0.1 * t for t in range(9)],
        "rotate": [10.0 * t for t in range(9)],
        "hue": [20.0 * t for t in range(9)],
    }.items():
        batch = published(images, which).batch([0, 1])
        assert batch.names == NAMES and torch.allclose(batch.first, images[:2], atol=1e-6)
        rows, index = batch.amounts.shape[0], NAMES.index(which)
        assert batch.times.tolist() == pytest.approx([t * rows / 8 for t in range(9)])
        assert (batch.amounts[:, :, [i for i in range(3) if i != index]] == 0).all()
        reached = torch.cat([torch.zeros(1, 2), batch.amounts[:, :, index].cumsum(0)])
        at = batch.times.long() if rows == 8 else torch.tensor([0] + [1] * 8)
        share = torch.ones(9) if rows == 8 else batch.times
        values = TRANSFORMS[which].unit.to_value(reached[at] * share[:, None])
        assert (values - torch.tensor(expected)[:, None]).abs().max() < 1e-4


def test_orbit_protocol_starts_anywhere_at_any_speed() -> None:
    batch = orbit(stills(), "scale").sample(1000, generator=seeded(), frames=8)
    first = TRANSFORMS["scale"].unit.to_value(begin(batch).amounts[0][:, 0])
    end = TRANSFORMS["scale"].unit.to_value(begin(batch).amounts[0][:, 0] + batch.amounts[:, :, 0].sum(0))
    speed = (end - first) / 0.8
    assert 0.7 <= first.min() < 0.71 and 1.29 < first.max() <= 1.3
    assert 0.5 - 1e-5 <= speed.min() < 0.51 and 1.49 < speed.max() <= 1.5 + 1e-5
    random = orbit(stills()).sample(300, generator=seeded(), frames=1)
    assert ((random.amounts != 0).any(0).sum(1) == 1).all()
    assert len((random.amounts != 0).any(0).unique(dim=0)) == 3


def test_signed_steps_go_both_ways() -> None:
    motions = {"rotate": Steps(10.0, signed=True)}
    batch = TransformSequences(stills(), motions).sample(200, generator=seeded(), frames=1)
    degrees = batch.amounts[0][:, 0] * 45
    assert (degrees.abs() - 80).abs().max() < 1e-4 and 60 < (degrees > 0).sum() < 140


def test_speeds_change_from_step_to_step_within_their_range() -> None:
    moved = {
        "rotate": Steps(10.0, speed=(0.5, 1.5), changing=True),
        "scale": Steps(0.1, speed=(0.5, 1.5), additive=True, changing=True),
        "hue": Steps(20.0, speed=(0.5, 1.5)),
    }
    batch = TransformSequences(stills(), moved, single=0.0).sample(300, generator=seeded())
    assert batch.amounts.shape == (8, 300, 3)
    turned = batch.amounts[:, batch.amounts[0, :, 0] != 0, 0] * batch.units["rotate"].step / 10
    assert 0.5 <= turned.min() < 0.55 and 1.45 < turned.max() <= 1.5
    # Speeds that are drawn independently are uncorrelated, to 5 standard errors.
    lagged = torch.corrcoef(torch.stack([turned[:-1].flatten(), turned[1:].flatten()]))[0, 1]
    assert abs(lagged) < 5 / math.sqrt(turned[1:].numel())
    grown = (batch.amounts[..., 1].double() * batch.units["scale"].step).cumsum(0).exp()
    added = torch.cat([torch.ones(1, 300), grown]).diff(dim=0)[:, batch.amounts[0, :, 1] != 0] / 0.1
    assert 0.5 <= added.min() + 1e-4 and added.max() - 1e-4 <= 1.5 and added.std(0).min() > 0
    assert torch.equal(batch.amounts[:1, :, 2].expand(8, -1), batch.amounts[..., 2])


def test_what_moves_is_drawn_anew_at_the_chance_asked_for() -> None:
    moved = {"rotate": Steps(10.0), "scale": Steps(1.1), "hue": Steps(20.0)}
    sequences = TransformSequences(stills(), moved, single=1.0, switch=0.3)
    moving = sequences.sample(2000, generator=seeded(), frames=0).amounts != 0
    assert moving.shape == (8, 2000, 3) and bool((moving.sum(-1) == 1).all())
    # Two draws out of three, of the steps that draw anew, change what moves; 5 standard errors of 14,000 steps.
    changed = (moving[1:] != moving[:-1]).any(-1).double().mean()
    assert abs(changed - 0.3 * 2 / 3) < 5 * math.sqrt(0.2 * 0.8 / 14000)
    still = TransformSequences(stills(), moved, single=1.0).sample(5, generator=seeded(), frames=0)
    assert still.amounts.shape == (1, 5, 3)


def test_motions_of_one_row_and_of_many_go_together() -> None:
    motions = {"rotate": Orbit(), "scale": Steps(0.1, additive=True)}
    batch = TransformSequences(stills(), motions, single=0.0).sample(3, generator=seeded())
    assert batch.amounts.shape == (8, 3, 2)
    assert (batch.amounts[:, :, 0] - batch.amounts[0, :, 0]).abs().max() < 1e-6
    assert batch.times.tolist() == list(range(9))


def test_units_of_the_model_size_the_amounts() -> None:
    images, units = stills(), {"rotate": Unit("degree", 10.0)}
    ours, theirs = published(images, "rotate").batch([0]), published(images, "rotate", units=units).batch([0])
    assert (theirs.amounts - 4.5 * ours.amounts).abs().max() < 1e-5
    assert (theirs.frames - ours.frames).abs().max() < 1e-5


def test_augmentation_distorts_the_source_once_for_all_frames() -> None:
    sequences = TransformSequences(stills(), NAMES, augmentation=Augmentation(shear=0.2, stretch=1.2, shift=2.0))
    batch = sequences.sample(50, generator=seeded(), frames=2)
    assert begin(batch).segments == 2
    distortion = dict(zip(begin(batch).names, begin(batch).amounts[0].unbind(-1), strict=True))
    assert (distortion["rotate"] == 0).all() and 0.1 < distortion["shear"].abs().max() * 0.25 <= 0.2
    shift = 4 * float(distortion["translate_x"].abs().max())  # a unit of translation is 4 pixels
    assert 1 < shift <= 2
    assert (batch.truth(times=batch.times) - batch.frames).abs().max() < 1e-6
    none = Augmentation(shear=0.0, stretch=1.0, shift=0.0)
    plain = TransformSequences(stills(), NAMES).batch([0, 1], generator=seeded())
    same_again = TransformSequences(stills(), NAMES, augmentation=none).batch([0, 1], generator=seeded())
    assert (plain.frames - same_again.frames).abs().max() < 1e-6


def test_images_are_checked_once_at_birth() -> None:
    with pytest.raises(ValueError, match=r"lie in \[0, 1\].*divide by 255"):
        TransformSequences(300 * stills(), NAMES)
    with pytest.raises(TypeError):
        TransformSequences((255 * stills()).to(torch.uint8), NAMES)
    with pytest.raises(ValueError, match="3 channels for hue, got 1: colour them first"):
        TransformSequences(stills()[:, :1], NAMES)
    with pytest.raises(ValueError, match="N >= 1"):
        TransformSequences(stills()[:0], NAMES)
    assert TransformSequences(stills()[:, :1], ["rotate"]).sample(2, generator=seeded()).frames.shape[2] == 1


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="`switch` must lie in \\[0, 1\\], got 2"):
        TransformSequences(stills(), NAMES, switch=2)
    images = stills()
    with pytest.raises(ValueError, match="did you mean 'rotate'"):
        TransformSequences(images, ["rotation"])
    with pytest.raises(ValueError, match="different names"):
        TransformSequences(images, ["hue", "hue"])
    with pytest.raises(ValueError, match="`which` must be one of scale, rotate, hue"):
        published(images, "shear")
    with pytest.raises(ValueError, match="`names` must be one of"):
        published(images, names=["shear"])
    with pytest.raises(ValueError, match="`length`"):
        TransformSequences(images, NAMES, length=0)
    with pytest.raises(ValueError, match="`single`"):
        TransformSequences(images, NAMES, single=1.5)
    sequences = TransformSequences(images, NAMES)
    with pytest.raises(ValueError, match="`frames` must lie in 0 to 8, got 9"):
        sequences.sample(2, generator=seeded(), frames=9)
    with pytest.raises(ValueError, match="`batch_size`"):
        sequences.sample(0, generator=seeded())
    with pytest.raises(ValueError, match="`indices`"):
        sequences.batch([])


def test_motions_are_checked_at_birth_and_against_their_transformation() -> None:
    with pytest.raises(ValueError, match="`start` must be two ascending"):
        Orbit(start=(2.0, 1.0))
    with pytest.raises(ValueError, match="`speed` must be positive"):
        Steps(1.0, speed=(-1.0, 1.0))
    with pytest.raises(ValueError, match="`stretch`"):
        Augmentation(stretch=0.5)
    for motion in (Orbit(start=(-1.0, 1.0)), Orbit(reach=0.5), Steps(-0.2, additive=True), Steps(-1.0)):
        with pytest.raises(ValueError, match="'scale'"):
            TransformSequences(stills(), {"scale": motion})
    with pytest.raises(ValueError, match="'rotate'"):
        TransformSequences(stills(), {"rotate": Steps(10.0, additive=True)})
