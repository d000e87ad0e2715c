"""Law 8: what every metric on codes says of codes whose worth is known.

Tolerances are those of sampling, at four standard deviations unless a comment says otherwise.
"""

from __future__ import annotations

import itertools
import json
import warnings

import numpy as np
import pytest

from flowdis.metrics.codes import (
    beta_vae,
    dci,
    explicitness,
    factor_vae,
    infomec,
    irs,
    mig,
    modularity,
    sap,
    udr,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*samples are few")


def grid_of(*sizes: int, copies: int) -> np.ndarray:
    return np.array([row for row in itertools.product(*map(range, sizes)) for _ in range(copies)])


def quick_beta_vae(codes, factors, **options):
    return beta_vae(codes, factors, points=1000, eval_points=1000, **options)


def quick_factor_vae(codes, factors, **options):
    return factor_vae(codes, factors, votes=1000, eval_votes=1000, **options)


def lasso_dci(codes, factors, **options):
    return dci(codes, factors, predictor="lasso", **options)


METRICS = {
    "mig": mig,
    "dci": dci,
    "dci, lasso": lasso_dci,
    "sap": sap,
    "beta_vae": quick_beta_vae,
    "factor_vae": quick_factor_vae,
    "modularity": modularity,
    "explicitness": explicitness,
    "infomec": infomec,
    "irs": irs,
}

FURTHER = {
    "mig": ("supervised",),
    "dci": ("completeness", "informativeness"),
    "dci, lasso": ("completeness", "informativeness", "explicitness"),
    "infomec": ("compactness", "explicitness"),
}
"""The other scores of a result that the law holds for."""

FACTORS = grid_of(4, 5, 6, copies=5)
IDENTITY = FACTORS.astype(float)

every_metric = pytest.mark.parametrize("name", METRICS)


def scores(name, codes, factors, **options):
    """The score, and the others that a metric has."""
    result = METRICS[name](codes, factors, **options)
    return np.array([result.score, *(getattr(result, other) for other in FURTHER.get(name, ()))])


def noise_sample(count, *sizes, codes):
    """Independent normal codes beside independent factors, each value of which is equally frequent."""
    rng = np.random.default_rng(5)
    factors = np.stack([rng.permutation(np.arange(count) % size) for size in sizes], axis=1)
    return rng.normal(size=(count, codes)), factors


@every_metric
def test_the_identity_scores_one(name):
    assert METRICS[name](IDENTITY, FACTORS).score == pytest.approx(1, abs=1e-9)
    # Log-losses and ridge penalties approach their limit, and stop on the way.
    assert scores(name, IDENTITY, FACTORS) == pytest.approx(1, abs=2e-3)


@every_metric
def test_more_samples_of_identity_score_one_too(name):
    rng = np.random.default_rng(2)
    factors = np.stack([rng.integers(0, size, 1000) for size in (3, 4)], axis=1)
    # What factors drawn at random seem to tell of each other is chi-squared with 6 degrees of freedom: 2 N I < 30 but
    # for one in 25,000. Shares of it enter MIG once, InfoM and InfoC as one part of two.
    chance = 30 / (2 * 1000) / np.log(3)
    assert scores(name, factors.astype(float), factors) == pytest.approx(1, abs=2 * chance)


def test_what_cannot_tell_the_identity_is_documented():
    # A linear support vector machine with little weight on its loss cannot tell the middle classes of one code.
    assert sap(IDENTITY, FACTORS, rule="linear_svm").score < 0.6
    # Nor can one threshold a class.
    assert explicitness(IDENTITY, FACTORS, classifier="one_vs_rest").score < 0.9


def test_noise_has_no_gap():
    codes, factors = noise_sample(6000, 4, 5, 6, codes=6)
    result = mig(codes, factors)
    freedom = 19 * np.array([3, 4, 5])
    spread = 4 * np.sqrt(2 * freedom) / (2 * 6000) / np.log([4, 5, 6])
    assert (result.gaps < 2 * spread).all()
    assert result.supervised == 0.0
    # N r^2 is chi-squared with one degree of freedom: one in 100,000 is above 20.
    assert 0 <= sap(codes, factors).score < 20 / 6000


def test_noise_is_neither_disentangled_nor_complete():
    codes, factors = noise_sample(2000, 4, 5, 6, codes=6)
    result = dci(codes, factors)
    # Trees share importance evenly among what tells nothing, up to some tenths, which entropies see squared.
    assert 0 <= result.disentanglement < 0.02
    assert 0 <= result.completeness < 0.02
    # Nothing is predicted better than by chance: 1 of 4, 5 or 6 classes in a third of the rows.
    chance = np.array([1 / 4, 1 / 5, 1 / 6])
    spread = 4 * np.sqrt(chance * (1 - chance) / (2000 / 3))
    assert (np.abs(result.factor_informativeness - chance) < spread).all()


def test_noise_is_informative_of_nothing():
    codes, factors = noise_sample(6000, 4, 5, 6, codes=6)
    assert modularity(codes, factors).score == 0.0
    result = infomec(codes, factors)
    assert (result.modularity, result.compactness) == (0.0, 0.0)
    # D (C - 1) coefficients fit that many halves of 1 / N nats of noise, chi-squared.
    freedom = 6 * np.array([3, 4, 5])
    fitted = (freedom + 4 * np.sqrt(2 * freedom)) / (2 * 6000) / np.log([4, 5, 6])
    assert (np.abs(result.explicitness_scores) < fitted).all()


def test_noise_is_guessed_at_chance():
    codes, factors = noise_sample(6000, 4, 5, 6, codes=6)
    # Chance is 1 / F for whom tells factors apart; 1,000 new points or votes. The codes' variances within classes of
    # 1,000 to 1,500 rows do differ, by sqrt(2 / 1000), against sqrt(2 / 64) of what a vote sees: a quarter of one
    # standard deviation, which shifts a vote by less than a twentieth.
    spread = 4 * np.sqrt(1 / 3 * 2 / 3 / 1000) + 0.05
    assert quick_beta_vae(codes, factors).score == pytest.approx(1 / 3, abs=spread)
    assert quick_factor_vae(codes, factors).score == pytest.approx(1 / 3, abs=spread)
    # Areas under ROC curves are 1/2; Mann and Whitney's variance for the smallest class, 2000 test rows.
    area = 4 * np.sqrt(2001 / (12 * (2000 / 6) * (2000 * 5 / 6)))
    assert explicitness(codes, factors).score == pytest.approx(0.5, abs=area)


def test_noise_does_not_stay_put():
    codes, factors = noise_sample(6000, 4, 5, 6, codes=6)
    # The 0.99 quantile of |N(0, 1)|, 2.576, where the density is 0.0289: of all rows, and the mean over classes.
    spread = 4 * np.sqrt(2 * 0.99 * 0.01 / 6000) / 0.0289 / 2.576
    assert irs(codes, factors).score == pytest.approx(0, abs=spread)


@every_metric
def test_a_rotated_pair_scores_low_on_axes(name):
    factors = grid_of(6, 6, copies=15)
    rotated = factors @ np.array([[1.0, 1.0], [1.0, -1.0]])
    score = METRICS[name](rotated, factors).score
    highest = {
        "dci": 0.02,  # equal importances, up to the forest's draws
        "dci, lasso": 1e-3,  # and up to the rows that are trained on
        "beta_vae": 0.5 + 4 * np.sqrt(0.25 / 1000),  # two factors: chance
        "factor_vae": 0.5 + 4 * np.sqrt(0.25 / 1000),
        "irs": 0.5 + 1e-9,  # one factor given, the other moves half of the range
        "explicitness": 1.0,  # asks for no axes
    }
    assert score <= highest.get(name, 1e-9)
    if name == "explicitness":
        assert score == pytest.approx(1, abs=1e-3)


@every_metric
def test_order_sign_and_scale_of_codes_do_not_matter(name):
    rng = np.random.default_rng(0)
    codes = IDENTITY @ rng.normal(size=(3, 5)) + rng.normal(size=(len(FACTORS), 5))
    wanted = scores(name, codes, FACTORS)
    assert (wanted > 0).all()
    order, scale = [3, 0, 4, 2, 1], np.array([3.7, 0.01, -12.0, 1e4, -1.0])
    # Trees break ties by drawing: a forest differs as much as with another seed. So do the random features of DCI's
    # explicitness. Regressions stop within their tolerance, and sums in another order round otherwise.
    tolerance = {"dci": 0.03, "explicitness": 1e-3, "infomec": 1e-5, "dci, lasso": 1e-3}.get(name, 1e-12)
    assert scores(name, codes[:, order], FACTORS) == pytest.approx(wanted, abs=tolerance)
    assert scores(name, codes * scale, FACTORS) == pytest.approx(wanted, abs=tolerance)
    if name in ("infomec", "dci, lasso"):
        assert METRICS[name]((codes * scale)[:, order], FACTORS).score == pytest.approx(wanted[0], abs=1e-9)


@every_metric
def test_order_and_names_of_factors_do_not_matter(name):
    rng = np.random.default_rng(0)
    codes = IDENTITY @ rng.normal(size=(3, 4)) + rng.normal(size=(len(FACTORS), 4))
    wanted = scores(name, codes, FACTORS)
    # Factors are drawn by number, and predicted from forests seeded alike: the score of other draws.
    tolerance = {"dci": 0.03, "beta_vae": 0.06, "factor_vae": 0.06, "explicitness": 1e-3}.get(name, 1e-9)
    relabelled = np.array([-3.0, 0.5, 8.0, 8.5, 9.0, 70.0])[FACTORS[:, [2, 0, 1]]]
    assert scores(name, codes, relabelled, names=["c", "a", "b"]) == pytest.approx(wanted, abs=tolerance)


@every_metric
def test_constant_codes_and_factors_are_named_and_nothing_is_nan(name):
    rng = np.random.default_rng(0)
    codes = IDENTITY + 0.5 * rng.normal(size=IDENTITY.shape)
    wanted = METRICS[name](codes, FACTORS, names=["x", "y", "hue"])
    more_codes = np.column_stack([codes[:, 0], np.full(len(codes), 0.1), codes[:, 1:]])
    more_factors = np.column_stack([np.full(len(codes), 7), FACTORS])
    with pytest.warns(UserWarning, match="constant factors are left out: light"):
        result = METRICS[name](more_codes, more_factors, names=["light", "x", "y", "hue"])
    assert (result.names, result.dropped_factors, result.dead_codes) == (("x", "y", "hue"), ("light",), (1,))
    tolerance = {"dci": 0.03, "explicitness": 1e-3, "infomec": 1e-9, "dci, lasso": 1e-9}.get(name, 1e-12)
    assert result.score == pytest.approx(wanted.score, abs=tolerance)
    # Written without a NaN, which JSON does not have.
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["score"] == result.score


@every_metric
def test_one_code_one_factor_or_none_that_lives_is_a_number_or_a_named_error(name):
    two = FACTORS[:, :2]
    for codes, factors in (
        (IDENTITY[:, :1], two),
        (IDENTITY[:, :2], FACTORS[:, 0]),
        (IDENTITY[:, :1], FACTORS[:, 0]),
        (np.full((len(two), 2), 0.3), two),
    ):
        if name in ("beta_vae", "factor_vae") and factors.ndim == 1:
            with pytest.raises(ValueError, match="`factors` must be at least two that vary"):
                METRICS[name](codes, factors)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            result = METRICS[name](codes, factors)
        assert 0 <= result.score <= 1
        json.dumps(result.to_json(), allow_nan=False)


def test_the_ranking_without_labels_holds_the_same_laws():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(2000, 4))
    scale, order = np.array([3.7, 0.01, -12.0, 1e4]), [2, 0, 3, 1]
    same = [codes, (codes * scale)[:, order], np.column_stack([codes, np.full(2000, 0.1)])]
    # Codes that are drawn are not orthogonal: |r| < 4 / sqrt(N) beside the one that fits.
    assert udr(same, similarity="spearman").score == pytest.approx(1, abs=3 * 4 / np.sqrt(2000))
    # A lasso shrinks a perfect weight by its penalty.
    assert udr(same).score == pytest.approx(0.9, abs=1e-6)
    noise = [rng.normal(size=(2000, 4)) for _ in range(3)]
    assert udr(noise, similarity="spearman").score < 4 / np.sqrt(2000)
    assert udr(noise).score == 0.0
    turned = codes[:, :2] @ np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    # Each code is like two others alike: (1 / 2) / (2 / sqrt 2) of squares to sums.
    assert udr([codes[:, :2], turned], similarity="spearman").score < 0.4
    mixed = [codes, codes @ rng.normal(size=(4, 4)) + rng.normal(size=(2000, 4))]
    moved = [mixed[0][:, order], mixed[1] * scale]
    assert udr(moved).score == pytest.approx(udr(mixed).score, abs=1e-9)
    assert udr(moved, similarity="spearman").score == pytest.approx(udr(mixed, similarity="spearman").score, abs=1e-9)
    dead = [np.full((2000, 2), 0.1), *mixed]
    assert udr(dead).model_scores[0] == 0.0
    json.dumps(udr(dead).to_json(), allow_nan=False)
