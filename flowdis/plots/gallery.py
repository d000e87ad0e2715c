"""The pictures of a demonstration: each flow alone, two in a row and at once, there and back again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_images, check_positive
from flowdis._files import write_whole
from flowdis.data.scenes import Scenes, StillScenes, as_scenes
from flowdis.dynamics import transport
from flowdis.editing import decode, encode
from flowdis.models import LatentFlow
from flowdis.paths import Flow, Path, Unit
from flowdis.plots.animations import save_gif
from flowdis.plots.canvas import amount_text, figure_png, natural_span
from flowdis.plots.portraits import latent_portrait
from flowdis.plots.sheets import contact_sheet
from flowdis.plots.strips import strip

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = ["Gallery", "demo_figures"]

# The two flows that are composed are the first of these that the model has, moved by so much.
_COMPOSED = {"rotate": 45.0, "hue": 120.0, "wall_hue": 120.0, "object_hue": 120.0, "scale": 1.3, "orientation": 90.0}
_PORTRAIT = (
    "Each flow in latent space, in the plane in which it moves most: whole orbits of a few codes (curves, coloured "
    "by value, with decoded pictures; a ring is the image itself), velocities (arrows), and all codes (dots)"
)
_TURNING, _SWINGING = 24, 13  # frames of an animation that goes round, and of one that goes there and back


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures by their captions.

    Arguments:
        figures: Still figures.
        animations: Frames (T, C, h, w) in [0, 1], which loop without a jump.
        stems: The name of each picture's file, without its ending.
    """

    figures: dict[str, matplotlib.figure.Figure] = field(default_factory=dict)
    animations: dict[str, Tensor] = field(default_factory=dict)
    stems: dict[str, str] = field(default_factory=dict)

    def save(
        self, folder: str | FilePath, *, seconds: float = 4.0, magnify: int = 4
    ) -> tuple[dict[str, FilePath], dict[str, FilePath]]:
        """Writes figures as PNG and animations as GIF files.

        Arguments:
            folder: Where to write; made if it does not exist.
            seconds: How long an animation takes.
            magnify: How many pixels of an animation one pixel of an image becomes.

        Returns:
            The files of the figures, and those of the animations, by caption.

        Raises:
            OSError: if the folder cannot be written.
        """
        target = FilePath(folder)
        stills = {
            caption: write_whole(target / f"{self.stems[caption]}.png", figure_png(figure))
            for caption, figure in self.figures.items()
        }
        moving = {
            caption: save_gif(frames, target / f"{self.stems[caption]}.gif", seconds=seconds, magnify=magnify)
            for caption, frames in self.animations.items()
        }
        return stills, moving


@dataclass(frozen=True, eq=False)
class _Walk:
    """A path and where frames are: at `times` along it, or at the ends of T paths, amounts (1, T, 1, K)."""

    flows: tuple[Flow, ...]
    path: Path
    times: Tensor | None = None

    def values(self) -> dict[str, Tensor]:
        """Per flow its reading at each frame, in the natural unit."""
        amounts = self.path.amounts[0, :, 0] if self.times is None else self.path.elapsed(self.times)
        index = self.path.names.index
        return {flow.name: flow.unit.to_value(amounts[:, index(flow.name)]) for flow in self.flows}

    def edit(self, model: LatentFlow, images: Tensor) -> Tensor:
        """The model's edits (T, N, C, H, W) of images (N, C, H, W), without noise."""
        solver, dynamics, z = model.config.solver, model.noiseless, encode(model, images)
        moved = transport(model.fields, self.path, z, dynamics=dynamics, frames=self.times, solver=solver)
        edited = decode(model, moved.z[-1] if self.times is None else moved.z)
        return edited.to(device=images.device, dtype=images.dtype)

    def truth(self, model: LatentFlow, scenes: Scenes, start: Path) -> Tensor | None:
        """The true frames (T, N, C, H, W), or None where a flow cannot be drawn."""
        if not all(_drawable(flow, scenes) for flow in self.flows):
            return None
        names = tuple(flow.name for flow in model.flows() if _drawable(flow, scenes))
        path = Path(names, self.path.amounts[..., [self.path.names.index(name) for name in names]])
        units = _units(model, scenes)
        if self.times is not None:
            return scenes.draw(path, units, times=self.times, start=start)
        ends = path.amounts.expand(1, -1, len(scenes), -1).unbind(1)
        return torch.stack([scenes.draw(Path(names, end), units, start=start) for end in ends])


@torch.no_grad()
def demo_figures(
    model: LatentFlow,
    images: Float[Tensor, "N C H W"] | Scenes,
    *,
    start: Path | None = None,
    generator: torch.Generator | None = None,
    labels: Int[Tensor, "N"] | None = None,
    shown: int = 2,
    moving: int = 6,
    frames: int = 8,
) -> Gallery:
    """Pictures of what a model can do with images it has not seen.

    A strip and an animation of each flow (once round, or over its range), of two flows in a row and of the
    same two at once, a strip of these undone, and the latent portrait. The truth is shown where every flow
    that moves is a known transformation.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        images: The images, with shape (N, C, H, W), in [0, 1], or N scenes.
        start: A path, in the model's units, to the poses where edits start; where left out, those of still images
            as they are, and of other scenes the middle of each range, drawn at random where there is a circle.
        generator: The source of these.
        labels: The images' classes, with shape (N), which colour the portrait's codes; the first image of
            each class is then shown before any second one.
        shown: How many of the images strips show.
        moving: How many of them animations show.
        frames: How many frames a strip has.

    Returns:
        The pictures.

    Raises:
        ValueError: if images or start do not fit the model, or a number is not positive.
        FlowError: if a flow cannot be integrated.
    """
    if isinstance(images, Tensor):
        check_images("images", images, model.image_shape)
    scenes = as_scenes(images)
    for name, number in (("shown", shown), ("moving", moving), ("frames", frames)):
        check_positive(name, number)
    start = _start(model, scenes, generator) if start is None else start
    posed = scenes.draw(start, _units(model, scenes))
    order = _varied(labels if labels is not None else torch.zeros(len(scenes), dtype=torch.long))
    gallery = Gallery()
    for stem, caption, walk, loop in _walks(model, scenes, frames):
        sources, poses, begin = _picked(order[:shown], scenes, posed, start)
        gallery.stems[caption] = stem
        gallery.figures[caption] = strip(
            poses, walk.truth(model, sources, begin), walk.edit(model, poses),
            values=walk.values(), units=model.units,
        )  # fmt: skip
        if loop is None:
            continue
        sources, poses, begin = _picked(order[:moving], scenes, posed, start)
        truth, edited = loop.truth(model, sources, begin), loop.edit(model, poses)
        told = caption + ("" if truth is None else "; the truth above, the edit below")
        gallery.stems[told] = stem
        both = edited if truth is None else torch.cat([truth, edited], dim=1)
        gallery.animations[told] = _looped(contact_sheet(both, columns=len(poses)), loop, scenes)
    caption = _PORTRAIT + (", coloured by class" if labels is not None else "")
    gallery.stems[caption] = "latent_portrait"
    gallery.figures[caption] = latent_portrait(model, posed, labels=labels, known=scenes.transformations)
    return gallery


def _varied(labels: Tensor) -> Tensor:
    """The indices of images, the first of each class before the second of any."""
    ranks = (labels[:, None] == labels).tril(-1).sum(1)
    return ranks.argsort(stable=True)


def _start(model: LatentFlow, scenes: Scenes, generator: torch.Generator | None) -> Path:
    """The poses that pictures start from, with amounts (1, N, K)."""
    units = _units(model, scenes)
    names = tuple(units) or tuple(scenes.transformations)[:1]
    amounts = torch.zeros(1, len(scenes), len(names), dtype=torch.float64)
    if isinstance(scenes, StillScenes):
        return Path(names, amounts)
    for column, name in enumerate(names):
        kind = scenes.transformations[name]
        low, high = (float(units[name].to_amount(value)) for value in kind.range)
        where = torch.rand(len(scenes), generator=generator, dtype=torch.float64) if kind.period else 0.5
        amounts[..., column] = low + (high - low) * where
    return Path(names, amounts)


def _picked(order: Tensor, scenes: Scenes, posed: Tensor, start: Path) -> tuple[Scenes, Tensor, Path]:
    """Some scenes, their images at the start, and the path to there."""
    if start.batch_shape:
        start = Path(start.names, start.amounts[:, order.to(start.amounts.device)])
    return scenes[order], posed[order.to(posed.device)], start


def _drawable(flow: Flow, scenes: Scenes) -> bool:
    known = scenes.transformations.get(flow.name)
    return known is not None and (known.unit.name, known.unit.logarithmic) == (flow.unit.name, flow.unit.logarithmic)


def _units(model: LatentFlow, scenes: Scenes) -> dict[str, Unit]:
    return {flow.name: flow.unit for flow in model.flows() if _drawable(flow, scenes)}


def _walks(model: LatentFlow, scenes: Scenes, frames: int) -> Iterator[tuple[str, str, _Walk, _Walk | None]]:
    """File name, caption, strip and animation of everything that is shown."""
    for flow in model.flows():
        low, high, closed = natural_span(flow.name, flow.unit, scenes.transformations)
        ends = f"from {amount_text(low, flow.unit)} to {amount_text(high, flow.unit)}"
        moving = _TURNING if closed else _SWINGING
        yield (
            flow.name,
            f"{_title(flow)} {ends}",
            _alone(flow, low, high, frames, closed),
            _alone(flow, low, high, moving, closed),
        )
    pair = _pair(model)
    reaches = [_reach(flow, scenes) for flow in pair]
    far = [flow(reach) for flow, reach in zip(pair, reaches, strict=True)]
    texts = [
        f"{flow.name.replace('_', ' ')} {amount_text(reach, flow.unit)}"
        for flow, reach in zip(pair, reaches, strict=True)
    ]
    if len(pair) == 2:
        in_turn, at_once = far[0] >> far[1], far[0] + far[1]
        yield "in_turn", f"First {texts[0]}, then {texts[1]}", *_along(pair, in_turn, frames)
        yield "at_once", f"At once {texts[0]} and {texts[1]}", *_along(pair, at_once, frames)
    there = 2 * (far[0] if len(far) == 1 else far[0] + far[1])
    told = "Twice as far, and undone: there along the path, back along its inverse"
    yield "undone", told, _along(pair, there >> ~there, frames)[0], None


def _alone(flow: Flow, low: float, high: float, frames: int, closed: bool) -> _Walk:
    first, last = (float(flow.unit.to_amount(value)) for value in (low, high))
    if closed:  # from the pose itself: one path serves every frame
        times = torch.linspace(0, 1, frames + 1, dtype=torch.float64)[1:]
        return _Walk((flow,), flow.by_amount(last - first), times)
    amounts = torch.linspace(first, last, frames, dtype=torch.float64)
    return _Walk((flow,), flow.by_amount(amounts.unsqueeze(-1)))


def _along(flows: tuple[Flow, ...], path: Path, frames: int) -> tuple[_Walk, _Walk]:
    still = torch.linspace(0, path.segments, frames + 1, dtype=torch.float64)[1:]
    moving = torch.linspace(0, path.segments, _SWINGING, dtype=torch.float64)
    return _Walk(flows, path, still), _Walk(flows, path, moving)


def _title(flow: Flow) -> str:
    return flow.name.replace("_", " ").capitalize()


def _pair(model: LatentFlow) -> tuple[Flow, ...]:
    """The two flows that are composed, or the only one there is."""
    order = [name for name in _COMPOSED if name in model.names]
    order += [name for name in model.names if name not in _COMPOSED]
    return model.flows(*order[:2])


def _reach(flow: Flow, scenes: Scenes) -> float:
    """How far a flow goes in a composition, in its natural unit."""
    if flow.name in _COMPOSED and _drawable(flow, scenes):
        return _COMPOSED[flow.name]
    return float(flow.unit.to_value(1.0))


def _looped(frames: Tensor, loop: _Walk, scenes: Scenes) -> Tensor:
    """Frames that end where they start: as they are once round, else there and back again."""
    flow = loop.flows[0]
    if len(loop.flows) == 1 and natural_span(flow.name, flow.unit, scenes.transformations)[2]:
        return frames
    return torch.cat([frames, frames[1:-1].flip(0)])
