"""The whole evaluation of a model, whatever subset of transformations it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from flowdis._checks import check_choice
from flowdis.data.protocols import PROTOCOLS, motions
from flowdis.data.scenes import Scenes, StillScenes
from flowdis.data.sequences import TransformSequences
from flowdis.dynamics import FlowError
from flowdis.fields import FieldBank
from flowdis.metrics.batches import Stills, check_scenes, spread
from flowdis.metrics.commutator import commutator
from flowdis.metrics.controls import fit_controls
from flowdis.metrics.equivariance import EquivarianceError, equivariance_error
from flowdis.metrics.evaluation import Evaluation
from flowdis.metrics.latent import LatentRatio, latent_equivariance_ratio
from flowdis.metrics.likelihood import LogLikelihood, log_likelihood
from flowdis.metrics.probes import Bench, backwards, compositions, gaps, once_round, undos
from flowdis.metrics.protocols import drawable, protocol_sequences, protocols_of, random_start
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["evaluate", "evaluate_protocol"]

# Training images: enough to fit matrices of 64 x 64. Test images: enough for what varies little over images.
_FITTED, _FEW = 500, 250

_TrainStills = Float[Tensor, "M C H W"]


def evaluate_protocol(
    model: LatentFlow,
    train_images: _TrainStills | Scenes,
    test_images: Stills | Scenes,
    protocol: str = "published",
    *,
    generator: torch.Generator,
    names: Sequence[str] | None = None,
    controls: Mapping[str, FieldBank] | None = None,
    limit: int | None = None,
    fitted: int = _FITTED,
    batch_size: int = 250,
) -> dict[str, EquivarianceError]:
    """The equivariance error of each transformation under a protocol, beside its controls.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        train_images: The images (M, C, H, W), or scenes, whose sequences the controls are fitted on.
        test_images: The images (N, C, H, W), or scenes, whose sequences are measured.
        protocol: "published" or "orbit".
        generator: The source of starts and speeds.
        names: The transformations measured; all that can be drawn where left out.
        controls: By name, other fields on the same codes; fitted on training sequences where left out.
        limit: At most so many test images, spread over the set; all where left out.
        fitted: At most so many training images, spread over the set, are used to fit the controls.
        batch_size: How many sequences are worked on at a time.

    Returns:
        The errors by transformation.

    Raises:
        TypeError: if images are not floating-point.
        ValueError: if images do not fit the model, or the protocol or a name is unknown.
        FlowError: if a flow cannot be integrated.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    training = check_scenes("train_images", train_images, model)
    scenes = spread(check_scenes("test_images", test_images, model), limit)
    if not drawable(model, scenes):
        return {}
    if controls is None:
        fitting = spread(training, fitted)
        train = protocol_sequences(model, fitting, protocol, generator=generator, batch_size=batch_size)
        controls = fit_controls(model, train, batch_size=batch_size)
    test = protocol_sequences(model, scenes, protocol, generator=generator, names=names, batch_size=batch_size)
    return equivariance_error(model, test, controls=controls, batch_size=batch_size, generator=generator)


def evaluate(
    model: LatentFlow,
    train_images: _TrainStills | Scenes,
    test_images: Stills | Scenes,
    *,
    generator: torch.Generator,
    protocols: Sequence[str] | None = None,
    limit: int | None = None,
    likelihood_samples: int = 32,
    likelihood_sequences: int = 64,
    batch_size: int = 250,
    quiet: bool = False,
) -> Evaluation:
    """Every flow metric of a model, beside its controls.

    What needs a truth is measured on those of the model's transformations that can be drawn. A flow that
    cannot be integrated spoils its own section, which is left out and told of in `failures`.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        train_images: The images (M, C, H, W), or scenes, whose sequences the controls are fitted on.
        test_images: The images (N, C, H, W) in [0, 1], or scenes, that are measured.
        generator: The source of starts, speeds and posterior samples.
        protocols: Which of "published" and "orbit" are measured; those that the scenes have where left out.
        limit: At most so many test images, spread over the set; all where left out.
        likelihood_samples: Samples of each sequence's log-likelihood; 0 leaves it out.
        likelihood_sequences: At most so many sequences, in drawn turn, of the published protocol where there is one.
        batch_size: How many images or sequences are worked on at a time; no result depends on it.
        quiet: Whether to show no progress bar.

    Returns:
        The results; `to_json` writes them as one nested table.

    Raises:
        TypeError: if images are not floating-point.
        ValueError: if images do not fit the model, or a protocol is unknown.
    """
    training = check_scenes("train_images", train_images, model)
    scenes = spread(check_scenes("test_images", test_images, model), limit)
    protocols = protocols_of(model, scenes) if protocols is None else protocols
    for protocol in protocols:
        check_choice("protocols", protocol, PROTOCOLS)
    known = drawable(model, scenes)
    controls: Mapping[str, FieldBank] = {}
    start = None
    if known:
        fitting = protocol_sequences(model, spread(training, _FITTED), "orbit", generator=generator)
        controls = fit_controls(model, fitting, batch_size=batch_size)
        start = random_start(model, scenes, generator)
    images = scenes.images if isinstance(scenes, StillScenes) else _posed(model, scenes, start)
    bench = Bench(model, scenes, images, start, controls, generator, batch_size)
    jobs = _drawn_jobs(bench, training, protocols) if known else {}
    if model.config.temperature == 0:
        jobs["undo"] = lambda: undos(bench)
    jobs["commutator"] = lambda: commutator(model, spread(images, _FEW), batch_size=batch_size)
    # A topographic code is a quotient of two normal ones: what log_likelihood takes for its prior is not.
    if known and likelihood_samples and model.config.encoder != "topographic":
        some = spread(scenes, likelihood_sequences)
        jobs["log_likelihood"] = lambda: _likelihood(bench, some, likelihood_samples)
    return _run(jobs, quiet)


def _posed(model: LatentFlow, scenes: Scenes, start: Path | None) -> Stills:
    """The images (N, C, H, W) of scenes at their starts; as they are for a model that moves none of them."""
    if start is None:
        name = next(iter(scenes.transformations))
        start = Path((name,), torch.zeros(1, len(scenes), 1, dtype=torch.float64))
    return scenes.to(model.log_diffusion).draw(start, model.units)


def _drawn_jobs(bench: Bench, training: Scenes, protocols: Sequence[str]) -> dict[str, Callable[[], Any]]:
    """What is measured against true images, one job per section."""
    model, scenes, generator, batch_size = bench.model, bench.scenes, bench.generator, bench.batch_size
    controls = bench.controls

    def errors(protocol: str) -> Callable[[], dict[str, EquivarianceError]]:
        return lambda: evaluate_protocol(
            model,
            training,
            scenes,
            protocol,
            generator=generator,
            controls=controls if protocol == "orbit" else None,
            batch_size=batch_size,
        )

    def ratios() -> dict[str, LatentRatio]:
        sequences = protocol_sequences(model, spread(scenes, _FEW), "orbit", generator=generator)
        return latent_equivariance_ratio(
            model, sequences, controls=controls, batch_size=batch_size, generator=generator
        )

    return {
        **{f"protocols.{protocol}": errors(protocol) for protocol in protocols},
        "composition": lambda: compositions(bench),
        "backwards": lambda: backwards(bench),
        "round": lambda: once_round(bench),
        "gaps": lambda: gaps(bench),
        "latent_ratio": ratios,
    }


def _likelihood(bench: Bench, scenes: Scenes, samples: int) -> LogLikelihood:
    protocol, *_ = protocols_of(bench.model, scenes)
    moves = motions(protocol, bench.names, known=scenes.transformations)
    sequences = TransformSequences(scenes, moves, units=bench.model.units, single=1.0)
    batch = sequences.batch(torch.arange(len(scenes)), generator=bench.generator)
    return log_likelihood(bench.model, batch, samples=samples, generator=bench.generator, batch_size=bench.batch_size)


def _run(jobs: dict[str, Callable[[], Any]], quiet: bool) -> Evaluation:
    results: dict[str, Any] = {"protocols": {}, "failures": {}}
    bar = tqdm(jobs.items(), desc="evaluating", unit="section", disable=quiet)
    for name, job in bar:
        bar.set_postfix_str(name)
        try:
            result = job()
        except FlowError as error:
            results["failures"][name] = str(error)
            continue
        section, _, protocol = name.partition(".")
        if protocol:
            results[section][protocol] = result
        else:
            results[name] = result
    return Evaluation(**results)
