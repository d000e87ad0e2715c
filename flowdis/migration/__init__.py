"""What was made by neighbouring code, read by this library: checkpoints, results and data folders.

Example:
    >>> from flowdis.migration import DATA_FILES
    >>> DATA_FILES["dsprites_full"]
    'dsprites/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz'
"""

from flowdis.migration.disentanglement_lib import (
    DATA_FILES,
    METRIC_NAMES,
    ROOT_VARIABLE,
    from_data_root,
    read_evaluation,
    read_evaluations,
)
from flowdis.migration.latent_flow import load_latent_flow, published_path
from flowdis.migration.published_modules import PublishedDecoder, PublishedEncoder, PublishedPotential
from flowdis.migration.wave_machine import PublishedWaveMachine, load_wave_machine

__all__ = [
    "load_latent_flow",
    "published_path",
    "PublishedEncoder",
    "PublishedDecoder",
    "PublishedPotential",
    "load_wave_machine",
    "PublishedWaveMachine",
    "from_data_root",
    "DATA_FILES",
    "ROOT_VARIABLE",
    "read_evaluation",
    "read_evaluations",
    "METRIC_NAMES",
]
