"""Findings that do not count: suppression comments and the baseline."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ssem_advisor.config.model import Location
from ssem_advisor.domain import AdvisorError
from ssem_advisor.limits import read_bytes
from ssem_advisor.lint.core import Finding, Rule, Suppression, rules_matching

# -- comments ----------------------------------------------------------------------------------------------------

_COMMENT = re.compile(
    r"#\s*ssem:\s*(?P<form>ignore-file|ignore)\b(?:\[(?P<codes>[^\]\n]*)\])?[ \t]*(?P<reason>[^\n#]*)"
)


@dataclass
class Comment:
    """One `# ssem: ignore[...] reason`. It covers the lines first..last, or with `ignore-file` the whole file."""

    location: Location
    first: int
    last: int | None
    selectors: tuple[str, ...]
    reason: str
    used: set[str] = field(default_factory=set)

    def covers(self, finding: Finding) -> str | None:
        """The selector that silences the finding, if any."""
        if finding.location.path is not None:
            return None
        if self.last is not None and not self.first <= finding.location.line <= self.last:
            return None
        return next((s for s in self.selectors if finding.rule in rules_matching(s)), None)

    def problems(self, enabled: Sequence[Rule]) -> Iterable[str]:
        """Why the comment is not needed; a rule that did not run is not judged."""
        if not self.selectors:
            yield "suppression names no rule: write ignore[CODE]"
        for selector in self.selectors:
            meant = rules_matching(selector)
            if not meant:
                yield f"suppression of an unknown rule {selector!r}"
            elif selector not in self.used and all(rule in enabled for rule in meant):
                yield f"suppression of {selector} silences nothing here"


def comments(text: str) -> list[Comment]:
    """The suppression comments of a text, with the lines they cover.

    A comment after a value covers its line. A comment on a line of its own covers the next line that is not a
    comment, with the lines that continue it after a backslash.
    """
    if "ssem:" not in text:
        return []
    found = []
    lines = text.split("\n")
    offset = 0
    beyond = _lines_beyond_comments(lines)
    for number, line in enumerate(lines, 1):
        if match := _COMMENT.search(line):
            first = last = number
            if not line[: match.start()].strip():
                first = beyond[number - 1] or number
                last = first
                while last < len(lines) and lines[last - 1].rstrip().endswith("\\"):
                    last += 1
            codes = tuple(code.strip() for code in (match["codes"] or "").split(",") if code.strip())
            place = Location(number, match.start() + 1, offset + match.start(), offset + match.end())
            whole = match["form"] == "ignore-file"
            found.append(Comment(place, first, None if whole else last, codes, match["reason"].strip()))
        offset += len(line) + 1
    return found


def _lines_beyond_comments(lines: list[str]) -> list[int | None]:
    """Of each line, the number of the next one that is not a comment; None where there is none."""
    found: list[int | None] = []
    after: int | None = None
    for number, line in reversed(list(enumerate(lines, 1))):
        found.append(after)
        if not line.lstrip().startswith("#"):
            after = number
    return found[::-1]


def silence(findings: Iterable[Finding], found: Sequence[Comment]) -> list[Finding]:
    """Mark the findings that a comment covers, and the comments as used."""
    result = []
    for finding in findings:
        for comment in found:
            if (selector := comment.covers(finding)) is not None:
                comment.used.add(selector)
                finding = replace(finding, suppressed=Suppression("comment", comment.reason))
                break
        result.append(finding)
    return result


# -- the baseline ------------------------------------------------------------------------------------------------

_VERSION = 1
_MOST_BYTES = 50_000_000


class Baseline:
    """Findings accepted once, by file, rule and key: they may be fewer later, not more."""

    def __init__(self, path: Path, accepted: Counter[tuple[str, str, str]]) -> None:
        self.path, self.root, self.accepted = path, path.parent.resolve(), accepted
        self._used: Counter[tuple[str, str, str]] = Counter()

    @classmethod
    def read(cls, path: Path) -> Baseline:
        import json

        try:
            content = json.loads(read_bytes(path, _MOST_BYTES).decode())
            if content["version"] != _VERSION:
                raise ValueError("made by another version")
            entries: list[dict[str, Any]] = content["findings"]
            accepted = Counter({(e["path"], e["rule"], e["key"]): int(e["count"]) for e in entries})
            if not all(isinstance(part, str) and "\0" not in part for entry in accepted for part in entry):
                raise ValueError("an entry is not text")
        except OSError as error:
            raise AdvisorError(
                f"baseline {path}: {error.strerror or error}; create it with --write-baseline"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise AdvisorError(f"baseline {path}: not a baseline; create it anew with --write-baseline") from error
        return cls(path, accepted)

    @classmethod
    def of(cls, path: Path, findings: Iterable[Finding]) -> Baseline:
        """A baseline that accepts exactly these findings."""
        made = cls(path, Counter())
        made.accepted = Counter(made.entry(finding) for finding in findings)
        return made

    def entry(self, finding: Finding) -> tuple[str, str, str]:
        return (self.relative(Path(finding.path)), finding.rule.code, finding.key)

    def relative(self, path: Path) -> str:
        """The path from the baseline's folder, the same on every machine."""
        return Path(os.path.relpath(path.resolve(), self.root)).as_posix()

    def silence(self, findings: Iterable[Finding]) -> list[Finding]:
        """Mark the findings of one document that are accepted. Asking twice about a document changes nothing."""
        result = []
        used: Counter[tuple[str, str, str]] = Counter()
        for finding in findings:
            if finding.suppressed is None and used[entry := self.entry(finding)] < self.accepted[entry]:
                used[entry] += 1
                finding = replace(finding, suppressed=Suppression("baseline", f"accepted in {self.path.name}"))
            result.append(finding)
        self._used |= used
        return result

    def stale(self, checked: set[str], whole: bool) -> list[tuple[str, str, str]]:
        """Entries of checked files that silenced nothing; with `whole` also those of files that are gone."""
        return [
            entry
            for entry, count in sorted(self.accepted.items())
            if count > self._used[entry] and (entry[0] in checked or (whole and not (self.root / entry[0]).exists()))
        ]

    def line_of(self, entry: tuple[str, str, str]) -> int:
        """The line of the file where the entry stands."""
        wanted = self._line(entry, 0).partition(', "count"')[0]
        lines = self.path.read_text(encoding="utf-8").split("\n")
        return next((n for n, line in enumerate(lines, 1) if wanted in line), 1)

    @staticmethod
    def _line(entry: tuple[str, str, str], count: int) -> str:
        import json

        path, rule, key = entry
        return json.dumps({"path": path, "rule": rule, "key": key, "count": count}, ensure_ascii=False)

    def text(self) -> str:
        """One entry a line, sorted, so that changes read well in a diff."""
        lines = ",\n    ".join(self._line(entry, count) for entry, count in sorted(self.accepted.items()))
        inner = f"\n    {lines}\n  " if lines else ""
        return f'{{\n  "version": {_VERSION},\n  "findings": [{inner}]\n}}\n'
