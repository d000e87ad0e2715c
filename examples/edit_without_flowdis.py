"""Edits an image with an exported model: `python edit_without_flowdis.py FOLDER PICTURE OUT.png rotate=45 hue=120`.

It needs numpy, pillow and onnxruntime alone. FOLDER is what `flowdis export --model digits --out FOLDER` writes. Edits
are made in turn, each in as many calls of the flow as keep the amount of a call within 1, where the fixed steps of the
exported flow are exact to rounding; for fields that depend on a clock, each must be one call.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


def edit(folder: Path, image: np.ndarray, edits: list[tuple[str, float]]) -> np.ndarray:
    """The image (C, H, W) in [0, 1] after the edits, each a name and a value in its natural unit."""
    told = json.loads((folder / "flowdis.json").read_text())
    encode, flow, decode = (
        onnxruntime.InferenceSession(folder / told["files"][name]["onnx"], providers=["CPUExecutionProvider"])
        for name in ("encode", "flow", "decode")
    )
    names = [each["name"] for each in told["transformations"]]
    (codes,) = encode.run(None, {"images": image[None].astype(np.float32)})
    for name, value in edits:
        unit = told["transformations"][names.index(name)]
        amount = math.log(value) / math.log(unit["size"]) if unit["logarithmic"] else value / unit["size"]
        calls = max(1, math.ceil(abs(amount)))
        amounts = np.zeros((1, len(names)), dtype=np.float32)
        amounts[0, names.index(name)] = amount / calls
        for _ in range(calls):
            (codes,) = flow.run(None, {"codes": codes, "amounts": amounts})
    return decode.run(None, {"codes": codes})[0][0]


if __name__ == "__main__":
    source, picture, target, *words = sys.argv[1:]
    channels, height, width = json.loads((Path(source) / "flowdis.json").read_text())["image_shape"]
    opened = Image.open(picture).convert("L" if channels == 1 else "RGB").resize((width, height))
    pixels = np.asarray(opened, dtype=np.float32).reshape(height, width, channels).transpose(2, 0, 1) / 255
    wanted = [(name, float(value)) for name, _, value in (word.partition("=") for word in words)]
    edited = edit(Path(source), pixels, wanted).transpose(1, 2, 0)
    bytes_ = (edited * 255).round().astype(np.uint8)
    Image.fromarray(bytes_[..., 0] if channels == 1 else bytes_).save(target)
