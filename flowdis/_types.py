"""Shape vocabulary: the names that every public tensor is annotated with.

Batch axes are written ``*batch``, features come last; ``K`` counts transformations, ``D`` latent dimensions,
``S`` segments of a path and ``T`` frames.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

__all__ = [
    "Amounts",
    "FrameAmounts",
    "FrameImages",
    "FrameLatents",
    "Images",
    "Latent",
    "PathAmounts",
    "Scalar",
]

Latent = Float[Tensor, "*batch D"]
Scalar = Float[Tensor, "*batch"]
Amounts = Float[Tensor, "*batch K"]
PathAmounts = Float[Tensor, "S *batch K"]
Images = Float[Tensor, "*batch C H W"]
FrameAmounts = Float[Tensor, "T *batch K"]
FrameImages = Float[Tensor, "T *batch C H W"]
FrameLatents = Float[Tensor, "T *batch D"]
