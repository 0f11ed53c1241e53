"""What CollapseMonitor adds to a training step, as a share of it: a small MLP step and a small ResNet step.

One thread, float32. Every update counts, reports and measurements of the free spread included; the first report, which
asks theory once, is told apart. Step and update are timed apart in one run, in processor time: the difference of two
noisy step times would drown what is measured. Measurements of the free spread are close together at first; the share
in a long run is put together from the measured means of each kind of update. Medians of several runs, with their range.

    python benchmarks/bench_monitor.py [STEPS [RUNS]]
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ssem_advisor import Setting
from ssem_advisor.losses import SupervisedContrastiveLoss
from ssem_advisor.training import CollapseMonitor


class Block(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.skip = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.skip(x))


def small_resnet() -> nn.Module:
    """ResNet-8 of the CIFAR family: 16, 32, 64 channels, one block each."""
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    blocks = [Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 128))


def mlp() -> nn.Module:
    """The network of docs/examples/plain_torch.py."""
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 32))


@dataclass(frozen=True)
class Cost:
    """Of one run: seconds of a step, of an update of each kind, of the first report; shares of a step."""

    step: float
    idle: float
    reporting: float
    measuring: float
    first: float
    so_far: float
    long_run: float


def cost(model: nn.Module, setting: Setting, inputs: Callable[[int], torch.Tensor], steps: int) -> Cost:
    batch = setting.batch_size
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = SupervisedContrastiveLoss(setting.alpha, setting.temperature)
    monitor = CollapseMonitor(setting, log=lambda scalars, step: None)
    training, updates, kinds, calls = [], [], [], []
    for _ in range(steps):
        x, y = inputs(batch), torch.randint(0, setting.classes, (batch,))
        start = time.thread_time()
        z = model(x.flatten(0, 1)).unflatten(0, (batch, 2))
        loss = criterion(z, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        training.append(time.thread_time() - start)
        start = time.thread_time()
        nothing(z, y)
        calls.append(time.thread_time() - start)
        start = time.thread_time()
        scalars = monitor.update(z, y)
        updates.append(time.thread_time() - start)
        kinds.append("idle" if scalars is None else "measuring" if "ssem/free_spread" in scalars else "reporting")
    base = statistics.median(training)
    first = next(i for i, kind in enumerate(kinds) if kind != "idle")  # asks theory once; what it spends is told apart
    clock = statistics.median(calls)  # what the clock and a call cost where the caches hold the step's data
    updates = [seconds - clock for seconds in updates]
    spent: dict[str, list[float]] = {"idle": [], "reporting": [], "measuring": []}
    for i, (seconds, kind) in enumerate(zip(updates, kinds, strict=True)):
        if i != first:
            spent[kind].append(seconds)
    mean = {kind: statistics.fmean(seconds) for kind, seconds in spent.items()}
    share = 1 / monitor.every
    long = (1 - share) * mean["idle"] + share * mean["reporting"] + mean["measuring"] / monitor.spread_every
    so_far = sum(map(sum, spent.values())) / (base * (steps - 1))
    return Cost(base, **mean, first=updates[first], so_far=so_far, long_run=long / base)


def report(name: str, steps: int, runs: list[Cost]) -> None:
    def middle(field: str, form: str, factor: float = 1.0) -> str:
        values = sorted(factor * getattr(run, field) for run in runs)
        return f"{statistics.median(values):{form}} ({values[0]:{form}} to {values[-1]:{form}})"

    print(f"{name}: step {middle('step', '.1f', 1e3)} ms; median of {len(runs)} runs (least to most)")
    for field in ("idle", "reporting", "measuring", "first"):
        print(f"  {field:<10} {middle(field, '.3f', 1e3)} ms")
    print(f"  share of a step in {steps} updates {middle('so_far', '.2%')}, in a long run {middle('long_run', '.2%')}")


def nothing(z: torch.Tensor, y: torch.Tensor) -> None:
    """What is timed to know what timing costs."""


def main(steps: int, runs: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    digits = Setting(classes=5, dim=32, temperature=0.1, alpha=0.3, batch_size=250)
    images = Setting(classes=100, dim=128, temperature=0.1, alpha=0.5, batch_size=64)
    for name, model, setting, shape in (
        ("MLP 64-256-256-32, 250 x 2 views, 5 classes", mlp, digits, (64,)),
        ("ResNet-8, 64 x 2 views, 100 classes", small_resnet, images, (3, 32, 32)),
    ):
        found = [
            cost(model(), setting, lambda batch, shape=shape: torch.randn(batch, 2, *shape), steps) for _ in range(runs)
        ]
        report(name, steps, found)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 900, int(sys.argv[2]) if len(sys.argv) > 2 else 5)
