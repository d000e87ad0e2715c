"""How much codes depend on each other: estimates of total correlation, and of the parts of a divergence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.models import Posterior

__all__ = [
    "Decomposition",
    "decompose",
    "density_ratio",
    "gaussian_total_correlation",
    "log_sample_weights",
    "permuted_dimensions",
]

_Codes = Float[Tensor, "B D"]
_PerSample = Float[Tensor, "B"]
_Pairs = Float[Tensor, "B B"]


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The divergence of codes from N(0, I) in three parts, in nats, each per sample with shape (B).

    Their sum is log q(z | x) - log p(z), whatever the estimate of q(z).

    Arguments:
        mutual_information: log q(z | x) - log q(z): what codes tell of images.
        total_correlation: log q(z) - sum_d log q(z_d): how much latents depend on each other.
        dimension_kl: sum_d [log q(z_d) - log p(z_d)]: how far each latent is from the prior.
    """

    mutual_information: _PerSample
    total_correlation: _PerSample
    dimension_kl: _PerSample


def decompose(z: _Codes, posterior: Posterior, log_weights: _Pairs) -> Decomposition:
    r"""Splits the divergence of a batch of samples by the aggregate posterior.

    .. math:: q(z_i) \approx \sum_j w_{ij} \, q(z_i | x_j), \qquad
        q(z_{i d}) \approx \sum_j w_{ij} \, q(z_{i d} | x_j)

    Arguments:
        z: One sample of each image's posterior, with shape (B, D).
        posterior: The posteriors, with shape (B, D).
        log_weights: The logarithms of w, with shape (B, B), from `log_sample_weights`.

    Returns:
        The parts.

    Reference: Chen et al. 2018, Isolating sources of disentanglement in VAEs, arXiv 1802.04942, equation 2.
    """
    mean, log_std = posterior.mean, posterior.log_std
    # log q(z_id | x_j), with shape (B, B, D).
    pairs = -0.5 * (((z[:, None] - mean) * torch.exp(-log_std)).square() + 2 * log_std + math.log(2 * math.pi))
    log_given = pairs.diagonal().sum(0)
    log_joint = (pairs.sum(-1) + log_weights).logsumexp(1)
    log_product = (pairs + log_weights[..., None]).logsumexp(1).sum(-1)
    log_prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)
    return Decomposition(log_given - log_joint, log_joint - log_product, log_product - log_prior)


def log_sample_weights(
    count: int, dataset_size: int | None = None, *, stratified: bool = False, like: Tensor | None = None
) -> _Pairs:
    r"""The logarithms of the weights w_ij by which a batch stands for a data set, row i being that of image i.

    Without a size, the batch is the data set: 1 / B each. Minibatch weighted sampling gives each 1 / (N B); as this
    differs by a constant, it moves estimates by log N and gradients not at all. Minibatch stratified sampling gives an
    image itself 1 / N, one other (N - B + 1) / (N (B - 1)), the rest 1 / (B - 1): the estimate of q(z) is unbiased.

    Arguments:
        count: The batch's size B, at least 2.
        dataset_size: The number N of images.
        stratified: Whether to sample stratified rather than weighted.
        like: A tensor whose dtype and device are taken.

    Raises:
        ValueError: if B is less than 2, N is less than B, or N is left out for stratified sampling.

    Reference: Chen et al. 2018, arXiv 1802.04942, appendix C.

    Example:
        >>> log_sample_weights(3, 10, stratified=True).exp()
        tensor([[0.1000, 0.4000, 0.5000],
                [0.5000, 0.1000, 0.4000],
                [0.4000, 0.5000, 0.1000]])
    """
    if count < 2:
        raise ValueError(f"`batch` must hold at least 2 images to estimate how latents depend, got {count}")
    if dataset_size is not None and dataset_size < count:
        raise ValueError(f"`dataset_size` must be at least the batch's {count}, got {dataset_size}")
    like = torch.zeros(()) if like is None else like
    if not stratified:
        size = 1 if dataset_size is None else dataset_size
        return like.new_full((count, count), -math.log(count * size))
    if dataset_size is None:
        raise ValueError("`dataset_size` must be given for stratified sampling, got None")
    others = count - 1
    weights = like.new_full((count, count), 1 / others)
    row = torch.arange(count, device=like.device)
    weights[row, row] = 1 / dataset_size
    weights[row, (row + 1) % count] = (dataset_size - others) / (dataset_size * others)
    return weights.log()


def permuted_dimensions(z: _Codes, generator: torch.Generator | None = None) -> _Codes:
    """Codes whose latents are shuffled over the batch, each on its own: samples of the product of the marginals.

    Arguments:
        z: The codes, with shape (B, D), B at least 2.
        generator: The source of the permutations.

    Raises:
        ValueError: if there is one code, of which there is no permutation.
    """
    if len(z) < 2:
        raise ValueError(f"`batch` must hold at least 2 images for latents to be permuted over, got {len(z)}")
    device = z.device if generator is None else generator.device
    order = torch.rand(z.shape, generator=generator, device=device).argsort(0).to(z.device)
    return z.gather(0, order)


def density_ratio(logits: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch"]:
    """The log-ratio of joint and product density (*) in nats, as a discriminator has it whose first class is joint."""
    return logits[..., 0] - logits[..., 1]


def gaussian_total_correlation(covariance: Float[Tensor, "D D"]) -> Float[Tensor, ""]:
    r"""The total correlation in nats of a Gaussian, :math:`-\tfrac12 \log\det` of its correlations.

    Raises:
        ValueError: if the matrix is not positive definite.

    Example:
        >>> float(gaussian_total_correlation(torch.tensor([[1.0, 0.6], [0.6, 1.0]])))
        0.2231
    """
    scale = covariance.diagonal().clamp(min=0).sqrt()
    sign, log_det = torch.linalg.slogdet(covariance / (scale[:, None] * scale))
    if not bool(sign > 0):
        raise ValueError("`covariance` must be positive definite, got one that is not")
    return -0.5 * log_det
