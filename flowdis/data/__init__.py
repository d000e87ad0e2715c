"""Images and their true transformations: sequences to train and to compare on, digits, image files."""

from __future__ import annotations

from flowdis.data.batch import SequenceBatch
from flowdis.data.digits import digits
from flowdis.data.factor_scenes import FactorScenes
from flowdis.data.factors import Factor, FactorImages
from flowdis.data.files import as_images, check_writable, load_images, save_images
from flowdis.data.motions import Augmentation, Motion, Orbit, Steps
from flowdis.data.pixels import colour
from flowdis.data.protocols import ORBIT, PUBLISHED, orbit, published
from flowdis.data.scenes import Scenes, StillScenes, as_scenes
from flowdis.data.sequences import TransformSequences
from flowdis.data.transforms import TRANSFORMS, Transformation, apply_path, path_matrices, units_of

__all__ = [
    "TRANSFORMS",
    "Transformation",
    "apply_path",
    "path_matrices",
    "units_of",
    "colour",
    "Scenes",
    "StillScenes",
    "FactorScenes",
    "as_scenes",
    "Factor",
    "FactorImages",
    "SequenceBatch",
    "TransformSequences",
    "Motion",
    "Orbit",
    "Steps",
    "Augmentation",
    "PUBLISHED",
    "ORBIT",
    "published",
    "orbit",
    "digits",
    "as_images",
    "load_images",
    "save_images",
    "check_writable",
]
