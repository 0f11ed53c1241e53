"""Time and peak memory of SupervisedContrastiveLoss against the usual N x N form and pytorch-metric-learning.

    python benchmarks/bench_losses.py [--rows 512 2048 ...] [--output FILE]

Forward and backward of plain SupCon on float32 embeddings of 100 classes, two views, dim 128, on one thread. Times are
medians of that thread's processor time over runs in turn, each starting with another loss, for up to 2048 rows in five
processes (how often a few megabytes go back to the system differs from one to the next); once with glibc's own
allocator, which returns a large buffer to the system and pays for its pages again at the next call, and once with an
allocator that keeps its memory. Memory is the kernel's high-water mark of a fresh process above what it held with the
input in place and its libraries warm.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROWS = (512, 2048, 8192, 16384)
LOSSES = ("ssem_advisor", "plain", "pytorch_metric_learning")
DIM, CLASSES, VIEWS, TEMPERATURE = 128, 100, 2, 0.1
ALLOCATORS = {
    "default": {},
    "reusing": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 46), "MALLOC_TOP_PAD_": str(1 << 26)},
}
RESULT = Path(__file__).parent / "results" / "losses.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, *rest = arguments.child
        print(json.dumps(speed(int(rest[0])) if what == "speed" else memory(rest[0], int(rest[1]))))
        return

    described, table = environment(), []
    for rows in arguments.rows:
        row = {"rows": rows}
        for allocator, settings in ALLOCATORS.items():
            runs = [child("speed", rows, **settings) for _ in range(5 if rows <= 2048 else 1)]
            seconds = {name: statistics.median(run[name] for run in runs) for name in LOSSES}
            row[f"seconds_{allocator}_allocator"] = seconds
            row[f"speedup_{allocator}_allocator"] = ratios(seconds)
        row["peak_mib"] = peak = {name: child("memory", name, rows) for name in LOSSES}
        row["memory_ratio"] = ratios(peak)
        table.append(row)
        print(json.dumps(row), flush=True)
    result = {
        "environment": described,
        "setting": __doc__.split("\n\n")[2].strip().replace("\n", " "),
        "results": table,
    }
    arguments.output.parent.mkdir(exist_ok=True)
    draft = arguments.output.with_suffix(".tmp")
    draft.write_text(json.dumps(result, indent=2) + "\n")
    os.replace(draft, arguments.output)


def ratios(values: dict[str, float]) -> dict[str, float]:
    """How many times more than ours the others take."""
    ours, *others = LOSSES
    return {name: round(values[name] / values[ours], 2) for name in others}


def child(what: str, *arguments: object, **settings: str) -> object:
    command = [sys.executable, __file__, "--child", what, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} | settings
    return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)


def speed(rows: int) -> dict[str, float]:
    """Median seconds of one forward and backward of each loss."""
    losses = {name: build(name) for name in LOSSES}
    z, labels = batch(rows)
    times: dict[str, list[float]] = {name: [] for name in LOSSES}
    repetitions = min(101, max(3, 200_000_000 // rows**2))
    for repetition in range(repetitions):
        first = repetition % len(LOSSES)
        for name in LOSSES[first:] + LOSSES[:first]:
            leaf = z.clone().requires_grad_()
            start = time.thread_time()
            losses[name](leaf, labels).backward()
            times[name].append(time.thread_time() - start)
    return {name: statistics.median(values[repetitions > 3 :]) for name, values in times.items()}


def memory(name: str, rows: int) -> float:
    """MiB at the peak of one forward and backward above those held before it."""
    loss = build(name)
    loss(*warm(batch(600))).backward()
    ctypes.CDLL(None).malloc_trim(0)
    z, labels = warm(batch(rows))
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew from what is held now
    before = high_water()
    loss(z, labels).backward()
    return round(high_water() - before, 2)


def warm(b):
    return b[0].requires_grad_(), b[1]


def high_water() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def build(name: str):
    import torch
    from _peers import MetricLearningSupCon, PlainSupCon

    from ssem_advisor.losses import SupervisedContrastiveLoss

    torch.set_num_threads(1)
    if name == "ssem_advisor":
        return SupervisedContrastiveLoss(None, TEMPERATURE)
    return {"plain": PlainSupCon, "pytorch_metric_learning": MetricLearningSupCon}[name](TEMPERATURE)


def batch(rows: int):
    import torch

    generator = torch.Generator().manual_seed(0)
    z = torch.randn(rows // VIEWS, VIEWS, DIM, generator=generator)
    return z, torch.randint(0, CLASSES, (rows // VIEWS,), generator=generator)


def environment() -> str:
    import torch

    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{cpu}, {platform.system()}, {versions}, one thread, load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
