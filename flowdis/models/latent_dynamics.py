"""What moves the latents of a forecasting model: the oscillator lattice, or a gated recurrent unit beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from flowdis._checks import check_last, check_positive
from flowdis.dynamics.lattice import Lattice
from flowdis.dynamics.picking import check_picked, pick_frames

__all__ = ["LATENT_DYNAMICS", "GatedLatent", "LatentDynamics", "matched_size"]

_State = Float[Tensor, "*batch S"]
_States = Float[Tensor, "T *batch S"]
_Drive = Float[Tensor, "*batch N"]
_Picked = Int[Tensor, "D *batch"]


@runtime_checkable
class LatentDynamics(Protocol):
    """Anything that runs a latent state on by itself, apart from a constant drive. It is a module too."""

    @property
    def state_size(self) -> int:
        """The number S of a state's entries."""
        ...

    @property
    def drive_size(self) -> int:
        """The number of a drive's entries."""
        ...

    def readout(self, state: Tensor) -> Tensor:
        """What of states (*, S) a decoder sees that is shown positions only."""
        ...

    def __call__(
        self,
        state: Tensor,
        frames: int,
        *,
        drive: Tensor | None = None,
        every: int = 1,
        picked: Tensor | None = None,
    ) -> Tensor:
        """The states (T, *, S) at so many frames after states (*, S), `every` steps apart, or those picked."""
        ...


class GatedLatent(nn.Module):
    r"""A gated recurrent unit without input, run on from its first state.

    .. math:: h' = u \odot h + (1 - u) \odot \tanh(c + \text{drive} + r \odot (W_n h + b_n)), \qquad
              (r, u) = \sigma(W h + b)

    Arguments:
        size: The number S of a state's entries.
        generator: The source of the initial weights.

    Reference: Cho et al. 2014, arXiv 1406.1078.
    """

    def __init__(self, size: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        check_positive("size", size)
        bound = 1 / math.sqrt(size)
        self.state_size = size
        self.weight = nn.Parameter((2 * torch.rand(3 * size, size, generator=generator) - 1) * bound)
        self.bias = nn.Parameter((2 * torch.rand(3 * size, generator=generator) - 1) * bound)
        self.offset_bias = nn.Parameter((2 * torch.rand(size, generator=generator) - 1) * bound)

    @property
    def drive_size(self) -> int:
        """The number of a drive's entries, S."""
        return self.state_size

    def readout(self, state: _State) -> _State:
        """The states (*, S) themselves: they have no momenta."""
        return state

    def forward(
        self,
        state: _State,
        frames: int,
        *,
        drive: _Drive | None = None,
        every: int = 1,
        picked: _Picked | None = None,
    ) -> _States:
        """Runs on from states (*, S).

        Arguments:
            state: The states at the start.
            frames: How many frames to return, the start not among them.
            drive: A constant drive, with shape (*, S).
            every: How many steps there are from frame to frame.
            picked: Which frames to return of each sample, 0 being the start, with shape (D, *); all but the start
                where left out.

        Returns:
            The states at each frame, with shape (T, *, S), or at those picked, (D, *, S).

        Raises:
            ValueError: if states or drive are of another size, a number is not positive, or a frame is picked that
                there is not.
        """
        check_positive("frames", frames)
        check_positive("every", every)
        check_last("state", state, self.state_size, f"S={self.state_size} entries of the latent state")
        offset: Tensor = self.offset_bias
        if drive is not None:
            offset = offset + check_last("drive", drive, self.drive_size, f"S={self.drive_size} entries of the drive")
        kept, start = [], state
        for count in range(1, frames * every + 1):
            reset, update, candidate = functional.linear(state, self.weight, self.bias).chunk(3, dim=-1)
            candidate = torch.tanh(offset + reset.sigmoid() * candidate)
            state = candidate + update.sigmoid() * (state - candidate)
            if count % every == 0:
                kept.append(state)
        if picked is None:
            return torch.stack(kept)
        times = check_picked(picked, frames, state.shape[:-1]).unsqueeze(-1)
        return pick_frames(torch.stack(kept), start, times)


LATENT_DYNAMICS: dict[str, Callable[..., nn.Module]] = {"lattice": Lattice, "gru": GatedLatent}
"""The kinds of latent dynamics by name."""


def matched_size(
    shape: tuple[int, ...], options: Mapping[str, Any], *, features: int, hidden: int, drive: bool, both: bool
) -> int:
    """The size of a `GatedLatent` with which a model has as many parameters as with a lattice, to a percent or so.

    Beside the dynamics, the encoder's last layer and the decoder's first grow with the latents.

    Arguments:
        shape: The lattice's shape.
        options: The lattice's other options.
        features: What the encoder's last layer reads.
        hidden: What the decoder's first layer makes.
        drive: Whether the encoder also makes a drive.
        both: Whether the decoder sees momenta too.
    """
    lattice = Lattice(shape, **options)
    own = sum(parameter.numel() for parameter in lattice.parameters())
    latents = lattice.state_size + drive * lattice.drive_size
    shown = lattice.state_size if both else lattice.size
    wanted = own + 2 * latents * (features + 1) + shown * hidden
    each = 2 * (1 + drive) * (features + 1) + hidden + 4
    return max(1, round((math.sqrt(each**2 + 12 * wanted) - each) / 6))
