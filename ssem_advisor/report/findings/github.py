"""Workflow commands: GitHub shows them as annotations of the changed lines."""

from __future__ import annotations

from ssem_advisor.lint.checking import Report
from ssem_advisor.lint.core import Finding
from ssem_advisor.printing import plain
from ssem_advisor.report.findings.text import summary

_COMMAND = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report) -> str:
    lines = []
    for finding in report.active:
        place = finding.location
        properties = {
            "file": finding.path,
            "line": place.line,
            "col": place.column,
            "title": f"{finding.rule.code} {finding.rule.name}",
        }
        shown = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
        lines.append(f"::{_COMMAND[finding.severity]} {shown}::{_message(_told(finding))}\n")
    if report.results:
        lines.append(f"::notice title=ssem-advisor::{_message(summary(report))}\n")
    return "".join(lines)


def _told(finding: Finding) -> str:
    return ". ".join(filter(None, (finding.message, finding.numbers, finding.help)))


def _message(text: str) -> str:
    shown = "".join(plain(c) if c not in "\r\n" and not c.isprintable() else c for c in text)
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
