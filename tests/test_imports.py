"""The rooms of the package: who may import whom, what waits until it is used, and what is never called."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "flowdis").rglob("*.py"))

# What each room may import besides itself, from the bottom up; "data.sequences" is that file alone.
GROUND = {"_types", "_checks", "_files"}
MAY_IMPORT = {
    "_types": set(),
    "_checks": set(),
    "_files": set(),
    "paths": GROUND,
    "data": GROUND | {"paths"},
    "fields": GROUND | {"paths"},
    "dynamics": GROUND | {"paths", "fields"},
    "models": GROUND | {"paths", "fields", "dynamics"},
    "objectives": GROUND | {"paths", "fields", "dynamics", "models", "data.batch"},
    "editing": GROUND | {"paths", "fields", "dynamics", "models"},
    "orbits": GROUND | {"paths", "models", "editing"},
    "export": GROUND | {"paths", "fields", "dynamics", "models"},
    "metrics": GROUND | {"paths", "fields", "dynamics", "models", "editing", "data"},
    "waves": GROUND,
    "plots": GROUND | {"paths", "fields", "dynamics", "models", "editing", "data", "metrics", "waves"},
}
MAY_IMPORT["migration"] = GROUND | {"paths", "data", "fields", "dynamics", "models", "metrics"}
MAY_IMPORT["baselines"] = GROUND | {"paths", "fields", "dynamics", "models", "objectives", "metrics", "data.batch"}
MAY_IMPORT["training"] = set(MAY_IMPORT)
MAY_IMPORT["app"] = set(MAY_IMPORT)
MAY_IMPORT["cli"] = set(MAY_IMPORT)

# Imported by the functions that use them, so that `import flowdis` costs little more than `import torch`.
LAZY = {
    "PIL",
    "av",
    "diffusers",
    "fontTools",
    "gradio",
    "h5py",
    "kornia",
    "matplotlib",
    "mlxtend",
    "onnx",
    "onnxscript",
    "ot",
    "pandas",
    "scipy",
    "sklearn",
    "tensorboard",
    "torchdiffeq",
    "tyro",
}

# Calls that would change a caller's global state, draw from a hidden source, or bind the package to a device.
FORBIDDEN = {
    "cuda",
    "torch.manual_seed",
    "torch.seed",
    "torch.set_default_device",
    "torch.set_default_dtype",
    "torch.set_default_tensor_type",
    "torch.set_grad_enabled",
    "torch.set_num_threads",
    "random.seed",
    "np.random.seed",
    "numpy.random.seed",
    "pickle.load",
}


def name(path: Path) -> str:
    """The module's name below flowdis: "fields.base"; "fields" for fields/__init__.py, "" for the topmost."""
    parts = path.relative_to(ROOT / "flowdis").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that the tree imports, wherever in it; `from a import b` yields both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports within the package are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: no function bodies, nothing under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            continue
        yield node
        yield from at_import(node)


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def parametrized(sources: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", sources, ids=lambda path: path.relative_to(ROOT).as_posix())


@parametrized([path for path in SOURCES if name(path) not in ("", "__main__")])
def test_imports_run_downward(path):
    room = name(path).partition(".")[0]
    assert room in MAY_IMPORT, f"{room} is a new room: say in MAY_IMPORT what it may import"
    ours = {module for module in imported(ast.parse(path.read_text())) if within(module, "flowdis")}
    assert room == "cli" or "flowdis" not in ours, "modules import from each other, not from the package's face"
    allowed = MAY_IMPORT[room] | {room}
    upward = {m for m in ours - {"flowdis"} if not any(within(m.removeprefix("flowdis."), other) for other in allowed)}
    assert not upward, f"flowdis.{name(path)} imports {sorted(upward)}, which stand beside it or above it"


@parametrized([path for path in SOURCES if within(name(path), "metrics.codes")])
def test_metrics_on_codes_know_arrays_only(path):
    imports = {module for module in imported(ast.parse(path.read_text())) if within(module, "flowdis")}
    allowed = ("flowdis._checks", "flowdis.metrics.codes")
    others = {module for module in imports if not any(within(module, other) for other in allowed)}
    assert not others


def test_rooms_are_listed_from_the_bottom_up():
    below = set()
    for room, allowed in MAY_IMPORT.items():
        assert {other.partition(".")[0] for other in allowed} <= below, f"{room} looks upward"
        below.add(room)


@parametrized(SOURCES)
def test_slow_libraries_wait_until_they_are_used(path):
    nodes = at_import(ast.parse(path.read_text()))
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    libraries = {module.partition(".")[0] for node in imports for module in imported(node)}
    allowed = {"tyro"} if within(name(path), "cli") else set()
    slow = (libraries & LAZY) - allowed
    assert not slow


def test_importing_the_package_loads_no_slow_library():
    code = f"import sys, flowdis; print(*sorted({LAZY!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@parametrized(SOURCES)
def test_no_global_state_is_touched(path):
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    called = {ast.unparse(function) for function in calls}
    methods = {function.attr for function in calls if isinstance(function, ast.Attribute)}
    forbidden = (called | methods) & FORBIDDEN
    assert not forbidden


@parametrized(SOURCES)
def test_files_stay_short(path):
    lines = len(path.read_text().splitlines())
    assert lines <= 300


def test_every_folder_of_tests_is_a_package():
    """Without it, two test files of one name in two folders cannot be told apart."""
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]
