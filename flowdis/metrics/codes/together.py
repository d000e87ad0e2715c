"""All metrics of codes together, sharing what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tqdm import tqdm

from flowdis._checks import check_choice
from flowdis.metrics.codes.beta_vae import beta_vae_of
from flowdis.metrics.codes.dci import dci_of
from flowdis.metrics.codes.explicitness import explicitness_of
from flowdis.metrics.codes.factor_vae import factor_vae_of
from flowdis.metrics.codes.groups import Groups, group
from flowdis.metrics.codes.infomec import infomec_of
from flowdis.metrics.codes.information import Information, measure
from flowdis.metrics.codes.inputs import CodesLike, Table, read
from flowdis.metrics.codes.irs import irs_of
from flowdis.metrics.codes.mig import mig_of
from flowdis.metrics.codes.modularity import modularity_of
from flowdis.metrics.codes.results import Result
from flowdis.metrics.codes.sap import sap_of
from flowdis.metrics.codes.splits import Split, split

__all__ = ["METRICS", "AllMetrics", "all_metrics"]

_FURTHER = {
    "mig": ("supervised",),
    "dci": ("completeness", "informativeness", "explicitness"),
    "infomec": ("explicitness", "compactness"),
}
"""The scores that a result has besides `score`."""


@dataclass(frozen=True)
class _Shared:
    """What several metrics are made from, each made when first asked for, and then kept."""

    table: Table
    bins: int
    kind: str
    categories: Sequence[str]
    seed: int
    bootstrap: int
    jobs: int

    @cached_property
    def information(self) -> Information:
        return measure(self.table, bins=self.bins, kind=self.kind)

    @cached_property
    def parts(self) -> Split:
        return split(len(self.table), self.seed)

    @cached_property
    def groups(self) -> Groups:
        return group(self.table)

    @property
    def resampling(self) -> dict[str, Any]:
        return {"seed": self.seed, "bootstrap": self.bootstrap}


_RUNS: Mapping[str, Callable[[_Shared], Result]] = {
    "mig": lambda s: mig_of(s.information, **s.resampling),
    "dci": lambda s: dci_of(s.table, s.parts, categories=s.categories, jobs=s.jobs, **s.resampling),
    "sap": lambda s: sap_of(s.table, categories=s.categories, **s.resampling),
    "beta_vae": lambda s: beta_vae_of(s.table, s.groups, **s.resampling),
    "factor_vae": lambda s: factor_vae_of(s.table, s.groups, **s.resampling),
    "modularity": lambda s: modularity_of(s.information, **s.resampling),
    "explicitness": lambda s: explicitness_of(s.table, s.parts, **s.resampling),
    "infomec": lambda s: infomec_of(s.information, **s.resampling),
    "irs": lambda s: irs_of(s.table, **s.resampling),
}

METRICS = tuple(_RUNS)
"""The metrics that run together, in this order; `udr` compares several models, and stands apart."""


@dataclass(frozen=True, eq=False)
class AllMetrics:
    """The results of all metrics, by name.

    Arguments:
        results: Each metric's result.
        failures: What could not be computed: the message of its error.
    """

    results: Mapping[str, Result]
    failures: Mapping[str, str]

    def __getitem__(self, name: str) -> Result:
        """The result of one metric.

        Raises:
            KeyError: saying why there is none.
        """
        if name in self.results:
            return self.results[name]
        raise KeyError(f"{name}: {self.failures.get(name, 'not asked for')}")

    @property
    def scores(self) -> dict[str, float]:
        """The scores by metric, and as "dci completeness" and so on those that a metric has besides its first."""
        table = {}
        for name, result in self.results.items():
            table[name] = result.score
            table |= {f"{name} {other}": float(getattr(result, other)) for other in _FURTHER.get(name, ())}
        return table

    def to_json(self) -> dict[str, Any]:
        """The scores, each result by name, and the failures."""
        return {
            "scores": self.scores,
            "results": {name: result.to_json() for name, result in self.results.items()},
            "failures": dict(self.failures),
        }


def all_metrics(
    codes: CodesLike,
    factors: CodesLike | None,
    *,
    names: Sequence[str] | None = None,
    factor_bins: int | None = None,
    seed: int = 0,
    bootstrap: int = 0,
    bins: int = 20,
    kind: str = "equal_count",
    categories: Sequence[str] = (),
    jobs: int = 1,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
    quiet: bool = False,
) -> AllMetrics:
    """All metrics of codes against factors, each as it is by default.

    They share the checked table, the bins and the information matrix, the rows to train and to test on, and the rows
    grouped by factor; scores are the same as those of each metric alone.

    Arguments:
        codes: The codes, with shape (N, D).
        factors: The ground-truth factors of the same samples, with shape (N, F), or (N) for one factor.
        names: The factors' names.
        factor_bins: Into how many bins of equally many samples each factor with more values than that is cut.
        seed: The seed of all that is drawn.
        bootstrap: How many resamples intervals are made from; 0 for none. DCI fits its predictors to each.
        bins: Into how many bins codes are cut, where they are.
        kind: What kind they are: "equal_count" or "equal_width".
        categories: The names of factors without an order, for DCI and SAP.
        jobs: How many threads fit DCI's predictors.
        only: The metrics to run; None for all.
        without: The metrics to leave out.
        quiet: Whether to show no progress bar.

    Returns:
        The results. A metric that cannot be computed from this table is among the failures, with the reason.

    Raises:
        TypeError: if codes or factors are not arrays of real numbers.
        ValueError: if they do not fit (see `read`), there is no such metric or kind, or nothing is left to run.

    Example:
        >>> import numpy as np
        >>> factors = np.stack(np.meshgrid(range(4), range(5), range(10)), axis=-1).reshape(-1, 3)
        >>> all_metrics(factors.astype(float), factors, only=["sap", "irs"], quiet=True).scores
        {'sap': 1.0, 'irs': 1.0}
    """
    for name in only or ():
        check_choice("only", name, METRICS)
    for name in without:
        check_choice("without", name, METRICS)
    chosen = [name for name in METRICS if (only is None or name in only) and name not in without]
    if not chosen:
        raise ValueError(f"`only` and `without` must leave a metric to run, got {only} and {without}")
    table = read(codes, factors, names=names, factor_bins=factor_bins)
    for name in categories:
        check_choice("categories", name, (*table.names, *table.dropped_factors))
    shared = _Shared(table, bins, kind, categories, seed, bootstrap, jobs)
    results, failures = {}, {}
    bar = tqdm(chosen, desc="metrics", unit="metric", disable=quiet)
    for name in bar:
        bar.set_postfix_str(name)
        try:
            results[name] = _RUNS[name](shared)
        except ValueError as error:
            failures[name] = str(error)
    return AllMetrics(results, failures)
