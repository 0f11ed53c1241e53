# ruff: noqa: E501
"""The figures of docs/promises.md, measured anew: `python tests/fuzz/promises.py --write` puts them into the page."""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import hostile
import judge

PAGE = Path(__file__).parents[2] / "docs" / "promises.md"
SHAPES = {
    ".yaml": "# ours\nseed: 1  # keep\ntemperature: {tau}   # softmax\nalpha:  {alpha}\nn_augment: 2\nbalanced_batch: true\n"
    "batch_size: {batch}\ndim: 128\nnum_classes: 10\n",
    ".toml": "# ours\nn_augment = 2\nbalanced_batch = true\ntemperature = {tau} # softmax\nalpha =   {alpha}\n"
    "batch_size = {batch}\ndim = 128\nnum_classes = 10\n",
    ".json": '{{\n\t"temperature": {tau}, "alpha" : {alpha},\n\t"n_augment": 2, "balanced_batch": true,\n'
    '\t"batch_size": {batch}, "dim": 128, "num_classes": 10\n}}\n',
    ".sh": "#!/bin/bash\npython main.py --alpha={alpha} \\\n  --temperature {tau} --n_augment 2 --balanced_batch \\\n"
    "  --batch_size {batch} --dim 128 --n_label 10\n",
    ".py": "config = dict(\n    temperature={tau},  # softmax\n    alpha={alpha},\n    n_augment=2,\n    balanced_batch=True,\n"
    "    batch_size={batch},\n    dim=128,\n    num_classes=10,\n)\n",
}


def commands(number: int) -> str:
    """Fresh hostile command lines, in this process."""
    seconds, failed = 0.0, 0
    for seed in range(600_000, 600_000 + number):
        start = time.process_time()
        failed += judge.run(seed) is not None
        seconds = max(seconds, time.process_time() - start)
    return f"{number} commands, {failed} failures, slowest {seconds:.1f} s of processor time"


def fixes(number: int) -> str:
    """Files of five formats with random weights, mended twice: what changed beside alpha and temperature?"""
    from ssem_advisor.config.reader import values
    from ssem_advisor.lint import Session
    from ssem_advisor.lint.fix import mend

    rng, mended, refused, wrong = random.Random(0), 0, 0, 0
    session = Session()
    for i in range(number):
        suffix = list(SHAPES)[i % len(SHAPES)]
        batch = 10 * rng.choice((5, 20, 25))
        text = SHAPES[suffix].format(
            tau=round(10 ** rng.uniform(-1.5, 0.3), 3), alpha=round(rng.random(), 3), batch=batch
        )
        document = session.read(Path(f"nowhere/x{suffix}"), text)
        fixed = mend(document, session)
        again = session.read(document.path, fixed.text)
        changed = {
            str(path[-1]).lstrip("-")
            for old, new in zip(values(document), values(again), strict=True)
            for path in old.keys() | new.keys()
            if old.get(path) != new.get(path)
        }
        mended += bool(fixed.changes)
        refused += bool(fixed.refusals)
        wrong += not changed <= {"alpha", "temperature"} or mend(again, session).text != fixed.text
        wrong += re.sub(r"[\d.]+", "#", fixed.text) != re.sub(r"[\d.]+", "#", text)
    return f"{number} files, {mended} mended, {refused} refused in words, {wrong} with another change or a second one"


_WRITER = """
import sys
from ssem_advisor.files import write_atomically
old, new = b"a" * 3_000_000, b"b" * 3_000_000
while True:
    write_atomically(sys.argv[1], new); write_atomically(sys.argv[1], old)
"""


def kills(number: int) -> str:
    """A process that rewrites a file without end, killed at random: is old or new content there, whole?"""
    rng, torn = random.Random(0), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_bytes(b"a" * 3_000_000)
        for _ in range(number):
            process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], cwd=folder)
            time.sleep(0.3 + rng.random() * 0.3)
            process.send_signal(signal.SIGKILL)
            process.wait()
            content = path.read_bytes()
            torn += len(content) != 3_000_000 or len(set(content)) != 1
    return f"{number} kills (SIGKILL), {torn} torn files"


def engine(number: int) -> str:
    """`recommend` on random settings of the whole domain; its answers are asked for their order."""
    rng, answered, silent, wrong = random.Random(0), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(number):
            code, out, _ = judge.command(hostile.engine(rng, Path(folder)))
            silent += code == 2
            answered += code == 0
            wrong += code not in (0, 2) or (code == 0 and judge.out_of_order(judge.as_json(out)) is not None)
    return f"{number} settings, {answered} answered, {silent} not covered, {wrong} out of order or not a number"


def memory(number: int) -> str:
    """How far `measure` grows a process: embeddings of few rows and many dimensions, from a file."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        np.savez(Path(folder) / "z.npz", embeddings=rng.normal(size=(60, number)), labels=np.arange(60) % 5)
        script = (
            "import resource, sys; from ssem_advisor.measurement import load, measure; import numpy as np\n"
            "measure(np.random.default_rng(0).normal(size=(60, 9)), np.arange(60) % 5)\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; found = load(sys.argv[1])\n"
            "measure(found.embeddings, found.labels)\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
        )
        got = subprocess.run(
            [sys.executable, "-c", script, f"{folder}/z.npz"], capture_output=True, text=True, check=True
        )
    return f"60 x {number:,} takes {int(got.stdout) / 1024:.0f} MB"


def threads(number: int) -> str:
    """`measure` beside two busy processes: seconds with one thread, as the command chooses, and with two."""
    import numpy as np

    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    found = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            z = np.random.default_rng(0).normal(size=(number, 512)).astype(np.float32)
            np.savez(Path(folder) / "z.npz", embeddings=z, labels=np.arange(number) % 100)
            for several in ("1", "2"):
                start = time.monotonic()
                subprocess.run(
                    [sys.executable, "-m", "ssem_advisor", "measure", f"{folder}/z.npz"],
                    env=os.environ | {"OMP_NUM_THREADS": several, "OPENBLAS_NUM_THREADS": several},
                    capture_output=True, check=True,
                )  # fmt: skip
                found.append(time.monotonic() - start)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return f"`measure` on {number:,} x 512 took {found[0]:.0f} s with one thread and {found[1]:.0f} s with two"


def resumes() -> str:
    """A small `validate`, killed 20 times at random: does it reach the numbers of a run that nobody killed?"""
    test = "tests/experiments/test_folders.py::test_twenty_kills_at_random_times_resume_to_the_same_numbers"
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", test], cwd=PAGE.parents[1], capture_output=True)
    return f"20 kills (SIGKILL), {'the same' if done.returncode == 0 else 'OTHER'} numbers"


def losses(number: int) -> str:
    """Every loss in half precision against float64, temperatures from 1e-3 to 100."""
    import torch

    from ssem_advisor.losses import supervised_contrastive_loss

    worst, broken, count = 0.0, 0, 0
    generator = torch.Generator().manual_seed(0)
    for i in range(number):
        z = torch.nn.functional.normalize(torch.randn(24, 2, 16, generator=generator), dim=-1)
        labels = torch.arange(24) // 4
        tau = 10 ** (-3 + 5 * i / max(1, number - 1))
        for loss, kind, alpha, chunk in product(
            ("supcon", "ssem", "l_spread"), (torch.float16, torch.bfloat16), (0.0, 0.3, 1.0), (None, 8)
        ):
            low = z.to(kind).requires_grad_()
            exact = supervised_contrastive_loss(low.detach().double(), labels, alpha, tau, loss=loss)
            value = supervised_contrastive_loss(low, labels, alpha, tau, loss=loss, chunk=chunk)
            value.backward()
            count += 1
            broken += not (torch.isfinite(value) and torch.isfinite(low.grad).all())
            worst = max(worst, float(abs(value.detach().double() - exact) / exact.abs().clamp(min=1e-9)))
    return f"{count} losses, {broken} not finite, largest relative error {worst:.1e}"


FIGURES: dict[str, Callable[[], str]] = {
    "commands": lambda: commands(1000),
    "fixes": lambda: fixes(500),
    "kills": lambda: kills(20),
    "resumes": resumes,
    "engine": lambda: engine(2000),
    "losses": lambda: losses(30),
    "memory": lambda: memory(20_000),
    "threads": lambda: threads(20_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("names", nargs="*", choices=[*FIGURES, []])
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in given.names or FIGURES:
        figure = FIGURES[name]()
        print(f"{name}: {figure}", flush=True)
        if given.write:
            pattern = rf"(<!-- {name} -->).*?(<!-- /{name} -->)"
            text = PAGE.read_text(encoding="utf-8")
            PAGE.write_text(re.sub(pattern, rf"\g<1>{figure}\g<2>", text, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    main()
