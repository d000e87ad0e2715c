"""Checkpoints of neural wave machines (akandykeller/NeuralWaveMachines, rotating digits on a torus) as `Lattice`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from flowdis._checks import check_images
from flowdis._types import FrameImages, Images
from flowdis.dynamics import Lattice
from flowdis.migration.checkpoints import read_torch_file, state_dict_of, take
from flowdis.models import Posterior

__all__ = ["PublishedWaveMachine", "load_wave_machine"]

_States = Float[Tensor, "*batch S"]
_Run = Float[Tensor, "T B S"]
_Frames = Float[Tensor, "T B C H W"]
_Sites = Float[Tensor, "B N"]
_Batch = Float[Tensor, "B C H W"]
_KERNELS = {"coupling": "weight", "damping": "momentum_weight"}


class PublishedWaveMachine(nn.Module):
    """The published machine: a linear encoder whose reading of each frame drives the lattice, and a linear decoder.

    It differs from `WaveMachine`, whose lattice runs on with eyes closed: here every frame is seen, and the state
    after it shows the next one. `lattice` is an ordinary `Lattice` with the published coupling and step, for the
    measures of `flowdis.waves`; the published bias of each site is part of the drive.

    Arguments:
        image_shape: (C, H, W) of the frames.
        shape: (C, H, W) of the lattice.
        step: The time of a step.
        stiffness: The stiffness of all oscillators.
        damping: The damping of all oscillators.
        kernel: How many sites along each axis a kernel reads, odd.

    Raises:
        ValueError: as `Lattice` has it.

    Reference: Keller and Welling 2023, Neural wave machines, ICML.

    Example:
        >>> machine = PublishedWaveMachine((1, 8, 8), (1, 6, 6), step=0.12, stiffness=1.0, damping=0.5)
        >>> machine(torch.zeros(3, 2, 1, 8, 8)).shape
        torch.Size([3, 2, 1, 8, 8])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        shape: Sequence[int],
        *,
        step: float,
        stiffness: float,
        damping: float,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.image_shape = (channels, height, width)
        self.lattice = Lattice(
            shape,
            coupling="published",
            integrator="nwm",
            step=step,
            stiffness=stiffness,
            damping=damping,
            kernel=kernel,
            generator=torch.Generator().manual_seed(0),
        )
        pixels, size = math.prod(image_shape), self.lattice.size
        self.encoder, self.decoder = nn.Linear(pixels, 4 * size), nn.Linear(size, pixels)
        self.driving = nn.Parameter(torch.zeros(shape[0], shape[0], kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(tuple(shape)))

    def encode(self, images: _Batch) -> Posterior:
        """The posterior over 2 N numbers of images (B, C, H, W), of which the lattice reads the first N."""
        mean, log_variance = self.encoder(images.flatten(1)).chunk(2, dim=-1)
        return Posterior(mean, 0.5 * log_variance)

    def reading(self, images: _Batch, *, generator: torch.Generator | None = None) -> _Sites:
        """What is read of images (B, C, H, W), standardised over sites: (B, N).

        Arguments:
            images: Images in [0, 1].
            generator: The source of a sample of the posterior; its mean is taken where left out.
        """
        posterior = self.encode(images)
        latents = posterior.mean if generator is None else posterior.sample(generator)
        return functional.layer_norm(latents[:, : self.lattice.size], (self.lattice.size,))

    def start(self, images: _Batch, *, generator: torch.Generator | None = None) -> Float[Tensor, "B S"]:
        """The state (B, 2 N) before the first frame: positions as read of it, at rest."""
        positions = self.reading(images, generator=generator)
        return torch.cat([positions, torch.zeros_like(positions)], dim=-1)

    def drive(self, images: _Batch, *, generator: torch.Generator | None = None) -> _Sites:
        """The drive (B, N) by images (B, C, H, W): the convolved reading, and each site's bias."""
        field = self.reading(images, generator=generator).unflatten(-1, self.lattice.shape)
        reach = self.driving.shape[-1] // 2
        padded = functional.pad(field, (reach,) * 4, mode="circular")
        return (functional.conv2d(padded, self.driving) + self.bias).flatten(1)

    def run(self, frames: _Frames, *, generator: torch.Generator | None = None) -> _Run:
        """The states (T, B, 2 N) after each of the frames (T, B, C, H, W), in [0, 1].

        Raises:
            ValueError: if frames are of another shape or do not lie in [0, 1].
        """
        check_images("frames", frames, self.image_shape)
        state, states = self.start(frames[0], generator=generator), []
        for frame in frames:
            state = self.lattice(state, 1, drive=self.drive(frame, generator=generator))[0]
            states.append(state)
        return torch.stack(states)

    def decode(self, states: _States) -> Images:
        """The mean images (*, C, H, W) of the positions in states (*, 2 N)."""
        pixels: Tensor = self.decoder(self.lattice.readout(states))
        return pixels.sigmoid().unflatten(-1, self.image_shape)

    def forward(self, frames: _Frames) -> FrameImages:
        """The frames (T, B, C, H, W) that are to follow each of those seen."""
        return self.decode(self.run(frames))


def load_wave_machine(file: str | FilePath, image_shape: Sequence[int] = (1, 28, 28)) -> PublishedWaveMachine:
    """Reads the state dict that `tcornn_2d.py` saves, of digits that turn on a two-dimensional lattice.

    Arguments:
        file: The checkpoint.
        image_shape: (C, H, W) of its frames.

    Returns:
        The machine, set for evaluation.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds other objects than tensors, weights of another model (rings, whose positions are
            normalised after each step; sites with kernels of their own), or of other images.
    """
    state = state_dict_of({"state": read_torch_file(file)}, "state", file)
    if any(name.startswith("rnn.ln_h.") for name in state) or "rnn.coupling.mult" in state:
        told = "a lattice of two dimensions; rings normalise their positions after each step, which `Lattice` does not"
        raise ValueError(f"`file` must hold {told}, got {file}")
    bias = take(state, "rnn.b_bar", 3, file)
    encoder, decoder = take(state, "encoder.model.1.weight", 2, file), take(state, "decoder.model.0.weight", 2, file)
    if encoder.shape[1] != math.prod(image_shape):
        raise ValueError(f"`image_shape` must have the {encoder.shape[1]} pixels of {file}, got {tuple(image_shape)}")
    channels, rest = divmod(decoder.shape[1], math.prod(bias.shape[1:]))
    if rest or encoder.shape[0] != 4 * decoder.shape[1]:
        shapes = f"{tuple(encoder.shape)}, {tuple(decoder.shape)} and {tuple(bias.shape)}"
        raise ValueError(f"`file` must hold encoder, decoder and bias of one lattice, got shapes {shapes} in {file}")
    kernels = {name: _kernel(state, name, channels, file) for name in (*_KERNELS, "driving")}
    machine = PublishedWaveMachine(
        image_shape,
        (channels, *bias.shape[1:]),
        step=_number(state, "rnn.dt", file).sigmoid().item(),
        stiffness=_number(state, "rnn.gamma", file).relu().item(),
        damping=_number(state, "rnn.alpha", file).relu().item(),
        kernel=kernels["driving"].shape[-1],
    )
    with torch.no_grad():
        for name, attribute in _KERNELS.items():
            getattr(machine.lattice.coupling, attribute).copy_(kernels[name])
        machine.driving.copy_(kernels["driving"])
        machine.bias.copy_(bias.expand_as(machine.bias))
        for layer, weight, key in (
            (machine.encoder, encoder, "encoder.model.1.bias"),
            (machine.decoder, decoder, "decoder.model.0.bias"),
        ):
            layer.weight.copy_(weight)
            layer.bias.copy_(take(state, key, 1, file))
    return machine.eval()


def _kernel(state: Mapping[str, Tensor], name: str, channels: int, file: str | FilePath) -> Tensor:
    """A kernel within each channel as one between all of them, (C, C, k, k)."""
    taps = take(state, f"rnn.{name}.conv.weight", 4, file)
    if taps.shape[0] not in (1, channels) or taps.shape[1] != 1 or taps.shape[2] != taps.shape[3]:
        told = f"'rnn.{name}.conv.weight' of shape (1 or {channels}, 1, k, k)"
        raise ValueError(f"`file` must hold {told}, got {tuple(taps.shape)} in {file}")
    full = taps.new_zeros(channels, channels, *taps.shape[2:])
    full[range(channels), range(channels)] = taps[:, 0].expand(channels, -1, -1)
    return full


def _number(state: Mapping[str, Tensor], name: str, file: str | FilePath) -> Tensor:
    return take(state, name, 1, file)[0]
