"""The comparison of flows from labels of single rooms with those from sequences runs, in the model's own units."""

from __future__ import annotations

import warnings

import pytest
import torch

from benchmarks.attribute_rooms import attribute_model, table
from flowdis.data import FactorScenes, rooms
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.training import AttributeConfig


def test_flows_of_labels_are_in_the_units_of_the_model() -> None:
    data = rooms(image_size=16)
    units = {name: kind.unit for name, kind in FactorScenes(data, None).transformations.items()}
    config = LatentFlowConfig(data.image_shape, units, dim=6, channels=(4,), likelihood="gaussian", field="constant")
    model = LatentFlow(config, generator=torch.Generator().manual_seed(0)).eval()
    settings = AttributeConfig(
        field="linear", field_options={}, steps=3, coupled=40, rounds=1, calibrated=20, pairs=16, reach=0.5
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an untrained encoder tells nothing
        fitted = attribute_model(model, images=120, config=settings, quiet=True)
    assert fitted.names == model.names and fitted.encoder is model.encoder
    for name, unit in fitted.units.items():
        assert unit.name == units[name].name and unit.logarithmic == units[name].logarithmic
        assert unit.size > (1 if unit.logarithmic else 0)
    scale = fitted.units["scale"]
    assert scale.to_amount(scale.size**2) == pytest.approx(2.0)


def test_the_table_has_the_ratio_of_errors() -> None:
    row = {"error": 20.0, "identity": 90.0, "floor": 10.0}
    lines = table({"sequences": {"hue": row}, "labels": {"hue": row | {"error": 30.0}}}).splitlines()
    assert lines[-1] == "| hue | 20 | 30 | 1.50 | 90 | 10 |"
