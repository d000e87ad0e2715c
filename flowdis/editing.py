"""Editing: encode, flow along a path, decode."""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_choice, check_floating, check_images, check_last
from flowdis._types import Images, Latent
from flowdis.dynamics import Overdamped, Trajectory, Underdamped, transport
from flowdis.fields import StayingFields
from flowdis.fields.staying import WAYS
from flowdis.models import CodeDensity, LatentFlow
from flowdis.paths import Path

__all__ = ["decode", "edit", "encode", "trajectory"]

_MARGIN = 0.05  # nats above the border, more than rounding and a solver's errors take away

_Edited = Float[Tensor, "*edited C H W"]


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
    density: CodeDensity | None = None,
    stay: bool | str = False,
) -> Trajectory:
    """The codes of images along a path, with the log-density of their states under the transported posterior.

    With a density of the data, it also says how far from the data they get: see `edit`.

    Arguments:
        model: The model.
        images: The images, with shape (*, C, H, W), in [0, 1].
        path: The path.
        frames: Which times to return; the end alone where left out, n equally spaced ones up to the end for
            an int.
        generator: Where given, codes are sampled from the posterior rather than its means taken, and so is the
            momentum at the start of underdamped motion.
        density: Where the codes of data are.
        stay: Whether to stay there; see `edit`.

    Returns:
        The trajectory, time first: z (T, *, D) and log_q (T, *) in nats, of latent and momentum for underdamped motion;
        log_q is None for a noisy dynamics, and for underdamped motion whose momentum is not sampled. With a density or
        `stay`, also log_density (T, *) in nats of the codes in the data, and outside (T, *), which of them lie outside
        of the border.

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if the images, the path or the density do not fit the model, or its codes cannot be made to stay.
    """
    check_images("images", images, model.image_shape)
    density = _density(model, density, stay)
    posterior = model.encode(images.to(device=model.device, dtype=model.dtype))
    z = posterior.mean if generator is None else posterior.sample(generator)
    dynamics = model.dynamics
    sampled = not isinstance(dynamics, Underdamped) or (generator is not None and dynamics.spread > 0)
    log_q = posterior.log_density(z) if dynamics.temperature == 0 and sampled else None
    return _along(model, path, z, density, stay, frames=frames, log_q=log_q, generator=generator)


@torch.no_grad()
def edit(
    model: LatentFlow,
    images: Images,
    path: Path,
    *,
    frames: int | Tensor | None = None,
    generator: torch.Generator | None = None,
    density: CodeDensity | None = None,
    stay: bool | str = False,
) -> _Edited:
    """Images transformed along a path: `edit(model, images, rotate(45) >> hue(120))`.

    With a density of the data, edits whose codes leave it are told of by a warning, and by `trajectory` one by one.
    With `stay`, codes do not get below the border of the density, 0.05 nats above which they are held against rounding:
    "project", or True, leaves out what of a motion leads outward, so that codes slide along the border; "stop" ends
    the motion there. What starts outside gets no farther out. Motions that were changed so are not undone by the
    opposite path.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        images: The images, with shape (*, C, H, W), in [0, 1].
        path: The path, one for all images or one per image.
        frames: None for the end alone; an int n for n frames equally spaced up to the end; or times (T,) in
            [0, S].
        generator: The source of noise, for a model whose dynamics has a temperature.
        density: Where the codes of data are, as by `CodeDensity.fit`; the prior where left out and codes are to stay.
        stay: False, True, "project" or "stop".

    Returns:
        The edited images (*, C, H, W), or (T, *, C, H, W) where frames are asked for.

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if the images, the path or the density do not fit the model, or its codes cannot be made to stay.
        FlowError: if the flow cannot be integrated.
    """
    density = _density(model, density, stay)
    walk = _along(model, path, encode(model, images), density, stay, frames=frames, generator=generator)
    if walk.outside is not None and bool(walk.outside.any()):
        count, every = int(walk.outside.any(0).sum()), walk.outside[0].numel()
        warnings.warn(
            f"{count} of {every} edits leave the data: the log-densities of their codes fall below the border of "
            f"{density.border if density else 0:.4g} nats, to {float(walk.log_density.min()):.4g}",  # type: ignore[union-attr]
            stacklevel=2,
        )
    return model.decode(walk.z[-1] if frames is None else walk.z)


def _density(model: LatentFlow, density: CodeDensity | None, stay: bool | str) -> CodeDensity | None:
    """The density that is asked for, if any, when it fits the model."""
    if isinstance(stay, str):
        check_choice("stay", stay, WAYS)
    if density is not None and density.dim != model.dim:
        raise ValueError(f"`density` must be of the model's D={model.dim} latents, got one of {density.dim}")
    if stay and (not isinstance(model.dynamics, Overdamped) or model.dynamics.temperature > 0):
        raise ValueError(f"`stay` must be False for codes with inertia or noise, got {stay!r} for {model.dynamics}")
    return CodeDensity.prior(model.dim) if stay and density is None else density


def _along(
    model: LatentFlow,
    path: Path,
    z: Tensor,
    density: CodeDensity | None,
    stay: bool | str,
    *,
    frames: int | Tensor | None = None,
    log_q: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Trajectory:
    """The trajectory of codes, told of and kept in where that is asked for."""
    if density is None:
        return model.transport(path, z, frames=frames, log_q=log_q, generator=generator)
    fields = model.fields
    if stay:
        level = density.border + _MARGIN
        fields = StayingFields(fields, density, level, way="stop" if stay == "stop" else "project")
    walk = transport(
        fields,
        path,
        z,
        dynamics=model.dynamics,
        frames=frames,
        log_q=log_q,
        solver=model.config.solver,
        generator=generator,
    )
    value = density.log_density(walk.z)
    return replace(walk, log_density=value, outside=value < density.border)
