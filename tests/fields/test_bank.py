"""One contract for every kind of bank."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
import torch

from flowdis.fields import FIELDS, VelocityField
from tests.fields.banks import BUILDERS, CLOCKED, DIM, NAMES, build, jacobian, normal

K = len(NAMES)
EXACT: dict[str, Any] = {"rtol": 0, "atol": 1e-12}  # the same sums, in another order
kinds = pytest.mark.parametrize("kind", BUILDERS)


@kinds
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
@pytest.mark.parametrize("mixes", [(), (3,), (2, 1)])
def test_amounts_broadcast_and_samples_do_not_meet(kind: str, batch: tuple[int, ...], mixes: tuple[int, ...]) -> None:
    bank, z, amounts, clock = build(kind), normal(*batch, DIM), normal(*mixes, K, seed=1), normal(K, seed=2)
    velocity, divergence = bank(amounts, clock).velocity_and_divergence(z, 0.3)
    shape = torch.broadcast_shapes(batch, mixes)
    assert velocity.shape == (*shape, DIM) and divergence.shape == shape
    torch.testing.assert_close(bank(amounts, clock)(z, 0.3), velocity, **EXACT)
    points, rows = z.expand(*shape, DIM).reshape(-1, DIM), amounts.expand(*shape, K).reshape(-1, K)
    for i in range(points.shape[0]):
        single = bank(rows[i], clock).velocity_and_divergence(points[i], 0.3)
        torch.testing.assert_close(velocity.reshape(-1, DIM)[i], single[0], **EXACT)
        torch.testing.assert_close(divergence.reshape(-1)[i], single[1], **EXACT)


@kinds
def test_divergence_is_the_trace_of_the_jacobian(kind: str) -> None:
    bank, z, amounts, clock = build(kind), normal(3, DIM), normal(3, K, seed=1), normal(3, K, seed=2)
    _, divergence = bank(amounts, clock).velocity_and_divergence(z, 0.7)
    for i in range(3):
        field = partial(bank(amounts[i], clock[i]), s=0.7)
        truth = jacobian(field, z[i]).trace()
        torch.testing.assert_close(divergence[i], truth, rtol=0, atol=1e-10)


@kinds
def test_each_clock_runs_at_the_speed_of_its_amount(kind: str) -> None:
    bank, z, amounts, clock = build(kind), normal(6, DIM), normal(6, K, seed=1), normal(6, K, seed=2)
    one = torch.eye(K, dtype=torch.float64)
    moved = torch.zeros_like(z)
    for k in range(K):
        reading = one[k] * (clock[:, k] + amounts[:, k] * 0.4).unsqueeze(-1)
        moved = moved + amounts[:, k, None] * bank(one[k].expand(6, K), reading)(z, 0.0)
    torch.testing.assert_close(bank(amounts, clock)(z, 0.4), moved, **EXACT)
    each = torch.full((6,), 0.4, dtype=torch.float64)
    torch.testing.assert_close(bank(amounts, clock)(z, each), moved, **EXACT)
    later = bank(amounts, clock)(z, 0.9)
    assert torch.equal(later, bank(amounts)(z, 0.0)) is (kind not in CLOCKED)


@pytest.mark.parametrize("kind", [kind for kind in BUILDERS if kind not in CLOCKED])
def test_the_mix_is_linear_in_the_amounts(kind: str) -> None:
    bank, z, first, second = build(kind), normal(6, DIM), normal(K, seed=1), normal(6, K, seed=2)
    mixed = bank(2 * first - second).velocity_and_divergence(z, 0.0)
    parts = [bank(amounts).velocity_and_divergence(z, 0.0) for amounts in (first, second)]
    for whole, a, b in zip(mixed, *parts, strict=True):
        torch.testing.assert_close(whole, 2 * a - b, **EXACT)


@kinds
def test_every_parameter_and_input_gets_a_gradient(kind: str) -> None:
    bank = build(kind)
    z, amounts = normal(8, DIM).requires_grad_(), normal(8, K, seed=1).requires_grad_()
    bank(amounts, normal(8, K, seed=2))(z, 0.5).square().sum().backward()
    for name, parameter in bank.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    assert amounts.grad is not None and amounts.grad.all()
    assert kind == "constant" or (z.grad is not None and z.grad.all())


@kinds
def test_it_works_without_gradients_and_leaves_inputs_alone(kind: str) -> None:
    bank, z, amounts = build(kind), normal(3, DIM), normal(3, K, seed=1)
    truth = [part.detach() for part in bank(amounts).velocity_and_divergence(z, 0.5)]
    before = z.clone(), amounts.clone()
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            got = bank(amounts).velocity_and_divergence(z.clone(), 0.5)
        assert not any(part.requires_grad for part in got)
        for part, wanted in zip(got, truth, strict=True):
            torch.testing.assert_close(part, wanted, rtol=0, atol=0)
    assert torch.equal(z, before[0]) and torch.equal(amounts, before[1])


@kinds
def test_float32_stays_float32(kind: str) -> None:
    bank, z, amounts = build(kind), normal(3, DIM), normal(3, K, seed=1)
    truth = bank(amounts).velocity_and_divergence(z, 0.5)
    s = torch.tensor(0.5, dtype=torch.float64)
    got = bank.float()(amounts, amounts).velocity_and_divergence(z.float(), s)
    assert all(part.dtype == torch.float32 for part in got)
    if kind not in CLOCKED:  # the amounts serve as clocks above
        for part, wanted in zip(got, truth, strict=True):
            torch.testing.assert_close(part.double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in BUILDERS if not kind.startswith(("autograd", "guided"))])
def test_config_and_state_rebuild_a_bank(kind: str) -> None:
    bank, z, amounts = build(kind), normal(3, DIM), normal(3, K, seed=1)
    config = json.loads(json.dumps(bank.config()))
    made = FIELDS[kind.split("-")[0]](bank.names, bank.dim, **config).double()
    made.load_state_dict(bank.state_dict())
    assert made.config() == bank.config() and repr(made) == repr(bank)
    torch.testing.assert_close(made(amounts)(z, 0.5), bank(amounts)(z, 0.5), rtol=0, atol=0)


@kinds
def test_it_runs_on_the_device_it_is_moved_to(kind: str, device: torch.device) -> None:
    bank, z, amounts = build(kind), normal(3, DIM), normal(3, K, seed=1)
    truth = bank(amounts).velocity_and_divergence(z, 0.5)
    got = bank.to(device)(amounts).velocity_and_divergence(z.to(device), torch.tensor(0.5, device=device))
    for part, wanted in zip(got, truth, strict=True):
        assert part.device.type == device.type
        torch.testing.assert_close(part.cpu(), wanted, **EXACT)


@kinds
def test_names_give_single_fields(kind: str) -> None:
    bank, z = build(kind), normal(3, DIM)
    assert isinstance(bank["scale"], VelocityField)
    truth = bank(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))(z, 0.5)
    torch.testing.assert_close(bank["scale"](z, 0.5), truth, rtol=0, atol=0)
    among_others = bank(torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64))(z, 0.5)
    torch.testing.assert_close(truth, among_others, rtol=1e-12, atol=1e-14)


@kinds
def test_bad_input_is_named(kind: str) -> None:
    bank = build(kind)
    with pytest.raises(ValueError, match="`name` must be one of rotate, scale, hue, got 'scales'.*'scale'"):
        bank["scales"]
    with pytest.raises(ValueError, match=r"`amounts` must end in K=3 \(rotate, scale, hue\), got .*\(8, 4\)"):
        bank(torch.zeros(8, 4))
    with pytest.raises(ValueError, match=r"`clock` must end in K=3 \(rotate, scale, hue\), got shape \(\)"):
        bank(torch.zeros(3), torch.zeros(()))
    with pytest.raises(TypeError, match="`amounts` must be a floating-point tensor, got dtype torch.int64"):
        bank(torch.tensor([1, 0, 0]))
    for call in (bank["hue"], bank["hue"].velocity_and_divergence):
        with pytest.raises(ValueError, match=r"`z` must end in D=4, got shape \(2, 5\)"):
            call(torch.zeros(2, 5, dtype=torch.float64), 0.0)


@pytest.mark.parametrize("name", FIELDS)
def test_names_and_sizes_are_checked(name: str) -> None:
    kind = FIELDS[name]
    with pytest.raises(ValueError, match="`names` must all be different"):
        kind(("a", "a"), 2)
    with pytest.raises(ValueError, match="`names` must hold at least one name and no empty one"):
        kind((), 2)
    with pytest.raises(ValueError, match="`names` must hold at least one name and no empty one"):
        kind(("a", ""), 2)
    with pytest.raises(TypeError, match="`names` must be a sequence of names, got the string 'rotate'"):
        kind("rotate", 2)
    with pytest.raises(ValueError, match="`dim` must be >= 1, got 0"):
        kind(("a",), 0)


@pytest.mark.parametrize("name", FIELDS)
def test_a_generator_decides_the_weights_and_the_flow_starts_near_the_identity(name: str) -> None:
    kind: Any = FIELDS[name]
    banks = [kind(NAMES, 64, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    first, same, other = (torch.cat([p.flatten() for p in bank.parameters()]) for bank in banks)
    assert torch.equal(first, same) and not torch.equal(first, other)
    speed = banks[0]["rotate"](normal(200, 64).float(), 0.0).norm(dim=-1).mean()
    assert 0.1 < float(speed.detach()) < 0.3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("potential", {"hidden": 0}, "`hidden` must be >= 1, got 0"),
        ("potential", {"hidden": 0, "depth": 2}, "`hidden` must be >= 1, got 0"),
        ("potential", {"depth": 0}, "`depth` must be >= 1, got 0"),
        ("solenoidal", {"count": 0}, "`count` must be >= 1, got 0"),
        ("solenoidal", {"rank": 3}, "`rank` must be between 1 and D=2, got 3"),
        ("helmholtz", {"hidden": 1}, "`hidden` must be >= 2, got 1"),
        ("helmholtz", {"rank": 0}, "`rank` must be between 1 and D=2, got 0"),
    ],
)
def test_options_are_checked(name: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FIELDS[name](("a",), 2, **options)
