from __future__ import annotations

import io
import itertools
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from flowdis.data.factors import Factor, FactorImages
from flowdis.data.sources import ArrayImages

X = Factor("x", (0.0, 0.5, 1.0))
HUE = Factor("hue", (0.0, 90.0, 180.0, 270.0), period=360.0)
BYTES = np.random.default_rng(0).integers(0, 256, (12, 5, 6, 3), dtype=np.uint8)


class Shades:
    """A renderer: the left half as bright as x, the right half as the cosine of hue, from 0 to 1."""

    image_shape = (1, 2, 4)

    def render(self, values: torch.Tensor) -> torch.Tensor:
        left, right = values[:, 0], 0.5 + 0.5 * (values[:, 1] * torch.pi / 180).cos()
        return torch.stack([left, left, right, right], -1)[:, None, None].expand(-1, 1, 2, 4)


@pytest.fixture
def data() -> FactorImages:
    return FactorImages([X, HUE], ArrayImages(BYTES), name="toy")


@pytest.fixture
def rendered() -> FactorImages:
    return FactorImages([X, HUE], Shades(), name="shades")


def test_items_are_images_in_the_grids_order(data: FactorImages) -> None:
    assert len(data) == 12 and data.image_shape == (3, 5, 6) and not data.continuous
    truth = torch.from_numpy(BYTES).permute(0, 3, 1, 2) / 255
    assert data[7].dtype == torch.float32 and torch.equal(data[7], truth[7])
    assert torch.equal(data[-1], truth[11]) and torch.equal(data[np.int64(3)], truth[3])
    assert torch.equal(torch.stack(list(data)), truth)
    assert torch.equal(data.images(torch.tensor([[3, 3], [0, 11]])), truth[[3, 3, 0, 11]].view(2, 2, 3, 5, 6))
    assert data.images(torch.empty(0, 2, dtype=torch.long)).shape == (0, 2, 3, 5, 6)
    for number in (12, -13):
        with pytest.raises(IndexError):
            data[number]


def test_values_of_the_grid_have_images_and_others_none(data: FactorImages) -> None:
    values = data.values(torch.arange(12))
    assert torch.equal(data.at(values), data.images(torch.arange(12)))
    assert torch.equal(data.at(values.float().view(3, 4, 2)), data.images(torch.arange(12).view(3, 4)))
    assert torch.equal(data.at(torch.tensor([0.5, 360.0])), data[4])
    values[2, 0] = 0.6
    with pytest.raises(ValueError, match=r"'x' must lie on the grid of toy, got 0.6 in row 2"):
        data.at(values)


def test_rendered_data_have_images_between(rendered: FactorImages) -> None:
    assert rendered.continuous and len(rendered) == 12
    image = rendered.at(torch.tensor([[0.3, 60.0]]))
    assert image[0, 0, 0].tolist() == pytest.approx([0.3, 0.3, 0.75, 0.75])
    assert rendered[6].dtype == torch.float32 and rendered[6][0, 0].tolist() == pytest.approx([0.5, 0.5, 0.0, 0.0])
    assert rendered.at(torch.rand(2, 3, 2, dtype=torch.float64)).shape == (2, 3, 1, 2, 4)


def test_sequences_show_what_they_say(data: FactorImages, rendered: FactorImages) -> None:
    for kind in (data, rendered):
        walks = kind.sequences(20, 6, ["x", "hue"], generator=torch.Generator().manual_seed(1), speeds=(0.4, 1))
        frames = kind.at(walks.values)
        assert frames.shape == (7, 20, *kind.image_shape)
        on_grid = kind.images(kind.index(walks.classes))
        whole = (walks.positions == walks.positions.round()).all(-1)
        assert torch.allclose(frames[whole].float(), on_grid[whole], atol=1e-6)
        assert torch.equal(frames.float(), on_grid) != kind.continuous


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
def test_the_same_seed_gives_the_same_batches_for_any_number_of_workers(data: FactorImages) -> None:
    def epochs(workers: int) -> list[torch.Tensor]:
        order = torch.Generator().manual_seed(5)
        loader = DataLoader(data, batch_size=4, shuffle=True, generator=order, num_workers=workers)
        return [torch.cat(list(loader)) for _ in range(2)]

    alone = epochs(0)
    assert not torch.equal(*alone)
    for workers in (2, 4):
        assert all(itertools.starmap(torch.equal, zip(alone, epochs(workers), strict=True)))


def test_a_pickled_copy_has_the_same_images(data: FactorImages, rendered: FactorImages) -> None:
    for kind in (data, rendered):
        copy = pickle.loads(pickle.dumps(kind))
        assert torch.equal(copy[5], kind[5]) and copy.factors == kind.factors and copy.name == kind.name


@pytest.mark.parametrize("channels", [None, "first", "last"])
@pytest.mark.parametrize("kind", ["bytes", "floats", "tensor"])
def test_any_layout_and_type_of_array_is_read(channels: str | None, kind: str) -> None:
    images = BYTES[..., 0] if channels is None else BYTES if channels == "last" else BYTES.transpose(0, 3, 1, 2)
    truth = torch.from_numpy(BYTES[..., :1] if channels is None else BYTES).permute(0, 3, 1, 2) / 255
    given = {"bytes": images, "floats": images / 255, "tensor": torch.from_numpy(images.copy())}[kind]
    data = FactorImages.from_arrays(given, [X, HUE])
    assert torch.allclose(data.images(torch.arange(12)), truth, atol=1e-7)


def test_rows_come_in_any_order_with_values_as_they_are() -> None:
    order = np.random.default_rng(1).permutation(12)
    values = np.stack(np.meshgrid([-1.0, 0.25, 3.0], [10, 20, 30, 40], indexing="ij"), -1).reshape(12, 2)
    data = FactorImages.from_arrays(BYTES[order], values[order], names=("a", "b"), unordered=("b",))
    assert data.factors[0].values == (-1.0, 0.25, 3.0) and not data.factors[1].ordered
    assert data.factors[1].values == (0.0, 1.0, 2.0, 3.0)
    truth = torch.from_numpy(BYTES).permute(0, 3, 1, 2) / 255
    assert torch.equal(data.images(torch.arange(12)), truth)
    sorted_ = FactorImages.from_arrays(BYTES, torch.from_numpy(values))
    assert sorted_.names == ("factor 0", "factor 1") and torch.equal(sorted_[7], truth[7])


def test_incomplete_grids_name_what_is_missing_or_twice() -> None:
    values = np.stack(np.meshgrid([0.0, 0.5, 1.0], [1, 2, 3, 4], indexing="ij"), -1).reshape(12, 2)
    kept = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    with pytest.raises(ValueError, match=r"lack 1 of 12, the first x = 0\.5, step = 2"):
        FactorImages.from_arrays(BYTES[kept], values[kept], names=("x", "step"))
    doubled = [*range(12), 5]
    with pytest.raises(ValueError, match=r"more than once 1 of 12, the first x = 0\.5, step = 2 \(rows 5 and 12\)"):
        FactorImages.from_arrays(BYTES[doubled], values[doubled], names=("x", "step"))


def test_masks_of_zeros_and_ones_become_black_and_white() -> None:
    masks = (BYTES[..., 0] > 127).astype(np.uint8)
    for given in (masks, masks.astype(bool), torch.from_numpy(masks)):
        images = FactorImages.from_arrays(given, [X, HUE]).images(torch.arange(12))
        assert torch.equal(images[:, 0], torch.from_numpy(masks).float())
    dark = FactorImages.from_arrays(masks, [X, HUE], white=255)
    assert dark[0].max() == pytest.approx(1 / 255)


def test_ranges_types_and_shapes_that_are_none_are_refused() -> None:
    grid = [X, HUE]
    with pytest.raises(ValueError, match=r"floats in \[0, 1\], got values from 0 to 300"):
        FactorImages.from_arrays(np.linspace(0, 300, 12 * 20).reshape(12, 4, 5), grid)
    with pytest.raises(ValueError, match=r"from 0 to 255; divide by 255 first"):
        FactorImages.from_arrays(np.linspace(0, 255, 12 * 20).reshape(12, 4, 5), grid)
    with pytest.raises(ValueError, match="not finite"):
        FactorImages.from_arrays(np.full((12, 4, 5), np.nan), grid)
    with pytest.raises(TypeError, match="int64"):
        FactorImages.from_arrays(np.zeros((12, 4, 5), dtype=np.int64), grid)
    with pytest.raises(ValueError, match=r"\(N, H, W\), \(N, H, W, C\) or \(N, C, H, W\), got \(12, 8, 8, 7\)"):
        FactorImages.from_arrays(np.zeros((12, 8, 8, 7), dtype=np.uint8), grid)
    with pytest.raises(ValueError, match='say `channels="first"` or "last"'):
        FactorImages.from_arrays(np.zeros((12, 3, 8, 3), dtype=np.uint8), grid)
    assert FactorImages.from_arrays(np.zeros((12, 3, 8, 3), np.uint8), grid, channels="last").image_shape == (3, 3, 8)
    with pytest.raises(ValueError, match=r"hold 12 images \(3 x 4: x, hue\), got 11"):
        FactorImages.from_arrays(BYTES[:11], grid)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (3, 48, 80)])
def test_images_of_any_size_keep_their_shape(shape: tuple[int, int, int]) -> None:
    data = FactorImages.from_arrays(np.zeros((12, *shape), dtype=np.uint8), [X, HUE])
    assert data.image_shape == shape and data[0].shape == shape


def test_labels_that_do_not_fit_are_refused() -> None:
    labels = np.stack(np.meshgrid(range(3), range(4), indexing="ij"), -1).reshape(12, 2).astype(float)
    with pytest.raises(ValueError, match="each of N=12 images, got 11"):
        FactorImages.from_arrays(BYTES, labels[:11])
    with pytest.raises(ValueError, match="F=2 factors, got a, b, c"):
        FactorImages.from_arrays(BYTES, labels, names=("a", "b", "c"))
    with pytest.raises(ValueError, match="'c' is not one of the factors, which are a, b"):
        FactorImages.from_arrays(BYTES, labels, names=("a", "b"), periods={"c": 1.0})
    labels[3, 1] = np.inf
    with pytest.raises(ValueError, match="inf in row 3, column 1"):
        FactorImages.from_arrays(BYTES, labels)
    with pytest.raises(TypeError, match="numbers"):
        FactorImages.from_arrays(BYTES, labels.astype(str))


def test_memory_of_arrays_is_not_copied_for_each_item(data: FactorImages) -> None:
    buffer = io.BytesIO()
    pickle.dump(data, buffer)
    assert buffer.tell() < BYTES.nbytes + 4000
