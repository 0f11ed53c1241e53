"""Writing files so that no reader meets half of one, and a failure leaves the old one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ssem_advisor.domain import AdvisorError


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends well, and leaves no trace when it does not.

    It has the permissions of the file it replaces, and behind a link replaces what the link points to. Raises OSError.
    """
    import tempfile

    target = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def write_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Replace the file at `path` by `content` in one step; AdvisorError, naming the path, if that cannot be done.

    A link, of the file or of a folder on the way, is followed only within the working folder, or for a path outside of
    it within the folder that the path names: what is checked may come from strangers, and must not choose the place.
    """
    named = os.path.abspath(path)
    inside = named.startswith(os.path.join(os.getcwd(), ""))
    root = os.path.realpath(os.getcwd() if inside else os.path.dirname(named))
    real = os.path.realpath(path)
    if os.path.commonpath([root, real]) != root:
        raise AdvisorError(f"{path}: is a link to {real}, outside the folder; give that path itself")
    if os.path.lexists(real) and not os.path.isfile(real):
        raise AdvisorError(f"{path}: is not a regular file; choose another")
    try:
        with replacing(path) as file:
            file.write(content)
    except OSError as error:
        raise AdvisorError(f"{path}: cannot be written ({error.strerror or error}); choose another file") from error
    return Path(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
