"""Models: encoders, decoders and the flows between them."""

from flowdis.models.amount_posteriors import CategoricalPosterior, LaplacePrior, SpikeChain, SpikeSlabPosterior
from flowdis.models.amounts import AMOUNTS, CategoricalAmounts, SpikeSlabAmounts
from flowdis.models.autoencoder import ConvDecoder, ConvEncoder, default_channels
from flowdis.models.config import LatentFlowConfig
from flowdis.models.guided import aggregate_covariance, guide
from flowdis.models.latent_flow import LatentFlow
from flowdis.models.likelihood import LIKELIHOODS
from flowdis.models.mixing import merge, mix, rename
from flowdis.models.posterior import Posterior, gaussian_log_density
from flowdis.models.sharing import with_fields
from flowdis.models.wave_config import WaveMachineConfig
from flowdis.models.wave_machine import WaveMachine

__all__ = [
    "AMOUNTS",
    "LIKELIHOODS",
    "CategoricalAmounts",
    "CategoricalPosterior",
    "ConvDecoder",
    "ConvEncoder",
    "LaplacePrior",
    "LatentFlow",
    "LatentFlowConfig",
    "Posterior",
    "SpikeChain",
    "SpikeSlabAmounts",
    "SpikeSlabPosterior",
    "WaveMachine",
    "WaveMachineConfig",
    "aggregate_covariance",
    "default_channels",
    "gaussian_log_density",
    "guide",
    "merge",
    "mix",
    "rename",
    "with_fields",
]
