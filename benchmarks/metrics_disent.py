"""Scores of `disent` on arrays: run by the interpreter of its own environment, `python metrics_disent.py ARRAYS.npz`.

It prints JSON: for each metric its scores, the seconds that the public call took, and the seconds of those that went
into numbers, data left out ("core"). The data set serves the rows that it is told to, in that order, so that both
libraries see the same ones; an image is its own code. It needs no part of flowdis.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["main"]

# What is compared: mig, sap; dci; factor_vae.
SCORES = (
    "discrete_score",
    "score",
    "disentanglement",
    "completeness",
    "informativeness_train",
    "informativeness_test",
    "train_accuracy",
    "eval_accuracy",
)


def declare_operators() -> None:
    """Lets torchvision be imported where its build is not torch's, such as PyPI's beside a CPU build of torch."""
    import torch

    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def data_set(codes: np.ndarray, sizes: list[int]) -> Any:
    """A ground-truth data set over a full grid of factors whose images are codes, and which rows to draw next."""
    import torch
    from disent.dataset import DisentDataset  # type: ignore[import-not-found]
    from disent.dataset.data import GroundTruthData  # type: ignore[import-not-found]

    class Codes(GroundTruthData):  # type: ignore[misc]
        factor_names = tuple(f"factor {f}" for f in range(len(sizes)))
        factor_sizes = tuple(sizes)
        img_shape = (1, 1, codes.shape[1])

        def __init__(self) -> None:
            super().__init__()
            self.next: list[int] = []

        def _get_observation(self, index: int) -> torch.Tensor:
            return images[index]

        def sample_factors(self, size: Any = None, f_idxs: Any = None) -> np.ndarray:
            if not self.next or size is None:
                return super().sample_factors(size, f_idxs)
            rows, self.next = self.next[:size], self.next[size:]
            return self.idx_to_pos(np.array(rows))

    images = torch.from_numpy(codes)
    return DisentDataset(Codes())


def seed_trees() -> None:
    """Gives scikit-learn's boosted trees seed 0, which disent leaves to chance: ties would be broken otherwise."""
    from sklearn import ensemble

    ensemble.GradientBoostingClassifier = functools.partial(ensemble.GradientBoostingClassifier, random_state=0)


def timed(module: str, function: str, run: Callable[[], dict[str, float]]) -> dict[str, Any]:
    """The scores of a metric, and its seconds: of the whole, and within one function of a module."""
    inside, owner = [0.0], importlib.import_module(module)
    original = getattr(owner, function)

    def watched(*values: Any, **options: Any) -> Any:
        start = time.perf_counter()
        result = original(*values, **options)
        inside[0] += time.perf_counter() - start
        return result

    setattr(owner, function, watched)
    start = time.perf_counter()
    scores = run()
    whole = time.perf_counter() - start
    setattr(owner, function, original)
    named = {key.split(".")[1]: float(value) for key, value in scores.items() if key.split(".")[1] in SCORES}
    return {"scores": named, "seconds": whole, "core_seconds": inside[0]}


def main() -> None:
    """The command line: the path of an npz file with `codes`, `index`, `sizes`, `train` and `test`."""
    warnings.simplefilter("ignore")
    if importlib.util.find_spec("disent") is None:
        sys.exit(f"{sys.executable} has no disent: pip install disent")
    declare_operators()
    seed_trees()
    from disent import metrics  # type: ignore[import-not-found]

    with np.load(sys.argv[1]) as arrays:
        index, train, test = (arrays[name].tolist() for name in ("index", "train", "test"))
        # Row n of the arrays is image index[n] of the grid.
        images = np.empty_like(arrays["codes"])
        images[arrays["index"]] = arrays["codes"]
        dataset = data_set(images, arrays["sizes"].tolist())
    parts = [index[row] for row in train], [index[row] for row in test]

    def split(metric: Any, **options: Any) -> Callable[[], dict[str, float]]:
        def run() -> dict[str, float]:
            dataset.gt_data.next = parts[0] + parts[1]
            return metric(dataset, lambda z: z, num_train=len(train), num_test=len(test), **options)

        return run

    def whole() -> dict[str, float]:
        dataset.gt_data.next = list(index)
        return metrics.metric_mig(dataset, lambda z: z, num_train=len(index))

    def votes() -> dict[str, float]:
        dataset.gt_data.next = []
        return metrics.metric_factor_vae(dataset, lambda z: z, num_variance_estimate=len(index))

    def tight() -> dict[str, float]:
        svm = importlib.import_module("disent.metrics._sap").svm
        original, svm.LinearSVC = svm.LinearSVC, functools.partial(svm.LinearSVC, tol=1e-10, max_iter=100_000)
        try:
            return split(metrics.metric_sap)()
        finally:
            svm.LinearSVC = original

    np.random.seed(0)  # noqa: NPY002 (disent draws from it)
    package = "disent.metrics"
    report = {
        "mig": timed(f"{package}._mig", "_compute_mig", whole),
        "dci boosting": timed(f"{package}._dci", "_compute_dci", split(metrics.metric_dci)),
        "sap correlation": timed(f"{package}._sap", "_compute_sap", split(metrics.metric_sap, continuous_factors=True)),
        "sap linear_svm": timed(f"{package}._sap", "_compute_sap", split(metrics.metric_sap)),
        "sap linear_svm, to 1e-10": timed(f"{package}._sap", "_compute_sap", tight),
        "factor_vae": timed(f"{package}._factor_vae", "_compute_variances", votes),
    }
    report["factor_vae"]["core_seconds"] = None
    print(json.dumps({"version": importlib.metadata.version("disent"), "metrics": report}))


if __name__ == "__main__":
    main()
