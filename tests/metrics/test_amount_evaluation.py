"""Models that infer amounts, judged whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flowdis.metrics import amount_scores, equivariance_error, evaluate_amounts, inferred_sequences
from flowdis.models import LatentFlow
from tests.models.toys import small_config
from tests.objectives.test_inferred_bound import SMALL, seeded, sequences


@pytest.mark.parametrize("supervision", ["weak", "none"])
def test_it_is_what_its_parts_come_to_and_a_model_named_by_them(supervision: str) -> None:
    config = replace(small_config(), supervision=supervision, supervision_options=SMALL)
    model = LatentFlow(config, generator=seeded()).eval()
    with torch.no_grad():  # speeds that differ, and switches some of which are on
        for parameter in model.amounts.parameters():  # type: ignore[union-attr]
            parameter.mul_(3.0)
    told, named = evaluate_amounts(model, sequences(), batch_size=4, generator=seeded(1))
    batches = list(sequences().batches(4, generator=seeded(1)))
    assert [len(batch.first) for batch in batches] == [4, 2]
    scores = amount_scores(model, batches)
    errors = equivariance_error(model, {"any": [inferred_sequences(model, batch) for batch in batches]})["any"]
    predicted = told.pop("predicted")
    assert told == scores.to_json()
    assert predicted == {name: errors.total(name) for name in ("error", "identity", "floor")}
    assert predicted["identity"] > 0
    assert named.names == tuple(scores.matching)
    again, _ = evaluate_amounts(model, sequences())
    assert again == evaluate_amounts(model, sequences(), generator=seeded())[0]


def test_what_tells_no_amounts_is_refused() -> None:
    with pytest.raises(ValueError, match="`model`|amounts"):
        evaluate_amounts(LatentFlow(small_config(), generator=seeded()), sequences())
    weak = replace(small_config(), supervision="weak", supervision_options=SMALL)
    with pytest.raises(ValueError, match="`batch_size` must be"):
        evaluate_amounts(LatentFlow(weak, generator=seeded()), sequences(), batch_size=0)
