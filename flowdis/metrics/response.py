r"""The response matrix: how far each ground-truth factor moves, as each flow runs one amount.

Probes read the factors of the decoded image before and after flow k; entry (k, f) is the mean distance between the two
readings of factor f, in amounts of f. A model whose flows are the transformations that they are named after has 1
where names agree and 0 elsewhere, as far as probes can tell: the same matrix of the true motions stands beside it.

Scores, and what games them, are those of `flowdis.metrics.response_scores`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from flowdis.data.scenes import Scenes
from flowdis.dynamics import Dynamics
from flowdis.fields import FieldBank
from flowdis.metrics.batches import Stills, check_scenes, codes, slices
from flowdis.metrics.degenerate import degenerate_flows
from flowdis.metrics.factor_probes import FactorProbes
from flowdis.metrics.poses import Poses, draw_poses
from flowdis.metrics.response_scores import ResponseMatrix, entropy_scores, response_scores
from flowdis.metrics.single_flows import single_flow_ends
from flowdis.models import LatentFlow

__all__ = ["ResponseMatrix", "entropy_scores", "response_matrix"]


# Codes that the lengths of random flows are set by; how much better than blind guesses counts as reading.
_MEASURED, _READ = 200, 0.1


@torch.no_grad()
def response_matrix(
    model: LatentFlow,
    images: Stills | Scenes,
    probes: FactorProbes,
    *,
    generator: torch.Generator,
    count: int = 500,
    controls: Mapping[str, FieldBank] | None = None,
    batch_size: int = 250,
) -> ResponseMatrix:
    """How far each factor moves as each flow of a model runs one amount, read by probes from decoded images.

    Scenes start in random poses. Flows that are named after a factor with two ends run towards its farther end, others
    either way; where the dynamics has a temperature, its noise is left out.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        images: Still images (N, C, H, W) in [0, 1], or N scenes, that the probes were not trained on.
        probes: The probes, as `fit_scene_probes` makes them from other scenes of the same kind.
        generator: The source of scenes, poses, directions and random flows.
        count: How many images the means are taken over, scenes with replacement.
        controls: By name, other flows on the same codes, scored beside "static" and "random" ones.
        batch_size: How many images are worked on at a time.

    Returns:
        The matrix, beside what the probes read of true motions and of reconstructions.

    Raises:
        TypeError: if still images are not floating-point.
        ValueError: if images or probes do not fit the model, a factor is not one of the scenes, the probes read none of
            them, or one amount turns a circular factor by half a turn or more, so that its direction cannot be read.
        FlowError: if a flow cannot be integrated.
    """
    scenes = check_scenes("images", images, model)
    poses = draw_poses(scenes, probes.factors, count, generator=generator, units=model.units)
    scale = _scale(probes, poses)
    signs = _signs(model.names, poses, generator)
    stills = torch.cat([poses.images(piece) for piece in slices(count, batch_size)])
    z = torch.cat([codes(model, stills[piece]) for piece in slices(count, batch_size)])
    true, shown = probes.read(stills), _decoded(model, probes, z, batch_size)
    accuracy = probes.accuracy(true, poses.values)
    read = _read_columns(probes, accuracy, poses.values)
    banks = degenerate_flows(model, z[:_MEASURED], generator=generator) | dict(controls or {})

    def responses(bank: FieldBank, dynamics: Dynamics | None = None) -> tuple[Tensor, Tensor]:
        found = []
        for k, sign in enumerate(signs):
            flows = torch.full((count,), k)
            ends = single_flow_ends(bank, z, flows, sign, dynamics=dynamics, batch_size=batch_size)
            found.append(_means(probes, shown, _decoded(model, probes, ends, batch_size), scale, sign))
        distances, signed = zip(*found, strict=True)
        return torch.stack(distances), torch.stack(signed)

    matrix, signed = responses(model.fields, model.noiseless)
    moved, truth = _true_motions(probes, poses, scale, generator, batch_size)
    scores = {name: response_scores(responses(bank)[0], read)[0] for name, bank in banks.items()}
    return ResponseMatrix(
        names=model.names,
        factors=probes.names,
        matrix=matrix,
        signed=signed,
        moved=moved,
        truth=truth,
        floor=_means(probes, true, shown, scale, signs[0])[0],
        accuracy=accuracy,
        unread=tuple(name for column, name in enumerate(probes.names) if column not in read),
        controls=scores,
    )


def _read_columns(probes: FactorProbes, accuracy: Mapping[str, float], values: Tensor) -> list[int]:
    """The factors that the probes read."""
    read = []
    for column, factor in enumerate(probes.factors):
        blind = 0.0 if factor.ordered else float(values[:, column].long().bincount().max()) / len(values)
        if accuracy[factor.name] >= blind + _READ * (1 - blind):
            read.append(column)
    if not read:
        told = ", ".join(f"{name} {value:.2f}" for name, value in accuracy.items())
        raise ValueError(f"`probes` must read at least one factor of these images, got accuracies {told}")
    return read


def _scale(probes: FactorProbes, poses: Poses) -> Tensor:
    """Amounts per unit of movement that probes read, with shape (F,); 1 for unordered factors."""
    steps = []
    for factor in probes.factors:
        step = poses.units[factor.name].step if factor.ordered else 1.0
        if factor.period is not None and not abs(step) < factor.period / 2:
            raise ValueError(
                f"`model` must turn {factor.name!r} by less than half of its period {factor.period:g} per amount for "
                f"probes to read it, got {step:g}"
            )
        steps.append(step)
    return 1 / torch.tensor(steps, dtype=torch.float64)


def _signs(names: tuple[str, ...], poses: Poses, generator: torch.Generator) -> Tensor:
    """Which way each named flow runs for each scene, with shape (K, N)."""
    count = len(poses.values)
    signs = 2.0 * torch.randint(2, (len(names), count), generator=generator, device=generator.device).cpu() - 1
    ranges = {factor.name: factor for factor in poses.factors if factor.ordered and factor.period is None}
    starts = dict(zip(poses.start.names, poses.start.total().unbind(-1), strict=True))
    for sign, name in zip(signs, names, strict=True):
        if name in ranges:
            ends = poses.units[name].to_amount(torch.tensor(ranges[name].values, dtype=torch.float64))
            sign.copy_(torch.where(starts[name].cpu() < (ends[0] + ends[-1]) / 2, 1.0, -1.0))
    return signs.double()


def _decoded(model: LatentFlow, probes: FactorProbes, z: Tensor, batch_size: int) -> Tensor:
    """What probes read of decoded codes, (N, O)."""
    return torch.cat([probes.read(model.decode(z[piece])) for piece in slices(len(z), batch_size)])


def _means(probes: FactorProbes, before: Tensor, after: Tensor, scale: Tensor, signs: Tensor) -> tuple[Tensor, Tensor]:
    """The mean distance that each factor moves, in amounts, and the mean movement along the signs: both (F,)."""
    moves, weights = (part.cpu() for part in probes.movement(before, after))
    shares = weights / weights.sum(0).clamp(min=torch.finfo(weights.dtype).tiny)
    ordered = torch.tensor([factor.ordered for factor in probes.factors])
    along = (shares * signs.unsqueeze(-1) * moves).sum(0) * scale
    return (shares * moves.abs()).sum(0) * scale, torch.where(ordered, along, 0.0)


def _true_motions(
    probes: FactorProbes, poses: Poses, scale: Tensor, generator: torch.Generator, batch_size: int
) -> tuple[tuple[str, ...], Tensor]:
    """The factors that can truly be moved, and the distances read per amount of each, (M, F)."""
    names = poses.start.names
    moved, found = [], []
    ordered = torch.tensor([factor.ordered for factor in probes.factors])
    for name, signs in zip(names, _signs(names, poses, generator), strict=True):
        before, after, runs = [], [], []
        for piece in slices(len(signs), batch_size):
            frames, run = poses.motion(name, signs, piece)
            before.append(probes.read(frames[0]))
            after.append(probes.read(frames[1]))
            runs.append(run.double().cpu())
        amount = torch.cat(runs).abs().mean()
        if name in probes.names and amount > 0:
            distances = _means(probes, torch.cat(before), torch.cat(after), scale, signs)[0]
            moved.append(name)
            found.append(torch.where(ordered, distances / amount, distances))
    return tuple(moved), torch.stack(found) if found else scale.new_zeros(0, len(scale))
