"""`flowdis edit`: take pictures, turn them, recolour them, both in a row or at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.cli.options import pick_device, plain_warnings
from flowdis.cli.status import DONE
from flowdis.cli.telling import Teller
from flowdis.data import check_writable, load_images, save_images
from flowdis.editing import edit
from flowdis.models import LatentFlow
from flowdis.paths import Path as FlowPath
from flowdis.paths import parse_path
from flowdis.plots import save_gif

__all__ = ["Edit"]

_AT_ONCE = 256  # images edited in one batch
_GIF_FRAMES = 16
_GIF_SIDE = 112  # pixels of the shorter side of an animation, at least


@dataclass(frozen=True)
class Edit:
    """Edits image files along a path of transformations, and writes them as PNG files of the same names.

    Arguments:
        files: Image files, or folders of them.
        model: The folder of a model, such as demo/model, the name of a packaged one, such as digits, or its name on the
            Hugging Face hub.
        path: What to do, in natural units: "rotate 45 then hue 120", or "rotate 45 and hue 120" for both at
            once.
        out: The folder to write into.
        frames: Write so many frames on the way, numbered, the last of which is the end of the path.
        gif: Also write an animation of each image.
        skip_bad: Leave out files that cannot be read as images, rather than stop.
        device: auto (cuda, mps or cpu, whichever is there first), cpu, cuda, cuda:1 or mps.
        json: Print one JSON object of what was read and written on stdout, and progress on stderr.
        quiet: Show no progress, print nothing but what `json` asks for.
    """

    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    model: str
    path: str
    out: Path
    frames: int | None = None
    gif: bool = False
    skip_bad: bool = False
    device: str = "auto"
    json: bool = False
    quiet: bool = False

    def run(self) -> int:
        """Edits and returns the exit status.

        Raises:
            OSError: if a file or the model does not exist, or the folder cannot be written.
            ValueError: if the path cannot be read, a file is not an image, or a model's folder is not one.
            FlowError: if a flow cannot be integrated.
        """
        check_positive("frames", 1 if self.frames is None else self.frames)
        model = LatentFlow.from_pretrained(self.model).to(pick_device(self.device))
        path = parse_path(self.path, model.flows())
        files = _files(self.files)
        out = check_writable(self.out)
        same = [file for file in files if file.parent.resolve() == out.resolve()]
        if same:
            raise ValueError(f"`out` must be another folder than the images', got {out} with {same[0]}")
        with plain_warnings():
            images, read = load_images(files, image_shape=model.image_shape, skip_bad=self.skip_bad)
        pieces = [self._edited(model, path, piece) for piece in images.split(_AT_ONCE)]
        written = self._write(images, torch.cat(pieces, dim=1), read, out)
        skipped = [file for file in files if file not in read]
        teller = Teller(self.quiet, self.json)
        teller.tell(f"{len(read)} edited{f', {len(skipped)} left out' if skipped else ''}: {out}")
        teller.answer({"out": out, "path": self.path, "edited": read, "skipped": skipped, "written": written})
        return DONE

    def _edited(self, model: LatentFlow, path: FlowPath, images: Tensor) -> Tensor:
        """The frames (T, N, C, H, W) that are written: those asked for, an animation's, or the end alone."""
        count = self.frames or (_GIF_FRAMES if self.gif else 1)
        return edit(model, images, path, frames=count).cpu()

    def _write(self, images: Tensor, frames: Tensor, read: list[Path], out: Path) -> list[Path]:
        """Writes the files, and returns them."""
        if self.frames is None:
            written = save_images(frames[-1], out, read)
        else:
            names = [f"{file.stem}_{index + 1:03d}" for index in range(len(frames)) for file in read]
            written = save_images(frames.flatten(0, 1), out, names)
        if not self.gif:
            return written
        magnify = max(1, round(_GIF_SIDE / min(images.shape[-2:])))
        for index, file in enumerate(read):
            shown = torch.cat([images[index : index + 1], frames[:, index]])
            written.append(save_gif(shown, out / f"{file.stem}.gif", magnify=magnify, there_and_back=True))
        return written


def _files(given: tuple[Path, ...]) -> list[Path]:
    """The files that were named, those of folders in sorted order, hidden ones left out."""
    if not given:
        raise ValueError("`files` must name at least one image or a folder of images, got none")
    files: list[Path] = []
    for path in (path.expanduser() for path in given):
        inside = [path]
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.is_file() and file.name[0] != ".")
        if not inside:
            raise ValueError(f"`files` must name at least one image, got {path}, a folder without files")
        files += inside
    return files
