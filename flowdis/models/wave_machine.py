"""The wave machine: an encoder that reads a few frames, latents that run on by themselves, and a decoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as FilePath

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from flowdis._checks import check_images, check_last, check_positive
from flowdis._types import FrameImages, Images, Latent, Scalar
from flowdis.dynamics.picking import check_picked
from flowdis.models.autoencoder import ConvDecoder, default_channels
from flowdis.models.card import CardFacts
from flowdis.models.card_facts import wave_facts
from flowdis.models.frame_encoder import FrameEncoder
from flowdis.models.hub import StoredModel
from flowdis.models.latent_dynamics import LATENT_DYNAMICS, LatentDynamics, matched_size
from flowdis.models.likelihood import LIKELIHOODS
from flowdis.models.posterior import Posterior
from flowdis.models.storage import fill_model, read_model
from flowdis.models.wave_config import WaveMachineConfig, default_lattice

__all__ = ["WaveMachine"]

_IMAGES = 2048  # decoded at once when no gradients are wanted

_Seen = Float[Tensor, "F *batch C H W"]
_States = Float[Tensor, "T *batch S"]
_Picked = Int[Tensor, "F *batch"]


class WaveMachine(nn.Module, StoredModel):
    """Frames in, a state that runs on with eyes closed, frames out.

    The encoder's posterior is over the first state, positions and momenta of an oscillator lattice, and over a
    constant drive where the config has one. From there on the lattice runs by itself. Other latent dynamics share
    everything else, so that they can be compared; see `LATENT_DYNAMICS`.

    Arguments:
        config: What the model is made of.
        generator: The source of the initial weights of the dynamics.

    Raises:
        ValueError: if images are too small, or the dynamics refuses its options.

    Reference: Keller and Welling 2023, Neural wave machines, ICML.

    Example:
        >>> model = WaveMachine(WaveMachineConfig((1, 16, 16), frames=3))
        >>> model.forecast(torch.zeros(3, 2, 1, 16, 16), 5).shape
        torch.Size([5, 2, 1, 16, 16])
    """

    def __init__(self, config: WaveMachineConfig, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        # What is saved holds every choice made here, so that a later change of a default changes no saved model.
        config = replace(
            config,
            shape=tuple(config.shape or default_lattice(config.image_shape)),
            channels=tuple(config.channels or default_channels(config.image_shape)),
        )
        self.config = config = _resolved(config)
        options = dict(config.dynamics_options)
        sized = {"shape": config.shape} if config.dynamics == "lattice" else {"size": options.pop("size")}
        made = LATENT_DYNAMICS[config.dynamics](**sized, **options, generator=generator)
        if not isinstance(made, LatentDynamics):
            raise TypeError(f"`dynamics` must run states on, as `LatentDynamics` says, got {type(made).__name__}")
        self.dynamics: LatentDynamics = made
        self.encoder = FrameEncoder(
            config.image_shape, self.dim, channels=config.channels or (), features=config.features, read=config.read
        )
        shown = made.state_size if config.shown == "both" else made.readout(torch.empty(0, made.state_size)).shape[-1]
        self.decoder = ConvDecoder(config.image_shape, shown, channels=config.channels, hidden=config.decoder_hidden)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the frames."""
        return self.config.image_shape

    @property
    def dim(self) -> int:
        """The number D of latents: the entries of the first state, then those of the drive."""
        return self.dynamics.state_size + self.config.drive * self.dynamics.drive_size

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the parameters."""
        return next(self.parameters()).dtype

    def encode(self, frames: _Seen) -> Posterior:
        """The posterior over latents (*, D) of frames (F, *, C, H, W): of the state at the frame read last."""
        return self.encoder(frames)

    def run(self, latents: Latent, frames: int, *, picked: _Picked | None = None) -> _States:
        """The states (T, *, S) of latents (*, D) with eyes closed, the first of them that of the latents.

        Arguments:
            latents: The first state, and the drive where there is one.
            frames: The number T of frames.
            picked: Which of them to return of each sample, from 0 to T - 1, with shape (F, *); all where left out.

        Raises:
            ValueError: if latents are of another size, `frames` is not positive, or a frame is picked that there is
                not.
        """
        check_positive("frames", frames)
        check_last("latents", latents, self.dim, f"D={self.dim} latents")
        size = self.dynamics.state_size
        state, drive = latents[..., :size], latents[..., size:] if self.config.drive else None
        if frames == 1 and picked is None:
            return state.unsqueeze(0)
        every = self.config.steps_per_frame
        if picked is not None:
            check_picked(picked, frames - 1, state.shape[:-1])
            return self.dynamics(state, max(1, frames - 1), drive=drive, every=every, picked=picked)
        return torch.cat([state.unsqueeze(0), self.dynamics(state, frames - 1, drive=drive, every=every)])

    def output(self, states: Latent) -> Images:
        """What the decoder makes (*, C, H, W) of states (*, S), before the likelihood reads it: see `LIKELIHOODS`."""
        shown = states if self.config.shown == "both" else self.dynamics.readout(states)
        output: Tensor = self.decoder(shown.reshape(-1, shown.shape[-1]))
        return output.reshape(*states.shape[:-1], *output.shape[1:])

    def decode(self, states: Latent) -> Images:
        """The mean frames (*, C, H, W) in [0, 1] of states (*, S)."""
        return LIKELIHOODS[self.config.likelihood].mean(self.output(states))

    def log_likelihood(self, images: Images, states: Latent) -> Scalar:
        """The likelihood log p(x | state) in nats (*) of frames (*, C, H, W) for states (*, S)."""
        return LIKELIHOODS[self.config.likelihood].log_density(images, self.output(states), self.config.noise)

    @torch.no_grad()
    def foresee(self, frames: _Seen, steps: int, *, generator: torch.Generator | None = None) -> _States:
        """The states (T, *, S) at the frames after those seen, such as the activity of a lattice.

        Arguments:
            frames: Frames in [0, 1] as they came, (n, *, C, H, W); the last ones are read, as many as the config says.
            steps: The number T of frames to run on for.
            generator: The source of a sample of the posterior; its mean is taken where left out.

        Raises:
            ValueError: if the sequence is shorter than what the encoder reads, frames are of another shape or do not
                lie in [0, 1], or `steps` is not positive.
        """
        check_positive("steps", steps)
        check_images("frames", frames, self.image_shape)
        count = self.config.frames
        if frames.ndim < 4:
            raise ValueError(f"`frames` must have shape (n, *, C, H, W), got one frame of shape {tuple(frames.shape)}")
        if len(frames) < count:
            raise ValueError(f"`frames` must be at least the {count} that the encoder reads, got {len(frames)} of them")
        posterior = self.encode(frames[len(frames) - count :].to(device=self.device, dtype=self.dtype))
        latents = posterior.mean if generator is None else posterior.sample(generator)
        seen = count - self.config.anchor
        return self.run(latents, seen + steps)[seen:]

    @torch.no_grad()
    def forecast(
        self,
        frames: _Seen,
        steps: int,
        *,
        reencode: int | None = None,
        generator: torch.Generator | None = None,
    ) -> FrameImages:
        """The frames (T, *, C, H, W) that follow frames (n, *, C, H, W), with eyes closed.

        Arguments:
            frames: Frames in [0, 1] as they came; the last ones are read, as many as the config says.
            steps: The number T of frames to forecast.
            reencode: After how many frames to open the eyes on what was forecast, and go on from there; never where
                left out.
            generator: The source of a sample of the posterior; its mean is taken where left out.

        Raises:
            ValueError: as `foresee` has it, or if `reencode` is not positive.
        """
        every = steps if reencode is None else int(check_positive("reencode", reencode))
        seen, made = frames, 0
        pieces: list[Tensor] = []
        while made < steps or not pieces:
            count = min(every, steps - made) if steps > 0 else steps
            piece = self._decode_in_parts(self.foresee(seen, count, generator=generator))
            pieces.append(piece.to(frames))
            made, seen = made + count, torch.cat([seen, pieces[-1]])[-max(len(seen), self.config.frames) :]
        return torch.cat(pieces)

    def _decode_in_parts(self, states: _States) -> FrameImages:
        each = max(1, _IMAGES // max(1, states[0, ..., 0].numel()))
        return torch.cat([self.decode(part) for part in states.split(each)])

    def card_facts(self, name: str = "path/to/this/folder") -> CardFacts:
        """What the model itself tells of for its card, `name` being what the code on the card loads it by."""
        return wave_facts(self.config, sum(parameter.numel() for parameter in self.parameters()), name)

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        source: str | FilePath,
        *,
        dtype: torch.dtype | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
    ) -> WaveMachine:
        """Loads a model from the package, a folder or the Hugging Face hub; see `load`.

        Arguments:
            source: The name of a packaged model, a folder, or the name of a hub repository.
            dtype: The type of the parameters; that of the file, or float32 where that is half precision.
            revision: A branch, tag or commit of the hub repository.
            token: A hub token.
            local_files_only: Whether to look only into the hub's local cache.

        Raises:
            FileNotFoundError: if the folder or one of its files is missing.
            ValueError: if the config is foreign, or weights do not fit it.
        """
        config, weights = read_model(
            source, WaveMachineConfig.from_json, revision=revision, token=token, local_files_only=local_files_only
        )
        model = cls(config)
        fill_model(model, weights, source, dtype)
        return model.eval()


def _resolved(config: WaveMachineConfig) -> WaveMachineConfig:
    """The config with the size of a gated recurrent unit, as many parameters as with the lattice where left out."""
    if config.dynamics != "gru" or "size" in config.dynamics_options:
        return config
    size = matched_size(
        tuple(config.shape or ()),
        {},
        features=config.features,
        hidden=config.decoder_hidden,
        drive=config.drive,
        both=config.shown == "both",
    )
    return replace(config, dynamics_options={**config.dynamics_options, "size": size})
