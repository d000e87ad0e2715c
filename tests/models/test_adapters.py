"""Adapters of torch modules: the range of pixels there and back, and what encoders return."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flowdis.data import units_of
from flowdis.models import LatentFlow, LatentFlowConfig, ModuleDecoder, ModuleEncoder, Posterior, module_pair
from tests.models.toys import stills


def test_images_go_to_the_range_of_the_module_and_back() -> None:
    encoder, decoder = module_pair(nn.Flatten(), nn.Unflatten(1, (3, 4, 4)), image_range=(-1.0, 3.0))
    images = stills(5, 3, 4, 4).double()
    codes = encoder(images)
    torch.testing.assert_close(codes, 4 * images.flatten(1) - 1)
    config = LatentFlowConfig((3, 4, 4), units_of(["rotate"]), dim=48, likelihood="gaussian")
    model = LatentFlow(config, encoder=encoder, decoder=decoder).double()
    torch.testing.assert_close(model.decode(model.encode(images).mean), images)


@pytest.mark.parametrize("returns", ["mean_log_variance", "mean_log_std"])
def test_spreads_are_read_as_they_are_told(returns: str) -> None:
    class Two(nn.Module):
        def __init__(self, joined: bool) -> None:
            super().__init__()
            self.joined = joined

        def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
            mean, spread = images, 2 * images
            return torch.cat([mean, spread], 1) if self.joined else (mean, spread)

    images = stills(2, 3, 4, 4)
    for joined in (True, False):
        found = ModuleEncoder(Two(joined), returns=returns)(images)
        assert isinstance(found, Posterior) and torch.equal(found.mean, images)
        wanted = images if returns == "mean_log_variance" else 2 * images
        assert torch.equal(found.log_std, wanted)


def test_bad_adapters_are_named() -> None:
    for bad in ((1.0, 0.0), (0.0, 0.0), (0.0, float("inf"))):
        with pytest.raises(ValueError, match=r"`image_range` must be \(low, high\)"):
            ModuleDecoder(nn.Identity(), image_range=bad)
    with pytest.raises(ValueError, match=r"`returns` must be one of codes, mean_log_variance.*'mean_log_var'"):
        ModuleEncoder(nn.Identity(), returns="mean_log_var")
    config = LatentFlowConfig((3, 4, 4), units_of(["rotate"]), dim=48)
    encoder, decoder = module_pair(nn.Flatten(), nn.Unflatten(1, (3, 4, 4)))
    with pytest.raises(ValueError, match=r"`likelihood` must be gaussian .*ModuleDecoder\), got 'bernoulli'"):
        LatentFlow(config, encoder=encoder, decoder=decoder)
