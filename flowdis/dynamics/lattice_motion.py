"""How a lattice moves: states in and out of spectra, the force bound to its weights, and steps of either kind."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from flowdis._checks import check_last, check_positive
from flowdis.dynamics.couplings import Coupling
from flowdis.dynamics.fourier import Fourier
from flowdis.dynamics.lattice_steps import Force, published_steps, split_steps, undo_published_steps
from flowdis.dynamics.oscillators import Oscillators
from flowdis.dynamics.picking import check_picked, pick_frames

__all__ = ["LatticeMotion"]

_State = Float[Tensor, "*batch S"]
_States = Float[Tensor, "T *batch S"]
_Sites = Float[Tensor, "*batch N"]
_Picked = Int[Tensor, "D *batch"]


class LatticeMotion(nn.Module):
    """Oscillators and their coupling, run by steps; see `Lattice`, which says what they are.

    Arguments:
        oscillators: The linear part.
        coupling: The force.
        channels: The number C of channels.
        integrator: "strang" or "nwm".
        step: The time h of a step.
    """

    def __init__(
        self, oscillators: Oscillators, coupling: Coupling, channels: int, *, integrator: str, step: float
    ) -> None:
        super().__init__()
        self.oscillators, self.coupling = oscillators, coupling
        self.torus, self.integrator, self.step = oscillators.torus, integrator, step
        self.shape = (channels, *self.torus.sides)

    @property
    def size(self) -> int:
        """The number N of oscillators."""
        return math.prod(self.shape)

    @property
    def state_size(self) -> int:
        """The number of a state's entries, 2 N."""
        return 2 * self.size

    @property
    def drive_size(self) -> int:
        """The number of a drive's entries, N."""
        return self.size

    def split(self, state: _State) -> tuple[Tensor, Tensor]:
        """The positions and the momenta of states (*, S), as fields (*, C, n) or (*, C, H, W).

        Raises:
            ValueError: if the states are not of this lattice.
        """
        check_last("state", state, self.state_size, f"S={self.state_size}, positions and momenta of {self.shape}")
        z, p = state.unflatten(-1, (2, *self.shape)).unbind(-1 - len(self.shape))
        return z, p

    def join(self, z: Tensor, p: Tensor) -> _State:
        """The states (*, S) of fields of positions and momenta; undoes `split`."""
        axis = -len(self.shape)
        return torch.cat([z.flatten(axis), p.flatten(axis)], dim=-1)

    def readout(self, state: _State) -> _Sites:
        """The positions (*, N) of states (*, S)."""
        return state[..., : self.size]

    def forward(
        self,
        state: _State,
        frames: int,
        *,
        drive: _Sites | None = None,
        every: int = 1,
        picked: _Picked | None = None,
        inverse: bool = False,
    ) -> _States:
        """Runs on from states (*, S), on its own apart from a constant drive.

        Arguments:
            state: The states at the start.
            frames: How many frames to return, the start not among them.
            drive: A constant drive, with shape (*, N), channels first.
            every: How many steps there are from frame to frame.
            picked: Which frames to return of each sample, 0 being the start, with shape (D, *); all but the start
                where left out. Only these leave the spectra, which saves a third of a training step.
            inverse: Whether to run backwards in time, undoing the steps exactly.

        Returns:
            The states at each frame, with shape (T, *, S), or at those picked, (D, *, S).

        Raises:
            ValueError: if states or drive are not of this lattice, a number is not positive, a frame is picked that
                there is not, or the published step is to be undone where the force depends on momenta.
            FlowError: if the kicks of such a force do not settle.
        """
        check_positive("frames", frames)
        check_positive("every", every)
        z, p = self.enter(state)
        positions, momenta = self.run(z, p, self.force(drive), frames, every, inverse=inverse)
        if picked is not None:
            times = check_picked(picked, frames, state.shape[:-1]).reshape(len(picked), 1, 1, -1)
            positions, momenta = pick_frames(positions, z, times), pick_frames(momenta, p, times)
        return self.leave(positions, momenta, state.shape[:-1])

    def run(
        self,
        z: Tensor,
        p: Tensor,
        force: Force,
        frames: int,
        every: int = 1,
        *,
        inverse: bool = False,
        step: float | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The same on spectra (F, 2 C, B), by a step of another length where one is given."""
        h = (step or self.step) * (-1 if inverse else 1)
        if self.integrator == "strang":
            return split_steps(z, p, force, self.oscillators.propagator(h), h, frames, every)
        stiffness, damping = self.oscillators.multipliers()
        if not inverse:
            return published_steps(z, p, force, stiffness, damping, h, frames, every)
        return undo_published_steps(z, p, force, stiffness, damping, -h, frames, every)

    def acceleration(self, state: _State, *, drive: _Sites | None = None) -> _Sites:
        """The rate of change (*, N) of the momenta at states (*, S)."""
        z, p = self.enter(state)
        force = self.force(drive)
        rate = self.fourier().to_field(force.value(force.source(z), p) + self.oscillators.rate(z, p))
        return _outside(rate, len(self.torus.sides)).reshape(*state.shape[:-1], self.size)

    def fourier(self) -> Fourier:
        """The transforms of its sites, in the type of its parameters."""
        return self.torus.fourier(self.oscillators.raw_stiffness)

    def force(self, drive: _Sites | None = None) -> Force:
        """The coupling's force on spectra, bound to its weights as they are and to a drive (*, N)."""
        return self.coupling.force(self.fourier(), None if drive is None else self.drive_field(drive))

    def drive_field(self, drive: _Sites) -> Tensor:
        r"""A drive (*, N) as a field (\*sides, C, B).

        Raises:
            ValueError: if it is not of this lattice.
        """
        check_last("drive", drive, self.size, f"N={self.size}, one number for each oscillator of {self.shape}")
        return self.inside(drive.reshape(-1, *self.shape))

    def enter(self, state: _State) -> tuple[Tensor, Tensor]:
        """The spectra (F, 2 C, B) of positions and momenta of states (*, S)."""
        fourier = self.fourier()
        z, p = (fourier.to_spectrum(self.inside(part)) for part in self.split(state))
        return z, p

    def leave(self, z: Tensor, p: Tensor, batch: Sequence[int]) -> _States:
        """The states (T, *batch, S) of spectra (T, F, 2 C, B)."""
        axes, fourier = len(self.torus.sides), self.fourier()
        parts = [_outside(fourier.to_field(part), axes).flatten(2) for part in (z, p)]
        return torch.cat(parts, dim=-1).reshape(len(z), *batch, self.state_size)

    def inside(self, field: Tensor) -> Tensor:
        r"""A field (\*, C, \*sides) as (\*sides, C, B)."""
        flat = field.reshape(-1, *self.shape)
        return flat.permute(*range(2, flat.ndim), 1, 0)


def _outside(field: Tensor, axes: int) -> Tensor:
    r"""A field (\*, \*sides, C, B) as (\*, B, C, \*sides)."""
    first = field.ndim - axes - 2
    sides = range(first, first + axes)
    return field.permute(*range(first), field.ndim - 1, field.ndim - 2, *sides)
