"""JSON, versioned: `ssem_advisor.documents.Check` describes it. Within a version fields are only ever added."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ssem_advisor import __version__
from ssem_advisor.config.model import TrainingRun, Value
from ssem_advisor.lint.checking import Report, Result
from ssem_advisor.lint.core import Finding
from ssem_advisor.report.findings.text import summary

if TYPE_CHECKING:
    from ssem_advisor.documents import Check, FieldRead, FileChecked, FindingShown, RunRead

# Of runs of several kinds the file takes the kind of the one that matters most.
_KINDS = ("supcon+self", "ce+supcon", "supcon", "self-only", "unknown", "not-contrastive")


def render(report: Report) -> str:
    active = report.active
    content: Check = {
        "version": 1,
        "tool": {"name": "ssem-advisor", "version": __version__},
        "files": [_file(result) for result in report.results],
        "summary": {
            "files": len(report.results),
            "recognised": report.counts["recognised"],
            "undecided": report.counts["undecided"],
            "not_read": report.counts["not_read"],
            "error": sum(f.severity == "error" for f in active),
            "warning": sum(f.severity == "warning" for f in active),
            "note": sum(f.severity == "note" for f in active),
            "suppressed": report.counts["suppressed"],
            "text": summary(report),
        },
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _file(result: Result) -> FileChecked:
    runs = result.document.runs if result.document else []
    relevant = [run for run in runs if run.kind != "not-contrastive"] or runs
    unread = result.document is not None and result.document.error is not None
    content: FileChecked = {
        "path": result.path,
        "kind": min(
            (run.kind for run in relevant), key=_KINDS.index, default="unknown" if unread else "not-contrastive"
        ),
        "fields": _fields(_agreed(relevant)),
        "missing": result.missing,
        "not_covered": result.not_covered,
        "doubts": result.doubts,
        "remarks": result.remarks,
        "witness": next((run.witness for run in relevant if run.witness), ""),
        "findings": [_finding(finding) for finding in result.active],
        "suppressed": [_finding(finding) for finding in result.suppressed],
    }
    if len(runs) > 1:
        content["runs"] = [_run(run) for run in runs]
    if result.document is not None:
        content["error"] = result.document.error
    return content


def _run(run: TrainingRun) -> RunRead:
    place = run.location
    return {
        "kind": run.kind,
        "dialect": run.dialect,
        "line": place.line if place else None,
        "fields": _fields(run.fields),
        "missing": run.missing,
    }


def _agreed(runs: list[TrainingRun]) -> dict[str, Value]:
    """The fields that all runs agree on: an ambiguous value is unknown."""
    if not runs:
        return {}
    first, *others = runs
    return {
        name: value
        for name, value in first.fields.items()
        if all(name in run.fields and run.fields[name].value == value.value for run in others)
    }


def _fields(fields: dict[str, Value]) -> dict[str, FieldRead]:
    shown: dict[str, FieldRead] = {}
    for name, found in fields.items():
        place = found.location
        shown[name] = {
            "value": _plain(found.value),
            "origin": found.origin,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "key": found.key,
        }
        if place and place.path:
            shown[name]["path"] = place.path.as_posix()
    return shown


def _finding(finding: Finding) -> FindingShown:
    place, silenced = finding.location, finding.suppressed
    content: FindingShown = {
        "code": finding.rule.code,
        "name": finding.rule.name,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "message": finding.message,
        "help": finding.help,
        "because": finding.because,
        "numbers": finding.numbers,
        "theorem": finding.rule.theorem or None,
        "path": finding.path,
        "line": place.line,
        "column": place.column,
        "key": finding.key,
        "run": finding.run,
        "fixable": finding.rule.fixable,
        "fingerprint": finding.fingerprint,
    }
    if silenced:
        content["suppressed"] = {"kind": silenced.kind, "reason": silenced.reason}
    return content


def _plain(value: Any) -> Any:
    """JSON has no NaN, no infinity and no tuple; what is no plain value is shown as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
