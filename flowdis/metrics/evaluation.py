"""What an evaluation comes to: every flow metric beside its controls, and the table it is written as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowdis.metrics.commutator import Commutator
from flowdis.metrics.composition import CompositionError, PathError
from flowdis.metrics.equivariance import EquivarianceError
from flowdis.metrics.latent import LatentRatio
from flowdis.metrics.likelihood import LogLikelihood
from flowdis.metrics.probes import BackwardsError
from flowdis.metrics.undo import UndoError

__all__ = ["Evaluation"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The results of `evaluate`; what does not apply to a model is empty or None.

    Arguments:
        protocols: By protocol and transformation, the equivariance error.
        composition: By pair of edits, the errors of both in sequence and at once.
        backwards: By transformation, the errors of an edit and of the same amount the other way.
        round: By transformation, the error of going once round.
        undo: By path, what is left over after the path and its inverse.
        commutator: The sizes of the fields' Lie brackets.
        gaps: By pair of transformations, the pixels between one order of edits and the other.
        latent_ratio: By transformation, the latent equivariance ratio.
        log_likelihood: The log-likelihood of sequences.
        failures: By section, the message of a flow that could not be integrated.
    """

    protocols: Mapping[str, Mapping[str, EquivarianceError]] = field(default_factory=dict)
    composition: Mapping[str, CompositionError] = field(default_factory=dict)
    backwards: Mapping[str, BackwardsError] = field(default_factory=dict)
    round: Mapping[str, PathError] = field(default_factory=dict)
    undo: Mapping[str, UndoError] = field(default_factory=dict)
    commutator: Commutator | None = None
    gaps: Mapping[str, float] = field(default_factory=dict)
    latent_ratio: Mapping[str, LatentRatio] = field(default_factory=dict)
    log_likelihood: LogLikelihood | None = None
    failures: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The nested table of numbers; what does not apply is left out.

        Composition errors are means over pairs, undo errors the worst over paths; both are also given singly.
        """
        table = {
            "protocols": {protocol: {"equivariance": _written(errors)} for protocol, errors in self.protocols.items()},
            "composition": _composition(self.composition),
            "backwards": _written(self.backwards),
            "round": _written(self.round),
            "undo": _undo(self.undo),
            "commutator": {} if self.commutator is None else self.commutator.to_json() | _pixels(self.gaps),
            "latent_ratio": _written(self.latent_ratio),
            "log_likelihood": {} if self.log_likelihood is None else self.log_likelihood.to_json(),
            "failures": dict(self.failures),
        }
        return {name: section for name, section in table.items() if section}


def _written(results: Mapping[str, Any]) -> dict[str, Any]:
    return {name: result.to_json() for name, result in results.items()}


def _pixels(gaps: Mapping[str, float]) -> dict[str, Any]:
    return {"pixels": dict(gaps)} if gaps else {}


def _composition(errors: Mapping[str, CompositionError]) -> dict[str, Any]:
    if not errors:
        return {}
    pairs = _written(errors)
    means = {kind: _mean([pair[kind] for pair in pairs.values()]) for kind in ("sequential", "linear")}
    return {**means, "pairs": pairs}


def _mean(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(table[name] for table in tables) / len(tables) for name in tables[0]}


def _undo(errors: Mapping[str, UndoError]) -> dict[str, Any]:
    if not errors:
        return {}
    return {
        "pixels": max(error.pixels for error in errors.values()),
        "latent": max(error.latent for error in errors.values()),
        "paths": _written(errors),
    }
