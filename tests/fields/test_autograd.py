"""Wrapped modules: agreement with closed forms, in training as well, and Hutchinson's estimate."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from flowdis.fields import AutogradField, PotentialField
from tests.fields.banks import DIM, NAMES, Push, build, normal

K = len(NAMES)


class OnePotential(nn.Module):
    """One of a bank's potentials, with the bank's own parameters."""

    def __init__(self, bank: PotentialField, index: int) -> None:
        super().__init__()
        self.bank, self.index = bank, index

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        return self.bank.potential(z, t.unsqueeze(-1).expand(*t.shape, K))[..., self.index]


@pytest.mark.parametrize("kind", ["potential-clocked", "potential-deep-clocked"])
def test_it_agrees_with_the_closed_form_in_value_and_in_training(kind: str) -> None:
    closed = build(kind)
    assert isinstance(closed, PotentialField)
    wrapped = AutogradField(NAMES, DIM, [OnePotential(closed, k) for k in range(K)], kind="potential")
    z, amounts, clock = normal(6, DIM), normal(6, K, seed=1), normal(K, seed=2)
    gradients = []
    for bank in (closed, wrapped):
        velocity, divergence = bank(amounts, clock).velocity_and_divergence(z, 0.3)
        loss = (velocity.square().sum(-1) + divergence).sum()
        gradients.append((velocity, divergence, *torch.autograd.grad(loss, list(closed.parameters()))))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["autograd-velocity", "autograd-potential"])
def test_all_signs_of_the_probe_average_to_the_exact_divergence(kind: str) -> None:
    bank = build(kind)
    assert isinstance(bank, AutogradField)
    z, amounts = normal(2, 3, DIM), normal(3, K, seed=1)
    velocity, exact = bank(amounts).velocity_and_divergence(z, 0.3)
    estimates = []
    for signs in itertools.product((-1.0, 1.0), repeat=DIM):
        probed = bank.with_probe(torch.tensor(signs, dtype=torch.float64))
        got, estimate = probed(amounts).velocity_and_divergence(z, 0.3)
        torch.testing.assert_close(got, velocity, rtol=0, atol=1e-12)
        estimates.append(estimate)
    assert float(torch.stack(estimates).detach().std(0).min()) > 0.01
    torch.testing.assert_close(torch.stack(estimates).mean(0), exact, rtol=0, atol=1e-12)


def test_a_probe_per_sample_and_one_expanded_give_the_same() -> None:
    bank = build("autograd-velocity")
    assert isinstance(bank, AutogradField)
    z, amounts, probe = normal(5, DIM), normal(K, seed=1), normal(DIM, seed=2)
    shared = bank.with_probe(probe)(amounts).velocity_and_divergence(z, 0.0)[1]
    each = bank.with_probe(probe.expand(5, DIM))(amounts).velocity_and_divergence(z, 0.0)[1]
    torch.testing.assert_close(each, shared, rtol=0, atol=0)
    assert bank.with_probe(probe).with_probe(None).probe is None
    assert [id(p) for p in bank.with_probe(probe).parameters()] == [id(p) for p in bank.parameters()]


def test_bad_probes_modules_and_kinds_are_named() -> None:
    bank = build("autograd-velocity")
    assert isinstance(bank, AutogradField)
    with pytest.raises(ValueError, match=r"`probe` must end in D=4, got shape \(3,\)"):
        bank.with_probe(torch.zeros(3))
    with pytest.raises(ValueError, match=r"`probe` must .* \(5, 4\), got \(2, 4\)"):
        bank.with_probe(torch.zeros(2, DIM))["hue"].velocity_and_divergence(normal(5, DIM), 0.0)
    modules = [Push(torch.Generator()) for _ in range(2)]
    with pytest.raises(ValueError, match="`modules` must hold one module for each of .*'hue'.*, got 2"):
        AutogradField(NAMES, DIM, modules)
    with pytest.raises(ValueError, match="`kind` must be one of velocity, potential, got 'flow'"):
        AutogradField(NAMES[:2], DIM, modules, kind="flow")


def test_modules_that_return_another_shape_are_named() -> None:
    wrong = AutogradField(NAMES[:1], DIM, [Push(torch.Generator()).double()], kind="potential")
    with pytest.raises(ValueError, match=r"`modules` must return shape \(5,\) at z of .*\(5, 4\), got \(5, 4\)"):
        wrong["rotate"](normal(5, DIM), 0.0)


def test_config_rebuilds_it_around_the_same_modules() -> None:
    bank, z = build("autograd-potential"), normal(3, DIM)
    assert isinstance(bank, AutogradField)
    made = AutogradField(bank.names, bank.dim, list(bank.fields), **bank.config())
    torch.testing.assert_close(made["hue"](z, 0.2), bank["hue"](z, 0.2), rtol=0, atol=0)
