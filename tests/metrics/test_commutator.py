from __future__ import annotations

import json

import pytest
import torch

from flowdis.fields import ConstantField
from flowdis.metrics import commutator, commutator_gap, lie_brackets
from flowdis.paths import Path
from tests.fields.banks import BUILDERS, DIM, build, jacobian, normal
from tests.metrics.toys import grey, linear_model, small_model


def matrices(count=3, scale=0.1):
    source = torch.Generator().manual_seed(11)
    draw = torch.randn(count, 48, 48, generator=source, dtype=torch.float64)
    return dict(zip(("rotate", "scale", "hue"), scale * draw, strict=False))


def bracket(v, w, point):
    along = jacobian(lambda x: w(x, 0.0), point) @ v(point, 0.0)
    return along - jacobian(lambda x: v(x, 0.0), point) @ w(point, 0.0)


def test_it_is_the_commutator_of_matrices():
    given = matrices()
    result = commutator(linear_model(given), grey(), amount=0.5)
    z = grey().flatten(1)

    def size(matrix):
        return float((z @ matrix.mT).square().sum(-1).mean().sqrt())

    for i, a in enumerate(given.values()):
        for j, b in enumerate(given.values()):
            whole, product = size(b @ a - a @ b), size(a) * size(b)
            assert float(result.bracket[i, j]) == pytest.approx(whole / product, rel=1e-10, abs=1e-15)
            assert float(result.gap[i, j]) == pytest.approx(0.5 * whole / product**0.5, rel=1e-10, abs=1e-15)


def test_commuting_fields_commute():
    a = matrices()["rotate"]
    model = linear_model({"rotate": a, "hue": a @ a - 0.3 * a, "scale": torch.eye(48, dtype=torch.float64)})
    result = commutator(model, grey())
    assert float(result.bracket.max()) < 1e-12
    assert set(result.safe(1e-9)) == {("rotate", "hue"), ("rotate", "scale"), ("hue", "scale")}
    rotate, hue, _ = model.flows()
    # What is left is the solver's: 1e-6 of a pixel and less.
    assert commutator_gap(model, grey(), 0.2 * rotate(45), 0.2 * hue(90)) < 1e-4


@pytest.mark.parametrize("kind", BUILDERS)
def test_brackets_meet_autograd(kind):
    bank, z = build(kind), normal(2, DIM)
    found = lie_brackets(bank, z)
    assert found.shape == (len(bank.names), len(bank.names), 2, DIM)
    torch.testing.assert_close(found, -found.transpose(0, 1), rtol=0, atol=0)
    for i, one in enumerate(bank.names):
        for j, other in enumerate(bank.names):
            for sample, point in enumerate(z):
                truth = bracket(bank[one], bank[other], point)
                torch.testing.assert_close(found[i, j, sample], truth, rtol=0, atol=1e-10)


def test_constant_and_zero_fields_commute_without_nan():
    bank = ConstantField(("a", "b"), 5, generator=torch.Generator().manual_seed(0))
    assert not lie_brackets(bank, torch.randn(3, 5, generator=torch.Generator().manual_seed(0))).any()
    model = linear_model({"rotate": torch.zeros(48, 48), "hue": matrices()["hue"]})
    result = commutator(model, grey())
    assert not result.bracket.any()
    assert not result.gap.any()


def test_small_edits_part_as_the_bracket_says():
    model = linear_model(matrices(2))
    z, names = grey().flatten(1), model.names
    limit = lie_brackets(model.fields, z)[0, 1].detach()
    misses = []
    for amount in (0.1, 0.05):
        one, other = (Path(names, amount * row.unsqueeze(0)) for row in torch.eye(2, dtype=torch.float64))
        parted = model.transport(one >> other, z).z[-1] - model.transport(other >> one, z).z[-1]
        misses.append(float((parted.detach() / amount**2 - limit).norm() / limit.norm()))
    assert misses[1] < 0.05
    assert misses[0] / misses[1] == pytest.approx(2, rel=0.1)  # the next order is the third


def test_results_are_for_every_batch_size_and_can_be_written():
    model = small_model("rotate", "scale", "hue")
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    whole, single = (commutator(model, images, batch_size=size) for size in (250, 1))
    torch.testing.assert_close(whole.bracket, single.bracket)
    torch.testing.assert_close(whole.bracket, whole.bracket.mT)
    assert not whole.bracket.diagonal().any()
    written = json.loads(json.dumps(whole.to_json(), allow_nan=False))
    assert written["names"] == ["rotate", "scale", "hue"]
    assert written["gap"] == whole.gap.tolist()
    rotate, scale, _ = model.flows()
    gap = commutator_gap(model, images, rotate(45), scale(1.3))
    assert gap > 0
    assert gap == pytest.approx(commutator_gap(model, images, scale(1.3), rotate(45), batch_size=2), rel=1e-9)
