"""Writing a result so that a reader never meets half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ssem_advisor.domain import AdvisorError


def write_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Replace the file at `path` by `content` in one step; AdvisorError, naming the path, if that cannot be done."""
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            os.chmod(name, 0o644)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise AdvisorError(f"{target}: cannot be written ({error.strerror}); choose another file") from error
    return target
