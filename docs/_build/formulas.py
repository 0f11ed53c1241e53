"""The formulas of the theorems as a terminal shows them, written once by sympy, which the package then does not need.

What recurs has a name of its own (r, rho, x, s, ...), so that a formula fits on a screen; every rewritten formula is
compared with the claim at a point before it is kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sympy as sp

from ssem_advisor.theory.registry import theorems

PATH = Path(__file__).resolve().parents[2] / "ssem_advisor" / "report" / "formulas.json"

_m, _N, _n, _v, _tau, _tau_2, _D = sp.symbols("m N n v tau tau_2 D", positive=True)
_r, _r2, _rho, _x, _s, _e1, _e2, _e3, _M, _M1 = sp.symbols("r r_2 rho x s e_1 e_2 e_3 M M_1", positive=True)


def _names(N: Any) -> list[tuple[Any, Any, str]]:
    """(pattern, name, definition for people), in the order in which they are put in; N: instances of a class."""
    own = "n" if _n == N else "N"
    return [
        (sp.exp(-_m / (_tau * (_m - 1))), _r, "exp(-m/((m-1) tau))"),
        (sp.exp((-1 - 1 / (_m - 1)) / _tau), _r, "exp(-m/((m-1) tau))"),
        (sp.exp((-1 - 1 / (_m - 1)) / _tau_2), _r2, "exp(-m/((m-1) tau_2))"),
        (sp.exp(-_v / (_tau * (1 - 1 / N))), _e1, "exp((x-1)/tau)"),
        (1 - _v / (1 - 1 / N), _x, f"1 - v/(1-1/{own})"),
        (-(1 / N + (1 - 1 / N) * _x) / (_m - 1), _s, f"-(1/{own} + (1-1/{own}) x)/(m-1)"),
        (sp.exp((_s - 1) / _tau), _e2, "exp((s-1)/tau)"),
        (sp.exp((_s - _x) / _tau), _e3, "exp((s-x)/tau)"),
        ((1 - 1 / N) / (_m - 1), _rho, f"(1-1/{own})/(m-1)"),
        (sp.hyper([], [_D / 2], _v**2 / (4 * _tau**2)), _M, "0F1(; D/2; v^2/(4 tau^2))"),
        (sp.hyper([], [_D / 2 + 1], _v**2 / (4 * _tau**2)), _M1, "0F1(; D/2+1; v^2/(4 tau^2))"),
    ]


_NEEDS = {_e1: (_x,), _e2: (_s,), _e3: (_s, _x), _s: (_x,)}  # names that a definition uses

_POINT = {"m": "5", "N": "9", "n": "7", "k": "3", "o": "12", "p": "2", "P": "3", "B": "9", "Q": "15", "D": "28",
          "tau": "3/10", "tau_2": "1/2", "alpha": "7/10", "v": "1/5"}  # fmt: skip


def _shortened(formula: Any, symbols: tuple[str, ...]) -> tuple[Any, list[str]]:
    """The formula with names put in, and the definitions of those."""
    found = [entry for entry in _names(_N if "N" in symbols else _n) if str(entry[1]) not in symbols]
    short = formula
    for pattern, name, _ in found:
        named = short.subs(pattern, name)
        short = short if named == name else named  # a formula is not its own name
    used = set(short.free_symbols)
    for name, more in _NEEDS.items():
        if name in used:
            used |= set(more)
    back = short
    for pattern, name, _ in reversed(found):
        back = back.subs(name, pattern)
    point = {symbol: sp.Rational(_POINT.get(str(symbol), "1/3")) for symbol in formula.free_symbols}
    exact, rewritten = formula.subs(point).evalf(30), back.subs(point).evalf(30)
    assert abs(exact - rewritten) <= abs(exact) * sp.Float("1e-20"), f"{formula} is not {short}: {back}"
    definitions = {str(name): text for _, name, text in found if name in used}
    return short, [f"{name} = {text}" for name, text in definitions.items()]


def text() -> str:
    """The JSON file: each theorem's formula in several lines and in one, its definitions, and sympy's words."""
    written = {}
    for theorem in theorems().values():
        formula = theorem.formula()
        short, where = _shortened(formula, theorem.symbols)
        written[theorem.key] = {
            "lines": [line.rstrip() for line in sp.pretty(short, use_unicode=True, wrap_line=False).splitlines()],
            "short": str(short),
            "where": where,
            "formula": str(formula),
        }
    return json.dumps(written, indent=1, ensure_ascii=False) + "\n"
