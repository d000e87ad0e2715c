"""Draws the pictures of the page on waves, and prints its table: python docs/make_waves.py."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor

from flowdis import waves
from flowdis.plots import waves as pictures

FRAMES, SITES, OMEGA = 50, (14, 16), 0.5


def places(*sites: int) -> list[Tensor]:
    """The coordinate of every site along each axis, in double precision."""
    return list(torch.meshgrid(*(torch.arange(count, dtype=torch.float64) for count in sites), indexing="ij"))


def smoothed(noise: Tensor, frames: float, sites: float) -> Tensor:
    """Noise (T, H, W) that changes over about so many frames and sites."""
    gain = torch.ones((), dtype=torch.float64)
    for axis, length in enumerate((frames, sites, sites)):
        turns = torch.fft.fftfreq(noise.shape[axis], dtype=torch.float64)
        gain = gain * torch.exp(-((math.pi * length * turns) ** 2)).reshape(-1, *[1] * (2 - axis))
    return torch.fft.ifftn(torch.fft.fftn(noise) * gain).real


def spirals(sites: tuple[int, int]) -> Tensor:
    """A complex field with four zeros, two of each charge, about which waves turn."""
    down, right = (2 * math.pi * (place + 0.5) / size for place, size in zip(places(*sites), sites, strict=True))
    return torch.complex(right.sin(), down.sin())


def recordings() -> dict[str, Tensor]:
    """Activity (T, H, W) whose kind is known, by name."""
    generator = torch.Generator().manual_seed(0)
    clock = OMEGA * torch.arange(FRAMES, dtype=torch.float64)[:, None, None]
    down, right = places(*SITES)
    along = 2 * math.pi * (2 * right / SITES[1] - down / SITES[0])
    distance = ((down - SITES[0] / 2) ** 2 + (right - SITES[1] / 2) ** 2).sqrt()
    plane = (clock - along).cos()
    order = torch.randperm(SITES[0] * SITES[1], generator=generator)
    noise = torch.randn(FRAMES, *SITES, generator=generator, dtype=torch.float64)
    return {
        "a plane wave": plane,
        "half reflected": plane + 0.5 * (clock + along).cos(),
        "a standing wave": clock.cos() * along.cos(),
        "synchrony": clock.cos().expand(FRAMES, *SITES),
        "four spirals": (spirals(SITES) * torch.polar(torch.ones_like(clock), clock)).real,
        "a target": (clock - 0.8 * distance).cos(),
        "the plane wave's sites in no order": plane.flatten(1)[:, order].unflatten(1, SITES),
        "white noise": noise,
        "smooth noise": smoothed(noise, 4.0, 2.0),
    }


def table() -> str:
    """What is measured of each recording, as the rows of the page's table."""
    lines = []
    for name, activity in recordings().items():
        report = waves.measure_waves(activity, permutations=99, generator=torch.Generator().manual_seed(0))
        tests = report.tests
        cells = [f"{test.observed:.2f}{'*' if test.p_value <= 0.01 else ''}" for test in
                 (tests["coherence"], tests["direction_index"])]  # fmt: skip
        cells += [f"{value:.2f}" for value in (report.synchrony, report.standing, report.current)]
        order = tests["concentration"]
        cells += [f"{order.observed:.3f}{'*' if order.p_value <= 0.01 else ''}"]
        lines.append(f"| {name} | {' | '.join(cells)} | {report.kind} |")
    return "\n".join(lines)


def lattice(position: Tensor, momentum: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Positions and momenta (T, *sites) of oscillators coupled to their neighbours, by leapfrog."""
    stiffness, coupling, step = 0.05, 0.2, 0.05
    courses: tuple[list[Tensor], list[Tensor]] = ([], [])

    def force(x: Tensor) -> Tensor:
        bent = [x.roll(turn, axis) - x for axis in range(x.ndim) for turn in (1, -1)]
        return coupling * torch.stack(bent).sum(0) - stiffness * x

    for _ in range(frames):
        courses[0].append(position)
        courses[1].append(momentum)
        for _ in range(20):
            momentum = momentum + step / 2 * force(position)
            position = position + step * momentum
            momentum = momentum + step / 2 * force(position)
    return torch.stack(courses[0]), torch.stack(courses[1])


def draw(folder: Path) -> None:
    """Draws all pictures."""
    generator = torch.Generator().manual_seed(3)
    size, clock = 24, torch.polar(torch.ones(40).double(), 0.35 * torch.arange(40, dtype=torch.float64))
    field = spirals((size, size)) * clock[:, None, None]
    pictures.phase_maps(field, frames=range(0, 16, 2)).savefig(folder / "waves_phases.png", dpi=100)
    down, right = places(size, size)
    distance = ((down - 11.5) ** 2 + (right - 11.5) ** 2).sqrt()
    target = torch.polar(torch.ones_like(down), -0.9 * distance) * clock[:, None, None]
    pictures.velocity_map(target, periodic=False).savefig(folder / "waves_velocity.png", dpi=100)

    turns = torch.fft.fftfreq(72, dtype=torch.float64)
    ring = torch.exp(-(((12 * torch.hypot(turns[:, None], turns) - 1) / 0.1) ** 2) / 4)
    noise = torch.complex(*torch.randn(2, 72, 72, generator=generator, dtype=torch.float64))
    columns = pictures.selectivity_map(torch.fft.ifft2(noise * ring), order=2)
    columns.savefig(folder / "waves_orientation.png", dpi=100)

    positions, _ = lattice(*torch.randn(2, 32, generator=generator, dtype=torch.float64), 200)
    spectrum = waves.wave_spectrum(positions, dimension=1)
    fitted = pictures.wave_spectra(spectrum, fit=waves.dispersion_fit(spectrum))
    fitted.savefig(folder / "waves_spectrum.png", dpi=100)

    site = torch.arange(32, dtype=torch.float64)
    bump = torch.exp(-(((site - 8) / 3) ** 2)) * torch.cos(0.8 * (site - 8))
    moving = torch.exp(-(((site - 8) / 3) ** 2)) * torch.sin(0.8 * (site - 8))
    packet, _ = lattice(bump, 0.41 * moving, 90)
    pictures.space_time(packet, speed=0.2 * math.sin(0.8) / 0.41).savefig(folder / "waves_ring.png", dpi=100)

    start = smoothed(torch.randn(2, 28, 28, generator=generator, dtype=torch.float64), 0.0, 4.0)
    positions, momenta = lattice(start[0], 0.4 * start[1], 60)
    signal = waves.quadrature_signal(positions, momenta, 0.4)
    pictures.phase_film(signal, folder / "waves.gif", magnify=8)


def main() -> None:
    """Draws all pictures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images", help="where to write")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    draw(folder)
    print(table())


if __name__ == "__main__":
    main()
