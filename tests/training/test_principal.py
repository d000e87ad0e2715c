"""A model that is begun from the principal components of its training images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from flowdis.data import SequenceBatch, TransformSequences, digits
from flowdis.metrics import equivariance_error
from flowdis.training import principal, start_principal
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


@dataclass
class Counted:
    """Sequences that count how many were drawn whole."""

    sequences: TransformSequences
    whole: int = 0

    def sample(self, batch_size: int, *, frames: int | None = None, **options: Any) -> SequenceBatch:
        self.whole += batch_size if frames is None else 0
        return self.sequences.sample(batch_size, frames=frames, **options)


@pytest.mark.parametrize(("most", "wanted"), [(10**9, 2 * 5 * 8), (2 * 9 * 12 * 3 * 28 * 28, 2 * 12), (0, 2 * 8)])
def test_linear_flows_are_begun_from_as_many_sequences_as_their_rows_and_pixels_ask_for(
    most: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(principal, "_IN_ALL", most)
    chosen = replace(recipe("pictures"), dim=8).with_transformations(("rotate",))
    counted = Counted(chosen.sequences(digits()[0][:20]))
    start_principal(chosen.model((3, 28, 28)), counted, quiet=True)
    assert counted.whole == wanted + 1
