"""Runs from the command line: what is kept, taken up, compared, and what programs are told."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowdis.cli import main
from flowdis.cli.commands import COMMANDS
from flowdis.cli.runs import Run
from flowdis.data import TransformSequences, digits, save_images
from flowdis.dynamics import FlowError
from flowdis.training import Trainer, load_checkpoint

TINY = ["--steps", "4", "--batch-size", "4", "--limit", "2", "--dim", "4", "--transforms", "rotate", "--device", "cpu"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, hardly trained."""
    folder = tmp_path_factory.mktemp("runs") / "one"
    assert main(["train", "--out", str(folder), "--quiet", *TINY]) == 0
    return folder


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Has something happen while the sequences of a step are drawn, once."""
    sample, batches = TransformSequences.sample, {}

    def drawing(self: TransformSequences, batch_size: int, **options: object) -> object:
        if batch_size == 4:  # that of training
            batches["drawn"] = batches.get("drawn", 0) + 1
            batches.pop(batches["drawn"], lambda: None)()
        return sample(self, batch_size, **options)

    monkeypatch.setattr(TransformSequences, "sample", drawing)

    def plan(step: int, event: Callable[[], None]) -> None:
        batches[batches.get("drawn", 0) + step] = event

    return plan


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_the_folder_of_a_run_has_what_was_promised(finished: Path) -> None:
    files = {str(file.relative_to(finished)) for file in finished.rglob("*") if file.is_file()}
    assert files >= {"run.json", "log.jsonl", "metrics.json", "checkpoint.pt", "model/model.safetensors"}
    assert {name for name in files if name.startswith("checkpoints/")} == {
        "checkpoints/best.pt",
        "checkpoints/step_000000.pt",
        "checkpoints/step_000004.pt",
    }
    assert not any(name.startswith(("samples", "tensorboard")) for name in files)
    settings = Run(finished).settings()
    assert settings["command"]["name"] == "train" and settings["command"]["options"]["dim"] == 4
    held_out = json.loads((finished / "metrics.json").read_text())["training"]["held_out"]
    assert held_out["best"] <= held_out["last"]


def test_the_log_can_be_read_while_a_line_is_written(finished: Path, tmp_path: Path) -> None:
    run = Run(shutil.copytree(finished, tmp_path / "copy"))
    whole = run.read_history()
    with run.log.open("a") as stream:
        stream.write('{"step": 4')
    assert run.read_history() == whole
    run.log.write_text("{}\nnot json\n")
    with pytest.raises(ValueError, match="must hold one JSON object a line"):
        run.read_history()


def test_a_run_is_taken_up_from_its_folder_alone(
    finished: Path,
    tmp_path: Path,
    at_step: Callable[[int, Callable[[], None]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    at_step(2, terminate)
    assert main(["train", "--out", str(out), "--json", *TINY]) == 130
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"run": str(out), "finished": False, "steps": 2}
    assert "interrupted at step 2; the same command goes on" in captured.err and "rotate: 4000 digits" in captured.err

    (out / "model/.model.safetensors.partial").write_bytes(b"half")
    (out / "checkpoints/.step_000002.pt.partial").write_bytes(b"half")
    assert main(["train", "--out", str(out), "--resume", "--seed", "1"]) == 2
    assert "was begun with training.seed 0, now 1" in capsys.readouterr().err
    assert main(["train", "--out", str(out), "--resume", "--keep", "1"]) == 0
    assert "going on at step 2, 50% done" in capsys.readouterr().out
    assert (out / "model/model.safetensors").read_bytes() == (finished / "model/model.safetensors").read_bytes()
    assert not list(out.rglob("*.partial"))
    assert [file.name for file in sorted((out / "checkpoints").iterdir())] == ["best.pt", "step_000004.pt"]
    settings, whole = Run(out).settings(), Run(finished).settings()
    assert settings.pop("command")["options"]["limit"] == 2
    assert settings["training"].pop("keep") == 1 and whole["training"].pop("keep") == 3
    whole.pop("command")
    assert settings == whole

    assert main(["train", "--out", str(out), "--resume"]) == 0
    assert "holds this run, finished" in capsys.readouterr().err


def test_a_run_from_before_options_were_kept_goes_on(
    tmp_path: Path, at_step: Callable[[int, Callable[[], None]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    at_step(3, terminate)
    assert main(["train", "--out", str(out), "--quiet", *TINY]) == 130
    settings = json.loads((out / "run.json").read_text())
    settings.pop("command")
    settings["training"].pop("keep")
    (out / "run.json").write_text(json.dumps(settings))
    shutil.rmtree(out / "checkpoints")
    state = load_checkpoint(out / "checkpoint.pt")
    assert main(["train", "--out", str(out), "--resume", *TINY]) == 0
    assert f"going on at step {state['step']}" in capsys.readouterr().out


def test_what_cannot_be_taken_up(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in (
        (["train", "--out", str(tmp_path / "new"), "--resume"], "must be of a run that was begun, got"),
        (["demo", "--out", str(finished), "--resume"], "which is flowdis train"),
        (["train", "--out", str(finished), "--resume", "--fresh"], "`resume` or `fresh` must be given, got both"),
        (["forecast-demo", "--out", str(tmp_path / "new"), "--resume"], "must be of a run that was begun, got"),
        (["train", "--out", str(tmp_path / "new"), "--keep", "0"], "`keep` must be a finite number > 0, got 0"),
        (["train", "--out", str(tmp_path / "new"), "--sample-minutes", "-1"], "`sample_minutes` must be"),
    ):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_forecast_is_taken_up_and_tells_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--steps", "2", "--batch-size", "2", "--sequences", "3", "--tested", "2"]
    words = ["forecast-demo", "--out", str(tmp_path), "--data", "spring", "--models", "gru", "--quiet"]
    assert main([*words, *tiny]) == 0
    assert capsys.readouterr().out == ""
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["models"]["gru"]["held_out"]["best"] <= metrics["models"]["gru"]["held_out"]["last"]
    assert main(["forecast-demo", "--out", str(tmp_path), "--resume", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["finished"] and answer["metrics"] == metrics


def test_exit_statuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def diverge(self: Trainer) -> None:
        raise FlowError("training stopped at step 7: loss is not finite")

    monkeypatch.setattr(Trainer, "run", diverge)
    assert main(["train", "--out", str(tmp_path / "run"), *TINY]) == 3
    assert capsys.readouterr().err == "flowdis: training stopped at step 7: loss is not finite\n"
    monkeypatch.setattr("flowdis.cli.commands.run", lambda arguments: terminate())
    handler = signal.getsignal(signal.SIGTERM)
    assert main(["demo"]) == 130  # wherever a command is
    assert capsys.readouterr().err == "flowdis: interrupted\n"
    assert signal.getsignal(signal.SIGTERM) == handler
    monkeypatch.undo()
    with pytest.raises(SystemExit):
        main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "Exit status: 0 done; 2 bad input; 3 a training diverged" in told and "130 interrupted" in told


def test_json_is_all_there_is_on_stdout(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_images(digits(train=False)[0][:2], tmp_path / "in", ["a", "b"])
    (tmp_path / "in/notes.txt").write_text("not an image")
    model, out = str(finished / "model"), tmp_path / "out"
    commands: dict[str, list[str]] = {
        "train": ["--out", str(finished), *TINY],
        "edit": [str(tmp_path / "in"), "--model", model, "--path", "rotate 5", "--out", str(out), "--skip-bad"],
        "evaluate": ["--models", model, "--limit", "2", "--only", "equivariance"],
        "report": [str(finished)],
    }
    answers = {}
    for name, words in commands.items():
        assert main([name, *words, "--json"]) == 0
        captured = capsys.readouterr()
        answers[name] = json.loads(captured.out)
        assert captured.err
        assert main([name, *words, "--json", "--quiet"]) == 0
        assert json.loads(capsys.readouterr().out).keys() == answers[name].keys()
    metrics = json.loads((finished / "metrics.json").read_text())
    assert answers["train"]["finished"] and answers["train"]["metrics"] == metrics == answers["report"]["metrics"]
    assert answers["edit"]["written"] == [str(out / "a.png"), str(out / "b.png")]
    assert answers["edit"]["skipped"] == [str(tmp_path / "in/notes.txt")]
    assert Path(answers["report"]["report"]).is_file() and list(answers["evaluate"]["models"]) == [model]


def test_quiet_prints_nothing_but_what_was_asked_for(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_images(digits(train=False)[0][:1], tmp_path / "in", ["a"])
    edit = ["edit", str(tmp_path / "in"), "--model", str(finished / "model"), "--path", "rotate 5"]
    for words in ([*edit, "--out", str(tmp_path / "out")], ["report", str(finished)]):
        assert main([*words, "--quiet"]) == 0
        assert capsys.readouterr() == ("", "")
    copy = shutil.copytree(finished, tmp_path / "copy")
    assert main(["report", str(finished), str(copy), "--out", str(tmp_path / "both"), "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("no settings that differ\n\nmetrics") and captured.err == ""


def test_several_runs_are_compared(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = Run(shutil.copytree(finished, tmp_path / "other"))
    settings = json.loads((other.folder / "run.json").read_text())
    settings["training"]["seed"], settings["recipe"]["dim"] = 3, None
    (other.folder / "run.json").write_text(json.dumps(settings))
    other.metrics.unlink()  # not finished
    runs, out = [str(finished), str(other.folder)], tmp_path / "both"
    assert main(["report", *runs, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert ["training.seed", "0", "3"] in [line.split() for line in printed.splitlines()]
    assert main(["report", *runs, "--out", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)

    def row(*values: object) -> dict[str, object]:
        return dict(zip(runs, values, strict=True))

    assert answer.pop("report") == str(out / "index.html")
    assert answer == json.loads((out / "comparison.json").read_text())
    assert answer["settings"] == {"recipe.dim": row(4, None), "training.seed": row(0, 3)}
    error = json.loads((finished / "metrics.json").read_text())["protocols"]["orbit"]["equivariance"]["rotate"]
    assert answer["metrics"]["orbit: rotate: error"] == row(error["error"], None)
    assert answer["metrics"]["orbit: rotate: error / floor"][runs[0]] == error["error"] / error["floor"]
    assert None not in answer["metrics"]["held-out loss"].values()
    page = (out / "index.html").read_text()
    assert "<svg" not in page and "<img" in page and 'src="http' not in page
    for told in ("Settings that differ", "Losses", "Metrics", *runs):
        assert told in page


def test_what_cannot_be_compared(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for runs, told in (
        ([], "`runs` must name at least one folder of a run, got none"),
        ([finished, finished], "`runs` must be different"),
        ([finished, tmp_path], "which holds none"),
    ):
        assert main(["report", *map(str, runs), "--out", str(tmp_path / "both")]) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "both").exists()


def test_begun_anew_nothing_of_the_old_run_is_left(finished: Path, tmp_path: Path) -> None:
    out = shutil.copytree(finished, tmp_path / "copy")
    for name in ("samples/step_000001.png", "tensorboard/events.out.tfevents.1", "checkpoints/step_000003.pt", "mine"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).touch()
    Run(out).begin({"training": {"seed": 5}}, fresh=True)
    left = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
    pictures = ("model/", "strips/", "gifs/")  # are written over, and by themselves are no run
    assert {name for name in left if not name.startswith(pictures)} == {"run.json", "mine"}


def test_tensorboard_is_written_where_asked_for(tmp_path: Path) -> None:
    assert main(["train", "--out", str(tmp_path), "--tensorboard", "--quiet", *TINY]) == 0
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))


def test_samples_are_drawn_at_checkpoints(tmp_path: Path) -> None:
    words = ["--sample-minutes", "1e-9", "--checkpoint-seconds", "0", "--quiet", *TINY]
    assert main(["train", "--out", str(tmp_path), *words]) == 0
    assert [file.stem for file in sorted((tmp_path / "samples").iterdir())] == [f"step_{n:06d}" for n in range(5)]


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, str]]:
    """What is printed for each shell."""
    found: dict[str, str] = {}
    for shell in ("bash", "zsh"):
        with contextlib.redirect_stdout(io.StringIO()) as stream:
            assert main(["completion", shell]) == 0
        found[shell] = stream.getvalue()
    yield found


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_every_command_and_option(shell: str, scripts: dict[str, str]) -> None:
    for name, command in COMMANDS.items():
        assert name in scripts[shell]
        for field in dataclasses.fields(command):
            option = field.name.replace("_", "-")
            positional = field.name in ("files", "shell") or (name, field.name) == ("report", "runs")
            assert positional or f"--{option}" in scripts[shell] or f"--no-{option}" in scripts[shell], option


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_accept_the_script(shell: str, scripts: dict[str, str], tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    file = tmp_path / "script"
    file.write_text(scripts[shell])
    subprocess.run([shell, "-n", str(file)], check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["flowdis", "ev"], {"evaluate"}),
        (["flowdis", ""], set(COMMANDS)),
        (["flowdis", "train", "--check"], {"--checkpoint-seconds"}),
        (["flowdis", "evaluate", "--protocol", "o"], {"orbit"}),
    ],
)
def test_bash_completes(words: list[str], wanted: set[str], scripts: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(scripts["bash"])
    function = next(line.split("()")[0] for line in scripts["bash"].splitlines() if line.startswith("_tyro_flowdis()"))
    typed = " ".join(f"'{word}'" for word in words)
    program = f"source {file}; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; {function}; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert wanted <= set(done.stdout.split())
