"""Frames of video files."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_choice
from flowdis.data.files import fitted

__all__ = ["VIDEOS", "is_video", "load_video"]

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv")
"""The endings of files that are taken for videos."""


def is_video(path: Path) -> bool:
    """Whether a file is taken for a video, by its ending."""
    return path.suffix.lower() in VIDEOS and path.is_file()


def load_video(
    path: str | Path, *, image_shape: tuple[int, int, int] | None = None, frames: int | None = None
) -> Float[Tensor, "T C H W"]:
    """Reads the frames of a video file, brought to one size as `load_images` brings images.

    Arguments:
        path: The file, in any format and codec that FFmpeg reads.
        image_shape: The shape (C, H, W) of the frames, C being 1 or 3; that of the video, in colour, if left out.
        frames: How many frames to read, from the first on; all where left out. All are kept in memory.

    Returns:
        The frames in [0, 1] in float32, with shape (T, C, H, W), in the order in which they are shown.

    Raises:
        ImportError: if PyAV is not installed.
        FileNotFoundError: if the file does not exist.
        ValueError: if it holds no video that can be read to its end, or `frames` is not positive.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"`path` must be a video file, got {path}, which does not exist")
    if frames is not None and frames < 1:
        raise ValueError(f"`frames` must be at least 1, got {frames}")
    if image_shape is not None:
        check_choice("image_shape[0]", str(image_shape[0]), ("1", "3"))
    try:
        import av
    except ImportError as error:
        raise ImportError("videos need PyAV: pip install flowdis[video]") from error
    try:
        with av.open(str(file)) as opened:
            if not opened.streams.video:
                raise ValueError("it has no video stream")
            shown = itertools.islice(opened.decode(video=0), frames)
            read = [fitted(frame.to_image(), image_shape) for frame in shown]
    except (av.FFmpegError, ValueError) as error:
        raise ValueError(f"could not read {file} as a video ({type(error).__name__}: {error})") from error
    if not read:
        raise ValueError(f"could not read {file} as a video: it has no frame")
    return torch.stack(read).to(torch.float32) / 255
