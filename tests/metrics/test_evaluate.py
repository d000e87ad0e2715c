from __future__ import annotations

import json
import math

import pytest
import torch

from flowdis.data import TRANSFORMS, units_of
from flowdis.data.protocols import motions
from flowdis.dynamics import Solver
from flowdis.metrics import Evaluation, evaluate, evaluate_protocol, protocol_sequences, random_start
from flowdis.paths import Unit
from tests.metrics.toys import linear_model, small_model

SCORES = {"error", "identity", "floor", "constant", "linear"}


def images(count, channels=3, side=8):
    source = torch.Generator().manual_seed(9)
    return torch.rand(count, channels, side, side, generator=source, dtype=torch.float64)


def table(model, *, train=12, test=3, **options):
    shape = model.image_shape
    generator = torch.Generator().manual_seed(0)
    settings = {"likelihood_samples": 3, "quiet": True, **options}
    result = evaluate(model, images(train, *shape[:2]), images(test, *shape[:2]), generator=generator, **settings)
    return json.loads(json.dumps(result.to_json(), allow_nan=False))


def numbers(values):
    if isinstance(values, dict):
        for value in values.values():
            yield from numbers(value)
    elif isinstance(values, list):
        for value in values:
            yield from numbers(value)
    elif isinstance(values, float):
        yield values


def test_the_table_has_every_key_of_the_digits_model():
    names = ("scale", "rotate", "hue")
    written = table(small_model(*names))
    assert set(written["protocols"]) == {"published", "orbit"}
    for protocol in written["protocols"].values():
        assert set(protocol["equivariance"]) == set(names)
        for scores in protocol["equivariance"].values():
            assert set(scores) == SCORES | {"black", "without_last", "frames"}
            assert len(scores["frames"]["error"]) == 8
    composition = written["composition"]
    assert set(composition["pairs"]) == {"rotate 45, hue 120", "scale 1.3, hue 90"}
    for kind in ("sequential", "linear"):
        assert set(composition[kind]) == SCORES
        singly = [pair[kind]["error"] for pair in composition["pairs"].values()]
        assert composition[kind]["error"] == pytest.approx(sum(singly) / 2)
    assert set(written["backwards"]) == set(names)
    for scores in written["backwards"].values():
        assert scores["forward"] == scores["controls"]["forward"]["error"]
        assert scores["backward"] == scores["controls"]["backward"]["error"]
    assert set(written["round"]) == {"rotate", "hue"}
    assert {"error", "floor"} <= set(written["round"]["hue"])
    assert set(written["undo"]["paths"]) == {*names, "scale then rotate then hue"}
    assert written["undo"]["latent"] == max(path["latent"] for path in written["undo"]["paths"].values())
    assert set(written["commutator"]) == {"names", "bracket", "gap", "amount", "safe", "pixels"}
    assert set(written["commutator"]["pixels"]) == {"scale, rotate", "scale, hue", "rotate, hue"}
    assert set(written["latent_ratio"]) == set(names)
    assert written["log_likelihood"]["samples"] == 3
    assert "failures" not in written
    assert all(math.isfinite(number) for number in numbers(written))


def test_a_model_of_brightness_alone_leaves_out_what_does_not_apply():
    written = table(small_model("brightness", shape=(1, 8, 8)))
    assert set(written["protocols"]["orbit"]["equivariance"]) == {"brightness"}
    assert set(written["backwards"]) == set(written["undo"]["paths"]) == {"brightness"}
    assert "composition" not in written
    assert "round" not in written
    assert written["commutator"]["bracket"] == [[0.0]]


def test_every_transformation_has_its_place_in_the_protocols(generator):
    names = ("translate_x", "translate_y", "shear", "stretch", "brightness", "contrast", "rotate")
    written = table(small_model(*names, dim=3), test=2)
    for protocol in written["protocols"].values():
        assert set(protocol["equivariance"]) == set(names)
        assert all(scores["identity"] > 0 for scores in protocol["equivariance"].values())
    assert set(written["composition"]["pairs"]) == {"translate_x 2, translate_y 2"}
    assert set(written["round"]) == {"rotate"}


def test_a_transformation_of_the_users_own_is_measured_where_no_truth_is_needed():
    eye = torch.eye(48, dtype=torch.float64)
    coarse = Solver(steps_per_unit=1.0)
    units = {"age": Unit("year"), "mood": Unit()}
    own = linear_model({"age": 0.1 * eye, "mood": 0.2 * eye}, units=units, solver=coarse)
    shape = own.image_shape
    result = evaluate(own, images(3, shape[0], 4), images(3, shape[0], 4), generator=torch.Generator(), quiet=True)
    assert set(result.to_json()) == {"undo", "commutator"}
    units = {"age": Unit("year"), **units_of(["rotate"])}
    both = linear_model({"age": 0.1 * eye, "rotate": 0 * eye}, units=units, solver=coarse)
    written = evaluate(
        both, images(12, 3, 4), images(2, 3, 4), generator=torch.Generator(), likelihood_samples=2, quiet=True
    ).to_json()
    assert set(written["latent_ratio"]) == {"rotate"}
    assert set(written["undo"]["paths"]) == {"age", "rotate", "age then rotate"}


def test_the_same_seed_gives_the_same_numbers_at_every_batch_size():
    model = small_model("rotate", "hue")
    first, second = (list(numbers(table(model, protocols=["orbit"], batch_size=size))) for size in (250, 2))
    assert second == pytest.approx(first, rel=1e-6, abs=1e-9)


def test_only_what_is_asked_for_is_measured():
    model = small_model("rotate")
    written = table(model, protocols=["published"], likelihood_samples=0, limit=2)
    assert set(written["protocols"]) == {"published"}
    assert "log_likelihood" not in written
    with pytest.raises(ValueError, match="`protocols` must be one of published, orbit, got 'publish'"):
        table(model, protocols=["publish"])
    with pytest.raises(ValueError, match=r"`train_images` must end in \(C, H, W\) = \(3, 8, 8\)"):
        evaluate(model, images(2, 1), images(3, 1), generator=torch.Generator(), quiet=True)
    with pytest.raises(ValueError, match="`protocol` must be one of published, orbit"):
        evaluate_protocol(model, images(2), images(2), "orbits", generator=torch.Generator())


def test_a_noisy_model_is_measured_too():
    eye = torch.eye(48, dtype=torch.float64)
    model = linear_model({"rotate": 0.01 * eye}, temperature=1e-6)
    result = evaluate(
        model, images(8, 3, 4), images(2, 3, 4), generator=torch.Generator(), likelihood_samples=2, quiet=True
    )
    assert not result.undo
    assert not result.failures
    assert result.log_likelihood is not None


def test_a_flow_that_fails_spoils_only_its_own_section():
    # exp(100 amounts) overflows float64 on the far paths of the undo error, and stays finite on short ones.
    eye = torch.eye(48, dtype=torch.float64)
    model = linear_model({"rotate": 60.0 * eye})
    result = evaluate(
        model, images(8, 3, 4), images(2, 3, 4), generator=torch.Generator(), likelihood_samples=0, quiet=True
    )
    assert not result.undo
    assert "flow of rotate failed" in result.failures["undo"]
    assert set(result.protocols) == {"published", "orbit"}
    assert result.to_json()["failures"] == dict(result.failures)


def test_an_empty_evaluation_is_an_empty_table():
    assert Evaluation().to_json() == {}


def test_the_model_is_left_as_it_was():
    model = small_model("rotate").train()
    table(model)
    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_motions_outside_the_published_ones_stay_in_the_range_of_training(generator):
    names = ("brightness", "translate_x", "shear", "contrast", "stretch")
    model = small_model(*names)
    for protocol in ("published", "orbit"):
        assert set(motions(protocol, names)) == set(names)
        for name, batches in protocol_sequences(model, images(50), protocol, generator=generator).items():
            low, high = (float(model.units[name].to_amount(value)) for value in TRANSFORMS[name].range)
            column = names.index(name)
            for batch in batches:
                begin = batch.start.amounts[0, :, column]
                end = begin + batch.amounts.sum(0)[:, column]
                assert float(begin.min()) >= low - 1e-6
                assert float(end.max()) <= high + 1e-6
                assert float((end - begin).min()) > 0.1


def test_sequences_are_drawn_alike_each_time(generator):
    model = small_model("rotate", "scale")
    sequences = protocol_sequences(model, images(4), "orbit", generator=generator, names=["scale"])
    assert set(sequences) == {"scale"}
    (first,), (second,) = sequences["scale"], sequences["scale"]
    assert torch.equal(first.frames, second.frames)
    with pytest.raises(ValueError, match="`names` must be one of rotate, scale, got 'hue'"):
        protocol_sequences(model, images(4), "orbit", generator=generator, names=["hue"])


def test_starts_are_those_of_the_orbit_protocol(generator):
    model = small_model("scale", "rotate", "hue")
    start = random_start(model, images(500), generator)
    values = [
        unit.to_value(column) for unit, column in zip(model.units.values(), start.amounts[0].unbind(-1), strict=True)
    ]
    for drawn, (low, high) in zip(values, ((0.7, 1.3), (0.0, 360.0), (0.0, 360.0)), strict=True):
        margin = 0.05 * (high - low)
        assert low <= float(drawn.min()) < low + margin
        assert high - margin < float(drawn.max()) <= high
