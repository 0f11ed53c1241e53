"""Start-up and answers: whole `recommend` processes against interpreters that only import what such an answer needs.

The first answer is compared with `import numpy, typer`; data sets with many or unequal classes, whose thresholds are
found by minimisation, with `import numpy, scipy.optimize`. Processor time, interleaved runs in one go, minimum of each
(noise only ever adds). Bytecode is compiled before. `--write` records the ratios in results/.
"""

from __future__ import annotations

import compileall
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

RUNS = int(os.environ.get("RUNS", "5"))
RECOMMEND = [sys.executable, "-m", "ssem_advisor", "recommend"]
TYPER, SCIPY = "import numpy, typer", "import numpy, scipy.optimize"
# command: (arguments, what it is compared with, the ratio it may not exceed). Two fifths of the first answer are the
# answer itself: a start and four trials, each with its safe weights and the ranges of two estimates.
CASES: dict[str, tuple[list[str], str, float]] = {
    "recommend --classes 100 --dim 128": ([*RECOMMEND, "--classes", "100", "--dim", "128"], TYPER, 2.4),
    "--help": ([sys.executable, "-m", "ssem_advisor", "--help"], TYPER, 1.8),
    "recommend --classes 1000 --dim 128": ([*RECOMMEND, "--classes", "1000", "--dim", "128"], SCIPY, 3.0),
} | {
    f"recommend --dataset {name} --dim 128": ([*RECOMMEND, "--dataset", name, "--dim", "128"], SCIPY, 10.0)
    for name in ("cifar100-lt", "imagenet-lt", "inat2018")
}


def seconds(command: list[str]) -> float:
    """Processor time of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    import ssem_advisor

    compileall.compile_dir(ssem_advisor.__path__[0], quiet=1)
    commands = {base: [sys.executable, "-c", base] for base in (TYPER, SCIPY)}
    commands |= {name: command for name, (command, _, _) in CASES.items()}
    best = dict.fromkeys(commands, float("inf"))
    for run in range(RUNS + 1):
        for name, command in commands.items():
            taken = seconds(command)
            if run:
                best[name] = min(best[name], taken)
    ratios = {}
    for name, (_, base, limit) in CASES.items():
        ratios[name] = {"against": base, "ratio": round(best[name] / best[base], 2), "limit": limit}
        print(f"{name:<40} {best[name] * 1e3:7.0f} ms  {ratios[name]['ratio']:6.2f} x {base} (limit {limit:g})")
    if "--write" in sys.argv:
        target = Path(__file__).parent / "results" / "recommend.json"
        target.write_text(json.dumps(ratios, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
