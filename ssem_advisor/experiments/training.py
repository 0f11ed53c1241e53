"""What a process does with a task: a stack of networks, free embeddings, or one large network."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssem_advisor.experiments.data import BatchSampler, stream
from ssem_advisor.experiments.embeddings import solve_grid
from ssem_advisor.experiments.plan import features_of, load
from ssem_advisor.experiments.precision import fast_dtype
from ssem_advisor.experiments.protocol import recommended_alpha
from ssem_advisor.experiments.record import Record
from ssem_advisor.experiments.stacked import Stack
from ssem_advisor.experiments.store import Pulse, Store
from ssem_advisor.experiments.task import MEASURED_VIEWS, Task, evaluate, record_of, shown, steps_of, worth_recording


def execute(task: Task, folder: Path) -> list[Record] | None:
    """Do a task, going on from its checkpoint if it has one. None if asked to stop first."""
    store = Store(folder)
    pulse = Pulse(store, task.key)
    records: list[Record] | None
    if task.protocol.suite == "embeddings":
        records = _minimise(task, pulse)
    elif task.protocol.is_resnet:
        from ssem_advisor.experiments.images.training import train

        records = train(task, store, pulse)
    else:
        records = _train_stack(task, store, pulse)
    if records is not None and os.environ.get("RANK", "0") == "0":
        store.finish(task.key, [record.to_dict() for record in records])
    return records


def _minimise(task: Task, pulse: Pulse) -> list[Record]:
    began = time.perf_counter()
    advised = {
        t: recommended_alpha(task.setting.with_(temperature=t), "embeddings") for t in task.protocol.temperatures
    }
    points = [
        (alpha, t) for t in task.protocol.temperatures for alpha in sorted({*task.alphas, *_known(advised[t])})
    ]  # fmt: skip
    alphas, temperatures = (np.array(v) for v in zip(*points, strict=True))
    found, variance = solve_grid(task.setting, alphas, temperatures, task.device, task.seed)
    seconds = (time.perf_counter() - began) / len(points)
    return [
        record_of(
            replace(task, recommended=advised[t]), alpha, t, variance=float(variance[i]), reliability=1.0,
            residual=float(found.residual[i]), loss_value=float(found.loss[i]), seconds=seconds,
        )
        for i, (alpha, t) in enumerate(points)
    ]  # fmt: skip


def _known(value: float | None) -> tuple[float, ...]:
    return () if value is None else (value,)


def _train_stack(task: Task, store: Store, pulse: Pulse) -> list[Record] | None:
    protocol = task.protocol
    data, products = load(protocol), torch.float32
    if protocol.network == "patches":
        from ssem_advisor.experiments.images import patches

        data = patches.features(data, features_of(task.number, store.folder))
        products = fast_dtype(task.device)
    data = data.to(task.device)
    sampler = BatchSampler(
        protocol.sampler, data.coarse.cpu(), protocol.batch_size or len(data.x), protocol.classes_per_batch
    )
    models = len(task.alphas)
    stack = Stack(
        (data.x[0].numel(), *protocol.hidden, protocol.dim), [task.seed] * models, task.alphas,
        [task.setting.temperature] * models, protocol.loss or "supcon", protocol.learning_rate, task.device,
        products=products,
    )  # fmt: skip
    steps, first, seconds = steps_of(protocol, len(data.x), sampler.batch_size), 0, 0.0
    curve: list[list[float]] = []
    saved = store.restore(task.key, task.alphas)
    if saved is not None:
        stack.restore(saved["stack"])
        first, seconds, curve = saved["step"], saved["seconds"], saved["losses"]
    began = time.perf_counter() - seconds
    losses = torch.zeros(models)
    for step in range(first, steps):
        chosen = sampler.draw(task.seed, step).to(task.device)
        views = data.views(chosen, protocol.views, stream(task.seed, step, "augment", task.device))
        losses = stack.step(views, data.coarse[chosen], step / steps)
        if worth_recording(step, steps):
            curve.append([round(value, 5) for value in losses.tolist()])

        def state(step: int = step) -> dict[str, Any]:
            return {
                "alphas": list(task.alphas), "stack": stack.state(), "step": step + 1, "losses": curve,
                "seconds": time.perf_counter() - began,
            }  # fmt: skip

        if pulse((step + 1) / steps, state):
            return None
    seconds = (time.perf_counter() - began) / models
    views = data.measured_views(MEASURED_VIEWS, stream(task.seed, 0, "measure", task.device))
    plain, plain_test = data.x.flatten(1), data.x_test.flatten(1)
    records = []
    for i, alpha in enumerate(task.alphas):
        seen = stack.embed(views, i)
        if task.keep:
            store.keep_embeddings(f"{task.key}-a{alpha:g}", seen, data.coarse, data.fine)
        found = evaluate(
            data, seen, stack.embed(plain, i), stack.embed(plain_test, i), task.seed, shown(task, alpha)
        )  # fmt: skip
        records.append(
            record_of(
                task, alpha, float(task.setting.temperature), seconds=seconds, steps=steps,
                loss_value=float(losses[i]), losses=tuple(values[i] for values in curve), **found,
            )
        )  # fmt: skip
    return records
