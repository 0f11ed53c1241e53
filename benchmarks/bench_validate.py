"""The engine of `validate` against plain scripts, interleaved in one run.

    free embeddings   11 alphas, m=5, n=4, p=2, d=24, tau=0.5: one batched float64 problem against a loop over the
                      points of 1000 steps of Adam (lr 0.5, float32); errors are those of the within-class variance
    small networks    16 x 64-256-256-32, batch 256 x 2 views: a stack against a loop of torch networks with torch's
                      Adam, on one thread, and with one process a core

Run alone on a quiet machine: python benchmarks/bench_validate.py
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from torch.nn.functional import normalize

from ssem_advisor import Setting, optimal_variance
from ssem_advisor.experiments.embeddings import solve_grid, within_variance
from ssem_advisor.experiments.stacked import Stack

MODELS, BATCH, SIZES, STEPS = 16, 256, (64, 256, 256, 32), 5


class PlainMixture:
    """The supcon mixture as a script writes it; the masks are made once, which most scripts do not do."""

    def __init__(self, instances: int, views: int, per_class: int, alpha: float, temperature: float) -> None:
        instance = torch.arange(instances * views) // views
        label = instance // per_class
        self.itself = torch.eye(instances * views, dtype=torch.bool)
        own = (instance[:, None] == instance) & ~self.itself
        kin = (label[:, None] == label) & (instance[:, None] != instance)
        self.weight = alpha * own / own.sum(1, keepdim=True) + (1 - alpha) * kin / kin.sum(1, keepdim=True)
        self.temperature = temperature

    def __call__(self, z: torch.Tensor) -> torch.Tensor:
        z = normalize(z, dim=-1)
        similarity = z @ z.T / self.temperature
        log_sum = similarity.masked_fill(self.itself, -math.inf).logsumexp(1, keepdim=True)
        return ((log_sum - similarity) * self.weight).sum(1).mean()


def adam_loop(alphas: np.ndarray) -> np.ndarray:
    variances = []
    for seed, alpha in enumerate(alphas):
        loss_of = PlainMixture(20, 2, 4, float(alpha), 0.5)
        z = torch.randn(40, 24, generator=torch.Generator().manual_seed(seed), requires_grad=True)
        optimiser = torch.optim.Adam([z], lr=0.5)
        for _ in range(1000):
            optimiser.zero_grad()
            loss_of(z).backward()
            optimiser.step()
        found = normalize(z.detach().double(), dim=-1).view(20, 2, 24)
        variances.append(within_variance(found, torch.arange(20) // 4).item())
    return np.array(variances)


def embeddings(rounds: int = 3) -> None:
    alphas = np.linspace(0, 1, 11)
    setting = Setting(classes=5, instances_per_class=4, dim=24, sampler="full", temperature=0.5)
    exact = optimal_variance(setting.with_(alpha=alphas))
    slow, fast = [], []
    solve_grid(setting, alphas, np.full(11, 0.5))
    for seed in range(rounds):
        began = time.perf_counter()
        loop = adam_loop(alphas)
        slow.append(time.perf_counter() - began)
        began = time.perf_counter()
        _, batched = solve_grid(setting, alphas, np.full(11, 0.5), seed=seed)
        fast.append(time.perf_counter() - began)
        errors = [np.abs(v - exact).max() for v in (loop, batched)]
    ratio = statistics.median(a / b for a, b in zip(slow, fast, strict=True))
    print(
        f"free embeddings: {min(slow):.2f} s for the loop (error {errors[0]:.0e}), {min(fast) * 1e3:.0f} ms batched "
        f"(error {errors[1]:.0e}): {ratio:.0f} x"
    )


def network_loop() -> list[tuple[torch.nn.Module, torch.optim.Optimizer]]:
    models = []
    for _ in range(MODELS):
        a, b, c, d = SIZES
        relu = torch.nn.ReLU
        net = torch.nn.Sequential(torch.nn.Linear(a, b), relu(), torch.nn.Linear(b, c), relu(), torch.nn.Linear(c, d))
        models.append((net, torch.optim.Adam(net.parameters(), lr=2e-3)))
    return models


def train_stack(models: int, steps: int) -> float:
    torch.set_num_threads(1)
    stack = Stack(SIZES, range(models), [0.3] * models, [0.1] * models)
    views, labels = torch.randn(BATCH, 2, SIZES[0]), torch.arange(BATCH) // 64
    stack.step(views, labels)
    began = time.perf_counter()
    for _ in range(steps):
        stack.step(views, labels)
    return time.perf_counter() - began


def networks(rounds: int = 5) -> None:
    views = torch.randn(BATCH, 2, SIZES[0]).flatten(0, 1)
    loss_of = PlainMixture(BATCH, 2, 64, 0.3, 0.1)
    models = network_loop()

    def loop() -> float:
        began = time.perf_counter()
        for _ in range(STEPS):
            for net, optimiser in models:
                optimiser.zero_grad()
                loss_of(net(views)).backward()
                optimiser.step()
        return time.perf_counter() - began

    loop()
    one, two = [], []
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(train_stack, [1, 1], [1, 1]))
        for _ in range(rounds):
            slow = loop()
            one.append(slow / train_stack(MODELS, STEPS))
            halves = pool.map(train_stack, [MODELS // 2] * 2, [STEPS] * 2)
            two.append(slow / max(halves))
    ratios = [statistics.median(v) for v in (one, two)]
    print(f"{MODELS} networks on one thread: {ratios[0]:.2f} x the loop; on two cores: {ratios[1]:.2f} x")


if __name__ == "__main__":
    torch.set_num_threads(1)
    embeddings()
    networks()
