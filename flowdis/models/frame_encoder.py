"""The encoder of moving pictures: each frame by convolutions, then one after another by a recurrent network."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from flowdis._checks import check_choice, check_positive
from flowdis.models.autoencoder import ConvEncoder, spread_posterior
from flowdis.models.posterior import Posterior

__all__ = ["READINGS", "FrameEncoder"]

READINGS = ("backwards", "forwards")
"""The orders of reading: the posterior is of the state at the frame that is read last."""

_Frames = Float[Tensor, "F *batch C H W"]


class FrameEncoder(nn.Module):
    """Reads frames, and tells of the state at the last that it read: at frame 0, or at the end of what was seen.

    What a single frame hides, such as velocities, it finds from several.

    Arguments:
        image_shape: (C, H, W).
        size: The number of latents.
        channels: The channels after each halving of resolution.
        features: The width of a frame's encoding and of the recurrent network, even.
        read: "backwards" or "forwards".

    Raises:
        ValueError: if images are too small for so many halvings, or `features` is not even.
    """

    def __init__(
        self, image_shape: Sequence[int], size: int, *, channels: Sequence[int], features: int = 128, read: str
    ) -> None:
        super().__init__()
        check_positive("features", features)
        if features % 2:
            raise ValueError(f"`features` must be even, got {features}")
        self.read = check_choice("read", read, READINGS)
        self.frame = ConvEncoder(image_shape, features // 2, channels=channels)
        self.memory = nn.GRU(features, features)
        self.head = nn.Linear(features, 2 * size)

    def forward(self, frames: _Frames) -> Posterior:
        """The posterior over latents (*, size) at the frame read last, of frames (F, *, C, H, W)."""
        batch = frames.shape[1:-3]
        ordered = frames.flip(0) if self.read == "backwards" else frames
        encodings = functional.leaky_relu(self.frame.features(ordered), 0.1)
        last = self.memory(encodings.reshape(len(frames), -1, encodings.shape[-1]))[1][-1]
        return spread_posterior(self.head(last).reshape(*batch, -1))
