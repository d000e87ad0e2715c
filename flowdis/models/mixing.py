"""Flows that were found, given names: renamed, turned round, merged, or left out, without training anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

import torch

from flowdis._checks import check_choice
from flowdis.fields import MixedFields
from flowdis.models.latent_flow import LatentFlow
from flowdis.paths import Unit

__all__ = ["merge", "mix", "rename"]


def mix(model: LatentFlow, rows: Mapping[str, Mapping[str, float]], units: Mapping[str, Unit]) -> LatentFlow:
    """A copy of a model whose flows are mixtures of its own.

    Arguments:
        model: The model, which stays as it is.
        rows: For each new flow, in order, the amounts of the model's flows that an amount of 1 of it is.
        units: The natural unit of each new flow.

    Returns:
        The new model; flows in no row are not in it, though its fields are.

    Raises:
        ValueError: if there are no rows, a row has only zeros or names a flow that the model does not have, or units
            are not those of the rows.
    """
    if set(rows) != set(units) or not rows:
        raise ValueError(f"`units` must be one for each of one or more rows {tuple(rows)}, got {tuple(units)}")
    matrix = torch.zeros(len(rows), len(model.names), dtype=torch.float64)
    for row, amounts in zip(matrix, rows.values(), strict=True):
        for name, amount in amounts.items():
            row[model.names.index(check_choice("rows", name, model.names))] = amount
    bank, own = model.fields, matrix
    if isinstance(bank, MixedFields):
        own = matrix @ bank.matrix.double()
        bank = bank.bank
    mixing = {name: tuple(row) for name, row in zip(rows, own.tolist(), strict=True)}
    config = replace(model.config, units={name: units[name] for name in rows}, mixing=mixing)
    modules = {name: deepcopy(getattr(model, name)) for name in ("encoder", "decoder", "amounts")}
    mixed = LatentFlow(config, **modules, fields=deepcopy(bank)).to(model.log_diffusion)
    # They were passed in, but what the config describes is still made by it on loading.
    kept = {name: getattr(model.config, name) for name in ("own_modules", "own_types", "frozen")}
    mixed.config = replace(mixed.config, **kept)
    mixed.motion.load_state_dict(model.motion.state_dict())
    with torch.no_grad():
        rates = matrix.abs().to(model.log_diffusion) @ model.log_diffusion.exp()
        mixed.log_diffusion.copy_(rates.log())
    return mixed.train(model.training)


def rename(
    model: LatentFlow,
    names: Mapping[str, str],
    *,
    units: Mapping[str, Unit] | None = None,
    backwards: Sequence[str] = (),
) -> LatentFlow:
    """A copy of a model with other names for some of its flows.

    Arguments:
        model: The model, which stays as it is.
        names: For flows of the model, their new names.
        units: By new name, the natural unit of a flow, where it is to be another one: an amount stays an amount.
        backwards: New names of flows that are to run the other way round.

    Raises:
        ValueError: if the model does not have a flow, a name comes twice, or `units` or `backwards` name others.
    """
    for name in names:
        check_choice("names", name, model.names)
    new = [names.get(name, name) for name in model.names]
    twice = [name for index, name in enumerate(new) if name in new[:index]]
    if twice:
        raise ValueError(f"`names` must give flows different names, got {twice[0]!r} twice")
    for argument, given in (("units", units or {}), ("backwards", backwards)):
        for name in given:
            check_choice(argument, name, new)
    rows = {n: {name: -1.0 if n in backwards else 1.0} for n, name in zip(new, model.names, strict=True)}
    own = {n: model.units[name] for n, name in zip(new, model.names, strict=True)}
    return mix(model, rows, own | dict(units or {}))


def merge(model: LatentFlow, amounts: Mapping[str, float], name: str, *, unit: Unit | None = None) -> LatentFlow:
    """A copy of a model in which several flows are one.

    Arguments:
        model: The model, which stays as it is.
        amounts: The flows that are merged, and how much of each an amount of 1 of the new one runs.
        name: The name of the new flow, which takes the place of the first of them.
        unit: Its natural unit; that of the first where left out.

    Raises:
        ValueError: if there are fewer than two flows, the model does not have one, or another has the name.
    """
    if len(amounts) < 2:
        raise ValueError(f"`amounts` must name two flows or more, got {tuple(amounts)}")
    for old in amounts:
        check_choice("amounts", old, model.names)
    if name in model.names and name not in amounts:
        raise ValueError(f"`name` must not be that of another flow, got {name!r}")
    first = next(old for old in model.names if old in amounts)
    rows: dict[str, Mapping[str, float]] = {}
    units: dict[str, Unit] = {}
    for old in model.names:
        if old == first:
            rows[name], units[name] = amounts, unit or model.units[first]
        elif old not in amounts:
            rows[old], units[old] = {old: 1.0}, model.units[old]
    return mix(model, rows, units)
