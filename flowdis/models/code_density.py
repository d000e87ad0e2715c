"""Where the codes of data are: their density, and a border that few of them lie outside."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from flowdis._checks import check_choice, check_finite, check_images, check_positive
from flowdis._files import write_whole
from flowdis._types import Images, Latent, Scalar
from flowdis.models.gaussian_mixture import GaussianMixture
from flowdis.models.latent_flow import LatentFlow
from flowdis.models.posterior import Posterior

__all__ = ["DENSITIES", "CodeDensity"]

DENSITIES = ("posteriors", "gaussian", "mixture", "prior")
"""What the density of codes is: see `CodeDensity.fit`."""

_HELD_OUT = 5  # every fifth image, where none are given
_LEAST = 1e-6  # of the greatest variance: what a direction has in which codes do not vary


@dataclass(frozen=True, eq=False)
class CodeDensity:
    """A density of codes with a border: codes whose log-density is below it are outside of the data.

    Arguments:
        mixture: The density.
        border: The log-density in nats that a code must have to be inside.

    Raises:
        ValueError: if the border is not finite.

    Example:
        >>> prior = CodeDensity.prior(2)    # the circle that holds 99 %: log p = -log(2 pi) + log 0.01
        >>> round(prior.border, 4), prior.outside(torch.tensor([[0.0, 3.0], [0.0, 3.1]])).tolist()
        (-6.443, [False, True])
    """

    mixture: GaussianMixture
    border: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.border):
            raise ValueError(f"`border` must be finite, got {self.border}")

    @property
    def dim(self) -> int:
        """The number D of latents."""
        return self.mixture.dim

    def sample(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count D"]:
        """`count` codes (count, D), drawn from `generator`."""
        return self.mixture.sample(count, generator)

    def log_density(self, z: Latent) -> Scalar:
        """The log-density (*) in nats of codes (*, D)."""
        return self.mixture.log_density(z)

    def with_gradient(self, z: Latent) -> tuple[Scalar, Latent]:
        """The log-density (*) of codes (*, D), and its gradient (*, D)."""
        return self.mixture.with_gradient(z)

    def laplacian(self, z: Latent) -> Scalar:
        """The Laplacian of the log-density (*) at codes (*, D)."""
        return self.mixture.laplacian(z)

    def outside(self, z: Latent) -> Tensor:
        """Which codes (*, D) are outside of the border, with shape (*)."""
        return self.log_density(z) < self.border

    @classmethod
    def prior(cls, dim: int, *, quantile: float = 0.01) -> CodeDensity:
        """The density N(0, I) of D latents, with the border that so great a share of it lies outside.

        Raises:
            ValueError: if `dim` is not positive, or `quantile` is not in (0, 1).
        """
        from scipy.stats import chi2  # slow to import

        check_positive("dim", dim)
        _check_share(quantile)
        border = -0.5 * (dim * math.log(2 * math.pi) + float(chi2.ppf(1 - quantile, dim)))
        return cls(_standard(torch.zeros(dim)), border)

    @classmethod
    def fit(
        cls,
        model: LatentFlow,
        images: Images,
        *,
        held_out: Float[Tensor, "*held C H W"] | None = None,
        kind: str = "posteriors",
        components: int = 10,
        quantile: float = 0.01,
        batch_size: int = 256,
        generator: torch.Generator | None = None,
    ) -> CodeDensity:
        r"""The density of the codes of images, with a quantile of held-out images' log-densities as its border.

        Edits are of what the images show: give turned images for edits that turn. The kinds are

        - "posteriors": the aggregate posterior :math:`\frac{1}{N} \sum_n q(z | x_n)`, exactly;
        - "gaussian": the Gaussian that has its mean and covariance;
        - "mixture": a mixture of so many Gaussians, fitted to a sample of it by expectation maximisation, diagonal
          along the principal axes of codes;
        - "prior": N(0, I); the images set its border alone.

        Variances below a millionth of the greatest are raised to that, in directions in which codes do not vary.

        Arguments:
            model: The model.
            images: The images, with shape (N, C, H, W), in [0, 1].
            held_out: Other images (M, C, H, W) that set the border; every fifth of `images` where left out, which the
                density is then fitted without.
            kind: A name in `DENSITIES`.
            components: How many Gaussians a "mixture" has.
            quantile: The share of held-out codes outside of the border.
            batch_size: How many images are encoded at a time.
            generator: The source of the sample that a "mixture" is fitted to, and of its start; one of seed 0 where
                left out.

        Raises:
            TypeError: if images are not floating-point.
            ValueError: if images do not fit the model or are too few, or an argument is out of range.
        """
        check_choice("kind", kind, DENSITIES)
        for name, number in (("components", components), ("batch_size", batch_size)):
            check_positive(name, number)
        _check_share(quantile)
        if held_out is None:
            apart = torch.arange(len(images)) % _HELD_OUT == _HELD_OUT - 1
            images, held_out = images[~apart], images[apart]
        for name, given in (("images", images), ("held_out", held_out)):
            check_images(name, given, model.image_shape)
            if given.ndim != 4 or not len(given):
                raise ValueError(f"`{name}` must have shape (N, C, H, W) with N >= 1, got {tuple(given.shape)}")
        posterior, other = (_encode(model, given, batch_size) for given in (images, held_out))
        mixture = _mixture(kind, posterior, components, generator)
        border = torch.quantile(mixture.log_density(other.mean).double(), quantile)
        return cls(mixture, float(border))

    def save(self, file: str | FilePath) -> FilePath:
        """Writes the density to a safetensors file, whole or not at all, and returns its path."""
        parts = {name: getattr(self.mixture, name) for name in ("log_weights", "means", "log_stds", "origin", "axes")}
        tensors = {
            name: part.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, part in parts.items()
            if part is not None
        }
        return write_whole(file, save({**tensors, "border": torch.tensor(self.border, dtype=torch.float64)}))

    @classmethod
    def load(cls, file: str | FilePath) -> CodeDensity:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is not one of a density.
        """
        if not FilePath(file).expanduser().is_file():
            raise FileNotFoundError(f"`file` must be a file of a density, got {file}, which is missing")
        try:
            tensors = load_file(FilePath(file).expanduser())
            border = float(tensors.pop("border"))
            return cls(GaussianMixture(**tensors), border)
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{file} is not the file of a density: {error}") from error


def _check_share(quantile: float) -> None:
    if not 0 < quantile < 1:
        raise ValueError(f"`quantile` must be in (0, 1), got {quantile}")


@torch.no_grad()
def _encode(model: LatentFlow, images: Tensor, batch_size: int) -> Posterior:
    def encoded() -> Iterator[Posterior]:
        for piece in images.split(batch_size):
            yield model.encode(piece.to(device=model.device, dtype=model.dtype))

    means, log_stds = zip(*((posterior.mean, posterior.log_std) for posterior in encoded()), strict=True)
    return Posterior(check_finite("codes", torch.cat(means)), torch.cat(log_stds))


def _standard(origin: Tensor) -> GaussianMixture:
    zeros = torch.zeros_like(origin).unsqueeze(0)
    return GaussianMixture(zeros[:, 0], zeros, zeros, origin)


def _mixture(kind: str, posterior: Posterior, components: int, generator: torch.Generator | None) -> GaussianMixture:
    mean = posterior.mean.mean(0)
    if kind == "prior":
        return _standard(torch.zeros_like(mean))
    if kind == "posteriors":
        if not bool(torch.isfinite(posterior.log_std).all()):
            raise ValueError("`kind` must be 'gaussian' or 'mixture' for an encoder without spread, got 'posteriors'")
        count = len(posterior.mean)
        weights = mean.new_full((count,), -math.log(count))
        return GaussianMixture(weights, posterior.mean - mean, posterior.log_std, mean)
    centred = (posterior.mean - mean).double()
    spread = (2 * posterior.log_std.double()).exp().mean(0)
    values, axes = torch.linalg.eigh(centred.mT @ centred / len(centred) + spread.diag())
    check_positive("codes' variance", float(values[-1]))
    axes = axes.contiguous()
    stds = values.clamp(min=_LEAST * float(values[-1])).sqrt()
    if kind == "gaussian":
        zeros = torch.zeros_like(mean).unsqueeze(0)
        return GaussianMixture(zeros[:, 0], zeros, stds.log().unsqueeze(0).to(mean), mean, axes.to(mean))
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    white = (posterior.sample(generator) - mean).double() @ axes / stds
    log_weights, means, log_stds = _fitted(white, components, generator)
    return GaussianMixture(
        log_weights.to(mean), (means * stds).to(mean), (log_stds + stds.log()).to(mean), mean, axes.to(mean)
    )


def _fitted(points: Tensor, components: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """The logarithms of weights (N), the means (N, D) and logarithms of standard deviations (N, D) of a fit."""
    from sklearn.mixture import GaussianMixture as Fit

    if len(points) < components:
        raise ValueError(f"`components` must be at most the {len(points)} images that are fitted, got {components}")
    seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))
    fit = Fit(components, covariance_type="diag", reg_covar=1e-6, random_state=seed).fit(points.cpu().numpy())
    weights, means, variances = (
        torch.from_numpy(part).to(points) for part in (fit.weights_, fit.means_, fit.covariances_)
    )
    return weights.log(), means, 0.5 * variances.log()
