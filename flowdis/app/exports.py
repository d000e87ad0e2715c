"""What can be taken home: the image, the film, the code, and the path in words and in Python."""

from __future__ import annotations

import io
from keyword import iskeyword

from jaxtyping import Float
from safetensors.torch import save
from torch import Tensor

from flowdis.app.state import Controls, text_of
from flowdis.models import LatentFlow
from flowdis.plots.animations import gif_bytes
from flowdis.plots.canvas import to_pixels

__all__ = ["film_bytes", "latent_bytes", "path_text", "png_bytes", "python_code"]

_SIDE = 224  # pixels of the shorter side of a film, at least


def png_bytes(image: Float[Tensor, "C H W"]) -> bytes:
    """An image (C, H, W) in [0, 1] as the bytes of a PNG file, of its own size; grey where it has one channel."""
    from PIL import Image

    pixels = to_pixels(image)
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0].copy() if image.shape[0] == 1 else pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def film_bytes(frames: Float[Tensor, "T C H W"]) -> bytes:
    """Frames (T, C, H, W) as the bytes of a GIF that runs there and back, magnified where they are small."""
    magnify = max(1, round(_SIDE / min(frames.shape[-2:])))
    return gif_bytes(frames, magnify=magnify, there_and_back=True)


def latent_bytes(start: Float[Tensor, "D"], end: Float[Tensor, "D"]) -> bytes:
    """Codes (D) before and after the edit as the bytes of a safetensors file, under "original" and "edited"."""
    codes = {"original": start, "edited": end}
    return save({name: z.detach().cpu().clone().contiguous() for name, z in codes.items()})


def path_text(model: LatentFlow, controls: Controls) -> str:
    """The path in words, which `flowdis.parse_path` and `flowdis edit --path` read."""
    return text_of(controls, model.flows())


def python_code(model: LatentFlow, controls: Controls, model_name: str) -> str:
    """A program that makes the edited image of `original.png`, with the library alone."""
    moving = controls.moving(model.flows()) or [(model.flows()[0], 1.0 if model.flows()[0].unit.logarithmic else 0.0)]
    names = [flow.name for flow, _ in moving]
    plain = all(name.isidentifier() and not iskeyword(name) for name in names)
    variables = names if plain and not set(names) & {"fd", "model", "images", "path", "edited"} else []
    variables = variables or [f"flow_{index}" for index in range(len(names))]
    steps = [f"{variable}({value:.12g})" for variable, (_, value) in zip(variables, moving, strict=True)]
    noise = "" if _generator(model) is None else f", generator={_generator(model)}"
    return "\n".join(
        [
            *(["import torch", ""] if noise else []),
            "import flowdis as fd",
            "",
            f"model = fd.LatentFlow.from_pretrained({model_name!r})",
            f"({', '.join(variables)},) = model.flows({', '.join(map(repr, names))})",
            'images, _ = fd.data.load_images("original.png", image_shape=model.image_shape)',
            f"path = {(' + ' if controls.at_once else ' >> ').join(steps)}",
            f"edited = fd.edit(model, images, path{noise})",
            'fd.data.save_images(edited, ".", ["edited"])',
            "",
        ]
    )


def _generator(model: LatentFlow) -> str | None:
    """The generator of the noise that the page draws, as code; None for a model without noise."""
    return "torch.Generator().manual_seed(0)" if model.dynamics.temperature > 0 else None
