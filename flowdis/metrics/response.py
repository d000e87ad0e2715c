r"""The response matrix: how far each ground-truth factor moves, as each flow runs one amount.

Probes read the factors of the decoded image before and after flow k; entry (k, f) is the mean distance between the two
readings of factor f, in amounts of f. A model whose flows are the transformations that they are named after has 1
where names agree and 0 elsewhere, as far as probes can tell: the same matrix of the true motions stands beside it.

Its scores are those of Eastwood and Williams 2018 (A framework for the quantitative evaluation of disentangled
representations), with squared responses in place of importances: with p the shares of a row, or of a column,

.. math:: D_k = 1 - H_F(p_{k \cdot}), \quad C_f = 1 - H_K(p_{\cdot f}), \quad H_n(p) = -\sum_i p_i \log_n p_i,

averaged with the rows' (columns') sums as weights. Squared, as the many small responses that only the noise of probes
makes would otherwise outweigh what flows do. Flows that do not move score 0. Flows that all move the same one factor
score a disentanglement of 1 and a completeness of 0, so both are to be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_finite
from flowdis.data.scenes import Scenes
from flowdis.dynamics import transport
from flowdis.fields import FieldBank
from flowdis.metrics.batches import Stills, check_scenes, codes, slices
from flowdis.metrics.degenerate import degenerate_flows
from flowdis.metrics.factor_probes import FactorProbes
from flowdis.metrics.poses import Poses, draw_poses
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["ResponseMatrix", "entropy_scores", "response_matrix"]

_Matrix = Float[Tensor, "K F"]
_Truth = Float[Tensor, "M F"]
_Row = Float[Tensor, "F"]

# Codes that the lengths of random flows are set by.
_MEASURED = 500


@dataclass(frozen=True, eq=False)
class ResponseMatrix:
    """How far each factor moves, in its own amounts, as each flow runs one amount; means over images.

    Arguments:
        names: The K flows.
        factors: The F factors.
        matrix: The distances moved, whichever way; of unordered factors how likely their class changes; (K, F).
        signed: The same with signs, so that motions one way and the other cancel; not for unordered factors.
        moved: The M factors whose true motion is known.
        truth: The distances that the probes read from true motions by one amount, with shape (M, F).
        floor: The distances between images and their reconstructions, which no flow has moved, with shape (F,).
        accuracy: How well the probes read true images: R^2, or the share of right classes.
        controls: The disentanglement of other flows on the same codes: "static", "random" and those passed in.
    """

    names: tuple[str, ...]
    factors: tuple[str, ...]
    matrix: _Matrix
    signed: _Matrix
    moved: tuple[str, ...]
    truth: _Truth
    floor: _Row
    accuracy: Mapping[str, float]
    controls: Mapping[str, float]

    @property
    def score(self) -> float:
        """The disentanglement: near 1 where each flow moves one factor alone."""
        return entropy_scores(self.matrix.square())[0]

    @property
    def completeness(self) -> float:
        """Near 1 where each factor is moved by one flow alone."""
        return entropy_scores(self.matrix.square())[1]

    @property
    def on_own(self) -> float | None:
        """The share of flows that move the factor of their own name the furthest; None where no names agree."""
        largest = self.matrix.argmax(-1).tolist()
        own = [
            self.factors[column] == name
            for name, column in zip(self.names, largest, strict=True)
            if name in self.factors
        ]
        return sum(own) / len(own) if own else None

    @property
    def ceiling(self) -> dict[str, float]:
        """What the probes read of each factor's own true motion, 1 if they read it rightly."""
        return {name: float(row[self.factors.index(name)]) for name, row in zip(self.moved, self.truth, strict=True)}

    @property
    def ceiling_score(self) -> float:
        """The disentanglement of the true motions, as far as probes can tell: what a perfect model would score."""
        return entropy_scores(self.truth.square())[0]

    def to_json(self) -> dict[str, Any]:
        """The scores beside their controls, and the matrices as lists."""
        return {
            "score": self.score,
            "completeness": self.completeness,
            "on_own": self.on_own,
            "ceiling_score": self.ceiling_score,
            "controls": dict(self.controls),
            "names": list(self.names),
            "factors": list(self.factors),
            "matrix": self.matrix.tolist(),
            "signed": self.signed.tolist(),
            "moved": list(self.moved),
            "truth": self.truth.tolist(),
            "ceiling": self.ceiling,
            "floor": dict(zip(self.factors, self.floor.tolist(), strict=True)),
            "accuracy": dict(self.accuracy),
        }


def entropy_scores(matrix: _Matrix) -> tuple[float, float]:
    """Disentanglement and completeness of non-negative importances (K, F), both in [0, 1].

    Rows and columns of zeros have no weight, a matrix of zeros scores 0; a single column, or row, leaves nothing to be
    confused with and so scores 1.

    Raises:
        ValueError: if an entry is negative or not finite.

    Example:
        >>> entropy_scores(torch.tensor([[1.0, 0.0], [0.0, 2.0]])), entropy_scores(torch.ones(3, 2))
        ((1.0, 1.0), (0.0, 0.0))
    """
    check_finite("matrix", matrix)
    if bool((matrix < 0).any()):
        index = tuple(int(i) for i in (matrix < 0).nonzero()[0])
        raise ValueError(f"`matrix` must not be negative, got {float(matrix[index])} at index {index}")
    total = float(matrix.sum())
    if total == 0:
        return 0.0, 0.0

    def concentration(entries: Tensor) -> float:
        sums = entries.sum(-1, keepdim=True)
        shares = entries / torch.where(sums > 0, sums, 1.0)
        entropies = torch.special.entr(shares).sum(-1)
        most = torch.tensor(max(entries.shape[-1], 2), dtype=entries.dtype).log()
        score = float(((1 - entropies / most) * sums.squeeze(-1)).sum()) / total
        return min(max(score, 0.0), 1.0)  # rounding alone leads out of [0, 1]

    exact = matrix.double()
    return concentration(exact), concentration(exact.mT)


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
        ValueError: if images or probes do not fit the model, a factor is not one of the scenes, or one amount turns a
            circular factor by half a turn or more, so that its direction cannot be read.
        FlowError: if a flow cannot be integrated.
    """
    scenes = check_scenes("images", images, model)
    poses = draw_poses(scenes, probes.factors, count, generator=generator, units=model.units)
    scale = _scale(probes, poses)
    signs = _signs(model.names, poses, generator)
    stills = torch.cat([poses.images(piece) for piece in slices(count, batch_size)])
    z = torch.cat([codes(model, stills[piece]) for piece in slices(count, batch_size)])
    true, shown = probes.read(stills), _decoded(model, probes, z, batch_size)
    banks = degenerate_flows(model, z[:_MEASURED], generator=generator) | dict(controls or {})

    def responses(bank: FieldBank) -> tuple[Tensor, Tensor]:
        found = []
        for k, sign in enumerate(signs):
            ends = torch.cat([_ends(model, bank, k, sign[piece], z[piece]) for piece in slices(count, batch_size)])
            found.append(_means(probes, shown, _decoded(model, probes, ends, batch_size), scale, sign))
        distances, signed = zip(*found, strict=True)
        return torch.stack(distances), torch.stack(signed)

    matrix, signed = responses(model.fields)
    moved, truth = _true_motions(probes, poses, scale, generator, batch_size)
    scores = {name: entropy_scores(responses(bank)[0].square())[0] for name, bank in banks.items()}
    return ResponseMatrix(
        names=model.names,
        factors=probes.names,
        matrix=matrix,
        signed=signed,
        moved=moved,
        truth=truth,
        floor=_means(probes, true, shown, scale, signs[0])[0],
        accuracy=probes.accuracy(true, poses.values),
        controls=scores,
    )


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


def _ends(model: LatentFlow, bank: FieldBank, k: int, signs: Tensor, z: Tensor) -> Tensor:
    amounts = torch.zeros(1, len(signs), len(model.names), dtype=z.dtype, device=z.device)
    amounts[0, :, k] = signs.to(z)
    return transport(bank, Path(model.names, amounts), z, solver=model.config.solver).z[-1]


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
