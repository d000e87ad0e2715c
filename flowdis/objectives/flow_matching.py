"""Flow matching: fields regressed onto the straight paths between paired codes."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_last
from flowdis._types import Amounts, Latent, Scalar
from flowdis.fields import FieldBank

__all__ = ["matching_error"]

_Scales = Float[Tensor, "D"]


def matching_error(
    bank: FieldBank, start: Latent, end: Latent, amounts: Amounts, times: Scalar, *, scale: _Scales | None = None
) -> Scalar:
    r"""How far a bank's velocity is from that of the straight path between codes, (*), a sum over latents.

    .. math:: \big| (v_a(z_t) - (z_1 - z_0)) / \sigma \big|^2, \qquad z_t = (1 - t) z_0 + t z_1,

    where :math:`v_a` is the mix of the fields by the amounts a that are told to take :math:`z_0` to :math:`z_1`.
    Divided by the amount it is an error per unit of it, weighted by the amount's square: as it should be, since a pair
    whose codes differ by a random part tells of the field the less, the smaller its amount. Its minimum over fields of
    one transformation is :math:`v(z) = E[a (z_1 - z_0) | z_t = z] / E[a^2 | z_t = z]`.

    Arguments:
        bank: The K fields.
        start: Codes before, with shape (*, D).
        end: Codes after, with shape (*, D).
        amounts: What leads from one to the other, with shape (*, K).
        times: Where on the path the field is asked, in [0, 1], with shape (*).
        scale: The scale of each latent (D); 1 where left out.

    Raises:
        ValueError: if shapes do not fit the bank.

    References:
        Lipman et al. 2023, arXiv 2210.02747; Tong et al. 2024, arXiv 2302.00482, for couplings by optimal
    transport.
    """
    check_last("start", start, bank.dim, f"D={bank.dim}")
    moved = end - start
    error = bank(amounts)(start + times.unsqueeze(-1) * moved, 0.0) - moved
    return (error if scale is None else error / scale).square().sum(-1)
