from __future__ import annotations

import json
import math

import pytest
import torch

from flowdis.metrics.capsules import capsule_correlation, roll_error


def rolling(frames, ring, generator, *, sequences=5, capsules=3, shifts=None):
    """Codes that roll exactly as they should."""
    first = torch.rand(sequences, capsules, ring, generator=generator).double()
    shifts = torch.arange(frames) if shifts is None else shifts
    return torch.stack([first.roll(int(k), -1) for k in shifts])


@pytest.mark.parametrize(("frames", "ring"), [(6, 6), (18, 24), (9, 4), (2, 5)])
def test_codes_that_roll_with_their_frames_are_equivariant_whatever_the_length_of_rings(generator, frames, ring):
    codes = rolling(frames, ring, generator)
    result = roll_error(codes)
    assert result.error == pytest.approx(0.0, abs=1e-12)
    assert result.ratio == pytest.approx(0.0, abs=1e-12)
    assert result.static > 0.1
    assert not result.collapsed
    found = capsule_correlation(codes)
    assert found.score == pytest.approx(1.0, abs=1e-12)
    assert found.undecided == 0
    assert found.pairs == 5 * frames * (frames - 1) // 2


@pytest.mark.parametrize(("frames", "ring"), [(5, 5), (5, 7)])
def test_the_error_is_the_published_sum_over_pairs_made_a_mean(generator, frames, ring):
    codes = torch.randn(frames, 4, 3, ring, generator=generator).double()
    unit = codes / codes.norm(dim=-1, keepdim=True)
    published, still = 0.0, 0.0
    for low in range(frames):
        for high in range(low + 1, frames):
            for b in range(4):
                for c in range(3):
                    for i in range(ring):
                        published += abs(float(unit[low, b, c, (i - high + low) % ring] - unit[high, b, c, i]))
                        still += abs(float(unit[low, b, c, i] - unit[high, b, c, i]))
    pairs = 4 * 3 * frames * (frames - 1) / 2
    result = roll_error(codes)
    assert result.error == pytest.approx(published / pairs, rel=1e-12)
    assert result.static == pytest.approx(still / pairs, rel=1e-12)
    assert float(result.capsules.mean()) == pytest.approx(result.error, rel=1e-12)
    assert roll_error(7.0 * codes).error == pytest.approx(result.error, rel=1e-12)


def test_shifts_may_be_given_for_each_sequence(generator):
    first = torch.rand(2, 3, 6, generator=generator).double()
    shifts = torch.tensor([[0, 0], [2, -1], [10, 3]])
    codes = torch.stack([torch.stack([first[b].roll(int(k), -1) for b, k in enumerate(row)]) for row in shifts])
    assert roll_error(codes, shifts).error == pytest.approx(0.0, abs=1e-12)
    assert capsule_correlation(codes, shifts).score == pytest.approx(1.0, abs=1e-12)
    assert roll_error(codes).error > 0.1
    row = torch.tensor([0, 3, 1])
    assert roll_error(rolling(3, 8, generator, shifts=row), row).error == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_code_has_no_error_and_is_marked(generator, dtype):
    codes = (3.0 + 1e-7 * torch.rand(6, 4, 2, 6, generator=generator)).to(dtype)
    result = roll_error(codes)
    assert result.error < 1e-5
    assert result.collapsed
    assert result.ratio is None
    assert result.activity < 1e-10
    found = capsule_correlation(codes)
    assert found.undecided == 1.0
    assert found.score == 0.0
    written = json.loads(json.dumps({"error": result.to_json(), "correlation": found.to_json()}, allow_nan=False))
    assert written["error"]["collapsed"] is True
    assert written["error"]["ratio"] is None
    assert roll_error(torch.zeros(3, 2, 2, 4)).collapsed


def test_a_static_code_is_shown_by_its_controls(generator):
    codes = torch.rand(1, 8, 3, 6, generator=generator).double().expand(4, -1, -1, -1)
    result = roll_error(codes)
    assert result.static == 0.0 and result.collapsed
    assert result.error > 0.1
    # Rolls by one site between all pairs of three frames: always finding none agrees with them but for a turn.
    alike = capsule_correlation(codes[:2])
    assert alike.score == alike.static == pytest.approx(1.0)
    found = capsule_correlation(codes)
    truth = sum((4 - k) * torch.polar(torch.ones(()), torch.tensor(2 * math.pi * k / 6)) for k in (1, 2, 3)) / 6
    assert found.score == pytest.approx(float(truth.abs()), rel=1e-6)
    assert found.score == pytest.approx(found.static, rel=1e-12) == pytest.approx(found.unrelated, rel=1e-12)


def test_unrelated_frames_score_what_a_random_walk_does(generator):
    pairs, ring = 4000, 12
    codes = torch.randn(2, pairs, 5, ring, generator=generator)
    shifts = torch.randint(ring, (2, pairs), generator=generator)
    result = capsule_correlation(codes, shifts)
    expected = math.sqrt(math.pi / (4 * pairs))
    assert result.score < 3.5 * expected  # Rayleigh: above this once in 15,000 draws
    assert result.unrelated < 3.5 * expected
    assert roll_error(codes, shifts).ratio == pytest.approx(1.0, abs=0.01)
    small = [
        capsule_correlation(
            torch.randn(2, 100, 1, ring, generator=generator), torch.randint(ring, (2, 100), generator=generator)
        ).score
        for _ in range(100)
    ]
    assert sum(small) / 100 == pytest.approx(math.sqrt(math.pi / 400), rel=0.2)


def test_noise_lowers_the_correlation_and_raises_the_error_by_degrees(generator):
    codes = rolling(6, 12, generator, sequences=100)
    noise = torch.randn(codes.shape, generator=generator).double()
    ratios, scores = zip(
        *((roll_error(codes + s * noise).ratio, capsule_correlation(codes + s * noise).score) for s in (0, 0.2, 2.0)),
        strict=True,
    )
    assert ratios[0] < 1e-9 < ratios[1] < ratios[2] < 1.01
    assert scores[0] > 0.999 > scores[1] > scores[2]


def test_the_wrong_way_round_is_no_better_than_not_rolling(generator):
    codes = rolling(6, 9, generator, shifts=-torch.arange(6))
    assert roll_error(codes).ratio > 0.9
    assert capsule_correlation(codes).score < 0.9


def test_the_most_capsules_decide_and_dead_ones_have_no_say(generator):
    codes = rolling(5, 8, generator, capsules=5)
    codes[:, :, :2] = torch.rand(5, 5, 2, 8, generator=generator).double()
    assert capsule_correlation(codes).score == pytest.approx(1.0, abs=1e-12)
    dead = torch.ones(5, 5, 4, 8).double()
    result = capsule_correlation(torch.cat([dead, codes[:, :, 2:]], dim=2))
    assert result.score == pytest.approx(1.0, abs=1e-12)
    assert result.undecided == 0


def test_bad_codes_are_named(generator):
    codes = rolling(3, 4, generator)
    with pytest.raises(ValueError, match=r"S >= 2 frames, got \(1, 5, 3, 4\)"):
        roll_error(codes[:1])
    with pytest.raises(TypeError):
        capsule_correlation(codes.long())
    codes[1, 2, 0, 3] = math.nan
    with pytest.raises(ValueError, match=r"`codes` must be finite, got nan at index \(1, 2, 0, 3\)"):
        roll_error(codes)
    wanted = r"`shifts` must have shape \(S,\) = \(3,\) or \(S, B\) = \(3, 5\), got \(4,\)"
    with pytest.raises(ValueError, match=wanted):
        capsule_correlation(rolling(3, 4, generator), torch.arange(4))
