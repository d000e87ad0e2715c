"""What models tell of themselves on their cards."""

from __future__ import annotations

from flowdis.models.card import CardFacts
from flowdis.models.config import LatentFlowConfig
from flowdis.models.wave_config import WaveMachineConfig
from flowdis.paths import Unit

__all__ = ["flow_facts", "wave_facts"]


def flow_facts(config: LatentFlowConfig, parameters: int, name: str) -> CardFacts:
    """What is on the card of a latent flow.

    Arguments:
        config: What the model is made of.
        parameters: How many numbers it has learned.
        name: What the code on the card loads it by.
    """
    first, unit = next(iter(config.units.items()))
    types = dict(zip(config.own_modules, config.own_types, strict=False))
    passed = "".join(f", {own}={types.get(own, 'Own')}()" for own in config.own_modules)
    size = " x ".join(map(str, config.image_shape))
    flows = ", ".join(f"{key} ({_unit(value)})" for key, value in config.units.items())
    return CardFacts(
        title=f"Latent flows: {', '.join(config.units)}",
        about="Edits images by flows of their codes: an encoder makes a code of an image, a velocity field for each "
        "transformation moves it, and a decoder makes an image of it again.",
        code=f'''
import flowdis as fd

model = fd.load("{name}"{passed})
images, files = fd.data.load_images("photos", image_shape=model.image_shape)
(flow,) = model.flows("{first}")
edited = fd.edit(model, images, flow({unit.size:g}))
fd.data.save_images(edited, "edited", files)
''',
        tags=["disentanglement", "equivariance", "image-editing", "latent-flows"],
        model={
            "images": f"{size} (channels, height, width), values in [0, 1]",
            "transformations": flows,
            "latents": f"{config.dim:,}",
            "fields": f"{config.field}, {config.dynamics}",
            "parameters": f"{parameters:,}",
            **({"own modules, to be passed": ", ".join(config.own_modules)} if config.own_modules else {}),
        },
        limits=[
            f"Images are brought to {size}, and come out at that size.",
            "It knows images like those that it was trained on; others come out as such.",
            "Small errors add up: the farther an edit goes, the less exact it is.",
        ],
    )


def wave_facts(config: WaveMachineConfig, parameters: int, name: str) -> CardFacts:
    """What is on the card of a wave machine.

    Arguments:
        config: What the model is made of.
        parameters: How many numbers it has learned.
        name: What the code on the card loads it by.
    """
    size = " x ".join(map(str, config.image_shape))
    return CardFacts(
        title="Wave machine",
        about=f"Reads {config.frames} frames of a sequence, and forecasts those that follow, with eyes closed.",
        code=f'''
import flowdis as fd

model = fd.load("{name}")
frames = fd.data.load_animation("film.gif", image_shape=model.image_shape)
future = model.forecast(frames, steps=60)
''',
        tags=["forecasting", "oscillators", "travelling-waves"],
        model={
            "frames": f"{size} (channels, height, width), values in [0, 1]; {config.frames} are read",
            "dynamics": config.dynamics,
            **(
                {"lattice": " x ".join(map(str, config.shape))} if config.shape and config.dynamics == "lattice" else {}
            ),
            "parameters": f"{parameters:,}",
        },
        limits=["It knows motions like those that it was trained on.", "Errors grow with the number of frames."],
    )


def _unit(unit: Unit) -> str:
    return (
        f"factor, one amount is times {unit.size:g}"
        if unit.logarithmic
        else f"{unit.name}, one amount is {unit.size:g}"
    )
