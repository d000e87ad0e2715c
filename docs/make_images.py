"""Where each picture of the documentation comes from, and how one out of a run gets here.

python docs/make_images.py prints the table; python docs/make_images.py rooms_in_turn.png runs/rooms copies one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from flowdis._files import write_whole

IMAGES = Path(__file__).parent / "images"

SCRIPTS = {
    "python docs/make_figures.py --model demo/model": ("edits.png", "portrait.png", "strip.png", "turning.gif"),
    "python docs/make_app.py": ("app.png",),
    "python docs/make_explanation.py --model runs/found/model": ("found.png",),
    "python docs/make_moving.py": ("moving.png",),
    "python docs/make_scenes.py": ("rooms.png", "sprites.png"),
    "python docs/make_waves.py": (
        "waves.gif",
        "waves_orientation.png",
        "waves_phases.png",
        "waves_ring.png",
        "waves_spectrum.png",
        "waves_velocity.png",
    ),
}
"""The programs that write pictures into `docs/images`."""

RUNS = {
    "attributes.png": ("python examples/attributes.py --out RUN --minutes 6", "strips.png"),
    "baselines.png": ("flowdis evaluate --models runs/* --data sprites --out RUN", "table.png"),
    "forecast_two_body.png": ("flowdis forecast-demo --data two_body --seed 0 --out RUN", "figures/frames.png"),
    "gan_found.png": ("python examples/discover.py --of gan --out RUN --locality 0.5", "strips.png"),
    "glyphs.png": ("python examples/glyphs.py --out RUN", "strips.png"),
    "rooms_at_once.png": ("flowdis report RUN", "strips/at_once.png"),
    "rooms_in_turn.png": ("flowdis report RUN", "strips/in_turn.png"),
    "rooms_found.png": ("python examples/discover.py --of rooms --out RUN --locality 1", "strips.png"),
    "waves_couplings.png": ("python -m benchmarks.trained_waves --runs runs/* --out RUN", "couplings.png"),
}
"""The pictures that are copied out of a run: the command that writes them, and their file in its folder RUN."""


def main() -> None:
    """Prints the table, or copies a picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", nargs="?", choices=tuple(RUNS), help="the picture to copy")
    parser.add_argument("run", nargs="?", type=Path, help="the folder that the command wrote")
    options = parser.parse_args()
    if options.image is None:
        for command, images in SCRIPTS.items():
            print(f"{command}: {', '.join(images)}")
        for image, (command, file) in RUNS.items():
            print(f"{command}: RUN/{file} as {image}")
        return
    if options.run is None:
        parser.error("the folder that the command wrote must be named, too")
    print(write_whole(IMAGES / options.image, (options.run / RUNS[options.image][1]).read_bytes()))


if __name__ == "__main__":
    main()
