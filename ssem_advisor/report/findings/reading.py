"""What was read from where: every field of every run with its value, origin and place."""

from __future__ import annotations

from ssem_advisor.config import Document


def reading(document: Document) -> str:
    """A table for each run of a document."""
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
        widths = [max(len(row[column]) for row in rows) for column in range(6)] if rows else []
        for row in rows:
            lines.append("  " + "  ".join(part.ljust(width) for part, width in zip(row, widths, strict=True)).rstrip())
    return "\n".join(lines) + "\n"
