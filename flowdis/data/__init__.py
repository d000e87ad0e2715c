"""Images and their true transformations and factors: scenes, sequences, data sets, renderers, image files."""

from __future__ import annotations

from flowdis.data.album import Album, read_album
from flowdis.data.attributes import AttributeTable, read_attributes
from flowdis.data.batch import CodePairs, SequenceBatch
from flowdis.data.digits import digits
from flowdis.data.factor_scenes import FactorScenes
from flowdis.data.factors import Factor, FactorImages
from flowdis.data.files import as_images, check_writable, load_animation, load_images, save_images
from flowdis.data.frame_files import load_sequences
from flowdis.data.frames import FrameSequences
from flowdis.data.glyphs import Glyphs, load_glyphs
from flowdis.data.grids import FactorGrid
from flowdis.data.morphology import MORPHOLOGY, Measurement, morphology
from flowdis.data.motions import Augmentation, Motion, Orbit, Steps
from flowdis.data.moving import moving_images
from flowdis.data.physics import SYSTEMS, bouncing_balls, double_pendulum, pendulum, spring, three_body, two_body
from flowdis.data.pixels import colour
from flowdis.data.protocols import ORBIT, PROTOCOLS, PUBLISHED, motions, orbit, published
from flowdis.data.readers import cars3d, dsprites, falcor3d, isaac3d, mpi3d, shapes3d, smallnorb
from flowdis.data.render import rooms, sprites
from flowdis.data.rendered import RenderedFrames
from flowdis.data.scenes import Scenes, StillScenes, as_scenes
from flowdis.data.sequences import TransformSequences
from flowdis.data.sources import ArrayImages, ImageRenderer, ImageSource
from flowdis.data.transforms import TRANSFORMS, Transformation, apply_path, path_matrices, units_of
from flowdis.data.videos import load_video
from flowdis.data.walks import Walks

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
    "FactorGrid",
    "FactorImages",
    "Walks",
    "ArrayImages",
    "ImageSource",
    "ImageRenderer",
    "sprites",
    "rooms",
    "dsprites",
    "shapes3d",
    "mpi3d",
    "smallnorb",
    "cars3d",
    "falcor3d",
    "isaac3d",
    "SequenceBatch",
    "CodePairs",
    "TransformSequences",
    "FrameSequences",
    "RenderedFrames",
    "SYSTEMS",
    "spring",
    "pendulum",
    "double_pendulum",
    "two_body",
    "three_body",
    "bouncing_balls",
    "moving_images",
    "Motion",
    "Orbit",
    "Steps",
    "Augmentation",
    "PROTOCOLS",
    "motions",
    "PUBLISHED",
    "ORBIT",
    "published",
    "orbit",
    "digits",
    "Glyphs",
    "load_glyphs",
    "MORPHOLOGY",
    "Measurement",
    "morphology",
    "Album",
    "read_album",
    "AttributeTable",
    "read_attributes",
    "load_video",
    "as_images",
    "load_images",
    "load_animation",
    "load_sequences",
    "save_images",
    "check_writable",
]
