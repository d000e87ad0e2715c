"""Regularisers of flows, per sample: kinetic energy, and what keeps clocked potentials to optimal transport."""

from __future__ import annotations

from torch import Tensor

from flowdis._types import FrameLatents, Latent
from flowdis.dynamics.segments import unit_mix
from flowdis.fields import PotentialField
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["energy", "hamilton_jacobi", "start_speed"]


def energy(model: LatentFlow, path: Path, states: FrameLatents, times: Tensor) -> Tensor:
    r"""The kinetic energy :math:`\int |dz / ds|^2 / 2 \, ds` of each sample, (*), by the mean over its frames.

    Arguments:
        model: The model whose fields push the latents.
        path: The path, of S segments.
        states: The states of its dynamics at `times`, with shape (T, *, S): the latents where it is overdamped.
        times: The T times in [0, S].
    """
    path = _per_sample(path, states)
    segments = (times.to(path.amounts) - 1e-6).clamp(min=0).long()
    mix, length = unit_mix(path.amounts[segments])
    dynamics = model.dynamics
    rate = dynamics.drift(model.fields(mix, path.elapsed(times)), states, 0.0)
    velocity = length.unsqueeze(-1) * dynamics.project(rate)
    return path.segments * 0.5 * velocity.square().sum(-1).mean(0)


def hamilton_jacobi(model: LatentFlow, path: Path, z: FrameLatents, times: Tensor) -> Tensor:
    """The squared Hamilton-Jacobi residual of the potentials that move, summed over them, averaged over frames, (*).

    Arguments:
        model: A model whose fields are clocked potentials.
        path: The path, of S segments.
        z: The latents at `times`, with shape (T, *, D).
        times: The T times in [0, S].

    Raises:
        ValueError: if the model's fields are not clocked potentials.
    """
    bank, path = _clocked(model, "hamilton_jacobi"), _per_sample(path, z)
    residual = bank.hamilton_jacobi_residual(z, path.elapsed(times))
    return (residual.square() * path.amounts.any(0)).sum(-1).mean(0)


def start_speed(model: LatentFlow, path: Path, z_0: Latent) -> Tensor:
    r"""The squared gradient :math:`|\nabla u_k(z_0, 0)|^2` of the potentials that move, summed over them, (*).

    The published flows start from rest.

    Arguments:
        model: A model whose fields are clocked potentials.
        path: The path.
        z_0: The latents where it starts, with shape (*, D).

    Raises:
        ValueError: if the model's fields are not clocked potentials.

    Reference: Song, Keller, Sebe and Welling 2023, arXiv:2309.13167.
    """
    bank, path = _clocked(model, "start_speed"), _per_sample(path, z_0[None])
    return (bank.velocities(z_0).square().sum(-1) * path.amounts.any(0)).sum(-1)


def _clocked(model: LatentFlow, weight: str) -> PotentialField:
    bank = model.fields
    if not isinstance(bank, PotentialField) or not bank.clocked:
        raise ValueError(
            f"`weights.{weight}` must be 0 unless the fields are clocked potentials, got {type(bank).__name__}"
        )
    return bank


def _per_sample(path: Path, z: Tensor) -> Path:
    """The path with one matrix of amounts for each of the latents (T, *, D)."""
    missing = z.ndim - 2 - len(path.batch_shape)
    shape = (path.segments, *[1] * missing, *path.batch_shape, len(path.names))
    return Path(path.names, path.amounts.reshape(shape).expand(-1, *z.shape[1:-1], -1))
