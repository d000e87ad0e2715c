"""Everything runs where the caller's model lives: `pytest --device cuda` runs these there, and CI on the CPU."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

import flowdis as fd
from flowdis.data import TransformSequences
from flowdis.data.motions import Steps
from flowdis.dynamics import DYNAMICS, Lattice
from flowdis.fields import FIELDS
from flowdis.metrics import evaluate_amounts, evaluate_protocol, explain
from flowdis.metrics.forecast import measure_forecasts
from flowdis.models import LatentFlow
from flowdis.objectives import SparseBound, WeakBound
from flowdis.training import Trainer, TrainingConfig
from flowdis.training.forecasting import FORECASTERS, ForecastRecipe
from tests.models.toys import small_config, stills

NAMES = ("rotate", "hue")
MOVES = {"rotate": Steps(10.0, speed=(0.5, 1.5)), "hue": Steps(20.0, speed=(0.5, 1.5))}
SETTINGS = TrainingConfig(steps=3, batch_size=5, warmup=1, log_every=1)


def sequences(device: torch.device, single: float = 1.0) -> TransformSequences:
    return TransformSequences(stills(7, 3, 8, 8).to(device), MOVES, length=3, single=single)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dynamics", list(DYNAMICS))
@pytest.mark.parametrize("field", list(FIELDS))
def test_training_edits_and_errors_stay_on_the_device(
    field: str, dynamics: str, dtype: torch.dtype, device: torch.device
) -> None:
    config = replace(small_config(), field=field, field_options={}, dynamics=dynamics)
    model = LatentFlow(config, generator=seeded()).to(device, dtype)
    images = stills(7, 3, 8, 8).to(device, dtype)
    drawn = TransformSequences(images, MOVES, length=3)
    assert Trainer(model, drawn, SETTINGS, quiet=True).run().finished
    rotate, hue = model.flows()
    for path in (rotate(20) >> hue(30), 0.5 * rotate(20) + hue(30)):
        edited = fd.edit(model, images[:1], path)
        assert (edited.device, edited.dtype, len(edited)) == (images.device, dtype, 1)
    errors = evaluate_protocol(model, images, images, "orbit", generator=seeded(), batch_size=5)
    assert all(torch.isfinite(torch.tensor(error.total("error"))) for error in errors.values())


@pytest.mark.parametrize("field", ["helmholtz", "potential", "solenoidal", "linear"])
def test_edits_on_the_device_are_those_in_double_precision_on_the_cpu(field: str, device: torch.device) -> None:
    model = LatentFlow(replace(small_config(), field=field, field_options={}), generator=seeded()).eval()
    rotate, hue = model.flows()
    path = rotate(20) >> hue(30)
    images = stills(7, 3, 8, 8)
    exact = fd.edit(copy.deepcopy(model).double(), images.double(), path)
    ours = fd.edit(model.to(device), images.to(device), path).cpu().double()
    assert torch.allclose(ours, exact, atol=1e-4)  # single precision, and the reduced one of some convolutions


@pytest.mark.parametrize("supervision", ["weak", "none"])
def test_amounts_are_inferred_and_explained_on_the_device(supervision: str, device: torch.device) -> None:
    options = {"channels": (4,), "hidden": 8}
    config = replace(small_config(), supervision=supervision, supervision_options=options)
    model = LatentFlow(config, generator=seeded()).to(device)
    objective = WeakBound() if supervision == "weak" else SparseBound()
    ours = sequences(device)
    with pytest.warns(UserWarning, match="collapsed"):  # three steps find nothing
        assert Trainer(model, ours, SETTINGS, quiet=True, objective=objective).run().finished
    assert len(list(ours.batches(5, generator=seeded()))[-1].amounts[0]) == 2  # ragged
    scores, named = evaluate_amounts(model, ours, batch_size=5, generator=seeded())
    assert 0 <= scores["used"] <= 1 and scores["predicted"]["identity"] > 0
    assert set(named.names) == set(ours.names) and named.device == model.device
    assert len(explain(model, ours.sample(5, generator=seeded())).to_json()["flows"]) == 2


@pytest.mark.parametrize("kind", list(FORECASTERS))
def test_forecasts_and_their_waves_stay_on_the_device(kind: str, device: torch.device) -> None:
    small = {"shape": (2, 4, 4), "channels": (4,), "features": 8, "decoder_hidden": 8}
    recipe = ForecastRecipe(seen=3, steps=4, count=5, tested=3, model=small)
    train, test = (part.to(device) for part in recipe.data("spring"))
    machine = recipe.machine(kind, train.image_shape).to(device)
    assert Trainer(machine, train, replace(SETTINGS, ramp=0.0), quiet=True, objective=recipe.bound()).run().finished
    seen = test.frames[:3]
    made = machine.forecast(seen, 4)
    assert (made.device, made.shape) == (seen.device, (4, 3, *train.image_shape))
    scores = measure_forecasts({kind: lambda _, steps: made}, test.frames, seen=3)
    assert 0 <= scores[kind].valid_time <= 5
    if isinstance(machine.dynamics, Lattice):
        activity = machine.dynamics.readout(machine.foresee(seen, 64)).unflatten(-1, (2, 4, 4))
        report = fd.waves.measure_waves(activity.flatten(1, 2), permutations=199, generator=seeded())
        assert 0 <= report.coherence <= 1
