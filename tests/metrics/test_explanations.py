"""What was found: each flow alone, its use and its speeds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from flowdis.data import TransformSequences
from flowdis.data.motions import Steps
from flowdis.metrics import explain
from flowdis.models import LatentFlow, SpikeSlabPosterior, rename
from flowdis.paths import Unit
from tests.models.toys import small_config, stills

MOVES = {"rotate": Steps(45.0, speed=(0.5, 1.5)), "hue": Steps(90.0, speed=(0.5, 1.5))}


class Told(nn.Module):
    """Three flows: the true amounts of two transformations in the other order, one of them backwards, and nothing."""

    def __init__(self, amounts: Tensor) -> None:
        super().__init__()
        rotate, hue = amounts.unbind(-1)
        self.amounts = torch.stack([torch.zeros_like(hue), -hue, rotate], -1)

    def forward(self, frames: Tensor) -> SpikeSlabPosterior:
        on = torch.where(self.amounts != 0, 9.0, -9.0)
        return SpikeSlabPosterior(on, self.amounts, torch.zeros_like(on))


@pytest.fixture(scope="module")
def found():  # type: ignore[no-untyped-def]
    sequences = TransformSequences(stills(6, 3, 8, 8), MOVES, length=4, single=1.0)
    batch = sequences.sample(60, generator=torch.Generator().manual_seed(0))
    units = {f"flow_{k}": Unit() for k in (1, 2, 3)}
    torch.manual_seed(0)
    config = replace(small_config(), units=units, supervision="none")
    model = LatentFlow(config, amounts=Told(batch.amounts.expand(4, -1, -1) / 4)).eval()
    return model, batch, explain(model, batch, frames=5, shown=2)


def test_use_speed_and_meaning_of_each_flow(found) -> None:  # type: ignore[no-untyped-def]
    _, batch, explanation = found
    nothing, back, turn = explanation.flows
    assert explanation.unused == ("flow_1",) and explanation.collapse == "never used: flow_1"
    share = float((batch.amounts[..., 0] != 0).double().mean())
    assert turn.usage == pytest.approx(share) and back.usage == pytest.approx(1 - share)
    steps = batch.amounts[batch.amounts[..., 0] != 0][:, 0] / 4
    assert turn.speed == pytest.approx(float(steps.mean()), rel=1e-5)
    assert turn.spread == pytest.approx(float(steps.std(correction=0)), rel=1e-4)
    assert turn.responses["rotate"] == pytest.approx(1) and back.responses["hue"] == pytest.approx(-1)
    assert nothing.speed == 0 and nothing.responses == {"rotate": 0.0, "hue": 0.0}
    assert explanation.scores.matching == {"rotate": "flow_3", "hue": "flow_2"}
    told = explanation.to_json()
    assert told["unused"] == ["flow_1"] and told["amounts"]["accuracy"] == 1


def test_films_show_one_flow_alone(found) -> None:  # type: ignore[no-untyped-def]
    model, batch, explanation = found
    turn = explanation.flows[2]
    assert turn.film.shape == (5, 2, 3, 8, 8) and float(turn.amounts[-1]) == pytest.approx(3 * 4 * turn.speed)
    with torch.no_grad():
        end = model(batch.first[:2], model.flows("flow_3")[0].by_amount(float(turn.amounts[-1])))
        start = model.decode(model.encode(batch.first[:2]).mean)
    assert torch.allclose(turn.film[-1], end, atol=1e-5) and torch.allclose(turn.film[0], start, atol=1e-6)
    asked = explain(model, [batch], frames=3, shown=1, amount=2.5)
    assert [float(flow.amounts[-1]) for flow in asked.flows] == [2.5] * 3


def test_renamed_flows_are_explained_under_their_names(found) -> None:  # type: ignore[no-untyped-def]
    model, batch, _ = found
    named = rename(model, {"flow_2": "hue"}, backwards=["hue"])
    again = explain(named, batch, frames=2)
    assert again.flows[1].flow.name == "hue" and again.flows[1].responses["hue"] == pytest.approx(1)


def test_what_cannot_be_explained_is_named(found) -> None:  # type: ignore[no-untyped-def]
    model, batch, _ = found
    with pytest.raises(ValueError, match="`sequences` must hold at least one batch"):
        explain(model, [])
    with pytest.raises(ValueError, match="`frames` must be"):
        explain(model, batch, frames=1)
    with pytest.raises(ValueError, match="must infer amounts"):
        explain(LatentFlow(small_config()), batch)
