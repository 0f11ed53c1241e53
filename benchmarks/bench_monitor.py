"""What CollapseMonitor adds to a training step of a small ResNet, in percent; every=1 is the worst case.

One thread, float32, batch 64 with two views of 32 x 32 images, 100 classes, d=128. Step and update are timed apart in
one run and interleaved, because the difference of two noisy step times would drown what is measured.

    python benchmarks/bench_monitor.py [STEPS]
"""

import statistics
import sys
import time

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


def main(steps: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = small_resnet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    setting = Setting(classes=100, dim=128, temperature=0.1, alpha=0.5, batch_size=64)
    criterion = SupervisedContrastiveLoss(setting.alpha, setting.temperature)
    monitors = {every: CollapseMonitor(setting, every=every, log=lambda scalars, step: None) for every in (1, 10)}
    parameters = sum(p.numel() for p in model.parameters())
    times: dict[object, list[float]] = {"step": [], 1: [], 10: []}
    for step in range(steps + 10):
        x, y = torch.randn(64, 2, 3, 32, 32), torch.randint(0, 100, (64,))
        start = time.perf_counter()
        z = model(x.flatten(0, 1)).unflatten(0, (64, 2))
        loss = criterion(z, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        elapsed: dict[object, float] = {"step": time.perf_counter() - start}
        for every, monitor in monitors.items():
            start = time.perf_counter()
            monitor.update(z, y)
            elapsed[every] = time.perf_counter() - start
        if step >= 10:
            for name, seconds in elapsed.items():
                times[name].append(seconds)
    base = statistics.median(times["step"])
    print(f"ResNet-8 ({parameters} parameters), 64 x 2 images: step {1e3 * base:.1f} ms")
    print(f"every=1:  {1e3 * statistics.median(times[1]):.2f} ms, {statistics.median(times[1]) / base:.2%} of a step")
    mean = statistics.fmean(sorted(times[10])[: int(0.98 * len(times[10]))])  # a report every tenth step: a mean
    print(f"every=10: {1e3 * mean:.2f} ms, {mean / base:.2%} of a step (the default)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
