"""The value of a leaf as one quantity: number, word or switch, or UNKNOWN with the reason as a trap."""

from __future__ import annotations

import re
from typing import Any

from ssem_advisor.config import scalars
from ssem_advisor.config.model import Trap
from ssem_advisor.config.tree import UNKNOWN, Leaf
from ssem_advisor.domain import LOSSES, SAMPLERS

REALS = ("temperature", "alpha", "base_temperature")
LEAST = {
    "classes": 2, "dim": 1, "batch_size": 1, "views": 1, "epochs": 0, "classes_per_batch": 1, "instances_per_class": 1,
    "world_size": 1,
}  # fmt: skip
LISTS = ("world_size", "class_counts", "classes")
"""Quantities that may be written as a list: of devices, of class sizes, of class names."""


def convert(quantity: str, leaf: Leaf) -> tuple[Any, Trap | None]:
    """The value of the leaf as the quantity, and what is odd about it."""
    value = leaf.value

    def trap(name: str, detail: str) -> Trap:
        return Trap(name, detail, leaf.dotted, leaf.location)

    if leaf.quirk == "odd-number":
        return UNKNOWN, trap("odd-number", f"parsers disagree about {leaf.raw}")
    if value is UNKNOWN or value is None:
        return UNKNOWN, trap("unresolved", f"{quantity} is filled in at run time")
    if quantity in REALS or quantity in LEAST:
        if quantity == "world_size" and not (scalars.is_number(value) and value >= 1):
            many = isinstance(value, str) and re.fullmatch(r"\d+(?:,\d+)+", value)  # device numbers
            return (str(value).count(",") + 1 if many else UNKNOWN), None
        if isinstance(value, str) and scalars.is_number(scalars.word(value)):
            return UNKNOWN, trap("string-number", f"the training program gets the text {value!r}, not a number")
        if isinstance(value, (str, bool)):
            return UNKNOWN, None
        if quantity == "temperature" and leaf.keys[-1] in ("tau", "t") and value >= 0.9:
            return UNKNOWN, None  # as likely the momentum of a slow copy of the network
        if not _inside(quantity, value):
            return UNKNOWN, trap("out-of-domain", f"{quantity} = {leaf.raw[:40]}")
        return (int(value) if quantity in LEAST else value), None
    odd = (
        trap("word-bool", f"{leaf.raw} is a truth value to PyYAML, a word to others")
        if leaf.quirk == "word-bool"
        else None
    )
    return _word(quantity, leaf.keys[-1], value), odd


def _inside(quantity: str, value: float) -> bool:
    if not scalars.is_number(value):
        return False
    if quantity in LEAST:
        return LEAST[quantity] <= value < 10**12 and value % 1 == 0
    return 0 <= value <= 1 if quantity == "alpha" else value > 0


def _word(quantity: str, name: str, value: Any) -> Any:
    if quantity == "gather":
        return True if value == "ddp" else value if isinstance(value, bool) else UNKNOWN
    if quantity == "batch_scope":
        return value if value in ("device", "total") else UNKNOWN
    if quantity == "sampler":
        if isinstance(value, bool):
            return "balanced" if value else "random"
        return value if value in SAMPLERS else UNKNOWN
    if quantity == "precision":
        return _precision(name, value)
    if quantity == "loss":
        return value if value in (*LOSSES, "l_in") else UNKNOWN
    return value if isinstance(value, str) and value else UNKNOWN


def _precision(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return ("bf16" if "bf16" in name else "fp16") if value else "fp32"
    text = str(value).lower()
    if "bf16" in text or "bfloat16" in text:
        return "bf16"
    if "16" in text or text in ("o1", "o2", "half"):
        return "fp16"
    return "fp32" if text in ("32", "32-true", "fp32", "float32", "no", "64") else UNKNOWN
