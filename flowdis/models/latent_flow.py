"""The model: an encoder, a bank of latent flows and a decoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath

import torch
from torch import Tensor, nn

from flowdis._checks import check_choice
from flowdis._types import FrameImages, Images, Latent, Scalar
from flowdis.dynamics import Overdamped, Solver, Trajectory, Underdamped, transport
from flowdis.fields import FIELDS, FieldBank, MixedFields
from flowdis.models.amount_posteriors import CategoricalPosterior
from flowdis.models.amounts import AMOUNTS
from flowdis.models.autoencoder import ConvDecoder, default_channels
from flowdis.models.card import CardFacts
from flowdis.models.card_facts import flow_facts
from flowdis.models.config import MODULES, LatentFlowConfig
from flowdis.models.hub import StoredModel
from flowdis.models.likelihood import LIKELIHOODS
from flowdis.models.motion import Motion
from flowdis.models.own import fit_own, flat_posterior, rests, shaped
from flowdis.models.posterior import Posterior
from flowdis.models.principal import DECODERS, ENCODERS
from flowdis.models.storage import fill_model, read_model
from flowdis.paths import Flow, Path, Unit, flows

__all__ = ["LatentFlow"]


class LatentFlow(nn.Module, StoredModel):
    """Images in, codes that flow, images out.

    Arguments:
        config: What the model is made of.
        encoder: The user's own `Encoder`, images (B, C, H, W) to `Posterior` or to codes alone; of the kind
            `config.encoder` where left out.
        decoder: The user's own `Decoder`, codes to what `config.likelihood` reads (B, C, H, W); a convolutional one
            where left out.
        fields: The user's own bank of K fields; of the kind `config.field` where left out.
        amounts: The user's own network that infers amounts, frames (F, *, C, H, W) to a `CategoricalPosterior` or a
            `SpikeSlabPosterior`; of the kind `config.supervision` where left out, none where they are known.
        generator: The source of the initial weights of the fields.

    Raises:
        TypeError: if an own module is not one of its kind.
        ValueError: if own modules do not match the config or each other.

    Example:
        >>> from flowdis.paths import Unit
        >>> model = LatentFlow(LatentFlowConfig((3, 28, 28), {"rotate": Unit("degree", 45.0)}))
        >>> model.decode(model.encode(torch.zeros(5, 3, 28, 28)).mean).shape
        torch.Size([5, 3, 28, 28])
    """

    def __init__(
        self,
        config: LatentFlowConfig,
        *,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        fields: FieldBank | None = None,
        amounts: nn.Module | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        given = {"encoder": encoder, "decoder": decoder, "fields": fields, "amounts": amounts}
        config = fit_own(config, given)
        shape, names = config.image_shape, config.field_names
        # What is saved holds every choice made here, so that a later change of a default changes no saved model.
        if config.channels is None and (encoder is None or decoder is None):
            config = replace(config, channels=default_channels(shape))
        # Not `encoder or ...`: an empty container of modules counts as false.
        if encoder is None:
            wanted = {"channels": config.channels, "hidden": config.encoder_hidden, **config.encoder_options}
            made = ENCODERS[config.encoder](shape, config.dim, **wanted)
            encoder, config = made, replace(config, encoder_options=made.config())
        if decoder is None:
            kinds = DECODERS[config.decoder]
            decoder = kinds(shape, config.dim, channels=config.channels, hidden=config.decoder_hidden)
        if fields is None:
            kind: Callable[..., FieldBank] = FIELDS[config.field]
            fields = kind(names, config.dim, generator=generator, **config.field_options)
            config = replace(config, field_options=fields.config())
        network = AMOUNTS[config.supervision]
        if amounts is None and network is not None:
            inferring = network(shape, len(names), **config.supervision_options)
            amounts, config = inferring, replace(config, supervision_options=inferring.config())
        self.motion = Motion(config.dynamics, config.temperature, config.dynamics_options)
        self.config = replace(config, dynamics_options=self.motion.config())
        self.encoder, self.decoder, self.fields, self.amounts = encoder, decoder, fields, amounts
        own_names = tuple(self.fields.names)
        fits = own_names == names if config.mixing is None else len(own_names) == len(names)
        if not fits or self.fields.dim != config.dim:
            raise ValueError(
                f"`fields` must have names {names} and dim {config.dim}, got {own_names} and {self.fields.dim}"
            )
        if config.mixing is not None:
            self.fields = MixedFields(fields, config.mixing)
        self.log_diffusion = nn.Parameter(torch.full((len(self.names),), math.log(0.05)))
        for name, module in self._modules_named().items():
            if name in config.frozen:
                module.requires_grad_(False).eval()

    @property
    def names(self) -> tuple[str, ...]:
        """The K transformations, in order."""
        return tuple(self.config.units)

    @property
    def units(self) -> Mapping[str, Unit]:
        """The natural unit of each transformation."""
        return self.config.units

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images."""
        return self.config.image_shape

    @property
    def dim(self) -> int:
        """The number D of latents."""
        return self.config.dim

    @property
    def dynamics(self) -> Overdamped | Underdamped:
        """How the fields push codes, with learned numbers as they are now."""
        return self.motion()

    @property
    def noiseless(self) -> Overdamped | Underdamped:
        """The same at temperature 0."""
        return replace(self.motion(), temperature=0.0)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.log_diffusion.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the parameters."""
        return self.log_diffusion.dtype

    def flows(self, *names: str) -> tuple[Flow, ...]:
        """The named flows, or all of them in order when no name is given.

        Raises:
            ValueError: if a name is not one of the model's transformations.
        """
        available = dict(zip(self.names, flows(self.units), strict=True))
        return tuple(available[check_choice("names", name, self.names)] for name in names or self.names)

    def encode(self, images: Images) -> Posterior:
        """The posterior over codes (*, D) of images (*, C, H, W) in [0, 1]."""
        batch = images.shape[:-3]
        found = self.encoder(images.reshape(-1, *images.shape[-3:]))
        posterior = flat_posterior(found, self.dim, self.config.encoder_noise)
        return Posterior(posterior.mean.reshape(*batch, self.dim), posterior.log_std.reshape(*batch, self.dim))

    def output(self, z: Latent) -> Images:
        """What the decoder makes (*, C, H, W) of codes (*, D), before the likelihood reads it: see `LIKELIHOODS`."""
        shape = None if isinstance(self.decoder, ConvDecoder) else self.config.latent_shape
        output: Tensor = self.decoder(shaped(z, shape))
        return output.reshape(*z.shape[:-1], *output.shape[1:])

    def decode(self, z: Latent) -> Images:
        """The mean images (*, C, H, W) in [0, 1] of codes (*, D)."""
        return LIKELIHOODS[self.config.likelihood].mean(self.output(z))

    def log_likelihood(self, images: Images, z: Latent) -> Scalar:
        """The likelihood log p(x | z) in nats (*) of images (*, C, H, W) for codes (*, D)."""
        return LIKELIHOODS[self.config.likelihood].log_density(images, self.output(z), self.config.noise)

    def transport(
        self,
        path: Path,
        z: Latent,
        *,
        frames: int | Tensor | None = None,
        log_q: Scalar | None = None,
        solver: Solver | None = None,
        generator: torch.Generator | None = None,
    ) -> Trajectory:
        """Pushes codes (*, D) along a path by the model's fields and dynamics; see `flowdis.transport`."""
        return transport(
            self.fields,
            path,
            z,
            dynamics=self.dynamics,
            frames=frames,
            log_q=log_q,
            solver=solver or self.config.solver,
            generator=generator,
        )

    def infer(self, frames: FrameImages) -> Path:
        """The path between frames (F, *, C, H, W), as the model infers it: its most probable amounts.

        Under weak supervision it has one segment, an amount of 1 of one transformation; with none, one segment for each
        step from a frame to the next.

        Raises:
            ValueError: if the model has been told its amounts and infers none, or there are fewer than two frames.
        """
        if self.amounts is None:
            raise ValueError("`model` must infer amounts, got one that was told them (supervision 'known')")
        posterior = self.amounts(frames)
        sharp: Tensor = posterior.sharp()
        amounts = sharp.unsqueeze(0) if isinstance(posterior, CategoricalPosterior) else sharp
        if isinstance(self.fields, MixedFields):
            amounts = amounts @ torch.linalg.pinv(self.fields.matrix.double()).to(amounts)
        return Path(self.names, amounts)

    def forward(self, images: Images, path: Path) -> Images:
        """Encodes images (*, C, H, W), flows their mean codes along the path, and decodes its end."""
        return self.decode(self.transport(path, self.encode(images).mean).z[-1])

    def train(self, mode: bool = True) -> LatentFlow:
        """Sets the mode of all modules but frozen ones, which stay in that for evaluation."""
        super().train(mode)
        for name, module in self._modules_named().items():
            if rests(module, name in self.config.frozen):
                module.eval()
        return self

    def _modules_named(self) -> dict[str, nn.Module]:
        return {name: module for name in MODULES if (module := getattr(self, name)) is not None}

    def card_facts(self, name: str = "path/to/this/folder") -> CardFacts:
        """What the model itself tells of for its card, `name` being what the code on the card loads it by."""
        return flow_facts(self.config, sum(parameter.numel() for parameter in self.parameters()), name)

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        source: str | FilePath,
        *,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        fields: FieldBank | None = None,
        amounts: nn.Module | None = None,
        dtype: torch.dtype | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
    ) -> LatentFlow:
        """Loads a model from the package, a folder or the Hugging Face hub; see `load`.

        Arguments:
            source: The name of a packaged model, a folder, or the name of a hub repository.
            encoder: The user's own encoder, where the model was saved with one.
            decoder: The user's own decoder, where the model was saved with one.
            fields: The user's own fields, where the model was saved with some.
            amounts: The user's own network that infers amounts, where the model was saved with one.
            dtype: The type of the parameters; that of the file, or float32 where that is half precision.
            revision: A branch, tag or commit of the hub repository.
            token: A hub token.
            local_files_only: Whether to look only into the hub's local cache.

        Raises:
            FileNotFoundError: if the folder or one of its files is missing.
            ValueError: if the config is foreign, own modules are not passed, or weights do not fit.
        """
        config, weights = read_model(
            source, LatentFlowConfig.from_json, revision=revision, token=token, local_files_only=local_files_only
        )
        given = {"encoder": encoder, "decoder": decoder, "fields": fields, "amounts": amounts}
        lacking: Sequence[str] = [name for name in config.own_modules if given[name] is None]
        if lacking:
            types = dict(zip(config.own_modules, config.own_types, strict=False))
            told = ", ".join(f"{name} ({types[name]})" if name in types else name for name in lacking)
            raise ValueError(f"`{lacking[0]}` must be passed: the model was saved with its own {told}")
        model = cls(config, encoder=encoder, decoder=decoder, fields=fields, amounts=amounts)
        fill_model(model, weights, source, dtype)
        return model.eval()
