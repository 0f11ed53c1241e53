"""The one way in which commands print: whatever a name, a value or a message holds, it is shown and not obeyed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import TextIO

import typer

from ssem_advisor import printing


def say(text: str) -> None:
    """The answer of a command, to stdout; ends with one line end."""
    safe = printing.json(text) if text.startswith(("{", "[")) else printing.lines(text)
    _write(safe, sys.stdout, colour=has_colour(), end="" if safe.endswith("\n") else "\n")


def emit(text: str) -> None:
    """A text that is safe already, to stdout as it is; whether to colour was decided before."""
    _write(text, sys.stdout, colour=True)


def emit_diff(text: str) -> None:
    """A diff, byte for byte where a program reads it; made safe for a person's terminal and for a workflow's log."""
    emit(printing.lines(text) if sys.stdout.isatty() or os.environ.get("GITHUB_ACTIONS") else text)


def tell(text: str) -> None:
    """A remark beside the answer, one line to stderr; broken between words where people see it."""
    line = printing.plain(text)
    if sys.stderr.isatty():
        line = "\n".join(printing.wrapped(line, columns(sys.stderr), rest="  "))
    _write(line, sys.stderr, colour=None, end="\n")


def has_colour() -> bool:
    """Whether stdout is shown in colour: a terminal that is not dumb, unless NO_COLOR or FORCE_COLOR says otherwise."""
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint() -> printing.Paint:
    """How to mark what a text means on this stdout."""
    return printing.coloured if has_colour() else printing.uncoloured


def columns(stream: TextIO | None = None) -> int:
    """How wide an answer may be: as the terminal, or as COLUMNS says; 40 at least and 120 at most."""
    import shutil

    if not (stream or sys.stdout).isatty() and not os.environ.get("COLUMNS"):
        return printing.WIDTH
    return min(max(shutil.get_terminal_size((printing.WIDTH, 24)).columns, 40), 120)


class Waiting:
    """A line on stderr that counts the seconds of a command that takes more than one; only where people see it.

    It is taken away before anything else is printed, and at the end.
    """

    patience = 1.0  # seconds before the line appears, and between its changes
    _now: Waiting | None = None

    def __init__(self, what: str) -> None:
        self.what = what
        self._begun = time.monotonic()
        self._shown = False
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Waiting:
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            Waiting._now = self
            self._thread = threading.Thread(target=self._count, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._stop()
            Waiting._now = None

    @classmethod
    def about(cls, what: str) -> None:
        """Say more exactly what takes so long."""
        if cls._now is not None:
            cls._now.what = what

    @classmethod
    def end(cls) -> None:
        """No more of it: the command shows its own progress."""
        if cls._now is not None:
            cls._now._stop()

    def _stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self.clear()

    def clear(self) -> None:
        with self.silent():
            pass

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Takes the line away, and writes none while something else is printed: it would erase a part of that."""
        with self._lock:
            if self._shown:
                sys.stderr.write("\r\033[K")
                sys.stderr.flush()
                self._shown = False
            yield

    def _count(self) -> None:
        while not self._over.wait(self.patience):
            with self._lock:
                line = f"{self.what}, {time.monotonic() - self._begun:.0f} s"
                sys.stderr.write(f"\r\033[K{_encodable(printing.plain(line), sys.stderr)[: columns(sys.stderr) - 1]}")
                sys.stderr.flush()
                self._shown = True


def _write(text: str, stream: TextIO, colour: bool | None, end: str = "") -> None:
    with nullcontext() if Waiting._now is None else Waiting._now.silent():
        typer.echo(_encodable(text + end, stream), file=stream, nl=False, color=colour)


def _encodable(text: str, stream: TextIO) -> str:
    return text.encode(stream.encoding, "backslashreplace").decode(stream.encoding) if stream.encoding else text
