"""Takes the picture of the page: python docs/make_app.py (it needs playwright and Chromium)."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from flowdis import LatentFlow
from flowdis.app.editor import make_editor
from flowdis.app.serve import start


def main() -> None:
    """Turns and recolours a digit by the sliders, and takes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="digits", help="the name or the folder of a model of digits")
    parser.add_argument("--digit", type=int, default=4, help="which digit")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images/app.png", help="where to write")
    options = parser.parse_args()
    model = LatentFlow.from_pretrained(options.model).requires_grad_(False)
    page, address = start(make_editor(model, options.model), port=0)
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        window = browser.new_page(viewport={"width": 1280, "height": 840}, device_scale_factor=1.5)
        window.set_default_timeout(60_000)
        window.goto(address)
        window.get_by_role("button", name=f"Edit digit {options.digit}").click()
        expect(window.locator("figure", has_text="Original")).to_contain_text(f"digit {options.digit}", timeout=60_000)
        for name, value in (("rotate", -50), ("hue", 150)):
            window.get_by_label(name, exact=True).fill(str(value))
            expect(window.locator("#edited figcaption")).to_contain_text(f"{name} {value}", timeout=60_000)
            window.wait_for_timeout(3000)  # until the frames below are the new ones
        window.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        window.mouse.move(0, 0)
        window.screenshot(path=options.out)
        browser.close()
    page.close()
    print(options.out)


if __name__ == "__main__":
    main()
