"""Start-up: the whole `recommend` process against an interpreter that only imports numpy and typer.

Interleaved runs in one go, minimum of each (start-up noise only ever adds); no bytecode is compiled in the timed runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

RUNS = int(os.environ.get("RUNS", "15"))
COMMANDS = {
    "python -c 'import numpy, typer'": [sys.executable, "-c", "import numpy, typer"],
    "recommend --classes 100 --dim 128": [
        sys.executable,
        "-m",
        "ssem_advisor",
        "recommend",
        "--classes",
        "100",
        "--dim",
        "128",
    ],
    "--help": [sys.executable, "-m", "ssem_advisor", "--help"],
}


def main() -> None:
    best = dict.fromkeys(COMMANDS, float("inf"))
    for run in range(RUNS + 1):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if run:
                best[name] = min(best[name], time.perf_counter() - start)
    base = next(iter(best.values()))
    for name, seconds in best.items():
        print(f"{name:<36} {seconds * 1e3:7.0f} ms   {seconds / base:5.2f} x")


if __name__ == "__main__":
    main()
