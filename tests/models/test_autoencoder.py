"""Encoders and decoders of any size, and what they cost."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from flowdis.models import ConvDecoder, ConvEncoder, Posterior, default_channels
from flowdis.training.recipes import RECIPES
from tests.models.toys import stills

SHAPES = [(1, 28, 28), (3, 28, 28), (3, 64, 64), (3, 48, 80), (3, 9, 30), (4, 5, 4)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch", [(), (1,), (2, 3)])
def test_any_size_and_batch(shape: tuple[int, int, int], batch: tuple[int, ...]) -> None:
    encoder, decoder = ConvEncoder(shape, 5), ConvDecoder(shape, 5)
    posterior = encoder(stills(*batch, *shape))
    assert posterior.mean.shape == posterior.log_std.shape == (*batch, 5)
    assert decoder(posterior.mean).shape == (*batch, *shape)


@pytest.mark.parametrize("hidden", [0, 7])
def test_every_parameter_gets_a_finite_gradient(hidden: int) -> None:
    encoder, decoder = ConvEncoder((3, 12, 17), 5, hidden=hidden), ConvDecoder((3, 12, 17), 5, hidden=hidden)
    posterior = encoder(stills(2, 3, 12, 17))
    (decoder(posterior.mean).square().sum() + posterior.kl().sum()).backward()
    for name, parameter in [*encoder.named_parameters(), *decoder.named_parameters()]:
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_what_cannot_be_halved_so_often_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sides of at least 8 for 3 halvings, got \(3, 7, 20\)"):
        ConvEncoder((3, 7, 20), 4, channels=(4, 4, 4))
    with pytest.raises(ValueError, match=r"`image_shape` must be \(C, H, W\)"):
        ConvDecoder((28, 28), 4, channels=(4,))


def test_larger_images_are_halved_more_often() -> None:
    levels = [len(default_channels((3, side, side + 9))) for side in (28, 56, 112, 224)]
    assert [level - levels[0] for level in levels] == [0, 1, 2, 3]


def multiply_adds(module: nn.Module, example: Tensor) -> int:
    """The multiplications of all convolutions and linear layers on one example, counted as they run."""
    counts: list[int] = []

    def count(layer: nn.Module, given: tuple[Tensor], result: Tensor) -> None:
        if isinstance(layer, nn.Linear):
            counts.append(layer.in_features * layer.out_features)
        elif isinstance(layer, nn.Conv2d):
            counts.append(result[0].numel() * layer.weight[0].numel())
        elif isinstance(layer, nn.ConvTranspose2d):
            counts.append(given[0][0].numel() * layer.weight[0].numel())

    hooks = [layer.register_forward_hook(count) for layer in module.modules()]
    module(example)
    for hook in hooks:
        hook.remove()
    return sum(counts)


@pytest.mark.parametrize("name", RECIPES)
def test_digits_cost_few_million_multiply_adds_a_frame(name: str) -> None:
    model = RECIPES[name].model((3, 28, 28))
    parts = {
        "encoder": multiply_adds(model.encoder, stills(1, 3, 28, 28)),
        "decoder": multiply_adds(model.decoder, torch.zeros(1, model.dim)),
    }
    sizes = {part: sum(p.numel() for p in getattr(model, part).parameters()) for part in (*parts, "fields")}
    print(f"{name}: multiply-adds {parts}, parameters {sizes}")
    # The topographic one has two encoders, of codes of 15 rings; that of pictures has codes of 384 latents.
    assert 1e5 < sum(parts.values()) < (4.5e6 if name in ("topographic_vae", "pictures") else 3e6)
    assert sum(sizes.values()) + len(model.names) == sum(p.numel() for p in model.parameters())


def test_posterior_is_a_diagonal_gaussian() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, log_std = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64).unbind(0)
    posterior = Posterior(mean, log_std)
    theirs = torch.distributions.Normal(mean, log_std.exp())
    standard = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    z = posterior.sample(generator)
    assert torch.allclose(posterior.log_density(z), theirs.log_prob(z).sum(-1), rtol=1e-12)
    kl = torch.distributions.kl_divergence(theirs, standard).sum(-1)
    assert torch.allclose(posterior.kl(), kl, rtol=1e-12)
    many = Posterior(mean.expand(200_000, 3, 4), log_std.expand(200_000, 3, 4)).sample(generator)
    # Five standard errors of a mean and of a standard deviation over 200,000 samples.
    assert ((many.mean(0) - mean) / log_std.exp()).abs().max() < 5 / 447
    assert (many.std(0) / log_std.exp() - 1).abs().max() < 5 / 632
