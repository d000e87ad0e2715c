from __future__ import annotations

import pytest
import torch

from flowdis.data.render.coverage import coverage


def counted(value: torch.Tensor, across: torch.Tensor, down: torch.Tensor, samples: int = 400) -> torch.Tensor:
    """The share of a fine grid of points of the pixel at which the function is positive."""
    points = (torch.arange(samples, dtype=torch.float64) + 0.5) / samples - 0.5
    values = value[:, None, None] + across[:, None, None] * points + down[:, None, None] * points[:, None]
    return (values > 0).double().mean((1, 2))


def test_it_is_the_area_of_a_pixel_beside_a_straight_edge(generator):
    value, across, down = torch.randn(3, 200, generator=generator, dtype=torch.float64)
    share = coverage(value, across.abs(), down.abs())
    assert (share - counted(value, across, down)).abs().max() < 3e-3  # the points' own error: an edge's length / 400


def test_what_one_side_lacks_the_other_has(generator):
    value, across, down = torch.randn(3, 200, generator=generator, dtype=torch.float64).abs()
    torch.testing.assert_close(coverage(value, across, down) + coverage(-value, across, down), torch.ones(200).double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_flat_and_steep_functions_stay_in_range(dtype):
    value = torch.tensor([-1e30, -1.0, 1e-20, 0.5, 1e30], dtype=dtype)
    for across, down in ((0.0, 0.0), (1e-12, 0.0), (1.0, 1e-9), (1e12, 1e12)):
        share = coverage(value, value.new_tensor(across), value.new_tensor(down))
        assert bool(((share >= 0) & (share <= 1)).all())
        assert share[0] == 0 and share[-1] == 1


def test_inputs_are_left_alone(generator):
    given = torch.randn(3, 5, generator=generator).abs()
    kept = given.clone()
    coverage(*given)
    assert torch.equal(given, kept)
