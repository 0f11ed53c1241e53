"""Mending a config: alpha, the temperature, or both, written over the very characters where they stand.

A fix is tried on the text in memory, read again and judged again by the same rules. It is kept only if the finding is
gone and nothing new is found; the rest of the file stays as it is, byte for byte.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ssem_advisor.config.model import Document, TrainingRun, Value
from ssem_advisor.config.reader import values
from ssem_advisor.domain import AdvisorError, Setting
from ssem_advisor.files import write_atomically
from ssem_advisor.lint.checking import shown
from ssem_advisor.lint.core import TAKES_LONG, Case, Finding
from ssem_advisor.rounding import above, below
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
        name: why for name in _KNOBS if (why := _unwritable(run.fields.get(name), name) or _shared(document, run, name))
    }
    for knobs in _ATTEMPTS:
        if not unwritable.keys().isdisjoint(knobs):
            continue
        for chosen in _recommended(setting, knobs):
            text = _with(document.text, {run.fields[knob]: chosen[knob] for knob in knobs})
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
    number = _number_in(value.raw)
    if number is None or float(number) != value.value:
        return f"{name} is not written as a plain number"
    return None


_PROBE = "0.123456789"  # no config says this already


def _shared(document: Document, run: TrainingRun, name: str) -> str | None:
    """Why writing a value would change more than its own key: the place is one that others read too.

    Another number is written there in memory, and all keys whose value then differs are compared with the one meant.
    """
    value = run.fields[name]
    probe = Document(document.path, _with(document.text, {value: _PROBE}), document.format)
    before, after = values(document), values(probe)
    changed = {
        path
        for old, new in zip(before, after, strict=False)
        for path in old.keys() | new.keys()
        if not _same(old.get(path), new.get(path))
    }
    own = value.key.rpartition(".")[2]
    if document.format == "python":
        foreign = _python_readers(document.text, own, {str(path[0]) for path in changed if len(path) == 1})
    elif document.format in ("shell", "other"):
        foreign = _shell_readers(document.text, value, run)
    else:
        foreign = {".".join(map(str, path)) for path in changed} - {value.key}
        foreign |= _interpolating(document.text, own)
    foreign |= {".".join(map(str, path)) for path in changed if not _named(path, own) and len(path) > 1}
    if len(before) != len(after) or foreign or not changed:
        others = ", ".join(sorted(foreign)[:3]) or "other keys"
        place = value.location
        return (
            f"the {name} in line {place.line if place else 0} is also read by {others}; give {name} a value of its own"
        )
    return None


def _same(old: object, new: object) -> bool:
    return type(old) is type(new) and (old == new or old != old)


def _named(path: tuple[str | int, ...], own: str) -> bool:
    last = path[-1] if path else ""
    return isinstance(last, str) and last.lstrip("-").rstrip("?").replace("-", "_") == own.lstrip("-").replace("-", "_")


def _interpolating(text: str, own: str) -> set[str]:
    """Keys of another name whose value asks for a key of this name, as in `lr: ${loss.alpha}`."""
    asking = re.compile(rf"^[ \t-]*[\"']?([\w.-]+)[\"']?[ \t]*[:=].*\$\{{[^}}\n]*\b{re.escape(own)}\b", re.M)
    return {match[1] for match in asking.finditer(text) if not _named((match[1].rpartition(".")[2],), own)}


def _python_readers(text: str, own: str, names: set[str]) -> set[str]:
    """Who else reads the constants of these names: a keyword of another name, or any second use under theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = ast.parse(text)
    keywords = {
        id(keyword.value): keyword.arg or ""
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
    }
    readers: set[str] = set()
    for name in names:
        uses = [n for n in ast.walk(module) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]
        given = [keywords.get(id(use)) for use in uses]
        readers |= {keyword for keyword in given if keyword and not _named((keyword,), own)}
        if not _named((name,), own) and len(uses) > 1:
            readers.add(f"{name} ({len(uses)} uses)")
    return readers


def _shell_readers(text: str, value: Value, run: TrainingRun) -> set[str]:
    """Who else reads the variable whose value stands at this place; nobody where the place is the flag's own."""
    place, command = value.location, run.location
    assert place is not None
    if command is None or command.start <= place.start < command.end:
        return set()
    variable = re.search(r"(\w+)=['\"]?$", text[: place.start])
    if variable is None:
        return {"another command"}
    name = variable.group(1)
    line = text[text.rfind("\n", 0, place.start) + 1 : place.start]
    readers = {"the environment"} if re.search(r"\b(?:export|declare +-\w*x)\b", line) else set()
    flag = re.escape(value.key.partition(".")[0])
    for use in re.finditer(rf"\$(?:\{{{name}\b|{name}\b)", text):
        if not re.search(rf"{flag}(?: +|=)['\"]?$", text[: use.start()]):
            readers.add(f"${name} elsewhere")
    return readers


def _number_in(raw: str) -> str | None:
    """The number within a token such as `0.1`, `"0.1"` or `--alpha=0.1`; None if there is not exactly one."""
    numbers = re.findall(r"(?<![\w.+-])[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])", raw)
    return numbers[0] if len(numbers) == 1 else None


def _with(text: str, new: dict[Value, str]) -> str:
    """The text with numbers replaced, from the end so that earlier places stay right."""
    for value, number in sorted(new.items(), key=lambda item: -item[0].location.start):  # type: ignore[union-attr]
        place = value.location
        assert place is not None
        token = text[place.start : place.end]
        old = _number_in(token) or token
        text = text[: place.start] + token.replace(old, number, 1) + text[place.end :]
    return text


def _recommended(setting: Setting, knobs: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Recommended values as they would be written, rounded either way: the rules decide which side is safe."""
    from ssem_advisor.advice import LARGEST_WEIGHT, recommend

    try:
        chosen = recommend(setting.with_(**dict.fromkeys(knobs))).recommended
    except AdvisorError:
        return
    if chosen is None or (knobs == ("alpha",) and chosen.alpha > LARGEST_WEIGHT):
        return
    if any(getattr(chosen, kept) != getattr(setting, kept) for kept in {"alpha", "temperature"} - set(knobs)):
        return
    for spell in (above, below):
        yield {knob: spell(getattr(chosen, knob), _DIGITS) for knob in knobs}
