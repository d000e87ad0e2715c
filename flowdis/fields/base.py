r"""What a field is: a bank of K velocity fields, bound to a mix of them.

A bank bound to amounts a and clocks c is the field

.. math:: v(z, s) = \sum_k a_k \, v_k(z, c_k + a_k s),

so that each clock runs at the speed of its own amount. Velocities and divergences are closed forms: they need
no autograd inside a forward pass, and work under `no_grad` and `inference_mode`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowdis._checks import check_choice, check_floating, check_last
from flowdis._types import Latent

__all__ = ["Divergence", "FieldBank", "Mix", "Velocity", "VelocityField"]

# The result's batch has a name of its own: it is that of z broadcast with that of the amounts.
Velocity = Float[Tensor, "*mixed D"]
Divergence = Float[Tensor, "*mixed"]


@runtime_checkable
class VelocityField(Protocol):
    """A field bound to its mix: light, without parameters of its own, called with (z, s)."""

    def __call__(self, z: Latent, s: float | Tensor) -> Velocity:
        """The velocity (*, D) at latents (*, D) and time s of a segment, a number or of shape (*)."""
        ...

    def velocity_and_divergence(self, z: Latent, s: float | Tensor) -> tuple[Velocity, Divergence]:
        """The velocity (*, D) and its divergence (*), in one pass."""
        ...


@dataclass(frozen=True, eq=False)
class Mix:
    """The amounts (*, K) that a bank is bound to, and its clocks' readings (*, K) where they matter."""

    amounts: Tensor
    clock: Tensor | None = None

    def times(self, s: float | Tensor) -> Tensor:
        """Each field's own time :math:`c_k + a_k s`, with shape (*, K)."""
        if isinstance(s, Tensor) and s.ndim > 0:
            s = s.unsqueeze(-1)
        run = self.amounts * s
        return run if self.clock is None else self.clock + run


class FieldBank(nn.Module, ABC):
    """K velocity fields on the latent space R^D, their parameters stacked on a leading axis.

    Arguments:
        names: The K transformations, all different.
        dim: The number D of latent dimensions.

    Raises:
        ValueError: if a name is empty or comes twice, if there are none, or if `dim` is not positive.
    """

    names: tuple[str, ...]
    dim: int

    def __init__(self, names: Sequence[str], dim: int) -> None:
        super().__init__()
        if isinstance(names, str):
            raise TypeError(f"`names` must be a sequence of names, got the string {names!r}")
        self.names = tuple(names)
        if not self.names or not all(self.names):
            raise ValueError(f"`names` must hold at least one name and no empty one, got {self.names}")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"`names` must all be different, got {self.names}")
        if dim < 1:
            raise ValueError(f"`dim` must be >= 1, got {dim}")
        self.dim = int(dim)

    def forward(self, amounts: Tensor, clock: Tensor | None = None) -> VelocityField:
        """Binds the bank to a linear mix of its fields.

        Arguments:
            amounts: One mix for every sample (K,), or one per sample (*, K), broadcast against z's batch.
            clock: The clocks' readings where s is 0, broadcast against `amounts`; 0 where left out.

        Returns:
            The mix, called with (z, s); it follows later changes of the parameters only when bound anew.

        Raises:
            TypeError: if `amounts` or `clock` is not a floating-point tensor.
            ValueError: if `amounts` or `clock` does not end in K.
        """
        wanted = f"K={len(self.names)} ({', '.join(self.names)})"
        check_last("amounts", check_floating("amounts", amounts), len(self.names), wanted)
        if clock is not None:
            check_last("clock", check_floating("clock", clock), len(self.names), wanted)
        like = next(self.parameters(), amounts)
        return self.bind(Mix(amounts.to(like), None if clock is None else clock.to(like)))

    def __getitem__(self, name: str) -> VelocityField:
        """The field of one name: an amount of 1 of it, its clock at 0."""
        index = self.names.index(check_choice("name", name, self.names))
        like = next(self.parameters(), torch.zeros(()))
        amounts = torch.zeros(len(self.names), dtype=like.dtype, device=like.device)
        amounts[index] = 1.0
        return self(amounts)

    @abstractmethod
    def bind(self, mix: Mix) -> VelocityField:
        """The field bound to a checked mix; what a new kind of field defines."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The keyword arguments, besides names and dim, that rebuild this bank; plain enough for JSON."""

    def extra_repr(self) -> str:
        """What `repr` shows."""
        options = "".join(f", {name}={value!r}" for name, value in self.config().items())
        return f"{', '.join(self.names)}; dim={self.dim}{options}"
