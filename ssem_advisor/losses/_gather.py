"""The joined batch of all processes, differentiable."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ssem_advisor.domain import SettingError


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
    sizes = [tuple(shape.tolist()) for shape in _gather(torch.tensor(z.shape, device=z.device))]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"gather=True: the processes hold batches of different shapes, {', '.join(map(str, sizes))}; "
            "drop the last incomplete batch (drop_last=True) or pad it"
        )
    if instance_ids is not None:
        instance_ids = torch.cat(_gather(instance_ids))
    return _Gather.apply(z, gradient_scale), torch.cat(_gather(labels)), instance_ids


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
