"""The training of a run: from its checkpoint on if there is one, with its log, told of as it goes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from flowdis.cli.run_options import RunOptions
from flowdis.cli.runs import Run
from flowdis.models import LatentFlow, WaveMachine
from flowdis.objectives import Objective
from flowdis.training import JsonLog, Sampler, TensorBoardLog, Trainer, TrainingConfig, TrainingResult, Watcher

__all__ = ["train"]


def train(
    run: Run,
    model: LatentFlow | WaveMachine,
    sequences: Sampler,
    config: TrainingConfig,
    options: RunOptions,
    *,
    what: str,
    objective: Objective | None = None,
    held_out: Sampler | None = None,
    watchers: Sequence[Watcher] = (),
) -> TrainingResult:
    """Trains a run's model, or the rest of what is left.

    Arguments:
        run: Where checkpoints and the log are kept.
        model: The model.
        sequences: What it is trained on.
        config: The settings of the trainer.
        options: How the run is told of.
        what: What is trained, in words.
        objective: What training lowers; the bound of the flows where left out.
        held_out: Sequences that tell which checkpoint is the best.
        watchers: Those who are told how it goes, beside the log.

    Returns:
        What it came to; told of on stderr where it was interrupted.

    Raises:
        FlowError: if the loss stops being finite.
        OSError: if a checkpoint cannot be written.
    """
    logs: list[Watcher] = [JsonLog(run.log)]
    if options.tensorboard:
        logs.append(TensorBoardLog(run.tensorboard))
    trainer = Trainer(model, sequences, config, run.checkpoint, options.quiet, objective, held_out, (*logs, *watchers))
    begun = f"{config.minutes:g} minutes" if config.steps is None else f"{config.steps} steps"
    if trainer.resume():
        begun = f"going on at step {trainer.step}, {trainer.progress():.0%} done"
    size = sum(parameter.numel() for parameter in model.parameters())
    options.teller.tell(f"{what}, {size:,} parameters, {_where(model)}; {begun}")
    result = trainer.run()
    if not result.finished:
        options.teller.note(f"interrupted at step {result.steps}; the same command goes on from there")
    return result


def _where(model: torch.nn.Module) -> str:
    device = next(model.parameters()).device
    return f"{device} ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)
