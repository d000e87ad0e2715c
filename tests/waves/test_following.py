from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flowdis.waves import circular_regression, speed_following, wrap
from tests.waves.toys import exact, plane_phase


@pytest.mark.parametrize("slope", [-3.0, -0.31, 0.0, 0.007, 2.9])
def test_an_exact_line_gives_its_slope_back(slope):
    x = torch.arange(50, dtype=torch.float64)
    offsets = exact([0.1, 3.0, -2.0])
    fit = circular_regression(x, wrap(slope * x[:, None] + offsets))
    torch.testing.assert_close(fit.slope, torch.full((3,), slope, dtype=torch.float64), atol=1e-7, rtol=0)
    torch.testing.assert_close(fit.concentration, torch.ones(3, dtype=torch.float64))


def test_with_little_noise_it_is_the_line_through_unwrapped_angles(generator):
    """Both are maximum likelihood in that limit; they differ by the noise's third order."""
    x = torch.rand(200, generator=generator, dtype=torch.float64).sort().values * 60
    angle = 0.9 * x + 0.02 * torch.randn(200, generator=generator, dtype=torch.float64)
    expected = np.polyfit(x.numpy(), angle.numpy(), 1)[0]
    fit = circular_regression(x, wrap(angle), slopes=(-2.0, 2.0))
    assert float(fit.slope) == pytest.approx(expected, abs=1e-6)
    assert float(fit.concentration) == pytest.approx(math.exp(-(0.02**2) / 2), abs=1e-4)


def test_sites_that_share_a_slope_find_it_where_none_alone_does(generator):
    """Noise of 2 rad: R is 0.135 for each, about as much as chance, which the sum over 200 sites is not."""
    x = torch.arange(40, dtype=torch.float64)
    offsets = 6 * torch.rand(200, generator=generator, dtype=torch.float64)
    angle = 0.7 * x[:, None] + offsets + 2 * torch.randn(40, 200, generator=generator, dtype=torch.float64)
    alone = circular_regression(x, wrap(angle)).slope
    assert float((alone - 0.7).abs().median()) > 0.1
    assert float(circular_regression(x, wrap(angle), shared=1).slope) == pytest.approx(0.7, abs=0.02)


def test_batches_are_fitted_as_each_alone(generator):
    x = torch.arange(12, dtype=torch.float64)
    angle = 6 * torch.rand(12, 2, 3, 4, generator=generator, dtype=torch.float64)
    fit = circular_regression(x, angle, shared=1)
    assert fit.slope.shape == (2, 3)
    torch.testing.assert_close(fit.slope[1, 2], circular_regression(x, angle[:, 1, 2], shared=1).slope)


@pytest.mark.parametrize(("follows", "own"), [(1.0, 0.0), (0.0, 0.4), (0.5, 0.2)])
def test_waves_follow_their_inputs_as_much_as_they_do(follows, own, generator):
    inputs = exact([0.1, 0.2, 0.35, 0.5])
    speeds = own + follows * inputs
    phases = torch.stack([plane_phase(30, float(speed), (0.5, -0.3), (5, 6)) for speed in speeds], dim=1)
    noisy = phases + 0.05 * torch.randn(phases.shape, generator=generator, dtype=torch.float64)
    found = speed_following(wrap(noisy), inputs)
    assert found.slope == pytest.approx(follows, abs=2e-3)
    assert found.intercept == pytest.approx(own, abs=1e-3)
    assert found.wave_speeds == pytest.approx(speeds.tolist(), abs=1e-3)
    assert min(found.concentrations) > 0.99
    if follows:
        assert found.correlation > 0.999
    assert found.to_json()["input_speeds"] == inputs.tolist()


def test_channels_share_the_speed_of_their_sequence():
    phases = torch.stack([plane_phase(20, omega, (0.7,), (8,)) for omega in (0.2, 0.6)], dim=1)
    both = torch.stack([phases, phases + 1], dim=2)
    assert speed_following(wrap(both), exact([0.1, 0.3]), dimension=1).slope == pytest.approx(2.0, abs=1e-6)


def test_waves_that_are_all_alike_have_no_correlation():
    phase = (0.3 * torch.arange(10, dtype=torch.float64))[:, None, None].expand(10, 2, 5)
    found = speed_following(wrap(phase), exact([0.1, 0.2]), dimension=1)
    assert found.slope == pytest.approx(0.0, abs=1e-12)


def test_bad_input_is_named():
    phase = torch.zeros(5, 2, 4, dtype=torch.float64)
    with pytest.raises(ValueError, match="`input_speeds` must have at least two different speeds"):
        speed_following(phase, exact([0.1, 0.1]), dimension=1)
    with pytest.raises(ValueError, match=r"`phase` must have shape \(T, 3, \*sites\)"):
        speed_following(phase, exact([0.1, 0.2, 0.3]), dimension=1)
    with pytest.raises(ValueError, match="`fastest`"):
        speed_following(phase, exact([0.1, 0.2]), dimension=1, fastest=4.0)
    with pytest.raises(ValueError, match="`x` must have at least two values"):
        circular_regression(torch.ones(5), torch.zeros(5, 2))
    with pytest.raises(ValueError, match="3 frames and 2 axes or more"):
        circular_regression(torch.arange(5.0), torch.zeros(5, 2), shared=2)
    with pytest.raises(ValueError, match="`slopes`"):
        circular_regression(torch.arange(5.0), torch.zeros(5, 2), slopes=(1.0, 0.0))
