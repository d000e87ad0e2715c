"""From words to a command: the subcommands and their options, read off the dataclasses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import tyro

import flowdis
from flowdis.cli.app import App
from flowdis.cli.completion import Completion
from flowdis.cli.demo import Demo
from flowdis.cli.edit import Edit
from flowdis.cli.evaluate import Evaluate
from flowdis.cli.export import Export
from flowdis.cli.forecast_demo import ForecastDemo
from flowdis.cli.report import Report
from flowdis.cli.train import Train

__all__ = ["COMMANDS", "parse", "run"]

COMMANDS = {
    "demo": Demo,
    "forecast-demo": ForecastDemo,
    "train": Train,
    "edit": Edit,
    "evaluate": Evaluate,
    "export": Export,
    "report": Report,
    "app": App,
    "completion": Completion,
}
"""The commands by name; the fields of each are its options."""

_Command = (
    Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[ForecastDemo, tyro.conf.subcommand("forecast-demo")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Edit, tyro.conf.subcommand("edit")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[App, tyro.conf.subcommand("app")]
    | Annotated[Completion, tyro.conf.subcommand("completion")]
)

_STYLE = (tyro.conf.FlagCreatePairsOff,)
_DESCRIPTION = """Learn transformations of images as latent flows, edit by composing them, measure the result.

Exit status: 0 done; 2 bad input; 3 a training diverged, or a flow could not be integrated; 130 interrupted, and the
same command goes on."""


def parse(arguments: Sequence[str]) -> Any:
    """Reads the arguments as a command with its options.

    Raises:
        SystemExit: with status 0 after help was asked for, 2 if the arguments cannot be read.
    """
    return tyro.cli(_Command, args=arguments, prog="flowdis", description=_DESCRIPTION, config=_STYLE)


def run(arguments: Sequence[str]) -> int:
    """Reads the arguments, runs the command that they name, and returns its exit status.

    Raises:
        SystemExit: with status 0 after help was asked for, 2 if the arguments cannot be read.
    """
    if list(arguments) == ["--version"]:
        print(f"flowdis {flowdis.__version__}")
        return 0
    return parse(arguments).run()
