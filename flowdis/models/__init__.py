"""Models: encoders, decoders and the flows between them."""

from flowdis.models.adapters import ModuleDecoder, ModuleEncoder, module_pair
from flowdis.models.amount_posteriors import CategoricalPosterior, LaplacePrior, SpikeChain, SpikeSlabPosterior
from flowdis.models.amounts import AMOUNTS, CategoricalAmounts, SpikeSlabAmounts
from flowdis.models.autoencoder import ConvDecoder, ConvEncoder, default_channels
from flowdis.models.card import CardFacts, ModelCard
from flowdis.models.code_density import CodeDensity
from flowdis.models.config import LatentFlowConfig
from flowdis.models.guided import aggregate_covariance, guide
from flowdis.models.inversion import Inversion, InversionConfig, InversionEncoder, invert, sample_codes
from flowdis.models.latent_flow import LatentFlow
from flowdis.models.likelihood import LIKELIHOODS
from flowdis.models.loading import load
from flowdis.models.mixing import merge, mix, rename
from flowdis.models.own import Decoder, Encoder, encoder_shape
from flowdis.models.posterior import Posterior, gaussian_log_density
from flowdis.models.pretrained import DiffusersDecoder, DiffusersEncoder, diffusers_pair, load_diffusers
from flowdis.models.principal import PrincipalComponents, PrincipalDecoder, PrincipalEncoder
from flowdis.models.sharing import with_fields
from flowdis.models.sources import packaged_models
from flowdis.models.wave_config import WaveMachineConfig
from flowdis.models.wave_machine import WaveMachine

__all__ = [
    "AMOUNTS",
    "LIKELIHOODS",
    "CardFacts",
    "CategoricalAmounts",
    "CategoricalPosterior",
    "CodeDensity",
    "ConvDecoder",
    "ConvEncoder",
    "Decoder",
    "DiffusersDecoder",
    "DiffusersEncoder",
    "Encoder",
    "Inversion",
    "InversionConfig",
    "InversionEncoder",
    "LaplacePrior",
    "LatentFlow",
    "LatentFlowConfig",
    "ModelCard",
    "ModuleDecoder",
    "ModuleEncoder",
    "Posterior",
    "PrincipalComponents",
    "PrincipalDecoder",
    "PrincipalEncoder",
    "SpikeChain",
    "SpikeSlabAmounts",
    "SpikeSlabPosterior",
    "WaveMachine",
    "WaveMachineConfig",
    "aggregate_covariance",
    "default_channels",
    "diffusers_pair",
    "encoder_shape",
    "gaussian_log_density",
    "invert",
    "load",
    "load_diffusers",
    "guide",
    "merge",
    "mix",
    "module_pair",
    "packaged_models",
    "rename",
    "sample_codes",
    "with_fields",
]
