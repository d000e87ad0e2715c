"""Dials: what the slider of each flow goes through, in the flow's natural unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flowdis.paths import Flow
from flowdis.plots.canvas import amount_text, axis_text, natural_span

__all__ = ["Dial", "dials"]

_STEPS = 200  # of a slider, from end to end, where its unit suggests none


@dataclass(frozen=True)
class Dial:
    """The slider of one flow, from as far back to as far forth.

    Arguments:
        flow: The flow.
        low: The lowest value, in the natural unit.
        high: The highest value.
        step: The step of its values; of the logarithm of values where the flow multiplies.
    """

    flow: Flow
    low: float
    high: float
    step: float

    @property
    def name(self) -> str:
        """The name of the flow."""
        return self.flow.name

    @property
    def label(self) -> str:
        """What a person calls the flow: "translate x"."""
        return self.name.replace("_", " ")

    @property
    def described(self) -> str:
        """The label with the unit: "rotate (degrees)"."""
        return axis_text(self.name, self.flow.unit)

    @property
    def logarithmic(self) -> bool:
        """Whether the flow multiplies."""
        return self.flow.unit.logarithmic

    @property
    def identity(self) -> float:
        """The value that changes nothing."""
        return 1.0 if self.logarithmic else 0.0

    def text(self, value: float) -> str:
        """A value as a person writes it: "45°", "×1.50"."""
        return amount_text(value, self.flow.unit)

    def checked(self, value: float) -> float:
        """The value, if it lies on the dial.

        Raises:
            ValueError: if it does not, or is not finite.
        """
        slack = 1e-9 * max(1.0, abs(self.high))
        if not self.low - slack <= value <= self.high + slack:
            raise ValueError(f"`{self.name}` must be from {self.low:g} to {self.high:g}, got {value:g}")
        return value


def dials(flows: Sequence[Flow]) -> tuple[Dial, ...]:
    """One dial per flow: half a round either way for what runs in a circle, the range of training either way else.

    Example:
        >>> from flowdis.paths import Unit
        >>> (dial,) = dials([Flow("scale", ("scale",), Unit("factor", 1.5, logarithmic=True))])
        >>> dial.low, dial.high
        (0.5, 2.0)
    """
    return tuple(_dial(flow) for flow in flows)


def _dial(flow: Flow) -> Dial:
    low, high, round_trip = natural_span(flow.name, flow.unit)
    if flow.unit.logarithmic:
        widest = float(f"{max(high, low, 1 / low, 1 / high):.3g}")
        return Dial(flow, 1 / widest, widest, 2 * math.log(widest) / _STEPS)
    widest = (high - low) / 2 if round_trip else max(abs(low), abs(high))
    step = 1.0 if flow.unit.name == "degree" and widest >= _STEPS / 4 else 2 * widest / _STEPS
    return Dial(flow, -widest, widest, step)
