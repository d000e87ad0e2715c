"""Scenes of factor data: what is drawn is what the path says, rendered or looked up on a grid."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flowdis.data import Factor, FactorImages, FactorScenes, Orbit, Scenes, TransformSequences
from flowdis.data.sources import ArrayImages
from flowdis.fields import ConstantField
from flowdis.metrics import equivariance_error, path_error, protocol_sequences, random_start
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.paths import Path, Unit
from tests.metrics.toys import PixelDecoder, PixelEncoder

FACTORS = (
    Factor("shape", (0.0, 1.0, 2.0), ordered=False),
    Factor("size", (0.5, 1.0, 2.0), Unit("factor", 2.0, logarithmic=True)),
    Factor("hue", tuple(float(angle) for angle in range(0, 360, 30)), Unit("degree", 90.0), period=360.0),
    Factor("x", (0.0, 0.25, 0.5, 0.75, 1.0), Unit("position", 0.25)),
)
UNITS = {"size": FACTORS[1].unit, "hue": FACTORS[2].unit, "x": FACTORS[3].unit}


class Readable:
    """Images whose pixels are the values of the factors: shape, size, hue and x in a row."""

    image_shape = (1, 1, 4)

    def render(self, values: Tensor) -> Tensor:
        scale = torch.tensor([3.0, 4.0, 360.0, 2.0]).to(values)
        turned = torch.stack([*values[:, :2].unbind(1), values[:, 2] % 360, values[:, 3]], 1)
        return (turned / scale).reshape(-1, 1, 1, 4)


def rendered() -> FactorImages:
    return FactorImages(FACTORS, Readable())


def grid() -> FactorImages:
    data = rendered()
    pixels = data.images(torch.arange(len(data)))
    return FactorImages(FACTORS, ArrayImages(pixels, channels="first"))


def read(images: Tensor) -> Tensor:
    """The values (..., 4) that images show."""
    return images.double().flatten(-3) * torch.tensor([3.0, 4.0, 360.0, 2.0]).double()


def test_there_is_one_scene_for_each_combination_of_what_no_path_moves() -> None:
    scenes = FactorScenes(rendered())
    assert isinstance(scenes, Scenes)
    assert tuple(scenes.transformations) == ("size", "hue", "x") and len(scenes) == 3
    assert scenes.classes["shape"].tolist() == [0, 1, 2]
    some = FactorScenes(rendered(), ("hue",))
    assert len(some) == 3 * 3 * 5 and set(some.classes) == {"shape", "size", "x"}
    assert some[torch.tensor([7, 7, 2])].classes["x"].tolist() == [2, 2, 2]


def test_what_is_rendered_is_where_the_path_leads() -> None:
    scenes = FactorScenes(rendered()).to(torch.empty(0, dtype=torch.float64))
    start = Path(("size", "hue", "x"), torch.tensor([[[-1.0, 1.0, 1.0], [0.0, 3.5, 2.0], [0.5, 0.0, 0.0]]]).double())
    path = Path(("hue", "size"), torch.tensor([[2.0, 0.0], [0.0, 0.5]]).double())
    frames = scenes.draw(path, UNITS, times=torch.tensor([0.0, 0.5, 2.0]).double(), start=start)
    values = read(frames)
    assert frames.shape == (3, 3, 1, 1, 4) and frames.dtype == torch.float64
    hues = torch.tensor([[90.0, 315.0, 0.0], [180.0, 45.0, 90.0], [270.0, 135.0, 180.0]]).double()
    torch.testing.assert_close(values[..., 2], hues, rtol=0, atol=1e-9)
    sizes = torch.tensor([0.5, 1.0, math.sqrt(2)]).double()
    torch.testing.assert_close(values[..., 1], torch.stack([sizes, sizes, sizes * math.sqrt(2)]))
    torch.testing.assert_close(values[..., 3], torch.tensor([0.25, 0.5, 0.0]).double().expand(3, 3))
    assert values[..., 0].round(decimals=9).tolist() == [[0, 1, 2]] * 3
    torch.testing.assert_close(scenes.draw(path, UNITS, start=start), frames[-1])


def test_other_units_change_amounts_and_nothing_else() -> None:
    scenes = FactorScenes(rendered())
    fine = UNITS | {"hue": Unit("degree", 9.0)}
    one, other = Path(("hue",), torch.tensor([[1.5]])), Path(("hue",), torch.tensor([[15.0]]))
    torch.testing.assert_close(scenes.draw(one, UNITS), scenes.draw(other, fine))
    with pytest.raises(ValueError, match="`units` must measure 'hue' by degree"):
        scenes.draw(one, {"hue": Unit("turn", 1.0)})


@pytest.mark.parametrize("seen", [1, 3, None])
def test_on_a_grid_amounts_are_those_between_the_images_shown(seen: int | None) -> None:
    scenes = FactorScenes(grid())
    motions = {"size": Orbit(), "hue": Orbit(reach=500.0), "x": Orbit()}
    sequences = TransformSequences(scenes[torch.arange(40) % 3], motions, length=6)
    batch = sequences.sample(60, generator=torch.Generator().manual_seed(0), frames=seen)
    values = read(batch.frames)
    assert batch.times.tolist() == list(range(len(batch.frames))) and len(batch.amounts) == len(batch.frames) - 1
    nearest = grid().values(grid().index(grid().nearest(values)))
    torch.testing.assert_close(values, nearest, atol=1e-4, rtol=0)
    moved = batch.path.elapsed(batch.times).double()
    sizes = (values[..., 1] / values[:1, :, 1]).log() / math.log(2)
    torch.testing.assert_close(moved[..., 0], sizes, rtol=0, atol=1e-5)
    turned = (values[..., 2] - values[:1, :, 2] - 90 * moved[..., 1] + 180) % 360 - 180
    assert turned.abs().max() < 1e-3 and moved[..., 1].abs().max() > 2
    torch.testing.assert_close(moved[..., 2], (values[..., 3] - values[:1, :, 3]) / 0.25, rtol=0, atol=1e-5)
    assert torch.equal(batch.truth(times=batch.times), batch.frames)


def test_on_a_grid_the_wish_is_met_to_half_a_step() -> None:
    scenes = FactorScenes(grid())[torch.arange(50) % 3]
    start = Path(("hue", "x"), torch.rand(1, 50, 2, generator=torch.Generator().manual_seed(1)).double() * 4)
    path = Path(("hue",), torch.full((1, 50, 1), -7.3, dtype=torch.float64))
    begin, way, times = scenes.attainable(path, UNITS, times=torch.tensor([0.0, 0.4, 1.0]).double(), start=start)
    assert (begin.amounts - start.amounts).abs().max() <= 0.5 + 1e-9  # half of 0.25 of x; half of 30 degrees is less
    reached = begin.amounts[0, :, 0] + way.elapsed(times)[..., 0]
    wished = start.amounts[0, :, 0] + torch.tensor([0.0, -2.92, -7.3]).double()[:, None]
    assert (reached - wished).abs().max() <= 15 / 90 + 1e-9


def sliding_model() -> LatentFlow:
    """Codes are pixels, and x moves its pixel as it should: exact, whatever the amount."""
    config = LatentFlowConfig((1, 1, 4), {"x": UNITS["x"]}, dim=4, field="constant")
    fields = ConstantField(("x",), 4)
    model = LatentFlow(config, encoder=PixelEncoder(), decoder=PixelDecoder((1, 1, 4)), fields=fields).double()
    fields.load_state_dict({"direction": torch.tensor([[0.0, 0.0, 0.0, 0.125]]).double()})
    return model.eval()


@pytest.mark.parametrize("data", [rendered(), grid()], ids=["rendered", "grid"])
def test_an_exact_model_has_no_error_wherever_images_exist(data: FactorImages) -> None:
    model, generator = sliding_model(), torch.Generator().manual_seed(0)
    scenes = FactorScenes(data, ("x",))[torch.arange(40) % 100]
    start = random_start(model, scenes, generator)
    (x,) = model.flows()
    for path in (x(0.4), x(0.5) >> x(-0.2)):
        error = path_error(model, scenes, path, start=0.5 * start, batch_size=16)  # from where it stays in the range
        assert error.error < 1e-6 and error.identity > 0.05
    sequences = protocol_sequences(model, scenes, "orbit", generator=generator)
    errors = equivariance_error(model, sequences)["x"]
    assert errors.error < 1e-5 < errors.identity


def test_bad_scenes_are_named() -> None:
    with pytest.raises(ValueError, match="`moving` must be one of size, hue, x, got 'shape'"):
        FactorScenes(rendered(), ("shape",))
    with pytest.raises(ValueError, match="`still` must have shape"):
        FactorScenes(rendered(), still=torch.zeros(0, 4, dtype=torch.long))
    with pytest.raises(ValueError, match="`classes` of factor 'shape'"):
        FactorScenes(rendered(), still=torch.tensor([[7, 0, 0, 0]]))
    with pytest.raises(ValueError, match="amounts"):
        FactorScenes(rendered()).draw(Path(("hue",), torch.zeros(1, 2, 1)))
    with pytest.raises(ValueError, match="`names` must be one of"):
        FactorScenes(rendered()).draw(Path(("rotate",), torch.zeros(1, 1)))
