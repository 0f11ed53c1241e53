"""Numbers rounded for reading without crossing to the unsafe side."""

from __future__ import annotations


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
