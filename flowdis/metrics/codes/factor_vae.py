"""The FactorVAE metric: which factor is held fixed, told from the code that varies least?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from flowdis._checks import check_positive
from flowdis.metrics.codes.bootstrap import bootstrap as interval_of
from flowdis.metrics.codes.groups import Groups, blocks, check_told_apart, group, live_codes
from flowdis.metrics.codes.inputs import CodesLike, Table, read
from flowdis.metrics.codes.results import Result

__all__ = ["FactorVae", "factor_vae", "factor_vae_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class FactorVae(Result):
    """The accuracy of the FactorVAE metric on new votes; the score is `eval_accuracy`.

    Arguments:
        eval_accuracy: The part of new votes whose factor is told right.
        train_accuracy: The same of the votes that the majorities are taken of.
        chance: What guessing gets, 1 / F.
        votes: How often each code varied least while each factor was held fixed, with shape (F, D).
        eval_votes: The same of the new votes, with shape (F, D).
        code_factors: The factor that each code stands for, -1 where it never varied least, with shape (D).
        factor_accuracies: The part of each factor's new votes that is told right, with shape (F).
    """

    eval_accuracy: float
    train_accuracy: float
    chance: float
    votes: Int64[np.ndarray, "F D"]
    eval_votes: Int64[np.ndarray, "F D"]
    code_factors: Int64[np.ndarray, " D"]
    factor_accuracies: Float64[np.ndarray, " F"]


def factor_vae(
    codes: CodesLike,
    factors: CodesLike | None,
    *,
    names: Sequence[str] | None = None,
    factor_bins: int | None = None,
    seed: int = 0,
    bootstrap: int = 0,
    votes: int = 10_000,
    eval_votes: int = 5_000,
    rows: int = 64,
) -> FactorVae:
    r"""The FactorVAE metric of codes against factors.

    A vote holds one factor f at a value, takes some rows that have it, and names the code that varies least among
    them, relative to its variance over all rows:

    .. math:: d^* = \arg\min_d \frac{\mathrm{Var}(z_d \mid v_f = c)}{\mathrm{Var}(z_d)}.

    Each code stands for the factor that it was named most often for; the score is how often that is right on new
    votes. Factors are drawn evenly, values by how often they occur, rows with replacement. Constant codes do not
    take part; if all are constant, nothing is told and both accuracies are 0, as published. Guessing gets 1 / F.

    Arguments:
        codes: The codes, with shape (N, D).
        factors: The ground-truth factors of the same samples, with shape (N, F).
        names: The factors' names.
        factor_bins: Into how many bins of equally many samples each factor with more values than that is cut.
        seed: The seed of the draws and of the bootstrap.
        bootstrap: How many resamples an interval of the score is made from; 0 for none.
        votes: How many votes the majorities are taken of.
        eval_votes: How many new votes they are tried on.
        rows: How many rows a vote is made from.

    Returns:
        The accuracies.

    Raises:
        TypeError: if codes or factors are not arrays of real numbers.
        ValueError: if they do not fit (see `read`), only one factor varies, or no value of a factor occurs twice.

    References:
        Kim and Mnih, Disentangling by Factorising, 2018, arXiv:1802.05983.

    Example:
        >>> factors = np.stack(np.meshgrid(range(4), range(5), range(5)), axis=-1).reshape(-1, 3)
        >>> result = factor_vae(factors.astype(float), factors, votes=500, eval_votes=500)
        >>> result.score, result.code_factors.tolist()
        (1.0, [0, 1, 2])
    """
    table = read(codes, factors, names=names, factor_bins=factor_bins)
    return factor_vae_of(table, seed=seed, bootstrap=bootstrap, votes=votes, eval_votes=eval_votes, rows=rows)


def factor_vae_of(
    table: Table,
    groups: Groups | None = None,
    *,
    seed: int = 0,
    bootstrap: int = 0,
    votes: int = 10_000,
    eval_votes: int = 5_000,
    rows: int = 64,
) -> FactorVae:
    """The FactorVAE metric of a table that is read, and maybe grouped, already (see `factor_vae`)."""
    check_positive("votes", votes)
    check_positive("eval_votes", eval_votes)
    if rows < 2:
        raise ValueError(f"`rows` must be >= 2, got {rows}")
    check_told_apart(table)
    groups = group(table) if groups is None else groups
    rng = np.random.default_rng(seed)
    training, trial = (_votes(table, groups, count, rows, rng) for count in (votes, eval_votes))
    score = _accuracy(training, trial)
    interval = interval_of(
        lambda resampled: factor_vae_of(resampled, seed=seed, votes=votes, eval_votes=eval_votes, rows=rows).score,
        table,
        bootstrap,
        seed,
        estimate=score,
    )
    right = np.take_along_axis(trial, training.argmax(axis=0)[None], axis=0)[0]
    hits = np.bincount(training.argmax(axis=0), weights=right, minlength=len(trial))
    return FactorVae(
        score=score,
        estimator=f"majority of {votes} votes of {rows} rows, {eval_votes} new votes",
        names=table.names,
        dropped_factors=table.dropped_factors,
        dead_codes=table.dead_codes,
        interval=interval,
        eval_accuracy=score,
        train_accuracy=_accuracy(training, training),
        chance=1 / len(table.sizes),
        votes=training,
        eval_votes=trial,
        code_factors=np.where(training.any(axis=0), training.argmax(axis=0), -1),
        factor_accuracies=hits / np.maximum(trial.sum(axis=1), 1),
    )


def _votes(table: Table, groups: Groups, count: int, rows: int, rng: np.random.Generator) -> Int64[np.ndarray, "F D"]:
    """How often each code varies least while each factor is held fixed; no votes if all codes are constant."""
    scaled, live = live_codes(table)
    shape = (len(table.sizes), table.codes.shape[1])
    if len(live) == 0:
        return np.zeros(shape, dtype=np.int64)
    factors = rng.integers(0, shape[0], count)
    named = np.empty(count, dtype=np.int64)
    for block in blocks(count, rows * len(live)):
        drawn = scaled[groups.batches(factors[block], rows, rng)]
        named[block] = live[drawn.var(axis=1).argmin(axis=-1)]
    return np.bincount(factors * shape[1] + named, minlength=shape[0] * shape[1]).reshape(shape)


def _accuracy(votes: Int64[np.ndarray, "F D"], trial: Int64[np.ndarray, "F D"]) -> float:
    """The part of the trial that the majorities of the votes tell right, 0 if there are no votes."""
    right = np.take_along_axis(trial, votes.argmax(axis=0)[None], axis=0)
    return float(right.sum() / max(trial.sum(), 1))
