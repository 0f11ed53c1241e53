"""SARIF 2.1.0, for code scanning. Suppressed findings stay in the file, marked as such."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from ssem_advisor import __version__
from ssem_advisor.lint.checking import Report
from ssem_advisor.lint.core import SEVERITIES, Finding, Rule, all_rules
from ssem_advisor.report.findings.text import summary

# Code scanning rejects a run with more results.
MOST_RESULTS = 25_000
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_KIND = {"comment": "inSource", "per-file-ignores": "external", "baseline": "external"}


def render(report: Report) -> str:
    rules = all_rules()
    index = {rule.code: number for number, rule in enumerate(rules)}
    # Stable: what counts most comes first, so that a cut never drops an error for a note.
    ordered = sorted(report.findings, key=lambda f: (f.suppressed is not None, -SEVERITIES.index(f.severity)))
    notes = [
        _notification(result.path, f"cannot decide: {result.undecided}", "note")
        for result in report.results
        if result.undecided
    ]
    notes += [
        _notification(result.path, f"could not be read: {result.document.error}", "warning")
        for result in report.results
        if result.document is not None and result.document.error is not None
    ]
    if (left := len(ordered) - MOST_RESULTS) > 0:
        notes.append({"level": "warning", "message": {"text": f"{left} results left out: a run holds {MOST_RESULTS}"}})
    run = {
        "tool": {
            "driver": {
                "name": "ssem-advisor",
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "properties": {"summary": summary(report)},
        "results": [_result(finding, index[finding.rule.code]) for finding in ordered[:MOST_RESULTS]],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": rule.severity},
        "properties": {"tags": ["contrastive-learning"], "theorem": rule.theorem or None},
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    place = finding.location
    region: dict[str, Any] = {"startLine": place.line, "startColumn": place.column}
    if place.end > place.start:
        region["charOffset"], region["charLength"] = place.start, place.end - place.start
    result: dict[str, Any] = {
        "ruleId": finding.rule.code,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": _sentences(finding)},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(finding.path), "region": region}}],
        # Code scanning matches alerts by the first name alone; the second says how ours is made.
        "partialFingerprints": {
            "primaryLocationLineHash": finding.fingerprint,
            "ruleAndKeyPath/v1": finding.fingerprint,
        },
        "properties": {"confidence": finding.confidence, "key": finding.key},
    }
    if finding.suppressed is not None:
        result["suppressions"] = [
            {"kind": _KIND[finding.suppressed.kind], "justification": finding.suppressed.reason or "no reason given"}
        ]
    return result


def _sentences(finding: Finding) -> str:
    parts = filter(None, (finding.message, finding.numbers, finding.help))
    return " ".join(f"{part[:1].upper() if number else part[:1]}{part[1:]}." for number, part in enumerate(parts))


def _notification(path: str, text: str, level: str) -> dict[str, Any]:
    return {
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(path)}}],
    }


def _artifact(path: str) -> dict[str, Any]:
    """A URI relative to the working folder, which is the root of the repository in CI."""
    pure = PurePath(path)
    if pure.is_absolute() and Path(path).is_relative_to(Path.cwd()):
        pure = PurePath(os.path.relpath(path))
    if pure.is_absolute():
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(pure.as_posix(), errors="surrogateescape")}
