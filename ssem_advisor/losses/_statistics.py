"""What the softmax losses need to know of a batch: its denominators, and its positives through sums."""

from __future__ import annotations

import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ssem_advisor.losses._log_sum_exp import dense_log_sum_exp, tiled_log_sum_exp, tiled_log_sum_exp_gradient


class Groups:
    """Which embeddings are views of one instance, and which instances are of one class.

    Shapes depend on no value, so that torch can trace: with free ids there are as many slots for instances as there
    are embeddings, and the unused ones hold no embedding.

    slots: (embeddings,) the instance of each embedding. labels, classes: (instances,) as given, and counted from 0.
    views: (instances,) embeddings of each. others: (instances,) embeddings of the other instances of its class.
    """

    def __init__(self, rows: Tensor, labels: Tensor, ids: Tensor | None = None) -> None:
        """rows: (*, embeddings, dim). labels: (instances,), the rows coming instance by instance; or as long as ids."""
        if ids is None:
            instances = torch.arange(len(labels), device=labels.device)
            self.slots = instances.repeat_interleave(rows.shape[-2] // len(labels))
        else:
            self.slots = _ranks(ids)
            labels = torch.zeros_like(labels).scatter(-1, self.slots, labels)
        self.labels = labels
        self.classes = _ranks(labels)
        ones = torch.ones_like(rows[..., 0])
        self.views = self.per_instance(ones, -1)
        self.others = _of_class(self.views, self.classes, -1) - self.views

    def per_instance(self, x: Tensor, dim: int) -> Tensor:
        """Sums over the embeddings of each instance."""
        return _per_instance(x, self.slots, len(self.labels), dim)


def statistics(rows: Tensor, groups: Groups, exclude_self: bool, tile: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Three sums over a batch of embeddings; z_i stands for the sum of the views of instance i.

    - (*, embeddings): log sum_b exp(rows_a . rows_b) over all b, or over all b != a
    - (*, instances): |z_i|^2
    - (*, instances): sum of z_i . z_j over the instances j of the class of i, i included

    rows: (*, embeddings, dim). tile: rows and columns of similarities to hold at a time, with memory linear in the
    batch for the value and the gradient (quadratic from the second derivative on); None = all at once.
    """
    if tile is None:
        return _dense(rows, groups.slots, groups.classes, exclude_self)
    return _Statistics.apply(rows, groups.slots, groups.classes, exclude_self, tile)[:3]


def _dense(rows: Tensor, slots: Tensor, classes: Tensor, exclude_self: bool) -> tuple[Tensor, Tensor, Tensor]:
    return dense_log_sum_exp(rows, exclude_self), *_positives(rows, slots, classes)


def _positives(rows: Tensor, slots: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    instance = _per_instance(rows, slots, classes.shape[-1], -2)
    return instance.square().sum(-1), (instance * _of_class(instance, classes, -2)).sum(-1)


class _Statistics(torch.autograd.Function):
    """Keeps for the gradient the rows and their denominators, and the tiles of a small batch."""

    generate_vmap_rule = True

    @staticmethod
    def forward(rows: Tensor, slots: Tensor, classes: Tensor, exclude_self: bool, tile: int) -> tuple[Tensor, ...]:
        lse, kept = tiled_log_sum_exp(rows, exclude_self, tile)
        return lse, *_positives(rows, slots, classes), kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        rows, slots, classes, ctx.exclude_self, ctx.tile = inputs
        lse, _, _, kept = output
        ctx.mark_non_differentiable(kept)
        ctx.save_for_backward(rows, slots, classes, lse, kept)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return _Gradient.apply(*grads[:3], *ctx.saved_tensors, ctx.exclude_self, ctx.tile), None, None, None, None


class _Gradient(torch.autograd.Function):
    """The gradient as a function of its own, so that it has one too: that of the dense form."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        by_lse: Tensor,
        by_own: Tensor,
        by_kin: Tensor,
        rows: Tensor,
        slots: Tensor,
        classes: Tensor,
        lse: Tensor,
        kept: Tensor,
        exclude_self: bool,
        tile: int,
    ) -> Tensor:
        grad = tiled_log_sum_exp_gradient(by_lse, rows, lse, kept, exclude_self, tile)
        instance = _per_instance(rows, slots, classes.shape[-1], -2)
        own, kin = by_own.unsqueeze(-1), by_kin.unsqueeze(-1)
        positives = 2 * own * instance + kin * _of_class(instance, classes, -2) + _of_class(kin * instance, classes, -2)
        return grad.add_(positives.index_select(-2, slots))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        *tensors, _, _, ctx.exclude_self, _ = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, tangent: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, slots, classes = ctx.saved_tensors

        def gradient(by_lse: Tensor, by_own: Tensor, by_kin: Tensor, rows: Tensor) -> Tensor:
            pullback = torch.func.vjp(lambda x: _dense(x, slots, classes, ctx.exclude_self), rows)[1]
            return pullback((by_lse, by_own, by_kin))[0]

        return *torch.func.vjp(gradient, *inputs)[1](tangent), None, None, None, None, None, None


for function in (_Statistics, _Gradient):  # torch asks for it at every call; finding it anew takes 0.1 ms
    function.forward.__signature__ = inspect.signature(function.forward)  # type: ignore[union-attr]


def _per_instance(x: Tensor, slots: Tensor, instances: int, dim: int) -> Tensor:
    shape = list(x.shape)
    shape[dim] = instances
    return x.new_zeros(shape).index_add(dim, slots, x)


def _of_class(x: Tensor, classes: Tensor, dim: int) -> Tensor:
    """For each instance, the sum over the instances of its class."""
    return torch.zeros_like(x).index_add(dim, classes, x).index_select(dim, classes)


def _ranks(values: Tensor) -> Tensor:
    """Each value's index among the distinct values, along the last dimension."""
    ordered, order = values.sort(-1)
    steps = (ordered.diff(dim=-1) != 0).cumsum(-1)
    return torch.empty_like(order).scatter(-1, order, F.pad(steps, (1, 0)))
