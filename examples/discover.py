"""Finds flows of a generator that nobody labelled anything for: `python examples/discover.py --of gan --out DIR`.

`--of gan` takes the digits of `digits_gan.py`, `--of rooms` a variational autoencoder of single rendered rooms. Either
is trained first where DIR does not hold it, and then left as it is. DIR gets model/, metrics.json and strips.png, where
each row is a flow, run back and forth from the image in the middle.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from digits_gan import load_generator, save_picture
from digits_gan import train as train_gan
from torch import Tensor, nn

import flowdis as fd
from flowdis.baselines import BetaVAE
from flowdis.metrics import code_predictability
from flowdis.models import CodeDensity, ModuleDecoder
from flowdis.objectives import Draw
from flowdis.training import TrainingConfig
from flowdis.training.discovery import Discovered, discover
from flowdis.training.discovery_objective import Discovery
from flowdis.training.found_flows import report_flows, traversals

_ROOM, _LATENTS = 32, 10  # pixels of a side, and numbers of a code
_IMAGES = 3000
_OPTIONS: dict[str, dict[str, int]] = {"linear": {}, "constant": {}}  # of kinds without hidden units


@dataclass(frozen=True, eq=False)
class Subject:
    """What flows are found of: a decoder, where its codes live, and maybe an encoder."""

    decoder: nn.Module
    density: CodeDensity
    likelihood: str
    encoder: nn.Module | None = None


def digits(folder: Path, minutes: float, seed: int) -> Subject:
    """The generator of coloured digits; its codes are standard normal."""
    file = folder / "generator.safetensors"
    if not file.is_file():
        train_gan(minutes, seed, file)
    generator = load_generator(file)
    decoder = ModuleDecoder(nn.Sequential(generator, nn.Sigmoid()))
    return Subject(decoder, CodeDensity.prior(generator.first[0].in_features), "gaussian")


@dataclass(frozen=True)
class PlainVAE(BetaVAE):
    """The VAE of single images, with no flows of its own."""

    def check(self, model: fd.LatentFlow) -> None:
        return None

    def finish(self, model: fd.LatentFlow, draw: Draw) -> None:
        return None


@dataclass(frozen=True, eq=False)
class SingleImages:
    """Draws images that do not move."""

    images: Tensor

    def sample(
        self, batch_size: int, *, generator: torch.Generator, frames: int | None = None, speed: float = 1.0
    ) -> fd.data.SequenceBatch:
        chosen = self.images[torch.randint(len(self.images), (batch_size,), generator=generator)]
        return fd.data.SequenceBatch(("none",), chosen[None], torch.zeros(1), torch.zeros(1, batch_size, 1), 1)


def rooms(folder: Path, minutes: float, seed: int) -> Subject:
    """A variational autoencoder of single images of rooms, and the codes that it gives to these."""
    data = fd.data.rooms(image_size=_ROOM)
    images = data.images(torch.randint(len(data), (_IMAGES,), generator=torch.Generator().manual_seed(seed)))
    if not (folder / "vae" / "config.json").is_file():
        config = fd.LatentFlowConfig(
            data.image_shape, {"none": fd.Unit()}, dim=_LATENTS, field="constant", likelihood="gaussian"
        )
        training = TrainingConfig(minutes=minutes, batch_size=64, ramp=0.0, learning_rate=3e-3, seed=seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            vae = fd.LatentFlow(config)
        trainer = fd.Trainer(vae, SingleImages(images), training, folder / "vae.pt", objective=PlainVAE(beta=1.0))
        trainer.resume()
        trainer.run()
        vae.save_pretrained(folder / "vae")
    vae = fd.LatentFlow.from_pretrained(folder / "vae")
    with torch.no_grad():
        again = vae.decode(vae.encode(images[:20]).mean)
    save_picture(fd.plots.grid(torch.stack([images[:20], again])), folder / "reconstructions.png")
    return Subject(vae.decoder, CodeDensity.fit(vae, images, kind="gaussian"), "gaussian", vae.encoder)


def measure(found: Discovered, seed: int, pairs: int) -> dict[str, object]:
    """What the flows do, and how well a small network tells them apart beside untrained ones of the same strength."""
    source = torch.Generator().manual_seed(seed)
    report = report_flows(found, generator=source)
    z = found.density.sample(500, source)
    score = code_predictability(found.model, z, generator=source, pairs=pairs)
    control = score.controls["random"]
    return {"vp": score.to_json(), "vp_over_untrained": score.score / control, "report": report.to_json()}


def strips(found: Discovered, z: Tensor) -> Tensor:
    """A sheet with one row per flow, and the codes side by side."""
    films = traversals(found, z, span=2.0, frames=9)  # (K, T, B, C, H, W)
    sheets = [fd.plots.grid(films[:, :, sample]) for sample in range(len(z))]
    gap = sheets[0].new_ones(*sheets[0].shape[:2], 6)
    return torch.cat([part for sheet in sheets for part in (sheet, gap)][:-1], dim=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--of", choices=("gan", "rooms"), default="gan")
    parser.add_argument("--flows", type=int, default=6)
    parser.add_argument("--field", choices=tuple(fd.FIELDS), default="helmholtz")
    parser.add_argument("--minutes", type=float, default=3.0, help="of finding flows")
    parser.add_argument("--steps", type=int, default=None, help="of finding flows, in place of minutes")
    parser.add_argument("--locality", type=float, default=0.0, help="the weight of how much of an image changes")
    parser.add_argument("--generator-minutes", type=float, default=4.0, help="of training what is not there")
    parser.add_argument("--pairs", type=int, default=10_000, help="of images that the score is measured on")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    subject = (digits if options.of == "gan" else rooms)(options.out, options.generator_minutes, options.seed)
    training = TrainingConfig(
        minutes=options.minutes, steps=options.steps, batch_size=64, ramp=0.0, seed=options.seed, warmup=20
    )
    found = discover(
        subject.decoder,
        subject.density,
        encoder=subject.encoder,
        flows=options.flows,
        field=options.field,
        field_options=_OPTIONS.get(options.field, {"hidden": 64}),
        likelihood=subject.likelihood,
        objective=Discovery(locality_weight=options.locality),
        training=training,
        checkpoint=options.out / "flows.pt",
    )
    found.model.save_pretrained(options.out / "model")
    metrics = measure(found, options.seed, options.pairs)
    metrics |= {"of": options.of, "field": options.field, "steps": found.training.steps}
    metrics |= {"seconds": found.training.seconds, "seed": options.seed}
    (options.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    z = subject.density.sample(3, torch.Generator().manual_seed(options.seed + 2))
    save_picture(strips(found, z), options.out / "strips.png")
    vp = metrics["vp"]
    assert isinstance(vp, dict)
    print(f"Variation predictability {vp['score']:.3f}, of untrained flows {vp['controls']['random']:.3f}.")


if __name__ == "__main__":
    main()
