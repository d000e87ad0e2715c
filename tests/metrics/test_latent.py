from __future__ import annotations

import pytest
import torch

from flowdis.data import TransformSequences
from flowdis.data.motions import Steps
from flowdis.metrics import fit_controls, latent_equivariance_ratio, protocol_sequences
from tests.metrics.toys import brightness_model, grey, small_model


def brightened(count, generator):
    sequences = TransformSequences(grey(count), {"brightness": Steps(1.05, start=(0.8, 1.1))})
    return {"brightness": sequences.batch(torch.arange(count), generator=generator)}


def test_a_true_flow_leaves_nothing_and_a_still_one_all(generator):
    sequences = brightened(40, generator)
    model = brightness_model()
    result = latent_equivariance_ratio(model, sequences, controls=fit_controls(model, sequences))["brightness"]
    assert result.ratio < 1e-12
    assert result.controls["linear"] < 1e-3 < result.controls["constant"] < 1
    assert result.to_json() == {"ratio": result.ratio, **result.controls}
    still = latent_equivariance_ratio(brightness_model(still=True), sequences)["brightness"]
    assert still.ratio == pytest.approx(1.0, rel=1e-12)


def test_it_is_the_ratio_of_mean_squared_distances(generator):
    model = small_model("rotate", "hue")
    images = torch.rand(4, 3, 8, 8, generator=generator).double()
    sequences = protocol_sequences(model, images, "orbit", generator=generator, names=["hue"])
    (batch,) = sequences["hue"]
    with torch.no_grad():
        z, goal = model.encode(batch.first).mean, model.encode(batch.frames).mean
        left = model.transport(batch.path, z, frames=batch.times).z - goal
    ratio = float(left.square().sum() / (z - goal).square().sum())
    for batch_size in (3, 250):
        result = latent_equivariance_ratio(model, sequences, batch_size=batch_size)
        assert result["hue"].ratio == pytest.approx(ratio, rel=1e-9)


def test_codes_that_do_not_move_are_named(generator):
    sequences = TransformSequences(grey(), {"hue": Steps(20.0)}).batch([0, 1], generator=generator)
    with pytest.raises(ValueError, match=r"`sequences\['hue'\]` must move the codes"):
        latent_equivariance_ratio(brightness_model(), {"hue": sequences})
