"""Checkpoints of neural wave machines, against the published update written out here and `nwm_step`."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from flowdis.dynamics import nwm_step
from flowdis.migration import load_wave_machine
from tests.migration.files import SHAPE, wave_machine_state

SIDE = 8


def published_run(state: dict[str, Tensor], frames: Tensor, channels: int) -> Tensor:
    """Positions and velocities after each frame, as the published loop has them."""
    size = channels * math.prod(SHAPE)

    def convolved(name: str, field: Tensor) -> Tensor:
        weight = state[f"rnn.{name}.conv.weight"].expand(channels, 1, 3, 3)
        return functional.conv2d(functional.pad(field, (1, 1, 1, 1), mode="circular"), weight, groups=channels)

    def read(frame: Tensor) -> Tensor:
        out = functional.linear(frame.flatten(1), state["encoder.model.1.weight"], state["encoder.model.1.bias"])
        return functional.layer_norm(out[:, :size], (size,)).reshape(-1, channels, *SHAPE)

    x, v, states = read(frames[0]), torch.zeros(frames.shape[1], channels, *SHAPE), []
    step = state["rnn.dt"].sigmoid().item()
    for frame in frames:
        pull = convolved("coupling", x) + convolved("damping", v) + convolved("driving", read(frame))
        force = torch.tanh(pull + state["rnn.b_bar"])
        x, v = nwm_step(x, v, force, stiffness=state["rnn.gamma"], damping=state["rnn.alpha"], step=step)
        states.append(torch.cat([x.flatten(1), v.flatten(1)], -1))
    return torch.stack(states)


@pytest.mark.parametrize(("channels", "shared"), [(1, True), (3, True), (3, False)])
def test_states_and_frames_are_the_published_ones(channels, shared, tmp_path, generator):
    state = wave_machine_state(generator, channels, shared)
    torch.save(state, tmp_path / "checkpoint.tar")
    machine = load_wave_machine(tmp_path / "checkpoint.tar", (1, SIDE, SIDE))
    frames = torch.rand(6, 2, 1, SIDE, SIDE, generator=generator)

    with torch.no_grad():
        found, expected = machine.run(frames), published_run(state, frames, channels)
        predicted = machine(frames)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
    logits = functional.linear(
        expected[..., : expected.shape[-1] // 2], state["decoder.model.0.weight"], state["decoder.model.0.bias"]
    )
    torch.testing.assert_close(predicted.flatten(2), logits.sigmoid(), atol=2e-5, rtol=1e-4)
    assert (expected[-1] - expected[0]).abs().max() > 0.1  # it has moved


def test_a_sample_of_the_posterior_is_read_where_a_generator_is_given(tmp_path, generator):
    torch.save(wave_machine_state(generator), tmp_path / "checkpoint.tar")
    machine = load_wave_machine(tmp_path / "checkpoint.tar", (1, SIDE, SIDE))
    frames = torch.rand(3, 2, 1, SIDE, SIDE, generator=generator)
    with torch.no_grad():
        mean, *sampled = (machine.run(frames, generator=g) for g in (None, generator.clone_state(), generator))
    torch.testing.assert_close(*sampled)
    assert not torch.allclose(mean, sampled[0])


def test_other_machines_are_refused_by_name(tmp_path, generator):
    file, state = tmp_path / "checkpoint.tar", wave_machine_state(generator)
    torch.save(state, file)
    with pytest.raises(ValueError, match=r"`image_shape` must have the 64 pixels"):
        load_wave_machine(file)
    torch.save(state | {"rnn.ln_h.weight": torch.ones(1, *SHAPE)}, file)
    with pytest.raises(ValueError, match="rings normalise their positions"):
        load_wave_machine(file, (1, SIDE, SIDE))
    torch.save(state | {"rnn.coupling.conv.weight": torch.ones(1, 1, 1, 6, 7, 9)}, file)
    with pytest.raises(ValueError, match=r"'rnn\.coupling\.conv\.weight' with 4 axes"):
        load_wave_machine(file, (1, SIDE, SIDE))
    torch.save({name: value for name, value in state.items() if name != "rnn.dt"}, file)
    with pytest.raises(ValueError, match=r"`file` must hold 'rnn\.dt'"):
        load_wave_machine(file, (1, SIDE, SIDE))
    torch.save(state | {"decoder.model.0.weight": torch.ones(64, 41)}, file)
    with pytest.raises(ValueError, match="of one lattice"):
        load_wave_machine(file, (1, SIDE, SIDE))
