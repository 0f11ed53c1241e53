"""Rules over documents: which rules run, what they find, which findings count, and what could not be decided."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from ssem_advisor.config.model import Document, Location
from ssem_advisor.config.sources import is_read
from ssem_advisor.domain import AdvisorError
from ssem_advisor.lint.core import (
    GOALS,
    SEVERITIES,
    Case,
    Finding,
    Rule,
    Severity,
    all_rules,
    rules_matching,
)
from ssem_advisor.lint.exceptions import comments, silence
from ssem_advisor.lint.remarks import remarks


@dataclass(frozen=True)
class Policy:
    """Which rules run for a file, and what the embedding is for: "transfer", "classification" or not said."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    goal: str | None = None

    def __post_init__(self) -> None:
        if self.goal is not None and self.goal not in GOALS:
            raise AdvisorError(f"goal={self.goal!r}: must be one of {', '.join(GOALS)}")
        for selector in (*self.select, *self.ignore):
            if not rules_matching(selector):
                raise AdvisorError(f"rule {selector!r}: unknown; `ssem-advisor rule --all` lists them")

    @property
    def rules(self) -> tuple[Rule, ...]:
        return _enabled(self.select, self.ignore)


@lru_cache(maxsize=64)
def _enabled(select: tuple[str, ...], ignore: tuple[str, ...]) -> tuple[Rule, ...]:
    chosen = [r for s in select for r in rules_matching(s)] if select else list(all_rules())
    dropped = {r.code for s in ignore for r in rules_matching(s)}
    return tuple(sorted((r for r in set(chosen) if r.code not in dropped), key=lambda r: r.code))


@dataclass
class Result:
    """What is said about one file. document is None for the project's own configuration files."""

    path: str
    document: Document | None
    findings: list[Finding] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    not_covered: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def undecided(self) -> str:
        """Why there is no verdict on some run, in words; empty if there is one on each."""
        reasons = [f"looks contrastive, cannot tell: {doubt}" for doubt in self.doubts]
        if self.missing and not (self.doubts and self.missing[0] == "kind"):
            beside = [*self._why_missing(), "add it under [tool.ssem-advisor]"]
            reasons.append(f"needs {', '.join(self.missing)} ({'; '.join(beside)})")
        return "; ".join(reasons + self.not_covered)

    def _why_missing(self) -> list[str]:
        """Where the file speaks of what is missing without giving one value."""
        runs = self.document.runs if self.document else []
        traps = dict.fromkeys(trap for run in runs for trap in run.unsettled(*self.missing))
        return [f"line {trap.location.line}: {trap.detail}" for trap in traps if trap.location is not None]

    @property
    def recognised(self) -> bool:
        """Whether the loss of some run is known."""
        return self.document is not None and any(run.kind != "unknown" and not run.doubt for run in self.document.runs)

    @property
    def is_config(self) -> bool:
        """Whether the file is of a kind that is read at all."""
        document = self.document
        return document is None or document.format != "other" or bool(document.runs) or is_read(document.path)

    @property
    def to_add(self) -> list[str]:
        """The lines of the own configuration that would settle what is missing, with a blank to fill in in each."""
        wanted = [name for name in self.missing if name in _TO_ADD] or (["kind"] if self.doubts else [])
        if not wanted:
            return []
        table, lines = f'[tool.ssem-advisor.per-file."{self.path}".', []
        if "alpha" in wanted and (key := self._unread_weight()):
            wanted.remove("alpha")
            told = f'alpha = ["{key}"]  # if it is the share of the self-supervised term'
            lines = [f"{table}fields]", told]
        return [*lines, *([f"{table}defaults]"] if wanted else []), *(f"{name} = {_TO_ADD[name]}" for name in wanted)]

    def _unread_weight(self) -> str:
        """The key of an alpha or of a lone weight, left unread because only the source says what it weighs."""
        runs = self.document.runs if self.document else []
        keys = {trap.key.lstrip("-") for run in runs for trap in run.traps if trap.name == "false-friend"}
        keys |= {run.lone_weight.lstrip("-") for run in runs if run.lone_weight}
        return keys.pop() if len(keys) == 1 else ""

    @property
    def active(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.suppressed is None]

    @property
    def suppressed(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.suppressed is not None]


@dataclass
class Report:
    """The results of all files, in the order they were checked. empty: folders that hold nothing to check."""

    results: list[Result]
    empty: tuple[str, ...] = ()

    @property
    def findings(self) -> list[Finding]:
        """Every finding once, suppressed ones included: each user of a shared base file reports the values in it."""
        return _once(finding for result in self.results for finding in result.findings)

    @property
    def active(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.suppressed is None]

    @property
    def counts(self) -> dict[str, int]:
        """Files, those whose loss was recognised, those left undecided or not read, and silenced findings."""
        files = [result for result in self.results if result.document is not None]
        return {
            "files": len(files),
            "recognised": sum(result.recognised for result in files),
            "undecided": sum(bool(result.undecided) for result in files),
            "not_read": sum(
                not result.is_config or bool(result.document and result.document.error) for result in files
            ),
            "suppressed": len(self.findings) - len(self.active),
        }

    def fails(self, least: Severity) -> bool:
        """Whether a finding of at least this severity counts."""
        return any(SEVERITIES.index(f.severity) >= SEVERITIES.index(least) for f in self.active)


def check_document(document: Document, policy: Policy, path: str | None = None) -> Result:
    """Every rule over every run of a document; suppression comments are honoured, and judged."""
    result = Result(path or document.path.as_posix(), document)
    if document.error is not None:
        return result
    found: list[Finding] = []
    for number, run in enumerate(document.runs):
        case = Case(document, run, policy.goal)
        said = list(_findings(case, policy.rules, result.path, number))
        found += said
        case.verdict  # noqa: B018  (says what is missing, whichever rules are selected)
        _add(result.missing, run.missing if run.kind == "unknown" else case.missing)
        _add(result.not_covered, case.not_covered)
        _add(result.doubts, [run.doubt] if run.doubt else [])
        _add(result.remarks, remarks(case))
    found = _numbered(_once(found))
    told = comments(document.text)
    found = silence(found, told)
    unused = next((r for r in policy.rules if r.name == "unused-suppression"), None)
    if unused is not None and not result.undecided:
        for comment in told:
            for problem in comment.problems(policy.rules):
                found.append(plain_finding(unused, result.path, problem, "remove it", comment.location))
    result.findings = sorted(found, key=lambda f: (f.location.line, f.location.column, f.rule.code))
    return result


# A blank in place of each value: one made up here would decide the verdict if the lines were copied as they are.
_TO_ADD = {
    "kind": '...  # "supcon", "supcon+self", "ce+supcon", "self-only" or "not-contrastive"',
    "alpha": "...  # your weight: the share of the self-supervised term, 0 to 1",
    "temperature": "...  # of the softmax",
    "classes": "...  # in the training data",
    "batch_size": "...  # instances, not views",
    "batch_scope": '...  # "device" or "total": what the batch size counts',
    "gather": "...  # true or false: whether the devices share their embeddings",
    "views": "...  # augmented views of each instance",
}


def _add(names: list[str], more: Iterable[str]) -> None:
    names += [name for name in dict.fromkeys(more) if name not in names]


def _findings(case: Case, rules: Iterable[Rule], path: str, run: int) -> Iterable[Finding]:
    for rule in rules:
        for said in rule.check(case):
            location, key = case.place(said.at, rule.uses)
            yield Finding(
                rule=rule,
                path=path if location.path is None else shown(location.path),
                severity=said.severity or rule.severity,
                confidence=case.confidence(rule.uses),
                message=said.message,
                help=said.help,
                because=said.because or case.grounds(*rule.uses),
                numbers=said.numbers,
                root=path if location.path is not None else "",
                key=key,
                location=location,
                run=run,
            )


def shown(path: Path) -> str:
    """The path from the working folder where the file lies under it, with forward slashes."""
    absolute = os.path.abspath(path)
    inside = os.path.relpath(absolute) if absolute.startswith(os.getcwd() + os.sep) else str(path)
    return Path(inside).as_posix()


def plain_finding(rule: Rule, path: str, message: str, remedy: str, location: Location, key: str = "") -> Finding:
    """A finding about a file rather than a run."""
    return Finding(rule, path, rule.severity, "stated", message, remedy, key=key, location=location)


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Runs that share a value, as those of a loop, share what is said about it."""
    kept: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        place = finding.location
        key = "" if place.end > place.start else finding.key  # the key path of an included file depends on its root
        name: tuple[object, ...] = (finding.rule.code, finding.path, place.start, place.line, key)
        other = kept.get(name)
        if other is None or (other.message != finding.message and not finding.root and not other.root):
            name = name if other is None else (*name, finding.message)
            kept.setdefault(name, finding)
        elif len(finding.numbers) > len(other.numbers):  # the root of an include knows more than the file alone
            kept[name] = finding
    return list(kept.values())


def _numbered(findings: list[Finding]) -> list[Finding]:
    """Findings of one rule about one key, as in several launch lines, told apart by their order."""
    seen: Counter[tuple[str, str, str]] = Counter()
    numbered = []
    for finding in findings:
        name = (finding.path, finding.rule.code, finding.key)
        numbered.append(replace(finding, occurrence=seen[name]))
        seen[name] += 1
    return numbered
