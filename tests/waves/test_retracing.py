from __future__ import annotations

import math

import pytest
import torch

from flowdis.waves import retrace_ratio, return_ratio
from tests.waves.toys import exact


def turned(angle: torch.Tensor) -> torch.Tensor:
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


def test_what_returns_has_none_left_and_what_stays_has_all():
    start, end = turned(exact([0.0, 1.0])), turned(exact([0.5, 2.0]))
    torch.testing.assert_close(return_ratio(start, end, start), torch.zeros(2).double())
    torch.testing.assert_close(return_ratio(start, end, end), torch.ones(2).double())


def test_friction_that_is_not_undone_is_what_is_left():
    """Out and back along an arc with amplitude e^(-t): after there and back it is e^(-2T) of what it was."""
    start = exact([[1.0, 0.0]])
    there, back = math.exp(-0.3) * turned(exact([0.8])), exact([[math.exp(-0.6), 0.0]])
    expected = (1 - math.exp(-0.6)) / float((there - start).norm())
    assert float(return_ratio(start, there, back)) == pytest.approx(expected)


def test_the_way_back_is_compared_frame_by_frame():
    angles = torch.linspace(0, 2 * math.pi, 41, dtype=torch.float64)[:-1, None]
    there = turned(angles)
    back = there.flip(0)
    assert float(retrace_ratio(there, back)) == 0
    # At the mean, the whole motion is missed; a quarter turn ahead, root 2 of it.
    assert float(retrace_ratio(there, torch.zeros_like(back))) == pytest.approx(1.0)
    assert float(retrace_ratio(there, turned(angles + math.pi / 2).flip(0))) == pytest.approx(math.sqrt(2))
    # Once round and on is back at the start, by another way.
    assert float(return_ratio(there[0], there[10], turned(exact([2 * math.pi])))) < 1e-15
    assert float(retrace_ratio(there, there)) > 1


def test_what_has_not_moved_cannot_return():
    still = torch.ones(2, 3)
    with pytest.raises(ValueError, match=r"a state that has not moved at index \(0,\)"):
        return_ratio(still, still, still)
    with pytest.raises(ValueError, match="`there` must move, got a state that stands still at index"):
        retrace_ratio(still, still)
    with pytest.raises(ValueError, match="at least 2 frames"):
        retrace_ratio(still[:1], still[:1])
    with pytest.raises(ValueError, match="`back` must be finite"):
        return_ratio(still, 2 * still, math.nan * still)
