from __future__ import annotations

import pytest
import torch

from flowdis.dynamics import Solver
from flowdis.metrics.degenerate import static_flow
from flowdis.metrics.single_flows import single_flow_ends
from flowdis.paths import Path
from tests.metrics.toys import small_model


@pytest.mark.parametrize("batch_size", [2, 250])
def test_each_code_follows_its_own_flow_by_its_own_amount(generator, batch_size):
    model = small_model("rotate", "hue", "scale")
    z = torch.randn(9, 6, generator=generator).double()
    flows = torch.randint(3, (9,), generator=generator)
    amounts = torch.tensor([1.0, -1.0, 0.5])[torch.randint(3, (9,), generator=generator)].double()
    rows = torch.nn.functional.one_hot(flows, 3) * amounts.unsqueeze(-1)
    with torch.no_grad():
        expected = model.transport(Path(model.names, rows.unsqueeze(0)), z, solver=Solver(steps=40)).z[-1]
    before = z.clone()
    ends = single_flow_ends(model.fields, z, flows, amounts, batch_size=batch_size)
    torch.testing.assert_close(ends, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(z, before)


def test_other_banks_have_their_own_ends(generator):
    model = small_model("rotate")
    z = torch.randn(3, 6, generator=generator).double()
    ends = single_flow_ends(static_flow(model), z, torch.zeros(3).long(), torch.ones(3))
    assert torch.equal(ends, z)
    moved = single_flow_ends(model.fields, z, torch.zeros(3).long(), torch.ones(3))
    assert not torch.allclose(moved, z)
