"""`ssem-advisor check`: the linter for training configs. Exit 0 clean, 1 findings, 2 could not run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

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
        list[str] | None, typer.Argument(help="Files, folders or globs; - for standard input.", show_default=False)
    ] = None,
    formats: Annotated[
        list[CheckFormat] | None, typer.Option("--format", help="Output format; repeatable, each with its --output.")
    ] = None,
    outputs: Annotated[
        list[Path] | None, typer.Option("--output", help="File for the format named before it, instead of stdout.")
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write the recommended alpha and temperature into the files.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what --fix would write, and write nothing.")] = False,
    select: Annotated[
        list[str] | None, typer.Option("--select", help="Run only these rules: codes, prefixes or names, with commas.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Leave these rules out.")] = None,
    goal: Annotated[
        str | None, typer.Option("--goal", help="What the embedding is for: transfer or classification.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Silence the findings that this file accepts.")
    ] = None,
    write_baseline: Annotated[
        bool, typer.Option("--write-baseline", help="Accept all present findings in the baseline.")
    ] = False,
    require_decision: Annotated[
        bool, typer.Option("--require-decision", help="Exit 1 where a fact is missing.")
    ] = False,
    fail_on: Annotated[FailOn, typer.Option("--fail-on", help="Least severity that exits 1.")] = FailOn.warning,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit 0 in spite of findings.")] = False,
    explain_file: Annotated[
        list[Path] | None, typer.Option("--explain-file", help="Show what was read from where, and check nothing.")
    ] = None,
    color: Annotated[Color, typer.Option("--color", help="Colour of text; NO_COLOR is honoured.")] = Color.auto,
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
        for document in documents:
            _write(reading(document))
        if any(document.error is not None for document in documents):
            raise typer.Exit(2)
        return
    if not paths:
        raise typer.BadParameter("give files, folders or globs, or - for standard input", param_hint="PATHS")
    if fix or diff:
        _mend(session, paths, dry=diff)
        if diff:
            targets = [target for target in targets if target[1] is not None]
    report = session.run(paths)
    if write_baseline:
        typer.echo(f"ssem-advisor: wrote {session.write_baseline(report)}", err=True)
    unreadable = _tell(report, paths)
    _render(report, targets, color)
    typer.echo(f"ssem-advisor: {summary(report)}", err=True)
    if unreadable:
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


def _mend(session: Session, paths: list[str], dry: bool) -> None:
    from ssem_advisor.domain import AdvisorError
    from ssem_advisor.lint.fix import mend

    if "-" in paths and not dry:
        raise AdvisorError("--fix: standard input cannot be rewritten; use --diff, or give the file")
    for document in session.documents(paths):
        fixed = mend(document, session)
        for line in fixed.refusals:
            typer.echo(f"ssem-advisor: {line}", err=True)
        if fixed.text != document.text:
            if dry:
                _write(fixed.diff())
            else:
                fixed.write()
                typer.echo(f"ssem-advisor: {fixed.path}: set {', '.join(fixed.changes)}", err=True)


def _tell(report: Report, paths: list[str]) -> bool:
    """Say on stderr what could not be read or decided. Returns whether a file given by name could not be read."""
    from ssem_advisor.lint.run import shown
    from ssem_advisor.report.findings.text import plain

    named = {shown(Path(path)) for path in paths}
    failed = False
    for result in report.results:
        if result.document is not None and result.document.error is not None:
            typer.echo(plain(f"{result.path}: could not be read: {result.document.error}"), err=True)
            failed = failed or result.path in named
        elif result.undecided:
            typer.echo(plain(f"{result.path}: cannot decide: {result.undecided}"), err=True)
    return failed


def _render(report: Report, targets: list[tuple[str, Path | None]], color: Color) -> None:
    from ssem_advisor.files import write_atomically
    from ssem_advisor.report.findings import render

    for form, path in targets:
        if path is None:
            _write(render(report, form, color=_colored(color)))
        else:
            write_atomically(path, render(report, form).encode("utf-8", "backslashreplace"))


def _write(text: str) -> None:
    """To stdout, whatever characters a file name or a value holds."""
    import sys

    if sys.stdout.encoding:
        text = text.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding)
    typer.echo(text, nl=False, color=True)  # whether to colour is decided elsewhere


def _colored(color: Color) -> bool:
    import os
    import sys

    if color is not Color.auto:
        return color is Color.always
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
