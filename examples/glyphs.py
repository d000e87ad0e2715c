"""Bold and italic letters from single labelled glyphs: `python examples/glyphs.py --fonts FOLDER --out DIR`.

An autoencoder is trained on letters of many font families, flows of weight and slant are fitted to single labelled
letters, and beside them mean-difference directions and classifier normals. All three then make regular letters of
families that none of them has seen bold and italic, and what comes out is compared with the true bold and the true
italic of the same letter and family: DIR/metrics.json and DIR/strips.png.

Debian's packages fonts-roboto-unhinted, fonts-open-sans, fonts-lato, fonts-noto-core, fonts-texgyre, fonts-urw-base35,
fonts-linuxlibertine, fonts-freefont-otf and others put families into /usr/share/fonts.
"""

import argparse
import json
import warnings
from pathlib import Path

import torch
from torch import Tensor

import flowdis as fd
from flowdis.baselines import BetaVAE
from flowdis.data import Glyphs, Steps, TransformSequences, load_glyphs
from flowdis.training import AttributeConfig, fit_attribute_flows

LETTERS = "ABDEGHKMNPQRSTabdefghkmnpqrstuy"
CHANGES = {"weight": 300.0, "slant": 1.0}
UNITS = {"weight": "unit", "slant": "italic"}
_SAME = 0.03  # the mean difference of pixels below which two families are taken for one under two names


def load(folders: list[Path]) -> Glyphs:
    """Regular, bold, italic and bold italic letters of all fonts that have them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fonts without letters, which are counted
        return load_glyphs(folders, LETTERS, weights=(400.0, 700.0), skip_bad=True)


def regular(glyphs: Glyphs) -> Tensor:
    """Which letters (N) are regular and have a bold and an italic."""
    bold, italic = glyphs.counterparts(weight=700.0), glyphs.counterparts(slant=1.0)
    return (glyphs.weight == 400) & (glyphs.slant == 0) & (bold >= 0) & (italic >= 0)


def split(glyphs: Glyphs, share: float, generator: torch.Generator) -> tuple[Glyphs, Glyphs]:
    """Families to train and to test on; those that look the same, whatever they are called, go the same way."""
    plain = glyphs[(glyphs.weight == 400) & (glyphs.slant == 0)]
    images = {int(f): plain.images[plain.family == f].flatten() for f in plain.family.unique()}
    group = {int(f): int(f) for f in glyphs.family.unique()}
    for one, shown in images.items():
        for other, seen in images.items():
            if other < one and len(seen) == len(shown) and float((seen - shown).abs().mean()) < _SAME:
                group[one] = group[other]
                break
    groups = torch.tensor(sorted(set(group.values())))
    held = groups[torch.randperm(len(groups), generator=generator)[: round(share * len(groups))]]
    tested = torch.isin(torch.tensor([group[int(f)] for f in glyphs.family]), held)
    return glyphs[~tested], glyphs[tested]


def train_autoencoder(images: Tensor, *, minutes: float, dim: int, seed: int) -> fd.LatentFlow:
    """A plain variational autoencoder of letters, leaned and resized a little; its flows are of no interest."""
    motions = {"shear": Steps(0.05, start=(-0.05, 0.05)), "scale": Steps(1.02, start=(0.95, 1.05))}
    stills = TransformSequences(images, motions)
    config = fd.LatentFlowConfig(fd.data.as_scenes(images).image_shape, stills.units, dim=dim, field="constant")
    model = fd.LatentFlow(config, generator=torch.Generator().manual_seed(seed))
    training = fd.TrainingConfig(minutes=minutes, batch_size=64, learning_rate=3e-3, ramp=0.0, seed=seed)
    fd.Trainer(model, stills, training, objective=BetaVAE(beta=0.5)).run()
    return model


@torch.no_grad()
def judge(models: dict[str, fd.LatentFlow], glyphs: Glyphs) -> dict[str, dict[str, float]]:
    """For each model and change, how near edited letters come to the true ones, mean |pixel differences|."""
    rows = regular(glyphs).nonzero().flatten()
    given = glyphs.images[rows]
    targets = {
        "weight": glyphs.images[glyphs.counterparts(weight=700.0)[rows]],
        "slant": glyphs.images[glyphs.counterparts(slant=1.0)[rows]],
    }
    found: dict[str, dict[str, float]] = {name: {} for name in models}
    for label, model in models.items():
        unedited = fd.decode(model, fd.encode(model, given))
        for name, true in targets.items():
            (flow,) = model.flows(name)
            edited = fd.edit(model, given, flow(CHANGES[name]))
            distance, plain, raw, floor = (
                (images - true).abs().mean((1, 2, 3))
                for images in (edited, unedited, given, fd.decode(model, fd.encode(model, true)))
            )
            found[label] |= {
                f"{name}.distance": float(distance.mean()),
                f"{name}.unedited": float(plain.mean()),
                f"{name}.given": float(raw.mean()),
                f"{name}.floor": float(floor.mean()),
                f"{name}.nearer": float((distance < plain).double().mean()),
                f"{name}.nearer_than_given": float((distance < raw).double().mean()),
            }
    return found


def draw(models: dict[str, fd.LatentFlow], glyphs: Glyphs, path: Path, *, count: int = 10) -> None:
    """Strips: letters of unseen families, as they are, edited by each model, and truly bold or italic."""
    import matplotlib.pyplot as plt

    rows = regular(glyphs).nonzero().flatten()
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:count]]
    given = glyphs.images[rows]
    figure, axes = plt.subplots(1, 2, figsize=(13, 3))
    for axis, (name, title) in zip(axes, (("weight", "bold"), ("slant", "italic")), strict=True):
        true = glyphs.counterparts(**{name: 700.0 if name == "weight" else 1.0})[rows]
        strips = [("regular", given)]
        strips += [(label, fd.edit(m, given, m.flows(name)[0](CHANGES[name]))) for label, m in models.items()]
        strips.append((f"true {title}", glyphs.images[true]))
        axis.imshow(fd.plots.grid(torch.stack([images for _, images in strips]))[0], cmap="gray", vmin=0, vmax=1)
        side = axis.images[0].get_array().shape[0] / len(strips)
        axis.set_yticks([(row + 0.5) * side for row in range(len(strips))], [label for label, _ in strips])
        axis.set_xticks([])
        axis.set_title(f"{name} {CHANGES[name]:+g}")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    """Trains, fits, judges, and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")], help="folders of fonts")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to train the autoencoder")
    parser.add_argument("--dim", type=int, default=32, help="latents")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    glyphs = load(chosen.fonts)
    train, test = split(glyphs, 0.2, torch.Generator().manual_seed(chosen.seed))
    told = [f"{len(part)} letters of {len(part.family.unique())} families" for part in (train, test)]
    print(f"{told[0]}; held out {told[1]}, {int(regular(test).sum())} of them with bold and italic")
    if (chosen.out / "model" / "config.json").is_file():
        model = fd.LatentFlow.from_pretrained(chosen.out / "model")
    else:
        model = train_autoencoder(train.images, minutes=chosen.minutes, dim=chosen.dim, seed=chosen.seed)
        model.save_pretrained(chosen.out / "model")
    fitted = fit_attribute_flows(
        model,
        train.images,
        {"weight": train.weight, "slant": train.slant},
        labels=train.character,
        units=UNITS,
        # A font is as often bold italic as not, so that attributes need little holding.
        config=AttributeConfig(seed=chosen.seed, hold=1.0),
        quiet=False,
    )
    table = judge(fitted.models(), test)
    print(f"{'':26s}" + "".join(f"{name:>20s}" for name in table))
    for key in next(iter(table.values())):
        print(f"{key:26s}" + "".join(f"{figures[key]:20.4f}" for figures in table.values()))
    written = {**table, "families": [glyphs.families[int(f)] for f in test.family.unique()]}
    (chosen.out / "metrics.json").write_text(json.dumps(written, indent=2) + "\n")
    draw(fitted.models(), test, chosen.out / "strips.png")


if __name__ == "__main__":
    main()
