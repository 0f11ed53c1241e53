"""Which files to read, and their text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from glob import glob, has_magic
from pathlib import Path

from ssem_advisor.config.own import OwnConfig
from ssem_advisor.config.tree import Unreadable
from ssem_advisor.domain import AdvisorError
from ssem_advisor.limits import read_bytes

MAX_BYTES = 1_000_000
SUFFIXES = {
    ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml", ".py": "python", ".sh": "shell",
    ".bash": "shell", ".zsh": "shell", ".sbatch": "shell", ".slurm": "shell", ".pbs": "shell", ".lsf": "shell",
    ".md": "other", ".markdown": "other", ".rst": "other",
}  # fmt: skip
_SKIPPED = frozenset(
    [
        ".git",
        ".hg",
        ".svn",
        ".tox",
        ".nox",
        ".venv",
        "venv",
        "env",
        ".env",
        "node_modules",
        "__pycache__",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".hydra",
        "multirun",
        ".eggs",
        "site-packages",
        "dist",
        "build",
        ".idea",
        ".vscode",
        ".ipynb_checkpoints",
        "wandb",
        "mlruns",
        ".dvc",
    ]
)


def is_read(path: Path) -> bool:
    """Whether files of this suffix are read; one without a suffix is judged by its content."""
    return not path.suffix or path.suffix.lower() in SUFFIXES


def collect(paths: Iterable[str | Path], own: OwnConfig | None = None) -> Iterator[Path]:
    """The files to check, in a stable order, each once: files as given, folders and globs searched.

    Folders are searched for the suffixes we read; environments, version control and build folders are skipped, links
    to folders are not followed. `-` stands for standard input. Raises AdvisorError for a path that does not exist.
    """
    seen: set[str] = set()
    own = own or OwnConfig()
    for given in paths:
        if str(given) == "-":
            candidates: Iterable[Path] = [Path("-")]
        elif Path(given).is_dir():
            candidates = _walk(Path(given), own)
        elif os.path.lexists(given):
            candidates = [Path(given)]
        elif has_magic(str(given)):
            found = sorted(glob(str(given), recursive=True))
            if not found:
                raise AdvisorError(f"{given}: matches no file; check the pattern")
            candidates = (
                path for name in found for path in (_walk(Path(name), own) if os.path.isdir(name) else [Path(name)])
            )
        else:
            raise AdvisorError(f"{given}: no such file or folder; check the path")
        for path in candidates:
            key = os.path.abspath(path)
            if key not in seen:
                seen.add(key)
                yield path


def _walk(folder: Path, own: OwnConfig) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name for name in folders if name not in _SKIPPED and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted(names):
            path = here / name
            suffix = path.suffix.lower()
            if suffix not in SUFFIXES or name.endswith((".min.json", "-lock.json", ".lock")):
                continue
            if name in ("package.json", "pyproject.toml", "ssem-advisor.toml", "pnpm-lock.yaml"):
                continue
            if any(own.matches(path, pattern) or fnmatch(name, pattern) for pattern in own.exclude):
                continue
            try:
                if not path.is_file() or path.stat().st_size > MAX_BYTES:
                    continue
            except OSError:
                continue
            yield path


def load_text(path: Path) -> tuple[str, str]:
    """The text of a file, without a byte order mark, and its encoding. Raises Unreadable."""
    try:
        return decode(read_bytes(path, MAX_BYTES))
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise Unreadable(str(getattr(error, "strerror", None) or error)) from error


def decode(data: bytes) -> tuple[str, str]:
    """Text and encoding of bytes: UTF-8 with or without mark, UTF-16 with mark, Latin-1 for stray bytes."""
    if len(data) > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES // 1_000_000} MB: not a training config")
    encodings = ["utf-8-sig"] if data.startswith(b"\xef\xbb\xbf") else ["utf-8"]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in data:
        raise Unreadable("is binary")
    for encoding in (*encodings, "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise Unreadable("is binary")
        return text, encoding
    raise Unreadable("is not text")
