"""What the code of each page takes for granted: models, files and names, small; and budgets of seconds, not minutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import flowdis as fd
from flowdis import training
from flowdis.data import morphology
from flowdis.training.checkpoint import save_checkpoint
from tests.data.readers import toys
from tests.migration import files as checkpoints

Names = dict[str, Any]
NAMES = ("scale", "rotate", "hue")
SHORT = fd.TrainingConfig(steps=2, batch_size=4, ramp=0.0)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def small_model(channels: int = 3, names: tuple[str, ...] = NAMES, dim: int = 8) -> fd.LatentFlow:
    config = fd.LatentFlowConfig((channels, 28, 28), fd.data.units_of(names), dim=dim, channels=(4,))
    return fd.LatentFlow(config, generator=seeded()).eval()


def few_digits(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Leaves `fd.data.digits` real digits of all classes, but so many of them only."""
    every = fd.data.digits

    def few(**options: Any) -> tuple[Tensor, Tensor]:
        images, labels = every(**options)
        step = max(1, len(images) // count)
        return images[::step][:count], labels[::step][:count]

    monkeypatch.setattr(fd.data, "digits", few)


def demo_model(folder: Path, _: pytest.MonkeyPatch) -> Names:
    """`demo/model` as a demonstration leaves it, untrained."""
    small_model().save_pretrained(folder / "demo/model")
    return {"images": fd.data.digits(train=False)[0][::100]}


def runs(folder: Path, _: pytest.MonkeyPatch) -> Names:
    """A run whose best checkpoint is that of another model than its last."""
    small_model().save_pretrained(folder / "runs/own/model")
    best = {"model": {name: weight + 1 for name, weight in small_model().state_dict().items()}}
    save_checkpoint(folder / "runs/own/checkpoints/best.pt", best)
    return {}


def attributes(_: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    few_digits(monkeypatch, 80)
    images, _ = fd.data.digits(colour=False)
    known = morphology(images, ("thickness", "slant"))
    model = small_model(1, ("rotate",))
    short = fd.AttributeConfig(steps=5, pairs=32, coupled=32, calibrated=20)
    fit = partial(fd.fit_attribute_flows, config=short)
    monkeypatch.setattr("flowdis.training.fit_attribute_flows", fit)
    torch.manual_seed(0)
    return {
        "model": model,
        **known,
        "measured": lambda found: morphology(found, ("thickness", "slant")),
        "classifier": nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 2)),
        "series_decoder": nn.Linear(4, 12),
        "dim": 4,
        "z": torch.randn(5, 4, generator=seeded()),
    }


def discovery(_: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    monkeypatch.setattr(training, "discover", partial(training.discover, training=SHORT, quiet=True))
    monkeypatch.setattr(training, "report_flows", partial(training.report_flows, pairs=40))
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(16, 3 * 16 * 16), nn.Unflatten(1, (3, 16, 16)), nn.Tanh())
    return {"generator": generator, "fd": fd, "torch": torch}


def arrays(*_: object) -> Names:
    factors = torch.cartesian_prod(*(torch.arange(size) for size in (3, 4, 5))).repeat(10, 1)
    codes = factors + 0.1 * torch.randn(factors.shape, generator=seeded())
    return {"fd": fd, "codes": codes.numpy(), "factors": factors.numpy()}


def migration(folder: Path, _: pytest.MonkeyPatch) -> Names:
    """Checkpoints, a data root and results as the other code writes them."""
    torch.save(checkpoints.latent_flow_checkpoint(seeded()), folder / "checkpoint.pt")
    torch.save(checkpoints.wave_machine_state(seeded(), side=28), folder / "checkpoint.tar")
    (folder / "data/dsprites").mkdir(parents=True)
    toys.write_dsprites(folder / "data/dsprites/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz")
    checkpoints.write_evaluation(folder / "output/metrics/mig", {"discrete_mig": 0.25})
    checkpoints.write_aggregate(folder / "results.json", [{"evaluation_results.discrete_mig": 0.25}])
    still = fd.data.digits(train=False, colour=False)[0][:2]
    turning = fd.data.moving_images(still, 2, 23, rotate=(20.0, 20.0), generator=seeded())
    return {
        "images": torch.rand(5, 3, 8, 8, generator=seeded()),
        "digits": turning.frames,
        "generator": seeded(),
    }


def moving(folder: Path, _: pytest.MonkeyPatch) -> Names:
    frames = (fd.data.spring(3, 60, generator=seeded()).frames * 255).round().to(torch.uint8)
    for k in range(3):
        names = [f"{number:03d}.png" for number in range(len(frames))]
        fd.data.save_images(frames[:, k] / 255, folder / f"recordings/{k}", names)
    return {"fd": fd, "generator": seeded(), "frames": frames, "states": torch.zeros(61, 3, 2)}


def own_models(_: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    """An untrained autoencoder in place of the one that would be downloaded."""
    from diffusers import AutoencoderKL

    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    tiny = AutoencoderKL(block_out_channels=(4, 4, 4, 4), norm_num_groups=4, latent_channels=4, **blocks)
    monkeypatch.setattr(fd.models, "load_diffusers", lambda name: tiny)
    return {"fd": fd, "units": fd.data.units_of(["rotate"])}


def unlabelled(_: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    few_digits(monkeypatch, 40)
    monkeypatch.setattr(fd, "recipe", lambda name: fd.RECIPES[name].with_training(SHORT))
    monkeypatch.setattr(fd, "Trainer", partial(fd.Trainer, quiet=True))
    few = fd.metrics.explain
    monkeypatch.setattr("flowdis.metrics.explain", lambda model, batch: few(model, cut(batch, 20)))
    images = fd.data.digits()[0]
    frames = torch.stack([images[:3]] * 5)
    return {"fd": fd, "images": images, "frames": frames, "other_images": images[3:6], "generator": seeded()}


def cut(batch: fd.data.SequenceBatch, count: int) -> fd.data.SequenceBatch:
    """The first sequences of a batch."""
    return replace(batch, frames=batch.frames[:, :count], amounts=batch.amounts[:, :count])


GIVEN: dict[str, Callable[[Path, pytest.MonkeyPatch], Names]] = {
    "README.md": demo_model,
    "docs/attributes.md": attributes,
    "docs/discovery.md": discovery,
    "docs/factors.md": arrays,
    "docs/index.md": demo_model,
    "docs/metrics.md": arrays,
    "docs/migration.md": migration,
    "docs/moving.md": moving,
    "docs/own_models.md": own_models,
    "docs/runs.md": runs,
    "docs/staying.md": demo_model,
    "docs/tour.md": demo_model,
    "docs/unlabelled.md": unlabelled,
}
"""By page. A page with Python that is missing here fails a test."""
