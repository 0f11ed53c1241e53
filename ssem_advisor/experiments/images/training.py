"""Train one ResNet, alone or as one of several processes.

Under torchrun the processes share the batch: the loss is that of the joined batch, batch normalisation sees all of it,
and the curve is that of one process.
"""

from __future__ import annotations

import atexit
import gc
import math
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import normalize

from ssem_advisor.domain import AdvisorError
from ssem_advisor.experiments.data import BatchSampler, stream
from ssem_advisor.experiments.images.augmentation import DRAWS, augment, plain, views_of
from ssem_advisor.experiments.images.readers import load
from ssem_advisor.experiments.images.resnet import network
from ssem_advisor.experiments.precision import fast_dtype
from ssem_advisor.experiments.task import (
    MEASURED_VIEWS,
    Task,
    evaluate,
    record_of,
    shown,
    steps_of,
    worth_recording,
)
from ssem_advisor.losses import SupervisedContrastiveLoss

if TYPE_CHECKING:
    from ssem_advisor.experiments.record import Record
    from ssem_advisor.experiments.store import Pulse, Store


def train(task: Task, store: Store, pulse: Pulse) -> list[Record] | None:
    """Train one model, alone or as one of torchrun's processes; its record, or None if asked to stop first."""
    rank, world, device = _join(task.device)
    protocol, alpha, temperature = task.protocol, task.alphas[0], float(task.setting.temperature)
    data = load(protocol).to(device)
    batch = int(task.setting.batch_size or len(data.x))
    if batch % world:
        raise AdvisorError(f"batch_size={batch}: must be a multiple of the {world} processes")
    sampler = BatchSampler(protocol.sampler, data.coarse.cpu(), batch, protocol.classes_per_batch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        model = network(protocol.network, protocol.dim, data.x[:1].shape[-1] <= 64, protocol.width).to(device)
    narrow = fast_dtype(device.type) == torch.bfloat16
    # Channels last is what convolutions of all these devices are fastest in, with narrow numbers or not.
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser: torch.optim.Optimizer
    if protocol.optimiser == "adamw":
        optimiser = torch.optim.AdamW(model.parameters(), protocol.learning_rate)
    else:
        optimiser = torch.optim.SGD(model.parameters(), protocol.learning_rate, momentum=0.9, weight_decay=1e-4)
    loss_of = SupervisedContrastiveLoss(alpha, temperature, loss=protocol.loss or "supcon", gather=world > 1 and "ddp")  # type: ignore[arg-type]
    steps, first, seconds = steps_of(protocol, len(data.x), batch), 0, 0.0
    curve: list[float] = []
    saved = store.restore(task.key, task.alphas)
    if saved is not None:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        first, seconds, curve = saved["step"], saved["seconds"], saved["losses"]
    trained = nn.parallel.DistributedDataParallel(model) if world > 1 else model
    own = slice(rank * batch // world, (rank + 1) * batch // world)
    warm = max(1, min(10 * steps // protocol.epochs, steps // 10))
    began = time.perf_counter() - seconds
    loss = torch.zeros(())
    model.train()
    for step in range(first, steps):
        chosen = sampler.draw(task.seed, step)
        draws = torch.rand(batch, protocol.views, DRAWS, generator=stream(task.seed, step, "augment"))
        chosen, draws = chosen[own].to(device), draws[own].flatten(0, 1).to(device)
        for group in optimiser.param_groups:
            group["lr"] = protocol.learning_rate * _schedule(step, warm, steps)
        try:
            x = views_of(data.x[chosen].repeat_interleave(protocol.views, 0), draws)
            with torch.autocast(device.type, torch.bfloat16, enabled=narrow):
                z = trained(x.contiguous(memory_format=torch.channels_last))
            loss = loss_of(z.float().view(len(chosen), protocol.views, -1), data.coarse[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
        except torch.OutOfMemoryError as error:
            raise AdvisorError(
                f"--batch-size {batch}: does not fit the memory of {device}; share it between devices with torchrun, "
                "or give a smaller one (the threshold moves with it)"
            ) from error
        optimiser.step()
        if worth_recording(step, steps):
            curve.append(round(loss.item(), 5))

        def state(step: int = step) -> dict[str, Any]:
            return {
                "alphas": list(task.alphas), "model": model.state_dict(), "optimiser": optimiser.state_dict(),
                "step": step + 1, "losses": curve, "seconds": time.perf_counter() - began,
            }  # fmt: skip

        if _agreed(pulse((step + 1) / steps, state if rank == 0 else None), device, world):
            return None
    seconds = time.perf_counter() - began
    model.eval()
    records: list[Any] = [None]
    if rank == 0:
        generator = stream(task.seed, 0, "measure", device)

        def embed(view: Callable[[Tensor], Tensor], x: Any) -> Tensor:
            parts = [_embed(model, view(x[i : i + 256]), narrow) for i in range(0, len(x), 256)]
            return torch.cat(parts)

        views = torch.stack([embed(lambda x: augment(x, generator), data.x) for _ in range(MEASURED_VIEWS)], 1)
        z, z_test = embed(plain, data.x), embed(plain, data.x_test)
        if task.keep:
            store.keep_embeddings(task.key, views, data.coarse, data.fine)
        found = evaluate(data, views, z, z_test, task.seed, shown(task, alpha))
        records = [
            record_of(
                task, alpha, temperature, seconds=seconds, steps=steps, loss_value=loss.item(),
                losses=tuple(curve), processes=world, **found,
            )
        ]  # fmt: skip
    if world > 1:
        dist.broadcast_object_list(records, src=0)
    return records


@torch.no_grad()
def _embed(model: nn.Module, x: Tensor, narrow: bool) -> Tensor:
    with torch.autocast(x.device.type, torch.bfloat16, enabled=narrow):
        return normalize(model(x.contiguous(memory_format=torch.channels_last)).float(), dim=-1)


def _schedule(step: int, warm: int, steps: int) -> float:
    """Linear warm-up, then a cosine to 0."""
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def _join(name: str) -> tuple[int, int, torch.device]:
    """Rank, number of processes and device; joins torchrun's processes on the first call."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return 0, 1, torch.device(name)
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if name.startswith("cuda") else torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(_leave)
    return rank, world, device


def _leave() -> None:
    gc.collect()  # a model of DistributedDataParallel holds the group, whose threads must end before the process
    dist.destroy_process_group()


def _agreed(stop: bool, device: torch.device, world: int) -> bool:
    """Whether the first process wants to stop; all processes must agree, or they wait for each other for ever."""
    if world == 1:
        return stop
    flag = torch.tensor([int(stop)], device=device)
    dist.broadcast(flag, src=0)
    return bool(flag.item())
