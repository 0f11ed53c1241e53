"""The sums of ``l_spread``: every view of an instance against every other view of the batch."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def spread_sums(u: Tensor, labels: Tensor, rows: int | None) -> tuple[Tensor, Tensor]:
    """For each instance i, over its views and the other views of the batch, with S_ij = u_i . u_j across two views:

    - sum over j of its class of -log( exp S_ij / (exp S_ij + sum over other classes k of exp S_ik) ),
    - log sum over j of its class of exp S_ij.

    u: (*, instances, views, dim). labels: (instances,). rows: instances to compare with the batch at a time, and again
    for the gradient, so that memory is linear in the batch; None = all at once. Returns two of (*, instances).
    """
    compare = _block if rows is None else _Recomputed.apply
    blocks = []
    for part in torch.arange(len(labels), device=u.device).split(rows or len(labels)):
        kin = labels[part, None] == labels
        pairs = permutations(range(u.shape[-2]), 2)
        sums = [compare(u[..., part, v, :], u[..., w, :], kin) for v, w in pairs]
        blocks.append([sum(column) for column in zip(*sums, strict=True)])
    against, within = (torch.cat(column, -1) for column in zip(*blocks, strict=True))
    return against, within


def _block(a: Tensor, b: Tensor, kin: Tensor) -> tuple[Tensor, Tensor]:
    similarity = a @ b.mT
    negatives = similarity.masked_fill(kin, -math.inf).logsumexp(-1, keepdim=True)
    against = torch.where(kin, F.softplus(negatives - similarity, threshold=40), 0).sum(-1)
    within = similarity.masked_fill(~kin, -math.inf).logsumexp(-1)
    return against, within


class _Recomputed(torch.autograd.Function):
    """A block that keeps only its input for the gradient; unlike torch's checkpoint it composes with torch.func."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor, kin: Tensor) -> tuple[Tensor, Tensor]:
        return _block(a, b, kin)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        a, b, kin = ctx.saved_tensors
        pullback = torch.func.vjp(lambda a, b: _block(a, b, kin), a, b)[1]
        return *pullback(grads), None
