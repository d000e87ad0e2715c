"""Mixtures of Gaussians against another library's, and their derivatives against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from flowdis.models import gaussian_mixture
from flowdis.models.gaussian_mixture import GaussianMixture


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def some(count: int = 7, dim: int = 4, *, turned: bool = True) -> GaussianMixture:
    """Components of different weights, places and widths."""
    axes = torch.linalg.qr(draw(dim, dim, seed=1)).Q if turned else None
    weights = torch.log_softmax(draw(count, seed=2), 0)
    return GaussianMixture(weights, draw(count, dim, seed=3), 0.3 * draw(count, dim, seed=4) - 0.5, draw(dim), axes)


def truth(mixture: GaussianMixture) -> MixtureSameFamily:
    axes = torch.eye(mixture.dim, dtype=torch.float64) if mixture.axes is None else mixture.axes
    spread = axes @ torch.diag_embed((2 * mixture.log_stds).exp()) @ axes.mT
    parts = MultivariateNormal(mixture.means @ axes.mT + mixture.origin, spread)
    return MixtureSameFamily(Categorical(logits=mixture.log_weights), parts)


@pytest.mark.parametrize("turned", [True, False])
def test_the_density_is_that_of_another_library_and_the_derivatives_are_autograd_s(turned: bool) -> None:
    mixture, z = some(turned=turned), 2 * draw(3, 5, 4, seed=5)
    value, gradient = mixture.with_gradient(z)
    torch.testing.assert_close(mixture.log_density(z), truth(mixture).log_prob(z), rtol=0, atol=1e-12)
    torch.testing.assert_close(value, mixture.log_density(z), rtol=0, atol=0)
    points = z.reshape(-1, 4).requires_grad_()
    expected = torch.autograd.grad(truth(mixture).log_prob(points).sum(), points)[0]
    torch.testing.assert_close(gradient, expected.reshape(3, 5, 4), rtol=0, atol=1e-11)
    hessian = torch.stack([torch.autograd.functional.hessian(mixture.log_density, point) for point in points.detach()])
    trace = hessian.diagonal(dim1=-2, dim2=-1).sum(-1).reshape(3, 5)
    torch.testing.assert_close(mixture.laplacian(z), trace, rtol=0, atol=1e-10)


def test_far_from_all_components_nothing_underflows() -> None:
    mixture, z = some(), 1e3 * draw(2, 4, seed=6)
    assert bool(torch.isfinite(mixture.log_density(z)).all()) and float(mixture.log_density(z).max()) < -1e4
    torch.testing.assert_close(mixture.log_density(z), truth(mixture).log_prob(z), rtol=1e-12, atol=0)


def test_pieces_and_company_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    mixture, z = some(), draw(11, 4, seed=7)
    whole = mixture.with_gradient(z)
    monkeypatch.setattr(gaussian_mixture, "_AT_ONCE", 4 * 7)  # four points at a time, and three left
    for one, other in zip(mixture.with_gradient(z), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)
    alone = mixture.with_gradient(z[3])
    assert alone[0].shape == () and alone[1].shape == (4,)
    torch.testing.assert_close(alone[1], whole[1][3], rtol=0, atol=1e-13)
    assert mixture.log_density(z[:0]).shape == (0,)


def test_two_thousand_components_in_single_precision() -> None:
    mixture = some(2000, 64, turned=False)
    z = mixture.means[:50] + mixture.origin + mixture.log_stds[:50].exp() * draw(50, 64, seed=8)
    exact, single = mixture.log_density(z), mixture.log_density(z.float())
    assert single.dtype == torch.float32
    # Each of 2 * 64 terms y^2 / sigma^2 and y c / sigma^2 is rounded by at most its size times 2^-24.
    terms = z.square() @ (-2 * mixture.log_stds[:50]).exp().mT
    assert (single - exact).abs().max() < 8 * 2**-24 * float(terms.diagonal().max())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"log_weights": torch.zeros(7).double()}, "`log_weights` must be those of weights that sum to 1, got a sum"),
        ({"means": torch.full((7, 4), torch.nan).double()}, "`means` must be finite, got nan"),
        ({"axes": 2 * torch.eye(4).double()}, "`axes` must be orthonormal"),
    ],
)
def test_what_is_no_mixture_is_refused(change: dict[str, Tensor], told: str) -> None:
    names = ("log_weights", "means", "log_stds", "origin", "axes")
    parts = {name: getattr(some(), name) for name in names} | change
    with pytest.raises(ValueError, match=told):
        GaussianMixture(**parts)
    with pytest.raises(ValueError, match="`z` must end in D=4 latents"):
        some().log_density(draw(2, 3))


def test_samples_have_the_moments_of_the_mixture() -> None:
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    weights, means = torch.tensor([0.25, 0.75]).double(), torch.tensor([[-2.0, 0.0], [1.0, 1.0]]).double()
    stds, origin = torch.tensor([[0.5, 1.0], [0.2, 2.0]]).double(), torch.tensor([3.0, -1.0]).double()
    mixture = GaussianMixture(weights.log(), means, stds.log(), origin, turn)
    count = 100_000
    drawn = mixture.sample(count, torch.Generator().manual_seed(0))
    centre = weights @ means
    spread = (weights[:, None] * stds.square()).sum(0).diag() + (means - centre).T @ (
        weights[:, None] * (means - centre)
    )
    error = 5 * spread.diagonal().max() / count**0.5
    assert (drawn.mean(0) - (origin + turn @ centre)).abs().max() < error
    assert (torch.cov(drawn.T) - turn @ spread @ turn.T).abs().max() < 3 * error
    with pytest.raises(ValueError, match="`count` must be"):
        mixture.sample(0)
