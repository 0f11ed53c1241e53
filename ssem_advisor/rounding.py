"""Numbers for people, rounded so that the sentence they stand in stays true.

A weight *above* which something holds is rounded up, one *up to* which it holds is rounded down, and both ends of a
safe interval go inward. That one number exceeds another is shown with as many digits as that takes.
"""

from __future__ import annotations

import math


def above(value: float, digits: int = 3) -> str:
    """The least decimal of so many significant digits that is at least the value: what holds above the value holds
    above it."""
    return _plain(value, digits, "ROUND_CEILING")


def below(value: float, digits: int = 3) -> str:
    """The greatest decimal of so many significant digits that is at most the value: what holds up to the value holds
    up to it."""
    return _plain(value, digits, "ROUND_FLOOR")


def _plain(value: float, digits: int, rounding: str) -> str:
    from decimal import Context

    if not math.isfinite(value):
        return "none"
    number = Context(prec=digits, rounding=rounding).create_decimal(repr(float(value))).normalize()
    # Spelled without an exponent wherever a person would: `1e-1` is a string to some YAML parsers.
    return format(number, "f") if 1e-6 < abs(value) < 1e15 else str(number)


def show(value: float | None, digits: int = 3) -> str:
    """A number for people, rounded to the nearest."""
    if value is None:
        return "-"
    if math.isinf(value):
        return "none"
    return f"{value:.{digits}g}"


def inward(low: float, high: float, digits: int = 3) -> tuple[str, str]:
    """Both ends of an interval rounded so that they stay inside it, with as many digits as that takes."""
    for more in range(digits, 17):
        lower, upper = above(low, more), below(high, more)
        if low <= float(lower) <= float(upper) <= high:
            return lower, upper
    return repr(low), repr(high)


def within(value: float, safe: tuple[float, float] | None, digits: int = 3) -> str:
    """A value rounded to the nearest number that is still inside its safe interval."""
    shown = show(value, digits)
    if safe is None or safe[0] <= float(shown) <= safe[1]:
        return shown
    return inward(value, safe[1], digits)[0] if float(shown) < safe[0] else inward(safe[0], value, digits)[1]
