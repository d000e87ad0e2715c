"""Single flows: where one flow at a time takes codes, a different one for each, at the cost of one."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis.dynamics import Dynamics, Solver, transport
from flowdis.fields import FieldBank
from flowdis.metrics.batches import slices
from flowdis.paths import Path

__all__ = ["single_flow_ends"]

_Codes = Float[Tensor, "N D"]
_SOLVER = Solver(steps_per_unit=8.0)


@torch.no_grad()
def single_flow_ends(
    bank: FieldBank,
    z: _Codes,
    flows: Int[Tensor, "N"],
    amounts: Float[Tensor, "N"],
    *,
    dynamics: Dynamics | None = None,
    solver: Solver = _SOLVER,
    batch_size: int = 250,
) -> _Codes:
    """Codes at the ends of their flows, without noise.

    Codes that go the same way go together, so that their path is one for all: fields mix faster than for each.

    Arguments:
        bank: The flows.
        z: The codes, with shape (N, D).
        flows: The number of the flow that each code follows, with shape (N).
        amounts: The amount that it runs, with shape (N).
        dynamics: How flows push codes, without noise; overdamped where left out.
        solver: The numerical method; eight Runge-Kutta steps per amount where left out, which leave an error of a few
            hundred-thousandths of the way of trained flows: nothing that shows in an image.
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
            ends[chosen] = transport(bank, Path(bank.names, row), z[chosen], dynamics=dynamics, solver=solver).z[-1]
    return ends
