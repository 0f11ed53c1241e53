"""Inner products of a batch, summed within and between classes on the device of the embeddings."""

from __future__ import annotations

import torch
from torch import Tensor


def pair_sums(z: Tensor, y: Tensor, instance_ids: Tensor | None) -> Tensor:
    """Inner products of different instances, summed within and between classes, with their numbers.

    Through class sums: sum over pairs of a class = |sum|^2 - sum of squares. Sorting gives every class a slot without
    asking the device how many there are, so nothing waits for it.
    """
    with torch.autocast(z.device.type, enabled=False):
        kind = torch.float32 if z.device.type == "mps" else torch.float64

        def squared(x: Tensor) -> Tensor:
            return torch.linalg.vector_norm(x, dtype=kind) ** 2

        z = torch.nn.functional.normalize(z.float() if z.itemsize < 4 else z, dim=-1)
        one = torch.ones(len(y), dtype=z.dtype, device=z.device)
        if z.ndim == 3:
            z = z.mean(dim=1)
        elif instance_ids is not None:  # as many slots as rows; the unused ones stay zero and weigh nothing
            slot = _ranks(instance_ids.to(z.device))
            views = torch.zeros_like(one).index_add_(0, slot, one)
            z = torch.zeros_like(z).index_add_(0, slot, z) / views.clamp(min=1)[:, None]
            y, one = torch.zeros_like(y).scatter_(0, slot, y), (views > 0).to(z.dtype)
        slot = _ranks(y)
        sums = torch.zeros_like(z).index_add_(0, slot, z)
        counts = torch.zeros_like(one).index_add_(0, slot, one)
        class_squares, all_squares = squared(sums), squared(sums.sum(dim=0, dtype=kind))
        n, pairs = counts.sum(), (counts**2).sum()
        return torch.stack(
            [
                class_squares - squared(z),
                (pairs - n).to(kind),
                all_squares - class_squares,
                (n**2 - pairs).to(kind),
                counts[counts > 1].sum().to(kind),
                n.to(kind),
            ]
        )


def _ranks(ids: Tensor) -> Tensor:
    """Equal ids get equal numbers from 0 on; no shape depends on a value, so the device is not waited for."""
    ranked, order = ids.sort()
    steps = torch.zeros_like(ranked)
    steps[1:] = (ranked[1:] != ranked[:-1]).cumsum(0)
    return torch.empty_like(steps).scatter_(0, order, steps)
