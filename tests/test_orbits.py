"""Orbits: exact on a model whose flow is a turn of the plane."""

from __future__ import annotations

import math

import pytest
import torch

from flowdis.data import units_of
from flowdis.editing import encode
from flowdis.orbits import canonicalize, invariant
from flowdis.paths import flows
from tests.models.toys import at_angles, small_model, stills, turning_model


def test_the_mean_of_an_orbit_does_not_change_along_it() -> None:
    model = turning_model()
    (rotate,) = model.flows()
    images = at_angles(torch.tensor([0.0, 123.0]))
    assert invariant(model, images, rotate).abs().max() < 1e-6  # a circle about the origin
    assert (invariant(model, images, rotate, span=720.0, samples=5)).abs().max() < 1e-6
    with pytest.raises(ValueError, match="`samples` must be at least 2, got 1"):
        invariant(model, images, rotate, samples=1)
    grow = flows(units_of(["scale"]))[0]
    with pytest.raises(ValueError, match="`flow` must be periodic, got scale"):
        invariant(model, images, grow)


@pytest.mark.parametrize("samples", [24, 72])
def test_a_standard_pose_is_found(samples: int) -> None:
    model = turning_model()
    (rotate,) = model.flows()
    angles = torch.tensor([-160.0, -90.0, -11.1, 0.0, 33.3, 150.0])
    images, values = canonicalize(model, at_angles(angles), rotate, at_angles(torch.zeros(1))[0], samples=samples)
    # The squared distance is a cosine, whose parabola through points h apart finds its least value to h^3 / 24.
    spacing = 2 * math.pi / samples
    assert (torch.deg2rad(values + angles)).abs().max() < spacing**3 / 24 + 1e-6
    assert (images - at_angles(torch.zeros(6))).abs().max() < 0.3 * spacing**3 / 24 + 1e-6
    # At the ends of the search the nearest three points may lie to one side, for six times that.
    _, end = canonicalize(model, at_angles(torch.tensor([178.0])), rotate, at_angles(torch.zeros(1)), samples=samples)
    assert (torch.deg2rad(end + 178)).abs() < spacing**3 / 4
    one_each, _ = canonicalize(model, at_angles(angles), rotate, at_angles(angles + 20))
    assert (one_each - at_angles(angles + 20)).abs().max() < 1e-4
    for low, high, count in ((10.0, 10.0, 72), (0.0, 10.0, 1)):
        with pytest.raises(ValueError, match="`low` must be below `high` and `samples` at least 2"):
            canonicalize(model, images, rotate, images, low=low, high=high, samples=count)


@pytest.mark.parametrize("harmonics", [1, 3])
def test_harmonics_of_a_circle_tell_its_radius_and_nothing_of_where_on_it_a_code_is(harmonics: int) -> None:
    """The first harmonic of a circle of radius r is r / 2 (1, -i), of norm r / root 2; no other is there."""
    model = turning_model()
    (rotate,) = model.flows()
    images = torch.cat([at_angles(torch.tensor([0.0, 123.0])), at_angles(torch.tensor([-77.0]), radius=0.1)])
    found = invariant(model, images, rotate, harmonics=harmonics)
    assert found.shape == (3, 2 + 4 * harmonics)
    radii = encode(model, images).norm(dim=-1) / math.sqrt(2)
    assert (found[0] - found[1]).abs().max() < 1e-6
    assert (found[:, 2:6].norm(dim=-1) - radii).abs().max() < 1e-6
    assert ((found[0] - found[2]).norm() - (radii[0] - radii[2])).abs() < 1e-6
    assert not (found[:, 6:].abs() > 1e-6).any()


def test_distances_of_harmonics_are_those_of_their_matrices() -> None:
    model = small_model().double()
    rotate, _ = model.flows()
    images = stills(2, 3, 8, 8).double()
    found = invariant(model, images, rotate, samples=8, harmonics=2)
    amounts = [rotate(float(degrees)) for degrees in range(-135, 181, 45)]
    z = encode(model, images)
    orbit = torch.stack([model.transport(path, z).z[-1] for path in amounts])
    first = sum(torch.exp(torch.tensor(-2j * math.pi * k / 8)) * point for k, point in enumerate(orbit)) / 8
    matrices = [torch.outer(f, f.conj()) / f.abs().square().sum().sqrt() for f in first]
    distance = (matrices[0] - matrices[1]).abs().square().sum().sqrt()
    dim = model.dim
    # The solver's steps differ between one long walk and eight.
    assert ((found[0] - found[1])[dim : dim + dim**2].norm() - distance).abs() < 1e-4 * distance


def test_harmonics_are_asked_for_within_what_samples_tell() -> None:
    model = turning_model()
    (rotate,) = model.flows()
    images = at_angles(torch.zeros(1))
    for samples, harmonics in ((36, 18), (4, 2)):
        with pytest.raises(ValueError, match=f"`harmonics` must be fewer than half of `samples` {samples}"):
            invariant(model, images, rotate, samples=samples, harmonics=harmonics)
    with pytest.raises(ValueError, match="`harmonics`"):
        invariant(model, images, rotate, harmonics=-1)
