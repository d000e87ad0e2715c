"""Closed-form fields against autograd: `python -m benchmarks.fields [--quick] [--json] [--device cuda]`.

Two comparisons, each of a velocity with its divergence, forward alone and with the backward pass to the
parameters of the sum of squared velocities and divergences:

- A mix of K potentials: the gradient by `torch.autograd.grad` and the Laplacian by D backward passes more,
  with an activation whose derivatives are as cheap for autograd as they can be; the numbers agree.
- A divergence-free field of a ridge network with as many units as ours: v_i = sum_j d_j (J - J^T)_ij with J
  the network's Jacobian, by `torch.func` under `vmap`, in the fastest of its four orders (Richter-Powell,
  Lipman and Chen 2022, arXiv:2210.01741).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jacfwd, jacrev, vmap
from torch.nn import functional as F

from flowdis.fields import FieldBank, HelmholtzField, PotentialField, SolenoidalField

__all__ = ["Row", "main", "run"]

Evaluation = Callable[[], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Row:
    """One comparison: medians in milliseconds, how many times faster, and how many times are asked for."""

    name: str
    closed_ms: float
    autograd_ms: float | None = None
    ratio: float | None = None
    target: float | None = None
    difference: float | None = None


class _LogCosh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        size = x.abs()
        return size + F.softplus(-2 * size) - math.log(2.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * ctx.saved_tensors[0].tanh()


def potential_by_autograd(bank: PotentialField, amounts: Tensor, z: Tensor, training: bool) -> tuple[Tensor, Tensor]:
    """The gradient of a mix of potentials and its Laplacian, by one and D backward passes."""
    net = bank.network
    z = z.detach().requires_grad_()
    units = _LogCosh.apply(F.linear(z, net.weight.flatten(0, 1), net.bias.flatten()))
    mixed = ((units.unflatten(-1, net.bias.shape) * net.amplitude).sum(-1) * amounts).sum()
    velocity = torch.autograd.grad(mixed, z, create_graph=True)[0]
    divergence = torch.zeros_like(z[:, 0])
    for i in range(z.shape[-1]):
        row = torch.autograd.grad(velocity[:, i].sum(), z, retain_graph=True, create_graph=training)[0]
        divergence = divergence + row[:, i]
    return velocity, divergence


def solenoidal_by_autograd(network: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    """The row divergence of the antisymmetric part of a network's Jacobian; its own divergence is 0."""

    def antisymmetric(point: Tensor) -> Tensor:
        jacobian = jacrev(network)(point)
        return jacobian - jacobian.mT

    velocity = vmap(lambda point: torch.einsum("ijj->i", jacfwd(antisymmetric)(point)))(z)
    return velocity, velocity.new_zeros(velocity.shape[:-1])


def median_ms(action: Callable[[], object], repeats: int) -> float:
    """The median time of an action in milliseconds, after one call to warm up."""
    times = []
    for _ in range(repeats + 1):
        _wait()
        start = time.perf_counter()
        action()
        _wait()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _backward(evaluation: Evaluation, module: nn.Module) -> Callable[[], None]:
    def step() -> None:
        module.zero_grad(set_to_none=True)
        velocity, divergence = evaluation()
        (velocity.square().sum() + divergence.sum()).backward()

    return step


def _forward(evaluation: Evaluation) -> Callable[[], None]:
    def step() -> None:
        with torch.no_grad():
            evaluation()

    return step


def _closed(bank: FieldBank, amounts: Tensor, z: Tensor) -> Evaluation:
    return lambda: bank(amounts).velocity_and_divergence(z, 0.0)


def _row(name: str, closed: float, theirs: float, target: float, difference: float | None = None) -> Row:
    return Row(name, closed, theirs, theirs / closed, target, difference)


def potentials(z: Tensor, fields: int, hidden: int, repeats: int, generator: torch.Generator) -> list[Row]:
    """The mix of potentials both ways, and the Helmholtz field of the same width beside them."""
    names, dim = tuple(f"field{k}" for k in range(fields)), z.shape[-1]
    bank = PotentialField(names, dim, hidden=hidden, generator=generator).to(z)
    both = HelmholtzField(names, dim, hidden=hidden, generator=generator).to(z)
    amounts = torch.randn(z.shape[0], fields, generator=generator).to(z)
    closed, slow = _closed(bank, amounts, z), max(2, repeats // 4)
    truth = potential_by_autograd(bank, amounts, z, training=False)
    gap = max(float((a - b).detach().abs().max()) for a, b in zip(closed(), truth, strict=True))
    rows = [
        _row(
            "potential forward",
            median_ms(_forward(closed), repeats),
            median_ms(lambda: potential_by_autograd(bank, amounts, z, training=False), slow),
            10.0,
            gap,
        ),
        _row(
            "potential forward and backward",
            median_ms(_backward(closed, bank), repeats),
            median_ms(_backward(lambda: potential_by_autograd(bank, amounts, z, training=True), bank), slow),
            10.0,
            gap,
        ),
    ]
    helmholtz = _closed(both, amounts, z)
    rows.append(Row("helmholtz forward", median_ms(_forward(helmholtz), repeats)))
    rows.append(Row("helmholtz forward and backward", median_ms(_backward(helmholtz, both), repeats)))
    return rows


def solenoidals(z: Tensor, hidden: int, repeats: int, generator: torch.Generator) -> list[Row]:
    """One divergence-free field, by an antisymmetric matrix and by the Jacobian of a Jacobian."""
    dim = z.shape[-1]
    bank = SolenoidalField(("field",), dim, hidden=hidden, generator=generator).to(z)
    closed, slow = _closed(bank, torch.ones(1).to(z), z), max(2, repeats // 4)
    network = nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), nn.Linear(hidden, dim, bias=False)).to(z)

    def nested() -> tuple[Tensor, Tensor]:
        return solenoidal_by_autograd(network, z)

    return [
        _row(
            "solenoidal forward",
            median_ms(_forward(closed), repeats),
            median_ms(_forward(nested), slow),
            100.0,
        ),
        _row(
            "solenoidal forward and backward",
            median_ms(_backward(closed, bank), repeats),
            median_ms(_backward(nested, network), slow),
            100.0,
        ),
    ]


def run(*, quick: bool = False, device: str = "cpu") -> dict[str, Any]:
    """Times everything, and says on what.

    Arguments:
        quick: Whether to use smaller batches and fewer repeats.
        device: The torch device.
    """
    generator = torch.Generator().manual_seed(0)
    sizes = {"fields": 8, "hidden": 256, "dim": 64, "batch": 256 if quick else 1024}
    small = {"hidden": 256, "dim": 32, "batch": 32 if quick else 128}
    repeats = 5 if quick else 20
    z = torch.randn(sizes["batch"], sizes["dim"], generator=generator).to(device)
    rows = potentials(z, sizes["fields"], sizes["hidden"], repeats, generator)
    z = torch.randn(small["batch"], small["dim"], generator=generator).to(device)
    rows += solenoidals(z, small["hidden"], repeats, generator)
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "dtype": "float32",
        "repeats": repeats,
        "potential": sizes,
        "solenoidal": small,
        "rows": [asdict(row) for row in rows],
    }


def table(report: dict[str, Any]) -> str:
    """The report as lines of text."""
    lines = [f"torch {report['torch']}, {report['threads']} threads, {report['device']}, {report['dtype']}"]
    lines += [f"{name}: {report[name]}" for name in ("potential", "solenoidal")]
    lines.append(f"{'':34}{'closed ms':>11}{'autograd ms':>13}{'ratio':>8}{'asked':>7}")
    for row in report["rows"]:
        line = f"{row['name']:34}{row['closed_ms']:11.3f}"
        if row["ratio"] is not None:
            line += f"{row['autograd_ms']:13.2f}{row['ratio']:8.1f}{row['target']:7.0f}"
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Closed-form fields against autograd.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="smaller batches, fewer repeats")
    parser.add_argument("--device", default="cpu", help="the torch device")
    options = parser.parse_args()
    report = run(quick=options.quick, device=options.device)
    print(json.dumps(report, indent=2) if options.json else table(report))


if __name__ == "__main__":
    main()
