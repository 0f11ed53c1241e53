"""Mending a config: alpha, the temperature, or both, written over the very characters where they stand.

A fix is tried on the text in memory, read again and judged again by the same rules. It is kept only if the finding is
gone and nothing new is found; the rest of the file stays as it is, byte for byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ssem_advisor.config.model import Document, Value
from ssem_advisor.domain import AdvisorError, Setting
from ssem_advisor.files import write_atomically
from ssem_advisor.lint.checking import shown
from ssem_advisor.lint.core import TAKES_LONG, Case, Finding
from ssem_advisor.lint.readers import number_in, shared, written
from ssem_advisor.rounding import above, below, within
from ssem_advisor.theory.regime import coordinates

if TYPE_CHECKING:
    from ssem_advisor.lint.checking import Result
    from ssem_advisor.lint.session import Session

# Which knobs to turn, in this order: the least intrusive first.
_KNOBS = ("alpha", "temperature")
_ATTEMPTS = (("alpha",), ("temperature",), ("alpha", "temperature"))
_DIGITS = 3
# A recommendation for unequal classes asks for many thresholds class by class.
_MOST_COORDINATES = 1_500


@dataclass
class Fixed:
    """A document with its mended text. changes: what was set; refusals: what was not, and why, one line each."""

    path: str
    original: Document
    text: str
    changes: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def diff(self) -> str:
        import difflib

        before, after = (text.splitlines(keepends=True) for text in (self.original.text, self.text))
        lines = difflib.unified_diff(before, after, f"a/{self.path}", f"b/{self.path}")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

    def write(self) -> None:
        """Replace the file; encoding, newlines and permissions stay. Raises AdvisorError if it changed meanwhile."""
        path, encoding = self.original.path, self.original.encoding
        if path.read_bytes() != self.original.text.encode(encoding):
            raise AdvisorError(
                f"{self.path}: changed while it was checked, or its encoding cannot be kept; not written"
            )
        write_atomically(path, self.text.encode(encoding))


def mend(document: Document, session: Session) -> Fixed:
    """The document with every fixable finding mended that can be mended safely."""
    result = session.check(document)
    fixed = Fixed(result.path, document, document.text)
    refused: set[int | None] = set()
    while finding := next((f for f in result.active if f.rule.fixable and f.run not in refused), None):
        better = _mended(result, finding, session)
        if isinstance(better, str):
            refused.add(finding.run)
            codes = ", ".join(f.rule.code for f in result.active if f.rule.fixable and f.run == finding.run)
            fixed.refusals.append(f"{finding.path}:{finding.location.line}: {codes} not fixed: {better}")
        else:
            result, changes = better
            fixed.changes += changes
    assert result.document is not None
    fixed.text = result.document.text
    return fixed


def _mended(result: Result, finding: Finding, session: Session) -> tuple[Result, list[str]] | str:
    """The result with one run mended and what was set, or the reason why not."""
    document = result.document
    assert document is not None
    run = document.runs[finding.run or 0]
    setting = Case(document, run).setting
    if setting is None:
        return "a fact that the recommendation needs is missing"
    if coordinates(setting) > _MOST_COORDINATES:
        return TAKES_LONG
    unwritable = {
        name: why for name in _KNOBS if (why := _unwritable(run.fields.get(name), name) or shared(document, run, name))
    }
    for knobs in _ATTEMPTS:
        if not unwritable.keys().isdisjoint(knobs):
            continue
        for chosen in _recommended(setting, knobs):
            text = written(document.text, {run.fields[knob]: chosen[knob] for knob in knobs})
            again = session.check(session.read(document.path, text))
            if _better(result, again, finding.run):
                places = {knob: run.fields[knob].location for knob in knobs}
                return again, [f"{knob} = {chosen[knob]} (line {p.line if p else 0})" for knob, p in places.items()]
    return "; ".join(unwritable.values()) or "no recommended value mends it"


def _better(before: Result, after: Result, run: int | None) -> bool:
    """Whether the run has no fixable finding left, and nothing new is found or undecided in the file."""
    if any(finding.rule.fixable and finding.run == run for finding in after.active):
        return False
    old, new = (Counter((f.run, f.rule.code) for f in result.active) for result in (before, after))
    return not new - old and bool(before.undecided or not after.undecided)


def _unwritable(value: Value | None, name: str) -> str | None:
    """Why a value cannot be rewritten: only a plain number that stands in this very file can."""
    if value is None:
        return f"{name} is not in the file"
    if value.origin != "stated" or value.location is None:
        return f"{name} is {value.origin}, not written in the file"
    if value.contradicted:
        return f"{name} is {value.raw} although {value.reason}: only the program tells which one counts"
    if value.location.path is not None:
        return f"{name} stands in {shown(value.location.path)}, which has to be given itself"
    number = number_in(value.raw)
    if number is None or float(number) != value.value:
        return f"{name} is not written as a plain number"
    return None


def _recommended(setting: Setting, knobs: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Recommended values as they would be written: as `recommend` prints them, else rounded either way. The rules
    decide which one is safe."""
    from ssem_advisor.advice import LARGEST_WEIGHT, recommend

    try:
        advice = recommend(setting.with_(**dict.fromkeys(knobs)))
    except AdvisorError:
        return
    chosen = advice.recommended
    if chosen is None or (knobs == ("alpha",) and chosen.alpha > LARGEST_WEIGHT):
        return
    if any(getattr(chosen, kept) != getattr(setting, kept) for kept in {"alpha", "temperature"} - set(knobs)):
        return
    yield {knob: within(getattr(chosen, knob), getattr(advice, knob).safe, _DIGITS) for knob in knobs}
    for spell in (above, below):
        yield {knob: spell(getattr(chosen, knob), _DIGITS) for knob in knobs}
