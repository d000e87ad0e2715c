from __future__ import annotations

import pytest
import torch

from flowdis.data import apply_path
from flowdis.metrics import composition_error, fit_controls, path_error, protocol_sequences, random_start
from flowdis.paths import Path, Unit
from tests.metrics.toys import brightness_model, grey, linear_model, small_model


def test_true_flows_compose_without_error():
    model = brightness_model()
    hue, brightness = model.flows("hue", "brightness")
    result = composition_error(model, grey(), hue(120), brightness(1.5))
    for error in (result.sequential, result.linear):
        assert error.error < 1e-5
        assert error.floor < 1e-8
        # Every pixel is half as bright again.
        assert error.identity == pytest.approx(0.5 * float(grey().sum((1, 2, 3)).mean()), rel=1e-9)


def test_both_directions_are_exact_for_a_true_flow():
    model = brightness_model()
    (brightness,) = model.flows("brightness")
    for path in (brightness(1.5), brightness(1 / 1.5), 2 * brightness(0.9)):
        assert path_error(model, grey(), path).error < 1e-5


def test_edits_begin_where_the_start_path_ends(generator):
    model = small_model("rotate", "scale")
    images = torch.rand(5, 3, 8, 8, generator=generator).double()
    start = random_start(model, images, generator)
    assert start.amounts.shape == (1, 5, 2)
    path = model.flows("rotate")[0](45)
    first = apply_path(images, start, model.units)
    truth = apply_path(images, path, model.units, start=start)
    error = path_error(model, images, path, start=start)
    distance = (truth - first).abs().sum((1, 2, 3)).mean()
    assert error.identity == pytest.approx(float(distance), rel=1e-12)
    with torch.no_grad():
        shown = model(first, path)
        floor = model.decode(model.encode(truth).mean)
    assert error.error == pytest.approx(float((truth - shown).abs().sum((1, 2, 3)).mean()), rel=1e-10)
    assert error.floor == pytest.approx(float((truth - floor).abs().sum((1, 2, 3)).mean()), rel=1e-10)


def test_once_round_comes_back_to_the_image(generator):
    model = small_model("rotate", "scale")
    images = torch.rand(3, 3, 8, 8, generator=generator).double()
    error = path_error(model, images, model.flows("rotate")[0](360), start=random_start(model, images, generator))
    assert error.identity < 1e-8


def test_results_do_not_depend_on_the_batch_size(generator):
    model = small_model("rotate", "hue")
    images = torch.rand(3, 3, 8, 8, generator=generator).double()
    start = random_start(model, images, generator)
    controls = fit_controls(model, protocol_sequences(model, images, "orbit", generator=generator))
    rotate, hue = model.flows("rotate", "hue")
    amounts = torch.linspace(-60, 60, 3)
    results = [
        composition_error(
            model, images, rotate(amounts), hue(120), start=start, controls=controls, batch_size=batch_size
        )
        for batch_size in (2, 250)
    ]
    for result in results[1:]:
        for mine, other in ((result.sequential, results[0].sequential), (result.linear, results[0].linear)):
            assert mine.to_json() == pytest.approx(other.to_json(), rel=1e-9)
    assert set(results[0].to_json()["linear"]) == {"error", "identity", "floor", "constant", "linear"}


def test_a_transformation_of_the_users_own_may_rest_but_not_move():
    eye = torch.eye(48, dtype=torch.float64)
    units = {"brightness": Unit("factor", 1.5, logarithmic=True), "age": Unit("year")}
    rate = units["brightness"].step
    model = linear_model({"brightness": rate * eye, "age": 0 * eye}, units=units)
    brightness, age = model.flows()
    assert path_error(model, grey(), brightness(1.2)).error < 1e-5
    with pytest.raises(ValueError, match=r"`path` must be one of .*brightness.*, got 'age'"):
        path_error(model, grey(), brightness(1.2) + age(1))


def test_bad_input_is_named():
    model = brightness_model()
    path = model.flows("brightness")[0](1.2)
    with pytest.raises(ValueError, match=r"`images` must have shape \(N, C, H, W\) with N >= 1"):
        path_error(model, grey()[:0], path)
    with pytest.raises(ValueError, match="must lie in"):
        path_error(model, 255 * grey(), path)
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
        path_error(model, grey(), path, batch_size=0)
    with pytest.raises(ValueError, match="`path` must be one of hue, brightness, got 'rotate'"):
        path_error(model, grey(), Path(("rotate",), torch.ones(1, 1)))
