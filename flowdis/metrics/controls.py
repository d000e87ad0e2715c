"""Controls: the flows that any autoencoder has, fitted to its codes by least squares."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flowdis._checks import check_choice
from flowdis.fields import ConstantField, FieldBank, LinearField
from flowdis.metrics.batches import Sequences, codes, pieces
from flowdis.models import LatentFlow

__all__ = ["code_pairs", "fit_controls"]


@torch.no_grad()
def code_pairs(model: LatentFlow, sequences: Sequences, *, batch_size: int = 250) -> tuple[Tensor, Tensor, Tensor]:
    """The mean codes of neighbouring frames, and what was done between them.

    Arguments:
        model: The model, of which only the encoder is used.
        sequences: Sequences by name, each a batch or an iterable of batches.
        batch_size: How many sequences are encoded at a time.

    Returns:
        Codes before (N, D), codes after (N, D) and the amounts between them (N, K).

    Raises:
        ValueError: if there are no two frames to compare.
    """
    starts, ends, amounts = [], [], []
    for batches in sequences.values():
        for batch in pieces(model, batches, batch_size):
            z = codes(model, batch.frames)
            starts.append(z[:-1].flatten(0, 1))
            ends.append(z[1:].flatten(0, 1))
            amounts.append(batch.path.elapsed(batch.times).diff(dim=0).flatten(0, 1))
    if not starts or sum(len(start) for start in starts) == 0:
        raise ValueError("`sequences` must hold at least two frames, got none to compare")
    return torch.cat(starts), torch.cat(ends), torch.cat(amounts)


def fit_controls(model: LatentFlow, sequences: Sequences, *, batch_size: int = 250) -> dict[str, FieldBank]:
    """Fits constant and linear flows to the codes of the same autoencoder, all transformations together.

    They are what a plain VAE has to offer: latent directions, and a Lie algebra acting linearly. Fit them on
    training sequences of the protocol that they are compared on.

    Arguments:
        model: The model, of which only the encoder is used.
        sequences: Training sequences by name, each a batch or an iterable of batches.
        batch_size: How many sequences are encoded at a time.

    Returns:
        The banks by name: "constant" and, where there are as many pairs of codes as unknowns in a row of
        its matrices, "linear". Both have all of the model's names; fields that no sequence moves are zero.

    Raises:
        ValueError: if no sequence moves at all.
    """
    start, end, amounts = code_pairs(model, sequences, batch_size=batch_size)
    moved = [name for name, column in zip(model.names, amounts.unbind(-1), strict=True) if bool(column.any())]
    if not moved:
        raise ValueError("`sequences` must move at least one transformation, got only zero amounts")
    where = [model.names.index(check_choice("name", name, model.names)) for name in moved]
    steps = amounts[:, where].to(start)
    constant = ConstantField(model.names, model.dim, generator=torch.Generator())
    fitted = ConstantField.fit(moved, start, end, steps)
    constant.direction = _embedded(fitted.direction, where, len(model.names))
    controls: dict[str, FieldBank] = {"constant": constant}
    if len(start) >= len(moved) * model.dim:
        linear = LinearField(model.names, model.dim, generator=torch.Generator())
        linear.matrix = _embedded(LinearField.fit(moved, start, end, steps).matrix, where, len(model.names))
        controls["linear"] = linear
    return controls


def _embedded(values: Tensor, where: list[int], count: int) -> nn.Parameter:
    whole = values.detach().new_zeros(count, *values.shape[1:])
    whole[where] = values.detach()
    return nn.Parameter(whole, requires_grad=False)
