"""Images with a full grid of ground-truth factors: by number, by classes, and where they are rendered by values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import SupportsIndex

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from flowdis.data.grids import Factor, FactorGrid
from flowdis.data.labels import factors_of, row_order
from flowdis.data.sources import ArrayImages, Channels, ImageRenderer, ImageSource, as_floats
from flowdis.data.walks import Edges, Walks, walk
from flowdis.paths import Unit

__all__ = ["Factor", "FactorImages"]

_Images = Float[Tensor, "*batch C H W"]
_Array = np.ndarray | Tensor


class FactorImages(FactorGrid, Dataset[Tensor]):
    """Images of all combinations of some factors, as a map-style data set of torch.

    Item i is the image of combination i in float32, of shape (C, H, W), in [0, 1]: the same in every worker process
    and every epoch. Pickles hold the path of what is read from files, not its content.

    Arguments:
        factors: The factors, from the slowest to the fastest.
        source: Where images come from: rows that are read, or a renderer, whose images exist between the values of
            the grid too.
        name: What the data are called.
        rows: The row of the source that holds each combination, with shape (N); in order if left out.

    Raises:
        ValueError: if the number of images is not that of combinations.

    Example:
        >>> x = Factor("x", (0.0, 1.0, 2.0))
        >>> data = FactorImages([x], ArrayImages(np.arange(3 * 16, dtype=np.uint8).reshape(3, 4, 4)))
        >>> len(data), data[2].shape, data.values(torch.tensor(2)).tolist()
        (3, torch.Size([1, 4, 4]), [2.0])
    """

    def __init__(
        self,
        factors: Sequence[Factor],
        source: ImageSource | ImageRenderer,
        *,
        name: str = "images",
        rows: Int[Tensor, " N"] | None = None,
    ) -> None:
        super().__init__(factors)
        self.name = name
        self.source = source
        self._rows = rows
        count = len(source) if isinstance(source, ImageSource) and rows is None else len(self)
        if count != len(self) or (rows is not None and len(rows) != len(self)):
            sizes = " x ".join(map(str, self.sizes))
            got = count if rows is None else len(rows)
            raise ValueError(f"`source` must hold {len(self)} images ({sizes}: {', '.join(self.names)}), got {got}")

    @classmethod
    def from_arrays(
        cls,
        images: _Array,
        factors: _Array | Sequence[Factor],
        *,
        names: Sequence[str] | None = None,
        units: Mapping[str, Unit] | None = None,
        periods: Mapping[str, float] | None = None,
        unordered: Sequence[str] = (),
        channels: Channels | None = None,
        white: int | None = None,
        name: str = "images",
    ) -> FactorImages:
        """Any images whose factors make a full grid.

        Arguments:
            images: uint8 or bool, or floats in [0, 1], with shape (N, H, W), (N, H, W, C) or (N, C, H, W).
            factors: The value of each factor for each image, with shape (N, F), rows in any order; or the factors
                themselves, where images lie in the order of the grid.
            names: The names of the F factors; "factor 0" and so on if left out.
            units: Natural units, by name; steps where left out.
            periods: What circular factors are periodic in, by name.
            unordered: Names of factors whose values are mere categories; they become 0, 1, .. in ascending order.
            channels: See `ArrayImages`.
            white: See `ArrayImages`.
            name: What the data are called.

        Returns:
            The data, their factors' values being those that occur.

        Raises:
            TypeError: if the images are neither bytes nor floats.
            ValueError: if lengths differ, or a combination is missing or occurs twice, which is then named.
        """
        source = ArrayImages(images, channels=channels, white=white)
        if not isinstance(factors, np.ndarray | Tensor):
            return cls(factors, source, name=name)
        if len(factors) != len(source):
            raise ValueError(f"`factors` must have a row for each of N={len(source)} images, got {len(factors)}")
        found, classes = factors_of(factors, names, units or {}, periods or {}, unordered)
        return cls(found, source, name=name, rows=row_order(FactorGrid(found), classes))

    @property
    def continuous(self) -> bool:
        """Whether images between the values of the grid can be rendered."""
        return isinstance(self.source, ImageRenderer)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.source.image_shape

    def __getitem__(self, index: SupportsIndex) -> Float[Tensor, "C H W"]:
        number = index.__index__()
        return self.images(torch.tensor([number + len(self) if number < 0 else number]))[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Tensor]:
        """Many items at once, for `torch.utils.data.DataLoader`, which asks for whole batches."""
        return list(self.images(torch.tensor(indices)))

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))

    def images(self, indices: Int[Tensor, "*batch"]) -> _Images:
        """The images of combinations, by number.

        Raises:
            IndexError: if a number is not on the grid.
        """
        flat = indices.flatten()
        if not len(flat):
            return torch.empty(*indices.shape, *self.image_shape, device=indices.device)
        if isinstance(self.source, ImageRenderer):
            pixels = self.source.render(self.values(flat).float())
        else:
            self.classes(flat)
            rows = flat.cpu() if self._rows is None else self._rows[flat.cpu()]
            pixels = as_floats(self.source.read(rows.long().numpy()))
        return pixels.to(torch.float32).reshape(*indices.shape, *self.image_shape)

    def at(self, values: Float[Tensor, "*batch F"]) -> _Images:
        """The images of factor values in their natural units: any where data are rendered, else those of the grid.

        Rendered images have the dtype and device of `values`.

        Raises:
            ValueError: naming the factor and row whose value has no image; `nearest` has the classes that do.
        """
        classes = self.nearest(values)
        if isinstance(self.source, ImageRenderer):
            pixels = self.source.render(values.reshape(-1, values.shape[-1]))
            return pixels.reshape(*classes.shape[:-1], *self.image_shape)
        for k, factor in enumerate(self.factors):
            gaps = self._gaps(k, values[..., k]).amin(-1)
            off = gaps > 1e-4 * max(factor.values[-1] - factor.values[0], 1e-3)
            if bool(off.any()):
                row = [int(i) for i in off.nonzero()[0]]
                got = f"{float(values[..., k][off][0]):.6g}{f' in row {row[0]}' if row else ''}"
                raise ValueError(f"`values` of factor {factor.name!r} must lie on the grid of {self.name}, got {got}")
        return self.images(self.index(classes))

    def sequences(
        self,
        count: int,
        length: int,
        along: Sequence[str],
        *,
        generator: torch.Generator | None,
        speeds: Sequence[float] | Float[Tensor, "count K"] = (-1, 1),
        edges: Edges = "reflect",
        fixed: Mapping[str, int] | None = None,
    ) -> Walks:
        """Walks along one or several factors at constant speeds; `at(walks.values)` are their images.

        See `walk`. Where images are rendered, what is shown lies between the values of the grid too; elsewhere it is
        the nearest combination, and the walks' classes and values are those of what is shown.
        """
        return walk(
            self,
            count,
            length,
            along,
            generator=generator,
            speeds=speeds,
            edges=edges,
            fixed=fixed,
            between=self.continuous,
        )

    def __repr__(self) -> str:
        sizes = ", ".join(f"{factor.name} {factor.size}" for factor in self.factors)
        return f"FactorImages({self.name}: {len(self)} images {self.image_shape} of {sizes})"
