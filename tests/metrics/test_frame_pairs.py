from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from flowdis.data import TransformSequences
from flowdis.data.motions import Steps
from flowdis.dynamics import Solver, transport
from flowdis.fields import PotentialField
from flowdis.metrics.batches import codes, model_path
from flowdis.metrics.degenerate import constant_code, degenerate_flows
from flowdis.metrics.frame_pairs import pair_equivariance_ratio, rest_of_path
from flowdis.paths import Path
from tests.metrics.toys import brightness_model, grey, small_model


def brightened(count, generator):
    sequences = TransformSequences(grey(count), {"brightness": Steps(1.1, start=(0.8, 1.1))}, length=3)
    return {"brightness": sequences.batch(torch.arange(count), generator=generator)}


def test_a_true_flow_leaves_nothing_between_any_two_frames_and_a_still_one_all(generator):
    model, sequences = brightness_model(), brightened(4, generator)
    model.config = replace(model.config, solver=Solver(steps=4))
    controls = degenerate_flows(model, codes(model, grey()), generator=generator)
    result = pair_equivariance_ratio(model, sequences, controls=controls)["brightness"]
    assert result.ratio < 1e-9
    assert result.controls["static"] == pytest.approx(1.0, rel=1e-12)
    assert result.controls["random"] > 0.5
    assert 0.01 < result.activity < 1
    assert json.loads(json.dumps(result.to_json()))["controls"] == dict(result.controls)


@pytest.mark.parametrize("motion", [Steps(10.0), Steps(0.3, additive=True)])  # one segment; one for each step
def test_it_is_the_ratio_over_pairs_of_codes_that_are_flowed_on_their_own(generator, motion):
    name = "scale" if motion.additive else "rotate"
    model = small_model("rotate", "scale")
    model.config = replace(model.config, solver=Solver(steps=4))
    images = torch.rand(3, 3, 8, 8, generator=generator).double()
    sequences = TransformSequences(images, {name: motion}, length=3)
    batch = sequences.batch(torch.arange(3), generator=generator)
    left = whole = 0.0
    with torch.no_grad():
        z = model.encode(batch.frames).mean
        for first, last in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
            amounts = batch.path.elapsed(batch.times[[first, last]]).diff(dim=0)  # one at a time, so a group
            end = model.transport(model_path(model, Path(batch.names, amounts)), z[first]).z[-1]
            left += float((end - z[last]).square().sum())
            whole += float((z[first] - z[last]).square().sum())
    for batch_size in (2, 250):
        result = pair_equivariance_ratio(model, {name: batch}, batch_size=batch_size)[name]
        assert result.ratio == pytest.approx(left / whole, rel=1e-5)  # up to the solver's steps
    spread = z.flatten(0, 1).var(0, correction=0).sum()
    assert result.activity == pytest.approx(float(whole / (6 * 3) / (2 * spread)), rel=1e-9)


@pytest.mark.parametrize("time", [0.0, 0.3, 1.0, 1.75])
def test_the_rest_of_a_path_leads_to_its_end_with_running_clocks_too(generator, time):
    bank = PotentialField(("a", "b"), 3, hidden=4, clocked=True, generator=generator).double()
    path = Path(("a", "b"), torch.randn(2, 1, 2, generator=generator).double()).running()
    z = torch.randn(1, 3, generator=generator).double()
    there = transport(bank, path, z, frames=torch.tensor([time, 2.0], dtype=torch.float64)).z
    rest = rest_of_path(path, time)
    torch.testing.assert_close(transport(bank, rest, there[0]).z[-1], there[1], rtol=1e-6, atol=1e-6)
    assert rest.segments == (2 if time < 1 else 1)


def test_codes_that_cannot_move_and_times_off_the_path_are_named(generator):
    model = brightness_model()
    with pytest.raises(ValueError, match=r"`sequences\['brightness'\]` must move the codes"):
        pair_equivariance_ratio(constant_code(model), brightened(3, generator))
    with pytest.raises(ValueError, match=r"`time` must lie in \[0, 1\), got 1.0"):
        rest_of_path(Path(("hue",), torch.ones(1, 1)), 1.0)
