"""Densities of codes: what they are fitted to, where their border is, what is written and read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import flowdis as fd
from flowdis.models import CodeDensity
from flowdis.models.code_density import DENSITIES
from tests.models.toys import CentredDecoder, CentredEncoder, small_model, stills, turning_model


def pairs(count: int, *, seed: int = 0) -> Tensor:
    """Images of two pixels whose codes scatter about (0.1, -0.05), correlated."""
    noise = torch.randn(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    codes = 0.06 * noise @ torch.tensor([[1.0, 0.6], [0.0, 0.5]]).double() + torch.tensor([0.1, -0.05]).double()
    return (0.5 + codes)[:, None, None, :]


def test_the_aggregate_posterior_is_the_mean_of_the_posteriors() -> None:
    model, images = turning_model(), pairs(25)
    density = CodeDensity.fit(model, images, batch_size=7)
    used = torch.arange(25) % 5 != 4
    z = 0.3 * torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    posterior = model.encode(images[used].unsqueeze(1).expand(-1, 6, -1, -1, -1))
    each = posterior.log_density(z.expand(20, 6, 2))
    torch.testing.assert_close(density.log_density(z), each.logsumexp(0) - torch.tensor(20.0).log(), rtol=0, atol=1e-6)
    border = density.log_density(model.encode(images[~used]).mean).quantile(0.01)
    assert abs(density.border - float(border)) < 1e-12
    assert density.outside(z).tolist() == (density.log_density(z) < density.border).tolist()


def test_a_gaussian_has_the_moments_of_the_aggregate_posterior() -> None:
    model, images = turning_model(), pairs(40)
    density = CodeDensity.fit(model, images, kind="gaussian", held_out=images[:10])
    codes = images.flatten(1) - 0.5
    spread = torch.cov(codes.mT, correction=0) + torch.eye(2).double() * torch.tensor(-4.0).double().exp()
    truth = torch.distributions.MultivariateNormal(codes.mean(0), spread)
    z = 0.4 * torch.randn(8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(density.log_density(z), truth.log_prob(z), rtol=0, atol=1e-10)


def test_a_mixture_of_one_is_nearly_the_gaussian_and_more_fit_better() -> None:
    model = turning_model()
    images = torch.cat([pairs(200), pairs(200, seed=1) - 0.3])
    one, two = (CodeDensity.fit(model, images, kind="mixture", components=count) for count in (1, 2))
    gaussian = CodeDensity.fit(model, images, kind="gaussian")
    z = images.flatten(1) - 0.5
    assert (one.log_density(z) - gaussian.log_density(z)).abs().max() < 0.5  # a sample of 320 in place of moments
    assert two.log_density(z).mean() > one.log_density(z).mean() + 0.05
    again = CodeDensity.fit(model, images, kind="mixture", components=2)
    assert torch.equal(again.mixture.means, two.mixture.means)


def test_one_in_a_hundred_held_out_codes_is_outside() -> None:
    model, images, held_out = turning_model(), pairs(100), pairs(1000, seed=2)
    for kind in DENSITIES:
        density = CodeDensity.fit(model, images, kind=kind, held_out=held_out, components=2)
        assert int(density.outside(held_out.flatten(1) - 0.5).sum()) == 10
        tenth = CodeDensity.fit(model, images, kind=kind, held_out=held_out, components=2, quantile=0.1)
        assert int(tenth.outside(held_out.flatten(1) - 0.5).sum()) == 100


def test_one_in_a_hundred_of_the_prior_is_outside() -> None:
    density = CodeDensity.prior(64)
    draws = torch.randn(20000, 64, generator=torch.Generator().manual_seed(0))
    # 200 of 20,000 are expected, with a standard deviation of 14.
    assert abs(int(density.outside(draws).sum()) - 200) < 60


@pytest.mark.parametrize("kind", DENSITIES)
def test_what_is_written_is_read(kind: str, tmp_path: Path) -> None:
    model = small_model()
    density = CodeDensity.fit(model, stills(30, 3, 8, 8), kind=kind, components=2)
    again = CodeDensity.load(density.save(tmp_path / "folder" / "density.safetensors"))
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    assert again.border == density.border and again.dim == 4
    assert torch.equal(again.log_density(z), density.log_density(z))
    assert torch.equal(again.with_gradient(z)[1], density.with_gradient(z)[1])


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="`file` must be a file of a density"):
        CodeDensity.load(tmp_path / "none.safetensors")
    (tmp_path / "text").write_text("text")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other")
    save_file({"border": torch.zeros(()), "means": torch.zeros(2)}, tmp_path / "part")
    for name in ("text", "other", "part"):
        with pytest.raises(ValueError, match=f"{name} is not the file of a density"):
            CodeDensity.load(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kind": "uniform"}, "`kind` must be one of posteriors, gaussian, mixture, prior, got 'uniform'"),
        ({"components": 0}, "`components` must be a finite number > 0, got 0"),
        ({"kind": "mixture", "components": 9}, "`components` must be at most the 8 images that are fitted, got 9"),
        ({"quantile": 1.0}, r"`quantile` must be in \(0, 1\), got 1.0"),
        ({"batch_size": 0}, "`batch_size` must be"),
        ({"held_out": stills(0, 3, 8, 8)}, "`held_out` must have shape .* with N >= 1"),
        ({"held_out": stills(2, 3, 8, 8) + 1}, r"`held_out` must lie in \[0, 1\]"),
        ({"images": stills(3, 3, 8, 8)}, "`held_out` must have shape .* with N >= 1"),
        ({"images": stills(10, 3, 8, 8) - 1}, r"`images` must lie in \[0, 1\]"),
        ({"images": stills(10, 1, 8, 8)}, r"`images` must end in \(C, H, W\) = \(3, 8, 8\)"),
    ],
)
def test_bad_input_is_named(options: dict[str, object], told: str) -> None:
    images = options.pop("images", stills(10, 3, 8, 8))
    with pytest.raises(ValueError, match=told):
        CodeDensity.fit(small_model(), images, **options)
    with pytest.raises(ValueError, match="`border` must be finite"):
        CodeDensity(CodeDensity.prior(2).mixture, float("nan"))


def test_an_encoder_without_spread_has_no_aggregate_posterior() -> None:
    class Exact(CentredEncoder):
        def forward(self, images: Tensor) -> fd.Posterior:
            mean = super().forward(images).mean
            return fd.Posterior(mean, torch.full_like(mean, -torch.inf))

    config = turning_model().config
    model = fd.LatentFlow(config, encoder=Exact(), decoder=CentredDecoder(), fields=turning_model().fields).double()
    with pytest.raises(ValueError, match="`kind` must be 'gaussian' or 'mixture' for an encoder without spread"):
        CodeDensity.fit(model, pairs(20))
    spread = CodeDensity.fit(model, pairs(20), kind="gaussian").mixture.log_stds
    assert bool(torch.isfinite(spread).all())
