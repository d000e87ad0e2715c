"""Autoencoders of diffusers, built from configs: what the adapters make is what the library itself makes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from flowdis.data import units_of
from flowdis.models import LatentFlow, LatentFlowConfig, diffusers_pair, load_diffusers
from tests.models.toys import stills

diffusers = pytest.importorskip("diffusers")

SIZE = (3, 16, 16)
KL = {
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "block_out_channels": (4, 8),
    "norm_num_groups": 2,
    "latent_channels": 2,
}
TINY = {
    "encoder_block_out_channels": (4, 4),
    "decoder_block_out_channels": (4, 4),
    "num_encoder_blocks": (1, 1),
    "num_decoder_blocks": (1, 1),
    "latent_channels": 2,
}
BUILT = {
    "kl": lambda: diffusers.AutoencoderKL(**KL, scaling_factor=0.3, shift_factor=0.2),
    "kl, plain": lambda: diffusers.AutoencoderKL(**KL, use_quant_conv=False, use_post_quant_conv=False),
    "kl, by channel": lambda: diffusers.AutoencoderKL(**KL, latents_mean=(0.1, -0.2), latents_std=(2.0, 0.5)),
    "tiny": lambda: diffusers.AutoencoderTiny(**TINY, scaling_factor=0.7),
}


def built(kind: str) -> nn.Module:
    """An autoencoder whose weights are the same each time."""
    vae, generator = BUILT[kind](), torch.Generator().manual_seed(0)
    for parameter in vae.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return vae.double().eval()


@pytest.mark.parametrize("kind", BUILT)
@torch.no_grad()
def test_codes_and_images_are_those_of_diffusers(kind: str) -> None:
    vae = built(kind)
    encoder, decoder = diffusers_pair(vae)
    images = stills(2, *SIZE).double()
    found, config = encoder(images), vae.config
    std = torch.ones(2, 1, 1).double()
    if kind == "tiny":
        mean, theirs = found, vae.encode(2 * images - 1).latents
    else:
        mean, theirs = found.mean, vae.encode(2 * images - 1).latent_dist.mean
        spread = vae.encode(2 * images - 1).latent_dist.std
    shift = config.get("shift_factor") or 0.0
    if config.get("latents_mean"):
        shift, std = (torch.tensor(config[name]).double().view(2, 1, 1) for name in ("latents_mean", "latents_std"))
    codes = (theirs - shift) * config.scaling_factor / std
    torch.testing.assert_close(mean, codes, rtol=1e-6, atol=1e-7)  # scales are kept in float32
    if kind != "tiny":
        torch.testing.assert_close(found.log_std.exp(), spread * config.scaling_factor / std, rtol=1e-6, atol=1e-7)
    shown = vae.decode(theirs).sample
    torch.testing.assert_close(decoder(codes) + 0.5, (shown + 1) / 2, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["kl", "tiny"])
def test_a_model_of_one_is_edited_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    encoder, decoder = diffusers_pair(built(kind).float())
    names = units_of(["rotate"])
    config = LatentFlowConfig(SIZE, names, dim=128, likelihood="gaussian", frozen=("encoder", "decoder"))
    model = LatentFlow(config, encoder=encoder, decoder=decoder).eval()
    assert model.config.latent_shape == (2, 8, 8)
    images, path = stills(3, *SIZE), model.flows()[0](10.0)
    edited = model(images, path)
    model.save_pretrained(tmp_path)
    fresh_encoder, fresh_decoder = diffusers_pair(BUILT[kind]())
    back = LatentFlow.from_pretrained(tmp_path, encoder=fresh_encoder, decoder=fresh_decoder)
    assert torch.equal(back(images, path), edited)


def test_folders_are_loaded_from_safetensors_alone(tmp_path: Path) -> None:
    for kind in ("kl", "tiny"):
        vae = built(kind).float()
        vae.save_pretrained(tmp_path / kind / "vae", safe_serialization=True)
        back = load_diffusers(tmp_path / kind, subfolder="vae")
        assert type(back) is type(vae) and not back.training
        assert all(torch.equal(a, b) for a, b in zip(back.parameters(), vae.parameters(), strict=True))
    vae.save_pretrained(tmp_path / "pickled", safe_serialization=False)
    with pytest.raises(FileNotFoundError, match="`source` must be a folder or a hub repository of an autoencoder in"):
        load_diffusers(tmp_path / "pickled")


def test_what_is_no_autoencoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="`vae` must be one of AutoencoderKL, AutoencoderTiny, got Linear"):
        diffusers_pair(nn.Linear(2, 2))
    with pytest.raises(FileNotFoundError, match=r"got .*nowhere"):
        load_diffusers(tmp_path / "nowhere", local_files_only=True)
    (tmp_path / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    with pytest.raises(ValueError, match="`source` must be one of AutoencoderKL, AutoencoderTiny, got 'UNet2DModel'"):
        load_diffusers(tmp_path)
