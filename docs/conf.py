import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

project = "flowdis"
author = "The flowdis authors"
copyright = author
release = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
default_role = "py:obj"

myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
# Shapes by the names that the page "Shapes" of the reference explains, not spelt out in every signature.
shapes = sorted(set(re.findall(r"^(\w+) = (?:Float|Int|Shaped)", (ROOT / "flowdis/_types.py").read_text(), re.M)))
autodoc_type_aliases = {name: name for name in [*shapes, "Velocity", "Divergence", "Potentials", "Velocities"]}
python_maximum_signature_line_length = 100

# The docstrings' own examples are run by pytest, these pages' examples by sphinx-build -b doctest.
doctest_test_doctest_blocks = ""
doctest_global_setup = "import torch\nimport flowdis as fd"

html_theme = "furo"
html_title = f"flowdis {release}"
html_copy_source = False
html_show_sphinx = False


SPAN = re.compile(r"(``.+?``|(?::[\w:]+:)?`[^`]+`)")
SHAPE = re.compile(r"(?<!\w)\((?:\*|[A-Z]|\d+(?=,))(?:, (?:\*?[a-z_]+|\*|[A-Z]|\d+))*,?\)(?!\w)")


def marked(line):
    """The line with shapes and quoted code as literals, and all other stars and bars escaped."""
    shaped = "".join(SHAPE.sub(r"``\g<0>``", part) if i % 2 == 0 else part for i, part in enumerate(SPAN.split(line)))
    parts = SPAN.split(shaped)
    parts[::2] = [re.sub(r"(?<!\\)[*|]", r"\\\g<0>", part) for part in parts[::2]]
    parts[1::2] = [re.sub(r"^`([^`]*[^\w.`][^`]*)`$", r"``\1``", part) for part in parts[1::2]]
    return "".join(parts)


def plain_docstring(app, kind, name, value, options, lines):
    """Lets docstrings write shapes and magnitudes as they are, (*, D) and |v|, where reStructuredText would not."""
    example, equation = False, None
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        if equation is not None and line.strip() and indent <= equation:
            equation = None
        if line.lstrip().startswith(".. math::"):
            equation = indent
        if not example and equation is None:
            lines[number] = marked(line)


def plain_signature(app, kind, name, value, options, signature, returns):
    """Names shapes instead of spelling them out, and shows what a model's own constructor takes."""
    if getattr(value, "_is_protocol", False):
        return "", None
    if name.endswith(".LatentFlow"):  # the hub's mixin hides its constructor
        own = inspect.signature(value.__init__)
        bare = [p.replace(annotation=p.empty) for p in list(own.parameters.values())[1:]]
        return str(inspect.Signature(bare)), None
    return plain_types(signature), plain_types(returns)


def plain_types(text):
    """Type names as a reader would write them."""
    for pattern, plain in (
        (r"TypeAliasForwardRef\('(\w+)'\)", r"\1"),
        (r"~?(?:jaxtyping\.)?(?:Float|Int|Shaped)\[(?:~?[\w.]*\.)?Tensor, '[^']*'\]", "Tensor"),
        (r"= ?<factory>", "= ..."),
    ):
        text = text and re.sub(pattern, plain, text)
    return text


def setup(app):
    app.connect("autodoc-process-docstring", plain_docstring)
    app.connect("autodoc-process-signature", plain_signature)
