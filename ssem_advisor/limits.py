"""Bounds on what one bad file may cost: processor time, and how much of a file is read at all."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOO_LARGE = "too large or too deep to read"
OWN_FAULT = "an error of ssem-advisor itself; please report it"
READ_SECONDS = 5.0
"""Processor time for reading one file, and again for checking it; a config of 1,000 values takes a tenth of it."""
DEBUG = bool(os.environ.get("SSEM_ADVISOR_DEBUG"))
"""Whether our own faults show their traceback instead of one line; the tests run so."""


class TooLong(BaseException):
    """The processor time of a block is spent. Not an Exception: no handler on the way may take it for its own."""


@contextmanager
def processor_time(seconds: float) -> Iterator[None]:
    """Raise TooLong inside the block once it has used so much processor time; waiting and other processes do not count.

    Only the main thread of a POSIX process can be interrupted so, and only where nobody else uses SIGPROF; elsewhere
    the block runs to its end, within the bounds of size and depth that its readers keep.
    """
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGPROF) is not signal.SIG_DFL
    ):
        yield
        return

    inside, over = True, False

    def spent(*_: Any) -> None:
        nonlocal over
        over = True
        if inside:
            raise TooLong

    signal.signal(signal.SIGPROF, spent)
    try:
        # Again after as long: Python drops what is raised in a callback of the garbage collector or in __del__.
        signal.setitimer(signal.ITIMER_PROF, seconds, seconds)
        yield
    except SystemError:  # what Python's own parser makes of an interruption
        if over:
            raise TooLong from None
        raise
    finally:
        inside = False
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """The bytes of a regular file of at most `most` bytes.

    Raises OSError, whose strerror says why not: devices and pipes, which may never end, are not read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(None, "is a folder" if Path(path).is_dir() else "is not a regular file", str(path))
    with open(path, "rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise OSError(None, f"larger than {most // 1_000_000} MB: {TOO_LARGE}", str(path))
    return data
