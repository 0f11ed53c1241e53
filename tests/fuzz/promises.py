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
from pathlib import Path

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
    for seed in range(500_000, 500_000 + number):
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
    """Random settings over the whole domain: thresholds are numbers in order, or a reason is given."""
    import numpy as np

    from ssem_advisor import theory
    from ssem_advisor.domain import AdvisorError, Setting

    rng, answered, silent, wrong = random.Random(0), 0, 0, 0
    for _ in range(number):
        tau = 10 ** rng.uniform(-3, 2)
        classes = rng.choice((2, 3, 10, 100, 1000))
        given = {"loss": rng.choice(("supcon", "ssem", "l_spread")), "views": rng.choice((2, 3, 8))}
        try:
            setting = Setting(
                classes=classes, temperature=tau, alpha=rng.random(), batch_size=classes * rng.choice((2, 8, 64)),
                sampler=rng.choice(("random", "balanced", "full")), **given,
            )  # fmt: skip
            threshold, variance = theory.collapse_threshold(setting), theory.optimal_variance(setting)
        except AdvisorError:
            silent += 1
            continue
        answered += 1
        wrong += not (np.isfinite(threshold) and threshold >= 0 and 0 <= variance <= 1)
        wrong += (setting.alpha <= threshold) != (variance == 0)
    return f"{number} settings, {answered} answered, {silent} not covered, {wrong} out of order or not a number"


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
        for loss in ("supcon", "ssem", "l_spread"):
            for kind in (torch.float16, torch.bfloat16):
                low = z.to(kind).requires_grad_()
                exact = supervised_contrastive_loss(low.detach().double(), labels, 0.3, tau, loss=loss)
                value = supervised_contrastive_loss(low, labels, 0.3, tau, loss=loss)
                value.backward()
                count += 1
                broken += not (torch.isfinite(value) and torch.isfinite(low.grad).all())
                worst = max(worst, float(abs(value.detach().double() - exact) / exact.abs().clamp(min=1e-9)))
    return f"{count} losses, {broken} not finite, largest relative error {worst:.1e}"


FIGURES: dict[str, Callable[[], str]] = {
    "commands": lambda: commands(1500),
    "fixes": lambda: fixes(500),
    "kills": lambda: kills(20),
    "engine": lambda: engine(2000),
    "losses": lambda: losses(60),
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
