r"""Capsule codes: do rings of latents roll as the input moves, and by as much?

The equivariance error of topographic codes (Keller and Welling 2021, Topographic VAEs learn equivariant capsules, arXiv
2109.01394) is the sum over pairs of frames l < m of :math:`|\mathrm{roll}(n_l, m - l) - n_m|_1`, n the capsules at unit
length. Here it is the mean, over sequences, pairs and capsules. Codes that are uniform round their rings have error 0
whatever is shown, and so the error of codes that are not rolled stands beside it.

The capsule correlation asks which roll turns one frame into the other and compares the answer with the truth on a
circle, :math:`| E \exp(2 \pi i (\hat k - k) / R) |`, over all pairs of frames. The published one is Pearson's, which
depends on where the circle is cut open, over the frames that agree best with the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_finite, check_floating

__all__ = ["CapsuleCorrelation", "RollError", "capsule_correlation", "roll_error"]

_Codes = Float[Tensor, "S B C R"]
_Shifts = Int[Tensor, "*shifts"]
_Capsules = Float[Tensor, "C"]

# What rounding leaves of a capsule at unit length that is uniform, in single precision.
_NOTHING = 1e-5


@dataclass(frozen=True, eq=False)
class RollError:
    """The distance between rolled capsules and those that they should be, the mean over pairs of frames.

    Arguments:
        error: The mean distance; 0 is equivariant, as long as `static` is not 0 too.
        static: The same of codes that are not rolled.
        activity: The share of a capsule's squared length that varies round its ring: 0 for a uniform one.
        capsules: The error of each capsule, with shape (C,).
    """

    error: float
    static: float
    activity: float
    capsules: _Capsules

    @property
    def collapsed(self) -> bool:
        """Whether codes do not change from frame to frame, so that an error of 0 says nothing."""
        return self.static < _NOTHING

    @property
    def ratio(self) -> float | None:
        """The error relative to that without rolling: 0 is equivariant, 1 no better; None where collapsed."""
        return None if self.collapsed else self.error / self.static

    def to_json(self) -> dict[str, Any]:
        """The error beside its control, and what it is made of."""
        return {
            "error": self.error,
            "controls": {"static": self.static},
            "ratio": self.ratio,
            "activity": self.activity,
            "collapsed": self.collapsed,
            "capsules": self.capsules.tolist(),
        }


@dataclass(frozen=True)
class CapsuleCorrelation:
    r"""How well the roll that is found between two frames agrees with the true one.

    Arguments:
        score: :math:`|E \exp(2 \pi i (\hat k - k) / R)|`, 1 where all agree, about :math:`\sqrt{\pi / 4 P}` for P pairs
            of unrelated frames. A pair between which no roll is found counts 0.
        static: The score of always finding none, which is high where true rolls are alike.
        unrelated: The score of rolls as often as those found, but paired at random with true ones.
        undecided: The share of pairs between which no roll is found, as all capsules are uniform.
        pairs: The number P of pairs of frames.
    """

    score: float
    static: float
    unrelated: float
    undecided: float
    pairs: int

    def to_json(self) -> dict[str, Any]:
        """The score beside its controls."""
        return {
            "score": self.score,
            "controls": {"static": self.static, "unrelated": self.unrelated},
            "undecided": self.undecided,
            "pairs": self.pairs,
        }


@torch.no_grad()
def roll_error(codes: _Codes, shifts: _Shifts | None = None) -> RollError:
    """The equivariance error of capsule codes under rolls, over all pairs of frames.

    Arguments:
        codes: The codes of S frames of B sequences in C capsules, rings of R sites, with shape (S, B, C, R).
        shifts: How many sites the codes of each frame should be rolled against those of frame 0, whole numbers of any
            size, with shape (S,), or (S, B) for each sequence; one site a frame where left out. R need not be S.

    Raises:
        TypeError: if the codes are not floating-point.
        ValueError: if there are not two frames, a code is not finite, or shapes do not match.

    Example:
        >>> ring = torch.rand(1, 4, 2, 6)
        >>> codes = torch.cat([ring.roll(t, -1) for t in range(3)])
        >>> roll_error(codes).error
        0.0
    """
    shifts = _checked(codes, shifts)
    capsules = torch.nn.functional.normalize(codes.double(), dim=-1)
    frames, sequences, count, _ = codes.shape
    error, static = capsules.new_zeros(count), capsules.new_zeros(())
    for first in range(frames - 1):
        later = capsules[first + 1 :]
        rolled = _roll(capsules[first].expand_as(later), shifts[first + 1 :] - shifts[first])
        error += (rolled - later).abs().sum((0, 1, 3))
        static += (capsules[first] - later).abs().sum()
    pairs = sequences * frames * (frames - 1) / 2
    varying = (capsules - capsules.mean(-1, keepdim=True)).square().sum()
    whole = float(capsules.square().sum())
    return RollError(
        error=float(error.mean()) / pairs,
        static=float(static) / (pairs * count),
        activity=float(varying) / whole if whole else 0.0,
        capsules=(error / pairs).cpu(),
    )


@torch.no_grad()
def capsule_correlation(codes: _Codes, shifts: _Shifts | None = None) -> CapsuleCorrelation:
    """The agreement of rolls found between frames with the true ones, over all pairs of frames.

    A roll is found by each capsule as the peak of the circular correlation between its two rings; the most capsules
    decide, and between equally many the correlation summed over capsules. Uniform capsules have no say.

    Arguments:
        codes: The codes of S frames of B sequences in C capsules, rings of R sites, with shape (S, B, C, R).
        shifts: See `roll_error`.

    Raises:
        TypeError: if the codes are not floating-point.
        ValueError: if there are not two frames, a code is not finite, or shapes do not match.

    Example:
        >>> ring = torch.rand(1, 4, 2, 6)
        >>> codes = torch.cat([ring.roll(t, -1) for t in range(3)])
        >>> round(capsule_correlation(codes).score, 9)
        1.0
    """
    shifts = _checked(codes, shifts)
    capsules = torch.nn.functional.normalize(codes.double(), dim=-1)
    waves = torch.fft.rfft(capsules - capsules.mean(-1, keepdim=True))
    found, true, decided = [], [], []
    for first in range(len(codes) - 1):
        product = waves[first].conj() * waves[first + 1 :]
        rolls, certain = _vote(torch.fft.irfft(product, n=codes.shape[-1]))
        found.append(rolls.flatten())
        decided.append(certain.flatten())
        true.append((shifts[first + 1 :] - shifts[first]).flatten())
    turn = 2 * math.pi / codes.shape[-1]
    known = torch.cat(decided).double()
    seen, real = torch.cat(found) * turn, torch.cat(true) * turn
    one = torch.ones_like(known)

    def mean_length(angles: Tensor, lengths: Tensor) -> float:
        return float(torch.polar(lengths, angles.double()).mean().abs())

    return CapsuleCorrelation(
        score=mean_length(seen - real, known),
        static=mean_length(-real, one),
        unrelated=mean_length(seen, known) * mean_length(real, one),
        undecided=1 - float(known.mean()),
        pairs=len(known),
    )


def _checked(codes: Tensor, shifts: Tensor | None) -> Tensor:
    """The shifts, with shape (S, B)."""
    check_finite("codes", check_floating("codes", codes))
    frames, sequences = codes.shape[:2]
    if frames < 2 or 0 in codes.shape:
        raise ValueError(f"`codes` must have shape (S, B, C, R) with S >= 2 frames, got {tuple(codes.shape)}")
    if shifts is None:
        shifts = torch.arange(frames)
    if shifts.shape not in ((frames,), (frames, sequences)):
        wanted = f"(S,) = {(frames,)} or (S, B) = {(frames, sequences)}"
        raise ValueError(f"`shifts` must have shape {wanted}, got {tuple(shifts.shape)}")
    shifts = shifts.to(codes.device, torch.int64)
    return shifts.unsqueeze(-1).expand(-1, sequences) if shifts.ndim == 1 else shifts


def _roll(rings: Float[Tensor, "T B C R"], shifts: Int[Tensor, "T B"]) -> Float[Tensor, "T B C R"]:
    """Each ring rolled towards higher sites."""
    sites = torch.arange(rings.shape[-1], device=rings.device)
    source = (sites - shifts[..., None, None]) % rings.shape[-1]
    return rings.gather(-1, source.expand_as(rings))


def _vote(correlations: Float[Tensor, "T B C R"]) -> tuple[Tensor, Tensor]:
    """The roll that most capsules peak at, and whether any has a peak, both with shape (T, B)."""
    count = correlations.shape[-2]
    peaks, places = correlations.max(-1)
    heard = peaks > _NOTHING**2
    votes = torch.zeros_like(correlations).scatter_(-1, places.unsqueeze(-1), heard.double().unsqueeze(-1)).sum(-2)
    # Correlations lie in [-1, 1], so that their sum decides between equally many votes and never against more.
    tie = (correlations.sum(-2) + count) / (2 * count + 1)
    return (votes + tie).argmax(-1), heard.any(-1)
