"""Numbers for people, rounded without crossing to the unsafe side."""

from __future__ import annotations

import math


def above(value: float, digits: int = 3) -> str:
    """The least decimal of so many significant digits that is at least the value."""
    return _plain(value, digits, "ROUND_CEILING")


def below(value: float, digits: int = 3) -> str:
    """The greatest decimal of so many significant digits that is at most the value."""
    return _plain(value, digits, "ROUND_FLOOR")


def _plain(value: float, digits: int, rounding: str) -> str:
    from decimal import Context

    number = Context(prec=digits, rounding=rounding).create_decimal(repr(float(value))).normalize()
    # Spelled without an exponent wherever a person would: `1e-1` is a string to some YAML parsers.
    return format(number, "f") if 1e-6 < abs(value) < 1e15 else str(number)


def show(value: float | None, digits: int = 3) -> str:
    """A number for people."""
    if value is None:
        return "-"
    if math.isinf(value):
        return "none"
    return f"{value:.{digits}g}"


def inward(low: float, high: float, digits: int = 3) -> tuple[str, str]:
    """Both ends of a safe interval rounded so that they stay inside it."""
    for more in range(digits, 17):
        lower, upper = upward(low, more), downward(high, more)
        if low <= float(lower) <= float(upper) <= high:
            return lower, upper
    return repr(low), repr(high)


def within(value: float, safe: tuple[float, float] | None, digits: int = 3) -> str:
    """A value rounded to the nearest number that is still inside its safe interval."""
    shown = show(value, digits)
    if safe is None or safe[0] <= float(shown) <= safe[1]:
        return shown
    return inward(value, safe[1], digits)[0] if float(shown) < safe[0] else inward(safe[0], value, digits)[1]


def upward(value: float, digits: int = 3) -> str:
    """A threshold rounded up: whoever stays above the printed number stays above the true one."""
    return f"{float(above(value, digits)):.{digits}g}" if math.isfinite(value) else "none"


def downward(value: float, digits: int = 3) -> str:
    return f"{float(below(value, digits)):.{digits}g}" if math.isfinite(value) else "none"
