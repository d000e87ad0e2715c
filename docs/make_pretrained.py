"""Makes the model inside the package of a run: `python docs/make_pretrained.py RUN NAME`.

The model "digits" is of `flowdis demo --steps 4000 --seed 0`. Weights are stored in half precision, and the numbers on
its card are those of the run: `tests/models/test_packaged.py` measures the stored weights against them.
"""

import copy
import json
import sys
from pathlib import Path

import flowdis as fd
from flowdis.cli.cards import run_card


def main(run: Path, name: str) -> None:
    """Writes the folder of the packaged model."""
    model = fd.LatentFlow.from_pretrained(run / "model")
    settings, metrics = (json.loads((run / file).read_text()) for file in ("run.json", "metrics.json"))
    seed, steps = settings["training"]["seed"], settings["training"]["steps"]
    command = f"flowdis demo --steps {steps} --seed {seed}"
    card = run_card(model, settings, metrics, run / "strips", name=name, command=command)
    folder = Path(__file__).parents[1] / "flowdis" / "pretrained" / name
    copy.deepcopy(model).half().save_pretrained(folder, card=card)
    print(folder, f"{sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
