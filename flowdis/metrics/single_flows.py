"""Single flows: where one flow at a time takes codes, a different one for each, at the cost of one."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis.dynamics import transport
from flowdis.fields import FieldBank
from flowdis.metrics.batches import slices
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["single_flow_ends"]

_Codes = Float[Tensor, "N D"]


@torch.no_grad()
def single_flow_ends(
    model: LatentFlow,
    bank: FieldBank,
    z: _Codes,
    flows: Int[Tensor, "N"],
    amounts: Float[Tensor, "N"],
    *,
    batch_size: int = 250,
) -> _Codes:
    """Codes at the ends of their flows, without noise.

    Codes that go the same way go together, so that their path is one for all: fields mix faster than for each.

    Arguments:
        model: The model, for its solver.
        bank: The flows, with the model's names.
        z: The codes, with shape (N, D).
        flows: The number of the flow that each code follows, with shape (N).
        amounts: The amount that it runs, with shape (N).
        batch_size: How many codes are moved at a time.

    Raises:
        FlowError: if a flow cannot be integrated.
    """
    ends = z.clone()
    ways = torch.stack([flows.cpu().double(), amounts.cpu().double()], -1)
    kinds, groups = ways.unique(dim=0, return_inverse=True)
    for group, (flow, amount) in enumerate(kinds.tolist()):
        members = (groups == group).nonzero().squeeze(-1).to(z.device)
        row = torch.zeros(1, len(bank.names), dtype=z.dtype, device=z.device)
        row[0, int(flow)] = amount
        for piece in slices(len(members), batch_size):
            chosen = members[piece]
            ends[chosen] = transport(bank, Path(bank.names, row), z[chosen], solver=model.config.solver).z[-1]
    return ends
