"""Autoencoders of Hugging Face diffusers as encoder and decoder of a `LatentFlow`."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowdis._checks import check_choice
from flowdis.models.posterior import Posterior

__all__ = ["AUTOENCODERS", "CodeScale", "DiffusersDecoder", "DiffusersEncoder", "diffusers_pair", "load_diffusers"]

_Images = Float[Tensor, "B C H W"]
_Codes = Float[Tensor, "B code height width"]

AUTOENCODERS = ("AutoencoderKL", "AutoencoderTiny")
"""The kinds that are adapted."""


class CodeScale(nn.Module):
    r"""The scale of codes that diffusion models are trained on, :math:`z = (h - m) f / s`.

    f is the configuration's `scaling_factor`, m its `latents_mean` or `shift_factor`, and s its `latents_std`.

    Arguments:
        vae: The autoencoder.
    """

    factor: Tensor
    shift: Tensor

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        config: Any = vae.config
        like = next(vae.parameters())
        mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
        shift = mean if mean is not None else getattr(config, "shift_factor", None) or 0.0
        factor = torch.as_tensor(float(getattr(config, "scaling_factor", None) or 1.0)) / torch.as_tensor(
            1.0 if std is None else std
        )
        self.register_buffer("factor", factor.reshape(-1, 1, 1).to(like))
        self.register_buffer("shift", torch.as_tensor(shift).reshape(-1, 1, 1).to(like))

    def forward(self, maps: _Codes) -> _Codes:
        """The codes of maps that an encoder gave."""
        return (maps - self.shift) * self.factor

    def back(self, codes: _Codes) -> _Codes:
        """The maps that a decoder takes."""
        return codes / self.factor + self.shift


class DiffusersEncoder(nn.Module):
    """The encoder of an `AutoencoderKL`, a posterior over maps, or of an `AutoencoderTiny`, which gives maps alone.

    Arguments:
        vae: The autoencoder, whose modules are used as they are.
    """

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.scale = CodeScale(vae)
        self.encoder, self.moments = vae.get_submodule("encoder"), getattr(vae, "quant_conv", None)
        self.sharp = type(vae).__name__ == "AutoencoderTiny"

    def forward(self, images: _Images) -> Posterior | _Codes:
        """Encodes images (B, C, H, W) in [0, 1]."""
        found = self.encoder(2 * images - 1)
        if self.sharp:
            return self.scale(found)
        mean, log_variance = (found if self.moments is None else self.moments(found)).chunk(2, dim=1)
        # The range in which these models were trained, and beyond which they are cut.
        log_std = 0.5 * log_variance.clamp(-30.0, 20.0)
        return Posterior(self.scale(mean), log_std + self.scale.factor.log())


class DiffusersDecoder(nn.Module):
    """The decoder of such an autoencoder, for models with a Gaussian likelihood.

    Arguments:
        vae: The autoencoder, whose modules are used as they are.
    """

    likelihood = "gaussian"

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.scale = CodeScale(vae)
        self.decoder, self.widened = vae.get_submodule("decoder"), getattr(vae, "post_quant_conv", None)

    def forward(self, codes: _Codes) -> _Images:
        """Decodes maps (B, C, H, W) as images, less 1/2."""
        maps = self.scale.back(codes)
        output: Tensor = self.decoder(maps if self.widened is None else self.widened(maps))
        return output / 2


def diffusers_pair(vae: nn.Module) -> tuple[DiffusersEncoder, DiffusersDecoder]:
    """The encoder and the decoder of an autoencoder of diffusers.

    Images are taken from [0, 1] to the range [-1, 1] of these models, codes to the scale on which diffusion models see
    them, and both back. The parts of the autoencoder are shared, not copied.

    Arguments:
        vae: An `AutoencoderKL` or an `AutoencoderTiny`, as `load_diffusers` gives it.

    Raises:
        TypeError: if it is of another kind.
    """
    if not isinstance(vae, nn.Module) or type(vae).__name__ not in AUTOENCODERS:
        raise TypeError(f"`vae` must be one of {', '.join(AUTOENCODERS)}, got {type(vae).__name__}")
    return DiffusersEncoder(vae), DiffusersDecoder(vae)


def load_diffusers(
    source: str | FilePath,
    *,
    subfolder: str | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> nn.Module:
    """Loads an autoencoder of diffusers from a folder or from the Hugging Face hub, from safetensors alone.

    Arguments:
        source: A folder, or the name of a hub repository.
        subfolder: Where in it the autoencoder is: "vae" in the repository of a whole pipeline.
        revision: A branch, tag or commit of the hub repository.
        token: A hub token.
        local_files_only: Whether to look only into the hub's local cache.

    Raises:
        ImportError: if diffusers is not installed.
        FileNotFoundError: if there is no such model, or it has no weights in safetensors.
        ValueError: if it is of a kind that is not adapted.
    """
    try:
        import diffusers
    except ImportError as error:
        raise ImportError("autoencoders of diffusers need it: pip install 'flowdis[diffusers]'") from error
    where = {
        "subfolder": subfolder,
        "revision": revision,
        "token": token,
        "local_files_only": local_files_only or FilePath(source).is_dir(),
    }
    try:
        config = diffusers.AutoencoderKL.load_config(str(source), **where)
        kind = check_choice("source", str(config.get("_class_name")), AUTOENCODERS)
        loaded = getattr(diffusers, kind).from_pretrained(str(source), use_safetensors=True, **where)
    except OSError as error:
        told = f"`source` must be a folder or a hub repository of an autoencoder in safetensors, got {source}"
        raise FileNotFoundError(f"{told}: {' '.join(str(error).split())[:300]}") from error
    model: nn.Module = loaded.eval()
    return model
