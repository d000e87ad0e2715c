"""What the numbers of metrics.json mean: sections, names, units, one sentence each."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MEANINGS", "PROTOCOLS", "SECTIONS", "Meaning", "meaning_of", "title_of"]

_PIXELS = "sum of |differences| over pixels and channels, values from 0 to 1, mean over images"


class Meaning(NamedTuple):
    """A number's name in a table, its unit, and what it says."""

    name: str
    unit: str
    text: str


SECTIONS: dict[str, tuple[str, str]] = {
    "protocols": (
        "Equivariance",
        "Each code flows along one transformation, is decoded, and is compared with the truly "
        "transformed image, frame "
        "by frame. The error should come close to the floor, which the decoder alone is to blame for,"
        " and stay far "
        "below the identity.",
    ),
    "latent_ratio": (
        "Equivariance in the latents",
        "How much of the distance between the code of an image and that of its transformed copy is "
        "left after the flow.",
    ),
    "composition": (
        "Composition",
        "Two transformations, one after the other (sequential) and both at once (linear), against the"
        " image that truly "
        "went through both.",
    ),
    "backwards": (
        "Backwards",
        "The same amounts with the opposite sign. A flow that is a group goes back as well as it goes forth.",
    ),
    "round": (
        "Once round",
        "A whole turn leads back to the start: what is left is what the flow loses on the longest way there is.",
    ),
    "undo": (
        "Undo",
        "A path, and then its inverse. Along an exact inverse only the solver's rounding is left.",
    ),
    "commutator": (
        "Which transformations commute",
        "Where two flows commute, one after the other and both at once lead to the same place, so they mix safely.",
    ),
    "log_likelihood": (
        "Likelihood",
        "How probable the model finds whole sequences, by importance sampling with one weight per sequence.",
    ),
    "training": ("Training", "How the model came about."),
}
"""Title and introduction of each top-level key, in reading order."""

MEANINGS: dict[str, Meaning] = {
    "error": Meaning(
        "error",
        "pixels",
        f"Of the model's edit against the true image: {_PIXELS}; summed over frames.",
    ),
    "floor": Meaning(
        "floor",
        "pixels",
        "The same for decode(encode(true image)): what the autoencoder alone gets wrong.",
    ),
    "identity": Meaning(
        "identity",
        "pixels",
        "The same for no edit at all: the source image in place of every frame.",
    ),
    "constant": Meaning(
        "constant",
        "pixels",
        "The same for the best constant direction, fitted by least squares on the same codes.",
    ),
    "linear": Meaning(
        "linear",
        "pixels",
        "The same for the best linear flow, fitted by least squares on the same codes.",
    ),
    "black": Meaning("black", "pixels", "The same for an image that is black all over."),
    "of_floor": Meaning(
        "error / floor",
        "",
        "1 means that the flow adds nothing to the autoencoder's own error.",
    ),
    "of_identity": Meaning("error / identity", "", "1 means no better than not editing; 0 is perfect."),
    "ratio": Meaning(
        "ratio",
        "",
        "Squared distance to the true code after the flow, relative to that before: 0 is exact, 1 no "
        "better than no flow.",
    ),
    "pixels": Meaning("image", "pixels", f"Between the decoded codes before and after: {_PIXELS}."),
    "latent": Meaning(
        "latent, largest",
        "relative",
        "Distance between the codes before and after, relative to the code's length; the largest over images.",
    ),
    "latent_mean": Meaning("latent, mean", "relative", "The same, the mean over images."),
    "nats_per_sequence": Meaning(
        "log-likelihood",
        "nats per sequence",
        "The estimate of log p of all frames of a sequence, the mean over sequences; higher is better.",
    ),
    "elbo": Meaning(
        "lower bound",
        "nats per sequence",
        "The evidence lower bound from the same samples; never above the estimate.",
    ),
    "samples": Meaning("samples", "per sequence", "Importance samples that each estimate is made from."),
    "sequences": Meaning("sequences", "", "Sequences that the mean is taken over."),
    "standard_error": Meaning("standard error", "nats", "Of the mean over sequences."),
    "steps": Meaning("steps", "", "Steps of the optimiser."),
    "seconds": Meaning("time", "seconds", "Wall-clock time spent in them."),
    "frames_per_second": Meaning(
        "speed",
        "frames per second",
        "Images encoded or decoded in training, per second.",
    ),
    "parameters": Meaning("parameters", "", "Learned numbers of the model."),
    "bracket": Meaning(
        "bracket",
        "relative",
        "Size of the Lie bracket of two fields relative to the fields' own: 0 where they commute.",
    ),
    "gap": Meaning(
        "gap",
        "relative",
        "How far apart first-one-then-the-other and the reverse end, relative to the way, for the amount given.",
    ),
    "amount": Meaning("amount", "amounts", "The amount of each transformation that the gap is for."),
    "safe": Meaning("safe pairs", "", "Pairs whose gap is at most a tenth."),
    "names": Meaning("transformations", "", "The model's flows, in order."),
    "forward": Meaning("forwards", "pixels", f"Error of the edit against the true image: {_PIXELS}."),
    "backward": Meaning("backwards", "pixels", "The same for the same amount with the opposite sign."),
    "of_forward": Meaning(
        "backwards / forwards",
        "",
        "1 means that the flow goes back as well as it goes forth.",
    ),
    "seed": Meaning("seed", "", "Of weights, sequences and samples."),
    "images": Meaning("images", "", "Test images that the means are taken over."),
    "device": Meaning("device", "", "Where the numbers were computed."),
}


_WITHIN: dict[tuple[str, str], Meaning] = {
    ("commutator", "pixels"): Meaning(
        "gap between images",
        "pixels",
        f"Between one edit and then another, and the other way round, decoded: {_PIXELS}.",
    ),
    ("latent_ratio", "constant"): Meaning(
        "constant", "", "The ratio of the best constant direction on the same codes."
    ),
    ("latent_ratio", "linear"): Meaning("linear", "", "The ratio of the best linear flow on the same codes."),
}

PROTOCOLS: dict[str, str] = {
    "published": "From upright images of scale 1 and hue 0, eight even steps of one transformation, "
    "as in published "
    "experiments.",
    "orbit": "From any pose, eight steps at half to one and a half times the published speed.",
}
"""What the sequences of each protocol are."""


def title_of(key: str) -> str:
    """A key as a heading or a label: "once_round" becomes "Once round"."""
    text = key.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def meaning_of(key: str, section: str = "") -> Meaning:
    """What a key means in a section; for one that is not known, its name alone.

    Example:
        >>> meaning_of("elbo").unit, meaning_of("my_number").name
        ('nats per sequence', 'my number')
    """
    known = _WITHIN.get((section, key)) or MEANINGS.get(key)
    return known or Meaning(key.replace("_", " "), "", "")
