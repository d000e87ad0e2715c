"""A small editor, whose model is untrained, and its handlers."""

from __future__ import annotations

import re
from base64 import b64decode
from functools import lru_cache
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from flowdis.app.editor import Editor, make_editor
from flowdis.app.handlers import Handlers
from tests.models.toys import small_model

MODEL_NAME = "small"


@lru_cache(maxsize=1)
def editor() -> Editor:
    model = small_model(("rotate", "scale", "hue")).eval().requires_grad_(False)
    return make_editor(model, MODEL_NAME)


@lru_cache(maxsize=1)
def handlers() -> Handlers:
    return Handlers(editor())


def given(order: tuple[str, ...] = ("rotate", "scale", "hue"), at_once: bool = False, **values: float) -> dict:
    """What a browser sends when sliders stand so."""
    rest = {"rotate": 0.0, "scale": 1.0, "hue": 0.0}
    return {"values": rest | values, "order": list(order), "at_once": at_once}


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, "PNG")
    return stream.getvalue()


def pictures(html: str) -> list[Tensor]:
    """The images in a fragment of the page, with shape (H, W, 3), in bytes."""
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)"', html)
    return [torch.from_numpy(np.array(Image.open(BytesIO(b64decode(one))).convert("RGB"))) for one in found]
