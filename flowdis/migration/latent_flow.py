"""Checkpoints of the published latent flows (KingJamesSong/latent-flow) as models of this library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as FilePath

import torch
from torch import Tensor, nn

from flowdis._checks import check_positive
from flowdis.dynamics import Solver
from flowdis.fields import AutogradField
from flowdis.migration.checkpoints import read_torch_file, state_dict_of, take
from flowdis.migration.published_modules import LAYOUTS, PublishedDecoder, PublishedEncoder, PublishedPotential
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.paths import Flow, Path, Unit

__all__ = ["load_latent_flow", "published_path"]

_STEPS = 4.0  # of Runge-Kutta for each published one, which is a small change
_POTENTIAL = re.compile(r"MLP_SET\.(\d+)\.(.+)")


def load_latent_flow(file: str | FilePath, *, units: Mapping[str, Unit] | None = None) -> LatentFlow:
    """Reads `checkpoint.pt`, as the supervised and the weakly supervised trainers write it, into a `LatentFlow`.

    Sizes are read off the weights. Encoder and decoder are `PublishedEncoder` and `PublishedDecoder`, the fields an
    `AutogradField` of K `PublishedPotential`. The forcing networks and the prior's diffusion, which play a part in
    training only, are left out. An amount of 1 is one published step, of which the model's solver makes four finer
    ones; `published_path` makes paths of published steps.

    Arguments:
        file: The checkpoint, a dictionary with the state dicts "vae" and "support_sets".
        units: The K transformations in their order, each with its unit, whose size is what a step does; for digits
            scale, rotate and hue. Flows are called flow_1 to flow_K, in steps, where left out.

    Returns:
        The model, set for evaluation.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds other objects than tensors, or weights of another model, or there is not one unit for
            each potential.
    """
    found = read_torch_file(file)
    vae, flows = state_dict_of(found, "vae", file), state_dict_of(found, "support_sets", file)
    potentials = _potentials(flows, file)
    encoder, decoder, image_shape = _autoencoder(vae, file)
    dim = encoder.linear_means.out_features
    _fill(encoder, _below(vae, "encoder."), file)
    _fill(decoder, _below(vae, "decoder."), file)
    if units is None:
        units = {f"flow_{k + 1}": Unit("step") for k in range(len(potentials))}
    if len(units) != len(potentials):
        raise ValueError(f"`units` must hold one unit for each of {len(potentials)} potentials, got {list(units)}")
    modules = [PublishedPotential(dim) for _ in potentials]
    for module, weights in zip(modules, potentials, strict=True):
        _fill(module, weights, file)
    fields = AutogradField(tuple(units), dim, modules, kind="potential")
    config = LatentFlowConfig(image_shape, units, dim=dim, solver=Solver(steps_per_unit=_STEPS))
    return LatentFlow(config, encoder=encoder, decoder=decoder, fields=fields).eval()


def published_path(flow: Flow, steps: int) -> Path:
    """The path of so many published steps of a flow: segments of amount 1 whose clocks read 1, 2 and so on.

    The published traversal is z + grad u(z, t) at t = 1, 2 and so on. `Solver("euler", steps=1)` takes these steps;
    any better solver follows the flow of grad u, in which they are coarse.

    Raises:
        ValueError: if `steps` is not positive.

    Example:
        >>> path = published_path(Flow("turn", ("turn",)), 3)
        >>> path.amounts.flatten().tolist(), path.clocks.flatten().tolist()
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    """
    check_positive("steps", steps)
    step = flow.by_amount(1.0)
    amounts = step.amounts.expand(steps, -1)
    return Path(step.names, amounts, amounts * torch.arange(1, steps + 1).to(amounts).unsqueeze(-1))


def _potentials(state: Mapping[str, Tensor], file: str | FilePath) -> list[dict[str, Tensor]]:
    """The weights of each potential."""
    if any(name.startswith("DIV_MLP.") for name in state):
        told = "potentials alone; those of the unsupervised trainer also have velocities (DIV_MLP)"
        raise ValueError(f"`file` must hold {told}, got {file}")
    found: dict[int, dict[str, Tensor]] = {}
    for name, value in state.items():
        if match := _POTENTIAL.fullmatch(name):
            found.setdefault(int(match[1]), {})[match[2]] = value
    if not found or sorted(found) != list(range(len(found))):
        raise ValueError(f"`file` must hold potentials MLP_SET.0 and on, got {sorted(state)} in {file}")
    return [found[k] for k in range(len(found))]


def _autoencoder(
    state: Mapping[str, Tensor], file: str | FilePath
) -> tuple[PublishedEncoder, PublishedDecoder, tuple[int, int, int]]:
    """An encoder and a decoder of the sizes that the weights have, and the shape of their images."""
    first = take(state, "encoder.encoder.0.weight", 4, file)
    second = take(state, "encoder.encoder.2.weight", 4, file)
    layout, last = ("deep", 16) if second.shape[0] == first.shape[0] else ("wide", 4)
    side = LAYOUTS[layout] * take(state, f"encoder.encoder.{last}.weight", 4, file).shape[-1]
    dim = take(state, "encoder.linear_means.weight", 2, file).shape[0]
    image_shape = (first.shape[1], side, side)
    return PublishedEncoder(image_shape, dim, layout), PublishedDecoder(image_shape, dim, layout), image_shape


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _fill(module: nn.Module, weights: Mapping[str, Tensor], file: str | FilePath) -> None:
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"`file` must hold the weights of a {type(module).__name__}, got {file}: {reason}") from error
