from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from flowdis.data import TransformSequences, digits, units_of
from flowdis.data.motions import Steps
from flowdis.fields import ConstantField
from flowdis.metrics import equivariance_error, fit_controls, protocol_sequences
from flowdis.models import LatentFlow, LatentFlowConfig, Posterior
from tests.metrics.toys import brightness_model, grey, small_model


def brightened(images, generator, frames=None):
    steps = {"hue": Steps(20.0), "brightness": Steps(1.05, start=(0.8, 1.1))}
    sequences = TransformSequences(images, steps, which="brightness")
    return sequences.batch(torch.arange(len(images)), generator=generator, frames=frames)


def test_a_true_flow_between_a_perfect_autoencoder_makes_no_error(generator):
    result = equivariance_error(brightness_model(), {"brightness": brightened(grey(), generator)})
    error = result["brightness"]
    # Runge-Kutta steps of 1/16 amount at rate 0.4 are exact to about 1e-9 of a pixel.
    assert error.error < 1e-5
    assert error.floor < 1e-8
    assert error.identity > 1


def test_a_flow_that_stands_still_scores_the_identity(generator):
    batch = brightened(grey(), generator)
    error = equivariance_error(brightness_model(still=True), {"brightness": batch})["brightness"]
    assert error.error == pytest.approx(error.identity, rel=1e-9)
    truth = (batch.frames[1:] - batch.first).abs().sum((0, 2, 3, 4)).mean()
    assert error.identity == pytest.approx(float(truth), rel=1e-12)
    assert error.total("black") == pytest.approx(float(batch.frames[1:].sum((0, 2, 3, 4)).mean()), rel=1e-12)


def test_sums_are_over_frames_one_to_last(generator):
    model, batch = small_model("rotate", "hue"), None
    sequences = protocol_sequences(model, torch.rand(3, 3, 8, 8).double(), "orbit", generator=generator)
    batch = next(iter(sequences["rotate"]))
    error = equivariance_error(model, {"rotate": batch})["rotate"]
    frames = error.frames["error"]
    assert len(frames) == batch.length == 8
    assert error.error == pytest.approx(sum(frames))
    assert error.without_last() == pytest.approx(sum(frames[:-1]))
    path, z = batch.path, model.encode(batch.first).mean
    shown = model.decode(model.transport(path, z, frames=batch.times[1:]).z)
    truth = (shown - batch.frames[1:]).abs().sum((0, 2, 3, 4)).mean()
    assert error.error == pytest.approx(float(truth.detach()), rel=1e-10)


def test_controls_stand_beside_the_model(generator):
    model = brightness_model()
    batch = brightened(grey(40), generator)
    controls = fit_controls(model, {"brightness": batch})
    error = equivariance_error(model, {"brightness": batch}, controls=controls)["brightness"]
    assert list(error.frames) == ["error", "identity", "floor", "constant", "linear", "black"]
    # The linear control finds the generator up to its ridge of 1e-4; directions cannot multiply.
    assert error.total("linear") < 0.01 * error.identity
    assert error.total("linear") < error.total("constant") < error.identity
    written = json.loads(json.dumps(error.to_json(), allow_nan=False))
    assert written["linear"] == error.total("linear")
    assert written["without_last"]["identity"] == error.without_last("identity")
    assert written["frames"]["error"] == list(error.frames["error"])


def test_results_do_not_depend_on_the_batch_size(generator):
    model = small_model("rotate", "hue")
    images = torch.rand(3, 3, 8, 8, generator=generator).double()
    results = []
    for batch_size in (2, 250):
        source = torch.Generator().manual_seed(5)
        drawn = protocol_sequences(model, images, "orbit", generator=source, names=["rotate"], batch_size=batch_size)
        controls = fit_controls(model, drawn, batch_size=batch_size)
        results.append(equivariance_error(model, drawn, controls=controls, batch_size=batch_size))
    for other in results[1:]:
        for name, error in results[0].items():
            for key, values in error.frames.items():
                assert other[name].frames[key] == pytest.approx(values, rel=1e-9)


def test_sequences_over_fewer_transformations_fit_the_model(generator):
    model = brightness_model()
    alone = TransformSequences(grey(), {"brightness": Steps(1.05)})
    batch = alone.batch(torch.arange(6), generator=generator)
    assert equivariance_error(model, {"brightness": batch})["brightness"].error < 1e-5


def test_the_model_is_left_as_it_was(generator):
    model = small_model("rotate").train()
    images = torch.rand(2, 3, 8, 8).double()
    equivariance_error(model, protocol_sequences(model, images, "published", generator=generator))
    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_bad_sequences_are_named(generator):
    model = brightness_model()
    batch = brightened(grey(), generator)
    with pytest.raises(ValueError, match=r"must hold at least one sequence, got none"):
        equivariance_error(model, {"brightness": []})
    short = replace(batch, frames=batch.frames[:4], times=batch.times[:4])
    with pytest.raises(ValueError, match="equally many frames"):
        equivariance_error(model, {"brightness": [batch, short]})
    first = replace(batch, frames=batch.frames[:1], times=batch.times[:1])
    with pytest.raises(ValueError, match="frames after the first"):
        equivariance_error(model, {"brightness": first})
    with pytest.raises(ValueError, match=r"`path` must be one of rotate, got 'hue'"):
        equivariance_error(small_model("rotate"), {"hue": batch})


class Blank(torch.nn.Module):
    """Encodes every image as 0 and decodes every code as black."""

    def forward(self, x):
        if x.ndim > 2 and x.shape[-1] == 28:
            zero = x.new_zeros(*x.shape[:-3], 1)
            return Posterior(zero, zero)
        return x.new_full((*x.shape[:-1], 3, 28, 28), -1e9)


def test_the_published_protocol_has_the_published_controls(generator):
    names = ("scale", "rotate", "hue")
    config = LatentFlowConfig((3, 28, 28), units_of(names), dim=1)
    model = LatentFlow(config, encoder=Blank(), decoder=Blank(), fields=ConstantField(names, 1))
    sequences = protocol_sequences(model, digits(train=False)[0], "published", generator=generator)
    errors = equivariance_error(model, sequences)
    published = {"scale": (1377, 1616), "rotate": (899, 835), "hue": (1253, 1253)}
    for name, (identity, black) in published.items():
        assert errors[name].identity == pytest.approx(identity, abs=1)
        assert errors[name].total("black") == pytest.approx(black, abs=1)
        assert errors[name].error == pytest.approx(errors[name].total("black"), rel=1e-6)
