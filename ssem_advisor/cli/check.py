"""`ssem-advisor check`: the linter for training configs. Exit 0 clean, 1 findings, 2 could not run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from ssem_advisor import printing
from ssem_advisor.cli._output import columns, emit, emit_diff, has_colour, say, tell

if TYPE_CHECKING:
    from ssem_advisor.lint import Report, Session


class CheckFormat(StrEnum):
    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"
    junit = "junit"


class FailOn(StrEnum):
    error = "error"
    warning = "warning"
    note = "note"
    never = "never"


class Color(StrEnum):
    auto = "auto"
    always = "always"
    never = "never"


class Command(TyperCommand):
    """Remembers the order of --format and --output, so that a file belongs to the format named last before it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options = args[: args.index("--")] if "--" in args else args
        ctx.meta["order"] = [word for arg in options if (word := arg.partition("=")[0]) in ("--format", "--output")]
        return super().parse_args(ctx, args)


def check(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders or globs, or - for standard input. Default: the working folder.", show_default=False
        ),
    ] = None,
    formats: Annotated[
        list[CheckFormat] | None,
        typer.Option("--format", help="Output format. Can be repeated, each with its own --output."),
    ] = None,
    outputs: Annotated[
        list[Path] | None, typer.Option("--output", help="File for the format named before it. Default: stdout.")
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write the recommended alpha and temperature into the files.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what --fix would write, and write nothing.")] = False,
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select", help="Run only these rules: codes, beginnings of codes or names, separated by commas."
        ),
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Do not run these rules.")] = None,
    goal: Annotated[
        str | None,
        typer.Option("--goal", help="transfer or classification: how severe collapse is. No number changes."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Do not report the findings that this file accepts.")
    ] = None,
    write_baseline: Annotated[
        bool, typer.Option("--write-baseline", help="Accept all present findings in the baseline.")
    ] = False,
    require_decision: Annotated[
        bool,
        typer.Option("--require-decision", help="Exit with 1 if a config cannot be decided because a fact is missing."),
    ] = False,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="Lowest severity that makes the exit code 1.")
    ] = FailOn.warning,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 even if there are findings.")] = False,
    explain_file: Annotated[
        list[Path] | None,
        typer.Option("--explain-file", help="Show what was read and where it was found, without checking."),
    ] = None,
    color: Annotated[
        Color, typer.Option("--color", help="Whether to colour the text. NO_COLOR turns colour off.")
    ] = Color.auto,
) -> None:
    """Say whether training configs ask for class collapse.

    Exit codes: 0 clean, 1 findings (of at least --fail-on), 2 could not run.
    """
    from ssem_advisor.lint import Session
    from ssem_advisor.report.findings.text import summary

    targets = _targets(ctx, formats or [], outputs or [])
    session = Session(_split(select), _split(ignore), goal, baseline, use_baseline=not write_baseline)
    if explain_file:
        from ssem_advisor.report.findings.reading import reading

        documents = [session.read(path) for path in explain_file]
        documents += [result.document for result in session.broken() if result.document is not None]
        for document in documents:
            say(reading(document, columns()))
        if any(document.error is not None for document in documents):
            raise typer.Exit(2)
        return
    paths = paths or ["."]
    unwritten = _mend(session, paths, dry=diff) if fix or diff else False
    if diff:
        targets = [target for target in targets if target[1] is not None]
    report = session.check_paths(paths)
    if write_baseline:
        tell(f"ssem-advisor: wrote {session.write_baseline(report)}")
    unreadable = _tell(report, {*map(_shown, paths), *(result.path for result in session.broken())})
    _render(report, targets, color)
    tell(f"ssem-advisor: {summary(report)}")
    if unreadable or unwritten:
        raise typer.Exit(2)
    undecided = require_decision and any(result.undecided for result in report.results)
    failed = fail_on is not FailOn.never and report.fails(fail_on.value)  # type: ignore[arg-type]
    if (failed or undecided) and not exit_zero and not write_baseline:
        raise typer.Exit(1)


def _targets(ctx: typer.Context, formats: list[CheckFormat], outputs: list[Path]) -> list[tuple[str, Path | None]]:
    """Each format with its file, None for stdout; one format at most goes to stdout."""
    targets: list[tuple[str, Path | None]] = []
    left_formats, left_outputs = iter(formats), iter(outputs)
    for word in ctx.meta["order"]:
        if word == "--format":
            targets.append((next(left_formats).value, None))
            continue
        path = next(left_outputs)
        if not targets:
            targets.append(("text", None))
        if targets[-1][1] is not None:
            raise typer.BadParameter(f"{path}: no --format is left for it; write --format F --output FILE")
        targets[-1] = (targets[-1][0], path)
    if sum(path is None for _, path in targets) > 1:
        raise typer.BadParameter("one format can go to stdout; give the others an --output each")
    return targets or [("text", None)]


def _split(given: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for text in given or () for part in text.split(",") if part.strip())


def _mend(session: Session, paths: list[str], dry: bool) -> bool:
    """Mend the files, or show how. Returns whether one could not be written; the others are all the same."""
    from ssem_advisor.domain import AdvisorError
    from ssem_advisor.lint.fix import mend

    if "-" in paths and not dry:
        raise AdvisorError("--fix: standard input cannot be rewritten; use --diff, or give the file")
    failed = False
    for document in session.documents(paths):
        fixed = mend(document, session)
        for line in fixed.refusals:
            tell(f"ssem-advisor: {line}")
        if fixed.text != document.text:
            if dry:
                emit_diff(fixed.diff())
            else:
                try:
                    fixed.write()
                except AdvisorError as error:
                    failed = True
                    tell(f"ssem-advisor: {error}")
                else:
                    tell(f"ssem-advisor: {fixed.path}: set {', '.join(fixed.changes)}")
    return failed


def _shown(path: str) -> str:
    from ssem_advisor.lint.checking import shown

    return shown(Path(path))


def _tell(report: Report, named: set[str]) -> bool:
    """Say on stderr what could not be read or decided. Returns whether a file of these names could not be read."""
    from ssem_advisor.report.findings.text import undecided

    for line in undecided(report):
        tell(line)
    return any(result.document and result.document.error and result.path in named for result in report.results)


def _render(report: Report, targets: list[tuple[str, Path | None]], color: Color) -> None:
    from ssem_advisor.files import write_atomically
    from ssem_advisor.report.findings import render

    for form, path in targets:
        if path is None:
            _show(render(report, form, color=_colored(color), width=_width()), form)
        else:
            write_atomically(path, render(report, form).encode("utf-8", "backslashreplace"))


def _show(text: str, form: str) -> None:
    """To stdout: workflow commands where they are the format, what others wrote made harmless in the rest."""
    safe = {"json": printing.json, "sarif": printing.json, "junit": printing.xml}
    if text:
        emit(safe[form](text) if form in safe else text)


def _width() -> int | None:
    """Of the terminal, if the answer goes to one; a program that reads it wants a finding's parts on one line each."""
    import sys

    return columns() if sys.stdout.isatty() else None


def _colored(color: Color) -> bool:
    return has_colour() if color is Color.auto else color is Color.always
