"""Where tasks run: in this process, in processes of this machine, or on a cluster."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from ssem_advisor.domain import AdvisorError


class _InPlace(concurrent.futures.Executor):
    """Runs a task when it is submitted, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Processes:
    """Worker processes. One that dies ends the tasks of all of them with BrokenExecutor; the next one starts anew."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._pool = self._start()

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> concurrent.futures.Future[Any]:
        try:
            return self._pool.submit(fn, *args)
        except concurrent.futures.BrokenExecutor:
            self.shutdown()
            self._pool = self._start()
            return self._pool.submit(fn, *args)

    def shutdown(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self) -> concurrent.futures.ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return concurrent.futures.ProcessPoolExecutor(
            self.jobs, mp_context=spawn, initializer=_settle, initargs=(os.getpid(),)
        )


@contextlib.contextmanager
def executor_of(kind: str, jobs: int, folder: Path) -> Iterator[Any]:
    if kind == "process" and jobs == 0:
        before = torch.get_num_threads()
        torch.set_num_threads(threads_of_each(jobs))
        try:
            yield _InPlace()
        finally:
            torch.set_num_threads(before)
    elif kind == "process":
        pool = Processes(jobs)
        try:
            yield pool
        finally:
            pool.shutdown()
    else:
        try:
            import submitit
        except ModuleNotFoundError:
            raise AdvisorError(f"--executor {kind}: needs submitit: pip install submitit") from None
        cluster = submitit.AutoExecutor(folder=folder / "cluster", cluster=kind)
        cluster.update_parameters(
            timeout_min=24 * 60, cpus_per_task=1, slurm_gpus_per_node=int(torch.cuda.is_available())
        )
        yield cluster


def threads_of_each(jobs: int) -> int:
    """With how many threads a process computes: one, so that processes do not wait for each other's.

    In this process it is what OMP_NUM_THREADS says, where it says something.
    """
    return torch.get_num_threads() if jobs == 0 and os.environ.get("OMP_NUM_THREADS") else 1


def _settle(parent: int) -> None:
    """Settle a worker: one thread, Ctrl-C is the parent's business, and no life after the parent."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def choose_device(name: str) -> str:
    """The device asked for, or for "auto" the best there is. Raises AdvisorError when it is not there."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(d for d in ("cuda", "mps", "cpu") if available[d])
    kind = name.split(":")[0]
    if kind not in available:
        raise AdvisorError(f"--device {name}: must be auto, cpu, cuda, cuda:N or mps")
    if not available[kind]:
        raise AdvisorError(f"--device {name}: torch {torch.__version__} sees no such device here; use --device cpu")
    return name
