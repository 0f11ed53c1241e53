"""Plain scalars as the usual parsers read them, and where they disagree."""

from __future__ import annotations

import math
import re
from typing import Any

from ssem_advisor.config.tree import UNKNOWN

_BOOL = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_ODD_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|[1-9][0-9_]*(?::[0-5]?[0-9])+)")
_FLOAT = re.compile(r"(?:[-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_LONGEST = 64


def yaml(text: str) -> tuple[Any, str]:
    """A plain scalar as PyYAML (YAML 1.1) reads it, and the quirk if other parsers read another value."""
    if len(text) > _LONGEST:
        return text, ""
    if text in ("", "~", "null", "Null", "NULL"):
        return None, ""
    lower = text.lower()
    if lower in _BOOL and text in (lower, lower.title(), lower.upper()):
        return _BOOL[lower], "" if lower in ("true", "false") else "word-bool"
    if _INT.fullmatch(text):
        return int(text.replace("_", "")), ""
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", "")), ""
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "")), ""
    if _ODD_INT.fullmatch(text):
        return UNKNOWN, "odd-number"
    if _NUMBER.fullmatch(text):
        return text, "string-number"
    return text, ""


def word(text: str) -> Any:
    """A command-line word as argparse's usual types read it: a number where it is one."""
    if len(text) <= _LONGEST:
        if re.fullmatch(r"[-+]?[0-9]+", text):
            return int(text)
        if _NUMBER.fullmatch(text):
            return float(text)
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
    return text


def is_number(value: Any) -> bool:
    """Whether a value is a finite number that arithmetic in floats can take."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False
