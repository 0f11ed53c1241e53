"""JUnit XML: one test case for each file and rule, so that what passed is shown as well."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from ssem_advisor.lint.checking import Report, Result
from ssem_advisor.lint.core import Rule, all_rules
from ssem_advisor.report.findings.text import summary

# Characters that XML 1.0 cannot carry, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TOTALS = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}


def render(report: Report) -> str:
    root = ET.Element("testsuites", {"name": "ssem-advisor"})
    for result in report.results:
        suite = ET.SubElement(root, "testsuite", {"name": _xml(result.path)})
        if result.document is not None and result.document.error is not None:
            case = _case(suite, result, "readable")
            ET.SubElement(case, "error", {"type": "unreadable", "message": _xml(result.document.error)})
        elif result.document is not None and not result.document.runs and not result.findings:
            case = _case(suite, result, "contrastive training")
            ET.SubElement(case, "skipped", {"message": "no contrastive training recognised"})
        else:
            for rule in all_rules():
                _judge(_case(suite, result, f"{rule.code} {rule.name}"), result, rule)
        _count(suite)
    ET.SubElement(ET.SubElement(root, "properties"), "property", {"name": "summary", "value": _xml(summary(report))})
    _count(root)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, result: Result, name: str) -> ET.Element:
    path = _xml(result.path)
    return ET.SubElement(suite, "testcase", {"classname": path, "name": name, "file": path})


def _judge(case: ET.Element, result: Result, rule: Rule) -> None:
    found = [finding for finding in result.findings if finding.rule is rule]
    active = [finding for finding in found if finding.suppressed is None]
    text = _xml("\n".join(f"{f.path}:{f.location.line}:{f.location.column}: {f.message}; {f.help}" for f in active))
    if any(finding.severity != "note" for finding in active):
        attributes = {"type": active[0].severity, "message": _xml(active[0].message)}
        ET.SubElement(case, "failure", attributes).text = text
    elif active:
        ET.SubElement(case, "system-out").text = text
    elif found:
        ET.SubElement(case, "skipped", {"message": "suppressed"})
    elif rule.fixable and result.undecided:
        ET.SubElement(case, "skipped", {"message": _xml(f"cannot decide: {result.undecided}")})


def _count(suite: ET.Element) -> None:
    for name, tag in _TOTALS.items():
        suite.set(name, str(sum(1 for _ in suite.iter(tag))))


def _xml(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
