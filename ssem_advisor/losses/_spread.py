"""The sums of ``l_spread``: every view of an instance against every other view of the batch."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def spread_sums(u: Tensor, labels: Tensor, tile: int | None) -> tuple[Tensor, Tensor]:
    """For each instance i, over its views and the other views of the batch, with S_ij = u_i . u_j across two views:

    - sum over j of its class of -log( exp S_ij / (exp S_ij + sum over other classes k of exp S_ik) ),
    - log sum over j of its class of exp S_ij.

    u: (*, instances, views, dim). labels: (instances,). tile: about tile * tile similarities are held at a time, and
    computed again for the gradient, so that memory is linear in the batch; None = all at once. Returns two of
    (*, instances).
    """
    instances = len(labels)
    if tile is None:
        return _forward(u, labels, instances)
    return _Spread.apply(u, labels, max(1, tile * tile // instances))


class _Spread(torch.autograd.Function):
    """Keeps only its input for the gradient; unlike torch's checkpoint it composes with torch.func."""

    generate_vmap_rule = True

    @staticmethod
    def forward(u: Tensor, labels: Tensor, rows: int) -> tuple[Tensor, Tensor]:
        return _forward(u, labels, rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        u, labels, ctx.rows = inputs
        ctx.save_for_backward(u, labels)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        u, labels = ctx.saved_tensors
        with torch.autocast(u.device.type, enabled=False):
            return _gradient(u, labels, ctx.rows, *grads), None, None


def _gradient(u: Tensor, labels: Tensor, rows: int, *grads: Tensor) -> Tensor:
    result = torch.zeros_like(u * (grads[0] + grads[1])[..., None, None])  # mapped over if anything is
    for part in _parts(labels, rows):
        same_class, (by_against, by_within) = _same_class(labels, part), (grad[..., part, None] for grad in grads)
        for v, w in permutations(range(u.shape[-2]), 2):
            a, b = _block_gradient(u[..., part, v, :], u[..., w, :], same_class, by_against, by_within)
            result[..., part, v, :] += a
            result[..., w, :] += b
    return result


def _forward(u: Tensor, labels: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    against, within = torch.zeros_like(u[..., 0, 0] * labels), torch.zeros_like(u[..., 0, 0] * labels)
    for part in _parts(labels, rows):
        same_class = _same_class(labels, part)
        for v, w in permutations(range(u.shape[-2]), 2):
            sums = _block(u[..., part, v, :], u[..., w, :], same_class)
            against[..., part] += sums[0]
            within[..., part] += sums[1]
    return against, within


def _block(a: Tensor, b: Tensor, same_class: Tensor) -> tuple[Tensor, Tensor]:
    similarity = a @ b.mT
    negatives = similarity.masked_fill(same_class, _low(similarity)).logsumexp(-1, keepdim=True)
    against = F.softplus(negatives - similarity, threshold=40).masked_fill(~same_class, 0).sum(-1)
    within = similarity.masked_fill(~same_class, _low(similarity)).logsumexp(-1)
    return against, within


def _block_gradient(
    a: Tensor, b: Tensor, same_class: Tensor, by_against: Tensor, by_within: Tensor
) -> tuple[Tensor, Tensor]:
    similarity = a @ b.mT
    negatives = similarity.masked_fill(same_class, _low(similarity)).logsumexp(-1, keepdim=True)
    pull = torch.sigmoid(negatives - similarity).masked_fill(~same_class, 0)
    push = (similarity - negatives).masked_fill(same_class, _low(similarity)).exp() * pull.sum(-1, keepdim=True)
    spread = similarity.masked_fill(~same_class, _low(similarity)).softmax(-1)
    by_similarity = by_against * (push - pull) + by_within * spread
    return by_similarity @ b, by_similarity.mT @ a


def _low(similarity: Tensor) -> float:
    """In place of what is left out of a sum of exponentials: finite, so that rows of nothing else can be derived."""
    return torch.finfo(similarity.dtype).min / 4


def _same_class(labels: Tensor, part: slice) -> Tensor:
    return labels[..., part, None] == labels[..., None, :]


def _parts(labels: Tensor, rows: int) -> list[slice]:
    return [slice(start, start + rows) for start in range(0, labels.shape[-1], rows)]
