"""The command line, from an empty folder to edited pictures, in small."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

import flowdis
from flowdis.cli import main
from flowdis.cli.demo import Demo
from flowdis.cli.runs import Run
from flowdis.data import TransformSequences, load_images, save_images
from flowdis.dynamics import Underdamped
from flowdis.fields import WaveField
from flowdis.models import LatentFlow
from flowdis.plots import Gallery
from tests.models.toys import small_model, stills

ROOT = Path(__file__).parents[1]
TINY = ["--steps", "4", "--batch-size", "4", "--limit", "4"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished demonstration, hardly trained."""
    folder = tmp_path_factory.mktemp("demo") / "new/demo"
    assert main(["demo", "--out", str(folder), "--quiet", *TINY]) == 0
    return folder


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder of ten pictures of 12 x 10 pixels in colour."""
    save_images(stills(10, 3, 10, 12), tmp_path / "album")
    return tmp_path / "album"


def written(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_demo_writes_a_model_numbers_pictures_and_a_report(demo: Path) -> None:
    files = written(demo)
    for name in ("model/config.json", "model/model.safetensors", "metrics.json", "report/index.html", "checkpoint.pt"):
        assert files[name], name
    assert LatentFlow.from_pretrained(demo / "model").names == ("scale", "rotate", "hue")
    strips, gifs = sorted(demo.glob("strips/*.png")), sorted(demo.glob("gifs/*.gif"))
    assert {"rotate", "scale", "hue"} <= {file.stem for file in strips} & {file.stem for file in gifs}
    with Image.open(gifs[0]) as gif:
        assert gif.n_frames > 5
    page = files["report/index.html"].decode()
    assert "<img" in page and 'src="http' not in page and "<script src" not in page and 'href="http' not in page
    assert not [name for name in files if "partial" in name]


def test_demo_metrics_have_what_was_promised(demo: Path) -> None:
    metrics = json.loads((demo / "metrics.json").read_text())
    for protocol in ("published", "orbit"):
        errors = metrics["protocols"][protocol]["equivariance"]
        assert set(errors) == {"scale", "rotate", "hue"}
        for error in errors.values():
            assert all(error[name] > 0 for name in ("error", "identity", "floor", "constant", "linear"))
    for kind in ("sequential", "linear"):
        assert {"error", "identity", "floor"} <= set(metrics["composition"][kind])
    assert {"pixels", "latent"} <= set(metrics["undo"])
    assert metrics["undo"]["latent"] < 1e-3
    assert {"nats_per_sequence", "samples"} <= set(metrics["log_likelihood"])
    training = metrics["training"]
    assert training["steps"] == 4 and training["seed"] == 0 and training["torch"] == torch.__version__
    assert training["device"] in ("cpu", "cuda:0", "mps:0") and training["threads"] == torch.get_num_threads()
    assert training["seconds"] > 0 and training["frames_per_second"] > 0
    model = LatentFlow.from_pretrained(demo / "model")
    assert training["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert Run(demo).read_history()[0]["step"] == 0


def test_a_finished_demo_is_left_as_it_is(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(demo)
    assert main(["demo", "--out", str(demo), *TINY]) == 0
    assert "holds this run, finished" in capsys.readouterr().err
    assert main(["demo", "--out", str(demo), *TINY, "--seed", "1"]) == 2
    told = capsys.readouterr().err
    assert "was begun with training.seed 0, now 1" in told and "--fresh" in told and told.count("\n") == 1
    assert written(demo) == before


def test_report_is_drawn_again(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = shutil.copytree(demo, tmp_path / "copy")
    before = (copy / "report/index.html").read_text()
    for gone in ("report/index.html", "gifs/rotate.gif", "strips/rotate.png", "checkpoint.pt"):
        (copy / gone).unlink()
    assert main(["report", str(copy)]) == 0
    assert str(copy / "report/index.html") in capsys.readouterr().out
    assert (copy / "report/index.html").read_text() == before
    assert (copy / "gifs/rotate.gif").read_bytes() == (demo / "gifs/rotate.gif").read_bytes()


def test_evaluate_prints_tables_or_json(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", "--models", str(demo / "model"), "--limit", "4", "--quiet", "--only", "equivariance"]
    assert main([*command, "--protocol", "published"]) == 0
    lines = capsys.readouterr().out.splitlines()
    header = "error floor identity black constant linear error without last"
    assert lines[2].split() == ["published", *header.split()]
    assert [line.split()[0] for line in lines[3:6]] == ["scale", "rotate", "hue"]
    assert main([*command, "codes", "--samples", "300", "--json", "--out", str(tmp_path / "new")]) == 0
    printed = json.loads(capsys.readouterr().out)
    (numbers,) = printed["models"].values()
    assert printed["models"] == json.loads((tmp_path / "new/models.json").read_text())
    assert list(numbers["protocols"]) == ["orbit"] and numbers["codes"]["scores"]["mig"] >= 0
    assert printed["table"] == json.loads((tmp_path / "new/table.json").read_text())
    assert {file.name for file in (tmp_path / "new").iterdir()} == {
        *("models.json", "table.json", "table.csv", "table.md", "table.tex", "table.txt", "table.png"),
    }


def test_seeds_of_a_recipe_are_one_row_and_others_go_by_their_folder(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1):
        out = str(tmp_path / f"vae-{seed}")
        assert main(["train", "--recipe", "vae", "--out", out, "--seed", str(seed), "--quiet", *TINY]) == 0
    models = [str(tmp_path / "vae-0"), str(tmp_path / "vae-1"), str(demo), str(demo / "model")]
    command = ["evaluate", "--models", *models, "--limit", "2", "--only", "equivariance", "--json", "--quiet"]
    assert main(command) == 0
    rows = json.loads(capsys.readouterr().out)["table"]["rows"]
    # The same model twice cannot be two seeds.
    assert [(row["model"], row["seeds"], row["control"]) for row in rows] == [
        ("vae", [0, 1], False),
        (str(demo), [None], False),
        (str(demo / "model"), [None], False),
        ("static flows", [None], True),
    ]


def test_train_and_report_rendered_factors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    command = ["train", "--data", "sprites", "--transforms", "orientation", "x", "--out", str(out), "--dim", "6", *TINY]
    assert main(command) == 0
    assert "orientation, x: 2000 sprites" in capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["protocols"]) == {"orbit"} and set(metrics["round"]) == {"orientation"}
    assert main(["report", str(out), "--quiet"]) == 0
    assert {file.stem for file in out.glob("strips/*.png")} >= {"orientation", "x", "in_turn", "at_once"}


def test_an_interrupted_demo_goes_on(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, draws = TransformSequences.sample, iter(range(100))

    def interrupting(self: TransformSequences, *arguments: object, **options: object) -> object:
        if next(draws) == 2:  # after the held-out sequences and those of the first step
            os.kill(os.getpid(), signal.SIGINT)
        return sample(self, *arguments, **options)

    command = ["demo", "--out", str(tmp_path), *TINY]
    monkeypatch.setattr(TransformSequences, "sample", interrupting)
    assert main(command) == 130
    assert "interrupted at step 2; the same command goes on" in capsys.readouterr().err
    assert not (tmp_path / "metrics.json").exists() and (tmp_path / "checkpoint.pt").exists()

    def unwilling(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flowdis.cli.pipeline.evaluate", unwilling)
    assert main(command) == 130  # trained, and interrupted again while measuring
    captured = capsys.readouterr()
    assert "going on at step 2, 50% done" in captured.out and "flowdis: interrupted" in captured.err
    weights = (tmp_path / "model/model.safetensors").read_bytes()
    assert weights == (demo / "model/model.safetensors").read_bytes()


def test_train_on_a_folder(album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    command = ["train", "--out", str(out), "--data", str(album), "--transforms", "translate_x", "hue"]
    command += ["--dim", "6", "--field", "potential", "--learning-rate", "0.001", "--seed", "3", *TINY]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "translate_x, hue: 8 images of" in printed and "orbit: translate_x" in printed
    model = LatentFlow.from_pretrained(out / "model")
    assert (model.names, model.image_shape, model.dim) == (("translate_x", "hue"), (3, 10, 12), 6)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["training"]["steps"] == 4 and set(metrics["protocols"]) == {"published", "orbit"}
    assert main(command) == 0
    assert "holds this run, finished" in capsys.readouterr().err
    assert main(["report", str(out), "--quiet"]) == 0
    assert (out / "report/index.html").is_file() and (out / "gifs/translate_x.gif").is_file()
    measured = ["evaluate", "--models", str(out), "--data", str(album), "--protocol", "all", "--json"]
    assert main([*measured, "--only", "equivariance", "--quiet"]) == 0
    assert "undo" in json.loads(capsys.readouterr().out)["models"][str(out)]
    assert main([*command, "--fresh", "--quiet"]) == 0
    assert json.loads((out / "metrics.json").read_text())["protocols"] == metrics["protocols"]


def test_train_published_digits_in_grey(tmp_path: Path) -> None:
    command = ["train", "--recipe", "published", "--out", str(tmp_path), "--transforms", "rotate", "shear"]
    assert main([*command, "--image-shape", "1", "28", "28", "--quiet", *TINY]) == 0
    model = LatentFlow.from_pretrained(tmp_path / "model")
    assert (model.names, model.image_shape) == (("rotate", "shear"), (1, 28, 28))


def test_edit_writes_what_edit_makes(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = flowdis.data.digits(train=False)[0][:3]
    files = save_images(images, tmp_path / "in", ["a", "b", "c"])
    model = LatentFlow.from_pretrained(demo / "model")
    rotate, hue = model.flows("rotate", "hue")
    command = ["edit", "--model", str(demo / "model"), "--path", "rotate 45 then hue 120"]
    assert main([*command, "--out", str(tmp_path / "out"), str(tmp_path / "in")]) == 0
    assert "3 edited" in capsys.readouterr().out
    edited, names = load_images(tmp_path / "out")
    assert [file.name for file in names] == ["a.png", "b.png", "c.png"]
    # Written as bytes.
    assert (edited - flowdis.edit(model, images, rotate(45) >> hue(120))).abs().max() <= 0.5 / 255 + 1e-6

    out = tmp_path / "frames"
    assert main([*command, "--out", str(out), "--frames", "2", "--gif", str(files[0]), str(files[2])]) == 0
    assert sorted(file.name for file in out.iterdir()) == [
        *("a.gif", "a_001.png", "a_002.png"),
        *("c.gif", "c_001.png", "c_002.png"),
    ]
    half, _ = load_images(out / "c_001.png")
    assert (half[0] - flowdis.edit(model, images[2], rotate(45))).abs().max() <= 0.5 / 255 + 1e-6
    with Image.open(out / "a.gif") as gif:
        assert gif.n_frames == 4 and gif.size == (112, 112)  # the source, two frames, and one on the way back


@pytest.fixture
def processes() -> Iterator[dict[str, object]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    yield {"capture_output": True, "text": True, "env": environment, "timeout": 120}


def test_a_process_tells_of_bad_input_in_one_line(tmp_path: Path, processes: dict[str, object]) -> None:
    command = [sys.executable, "-m", "flowdis", "edit", "--model", "./nowhere", "--path", "hue 1", "--out", "o", "x"]
    done = subprocess.run(command, cwd=tmp_path, **processes)
    assert done.returncode == 2 and done.stdout == ""
    wanted = "a model folder or the name of a hub repository, or of a packaged model (digits)"
    assert done.stderr == f"flowdis: `source` must be {wanted}, got ./nowhere\n"
    assert list(tmp_path.iterdir()) == []


def test_import_brings_no_library_that_only_some_calls_need(processes: dict[str, object]) -> None:
    """How long it takes is measured by `benchmarks.imports`."""
    program = "import sys, torch; before = set(sys.modules); import flowdis; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], check=True, **processes)
    brought = {name.split(".")[0] for name in done.stdout.split()}
    assert "flowdis" in brought
    some = {"PIL", "accelerate", "gradio", "h5py", "kornia", "matplotlib", "mlxtend", "pandas", "scipy", "sklearn"}
    assert brought.isdisjoint(some | {"tensorboard", "torchdiffeq", "tyro"})


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"flowdis {flowdis.__version__}\n"
    assert f'version = "{flowdis.__version__}"' in (ROOT / "pyproject.toml").read_text()
    for words in ([], ["demo"], ["train"], ["edit"], ["evaluate"], ["report"]):
        with pytest.raises(SystemExit) as left:
            main([*words, "--help"])
        assert left.value.code == 0
        assert "usage: flowdis" in capsys.readouterr().out
    for words in ([], ["dance"], ["demo", "--tempo", "3"], ["demo", "--minutes", "soon"]):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 2
    assert (Demo().minutes, Demo().out) == (5.0, Path("demo"))


def test_faults_of_the_library_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arguments: object) -> int:
        raise RuntimeError("a fault")

    monkeypatch.setattr("flowdis.cli.commands.run", broken)
    with pytest.raises(RuntimeError, match="a fault"):
        main(["demo"])


def test_a_model_of_ones_own_names_can_be_reported_and_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = small_model(("rotate",), (1, 28, 28))
    model.save_pretrained(tmp_path / "model")
    assert main(["evaluate", "--models", str(tmp_path), "--limit", "3", "--only", "equivariance", "--quiet"]) == 0
    assert "rotate" in capsys.readouterr().out
    (tmp_path / "metrics.json").write_text('{"mine": 1.5}')
    assert main(["report", str(tmp_path), "--quiet"]) == 0
    assert "1.5" in (tmp_path / "report/index.html").read_text()


def test_train_another_kind_of_field_than_the_recipe_s(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(["train", "--recipe", "published", "--field", "potential", "--out", str(out), "--quiet", *TINY]) == 0
    assert LatentFlow.from_pretrained(out / "model").config.field == "potential"


def test_train_and_draw_flows_with_inertia(tmp_path: Path, album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    words = ["--dynamics", "underdamped", "--damping", "3", "--field", "wave", "--data", str(album), "--dim", "8"]
    moving = ["--transforms", "translate_x", "brightness", "--image-shape", "3", "12", "12"]
    assert main(["train", *words, *moving, "--out", str(out), "--quiet", *TINY]) == 0
    model = LatentFlow.from_pretrained(out / "model")
    assert model.dynamics == Underdamped(damping=3.0) and isinstance(model.fields, WaveField)
    metrics = json.loads((out / "metrics.json").read_text())
    assert not metrics.get("failures")
    assert metrics["undo"]["latent"] == 0 and metrics["composition"]["sequential"]["error"] > 0
    assert main(["report", str(out), "--quiet"]) == 0
    assert (out / "report/index.html").is_file()
    files = sorted(album.iterdir())[:2]
    edited = ["edit", *map(str, files), "--model", str(out / "model"), "--path", "translate_x 2 then brightness 1.2"]
    assert main([*edited, "--out", str(tmp_path / "edited"), "--quiet"]) == 0
    assert len(list((tmp_path / "edited").iterdir())) == 2
    capsys.readouterr()


def test_the_demo_takes_a_dynamics(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken = []
    monkeypatch.setattr("flowdis.cli.demo.carry_out", lambda run, recipe, *others, **options: taken.append(recipe) or 0)
    assert main(["demo", "--dynamics", "underdamped", "--out", str(tmp_path)]) == 0
    assert taken[0].dynamics == "underdamped"
    assert taken[0].model((3, 28, 28)).dynamics == Underdamped()


@pytest.mark.parametrize("supervision", ["weak", "none"])
def test_the_demo_finds_flows_that_nobody_names(
    supervision: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "demo"
    # Flows that are hardly trained may need thousands of amounts to go round; known ones are measured and drawn above.
    monkeypatch.setattr("flowdis.cli.pipeline.demo_figures", lambda *_, **__: Gallery())
    if supervision == "none":
        nothing = SimpleNamespace(to_json=dict)
        monkeypatch.setattr("flowdis.cli.pipeline.evaluate", lambda *_, **__: nothing)
    with pytest.warns(UserWarning, match="flows that were to be found have collapsed"):
        words = ["--supervision", supervision, "--flows", "4"]
        assert main(["demo", *words, "--out", str(out), "--quiet", *TINY]) == 0
    amounts = json.loads((out / "metrics.json").read_text())["amounts"]
    assert set(amounts["matching"]) == {"scale", "rotate", "hue"}
    assert 0 <= amounts["accuracy"] <= 1 and 0 <= amounts["used"] <= 1
    assert abs(amounts["speed_correlation"]) <= 1 and len(amounts["usage"]) == 4
    predicted = amounts["predicted"]
    assert predicted.keys() == {"error", "identity", "floor"} and min(predicted.values()) > 0
    model = LatentFlow.from_pretrained(out / "model")
    assert model.names[:3] == ("scale", "rotate", "hue") and len(model.names) == 4
    assert model.units["rotate"].name == "degree"
    assert main(["report", str(out), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["demo", "--flows", "2", "--out", str(tmp_path / "other"), *TINY]) == 2
    assert "`flows` must be left out where transformations are known" in capsys.readouterr().err
