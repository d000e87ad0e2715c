from __future__ import annotations

import json
import sys

import pytest
import torch

from benchmarks import training
from benchmarks.published import PublishedStep, published_model, published_sequences
from flowdis.training import Trainer, TrainingConfig
from flowdis.training.recipes import recipe


@pytest.fixture
def step(generator):
    """The published step of a small model in float64."""
    model = published_model(recipe("demo").model((3, 28, 28)), generator).double()
    images = torch.rand(4, 3, 28, 28, generator=generator, dtype=torch.float64)
    config = TrainingConfig(batch_size=3)
    sequences = published_sequences(images, model)
    optimizer = Trainer(model, sequences["rotate"], config, quiet=True).optimizer
    return PublishedStep(model, sequences, config, optimizer, generator)


def test_a_quick_run_prints_rates_parts_and_shares_as_json(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["training", "--quick", "--json", "--batch-size", "4"])
    training.main()
    report = json.loads(capsys.readouterr().out)
    assert {"torch", "threads", "cpu", "recipe", "frame", "ratio"} <= report.keys()
    assert report["batch_size"] == 4
    ours, all_frames, theirs, exact = report["rows"]
    assert (ours["name"], theirs["name"]) == ("flowdis", "published way")
    assert all_frames["frames_per_sequence"] == theirs["frames_per_sequence"] == 9
    assert ours["frames_per_sequence"] == 1 + recipe("demo").training.frames
    for row in report["rows"]:
        step = row["seconds_per_step"]
        assert row["steps_timed"] >= 2 and row["cpu_seconds_per_step"] > 0
        assert row["sequences_per_second"] == pytest.approx(4 / step)
        assert row["frames_per_second"] == pytest.approx(4 * row["frames_per_sequence"] / step)
        assert all(seconds > 0 for seconds in row["parts_seconds"].values()), row["parts_seconds"]
    assert report["ratio"]["frames_per_second"] == ours["frames_per_second"] / theirs["frames_per_second"]
    assert exact["times_published"]["sequences_per_cpu_second"] < 1
    found = report["outside_convolutions_and_linear_layers"]
    shares = [found[name] for name in ("share", "convolutions_share", "matrix_products_share")]
    assert min(shares) > 0 and sum(shares) == pytest.approx(1)
    assert {"aten::convolution_backward", "aten::addmm", "aten::mm"} <= set(found["arithmetic"])
    assert "published way, Hessian's diagonal" in training.text(report)


@pytest.mark.parametrize("k", range(3))
def test_the_published_way_computes_what_the_closed_forms_do(step, generator, k):
    bank = step.model.fields
    z = torch.randn(5, bank.dim, generator=generator, dtype=torch.float64).requires_grad_()
    times = torch.full((5, 3), 2.0, dtype=torch.float64)
    amounts = torch.nn.functional.one_hot(torch.tensor(k), 3).double()
    velocity, divergence = bank(amounts, times[0]).velocity_and_divergence(z, 0.0)
    residual = bank.hamilton_jacobi_residual(z, times)[:, k]

    step.exact = True
    found, diagonal, gap = step.field(k, z, 2.0)
    for value, truth in ((found, velocity), (diagonal.sum(-1), divergence), (gap, residual)):
        torch.testing.assert_close(value, truth, rtol=1e-10, atol=1e-10)

    step.exact = False
    _, sums, _ = step.field(k, z, 2.0)
    hessians = [torch.autograd.functional.jacobian(lambda row: bank(amounts, times[0])(row, 0.0), row) for row in z]
    torch.testing.assert_close(sums, torch.stack(hessians).sum(-1), rtol=1e-10, atol=1e-10)


def test_the_published_way_trains(step):
    before = {name: value.clone() for name, value in step.model.state_dict().items()}
    loss = step.loss()
    assert torch.isfinite(loss)
    step.run(2)
    after = step.model.state_dict()
    assert all(bool(torch.isfinite(value).all()) for value in after.values())
    assert all(
        not torch.equal(after[name], before[name]) for name in ("encoder.head.0.weight", "fields.network.weight")
    )
