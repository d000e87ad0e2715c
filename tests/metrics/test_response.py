from __future__ import annotations

import json
from functools import cache

import pytest
import torch

from flowdis.data.grids import Factor
from flowdis.fields import ConstantField
from flowdis.metrics.factor_probes import fit_probes
from flowdis.metrics.poses import draw_poses, fit_scene_probes, scene_factors
from flowdis.metrics.response import entropy_scores, response_matrix
from flowdis.paths import Unit
from tests.metrics.worlds import world, world_model


@cache
def probes():
    return fit_scene_probes(world(), generator=torch.Generator().manual_seed(0), count=2000, steps=150)


@cache
def measured(*names, continuous=True):
    model, generator = world_model(*names), torch.Generator().manual_seed(1)
    return response_matrix(model, world(continuous=continuous), probes(), generator=generator, count=150)


@pytest.mark.parametrize(
    ("matrix", "disentanglement", "completeness"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], 1.0, 1.0),
        ([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], 1.0, 1.0),
        ([[0.5, 0.0], [0.5, 0.0], [0.0, 1.0]], 1.0, 0.684535),
        ([[1.0, 1.0], [1.0, 1.0]], 0.0, 0.0),
        ([[0.0, 0.0], [0.0, 0.0]], 0.0, 0.0),
        ([[1.0, 0.0], [3.0, 0.0]], 1.0, 0.188722),  # all flows move one factor
        ([[3.0, 1.0], [0.0, 0.0]], 0.188722, 1.0),  # one flow moves all factors
        ([[2.0]], 1.0, 1.0),
        ([[1.0, 1.0]], 0.0, 1.0),
    ],
)
def test_scores_of_matrices_by_hand(matrix, disentanglement, completeness):
    scores = entropy_scores(torch.tensor(matrix))
    assert scores == pytest.approx((disentanglement, completeness), abs=1e-6)
    assert entropy_scores(torch.tensor(matrix).mT.contiguous()) == pytest.approx(scores[::-1], abs=1e-6)
    assert entropy_scores(3.7 * torch.tensor(matrix).flip(0)) == pytest.approx(scores, abs=1e-6)


def test_scores_agree_with_their_formula_term_by_term(generator):
    matrix = torch.rand(4, 6, generator=generator).double()
    expected = 0.0
    for row in matrix:
        entropy = -sum(float(p) * float(torch.log(p) / torch.log(torch.tensor(6.0).double())) for p in row / row.sum())
        expected += float(row.sum() / matrix.sum()) * (1 - entropy)
    assert entropy_scores(matrix)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("value", "message"), [(-0.1, "not be negative"), (float("nan"), "must be finite")])
def test_matrices_that_are_no_responses_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        entropy_scores(torch.tensor([[1.0, value]]))


def test_true_flows_respond_with_the_identity():
    result = measured()
    assert result.names == ("level", "angle")
    assert result.factors == ("level", "angle", "kind")
    expected = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).double()
    torch.testing.assert_close(result.matrix, expected, atol=0.1, rtol=0)
    torch.testing.assert_close(result.signed, expected, atol=0.05, rtol=0)
    torch.testing.assert_close(result.matrix, result.truth, atol=0.02, rtol=0)
    assert result.on_own == 1.0
    assert result.score == pytest.approx(result.ceiling_score, abs=0.03)
    assert result.score > 0.97 > 0.8 > result.controls["random"]
    assert result.unread == ()
    assert result.score == entropy_scores(result.matrix.square())[0]
    assert result.controls["static"] == 0.0
    assert list(result.ceiling) == ["level", "angle"]
    assert all(abs(value - 1) < 0.05 for value in result.ceiling.values())
    assert float(result.floor.max()) < 1e-3
    assert min(result.accuracy.values()) > 0.98


def test_flows_under_wrong_names_respond_across():
    result = measured("angle", "level")
    assert result.on_own == 0.0
    assert result.matrix[0].argmax() == 0 and result.matrix[1].argmax() == 1
    assert result.score == pytest.approx(measured().score, abs=0.05)
    other = measured("first", "second")
    assert other.on_own is None
    assert other.matrix[0, 0] == pytest.approx(1.0, abs=0.1)


def test_on_a_grid_truths_are_those_that_the_grid_has():
    result = measured(continuous=False)
    assert result.on_own == 1.0
    assert all(abs(value - 1) < 0.06 for value in result.ceiling.values())


def test_factors_that_probes_cannot_read_count_in_no_score(generator):
    factors = scene_factors(world(), ["level", "angle"])
    poses = draw_poses(world(), factors, 800, generator=generator)
    values = poses.values.clone()
    values[:, 1] = values[torch.randperm(800, generator=generator), 1]  # angles that belong to other images
    blind = fit_probes(poses.images(), values, factors, generator=generator, steps=60)
    result = response_matrix(world_model(), world(), blind, generator=generator, count=100)
    assert result.unread == ("angle",)
    assert result.accuracy["level"] > 0.9 > 0.1 > result.accuracy["angle"]
    assert result.score == 1.0  # of one column
    assert result.completeness == pytest.approx(entropy_scores(result.matrix[:, :1].square())[1])
    assert result.on_own == 1.0  # of one flow
    assert result.to_json()["unread"] == ["angle"]
    values[:, 0] = values[torch.randperm(800, generator=generator), 0]
    blind = fit_probes(poses.images(), values, factors, generator=generator, steps=10)
    with pytest.raises(
        ValueError, match="`probes` must read at least one factor of these images, got accuracies level"
    ):
        response_matrix(world_model(), world(), blind, generator=generator, count=50)


def test_classes_are_read_where_they_are_told_better_than_by_the_most_frequent(generator):
    factors = scene_factors(world())
    poses = draw_poses(world(), factors, 800, generator=generator)
    values = poses.values.clone()
    values[:, 2] = (torch.rand(800, generator=generator) < 0.1).double()  # kinds of other images, mostly 0
    blind = fit_probes(poses.images(), values, factors, generator=generator, steps=60)
    result = response_matrix(world_model(), world(), blind, generator=generator, count=100)
    assert result.unread == ("kind",)
    assert "kind" not in measured().unread


def test_motions_are_signed_along_their_flow(generator):
    model = world_model()
    with torch.no_grad():
        model.fields.matrix[0].neg_()
    result = response_matrix(model, world(), probes(), generator=generator, count=60)
    assert result.signed[0, 0] < -0.7  # it leaves the range that probes know
    assert result.matrix[0, 0] == pytest.approx(-result.signed[0, 0])
    assert result.signed[1, 1] == pytest.approx(1.0, abs=0.1)


def test_controls_passed_in_stand_beside_the_others(generator):
    model = world_model(still=True)
    constant = ConstantField(model.names, model.dim)
    constant.load_state_dict({"direction": torch.tensor([[0.0, 0.2, 0, 0, 0], [0.0, 0.2, 0, 0, 0]])})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = response_matrix(
        model, world(), probes(), generator=generator, count=60, controls={"constant": constant}, batch_size=7
    )
    assert not result.matrix.any() and result.score == 0.0
    assert list(result.controls) == ["static", "random", "constant"]
    assert result.controls["static"] == result.controls["random"] == 0.0
    assert result.controls["constant"] > 0.8
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    written = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert written["matrix"] == result.matrix.tolist()
    assert written["controls"] == dict(result.controls)
    assert written["accuracy"]["kind"] == result.accuracy["kind"]


def test_pieces_and_generators_make_no_difference_and_all_the_difference():
    one, same, other = (
        response_matrix(
            world_model(), world(), probes(), generator=torch.Generator().manual_seed(seed), count=40, batch_size=size
        )
        for seed, size in ((5, 250), (5, 13), (6, 250))
    )
    torch.testing.assert_close(one.matrix, same.matrix, rtol=1e-4, atol=1e-5)
    assert one.controls["random"] == pytest.approx(same.controls["random"], rel=1e-3)
    assert not torch.allclose(one.matrix, other.matrix)


def test_what_does_not_fit_is_named(generator):
    model = world_model()
    with pytest.raises(ValueError, match=r"`images` must .*\(3, 8, 8\)"):
        response_matrix(model, torch.rand(4, 3, 9, 9), probes(), generator=generator)
    with pytest.raises(ValueError, match="`factors` must be one of .*, got 'level'"):
        response_matrix(model, torch.rand(4, 3, 8, 8), probes(), generator=generator)
    config = {**model.units, "angle": Unit("degree", 180.0)}
    object.__setattr__(model.config, "units", config)
    with pytest.raises(ValueError, match="must turn 'angle' by less than half of its period 360 per amount"):
        response_matrix(model, world(), probes(), generator=generator)
    assert isinstance(probes().factors[0], Factor)
