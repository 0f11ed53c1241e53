"""The joined batch of all processes, differentiable."""

from __future__ import annotations

import itertools
import os
import warnings
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ssem_advisor.domain import SettingError

_AXES = 3  # of the largest embeddings, (instances, views, dim)


def gather_batch(
    z: Tensor, labels: Tensor, instance_ids: Tensor | None, gradient_scale: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The batches of all processes, one after the other.

    Each process gets the gradient of its own embeddings: all hold the same joined loss, so none needs the others'
    gradients. gradient_scale multiplies it by the number of processes.
    """
    if not (dist.is_available() and dist.is_initialized()):
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise SettingError(
                "gather=True: the launcher started several processes but torch.distributed is not initialised; "
                "call torch.distributed.init_process_group first"
            )
        return z, labels, instance_ids
    shape = [*z.shape, *[-1] * (_AXES - z.ndim)]
    sizes = [
        tuple(size for size in shape.tolist() if size >= 0) for shape in _gather(torch.tensor(shape, device=z.device))
    ]
    if () in sizes:
        raise ValueError(
            f"gather=True: process {sizes.index(())} holds a batch that cannot be used; its own message says why"
        )
    if len(set(sizes)) > 1:
        raise ValueError(
            f"gather=True: the processes hold batches of different shapes, {', '.join(map(str, sizes))}; "
            "drop the last incomplete batch (drop_last=True) or pad it"
        )
    if 0 in z.shape:
        raise ValueError(f"gather=True: the batches of all processes are empty, of shape {tuple(z.shape)}")
    if instance_ids is not None:
        instance_ids = torch.cat(_gather(instance_ids))
    joined = _Gather.apply(z, gradient_scale)
    _warn_of_batches_dealt_twice(joined.detach())
    return joined, torch.cat(_gather(labels)), instance_ids


_calls = itertools.count(1)  # of this process


@torch.compiler.disable  # a counter and a warning have no place in a graph
def _warn_of_batches_dealt_twice(joined: Tensor) -> None:
    """Look in the calls 1, 2, 4, ... and every 1024th: a sampler deals wrongly from the start on.

    A look waits for the device, and costs 1 to 5 % of a call for 256 to 4096 instances on one processor core.
    """
    call = next(_calls)
    if call & (call - 1) and call % 1024:
        return
    if held_twice(joined, dist.get_world_size()):
        warnings.warn(
            "gather: two processes hold the same embeddings, so the joined batch has instances twice and pulls them "
            "to themselves; give each process its own batches, with a sampler that knows its rank",
            stacklevel=5,
        )


def held_twice(z: Tensor, world: int) -> bool:
    """Whether an embedding of one process stands, bit for bit, in the batch of another.

    z: (world * instances, ...), the batches one after the other. Embeddings that a process repeats by itself do not
    count: equal embeddings throughout are a collapsed network, not a batch dealt twice.
    """
    rows = z.reshape(world, -1, z.shape[-1])
    # Sums of products modulo 2^64 are exact in any order, so equal rows have equal keys on every device.
    kind = {2: torch.int16, 4: torch.int32, 8: torch.int64}[z.element_size()]
    bits = rows.contiguous().view(kind).long()
    factors = 2 * torch.arange(1, z.shape[-1] + 1, device=z.device) * 0x9E3779B97F4A7C1 + 1
    keys = (bits * factors).sum(-1)
    alone = [part[counts == 1] for part, counts in (part.unique(return_counts=True) for part in keys)]
    return bool((torch.cat(alone).unique(return_counts=True)[1] > 1).any())


def refuse_batch(z: Any) -> None:
    """Tell the other processes that this one has no batch for them: all raise in this step, and none mixes two."""
    if dist.is_available() and dist.is_initialized():
        device = z.device if isinstance(z, Tensor) else torch.device("cpu")
        _gather(torch.full((_AXES,), -1, device=device))


def _gather(x: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.contiguous())
    return parts


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, gradient_scale: bool) -> Tensor:
        ctx.scale = dist.get_world_size() if gradient_scale else 1
        return torch.cat(_gather(z))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.chunk(dist.get_world_size())[dist.get_rank()] * ctx.scale, None
