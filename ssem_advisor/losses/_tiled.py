"""The softmax losses in memory linear in the batch: value and gradient in closed form, around tiled denominators."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ssem_advisor.domain import Loss
from ssem_advisor.losses._groups import Groups
from ssem_advisor.losses._log_sum_exp import tiled_log_sum_exp, tiled_log_sum_exp_gradient
from ssem_advisor.losses._mixture import pair_sums, softmax_sums


def tiled_pair_sums(
    z: Tensor,
    lengths: Tensor | None,
    temperature: float | Tensor,
    groups: Groups,
    positives: Tensor,
    loss: Loss,
    direct: bool,
    tile: int,
) -> Tensor:
    """:func:`pair_sums` of embeddings z: (embeddings, dim) or (instances, views, dim).

    lengths: those of the embeddings, by which they are divided, keeping z's dimensions; None = they are 1. direct:
    whether exponentials of similarities can be summed as they are. tile: rows and columns of similarities to hold at a
    time: memory is linear in the batch for the value and the gradient, quadratic from the second derivative on.
    """
    return _Value.apply(z, temperature, lengths, *groups[1:], positives, loss, direct, tile)[0]


class _Function(torch.autograd.Function):
    """A function of one model; of several under vmap, one after the other."""

    def __init_subclass__(cls) -> None:
        # torch asks for it at every call; finding it anew takes 0.1 ms
        cls.forward.__signature__ = inspect.signature(cls.forward)  # type: ignore[attr-defined]

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:  # type: ignore[override]
        calls = [
            cls.apply(*(x if dim is None else x.select(dim, k) for x, dim in zip(inputs, in_dims, strict=True)))
            for k in range(info.batch_size)
        ]
        results = tuple(None if x[0] is None else torch.stack(x) for x in zip(*calls, strict=True))
        return results, tuple(None if x is None else 0 for x in results)


class _Value(_Function):
    """Keeps for the gradient the rows and their denominators, and the tiles of a small batch."""

    @staticmethod
    def forward(
        z: Tensor,
        temperature: float | Tensor,
        lengths: Tensor | None,
        slots: Tensor | None,
        classes: Tensor,
        views: Tensor,
        positives: Tensor,
        loss: Loss,
        direct: bool,
        tile: int,
    ) -> tuple[Tensor, ...]:
        groups = Groups(z.shape[:-1].numel(), slots, classes, views)
        rows = (z / _divisor(temperature, lengths)).flatten(0, -2)
        lse, kept = tiled_log_sum_exp(rows, loss == "supcon", direct, tile)
        squares = views / temperature if lengths is not None else groups.per_instance(rows.square().sum(-1), -1)
        instance = groups.per_instance(rows, -2)
        of_class = groups.of_class(instance, -2)
        sums = softmax_sums(lse, instance, of_class, squares, groups, positives, loss)
        return sums, rows, instance, of_class, lse, kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)  # of what has none: zeros as large as the tiles
        _save(ctx, (*inputs, *output[1:]))

    @staticmethod
    def backward(ctx: Any, by_sums: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if by_sums is None:
            return (None,) * 10
        inputs = _saved(ctx)
        if torch.is_grad_enabled():  # of a gradient that is derived again; torch.func always takes it so
            by_inputs = _Gradient.apply(by_sums, *inputs)
        else:
            by_inputs = _gradient(by_sums, *inputs)
        return *by_inputs, *(None,) * 8


def _divisor(temperature: float | Tensor, lengths: Tensor | None) -> float | Tensor:
    return temperature**0.5 if lengths is None else lengths * temperature**0.5


def _gradient(
    by_sums: Tensor,
    z: Tensor,
    temperature: float | Tensor,
    lengths: Tensor | None,
    slots: Tensor | None,
    classes: Tensor,
    views: Tensor,
    positives: Tensor,
    loss: Loss,
    direct: bool,
    tile: int,
    rows: Tensor,
    instance: Tensor,
    of_class: Tensor,
    lse: Tensor,
    kept: Tensor,
) -> tuple[Tensor, Tensor | None]:
    """With respect to z and to the temperature, if that is a tensor."""
    groups = Groups(z.shape[:-1].numel(), slots, classes, views)

    # to the rows: through the products of class sums and of instance sums, then through the denominators
    pulls = groups.per_embedding(_pulls(instance, of_class, groups, by_sums), -2)
    by_lse = groups.per_embedding((by_sums * positives).sum(-2), -1).reshape(lse.shape)
    by_rows = tiled_log_sum_exp_gradient(pulls, by_lse, rows, lse, kept, loss == "supcon", direct, tile)
    learned = isinstance(temperature, Tensor)
    if loss == "supcon" and (learned or lengths is None):  # its squares: along the row, where normalising leaves none
        by_rows = by_rows + rows * (2 * groups.per_embedding(by_sums[1], -1).reshape(-1, 1))

    # to the embeddings: rows = z / divisor
    along = (by_rows * rows).sum(-1, keepdim=True)
    if lengths is not None:
        by_rows = by_rows.addcmul_(rows, along * -temperature)
    by_z = by_rows.reshape(z.shape).div_(_divisor(temperature, lengths))
    return by_z, along.sum() / (-2 * temperature) if learned else None


def _pulls(instance: Tensor, of_class: Tensor, groups: Groups, by_sums: Tensor) -> Tensor:
    """The gradient with respect to the instance sums: (instances, dim)."""
    by_class, by_own = by_sums.unsqueeze(-1).unbind(-3)
    if groups.slots is None:  # as many views of every instance: the anchors of a class have equal weights
        return (instance * (by_class - by_own)).addcmul_(of_class, by_class, value=-1).mul_(2)
    weighted = groups.of_class(instance * by_class, -2)
    return (instance * (2 * (by_class - by_own))).addcmul_(of_class, by_class, value=-1).sub_(weighted)


class _Gradient(_Function):
    """The gradient as a function of its own, so that it has one too: that of the dense form."""

    forward = staticmethod(_gradient)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _save(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, *tangents: Tensor) -> tuple[Tensor | None, ...]:
        by_sums, *inputs = _saved(ctx)[:9]
        sums, values = _dense(*inputs)

        def gradient(by_sums: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
            return torch.func.vjp(sums, *values)[1](by_sums)

        with torch.autocast(by_sums.device.type, enabled=False):
            pulled = torch.func.vjp(gradient, by_sums, *values)[1](tangents[: len(values)])
        return *pulled, *(None,) * (16 - len(pulled))


def _dense(
    z: Tensor,
    temperature: float | Tensor,
    lengths: Tensor | None,
    slots: Tensor | None,
    classes: Tensor,
    views: Tensor,
    positives: Tensor,
    loss: Loss,
) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """The dense form as a function of z and of the temperature, if that is a tensor; and these."""

    def sums(z: Tensor, temperature: float | Tensor = temperature) -> Tensor:
        if lengths is not None:
            z = z / torch.linalg.vector_norm(z, dim=-1, keepdim=True)
        rows = (z * temperature**-0.5).flatten(0, -2)
        return pair_sums(rows, Groups(z.shape[:-1].numel(), slots, classes, views), positives, loss)

    return sums, (z, temperature) if isinstance(temperature, Tensor) else (z,)


def _save(ctx: Any, values: tuple[Any, ...]) -> None:
    """Tensors where autograd looks for them, what is none beside them."""
    ctx.save_for_backward(*(x if isinstance(x, Tensor) else None for x in values))
    ctx.others = [None if isinstance(x, Tensor) else x for x in values]


def _saved(ctx: Any) -> list[Any]:
    return [other if tensor is None else tensor for tensor, other in zip(ctx.saved_tensors, ctx.others, strict=True)]
