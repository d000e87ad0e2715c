r"""What flows that nobody names are found by: how well they are told apart, how far they go, and where they lead."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from flowdis._checks import check_positive
from flowdis._types import Latent, Scalar
from flowdis.metrics.networks import shrink, small_network
from flowdis.models import CodeDensity

__all__ = [
    "PairReader",
    "density_cost",
    "image_strengths",
    "likeness_cost",
    "locality_cost",
    "reading_costs",
    "strength_cost",
]

_Images = Float[Tensor, "B C H W"]
_PerFlow = Float[Tensor, "B K"]
_Flows = Int[Tensor, "B"]
_Numbers = Float[Tensor, "B"]

_GAIN = 8.0  # differences of images are small beside images
_ALIKE = 1e-3  # what keeps the cost of parallel directions, and of more of them than dimensions, finite
_UNSEEN = 1e-8  # of squared changes of pixels, in [0, 1]: a root has no slope at 0
_LEAST = 1e-3  # of the wanted strength: below it, a flow that stands still is pulled no harder


class PairReader(nn.Module):
    r"""Reads off two images which flow lies between them, and its amount: q(k | x, x') and the mean of q(a | k, x, x').

    It sees the difference of the images, or with `context` the first image as well.

    Arguments:
        image_shape: (C, H, W).
        flows: The number K of flows.
        seed: The seed of its weights.
        context: Whether it sees the first image too, so that a flow may do another thing to another image.
    """

    def __init__(self, image_shape: tuple[int, int, int], flows: int, *, seed: int, context: bool = False) -> None:
        super().__init__()
        self.context, self.flows = context, flows
        channels, height, width = shrink(torch.zeros(image_shape)).shape
        self.body = small_network(((2 if context else 1) * channels, height, width), 2 * flows, seed=seed)

    def forward(self, before: _Images, after: _Images) -> tuple[_PerFlow, _PerFlow]:
        """Logits (B, K) of the flows, and the amount (B, K) that each would have run."""
        difference = _GAIN * shrink(after - before)
        seen = torch.cat([shrink(before) - 0.5, difference], dim=1) if self.context else difference
        logits, amounts = self.body(seen).split(self.flows, dim=-1)
        return logits, amounts


def image_strengths(
    before: _Images, after: _Images, flows: _Flows, amounts: _Numbers, count: int
) -> Float[Tensor, "count"]:
    r"""How much each flow changes images per squared amount, beside how different two images are.

    .. math:: R_k = \frac{E |x' - x|^2 / a^2}{E |x - \bar x|^2 \cdot 2}

    The denominator is the expected squared distance of two independent images.

    Arguments:
        before: The images x, with shape (B, C, H, W).
        after: The images x' at the ends of the flows, shaped like `before`.
        flows: The number of the flow that each has followed, with shape (B,).
        amounts: The amount that it has run, with shape (B,).
        count: The number K of flows.

    Returns:
        The strengths, with shape (K,), not a number for a flow that none has followed.

    Raises:
        ValueError: if the images are all the same.
    """
    distance = 2 * (before - before.mean(0)).square().flatten(1).sum(1).mean()
    if not bool(distance > 0):
        raise ValueError(f"`before` must hold different images, got {len(before)} that are all the same")
    changes = (after - before).square().flatten(1).sum(1) / amounts.square()
    total = changes.new_zeros(count).index_add(0, flows, changes)
    return total / torch.bincount(flows, minlength=count) / distance


def strength_cost(strengths: Float[Tensor, "*flows"], wanted: float) -> Float[Tensor, "*flows"]:
    r"""What it costs a flow to change images more or less than wanted, 0 where it does as wanted.

    .. math:: \Big( \log \frac{R + \epsilon}{R_* + \epsilon} \Big)^2, \qquad \epsilon = R_* / 1000

    It grows without bound where a flow blows up, has a finite value and a finite slope where one stands still, and
    is as steep on either side of what is wanted: a factor costs what its inverse costs.

    Arguments:
        strengths: The strengths R >= 0, of any shape.
        wanted: The wanted strength R_*.

    Example:
        >>> strength_cost(torch.tensor([0.1, 0.0, 10.0]), 0.1)
        tensor([ 0.0000, 47.7309, 21.1984])
    """
    check_positive("wanted", wanted)
    least = _LEAST * wanted
    return ((strengths + least) / (wanted + least)).log().square()


def density_cost(density: CodeDensity, end: Latent, log_q: Scalar) -> Scalar:
    r"""How far flows carry codes away from where codes live, in nats per sample, with shape (*).

    .. math:: \log q(z') - \log p(z') = \log p(z) - \log p(z') - \int \nabla \cdot v \, ds

    Its expectation over codes z of density p is the divergence KL of the moved codes from p: at least 0, and 0 for a
    flow that keeps p. It forbids both ways out: into the void, where log p falls, and all together onto the mode,
    where the divergence of the field is negative.

    Arguments:
        density: Where codes live.
        end: The codes at the ends of the flows, with shape (*, D).
        log_q: The log-density there of codes that started from `density`, as transport carries it, with shape (*).
    """
    return log_q - density.log_density(end)


def likeness_cost(velocities: Float[Tensor, "K *batch D"]) -> Scalar:
    r"""How alike the directions of K velocities are at the same codes, with shape (*): 0 where they are orthogonal.

    .. math:: -\tfrac12 \log \det (G + \epsilon I), \qquad G_{kl} = \cos(v_k, v_l), \qquad \epsilon = 1 / 1000

    which is steepest where two are parallel, a place that no other cost leads out of: flows that do the same cannot be
    told apart, so that nothing is learned from how well they are.

    Arguments:
        velocities: The velocities, with shape (K, *, D).
    """
    directions = functional.normalize(velocities, dim=-1)
    cosines = torch.einsum("k...d,l...d->...kl", directions, directions)
    return -0.5 * torch.logdet(cosines + _ALIKE * torch.eye(len(velocities)).to(cosines))


def locality_cost(before: _Images, after: _Images) -> _Numbers:
    r"""How much of an image changes, as the logarithm of a share, with shape (B).

    .. math:: \log \frac{(\sum_p d_p)^2}{P \sum_p d_p^2}

    with :math:`d_p` the length of the change of pixel p over its channels. It is :math:`\log (M / P)` where M of P
    pixels change alike and the others stay: 0 at most. The share is known as the participation ratio.

    Arguments:
        before: Images, with shape (B, C, H, W).
        after: What they become, shaped like `before`.
    """
    squares = (after - before).square().sum(1).flatten(1) + _UNSEEN
    return 2 * squares.sqrt().mean(1).log() - squares.mean(1).log()


def reading_costs(
    logits: _PerFlow, read: _PerFlow, flows: _Flows, amounts: _Numbers, noise: float
) -> tuple[Scalar, Scalar]:
    r"""What a reading lacks, in nats per sample: :math:`-\log q(k)`, and :math:`(a - \hat a_k)^2 / (2 s^2)`."""
    named = functional.cross_entropy(logits, flows, reduction="none")
    mean = read.gather(1, flows.unsqueeze(1)).squeeze(1)
    return named, 0.5 * ((amounts - mean) / noise).square()
