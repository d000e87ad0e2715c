"""Latent directions: what means and hyperplanes say where the answer is known."""

from __future__ import annotations

import pytest
import torch

from flowdis.baselines.directions import classifier_normals, mean_differences


def test_the_difference_of_two_means_takes_one_mean_to_the_other() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    binary = (torch.arange(60) % 3 == 0).double()
    bank = mean_differences(("on",), codes, binary.unsqueeze(1))
    wanted = codes[binary == 1].mean(0) - codes[binary == 0].mean(0)
    torch.testing.assert_close(bank.direction[0].detach(), wanted, rtol=0, atol=1e-12)


def test_along_a_regression_s_normal_a_linear_attribute_rises_by_one() -> None:
    generator = torch.Generator().manual_seed(1)
    codes = torch.randn(200, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 5.0, 0.2])
    weights = torch.tensor([1.0, -0.5, 3.0], dtype=torch.float64)
    bank = classifier_normals(("height",), codes, (codes @ weights + 7).unsqueeze(1))
    wanted = weights / weights.square().sum()
    torch.testing.assert_close(bank.direction[0].detach(), wanted, rtol=1e-4, atol=1e-5)


def test_a_classifier_s_normal_is_perpendicular_to_what_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(2)
    codes = torch.randn(2000, 3, generator=generator, dtype=torch.float64)
    codes[:, 1] += codes[:, 0]  # follows the entry that decides
    binary = (codes[:, 0] > 0).double()
    normal = classifier_normals(("on",), codes, binary.unsqueeze(1)).direction[0].detach()
    gap = codes[binary == 1].mean(0) - codes[binary == 0].mean(0)
    assert float(normal[1:].norm() / normal[0]) < 0.1
    assert float(normal @ normal) == pytest.approx(float(gap @ normal), rel=1e-6)  # as long as the gap along it
    assert float(gap[1]) > 1.0  # which the difference of means has and the normal has not


@pytest.mark.parametrize("fit", [mean_differences, classifier_normals])
def test_bad_input_is_named(fit) -> None:
    codes = torch.randn(6, 2, generator=torch.Generator().manual_seed(3))
    with pytest.raises(ValueError, match="single value of 'a'"):
        fit(("a",), codes, torch.ones(6, 1))
    with pytest.raises(ValueError, match="`attributes` must end in K=1"):
        fit(("a",), codes, torch.ones(6, 2))
    with pytest.raises(ValueError, match="must be finite"):
        fit(("a",), codes * float("nan"), torch.arange(6.0).unsqueeze(1))
