"""The whole evaluation of a model, whatever subset of transformations it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from flowdis._checks import check_choice
from flowdis.data.sequences import TransformSequences
from flowdis.dynamics import FlowError
from flowdis.fields import FieldBank
from flowdis.metrics.batches import Stills, check_stills, spread
from flowdis.metrics.commutator import commutator
from flowdis.metrics.controls import fit_controls
from flowdis.metrics.equivariance import EquivarianceError, equivariance_error
from flowdis.metrics.evaluation import Evaluation
from flowdis.metrics.latent import LatentRatio, latent_equivariance_ratio
from flowdis.metrics.likelihood import LogLikelihood, log_likelihood
from flowdis.metrics.probes import Bench, backwards, compositions, gaps, once_round, undos
from flowdis.metrics.protocols import PROTOCOLS, drawable, motions, protocol_sequences, random_start
from flowdis.models import LatentFlow

__all__ = ["evaluate", "evaluate_protocol"]

# Training images: enough to fit matrices of 64 x 64. Test images: enough for what varies little over images.
_FITTED, _FEW = 500, 250

_TrainStills = Float[Tensor, "M C H W"]


def evaluate_protocol(
    model: LatentFlow,
    train_images: _TrainStills,
    test_images: Stills,
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
        train_images: The images whose sequences the controls are fitted on, with shape (M, C, H, W).
        test_images: The images whose sequences are measured, with shape (N, C, H, W).
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
    check_stills("train_images", train_images, model)
    check_stills("test_images", test_images, model)
    if not drawable(model):
        return {}
    if controls is None:
        stills = spread(train_images, fitted)
        train = protocol_sequences(model, stills, protocol, generator=generator, batch_size=batch_size)
        controls = fit_controls(model, train, batch_size=batch_size)
    stills = spread(test_images, limit)
    test = protocol_sequences(model, stills, protocol, generator=generator, names=names, batch_size=batch_size)
    return equivariance_error(model, test, controls=controls, batch_size=batch_size, generator=generator)


def evaluate(
    model: LatentFlow,
    train_images: _TrainStills,
    test_images: Stills,
    *,
    generator: torch.Generator,
    protocols: Sequence[str] = tuple(PROTOCOLS),
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
        train_images: The images whose sequences the controls are fitted on, with shape (M, C, H, W).
        test_images: The images that are measured, with shape (N, C, H, W), in [0, 1].
        generator: The source of starts, speeds and posterior samples.
        protocols: Which of "published" and "orbit" are measured.
        limit: At most so many test images, spread over the set; all where left out.
        likelihood_samples: Samples of each sequence's log-likelihood; 0 leaves it out.
        likelihood_sequences: At most so many sequences of the published protocol, in drawn turn.
        batch_size: How many images or sequences are worked on at a time; no result depends on it.
        quiet: Whether to show no progress bar.

    Returns:
        The results; `to_json` writes them as one nested table.

    Raises:
        TypeError: if images are not floating-point.
        ValueError: if images do not fit the model, or a protocol is unknown.
    """
    for protocol in protocols:
        check_choice("protocols", protocol, PROTOCOLS)
    check_stills("train_images", train_images, model)
    images = spread(check_stills("test_images", test_images, model), limit)
    known = drawable(model)
    jobs: dict[str, Callable[[], Any]] = {}
    if known:
        jobs = _drawn_jobs(model, train_images, images, generator, protocols, batch_size)
    bench = Bench(model, images, None, {}, generator, batch_size)
    if model.config.temperature == 0:
        jobs["undo"] = lambda: undos(bench)
    jobs["commutator"] = lambda: commutator(model, spread(images, _FEW), batch_size=batch_size)
    if known and likelihood_samples:
        stills = spread(images, likelihood_sequences)
        jobs["log_likelihood"] = lambda: _likelihood(model, stills, likelihood_samples, generator, batch_size)
    return _run(jobs, quiet)


def _drawn_jobs(
    model: LatentFlow,
    train_images: _TrainStills,
    images: Stills,
    generator: torch.Generator,
    protocols: Sequence[str],
    batch_size: int,
) -> dict[str, Callable[[], Any]]:
    """What is measured against true images, one job per section."""

    def errors(protocol: str) -> Callable[[], dict[str, EquivarianceError]]:
        return lambda: evaluate_protocol(
            model,
            train_images,
            images,
            protocol,
            generator=generator,
            controls=controls if protocol == "orbit" else None,
            batch_size=batch_size,
        )

    fitted = protocol_sequences(model, spread(train_images, _FITTED), "orbit", generator=generator)
    controls = fit_controls(model, fitted, batch_size=batch_size)
    start = random_start(model, len(images), generator)
    bench = Bench(model, images, start, controls, generator, batch_size)

    def ratios() -> dict[str, LatentRatio]:
        sequences = protocol_sequences(model, spread(images, _FEW), "orbit", generator=generator)
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


def _likelihood(
    model: LatentFlow, stills: Stills, samples: int, generator: torch.Generator, batch_size: int
) -> LogLikelihood:
    sequences = TransformSequences(stills, motions("published", drawable(model)), units=model.units, single=1.0)
    batch = sequences.batch(torch.arange(len(stills)), generator=generator)
    return log_likelihood(model, batch, samples=samples, generator=generator, batch_size=batch_size)


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
