"""Checkpoints of published latent flows, against the published formulas written out here."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import flowdis as fd
from flowdis.migration import PublishedDecoder, PublishedEncoder, PublishedPotential, load_latent_flow, published_path
from tests.migration.files import COUNT, DIM, checkpoint, deep_vae, wide_vae

UNITS = {
    "scale": fd.Unit("factor", 1.1, logarithmic=True),
    "rotate": fd.Unit("degree", 10.0),
    "hue": fd.Unit("degree", 20.0),
}


def encoded(state: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Means and log-variances as the published encoder gives them."""
    places = sorted({int(name.split(".")[2]) for name in state if name.startswith("encoder.encoder.")})
    for place in places:
        weight, bias = (state[f"encoder.encoder.{place}.{key}"] for key in ("weight", "bias"))
        stride, padding = {4: (2, 1), 3: (1, 1)}.get(weight.shape[-1], (1, 0))
        x = functional.conv2d(x, weight, bias, stride=stride, padding=padding)
        x = x if place == places[-1] else functional.relu(x)
    linear = [
        functional.linear(x.flatten(1), state[f"encoder.{n}.weight"], state[f"encoder.{n}.bias"])
        for n in ("linear_means", "linear_log_var")
    ]
    return linear[0], linear[1]


def decoded(state: dict[str, Tensor], z: Tensor) -> Tensor:
    """Images as the published decoder gives them."""
    x = functional.linear(z, state["decoder.decoder.0.weight"], state["decoder.decoder.0.bias"])[..., None, None]
    for place in sorted({int(name.split(".")[2]) for name in state if name.startswith("decoder.decoder.")} - {0}):
        weight, bias = (state[f"decoder.decoder.{place}.{key}"] for key in ("weight", "bias"))
        stride, padding = {4: (2, 1), 3: (1, 1)}.get(weight.shape[-1], (1, 0))
        x = functional.conv_transpose2d(functional.relu(x), weight, bias, stride=stride, padding=padding)
    return x.sigmoid()


def published_step(state: dict[str, Tensor], k: int, z: Tensor, time: float) -> Tensor:
    """z + grad u(z, t), differentiated by autograd."""

    def linear(name: str, x: Tensor) -> Tensor:
        return functional.linear(x, state[f"MLP_SET.{k}.{name}.weight"], state[f"MLP_SET.{k}.{name}.bias"])

    z = z.clone().requires_grad_()
    half = DIM // 2
    rates = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
    angles = torch.tensor([time])[:, None] * rates[None]
    t = linear("layer_time2", functional.gelu(linear("layer_time", torch.cat([angles.sin(), angles.cos()], -1))))
    u = torch.tanh(linear("layer_out", torch.tanh(linear("layer_fusion", torch.tanh(linear("layer_x", z)) + t))))
    return (z + torch.autograd.grad(u.sum(), z)[0]).detach()


@pytest.fixture
def images(generator):
    return torch.rand(5, 3, 8, 8, generator=generator)


@pytest.mark.parametrize(("make", "side"), [(wide_vae, 8), (deep_vae, 16)])
def test_codes_and_images_are_the_published_ones(make, side, tmp_path, generator):
    vae = make(generator)
    torch.save(checkpoint(vae, generator), tmp_path / "checkpoint.pt")
    model = load_latent_flow(tmp_path / "checkpoint.pt", units=UNITS)
    assert model.config.image_shape == (3, side, side) and model.names == ("scale", "rotate", "hue")

    images = torch.rand(5, 3, side, side, generator=generator)
    mean, log_variance = encoded(vae, images)
    posterior = model.encode(images)
    torch.testing.assert_close(posterior.mean, mean)
    torch.testing.assert_close(posterior.log_std, 0.5 * log_variance)
    torch.testing.assert_close(model.decode(mean), decoded(vae, mean))
    assert decoded(vae, mean).std() > 1e-3  # not all one grey


def test_published_steps_are_steps_of_euler_along_a_path(tmp_path, generator, images):
    content = checkpoint(wide_vae(generator), generator)
    torch.save(content, tmp_path / "checkpoint.pt")
    model = load_latent_flow(tmp_path / "checkpoint.pt", units=UNITS)
    z = fd.encode(model, images)
    for k, flow in enumerate(model.flows()):
        walk = model.transport(published_path(flow, 4), z, solver=fd.Solver("euler", steps=1), frames=4)
        truth = z
        for t in range(1, 5):
            truth = published_step(content["support_sets"], k, truth, float(t))
            torch.testing.assert_close(walk.z[t - 1], truth, atol=1e-6, rtol=1e-5)
        assert (truth - z).abs().max() > 1e-2  # it has gone somewhere


def test_a_divergence_is_the_trace_of_the_hessian_not_its_row_sums(tmp_path, generator):
    torch.save(checkpoint(wide_vae(generator), generator), tmp_path / "checkpoint.pt")
    model = load_latent_flow(tmp_path / "checkpoint.pt")
    z, t = torch.randn(DIM, generator=generator), torch.tensor([1.0])
    potential = model.fields.fields[1]
    hessian = torch.autograd.functional.hessian(lambda point: potential(point[None], t)[0], z)
    field = model.fields(torch.eye(COUNT)[1], torch.ones(COUNT))
    _, divergence = field.velocity_and_divergence(z, 0.0)
    torch.testing.assert_close(divergence, hessian.trace(), atol=1e-6, rtol=1e-4)
    assert not torch.isclose(divergence, hessian.sum(), rtol=1e-2)


def test_it_edits_is_saved_and_comes_back(tmp_path, generator, images):
    torch.save(checkpoint(wide_vae(generator), generator), tmp_path / "checkpoint.pt")
    model = load_latent_flow(tmp_path / "checkpoint.pt", units=UNITS)
    scale, rotate, _ = model.flows()
    edited = fd.edit(model, images, rotate(20) >> scale(1.2))
    assert edited.shape == images.shape and not torch.allclose(edited, model.decode(fd.encode(model, images)))

    model.save_pretrained(tmp_path / "model")
    shape = model.config.image_shape
    fields = fd.AutogradField(tuple(UNITS), DIM, [PublishedPotential(DIM) for _ in UNITS], kind="potential")
    again = fd.LatentFlow.from_pretrained(
        tmp_path / "model", encoder=PublishedEncoder(shape, DIM), decoder=PublishedDecoder(shape, DIM), fields=fields
    )
    torch.testing.assert_close(fd.edit(again, images, rotate(20) >> scale(1.2)), edited)


def test_weights_of_several_gpus_lose_their_prefix(tmp_path, generator, images):
    content = checkpoint(wide_vae(generator), generator)
    torch.save(content, tmp_path / "one.pt")
    torch.save(content | {"vae": {f"module.{name}": w for name, w in content["vae"].items()}}, tmp_path / "many.pt")
    one, many = (load_latent_flow(tmp_path / name) for name in ("one.pt", "many.pt"))
    assert one.names == ("flow_1", "flow_2", "flow_3")
    torch.testing.assert_close(fd.encode(one, images), fd.encode(many, images))


class Stranger:
    """Something that is not a tensor."""


def test_what_is_not_such_a_checkpoint_is_refused_by_name(tmp_path, generator):
    file = tmp_path / "checkpoint.pt"
    with pytest.raises(FileNotFoundError, match="`file` must be a checkpoint"):
        load_latent_flow(file)
    content = checkpoint(wide_vae(generator), generator)
    torch.save(content | {"trainer": Stranger()}, file)
    with pytest.raises(ValueError, match=r"`file` must hold tensors and plain values only \(save `model\.state_dict"):
        load_latent_flow(file)
    file.write_bytes(b"<html>")
    with pytest.raises(ValueError, match="`file` must hold tensors and plain values only"):
        load_latent_flow(file)
    torch.save({"vae": content["vae"]}, file)
    with pytest.raises(ValueError, match=r"must hold a state dict 'support_sets', got \['vae'\]"):
        load_latent_flow(file)
    torch.save(content | {"support_sets": content["support_sets"] | {"DIV_MLP.0.layer_x.weight": torch.eye(3)}}, file)
    with pytest.raises(ValueError, match="DIV_MLP"):
        load_latent_flow(file)
    torch.save(content | {"support_sets": {"MLP_SET.1.layer_x.weight": torch.eye(3)}}, file)
    with pytest.raises(ValueError, match=r"must hold potentials MLP_SET\.0 and on"):
        load_latent_flow(file)
    short = {name: weight for name, weight in content["vae"].items() if name != "decoder.decoder.3.bias"}
    torch.save(content | {"vae": short}, file)
    with pytest.raises(ValueError, match=r"weights of a PublishedDecoder.*decoder\.3\.bias"):
        load_latent_flow(file)
    torch.save(content, file)
    with pytest.raises(ValueError, match=r"`units` must hold one unit for each of 3 potentials, got \['rotate'\]"):
        load_latent_flow(file, units={"rotate": fd.Unit("degree", 10.0)})


def test_sizes_that_the_layers_do_not_have_are_refused():
    with pytest.raises(ValueError, match=r"`image_shape` must be square, its side a multiple of 4"):
        PublishedEncoder((3, 30, 30), 6)
    with pytest.raises(ValueError, match=r"`layout` must be one of wide, deep"):
        PublishedDecoder((3, 32, 32), 6, "tall")
    with pytest.raises(ValueError, match="`dim` must be even and at least 4, got 3"):
        PublishedPotential(3)
    with pytest.raises(ValueError, match="`steps` must be"):
        published_path(fd.Flow("turn", ("turn",)), 0)
