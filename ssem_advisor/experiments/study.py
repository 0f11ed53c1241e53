"""A study of `validate`: run the tasks of some protocols, keep what they find, judge it.

Tasks write their own results, so an interrupted study loses at most the seconds since a checkpoint.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssem_advisor.domain import AdvisorError
from ssem_advisor.experiments.claims import EXIT_CODES, judge_claims
from ssem_advisor.experiments.intervals import Outcome, overall
from ssem_advisor.experiments.plan import features_of, load, plan
from ssem_advisor.experiments.pool import choose_device, executor_of, threads_of_each
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.record import Record
from ssem_advisor.experiments.store import Store, environment
from ssem_advisor.experiments.suite import SuiteReport
from ssem_advisor.experiments.task import Task
from ssem_advisor.experiments.training import execute

if TYPE_CHECKING:
    from ssem_advisor.documents import Ended, Validate

Notify = Callable[[float, float | None, str], None]
"""Called with the share done, the seconds left (None at first) and what is under way."""

EARLIEST_STOP = 3
"""Seeds that are trained before a certain verdict may end a suite early."""
MOST_DEATHS = 3
"""Deaths of its worker process after which a task is given up."""
CERTAIN = 2.0
"""How much wider the intervals are for that purpose: looking early, and often, must not buy a verdict."""


def run_study(
    protocols: Sequence[Protocol],
    out: Path | None = None,
    device: str = "auto",
    jobs: int | None = None,
    budget: float | None = None,
    executor: str = "process",
    notify: Notify | None = None,
    warn: Callable[[str], None] | None = None,
    keep_embeddings: bool = False,
) -> Validate:
    """Run the protocols and judge them; the report, JSON-ready.

    out: folder to keep everything in, and to resume from. jobs: processes (0 = this one; None = one a core, on a GPU
    none). budget: minutes after which the report is made of what is there. executor: "process", or submitit's
    "local", "debug" or "slurm". keep_embeddings: write the measured embeddings of trained models into `out`.
    """
    where = choose_device(device)
    distributed = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if jobs is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        jobs = 0 if where != "cpu" or distributed else cores
    with contextlib.ExitStack() as stack:
        folder = (
            out if out is not None else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ssem-validate-")))
        )
        store = Store(folder)
        store.warn = _once(warn or (lambda message: None))
        store.open({"version": 1, "protocols": [p.to_dict() for p in protocols]})
        stack.callback(store.close)
        return _Study(protocols, store, where, budget, notify or (lambda *_: None), keep_embeddings).go(executor, jobs)


def _once(warn: Callable[[str], None]) -> Callable[[str], None]:
    seen: set[str] = set()

    def first_time(message: str) -> None:
        if message not in seen:
            seen.add(message)
            warn(message)

    return first_time


def _died(job: Any) -> bool:
    """Whether the process of a finished job ended before the job did."""
    return isinstance(job.exception(), concurrent.futures.BrokenExecutor)


class _Study:
    def __init__(
        self,
        protocols: Sequence[Protocol],
        store: Store,
        device: str,
        budget: float | None,
        notify: Notify,
        keep: bool,
    ) -> None:
        self.protocols, self.store, self.device, self.notify = list(protocols), store, device, notify
        self.tasks = [t for i, p in enumerate(protocols) for t in plan(p, i, device, keep)]
        self.found: dict[str, list[Record]] = {}
        self._adopt_results()
        self.began = time.monotonic()
        self.deadline = None if budget is None else self.began + 60 * budget
        self.already = self._done()
        self.ended: Ended = "complete"
        self.early: set[int] = set()
        self.deaths: Counter[str] = Counter()
        self.jobs = 0

    def go(self, executor: str, jobs: int) -> Validate:
        self.jobs = jobs
        self.store.write_runs([record.to_dict() for record in self.records()])
        try:
            self._prepare()
            with executor_of(executor, jobs, self.store.folder) as pool:
                try:
                    self._loop(pool, max(jobs, 1) if executor == "process" else len(self.tasks))
                except BaseException:
                    self.store.ask_to_stop()
                    raise
        except KeyboardInterrupt:
            self.ended = "interrupted"
        self._adopt_results()
        if self.ended == "complete" and any(t.key not in self.found and t.number not in self.early for t in self.tasks):
            self.ended = "interrupted"  # somebody asked the tasks to stop
        self.store.write_runs([record.to_dict() for record in self.records()])
        return self.report()

    def _prepare(self) -> None:
        """The features of image suites, once for all tasks; without room on the disk every task computes its own."""
        for number, protocol in enumerate(self.protocols):
            path = features_of(number, self.store.folder)
            missing = any(t.number == number and t.key not in self.found for t in self.tasks)
            if protocol.network == "patches" and missing:
                from ssem_advisor.experiments.images import patches

                data, what = load(protocol), f"{protocol.suite}: features of augmented views"
                try:
                    if patches.cached(data, path) is None:
                        patches.prepare(data, path, self._told(what))
                except OSError as error:
                    self.store.warn(f"{path}: not written ({error.strerror}); every task computes the features anew")

    def _told(self, what: str) -> Callable[[float], None]:
        return lambda share: self.notify(0.0, None, f"{what}, {share:.0%}")

    def records(self, number: int | None = None) -> list[Record]:
        tasks = [t for t in self.tasks if number is None or t.number == number]
        return [record for task in tasks for record in self.found.get(task.key, [])]

    def _adopt(self, task: Task, records: list[Record] | None) -> None:
        """Take a task's records; which weight is the recommended one is as of today, not as of the training."""
        if records is not None:
            if task.protocol.suite != "embeddings":
                records = [replace(r, recommended=r.alpha == task.recommended) for r in records]
            self.found[task.key] = records

    def _loop(self, pool: Any, slots: int) -> None:
        waiting = [t for t in self.tasks if t.key not in self.found]
        running: dict[str, Any] = {}
        while waiting or running:
            while waiting and len(running) < slots:
                task = waiting.pop(0)
                self._tell(task.key)
                running[task.key] = pool.submit(execute, task, self.store.folder)
                if running[task.key].done():
                    break  # an executor that works in place: look at the clock before the next task
            dead = [k for k, job in running.items() if job.done() and _died(job)]
            if dead:
                slots = max(1, slots // 2)
                waiting = self._retried(dead, slots) + waiting
                running = {k: job for k, job in running.items() if k not in dead}
            for key in [k for k, job in running.items() if job.done()]:
                self._adopt(next(t for t in self.tasks if t.key == key), running.pop(key).result())
                if key in self.found:
                    self.store.write_runs([record.to_dict() for record in self.records()])
                    certain = self._certain()
                    waiting = [t for t in waiting if t.number not in certain]
            self._tell(next(iter(running), ""))
            if self.deadline is not None and time.monotonic() > self.deadline and (waiting or running):
                self.ended = "budget"
                self.store.ask_to_stop()
                waiting = []
                for job in running.values():
                    with contextlib.suppress(concurrent.futures.BrokenExecutor):
                        job.result()
            if running:
                time.sleep(0.05)

    def _retried(self, keys: list[str], slots: int) -> list[Task]:
        """The tasks of worker processes that died, to be done again; the fault is usually too little memory."""
        self.deaths.update(keys)
        for key in keys:
            if self.deaths[key] >= MOST_DEATHS:
                raise AdvisorError(
                    f"{key}: its process died {MOST_DEATHS} times, as when the system runs out of memory; what is done "
                    "stays in --output; fewer --jobs or a smaller --batch-size need less memory"
                )
        self.store.warn(
            f"a worker process died, as when the system runs out of memory: {', '.join(keys)} once more, "
            f"{slots} at a time"
        )
        return [t for t in self.tasks if t.key in keys]

    def _certain(self) -> set[int]:
        """Suites whose verdict more seeds would not change."""
        for number, protocol in enumerate(self.protocols):
            if number in self.early or protocol.seeds <= EARLIEST_STOP:
                continue
            own = [t for t in self.tasks if t.number == number]
            whole = [s for s in range(protocol.seeds) if all(t.key in self.found for t in own if t.seed == s)]
            if len(whole) >= EARLIEST_STOP:
                complete = [r for r in self.records(number) if r.seed in whole]
                if Outcome.UNDECIDED not in {c.verdict for c in judge_claims(protocol, complete, CERTAIN)}:
                    self.early.add(number)
        return self.early

    def _adopt_results(self) -> None:
        """Take what an earlier call, or a worker while this process was interrupted, has written."""
        for task in self.tasks:
            if task.key not in self.found:
                self._adopt(task, self.store.results(task.key, task.read))

    def _done(self) -> float:
        total = sum(t.weight for t in self.tasks)
        shares = (t.weight * (1.0 if t.key in self.found else self.store.progress(t.key)) for t in self.tasks)
        return sum(shares) / total if total else 1.0

    def _tell(self, what: str) -> None:
        done = self._done()
        fresh = done - self.already
        left = (time.monotonic() - self.began) / fresh * (1 - done) if fresh > 0.01 else None
        self.notify(done, left, what)

    def report(self) -> Validate:
        suites = []
        for number, protocol in enumerate(self.protocols):
            planned = [t for t in self.tasks if t.number == number]
            done = sum(t.key in self.found for t in planned)
            suites.append(SuiteReport.of(protocol, self.records(number), len(planned), done, number in self.early))
        verdict = overall(suite.verdict for suite in suites)
        if self.ended == "interrupted":
            verdict = Outcome.UNDECIDED
        return {
            "version": 1,
            "verdict": verdict.word,
            "exit_code": EXIT_CODES[verdict],
            "ended": self.ended,
            "seconds": time.monotonic() - self.began,
            "device": self.device,
            "environment": {
                **environment(),
                "threads": {"processes": max(self.jobs, 1), "each": threads_of_each(self.jobs)},
            },
            "suites": [suite.to_dict() for suite in suites],
        }
