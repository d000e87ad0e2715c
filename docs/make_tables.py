"""Writes the tables of results into README.md and docs/results.md, from what runs leave behind.

python docs/make_tables.py --demo seed0/metrics.json seed1/metrics.json --published runs/published/metrics.json
    --rooms runs/rooms/metrics.json --baselines runs/table/table/table.md --dynamics runs/published.jsonl
    --forecasts runs/two_body-0/metrics.json runs/digits-0/metrics.json --waves waves/waves.md --unlabelled found.md
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs/results.md")
NAMES = ("scale", "rotate", "hue")
ROWS = {
    "no edit": "identity",
    "black": "black",
    "best constant directions": "constant",
    "best linear flows": "linear",
    "**flowdis**": "error",
    "floor: decode(encode(truth))": "floor",
}

Runs = Sequence[dict[str, Any]]
Value = Callable[[dict[str, Any]], float]


def middle(runs: Runs, value: Value, form: str = "") -> str:
    """The median over runs of a value; a dash where a run does not have it."""
    try:
        number = median(value(run) for run in runs)
    except KeyError:
        return "—"
    return format(number, form or (",.0f" if abs(number) >= 100 else ".1f"))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def protocol(runs: Runs, which: str, *, black: bool, of: str, names: Sequence[str] = NAMES) -> str:
    """The errors of each transformation under a protocol, beside their controls, and as a share of one of them."""

    def error(name: str, key: str) -> Value:
        return lambda run: run["protocols"][which]["equivariance"][name][key]

    def share(name: str) -> Value:
        return lambda run: error(name, "error")(run) / error(name, of)(run)

    rows = [
        [label, *(middle(runs, error(name, key)) for name in names)]
        for label, key in ROWS.items()
        if key != "black" or black
    ]
    told = {"floor": "flowdis / floor", "identity": "flowdis / no edit"}[of]
    header = ["", *(name.replace("_", " ") for name in names)]
    return table(header, [*rows, [told, *(middle(runs, share(name), ".2f") for name in names)]])


def edits(runs: Runs) -> str:
    """The errors at the end of paths: two edits, both ways, once round."""
    first = runs[0]
    places: dict[str, tuple[str, ...]] = {}
    for pair in first["composition"]["pairs"]:
        for kind, told in (("sequential", "in turn"), ("linear", "at once")):
            places[f"{pair}, {told}"] = ("composition", "pairs", pair, kind)
    for name in first["backwards"]:
        for way in ("forward", "backward"):
            places[f"{name}, {way}s"] = ("backwards", name, "controls", way)
    places |= {f"{name}, once round": ("round", name) for name in first["round"]}

    def at(place: tuple[str, ...], key: str) -> Value:
        def value(run: dict[str, Any]) -> float:
            for step in place:
                run = run[step]
            return run["error"] / run["floor"] if key == "share" else run[key]

        return value

    rows = [
        [label, *(middle(runs, at(place, key)) for key in ("error", "floor", "identity"))]
        + [middle(runs, at(place, "share"), ".2f")]
        for label, place in places.items()
    ]
    return table(["edit", "error", "floor", "no edit", "error / floor"], rows)


def undo(runs: Runs) -> str:
    """What is left over after a path and its inverse."""
    rows = [
        ["pixels, the worst of all paths", middle(runs, lambda run: run["undo"]["pixels"], ".2g")],
        ["latents, relative, the worst of all paths", middle(runs, lambda run: run["undo"]["latent"], ".1e")],
    ]
    return table(["", ""], rows)


def training(runs: Runs) -> str:
    """How the models came about."""
    facts = [run["training"] for run in runs]
    threads = sorted({str(fact.get("threads", "?")) for fact in facts})
    rows = [
        ["seeds", ", ".join(str(fact.get("seed", "?")) for fact in facts)],
        ["training, minutes", middle(facts, lambda fact: fact["seconds"] / 60, ".1f")],
        ["steps", middle(facts, lambda fact: fact["steps"], ",.0f")],
        ["frames per second", middle(facts, lambda fact: fact["frames_per_second"], ",.0f")],
        ["parameters", middle(facts, lambda fact: fact["parameters"], ",.0f")],
        ["device", f"{facts[0].get('device', '?')}, {'/'.join(threads)} threads"],
        [
            "log-likelihood, nats per sequence",
            middle(runs, lambda run: run["log_likelihood"]["nats_per_sequence"], ",.0f"),
        ],
    ]
    return table(["", ""], rows)


def published(runs: Runs) -> str:
    """The published protocol beside the published figures."""

    def error(name: str, key: str, within: str | None = None) -> Value:
        def value(run: dict[str, Any]) -> float:
            errors = run["protocols"]["published"]["equivariance"][name]
            return (errors if within is None else errors[within])[key]

        return value

    rows = [
        ["**flowdis**, frames 1 to 8", *(middle(runs, error(name, "error")) for name in NAMES)],
        ["flowdis, frames 1 to 7", *(middle(runs, error(name, "error", "without_last")) for name in NAMES)],
        ["floor, frames 1 to 8", *(middle(runs, error(name, "floor")) for name in NAMES)],
        ["no edit, frames 1 to 8", *(middle(runs, error(name, "identity")) for name in NAMES)],
        ["published latent flows, about", "185", "154", "159"],
    ]
    return table(["", *NAMES], rows)


def dynamics(lines: Runs, protocols: Sequence[str] = ("published", "orbit")) -> str:
    """Ways to push codes, and fields that have a clock: means over seeds, and the mean error over that of the first."""
    kinds = list(dict.fromkeys(line["row"] for line in lines))

    def mean(kind: str, which: str, name: str) -> float:
        return fmean(line[which][name]["error"] for line in lines if line["row"] == kind)

    def total(kind: str, which: str) -> float:
        return fmean(mean(kind, which, name) for name in NAMES)

    rows = []
    for kind in kinds:
        told = kind.replace("dynamics=", "").replace("field=", "").replace("=true", "").replace("=", " ")
        label = told.replace(",", ", ").replace("_", "-") or "overdamped, default field"
        cells = []
        for which in protocols:
            cells += [format(mean(kind, which, name), ",.0f") for name in NAMES]
            cells.append(format(total(kind, which) / total(kinds[0], which), ".2f"))
        rows.append([label, *cells])
    header = ["", *(f"{name}, {which}" for which in protocols for name in (*NAMES, "over the first"))]
    return table(header, rows)


def forecasts(runs: Runs) -> str:
    """How far models foretell what moves: means over seeds, and the least and the greatest."""
    rows = []
    for data in dict.fromkeys(run["data"] for run in runs):
        ours = [run for run in runs if run["data"] == data]
        for model in dict.fromkeys(name for run in ours for name in run["valid_time"]):
            having = [run for run in ours if model in run["valid_time"]]
            times = [run["valid_time"][model] for run in having]
            errors = [run["frame_error"][model] for run in having]
            steps = [run["models"][model]["training_steps"] for run in having if model in run["models"]]
            shown = f"{fmean(times):.1f} ({min(times):.1f} to {max(times):.1f})"
            told = f"{fmean(errors):.4f} ({min(errors):.4f} to {max(errors):.4f})"
            rows.append(
                [data.replace("_", " "), model, str(len(having)), shown, told, f"{fmean(steps):,.0f}" if steps else "–"]
            )
    return table(["data", "model", "seeds", "valid time, of 60", "frame error", "steps"], rows)


def replace(text: str, tables: dict[str, str]) -> str:
    """The text with its marked tables exchanged for those of the same name."""
    for name, content in tables.items():
        pattern = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda found, new=content: f"{found[1]}{new}\n{found[2]}", text, flags=re.S)
    return text


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the runs and writes the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, nargs="+", default=[], help="metrics.json of demonstrations")
    parser.add_argument("--published", type=Path, nargs="+", default=[], help="metrics.json of published runs")
    parser.add_argument("--rooms", type=Path, nargs="+", default=[], help="metrics.json of runs on rooms")
    parser.add_argument("--baselines", type=Path, help="table.md of benchmarks.baselines")
    parser.add_argument("--dynamics", type=Path, help="the file of runs of benchmarks.ablation")
    parser.add_argument("--forecasts", type=Path, nargs="+", default=[], help="metrics.json of forecast-demo")
    parser.add_argument("--waves", type=Path, help="waves.md of benchmarks.trained_waves")
    parser.add_argument("--unlabelled", type=Path, help="what benchmarks.unlabelled printed")
    given = parser.parse_args(arguments)
    demo, hour = ([json.loads(file.read_text()) for file in files] for files in (given.demo, given.published))
    tables: dict[str, str] = {}
    if demo:
        tables |= {
            "demo-training": training(demo),
            "demo-orbit": protocol(demo, "orbit", black=False, of="floor"),
            "demo-published": protocol(demo, "published", black=True, of="identity"),
            "demo-edits": edits(demo),
            "demo-undo": undo(demo),
        }
    if given.rooms:
        runs = [json.loads(file.read_text()) for file in given.rooms]
        names = list(runs[0]["protocols"]["orbit"]["equivariance"])
        tables["rooms"] = protocol(runs, "orbit", black=False, of="identity", names=names)
    for name in ("baselines", "waves", "unlabelled"):
        if (file := getattr(given, name)) is not None:
            tables[name] = file.read_text().strip()
    if given.forecasts:
        tables["forecasts"] = forecasts([json.loads(file.read_text()) for file in given.forecasts])
    if given.dynamics:
        tables["dynamics"] = dynamics([json.loads(line) for line in given.dynamics.read_text().splitlines()])
    if hour:
        tables["published"] = published(hour)
    for page in PAGES:
        page.write_text(replace(page.read_text(), tables))


if __name__ == "__main__":
    main()
