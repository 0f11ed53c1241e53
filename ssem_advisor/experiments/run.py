"""`validate`: plan the tasks, run them somewhere, judge what they found.

A task is what one process does: a stack of networks at one temperature and seed, one problem of free embeddings, or one
large network. Tasks write their own results, so an interrupted run loses at most the seconds since a checkpoint.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssem_advisor.domain import LOSSES, AdvisorError
from ssem_advisor.experiments import claims
from ssem_advisor.experiments.data import Data, Sampler, digits, stream, synthetic
from ssem_advisor.experiments.embeddings import solve_grid
from ssem_advisor.experiments.protocol import IMAGE_SUITES, PROBLEMS, Protocol, alphas_around, recommended_alpha
from ssem_advisor.experiments.stacked import Stack
from ssem_advisor.experiments.store import Pulse, Store, environment
from ssem_advisor.experiments.task import MEASURED_VIEWS, Task, measure, record_of, shown, steps_of

Notify = Callable[[float, float | None, str], None]
"""Called with the share done, the seconds left (None at first) and what is under way."""

EARLIEST_STOP = 3
"""Seeds that are trained before a certain verdict may end a suite early."""
CERTAIN = 2.0
"""How much wider the intervals are for that purpose: looking early, and often, must not buy a verdict."""


def plan(protocol: Protocol, number: int, device: str) -> list[Task]:
    """The tasks of a protocol, seed by seed. number: tells apart two protocols of one suite."""
    if protocol.suite == "embeddings":
        return _plan_embeddings(protocol, number, device)
    counts = load(protocol).counts
    protocol = protocol.fitted(counts)
    tasks = []
    for seed in range(protocol.seeds):
        for temperature in protocol.temperatures:
            setting = protocol.setting(temperature, counts=counts)
            grid = sorted({0.0, *(protocol.alphas or alphas_around(setting))})  # 0: the negative control
            advised = recommended_alpha(setting)
            # The recommended weight is a task of its own, so that a record survives a change of the recommendation.
            stacks = [[a] for a in grid] if protocol.suite in IMAGE_SUITES else [grid]
            stacks += [[advised]] if advised is not None and advised not in grid else []
            for stack in stacks:
                name = f"{number}-{protocol.suite}-t{temperature:g}-seed{seed}"
                name += f"-a{stack[0]:g}" if len(stack) == 1 else ""
                weight = len(stack) * steps_of(protocol, sum(counts), protocol.batch_size or sum(counts))
                tasks.append(Task(name, number, protocol, setting, tuple(stack), advised, seed, weight, device))
    return tasks


def _plan_embeddings(protocol: Protocol, number: int, device: str) -> list[Task]:
    alphas = (0.0, *(protocol.alphas or np.linspace(0.1, 1, 10).round(6).tolist()))
    tasks = []
    for seed in range(protocol.seeds):
        for loss in LOSSES if protocol.loss is None else (protocol.loss,):
            for i, problem in enumerate(PROBLEMS):
                setting = problem.with_(loss=loss)
                weight = 10.0 * len(alphas)
                key = f"{number}-embeddings-{loss}-problem{i}-seed{seed}"
                tasks.append(Task(key, number, protocol, setting, alphas, None, seed, weight, device))
    return tasks


def load(protocol: Protocol) -> Data:
    """The data of a suite, on the CPU."""
    if protocol.suite == "digits":
        return digits(protocol.classes)
    if protocol.suite == "synthetic":
        return synthetic(protocol.class_counts or (40,) * protocol.classes)
    from ssem_advisor.experiments import images

    return images.load(protocol)


# -- what a process does with a task -----------------------------------------------------------------------------------


def execute(task: Task, folder: Path) -> list[dict[str, Any]] | None:
    """Do a task, going on from its checkpoint if it has one. None if asked to stop first."""
    store = Store(folder)
    pulse = Pulse(store, task.key)
    records: list[dict[str, Any]] | None
    if task.protocol.suite == "embeddings":
        records = _minimise(task, pulse)
    elif task.protocol.suite in IMAGE_SUITES:
        from ssem_advisor.experiments import images

        records = images.train(task, store, pulse)
    else:
        records = _train_stack(task, store, pulse)
    if records is not None and os.environ.get("RANK", "0") == "0":
        store.finish(task.key, records)
    return records


def _minimise(task: Task, pulse: Pulse) -> list[dict[str, Any]]:
    began = time.perf_counter()
    advised = {t: recommended_alpha(task.setting.with_(temperature=t)) for t in task.protocol.temperatures}
    points = [
        (alpha, t) for t in task.protocol.temperatures for alpha in sorted({*task.alphas, *_known(advised[t])})
    ]  # fmt: skip
    alphas, temperatures = (np.array(v) for v in zip(*points, strict=True))
    found, variance = solve_grid(task.setting, alphas, temperatures, task.device, task.seed)
    seconds = (time.perf_counter() - began) / len(points)
    return [
        record_of(
            replace(task, recommended=advised[t]), alpha, t, variance=float(variance[i]), reliability=1.0,
            residual=float(found.residual[i]), loss_value=float(found.loss[i]), seconds=seconds,
        )
        for i, (alpha, t) in enumerate(points)
    ]  # fmt: skip


def _known(value: float | None) -> tuple[float, ...]:
    return () if value is None else (value,)


def _train_stack(task: Task, store: Store, pulse: Pulse) -> list[dict[str, Any]] | None:
    protocol = task.protocol
    data = load(protocol).to(task.device)
    features = data.x[0].numel()
    sampler = Sampler(
        protocol.sampler, data.coarse.cpu(), protocol.batch_size or len(data.x), protocol.classes_per_batch
    )
    models = len(task.alphas)
    stack = Stack(
        (features, *protocol.hidden, protocol.dim), [task.seed] * models, task.alphas,
        [task.setting.temperature] * models, protocol.loss or "supcon", protocol.learning_rate, task.device,
    )  # fmt: skip
    steps, first, seconds = steps_of(protocol, len(data.x), sampler.batch_size), 0, 0.0
    saved = store.restore(task.key)
    if saved is not None:
        stack.restore(saved["stack"])
        first, seconds = saved["step"], saved["seconds"]
    began = time.perf_counter() - seconds
    losses = torch.zeros(models)
    for step in range(first, steps):
        chosen = sampler.draw(task.seed, step).to(task.device)
        views = augmented(data, chosen, protocol.views, stream(task.seed, step, "augment", task.device))
        losses = stack.step(views, data.coarse[chosen], step / steps)

        def state(step: int = step) -> dict[str, Any]:
            return {"stack": stack.state(), "step": step + 1, "seconds": time.perf_counter() - began}

        if pulse((step + 1) / steps, state):
            return None
    seconds = (time.perf_counter() - began) / models
    everything = torch.arange(len(data.x), device=task.device)
    views = augmented(data, everything, MEASURED_VIEWS, stream(task.seed, 0, "measure", task.device))
    plain, plain_test = data.x.flatten(1), data.x_test.flatten(1)
    return [
        record_of(
            task, alpha, float(task.setting.temperature), seconds=seconds, steps=steps, loss_value=float(losses[i]),
            **measure(
                data, stack.embed(views, i), stack.embed(plain, i), stack.embed(plain_test, i), task.seed,
                shown(task, alpha),
            ),
        )
        for i, alpha in enumerate(task.alphas)
    ]  # fmt: skip


def augmented(data: Data, chosen: torch.Tensor, views: int, generator: torch.Generator) -> torch.Tensor:
    """Views (instances, views, features) of the chosen instances."""
    return data.augment(data.x[chosen].repeat_interleave(views, 0), generator).reshape(len(chosen), views, -1)


# -- where tasks run ---------------------------------------------------------------------------------------------------


class _InPlace(concurrent.futures.Executor):
    """Runs a task when it is submitted, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextlib.contextmanager
def _executor(kind: str, jobs: int, folder: Path) -> Iterator[Any]:
    if kind == "process" and jobs == 0:
        yield _InPlace()
    elif kind == "process":
        pool = concurrent.futures.ProcessPoolExecutor(
            jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_settle, initargs=(os.getpid(),)
        )
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
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


def run(
    protocols: Sequence[Protocol],
    out: Path | None = None,
    device: str = "auto",
    jobs: int | None = None,
    budget: float | None = None,
    executor: str = "process",
    notify: Notify | None = None,
    warn: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Run the protocols and judge them; the report as one JSON-ready mapping.

    out: folder to keep everything in, and to resume from. jobs: processes (0 = this one; None = one a core, on a GPU
    none). budget: minutes after which the report is made of what is there. executor: "process", or submitit's
    "local", "debug" or "slurm".
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
        store.open({"version": 1, "protocols": [p.as_dict() for p in protocols]})
        return _Session(protocols, store, where, budget, notify or (lambda *_: None)).go(executor, jobs)


def _once(warn: Callable[[str], None]) -> Callable[[str], None]:
    seen: set[str] = set()

    def first_time(message: str) -> None:
        if message not in seen:
            seen.add(message)
            warn(message)

    return first_time


class _Session:
    def __init__(
        self, protocols: Sequence[Protocol], store: Store, device: str, budget: float | None, notify: Notify
    ) -> None:
        self.protocols, self.store, self.device, self.notify = list(protocols), store, device, notify
        self.tasks = [t for i, p in enumerate(protocols) for t in plan(p, i, device)]
        self.found: dict[str, list[dict[str, Any]]] = {}
        self._adopt_results()
        self.began = time.monotonic()
        self.deadline = None if budget is None else self.began + 60 * budget
        self.already = self._done()
        self.ended = "complete"
        self.early: set[int] = set()

    def go(self, executor: str, jobs: int) -> dict[str, Any]:
        self.store.write_runs(self.records())
        try:
            with _executor(executor, jobs, self.store.folder) as pool:
                try:
                    self._loop(pool, max(jobs, 1) if executor == "process" else len(self.tasks))
                except BaseException:
                    self.store.ask_to_stop()
                    raise
        except KeyboardInterrupt:
            self.ended = "interrupted"
        self._adopt_results()
        self.store.write_runs(self.records())
        return self.report()

    def records(self, number: int | None = None) -> list[dict[str, Any]]:
        tasks = [t for t in self.tasks if number is None or t.number == number]
        return [record for task in tasks for record in self.found.get(task.key, [])]

    def _adopt(self, task: Task, records: list[dict[str, Any]] | None) -> None:
        """Take a task's records; which weight is the recommended one is as of today, not as of the run."""
        if records is not None:
            if task.protocol.suite != "embeddings":
                records = [r | {"recommended": r["alpha"] == task.recommended} for r in records]
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
            for key in [k for k, job in running.items() if job.done()]:
                self._adopt(next(t for t in self.tasks if t.key == key), running.pop(key).result())
                if key in self.found:
                    self.store.write_runs(self.records())
                    certain = self._certain()
                    waiting = [t for t in waiting if t.number not in certain]
            self._tell(next(iter(running), ""))
            if self.deadline is not None and time.monotonic() > self.deadline and (waiting or running):
                self.ended = "budget"
                self.store.ask_to_stop()
                waiting = []
                for job in running.values():
                    job.result()
            if running:
                time.sleep(0.05)

    def _certain(self) -> set[int]:
        """Suites whose verdict more seeds would not change."""
        for number, protocol in enumerate(self.protocols):
            if number in self.early or protocol.seeds <= EARLIEST_STOP:
                continue
            own = [t for t in self.tasks if t.number == number]
            whole = [s for s in range(protocol.seeds) if all(t.key in self.found for t in own if t.seed == s)]
            if len(whole) >= EARLIEST_STOP:
                complete = [r for r in self.records(number) if r["seed"] in whole]
                verdicts = {c.verdict for c in claims.judge(protocol, complete, CERTAIN)}
                if claims.UNDECIDED not in verdicts:
                    self.early.add(number)
        return self.early

    def _adopt_results(self) -> None:
        """Take what an earlier run, or a worker while this process was interrupted, has written."""
        for task in self.tasks:
            if task.key not in self.found:
                self._adopt(task, self.store.results(task.key))

    def _done(self) -> float:
        total = sum(t.weight for t in self.tasks)
        shares = (t.weight * (1.0 if t.key in self.found else self.store.progress(t.key)) for t in self.tasks)
        return sum(shares) / total if total else 1.0

    def _tell(self, what: str) -> None:
        done = self._done()
        fresh = done - self.already
        left = (time.monotonic() - self.began) / fresh * (1 - done) if fresh > 0.01 else None
        self.notify(done, left, what)

    def report(self) -> dict[str, Any]:
        suites = []
        for number, protocol in enumerate(self.protocols):
            records = self.records(number)
            judged = claims.judge(protocol, records)
            planned = [t for t in self.tasks if t.number == number]
            suites.append(
                {
                    "suite": protocol.suite,
                    "protocol": protocol.as_dict(),
                    "verdict": claims.overall(c.verdict for c in judged),
                    "claims": [asdict(c) for c in judged],
                    "tasks": {"planned": len(planned), "done": sum(t.key in self.found for t in planned)},
                    "stopped_early": number in self.early,
                    "curves": claims.predicted_curves(records),
                    "points": claims.points(records),
                    "runs": records,
                }
            )
        verdict = claims.overall(str(s["verdict"]) for s in suites)
        if self.ended == "interrupted":
            verdict = claims.UNDECIDED
        return {
            "version": 1,
            "verdict": verdict,
            "exit_code": claims.EXIT_CODES[verdict],
            "ended": self.ended,
            "seconds": time.monotonic() - self.began,
            "device": self.device,
            "environment": environment(),
            "suites": suites,
        }
