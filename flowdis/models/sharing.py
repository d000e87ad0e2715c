"""Other flows for the encoder and the decoder that a model has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowdis.fields import FIELDS, FieldBank
from flowdis.models.latent_flow import LatentFlow
from flowdis.paths import Unit

__all__ = ["with_fields"]


def with_fields(model: LatentFlow, fields: FieldBank, units: Mapping[str, Unit]) -> LatentFlow:
    """A model of the same encoder and decoder, which it shares, with other flows: told, and without noise or inertia.

    Arguments:
        model: The model whose encoder and decoder are used; they are not copied.
        fields: The bank of the new flows, which becomes part of the new model, where that is.
        units: The natural unit of each, in the bank's order.

    Raises:
        ValueError: if the bank's names or dimension do not fit.
    """
    kind = next((name for name, known in FIELDS.items() if type(fields) is known), None)
    config = replace(
        model.config,
        units=dict(units),
        field=kind or model.config.field,
        field_options=fields.config() if kind else {},
        dynamics="overdamped",
        dynamics_options={},
        temperature=0.0,
        supervision="known",
        supervision_options={},
        mixing=None,
    )
    shared = LatentFlow(config, encoder=model.encoder, decoder=model.decoder, fields=fields)
    shared.to(device=model.device, dtype=model.dtype)
    # The encoder and the decoder were passed in, but what the config describes is still made by it on loading.
    own = {*model.config.own_modules} & {"encoder", "decoder"} | (set() if kind else {"fields"})
    shared.config = replace(shared.config, own_modules=tuple(sorted(own)))
    return shared.train(model.training)
