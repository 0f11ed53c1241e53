"""What CollapseMonitor adds to a training step, as a share of it: a small MLP step and a small ResNet step.

One thread, float32. Step and update are timed apart in one run, in processor time: the difference of two noisy step
times would drown what is measured. The monitor looks often here, so that few steps show every kind of update (returning
at once, reading a batch, reporting, measuring the free spread); the shares are put together from their medians in the
numbers in which the default schedule has them. The first report, which asks theory once, is told apart.

    python benchmarks/bench_monitor.py [STEPS]
"""

import statistics
import sys
import time
from unittest.mock import patch

import torch
from torch import nn

from ssem_advisor import Setting
from ssem_advisor.losses import SupervisedContrastiveLoss
from ssem_advisor.training import CollapseMonitor
from ssem_advisor.training import monitor as module


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


EVERY = 8  # updates between reports, here
KINDS = ("idle", "reading", "reporting", "measuring")


def measured(name: str, model: nn.Module, setting: Setting, shape: tuple[int, ...], steps: int) -> None:
    batch = setting.batch_size
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = SupervisedContrastiveLoss(setting.alpha, setting.temperature)
    monitor = CollapseMonitor(setting, every=EVERY, spread_every=4 * EVERY, log=lambda scalars, step: None)
    training, calls = [], []
    spent: dict[str, list[float]] = {kind: [] for kind in (*KINDS, "first")}
    with patch.object(module, "pair_sums", wraps=module.pair_sums) as read:
        for _ in range(steps):
            x, y = torch.randn(batch, 2, *shape), torch.randint(0, setting.classes, (batch,))
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
            read.reset_mock()
            start = time.thread_time()
            scalars = monitor.update(z, y)
            seconds = time.thread_time() - start
            if scalars is None:
                kind = "reading" if read.called else "idle"
            else:
                kind = "measuring" if "ssem/free_spread" in scalars else "reporting"
            spent[kind if scalars is None or spent["first"] else "first"].append(seconds)
    step, clock = statistics.median(training), statistics.median(calls)  # the clock and a call are not the monitor's
    cost = {kind: max(statistics.median(seconds) - clock, 0.0) for kind, seconds in spent.items()}

    usual = CollapseMonitor(setting)
    reads = -(-usual.every // usual._stride(batch)) - 1  # beside the batch of the report itself
    per_report = (usual.every - 1 - reads) * cost["idle"] + reads * cost["reading"] + cost["reporting"]
    long = per_report / usual.every + cost["measuring"] / usual.spread_every
    early = per_report / usual.every + 3 * cost["measuring"] / 900  # after 200, 400 and 800 updates
    print(f"{name}: step {1e3 * step:.1f} ms, median of {steps}")
    for kind, seconds in cost.items():
        print(f"  {kind:<10} {1e3 * seconds:.4g} ms, median of {len(spent[kind])}")
    print(f"  share of a step: {long / step:.2%} in a long run, {early / step:.2%} in the first 900 updates")


def nothing(z: torch.Tensor, y: torch.Tensor) -> None:
    """What is timed to know what timing costs."""


def main(steps: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    digits = Setting(classes=5, dim=32, temperature=0.1, alpha=0.3, batch_size=250)
    measured("MLP 64-256-256-32, 250 x 2 views, 5 classes", mlp(), digits, (64,), steps)
    images = Setting(classes=100, dim=128, temperature=0.1, alpha=0.5, batch_size=64)
    measured("ResNet-8, 64 x 2 views, 100 classes", small_resnet(), images, (3, 32, 32), steps // 4)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
