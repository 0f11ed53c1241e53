"""The logarithm of the softmax denominators of a batch: once plainly, once in memory linear in the batch.

In the second the matrix of similarities is never held: tiles on and above its diagonal are computed, used for their
rows and (being symmetric) for their columns, and overwritten by the next. The gradient computes each tile again.
"""

# no postponed annotations: torch reads the operators' signatures from the real types
import math
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

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


def tiled_log_sum_exp(rows: Tensor, exclude_self: bool, direct: bool, tile: int) -> tuple[Tensor, Tensor]:
    """The same for (embeddings, dim), at least two, with `tile` rows and columns of similarities at a time.

    direct: whether exponentials of similarities can be summed as they are (see :func:`range_suffices`). The second
    result is for the gradient: the tiles themselves where they are few, else nothing. No autograd, no vmap.
    """
    return (_value_operator if torch.compiler.is_compiling() else _value)(rows, exclude_self, direct, tile)


def tiled_log_sum_exp_gradient(
    start: Tensor, grad: Tensor, rows: Tensor, lse: Tensor, kept: Tensor, exclude_self: bool, direct: bool, tile: int
) -> Tensor:
    """The gradient with respect to the rows, given that with respect to the first result `lse`, plus `start`.

    start: of the shape of the rows, or of a view of it.
    """
    function = _gradient_operator if torch.compiler.is_compiling() else _gradient
    return function(start, grad, rows, lse, kept, exclude_self, direct, tile)


def range_suffices(bound: float, dtype: torch.dtype) -> bool:
    """Whether exponentials of similarities up to `bound`, and their reciprocals, can be summed and multiplied as are.

    Half the exponent's range leaves the other half to the gradient. float32: temperatures from 0.0226 up.
    """
    return bound * _LOG2E <= math.log2(torch.finfo(dtype).max) / 2


def _value(rows: Tensor, exclude_self: bool, direct: bool, tile: int) -> tuple[Tensor, Tensor]:
    kept = rows.new_empty(_kept(len(rows), tile))
    blocks = _blocks(rows, tile)
    tiles = _tiles(blocks, exclude_self, kept if len(kept) else _buffer(rows, tile))
    lse = rows.new_zeros(len(rows))
    sums = _blocks(lse, tile)
    if direct:
        ones = rows.new_ones(len(blocks[0]))
        for r, c, s in tiles:
            s.exp2_()
            sums[r].addmv_(s, ones[: s.shape[1]])
            if r != c:
                sums[c].addmv_(s.mT, ones)
        return lse.log_(), kept

    # running maxima: what was summed so far is rescaled whenever a tile brings a larger similarity
    peaks = torch.full_like(lse, torch.finfo(rows.dtype).min)
    highest = _blocks(peaks, tile)
    for r, c, s in tiles:
        for side, dim in ((r, 1), (c, 0))[: 1 + (r != c)]:
            peak = torch.maximum(highest[side], s.amax(dim))
            sums[side].mul_(torch.exp2(highest[side] - peak)).add_(torch.exp2(s - peak.unsqueeze(dim)).sum(dim))
            highest[side].copy_(peak)
    return lse.log_().add_(peaks, alpha=1 / _LOG2E), kept


def _gradient(
    start: Tensor, grad: Tensor, rows: Tensor, lse: Tensor, kept: Tensor, exclude_self: bool, direct: bool, tile: int
) -> Tensor:
    result = rows.new_empty(rows.shape)
    result.view(start.shape).copy_(start)
    known = len(kept) > 0
    blocks, results = _blocks(rows, tile), _blocks(result, tile)
    tiles = _tiles(blocks, exclude_self, kept if known else _buffer(rows, tile), known)
    # w is grad_a P_ab + grad_b P_ba, P the softmax: similarity ab enters the sums of both a and b
    if direct:
        weights, buffer = _blocks(grad / torch.exp(lse), tile), _buffer(rows, tile)
    else:
        grads, sums = _blocks(grad, tile), _blocks(lse * _LOG2E, tile)
    for r, c, s in tiles:
        if direct:
            w = torch.add(weights[r][:, None], weights[c], out=buffer[: s.numel()].view_as(s))
            w *= s if known else s.exp2_()
        else:
            w = grads[r][:, None] * torch.exp2(s - sums[r][:, None]) + grads[c] * torch.exp2(s - sums[c])
        results[r].addmm_(w, blocks[c])
        if r != c:
            results[c].addmm_(w.mT, blocks[r])
    return result


def _tiles(
    blocks: Sequence[Tensor], exclude_self: bool, buffer: Tensor, known: bool = False
) -> Iterator[tuple[int, int, Tensor]]:
    """Two blocks of rows, by number, and their similarities times log2(e); on and above the diagonal.

    Or what the caller made of the similarities if they are known already. In a buffer of one tile each overwrites the
    one before. Powers of two cost a quarter of what powers of e cost, and the factor comes free with the product.
    """
    stop = 0
    for r, c in combinations_with_replacement(range(len(blocks)), 2):
        height, width = len(blocks[r]), len(blocks[c])
        start = stop if stop + height * width <= len(buffer) else 0
        stop = start + height * width
        s = buffer[start:stop].view(height, width)
        if not known:
            s.addmm_(blocks[r], blocks[c].mT, beta=0, alpha=_LOG2E)
            if exclude_self and r == c:
                s.fill_diagonal_(-math.inf)  # before the exponential: subtracting it afterwards would cancel
        yield r, c, s


def _blocks(x: Tensor, tile: int) -> list[Tensor]:
    return [x[start : start + tile] for start in range(0, len(x), tile)]


def _buffer(rows: Tensor, tile: int) -> Tensor:
    return rows.new_empty(min(tile, len(rows)) ** 2)


def _kept(rows: int, tile: int) -> int:
    """Elements of all tiles of up to two blocks of rows; a bound on memory that no batch exceeds."""
    return rows * rows if rows <= tile else rows * rows - tile * (rows - tile) if rows <= 2 * tile else 0


# Operators that torch.compile calls instead of unrolling their loops into the graph. Elsewhere the functions are called
# as they are: what torch adds around an operator takes as long as half a tile.
_value_operator = torch.library.custom_op("ssem_advisor::log_sum_exp", _value, mutates_args=())
_gradient_operator = torch.library.custom_op("ssem_advisor::log_sum_exp_gradient", _gradient, mutates_args=())


@_value_operator.register_fake
def _(rows: Tensor, exclude_self: bool, direct: bool, tile: int) -> tuple[Tensor, Tensor]:
    n = rows.shape[0]  # len() would tie the graph to this number
    return rows.new_empty(n), rows.new_empty(_kept(n, tile))


@_gradient_operator.register_fake
def _(
    start: Tensor, grad: Tensor, rows: Tensor, lse: Tensor, kept: Tensor, exclude_self: bool, direct: bool, tile: int
) -> Tensor:
    return rows.new_empty(rows.shape)
