"""Recipes by name: that of the demonstration, the published one, and baselines."""

from __future__ import annotations

from flowdis._checks import check_choice
from flowdis.baselines import BetaTCVAE, BetaVAE, FactorVAE, SlowVAE, TopographicVAE
from flowdis.data import Augmentation, Motion, Steps
from flowdis.data.protocols import even_motions
from flowdis.objectives import Objective, Weights
from flowdis.training.config import TrainingConfig
from flowdis.training.motions import orbit_motions
from flowdis.training.recipe import Recipe

__all__ = ["RECIPES", "Recipe", "recipe"]

_DIGITS = ("scale", "rotate", "hue")

_UPRIGHT: dict[str, Motion] = {
    "scale": Steps(1.8 ** (1 / 8), start=(0.87, 1.15)),
    "rotate": Steps(10.0, start=(-10.0, 10.0)),
    "hue": Steps(20.0),
}

_POSES = 15  # sites of a ring, and frames of a sequence that goes round it


def _fitted(name: str, objective: Objective) -> Recipe:
    """A baseline of the usual ten latents, whose flows are fitted afterwards."""
    return Recipe(
        name,
        orbit_motions(_DIGITS),
        objective=objective,
        field="linear",
        dim=10,
        training=TrainingConfig(ramp=0.0),
    )


RECIPES: dict[str, Recipe] = {
    "demo": Recipe(
        "demo",
        orbit_motions(_DIGITS),
        training=TrainingConfig(weights=Weights(kl_initial=0.1, kl_path=0.1)),
    ),
    "factors": Recipe(
        "factors",
        orbit_motions(_DIGITS),
        training=TrainingConfig(
            batch_size=64, learning_rate=6e-3, solver_steps=4, weights=Weights(kl_initial=0.1, kl_path=0.1)
        ),
        likelihood="gaussian",
    ),
    "pictures": Recipe(
        "pictures",
        orbit_motions(_DIGITS),
        dim=384,
        encoder="principal",
        decoder="principal",
        training=TrainingConfig(
            batch_size=32, learning_rate=3e-3, ramp=0.1, weights=Weights(kl_initial=0.1, kl_path=0.1)
        ),
        likelihood="laplace",
        noise=0.1,
    ),
    "published": Recipe(
        "published",
        _UPRIGHT,
        single=1.0,
        augmentation=Augmentation(shear=0.2, stretch=1.15, shift=1.0),
        field_options={"linear": False},
        channels=(24,),
        decoder_hidden=384,
        training=TrainingConfig(
            minutes=60.0,
            learning_rate=3e-3,
            beta2=0.999,
            weight_decay=0.05,
            ramp=0.1,
            solver_steps=6,
            weights=Weights(kl_initial=0.1, kl_path=0.1),
        ),
    ),
    "flow_factorized": Recipe(
        "flow_factorized",
        _UPRIGHT,
        single=1.0,
        poses=_POSES,
        field="potential",
        field_options={"clocked": True, "forced": True},
        training=TrainingConfig(weights=Weights(hamilton_jacobi=1.0, start_speed=1.0)),
    ),
    "vae": _fitted("vae", BetaVAE(beta=1.0)),
    "beta_vae": _fitted("beta_vae", BetaVAE()),
    "factor_vae": _fitted("factor_vae", FactorVAE()),
    "beta_tcvae": _fitted("beta_tcvae", BetaTCVAE()),
    "slow_vae": _fitted("slow_vae", SlowVAE()),
    "topographic_vae": Recipe(
        "topographic_vae",
        even_motions(_DIGITS, _POSES, _POSES - 1),
        single=1.0,
        objective=TopographicVAE(),
        length=_POSES - 1,
        poses=_POSES,
        encoder="topographic",
        encoder_options={"ring": _POSES, "frames": 2, "sites": 0},
        field="linear",
        dim=_POSES * _POSES,
        training=TrainingConfig(batch_size=16, ramp=0.0),
    ),
}
"""`demo` trains for edits of any pose; `factors` is the same in smaller batches, for images that cost more,
and reads colours by a Gaussian likelihood.

`pictures` is for one's own images, which differ in more ways than digits do: principal components and flows that are
linear in them to begin with (`start_principal`), six times as many latents, and absolute differences of pixels.

`published` trains from upright starts, one transformation at a time, over the amounts of the published protocol; slight
leanings, turns and changes of size of the digit stand for the twelve times larger set of the published experiment.

The others are baselines with the objectives and weights of their papers, in the encoder, decoder and trainer of `demo`.
`flow_factorized` is that of Song et al. 2023 (arXiv 2309.13167): clocked potentials with a force that start from rest.
"""


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ValueError: if there is none, listing those there are.
    """
    return RECIPES[check_choice("recipe", name, tuple(RECIPES))]
