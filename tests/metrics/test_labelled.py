from __future__ import annotations

import pytest
import torch

from flowdis.data import FactorScenes, StillScenes, apply_path
from flowdis.metrics.labelled import labelled_scenes
from flowdis.paths import Path
from tests.data.test_factor_scenes import FACTORS, grid, read, rendered
from tests.metrics.toys import small_model


@pytest.mark.parametrize("data", [rendered(), grid()], ids=["rendered", "grid"])
def test_images_show_the_classes_they_are_labelled_with(data, generator):
    drawn = labelled_scenes(FactorScenes(data), 300, generator=generator)
    assert drawn.names == ("shape", "size", "hue", "x") and drawn.factors.shape == (300, 4)
    values = read(drawn.images())
    truth = torch.stack([torch.tensor(f.values)[drawn.factors[:, k]] for k, f in enumerate(FACTORS)], -1).double()
    torch.testing.assert_close(values, truth, rtol=0, atol=1e-4)
    assert [len(column.unique()) for column in drawn.factors.T] == [3, 3, 12, 5]


def test_factors_that_do_not_move_are_labelled_too(generator):
    drawn = labelled_scenes(FactorScenes(rendered(), ("x",)), 50, generator=generator)
    assert drawn.names == ("shape", "size", "hue", "x")
    values = read(drawn.images(slice(10, 20)))
    hues = torch.tensor(FACTORS[2].values)[drawn.factors[10:20, 2]].double()
    torch.testing.assert_close(values[:, 2], hues, rtol=0, atol=1e-3)


def test_still_images_take_ten_even_poses_of_each_transformation(generator):
    images = torch.rand(4, 3, 8, 8, generator=generator, dtype=torch.float64)
    scenes = StillScenes(images, {"digit": torch.tensor([3, 1, 4, 1])})
    drawn = labelled_scenes(scenes, 200, generator=generator, names=["rotate", "scale"])
    assert drawn.names == ("digit", "rotate", "scale")
    assert set(drawn.factors[:, 0].tolist()) == {1, 3, 4}
    turns = drawn.units["rotate"].to_value(drawn.start.amounts[0, :, 0])
    torch.testing.assert_close(turns, 36.0 * drawn.factors[:, 1].double())
    sizes = drawn.units["scale"].to_value(drawn.start.amounts[0, :, 1]).log().unique()
    assert len(sizes) == 10 and float(sizes.diff().std()) < 1e-9
    assert sizes.exp()[[0, -1]].tolist() == pytest.approx([0.6, 2.0])
    piece = slice(3, 6)
    start = Path(drawn.start.names, drawn.start.amounts[:, piece])
    torch.testing.assert_close(drawn.images(piece), apply_path(drawn.scenes[piece].images, start), rtol=0, atol=1e-6)


def test_codes_do_not_depend_on_the_batch_size(generator):
    model = small_model("rotate")
    scenes = StillScenes(torch.rand(4, 3, 8, 8, generator=generator, dtype=torch.float64))
    drawn = labelled_scenes(scenes, 9, generator=generator, names=["rotate"])
    whole = drawn.codes(model)
    for batch_size in (1, 7):
        torch.testing.assert_close(drawn.codes(model, batch_size=batch_size), whole, rtol=0, atol=1e-9)


def test_bad_requests_are_named(generator):
    scenes = StillScenes(torch.rand(4, 1, 8, 8, generator=generator))
    with pytest.raises(ValueError, match="`names` must be one of .* got 'hue'"):
        labelled_scenes(scenes, 5, generator=generator, names=["hue"])
    with pytest.raises(ValueError, match="at least one"):
        labelled_scenes(scenes, 5, generator=generator, names=[])
    with pytest.raises(ValueError, match="`count`"):
        labelled_scenes(scenes, 0, generator=generator)
