r"""Commutators: which transformations commute in the latent space, and so which mixes are safe.

The Lie bracket of two fields, :math:`[v_i, v_j] = (D v_j) v_i - (D v_i) v_j`, is the rate at which i then j
parts from j then i: by a b [v_i, v_j] for small amounts a and b, and by half of that from both at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.fields import FieldBank
from flowdis.metrics.batches import Stills, check_stills, codes, pixel_distance, rows, slices
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["Commutator", "commutator", "commutator_gap", "lie_brackets"]

_Codes = Float[Tensor, "B D"]
_Brackets = Float[Tensor, "K K B D"]
_Square = Float[Tensor, "K K"]


@dataclass(frozen=True, eq=False)
class Commutator:
    r"""How far transformations are from commuting; sizes are root mean squares over images.

    Arguments:
        names: The K transformations.
        bracket: :math:`|[v_i, v_j]| / (|v_i| |v_j|)`, symmetric with zeros on the diagonal, with shape
            (K, K); per unit of latent length, so only to be compared within one model.
        gap: The gap between i then j and j then i, relative to their length, for small amounts:
            :math:`a |[v_i, v_j]| / \sqrt{|v_i| |v_j|}`, a pure number, with shape (K, K).
        amount: The amount a of each transformation that `gap` is for.
    """

    names: tuple[str, ...]
    bracket: _Square
    gap: _Square
    amount: float

    def safe(self, tolerance: float = 0.1) -> list[tuple[str, str]]:
        """The pairs whose gap is at most `tolerance`, which may be mixed in any order or at once."""
        pairs = [(i, j) for i in range(len(self.names)) for j in range(i)]
        return [(self.names[j], self.names[i]) for i, j in pairs if float(self.gap[i, j]) <= tolerance]

    def to_json(self) -> dict[str, Any]:
        """The names and both matrices as lists, with the pairs that are safe to mix."""
        return {
            "names": list(self.names),
            "bracket": self.bracket.tolist(),
            "gap": self.gap.tolist(),
            "amount": self.amount,
            "safe": [list(pair) for pair in self.safe()],
        }


def lie_brackets(bank: FieldBank, z: _Codes) -> _Brackets:
    """The Lie brackets [v_i, v_j] of all pairs of fields at codes (B, D), as (K, K, B, D), at clock 0.

    Arguments:
        bank: The fields.
        z: The codes, with shape (B, D).
    """
    fields = [bank[name] for name in bank.names]
    # jvp takes no expanded tangents, which constant fields return.
    velocities = [field(z, 0.0).contiguous() for field in fields]
    brackets = z.new_zeros(len(fields), len(fields), *z.shape)

    def along(i: int, j: int) -> Tensor:
        return torch.func.jvp(lambda y: fields[j](y, 0.0), (z.contiguous(),), (velocities[i],))[1]

    for i in range(len(fields)):
        for j in range(i):
            brackets[i, j] = along(i, j) - along(j, i)
            brackets[j, i] = -brackets[i, j]
    return brackets


@torch.no_grad()
def commutator(model: LatentFlow, images: Stills, *, amount: float = 1.0, batch_size: int = 250) -> Commutator:
    """The Lie brackets of the model's fields at the codes of images, in size.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        images: The images, with shape (N, C, H, W), in [0, 1].
        amount: The amount of each transformation that relative gaps are given for.
        batch_size: How many images are worked on at a time.

    Returns:
        The sizes of the brackets relative to those of the fields; 0 where a field is 0.

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if they do not fit the model.
    """
    check_stills("images", images, model)
    count = len(model.names)
    brackets = torch.zeros(count, count, dtype=torch.float64)
    speeds = torch.zeros(count, dtype=torch.float64)
    for piece in slices(len(images), batch_size):
        z = codes(model, images[piece])
        velocities = torch.stack([model.fields[name](z, 0.0) for name in model.names])
        brackets += lie_brackets(model.fields, z).double().square().sum((-2, -1)).cpu()
        speeds += velocities.double().square().sum((-2, -1)).cpu()
    size, speed = (brackets / len(images)).sqrt(), (speeds / len(images)).sqrt()
    product = torch.outer(speed, speed)
    moving = product > 0

    def relative(to: Tensor) -> Tensor:
        return torch.where(moving, size / torch.where(moving, to, 1.0), 0.0)

    return Commutator(model.names, relative(product), abs(amount) * relative(product.sqrt()), amount)


@torch.no_grad()
def commutator_gap(
    model: LatentFlow,
    images: Stills,
    first: Path,
    second: Path,
    *,
    batch_size: int = 250,
    generator: torch.Generator | None = None,
) -> float:
    """The pixels between `first >> second` and `second >> first`.

    Summed absolute differences, the mean over images.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        images: The images, with shape (N, C, H, W), in [0, 1].
        first: One edit.
        second: Another edit.
        batch_size: How many images are worked on at a time.
        generator: The source of noise, for a model whose dynamics has a temperature.

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if images or paths do not fit the model.
        FlowError: if a flow cannot be integrated.
    """
    check_stills("images", images, model)
    total = 0.0
    for piece in slices(len(images), batch_size):
        z = codes(model, images[piece])
        one, other = (
            model.decode(model.transport(rows(path, piece), z, generator=generator).z[-1])
            for path in (first >> second, second >> first)
        )
        total += float(pixel_distance(one, other).double().sum())
    return total / len(images)
