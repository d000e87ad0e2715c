from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flowdis.fields import ConstantField, HelmholtzField
from flowdis.metrics import equivariance_error, latent_equivariance_ratio, protocol_sequences
from flowdis.metrics.batches import codes
from flowdis.metrics.degenerate import (
    RescaledField,
    constant_code,
    degenerate_flows,
    random_flows,
    static_flow,
    step_lengths,
    with_fields,
)
from flowdis.models import LatentFlow
from tests.metrics.toys import brightness_model, grey, small_model


def encoded(model, generator, count=20):
    images = torch.rand(count, *model.image_shape, generator=generator).double()
    return codes(model, images).detach()


def test_static_flows_leave_codes_where_they_are(generator):
    model = small_model("rotate", "hue")
    z = encoded(model, generator)
    assert step_lengths(static_flow(model), z).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_random_flows_go_as_far_as_the_models_own_in_other_directions(generator, amount):
    model = small_model("rotate", "hue")
    z = encoded(model, generator)
    bank = random_flows(model, z, generator=generator, amount=amount)
    assert isinstance(bank.bank, HelmholtzField)
    wanted, reached = (step_lengths(fields, z, amount=amount) for fields in (model.fields, bank))
    assert wanted.min() > 0
    torch.testing.assert_close(reached, wanted, rtol=1e-2, atol=0)
    mine, theirs = (torch.stack([fields[name](z, 0.0) for name in model.names]) for fields in (model.fields, bank))
    assert torch.cosine_similarity(mine, theirs, dim=-1).abs().mean() < 0.8
    assert not any(parameter.requires_grad for parameter in bank.parameters())


def test_random_flows_go_as_far_where_motion_starts_from_rest_or_has_inertia(generator):
    model = small_model("rotate", "hue")
    z, waves = encoded(model, generator), {"hidden": 8, "rest": True}
    config = replace(model.config, field="wave", field_options=waves, dynamics="underdamped", own_modules=())
    heavy = LatentFlow(config, generator=torch.Generator().manual_seed(5)).double()
    wanted = step_lengths(heavy.fields, z, amount=1.5, dynamics=heavy.noiseless)
    assert not torch.allclose(wanted, step_lengths(heavy.fields, z, amount=1.5), rtol=0.05)
    reached = step_lengths(random_flows(heavy, z, generator=generator, amount=1.5), z, amount=1.5)
    torch.testing.assert_close(reached, wanted, rtol=1e-2, atol=0)


def test_a_flow_that_does_not_move_has_a_control_that_does_not(generator):
    model = brightness_model()  # its hue is still
    z = encoded(model, generator)
    lengths = step_lengths(random_flows(model, z, generator=generator), z)
    assert lengths[0] == 0
    assert lengths[1] == pytest.approx(float(step_lengths(model.fields, z)[1]), rel=1e-2)


def test_random_flows_are_those_of_their_generator(generator):
    model = small_model("rotate")
    z = encoded(model, generator)
    state = torch.random.get_rng_state()
    first, same, other = (
        random_flows(model, z, generator=torch.Generator().manual_seed(seed))["rotate"](z, 0.0) for seed in (1, 1, 2)
    )
    assert torch.equal(first, same)
    assert not torch.allclose(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_fields_of_the_users_own_are_replaced_by_random_potentials(generator):
    model = with_fields(small_model("rotate"), ConstantField(("rotate",), 6).double())
    assert model.config.own_modules == ("fields",)
    z = encoded(model, generator)
    bank = random_flows(model, z, generator=generator)
    jacobian = torch.func.jacrev(lambda point: bank["rotate"](point, 0.0))(z[0])
    torch.testing.assert_close(jacobian, jacobian.mT)  # a gradient field
    assert jacobian.abs().max() > 0


def test_speeds_multiply_amounts_and_leave_clocks():
    inner = ConstantField(("a", "b"), 3)
    bank = RescaledField(inner, torch.tensor([2.0, -1.0]))
    amounts = torch.tensor([0.5, 3.0])
    torch.testing.assert_close(bank(amounts)(torch.zeros(3), 0.0), inner(amounts * bank.scales)(torch.zeros(3), 0.0))
    with pytest.raises(ValueError, match="`scales` must end in K=2"):
        RescaledField(inner, torch.ones(3))


def test_a_model_with_other_fields_is_a_copy(generator):
    model = small_model("rotate")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    bank = static_flow(model)
    still = with_fields(model, bank)
    assert still is not model and model.config.own_modules == ()
    with torch.no_grad():
        for parameter in still.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not bank.direction.any()
    with pytest.raises(ValueError, match="`bank` must have names"):
        with_fields(model, ConstantField(("hue",), 6))


def test_a_constant_code_knows_nothing_of_the_image(generator):
    model = small_model("rotate")
    images = torch.rand(2, 5, *model.image_shape, generator=generator).double()
    blind = constant_code(model)
    z = blind.encode(images)
    assert z.mean.shape == z.log_std.shape == (2, 5, 6)
    assert torch.equal(z.mean, z.mean[0, 0].expand_as(z.mean))
    assert torch.equal(constant_code(model, torch.arange(6.0)).encode(images).mean[1, 2], torch.arange(6.0).double())
    with pytest.raises(ValueError, match="`code` must end in D=6"):
        constant_code(model, torch.zeros(5))
    sequences = protocol_sequences(model, images[0], "orbit", generator=generator)
    with pytest.raises(ValueError, match="must move the codes"):
        latent_equivariance_ratio(blind, sequences)


def test_they_are_controls_of_metrics(generator):
    model = brightness_model()
    controls = degenerate_flows(model, codes(model, grey()), generator=generator)
    sequences = protocol_sequences(model, grey(), "published", generator=generator, names=["brightness"])
    error = equivariance_error(model, sequences, controls=controls)["brightness"]
    assert error.total("static") == pytest.approx(error.identity, rel=1e-6)
    assert error.total("random") > 0.5 * error.identity > error.error
