r"""Information: the mutual information of every code with every factor, in nats, counted in one pass.

Codes are cut into bins (those with no more values than some factor has classes keep their values), and all D F
contingency tables are counted at once. From them comes the plug-in estimate

.. math:: I(z_d; v_f) = \sum_{b, c} p(b, c) \log \frac{p(b, c)}{p(b) p(c)},

which is too large by about (b - 1)(c - 1) / (2 N) nats (Miller and Madow) where there is little to be found.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int64

from flowdis.metrics.codes.discretise import KINDS, discretise
from flowdis.metrics.codes.inputs import Table, warn

__all__ = ["Information", "differential_entropies", "entropies", "joint_counts", "measure", "mutual_information"]

_BIAS_TOLD = 0.025
"""The part of a factor's entropy from which on the bias is warned of."""

_FILLED = 5
"""How many samples a cell holds in the mean, from which on information by chance follows its law."""

_SHUFFLES = 10
"""How many shuffles show what independent codes would seem to tell."""

_BLOCK = 1 << 22
"""How many entries are counted at a time, so that memory does not grow with samples."""


@dataclass(frozen=True, eq=False)
class Information:
    """The mutual information of codes and factors.

    Arguments:
        table: The table that it is measured on.
        binned: The codes' bins, with shape (N, D).
        bins: Into how many bins codes are cut that have more values than that, and than any factor has classes.
        kind: What kind they are.
        matrix: The mutual information of each code and factor in nats, with shape (D, F).
        code_entropies: The entropies of the binned codes in nats, with shape (D).
        factor_entropies: The entropies of the factors in nats, with shape (F).
        bias: By how much each entry of the matrix is too large where code and factor are independent,
            (b - 1)(c - 1) / (2 N) nats for b bins and c classes in use, with shape (D, F).
    """

    table: Table
    binned: Int64[np.ndarray, "N D"]
    bins: int
    kind: str
    matrix: Float64[np.ndarray, "D F"]
    code_entropies: Float64[np.ndarray, " D"]
    factor_entropies: Float64[np.ndarray, " F"]
    bias: Float64[np.ndarray, "D F"]

    @property
    def estimator(self) -> str:
        """How it was estimated, in words."""
        return f"{self.bins} {KINDS[self.kind]} bins, plug-in"

    @property
    def used(self) -> int:
        """How many bins the code with most bins has."""
        return int(self.binned.max()) + 1

    @property
    def shares(self) -> Float64[np.ndarray, "D F"]:
        """The part of each factor's entropy that each code tells, I(z_d; v_f) / H(v_f), with shape (D, F)."""
        whole = np.broadcast_to(self.factor_entropies, self.matrix.shape)
        return np.divide(self.matrix, whole, out=np.zeros_like(self.matrix), where=whole > 0)

    @cached_property
    def told(self) -> Bool[np.ndarray, "D F"]:
        """Which codes tell more of which factors than independent codes would seem to, with shape (D, F).

        What independent codes seem to tell is the bias, at most 5 % more where cells of the largest table hold five
        samples in the mean; where they hold fewer, it is measured on shuffled rows, the same for the same table. Above
        it lies the quantile of a chi-squared law that one entry in 30,000 exceeds (Wilson and Hilferty's, 4 standard
        deviations), widened by a fifth for tables with few samples a cell.
        """
        factors, classes = self.table.factors, max(self.table.sizes)
        chance = 1.05 * self.bias
        if len(factors) < _FILLED * self.used * classes:
            rng = np.random.default_rng(0)
            shuffles = [factors[rng.permutation(len(factors))] for _ in range(_SHUFFLES)]
            counts = (joint_counts(self.binned, shuffled, self.used, classes) for shuffled in shuffles)
            chance = np.mean([mutual_information(count) for count in counts], axis=0)
        freedom = np.maximum(2 * len(factors) * self.bias, 1)
        quantile = freedom * (1 - 2 / (9 * freedom) + 4 * np.sqrt(2 / (9 * freedom))) ** 3
        return self.matrix > chance + 1.2 * (quantile - freedom) / (2 * len(factors))

    def take(self, rows: Int64[np.ndarray, " M"]) -> Information:
        """The information in some rows, as often as given, in the same bins; `table` and `binned` stay whole."""
        counts = joint_counts(self.binned[rows], self.table.factors[rows], self.used, max(self.table.sizes))
        return _informed(self.table, self.binned, self.bins, self.kind, counts)


def measure(table: Table, *, bins: int = 20, kind: str = "equal_count") -> Information:
    """Measures the mutual information of every code with every factor.

    Warns where the plug-in estimate of independent codes would exceed 2.5 % of a factor's entropy: few samples
    for so many bins and classes look like information.

    Arguments:
        table: The codes and factors.
        bins: Into how many bins codes are cut. In bins of equal counts, a code with no more values than some factor
            has classes is not cut, so that a factor's own classes tell all of it.
        kind: "equal_count" or "equal_width".

    Returns:
        The information.

    Raises:
        ValueError: if there are fewer samples than bins, fewer than 2 bins, or no such kind.
    """
    binned = discretise(table.codes, bins, kind, whole=max(table.sizes))
    counts = joint_counts(binned, table.factors, int(binned.max()) + 1, max(table.sizes))
    information = _informed(table, binned, bins, kind, counts)
    share = information.bias / information.factor_entropies
    d, f = np.unravel_index(share.argmax(), share.shape)
    if share[d, f] > _BIAS_TOLD:
        used = len(np.unique(binned[:, d]))
        warn(
            f"N={len(table)} samples are few for {used} bins of code {d} and {table.sizes[f]} classes of "
            f"{table.names[f]}: were they independent, (b - 1)(c - 1) / (2 N) = {information.bias[d, f]:.3f} nats "
            f"({share[d, f]:.1%} of the factor's entropy) would still show (Miller-Madow)"
        )
    return information


def joint_counts(
    binned: Int64[np.ndarray, "N D"], factors: Int64[np.ndarray, "N F"], bins: int, classes: int
) -> Int64[np.ndarray, "D F bins classes"]:
    """Counts the contingency tables of every code with every factor.

    Arguments:
        binned: The codes' bins, from 0 to bins - 1, with shape (N, D).
        factors: The factors' classes, from 0 to classes - 1, with shape (N, F).
        bins: How many bins.
        classes: How many classes the largest factor has.

    Returns:
        The counts, with shape (D, F, bins, classes).

    Example:
        >>> joint_counts(np.array([[0], [1], [1]]), np.array([[0], [0], [1]]), 2, 2)[0, 0].tolist()
        [[1, 0], [1, 1]]
    """
    codes, columns = binned.shape[1], factors.shape[1]
    size = codes * columns * bins * classes
    # The place of a count, ((d F + f) bins + b) classes + c, is the sum of what code and factor have to say.
    of_codes = (np.arange(codes) * columns * bins + binned) * classes
    of_factors = np.arange(columns) * bins * classes + factors
    counts = np.zeros(size, dtype=np.int64)
    step = max(1, _BLOCK // (codes * columns))
    for start in range(0, len(binned), step):
        rows = slice(start, start + step)
        places = of_codes[rows, :, None] + of_factors[rows, None, :]
        counts += np.bincount(places.ravel(), minlength=size)
    return counts.reshape(codes, columns, bins, classes)


def mutual_information(counts: Int64[np.ndarray, "*tables bins classes"]) -> Float64[np.ndarray, "*tables"]:
    """The plug-in mutual information of contingency tables, in nats.

    It is exactly 0 where every count is the product of its margins, and nowhere less.

    Arguments:
        counts: The counts, with shape (*, bins, classes).

    Returns:
        The mutual information, with shape (*).

    Example:
        >>> mutual_information(np.array([[[5, 0], [0, 5]], [[4, 1], [8, 2]]])).tolist()
        [0.693147, 0.0]
    """
    counts = counts.astype(np.float64)
    total = counts.sum(axis=(-2, -1), keepdims=True)
    independent = counts.sum(axis=-1, keepdims=True) * counts.sum(axis=-2, keepdims=True)
    # Whole numbers up to 2^53 are divided here, so that independence gives a ratio of exactly 1.
    ratio = np.divide(counts * total, independent, out=np.ones_like(counts), where=counts > 0)
    return np.asarray(np.maximum((counts * np.log(ratio)).sum(axis=(-2, -1)) / total[..., 0, 0], 0.0))


def entropies(counts: Int64[np.ndarray, "*tables bins"]) -> Float64[np.ndarray, "*tables"]:
    """The plug-in entropies of counts, in nats.

    Arguments:
        counts: The counts, with shape (*, bins).

    Returns:
        The entropies, with shape (*).

    Example:
        >>> entropies(np.array([[1, 1], [2, 0]])).tolist()
        [0.693147, 0.0]
    """
    counts = counts.astype(np.float64)
    total = counts.sum(axis=-1, keepdims=True)
    ratio = np.divide(total, counts, out=np.ones_like(counts), where=counts > 0)
    return np.asarray((counts * np.log(ratio)).sum(axis=-1) / total[..., 0])


def differential_entropies(codes: Float64[np.ndarray, "N D"], bins: int = 100) -> Float64[np.ndarray, " D"]:
    r"""The differential entropies of continuous codes, in nats, from histograms of equal width w.

    .. math:: h(z_d) = -\sum_b p(b) \log p(b) + \log w

    Arguments:
        codes: The codes, with shape (N, D).
        bins: How many bins.

    Returns:
        The entropies, with shape (D): minus infinity for a constant code.

    Raises:
        ValueError: if there are fewer samples than bins, or fewer than 2 bins.
    """
    binned = discretise(codes, bins, "equal_width")
    counts = joint_counts(binned, np.zeros((len(binned), 1), dtype=np.int64), bins, 1)[:, 0, :, 0]
    width = (codes.max(axis=0) - codes.min(axis=0)) / bins
    logarithm = np.log(width, out=np.full_like(width, -np.inf), where=width > 0)
    return entropies(counts) + logarithm


def _informed(
    table: Table,
    binned: Int64[np.ndarray, "N D"],
    bins: int,
    kind: str,
    counts: Int64[np.ndarray, "D F bins classes"],
) -> Information:
    of_codes, of_factors = counts[:, 0].sum(axis=-1), counts[0].sum(axis=-2)
    freedom = ((of_codes > 0).sum(axis=-1) - 1)[:, None] * ((of_factors > 0).sum(axis=-1) - 1)
    return Information(
        table=table,
        binned=binned,
        bins=bins,
        kind=kind,
        matrix=mutual_information(counts),
        code_entropies=entropies(of_codes),
        factor_entropies=entropies(of_factors),
        bias=freedom / (2 * int(of_factors[0].sum())),
    )
