"""The linear part of a principal autoencoder: least squares, by independent decompositions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from flowdis.data import digits
from flowdis.models import LatentFlow, LatentFlowConfig, PrincipalComponents, PrincipalDecoder, PrincipalEncoder
from flowdis.paths import Unit


def started(dim: int = 12, count: int = 200) -> tuple[PrincipalEncoder, PrincipalDecoder, torch.Tensor]:
    images = digits()[0][:count]
    torch.manual_seed(0)
    encoder, decoder = PrincipalEncoder((3, 28, 28), dim), PrincipalDecoder((3, 28, 28), dim)
    encoder.start(images)
    decoder.start(encoder)
    return encoder, decoder, images


def test_what_is_lost_at_the_start_is_what_the_singular_values_left_out_hold() -> None:
    encoder, decoder, images = started()
    with torch.no_grad():
        found = decoder(encoder(images).mean) + 0.5
    values = np.linalg.svd((images - images.mean(0)).flatten(1).double().numpy(), compute_uv=False)
    lost = float((found - images).double().square().sum())
    assert lost == pytest.approx(float((values[12:] ** 2).sum()), rel=0.01)  # the least there is, and hardly more


def test_codes_are_those_of_scikit_learn_with_spread_one() -> None:
    from sklearn.decomposition import PCA

    encoder, _, images = started(dim=4)
    with torch.no_grad():
        codes = encoder(images).mean
    other = PCA(4, whiten=True, svd_solver="full").fit_transform(images.flatten(1).double().numpy())
    assert torch.allclose(codes.std(0, correction=0), torch.ones(4), atol=1e-2)
    signs = np.sign((codes.numpy() * other).sum(0))
    assert np.abs(codes.numpy() - signs * other).max() < 0.05


def test_the_random_state_stays_and_the_seed_decides() -> None:
    images = digits()[0][:50]
    made = [PrincipalComponents((3, 28, 28), 5) for _ in range(2)]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for components in made:
        components.fit(images, seed=1)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(made[0].basis, made[1].basis)


def test_fewer_images_than_latents_leave_the_others_at_rest() -> None:
    encoder, decoder, images = started(dim=12, count=5)
    with torch.no_grad():
        codes = encoder(images).mean
        found = decoder(codes) + 0.5
    assert torch.equal(codes[:, 5:], torch.zeros(5, 7))
    assert torch.allclose(found, images, atol=1e-3)


def test_images_that_do_not_differ_have_finite_codes() -> None:
    components = PrincipalComponents((1, 8, 8), 3)
    components.fit(torch.full((4, 1, 8, 8), 0.5))
    assert torch.equal(components.codes(torch.full((2, 1, 8, 8), 0.5)), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="`images` must be two or more, got 1"):
        components.fit(torch.rand(1, 1, 8, 8))


def test_components_of_large_images_are_those_of_small_ones() -> None:
    torch.manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(30, 3, 4, 5), (100, 130), mode="bilinear")
    components = PrincipalComponents((3, 100, 130), 20)
    assert components.basis.shape == (20, 3, 34, 44)
    components.fit(smooth)
    found = components.images(components.codes(smooth))
    assert found.shape == smooth.shape
    apart, spread = (found - smooth).square().mean(), (smooth - smooth.mean(0)).square().mean()
    assert float(apart) < 0.3 * float(spread)


def test_a_model_comes_back_with_its_components(tmp_path: Path) -> None:
    encoder, decoder, images = started()
    config = LatentFlowConfig(
        (3, 28, 28), {"rotate": Unit()}, dim=12, encoder="principal", decoder="principal", likelihood="laplace"
    )
    model = LatentFlow(config)
    model.encoder.load_state_dict(encoder.state_dict())
    model.decoder.load_state_dict(decoder.state_dict())
    model.save_pretrained(tmp_path)
    again = LatentFlow.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(model.eval().encode(images).mean, again.encode(images).mean)
        assert torch.allclose(again.decode(torch.zeros(12)), encoder.components.centre.clamp(0, 1), atol=1e-6)


def test_a_principal_decoder_asks_for_means_of_pixels() -> None:
    with pytest.raises(ValueError, match="`likelihood` must read means of pixels"):
        LatentFlowConfig((3, 28, 28), {"rotate": Unit()}, decoder="principal")
