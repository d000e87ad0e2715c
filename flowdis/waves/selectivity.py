r"""Selectivity: which value of a factor each site answers to, and how much.

A tuning curve r(y) is a site's mean activity at each of Y equal steps y once round a factor that repeats. Its
harmonics

.. math:: \hat r(m) = \sum_{y=0}^{Y-1} r(y) \, e^{2 \pi i m y / Y}

tell the preference: m = 1 for a direction, which comes again after a whole turn, m = 2 for an orientation, which
comes again after half a turn.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from flowdis._checks import check_finite

__all__ = ["circular_variance", "d_prime", "preference", "selectivity_index", "tuning_curves", "tuning_harmonic"]

Tuning = Float[Tensor, "Y *sites"]


def tuning_curves(activity: Float[Tensor, "N *sites"], steps: Int[Tensor, "N"], count: int) -> Tuning:
    """The mean activity of each site at each step of a factor.

    Arguments:
        activity: The activity, a sample a row, with shape (N, *).
        steps: At which of the steps each sample is, with shape (N): whole numbers from 0 to `count` - 1.
        count: How many equal steps make one turn, Y.

    Returns:
        The curves, with shape (Y, *).

    Raises:
        ValueError: if shapes do not match, a value is not finite, a step is out of range, or one has no sample.
    """
    check_finite("activity", activity)
    if steps.shape != activity.shape[:1] or len(steps) == 0 or not 0 <= int(steps.min()) <= int(steps.max()) < count:
        raise ValueError(
            f"`steps` must be {len(activity)} numbers from 0 to {count - 1}, got shape {tuple(steps.shape)}"
        )
    counts = torch.bincount(steps.long(), minlength=count)
    if not bool(counts.all()):
        raise ValueError(f"`steps` must have a sample of each step, got none of {(counts == 0).nonzero()[0].item()}")
    sums = activity.new_zeros(count, *activity.shape[1:]).index_add(0, steps.long(), activity)
    return sums / counts.to(activity.dtype).reshape(-1, *[1] * (activity.ndim - 1))


def tuning_harmonic(tuning: Tuning, *, order: int) -> Complex[Tensor, "*sites"]:
    """The harmonic of a tuning curve, whose angle is the preference and whose length is how strong it is.

    Arguments:
        tuning: The curves, with shape (Y, *).
        order: m: 1 for direction, 2 for orientation.

    Raises:
        ValueError: if the order is not from 1 to Y / 2, beyond which steps cannot tell it, or a value is not finite.
    """
    steps = tuning.shape[0] if tuning.ndim else 0
    if not 1 <= order <= steps / 2:
        raise ValueError(f"`order` must be from 1 to half the number of steps, {steps} / 2, got {order}")
    check_finite("tuning", tuning)
    angles = 2 * math.pi * order * torch.arange(steps, device=tuning.device, dtype=tuning.dtype) / steps
    return torch.tensordot(torch.polar(torch.ones_like(angles), angles), tuning.to(angles.dtype) + 0j, dims=1)


def preference(tuning: Tuning, *, order: int) -> Float[Tensor, "*sites"]:
    """The preferred value of each site in radians, from 0 to 2 pi / m: where the harmonic m has its first crest.

    A site whose `selectivity_index` is 0 prefers nothing, and has a value without meaning.

    Arguments:
        tuning: The curves, with shape (Y, *); step y stands for the angle 2 pi y / Y.
        order: m: 1 for direction (0 to 2 pi), 2 for orientation (0 to pi).

    Raises:
        ValueError: if the order is not from 1 to Y / 2, or a value is not finite.

    Example:
        >>> angles = torch.arange(12) * 2 * torch.pi / 12
        >>> preference((2 * (angles - 0.5)).cos(), order=2)
        tensor(0.5000)
    """
    angle = tuning_harmonic(tuning, order=order).angle()
    return torch.remainder(angle, 2 * math.pi) / order


def selectivity_index(tuning: Tuning, *, order: int) -> Float[Tensor, "*sites"]:
    r"""The share of a tuning curve's variance that the harmonic explains, from 0 to 1; 0 for a flat curve.

    .. math:: \frac{|\hat r(m)|^2}{\sum_{m' \ge 1} |\hat r(m')|^2}

    with the harmonic of half the number of steps, which is alone where the others are two, counted half. It is for
    activity of any sign, and does not depend on its zero or its unit.

    Arguments:
        tuning: The curves, with shape (Y, *).
        order: m: 1 for direction, 2 for orientation.

    Raises:
        ValueError: if the order is not from 1 to Y / 2, or a value is not finite.
    """
    steps = tuning.shape[0] if tuning.ndim else 0
    power = tuning_harmonic(tuning, order=order).abs().square() * (1 if 2 * order == steps else 2) / steps
    variance = (tuning - tuning.mean(0)).square().sum(0)
    # Of a flat curve rounding alone is left.
    flat = variance <= (4 * torch.finfo(tuning.dtype).eps) ** 2 * tuning.square().sum(0)
    return torch.where(flat, 0.0, power / torch.where(flat, 1.0, variance))


def circular_variance(tuning: Tuning, *, order: int) -> Float[Tensor, "*sites"]:
    r"""One less the length of the mean preference, :math:`1 - |\hat r(m)| / \sum_y r(y)`.

    0 if one value alone is answered to, 1 if none is preferred. For rates, which cannot be negative.

    Arguments:
        tuning: The curves, with shape (Y, *), none of them negative.
        order: m: 1 for direction, 2 for orientation.

    Raises:
        ValueError: if a value is negative (signed activity has `selectivity_index`) or not finite, or the order is not
            from 1 to Y / 2.
    """
    harmonic = tuning_harmonic(tuning, order=order).abs()
    if bool((tuning < 0).any()):
        low = float(tuning.min())
        raise ValueError(f"`tuning` must be >= 0 for a circular variance, got {low:.4g}; use selectivity_index instead")
    total = tuning.sum(0)
    return 1 - torch.where(total > 0, harmonic / torch.where(total > 0, total, 1.0), 0.0)


def d_prime(activity: Float[Tensor, "N *sites"], labels: Int[Tensor, "N"]) -> Float[Tensor, "classes *sites"]:
    r"""How well each site tells each class from the rest of the samples.

    .. math:: d' = (\mu_c - \mu_r) / \sqrt{(\sigma_c^2 + \sigma_r^2) / 2}

    Means and variances (over all samples, without Bessel's correction) of the class and of all other samples. Positive
    where the class is answered to more. The topographic autoencoder's maps count a site as selective from 0.85 (Keller
    and Welling 2021). Where neither class nor rest varies, it is 0 if they are equal and infinite if not.

    Arguments:
        activity: The activity, a sample a row, with shape (N, *).
        labels: The class of each sample, with shape (N): whole numbers from 0.

    Returns:
        The index of each class and site, with shape (classes, *).

    Raises:
        ValueError: if shapes do not match, a value is not finite, there are fewer than two classes, or one between 0
            and the highest has no sample.
    """
    check_finite("activity", activity)
    if labels.shape != activity.shape[:1] or len(labels) == 0 or int(labels.min()) < 0 or int(labels.max()) < 1:
        given = tuple(labels.shape)
        raise ValueError(f"`labels` must be {len(activity)} numbers from 0, of two classes or more, got shape {given}")
    members = torch.nn.functional.one_hot(labels.long()).T.to(activity.dtype)
    counts = members.sum(1).reshape(-1, *[1] * (activity.ndim - 1))
    if not bool(counts.all()):
        raise ValueError(f"`labels` must have a sample of each class, got none of {int((counts == 0).nonzero()[0, 0])}")
    centred = activity - activity.mean(0)
    sums, squares = (torch.tensordot(members, values, dims=1) for values in (centred, centred.square()))
    total, others = centred.square().sum(0), len(activity) - counts
    mean, rest = sums / counts, -sums / others
    variance = (squares / counts - mean.square() + (total - squares) / others - rest.square()) / 2
    # Of what does not vary, rounding alone is left.
    still = variance <= 8 * torch.finfo(activity.dtype).eps * (total / len(activity) + mean.square() + rest.square())
    gap = mean - rest
    alike = gap.abs() <= 8 * torch.finfo(activity.dtype).eps * activity.abs().amax(0)
    without = torch.where(alike, 0.0, gap.sign() * math.inf)
    return torch.where(still, without, gap / torch.where(still, 1.0, variance).sqrt())
