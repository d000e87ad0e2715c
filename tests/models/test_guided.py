"""Guided models: properties of what is decoded rise by what is asked, and the baseline does not promise it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from flowdis.baselines.ascent import ascend
from flowdis.editing import edit, encode
from flowdis.fields import VanishingGradientError
from flowdis.models import LatentFlow
from flowdis.models.guided import aggregate_covariance, guide
from tests.models.toys import small_config, small_model, stills


def light(images: Tensor) -> Tensor:
    return 100 * images.mean((-3, -2, -1))


def contrast(images: Tensor) -> Tensor:
    return 100 * images.square().mean((-3, -2, -1))


@pytest.fixture
def model() -> LatentFlow:
    """With a smooth decoder: across the kinks of a piecewise linear one gradients jump, and solvers err."""
    generator = torch.Generator().manual_seed(5)
    decoder = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 192), nn.Unflatten(-1, (3, 8, 8)))
    for parameter in decoder.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return LatentFlow(small_config(), encoder=small_model().encoder, decoder=decoder).double().eval()


def test_an_edit_raises_a_property_of_the_image_by_the_value_asked(model: LatentFlow) -> None:
    guided = guide(model, {"light": light, "contrast": contrast}, units={"light": "percent"})
    images = stills(5, 3, 8, 8).double()
    before = model.decode(encode(model, images))
    after = edit(guided, images, guided.flows("light")[0](0.3))
    torch.testing.assert_close(light(after) - light(before), torch.full((5,), 0.3).double(), rtol=0, atol=1e-4)
    torch.testing.assert_close(contrast(after), contrast(before), rtol=0, atol=1e-4)


def test_a_classifier_s_logit_is_a_property_and_stays_the_caller_s(model: LatentFlow) -> None:
    generator = torch.Generator().manual_seed(0)
    reader = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2)).double()
    reader[1].weight.data = torch.randn(2, 192, generator=generator).double()
    guided = guide(model, {"smile": lambda images: reader(images)[:, 1]}, metric=torch.eye(4).double() * 2)
    images = stills(4, 3, 8, 8).double()
    plain = reader(model.decode(encode(model, images)))[:, 1]
    edited = reader(edit(guided, images, guided.flows()[0](0.2)))[:, 1]
    torch.testing.assert_close((edited - plain).detach(), torch.full((4,), 0.2).double(), rtol=0, atol=1e-5)
    assert not any("properties" in name or "reader" in name for name in guided.state_dict())
    assert guided.config.own_modules == ("decoder", "encoder", "fields")


def test_gradient_ascent_has_the_unit_on_average_only(model: LatentFlow) -> None:
    images = stills(60, 3, 8, 8).double()
    z = encode(model, images)
    plain = light(model.decode(z))
    climbing = ascend(model, {"light": light}, z)
    rose = light(edit(climbing, images, climbing.flows()[0](1e-3))) - plain
    assert float(rose.mean()) == pytest.approx(1e-3, rel=0.01)
    assert float(rose.std()) > 0.01 * float(rose.mean())
    exact = guide(model, {"light": light})
    assert float((light(edit(exact, images, exact.flows()[0](1e-3))) - plain).std()) < 1e-8


def test_the_aggregate_s_covariance_is_that_of_samples(model: LatentFlow) -> None:
    images = stills(40, 3, 8, 8).double()
    posterior = model.encode(images)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(4000, 40, 4, generator=generator, dtype=torch.float64)
    samples = (posterior.mean + posterior.log_std.exp() * noise).flatten(0, 1)
    got = aggregate_covariance(model, images, batch_size=7)
    means = posterior.mean.mT.cov()
    wanted = samples.mT.cov() + means / 40  # the sum of squares is divided by one less
    torch.testing.assert_close(got.detach(), wanted.detach(), rtol=0, atol=0.02 * float(wanted.diagonal().max()))


def test_bad_properties_are_named(model: LatentFlow) -> None:
    with pytest.raises(ValueError, match="`properties` must name at least one"):
        guide(model, {})
    with pytest.raises(ValueError, match="`units` must be of light"):
        guide(model, {"light": light}, units={"dark": "percent"})
    flat = guide(model, {"none": lambda images: 0 * images.sum((1, 2, 3))})
    with pytest.raises(VanishingGradientError, match="the gradient of 'none' vanishes at sample 0"):
        edit(flat, stills(2, 3, 8, 8).double(), flat.flows()[0](1.0))
    with pytest.raises(VanishingGradientError, match="vanishes at all codes"):
        ascend(model, {"none": lambda images: 0 * images.sum((1, 2, 3))}, torch.ones(3, 4).double())
    with pytest.raises(ValueError, match="N >= 2"):
        aggregate_covariance(model, stills(1, 3, 8, 8).double())
