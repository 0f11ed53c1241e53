"""For people and agents: `file:line:column: CODE severity: what`, then why it is believed and what to do."""

from __future__ import annotations

from ssem_advisor.lint.core import Finding
from ssem_advisor.lint.run import Report
from ssem_advisor.printing import plain

_COLORS = {"error": "31", "warning": "33", "note": "36"}


def render(report: Report, color: bool = False) -> str:
    return "".join(_entry(finding, color) for finding in report.active)


def _entry(finding: Finding, color: bool) -> str:
    def paint(text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if color else text

    place = paint(plain(f"{finding.path}:{finding.location.line}:{finding.location.column}"), "1")
    label = paint(f"{finding.rule.code} {finding.severity}", f"1;{_COLORS[finding.severity]}")
    lines = [f"{place}: {label}: {plain(finding.message)} [{finding.rule.name}, {finding.confidence}]"]
    if finding.because:
        reasons = filter(None, (finding.rule.theorem, plain(finding.because)))
        lines.append(f"    because: {' at '.join(reasons)}")
    lines.append(f"    help: {plain(finding.help)}")
    return "\n".join(lines) + "\n"


def summary(report: Report) -> str:
    """One line for the end of the run."""
    active = report.active
    counts = [(sum(f.severity == severity for f in active), severity) for severity in ("error", "warning", "note")]
    parts = [_count(number, what) for number, what in counts if number] or ["no findings"]
    files = sum(result.document is not None for result in report.results)
    parts[-1] += f" in {_count(files, 'file')}"
    if undecided := sum(bool(result.undecided) for result in report.results):
        parts.append(f"{undecided} undecided")
    if silenced := len(report.findings) - len(active):
        parts.append(f"{silenced} suppressed")
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
