"""Flows for models that are trained without any: constant or linear fields fitted to their codes."""

from __future__ import annotations

from flowdis.data.batch import SequenceBatch
from flowdis.fields import ConstantField, LinearField
from flowdis.metrics.controls import fit_controls
from flowdis.models import LatentFlow

__all__ = ["FITTED", "check_fittable", "fit_flows"]

FITTED = 500
"""How many whole sequences flows are fitted to."""


def check_fittable(model: LatentFlow) -> str:
    """Returns "linear" or "constant", whichever the model's fields are.

    Raises:
        ValueError: if they are neither, so that least squares cannot fit them.
    """
    for name, kind in (("linear", LinearField), ("constant", ConstantField)):
        if isinstance(model.fields, kind):
            return name
    got = type(model.fields).__name__
    raise ValueError(f"`field` must be linear or constant for a model whose flows are fitted to its codes, got {got}")


def fit_flows(model: LatentFlow, batch: SequenceBatch, *, batch_size: int = 250) -> None:
    """Fits the model's own linear or constant fields to the codes of sequences by least squares, all K together.

    Fields that no sequence moves become zero. The encoder and the decoder stay as they are.

    Arguments:
        model: The trained model, whose fields are replaced.
        batch: Whole training sequences: the smaller the steps, the closer the linear fit.
        batch_size: How many sequences are encoded at a time.

    Raises:
        ValueError: if the fields are neither linear nor constant, or the sequences are too few or do not move.
    """
    kind = check_fittable(model)
    controls = fit_controls(model, {"training": batch}, batch_size=batch_size)
    if kind not in controls:
        wanted = len(model.names) * model.dim
        raise ValueError(f"`batch` must hold at least {wanted} pairs of neighbouring frames to fit, got fewer")
    model.fields.load_state_dict(controls[kind].state_dict())
