r"""The table of models in LaTeX, ruled by booktabs, for pdflatex as well as newer engines."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowdis.metrics.cells import blocks, cell_texts, heading, legend, metadata_lines, row_label
from flowdis.metrics.columns import Metric
from flowdis.metrics.table import ModelTable, Row

__all__ = ["escape_latex", "latex_text"]

_GREEK = {
    **{"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta"},
    **{"κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau"},
    **{"φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda"},
    **{"Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega"},
}
_SIGNS = {
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    **{sign: f"${sign}$" for sign in "<>|"},
    **{letter: rf"$\{name}$" for letter, name in _GREEK.items()},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    '"': "''",
    "±": r"$\pm$",
    "×": r"$\times$",
    "°": r"$^\circ$",
    "−": "$-$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


def escape_latex(text: str) -> str:
    r"""Text as LaTeX prints it: signs escaped, arrows and Greek as mathematics, no dashes made of hyphens.

    Example:
        >>> print(escape_latex("β_VAE & 50 % --seed"))
        $\beta$\_VAE \& 50 \% -{}-seed
    """
    return re.sub("-(?=-)", "-{}", "".join(_SIGNS.get(sign, sign) for sign in " ".join(text.split())))


def latex_text(table: ModelTable) -> str:
    """The table in LaTeX: a `tabular` for each group of columns, best means bold, controls below a rule."""
    lines = [r"% needs \usepackage{booktabs}", r"\begin{table}", r"  \centering\small"]
    for group, columns in blocks(table, across=4):
        lines += [f"  {line}" for line in _tabular(table, group, columns)]
    lines += [r"  \begin{flushleft}", r"    \footnotesize"]
    lines += [rf"    {escape_latex(line)}\par" for line in (legend(table, "bold"), *metadata_lines(table))]
    return "\n".join([*lines, r"  \end{flushleft}", r"\end{table}"]) + "\n"


def _tabular(table: ModelTable, group: str, columns: Mapping[str, Metric]) -> list[str]:
    heads = [escape_latex(heading(metric)) for metric in columns.values()]
    lines = [
        rf"\begin{{tabular}}{{lr{'r' * len(columns)}}}",
        r"  \toprule",
        rf"  {escape_latex(group)} & seeds & {' & '.join(heads)} \\",
        r"  \midrule",
    ]
    for index, row in enumerate(table.rows):
        if row.control and index and not table.rows[index - 1].control:
            lines.append(r"  \midrule")
        label = escape_latex(row_label(row))
        # After \\ and \midrule, "[" and "*" would begin an option.
        cells = ["{}" + label if label[0] in "[*" else label, str(len(row.seeds))]
        cells += [_cell(table, row, name) for name in columns]
        lines.append(rf"  {' & '.join(cells)} \\")
    return [*lines, r"  \bottomrule", r"\end{tabular}\par\medskip"]


def _cell(table: ModelTable, row: Row, name: str) -> str:
    mean, interval, count = (_with_minus(escape_latex(text)) for text in cell_texts(row, name))
    bold = rf"\textbf{{{mean}}}" if row.model in table.best(name) else mean
    return " ".join(part for part in (bold, interval, count) if part)


def _with_minus(text: str) -> str:
    """Text with the hyphens before numbers as minus signs, except those of powers of ten."""
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", text)
