"""Paths, flows and units: what they hold and what they refuse."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowdis.paths import Flow, Path, Unit, flows, parse_path

UNITS = {"rotate": Unit("degree", 45.0), "scale": Unit("factor", 1.5, logarithmic=True), "hue": Unit("degree", 90.0)}
ROTATE, SCALE, HUE = flows(UNITS)


@given(st.floats(1e-3, 1e3))
def test_units_go_there_and_back(value: float) -> None:
    for unit in UNITS.values():
        assert float(unit.to_value(unit.to_amount(value))) == pytest.approx(value, rel=1e-12)


def test_what_multiplies_is_measured_by_its_logarithm() -> None:
    assert float(SCALE(1.5).amounts[0, 1]) == pytest.approx(1.0, rel=1e-14)
    assert float((SCALE(1.2) >> SCALE(1.3)).total()[1]) == pytest.approx(math.log(1.56) / math.log(1.5), rel=1e-14)
    assert float((SCALE(2.0) >> SCALE(0.5)).total()[1]) == pytest.approx(0.0, abs=1e-15)


def test_numbers_become_amounts_in_double_precision() -> None:
    assert ROTATE(0.1).amounts.dtype == torch.float64
    assert float(ROTATE(0.1).amounts[0, 0]) == 0.1 / 45


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("rotate 45 then hue 120", ROTATE(45) >> HUE(120)),
        ("rotate 45 and hue 120", ROTATE(45) + HUE(120)),
        ("rotate -45.5 and scale 1.3 then hue 1e2", (ROTATE(-45.5) + SCALE(1.3)) >> HUE(100)),
        ("rotate(45) >> hue(120)", ROTATE(45) >> HUE(120)),
        ("rotate by 45 + hue by -9", ROTATE(45) + HUE(-9)),
    ],
)
def test_paths_are_read_as_a_person_writes_them(text: str, path: Path) -> None:
    torch.testing.assert_close(parse_path(text, (ROTATE, SCALE, HUE)).amounts, path.amounts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "could not read ''"),
        ("rotate", "could not read 'rotate'"),
        ("rotate 45 then", "could not read ''"),
        ("turn 45", "must be one of rotate, scale, hue, got 'turn'"),
        ("rotat 45", "did you mean 'rotate'"),
        ("rotate 4-5", "needs a number after 'rotate', got '4-5'"),
        ("scale 0", "must be positive"),
        ("scale -2", "must be positive"),
    ],
)
def test_paths_that_cannot_be_read_say_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        parse_path(text, (ROTATE, SCALE, HUE))


def test_amounts_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`amounts` must end in K=2 \(a, b\), got shape \(1, 3\)"):
        Path(("a", "b"), torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"`amounts` must have shape \(S, \*, K\)"):
        Path(("a", "b"), torch.zeros(2))
    with pytest.raises(ValueError, match="`amounts` must be finite, got nan"):
        Path(("a",), torch.tensor([[math.nan]]))
    with pytest.raises(ValueError, match="`clocks` must be shaped like `amounts`"):
        Path(("a",), torch.zeros(1, 1), torch.zeros(2, 1))


def test_paths_of_different_models_do_not_join() -> None:
    other = Flow("rotate", ("rotate", "scale"), UNITS["rotate"])
    for join in (lambda: ROTATE(1) >> other(1), lambda: ROTATE(1) + other(1)):
        with pytest.raises(ValueError, match="different models"):
            join()


def test_paths_of_different_lengths_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="equally many segments, got 2 and 1"):
        (ROTATE(1) >> HUE(1)) + SCALE(2)


def test_paths_of_different_batches_do_not_join() -> None:
    with pytest.raises(ValueError, match=r"matching batch shapes, got \(2,\) and \(3,\)"):
        ROTATE(torch.ones(2)) >> HUE(torch.ones(3))


def test_values_per_sample_broadcast_against_one_for_all() -> None:
    path = ROTATE(torch.tensor([45.0, 90.0])) >> HUE(90)
    assert path.amounts.shape == (2, 2, 3)
    assert path.amounts[:, 1].tolist() == [[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    assert (torch.tensor([0.5, 2.0]) * path).amounts[0, :, 0].tolist() == [0.5, 4.0]


def test_a_flow_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(ValueError, match="`name` must be one of a, b, got 'c'"):
        Flow("c", ("a", "b"))


@pytest.mark.parametrize("options", [{"size": 0.0}, {"size": -1.0}, {"size": 1.0, "logarithmic": True}])
def test_units_check_their_size(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="`size` of unit 'x'"):
        Unit("x", **options)


def test_repr_reads_like_the_path() -> None:
    assert repr(ROTATE(45) >> (SCALE(1.5) + HUE(-90))) == "Path(rotate +1 >> scale +1 + hue -1)"
    assert repr(0 * ROTATE(45)) == "Path(stay)"
