r"""True transformations of images: what a path of amounts does to pixels.

Every transformation is a one-parameter group. Geometric ones are matrices acting on pixel coordinates (x to
the right, y DOWN, as rows are counted) about the true centre ((W - 1) / 2, (H - 1) / 2); brightness and
contrast are affine maps of pixel values; hue turns colours. A row of amounts is the matrix exponential of the
sum of their generators, a path the product of its rows, the first acting first. However long the path, an
image is resampled once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_choice, check_floating
from flowdis._types import Images
from flowdis.data.known import TRANSFORMS, Transformation, units_of
from flowdis.data.pixels import turn_hue, warp
from flowdis.paths import Path, Unit

__all__ = ["TRANSFORMS", "Transformation", "apply_path", "path_matrices", "units_of"]

_Frames = Float[Tensor, "*frames C H W"]
_Matrices = Float[Tensor, "*frames 3 3"]
_Times = Float[Tensor, "T"]

_MODES = ("bilinear", "nearest", "bicubic")
_CIRCLE = 360.0


def path_matrices(
    path: Path,
    units: Mapping[str, Unit] | None = None,
    *,
    times: _Times | None = None,
    start: Path | None = None,
) -> _Matrices:
    r"""The matrices that a path applies to pixel coordinates, counted from the centre, x right and y down.

    .. math:: M(s + f) = \exp(f A_s) \exp(A_{s-1}) \cdots \exp(A_0) M_{start}, \quad A_s = \sum_k a_{sk} G_k

    Arguments:
        path: The path, with amounts of shape (S, *, K).
        units: Units of the amounts, where they are not those of `TRANSFORMS`.
        times: Positions along the path in [0, S], with shape (T); the end alone if left out.
        start: A path that was walked before, over any transformations.

    Returns:
        The matrices in float64, with shape (*, 3, 3), or (T, *, 3, 3) with times.

    Raises:
        ValueError: if a time lies outside [0, S], a name is unknown or a unit does not fit.

    Example:
        >>> quarter = Path(("rotate",), torch.tensor([[2.0]]))
        >>> (path_matrices(quarter) @ torch.tensor([0.0, -2.0, 1.0]).double()).round().tolist()
        [-2.0, -0.0, 1.0]
    """
    batch = _batch_shape(path.batch_shape, path, start)
    matrices = _reached("geometric", path, start, units, _positions(path, times), batch)
    matrices = matrices.expand(-1, batch.numel(), -1, -1).reshape(-1, *batch, 3, 3)
    return matrices[0] if times is None else matrices


def apply_path(
    images: Images,
    path: Path,
    units: Mapping[str, Unit] | None = None,
    *,
    times: _Times | None = None,
    mode: str = "bilinear",
    start: Path | None = None,
) -> _Frames:
    """The true images along a path: hue turned, resampled once from the source, brightened and clamped.

    Hue is turned at constant value and saturation, always from the source. What comes into view from outside
    the image is black. Brightness and contrast act on what is seen, with that black.

    Arguments:
        images: The source images, with shape (*, C, H, W) and values in [0, 1].
        path: The path, with amounts (S, K) for all or (S, *, K), one matrix per image.
        units: Units of the amounts, where they are not those of `TRANSFORMS`.
        times: Positions along the path in [0, S], with shape (T); the end alone if left out.
        mode: How to resample: "bilinear", "nearest" or "bicubic".
        start: A path walked before, over any transformations: the pose at which `path` starts.

    Returns:
        The images, with shape (*, C, H, W), or (T, *, C, H, W) with times.

    Raises:
        ValueError: if a name is unknown, a unit does not fit, a time lies outside [0, S], batch shapes do not
            match, or hue is to be turned in images that do not have 3 channels.

    Example:
        >>> image = torch.zeros(1, 1, 5, 5)
        >>> image[0, 0, 0, 2] = 1.0
        >>> turned = apply_path(image, Path(("rotate",), torch.tensor([[2.0]])))    # 90 degrees
        >>> (turned[0, 0] > 0.99).nonzero().tolist()
        [[2, 0]]
    """
    check_choice("mode", mode, _MODES)
    check_floating("images", images)
    units = units_of([*path.names, *(start.names if start is not None else ())], units)
    batch = _batch_shape(images.shape[:-3], path, start)
    positions = _positions(path, times)
    shape = (len(positions), batch.numel(), *images.shape[-3:])
    frames = images.expand(*batch, *shape[2:]).reshape(1, *shape[1:])

    if _moves("hue", path, start):
        turns = _turned(path, start, units, positions, batch) / _CIRCLE
        frames = turn_hue(frames[0], turns.remainder(1).expand(shape[:2]).to(dtype=images.dtype).to(images.device))
    frames = frames.expand(shape)
    if _moves("geometric", path, start):
        matrices = _reached("geometric", path, start, units, positions, batch).expand(*shape[:2], 3, 3)
        frames = warp(frames.flatten(0, 1), matrices.flatten(0, 1), mode).reshape(shape)
    if _moves("photometric", path, start):
        tones = _reached("photometric", path, start, units, positions, batch)[..., 0, :]
        gain, offset = tones.to(dtype=images.dtype).to(images.device)[..., None, None, None].unbind(2)
        frames = frames * gain + offset
    frames = frames.clamp(0, 1).reshape(-1, *batch, *shape[2:])
    return frames[0] if times is None else frames


def _batch_shape(images: torch.Size, path: Path, start: Path | None) -> torch.Size:
    shapes = [images, path.batch_shape, *([] if start is None else [start.batch_shape])]
    try:
        return torch.broadcast_shapes(*shapes)
    except RuntimeError:
        got = ", ".join(str(tuple(shape)) for shape in shapes)
        raise ValueError(f"`images`, `path` and `start` must have matching batch shapes, got {got}") from None


def _exact(tensor: Tensor) -> Tensor:
    """In float64, on the CPU where the device has none."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).to(torch.float64)


def _positions(path: Path, times: Tensor | None) -> Tensor:
    if times is None:
        return _exact(path.amounts).new_full((1,), path.segments)
    if times.ndim != 1 or times.numel() == 0:
        raise ValueError(f"`times` must have shape (T,) with T >= 1, got {tuple(times.shape)}")
    low, high = float(times.min()), float(times.max())
    if not (low >= -1e-6 and high <= path.segments + 1e-6):
        raise ValueError(f"`times` must lie in [0, S] = [0, {path.segments}], got values from {low} to {high}")
    return _exact(times).to(path.amounts.device if path.amounts.device.type != "mps" else "cpu")


def _moves(kind: str, path: Path, start: Path | None) -> bool:
    for walked in (path,) if start is None else (path, start):
        columns = [index for index, name in enumerate(walked.names) if TRANSFORMS[name].kind == kind]
        if columns and bool(walked.amounts[..., columns].any()):
            return True
    return False


def _parameters(
    path: Path, kind: str, units: Mapping[str, Unit] | None, batch: torch.Size
) -> tuple[tuple[str, ...], Tensor]:
    """The names of one kind and their group parameters (S, B, K), or (S, 1, K) where one serves all."""
    names = tuple(name for name in path.names if TRANSFORMS[name].kind == kind)
    amounts = _exact(path.amounts[..., [path.names.index(name) for name in names]])
    shape = path.batch_shape
    if shape:
        aligned = amounts.reshape(path.segments, *[1] * (len(batch) - len(shape)), *shape, len(names))
        amounts = aligned.expand(-1, *batch, -1)
    steps = amounts.new_tensor([unit.step for unit in units_of(names, units).values()])
    return names, amounts.reshape(path.segments, math.prod(batch) if shape else 1, len(names)) * steps


def _flow(kind: str, path: Path, units: Mapping[str, Unit] | None, positions: Tensor, batch: torch.Size) -> Tensor:
    """The group elements (T, B or 1, n, n) that the path has reached at its positions (T)."""
    names, parameters = _parameters(path, kind, units, batch)
    size = {"geometric": 3, "photometric": 2}[kind]
    generators = parameters.new_zeros(len(names), size, size)
    for index, name in enumerate(names):
        generators[index, :-1] = generators.new_tensor(TRANSFORMS[name].generator)
    rows = torch.einsum("sbk,kij->sbij", parameters, generators)
    segment = positions.floor().long().clamp(0, path.segments - 1)
    partial = torch.linalg.matrix_exp((positions - segment)[:, None, None, None] * rows[segment])
    if path.segments == 1:
        return partial
    before = [torch.eye(size, dtype=rows.dtype, device=rows.device).expand_as(rows[0])]
    for whole in torch.linalg.matrix_exp(rows[:-1]):
        before.append(whole @ before[-1])
    return partial @ torch.stack(before)[segment]


def _reached(
    kind: str,
    path: Path,
    start: Path | None,
    units: Mapping[str, Unit] | None,
    positions: Tensor,
    batch: torch.Size,
) -> Tensor:
    """The group elements (T, B or 1, n, n) of `start`, then `path` up to its positions (T)."""
    elements = _flow(kind, path, units, positions, batch)
    if start is None:
        return elements
    return elements @ _flow(kind, start, units, _positions(start, None), batch).to(elements)


def _turned(
    path: Path, start: Path | None, units: Mapping[str, Unit] | None, positions: Tensor, batch: torch.Size
) -> Tensor:
    """The turns of hue (T, B or 1) in degrees, those of `start` included."""
    names, amounts = _parameters(path, "hue", units, batch)
    turned = Path(names, amounts).elapsed(positions).sum(-1)
    return turned if start is None else turned + _parameters(start, "hue", units, batch)[1].sum((0, 2)).to(turned)
