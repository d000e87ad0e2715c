"""Fields: banks of K velocity fields in closed form, bound to a mix."""

from __future__ import annotations

from flowdis.fields.autograd import AutogradField
from flowdis.fields.base import FieldBank, VelocityField
from flowdis.fields.guided import GuidedField, VanishingGradientError
from flowdis.fields.helmholtz import HelmholtzField
from flowdis.fields.joined import JoinedField
from flowdis.fields.linear import ConstantField, LinearField
from flowdis.fields.mixed import MixedFields
from flowdis.fields.potential import PotentialField
from flowdis.fields.solenoidal import SolenoidalField
from flowdis.fields.staying import StayingFields
from flowdis.fields.wave import WaveField

FIELDS: dict[str, type[FieldBank]] = {
    "potential": PotentialField,
    "solenoidal": SolenoidalField,
    "helmholtz": HelmholtzField,
    "joined": JoinedField,
    "wave": WaveField,
    "linear": LinearField,
    "constant": ConstantField,
}

__all__ = [
    "FIELDS",
    "AutogradField",
    "ConstantField",
    "FieldBank",
    "GuidedField",
    "HelmholtzField",
    "JoinedField",
    "LinearField",
    "MixedFields",
    "PotentialField",
    "SolenoidalField",
    "StayingFields",
    "VanishingGradientError",
    "VelocityField",
    "WaveField",
]
