"""`measure` on a memory-mapped file: time against a plain numpy pass over the same rows, memory against the file.

The plain pass loads the file, normalises the rows in float64, and takes class means and the pooled within-class
covariance by one boolean mask a class, as a notebook would. Each side runs in a process of its own, in turn.

    python benchmarks/bench_measure.py [ROWS]
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DIM, CLASSES = 128, 100


def peak_anonymous() -> int:
    """Peak memory in kB that is the process's own: pages of the mapped file may be dropped by the kernel at will."""
    with open("/proc/self/smaps_rollup") as file:
        now = {line.split()[0]: int(line.split()[1]) for line in file if line.endswith("kB\n")}
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - (now["Rss:"] - now["Anonymous:"])


def measured(folder: Path) -> float:
    from ssem_advisor.measurement import load, measure

    found = load(folder / "z.npy", folder / "y.npy")
    return measure(found.embeddings, found.labels).within_class_variance


def plain(folder: Path) -> float:
    import numpy as np

    z = np.load(folder / "z.npy").astype(np.float64)
    y = np.load(folder / "y.npy")
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    within, variances = np.zeros((DIM, DIM)), []
    for c in np.unique(y):
        group = z[y == c]
        e = group - group.mean(axis=0)
        within += e.T @ e / len(group)
        variances.append((e**2).sum() / len(group))
    return float(np.mean(variances))


def main(rows: int) -> None:
    import numpy as np

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        z = np.lib.format.open_memmap(folder / "z.npy", "w+", np.float32, (rows, DIM))
        rng = np.random.default_rng(0)
        y = rng.integers(0, CLASSES, rows)
        centres = rng.normal(size=(CLASSES, DIM)).astype(np.float32)
        for a in range(0, rows, 1 << 16):
            part = slice(a, a + (1 << 16))
            z[part] = centres[y[part]] + rng.standard_normal((len(y[part]), DIM), dtype=np.float32)
        z.flush()
        np.save(folder / "y.npy", y)
        results: dict[str, list[dict[str, float]]] = {"measured": [], "plain": []}
        for _ in range(3):
            for kind, runs in results.items():
                command = [sys.executable, __file__, kind, name]
                runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert abs(results["measured"][0]["value"] - results["plain"][0]["value"]) < 1e-9
    size = rows * DIM * 4 / 2**20
    seconds = {kind: statistics.median(run["seconds"] for run in runs) for kind, runs in results.items()}
    memory = {kind: statistics.median(run["memory"] for run in runs) for kind, runs in results.items()}
    print(f"{rows} rows x {DIM}, {CLASSES} classes, float32, {size:.0f} MB on disk")
    for kind in results:
        print(f"  {kind:9} {seconds[kind]:6.2f} s  {memory[kind]:7.0f} MB")
    print(f"time: {seconds['measured'] / seconds['plain']:.2f} x the plain pass (with 20 statistics and intervals)")
    print(
        f"memory: {memory['measured'] / memory['plain']:.2f} x the plain pass, "
        f"{memory['measured'] / size:.2f} x the file"
    )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        os.environ["OMP_NUM_THREADS"] = "1"
        import numpy  # noqa: F401 - loaded before the memory baseline is taken

        function = {"measured": measured, "plain": plain}[sys.argv[1]]
        before = peak_anonymous()
        start = time.perf_counter()
        value = function(Path(sys.argv[2]))
        print(
            json.dumps(
                {"value": value, "seconds": time.perf_counter() - start, "memory": (peak_anonymous() - before) / 1024}
            )
        )
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
