"""A theorem as text for a terminal and as JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from ssem_advisor.domain import AdvisorError, Setting
from ssem_advisor.printing import WIDTH, Paint, uncoloured, wrapped
from ssem_advisor.theory.registry import SOURCE, Theorem, theorems

if TYPE_CHECKING:
    from ssem_advisor.documents import Explain, ExplainAll, TheoremShown


def text_list() -> str:
    lines = []
    for theorem in theorems().values():
        kind = "estimate" if theorem.kind == "estimate" else theorem.source
        lines.append(f"{theorem.key:<18} {theorem.title:<48} {kind}")
    return "\n".join(lines) + "\n"


def json_list() -> str:
    listed: ExplainAll = {"version": 1, "theorems": [_data(theorem) for theorem in theorems().values()]}
    return json.dumps(listed, indent=2)


def json_one(theorem: Theorem, setting: Setting | None) -> str:
    data: Explain = {"version": 1, **_data(theorem), "formula": str(theorem.formula())}
    if setting is not None:
        data["here"] = {
            "assumptions": [{"text": a.text, "holds": a.holds(setting)} for a in theorem.assumptions],
            "values": _finite(theorem.values(setting)),
            "value": _finite({"value": _value(theorem, setting)})["value"],
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


def _finite(values: dict[str, Any] | None) -> Any:
    if values is None:
        return None
    return {k: v if v is None or math.isfinite(v) else None for k, v in values.items()}


def _value(theorem: Theorem, setting: Setting) -> float | None:
    values = theorem.values(setting)
    if values is None or theorem.broken(setting):
        return None
    try:
        return float(theorem.numeric(**values))
    except AdvisorError:
        return None


def text_one(theorem: Theorem, setting: Setting | None, paint: Paint = uncoloured, width: int = WIDTH) -> str:
    """A theorem for a terminal of so many columns: what it says, what it needs, its formula, and the numbers here."""
    import sympy as sp

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
    formula = theorem.formula()
    pretty = sp.pretty(formula, use_unicode=True, wrap_line=False).splitlines()
    lines += ["", bold("Formula")]
    if max(map(len, pretty)) <= width - 4:
        lines += [f"  {theorem.left} =", "", *("    " + line for line in pretty)]
    else:
        lines += wrapped(f"{theorem.left} = {formula}", width, "  ", "      ")
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
        return wrapped(f"Not covered, because an assumption is not met: {'; '.join(broken)}.", width, "  ")
    values = theorem.values(setting)
    if values is None:
        return ["  The setting leaves a symbol open: give more options to put numbers in."]
    numbers = ", ".join(f"{name} = {'infinity' if math.isinf(v) else f'{v:g}'}" for name, v in values.items())
    value = _value(theorem, setting)
    name = theorem.implicit or theorem.left
    return [*wrapped(numbers, width, "  "), f"  {name} = {'not defined here' if value is None else f'{value:.12g}'}"]
