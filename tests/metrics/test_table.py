"""One table of models: seeds become rows, missing values stay missing, intervals are what they say."""

from __future__ import annotations

import json
import math
import statistics

import numpy as np
import pytest
from scipy import stats

from flowdis.metrics.columns import METRICS, Metric, arrow, group_metrics, metric_of
from flowdis.metrics.table import MeasuredModel, ModelTable, Score, model_table, t_interval


def runs(model: str, *values: float | None, metric: str = "codes.mig", control: bool = False) -> list[MeasuredModel]:
    return [MeasuredModel(model, seed, {metric: value}, control) for seed, value in enumerate(values)]


@pytest.mark.parametrize("count", [2, 3, 5, 30])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_the_t_interval_is_scipys(count: int, level: float) -> None:
    values = np.random.default_rng(count).normal(3.0, 2.0, count).tolist()
    wanted = stats.t.interval(level, count - 1, loc=np.mean(values), scale=stats.sem(values))
    assert t_interval(values, level) == pytest.approx(wanted, rel=1e-10)


def test_the_t_interval_of_two_and_three_values_is_the_closed_form() -> None:
    # Student's quantiles: tan(pi (p - 1/2)) at one degree of freedom, q sqrt(2 / (1 - q^2)) with q = 2 p - 1 at two.
    for values, quantile in (
        ([1.0, 4.0], math.tan(math.pi * 0.475)),
        ([1.0, 4.0, 2.0], 0.95 * math.sqrt(2 / (1 - 0.95**2))),
    ):
        half = quantile * statistics.stdev(values) / math.sqrt(len(values))
        mean = statistics.fmean(values)
        assert t_interval(values) == pytest.approx((mean - half, mean + half), rel=1e-10)


def test_the_t_interval_holds_the_mean_as_often_as_it_says_and_the_range_of_two_half_of_the_time() -> None:
    draws = np.random.default_rng(0).normal(size=(2000, 3))
    held = np.mean([low <= 0 <= high for low, high in (Score((0, 1, 2), tuple(d)).interval for d in draws.tolist())])
    # Standard errors of the shares: 0.005 and 0.011.
    assert held == pytest.approx(0.95, abs=0.02)
    pairs = (Score((0, 1), tuple(d[:2])).interval for d in draws.tolist())
    assert np.mean([low <= 0 <= high for low, high in pairs]) == pytest.approx(0.5, abs=0.04)


def test_the_kind_of_interval_depends_on_the_number_of_seeds() -> None:
    kinds = [Score(tuple(range(n)), (1.0, 3.0, 2.0, 5.0)[:n]).kind for n in (1, 2, 3, 4)]
    assert kinds == [None, "range", "t", "t"]
    assert Score((0,), (1.0,)).interval is None
    assert Score((0, 1), (3.0, 1.0)).interval == (1.0, 3.0)
    assert Score((0, 1, 2), (1.0, 1.0, 1.0)).interval == (1.0, 1.0)


@pytest.mark.parametrize(("values", "level"), [([1.0], 0.95), ([1.0, 2.0], 0.0), ([1.0, 2.0], 1.0)])
def test_intervals_that_are_none_are_refused(values: list[float], level: float) -> None:
    with pytest.raises(ValueError, match=r"`values` must hold at least two|`level` must lie between 0 and 1"):
        t_interval(values, level)


def test_seeds_of_a_model_are_one_row_wherever_they_come() -> None:
    table = model_table([*runs("a", 1.0, 2.0), *runs("b", 5.0), MeasuredModel("a", 7, {"codes.mig": 6.0})])
    assert [(row.model, row.seeds) for row in table.rows] == [("a", (0, 1, 7)), ("b", (0,))]
    assert table.rows[0].scores["codes.mig"].mean == 3.0
    assert table.rows[0].scores["codes.mig"].values == (1.0, 2.0, 6.0)


def test_missing_values_stay_missing_and_change_no_mean() -> None:
    table = model_table([*runs("a", 0.4, None, 0.6), *runs("b", None, metric="codes.sap"), *runs("c", 0.0)])
    score = table.rows[0].scores["codes.mig"]
    assert (score.seeds, score.values, score.mean) == ((0, 2), (0.4, 0.6), 0.5)
    assert table.rows[0].seeds == (0, 1, 2)
    assert table.rows[1].scores == {}
    assert table.rows[2].scores["codes.mig"].mean == 0.0
    assert list(table.columns) == ["codes.mig"], "a metric that nobody has is no column"


def test_the_best_follows_the_direction_and_leaves_controls_out() -> None:
    lower, higher, neither = "equivariance.orbit.hue", "codes.mig", "my.number"
    models = [
        MeasuredModel("a", 0, {lower: 3.0, higher: 0.1 + 0.2, neither: 1.0}),
        MeasuredModel("b", 0, {lower: 2.0, higher: 0.3, neither: 2.0}),
        MeasuredModel("c", 0, {lower: 9.0, higher: 0.2}),
        MeasuredModel("constant code", None, {lower: 0.0, higher: 1.0}, control=True),
    ]
    table = model_table(models)
    assert table.best(lower) == ("b",)
    assert table.best(higher) == ("a", "b"), "equal but for rounding"
    assert table.best(neither) == ()
    assert model_table(models[:1]).best(lower) == (), "nobody to be better than"
    assert model_table([models[0], models[3]]).best(lower) == ()
    with pytest.raises(KeyError):
        table.best("codes.sap")


def test_controls_stand_last() -> None:
    table = model_table([*runs("static", 0.0, control=True), *runs("a", 1.0), *runs("random", 0.1, control=True)])
    assert [row.model for row in table.rows] == ["a", "static", "random"]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "`models` must hold at least one score, got none from 0 models"),
        (runs("a", None), "`models` must hold at least one score, got none from 1 models"),
        (runs("a", 1.0) + runs("a", 2.0), r"every seed of a model once, got seeds \[0, 0\] of a"),
        ([*runs("a", 1.0), MeasuredModel("a", None, {})], r"all seeds of a model or none, got seeds \[0, None\] of a"),
        ([*runs("a", 1.0), MeasuredModel("a", 1, {}, control=True)], "with all its seeds or none, got both of a"),
    ],
)
def test_models_that_make_no_row_are_named(models: list[MeasuredModel], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_table(models)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_no_numbers_are_named(value: float) -> None:
    with pytest.raises(ValueError, match="`scores` must be finite, or None .* for codes.mig of a, seed 3"):
        MeasuredModel("a", 3, {"codes.sap": 1.0, "codes.mig": value})
    with pytest.raises(ValueError, match="`model` must be a name"):
        MeasuredModel(" ", 3, {})
    with pytest.raises(ValueError, match="`scores` must name every metric, got '' of a"):
        MeasuredModel("a", 3, {"": 1.0})


def test_json_holds_every_seed_and_what_the_columns_are() -> None:
    metadata = {"machine": "2 cores"}
    table = model_table([*runs("a", 1.0, 2.0, 6.0), *runs("b", None, 3.0)], metadata)
    written = json.loads(json.dumps(table.to_json(), allow_nan=False))
    assert written["columns"] == [
        {"name": "codes.mig", "title": "MIG", "direction": "higher", "group": "codes", "unit": ""}
    ]
    first, second = written["rows"]
    assert first["scores"]["codes.mig"]["values"] == [1.0, 2.0, 6.0]
    assert first["scores"]["codes.mig"]["interval"] == pytest.approx(t_interval([1.0, 2.0, 6.0]))
    assert second["seeds"] == [0, 1]
    assert second["scores"]["codes.mig"] == {"mean": 3.0, "interval": None, "kind": None, "seeds": [1], "values": [3.0]}
    assert written["metadata"] == metadata and written["level"] == 0.95


def test_columns_of_a_group_stand_together_in_the_known_order() -> None:
    names = ["my.b", "equivariance.orbit.hue", "codes.sap", "other", "flows.vp.controls.static", "flows.vp", "my.a"]
    columns = group_metrics([*names, "codes.mig", "codes.novel", "codes.sap"])
    assert list(columns) == [
        "codes.mig", "codes.sap", "codes.novel", "flows.vp", "flows.vp.controls.static", "equivariance.orbit.hue",
        "my.b", "my.a", "other",
    ]  # fmt: skip
    table = ModelTable((), columns)
    assert [group for group, _ in table.groups()] == ["codes", "flows", "equivariance", "my", "other"]
    assert [name for _, part in table.groups() for name in part] == list(columns)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("codes.mig", Metric("MIG", "higher", "codes")),
        ("equivariance.orbit.wall_hue", Metric("wall hue, from any pose", "lower", "equivariance", "pixels")),
        ("equivariance.round.hue", Metric("round, hue", "lower", "equivariance", "pixels")),
        ("equivariance.orbit.hue.controls.identity",
         Metric("hue, from any pose, identity control", None, "equivariance", "pixels")),
        ("flows.vp.controls.random", Metric("VP, random control", None, "flows")),
        ("equivariance.", Metric("equivariance,", None, "other")),
        ("my_own", Metric("my own", None, "other")),
        ("my.own_number", Metric("own number", None, "my")),
    ],
)  # fmt: skip
def test_names_are_columns_and_unknown_ones_have_no_direction(name: str, metric: Metric) -> None:
    assert metric_of(name) == metric


def test_every_known_metric_is_whole() -> None:
    for name, metric in METRICS.items():
        assert name.endswith(".*") == ("{}" in metric.title), name
        assert metric.group and metric.title
    titles = [metric.title for metric in METRICS.values()]
    assert len(set(titles)) == len(titles)
    assert [arrow(metric_of(name)) for name in ("codes.mig", "undo.pixels", "my.own")] == ["↑", "↓", ""]
