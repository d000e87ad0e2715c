"""Attribute fields of codes of anything: here of time series, and no image in sight."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flowdis.dynamics import transport
from flowdis.paths import Flow
from flowdis.training import AttributeConfig, match_attributes

TIMES = torch.linspace(0, 1, 64)
QUICK = AttributeConfig(field="potential", field_options={"hidden": 32}, steps=200, pairs=256, rounds=3, coupled=200)


def series(codes: Tensor) -> Tensor:
    """Waves (N, 64) whose logarithmic amplitude, frequency and phase are turned entries of codes (N, 3)."""
    loud, fast, phase = (codes @ _turn().mT).unbind(-1)
    waves = torch.sin(2 * math.pi * (4 + fast).unsqueeze(-1) * TIMES + phase.unsqueeze(-1))
    return (0.3 * loud).exp().unsqueeze(-1) * waves


def read(codes: Tensor) -> Tensor:
    """Loudness in decibels / 2.6 and the number of crossings of zero / 2, each (N), of the series of codes."""
    waves = series(codes)
    loud = 10 * waves.square().mean(-1).log10() / 2.6
    return torch.stack([loud, (waves[:, 1:] * waves[:, :-1] < 0).float().sum(-1) / 2], -1)


def _turn() -> Tensor:
    return torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(8)))[0]


def test_series_become_louder_by_what_is_asked_and_not_faster() -> None:
    codes = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    matched = match_attributes(("loud", "fast"), codes, read(codes), config=QUICK)
    assert matched.errors["loud"] < 0.8
    unseen = 0.7 * torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    end = transport(matched.bank, Flow("loud", ("loud", "fast"))(1.0), unseen).z[-1].detach()
    moved = (read(end) - read(unseen)).mean(0)
    assert float(moved[0]) == pytest.approx(1.0, abs=0.15)
    assert abs(float(moved[1])) < 0.15


def test_an_attribute_that_never_differs_within_a_group_is_named() -> None:
    codes = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    groups = torch.arange(20) % 2
    both = torch.stack([codes[:, 0], groups.float()], -1)
    with pytest.raises(ValueError, match="got one value in each of 'side'"):
        match_attributes(("height", "side"), codes, both, groups=groups, config=QUICK)


def test_bad_codes_are_named() -> None:
    with pytest.raises(ValueError, match="`attributes` must end in K=1"):
        match_attributes(("a",), torch.ones(4, 2), torch.ones(4, 2))
    with pytest.raises(ValueError, match="`codes` must be finite"):
        match_attributes(("a",), torch.full((4, 2), math.nan), torch.ones(4, 1))
