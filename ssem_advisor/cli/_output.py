"""The one way in which commands print: whatever a name, a value or a message holds, it is shown and not obeyed."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import typer

from ssem_advisor import printing


def say(text: str) -> None:
    """The answer of a command, to stdout; ends with one line end."""
    safe = printing.json(text) if text.startswith(("{", "[")) else printing.lines(text)
    typer.echo(_encodable(safe, sys.stdout), nl=not safe.endswith("\n"))


def emit(text: str) -> None:
    """A text that is safe already, to stdout as it is; whether to colour was decided before."""
    typer.echo(_encodable(text, sys.stdout), nl=False, color=True)


def emit_diff(text: str) -> None:
    """A diff, byte for byte where a program reads it; made safe for a person's terminal and for a workflow's log."""
    emit(printing.lines(text) if sys.stdout.isatty() or os.environ.get("GITHUB_ACTIONS") else text)


def tell(text: str) -> None:
    """A remark beside the answer, one line to stderr."""
    typer.echo(_encodable(printing.plain(text), sys.stderr), err=True)


def _encodable(text: str, stream: TextIO) -> str:
    return text.encode(stream.encoding, "backslashreplace").decode(stream.encoding) if stream.encoding else text
