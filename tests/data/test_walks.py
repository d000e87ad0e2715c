from __future__ import annotations

import numpy as np
import pytest
import torch

from flowdis.data.grids import Factor, FactorGrid
from flowdis.data.walks import walk

GRID = FactorGrid(
    [
        Factor("shape", (0.0, 1.0, 2.0), ordered=False),
        Factor("hue", (0.0, 72.0, 144.0, 216.0, 288.0), period=360.0),
        Factor("x", (0.0, 0.1, 0.4, 1.0)),
        Factor("one", (0.0,)),
    ]
)


def test_whole_steps_walk_from_grid_point_to_grid_point(generator: torch.Generator) -> None:
    walks = walk(GRID, 200, 7, ["hue", "x"], generator=generator, speeds=(-2, -1, 1, 2))
    assert walks.classes.shape == (8, 200, 4)
    assert torch.equal(walks.positions, walks.classes.double())
    assert torch.equal(walks.values, GRID.values(GRID.index(walks.classes)))
    turned = (walks.classes[1:, :, 1] - walks.classes[:-1, :, 1]) % 5
    assert torch.equal(turned, (walks.speeds[:, 1] % 5).long().expand(7, -1))
    assert (walks.classes[..., [0, 3]] == walks.classes[:1, :, [0, 3]]).all()
    assert set(walks.speeds[:, 2].tolist()) == {-2.0, -1.0, 1.0, 2.0} and (walks.speeds[:, [0, 3]] == 0).all()


def test_walks_turn_back_at_edges_as_a_bouncing_point_does(generator: torch.Generator) -> None:
    walks = walk(GRID, 100, 30, ["x"], generator=generator, speeds=(0.7, -1.3))
    for b in range(100):
        free = walks.positions[0, b, 2].item() + np.arange(31) * walks.speeds[b, 2].item()
        folded = np.abs((free + 3) % 6 - 3)  # a triangle wave between 0 and 3
        assert walks.positions[:, b, 2].numpy() == pytest.approx(folded, abs=1e-9)


def test_walks_inside_never_turn(generator: torch.Generator) -> None:
    walks = walk(GRID, 300, 3, ["x", "hue"], generator=generator, speeds=(-1, 0.5, 1), edges="inside")
    moved = walks.positions[1:, :, 2] - walks.positions[:-1, :, 2]
    assert torch.allclose(moved, walks.speeds[:, 2].expand(3, -1))
    assert set(walks.classes[0, walks.speeds[:, 2] == 0.5, 2].tolist()) == {0, 1}
    fixed = walk(GRID, 9, 3, ["x"], generator=generator, speeds=(1,), edges="inside", fixed={"x": 0})
    assert (fixed.classes[:, :, 2] == torch.arange(4)[:, None]).all()
    with pytest.raises(ValueError, match="'x' of 4 values is to move by 3 steps"):
        walk(GRID, 9, 3, ["x"], generator=generator, speeds=(1,), edges="inside", fixed={"x": 1})
    with pytest.raises(ValueError, match="'x' of 4 values is to move by -4 steps"):
        walk(GRID, 9, 4, ["x"], generator=generator, speeds=(-1,), edges="inside")


def test_between_grid_points_the_nearest_is_shown_and_said_unless_images_are_rendered() -> None:
    def walked(between: bool):
        drawn = torch.Generator().manual_seed(3)
        return walk(GRID, 50, 6, ["hue", "x"], generator=drawn, speeds=(0.3,), between=between)

    shown, rendered = walked(False), walked(True)
    assert torch.equal(shown.positions, rendered.positions)
    gap = (shown.classes.double() - shown.positions).abs()
    assert torch.minimum(gap, 5 - gap)[..., 1].max() <= 0.5 and gap[..., 2].max() <= 0.5
    assert torch.equal(shown.values, GRID.values(GRID.index(shown.classes)))
    assert torch.allclose(rendered.values[..., 1], 72 * rendered.positions[..., 1])
    expected = np.interp(rendered.positions[..., 2], np.arange(4), [0.0, 0.1, 0.4, 1.0])
    assert rendered.values[..., 2].numpy() == pytest.approx(expected)


def test_a_circle_whose_ends_meet_has_no_step_without_motion(generator: torch.Generator) -> None:
    published = FactorGrid([Factor("orientation", tuple(np.degrees(np.linspace(0, 2 * np.pi, 40))), period=360.0)])
    walks = walk(published, 30, 80, ["orientation"], generator=generator, speeds=(1,))
    degrees = walks.values[..., 0]
    assert torch.allclose(degrees.diff(dim=0) % 360, torch.tensor(360 / 39, dtype=torch.float64))
    smooth = walk(published, 30, 80, ["orientation"], generator=generator, speeds=(0.25,), between=True)
    turned = smooth.values[..., 0].diff(dim=0) % 360
    assert torch.allclose(turned, torch.tensor(90 / 39, dtype=torch.float64)) and smooth.values.max() < 360


def test_speeds_may_be_given_walk_by_walk(generator: torch.Generator) -> None:
    speeds = torch.tensor([[1.0], [0.25]])
    walks = walk(GRID, 2, 4, ["hue"], generator=generator, speeds=speeds, fixed={"hue": 0})
    assert walks.positions[-1, :, 1].tolist() == [4.0, 1.0]
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        walk(GRID, 2, 4, ["hue", "x"], generator=generator, speeds=speeds[:1])


def test_what_cannot_move_is_refused_by_name(generator: torch.Generator) -> None:
    for name in ("shape", "one"):
        with pytest.raises(ValueError, match=f"ordered factors of two values or more, got '{name}'"):
            walk(GRID, 2, 4, [name], generator=generator)
    with pytest.raises(ValueError, match="length"):
        walk(GRID, 2, 0, ["x"], generator=generator)
    with pytest.raises(ValueError, match="one speed or more"):
        walk(GRID, 2, 1, ["x"], generator=generator, speeds=())
    with pytest.raises(ValueError, match="finite"):
        walk(GRID, 2, 1, ["x"], generator=generator, speeds=(float("nan"),))
