"""Fields of a user's own modules, differentiated by `torch.func`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import grad, jvp, vmap

from flowdis._checks import check_choice, check_last
from flowdis._types import Latent
from flowdis.fields.base import Divergence, FieldBank, Mix, Velocity, VelocityField

__all__ = ["AutogradField", "AutogradMix", "velocity_and_trace"]

KINDS = ("velocity", "potential")


class AutogradField(FieldBank):
    r"""K fields of any modules: velocities (z, t) to v, or potentials (z, t) to u with v the gradient of u.

    A module is called with z of shape (N, D) and t of shape (N,), must return (N, D) or (N,), and must treat
    every sample alike and alone: derivatives are taken of all samples at once. The divergence is exact at the
    cost of D Jacobian-vector products, or an estimate, Hutchinson's :math:`\epsilon^T J \epsilon`, at the
    cost of one. It works in training, under `no_grad` and under `inference_mode`; a closed form, where there
    is one, is faster by far.

    Arguments:
        names: The K transformations.
        dim: The number D of latent dimensions.
        modules: The K modules, in the order of `names`.
        kind: What the modules return, "velocity" or "potential".
        probe: A random vector with zero mean and unit covariance for Hutchinson's estimate, with shape (D,)
            or broadcast against z; the divergence is exact where left out. Keep one along a trajectory. With
            amounts per sample a solver may regroup samples by their number of steps: then pass one vector
            (D,) for all of them.

    Raises:
        ValueError: if there are not K modules, `kind` is unknown, or `probe` does not end in D.

    Example:
        >>> class Growth(torch.nn.Module):
        ...     def forward(self, z, t):
        ...         return 2 * z
        >>> bank = AutogradField(("grow",), 3, [Growth()])
        >>> bank["grow"].velocity_and_divergence(torch.ones(3), 0.0)
        (tensor([2., 2., 2.]), tensor(6.))
    """

    def __init__(
        self,
        names: Sequence[str],
        dim: int,
        modules: Sequence[nn.Module],
        *,
        kind: str = "velocity",
        probe: Tensor | None = None,
    ) -> None:
        super().__init__(names, dim)
        if len(modules) != len(self.names):
            raise ValueError(f"`modules` must hold one module for each of {self.names}, got {len(modules)}")
        self.fields = nn.ModuleList(modules)
        self.kind = check_choice("kind", kind, KINDS)
        self.probe = None if probe is None else check_last("probe", probe, self.dim, f"D={self.dim}")

    def with_probe(self, probe: Tensor | None) -> AutogradField:
        """The same modules, shared, with the divergence estimated along `probe`; exact if that is None."""
        return AutogradField(self.names, self.dim, list(self.fields), kind=self.kind, probe=probe)

    def bind(self, mix: Mix) -> VelocityField:
        """The mix of the modules' fields."""
        return AutogradMix(mix, tuple(self.fields), self.kind == "potential", self.dim, self.probe)

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this bank, besides its modules, which the caller keeps."""
        return {"kind": self.kind}


@dataclass(frozen=True, eq=False)
class AutogradMix:
    """A linear mix of K modules' fields.

    Arguments:
        mix: The amounts and clocks.
        modules: The K modules.
        potential: Whether the modules return potentials.
        dim: The number D of latent dimensions.
        probe: The vector of Hutchinson's estimate, or None.
    """

    mix: Mix
    modules: tuple[nn.Module, ...]
    potential: bool
    dim: int
    probe: Tensor | None

    def __call__(self, z: Latent, s: float | Tensor) -> Velocity:
        """The velocity (*, D) at latents (*, D)."""
        points, amounts, times, batch = self._aligned(z, s)
        velocity = torch.zeros_like(points)
        for k, module in enumerate(self.modules):
            velocity = velocity + amounts[:, k, None] * self._field(module, times[:, k])(points)
        return velocity.reshape(*batch, self.dim)

    def velocity_and_divergence(self, z: Latent, s: float | Tensor) -> tuple[Velocity, Divergence]:
        """The velocity (*, D) and its divergence (*), exact, or estimated with the probe, in one pass."""
        if torch.is_inference_mode_enabled():  # where torch 2.11 has no batched forward derivatives
            with torch.inference_mode(False), torch.no_grad():
                mix = Mix(self.mix.amounts.clone(), None if self.mix.clock is None else self.mix.clock.clone())
                outside = replace(self, mix=mix, probe=None if self.probe is None else self.probe.clone())
                return outside.velocity_and_divergence(z.clone(), s.clone() if isinstance(s, Tensor) else s)
        points, amounts, times, batch = self._aligned(z, s)
        velocity, divergence = torch.zeros_like(points), torch.zeros_like(points[:, 0])
        for k, module in enumerate(self.modules):
            field = self._field(module, times[:, k])
            if self.probe is None:
                part, trace = velocity_and_trace(field, points)
            else:
                part, trace = _estimated(field, points, self._aligned_probe(self.probe, points, batch))
            velocity = velocity + amounts[:, k, None] * part
            divergence = divergence + amounts[:, k] * trace
        return velocity.reshape(*batch, self.dim), divergence.reshape(batch)

    def _field(self, module: nn.Module, t: Tensor) -> Callable[[Tensor], Tensor]:
        def value(z: Tensor) -> Tensor:
            result = module(z, t)
            wanted = z.shape[:-1] if self.potential else z.shape
            if result.shape != wanted:
                what = f"{tuple(wanted)} at z of shape {tuple(z.shape)}"
                raise ValueError(f"`modules` must return shape {what}, got {tuple(result.shape)}")
            return result

        return grad(lambda z: value(z).sum()) if self.potential else value

    def _aligned(self, z: Tensor, s: float | Tensor) -> tuple[Tensor, Tensor, Tensor, torch.Size]:
        check_last("z", z, self.dim, f"D={self.dim}")
        amounts, times = torch.broadcast_tensors(self.mix.amounts.to(z), self.mix.times(s).to(z))
        batch = torch.broadcast_shapes(z.shape[:-1], amounts.shape[:-1])
        flat = [x.expand(*batch, x.shape[-1]).reshape(-1, x.shape[-1]) for x in (z, amounts, times)]
        return flat[0].contiguous(), flat[1], flat[2].contiguous(), batch

    def _aligned_probe(self, probe: Tensor, points: Tensor, batch: torch.Size) -> Tensor:
        try:
            aligned = probe.to(points).expand(*batch, self.dim)
        except RuntimeError:
            shapes = f"{(*batch, self.dim)}, got {tuple(probe.shape)}"
            raise ValueError(f"`probe` must have shape (D,) or broadcast to {shapes}") from None
        return aligned.reshape(-1, self.dim).contiguous()


def velocity_and_trace(field: Callable[[Tensor], Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
    """A field's velocity (N, D) at points (N, D), and the trace of its Jacobian (N), by D Jacobian-vector products."""

    # One level of vmap, over directions: torch.linalg.solve is silently wrong under two (torch 2.13).
    def pushed(direction: Tensor) -> Any:
        return jvp(field, (points,), (direction,))

    basis = torch.eye(points.shape[-1], dtype=points.dtype, device=points.device).unsqueeze(1)
    directions = basis.expand(-1, *points.shape).contiguous()  # jvp refuses expanded tensors
    only_columns: Any = (None, 0)  # the velocity is the same along every direction
    velocity, columns = vmap(pushed, out_dims=only_columns, randomness="same")(directions)
    return velocity, columns.diagonal(dim1=0, dim2=-1).sum(-1)


def _estimated(field: Callable[[Tensor], Tensor], points: Tensor, probe: Tensor) -> tuple[Tensor, Tensor]:
    outputs: Any = jvp(field, (points,), (probe,))
    velocity, pushed = outputs
    return velocity, (pushed * probe).sum(-1)
