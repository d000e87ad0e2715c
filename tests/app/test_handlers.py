"""What the page answers, beside what the library computes."""

from __future__ import annotations

import re
import runpy
from base64 import b64decode

import pytest
import torch
from PIL import Image
from safetensors.torch import load

import flowdis as fd
from flowdis.app.actions import Reading, compare
from flowdis.app.state import Session
from flowdis.app.views import commutator_view, gauge_view
from tests.app.toys import editor, given, handlers, pictures

MODEL = editor().model


def session() -> Session:
    return Session(editor().start())


def direct(text: str) -> torch.Tensor:
    """The bytes (H, W, 3) of the first sample edited by the library."""
    image = (editor().samples.images[:1] * 255).round() / 255
    edited = fd.edit(MODEL, image, fd.parse_path(text, MODEL.flows()))[0]
    return (edited * 255).round().to(torch.uint8).movedim(0, -1)


@pytest.mark.parametrize("at_once", [False, True])
def test_edited_images_are_those_of_the_library(at_once):
    sent = given(("hue", "rotate", "scale"), at_once, rotate=45.0, hue=120.0, scale=1.5)
    text = (" and " if at_once else " then ").join(["hue 120", "rotate 45", "scale 1.5"])
    visitor = session()
    quick = pictures(handlers().move(visitor, sent))[0]
    settled = pictures(handlers().settle(visitor, sent, "frames")[2])[0]
    assert torch.equal(settled, direct(text))
    assert (quick.int() - settled.int()).abs().max() <= 1


def test_a_move_changes_nothing_that_is_kept():
    visitor = session()
    before = visitor.state
    handlers().move(visitor, given(rotate=45.0))
    assert visitor.state is before


def test_undo_takes_sliders_along_that_have_not_come_to_rest():
    visitor = session()
    handlers().settle(visitor, given(rotate=45.0), "frames")
    *_, panel = handlers().undo(visitor, given(rotate=60.0), "frames")
    assert panel["values"]["rotate"] == 45.0
    *_, panel = handlers().redo(visitor, given(rotate=45.0), "frames")
    assert panel["values"]["rotate"] == 60.0
    *_, panel = handlers().reset(visitor, panel, "frames")
    assert panel == given()


def test_samples_are_taken_and_bad_files_leave_all_as_it_was():
    visitor = session()
    handlers().take(visitor, {"kind": "sample", "index": 2}, "frames")
    taken = visitor.state
    assert taken.now.source.name == editor().samples.names[2]
    for sent in (
        {"kind": "sample", "index": 99},
        {"kind": "upload", "data": "x"},
        {"kind": "too large"},
        {},
        {"kind": 1},
    ):
        message = handlers().take(visitor, sent, "frames")[0]
        assert 'role="alert"' in message and visitor.state is taken


def test_bad_controls_are_told_of_and_leave_all_as_it_was():
    visitor = session()
    before = visitor.state
    message = handlers().settle(visitor, given(rotate=1000.0), "frames")[0]
    assert "must be from -180 to 180" in message and visitor.state is before
    assert 'role="alert"' in handlers().move(visitor, {})


def test_the_strip_runs_from_the_decoded_original_to_the_edit():
    visitor = session()
    handlers().settle(visitor, given(rotate=90.0), "frames")
    frames = pictures(handlers().view(visitor, "frames"))
    assert len(frames) == 8
    assert torch.equal(frames[0], direct("rotate 0"))
    assert torch.equal(frames[-1], direct("rotate 90"))


def test_the_comparison_is_of_the_same_values_in_turn_and_at_once():
    visitor = session()
    handlers().settle(visitor, given(rotate=90.0, hue=90.0), "compare")
    now = visitor.state.now
    found = compare(MODEL, now.source, now.controls)
    in_turn, at_once, _ = pictures(handlers().view(visitor, "compare"))
    assert torch.equal(in_turn, direct("rotate 90 then hue 90"))
    assert torch.equal(at_once, direct("rotate 90 and hue 90"))
    assert found.total == pytest.approx(float((found.in_turn - found.at_once).abs().sum()))


def test_what_is_taken_home_opens_reads_and_runs(tmp_path, monkeypatch):
    MODEL.save_pretrained(tmp_path / "small")
    visitor = session()
    handlers().settle(visitor, given(("hue", "rotate", "scale"), rotate=45.0, hue=120.0), "export")
    html = handlers().view(visitor, "export")
    links = re.findall(r'download="([^"]+)" href="data:[^;]+;base64,([^"]+)"', html)
    assert {name for name, _ in links} == {
        "edited.png", "original.png", "edit.gif", "latent.safetensors", "path.txt", "edit.py"
    }  # fmt: skip
    for name, content in links:
        (tmp_path / name).write_bytes(b64decode(content))
    shown = Image.open(tmp_path / "edited.png").tobytes()
    text = (tmp_path / "path.txt").read_text()
    assert text == "hue 120 then rotate 45\n"
    assert direct(text.strip()).numpy().tobytes() == shown
    assert Image.open(tmp_path / "edit.gif").n_frames == 30  # 16 there and 14 back
    codes = load((tmp_path / "latent.safetensors").read_bytes())
    assert torch.equal(codes["original"], visitor.state.now.source.z)
    ended = (MODEL.decode(codes["edited"].unsqueeze(0))[0] * 255).round().to(torch.uint8).movedim(0, -1)
    assert ended.numpy().tobytes() == shown
    (tmp_path / "edited.png").unlink()
    monkeypatch.chdir(tmp_path)
    runpy.run_path("edit.py")
    assert Image.open(tmp_path / "edited.png").tobytes() == shown


def test_the_gauge_warns_below_the_border():
    inside, outside = Reading(-10.0, -20.0, -5.0), Reading(-30.0, -20.0, -5.0)
    assert not inside.outside and outside.outside
    assert Reading(-20.0, -20.0, -5.0).place == pytest.approx(1 / 3)
    assert Reading(-5.0, -20.0, -5.0).place == pytest.approx(2 / 3)
    assert "10.0 nats above" in gauge_view(inside, inside, "digits")
    assert "Outside of the data: 10.0 nats below" in gauge_view(outside, inside, "digits")


@pytest.mark.parametrize(
    ("gaps", "told"),
    [
        ([0.05, 0.05, 0.05], "All mixes are safe"),
        ([0.5, 0.5, 0.5], "No mix is safe"),
        ([0.05, 0.5, 0.5], "Safe in any order or at once: rotate with scale."),
    ],
)
def test_the_map_says_which_mixes_are_safe(gaps, told):
    gap = torch.zeros(3, 3, dtype=torch.float64)
    for (i, j), value in zip([(0, 1), (0, 2), (1, 2)], gaps, strict=True):
        gap[i, j] = gap[j, i] = value
    found = fd.metrics.Commutator(("rotate", "scale", "hue"), gap, gap, 1.0)
    assert told in commutator_view(found)
