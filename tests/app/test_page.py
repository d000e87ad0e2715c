"""The page in a browser: what hands do on it, what comes of it, and that all can use it and nobody is told."""

from __future__ import annotations

import os
import runpy
import shutil
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from flowdis.app.serve import start
from tests.app.toys import MODEL_NAME, editor, png

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PATIENCE = 60_000  # milliseconds; a test waits for what it expects, and a shared machine may be slow

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("gradio", reason="gradio is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    page, address = start(editor(), port=0)
    yield address
    page.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, address) -> Iterator[object]:
    """Opens the page as another visitor each time."""
    contexts = []

    def opened():
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        playwright.expect.set_options(timeout=PATIENCE)
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address)
        page.locator("#edited img").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()


def path_reads(page, text: str) -> None:
    playwright.expect(page.locator("#edited figcaption span")).to_have_text(text)


def settled(page) -> None:
    """Waits until the sliders' rest has been answered: then there is something to undo."""
    playwright.expect(page.get_by_role("button", name="Undo")).to_be_enabled()


def test_a_slider_by_keyboard_edits_and_undo_takes_it_back(visit):
    page = visit()
    first = page.locator("#edited img").get_attribute("src")
    page.get_by_label("rotate", exact=True).focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    path_reads(page, "rotate 3")
    settled(page)
    assert page.locator("#edited img").get_attribute("src") != first
    page.get_by_label("scale (factor)").fill("1.5")
    page.get_by_label("scale (factor)").press("Enter")
    path_reads(page, "rotate 3 then scale 1.5")
    page.get_by_role("button", name="Undo").click()
    path_reads(page, "rotate 3")
    page.get_by_role("button", name="Redo").click()
    path_reads(page, "rotate 3 then scale 1.5")
    page.get_by_role("button", name="Reset").click()
    path_reads(page, "as it is")
    playwright.expect(page.get_by_label("scale (factor)")).to_have_value("1")
    page.keyboard.press("Control+z")
    path_reads(page, "rotate 3 then scale 1.5")


def test_the_order_is_changed_by_buttons_and_by_dragging(visit):
    page = visit()
    page.get_by_label("hue", exact=True).fill("90")
    page.get_by_label("rotate", exact=True).fill("45")
    path_reads(page, "rotate 45 then hue 90")
    page.get_by_role("button", name="Run rotate later").press("Enter")
    page.get_by_role("button", name="Run rotate later").press("Enter")
    path_reads(page, "hue 90 then rotate 45")
    grips = page.locator(".flow .grip")
    grips.nth(2).drag_to(grips.nth(0), target_position={"x": 4, "y": 2})
    path_reads(page, "rotate 45 then hue 90")
    page.get_by_text("At once", exact=True).first.click()
    path_reads(page, "rotate 45 and hue 90")


def test_pictures_are_uploaded_and_dropped_and_bad_files_are_told_why(visit):
    page = visit()
    field = page.get_by_label("Load an image")
    field.set_input_files({"name": "photo.png", "mimeType": "image/png", "buffer": png(40, 30)})
    shown = page.locator("figure", has_text="Original")
    playwright.expect(shown).to_contain_text("photo.png")
    before = shown.locator("img").get_attribute("src")
    field.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"these are words"})
    playwright.expect(page.get_by_role("alert")).to_contain_text("could not be read as an image")
    field.set_input_files({"name": "huge.png", "mimeType": "image/png", "buffer": bytes(9 * 2**20)})
    playwright.expect(page.get_by_role("alert")).to_contain_text("too large")
    assert shown.locator("img").get_attribute("src") == before
    page.evaluate(
        """content => {
            const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
            const carried = new DataTransfer();
            carried.items.add(new File([bytes], 'dropped.png', { type: 'image/png' }));
            document.dispatchEvent(new DragEvent('drop', { dataTransfer: carried, bubbles: true, cancelable: true }));
        }""",
        b64encode(png(20, 20)).decode(),
    )
    playwright.expect(shown).to_contain_text("dropped.png")
    playwright.expect(page.get_by_role("alert")).to_have_count(0)


def test_what_is_downloaded_opens_reads_and_runs(visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page = visit()
    page.get_by_label("hue", exact=True).fill("90")
    path_reads(page, "hue 90")
    settled(page)
    page.get_by_text("Export", exact=True).click()
    page.locator(".links").wait_for()
    for label in ("Edited image", "Original", "Path", "Python"):
        with page.expect_download() as download:
            page.locator(".links a", has_text=label).click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
    assert (tmp_path / "path.txt").read_text() == "hue 90\n"
    downloaded = Image.open(tmp_path / "edited.png").tobytes()
    (tmp_path / "edited.png").unlink()
    editor().model.save_pretrained(tmp_path / MODEL_NAME)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("edit.py")
    assert Image.open("edited.png").tobytes() == downloaded


def test_two_visitors_do_not_meet(visit):
    one, other = visit(), visit()
    one.get_by_label("rotate", exact=True).fill("45")
    other.get_by_label("hue", exact=True).fill("90")
    other.get_by_role("button", name="Edit sample 3").click()
    path_reads(one, "rotate 45")
    path_reads(other, "hue 90")
    playwright.expect(other.locator("figure", has_text="Original")).to_contain_text("sample 3")
    settled(one)
    playwright.expect(one.locator("figure", has_text="Original")).to_contain_text("sample 1")
    one.get_by_role("button", name="Undo").click()
    path_reads(one, "as it is")
    path_reads(other, "hue 90")


def test_every_view_is_shown_and_nothing_is_asked_of_other_machines(visit, address):
    page = visit()
    for name, sign in (
        ("Film", ".film img"), ("In turn / at once", ".three img"), ("Order", ".map table"), ("Frames", ".strip img")
    ):  # fmt: skip
        page.get_by_text(name, exact=True).first.click()
        page.locator(sign).first.wait_for()
    asked = [url for url in page.asked if not url.startswith(("data:", "blob:"))]
    assert asked and all(url.startswith(address) for url in asked), asked


@pytest.mark.skipif("FLOWDIS_AXE" not in os.environ, reason="FLOWDIS_AXE does not name axe.min.js")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "light"), (1280, "dark")])
def test_there_are_no_serious_barriers(visit, width, scheme):
    page = visit()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.add_script_tag(path=os.environ["FLOWDIS_AXE"])
    page.get_by_label("rotate", exact=True).fill("45")
    path_reads(page, "rotate 45")
    settled(page)
    for name, sign in (("Frames", ".strip"), ("Order", ".map"), ("Export", ".exports")):
        page.get_by_text(name, exact=True).first.click()
        page.locator(sign).wait_for()
        found = page.evaluate("axe.run()")["violations"]
        grave = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert not grave
    assert page.evaluate("document.documentElement.scrollWidth") <= width
