r"""The scores of response matrices: how far each flow moves one factor alone.

They are those of Eastwood and Williams 2018 (A framework for the quantitative evaluation of disentangled
representations), with squared responses in place of importances: with p the shares of a row, or of a column,

.. math:: D_k = 1 - H_F(p_{k \cdot}), \quad C_f = 1 - H_K(p_{\cdot f}), \quad H_n(p) = -\sum_i p_i \log_n p_i,

averaged with the rows' (columns') sums as weights. Squared, as the many small responses that only the noise of probes
makes would otherwise outweigh what flows do. Flows that do not move score 0. Flows that all move the same one factor
score a disentanglement of 1 and a completeness of 0, so both are to be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_finite

__all__ = ["ResponseMatrix", "entropy_scores", "response_scores"]

_Matrix = Float[Tensor, "K F"]
_Truth = Float[Tensor, "M F"]
_Row = Float[Tensor, "F"]


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
        unread: The factors that they hardly read: R^2 below 0.1, or less than a tenth of the way from always naming the
            most frequent class to being always right. Their columns are noise, and count in no score.
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
    unread: tuple[str, ...]
    controls: Mapping[str, float]

    @property
    def score(self) -> float:
        """The disentanglement: near 1 where each flow moves one factor alone."""
        return response_scores(self.matrix, self._read)[0]

    @property
    def completeness(self) -> float:
        """Near 1 where each factor is moved by one flow alone."""
        return response_scores(self.matrix, self._read)[1]

    @property
    def on_own(self) -> float | None:
        """The share of flows that move the factor of their own name the furthest; None where none has one."""
        factors = [self.factors[column] for column in self._read]
        largest = self.matrix[:, self._read].argmax(-1).tolist()
        own = [factors[column] == name for name, column in zip(self.names, largest, strict=True) if name in factors]
        return sum(own) / len(own) if own else None

    @property
    def _read(self) -> list[int]:
        """The columns that count."""
        return [column for column, name in enumerate(self.factors) if name not in self.unread]

    @property
    def ceiling(self) -> dict[str, float]:
        """What the probes read of each factor's own true motion, 1 if they read it rightly."""
        return {name: float(row[self.factors.index(name)]) for name, row in zip(self.moved, self.truth, strict=True)}

    @property
    def ceiling_score(self) -> float:
        """The disentanglement of the true motions, as far as probes can tell: what a perfect model would score."""
        return response_scores(self.truth, self._read)[0]

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
            "unread": list(self.unread),
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


def response_scores(matrix: _Matrix, columns: Sequence[int]) -> tuple[float, float]:
    """Disentanglement and completeness of responses (K, F), by the squares of some of their columns."""
    return entropy_scores(matrix[:, list(columns)].square())
