"""A diagnosis as text for people and as JSON-ready dictionaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssem_advisor.diagnosis import Diagnosis
from ssem_advisor.printing import WIDTH, Paint, uncoloured, wrapped
from ssem_advisor.report.measurement import loss_json, painted

if TYPE_CHECKING:
    from ssem_advisor.documents import Diagnose


def diagnosis_text(d: Diagnosis, paint: Paint = uncoloured, width: int = WIDTH) -> str:
    """The verdict, its reasons, what to change first, what would say more."""

    def _wrapped(text: str, head: str) -> list[str]:
        return wrapped(text, width, head, "    ", d.command)

    lines = [painted(d.verdict, paint), ""]
    for reason in d.reasons:
        lines += _wrapped(reason.text, f"{reason.source}: ")
    for number, step in enumerate(d.change, 1):
        lines += ([""] if number == 1 else []) + _wrapped(step, f"{number}. " if len(d.change) > 1 else "do: ")
    for number, item in enumerate(d.missing):
        lines += ([""] if number == 0 else []) + _wrapped(item, "missing: ")
    return "\n".join(lines) + "\n"


def diagnosis_json(d: Diagnosis) -> Diagnose:
    return {
        "version": 1,
        "verdict": d.verdict,
        "reasons": [{"source": reason.source, "text": reason.text} for reason in d.reasons],
        "change": list(d.change),
        "missing": list(d.missing),
        "loss_value": None if d.curve is None else loss_json(d.curve)["loss_value"],
    }
