"""What infers amounts: shapes, what is read, and that a model keeps it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from flowdis.models import LatentFlow
from flowdis.models.amounts import AMOUNTS, CategoricalAmounts, SpikeSlabAmounts
from tests.models.toys import small_config, small_model, stills

SMALL = {"channels": (4,), "hidden": 8}
INFERRING = [kind for kind, network in AMOUNTS.items() if network is not None]


def inferring(kind: str) -> LatentFlow:
    torch.manual_seed(0)
    return LatentFlow(replace(small_config(), supervision=kind, supervision_options=SMALL)).eval()


def test_one_of_k_is_read_off_the_first_frame_beside_each_later_one() -> None:
    network = CategoricalAmounts((3, 8, 8), 5, channels=(4,), hidden=8)
    frames = stills(4, 6, 3, 8, 8)
    assert network(frames).logits.shape == (6, 5)
    opinions = [network(torch.stack([frames[0], later])).logits for later in frames[1:]]
    assert torch.allclose(network(frames).logits, torch.stack(opinions).mean(0), atol=1e-6)
    assert torch.allclose(network(frames[[0, 3, 1, 2]]).logits, network(frames).logits, atol=1e-6)
    assert not torch.allclose(network(frames.flip(0)).logits, network(frames).logits, atol=1e-6)


@pytest.mark.parametrize("window", [2, 4])
def test_steps_are_read_off_the_frames_around_them(window: int) -> None:
    network = SpikeSlabAmounts((3, 8, 8), 2, window=window, channels=(4,), hidden=8)
    frames = stills(6, 3, 3, 8, 8)
    posterior = network(frames)
    assert posterior.logits.shape == posterior.mean.shape == posterior.log_scale.shape == (5, 3, 2)
    changed = frames.clone()
    changed[3] = stills(3, 3, 8, 8).flip(0)
    differs = (network(changed).logits != posterior.logits).any(-1).any(-1)
    # Frame 3 lies between steps 2 and 3; a window of four frames reaches one step further.
    assert differs.nonzero().flatten().tolist() == ([2, 3] if window == 2 else [1, 2, 3, 4])


def test_a_turn_of_phases_is_the_same_difference_from_anywhere() -> None:
    network = SpikeSlabAmounts((3, 8, 8), 2, channels=(4,), hidden=8).double()

    class Turned(torch.nn.Module):
        """Pairs of features that turn at one speed, whatever is seen."""

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return torch.cat([angles.cos(), angles.sin()], dim=-1) * 3.0

    start, speed = stills(5, 8, 1, 1)[..., 0, 0].double() * 6, 0.7
    angles = start + speed * torch.arange(4.0, dtype=torch.float64)[:, None, None]
    network.phases = Turned()  # type: ignore[assignment]
    cosine, sine = network._differences(stills(4, 5, 3, 8, 8).double())
    assert cosine.shape == (3, 5, 8)
    assert torch.allclose(cosine, torch.full_like(cosine, speed).cos(), atol=1e-4)
    assert torch.allclose(sine, torch.full_like(sine, speed).sin(), atol=1e-4)


@pytest.mark.parametrize("kind", INFERRING)
def test_a_batch_of_one_and_any_batch_axes_are_alike(kind: str) -> None:
    model, frames = inferring(kind), stills(3, 2, 2, 3, 8, 8)
    whole = model.infer(frames)
    assert whole.amounts.shape == ((1, 2, 2, 2) if kind == "weak" else (2, 2, 2, 2))
    alone = model.infer(frames[:, :1, 1])
    assert torch.allclose(alone.amounts, whole.amounts[:, :1, 1], atol=1e-6)
    assert model.double().infer(frames.double()).amounts.dtype == torch.float64


@pytest.mark.parametrize("kind", INFERRING)
def test_a_model_that_infers_comes_back_bit_for_bit(kind: str, tmp_path: Path) -> None:
    model = inferring(kind)
    model.save_pretrained(tmp_path)
    back = LatentFlow.from_pretrained(tmp_path)
    assert back.config == model.config
    frames = stills(3, 4, 3, 8, 8)
    assert torch.equal(back.infer(frames).amounts, model.infer(frames).amounts)


def test_renamed_flows_are_inferred_under_their_names(tmp_path: Path) -> None:
    model = inferring("none")
    mixing = {"hue": (0.0, -1.0), "rotate": (1.0, 0.0)}
    units = {name: model.units[name] for name in mixing}
    renamed = LatentFlow(replace(model.config, mixing=mixing, units=units))
    weights = {
        key.replace("fields.", "fields.bank.") if key.startswith("fields.") else key: value
        for key, value in model.state_dict().items()
    }
    renamed.load_state_dict(weights)
    frames = stills(3, 4, 3, 8, 8)
    first, second = model.infer(frames).amounts.unbind(-1)
    assert torch.allclose(renamed.infer(frames).amounts, torch.stack([-second, first], -1))
    renamed.save_pretrained(tmp_path)
    back = LatentFlow.from_pretrained(tmp_path)
    assert torch.equal(back.infer(frames).amounts, renamed.infer(frames).amounts)


def test_a_model_that_was_told_infers_nothing() -> None:
    with pytest.raises(ValueError, match="`model` must infer amounts"):
        small_model().infer(stills(2, 1, 3, 8, 8))


def test_what_does_not_fit_is_named() -> None:
    for network in (CategoricalAmounts, SpikeSlabAmounts):
        with pytest.raises(ValueError, match="`frames` must be at least 2"):
            network((3, 8, 8), 2, channels=(4,))(stills(1, 1, 3, 8, 8))
        with pytest.raises(ValueError, match="`hidden` must be even, got 7"):
            network((3, 8, 8), 2, hidden=7)
    with pytest.raises(ValueError, match="`window` must be even, got 3"):
        SpikeSlabAmounts((3, 8, 8), 2, window=3)
    with pytest.raises(ValueError, match="`supervision` must be one of known, weak, none"):
        replace(small_config(), supervision="week")
    with pytest.raises(ValueError, match="`mixing` must have a row for each of"):
        replace(small_config(), mixing={"hue": (1.0, 0.0)})
