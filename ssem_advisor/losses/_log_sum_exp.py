"""The logarithm of the softmax denominators of a batch: once plainly, once in memory linear in the batch.

In the second the matrix of similarities is never held: tiles on and above its diagonal are computed, used for their
rows and (being symmetric) for their columns, and overwritten by the next. The gradient computes each tile again.
"""

# no postponed annotations: torch reads the operators' signatures from the real types
import math
from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import Any

import torch
from torch import Tensor

_LOG2E = math.log2(math.e)


def default_tile(device: torch.device) -> int:
    """Rows of a tile: on a CPU two tiles fit the cache of one core, elsewhere a tile keeps the device busy."""
    return 256 if device.type == "cpu" else 4096


def dense_log_sum_exp(rows: Tensor, exclude_self: bool) -> Tensor:
    """log sum_b exp(rows_a . rows_b) over all b, or over all b != a. rows: (*, embeddings, dim)."""
    similarity = rows @ rows.mT
    if exclude_self:
        itself = torch.eye(rows.shape[-2], dtype=torch.bool, device=rows.device)
        similarity = similarity.masked_fill(itself, -math.inf)
    return similarity.logsumexp(-1)


def tiled_log_sum_exp(rows: Tensor, exclude_self: bool, tile: int) -> Tensor:
    """The same value and gradient for at least two embeddings, with ``tile`` rows and columns at a time.

    Reverse mode of any order (from the second derivative on in quadratic memory), ``torch.func`` and ``torch.compile``.
    """
    return _LogSumExp.apply(rows, exclude_self, tile)


class _LogSumExp(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(rows: Tensor, exclude_self: bool, tile: int) -> Tensor:
        return _value(rows, exclude_self, tile)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        rows, ctx.exclude_self, ctx.tile = inputs
        ctx.save_for_backward(rows, output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        rows, lse = ctx.saved_tensors
        return _Gradient.apply(grad, rows, lse, ctx.exclude_self, ctx.tile), None, None


class _Gradient(torch.autograd.Function):
    """The gradient as a function of its own, so that it has one too: that of the dense form."""

    generate_vmap_rule = True

    @staticmethod
    def forward(grad: Tensor, rows: Tensor, lse: Tensor, exclude_self: bool, tile: int) -> Tensor:
        return _gradient(grad, rows, lse, exclude_self, tile)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        grad, rows, _, ctx.exclude_self, _ = inputs
        ctx.save_for_backward(grad, rows)

    @staticmethod
    def backward(ctx: Any, tangent: Tensor) -> tuple[Tensor | None, ...]:
        def dense_gradient(grad: Tensor, rows: Tensor) -> Tensor:
            return torch.func.vjp(lambda x: dense_log_sum_exp(x, ctx.exclude_self), rows)[1](grad)[0]

        pullback = torch.func.vjp(dense_gradient, *ctx.saved_tensors)[1]
        return *pullback(tangent), None, None, None


# The two passes are operators to torch.compile: it calls them instead of unrolling their loops into its graph.


@torch.library.custom_op("ssem_advisor::log_sum_exp", mutates_args=())
def _value(rows: Tensor, exclude_self: bool, tile: int) -> Tensor:
    stack = rows.reshape(-1, *rows.shape[-2:])
    return torch.stack([_value_of_one(one, exclude_self, tile) for one in stack]).reshape(rows.shape[:-1])


@torch.library.custom_op("ssem_advisor::log_sum_exp_gradient", mutates_args=())
def _gradient(grad: Tensor, rows: Tensor, lse: Tensor, exclude_self: bool, tile: int) -> Tensor:
    embeddings = rows.shape[-2]
    stack = zip(
        grad.reshape(-1, embeddings), rows.reshape(-1, *rows.shape[-2:]), lse.reshape(-1, embeddings), strict=True
    )
    return torch.stack([_gradient_of_one(*one, exclude_self, tile) for one in stack]).reshape(rows.shape)


@_value.register_fake
def _(rows, exclude_self, tile):
    return rows.new_empty(rows.shape[:-1])


@_gradient.register_fake
def _(grad, rows, lse, exclude_self, tile):
    return rows.new_empty(rows.shape)


@_value.register_vmap
def _(info, in_dims, rows, exclude_self, tile):
    return _value(rows.movedim(in_dims[0], 0), exclude_self, tile), 0


@_gradient.register_vmap
def _(info, in_dims, grad, rows, lse, exclude_self, tile):
    tensors = (
        x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
        for x, dim in zip((grad, rows, lse), in_dims, strict=False)
    )
    return _gradient(*tensors, exclude_self, tile), 0


def _value_of_one(rows: Tensor, exclude_self: bool, tile: int) -> Tensor:
    sums = rows.new_zeros(len(rows))
    if _range_suffices(rows):
        for r, c, s in _tiles(rows, exclude_self, tile):
            s.exp2_()
            sums[r] += s.sum(1)
            if r != c:
                sums[c] += s.sum(0)
        return sums.log_()

    # running maxima: what was summed so far is rescaled whenever a tile brings a larger similarity
    peaks = torch.full_like(sums, torch.finfo(rows.dtype).min)
    for r, c, s in _tiles(rows, exclude_self, tile):
        for side, dim in ((r, 1), (c, 0))[: 1 + (r != c)]:
            peak = torch.maximum(peaks[side], s.amax(dim))
            sums[side] *= torch.exp2(peaks[side] - peak)
            sums[side] += torch.exp2(s - peak.unsqueeze(dim)).sum(dim)
            peaks[side] = peak
    return sums.log_().add_(peaks, alpha=1 / _LOG2E)


def _gradient_of_one(grad: Tensor, rows: Tensor, lse: Tensor, exclude_self: bool, tile: int) -> Tensor:
    result = torch.zeros_like(rows)
    if direct := _range_suffices(rows):
        weight, buffer = grad * torch.exp(-lse), _buffer(rows, tile)
    else:
        lse = lse * _LOG2E
    for r, c, s in _tiles(rows, exclude_self, tile):
        # s becomes grad_a P_ab + grad_b P_ba, P the softmax: similarity ab enters the sums of both a and b
        if direct:
            s.exp2_().mul_(torch.add(weight[r, None], weight[c], out=buffer[: s.numel()].view_as(s)))
        else:
            s = grad[r, None] * torch.exp2(s - lse[r, None]) + grad[c] * torch.exp2(s - lse[c])
        result[r].addmm_(s, rows[c])
        if r != c:
            result[c].addmm_(s.mT, rows[r])
    return result


def _tiles(rows: Tensor, exclude_self: bool, tile: int) -> Iterator[tuple[slice, slice, Tensor]]:
    """Similarities times log2(e) on and above the diagonal; the caller may overwrite a tile, the next one does.

    Powers of two cost a quarter of what powers of e cost, and the factor comes free with the matrix product.
    """
    buffer = _buffer(rows, tile)
    blocks = [slice(start, min(start + tile, len(rows))) for start in range(0, len(rows), tile)]
    for r, c in combinations_with_replacement(blocks, 2):
        height, width = r.stop - r.start, c.stop - c.start
        s = buffer[: height * width].view(height, width).addmm_(rows[r], rows[c].mT, beta=0, alpha=_LOG2E)
        if exclude_self and r == c:
            s.fill_diagonal_(-math.inf)  # before the exponential: subtracting it afterwards would cancel
        yield r, c, s


def _buffer(rows: Tensor, tile: int) -> Tensor:
    return rows.new_empty(min(tile, len(rows)) ** 2)


def _range_suffices(rows: Tensor) -> bool:
    """Whether exponentials of all similarities, and their reciprocals, can be summed and multiplied as they are.

    No similarity exceeds the largest squared length; half the exponent's range leaves the other half to the gradient.
    float32: unit rows at temperatures from 0.0226 up.
    """
    bound = torch.linalg.vector_norm(rows, dim=-1).amax().item() ** 2 * _LOG2E
    return bound <= math.log2(torch.finfo(rows.dtype).max) / 2
