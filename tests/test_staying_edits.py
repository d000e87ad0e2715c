"""Edits that are told when they leave the data, and that stay there."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import flowdis as fd
from flowdis.models import CodeDensity
from flowdis.models.gaussian_mixture import GaussianMixture
from tests.models.toys import small_config, small_model, stills, turning_model
from tests.test_editing import at_angles

# Codes at a distance of 0.3 from the origin are inside where they are within 0.3 of the centre (0.3, 0): 60 degrees.
RADIUS, SPREAD = 0.3, 0.1


def eastern() -> CodeDensity:
    zeros = torch.zeros(1, 2, dtype=torch.float64)
    centre = torch.tensor([RADIUS, 0.0], dtype=torch.float64)
    mixture = GaussianMixture(zeros[:, 0], zeros, zeros + math.log(SPREAD), centre)
    return CodeDensity(mixture, -0.5 * (RADIUS / SPREAD) ** 2 - math.log(2 * math.pi * SPREAD**2))


def angles(z: Tensor) -> Tensor:
    return torch.rad2deg(torch.atan2(z[..., 1], z[..., 0]))


def test_a_trajectory_says_which_codes_are_outside() -> None:
    model, density = turning_model(), eastern()
    (rotate,) = model.flows()
    start = torch.tensor([0.0, -50.0])
    walk = fd.trajectory(model, at_angles(start), rotate(90), frames=9, density=density)
    reached = start + torch.linspace(10, 90, 9)[:, None]
    distance = 2 * RADIUS * torch.sin(torch.deg2rad(reached.double().abs()) / 2)
    expected = -0.5 * (distance / SPREAD) ** 2 - math.log(2 * math.pi * SPREAD**2)
    assert walk.log_density is not None and walk.outside is not None and walk.log_q is not None
    torch.testing.assert_close(walk.log_density, expected, rtol=0, atol=1e-5)
    clear = (reached.abs() - 60).abs() > 1  # 60 degrees is the border itself
    assert torch.equal(walk.outside[clear], (reached.abs() > 60)[clear])
    plain = fd.trajectory(model, at_angles(start), rotate(90), frames=9)
    assert torch.equal(plain.z, walk.z) and plain.log_density is None and plain.outside is None


def test_edits_that_leave_are_told_of() -> None:
    model, density = turning_model(), eastern()
    (rotate,) = model.flows()
    with pytest.warns(UserWarning, match="1 of 2 edits leave the data: .* fall below the border of -1.733 nats"):
        told = fd.edit(model, at_angles(torch.tensor([0.0, -50.0])), rotate(90), density=density)
    assert torch.equal(told, fd.edit(model, at_angles(torch.tensor([0.0, -50.0])), rotate(90)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fd.edit(model, at_angles(torch.tensor([-50.0])), rotate(90), density=density)
        fd.edit(model, at_angles(torch.tensor([0.0])), rotate(90), density=density, stay=True)


@pytest.mark.parametrize("stay", [True, "project", "stop"])
def test_edits_stay_on_the_data(stay: bool | str) -> None:
    model, density = turning_model(), eastern()
    (rotate,) = model.flows()
    start = torch.tensor([0.0, 30.0, -50.0])
    walk = fd.trajectory(model, at_angles(start), rotate(180), frames=12, density=density, stay=stay)
    assert not walk.outside.any() and float(walk.log_density.min()) > density.border
    inside = fd.trajectory(model, at_angles(start), rotate(20), density=density, stay=stay).z[-1]
    assert (angles(inside) - (start + 20)).abs().max() < 0.1  # still far from the border, it turned freely
    edited = fd.edit(model, at_angles(start), rotate(180), frames=12, density=density, stay=stay)
    torch.testing.assert_close(edited, fd.decode(model, walk.z), rtol=0, atol=0)
    if stay == "stop":
        assert (walk.z.norm(dim=-1) - RADIUS).abs().max() < 1e-5
        # 0.05 nats inside of the border, a hundredth of its 4.5.
        assert ((angles(walk.z[-1]) - 60).abs() < 1).all()
    else:
        # From 60 degrees on, the angle b about the centre grows as d tan(b / 2) = d a, by the rest of the turn a.
        expected = 2 * torch.atan(math.tan(math.radians(60)) + torch.deg2rad(120 + start.double()))
        about = angles(walk.z[-1] - torch.tensor([RADIUS, 0.0], dtype=torch.float64))
        assert (about - torch.rad2deg(expected)).abs().max() < 1


def test_without_a_density_it_is_the_prior() -> None:
    model = small_model().eval()
    rotate, _ = model.flows()
    images = stills(3, 3, 8, 8)
    walk = fd.trajectory(model, images, rotate(400), frames=4, stay=True)
    prior = CodeDensity.prior(4)
    torch.testing.assert_close(walk.log_density, prior.log_density(walk.z))
    alone = fd.trajectory(model, images[1], rotate(400), frames=4, stay=True, density=prior)
    assert alone.z.shape == (4, 4) and (alone.z - walk.z[:, 1]).abs().max() < 1e-5
    assert alone.outside.shape == (4,) and alone.log_q is not None


def test_what_cannot_stay_is_refused() -> None:
    model, images = small_model().eval(), stills(2, 3, 8, 8)
    rotate, _ = model.flows()
    with pytest.raises(ValueError, match="`stay` must be one of project, stop, got 'slide'"):
        fd.edit(model, images, rotate(10), stay="slide")
    with pytest.raises(ValueError, match="`density` must be of the model's D=4 latents, got one of 3"):
        fd.edit(model, images, rotate(10), density=CodeDensity.prior(3))
    for change in ({"dynamics": "underdamped"}, {"temperature": 0.1}):
        other = fd.LatentFlow(replace(small_config(), **change)).eval()
        with pytest.raises(ValueError, match="`stay` must be False for codes with inertia or noise, got True"):
            fd.edit(other, images, rotate(10), stay=True, generator=torch.Generator().manual_seed(0))
        walk = fd.trajectory(
            other, images, rotate(10), density=CodeDensity.prior(4), generator=torch.Generator().manual_seed(0)
        )
        assert walk.log_density is not None and walk.log_density.shape == (1, 2)
