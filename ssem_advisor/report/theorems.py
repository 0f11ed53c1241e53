"""A theorem as text for a terminal and as JSON."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssem_advisor.domain import Setting
from ssem_advisor.printing import WIDTH, Paint, uncoloured, wrapped
from ssem_advisor.theory.numbers import numbers_of
from ssem_advisor.theory.registry import SOURCE, Theorem, theorems

if TYPE_CHECKING:
    from ssem_advisor.documents import Explain, ExplainAll, TheoremShown


def text_list(width: int = WIDTH) -> str:
    """Key, title and source of every theorem, the titles broken where they do not fit into the width."""
    rows = [(t.key, t.title, "estimate" if t.kind == "estimate" else t.source) for t in theorems().values()]
    keys, titles, sources = (max(map(len, column)) for column in zip(*rows, strict=True))
    room = min(width - keys - sources - 4, titles)
    lines: list[str] = []
    for key, title, source in rows:
        first, *rest = wrapped(title, room)
        lines.append(f"{key:<{keys}}  {first:<{room}}  {source}")
        lines += [" " * (keys + 2) + line for line in rest]
    return "\n".join(lines) + "\n"


def json_list() -> str:
    listed: ExplainAll = {"version": 1, "theorems": [_data(theorem) for theorem in theorems().values()]}
    return json.dumps(listed, indent=2)


def json_one(theorem: Theorem, setting: Setting | None) -> str:
    data: Explain = {"version": 1, **_data(theorem), "formula": _formulas()[theorem.key]["formula"]}
    if setting is not None:
        found = None if theorem.broken(setting) else numbers_of(theorem, setting)
        complete = found is not None and not (found.missing or found.refused)
        data["here"] = {
            "assumptions": [{"text": a.text, "holds": a.holds(setting)} for a in theorem.assumptions],
            "values": _finite({**found.symbols, **dict.fromkeys(found.varies)}) if found and complete else None,
            "value": _finite({"value": max(found.results.values(), default=None)})["value"] if found else None,
        }
    return json.dumps(data, indent=2, allow_nan=False)


def _data(theorem: Theorem) -> TheoremShown:
    return {
        "key": theorem.key,
        "title": theorem.title,
        "kind": theorem.kind,
        "statement": theorem.statement,
        "assumptions": [a.text for a in theorem.assumptions],
        "source": SOURCE if theorem.source == "paper" else theorem.source,
        "reference": theorem.reference or None,
        "proof": f"docs/{theorem.page}",
    }


def _finite(values: dict[str, Any]) -> dict[str, float | None]:
    return {k: v if v is not None and math.isfinite(v) else None for k, v in values.items()}


@cache
def _formulas() -> dict[str, Any]:
    """What sympy made of the claims, by key; see docs/_build/formulas.py."""
    return dict(json.loads((Path(__file__).parent / "formulas.json").read_text(encoding="utf-8")))


def text_one(theorem: Theorem, setting: Setting | None, paint: Paint = uncoloured, width: int = WIDTH) -> str:
    """A theorem for a terminal of so many columns: what it says, what it needs, its formula, and the numbers here."""

    def bold(text: str) -> str:
        return paint(text, "heading")

    lines = [*map(bold, wrapped(f"{theorem.key}: {theorem.title}", width)), "", *wrapped(theorem.statement, width)]
    if theorem.assumptions:
        lines += ["", bold("Assumptions")]
        for assumption in theorem.assumptions:
            mark = "  - "
            if setting is not None:
                holds = assumption.holds(setting)
                mark = {
                    True: f"  {paint('[met]', 'safe')}      ",
                    False: f"  {paint('[NOT met]', 'collapse')}  ",
                    None: f"  {paint('[unknown]', 'estimate')}  ",
                }[holds]
            lines += wrapped(assumption.text, width, mark)
    formula = _formulas()[theorem.key]
    lines += ["", bold("Formula")]
    if max(map(len, formula["lines"])) <= width - 4:
        lines += [f"  {theorem.left} =", "", *("    " + line for line in formula["lines"])]
    else:
        lines += wrapped(f"{theorem.left} = {formula['short']}", width, "  ", "      ")
    if formula["where"]:
        lines += ["", *wrapped(f"with {', '.join(formula['where'])}", width, "    ")]
    if setting is not None:
        lines += ["", bold("Here"), *_here(theorem, setting, width)]
    source = SOURCE if theorem.source == "paper" else "derived here"
    if theorem.reference:
        source += f"; {theorem.reference}"
    lines += ["", *wrapped(f"Source: {source}.", width), f"Proof: docs/{theorem.page}"]
    if theorem.kind == "estimate":
        lines.append(f"This is an {paint('estimate', 'estimate')}, not a theorem.")
    return "\n".join(lines) + "\n"


def _here(theorem: Theorem, setting: Setting, width: int) -> list[str]:
    broken = theorem.broken(setting)
    if broken:
        return wrapped(f"Not covered, because it assumes: {'; '.join(broken)}.", width, "  ")
    found = numbers_of(theorem, setting)
    symbols = ", ".join(f"{name} = {'infinity' if math.isinf(v) else f'{v:g}'}" for name, v in found.symbols.items())
    lines = wrapped(symbols, width, "  ") if symbols else []
    if found.refused:
        return lines + wrapped(f"No number for v: {found.refused}.", width, "  ")
    if found.missing:
        return lines + wrapped(f"For the number itself, give {' and '.join(found.missing)} as well.", width, "  ")
    if found.note:
        lines += wrapped(found.note, width, "  ")
    return lines + [
        f"  {name} = {'infinity' if math.isinf(value) else f'{value:.12g}'}" for name, value in found.results.items()
    ]
