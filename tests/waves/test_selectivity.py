from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
import torch

from flowdis.waves import circular_variance, d_prime, preference, selectivity_index, tuning_curves, tuning_harmonic
from tests.waves.toys import exact

STEPS = 24
ANGLES = 2 * math.pi * torch.arange(STEPS, dtype=torch.float64) / STEPS


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_preference_is_where_the_curve_has_its_crest(order):
    wanted = torch.linspace(0.0, 2 * math.pi / order, 7, dtype=torch.float64)[:-1] + 0.01
    curves = 3 + 2 * torch.cos(order * (ANGLES[:, None] - wanted))
    torch.testing.assert_close(preference(curves, order=order), wanted)
    torch.testing.assert_close(selectivity_index(curves, order=order), torch.ones_like(wanted))
    torch.testing.assert_close(tuning_harmonic(curves, order=order).abs(), torch.full_like(wanted, STEPS))


def test_orientation_comes_again_after_half_a_turn_and_direction_does_not():
    curve = torch.cos(2 * (ANGLES - 0.4)) + 0.5 * torch.cos(ANGLES - 0.4 - math.pi)
    assert float(preference(curve, order=2)) == pytest.approx(0.4)
    assert float(preference(curve, order=1)) == pytest.approx(0.4 + math.pi)


@pytest.mark.parametrize(("steps", "order"), [(12, 1), (12, 2), (9, 4), (8, 4), (4, 2)])
def test_the_index_is_the_share_of_variance_that_a_sine_and_a_cosine_explain(steps, order, generator):
    """Against numpy's least squares, of activity of either sign; at half the number of steps there is no sine."""
    curves = torch.randn(steps, 5, generator=generator, dtype=torch.float64)
    turns = 2 * math.pi * order * np.arange(steps) / steps
    design = np.stack([np.ones(steps), np.cos(turns), np.sin(turns)], axis=1)
    fitted = design @ np.linalg.lstsq(design, curves.numpy(), rcond=None)[0]
    expected = fitted.var(0) / curves.numpy().var(0)
    np.testing.assert_allclose(selectivity_index(curves, order=order), expected, rtol=1e-10)
    np.testing.assert_allclose(selectivity_index(7 - 3 * curves, order=order), expected, rtol=1e-10)


def test_a_flat_curve_prefers_nothing():
    curves = torch.full((STEPS, 3), 0.1)
    assert (selectivity_index(curves, order=2) == 0).all()
    assert (circular_variance(torch.zeros(STEPS, 3), order=2) == 1).all()


@pytest.mark.parametrize("kappa", [0.1, 1.0, 4.0])
def test_the_circular_variance_is_that_of_a_von_mises_curve(kappa):
    angles = 2 * math.pi * torch.arange(64, dtype=torch.float64) / 64  # so many that no harmonic is folded back
    curve = torch.exp(kappa * torch.cos(2 * (angles - 1.0)))
    expected = 1 - scipy.special.ive(1, kappa) / scipy.special.ive(0, kappa)
    assert float(circular_variance(curve, order=2)) == pytest.approx(expected, rel=1e-10)


def test_curves_are_means_over_the_samples_of_each_step(generator):
    activity = torch.randn(40, 2, 3, generator=generator, dtype=torch.float64)
    steps = torch.arange(40) % 7
    expected = torch.stack([activity[steps == step].mean(0) for step in range(7)])
    torch.testing.assert_close(tuning_curves(activity, steps, 7), expected)


@pytest.mark.parametrize("classes", [2, 4])
def test_d_prime_is_its_formula(classes, generator):
    activity = 100 + torch.randn(60, 2, 3, generator=generator, dtype=torch.float64)
    labels = torch.arange(60) ** 3 % 11 % classes
    activity[labels == 1] += 2
    found = d_prime(activity, labels)
    for label in range(classes):
        own, rest = activity[labels == label].numpy(), activity[labels != label].numpy()
        expected = (own.mean(0) - rest.mean(0)) / np.sqrt((own.var(0) + rest.var(0)) / 2)
        np.testing.assert_allclose(found[label], expected, rtol=1e-9)


def test_d_prime_of_what_does_not_vary_is_nothing_or_without_end():
    labels = torch.tensor([0, 0, 1, 1])
    activity = torch.stack([torch.full((4,), 0.1), labels.float()], dim=1)
    torch.testing.assert_close(d_prime(activity, labels), torch.tensor([[0.0, -math.inf], [0.0, math.inf]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_types_are_kept(dtype):
    curves = torch.cos(ANGLES).to(dtype)[:, None]
    assert preference(curves, order=1).dtype == selectivity_index(curves, order=1).dtype == dtype
    assert d_prime(curves, torch.arange(STEPS) % 2).dtype == dtype


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"`order` must be from 1 to half the number of steps, 6 / 2, got 4"):
        preference(torch.zeros(6, 2), order=4)
    with pytest.raises(
        ValueError, match="`tuning` must be >= 0 for a circular variance, got -1; use selectivity_index"
    ):
        circular_variance(exact([1.0, -1.0, 0.0, 0.0]), order=1)
    with pytest.raises(ValueError, match="`steps` must have a sample of each step, got none of 1"):
        tuning_curves(torch.zeros(3, 2), torch.tensor([0, 2, 2]), 3)
    with pytest.raises(ValueError, match="`steps` must be 2 numbers from 0 to 2"):
        tuning_curves(torch.zeros(2, 2), torch.tensor([0, 3]), 3)
    with pytest.raises(ValueError, match="`labels` must be 2 numbers from 0, of two classes or more"):
        d_prime(torch.zeros(2, 2), torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="`labels` must have a sample of each class, got none of 1"):
        d_prime(torch.zeros(3, 2), torch.tensor([0, 2, 2]))
