"""Edits of stroke thickness and slant, learned from single labelled digits: `python examples/attributes.py --out DIR`.

An autoencoder and a classifier are trained on plain digits, thickness and slant are measured on them, flows are fitted
to these labels, and beside them the two kinds of latent directions that most people use. All three then edit digits
that none of them has seen, by amounts drawn at random, and what comes out is measured: DIR/metrics.json, and
DIR/strips.png.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

import flowdis as fd
from flowdis.baselines import BetaVAE
from flowdis.data import Augmentation, Steps, TransformSequences, morphology
from flowdis.training import AttributeConfig, fit_attribute_flows

SPAN = 1.5  # the largest change that is asked for, in standard deviations
UNITS = {"thickness": "pixel", "slant": "slope"}


def measured(images: Tensor) -> dict[str, Tensor]:
    """Thickness in pixels and slant as a slope, each (N), of images (N, 1, H, W) of bright strokes."""
    return morphology(images, tuple(UNITS))


def leaning(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images leaned, turned, stretched and shifted a little at random."""
    count = len(images)
    maps = torch.zeros(count, 2, 3)
    maps[:, :, :2] = torch.eye(2) + 0.08 * torch.randn(count, 2, 2, generator=generator)
    maps[:, 0, 1] += 0.15 * torch.randn(count, generator=generator)
    maps[:, :, 2] = 0.05 * torch.randn(count, 2, generator=generator)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False).clamp(0, 1)


def train_classifier(images: Tensor, labels: Tensor, *, steps: int = 3000, seed: int = 0) -> nn.Module:
    """A small convolutional network that reads digits, trained apart from all that it judges."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 7 * 7, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        )
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        drawn = torch.randint(len(images), (64,), generator=generator)
        loss = functional.cross_entropy(network(leaning(images[drawn], generator)), labels[drawn])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def train_autoencoder(images: Tensor, *, minutes: float, seed: int = 0) -> fd.LatentFlow:
    """A plain variational autoencoder of digits, leaned and shifted a little; its flows are of no interest."""
    motions = {"rotate": Steps(5.0, start=(-10.0, 10.0)), "scale": Steps(1.05, start=(0.9, 1.1))}
    stills = TransformSequences(images, motions, augmentation=Augmentation(shear=0.25, stretch=1.15, shift=1.0))
    config = fd.LatentFlowConfig((1, 28, 28), stills.units, dim=16, field="constant", encoder_hidden=256)
    model = fd.LatentFlow(config, generator=torch.Generator().manual_seed(seed))
    training = fd.TrainingConfig(minutes=minutes, batch_size=64, learning_rate=3e-3, ramp=0.0, seed=seed)
    fd.Trainer(model, stills, training, objective=BetaVAE(beta=0.5)).run()
    return model


def asked_values(values: Tensor, known: Tensor, generator: torch.Generator) -> Tensor:
    """Changes (N) up to `SPAN` standard deviations either way, to values as 98 % of the known ones have."""
    low, high = known.quantile(torch.tensor([0.01, 0.99]))
    reach = SPAN * known.std()
    start, end = (low - values).clamp(-reach, 0), (high - values).clamp(0, reach)
    return start + (end - start) * torch.rand(len(values), generator=generator)


@torch.no_grad()
def judge(
    model: fd.LatentFlow, images: Tensor, known: dict[str, Tensor], classifier: nn.Module, seed: int = 1
) -> dict[str, float]:
    """How edits answer to what was asked, beside the same images encoded and decoded without an edit."""
    result: dict[str, float] = {}
    generator = torch.Generator().manual_seed(seed)
    plain = fd.decode(model, fd.encode(model, images))
    before, classes, kept = measured(plain), classifier(images).argmax(1), []
    for flow in model.flows():
        asked = asked_values(before[flow.name], known[flow.name], generator)
        edited = fd.edit(model, images, flow(asked))
        after = measured(edited)
        moved = {name: after[name] - before[name] for name in known}
        (other,) = (name for name in known if name != flow.name)
        centred = asked - asked.mean()
        result[f"{flow.name}.slope"] = float((centred * moved[flow.name]).sum() / centred.square().sum())
        result[f"{flow.name}.correlation"] = float(torch.corrcoef(torch.stack([asked, moved[flow.name]]))[0, 1])
        far = (moved[other].abs().mean() / known[other].std()) / (asked.abs().mean() / known[flow.name].std())
        result[f"{flow.name}.leak"] = float(far)
        kept.append(classifier(edited).argmax(1) == classes)
    result["class_kept"] = float(torch.cat(kept).double().mean())
    return result


def draw(models: dict[str, fd.LatentFlow], images: Tensor, known: dict[str, Tensor], path: Path) -> None:
    """Strips: for each attribute and digit, edits by each model in rows, from least to most."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(models), len(known), figsize=(8, 9), squeeze=False)
    for row, (label, model) in zip(axes, models.items(), strict=True):
        for axis, flow in zip(row, model.flows(*known), strict=True):
            steps = torch.linspace(-SPAN, SPAN, 7) * known[flow.name].std()
            strips = torch.stack([fd.edit(model, images, flow(float(step))) for step in steps], 1)
            axis.imshow(fd.plots.grid(strips)[0], cmap="gray", vmin=0, vmax=1)
            axis.set_title(f"{label}: {flow.name} {steps[0]:+.2g} to {steps[-1]:+.2g} {UNITS[flow.name]}", fontsize=9)
            axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def show(table: dict[str, dict[str, float]]) -> None:
    """Prints one column for each model."""
    print(f"{'':24s}" + "".join(f"{name:>20s}" for name in table))
    for key in next(iter(table.values())):
        print(f"{key:24s}" + "".join(f"{figures[key]:20.3f}" for figures in table.values()))


def main() -> None:
    """Trains, fits, judges, and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to train the autoencoder")
    parser.add_argument("--model", type=Path, help="the folder of a saved model of grey digits, to be used instead")
    parser.add_argument("--steps", type=int, default=3000, help="steps of the classifier")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    images, labels = fd.data.digits(colour=False)
    unseen, truth = fd.data.digits(train=False, colour=False)
    if chosen.model is None:
        model = train_autoencoder(images, minutes=chosen.minutes, seed=chosen.seed)
        model.save_pretrained(chosen.out / "model")
    else:
        model = fd.LatentFlow.from_pretrained(chosen.model)
    classifier = train_classifier(images, labels, steps=chosen.steps, seed=chosen.seed)
    with torch.no_grad():
        accuracy = float((classifier(unseen).argmax(1) == truth).double().mean())
        plain = fd.decode(model, fd.encode(model, unseen))
        unedited = float((classifier(plain).argmax(1) == classifier(unseen).argmax(1)).double().mean())
    known = measured(images)
    config = AttributeConfig(seed=chosen.seed)
    fitted = fit_attribute_flows(
        model, images, known, labels=labels, units=UNITS, measure=measured, config=config, quiet=False
    )
    table = {name: judge(one, unseen, known, classifier) for name, one in fitted.models().items()}
    show(table)
    print(
        f"the classifier is right on {accuracy:.3f}, and reads {unedited:.3f} of unedited decodings as their originals"
    )
    written = {**table, "classifier_accuracy": accuracy, "class_kept_unedited": unedited}
    (chosen.out / "metrics.json").write_text(json.dumps(written, indent=2) + "\n")
    draw(fitted.models(), unseen[torch.tensor([30, 230, 430, 530, 730, 930])], known, chosen.out / "strips.png")


if __name__ == "__main__":
    main()
