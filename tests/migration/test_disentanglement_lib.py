"""Results and data folders in the format of disentanglement_lib, written here as its code writes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowdis as fd
from flowdis.metrics.columns import METRICS
from flowdis.migration import DATA_FILES, METRIC_NAMES, ROOT_VARIABLE, from_data_root, read_evaluation, read_evaluations
from tests.data.readers import toys
from tests.migration.files import write_aggregate, write_evaluation


@pytest.fixture
def root(tmp_path):
    """A data root with small files in the true formats."""
    for name in ("dsprites", "3dshapes", "mpi3d_toy"):
        (tmp_path / name).mkdir()
    toys.write_dsprites(tmp_path / DATA_FILES["dsprites_full"])
    toys.write_shapes3d(tmp_path / DATA_FILES["shapes3d"])
    np.savez_compressed(tmp_path / DATA_FILES["mpi3d_toy"], images=np.zeros((1036800, 1, 1, 3), np.uint8))
    toys.write_smallnorb(tmp_path / DATA_FILES["smallnorb"])
    toys.write_cars3d(tmp_path / DATA_FILES["cars3d"])
    return tmp_path


def test_every_data_set_is_found_below_its_root(root, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(root))
    sprites = from_data_root("dsprites")
    assert sprites.names == ("shape", "scale", "orientation", "x", "y")
    torch.testing.assert_close(sprites[0], fd.data.dsprites(root / "dsprites")[0])
    assert from_data_root("shapes3d", root).sizes == (2, 3, 1, 2, 4, 3)
    assert from_data_root("mpi3d").name == "mpi3d toy"
    for name, factors in (("smallnorb", 5), ("cars3d", 3)):
        data = from_data_root(name)
        assert len(data.names) == factors and data.image_shape[1:] == (64, 64)


def test_what_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    with pytest.raises(ValueError, match="`root` must be a folder where DISENTANGLEMENT_LIB_DATA names none"):
        from_data_root("cars3d")
    with pytest.raises(ValueError, match=r"`name` must be one of dsprites_full.*did you mean 'shapes3d'"):
        from_data_root("shape3d", tmp_path)
    for name in DATA_FILES:
        with pytest.raises(FileNotFoundError):
            from_data_root(name, tmp_path)


def test_every_score_has_a_column_of_our_tables():
    assert set(METRIC_NAMES.values()) <= set(METRICS)


def test_one_evaluation_keeps_its_scores_under_our_names(tmp_path):
    write_evaluation(tmp_path / "mig", {"discrete_mig": 0.25})
    write_evaluation(
        tmp_path / "dci",
        {"informativeness_train": 0.9, "informativeness_test": 0.8, "disentanglement": 0.5, "completeness": 0.4},
    )
    write_evaluation(tmp_path / "beta", {"train_accuracy": 0.9, "eval_accuracy": 0.85}, "@beta_vae_sklearn")
    write_evaluation(tmp_path / "factor", {"train_accuracy": 0.9, "eval_accuracy": 0.7, "num_active_dims": 10})
    write_evaluation(tmp_path / "named", {"train_accuracy": 0.9, "eval_accuracy": 0.7}, "@factor_vae_score")
    write_evaluation(tmp_path / "irs", {"IRS": float("nan"), "num_active_dims": 0})

    assert read_evaluation(tmp_path / "mig") == {"codes.mig": 0.25}
    dci = read_evaluation(tmp_path / "dci")
    assert dci["codes.dci.informativeness"] == 0.8 and dci["disentanglement_lib.informativeness_train"] == 0.9
    assert read_evaluation(tmp_path / "beta")["codes.beta_vae"] == 0.85
    assert read_evaluation(tmp_path / "factor")["codes.factor_vae"] == 0.7
    assert read_evaluation(tmp_path / "named")["codes.factor_vae"] == 0.7
    assert read_evaluation(tmp_path / "irs")["codes.irs"] is None


def test_aggregated_rows_of_one_model_become_one_and_seeds_one_row_of_the_table(tmp_path):
    """Pandas writes columns of rows; each row is one metric of one run."""
    rows = []
    for seed in (0, 1, 2):
        for beta in (1.0, 4.0):
            run = {"train_config.model.model": "@vae()", "train_config.model.random_seed": str(seed)}
            run |= {"train_config.model.name": "'beta_vae'", "train_config.vae.beta": str(beta), "path": f"/{seed}"}
            rows.append(run | {"evaluation_results.discrete_mig": 0.1 * beta + 0.01 * seed})
            accuracy = {"evaluation_results.eval_accuracy": 0.8, "evaluation_results.train_accuracy": 0.9}
            rows.append(run | accuracy | {"evaluation_config.evaluation.evaluation_fn": "@factor_vae_score"})
    write_aggregate(tmp_path / "results.json", rows)

    models = read_evaluations(tmp_path / "results.json")
    assert {(model.model, model.seed) for model in models} == {
        (f"beta_vae, beta {beta}", seed) for beta in (1.0, 4.0) for seed in (0, 1, 2)
    }
    table = fd.metrics.model_table(models)
    means = {row.model: row.scores["codes.mig"].mean for row in table.rows}
    assert means == pytest.approx({"beta_vae, beta 1.0": 0.11, "beta_vae, beta 4.0": 0.41})
    assert table.rows[0].scores["codes.factor_vae"].values == (0.8, 0.8, 0.8)


def test_results_that_cannot_be_read_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"evaluation_results\.json, which does not exist"):
        read_evaluation(tmp_path)
    write_evaluation(tmp_path / "empty", {})
    with pytest.raises(ValueError, match="`folder` must hold scores"):
        read_evaluation(tmp_path / "empty")
    file = tmp_path / "results.json"
    for content, message in (
        ("{", "must hold JSON"),
        ("[1]", "must hold a JSON object"),
        ('{"a": 1}', "must hold columns of rows"),
        ('{"path": {"0": "a"}}', r"must hold columns evaluation_results"),
        ('{"evaluation_results.IRS": {"0": 0.1, "1": 0.2}}', "once"),
    ):
        file.write_text(content)
        with pytest.raises(ValueError, match=message):
            read_evaluations(file)
