"""What was read from where: every field of every run with its value, origin and place."""

from __future__ import annotations

from ssem_advisor.config import Document
from ssem_advisor.printing import plain, table, wrapped


def reading(document: Document, width: int | None = None) -> str:
    """A table for each run of a document.

    width: of the terminal; a table wider than it is broken after the origins. None = no break.
    """
    if document.error is not None:
        return f"{document.path}: could not be read: {document.error}\n"
    if not document.runs:
        return f"{document.path}: {document.format}: nothing about contrastive training\n"
    lines = []
    for run in document.runs:
        line = run.location.line if run.location else 1
        lines.append(f"{document.path}:{line}: {run.kind} ({run.dialect}, {document.format})")
        rows: list[tuple[str, ...]] = []
        for name, found in sorted(run.fields.items()):
            place = found.location
            where = ""
            if place is not None:
                where = f"{place.path.as_posix()}:" if place.path else "line "
                where += f"{place.line}, column {place.column}"
            rows.append((name, str(found.value), str(found.origin), where, found.key, found.reason))
        rows += [("", "", "missing", "", name, "") for name in run.missing]
        for trap in run.traps:
            where = f"line {trap.location.line}" if trap.location else ""
            rows.append(("", "", trap.name, where, trap.key, trap.detail))
        lines += _laid_out(rows, width)
    return "\n".join(lines) + "\n"


def _laid_out(rows: list[tuple[str, ...]], width: int | None) -> list[str]:
    if not rows:
        return []
    rows = [tuple(map(plain, row)) for row in rows]
    whole = table(rows, indent="  ")
    if width is None or max(map(len, whole)) <= width:
        return whole
    begins = table([(*row[:3], "") for row in rows], indent="  ")
    margin = 4 + sum(max(len(row[column]) for row in rows) + 2 for column in range(2))
    longest = max(map(len, begins))
    lines = []
    for begin, row in zip(begins, rows, strict=True):
        rest = ", ".join(part for part in row[3:] if part)
        lines += wrapped(rest, width, first=begin.ljust(longest) + "  ", rest=" " * margin)
    return lines
