"""A model that is begun from the principal components of its training images."""

from __future__ import annotations

from dataclasses import replace

import torch

from flowdis.data import digits
from flowdis.metrics import equivariance_error
from flowdis.training import start_principal
from flowdis.training.recipes import recipe


def test_a_started_model_moves_images_before_its_first_step() -> None:
    images = digits()[0][:300]
    chosen = replace(recipe("pictures"), dim=24).with_transformations(("rotate",))
    sequences = chosen.sequences(images)
    errors = {}
    for begun in (False, True):
        model = chosen.model((3, 28, 28))
        if begun:
            start_principal(model, sequences, quiet=True)
        batch = sequences.sample(100, generator=torch.Generator().manual_seed(1))
        errors[begun] = equivariance_error(model.eval(), {"rotate": [batch]})["rotate"]
    assert errors[True].error < 0.8 * errors[True].identity < errors[False].error


def test_models_of_other_kinds_stay_as_they_are() -> None:
    chosen = recipe("demo")
    model = chosen.model((3, 28, 28))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start_principal(model, chosen.sequences(digits()[0][:20]), quiet=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
