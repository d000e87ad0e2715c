"""What the columns of the table of models are: titles, which way is better, groups and units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["METRICS", "Direction", "Metric", "arrow", "group_metrics", "metric_of"]

Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class Metric:
    """A column of the table.

    Arguments:
        title: What stands over it; "{}" in it is what "*" stands for in its name.
        direction: Which values are better; None where neither is, or that is not known.
        group: The columns that it stands among.
        unit: The unit of its values, empty for plain numbers.
    """

    title: str
    direction: Direction | None
    group: str
    unit: str = ""


METRICS: dict[str, Metric] = {
    "codes.mig": Metric("MIG", "higher", "codes"),
    "codes.mig.supervised": Metric("MIG-sup", "higher", "codes"),
    "codes.dci.disentanglement": Metric("DCI disentanglement", "higher", "codes"),
    "codes.dci.completeness": Metric("DCI completeness", "higher", "codes"),
    "codes.dci.informativeness": Metric("DCI informativeness", "higher", "codes"),
    "codes.dci.explicitness": Metric("DCI explicitness", "higher", "codes"),
    "codes.sap": Metric("SAP", "higher", "codes"),
    "codes.beta_vae": Metric("BetaVAE score", "higher", "codes"),
    "codes.factor_vae": Metric("FactorVAE score", "higher", "codes"),
    "codes.modularity": Metric("modularity", "higher", "codes"),
    "codes.explicitness": Metric("explicitness", "higher", "codes"),
    "codes.infomec.modularity": Metric("InfoM", "higher", "codes"),
    "codes.infomec.explicitness": Metric("InfoE", "higher", "codes"),
    "codes.infomec.compactness": Metric("InfoC", "higher", "codes"),
    "codes.irs": Metric("IRS", "higher", "codes"),
    "codes.udr": Metric("UDR", "higher", "codes"),
    "flows.response.score": Metric("response disentanglement", "higher", "flows"),
    "flows.response.completeness": Metric("response completeness", "higher", "flows"),
    "flows.response.on_own": Metric("response on own factor", "higher", "flows"),
    "flows.vp": Metric("VP", "higher", "flows"),
    "flows.vp.chance": Metric("VP, chance", None, "flows"),
    "flows.eqerr": Metric("EqErr, between frames", "lower", "flows"),
    "flows.capcorr": Metric("CapCorr", "higher", "flows"),
    "latent_ratio.*": Metric("latent ratio, {}", "lower", "flows"),
    "equivariance.published.*": Metric("{}, from upright", "lower", "equivariance", "pixels"),
    "equivariance.orbit.*": Metric("{}, from any pose", "lower", "equivariance", "pixels"),
    "equivariance.*": Metric("{}", "lower", "equivariance", "pixels"),
    "composition.*": Metric("two edits, {}", "lower", "edits", "pixels"),
    "backwards.*": Metric("{}, backwards", "lower", "edits", "pixels"),
    "round.*": Metric("{}, once round", "lower", "edits", "pixels"),
    "undo.pixels": Metric("undo", "lower", "edits", "pixels"),
    "undo.latent": Metric("undo of codes", "lower", "edits"),
    "log_likelihood.nats_per_sequence": Metric("log-likelihood", "higher", "likelihood", "nats"),
    "log_likelihood.elbo": Metric("lower bound", "higher", "likelihood", "nats"),
    "training.parameters": Metric("parameters", None, "training"),
    "training.steps": Metric("steps", None, "training"),
    "training.seconds": Metric("time", None, "training", "s"),
}
"""The known metrics in the order of columns, by name, or by the beginning of names and "*"."""


def metric_of(name: str) -> Metric:
    """The column of a metric; for one that is not known a title made of its name, and no direction.

    What follows ".controls." names a control of the metric before it, better in neither direction.

    Example:
        >>> metric_of("codes.mig").title, metric_of("equivariance.orbit.wall_hue").title
        ('MIG', 'wall hue, from any pose')
        >>> metric_of("flows.vp.controls.static").title, metric_of("my.own_number").title
        ('VP, static control', 'own number')
    """
    of, _, control = name.partition(".controls.")
    if of and control:
        metric = metric_of(of)
        return replace(metric, title=f"{metric.title}, {_words(control)} control", direction=None)
    known = _known(name)
    if known is None:
        group, _, rest = name.partition(".")
        return Metric(_words(rest or name) or name, None, (rest and _words(group)) or "other")
    metric = METRICS[known]
    return replace(metric, title=metric.title.replace("{}", _words(name[len(known) - 1 :])))


def group_metrics(names: Iterable[str]) -> dict[str, Metric]:
    """The columns of metrics by name: known ones first and in their order, controls after their metric, by groups."""
    order = {known: place for place, known in enumerate(METRICS)}

    def place(name: str) -> tuple[int, bool]:
        of, _, control = name.partition(".controls.")
        known = _known(of)
        return (len(order), False) if known is None else (order[known], bool(control))

    columns = {name: metric_of(name) for name in sorted(dict.fromkeys(names), key=place)}
    groups = list(dict.fromkeys(metric.group for metric in columns.values()))
    return dict(sorted(columns.items(), key=lambda item: groups.index(item[1].group)))


def arrow(metric: Metric) -> str:
    """Which way is better, as a sign: "↑", "↓", or nothing."""
    return {"higher": "↑", "lower": "↓", None: ""}[metric.direction]


def _known(name: str) -> str | None:
    """The key of a name in `METRICS`: itself, or the longest beginning that fits."""
    if name in METRICS and not name.endswith("*"):
        return name
    fitting = [known for known in METRICS if known.endswith("*") and name.startswith(known[:-1]) and name != known[:-1]]
    return max(fitting, key=len, default=None)


def _words(text: str) -> str:
    return text.replace("_", " ").replace(".", ", ").strip()
