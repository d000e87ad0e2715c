"""Every kind of bank at a small size, for the tests of the whole family."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from flowdis.fields import (
    AutogradField,
    ConstantField,
    FieldBank,
    GuidedField,
    HelmholtzField,
    LinearField,
    PotentialField,
    SolenoidalField,
    WaveField,
)

NAMES = ("rotate", "scale", "hue")
DIM = 4


class Push(nn.Module):
    """A velocity that depends on time, as a user would write it."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(DIM, DIM, generator=generator))
        self.drift = nn.Parameter(torch.randn(DIM, generator=generator))

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        return torch.sin(z @ self.weight) + t.unsqueeze(-1).cos() * self.drift * z


class Hill(nn.Module):
    """A potential that depends on time."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(DIM, generator=generator))
        self.speed = nn.Parameter(torch.randn((), generator=generator))

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        return torch.cos(z @ self.weight + self.speed * t)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def _modules(kind: type[Push] | type[Hill]) -> list[nn.Module]:
    generator = _generator()
    return [kind(generator) for _ in NAMES]


def _potential(depth: int, clocked: bool) -> Callable[[], FieldBank]:
    return lambda: PotentialField(NAMES, DIM, hidden=6, depth=depth, clocked=clocked, generator=_generator())


def _guided(hold: bool) -> FieldBank:
    generator = _generator()
    directions = torch.randn(len(NAMES), DIM, generator=generator, dtype=torch.float64)
    roots = torch.randn(DIM, DIM, generator=generator, dtype=torch.float64)
    # Each rises along its direction whatever the latent, so that no gradient vanishes.
    properties = [lambda z, w=w: z @ w.to(z) + 0.3 * torch.sin(z @ w.to(z)) for w in directions]
    return GuidedField(NAMES, DIM, properties, metric=roots @ roots.mT + torch.eye(DIM), hold=hold)


def _wave(**options: object) -> Callable[[], FieldBank]:
    # Fast and strongly damped, so that some modes are overdamped and some are not.
    return lambda: WaveField(NAMES, DIM, hidden=6, speed=1.1, damping=2.0, generator=_generator(), **options)


BUILDERS: dict[str, Callable[[], FieldBank]] = {
    "potential": _potential(1, False),
    "potential-clocked": _potential(1, True),
    "potential-deep": _potential(3, False),
    "potential-deep-clocked": _potential(4, True),
    "solenoidal": lambda: SolenoidalField(NAMES, DIM, hidden=6, generator=_generator()),
    "solenoidal-two": lambda: SolenoidalField(NAMES, DIM, hidden=5, count=2, rank=2, generator=_generator()),
    "helmholtz": lambda: HelmholtzField(NAMES, DIM, hidden=7, generator=_generator()),
    "helmholtz-rank": lambda: HelmholtzField(NAMES, DIM, hidden=6, rank=1, generator=_generator()),
    "wave": _wave(),
    "wave-rest": _wave(rest=True),
    "wave-modes": _wave(profile="cosine"),
    "wave-damped": _wave(profile="cosine", damped=True),
    "wave-damped-rest": _wave(profile="cosine", damped=True, rest=True),
    "linear": lambda: LinearField(NAMES, DIM, generator=_generator()),
    "constant": lambda: ConstantField(NAMES, DIM, generator=_generator()),
    "guided": lambda: _guided(True),
    "guided-alone": lambda: _guided(False),
    "autograd-velocity": lambda: AutogradField(NAMES, DIM, _modules(Push)),
    "autograd-potential": lambda: AutogradField(NAMES, DIM, _modules(Hill), kind="potential"),
}
CLOCKED = (
    "potential-clocked",
    "potential-deep-clocked",
    "wave",
    "wave-rest",
    "wave-modes",
    "wave-damped",
    "wave-damped-rest",
    "autograd-velocity",
    "autograd-potential",
)


def build(kind: str) -> FieldBank:
    """One bank in float64."""
    return BUILDERS[kind]().double()


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def jacobian(function: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """The Jacobian (D', D) of a function of one point (D,), by reverse-mode autograd, row by row."""
    z = z.detach().clone().requires_grad_()
    value = function(z)
    rows = []
    for entry in value.unbind(-1):
        row = torch.autograd.grad(entry, z, retain_graph=True, allow_unused=True)[0] if entry.requires_grad else None
        rows.append(torch.zeros_like(z) if row is None else row)
    return torch.stack(rows)
