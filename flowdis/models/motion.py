"""The motion of a model: the numbers of its dynamics, fixed or learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowdis._checks import check_choice, check_positive
from flowdis.dynamics import DYNAMICS, Overdamped, Underdamped
from flowdis.dynamics.underdamped import as_number

__all__ = ["LEARNABLE", "Motion"]

LEARNABLE = ("damping", "stiffness", "coupling")
"""The numbers of underdamped motion that a model may learn."""

_OPTIONS = ("damping", "stiffness", "coupling", "start", "spread", "learned")
_MOMENTUM = 0.3  # what the prior's standard deviation of momenta starts at: about the speeds of trained flows


class Motion(nn.Module):
    """Makes the dynamics of a model from fixed numbers and learned ones, which stay positive.

    Arguments:
        kind: A name in `DYNAMICS`.
        temperature: The temperature of the noise.
        options: Of underdamped motion, the arguments of `Underdamped` by name, and "learned": which of `LEARNABLE` are
            learned, from those values on. Overdamped motion has none.

    Raises:
        ValueError: if the kind or an option is unknown, or a number is out of range.

    Example:
        >>> motion = Motion("underdamped", 0.0, {"damping": 3.0, "learned": ["damping"]})
        >>> motion().damping.item()
        3.0
        >>> [name for name, _ in motion.named_parameters()]
        ['log_momentum', 'raw.damping']
    """

    log_momentum: nn.Parameter | None

    def __init__(self, kind: str, temperature: float, options: Mapping[str, Any]) -> None:
        super().__init__()
        check_choice("dynamics", kind, tuple(DYNAMICS))
        self.kind, self.temperature = kind, temperature
        known = _OPTIONS if kind == "underdamped" else ()
        unknown = sorted(set(options) - set(known))
        if unknown:
            choices = ", ".join(known) or "nothing"
            raise ValueError(f"`dynamics_options` of {kind} motion must be among {choices}, got {', '.join(unknown)}")
        self.learned = tuple(check_choice("learned", name, LEARNABLE) for name in options.get("learned", ()))
        self.numbers = {name: value for name, value in options.items() if name != "learned"}
        self.raw = nn.ParameterDict({name: _raw(name, self._first(name)) for name in self.learned})
        underdamped = kind == "underdamped"
        self.log_momentum = nn.Parameter(torch.tensor(math.log(_MOMENTUM))) if underdamped else None
        self()

    def forward(self) -> Overdamped | Underdamped:
        """The dynamics, as it is now."""
        if self.kind == "overdamped":
            return Overdamped(self.temperature)
        learned = {name: F.softplus(raw) for name, raw in self.raw.items()}
        return Underdamped(self.temperature, **(self.numbers | learned))

    def config(self) -> dict[str, Any]:
        """The options that rebuild this motion, all of them; plain enough for JSON."""
        if self.kind == "overdamped":
            return {}
        made = Underdamped(self.temperature, **self.numbers)
        return {name: getattr(made, name) for name in _OPTIONS[:-1]} | {"learned": list(self.learned)}

    def _first(self, name: str) -> float:
        """What a learned number starts at."""
        made = Underdamped(self.temperature, **self.numbers)
        value = getattr(made, name)
        return as_number(made.damping if value is None else value)


def _raw(name: str, value: float) -> nn.Parameter:
    check_positive(name, value)
    start: Tensor = torch.tensor(value, dtype=torch.float64)
    return nn.Parameter((start + torch.log(-torch.expm1(-start))).to(torch.get_default_dtype()))
