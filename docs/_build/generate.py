"""The pages that are made from the code: commands and theorems.

    python docs/_build/generate.py

writes the command reference and the formulas of `explain`, which are kept in the repository so that a change shows in
its diff and which tests hold to the code, and the pictures of the README. The theorems become a page when the site is
built.
"""

from __future__ import annotations

import enum
import inspect
import re
import typing
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import formulas

from ssem_advisor.domain import Setting
from ssem_advisor.report import plots

EXAMPLE = Setting(classes=100, dim=128, batch_size=512)
DOCS = Path(__file__).resolve().parents[1]
_NOTE = "<!-- Made by `python docs/_build/generate.py`; edit the code instead. -->\n\n"


def commands() -> str:
    """The command line, from the typer application: every command with its own options, the setting's options once."""
    from ssem_advisor.cli import COMMANDS, app

    parts = [
        _NOTE,
        f"# Commands\n\n{app.info.help}\n\n",
        "A command that cannot do what it is asked prints one line on stderr and exits with code 2.\n",
    ]
    setting: dict[str, str] = {}
    for name in sorted(COMMANDS):
        callback: Any = getattr(import_module(f"ssem_advisor.cli.{name}"), name)
        own = {}
        takes_setting = False
        for parameter, info in _parameters(callback):
            if getattr(info, "rich_help_panel", None) == "Setting":
                takes_setting = True
                setting[parameter.name] = _row(parameter, info)
            elif not getattr(info, "hidden", False):
                own[parameter.name] = _row(parameter, info)
        parts.append(f"\n## {name}\n\n{_prose(callback)}\n")
        if takes_setting:
            parts.append("\nTakes the [setting options](#setting-options).\n")
        parts.append(_table(own))
    return "".join([*parts, "\n## Setting options\n", _table(setting)])


def _parameters(callback: Any) -> Iterator[tuple[inspect.Parameter, Any]]:
    """Each parameter, its annotation without `Annotated`, with typer's description of it."""
    hints = inspect.get_annotations(callback, eval_str=True, locals={"Context": Any})
    for parameter in inspect.signature(callback).parameters.values():
        kind = hints.get(parameter.name, parameter.annotation)
        info = next((extra for extra in getattr(kind, "__metadata__", ()) if hasattr(extra, "help")), None)
        if info is None and hasattr(parameter.default, "param_decls"):
            info, parameter = parameter.default, parameter.replace(default=parameter.default.default)
        if info is not None:
            yield parameter.replace(annotation=kind.__origin__ if hasattr(kind, "__metadata__") else kind), info


def _row(parameter: inspect.Parameter, info: Any) -> str:
    flags = [decl for decl in (info.default, *(info.param_decls or ())) if str(decl).startswith("-")]
    is_option = type(info).__name__ == "OptionInfo"
    names = flags or [f"--{parameter.name.replace('_', '-')}" if is_option else parameter.name.strip("_").upper()]
    text = (info.help or "").strip()
    kinds = [parameter.annotation, *typing.get_args(parameter.annotation)]
    choices = [str(c.value) for kind in kinds if isinstance(kind, type) and issubclass(kind, enum.Enum) for c in kind]
    if choices:
        text = f"{text.rstrip('.')}: {', '.join(f'`{choice}`' for choice in choices)}."
    elif info.metavar and "|" in info.metavar:
        text = f"{text.rstrip('.')}: {', '.join(f'`{choice}`' for choice in info.metavar.split('|'))}."
    default = parameter.default.value if isinstance(parameter.default, enum.Enum) else parameter.default
    shown = f"`{default}`" if isinstance(default, (str, int, float)) and not isinstance(default, bool) else ""
    return f"| {', '.join(f'`{name}`' for name in names)} | {text} | {shown} |\n".replace("\n|", "|")


def _table(rows: dict[str, str]) -> str:
    return "\n| option | meaning | default |\n| --- | --- | --- |\n" + "".join(rows.values()) if rows else ""


def _prose(callback: Any) -> str:
    """The help of a command, without the page break that typer honours."""
    return (inspect.getdoc(callback) or "").replace("\b\n", "").partition("\f")[0].strip()


def theorems() -> str:
    """Every theorem with its assumptions and its proof, from the registry."""
    from ssem_advisor.lint import all_rules
    from ssem_advisor.theory.registry import SOURCE, theorems

    parts = [
        "# Theorems\n\n"
        "This page lists everything that `ssem-advisor explain` knows, in the order in which it is best read. `explain "
        "KEY`, followed by your setting, puts your numbers into a formula. Each entry links to its proof and to the "
        "rules of `check` that use it.\n\n"
        f"The source *paper* is [{SOURCE}](https://arxiv.org/abs/2503.08203). "
        "The source *derived here* means that the proof is in this documentation. An *estimate* is an approximation "
        "and not a theorem.\n\n"
        "$r=e^{-m/((m-1)\\tau)}$; [the page of symbols](theory/notation.md#symbols) explains the other letters.\n",
    ]
    for theorem in theorems().values():
        source = theorem.source if not theorem.reference else f"{theorem.source}; {theorem.reference}"
        parts.append(f"\n## {theorem.key}: {theorem.title} {{#{theorem.key}}}\n\n{_escaped(theorem.statement)}\n\n")
        parts.append(_formula(theorem))
        if theorem.assumptions:
            parts.append("Assumes: " + "; ".join(_escaped(a.text) for a in theorem.assumptions) + ".\n\n")
        parts.append(f"*{theorem.kind.capitalize()}, {source}.* [Proof]({theorem.page})")
        rules = [f"[{rule.code}](rules/{rule.code}.md)" for rule in all_rules() if rule.theorem == theorem.key]
        parts.append(f" Rules that rest on it: {', '.join(rules)}.\n" if rules else "\n")
    return "".join(parts)


_GREEK = {"alpha", "tau", "rho", "lambda", "delta"}
_FUNCTIONS = {"exp", "log", "ln", "max", "min", "cos"}
_PRODUCTS = {"mN", "np", "mn", "Ns", "pB"}
_OPERATORS = {"<=": "\\le", ">=": "\\ge", "->": "\\to", "*": "\\,", "-": "-", "+": "+", "/": "/", "=": "=", "^": "^",
              "<": "\\lt", ">": "\\gt", "(": "(", ")": ")"}  # fmt: skip
_TOKEN = re.compile(r"(?P<word>[A-Za-z]+(?:_\w+)?'?)|(?P<number>\d+(?:\.\d+)?)|<=|>=|->|(?P<space>\s+)|.", re.DOTALL)


def _tex(word: str) -> str | None:
    """A symbol of the statements in LaTeX, or None for a word of the sentence."""
    base, _, index = word.partition("_")
    if base in _FUNCTIONS and not index:
        return f"\\{base}"
    if not (base in _GREEK | _PRODUCTS or (len(base) == 1 and base not in "aAI")) or word in ("l_spread", "l_in"):
        return None
    name = f"\\{base}" if base in _GREEK else base
    return f"{name}_{{\\mathrm{{{index}}}}}" if index else name


def _escaped(text: str) -> str:
    """A plain-text statement in Markdown, every run of symbols and operators set as mathematics."""
    parts: list[str] = []
    run: list[tuple[str, str, bool]] = []  # plain text, LaTeX, whether it is a symbol

    def close() -> None:
        lone = _lone_parentheses([token for token, _, _ in run])
        for place, (token, _, _) in enumerate(run):
            if place in lone:
                _set(pieces)
                parts.append(token)
            else:
                pieces.append(run[place])
        _set(pieces)
        run.clear()

    def _set(piece: list[tuple[str, str, bool]]) -> None:
        before, after = [], []
        while piece and piece[0][0].isspace():
            before.append(piece.pop(0)[0])
        while piece and (piece[-1][0].isspace() or piece[-1][0] in "-+/=^"):
            after.insert(0, piece.pop()[0])
        math = any(symbol for _, _, symbol in piece)
        middle = f"${' '.join(tex for _, tex, _ in piece if tex)}$" if math else "".join(t for t, _, _ in piece)
        parts.extend([*before, middle, *after])
        piece.clear()

    pieces: list[tuple[str, str, bool]] = []
    before = ""
    for match in _TOKEN.finditer(text.replace("P x K", "P × K")):
        token = match.group()
        tex = _tex(token) if match["word"] and before != "'" else token if match["number"] else _OPERATORS.get(token)
        if tex is not None or (match["space"] and run):
            run.append((token, tex or "", bool(match["word"] or token in ("<=", ">="))))
        else:
            close()
            known = token in ("l_spread", "l_in", "supcon", "ssem")
            parts.append(f"`{token}`" if known else token.replace("*", "\\*").replace("|", "\\|").replace("<", "&lt;"))
        before = token[-1:]
    close()
    return "".join(parts)


def _lone_parentheses(tokens: list[str]) -> set[int]:
    """The places of parentheses without a partner."""
    opened: list[int] = []
    lone = set()
    for place, token in enumerate(tokens):
        if token == "(":
            opened.append(place)
        elif token == ")":
            if opened:
                opened.pop()
            else:
                lone.add(place)
    return lone | set(opened)


def _formula(theorem: Any) -> str:
    """The claim as the registry's sympy form has it; one too long to read is left to the proof."""
    import sympy as sp

    m, tau, r, N, rho = sp.symbols("m tau r N rho", positive=True)
    formula = theorem.formula().subs({sp.exp(-m / (tau * (m - 1))): r, sp.exp((-1 - 1 / (m - 1)) / tau): r})
    text = sp.latex(formula.subs((1 - 1 / N) / (m - 1), rho))
    if formula.is_rational_function():
        factored = sp.latex(sp.factor(formula))
        text = factored if 2 * len(factored) < len(text) else text
    if len(text) > 260 or "hyper" in str(formula):
        return ""
    left = _LEFT.get(theorem.left) or " ".join(_symbols(theorem.left))
    return f"$${left}{'' if left.endswith('sim') else '='}{text}$$\n\n"


# Left sides that are words or calls rather than products of symbols.
_LEFT = {
    "v*": "v^*",
    "alpha(v)": r"\alpha(v)",
    "alpha_c(R)": r"\alpha_c(R)",
    "v* (as tau -> 0)": r"v^*\sim",
    "W((m-1)/e)": r"\max_s\frac{s\,(m-1)}{e^s+m-1}",
    "d loss / d tau": r"\frac{\partial\,\mathrm{loss}}{\partial\tau}",
    "slope of L_in": r"\text{slope of }L_{\mathrm{in}}",
}


def _symbols(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        token = match.group()
        if not match["space"]:
            yield _tex(token) or _OPERATORS.get(token) or (token if match["number"] else f"\\mathrm{{{token}}}")


def pages() -> dict[Path, str]:
    """Every generated page and file with its text."""
    return {DOCS / "reference" / "cli.md": commands(), formulas.PATH: formulas.text()}


def main() -> None:
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    plots.phase_diagram(EXAMPLE, DOCS / "assets" / "phase.png")
    plots.phase_diagram(EXAMPLE, DOCS / "assets" / "phase-dark.png", paper=plots.Paper(theme="dark"))


if __name__ == "__main__":
    main()
