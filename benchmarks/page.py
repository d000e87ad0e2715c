"""How fast the page answers: python -m benchmarks.page --model demo/model.

The server runs in a process of its own; clients speak HTTP over the loopback, as the browser's script does. (a) One
visitor moves a slider again and again. (b) Many visitors at once each move sliders of their own, with a pause between
as hands make, and compare images with those that the library makes of the same paths.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import signal
import subprocess
import sys
import time
from base64 import b64decode
from io import BytesIO

import httpx
import numpy as np
import torch
from PIL import Image

import flowdis as fd
from flowdis.app.editor import Editor, make_editor
from flowdis.app.state import Controls, path_of

CHECKED = 200  # answers that are compared with the library's own, evenly spread


class Visitor:
    """One session: its own sample, sliders and random numbers."""

    def __init__(self, client: httpx.AsyncClient, editor: Editor, number: int) -> None:
        self.client, self.editor, self.number = client, editor, number
        self.random = random.Random(number)
        self.sample = number % len(editor.samples.names)
        image = (editor.samples.images[self.sample] * 255).round() / 255
        self.z = fd.encode(editor.model, image)

    async def ask(self, name: str, *data: object) -> list:
        """Answers of one event; the session's state stands where None is sent."""
        body = {"data": [None, *data], "session_hash": f"visitor-{self.number}"}
        answer = await self.client.post(f"/gradio_api/run/{name}", json=body)
        answer.raise_for_status()
        return answer.json()["data"]

    async def begin(self) -> None:
        await self.ask("take", {"kind": "sample", "index": self.sample}, "frames")

    def controls(self) -> dict:
        """Sliders anywhere on their dials."""
        values = {}
        for dial in self.editor.dials:
            share = self.random.random()
            middle = dial.low * (dial.high / dial.low) ** share if dial.logarithmic else None
            values[dial.name] = round(dial.low + (dial.high - dial.low) * share if middle is None else middle, 3)
        order = list(values)
        self.random.shuffle(order)
        return {"values": values, "order": order, "at_once": self.random.random() < 0.5}

    async def move(self) -> tuple[float, dict, str]:
        """Seconds that a move took, what was sent and what came."""
        sent = self.controls()
        start = time.perf_counter()
        (html,) = await self.ask("move", sent)
        return time.perf_counter() - start, sent, html

    def wrong(self, sent: dict, html: str) -> bool:
        """Whether the image is not that of this visitor's sample and sliders, to two levels of 255."""
        found = re.search(r"base64,([^\"]+)", html)
        if found is None:
            return True
        shown = np.array(Image.open(BytesIO(b64decode(found[1]))).convert("RGB")).astype(int)
        model = self.editor.model
        path = path_of(Controls(sent["values"], tuple(sent["order"]), sent["at_once"]), model.flows())
        with torch.no_grad():
            image = model.decode(model.transport(path, self.z).z[-1])
        true = (image.expand(3, -1, -1) * 255).round().movedim(0, -1).numpy()
        return bool(np.abs(shown - true).max() > 2)


async def one(address: str, editor: Editor, moves: int) -> list[float]:
    """Seconds of each move of a single visitor."""
    async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as client:
        visitor = Visitor(client, editor, 1000)
        await visitor.begin()
        for _ in range(5):
            await visitor.move()
        return [(await visitor.move())[0] for _ in range(moves)]


async def many(address: str, editor: Editor, visitors: int, seconds: float, pause: float) -> dict:
    """What many visitors met with."""
    limits = httpx.Limits(max_connections=visitors, max_keepalive_connections=visitors)
    async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False, limits=limits) as client:
        crowd = [Visitor(client, editor, number) for number in range(visitors)]
        await asyncio.gather(*(visitor.begin() for visitor in crowd))
        end = time.perf_counter() + seconds
        answers: list[tuple[Visitor, float, dict, str]] = []
        errors: list[str] = []

        async def act(visitor: Visitor) -> None:
            await asyncio.sleep(visitor.random.random() * pause)
            while time.perf_counter() < end:
                try:
                    answers.append((visitor, *await visitor.move()))
                except (httpx.HTTPError, KeyError) as error:
                    errors.append(repr(error))
                await asyncio.sleep(pause * (0.5 + visitor.random.random()))

        await asyncio.gather(*(act(visitor) for visitor in crowd))
    checked = answers[:: max(1, len(answers) // CHECKED)]
    wrong = sum(visitor.wrong(sent, html) for visitor, _, sent, html in checked)
    times = [taken for _, taken, _, _ in answers]
    return {"answers": len(times), "errors": len(errors), "checked": len(checked), "wrong": wrong, **quantiles(times)}


def quantiles(times: list[float]) -> dict[str, float]:
    """The median and the 95th percentile in milliseconds."""
    middle, late = np.percentile(times, [50, 95]) * 1e3
    return {"median_ms": round(float(middle), 1), "p95_ms": round(float(late), 1)}


def main() -> None:
    """Starts the server, measures both, prints one line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo/model", help="the folder of a model")
    parser.add_argument("--moves", type=int, default=100, help="moves of the single visitor")
    parser.add_argument("--visitors", type=int, default=50, help="visitors at once")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long they stay")
    parser.add_argument("--pause", type=float, default=2.0, help="mean seconds between a visitor's moves")
    options = parser.parse_args()
    model = fd.LatentFlow.from_pretrained(options.model).requires_grad_(False)
    editor = make_editor(model, options.model)
    command = [sys.executable, "-m", "flowdis", "app", "--model", options.model, "--port", "0", "--quiet"]
    server = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = next(line.strip() for line in server.stdout if line.startswith("http"))
        print(json.dumps({"one": quantiles(asyncio.run(one(address, editor, options.moves)))}), flush=True)
        crowd = asyncio.run(many(address, editor, options.visitors, options.seconds, options.pause))
        print(json.dumps({"many": {"visitors": options.visitors, "pause_s": options.pause, **crowd}}), flush=True)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


if __name__ == "__main__":
    main()
