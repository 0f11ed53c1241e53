"""What a protocol asks for, task by task: plans, and the data that the tasks read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ssem_advisor.domain import LOSSES
from ssem_advisor.experiments.data import Data, digits, synthetic
from ssem_advisor.experiments.protocol import PROBLEMS, Protocol, alphas_around, recommended_alpha
from ssem_advisor.experiments.task import Task, steps_of


def plan(protocol: Protocol, number: int, device: str, keep: bool = False) -> list[Task]:
    """The tasks of a protocol, seed by seed. number: tells apart two protocols of one suite.

    keep: whether to keep the embeddings that are measured.
    """
    if protocol.suite == "embeddings":
        return _plan_embeddings(protocol, number, device)
    counts = load(protocol).counts
    protocol = protocol.fitted(counts)
    tasks = []
    for seed in range(protocol.seeds):
        for temperature in protocol.temperatures:
            setting = protocol.setting(temperature, counts=counts)
            grid = sorted({0.0, *(protocol.alphas or alphas_around(setting))})  # 0: the negative control
            advised = recommended_alpha(setting, protocol.suite)
            # The recommended weight is a task of its own, so that a record survives a change of the recommendation.
            stacks = [[a] for a in grid] if protocol.is_resnet else [grid]
            stacks += [[advised]] if advised is not None and advised not in grid else []
            for stack in stacks:
                name = f"{number}-{protocol.suite}-t{temperature:g}-seed{seed}"
                name += f"-a{stack[0]:g}" if len(stack) == 1 else ""
                weight = len(stack) * steps_of(protocol, sum(counts), protocol.batch_size or sum(counts))
                tasks.append(Task(name, number, protocol, setting, tuple(stack), advised, seed, weight, device, keep))
    return tasks


def _plan_embeddings(protocol: Protocol, number: int, device: str) -> list[Task]:
    alphas = (0.0, *(protocol.alphas or np.linspace(0.1, 1, 10).round(6).tolist()))
    tasks = []
    for seed in range(protocol.seeds):
        for loss in LOSSES if protocol.loss is None else (protocol.loss,):
            for i, problem in enumerate(PROBLEMS):
                setting = problem.with_(loss=loss)
                weight = 10.0 * len(alphas)
                key = f"{number}-embeddings-{loss}-problem{i}-seed{seed}"
                tasks.append(Task(key, number, protocol, setting, alphas, None, seed, weight, device))
    return tasks


def load(protocol: Protocol) -> Data:
    """The data of a suite, on the CPU."""
    if protocol.suite == "digits":
        return digits(protocol.classes)
    if protocol.suite == "synthetic":
        return synthetic(protocol.class_counts or (40,) * protocol.classes)
    from ssem_advisor.experiments.images import readers

    return readers.load(protocol)


def features_of(number: int, folder: Path) -> Path:
    """Where a study keeps the image features of a protocol that trains on them."""
    return folder / f"features-{number}.pt"
