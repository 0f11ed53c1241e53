"""For people and agents: `file:line:column: CODE severity: what`, the place itself, why it is believed, what to do."""

from __future__ import annotations

import textwrap
from pathlib import Path

from ssem_advisor.lint import remedy
from ssem_advisor.lint.checking import Report
from ssem_advisor.lint.core import Finding
from ssem_advisor.printing import plain

_COLORS = {"error": "31", "warning": "33", "note": "36"}
_LONGEST_EXCERPT = 160


def render(report: Report, color: bool = False, width: int | None = None) -> str:
    """width: of the terminal, to break lines between words; None = no break."""
    sources = {
        result.path: result.document.text for result in report.results if result.document and not result.document.error
    }
    return "".join(_entry(finding, sources.get(finding.path), color, width) for finding in report.active)


def _entry(finding: Finding, source: str | None, color: bool, width: int | None) -> str:
    def paint(text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if color else text

    place = plain(f"{finding.path}:{finding.location.line}:{finding.location.column}")
    label = f"{finding.rule.code} {finding.severity}"
    tags = [finding.rule.name] + ([finding.confidence] if finding.confidence != "stated" else [])
    tags += [f"theorem {finding.rule.theorem}"] if finding.rule.theorem else []
    head = _folded(f"{place}: {label}: {plain(finding.message)} [{', '.join(tags)}]", width, "    ")
    head = head.replace(place, paint(place, "1"), 1).replace(label, paint(label, f"1;{_COLORS[finding.severity]}"), 1)
    lines = [head, *_excerpt(finding, source, width)]
    if finding.root and finding.root != finding.path:
        lines.append(f"    in: {plain(finding.root)}")
    if finding.because:
        lines.append(_folded(f"    because: {plain(finding.because)}", width))
    if finding.numbers:
        lines.append(_folded(f"    numbers: {plain(finding.numbers)}", width))
    lines.append(_folded(f"    help: {plain(finding.help)}", width))
    return "\n".join(lines) + "\n"


def _folded(line: str, width: int | None, indent: str = "      ") -> str:
    if width is None:
        return line
    return textwrap.fill(
        line, max(width, 40), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
        drop_whitespace=True, replace_whitespace=False,
    )  # fmt: skip


def _excerpt(finding: Finding, source: str | None, width: int | None) -> list[str]:
    """The line of the place, with the place underlined; nothing where the text is not at hand."""
    place = finding.location
    if source is None or place.end <= place.start or place.path is not None:
        return []
    begin = source.rfind("\n", 0, place.start) + 1
    stop = source.find("\n", place.start)
    line = source[begin : len(source) if stop < 0 else stop].rstrip("\r")
    room = min(_LONGEST_EXCERPT, (width or _LONGEST_EXCERPT) - 8)
    if not line.isprintable() and line.replace("\t", "").isprintable():
        line = line.replace("\t", " ")
    column = place.start - begin
    if plain(line) != line or column >= room:  # a line that must be shown otherwise has no columns to point at
        return []
    length = max(1, min(place.end - place.start, len(line) - column, room - column))
    number = str(place.line)
    return [f"  {number} | {line[:room]}", f"  {' ' * len(number)} | {' ' * column}{'^' * length}"]


def undecided(report: Report) -> list[str]:
    """Lines on what could not be read or decided, on what would settle it, and on runs where nothing is wrong."""
    lines = [
        plain(f"{folder}: nothing to check: no file in it is of a kind that is read, or all are excluded")
        for folder in report.empty
    ]
    for result in report.results:
        document = result.document
        if document is not None and document.error is not None:
            lines.append(plain(f"{result.path}: could not be read: {document.error}"))
        elif result.undecided:
            lines.append(plain(f"{result.path}: cannot decide: {result.undecided}"))
            if result.to_add:
                lines.append(
                    "  to settle it, fill in ... and add to ssem-advisor.toml (in pyproject: under tool.ssem-advisor):"
                    if any(" = ... " in line for line in result.to_add)
                    else "  to settle it, add to ssem-advisor.toml (or the same under tool.ssem-advisor of pyproject):"
                )
                lines += [f"    {plain(line)}" for line in _standalone(result.to_add)]
        elif not result.is_config:
            suffix = Path(result.path).suffix
            lines.append(plain(f"{result.path}: not a config that is read: no training program keeps one in {suffix}"))
        lines += [plain(f"{result.path}:{remark}") for remark in result.remarks]
    return lines


def _standalone(lines: list[str]) -> list[str]:
    """The lines as a stand-alone file holds them, which has no [tool.ssem-advisor] around."""
    return [line.replace("[tool.ssem-advisor.", "[") if line.startswith("[") else line for line in lines]


def summary(report: Report) -> str:
    """One line for the end of the run: how many files, what was recognised in them, and what was found."""
    active, counted = report.active, report.counts
    parts = [f"{_count(counted['files'], 'file')}, {counted['recognised']} recognised"]
    if counted["undecided"]:
        needs = list(dict.fromkeys(name for result in report.results for name in result.missing))
        parts.append(f"{counted['undecided']} cannot tell" + (f": needs {remedy.in_words(needs)}" if needs else ""))
    if counted["not_read"]:
        parts.append(f"{counted['not_read']} not read")
    found = [(sum(f.severity == severity for f in active), severity) for severity in ("error", "warning", "note")]
    told = ", ".join(_count(number, what) for number, what in found if number) or "no findings"
    if counted["suppressed"]:
        told += f", {counted['suppressed']} suppressed"
    return f"{', '.join(parts)}; {told}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
