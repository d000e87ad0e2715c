"""Fields that are mixtures of a bank's: renamed, turned round, or merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from flowdis._checks import check_finite
from flowdis.fields.base import FieldBank, Mix, VelocityField

__all__ = ["MixedFields"]


class MixedFields(FieldBank):
    r"""Named mixtures of the fields of a bank: an amount of 1 of a name runs each field by its own amount.

    .. math:: v_n(z, s) = \sum_k M_{nk} \, v_k(z, c_k + M_{nk} s)

    A row with a single 1 gives a field another name, with a single -1 turns it round, and with several entries merges
    fields into one. Fields that no row has are not used.

    Arguments:
        bank: The bank of K fields.
        rows: For each new name its row of K amounts.

    Raises:
        ValueError: if a row does not have K finite entries, or only zeros.
    """

    matrix: Tensor

    def __init__(self, bank: FieldBank, rows: Mapping[str, Sequence[float]]) -> None:
        super().__init__(tuple(rows), bank.dim)
        for name, row in rows.items():
            if len(row) != len(bank.names) or not any(row):
                raise ValueError(f"`rows` must have K={len(bank.names)} amounts, not all 0, got {row} for {name!r}")
        matrix = check_finite("rows", torch.tensor([list(map(float, row)) for row in rows.values()]))
        self.bank = bank
        self.register_buffer("matrix", matrix, persistent=False)

    def bind(self, mix: Mix) -> VelocityField:
        """The bank's field of the amounts that the mix stands for."""
        matrix = self.matrix.to(mix.amounts)
        return self.bank.bind(Mix(mix.amounts @ matrix, None if mix.clock is None else mix.clock @ matrix))

    def config(self) -> dict[str, Any]:
        """The rows, which with the bank rebuild this one."""
        return {"rows": dict(zip(self.names, self.matrix.tolist(), strict=True))}
