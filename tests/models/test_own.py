"""Own encoders and decoders: codes of any shape, deterministic or not, frozen or trained on, saved and asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from flowdis.data import TransformSequences, units_of
from flowdis.models import Decoder, Encoder, LatentFlow, LatentFlowConfig, Posterior, encoder_shape, mix
from flowdis.training import Trainer, TrainingConfig
from tests.models.toys import small_config, stills

SHAPE, CODE = (3, 8, 8), (12, 4, 4)
CONFIG = LatentFlowConfig(SHAPE, units_of(["rotate"]), dim=192, likelihood="gaussian", field_options={"hidden": 4})


class Blocks(nn.Module):
    """Every 2 x 2 pixels as 4 channels, exactly."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.pixel_unshuffle(images - 0.5, 2)


class Unblocks(nn.Module):
    """The inverse of `Blocks`."""

    def forward(self, codes: Tensor) -> Tensor:
        assert codes.shape[1:] == CODE
        return nn.functional.pixel_shuffle(codes, 2)


class Learned(nn.Module):
    """A posterior over maps, with statistics of batches and some noise in training."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 4, 2, stride=2)
        self.norm, self.drop = nn.BatchNorm2d(4), nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Posterior:
        found = self.drop(self.norm(self.maps(images)))
        return Posterior(found, torch.full_like(found, -1.0))


def learned_pair(**options: object) -> LatentFlow:
    config = replace(CONFIG, dim=64, **options)
    return LatentFlow(config, encoder=Learned(), decoder=nn.ConvTranspose2d(4, 3, 2, stride=2))


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(before: dict[str, Tensor], module: nn.Module) -> bool:
    return any(not torch.equal(value, before[name]) for name, value in module.state_dict().items())


def sequences() -> TransformSequences:
    return TransformSequences(stills(6, *SHAPE), ["rotate"], length=2)


def trained(model: LatentFlow, steps: int = 2) -> LatentFlow:
    Trainer(model, sequences(), TrainingConfig(steps=steps, batch_size=4, warmup=0), quiet=True).run()
    return model


def test_codes_of_any_shape_are_flattened_and_given_back() -> None:
    model = LatentFlow(CONFIG, encoder=Blocks(), decoder=Unblocks())
    assert isinstance(model.encoder, Encoder) and isinstance(model.decoder, Decoder)
    assert model.config.latent_shape == CODE == encoder_shape(Blocks(), SHAPE)
    images = stills(2, 5, *SHAPE)
    z = model.encode(images).mean
    assert torch.equal(z, Blocks()(images.flatten(0, 1)).reshape(2, 5, 192))
    assert torch.equal(model.decode(z), images)
    assert model.encode(images[0, 0]).mean.shape == (192,) and model.decode(z[0, 0]).shape == SHAPE


def test_own_maps_go_with_the_decoder_of_the_library_too() -> None:
    model = LatentFlow(replace(CONFIG, channels=(4,)), encoder=Blocks())
    assert model.decode(model.encode(stills(2, *SHAPE)).mean).shape == (2, *SHAPE)
    copy = mix(model, {"turn": {"rotate": 2.0}}, {"turn": model.units["rotate"]})
    assert torch.equal(copy.decode(torch.ones(1, 192)), model.decode(torch.ones(1, 192)))


def test_a_deterministic_encoder_has_the_spread_that_is_told() -> None:
    model = LatentFlow(replace(CONFIG, encoder_noise=0.3), encoder=Blocks(), decoder=Unblocks())
    posterior = model.encode(stills(4, *SHAPE))
    theirs = torch.distributions.Normal(posterior.mean, torch.tensor(0.3))
    divergence = torch.distributions.kl_divergence(theirs, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(posterior.kl(), divergence, rtol=1e-5, atol=1e-5)


def test_frozen_modules_learn_nothing_and_the_flows_do() -> None:
    model = learned_pair(frozen=("encoder", "decoder"))
    assert not model.train().encoder.training and not model.decoder.training and model.fields.training
    before = [weights(module) for module in (model.encoder, model.decoder, model.fields)]
    trained(model)
    names = ("encoder", "decoder", "fields")
    assert [changed(b, getattr(model, name)) for b, name in zip(before, names, strict=True)] == [False, False, True]
    learned = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    groups = Trainer(model, sequences(), quiet=True).optimizer.param_groups
    group = sum(parameter.numel() for each in groups for parameter in each["params"])
    assert group == learned == sum(p.numel() for p in model.fields.parameters()) + 1


def test_modules_without_gradients_are_frozen_as_they_come() -> None:
    encoder = Learned().requires_grad_(False)
    model = LatentFlow(replace(CONFIG, dim=64), encoder=encoder, decoder=nn.ConvTranspose2d(4, 3, 2, stride=2))
    assert model.config.frozen == ("encoder",)
    model.train()
    assert not encoder.training and not encoder.norm.training and model.decoder.training
    encoder.requires_grad_(True)
    model.train()
    assert encoder.training  # whoever thaws it trains it on


def test_own_modules_that_are_not_frozen_are_trained_on() -> None:
    model = learned_pair()
    before = [weights(model.encoder), weights(model.decoder)]
    trained(model)
    assert changed(before[0], model.encoder) and changed(before[1], model.decoder)


def test_a_trial_leaves_no_trace() -> None:
    encoder = Learned().train()
    before, state = weights(encoder), torch.random.get_rng_state()
    assert encoder_shape(encoder, SHAPE) == (4, 4, 4)
    assert not changed(before, encoder) and all(module.training for module in encoder.modules())
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_saved_model_keeps_own_weights_and_says_what_to_pass(tmp_path: Path) -> None:
    model = trained(learned_pair(frozen=("encoder",))).eval()
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"`encoder` must be passed.*own encoder \(Learned\), decoder \(ConvTr"):
        LatentFlow.from_pretrained(tmp_path)
    fresh = {"encoder": Learned(), "decoder": nn.ConvTranspose2d(4, 3, 2, stride=2)}
    with pytest.raises(ValueError, match=r"`decoder` must be passed: the model was saved with its own decoder"):
        LatentFlow.from_pretrained(tmp_path, encoder=Learned())
    back = LatentFlow.from_pretrained(tmp_path, **fresh)
    images = stills(3, *SHAPE)
    path = model.flows()[0](20.0)
    assert back.config == model.config and torch.equal(back(images, path), model(images, path))
    assert not any(parameter.requires_grad for parameter in back.encoder.parameters())
    with pytest.raises(ValueError, match=r"weights of .* do not fit the config: .*decoder\.weight has shape"):
        LatentFlow.from_pretrained(tmp_path, encoder=Learned(), decoder=Wide())


class Wide(nn.Module):
    """A decoder of the right kind, but larger."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(4, 6, 2, 2)), nn.Parameter(torch.zeros(6))

    def forward(self, codes: Tensor) -> Tensor:
        return nn.functional.conv_transpose2d(codes, self.weight, self.bias, stride=2)[:, :3]


def test_tied_weights_are_saved(tmp_path: Path) -> None:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(192, 5, bias=False))

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = encoder[1].weight

        def forward(self, z: Tensor) -> Tensor:
            return (z @ self.weight).unflatten(1, SHAPE)

    model = LatentFlow(replace(CONFIG, dim=5), encoder=encoder, decoder=Tied()).eval()
    model.save_pretrained(tmp_path)
    images = stills(2, *SHAPE)
    known = model.decode(model.encode(images).mean)
    encoder[1].weight.data.zero_()
    back = LatentFlow.from_pretrained(tmp_path, encoder=encoder, decoder=model.decoder)
    assert torch.equal(back.decode(back.encode(images).mean), known)


class Listing(nn.Module):
    """What is not an encoder: it returns a list."""

    def forward(self, images: Tensor) -> list[Tensor]:
        return [images]


class Half(nn.Module):
    """It forgets some of the batch."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:1].flatten(1)


class Nothing(nn.Module):
    """Its codes are not numbers."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) / 0 - images.flatten(1) / 0


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"encoder": Unblocks()}, ValueError, r"`encoder` must take images \(B, 3, 8, 8\), got Unblocks, which fails"),
        ({"encoder": Listing()}, TypeError, "`encoder` must give a Posterior or a floating-point tensor.*got list"),
        ({"encoder": Half()}, ValueError, r"`encoder` must give codes .* of 2 images, got shape \(1, 192\)"),
        ({"encoder": Nothing()}, ValueError, "`encoder` must give finite codes of a grey image"),
        ({"encoder": nn.Flatten(), "decoder": Blocks()}, ValueError, r"`decoder` must take codes \(B, 192\), got Bl"),
        ({"encoder": Blocks(), "decoder": nn.Identity()}, ValueError, r"of shape .* = \(2, 3, 8, 8\), got \(2, 12, 4"),
        ({"encoder": Blocks(), "decoder": Listing()}, TypeError, "`decoder` must give a floating-point tensor"),
        ({"fields": nn.Linear(2, 2)}, TypeError, "`fields` must be a FieldBank, got Linear: `AutogradField` makes"),
        ({"encoder": nn.Flatten}, TypeError, "`encoder` must be a torch module, got the class Flatten"),
        ({"encoder": nn.AvgPool2d(2)}, ValueError, r"`dim` must be 48, .* codes of shape \(3, 4, 4\), got 192"),
    ],
)
def test_what_does_not_fit_is_named_before_any_work(given: dict, error: type[Exception], told: str) -> None:
    import jaxtyping

    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(error, match=told):
            LatentFlow(CONFIG, **given)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def test_configs_of_own_models_are_checked() -> None:
    with pytest.raises(ValueError, match=r"`latent_shape` must be that of the encoder's codes \(12, 4, 4\)"):
        LatentFlow(replace(CONFIG, latent_shape=(3, 8, 8)), encoder=Blocks())
    for changes, told in (
        ({"latent_shape": (2, 3)}, r"`dim` must be the product of `latent_shape` \(2, 3\), which is 6, got 4"),
        ({"frozen": ("encoders",)}, r"`frozen` must be one of encoder, decoder.*did you mean 'encoder'"),
        ({"encoder_noise": 0.0}, "`encoder_noise` must be a finite number > 0"),
    ):
        with pytest.raises(ValueError, match=told):
            replace(small_config(), **changes)


def test_modules_of_buffers_alone_are_tried_in_their_own_dtype() -> None:
    class Projection(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("rows", torch.eye(12, 4, dtype=torch.float64))

        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1) @ self.rows

    assert encoder_shape(Projection(), (3, 2, 2)) == (4,)
