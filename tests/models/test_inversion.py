"""Inversion: codes of a generator whose inverse is known are found, whoever else is in the batch."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from flowdis.data import units_of
from flowdis.models import (
    InversionConfig,
    InversionEncoder,
    LatentFlow,
    LatentFlowConfig,
    ModuleDecoder,
    invert,
    sample_codes,
)

SHAPE, DIM = (1, 4, 4), 3


def generator_module() -> ModuleDecoder:
    """A linear generator of rank 3 in front of images in [-1, 1]: the inverse is its pseudo-inverse."""
    linear = nn.Linear(DIM, 16)
    orthogonal = torch.linalg.qr(torch.randn(16, DIM, generator=torch.Generator().manual_seed(2)))[0]
    linear.load_state_dict({"weight": 0.5 * orthogonal, "bias": torch.zeros(16)})
    return ModuleDecoder(nn.Sequential(nn.Flatten(), linear, nn.Unflatten(1, SHAPE)), image_range=(-1, 1)).double()


def pictures(decoder: nn.Module, count: int = 5) -> tuple[Tensor, Tensor]:
    codes = sample_codes(count, (DIM,), generator=torch.Generator().manual_seed(4), truncation=1.0).double()
    with torch.no_grad():
        return codes, decoder(codes) + 0.5


def test_the_codes_of_a_known_generator_are_found() -> None:
    decoder = generator_module()
    codes, images = pictures(decoder)
    config = InversionConfig(starts=2, steps=300, tolerance=1e-6)
    found = invert(decoder, images, (DIM, 1, 1), generator=torch.Generator().manual_seed(0), config=config, quiet=True)
    # An error e of pixels in [0, 1] is 2 e in [-1, 1]; the least singular value is 1/2, over 16 pixels.
    assert (found.z - codes).abs().max() < 4 * math.sqrt(16) * 1e-6
    assert found.reached.all() and found.steps < 300 and (found.error <= 1e-6).all()


def test_what_no_code_shows_comes_as_near_as_it_can() -> None:
    decoder = generator_module()
    _, images = pictures(decoder)
    generator = torch.Generator().manual_seed(1)
    images = (images + 0.1 * torch.rand(images.shape, generator=generator).double()).clamp(0, 1)
    config = InversionConfig(starts=2, steps=300)
    found = invert(decoder, images, (DIM,), generator=generator, config=config, quiet=True)
    weight = decoder.module[1].weight.detach()
    nearest = (2 * images.flatten(1) - 1) @ torch.linalg.pinv(weight).T
    assert (found.z - nearest).abs().max() < 1e-3
    assert not found.reached.any() and found.steps == 300


def test_batch_mates_do_not_matter() -> None:
    decoder = generator_module()
    _, images = pictures(decoder)
    results = [
        invert(
            decoder,
            images,
            (DIM,),
            generator=torch.Generator().manual_seed(0),
            config=InversionConfig(starts=3, steps=60, tolerance=0.02, batch_size=size),
            quiet=True,
        )
        for size in (1, 6, 100)
    ]
    assert all(torch.allclose(results[0].z, other.z, atol=1e-9) for other in results[1:])


def test_more_starts_find_what_one_misses() -> None:
    class Folded(nn.Module):
        """Two valleys: the pixel is (z^2 - 1)^2 + z / 5, at its least near -1 only."""

        def forward(self, z: Tensor) -> Tensor:
            return 0.1 * ((z.square() - 1).square() + 0.2 * z + 0.3).unflatten(1, (1, 1, 1)) - 0.5

    images = torch.zeros(8, 1, 1, 1, dtype=torch.float64)
    errors = [
        invert(
            Folded(),
            images,
            (1,),
            generator=torch.Generator().manual_seed(0),
            config=InversionConfig(starts=starts, steps=100),
            quiet=True,
        ).error
        for starts in (1, 8)
    ]
    assert (errors[0] > 0.02).any() and (errors[1] < 0.02).all()


def test_a_generator_without_encoder_is_edited_through_its_inversion(tmp_path: Path) -> None:
    decoder = generator_module().float()
    config = LatentFlowConfig(SHAPE, units_of(["rotate"]), dim=DIM, likelihood="gaussian", frozen=("decoder",))
    encoder = InversionEncoder(decoder, (DIM,), config=InversionConfig(steps=100), quiet=True)
    model = LatentFlow(config, encoder=encoder, decoder=decoder)
    codes, images = (value.float() for value in pictures(generator_module()))
    with torch.inference_mode():
        assert (model.encode(images).mean - codes).abs().max() < 0.02
    assert not any(key.startswith("encoder") for key in model.state_dict())
    model.save_pretrained(tmp_path)
    fresh = generator_module().float()
    back = LatentFlow.from_pretrained(tmp_path, encoder=InversionEncoder(fresh, (DIM,), quiet=True), decoder=fresh)
    assert torch.equal(back.decode(codes), model.decode(codes))


def test_the_generator_stays_as_it_is() -> None:
    decoder = nn.Sequential(nn.BatchNorm1d(DIM), nn.Linear(DIM, 16), nn.Dropout(0.5), nn.Unflatten(1, SHAPE)).train()
    before = {name: value.clone() for name, value in decoder.state_dict().items()}
    images = torch.full((2, *SHAPE), 0.5)
    generator = torch.Generator().manual_seed(0)
    invert(decoder, images, (DIM,), generator=generator, config=InversionConfig(steps=3), quiet=True)
    assert all(torch.equal(value, before[name]) for name, value in decoder.state_dict().items())
    assert all(module.training for module in decoder.modules())
    assert all(parameter.grad is None for parameter in decoder.parameters())


def test_truncated_codes_follow_the_truncated_prior() -> None:
    codes = sample_codes(20000, (1,), generator=torch.Generator().manual_seed(0), truncation=1.0)
    assert codes.abs().max() <= 1.0
    # The variance of N(0, 1) cut to [-1, 1] is 1 - 2 phi(1) / (2 Phi(1) - 1).
    wanted = 1 - 2 * math.exp(-0.5) / math.sqrt(2 * math.pi) / math.erf(1 / math.sqrt(2))
    assert abs(float(codes.var()) - wanted) < 0.01


def test_bad_input_is_named() -> None:
    decoder, generator = generator_module(), torch.Generator()
    images = torch.full((2, *SHAPE), 0.5, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"`decoder` must make images of shape \(1, 4, 5\).*got \(1, 4, 4\)"):
        invert(decoder, torch.zeros(2, 1, 4, 5).double(), (DIM,), generator=generator, quiet=True)
    with pytest.raises(ValueError, match=r"`images` must lie in \[0, 1\]"):
        invert(decoder, images - 1, (DIM,), generator=generator, quiet=True)
    for changes, told in (({"starts": 0}, "`starts` must"), ({"tolerance": -1.0}, "`tolerance` must")):
        with pytest.raises(ValueError, match=told):
            InversionConfig(**changes)
    with pytest.raises(ValueError, match="`latent_shape` must be one or more positive sizes, got"):
        sample_codes(2, (3, 0), generator=generator)
    with pytest.raises(ValueError, match="`truncation` must be a finite number > 0"):
        sample_codes(2, (3,), generator=generator, truncation=0.0)
