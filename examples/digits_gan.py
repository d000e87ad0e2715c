"""Trains a small GAN on coloured digits: `python examples/digits_gan.py --out DIR --minutes 4`.

DIR gets generator.safetensors and samples.png. A few minutes of one core are enough for digits that can be named.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm
from tqdm import tqdm

import flowdis as fd

DIM, SHAPE = 16, (3, 28, 28)
_BATCH, _KEPT, _MOVED = 48, 0.995, 2


class Generator(nn.Module):
    """Codes (B, 16) of a standard normal to the logits (B, 3, 28, 28) of images."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(DIM, 48 * 49, bias=False), nn.BatchNorm1d(48 * 49), nn.ReLU())
        self.body = nn.Sequential(
            nn.ConvTranspose2d(48, 24, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.ConvTranspose2d(24, 3, 4, stride=2, padding=1),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.body(self.first(z).unflatten(-1, (48, 7, 7)))


def load_generator(file: Path) -> Generator:
    """The generator that this example saved."""
    generator = Generator()
    generator.load_state_dict(load_file(file))
    return generator.eval()


class Spread(nn.Module):
    """Adds a map of how much a batch differs, so that a generator of one colour is found out (Karras et al. 2018)."""

    def forward(self, features: Tensor) -> Tensor:
        spread = (features.var(0, correction=0) + 1e-8).sqrt().mean()
        return torch.cat([features, spread.expand(len(features), 1, *features.shape[2:])], 1)


def critic() -> nn.Sequential:
    """Tells digits from what the generator makes; spectral norms keep it smooth (Miyato et al. 2018, 1802.05957)."""
    widths = (3, 32, 64)
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1)), nn.LeakyReLU(0.1)]
    layers += [Spread(), spectral_norm(nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1)), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers, nn.Flatten(), spectral_norm(nn.Linear(widths[-1] * 64, 1)))


def real_images(grey: Tensor, source: torch.Generator) -> Tensor:
    """Digits drawn with replacement, each in a pure colour of its own."""
    chosen = grey[torch.randint(len(grey), (_BATCH,), generator=source)]
    hue = 6 * torch.rand(_BATCH, 1, generator=source) + torch.tensor([0.0, 4.0, 2.0])
    return chosen * ((hue % 6 - 3).abs() - 1).clamp(0, 1)[..., None, None]


def moved(images: Tensor, source: torch.Generator) -> Tensor:
    """Images (B, 3, 32, 32), shifted by up to two pixels, real and made alike, so that none is learned by heart."""
    down, right = torch.randint(-_MOVED, _MOVED + 1, (2,), generator=source).tolist()
    return functional.pad(images, (_MOVED + right, _MOVED - right, _MOVED + down, _MOVED - down))


def train(minutes: float, seed: int, file: Path) -> None:
    """Trains by the hinge loss, and writes the running mean of the generator's weights, first after every minute."""
    source = torch.Generator().manual_seed(seed)
    grey, _ = fd.data.digits(colour=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, judge = Generator(), critic()
    mean = copy.deepcopy(generator)
    makers = torch.optim.Adam(generator.parameters(), lr=6e-4, betas=(0.5, 0.99))
    judges = torch.optim.Adam(judge.parameters(), lr=6e-4, betas=(0.5, 0.99))
    start, seconds = time.perf_counter(), 60 * minutes
    form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    with tqdm(total=seconds, desc="training", bar_format=form) as bar:
        step, saved = 0, 0.0
        while (now := time.perf_counter() - start) < seconds:
            made = generator(torch.randn(_BATCH, DIM, generator=source)).sigmoid()
            real = moved(real_images(grey, source), source)
            loss = (
                functional.relu(1 - judge(real)).mean()
                + functional.relu(1 + judge(moved(made.detach(), source))).mean()
            )
            judges.zero_grad()
            loss.backward()
            judges.step()
            makers.zero_grad()
            (-judge(moved(made, source)).mean()).backward()
            makers.step()
            keep(mean, generator)
            step += 1
            bar.set_postfix_str(f"step {step}, critic {loss.item():.2f}", refresh=False)
            bar.update(now - bar.n)
            if now - saved > 60:
                save_file(settled(copy.deepcopy(mean), seed).state_dict(), file)
                saved = now
    save_file(settled(mean, seed).state_dict(), file)


@torch.no_grad()
def keep(mean: nn.Module, current: nn.Module) -> None:
    """Moves a running mean of weights on by one step."""
    for old, new in zip(mean.parameters(), current.parameters(), strict=True):
        old.lerp_(new, 1 - _KEPT)


@torch.no_grad()
def settled(generator: Generator, seed: int) -> Generator:
    """The generator with the statistics of its normalisations measured anew, as those of mean weights are not known."""
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain mean over all batches
    generator.train()
    source = torch.Generator().manual_seed(seed)
    for _ in range(20):
        generator(torch.randn(200, DIM, generator=source))
    return generator.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "generator.safetensors"
    train(options.minutes, options.seed, file)
    generator = load_generator(file)
    with torch.no_grad():
        z = torch.randn(100, DIM, generator=torch.Generator().manual_seed(options.seed + 1))
        sheet = fd.plots.grid(generator(z).sigmoid().unflatten(0, (10, 10)))
    save_picture(sheet, options.out / "samples.png")
    print(f"{options.out / 'samples.png'} shows 100 digits that nobody wrote.")


def save_picture(image: Tensor, file: Path, *, zoom: int = 2) -> None:
    """Writes an image (3, H, W) in [0, 1] as a file."""
    from PIL import Image

    pixels = (255 * image).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).resize((zoom * image.shape[2], zoom * image.shape[1]), Image.Resampling.NEAREST).save(file)


if __name__ == "__main__":
    main()
