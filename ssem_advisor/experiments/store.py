"""The folder of a study: what was asked, on what machine, what came out, and where to go on after an interruption.

    config.json         the protocols; a folder holds one study and resumes only that
    environment.json    versions and machine
    runs.jsonl          one line per trained model or minimised point
    results/            the same by task, written whole when a task is done; the truth on resume
    checkpoints/        the state of unfinished tasks
    features-N.pt       image features of protocol N, where it trains on such
    embeddings/         with --keep-embeddings: the embeddings that were measured, as .npz files
    report.json, .txt, .html
    lock                held by the process that works in the folder

Every file is written to a temporary name and renamed. A full disk costs the files, never the results: they stay in
memory. What cannot be read is said and done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ssem_advisor import __version__
from ssem_advisor.domain import AdvisorError
from ssem_advisor.files import replacing

if TYPE_CHECKING:
    from torch import Tensor

    from ssem_advisor.documents import RunRecorded


T = TypeVar("T")
UNREADABLE = (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, AdvisorError)
"""What reading a damaged file raises."""


def write_text(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())


class Store:
    """Reads and writes the folder of a study; shared by the process that plans and those that train."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warn: Callable[[str], None] = lambda message: None
        self._lock: int | None = None

    def open(self, config: dict[str, Any]) -> None:
        """Make the folder, or take up the study that it holds, until `close`.

        Raises AdvisorError if it holds another one, or another process works in it.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in ("results", "checkpoints", "progress"):
                (self.folder / name).mkdir(exist_ok=True)
        except OSError as error:
            raise AdvisorError(f"--output {self.folder}: cannot be used as a folder ({error.strerror})") from error
        if os.environ.get("RANK", "0") == "0":  # the other processes of torchrun share the folder of the first
            self._hold()
        path = self.folder / "config.json"
        if path.exists():
            if _load(path) != json.loads(json.dumps(config)):
                raise AdvisorError(f"--output {self.folder}: holds the study of another protocol; give another folder")
        else:
            self._attempt(path, lambda: write_text(path, json.dumps(config, indent=2) + "\n"))
            place = self.folder / "environment.json"
            self._attempt(place, lambda: write_text(place, json.dumps(environment(), indent=2) + "\n"))
        with contextlib.suppress(OSError):
            (self.folder / "stop").unlink()
        if self.stopping:
            self.close()
            raise AdvisorError(f"--output {self.folder}: asks to stop, and `stop` in it cannot be removed; remove it")

    def close(self) -> None:
        """Let other processes work in the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _hold(self) -> None:
        """Lock the folder. The system takes the lock back from a process that ends, however it ends."""
        try:
            import fcntl
        except ModuleNotFoundError:  # Windows
            return
        try:
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:  # nobody works in a folder in which nobody can write
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.write(lock, str(os.getpid()).encode())
        except BlockingIOError:
            owner = os.read(lock, 20).decode("ascii", "replace")
            os.close(lock)
            raise AdvisorError(
                f"--output {self.folder}: process {owner} works in this folder; wait for it, or give another folder"
            ) from None
        except OSError:  # a file system without locks, or without room
            pass
        self._lock = lock

    # -- results -------------------------------------------------------------------------------------------------------

    def results(self, key: str, read: Callable[[Any], T]) -> T | None:
        """What `read` makes of the records of a finished task; None where there are none, or none that it can read."""
        path = self.folder / "results" / f"{key}.json"
        if not path.exists():
            return None
        try:
            return read(json.loads(path.read_text(encoding="utf-8")))
        except UNREADABLE as error:
            self.warn(f"{path}: not the results of this task ({_reason(error)}); it is done again")
            return None

    def finish(self, key: str, records: Sequence[RunRecorded]) -> None:
        path = self.folder / "results" / f"{key}.json"
        self._attempt(path, lambda: write_text(path, json.dumps(records)))
        for leftover in ("checkpoints", "progress"):
            with contextlib.suppress(OSError):
                (self.folder / leftover / key).unlink()

    def keep_embeddings(self, name: str, views: Tensor, labels: Tensor, fine_labels: Tensor) -> None:
        """Write embeddings/NAME.npz, as `measure` reads it. views: (instances, views, dim)."""
        import numpy as np

        def write() -> None:
            path.parent.mkdir(exist_ok=True)
            arrays = {"embeddings": views.float(), "labels": labels, "fine_labels": fine_labels}
            with replacing(path) as file:
                np.savez(file, **{key: value.cpu().numpy() for key, value in arrays.items()})  # type: ignore[arg-type]

        path = self.folder / "embeddings" / f"{name}.npz"
        self._attempt(path, write)

    def write_runs(self, records: Sequence[RunRecorded]) -> None:
        path = self.folder / "runs.jsonl"
        self._attempt(path, lambda: write_text(path, "".join(json.dumps(r) + "\n" for r in records)))

    def write_reports(self, reports: dict[str, str]) -> None:
        """reports: file name -> text."""
        for name, text in reports.items():
            path = self.folder / name
            self._attempt(path, lambda path=path, text=text: write_text(path, text))  # type: ignore[misc]

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def save(self, key: str, state: dict[str, Any]) -> None:
        import torch

        def write() -> None:
            stream = io.BytesIO()
            torch.save(state, stream)
            content = stream.getvalue()
            with replacing(self.folder / "checkpoints" / key) as file:
                file.write(content + hashlib.sha256(content).digest())

        self._attempt(self.folder / "checkpoints" / key, write)

    def restore(self, key: str, alphas: Sequence[float]) -> dict[str, Any] | None:
        """The last checkpoint of a task with these weights; None where there is none, or none as it was written."""
        import torch

        path = self.folder / "checkpoints" / key
        if not path.exists():
            return None
        try:
            data = path.read_bytes()
            content, digest = data[:-32], data[-32:]
            if hashlib.sha256(content).digest() != digest:
                raise ValueError("damaged")
            state = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
            if state["alphas"] != list(alphas):
                raise ValueError("of other weights")
        except UNREADABLE as error:
            self.warn(f"{path}: not a checkpoint of this task ({_reason(error)}); it starts again")
            return None
        return state  # type: ignore[no-any-return]

    # -- progress and stopping -----------------------------------------------------------------------------------------

    def report_progress(self, key: str, share: float) -> None:
        with contextlib.suppress(OSError):
            (self.folder / "progress" / key).write_text(f"{share:.6f}")

    def progress(self, key: str) -> float:
        try:
            share = float((self.folder / "progress" / key).read_text())
        except (OSError, ValueError):
            return 0.0
        return share if 0 <= share <= 1 else 0.0

    def ask_to_stop(self) -> None:
        with contextlib.suppress(OSError):
            (self.folder / "stop").touch()

    @property
    def stopping(self) -> bool:
        return (self.folder / "stop").exists()

    def _attempt(self, path: Path, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self.warn(f"{path}: not written ({error.strerror}); the results are kept in memory and in the report")


class Pulse:
    """What a training loop calls at every step: now and then it shows progress, saves, and looks whether to stop."""

    def __init__(self, store: Store, key: str, look: float = 0.5, save: float = 20.0) -> None:
        self.store, self.key, self.look, self.save = store, key, look, save
        self.looked = self.saved = time.monotonic()

    def __call__(self, share: float, state: Callable[[], dict[str, Any]] | None = None) -> bool:
        """True when the loop has to stop; its state is saved by then."""
        now = time.monotonic()
        if now - self.looked < self.look:
            return False
        self.looked = now
        self.store.report_progress(self.key, share)
        stop = self.store.stopping
        if state is not None and (stop or now - self.saved > self.save):
            self.store.save(self.key, state())
            self.saved = time.monotonic()
        return stop


def environment() -> dict[str, Any]:
    """Versions and machine, for the record."""
    packages = {}
    for name in ("torch", "numpy", "scipy", "scikit-learn"):
        with contextlib.suppress(PackageNotFoundError):
            packages[name] = version(name)
    return {
        "ssem-advisor": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "packages": packages,
    }


def _processor() -> str:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            for line in Path("/proc/cpuinfo").read_text().splitlines():
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except UNREADABLE as error:
        raise AdvisorError(f"{path}: not readable ({_reason(error)}); remove it or give another --output") from error


def _reason(error: BaseException) -> str:
    return " ".join(f"{getattr(error, 'strerror', None) or error or type(error).__name__}".split())[:200]
