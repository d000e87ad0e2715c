"""The topographic encoder: its pooling against loops, its roll against shifts, its model on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from flowdis.data import units_of
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.models.topographic import TopographicEncoder, ring_generator, ring_pool
from flowdis.paths import Path as FlowPath
from tests.models.toys import small_config, stills

F64 = torch.float64


def values(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=F64)


def rolling(first: Tensor, count: int) -> Tensor:
    """Rings (C, R) that roll by one site a frame, as frames (T, C R)."""
    return torch.stack([first.roll(step, -1).flatten() for step in range(count)])


def looped(v: Tensor, ring: int, frames: int, sites: int, closed: bool) -> Tensor:
    """The sum, term by term, over rings (T, C R)."""
    count, rings = len(v), v.unflatten(-1, (-1, ring))
    pooled = torch.zeros_like(rings)
    for frame in range(count):
        for site in range(ring):
            for d in range(-frames, frames + 1):
                for e in range(-sites, sites + 1):
                    there, column = frame - d, site - d - e
                    if closed:
                        there = there % count
                    nearest = min(max(there, 0), count - 1)
                    column -= there - nearest  # the roll takes what is at column c there to c + 1 a frame later
                    pooled[frame, :, site] += rings[nearest, :, column % ring]
    return pooled.flatten(-2)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize(("count", "frames", "sites"), [(1, 2, 0), (2, 3, 1), (5, 1, 2), (7, 2, 1), (4, 0, 0)])
def test_pooling_agrees_with_loops(closed: bool, count: int, frames: int, sites: int) -> None:
    v = values(count, 10)
    found = ring_pool(v, 5, frames=frames, sites=sites, closed=closed)
    torch.testing.assert_close(found, looped(v, 5, frames, sites, closed), rtol=1e-12, atol=0)


def test_pooling_a_batch_is_pooling_each_of_its_sequences() -> None:
    v = values(4, 2, 3, 10)
    pooled = ring_pool(v, 5, frames=1, sites=1)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(pooled[:, i, j], ring_pool(v[:, i, j], 5, frames=1, sites=1), rtol=0, atol=0)


@pytest.mark.parametrize("ring", [5, 6])
def test_pooling_closed_sequences_commutes_with_a_joint_shift_of_frames_and_sites(ring: int) -> None:
    v = values(7, 2, 2 * ring)

    def shifted(frames: Tensor) -> Tensor:
        return frames.unflatten(-1, (-1, ring)).roll((1, 1), (0, -1)).flatten(-2)

    pooled = ring_pool(shifted(v), ring, frames=2, sites=1, closed=True)
    torch.testing.assert_close(pooled, shifted(ring_pool(v, ring, frames=2, sites=1, closed=True)), rtol=1e-12, atol=0)


def test_values_that_roll_have_sums_that_roll_wherever_the_sequence_is_cut() -> None:
    whole = rolling(values(2, 5), 9)
    for part in (slice(0, 9), slice(3, 6), slice(4, 5)):
        pooled = ring_pool(whole[part], 5, frames=2, sites=1)
        torch.testing.assert_close(pooled, ring_pool(whole, 5, frames=2, sites=1)[part], rtol=1e-12, atol=0)
    cycle = rolling(values(2, 5), 5)
    torch.testing.assert_close(
        ring_pool(cycle, 5, frames=2, sites=1, closed=True), ring_pool(cycle, 5, frames=2, sites=1), rtol=1e-12, atol=0
    )


def test_a_single_frame_is_pooled_over_sites_as_often_as_the_window_has_frames() -> None:
    v = values(1, 3, 10)
    rings = v.unflatten(-1, (-1, 5))
    expected = 5 * (rings.roll(-1, -1) + rings + rings.roll(1, -1)).flatten(-2)
    torch.testing.assert_close(ring_pool(v, 5, frames=2, sites=1), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("ring", [1, 3, 5, 15, 17])
def test_the_generator_is_the_real_logarithm_of_the_shift(ring: int) -> None:
    generator = ring_generator(ring)
    shift = torch.eye(ring, dtype=F64).roll(1, 0)
    torch.testing.assert_close(torch.linalg.matrix_exp(generator), shift, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        torch.linalg.matrix_exp(ring * generator), torch.eye(ring, dtype=F64), rtol=0, atol=1e-10
    )
    assert torch.equal(generator, -generator.mT)


@pytest.mark.parametrize("ring", [0, 2, 18])
def test_even_rings_are_refused_as_their_shift_is_no_flow(ring: int) -> None:
    with pytest.raises(ValueError, match=f"`ring` must be odd, got {ring}: the shift of an even ring is no flow"):
        ring_generator(ring)
    with pytest.raises(ValueError, match="`ring` must be odd"):
        TopographicEncoder((3, 8, 8), 36, ring=ring)


def encoder(**options: float) -> TopographicEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return TopographicEncoder(
            (3, 8, 8), 6, channels=(4,), **{"ring": 3, "frames": 1, "sites": 1} | options
        ).double()


def test_the_code_is_z_over_the_root_of_the_pooled_squares() -> None:
    made, (z, u) = encoder(offset=7.0), values(2, 4, 2, 6)
    expected = (z + 7) / (ring_pool(u.square(), 3, frames=1, sites=1) + 1e-6).sqrt()
    torch.testing.assert_close(made.codes(z, u), expected, rtol=1e-12, atol=0)


def test_codes_of_rolling_samples_roll() -> None:
    z, u = (rolling(values(2, 3) + shift, 4) for shift in (0.0, 0.1))
    codes = encoder().codes(z, u)
    torch.testing.assert_close(codes, rolling(codes[0].unflatten(-1, (2, 3)), 4), rtol=1e-12, atol=0)


def test_a_single_image_is_encoded_as_the_density_of_its_code_given_u() -> None:
    made, images = encoder(), stills(5, 3, 8, 8).double()
    posterior, z, u = made(images), made.z(images), made.u(images)
    squares = u.mean.square() + (2 * u.log_std).exp()
    scale = (ring_pool(squares[None], 3, frames=1, sites=1)[0] + 1e-6).sqrt()
    noise = torch.Generator()
    moved = (z.sample(noise.manual_seed(0)) + made.offset) / scale
    torch.testing.assert_close(posterior.sample(noise.manual_seed(0)), moved, rtol=1e-12, atol=0)
    alone = made(images[2:3])
    torch.testing.assert_close(alone.mean, posterior.mean[2:3], rtol=1e-10, atol=0)


def test_dead_units_have_finite_codes_and_gradients() -> None:
    made = encoder()
    z, u = values(3, 2, 6).requires_grad_(), torch.zeros(3, 2, 6, dtype=F64, requires_grad=True)
    codes = made.codes(z, u)
    codes.sum().backward()
    assert codes.isfinite().all() and z.grad.isfinite().all() and u.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ring": 5}, "`dim` must be a multiple of ring=5, got 6"),
        ({"frames": -1}, "`frames` must be a finite number >= 0, got -1"),
        ({"sites": -1}, "`sites` must be a finite number >= 0, got -1"),
    ],
)
def test_options_are_checked_at_birth(options: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        encoder(**options)
    with pytest.raises(ValueError, match="`values` must end in a multiple of ring=4"):
        ring_pool(values(2, 6), 4, frames=1, sites=0)


def topographic_config(**options: float) -> LatentFlowConfig:
    return LatentFlowConfig(
        (3, 8, 8),
        units_of(["hue"]),
        dim=6,
        channels=(4,),
        encoder="topographic",
        encoder_options={"ring": 3, **options},
        decoder_hidden=8,
        field="linear",
    )


def test_a_topographic_model_is_the_same_on_disk(tmp_path: Path) -> None:
    model = LatentFlow(topographic_config(frames=1)).eval()
    model.save_pretrained(tmp_path)
    loaded = LatentFlow.from_pretrained(tmp_path)
    assert loaded.config == model.config
    # Every choice is written down, so that a later change of a default changes no saved model.
    assert loaded.config.encoder_options == {"ring": 3, "frames": 1, "sites": 0, "offset": 30.0}
    images = stills(4, 3, 8, 8)
    path = FlowPath(("hue",), torch.tensor([[0.5]]))
    assert torch.equal(loaded(images, path), model(images, path))


def test_configs_of_before_there_was_a_choice_of_encoder_still_load(tmp_path: Path) -> None:
    model = LatentFlow(small_config()).eval()
    model.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    written = json.loads(file.read_text())
    for name in ("encoder", "encoder_options"):
        del written[name]
    file.write_text(json.dumps(written))
    loaded = LatentFlow.from_pretrained(tmp_path)
    images = stills(4, 3, 8, 8)
    assert torch.equal(loaded.encode(images).mean, model.encode(images).mean)
    assert loaded.config == model.config


def test_unknown_encoders_are_listed() -> None:
    with pytest.raises(ValueError, match="`encoder` must be one of conv, principal, topographic, got 'konv'"):
        LatentFlowConfig((3, 8, 8), units_of(["hue"]), encoder="konv")
