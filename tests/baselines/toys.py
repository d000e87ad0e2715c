"""Small models for baselines, one per kind, and sequences of small images to train them on."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from flowdis.baselines import BetaTCVAE, BetaVAE, FactorVAE, SlowVAE, TopographicVAE
from flowdis.data import SequenceBatch, Steps, TransformSequences, units_of
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.objectives import Objective
from flowdis.training import Trainer, TrainingConfig
from tests.models.toys import stills

__all__ = ["NAMES", "OBJECTIVES", "batch", "sequences", "small_model", "trainer"]

NAMES = ("rotate", "hue")

OBJECTIVES: dict[str, Objective] = {
    "vae": BetaVAE(beta=1.0),
    "beta_vae": BetaVAE(),
    "capacity": BetaVAE(beta=10.0, capacity=2.0),
    "factor_vae": FactorVAE(hidden=16, layers=2),
    "beta_tcvae": BetaTCVAE(),
    "beta_tcvae, stratified": BetaTCVAE(dataset_size=100, stratified=True),
    "slow_vae": SlowVAE(),
    "topographic_vae": TopographicVAE(),
    "topographic_vae, closed": TopographicVAE(closed=True),
}


def small_model(
    objective: Objective,
    *,
    names: Sequence[str] = NAMES,
    shape: tuple[int, int, int] = (3, 8, 8),
    field: str = "linear",
) -> LatentFlow:
    """An untrained model of the kind that the objective trains, the same each time."""
    rings = isinstance(objective, TopographicVAE)
    config = LatentFlowConfig(
        shape,
        units_of(names),
        dim=6,
        channels=(4,),
        encoder="topographic" if rings else "conv",
        encoder_options={"ring": 3, "frames": 1, "offset": 3.0} if rings else {},
        decoder_hidden=16,
        field=field,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return LatentFlow(config, generator=torch.Generator().manual_seed(0))


def sequences(images: torch.Tensor | None = None, names: Sequence[str] = NAMES) -> TransformSequences:
    """Sequences of three even steps, of which three and one make a turn."""
    motions = {name: Steps(120.0 if name in NAMES else 1.2, start=(1.0, 1.0)) for name in names}
    return TransformSequences(stills(6, 3, 8, 8) if images is None else images, motions, length=2, single=1.0)


def batch(objective: Objective, count: int = 8, seed: int = 0, **changes: int | None) -> SequenceBatch:
    """Sequences with as many frames as the objective asks for."""
    frames = changes.get("frames", objective.frames(1))
    return sequences().sample(count, generator=torch.Generator().manual_seed(seed), frames=frames)


def trainer(objective: Objective, **changes: object) -> Trainer:
    """A trainer of a small model, the same each time."""
    settings = {"steps": 6, "batch_size": 8, "warmup": 2, "log_every": 1, "ramp": 0.0} | {
        name: value for name, value in changes.items() if name not in ("checkpoint", "model", "sequences")
    }
    return Trainer(
        changes.get("model") or small_model(objective),
        changes.get("sequences") or sequences(),
        TrainingConfig(**settings),
        changes.get("checkpoint"),
        quiet=True,
        objective=objective,
    )
