"""Sequences of codes: read once, pairs of them in every direction, and flows that learn from them alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch

from flowdis.data import SequenceBatch, Steps, TransformSequences, units_of
from flowdis.metrics import latent_equivariance_ratio
from flowdis.models import LatentFlow, LatentFlowConfig, Posterior
from flowdis.objectives import CodePrediction
from flowdis.training import CodeSequences, Trainer, TrainingConfig, start_linear
from flowdis.training.codes import between
from tests.models.toys import CentredDecoder, CentredEncoder, small_model, stills

DEGREE = torch.pi / 180


@dataclass
class Points:
    """Images of two pixels, points about mid grey that are turned by 45 degrees per amount, in rows of amounts."""

    amounts: tuple[float, ...] = (1.0, -0.5)
    draws: list[int] = field(default_factory=list)

    def sample(
        self, batch_size: int, *, generator: torch.Generator, frames: int | None = None, speed: float = 1.0
    ) -> SequenceBatch:
        self.draws.append(batch_size)
        point = 0.3 * torch.randn(batch_size, 2, generator=generator).clamp(-1, 1)
        sizes = speed * (0.5 + torch.rand(batch_size, generator=generator))
        rows = torch.tensor(self.amounts)[:, None] * sizes
        angles = 45 * DEGREE * torch.cat([torch.zeros(1, batch_size), rows.cumsum(0)])
        turned = torch.stack(
            [
                angles.cos() * point[:, 0] - angles.sin() * point[:, 1],
                angles.sin() * point[:, 0] + angles.cos() * point[:, 1],
            ],
            -1,
        )
        times = torch.arange(len(angles), dtype=torch.float32)
        images = (0.5 + turned)[:, :, None, None]
        return SequenceBatch(("rotate",), images, times, rows[..., None], len(rows))


class CountingEncoder(CentredEncoder):
    """It counts the images that it reads."""

    read = 0

    def forward(self, images: torch.Tensor) -> Posterior:
        self.read += len(images)
        return super().forward(images)


def plane(kind: str = "linear") -> LatentFlow:
    config = LatentFlowConfig((1, 1, 2), units_of(["rotate"]), dim=2, field=kind)
    model = LatentFlow(config, encoder=CountingEncoder(), decoder=CentredDecoder(), generator=seeded(5))
    model.encoder.read = 0
    return model


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("amounts", [(1.3,), (1.0, -0.5), (0.4, 0.8, -2.0)])
def test_amounts_between_any_two_frames_take_one_code_to_the_other(amounts: tuple[float, ...]) -> None:
    codes = CodeSequences(plane(), Points(amounts), 30, generator=seeded(), furthest=None, batch_size=7, quiet=True)
    batch = codes.sample(200, generator=seeded(1))
    angle = 45 * DEGREE * batch.amounts.sum((0, 2))
    turned = torch.stack(
        [
            angle.cos() * batch.start[:, 0] - angle.sin() * batch.start[:, 1],
            angle.sin() * batch.start[:, 0] + angle.cos() * batch.start[:, 1],
        ],
        -1,
    )
    torch.testing.assert_close(turned, batch.end, rtol=1e-4, atol=1e-5)
    assert (batch.amounts.abs().sum((0, 2)) > 0).all()
    assert torch.equal(batch.log_std, torch.full_like(batch.end, -2.0))


def test_ways_back_run_the_rows_in_reverse() -> None:
    amounts = torch.tensor([1.0, 2.0, 4.0]).reshape(3, 1, 1).expand(3, 2, 1)
    times = torch.tensor([0.0, 0.5, 1.0, 2.5, 3.0])
    first, last = torch.tensor([1, 3]), torch.tensor([3, 1])
    found = between(amounts, times, first, last)[..., 0]
    assert found[:, 0].tolist() == [0.5, 2.0, 2.0] and found[:, 1].tolist() == [-2.0, -2.0, -0.5]


def test_each_frame_is_encoded_once() -> None:
    model, points = plane(), Points()
    codes = CodeSequences(model, points, 25, generator=seeded(), batch_size=10, quiet=True)
    for seed in range(5):
        codes.sample(50, generator=seeded(seed))
    assert points.draws == [10, 10, 5] and model.encoder.read == 25 * 3 and len(codes) == 25


def test_early_motions_are_short() -> None:
    images = TransformSequences(stills(4, 3, 8, 8), {"rotate": Steps(10.0)}, length=8)
    model = small_model(("rotate",))
    for furthest, longest in (
        (None, {0.05: 1, 0.5: 4, 1.0: 8}),
        (4, {0.05: 1, 0.5: 2, 1.0: 4}),
        (20, {0.5: 4, 1.0: 8}),
    ):
        codes = CodeSequences(model, images, 10, generator=seeded(), furthest=furthest, quiet=True)
        for speed, steps in longest.items():
            amounts = codes.sample(400, generator=seeded(), speed=speed).amounts.sum((0, 2)).abs() * 45 / 10
            assert round(float(amounts.max())) == steps and round(float(amounts.min())) == 1


def test_draws_repeat_and_the_mode_stays() -> None:
    model = plane().train()
    codes = CodeSequences(model, Points(), 9, generator=seeded(), quiet=True)
    assert model.training and all(module.training for module in model.modules())
    one, other = (codes.sample(6, generator=seeded(3)) for _ in range(2))
    assert torch.equal(one.start, other.start) and torch.equal(one.amounts, other.amounts)


def test_flows_are_learned_from_codes_alone() -> None:
    model, points = plane("helmholtz"), Points((1.5,))
    codes = CodeSequences(model, points, 300, generator=seeded(), quiet=True)
    read = model.encoder.read
    config = TrainingConfig(steps=150, batch_size=64, warmup=10, ramp=0.0, learning_rate=2e-2, log_every=50)
    result = Trainer(model, codes, config, quiet=True, objective=CodePrediction("squared")).run()
    assert result.finished and model.encoder.read == read
    ratio = latent_equivariance_ratio(model, {"rotate": Points((1.5,)).sample(50, generator=seeded(9))})
    assert ratio["rotate"].ratio < 0.02


def test_a_linear_truth_is_found_at_once() -> None:
    model = plane("helmholtz")
    codes = CodeSequences(model, Points((0.1, 0.1)), 50, generator=seeded(), quiet=True)
    pairs, mean = codes.ways()
    assert len(pairs.start) == len(mean) == 50 and bool((pairs.amounts.sum((0, 2)) > 0).all())
    start_linear(model, codes)
    turn = 45 * DEGREE * torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    z = torch.randn(20, 2, generator=seeded(3))
    # Simpson's rule is off by h^4 / 180 for steps of h = 0.08, far below the ridge of 1e-4.
    torch.testing.assert_close(model.fields["rotate"](z, 0.0), z @ turn.T, rtol=2e-4, atol=2e-4)
    with pytest.raises(ValueError, match="`model` must have Helmholtz fields with a linear part, got LinearField"):
        start_linear(plane(), codes)
    with pytest.raises(ValueError, match="`codes` must be one or more, got none"):
        start_linear(model)


def test_uneven_motions_are_fitted_by_their_ends() -> None:
    model = plane("helmholtz")
    even, uneven = (
        CodeSequences(model, Points(turns), 50, generator=seeded(), quiet=True) for turns in ((0.1, 0.1), (0.1, 0.05))
    )
    assert len(even.ways()[0].start) == 50
    pairs, mean = uneven.ways()
    assert len(pairs.start) == 100 and torch.equal(mean, (pairs.start + pairs.end) / 2)
    start_linear(model, even, uneven)
    turn = 45 * DEGREE * torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    z = torch.randn(20, 2, generator=seeded(3))
    # The mean of both ends is off by a twelfth of the squared angle of a step, 7 degrees at most, the ridge by 1e-4.
    torch.testing.assert_close(model.fields["rotate"](z, 0.0), z @ turn.T, rtol=2e-3, atol=2e-3)


def test_slower_codes_move_less() -> None:
    model = plane()
    whole, third = (
        CodeSequences(model, Points((1.5,)), 20, generator=seeded(), speed=speed, quiet=True) for speed in (1.0, 1 / 3)
    )
    torch.testing.assert_close(third.amounts, whole.amounts / 3)


def test_bad_input_is_named() -> None:
    wrong_names = TransformSequences(stills(4, 3, 8, 8), ["hue"])
    for model, sequences, count, told in (
        (plane(), Points(), 0, "`count` must be"),
        (small_model(("rotate",)), wrong_names, 5, "`sequences` must move rotate, got hue"),
        (small_model(("rotate",)), Points(), 5, r"`sequences` must have images \(3, 8, 8\), got \(1, 1, 2\)"),
        (plane(), Points(()), 5, "`sequences` must have two frames or more, got one"),
    ):
        with pytest.raises(ValueError, match=told):
            CodeSequences(model, sequences, count, generator=seeded(), quiet=True)
    with pytest.raises(ValueError, match="`furthest` must be"):
        CodeSequences(plane(), Points(), 5, generator=seeded(), furthest=0, quiet=True)
    with pytest.raises(ValueError, match="`speed` must be"):
        CodeSequences(plane(), Points(), 5, generator=seeded(), speed=0.0, quiet=True)
    codes = CodeSequences(plane(), Points(), 5, generator=seeded(), quiet=True)
    with pytest.raises(ValueError, match="`batch_size` must be at least 1"):
        codes.sample(0)
    with pytest.raises(ValueError, match="`sequences` must draw sequences of images, got CodePairs"):
        CodeSequences(plane(), codes, 5, generator=seeded(), quiet=True)
