"""What the package promises: every public name exists, is documented, and is annotated with what is true."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch

import flowdis
from flowdis._checks import check_finite
from flowdis.models import gaussian_log_density

MODULES = [
    "flowdis",
    *(
        found.name
        for found in pkgutil.walk_packages(flowdis.__path__, "flowdis.")
        if not found.name.endswith(".__main__")
    ),
]


def documented(module: str) -> Iterator[tuple[str, type | Callable]]:
    """The classes and functions of the package that the module makes public, with their names."""
    exported = importlib.import_module(module)
    for name in exported.__all__:
        value = getattr(exported, name)
        ours = getattr(value, "__module__", "").partition(".")[0] == "flowdis"
        if ours and (inspect.isclass(value) or inspect.isfunction(value)):
            yield name, value


def functions(name: str, value: type | Callable) -> Iterator[tuple[str, Callable]]:
    """The function itself, or a class's own public methods and properties, with their names."""
    if inspect.isfunction(value):
        yield name, value
        return
    for attribute, member in vars(value).items():
        if attribute.startswith("_") and attribute not in ("__init__", "__call__"):
            continue
        member = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if inspect.isfunction(member) and is_written(member):
            yield f"{name}.{attribute}", member


def is_written(function: Callable) -> bool:
    """Whether it stands in the package's source; `dataclass` and `Protocol` make methods of their own."""
    return Path(inspect.unwrap(function).__code__.co_filename).is_relative_to(flowdis.__path__[0])


@pytest.mark.parametrize("module", MODULES)
def test_all_names_exist_and_star_import_works(module):
    exported = importlib.import_module(module)
    assert exported.__all__, "say what is public"
    assert len(set(exported.__all__)) == len(exported.__all__), "a name is listed twice"
    namespace = {}
    exec(f"from {module} import *", namespace)
    assert set(exported.__all__) <= namespace.keys()


@pytest.mark.parametrize("module", MODULES)
def test_public_classes_and_functions_have_docstrings(module):
    bare = []
    for name, value in documented(module):
        own = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
        if not own or own.startswith(f"{value.__name__}("):  # what a dataclass writes where nobody did
            bare.append(name)
    assert not bare


@pytest.mark.parametrize("module", MODULES)
def test_public_functions_are_annotated(module):
    missing = []
    for name, value in documented(module):
        for label, function in functions(name, value):
            signature = inspect.signature(function)
            parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
            missing += [f"{label}({p.name})" for p in parameters if p.annotation is p.empty]
            missing += [f"{label} -> ?"] if signature.return_annotation is signature.empty else []
    assert not missing


@pytest.mark.parametrize("module", MODULES)
def test_public_functions_take_no_undeclared_keywords(module):
    signatures = {
        label: inspect.signature(function).parameters.values()
        for name, value in documented(module)
        for label, function in functions(name, value)
    }
    assert not [label for label, found in signatures.items() if any(p.kind is p.VAR_KEYWORD for p in found)]


def test_annotations_are_checked_in_tests():
    assert check_finite("z", torch.zeros(2)) is not None
    with pytest.raises(jaxtyping.TypeCheckError):
        check_finite("z", [0.0, 0.0])
    with pytest.raises(jaxtyping.TypeCheckError):
        gaussian_log_density(torch.zeros(2, 3), torch.zeros(2, 4), 0.0)
