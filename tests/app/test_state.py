"""What sliders stand for, and what undo goes back to."""

from __future__ import annotations

import copy

import pytest
import torch

from flowdis.app.dials import dials
from flowdis.app.state import Controls, EditState, Session, path_of, text_of
from flowdis.paths import Unit, flows, parse_path
from tests.app.toys import editor

FLOWS = editor().model.flows()
NAMES = ("rotate", "scale", "hue")


def controls(order: tuple[str, ...] = NAMES, at_once: bool = False, **values: float) -> Controls:
    return Controls({"rotate": 0.0, "scale": 1.0, "hue": 0.0} | values, order, at_once)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("order", [NAMES, ("hue", "rotate", "scale")])
@pytest.mark.parametrize("values", [{}, {"rotate": -45.0}, {"rotate": 12.5, "scale": 0.817, "hue": 120.0}])
def test_the_path_in_words_is_the_path(values, order, at_once):
    one = controls(order, at_once, **values)
    assert torch.equal(parse_path(text_of(one, FLOWS), FLOWS).amounts, path_of(one, FLOWS).amounts)


def test_flows_run_in_the_order_they_stand_in_and_those_at_rest_not_at_all():
    rotate, scale, hue = FLOWS
    one = controls(("hue", "scale", "rotate"), rotate=45.0, hue=120.0)
    assert torch.equal(path_of(one, FLOWS).amounts, (hue(120.0) >> rotate(45.0)).amounts)
    assert path_of(controls(), FLOWS).amounts.abs().max() == 0


def test_undo_goes_back_and_redo_goes_forth_until_something_else_is_done():
    start = editor().start()
    first, second = controls(rotate=10.0), controls(rotate=20.0)
    state = start.moved(first).moved(second)
    assert state.undone().now.controls == first
    assert state.undone().undone().now is start.now
    assert state.undone().undone().redone().redone().now.controls == second
    assert state.undone().moved(controls(hue=5.0)).future == ()
    assert start.undone() is start and start.redone() is start


def test_sliders_that_stand_as_they_stood_are_no_change():
    state = editor().start().moved(controls(rotate=10.0))
    assert state.moved(controls(rotate=10.0)) is state


def test_the_past_does_not_grow_for_ever():
    state: EditState = editor().start()
    for step in range(150):
        state = state.moved(controls(rotate=step % 90 + 1.0))
    assert len(state.past) == 100


def test_an_order_holds_each_flow_once():
    with pytest.raises(ValueError, match="`order` must hold each of rotate, scale, hue once, got rotate, rotate"):
        controls(("rotate", "rotate"))


def test_a_copy_of_a_session_goes_its_own_way():
    session = Session(editor().start())
    other = copy.deepcopy(session)
    other.state = other.state.moved(controls(rotate=10.0))
    assert session.state.past == () and session.lock is not other.lock


def test_dials_are_as_wide_one_way_as_the_other():
    by_name = {dial.name: dial for dial in dials(FLOWS)}
    assert (by_name["rotate"].low, by_name["rotate"].high) == (-180.0, 180.0)
    assert (by_name["scale"].low, by_name["scale"].high) == (0.5, 2.0)
    own = dials(flows({"age": Unit("year", 10.0)}))[0]
    assert (own.low, own.high, own.identity) == (-10.0, 10.0, 0.0)


@pytest.mark.parametrize("value", [181.0, float("nan"), float("inf")])
def test_a_value_off_its_dial_is_refused(value):
    with pytest.raises(ValueError, match="`rotate` must be from -180 to 180"):
        editor().controls({"values": {"rotate": value, "scale": 1, "hue": 0}, "order": NAMES, "at_once": False})


@pytest.mark.parametrize("sent", [{}, {"values": {}}, {"values": None, "order": [], "at_once": 0}])
def test_what_is_no_controls_is_refused(sent):
    with pytest.raises(ValueError, match="`controls` must be an object with values, order and at_once"):
        editor().controls(sent)
