"""Editing: encode, flow along a path, decode; and what a flow's orbits are good for besides."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_floating, check_images, check_last
from flowdis._types import Images, Latent, Scalar
from flowdis.dynamics import Trajectory, Underdamped
from flowdis.models import LatentFlow
from flowdis.paths import Flow, Path

__all__ = ["canonicalize", "decode", "edit", "encode", "invariant", "trajectory"]

_Edited = Float[Tensor, "*edited C H W"]
_Reference = Float[Tensor, "*reference C H W"]


@torch.no_grad()
def encode(model: LatentFlow, images: Images) -> Latent:
    """The mean codes (*, D) of images (*, C, H, W) in [0, 1].

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if they have the wrong shape, are not finite or lie outside [0, 1].
    """
    check_images("images", images, model.image_shape)
    return model.encode(images.to(device=model.device, dtype=model.dtype)).mean


@torch.no_grad()
def decode(model: LatentFlow, z: Latent) -> Images:
    """The images (*, C, H, W) of codes (*, D).

    Raises:
        ValueError: if the codes do not end in the model's D.
    """
    check_last("z", check_floating("z", z), model.dim, f"D={model.dim} latents")
    return model.decode(z.to(device=model.device, dtype=model.dtype))


@torch.no_grad()
def trajectory(
    model: LatentFlow,
    images: Images,
    path: Path,
    *,
    frames: int | Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Trajectory:
    """The codes of images along a path, with the log-density of their states under the transported posterior.

    Arguments:
        model: The model.
        images: The images, with shape (*, C, H, W), in [0, 1].
        path: The path.
        frames: Which times to return; the end alone where left out, n equally spaced ones up to the end for
            an int.
        generator: Where given, codes are sampled from the posterior rather than its means taken, and so is the
            momentum at the start of underdamped motion.

    Returns:
        The trajectory, time first: z (T, *, D) and log_q (T, *) in nats, of latent and momentum for underdamped motion;
        log_q is None for a noisy dynamics, and for underdamped motion whose momentum is not sampled.

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if the images or the path do not fit the model.
    """
    check_images("images", images, model.image_shape)
    posterior = model.encode(images.to(device=model.device, dtype=model.dtype))
    z = posterior.mean if generator is None else posterior.sample(generator)
    dynamics = model.dynamics
    sampled = not isinstance(dynamics, Underdamped) or (generator is not None and dynamics.spread > 0)
    log_q = posterior.log_density(z) if dynamics.temperature == 0 and sampled else None
    return model.transport(path, z, frames=frames, log_q=log_q, generator=generator)


@torch.no_grad()
def edit(
    model: LatentFlow,
    images: Images,
    path: Path,
    *,
    frames: int | Tensor | None = None,
    generator: torch.Generator | None = None,
) -> _Edited:
    """Images transformed along a path: `edit(model, images, rotate(45) >> hue(120))`.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        images: The images, with shape (*, C, H, W), in [0, 1].
        path: The path, one for all images or one per image.
        frames: None for the end alone; an int n for n frames equally spaced up to the end; or times (T,) in
            [0, S].
        generator: The source of noise, for a model whose dynamics has a temperature.

    Returns:
        The edited images (*, C, H, W), or (T, *, C, H, W) where frames are asked for.

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if the images or the path do not fit the model.
        FlowError: if the flow cannot be integrated.
    """
    z = model.transport(path, encode(model, images), frames=frames, generator=generator).z
    return model.decode(z[-1] if frames is None else z)


@torch.no_grad()
def invariant(
    model: LatentFlow,
    images: Images,
    flow: Flow,
    *,
    span: float = 360.0,
    samples: int = 36,
) -> Latent:
    """Codes (*, D) averaged along a whole orbit of a periodic flow, which do not change under it.

    Arguments:
        model: The model.
        images: The images, with shape (*, C, H, W), in [0, 1].
        flow: The flow whose orbit is averaged over.
        span: The length of the orbit in the flow's natural unit, once round.
        samples: How many equally spaced points of the orbit are averaged.

    Raises:
        ValueError: if the flow multiplies, and so never comes round, or an argument does not fit the model.
    """
    if flow.unit.logarithmic:
        raise ValueError(f"`flow` must be periodic, got {flow.name}, which multiplies and never comes round")
    if samples < 2:
        raise ValueError(f"`samples` must be at least 2, got {samples}")
    return model.transport(flow(span), encode(model, images), frames=samples).z.mean(0)


@torch.no_grad()
def canonicalize(
    model: LatentFlow,
    images: Images,
    flow: Flow,
    reference: _Reference,
    *,
    low: float = -180.0,
    high: float = 180.0,
    samples: int = 72,
) -> tuple[Images, Scalar]:
    """Images slid along a flow to a standard pose: where their code comes closest to the code of a reference.

    The closest of `samples` points between `low` and `high` is refined by the parabola through it and its
    neighbours.

    Arguments:
        model: The model.
        images: The images, with shape (*, C, H, W), in [0, 1].
        flow: The flow to slide along.
        reference: Images in the standard pose, with shape (C, H, W), or one for each of `images`.
        low: The least value tried, in the flow's natural unit.
        high: The greatest value tried, in the flow's natural unit.
        samples: How many intervals between `low` and `high` are searched.

    Returns:
        The images in the standard pose (*, C, H, W), and the values (*) in natural units that took
        them there.

    Raises:
        ValueError: if an argument does not fit the model, or `low` is not below `high`.
    """
    if low >= high or samples < 2:
        raise ValueError(f"`low` must be below `high` and `samples` at least 2, got {low}, {high} and {samples}")
    z, goal = encode(model, images), encode(model, reference)
    first, last = (float(flow.unit.to_amount(value)) for value in (low, high))
    amounts = torch.linspace(first, last, samples + 1, dtype=torch.float64)
    orbit = _orbit(model, flow, z, amounts)
    distance = (orbit - goal).square().sum(-1)
    best = distance.argmin(0).clamp(1, samples - 1)
    left, middle, right = (distance.gather(0, (best + i).unsqueeze(0)).squeeze(0) for i in (-1, 0, 1))
    curvature = left - 2 * middle + right
    offset = torch.where(curvature > 0, 0.5 * (left - right) / curvature.clamp(min=1e-12), 0.0).clamp(-1, 1)
    amount = first + (best + offset) * (last - first) / samples
    return model.decode(model.transport(flow.by_amount(amount), z).z[-1]), flow.unit.to_value(amount)


def _orbit(model: LatentFlow, flow: Flow, z: Tensor, amounts: Tensor) -> Tensor:
    """Codes (T, *, D) at ascending amounts of a flow, on either side of where they are, as edits by these take them."""
    sides = []
    for side, end in ((amounts < 0, float(amounts[0])), (amounts > 0, float(amounts[-1]))):
        if bool(side.any()):
            times = (amounts[side] / end).sort().values
            walk = model.transport(flow.by_amount(end), z, frames=times).z
            sides.append(walk.flip(0) if end < 0 else walk)
    here = z.expand(int((amounts == 0).sum()), *z.shape)
    return torch.cat([*sides[: int(amounts[0] < 0)], here, *sides[int(amounts[0] < 0) :]])
