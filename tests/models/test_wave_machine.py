"""Wave machines: frames in, a state that runs on by itself, frames out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from flowdis.dynamics import Lattice
from flowdis.models import WaveMachine, WaveMachineConfig
from flowdis.models.latent_dynamics import LATENT_DYNAMICS, GatedLatent, LatentDynamics
from flowdis.models.wave_config import default_lattice

SMALL = {"shape": (2, 3, 4), "frames": 3, "channels": (4,), "features": 8, "decoder_hidden": 8}


def machine(**changes: object) -> WaveMachine:
    """A small untrained model, the same each time."""
    config = WaveMachineConfig(**({"image_shape": (1, 8, 8)} | SMALL | changes))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return WaveMachine(config, generator=torch.Generator().manual_seed(0)).double().eval()


def frames(count: int = 5, batch: int = 2, shape: tuple[int, int, int] = (1, 8, 8)) -> Tensor:
    return torch.rand(count, batch, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("dynamics", list(LATENT_DYNAMICS))
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 14)])
@pytest.mark.parametrize("read", ["backwards", "forwards"])
def test_forecasts_have_the_shape_of_what_was_seen(dynamics: str, shape: tuple[int, int, int], read: str) -> None:
    model = machine(image_shape=shape, dynamics=dynamics, read=read, shown="positions", drive=True)
    made = model.forecast(frames(5, 2, shape), 4)
    assert made.shape == (4, 2, *shape) and made.min() >= 0 and made.max() <= 1
    assert model.forecast(frames(3, 1, shape)[:, 0], 4).shape == (4, *shape)
    single = model.float().forecast(frames(3, 1, shape).float(), 1)
    assert single.shape == (1, 1, *shape) and single.dtype == torch.float32


@pytest.mark.parametrize("dynamics", list(LATENT_DYNAMICS))
@pytest.mark.parametrize("read", ["backwards", "forwards"])
def test_eyes_are_closed_after_the_frames_that_are_read(dynamics: str, read: str) -> None:
    model, seen = machine(dynamics=dynamics, read=read), frames()
    long = model.forecast(seen, 12)
    torch.testing.assert_close(model.forecast(seen, 5), long[:5], rtol=0, atol=1e-12)
    torch.testing.assert_close(model.forecast(seen[-3:], 5), long[:5], rtol=0, atol=1e-12)
    states = model.run(model.encode(seen[-3:]).mean, 15)
    first = 3 - model.config.anchor
    assert first == (3 if read == "backwards" else 1)
    torch.testing.assert_close(model.decode(states[first : first + 12]), long, rtol=0, atol=1e-12)
    torch.testing.assert_close(model.foresee(seen, 12), states[first : first + 12], rtol=0, atol=1e-12)


def test_eyes_open_on_what_was_forecast_when_asked_for() -> None:
    model, seen = machine(), frames()
    first = model.forecast(seen, 4)
    second = model.forecast(torch.cat([seen, first]), 3)
    torch.testing.assert_close(model.forecast(seen, 7, reencode=4), torch.cat([first, second]), rtol=0, atol=1e-12)
    assert (model.forecast(seen, 7)[4:] - second).abs().max() > 1e-6


def test_backwards_reading_ends_with_the_first_frame_and_forwards_with_the_last() -> None:
    for read, mirrored in (("backwards", "forwards"), ("forwards", "backwards")):
        one, other = machine(read=read), machine(read=mirrored)
        torch.testing.assert_close(one.encode(frames()).mean, other.encode(frames().flip(0)).mean, rtol=0, atol=1e-14)


def test_hidden_velocities_are_read_from_several_frames() -> None:
    model, seen = machine(), frames(3)
    changed = seen.clone()
    changed[1:] = frames(2, 2)
    assert torch.equal(changed[0], seen[0])
    assert (model.encode(changed).mean - model.encode(seen).mean).abs().max() > 1e-4


def test_steps_per_frame_are_steps_of_the_lattice() -> None:
    model = machine(steps_per_frame=3)
    latents = model.encode(frames(3)).mean
    expected = model.dynamics(latents, 4, every=3)
    torch.testing.assert_close(model.run(latents, 5)[1:], expected, rtol=0, atol=0)


@pytest.mark.parametrize("dynamics", list(LATENT_DYNAMICS))
def test_picked_frames_are_those_of_the_whole_run(dynamics: str) -> None:
    model = machine(dynamics=dynamics, steps_per_frame=2)
    latents = model.encode(frames(3)).mean
    states, picked = model.run(latents, 6), torch.tensor([[0, 5], [3, 1]])
    found = model.run(latents, 6, picked=picked)
    torch.testing.assert_close(found, states[picked, torch.arange(2)], rtol=0, atol=1e-14)
    torch.testing.assert_close(model.run(latents, 1, picked=0 * picked), latents.expand(2, -1, -1), rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match="`picked` must hold frames from 0, the start, to 4, got 0 to 5"):
        model.run(latents, 5, picked=picked)


def test_a_decoder_of_positions_does_not_see_momenta() -> None:
    state = torch.randn(2, 48, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    other = state.clone()
    other[:, 24:] += 1
    blind, seeing = machine(shown="positions"), machine(shown="both")
    assert torch.equal(blind.decode(state), blind.decode(other))
    assert not torch.equal(seeing.decode(state), seeing.decode(other))


def test_a_drive_is_a_latent_that_stays() -> None:
    model = machine(drive=True)
    assert model.dim == 3 * 24 and machine().dim == 2 * 24
    latents = torch.randn(2, model.dim, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    state, drive = latents.split([48, 24], dim=-1)
    torch.testing.assert_close(model.run(latents, 4)[1:], model.dynamics(state, 3, drive=drive), rtol=0, atol=0)


@pytest.mark.parametrize("dynamics", list(LATENT_DYNAMICS))
@pytest.mark.parametrize("shown", ["positions", "both"])
def test_every_parameter_gets_a_finite_gradient(dynamics: str, shown: str) -> None:
    model = machine(dynamics=dynamics, shown=shown, drive=True).train()
    posterior = model.encode(frames(3))
    states = model.run(posterior.sample(torch.Generator().manual_seed(0)), 5)
    (posterior.kl().sum() - model.log_likelihood(frames(5), states).sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name
        assert bool(parameter.grad.any()), name


def test_forecasting_leaves_everything_as_it_was() -> None:
    model, seen = machine().train(), frames()
    before = seen.clone()
    made = model.forecast(seen, 3)
    assert model.training and not made.requires_grad and torch.equal(seen, before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_samples_of_the_posterior_differ_and_repeat_with_their_generator() -> None:
    model, seen = machine(), frames()
    made = [model.forecast(seen, 3, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


@pytest.mark.parametrize("image_shape", [(1, 32, 32), (3, 28, 28), (3, 64, 48)])
@pytest.mark.parametrize("options", [{}, {"drive": True}, {"shown": "positions"}, {"shape": (4, 30)}])
def test_a_gated_unit_has_as_many_parameters_as_the_lattice(image_shape: tuple[int, ...], options: dict) -> None:
    counts = [
        sum(p.numel() for p in WaveMachine(WaveMachineConfig(image_shape, dynamics=kind, **options)).parameters())
        for kind in ("lattice", "gru")
    ]
    assert counts[1] == pytest.approx(counts[0], rel=0.005)


def test_a_gated_latent_is_torch_s_gated_unit_without_input() -> None:
    latent = GatedLatent(5, generator=torch.Generator().manual_seed(0)).double()
    cell = nn.GRUCell(1, 5).double()
    with torch.no_grad():
        cell.weight_hh.copy_(latent.weight)
        cell.bias_hh.copy_(latent.bias)
        cell.bias_ih.copy_(torch.cat([torch.zeros(10).double(), latent.offset_bias]))
        state = torch.randn(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        expected, found = state, latent(state, 4)
        for step in range(4):
            expected = cell(torch.zeros(3, 1).double(), expected)
            torch.testing.assert_close(found[step], expected, rtol=0, atol=1e-14)
        torch.testing.assert_close(latent(state, 2, every=2), found[1::2], rtol=0, atol=0)
        driven = latent(state, 1, drive=torch.ones(3, 5).double())
    assert (driven - found[:1]).abs().min() > 1e-6


def test_latent_dynamics_are_what_they_say() -> None:
    assert isinstance(Lattice((1, 4)), LatentDynamics) and isinstance(GatedLatent(4), LatentDynamics)


@pytest.mark.parametrize("dynamics", list(LATENT_DYNAMICS))
def test_a_saved_model_forecasts_the_same(dynamics: str, tmp_path: Path) -> None:
    options = {"coupling": "published", "integrator": "nwm"} if dynamics == "lattice" else {}
    model = machine(dynamics=dynamics, dynamics_options=options, drive=True).float()
    model.save_pretrained(tmp_path / "model")
    loaded = WaveMachine.from_pretrained(tmp_path / "model")
    assert loaded.config == model.config and not loaded.training
    seen = frames().float()
    assert torch.equal(loaded.forecast(seen, 4), model.forecast(seen, 4))


def test_what_is_saved_holds_every_choice() -> None:
    config = machine(shape=None, channels=None, dynamics="gru").config
    assert config.shape == default_lattice((1, 8, 8)) and config.channels == (16,)
    assert config.dynamics_options["size"] > 1
    assert WaveMachineConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "other"}, "config must have format 'flowdis.wave_machine', got 'other'"),
        ({"version": 9}, "config has version 9, .* needs flowdis newer than"),
        ({"wings": 2}, r"config has unknown keys \['wings'\]"),
        ({"image_shape": None}, "lacks"),
    ],
)
def test_foreign_configs_are_refused(changes: dict[str, object], told: str) -> None:
    values = machine().config.to_json() | changes
    if values["image_shape"] is None:
        del values["image_shape"]
    with pytest.raises(ValueError, match=told):
        WaveMachineConfig.from_json(values)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    machine().save_pretrained(tmp_path / "one")
    machine(features=16).save_pretrained(tmp_path / "other")
    (tmp_path / "one/model.safetensors").write_bytes((tmp_path / "other/model.safetensors").read_bytes())
    with pytest.raises(ValueError, match="weights of .* do not fit the config: encoder.* has shape"):
        WaveMachine.from_pretrained(tmp_path / "one")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"dynamics": "lstm"}, "`dynamics` must be one of lattice, gru, got 'lstm'"),
        ({"read": "sideways"}, "`read` must be one of backwards, forwards"),
        ({"shown": "momenta"}, "`shown` must be one of positions, both"),
        ({"likelihood": "poisson"}, "`likelihood` must be one of"),
        ({"frames": 0}, "`frames` must be a finite number > 0, got 0"),
        ({"steps_per_frame": 0}, "`steps_per_frame` must be a finite number > 0"),
        ({"features": 7}, "`features` must be even, got 7"),
        ({"image_shape": (1, 8, 0)}, r"`image_shape` must be \(C, H, W\), all positive, got \(1, 8, 0\)"),
        ({"image_shape": (1, 1, 8)}, r"`image_shape` must have sides of at least 2 for 1 halvings, got \(1, 1, 8\)"),
        ({"shape": (2, 2, 8)}, r"`shape` must have sides of at least 3 sites, got \(2, 2, 8\)"),
        (
            {"dynamics_options": {"integrator": "nwm", "coupling": "none", "damping": 9.0}},
            "`step` must be below .*, or `damping` below .* for the published step",
        ),
    ],
)
def test_what_a_machine_refuses_to_be(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        machine(**options)


def test_what_a_machine_refuses_to_see() -> None:
    model, seen = machine(), frames()
    with pytest.raises(ValueError, match="`frames` must be at least the 3 that the encoder reads, got 2 of them"):
        model.forecast(seen[:2], 4)
    with pytest.raises(ValueError, match="`frames` must be at least the 3 that the encoder reads, got 1 of them"):
        model.forecast(seen[:1, 0], 4)
    with pytest.raises(ValueError, match=r"`frames` must end in \(C, H, W\) = \(1, 8, 8\), got shape \(5, 2, 1, 8"):
        model.forecast(seen[..., 1:], 4)
    with pytest.raises(ValueError, match=r"`frames` must lie in \[0, 1\], got values from .*; divide by 255"):
        model.forecast(255 * seen, 4)
    for steps in (0, -1):
        with pytest.raises(ValueError, match=f"`steps` must be a finite number > 0, got {steps}"):
            model.forecast(seen, steps)
    with pytest.raises(ValueError, match="`reencode` must be a finite number > 0, got 0"):
        model.forecast(seen, 4, reencode=0)
    with pytest.raises(ValueError, match=r"`latents` must end in D=48 latents, got shape \(2, 24\)"):
        model.run(torch.zeros(2, 24).double(), 3)
    with pytest.raises(ValueError, match=r"`state` must end in S=\d+ entries of the latent state"):
        machine(dynamics="gru").dynamics(torch.zeros(2, 3).double(), 1)
