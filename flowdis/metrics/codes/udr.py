"""The unsupervised disentanglement ranking: do models trained alike agree on what their codes are?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from flowdis._checks import check_choice
from flowdis.metrics.codes.bootstrap import resample
from flowdis.metrics.codes.inputs import CodesLike, read_codes
from flowdis.metrics.codes.lasso import lasso
from flowdis.metrics.codes.results import Result

__all__ = ["SIMILARITIES", "Udr", "udr"]

SIMILARITIES = {"lasso": "absolute lasso weights", "spearman": "absolute rank correlations"}
"""How codes of two models are compared, and what that is called."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Udr(Result):
    """The unsupervised disentanglement ranking of models; `names` are the models', the score is the mean of theirs.

    Arguments:
        model_scores: The score of each model, with shape (M).
        pairs: The score of each pair of models, the codes of the first explaining those of the second, 0 on the
            diagonal, with shape (M, M).
        informative: For each model, which of its codes take part, with shape (D_m).
    """

    model_scores: Float64[np.ndarray, " M"]
    pairs: Float64[np.ndarray, "M M"]
    informative: tuple[Bool[np.ndarray, " _"], ...]


def udr(
    codes: Sequence[CodesLike],
    *,
    names: Sequence[str] | None = None,
    seed: int = 0,
    bootstrap: int = 0,
    kl: Sequence[CodesLike] | None = None,
    least_kl: float = 0.01,
    similarity: str = "lasso",
    penalty: float = 0.1,
) -> Udr:
    r"""The unsupervised disentanglement ranking of models, from their codes of the same samples; no labels needed.

    With R the similarity of every informative code a of one model to every informative code b of another,

    .. math:: \text{UDR}_{ij} = \frac{1}{2} \left(
        \frac{1}{D_j} \sum_b \frac{\max_a R_{ab}^2}{\sum_a R_{ab}} +
        \frac{1}{D_i} \sum_a \frac{\max_b R_{ab}^2}{\sum_b R_{ab}} \right),

    which is 1 if each code has one counterpart that is the same but for sign and scale (and less by `penalty` with
    "lasso", which shrinks weights). A model's score is the median over the other models. The two means weigh
    alike, as in the published code; the paper's formula weighs them by how many codes each model has.

    Similarities are of standardised codes: "lasso" regresses each code of model j on all codes of model i, and takes
    the absolute weights; "spearman" takes absolute rank correlations. A model none of whose codes is informative
    agrees with no other: 0. The models should differ in seed alone; what all of them do wrong is rewarded too.

    Arguments:
        codes: The codes of M models on the same samples, each with shape (N, D_m).
        names: The models' names; "model 0", "model 1" and so on if left out.
        seed: The seed of the bootstrap.
        bootstrap: How many resamples an interval of the score is made from; 0 for none.
        kl: Each model's mean KL divergence of each code to its prior, in nats, each with shape (D_m); if left out,
            all codes that are not constant are informative.
        least_kl: The KL divergence above which a code is informative, in nats.
        similarity: "lasso" or "spearman".
        penalty: The weight of the sum of absolute weights, for "lasso".

    Returns:
        The scores.

    Raises:
        TypeError: if codes are not arrays of real numbers.
        ValueError: if there are fewer than two models, shapes do not fit, or a value is not finite.

    References:
        Duan et al., Unsupervised Model Selection for Variational Disentangled Representation Learning, 2020,
        arXiv:1905.12614.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(1000, 3))
        >>> result = udr([z, -2 * z[:, ::-1], z[:, [2, 0, 1]]], similarity="spearman")
        >>> result.model_scores.round(2).tolist()
        [0.99, 0.99, 0.99]
    """
    check_choice("similarity", similarity, SIMILARITIES)
    arrays = _models(codes)
    labels = tuple(f"model {m}" for m in range(len(arrays))) if names is None else tuple(names)
    if len(set(labels)) != len(arrays) or len(labels) != len(arrays):
        raise ValueError(f"`names` must be M={len(arrays)} different names, got {list(labels)}")
    informative = _informative(arrays, kl, least_kl)
    kept = [array[:, told] for array, told in zip(arrays, informative, strict=True)]
    pairs = _pairs(kept, similarity, penalty)
    scores = _scores(pairs)

    def resampled(rows: Int64[np.ndarray, " N"]) -> float:
        return float(_scores(_pairs([array[rows] for array in kept], similarity, penalty)).mean())

    return Udr(
        score=float(scores.mean()),
        estimator=SIMILARITIES[similarity] + (f", penalty {penalty:g}" if similarity == "lasso" else ""),
        names=labels,
        interval=resample(resampled, len(kept[0]), float(scores.mean()), bootstrap, seed),
        model_scores=scores,
        pairs=pairs,
        informative=tuple(informative),
    )


def _models(codes: Sequence[CodesLike]) -> list[Float64[np.ndarray, "N _"]]:
    arrays = [read_codes(f"codes[{m}]", model) for m, model in enumerate(codes)]
    if len(arrays) < 2:
        raise ValueError(f"`codes` must be those of at least two models, got {len(arrays)}")
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"`codes` must be of the same samples for every model, got {lengths} rows")
    return arrays


def _informative(
    arrays: Sequence[Float64[np.ndarray, "N _"]], kl: Sequence[CodesLike] | None, least: float
) -> list[Bool[np.ndarray, " _"]]:
    """Which codes of each model take part: those that vary, and whose KL divergence is large enough."""
    varying = [array.min(axis=0) < array.max(axis=0) for array in arrays]
    if kl is None:
        return varying
    if len(kl) != len(arrays):
        raise ValueError(f"`kl` must be given for all M={len(arrays)} models, got {len(kl)}")
    divergences = [read_codes(f"kl[{m}]", row[None])[0] for m, row in enumerate(kl)]
    for m, (row, array) in enumerate(zip(divergences, arrays, strict=True)):
        if len(row) != array.shape[1]:
            raise ValueError(f"`kl[{m}]` must have a number for each of {array.shape[1]} codes, got {len(row)}")
    return [told & (row > least) for told, row in zip(varying, divergences, strict=True)]


def _pairs(arrays: Sequence[Float64[np.ndarray, "N _"]], similarity: str, penalty: float) -> Float64[np.ndarray, "M M"]:
    """The scores of all pairs of models, from their informative codes; 0 on the diagonal."""
    correlations = _correlations(arrays, ranks=similarity == "spearman")
    ends = np.cumsum([0, *(array.shape[1] for array in arrays)])
    places = [slice(start, end) for start, end in zip(ends, ends[1:], strict=False)]
    pairs = np.zeros((len(arrays), len(arrays)))
    for i, own in enumerate(places):
        alike = correlations[own]
        if similarity == "lasso":
            alike = lasso(correlations[own, own], alike, penalty)
        for j, other in enumerate(places):
            pairs[i, j] = 0.0 if i == j else _agreement(np.abs(alike[:, other]))
    return pairs


def _scores(pairs: Float64[np.ndarray, "M M"]) -> Float64[np.ndarray, " M"]:
    """The median over the other models; as published, where a model's codes are those that are explained."""
    return np.array([np.median(np.delete(pairs[:, m], m)) for m in range(len(pairs))])


def _correlations(arrays: Sequence[Float64[np.ndarray, "N _"]], *, ranks: bool) -> Float64[np.ndarray, "A A"]:
    """The correlations, of ranks if asked for, of all codes of all models at once."""
    from scipy.stats import rankdata

    values = np.concatenate(arrays, axis=1)
    values = rankdata(values, axis=0) if ranks else values
    centred = values - values.mean(axis=0)
    scaled = centred / np.sqrt(np.square(centred).mean(axis=0))
    return scaled.T @ scaled / len(scaled)


def _agreement(alike: Float64[np.ndarray, "A B"]) -> float:
    """How far each code has one counterpart, from the similarities of two models' codes."""
    if alike.size == 0:
        return 0.0
    halves = []
    for axis in (0, 1):
        total = alike.sum(axis=axis)
        strength = np.divide(alike.max(axis=axis) ** 2, total, out=np.zeros_like(total), where=total > 0)
        halves.append(strength.mean())
    return float(np.mean(halves))
