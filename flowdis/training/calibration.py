"""What an amount of a flow is worth, measured on its edits."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.models import LatentFlow
from flowdis.models.sharing import with_fields
from flowdis.training.couplings import differences

__all__ = ["Measure", "calibrated", "decoded_attributes", "regressed_attributes", "responses"]

Measure = Callable[[Tensor], Mapping[str, Tensor]]
"""Attributes by name, each (B), of images (B, C, H, W)."""

_TOLD = 0.2  # the least rise of a reading that is made up for
_LEAST = 0.05  # of a step: what moves an attribute less than this hardly moves it at all

_Reader = Callable[[Tensor], Tensor]
_Codes = Float[Tensor, "N D"]
_Attributes = Float[Tensor, "N K"]
_Responses = Float[Tensor, "K K"]


@torch.no_grad()
def responses(
    model: LatentFlow,
    codes: _Codes,
    attributes: _Attributes,
    read: _Reader,
    *,
    periods: Float[Tensor, "K"] | None = None,
    amounts: Sequence[float] = (0.5, 1.0),
) -> _Responses:
    r"""How far each attribute moves per amount of each flow, (K, K): entry (k, l) is of attribute l by flow k.

    .. math:: R_{kl} = \frac{\sum_{i, h} h \, \big( a_l(\phi_k^h z_i) - a_l(z_i) \big)}{\sum_{i, h} h^2},

    the least squares slope through steps h either way, of those that end within the range of the attribute: one that
    is as high as it can be does not rise.

    Arguments:
        model: The model.
        codes: The codes that are moved, with shape (N, D).
        attributes: Their attributes in amounts, with shape (N, K).
        read: What reads the K attributes (N, K) off codes (N, D), in amounts.
        periods: The attributes' periods (K), infinite for those without; none have one where left out.
        amounts: The steps h, ascending.
    """
    times = torch.tensor([h / amounts[-1] for h in amounts], dtype=torch.float64)
    before, rows = read(codes), []
    low, high = attributes.amin(0), attributes.amax(0)
    if periods is not None:  # what comes back has no ends
        low, high = (
            low.where(periods.isinf().to(low.device), -torch.inf),
            high.where(periods.isinf().to(high.device), torch.inf),
        )
    for index, flow in enumerate(model.flows()):
        own = attributes[:, index]
        top, bottom = torch.zeros_like(before[0]), torch.zeros_like(before[0, 0])
        for sign in (1.0, -1.0):
            ends = model.transport(flow.by_amount(sign * amounts[-1]), codes, frames=times).z
            for amount, end in zip(amounts, ends, strict=True):
                asked = own + sign * amount
                inside = ((asked >= low[index] - 1e-6) & (asked <= high[index] + 1e-6)).to(before)
                top += sign * amount * (inside @ differences(read(end), before, periods))
                bottom += amount**2 * inside.sum()
        rows.append(top / bottom)
    return torch.stack(rows)


def calibrated(
    model: LatentFlow,
    codes: _Codes,
    attributes: _Attributes,
    read: _Reader,
    *,
    periods: Float[Tensor, "K"] | None = None,
) -> LatentFlow:
    """The model, with units whose sizes are what amounts of its flows are worth on average.

    Arguments:
        model: A model whose units say what an amount ought to be worth.
        codes: The codes that are edited to find out, with shape (N, D).
        attributes: Their attributes in amounts, with shape (N, K).
        read: What reads the K attributes (N, K) off codes, in amounts.
        periods: The attributes' periods (K), as of `responses`.
    """
    moved = responses(model, codes, attributes, read, periods=periods).diagonal()
    units = {}
    for (name, unit), response in zip(model.units.items(), moved.tolist(), strict=True):
        if response > _LEAST:
            unit = replace(unit, size=unit.size * response)
        else:
            told = f"a step of {name!r} moves it by {response:.2f} of a step"
            warnings.warn(f"{told} on average: its unit is what it ought to be, not what it is", stacklevel=3)
        units[name] = unit
    return with_fields(model, model.fields, units)


def decoded_attributes(model: LatentFlow, measure: Measure, offsets: Tensor, sizes: Tensor) -> _Reader:
    """What reads the attributes (N, K) off codes (N, D) by measuring decoded images, in units of `sizes` (K).

    Raises:
        ValueError: if `measure` lacks an attribute, or does not return one number per image; at the first call.
    """

    def read(codes: Tensor) -> Tensor:
        found = measure(model.decode(codes))
        for name in model.names:
            if name not in found or tuple(found[name].shape) != (len(codes),):
                got = tuple(found[name].shape) if name in found else f"only {', '.join(found)}"
                raise ValueError(f"`measure` must return {name!r} with shape ({len(codes)},), got {got}")
        columns = torch.stack([torch.as_tensor(found[name]).to(codes) for name in model.names], -1)
        return (columns - offsets.to(codes)) / sizes.to(codes)

    return read


def regressed_attributes(
    codes: _Codes, attributes: _Attributes, *, periods: Float[Tensor, "K"] | None = None
) -> _Reader:
    """What reads attributes (N, K) off codes (N, D) by smooth regressions, fitted to known ones.

    A regression tells less than the truth of codes that it was not fitted to, the less the worse it is. By how much is
    seen on halves that are left out, and made up for: a reading rises by 1 where the attribute does. Of attributes that
    come back, sine and cosine are regressed, and the angle between them is read.
    """
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    inputs = codes.double().cpu().numpy()
    known = attributes.double().cpu()
    lengths = torch.full((known.shape[1],), torch.inf) if periods is None else periods
    turns = [None if math.isinf(length) else float(length) / (2 * math.pi) for length in lengths.tolist()]

    def regression() -> Any:
        return make_pipeline(StandardScaler(), SVR(C=10.0))

    def fit(column: Tensor) -> Any:
        return regression().fit(inputs, column.numpy())

    def rise(column: Tensor) -> float:
        """By how much a reading rises with the attribute, on halves that are left out."""
        halves = KFold(2, shuffle=True, random_state=0)
        told = cross_val_predict(regression(), inputs, column.numpy(), cv=halves)
        away = column - column.mean()
        return float((away @ torch.from_numpy(told)) / away.square().sum())

    fitted = [
        (fit(column),) if turn is None else (fit((column / turn).sin()), fit((column / turn).cos()))
        for turn, column in zip(turns, known.unbind(-1), strict=True)
    ]
    rises = [rise(column) if turn is None else 1.0 for turn, column in zip(turns, known.unbind(-1), strict=True)]
    means = known.mean(0).tolist()

    def read(moved: Tensor) -> Tensor:
        seen = moved.double().cpu().numpy()
        found = []
        for turn, parts, slope, mean in zip(turns, fitted, rises, means, strict=True):
            values = [torch.from_numpy(part.predict(seen)) for part in parts]
            # What a regression cannot tell at all stays unread, rather than blown up.
            straight = (values[0] - mean) / max(slope, _TOLD) + mean
            found.append(straight if turn is None else turn * torch.atan2(*values))
        return torch.stack(found, -1).to(moved)

    return read
