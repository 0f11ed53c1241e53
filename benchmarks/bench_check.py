"""How long reading training configs takes, beside what ruamel.yaml alone needs to parse them, and how long one start.

Prints ratios; the two sides alternate, and the best of several rounds counts, so that a busy machine does not decide.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

FILES = 1_000
ROUNDS = 3

CONFIG = """\
# run {number}
experiment:
  seed: {number}
  output: runs/{number}
model:
  backbone: {{name: resnet18, pretrained: false, width: 1.0}}
  hidden_dim: 2048
  projection_dim: 128
data:
  dataset: cifar100
  root: /data/cifar100
  workers: 8
  batch_size: 512
  augmentations:
    - {{name: crop, scale: [0.2, 1.0]}}
    - {{name: flip, p: 0.5}}
    - {{name: jitter, strength: 0.4}}
loss:
  name: {loss}
  temperature: {temperature}
optimizer: {{name: sgd, lr: 0.5, momentum: 0.9, weight_decay: 1e-4}}
trainer:
  epochs: 400
  warmup: 10
  log_every: 50
"""


def configs() -> list[str]:
    """YAML configs of the usual size, every one of them contrastive: the worst case for the reader."""
    return [CONFIG.format(number=i, loss="supcon", temperature=round(0.05 + i / 10_000, 4)) for i in range(FILES)]


def best(tasks: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Seconds of each task, the best of alternating rounds."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - start)
    return {name: min(each) for name, each in times.items()}


def reading(folder: Path) -> dict[str, float]:
    from ruamel.yaml import YAML

    from ssem_advisor import config

    paths = []
    for number, text in enumerate(configs()):
        paths.append(folder / f"{number}.yaml")
        paths[-1].write_text(text, encoding="utf-8")

    def ruamel() -> None:
        for path in paths:
            YAML().load(path.read_text(encoding="utf-8"))

    def read() -> None:
        for path in config.collect([folder]):
            config.read(path)

    def check() -> None:
        subprocess.run([sys.executable, "-m", "ssem_advisor", "check", str(folder)], check=False, capture_output=True)

    return best({"ruamel.yaml": ruamel, "config.read": read, "check": check})


def starting(folder: Path) -> dict[str, float]:
    path = folder / "0.yaml"

    def run(*arguments: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *arguments], check=False, capture_output=True)

    return best(
        {
            "import numpy, ruamel.yaml": run("-c", "import numpy, ruamel.yaml"),
            "check one file": run("-m", "ssem_advisor", "check", str(path)),
        },
        rounds=7,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, times in ((f"{FILES} config files", reading(folder)), ("one process", starting(folder))):
            reference = next(iter(times.values()))
            print(title)
            for task, seconds in times.items():
                print(f"  {task:28} {seconds:7.3f} s  {seconds / reference:5.2f} x")


if __name__ == "__main__":
    main()
