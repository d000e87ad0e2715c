"""Sequences of codes: frames are drawn and encoded once, and pairs of codes drawn from memory ever after."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from flowdis._checks import check_positive
from flowdis._types import Latent
from flowdis.data.batch import CodePairs, SequenceBatch
from flowdis.fields import HelmholtzField, LinearField
from flowdis.models import LatentFlow
from flowdis.training.trainer import Sampler

__all__ = ["CodeSequences", "between", "start_linear"]

_Amounts = Float[Tensor, "S B K"]
_Picked = Int[Tensor, "B"]


def between(amounts: _Amounts, times: Float[Tensor, "F"], first: _Picked, last: _Picked) -> _Amounts:
    """The amounts from one frame of each sequence to another, backwards where that comes earlier.

    Arguments:
        amounts: The amounts of whole sequences, with shape (S, B, K).
        times: Where their frames are, in [0, S], with shape (F).
        first: Which frame is set out from, with shape (B).
        last: Which frame is the end, with shape (B).

    Returns:
        The amounts (S, B, K), zero in the segments that are not passed.

    Example:
        >>> between(torch.tensor([[[4.0]]]), torch.tensor([0.0, 0.5, 1.0]), torch.tensor([2]), torch.tensor([1])).item()
        -2.0
    """
    rows = torch.arange(len(amounts), device=times.device, dtype=times.dtype).unsqueeze(-1)
    passed = (times[last] - rows).clamp(0, 1) - (times[first] - rows).clamp(0, 1)
    there = amounts * passed.unsqueeze(-1).to(amounts)
    return torch.where((last < first)[:, None], there.flip(0), there)


@dataclass(frozen=True, eq=False)
class CodeSequences:
    """Pairs of codes out of sequences that a frozen encoder has read once.

    From any frame of a sequence to any near it is a motion too, forwards and backwards. Near ones teach a field best: a
    turn's codes hold harmonics that go round several times as fast, and where a training step's few solver steps are
    too long for these (RK4 is unstable from 2.8 radians a step on), the field unlearns them.

    Arguments:
        model: The model, of which only the encoder is used, as it is now.
        sequences: What draws the sequences of images, such as `TransformSequences`.
        count: How many are drawn.
        generator: Where they and their motions come from.
        furthest: How many frames apart pairs are at most; any number where None.
        speed: A factor on all amounts, for shorter motions than the sequences have.
        batch_size: How many are drawn and encoded at a time.
        quiet: Whether to show no progress bar.

    Raises:
        ValueError: if a number is not positive, or the sequences are not of the model's images and transformations, or
            have one frame only.

    Example:
        >>> from flowdis.data import TransformSequences, units_of
        >>> from flowdis.models import LatentFlowConfig
        >>> model = LatentFlow(LatentFlowConfig((3, 16, 16), units_of(["rotate"]), dim=8))
        >>> images = TransformSequences(torch.rand(10, 3, 16, 16), ["rotate"])
        >>> codes = CodeSequences(model, images, 20, generator=torch.Generator().manual_seed(0), quiet=True)
        >>> codes.sample(5, generator=torch.Generator().manual_seed(1)).start.shape
        torch.Size([5, 8])
    """

    model: LatentFlow
    sequences: Sampler
    count: int
    generator: torch.Generator
    furthest: int | None = 2
    speed: float = 1.0
    batch_size: int = 250
    quiet: bool = False
    means: Float[Tensor, "F N D"] = field(init=False, repr=False)
    log_stds: Float[Tensor, "F N D"] = field(init=False, repr=False)
    amounts: Float[Tensor, "S N K"] = field(init=False, repr=False)
    times: Float[Tensor, "F"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_positive("count", self.count)
        check_positive("furthest", 1 if self.furthest is None else self.furthest)
        check_positive("speed", self.speed)
        check_positive("batch_size", self.batch_size)
        training = [module for module in self.model.modules() if module.training]
        self.model.eval()
        try:
            found = self._encoded()
        finally:
            for module in training:
                module.training = True
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def names(self) -> tuple[str, ...]:
        """The transformations, in the order of the model's."""
        return self.model.names

    def __len__(self) -> int:
        return self.means.shape[1]

    def sample(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        frames: int | None = None,
        speed: float = 1.0,
    ) -> CodePairs:
        """Draws pairs of codes, two different frames of any sequence.

        Arguments:
            batch_size: The number B of pairs.
            generator: Where all randomness comes from.
            frames: How many frames beside the first: pairs have one, whatever is asked for.
            speed: The longest motion, as a share of the longest that there is: frames further apart are left out.

        Raises:
            ValueError: if `batch_size` is not positive.
        """
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}")
        device = generator.device if generator is not None else torch.device("cpu")
        count = len(self.times)
        rows = torch.randint(len(self), (batch_size,), generator=generator, device=device)
        first = torch.randint(count, (batch_size,), generator=generator, device=device)
        reach = max(1, round(speed * min(self.furthest or count, count - 1)))
        low, high = (first - reach).clamp(min=0), (first + reach).clamp(max=count - 1)
        share = torch.rand(batch_size, generator=generator, device=device)
        last = low + (share * (high - low)).long().clamp(max=high - low - 1)
        last = last + (last >= first)
        rows, first, last = (index.to(self.means.device) for index in (rows, first, last))
        return CodePairs(
            self.names,
            self.means[first, rows],
            self.means[last, rows],
            between(self.amounts[:, rows], self.times, first, last),
            self.log_stds[last, rows],
        )

    def ways(self) -> tuple[CodePairs, Latent]:
        """All short ways, forwards, and the mean code of each, with shape (N, D).

        They go from every frame to the next but one, with means by Simpson's rule, where every frame lies halfway
        between those beside it, and to the next frame elsewhere, with means of both ends.
        """
        halfway = self._halfway()
        reach = 2 if halfway else 1
        start, end = self.means[:-reach].flatten(0, 1), self.means[reach:].flatten(0, 1)
        mean = (start + end) / 2
        if halfway:
            mean = mean / 3 + self.means[1:-1].flatten(0, 1) * 2 / 3
        amounts = torch.cat([self._between(frame, frame + reach) for frame in range(len(self.times) - reach)], 1)
        return CodePairs(self.names, start, end, amounts, self.log_stds[reach:].flatten(0, 1)), mean

    def _halfway(self) -> bool:
        steps = torch.stack([self._between(frame, frame + 1) for frame in range(len(self.times) - 1)]).sum(1)
        return len(steps) > 1 and torch.allclose(steps[1:], steps[:-1], rtol=1e-4, atol=1e-6)

    def _between(self, first: int, last: int) -> Float[Tensor, "S N K"]:
        every = torch.ones(len(self), dtype=torch.long, device=self.means.device)
        return between(self.amounts, self.times, first * every, last * every)

    @torch.no_grad()
    def _encoded(self) -> dict[str, Tensor]:
        model, means, log_stds, amounts = self.model, [], [], []
        times: Tensor | None = None
        bar = tqdm(total=self.count, desc="encoding", unit="sequence", disable=self.quiet)
        with bar:
            for start in range(0, self.count, self.batch_size):
                size = min(self.batch_size, self.count - start)
                drawn = self.sequences.sample(size, generator=self.generator, speed=self.speed)
                batch = _checked(model, drawn)
                posterior = model.encode(batch.frames.to(device=model.device, dtype=model.dtype))
                means.append(posterior.mean)
                log_stds.append(posterior.log_std)
                amounts.append(batch.amounts.to(device=model.device, dtype=model.dtype))
                seen = batch.times.to(device=model.device, dtype=model.dtype)
                if times is not None and not torch.equal(times, seen):
                    raise ValueError(f"`sequences` must have frames at the same times, got {times} and {seen}")
                times = seen
                bar.update(len(batch.first))
        whole = {"means": means, "log_stds": log_stds, "amounts": amounts}
        return {name: torch.cat(values, dim=1) for name, values in whole.items()} | {"times": seen}


@torch.no_grad()
def start_linear(model: LatentFlow, *codes: CodeSequences) -> None:
    """Sets the fields of a model to the linear flows that fit its codes best, from which training goes on.

    They are found by least squares at once, from all short ways in the codes; units that bend them start at nothing.

    Arguments:
        model: A model of Helmholtz fields with a linear part, which are changed.
        codes: The codes of its own encoder, once or more.

    Raises:
        ValueError: if the fields are others, there are no codes, or the ways are too few or without motion.
    """
    bank = model.fields
    if not isinstance(bank, HelmholtzField) or bank.matrix is None:
        raise ValueError(f"`model` must have Helmholtz fields with a linear part, got {type(bank).__name__}")
    if not codes:
        raise ValueError("`codes` must be one or more, got none")
    ways = [each.ways() for each in codes]
    start, end = (torch.cat([getattr(pairs, name) for pairs, _ in ways]) for name in ("start", "end"))
    amounts, mean = torch.cat([pairs.amounts.sum(0) for pairs, _ in ways]), torch.cat([mean for _, mean in ways])
    bank.matrix.copy_(LinearField.fit(model.names, start, end, amounts, mean=mean).matrix)
    bank.ridge.amplitude.zero_()


def _checked(model: LatentFlow, batch: SequenceBatch | CodePairs) -> SequenceBatch:
    if not isinstance(batch, SequenceBatch):
        raise ValueError(f"`sequences` must draw sequences of images, got {type(batch).__name__}")
    if batch.names != model.names:
        raise ValueError(f"`sequences` must move {', '.join(model.names)}, got {', '.join(batch.names)}")
    if tuple(batch.frames.shape[2:]) != model.image_shape:
        raise ValueError(f"`sequences` must have images {model.image_shape}, got {tuple(batch.frames.shape[2:])}")
    if len(batch.frames) < 2:
        raise ValueError("`sequences` must have two frames or more, got one")
    return batch
