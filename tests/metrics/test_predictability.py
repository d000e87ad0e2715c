from __future__ import annotations

import json
import statistics

import pytest
import torch

from flowdis.dynamics import Solver
from flowdis.fields import ConstantField
from flowdis.metrics.batches import codes
from flowdis.metrics.degenerate import static_flow
from flowdis.metrics.networks import shrink
from flowdis.metrics.poses import draw_poses
from flowdis.metrics.predictability import _differences, moved_flows, pair_confusion, variation_predictability
from flowdis.paths import Path
from tests.metrics.toys import small_model
from tests.metrics.worlds import FACTORS, world, world_model


def images(count=60):
    return draw_poses(world(), FACTORS, count, generator=torch.Generator().manual_seed(2)).images()


def score(model, seed=0, **changed):
    options = {"pairs": 1000, "train_share": 0.03, "seeds": 2, "steps": 40} | changed
    return variation_predictability(model, images(), generator=torch.Generator().manual_seed(seed), **options)


def patterns(count, generator, noise=0.3):
    """Differences of either sign in one of three places, and which."""
    labels = torch.arange(count) % 3
    differences = noise * torch.randn(count, 1, 6, 6, generator=generator)
    signs = 2.0 * torch.randint(2, (count, 1), generator=generator) - 1
    differences[torch.arange(count), 0, 2 * labels] += signs
    return differences, labels


def test_flows_that_each_do_one_thing_are_told_apart():
    state = torch.random.get_rng_state()
    result = score(world_model())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert result.names == ("level", "angle")
    assert result.score == pytest.approx(statistics.fmean(result.runs)) and result.score > 0.95
    assert result.chance == 0.5
    assert (result.pairs, result.learned, result.amount) == (1000, 30, 1.0)
    torch.testing.assert_close(result.confusion.sum(1), torch.ones(2).double())
    assert result.confusion.diagonal().min() > 0.9
    assert list(result.controls) == ["static", "random"]
    assert abs(result.controls["static"] - 0.5) < 0.05  # a class is named for all, half of which have it
    written = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert written["score"] == result.score and written["chance"] == 0.5
    assert written["controls"] == dict(result.controls)


def test_flows_that_do_not_move_and_flows_that_do_the_same_score_chance():
    still = score(world_model(still=True))
    assert abs(still.score - 0.5) < 0.06
    model = world_model()
    with torch.no_grad():
        model.fields.matrix[1] = model.fields.matrix[0]
    assert abs(score(model, steps=20).score - 0.5) < 0.1


def test_untrained_flows_are_told_apart_too_which_is_why_they_stand_beside():
    result = score(world_model(), pairs=2000, steps=80)
    assert result.controls["random"] > 0.7


def test_controls_passed_in_are_scored_on_the_same_codes():
    model = world_model(still=True)
    constant = ConstantField(model.names, model.dim)
    constant.load_state_dict({"direction": torch.tensor([[0.0, 0.2, 0, 0, 0], [0, 0, 0, 0.5, 0]])})
    result = score(model, controls={"constant": constant})
    assert list(result.controls) == ["static", "random", "constant"]
    assert result.controls["constant"] > 0.9


def test_the_same_seed_draws_the_same_pairs_splits_and_networks():
    first, same, other = (score(world_model(), seed, steps=5) for seed in (0, 0, 1))
    assert first.to_json() == same.to_json()
    assert first.runs != other.runs
    assert first.runs[0] != first.runs[1]  # each run has a split and a network of its own


def test_runs_do_not_hang_on_how_images_are_batched():
    first, other = (score(world_model(), steps=20, batch_size=size, seeds=1) for size in (1000, 33))
    assert first.score == pytest.approx(other.score, abs=0.01)


def test_a_network_names_the_test_pairs_and_no_others(generator):
    differences, labels = patterns(600, generator)
    counts = pair_confusion(differences, labels, 3, seed=5, train_share=0.1, steps=80)
    assert int(counts.sum()) == 540
    order = torch.randperm(600, generator=torch.Generator().manual_seed(5))
    assert counts.sum(1).tolist() == labels[order[60:]].bincount().tolist()
    assert int(counts.diagonal().sum()) > 500
    with torch.no_grad():
        again = pair_confusion(differences, labels, 3, seed=5, train_share=0.1, steps=80)
    assert torch.equal(again, counts)
    assert not torch.equal(pair_confusion(differences, labels, 3, seed=6, train_share=0.1, steps=80), counts)


def test_the_size_of_differences_does_not_matter(generator):
    differences, labels = patterns(400, generator)
    counts = [pair_confusion(s * differences, labels, 3, seed=0, train_share=0.1, steps=10) for s in (1.0, 2.0**-20)]
    assert torch.equal(*counts)


def test_labels_without_a_meaning_are_learned_by_heart_and_tested_at_chance(generator):
    differences, labels = patterns(1500, generator)
    shuffled = labels[torch.randperm(1500, generator=generator)]
    counts = pair_confusion(differences, shuffled, 3, seed=0, train_share=0.05, steps=80)
    share = float(counts.diagonal().sum() / counts.sum())
    assert abs(share - 1 / 3) < 0.05  # four standard errors


def test_rows_that_move_no_flow_or_several_are_refused_by_number():
    amounts = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -0.5], [0.0, 2.0, 0.0]])
    assert moved_flows(amounts).tolist() == [0, 2, 1]
    with pytest.raises(ValueError, match="exactly one flow in each row, got 0 in row 1"):
        moved_flows(amounts * torch.tensor([[1.0], [0.0], [1.0]]))
    with pytest.raises(ValueError, match="exactly one flow in each row, got 2 in row 2"):
        moved_flows(amounts + torch.tensor([[0.0], [0.0], [1.0]]) * torch.tensor([1.0, 0.0, 0.0]))
    with pytest.raises(ValueError, match="`amounts` must be finite"):
        moved_flows(amounts / 0)


def test_pairs_are_decoded_before_and_after_one_flow(generator):
    model = small_model("rotate", "hue", shape=(3, 40, 40))
    stills = torch.rand(3, 3, 40, 40, generator=generator).double()
    place, flows = torch.tensor([2, 0, 1, 2]), torch.tensor([0, 1, 0, 1])
    amounts = torch.tensor([1.0, -1.0, -1.0, 1.0]).double()
    path = Path(model.names, torch.tensor([[[1.0, 0.0], [0.0, -1.0], [-1.0, 0.0], [0.0, 1.0]]]).double())
    with torch.no_grad():
        z = codes(model, stills)
        seen = _differences(model, model.fields, z, place, flows, amounts, 3)
        after = model.decode(model.transport(path, z[place], solver=Solver(steps=8)).z[-1])
        expected = shrink(after - model.decode(z[place])).float()
        still = _differences(model, static_flow(model), z, place, flows, amounts, 3)
    assert seen.shape == (4, 3, 20, 20)
    torch.testing.assert_close(seen, expected, atol=1e-6, rtol=1e-4)
    assert not still.any()


def test_what_does_not_fit_is_named(generator):
    model = world_model()
    with pytest.raises(ValueError, match="`train_share` must leave at least 2 pairs .* got 0.01 of 100 pairs"):
        variation_predictability(model, images(), generator=generator, pairs=100)
    with pytest.raises(ValueError, match="`train_share` must leave .* got 1.5 of 1000 pairs"):
        variation_predictability(model, images(), generator=generator, pairs=1000, train_share=1.5)
    with pytest.raises(ValueError, match="at least 2 flows to be told apart, got 1"):
        variation_predictability(small_model("rotate"), torch.rand(2, 3, 8, 8).double(), generator=generator)
    with pytest.raises(ValueError, match="`amount` must be a finite number > 0, got 0"):
        variation_predictability(model, images(), generator=generator, amount=0.0)
    with pytest.raises(ValueError, match=r"`images` must end in \(C, H, W\) = \(3, 8, 8\)"):
        variation_predictability(model, torch.rand(2, 3, 9, 8), generator=generator)
    differences, labels = patterns(100, generator)
    with pytest.raises(ValueError, match="`labels` must lie in 0 to 1, got values from 0 to 2"):
        pair_confusion(differences, labels, 2, seed=0, train_share=0.1)
    with pytest.raises(ValueError, match="`labels` must be as many as `differences`, got 99 and 100"):
        pair_confusion(differences, labels[1:], 3, seed=0, train_share=0.1)
    differences[3, 0, 1, 2] = float("nan")
    with pytest.raises(ValueError, match=r"`differences` must be finite, got nan at index \(3, 0, 1, 2\)"):
        pair_confusion(differences, labels, 3, seed=0, train_share=0.1)
