"""JSON, versioned: `schemas/check.schema.json` describes it. Within a version fields are only ever added."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from ssem_advisor import __version__
from ssem_advisor.config.model import Run, Value
from ssem_advisor.lint.checking import Report, Result
from ssem_advisor.lint.core import Finding
from ssem_advisor.report.findings.text import summary

VERSION = 1

# Of runs of several kinds the file takes the kind of the one that matters most.
_KINDS = ("supcon+self", "ce+supcon", "supcon", "self-only", "unknown", "not-contrastive")


def render(report: Report) -> str:
    active = report.active
    content = {
        "version": VERSION,
        "tool": {"name": "ssem-advisor", "version": __version__},
        "files": [_file(result) for result in report.results],
        "summary": {
            "files": len(report.results),
            "error": sum(f.severity == "error" for f in active),
            "warning": sum(f.severity == "warning" for f in active),
            "note": sum(f.severity == "note" for f in active),
            **{name: count for name, count in report.counts.items() if name != "files"},
            "text": summary(report),
        },
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _file(result: Result) -> dict[str, Any]:
    runs = result.document.runs if result.document else []
    relevant = [run for run in runs if run.kind != "not-contrastive"] or runs
    unread = result.document is not None and result.document.error is not None
    content: dict[str, Any] = {
        "path": result.path,
        "kind": min(
            (run.kind for run in relevant), key=_KINDS.index, default="unknown" if unread else "not-contrastive"
        ),
        "fields": _fields(_agreed(relevant)),
        "missing": result.missing,
        "not_covered": result.not_covered,
        "doubts": result.doubts,
        "witness": next((run.witness for run in relevant if run.witness), ""),
        "findings": [_finding(finding) for finding in result.active],
        "suppressed": [_finding(finding) for finding in result.suppressed],
    }
    if len(runs) > 1:
        content["runs"] = [_run(run) for run in runs]
    if result.document is not None:
        content["error"] = result.document.error
    return content


def _run(run: Run) -> dict[str, Any]:
    place = run.location
    return {
        "kind": run.kind,
        "dialect": run.dialect,
        "line": place.line if place else None,
        "fields": _fields(run.fields),
        "missing": run.missing,
    }


def _agreed(runs: list[Run]) -> dict[str, Value]:
    """The fields that all runs agree on: an ambiguous value is unknown."""
    if not runs:
        return {}
    first, *others = runs
    return {
        name: value
        for name, value in first.fields.items()
        if all(name in run.fields and run.fields[name].value == value.value for run in others)
    }


def _fields(fields: dict[str, Value]) -> dict[str, Any]:
    shown = {}
    for name, found in fields.items():
        place = found.location
        shown[name] = {
            "value": _plain(found.value),
            "origin": found.origin,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "key": found.key,
        } | ({"path": place.path.as_posix()} if place and place.path else {})
    return shown


def _finding(finding: Finding) -> dict[str, Any]:
    place, silenced = finding.location, finding.suppressed
    return {
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
    } | ({"suppressed": {"kind": silenced.kind, "reason": silenced.reason}} if silenced else {})


def _plain(value: Any) -> Any:
    """JSON has no NaN, no infinity and no tuple; what is no plain value is shown as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
