r"""Ways back: which segments of a path run an earlier one backwards, so that motion with inertia is undone by them.

The velocity of overdamped motion depends on where the latent is, so that the way back along a path is one more motion,
with amounts negated and clocks running back. Motion with inertia depends on the momentum too. The exact inverse, steps
of negative length, multiplies every rounding error by :math:`e^{g t}`: in single precision nothing is left of the start
beyond g t of about 10. So a way back retraces the states that the way there went through.

Clocks tell a way back from a new motion: `~rotate(45)` takes the clock from where `rotate(45)` left it to where it was,
`rotate(-45)` begins anew at 0, in the other direction.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from flowdis.dynamics.segments import Piece
from flowdis.paths import Path

__all__ = ["follow", "mirrored", "retraced"]


def retraced(path: Path) -> Int[Tensor, "S *batch"] | None:
    """Which segment each one retraces, (S, *), -1 for none; None where no sample comes back on its way.

    A segment retraces the last one that is not yet undone, as brackets close, if its amounts are the same but for their
    sign and its clocks run from where that one's ended to where they began. Segments that do not move stand in no way.

    Arguments:
        path: The path.

    Example:
        >>> from flowdis.paths import Unit, flows
        >>> a, b = flows({"a": Unit(), "b": Unit()})
        >>> retraced(a(1.0) >> b(2.0) >> ~(a(1.0) >> b(2.0))).tolist()
        [-1, -1, 1, 0]
        >>> retraced(a(1.0) >> a(-1.0)) is None
        True
    """
    if path.clocks is None or path.segments == 1:
        return None
    amounts, clocks = path.amounts.detach(), path.clocks.detach()
    count = path.segments
    later, earlier, begin = amounts.unsqueeze(1), amounts.unsqueeze(0), clocks.unsqueeze(0)
    # Clocks are sums, rounded once or twice on the way here; where nothing moves they do not matter.
    slack = 32 * torch.finfo(amounts.dtype).eps * (begin.abs() + earlier.abs())
    meets = (clocks.unsqueeze(1) - (begin + earlier)).abs() <= slack
    undoes = ((later == -earlier) & (meets | (earlier == 0))).all(-1) & amounts.any(-1).unsqueeze(1)
    pairs = undoes.reshape(count, count, -1).cpu() & torch.ones(count, count, dtype=torch.bool).tril(-1).unsqueeze(-1)
    if not bool(pairs.any()):
        return None
    moves = amounts.any(-1).reshape(1, count, -1).cpu()
    # Samples of one kind, of which there are few, have one pattern.
    kinds, which = torch.cat([pairs, moves]).unique(dim=-1, return_inverse=True)
    ways = [_brackets(kind[:-1].tolist(), kind[-1].tolist()) for kind in kinds.unbind(-1)]
    found = torch.tensor(ways)[which].mT.reshape(amounts.shape[:-1]).to(amounts.device)
    return found if bool((found >= 0).any()) else None


def _brackets(undoes: Sequence[Sequence[bool]], moves: Sequence[bool]) -> list[int]:
    """For each segment of one sample the one that it closes, or -1."""
    ways, open_ones = [], list[int]()
    for index, moving in enumerate(moves):
        if open_ones and undoes[index][open_ones[-1]]:
            ways.append(open_ones.pop())
            continue
        ways.append(-1)
        if moving:
            open_ones.append(index)
    return ways


def mirrored(stops: Sequence[Sequence[float]], ways: Int[Tensor, "S *batch"] | None) -> list[list[float]]:
    """Each segment's stops in ascending order, with those that the way back along it asks for.

    Arguments:
        stops: The stops of each segment in [0, 1].
        ways: What `retraced` gives.
    """
    wanted = [set(times) for times in stops]
    for index in reversed(range(len(wanted))):
        for origin in _origins(ways, index):
            wanted[origin] |= {1.0 - time for time in wanted[index]}
    return [sorted(times) for times in wanted]


def follow(
    index: int,
    stops: Sequence[Sequence[float]],
    ways: Int[Tensor, "S *batch"] | None,
    pieces: Sequence[Piece],
    forward: Piece | None,
) -> Piece:
    """One segment, retraced by the samples that come back on their way.

    Arguments:
        index: The number of the segment.
        stops: The stops of each segment, as `mirrored` gives them.
        ways: What `retraced` gives.
        pieces: The earlier segments.
        forward: The segment as a new motion; None where all samples come back.
    """
    piece = forward
    for origin in _origins(ways, index):
        rows = [stops[origin].index(1.0 - time) for time in stops[index]]
        back = pieces[origin]
        states, log_q = back.states[rows], None if back.log_q is None else back.log_q[rows]
        if piece is not None and ways is not None:
            mine = ways[index] == origin
            states = torch.where(mine.unsqueeze(-1), states, piece.states)
            log_q = None if log_q is None or piece.log_q is None else torch.where(mine, log_q, piece.log_q)
        piece = Piece(states, log_q, 0 if piece is None else piece.nfe)
    if piece is None:
        raise ValueError(f"`forward` must be given where segment {index} retraces none, got None")
    return piece


def _origins(ways: Tensor | None, index: int) -> list[int]:
    return [] if ways is None else [origin for origin in ways[index].unique().tolist() if origin >= 0]
