from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from flowdis.data.readers import mpi3d


@pytest.mark.parametrize("compressed", [True, False])
def test_the_order_is_the_published_one(tmp_path: Path, compressed: bool) -> None:
    """The published number of images, of one pixel each, which spells the image's number."""
    count = 4 * 4 * 2 * 3 * 3 * 40 * 40
    digits = np.stack([np.arange(count) // 256**place % 256 for place in range(3)], -1).astype(np.uint8)
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "real3d_complicated_shapes_ordered.npz", images=digits.reshape(count, 1, 1, 3))
    data = mpi3d(tmp_path, "complex")
    assert data.sizes == (4, 4, 2, 3, 3, 40, 40) and data.image_shape == (3, 1, 1)
    classes = data.sample(1000, generator=torch.Generator().manual_seed(0))
    spelt = (data.images(data.index(classes))[..., 0, 0] * 255).round().long() @ torch.tensor([1, 256, 256**2])
    assert np.array_equal(spelt, np.ravel_multi_index(classes.numpy().T, data.sizes))


def test_simple_sets_have_more_colours_and_shapes(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "mpi3d_toy.npz", images=np.zeros((1036800, 1, 1, 3), np.uint8))
    data = mpi3d(tmp_path)
    assert data.sizes == (6, 6, 2, 3, 3, 40, 40) and data.name == "mpi3d toy"
    assert [factor.name for factor in data.factors if not factor.ordered] == [
        "object_color",
        "object_shape",
        "background_color",
    ]
    with pytest.raises(ValueError, match=r"mpi3d_toy\.npz must hold 460800 images .* got 1036800; is it another"):
        mpi3d(tmp_path / "mpi3d_toy.npz", "complex")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"mpi3d_real\.npz does not exist.*huggingface\.co"):
        mpi3d(tmp_path, "real")
    with pytest.raises(FileNotFoundError, match=r"set download=True and the `url` of a copy"):
        mpi3d(tmp_path, "complex", download=True)
    np.savez(tmp_path / "mpi3d_toy.npz", pictures=np.zeros(3))
    with pytest.raises(ValueError, match=r"mpi3d_toy\.npz must hold the array 'images', got pictures"):
        mpi3d(tmp_path)
