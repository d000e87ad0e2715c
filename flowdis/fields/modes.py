r"""The damped oscillator in closed form: what a single mode of a damped wave does in time.

.. math:: T'' + g T' + k T = 0, \qquad T(0) = \alpha, \quad T'(0) = \beta

has, with :math:`s = k - g^2 / 4`, the solution

.. math:: T = e^{-g t / 2} \big[\alpha C + (\beta + g \alpha / 2) S\big], \qquad
          T' = e^{-g t / 2} \big[\beta C - (k \alpha + g \beta / 2) S\big],

where C, S are :math:`\cos \sqrt{s} t,\; \sin \sqrt{s} t / \sqrt{s}` for s > 0 (underdamped), 1, t for s = 0
(critical), and :math:`\cosh \sqrt{-s} t,\; \sinh \sqrt{-s} t / \sqrt{-s}` for s < 0 (overdamped): entire
functions of s.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Modes", "damped_pair"]

_NEAR = 0.1  # below it the power series of seven terms is exact to rounding in double precision
_TERMS = 7


def damped_pair(
    time: Float[Tensor, "*timed"], stiffness: Float[Tensor, "*stiff"], damping: Float[Tensor, "*damped"]
) -> tuple[Float[Tensor, "*mixed"], Float[Tensor, "*mixed"]]:
    r"""The functions :math:`e^{-g t / 2} C` and :math:`e^{-g t / 2} S` of broadcast times, stiffnesses and dampings.

    They are smooth in all three, derivatives included, and do not overflow for positive times.

    Arguments:
        time: The times t.
        stiffness: The squares k >= 0 of the undamped frequencies.
        damping: The dampings g >= 0.

    Example:
        >>> cosine, sine = damped_pair(torch.tensor(2.0), torch.tensor(1.0), torch.tensor(2.0))    # critical
        >>> (cosine.log() + 2.0).abs().item() < 1e-6, (sine / cosine).item()
        (True, 2.0)
    """
    time, stiffness, damping = torch.broadcast_tensors(time, stiffness, damping)
    shift = stiffness - 0.25 * damping.square()
    square = shift * time.square()
    waves, decays = square > _NEAR, square < -_NEAR
    # What a branch does not need is replaced before its square root, whose derivative at 0 is infinite.
    frequency = torch.where(waves, shift, 1.0).sqrt()
    rate = torch.where(decays, -shift, 1.0).sqrt()
    phase = frequency * torch.where(waves, time, 0.0)
    late = torch.where(decays, time, 0.0)
    slow = torch.exp(-stiffness / (0.5 * damping + rate) * late)
    fast = torch.exp(-(0.5 * damping + rate) * late)
    near = torch.where(waves | decays, 0.0, square)
    series = [torch.ones_like(near), torch.ones_like(near)]
    for n in range(_TERMS, 0, -1):
        series = [1 - near / (2 * n * (2 * n + offset)) * total for offset, total in zip((-1, 1), series, strict=True)]
    envelope = torch.exp(-0.5 * damping * torch.where(decays, 0.0, time))
    cosine = envelope * torch.where(waves, torch.cos(phase), series[0])
    sine = envelope * torch.where(waves, torch.sin(phase) / frequency, time * series[1])
    return (
        torch.where(decays, 0.5 * (slow + fast), cosine),
        torch.where(decays, 0.5 * (slow - fast) / rate, sine),
    )


@dataclass(frozen=True, eq=False)
class Modes:
    """The modes of K damped wave fields of H units each.

    Arguments:
        start: Their amplitudes alpha at time 0, with shape (K, H).
        rate: The rates of change beta there, with shape (K, H).
        stiffness: The squares k of their undamped frequencies, with shape (K, H).
        damping: The dampings g of the fields, with shape (K).
    """

    start: Tensor
    rate: Tensor
    stiffness: Tensor
    damping: Tensor

    def at(self, times: Float[Tensor, "*batch K"]) -> Float[Tensor, "*batch K H"]:
        """The amplitudes at each field's own time."""
        cosine, sine = self._pair(times)
        return self._amplitude(cosine, sine, self.start, self.rate)

    def with_derivatives(self, times: Float[Tensor, "*batch K"]) -> tuple[Tensor, Tensor, Tensor]:
        """The amplitudes with their first and second derivatives by time, each (*, K, H)."""
        cosine, sine = self._pair(times)
        # A derivative of a solution is the solution that starts with the derivative's values.
        values, start, rate = [], self.start, self.rate
        for _ in range(3):
            values.append(self._amplitude(cosine, sine, start, rate))
            start, rate = rate, -self.damping.unsqueeze(-1) * rate - self.stiffness * start
        first, second, third = values
        return first, second, third

    def _pair(self, times: Tensor) -> tuple[Tensor, Tensor]:
        return damped_pair(times.unsqueeze(-1), self.stiffness, self.damping.unsqueeze(-1))

    def _amplitude(self, cosine: Tensor, sine: Tensor, start: Tensor, rate: Tensor) -> Tensor:
        return cosine * start + sine * (rate + 0.5 * self.damping.unsqueeze(-1) * start)
