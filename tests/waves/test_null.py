from __future__ import annotations

import math

import pytest
import torch

from flowdis.waves import (
    CLASSES,
    NullTest,
    concentration,
    direction_coherence,
    direction_index,
    gradient_directedness,
    permuted_site_null,
    site_permutations,
    wave_class,
    wave_spectrum,
    wave_vectors,
)
from tests.waves.toys import plane_phase, wave_vector

SITES = (6, 8)


def oscillations(count, frames, sites, generator):
    """Independent sites that oscillate in a narrow band: signals (T, count, *sites), each with many periods."""
    noise = torch.complex(*torch.randn(2, frames, count, *sites, generator=generator, dtype=torch.float64))
    turns = torch.fft.fftfreq(frames, dtype=torch.float64).reshape(-1, *[1] * (1 + len(sites)))
    return torch.fft.ifft(noise * torch.exp(-(((turns - 0.15) / 0.05) ** 2)), dim=0)


def test_permutations_are_permutations(generator):
    orders = site_permutations(50, 9, generator=generator)
    assert (orders.sort(-1).values == torch.arange(9)).all()
    assert len(torch.unique(orders, dim=0)) > 45


@pytest.mark.parametrize("sites", [(12,), SITES])
def test_observed_figures_are_those_of_the_measures(sites, generator):
    signal = oscillations(3, 20, sites, generator)
    dimension = len(sites)
    tests = permuted_site_null(signal, dimension=dimension, permutations=9, level=0.9, trim=2, generator=generator)
    vectors, spectrum = (
        wave_vectors(signal.angle(), dimension=dimension)[2:-2],
        wave_spectrum(signal, dimension=dimension),
    )
    observed = {
        "coherence": direction_coherence(vectors),
        "directedness": gradient_directedness(vectors),
        "direction_index": direction_index(spectrum),
        "concentration": concentration(spectrum),
    }
    assert set(tests) == set(observed)
    for name, values in observed.items():
        assert tests[name].observed == pytest.approx(float(values.mean()), rel=1e-10)


def test_the_null_is_that_of_each_permutation_alone(generator):
    """Many at once are what one after the other would give, sites moved alike in all frames and batch entries."""
    signal = oscillations(2, 16, SITES, generator)
    count = 9
    orders = site_permutations(count, 48, generator=torch.Generator().manual_seed(5))
    tests = permuted_site_null(signal, permutations=count, level=0.9, generator=torch.Generator().manual_seed(5))
    moved = [signal.flatten(-2)[..., order].unflatten(-1, SITES) for order in orders]
    coherences = torch.stack([direction_coherence(wave_vectors(values.angle())).mean() for values in moved])
    indices = torch.stack([direction_index(wave_spectrum(values)).mean() for values in moved])
    for name, values in (("coherence", coherences), ("direction_index", indices)):
        assert tests[name].mean == pytest.approx(float(values.mean()), rel=1e-10)
        assert tests[name].threshold == pytest.approx(float(values.max()), rel=1e-10)  # 9 permutations at level 0.9
        above = int((values >= tests[name].observed).sum())
        assert tests[name].p_value == pytest.approx((1 + above) / (1 + count))


def test_independent_sites_are_found_ordered_as_often_as_the_level_says(generator):
    """150 recordings at level 0.95: 5 % within three standard errors, of either kind of figure."""
    found = {"coherence": 0, "direction_index": 0, "concentration": 0}
    named = 0
    for _ in range(150):
        signal = oscillations(1, 16, (10,), generator)
        tests = permuted_site_null(signal, dimension=1, permutations=39, level=0.95, generator=generator)
        for name in found:
            found[name] += tests[name].p_value <= 0.05
        kind = wave_class(tests, synchronous=0.0, standing=0.0, current=1.0, level=0.95)
        named += kind == "travelling"
    expected, error = 0.05 * 150, math.sqrt(0.05 * 0.95 * 150)
    for count in (*found.values(), named):
        assert abs(count - expected) < 3 * error


def test_a_wave_is_above_the_null_and_the_same_sites_in_no_order_are_not(generator):
    phase = plane_phase(30, 2 * math.pi * 4 / 30, wave_vector(SITES, (1, 2)), SITES)
    signal = torch.polar(torch.ones_like(phase), phase)
    tests = permuted_site_null(signal, generator=generator)
    assert all(test.p_value == 1 / 200 and test.percentile == 100 for test in tests.values())
    order = torch.randperm(48, generator=generator)
    scattered = permuted_site_null(signal.flatten(1)[:, order].unflatten(1, SITES), generator=generator)
    assert all(test.p_value > 0.01 for test in scattered.values())
    assert scattered["direction_index"].observed == pytest.approx(0.5, abs=0.15)


def test_synchrony_is_left_as_it_is_by_permuting(generator):
    phase = (0.4 * torch.arange(20, dtype=torch.float64))[:, None].expand(20, 12)
    tests = permuted_site_null(torch.polar(torch.ones_like(phase), phase), dimension=1, generator=generator)
    for test in tests.values():
        assert test.observed == test.mean == 0
        assert test.percentile == 50
        assert test.p_value == 1


def case(p_value: float, **shares: float) -> str:
    shares = {"synchronous": 0.0, "standing": 0.0, "current": 0.0} | shares
    return wave_class({"concentration": NullTest(1.0, 0.5, 0.7, 100.0, p_value)}, **shares)


def test_classes_are_named_from_the_figures():
    assert case(0.005, current=0.9) == "travelling"
    assert case(0.005, standing=0.9, current=0.1) == "standing"
    assert case(0.5, synchronous=0.7, current=0.9) == "synchronous"
    assert case(0.005, synchronous=0.7, current=0.9) == "synchronous"
    assert case(0.02, current=0.9) == "none"
    assert case(0.01, current=0.9) == "travelling"
    assert case(0.005, standing=0.5, current=0.5) == "none"
    assert set(CLASSES) == {"travelling", "standing", "synchronous", "none"}


def test_bad_input_is_named(generator):
    signal = oscillations(1, 8, SITES, generator)
    with pytest.raises(ValueError, match="`permutations` must be at least 99 for a level of 0.99, got 98"):
        permuted_site_null(signal, permutations=98)
    with pytest.raises(ValueError, match="`level` must be between 0 and 1"):
        permuted_site_null(signal, level=1.0)
    with pytest.raises(ValueError, match="`signal` must have at least 5 frames"):
        permuted_site_null(signal[:4])
    with pytest.raises(ValueError, match="`tests` must have 'concentration'"):
        wave_class({}, synchronous=0.0, standing=0.0, current=0.0)
    with pytest.raises(ValueError, match="`count`"):
        site_permutations(0, 4)
