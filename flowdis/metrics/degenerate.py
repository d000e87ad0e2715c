"""Degenerate models: what a score is worth that a constant code, a static flow or random flows reach as well."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowdis._checks import check_finite, check_last
from flowdis._types import Images
from flowdis.dynamics import Dynamics
from flowdis.fields import FIELDS, ConstantField, FieldBank, MixedFields, VelocityField
from flowdis.fields.base import Mix
from flowdis.metrics.seeds import draw_seed
from flowdis.metrics.single_flows import single_flow_ends
from flowdis.models import LatentFlow, Posterior

__all__ = [
    "ConstantEncoder",
    "RescaledField",
    "constant_code",
    "degenerate_flows",
    "random_flows",
    "static_flow",
    "step_lengths",
    "with_fields",
]

_Codes = Float[Tensor, "N D"]
_Lengths = Float[Tensor, "K"]

# Velocities vary along a step, so that lengths do not scale with speeds exactly: so many corrections, of which
# none is needed for constant fields and two for the fields of any model that was looked at.
_CORRECTIONS = 6


class RescaledField(FieldBank):
    r"""Fields of another bank at speeds of their own, :math:`s_k v_k`.

    Arguments:
        bank: The other bank.
        scales: The factors, with shape (K,).

    Example:
        >>> bank = ConstantField(("shift",), 2)
        >>> _ = bank.load_state_dict({"direction": torch.ones(1, 2)})
        >>> RescaledField(bank, torch.tensor([3.0]))["shift"](torch.zeros(2), 0.0).tolist()
        [3.0, 3.0]
    """

    scales: Tensor

    def __init__(self, bank: FieldBank, scales: _Lengths) -> None:
        super().__init__(bank.names, bank.dim)
        check_finite("scales", check_last("scales", scales, len(bank.names), f"K={len(bank.names)}"))
        self.bank = bank
        self.register_buffer("scales", scales.clone())

    def bind(self, mix: Mix) -> VelocityField:
        """The other bank's mix of amounts times factors."""
        return self.bank.bind(Mix(mix.amounts * self.scales, mix.clock))

    def config(self) -> dict[str, Any]:
        """The other bank's options, and the factors."""
        return {"options": self.bank.config(), "scales": self.scales.tolist()}


class ConstantEncoder(nn.Module):
    """Encodes every image as the same posterior.

    Arguments:
        mean: Its mean, with shape (D,).
        log_std: Its logarithmic standard deviations, with shape (D,).
    """

    mean: Tensor
    log_std: Tensor

    def __init__(self, mean: Float[Tensor, "D"], log_std: Float[Tensor, "D"]) -> None:
        super().__init__()
        self.register_buffer("mean", mean.detach().clone())
        self.register_buffer("log_std", log_std.detach().clone())

    def forward(self, images: Images) -> Posterior:
        """The posterior over codes (*, D) of images (*, C, H, W)."""
        shape = (*images.shape[:-3], self.mean.shape[0])
        return Posterior(self.mean.expand(shape), self.log_std.expand(shape))


def with_fields(model: LatentFlow, bank: FieldBank) -> LatentFlow:
    """A copy of a model with other flows; it shares no tensor with the model or the bank.

    Raises:
        ValueError: if the bank's names or dimension are not the model's.
    """
    if tuple(bank.names) != model.names or bank.dim != model.dim:
        raise ValueError(
            f"`bank` must have names {model.names} and dim {model.dim}, got {tuple(bank.names)} and {bank.dim}"
        )
    return _changed(model, "fields", bank)


@torch.no_grad()
def constant_code(model: LatentFlow, code: Float[Tensor, "D"] | None = None) -> LatentFlow:
    """A copy of a model that encodes every image as one code, and so has no error to make in the latents.

    Arguments:
        model: The model, which is left as it is.
        code: The code, with shape (D,); that of a black image where left out.

    Raises:
        ValueError: if the code does not have D numbers.
    """
    posterior = model.encode(torch.zeros(model.image_shape, dtype=model.dtype, device=model.device))
    mean = posterior.mean if code is None else check_last("code", code, model.dim, f"D={model.dim}").to(posterior.mean)
    return _changed(model, "encoder", ConstantEncoder(mean, posterior.log_std))


def _changed(model: LatentFlow, part: str, module: nn.Module) -> LatentFlow:
    changed = copy.deepcopy(model)
    own = dict.fromkeys((*model.config.own_modules, part))
    setattr(changed, part, copy.deepcopy(module))
    changed.config = replace(model.config, own_modules=tuple(own))
    return changed


def static_flow(model: LatentFlow) -> FieldBank:
    """Flows that do not move, over the model's transformations."""
    bank = ConstantField(model.names, model.dim, generator=torch.Generator())
    bank.direction = nn.Parameter(torch.zeros_like(bank.direction), requires_grad=False)
    return bank.to(device=model.device, dtype=model.dtype)


@torch.no_grad()
def step_lengths(bank: FieldBank, z: _Codes, *, amount: float = 1.0, dynamics: Dynamics | None = None) -> _Lengths:
    r"""How far each flow moves codes, :math:`\sqrt{E |\phi_k^a(z) - z|^2}`, with shape (K,), in float64.

    Arguments:
        bank: The flows.
        z: The codes, with shape (N, D).
        amount: The amount a that each flow runs.
        dynamics: How flows push codes, without noise; overdamped where left out.

    Raises:
        FlowError: if a flow cannot be integrated.
    """
    count = len(bank.names)
    flows = torch.arange(count).repeat_interleave(len(z))
    runs = torch.full((len(flows),), amount)
    ends = single_flow_ends(bank, z.repeat(count, 1), flows, runs, dynamics=dynamics)
    return (ends.unflatten(0, (count, len(z))) - z).double().square().sum(-1).mean(-1).sqrt()


@torch.no_grad()
def random_flows(model: LatentFlow, z: _Codes, *, generator: torch.Generator, amount: float = 1.0) -> FieldBank:
    """Untrained overdamped flows of the model's own kind of field, that move codes as far as the model's flows do.

    Of a kind that cannot be built anew, as the model was made with fields of the user's own, random potentials
    take the place.

    Arguments:
        model: The model, which is left as it is.
        z: The codes on which lengths are compared, with shape (N, D).
        generator: The source of the weights.
        amount: The amount for which lengths agree to a hundredth, in the root mean square over codes.

    Returns:
        The flows; one whose model's flow does not move has speed 0.

    Raises:
        FlowError: if a flow cannot be integrated.
    """
    config = model.config
    own = "fields" in config.own_modules
    build: Callable[..., FieldBank] = FIELDS["potential" if own else config.field]
    options = {} if own else config.field_options
    seeded = torch.Generator().manual_seed(draw_seed(generator))
    fresh = build(config.field_names, model.dim, generator=seeded, **options)
    if config.mixing is not None:
        fresh = MixedFields(fresh, config.mixing)
    bank = RescaledField(fresh, torch.ones(len(model.names))).to(device=model.device, dtype=model.dtype)
    bank.requires_grad_(False)
    wanted = step_lengths(model.fields, z, amount=amount, dynamics=model.noiseless)
    reached, factors = torch.zeros_like(wanted), torch.ones_like(wanted)
    for _ in range(_CORRECTIONS):
        before, reached = reached, step_lengths(bank, z, amount=amount)
        ratios = torch.where(wanted > 0, wanted / torch.where(reached > 0, reached, 1.0), 0.0)
        factors = ratios ** (1 / _growth(before, reached, factors))
        bank.scales = bank.scales * factors.to(bank.scales)
        if torch.allclose(factors, torch.where(wanted > 0, 1.0, 0.0).to(factors), rtol=5e-3):
            break
    return bank


def _growth(before: _Lengths, after: _Lengths, factors: _Lengths) -> _Lengths:
    """By which power of the speeds lengths grow: 1 where it cannot be told, 2 for flows that start from rest."""
    told = (before > 0) & (after > 0) & ((factors.log().abs() > 0.05) & (factors > 0))
    power = torch.where(told, after / before, 1.0).log() / torch.where(told, factors, 2.0).log()
    return torch.where(told, power.clamp(0.5, 3), 1.0)


def degenerate_flows(
    model: LatentFlow, z: _Codes, *, generator: torch.Generator, amount: float = 1.0
) -> dict[str, FieldBank]:
    """The controls of metrics that take `controls`: "static" and "random" flows on the codes of the same model.

    Arguments:
        model: The model, which is left as it is.
        z: Codes of the model, with shape (N, D).
        generator: The source of the random flows.
        amount: The amount for which random flows move codes as far as the model's.
    """
    return {"static": static_flow(model), "random": random_flows(model, z, generator=generator, amount=amount)}
