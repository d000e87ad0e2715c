"""The motion of a model: its numbers, fixed or learned, and what they are saved as."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import flowdis as fd
from flowdis.dynamics import Overdamped, Underdamped
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.models.motion import Motion
from tests.models.toys import small_config, small_model, stills

OPTIONS = {"damping": 1.5, "stiffness": 0.4, "learned": ["damping", "coupling"]}


def underdamped(**options: object) -> LatentFlow:
    config = replace(small_config(), dynamics="underdamped", dynamics_options={**OPTIONS, **options})
    model = LatentFlow(config, generator=torch.Generator().manual_seed(0)).eval()
    model.fields.load_state_dict(small_model().fields.state_dict())
    return model


def test_overdamped_is_the_default_and_learns_nothing() -> None:
    model = LatentFlow(small_config())
    assert model.dynamics == Overdamped() and model.config.dynamics_options == {}
    assert not list(model.motion.parameters())


def test_learned_numbers_start_where_they_are_told_and_stay_positive() -> None:
    motion = Motion("underdamped", 0.0, OPTIONS)
    assert {name for name, _ in motion.named_parameters()} == {"raw.damping", "raw.coupling", "log_momentum"}
    torch.testing.assert_close(motion().damping, torch.tensor(1.5))
    torch.testing.assert_close(motion().coupling, torch.tensor(1.5))  # that of the damping, where none is told
    assert motion().stiffness == 0.4
    for raw in motion.raw.values():
        raw.data.fill_(-30.0)
    assert float(motion().damping) > 0
    motion().damping.backward()
    assert motion.raw["damping"].grad is not None


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("lattice", {}, "`dynamics` must be one of overdamped, underdamped, got 'lattice'"),
        ("overdamped", {"damping": 1.0}, "`dynamics_options` of overdamped motion must be among nothing, got damping"),
        ("underdamped", {"mass": 1.0}, "`dynamics_options` of underdamped motion must be among .*, got mass"),
        ("underdamped", {"damping": -1.0}, "`damping` must be a finite number >= 0"),
        ("underdamped", {"learned": ["mass"]}, "`learned` must be one of damping, stiffness, coupling, got 'mass'"),
        ("underdamped", {"learned": ["stiffness"]}, "`stiffness` must be a finite number > 0, got 0.0"),
    ],
)
def test_options_are_checked(kind: str, options: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Motion(kind, 0.0, options)


def test_an_unknown_dynamics_is_named_when_a_config_is_made() -> None:
    with pytest.raises(ValueError, match="`dynamics` must be one of overdamped, underdamped, got 'overdampd'.*mean"):
        replace(small_config(), dynamics="overdampd")


def test_a_saved_model_comes_back_with_its_motion(tmp_path: Path) -> None:
    model = underdamped(start="rest", spread=0.2)
    model.motion.raw["damping"].data.fill_(0.3)
    model.save_pretrained(tmp_path)
    back = LatentFlow.from_pretrained(tmp_path)
    assert back.config == model.config
    assert back.config.dynamics_options == {**OPTIONS, "coupling": None, "start": "rest", "spread": 0.2}
    assert torch.equal(back.dynamics.damping, model.dynamics.damping)
    images, path = stills(2, 3, 8, 8), model.flows("rotate")[0](50.0) >> model.flows("hue")[0](-70.0)
    assert torch.equal(back(images, path), model(images, path))


def test_models_saved_before_there_was_a_choice_still_load(tmp_path: Path) -> None:
    model = small_model()
    model.save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    for name in ("dynamics", "dynamics_options"):
        del values[name]
    (tmp_path / "config.json").write_text(json.dumps(values))
    back = LatentFlow.from_pretrained(tmp_path)
    assert back.dynamics == Overdamped() and back.config == model.config
    assert LatentFlowConfig.from_json(values).dynamics == "overdamped"


def test_edits_have_inertia_and_are_undone() -> None:
    model, images = underdamped(), stills(3, 3, 8, 8)
    rotate, hue = model.flows()
    path = rotate(torch.tensor([45.0, -90.0, 10.0])) >> hue(120.0)
    codes = fd.encode(model, images)
    heavy = fd.transport(model.fields, path, codes, dynamics=Underdamped(0.0, 1.5, 0.4, 1.5), frames=4)
    torch.testing.assert_close(fd.edit(model, images, path, frames=4), fd.decode(model, heavy.z), rtol=0, atol=1e-6)
    light = fd.transport(model.fields, path, codes, frames=4)
    assert float((heavy.z - light.z).abs().max()) > 1e-2
    torch.testing.assert_close(fd.edit(model, images, path >> ~path), fd.decode(model, codes), rtol=0, atol=1e-6)


def test_trajectories_have_densities_where_the_momentum_is_drawn() -> None:
    model, images = underdamped(), stills(3, 3, 8, 8)
    rotate = model.flows("rotate")[0]
    assert fd.trajectory(model, images, rotate(30.0)).log_q is None
    drawn = fd.trajectory(model, images, rotate(30.0), frames=2, generator=torch.Generator().manual_seed(0))
    assert drawn.log_q.shape == (2, 3) and drawn.states.shape == (2, 3, 8)
    assert fd.trajectory(underdamped(spread=0.0), images, rotate(30.0), generator=torch.Generator()).log_q is None


def test_a_standard_pose_is_found_as_edits_reach_it() -> None:
    model, images = underdamped(), stills(3, 3, 8, 8)
    rotate = model.flows("rotate")[0]
    for low, high in ((-90.0, 180.0), (20.0, 90.0), (-90.0, -20.0)):
        wanted = 0.5 * (low + high) + 17.0
        codes = fd.encode(model, images)
        goal = fd.edit(model, images, rotate(wanted))
        model.encoder, kept = _Recall(codes, model.transport(rotate(wanted), codes).z[-1].detach()), model.encoder
        found, values = fd.canonicalize(model, images, rotate, goal, low=low, high=high, samples=40)
        model.encoder = kept
        torch.testing.assert_close(values.float(), torch.full((3,), wanted), rtol=0, atol=1.0)
        torch.testing.assert_close(found, goal, rtol=0, atol=1e-2)


class _Recall(torch.nn.Module):
    """Gives codes in turn, whatever the images."""

    def __init__(self, *codes: torch.Tensor) -> None:
        super().__init__()
        self.codes = list(codes)

    def forward(self, images: torch.Tensor) -> fd.Posterior:
        code = self.codes.pop(0)
        return fd.Posterior(code, torch.zeros_like(code))
