"""What a table says of a model: metrics on its codes and on its flows, beside what degenerate models score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import torch
from tqdm import tqdm

from flowdis._checks import check_choice
from flowdis.data.scenes import Scenes
from flowdis.dynamics import FlowError
from flowdis.metrics.batches import codes, spread
from flowdis.metrics.codes.together import AllMetrics, all_metrics
from flowdis.metrics.degenerate import degenerate_flows
from flowdis.metrics.equivariance import EquivarianceError
from flowdis.metrics.evaluate import evaluate_protocol
from flowdis.metrics.factor_probes import FactorProbes
from flowdis.metrics.frame_pairs import PairRatio, pair_equivariance_ratio
from flowdis.metrics.labelled import LabelledScenes
from flowdis.metrics.model_capsules import capsule_scores
from flowdis.metrics.predictability import variation_predictability
from flowdis.metrics.protocols import drawable, protocol_sequences, protocols_of
from flowdis.metrics.response import response_matrix
from flowdis.models import LatentFlow

__all__ = ["SECTIONS", "ModelScores", "Probed", "measure"]

SECTIONS = ("equivariance", "pairs", "capsules", "codes", "response", "predictability")
"""What is measured, in order."""

_STARTS = 1000  # images that pairs start from
_SEQUENCES = 100  # sequences of each transformation, whose frames are compared with each other
_FIRST = {"dci": "dci disentanglement", "infomec": "infomec modularity"}  # what the first score of several is called


@dataclass(frozen=True, eq=False)
class Probed:
    """What all models of a table are measured on, so that their scores can be compared.

    Arguments:
        train: Scenes that controls are fitted on.
        test: Scenes that flows are measured on.
        labelled: Test scenes with known factors, whose codes are measured; None leaves out what needs them.
        probes: What reads factors of images, trained on `train`; None leaves responses out.
    """

    train: Scenes
    test: Scenes
    labelled: LabelledScenes | None = None
    probes: FactorProbes | None = None


@dataclass(frozen=True, eq=False)
class ModelScores:
    """What was measured of a model.

    Arguments:
        results: By section, its result, or results by protocol.
        failures: By section, why it could not be measured.
    """

    results: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    def scores(self) -> dict[str, float | None]:
        """One number for each column of a table; see `flowdis.metrics.columns`."""
        flat: dict[str, float | None] = {}
        for protocol, errors in self.results.get("equivariance", {}).items():
            flat |= {f"equivariance.{protocol}.{name}": error.error for name, error in errors.items()}
        if "pairs" in self.results:
            flat["flows.eqerr"] = fmean(pair.ratio for pair in self.results["pairs"].values())
        if "capsules" in self.results:
            flat["flows.capcorr"] = self.results["capsules"].score
        if "codes" in self.results:
            named = {_FIRST.get(name, name): value for name, value in self.results["codes"].scores.items()}
            flat |= {f"codes.{name.replace(' ', '.')}": value for name, value in named.items()}
        if "response" in self.results:
            response = self.results["response"]
            flat |= {f"flows.response.{name}": getattr(response, name) for name in ("score", "completeness", "on_own")}
        if "predictability" in self.results:
            flat["flows.vp"] = self.results["predictability"].score
        return flat

    def controls(self) -> dict[str, dict[str, float | None]]:
        """The same columns of degenerate models: flows that do not move, and untrained ones."""
        static: dict[str, float | None] = {}
        untrained: dict[str, float | None] = {}
        for protocol, errors in self.results.get("equivariance", {}).items():
            static |= {f"equivariance.{protocol}.{name}": error.identity for name, error in errors.items()}
        if "pairs" in self.results:
            pairs = self.results["pairs"].values()
            static["flows.eqerr"], untrained["flows.eqerr"] = (
                fmean(pair.controls[key] for pair in pairs) for key in ("static", "random")
            )
        if "capsules" in self.results:
            static["flows.capcorr"] = self.results["capsules"].controls["static"]
        for section, column in (("response", "flows.response.score"), ("predictability", "flows.vp")):
            if section in self.results:
                controls = self.results[section].controls
                static[column], untrained[column] = controls.get("static"), controls.get("random")
        return {"static flows": static, "untrained flows": untrained}

    def to_json(self) -> dict[str, Any]:
        """Every result in full, by section."""
        apart = ("equivariance", "pairs")
        table = {section: result.to_json() for section, result in self.results.items() if section not in apart}
        if "pairs" in self.results:
            table["pairs"] = {name: pair.to_json() for name, pair in self.results["pairs"].items()}
        if "equivariance" in self.results:
            table["protocols"] = {
                protocol: {"equivariance": {name: error.to_json() for name, error in errors.items()}}
                for protocol, errors in self.results["equivariance"].items()
            }
        return table | ({"failures": dict(self.failures)} if self.failures else {})


def measure(
    model: LatentFlow,
    probed: Probed,
    *,
    seed: int = 0,
    sections: Sequence[str] = SECTIONS,
    protocols: Sequence[str] | None = None,
    limit: int | None = None,
    batch_size: int = 250,
    quiet: bool = False,
) -> ModelScores:
    """Measures a model, section by section.

    Every section draws from a generator of its own with the same seed, so that models see the same scenes. One that
    does not apply, or whose flows cannot be integrated, is left out and told of in `failures`.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        probed: What is measured on.
        seed: The seed of starts, pairs, splits and controls.
        sections: Which of `SECTIONS` are measured.
        protocols: Which of "published" and "orbit"; the hardest that the scenes have where left out.
        limit: At most so many test scenes for flows; all where left out.
        batch_size: How many images are worked on at a time.
        quiet: Whether to show no progress bar.

    Raises:
        ValueError: if a section or protocol is unknown, or the scenes do not fit the model.
    """
    for section in sections:
        check_choice("sections", section, SECTIONS)
    test = spread(probed.test, limit)
    chosen = protocols_of(model, test)[-1:] if protocols is None else protocols

    def generator() -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    def errors() -> dict[str, dict[str, EquivarianceError]]:
        options: dict[str, Any] = {"generator": generator(), "batch_size": batch_size}
        return {protocol: evaluate_protocol(model, probed.train, test, protocol, **options) for protocol in chosen}

    jobs: dict[str, Callable[[], Any]] = {}
    if drawable(model, test):
        jobs["equivariance"] = errors
        jobs["pairs"] = lambda: _between_frames(model, test, generator(), batch_size)
        if model.config.encoder == "topographic":
            jobs["capsules"] = lambda: capsule_scores(
                model, spread(test, _SEQUENCES), generator=generator(), batch_size=batch_size
            )
    if (labelled := probed.labelled) is not None:
        jobs["codes"] = lambda: _on_codes(model, labelled, seed, batch_size)
        if len(model.names) > 1:
            jobs["predictability"] = lambda: variation_predictability(
                model, labelled.images(slice(0, _STARTS)), generator=generator(), batch_size=batch_size
            )
    if (probes := probed.probes) is not None:
        jobs["response"] = lambda: response_matrix(model, test, probes, generator=generator(), batch_size=batch_size)
    results: dict[str, Any] = {}
    failures: dict[str, str] = {}
    bar = tqdm(
        [name for name in SECTIONS if name in jobs and name in sections],
        desc="measuring",
        unit="section",
        disable=quiet,
    )
    for name in bar:
        bar.set_postfix_str(name)
        try:
            results[name] = jobs[name]()
        except FlowError as error:
            failures[name] = str(error)
    return ModelScores(results, failures)


def _between_frames(
    model: LatentFlow, test: Scenes, generator: torch.Generator, batch_size: int
) -> dict[str, PairRatio]:
    """The latent ratios of flows between all frames, beside those of flows that do not move and of random ones."""
    sequences = protocol_sequences(model, spread(test, _SEQUENCES), "orbit", generator=generator)
    z = torch.cat([codes(model, batch.first) for batches in sequences.values() for batch in batches])
    banks = degenerate_flows(model, z, generator=generator)
    return pair_equivariance_ratio(model, sequences, controls=banks, batch_size=batch_size, generator=generator)


def _on_codes(model: LatentFlow, labelled: LabelledScenes, seed: int, batch_size: int) -> AllMetrics:
    still = [name for name in labelled.names if name not in labelled.scenes.transformations]
    return all_metrics(
        labelled.codes(model, batch_size=batch_size),
        labelled.factors,
        names=labelled.names,
        categories=still,
        seed=seed,
        quiet=True,
    )
