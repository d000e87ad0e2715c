"""Mixtures of fields, and banks of several kinds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowdis.fields import HelmholtzField, JoinedField, MixedFields, PotentialField, SolenoidalField

NAMES = ("a", "b", "c", "d")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


def test_a_mixture_is_the_sum_of_the_fields_by_its_row() -> None:
    bank = HelmholtzField(NAMES[:3], 5, hidden=8, generator=seeded()).double()
    mixed = MixedFields(bank, {"turned": (0.0, -1.0, 0.0), "merged": (0.5, 0.0, 2.0)})
    z, amounts = random(7, 5), random(7, 2, seed=2)
    velocity, divergence = mixed(amounts).velocity_and_divergence(z, 0.0)
    first, second, third = (bank[name].velocity_and_divergence(z, 0.0) for name in NAMES[:3])
    for got, a, b, c in zip((velocity, divergence), first, second, third, strict=True):
        turned, merged = amounts.T if got.ndim == 1 else (column[:, None] for column in amounts.T)
        assert torch.allclose(got, -turned * b + merged * (0.5 * a + 2 * c), atol=1e-12)


def test_clocks_run_with_the_amounts_of_the_fields() -> None:
    bank = PotentialField(NAMES[:2], 4, hidden=6, clocked=True, generator=seeded()).double()
    mixed = MixedFields(bank, {"x": (0.0, -2.0)})
    z, s = random(3, 4), 0.3
    amounts, clock = torch.tensor([0.7], dtype=torch.float64), torch.tensor([0.4], dtype=torch.float64)
    expected = bank(amounts * torch.tensor([0.0, -2.0]), clock * torch.tensor([0.0, -2.0]))(z, s)
    assert torch.allclose(mixed(amounts, clock)(z, s), expected, atol=1e-12)


@pytest.mark.parametrize("row", [(1.0,), (0.0, 0.0)])
def test_rows_that_do_not_fit_are_named(row: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="`rows` must have K=2 amounts, not all 0, got .* for 'x'"):
        MixedFields(HelmholtzField(NAMES[:2], 3, hidden=4), {"x": row})


def test_each_field_of_a_joined_bank_is_of_its_kind() -> None:
    bank = JoinedField(NAMES, 4, n_potential=1, n_solenoidal=2, hidden=6, generator=seeded()).double()
    assert [type(part) for part in bank.banks] == [PotentialField, SolenoidalField, HelmholtzField]
    z = random(4)
    for name, kind in zip(NAMES, ("potential", "solenoidal", "solenoidal", "both"), strict=True):
        jacobian = torch.func.jacrev(lambda z, field=bank[name]: field(z, 0.0))(z)
        symmetric = torch.allclose(jacobian, jacobian.T, atol=1e-10)
        divergence = bank[name].velocity_and_divergence(z, 0.0)[1].detach()
        assert torch.allclose(divergence, jacobian.trace(), atol=1e-10)
        assert symmetric == (kind == "potential") and (abs(float(divergence)) < 1e-12) == (kind == "solenoidal")


def test_a_joined_bank_mixes_its_fields_by_their_amounts() -> None:
    bank = JoinedField(NAMES, 4, hidden=6, generator=seeded()).double()
    z, amounts = random(5, 4), random(5, 4, seed=3)
    expected = sum(amounts[:, [k]] * bank[name](z, 0.0) for k, name in enumerate(NAMES))
    assert torch.allclose(bank(amounts)(z, 0.0), expected, atol=1e-12)
    rebuilt = JoinedField(NAMES, 4, **bank.config())
    assert rebuilt.state_dict().keys() == bank.state_dict().keys()


def test_more_fields_than_names_are_refused() -> None:
    with pytest.raises(ValueError, match="`n_potential` \\+ `n_solenoidal` must be at most K=2, got 2 and 1"):
        JoinedField(NAMES[:2], 4, n_potential=2, n_solenoidal=1)
    with pytest.raises(ValueError, match="`n_solenoidal` must be a finite number >= 0"):
        JoinedField(NAMES, 4, n_solenoidal=-1)
