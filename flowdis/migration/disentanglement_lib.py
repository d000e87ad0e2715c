"""Results and data folders of disentanglement_lib (google-research/disentanglement_lib)."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any

from flowdis._checks import check_choice
from flowdis.data import FactorImages, cars3d, dsprites, mpi3d, shapes3d, smallnorb
from flowdis.metrics.table import MeasuredModel

__all__ = ["DATA_FILES", "METRIC_NAMES", "ROOT_VARIABLE", "from_data_root", "read_evaluation", "read_evaluations"]

ROOT_VARIABLE = "DISENTANGLEMENT_LIB_DATA"
"""The environment variable that names the root of its data."""

DATA_FILES = {
    "dsprites_full": "dsprites/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
    "shapes3d": "3dshapes/3dshapes.h5",
    "mpi3d_toy": "mpi3d_toy/mpi3d_toy.npz",
    "mpi3d_realistic": "mpi3d_realistic/mpi3d_realistic.npz",
    "mpi3d_real": "mpi3d_real/mpi3d_real.npz",
    "smallnorb": "small_norb",
    "cars3d": "cars",
}
"""Where each data set lies below the root: a file, or a folder. For 3dshapes its code names an archive that was never
published; the h5 file that is, in the same folder, is what its users read."""

_READERS: dict[str, Callable[[FilePath], FactorImages]] = {
    "dsprites_full": dsprites,
    "shapes3d": shapes3d,
    "mpi3d_toy": mpi3d,
    "mpi3d_realistic": lambda path: mpi3d(path, "realistic"),
    "mpi3d_real": lambda path: mpi3d(path, "real"),
    "smallnorb": lambda path: smallnorb(path, image_size=64),
    "cars3d": lambda path: cars3d(path, image_size=64),
}
_ALIASES = {"dsprites": "dsprites_full", "mpi3d": "mpi3d_toy"}

METRIC_NAMES = {
    "discrete_mig": "codes.mig",
    "SAP_score": "codes.sap",
    "disentanglement": "codes.dci.disentanglement",
    "completeness": "codes.dci.completeness",
    "informativeness_test": "codes.dci.informativeness",
    "modularity_score": "codes.modularity",
    "explicitness_score_test": "codes.explicitness",
    "IRS": "codes.irs",
}
"""Its names of scores, and those of this library's tables. `eval_accuracy` is the BetaVAE or the FactorVAE score."""

_RESULTS, _CONFIG = "evaluation_results.", "evaluation_config."
_SWEPT = ("vae.beta", "annealed_vae.c_max", "factor_vae.gamma", "dip_vae.lambda_od", "beta_tc_vae.beta")
_NOT_SCORES = {"elapsed_time", "uuid"}


def from_data_root(name: str, root: str | FilePath | None = None) -> FactorImages:
    """Reads a data set out of a folder laid out as disentanglement_lib has it.

    Images of SmallNORB and Cars3D are shrunk to 64 x 64, as there; those of SmallNORB are the left camera's. Its
    instances and the categories of shapes are factors here, and unordered ones.

    Arguments:
        name: A name in `DATA_FILES`; "dsprites" stands for "dsprites_full", "mpi3d" for "mpi3d_toy".
        root: The folder; the one that `DISENTANGLEMENT_LIB_DATA` names where left out.

    Raises:
        FileNotFoundError: if the data set is not there.
        ValueError: if the name is unknown, or no root is given and none named.
    """
    name = check_choice("name", _ALIASES.get(name, name), tuple(DATA_FILES))
    chosen = os.environ.get(ROOT_VARIABLE) if root is None else root
    if not chosen:
        raise ValueError(f"`root` must be a folder where {ROOT_VARIABLE} names none, got {root!r}")
    return _READERS[name](FilePath(chosen).expanduser() / DATA_FILES[name])


def read_evaluation(folder: str | FilePath) -> dict[str, float | None]:
    """The scores of one evaluation, by this library's names.

    Arguments:
        folder: What `evaluate_with_gin` wrote into: it holds `results/json/evaluation_results.json`.

    Returns:
        Scores by the names of `METRIC_NAMES`; others as "disentanglement_lib." and their own name. None for NaN.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, or holds no score.
    """
    files = FilePath(folder).expanduser() / "results" / "json"
    results = _read_json(files / "evaluation_results.json")
    config_file = files / "evaluation_config.json"
    config = _read_json(config_file) if config_file.is_file() else {}
    scores = _scores(results, str(config.get("evaluation.evaluation_fn", "")))
    if not scores:
        raise ValueError(f"`folder` must hold scores, got {sorted(results)} in {files / 'evaluation_results.json'}")
    return scores


def read_evaluations(file: str | FilePath) -> list[MeasuredModel]:
    """The models in what `aggregate_results_to_json` wrote, each of whose rows is one metric of one model.

    Rows of the same model, hyperparameter and seed become one measured model; `fd.metrics.model_table` makes a table
    of them.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, has no scores, or gives a score of one model and seed twice.
    """
    columns = _read_json(FilePath(file).expanduser())
    if not all(isinstance(column, Mapping) for column in columns.values()):
        raise ValueError(f"`file` must hold columns of rows, as `aggregate_results_to_json` writes them, got {file}")
    found: dict[tuple[str, int | None], dict[str, float | None]] = {}
    for row in dict.fromkeys(row for column in columns.values() for row in column):
        values = {name: column[row] for name, column in columns.items() if column.get(row) is not None}
        results = {name.removeprefix(_RESULTS): value for name, value in values.items() if name.startswith(_RESULTS)}
        scores = _scores(results, str(values.get(f"{_CONFIG}evaluation.evaluation_fn", "")))
        kept = found.setdefault((_model_name(values), _seed(values)), {})
        if doubled := sorted(set(kept) & set(scores)):
            raise ValueError(f"`file` must give each score of a model and seed once, got {doubled} twice in row {row}")
        kept.update(scores)
    measured = [MeasuredModel(name, seed, scores) for (name, seed), scores in found.items() if scores]
    if not measured:
        raise ValueError(f"`file` must hold columns {_RESULTS}*, got {sorted(columns)} in {file}")
    return measured


def _scores(results: Mapping[str, Any], function: str) -> dict[str, float | None]:
    """Numbers of one evaluation by this library's names."""
    factor_vae = "factor_vae" in function or "num_active_dims" in results
    votes = {"eval_accuracy": "codes.factor_vae" if factor_vae else "codes.beta_vae"}
    names = METRIC_NAMES | votes
    numbers = _numbers((key, value) for key, value in results.items() if key not in _NOT_SCORES)
    return {names.get(key, f"disentanglement_lib.{key}"): value for key, value in numbers.items()}


def _numbers(items: Iterable[tuple[str, Any]]) -> dict[str, float | None]:
    plain = {key: value for key, value in items if isinstance(value, int | float) and not isinstance(value, bool)}
    return {key: float(value) if math.isfinite(value) else None for key, value in plain.items()}


def _model_name(values: Mapping[str, Any]) -> str:
    """What the run calls its model, and the hyperparameter that its studies vary."""
    told = values.get("train_config.model.name") or values.get("train_config.model.model") or "model"
    name = str(told).strip("'\"@()") or "model"
    swept = [
        f"{key.partition('.')[2]} {values[f'train_config.{key}']}" for key in _SWEPT if f"train_config.{key}" in values
    ]
    return ", ".join([name, *swept])


def _seed(values: Mapping[str, Any]) -> int | None:
    seed = values.get("train_config.model.random_seed")
    return None if seed is None else int(seed)


def _read_json(path: FilePath) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"results must be in {path}, which does not exist")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must hold JSON, got {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(found).__name__}")
    return found
