"""How well inferred amounts are the true ones: flows matched to transformations, then judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_finite
from flowdis.data.batch import SequenceBatch
from flowdis.metrics.batches import placed
from flowdis.models import LatentFlow
from flowdis.models.mixing import mix
from flowdis.paths import Unit

__all__ = [
    "USED",
    "AmountScores",
    "amount_scores",
    "inferred_amounts",
    "inferred_sequences",
    "match_amounts",
    "matched",
]

_Inferred = Float[Tensor, "N K"]
_True = Float[Tensor, "N F"]
_Indices = Int[Tensor, "steps"]

USED = 0.01
"""The share of steps from which on a flow counts as used."""


@dataclass(frozen=True, eq=False)
class AmountScores:
    """Inferred amounts beside true ones.

    Arguments:
        matching: By transformation, the flow that is matched to it, one to one.
        backwards: The transformations whose flows run the other way round.
        sizes: By transformation, the true amounts that an amount of 1 of its flow is, by least squares.
        accuracy: Of the steps in which one transformation moves, the share in which its flow moves most; None where
            there are no such steps. The expected score of a constant answer is the share of the most frequent.
        accuracies: The same by transformation.
        switches: The share of steps, over transformations, in which the matched flow is on if and only if the
            transformation moves.
        speed_correlation: The mean over transformations of the correlation of inferred and true amounts, over the
            steps in which the transformation moves, those of flows that run the other way round negated; None where no
            speed varies. It is negative where a flow takes the long way round, ever less of it for a faster motion.
        correlations: The same by transformation, None where its speed does not vary.
        sequence_correlations: By transformation, the correlation of amounts summed over a sequence, over those in which
            it moves: where each sequence has one speed, how well that is told by all of its steps.
        usage: By flow, the share of steps in which it is on.
        used: The share of flows that are on in a hundredth of the steps or more.
        table: The correlations of inferred with true amounts over all steps, with shape (K, F).
    """

    matching: Mapping[str, str]
    backwards: tuple[str, ...]
    sizes: Mapping[str, float]
    accuracy: float | None
    accuracies: Mapping[str, float]
    switches: float
    speed_correlation: float | None
    correlations: Mapping[str, float | None]
    sequence_correlations: Mapping[str, float | None]
    usage: Mapping[str, float]
    used: float
    table: tuple[tuple[float, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """All of it, by name."""
        return {
            "accuracy": self.accuracy,
            "speed_correlation": self.speed_correlation,
            "used": self.used,
            "switches": self.switches,
            "matching": dict(self.matching),
            "backwards": list(self.backwards),
            "sizes": dict(self.sizes),
            "accuracies": dict(self.accuracies),
            "correlations": dict(self.correlations),
            "sequence_correlations": dict(self.sequence_correlations),
            "usage": dict(self.usage),
            "table": [list(row) for row in self.table],
        }


def match_amounts(
    inferred: _Inferred,
    true: _True,
    *,
    flows: Sequence[str],
    names: Sequence[str],
    sequences: _Indices | None = None,
) -> AmountScores:
    """Matches flows to transformations so that amounts correlate most, and judges them.

    Names are matched for reporting alone. Where there are more flows than transformations, some stay unmatched, and
    the other way round.

    Arguments:
        inferred: The inferred amounts of N steps, with shape (N, K).
        true: The true ones, with shape (N, F).
        flows: The names of the K flows.
        names: The names of the F transformations.
        sequences: To which sequence each step belongs, counted from 0, with shape (N); each is one of its own where
            left out.

    Raises:
        ValueError: if shapes or names do not match, there are fewer than two steps, or amounts are not finite.

    Reference: Kuhn 1955, the Hungarian method, by scipy's `linear_sum_assignment`.
    """
    from scipy.optimize import linear_sum_assignment

    wanted = (len(inferred), len(flows)), (len(inferred), len(names))
    if (tuple(inferred.shape), tuple(true.shape)) != wanted or len(inferred) < 2:
        got = f"{tuple(inferred.shape)} and {tuple(true.shape)}"
        raise ValueError(f"`inferred` and `true` must have shapes (N, {len(flows)}) and (N, {len(names)}), got {got}")
    if sequences is not None and sequences.shape != inferred.shape[:1]:
        raise ValueError(f"`sequences` must have shape ({len(inferred)},), got {tuple(sequences.shape)}")
    ours, theirs = (check_finite(n, t).double().cpu().numpy() for n, t in (("inferred", inferred), ("true", true)))
    table = _correlations(ours, theirs)
    rows, columns = linear_sum_assignment(-np.abs(table))
    pairs = sorted(zip(columns.tolist(), rows.tolist(), strict=True))
    moves, on = theirs != 0, ours != 0
    alone = moves.sum(1) == 1
    largest = np.abs(ours).argmax(1)
    told = np.abs(ours).max(1) > 0
    right = {names[f]: (largest == k)[alone & moves[:, f]] & told[alone & moves[:, f]] for f, k in pairs}
    missed = {name: np.zeros(int((alone & moves[:, f]).sum())) for f, name in enumerate(names) if name not in right}
    every = {name: (right | missed)[name] for name in names}
    signed = {f: float((ours[:, k] * theirs[:, f]).sum()) for f, k in pairs}
    directed = {f: -ours[:, k] if signed[f] < 0 else ours[:, k] for f, k in pairs}
    speeds = {names[f]: _correlation(directed[f][moves[:, f]], theirs[moves[:, f], f]) for f, _ in pairs}
    whole = speeds if sequences is None else _whole(directed, theirs, sequences.cpu().numpy(), names)
    varied = [value for value in speeds.values() if value is not None]
    usage = {flow: float(on[:, k].mean()) for k, flow in enumerate(flows)}
    return AmountScores(
        matching={names[f]: flows[k] for f, k in pairs},
        backwards=tuple(names[f] for f, _ in pairs if signed[f] < 0),
        sizes={names[f]: _ratio(float((theirs[:, f] ** 2).sum()), abs(signed[f])) for f, _ in pairs},
        accuracy=float(np.concatenate(list(every.values())).mean()) if alone.any() else None,
        accuracies={name: float(hits.mean()) for name, hits in every.items() if len(hits)},
        switches=float(np.mean([(on[:, k] == moves[:, f]).mean() for f, k in pairs])),
        speed_correlation=float(np.mean(varied)) if varied else None,
        correlations=speeds,
        sequence_correlations=whole,
        usage=usage,
        used=float(np.mean([share >= USED for share in usage.values()])),
        table=tuple(tuple(row) for row in table.tolist()),
    )


@torch.no_grad()
def inferred_amounts(
    model: LatentFlow, batches: Sequence[SequenceBatch], inferred: Sequence[SequenceBatch] | None = None
) -> tuple[_Inferred, _True, _Indices]:
    """The inferred and the true amounts of sequences, step by step, or under weak supervision of whole sequences.

    Arguments:
        model: A model that infers amounts.
        batches: Whole sequences whose amounts are known.
        inferred: What `inferred_sequences` makes of each of them, where that is there already.

    Returns:
        The inferred amounts (N, K) and the true ones (N, F), each in its own units, and to which sequence each
        belongs (N).

    Raises:
        ValueError: if the model infers none.
    """
    ours, theirs, belongs, seen = [], [], [], 0
    inferred = [inferred_sequences(model, batch) for batch in batches] if inferred is None else inferred
    for batch, told in zip(batches, inferred, strict=True):
        true = batch.path.elapsed(batch.times.to(batch.amounts))
        if model.config.supervision == "weak":
            ours.append(told.amounts.sum(0))
            theirs.append(true[-1])
        else:
            ours.append(told.amounts.flatten(0, 1))
            theirs.append(true.diff(dim=0).flatten(0, 1))
        count = true.shape[1]
        belongs.append(torch.arange(seen, seen + count).repeat(len(ours[-1]) // count))
        seen += count
    return torch.cat(ours), torch.cat(theirs), torch.cat(belongs)


@torch.no_grad()
def inferred_sequences(model: LatentFlow, batch: SequenceBatch) -> SequenceBatch:
    """The same frames with the amounts that the model infers, to measure how well it predicts them from the first.

    `equivariance_error(model, {"inferred": inferred_sequences(model, batch)})` does that.

    Arguments:
        model: A model that infers amounts.
        batch: Whole sequences; under weak supervision with amounts that tell how far each moves.

    Raises:
        ValueError: if the model infers none.
    """
    frames = placed(model, batch.frames)
    path = model.infer(frames)
    if model.config.supervision == "weak":
        amounts = path.amounts * placed(model, batch.amounts).sum(-1, keepdim=True)
        return SequenceBatch(model.names, frames, batch.times.to(frames), amounts, batch.length)
    return SequenceBatch(model.names, frames, torch.arange(len(frames)).to(frames), path.amounts, batch.length)


def amount_scores(
    model: LatentFlow, batches: Sequence[SequenceBatch], inferred: Sequence[SequenceBatch] | None = None
) -> AmountScores:
    """Matches the flows of a model that infers amounts to the transformations of sequences, and judges them.

    Arguments:
        model: The model.
        batches: Whole sequences, of the same transformations, whose amounts are known; not those it was trained on.
        inferred: What `inferred_sequences` makes of each of them, where that is there already.

    Raises:
        ValueError: if the model infers no amounts, or there are no sequences.
    """
    if not batches:
        raise ValueError("`batches` must hold at least one batch of sequences, got none")
    ours, true, belongs = inferred_amounts(model, batches, inferred)
    return match_amounts(ours, true.to(ours.device), flows=model.names, names=batches[0].names, sequences=belongs)


def matched(model: LatentFlow, scores: AmountScores, units: Mapping[str, Unit]) -> LatentFlow:
    """A copy of a model whose flows have the names, directions and units of what they are matched to.

    Flows that are matched to nothing follow under the names that they have.

    Arguments:
        model: The model, which stays as it is.
        scores: What its amounts came to.
        units: The units of the true amounts, by transformation.
    """
    rows, sized = {}, {}
    for name, flow in scores.matching.items():
        rows[name] = {flow: -1.0 if name in scores.backwards else 1.0}
        unit, size = units[name], scores.sizes[name] or 1.0
        sized[name] = replace(unit, size=unit.size**size if unit.logarithmic else unit.size * size)
    for flow in model.names:
        if flow not in scores.matching.values():
            rows[flow], sized[flow] = {flow: 1.0}, model.units[flow]
    return mix(model, rows, sized)


def _whole(
    directed: Mapping[int, np.ndarray], theirs: np.ndarray, sequences: np.ndarray, names: Sequence[str]
) -> dict[str, float | None]:
    """The correlations of sums over sequences, of each transformation over those in which it moves."""
    found = {}
    for index, inferred in directed.items():
        true, told = (np.bincount(sequences, column) for column in (theirs[:, index], inferred))
        moves = np.bincount(sequences, theirs[:, index] != 0) > 0
        found[names[index]] = _correlation(told[moves], true[moves])
    return found


def _correlations(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The correlations (K, F) of columns; 0 where one does not vary."""
    table = np.zeros((ours.shape[1], theirs.shape[1]))
    for k, f in np.ndindex(table.shape):
        value = _correlation(ours[:, k], theirs[:, f])
        table[k, f] = 0.0 if value is None else value
    return table


def _correlation(ours: np.ndarray, theirs: np.ndarray) -> float | None:
    """The correlation of two columns; None where the true one does not vary, 0 where only the inferred one does not."""
    if len(theirs) < 2 or np.ptp(theirs) <= 1e-6 * np.abs(theirs).max():
        return None
    if np.ptp(ours) == 0:
        return 0.0
    return float(np.corrcoef(ours, theirs)[0, 1])


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else 0.0
