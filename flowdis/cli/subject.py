"""What a command works on: scenes to train and to test on, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Int
from torch import Tensor

from flowdis.data import FactorScenes, Scenes
from flowdis.data.album import Album
from flowdis.data.attributes import AttributeTable
from flowdis.metrics.batches import spread

__all__ = ["ImageShape", "Subject"]

ImageShape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Subject:
    """Scenes to train and to test on.

    Arguments:
        name: What they are, in words.
        source: What they were asked for by, so that they can be had again.
        train: The scenes to train on.
        test: The scenes to test on.
        album: One's own images and where they come from, trained and tested on.
        tested: Which of these are tested on.
        attributes: What a table tells of each of these.
        split: The seed by which they were chosen.
    """

    name: str
    source: str
    train: Scenes
    test: Scenes
    album: Album | None = None
    tested: Bool[Tensor, "N"] | None = None
    attributes: AttributeTable | None = None
    split: int = 0

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W)."""
        return self.train.image_shape

    @property
    def has_factors(self) -> bool:
        """Whether paths move ground-truth factors, rather than the pixels of still images."""
        return isinstance(self.train, FactorScenes)

    @property
    def recipe(self) -> str:
        """The name of the recipe that suits them."""
        if self.has_factors:
            return "factors"
        return "demo" if self.album is None else "pictures"

    @property
    def labels(self) -> Int[Tensor, "test"] | None:
        """The classes of the test scenes that colour a picture: the first that is known, of those of few values."""
        few = [labels for labels in self.test.classes.values() if len(labels.unique()) <= 10]
        return few[0] if few else None

    def fitting(self, limit: int | None, dim: int) -> Scenes:
        """The scenes to fit controls of D latents on: about as many as are tested on, but no fewer than D.

        Arguments:
            limit: At most so many test scenes are measured on; all where left out.
            dim: The number D of latents.
        """
        return spread(self.train, None if limit is None else max(limit, dim))
