"""The logarithm of the softmax denominators of a batch: once plainly, once in memory linear in the batch.

In the second the matrix of similarities is never held: tiles on and above its diagonal are computed, used for their
rows and (being symmetric) for their columns, and overwritten by the next. The gradient computes each tile again.
"""

# no postponed annotations: torch reads the operators' signatures from the real types
import math
from collections.abc import Iterator
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


@torch.library.custom_op("ssem_advisor::log_sum_exp", mutates_args=())
def tiled_log_sum_exp(rows: Tensor, exclude_self: bool, tile: int) -> tuple[Tensor, Tensor]:
    """The same for at least two embeddings, with `tile` rows and columns of similarities at a time.

    An operator, so that torch.compile calls it instead of unrolling its loops into the graph; it has no autograd. The
    second result is for the gradient: the tiles themselves where they are few, else nothing.
    """
    result, kept = rows.new_zeros(rows.shape[:-1]), rows.new_empty(_kept_shape(rows, tile))
    for one in zip(_models(result, 1), _models(kept, 1), _models(rows, 2), strict=True):
        _add_value(*one, exclude_self, tile)
    return result, kept


@torch.library.custom_op("ssem_advisor::log_sum_exp_gradient", mutates_args=())
def tiled_log_sum_exp_gradient(
    grad: Tensor, rows: Tensor, lse: Tensor, kept: Tensor, exclude_self: bool, tile: int
) -> Tensor:
    """The gradient with respect to the rows, given that with respect to the first result `lse`."""
    result = rows.new_zeros(rows.shape)
    inputs = _models(grad, 1), _models(lse, 1), _models(kept, 1)
    for into, one, by, sums, tiles in zip(_models(result, 2), _models(rows, 2), *inputs, strict=True):
        _add_gradient(into, one, by, sums, tiles, exclude_self, tile)
    return result


def _models(x: Tensor, dims: int) -> Tensor:
    """x with one leading dimension beside its last `dims`."""
    return x.reshape(x.shape[: x.ndim - dims].numel(), *x.shape[x.ndim - dims :])


def _kept_shape(rows: Tensor, tile: int) -> list[int]:
    """All tiles of up to two blocks of rows; a bound on memory that no batch exceeds."""
    n = rows.shape[-2]
    kept = n * n if n <= tile else n * n - tile * (n - tile) if n <= 2 * tile else 0
    return [*rows.shape[:-2], kept]


@tiled_log_sum_exp.register_fake
def _(rows, exclude_self, tile):
    return rows.new_empty(rows.shape[:-1]), rows.new_empty(_kept_shape(rows, tile))


@tiled_log_sum_exp_gradient.register_fake
def _(grad, rows, lse, kept, exclude_self, tile):
    return rows.new_empty(rows.shape)


@tiled_log_sum_exp.register_vmap
def _(info, in_dims, rows, exclude_self, tile):
    return tiled_log_sum_exp(rows.movedim(in_dims[0], 0), exclude_self, tile), (0, 0)


@tiled_log_sum_exp_gradient.register_vmap
def _(info, in_dims, grad, rows, lse, kept, exclude_self, tile):
    tensors = (
        x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
        for x, dim in zip((grad, rows, lse, kept), in_dims, strict=False)
    )
    return tiled_log_sum_exp_gradient(*tensors, exclude_self, tile), 0


def _add_value(lse: Tensor, kept: Tensor, rows: Tensor, exclude_self: bool, tile: int) -> None:
    """Turns zeros (embeddings,) into the logarithms of the sums."""
    tiles = _tiles(rows, exclude_self, tile, kept if len(kept) else _buffer(rows, tile))
    if _range_suffices(rows):
        for r, c, s in tiles:
            s.exp2_()
            lse[r] += s.sum(1)
            if r != c:
                lse[c] += s.sum(0)
        lse.log_()
        return

    # running maxima: what was summed so far is rescaled whenever a tile brings a larger similarity
    peaks = torch.full_like(lse, torch.finfo(rows.dtype).min)
    for r, c, s in tiles:
        for side, dim in ((r, 1), (c, 0))[: 1 + (r != c)]:
            peak = torch.maximum(peaks[side], s.amax(dim))
            lse[side] *= torch.exp2(peaks[side] - peak)
            lse[side] += torch.exp2(s - peak.unsqueeze(dim)).sum(dim)
            peaks[side] = peak
    lse.log_().add_(peaks, alpha=1 / _LOG2E)


def _add_gradient(
    result: Tensor, rows: Tensor, grad: Tensor, lse: Tensor, kept: Tensor, exclude_self: bool, tile: int
) -> None:
    """Adds the gradient to zeros (embeddings, dim)."""
    known = len(kept) > 0
    tiles = _tiles(rows, exclude_self, tile, kept if known else _buffer(rows, tile), known)
    if direct := _range_suffices(rows):
        weight, buffer = grad * torch.exp(-lse), _buffer(rows, tile)
    else:
        lse = lse * _LOG2E
    for r, c, s in tiles:
        # w is grad_a P_ab + grad_b P_ba, P the softmax: similarity ab enters the sums of both a and b
        if direct:
            w = torch.add(weight[r, None], weight[c], out=buffer[: s.numel()].view_as(s))
            w *= s if known else s.exp2_()
        else:
            w = grad[r, None] * torch.exp2(s - lse[r, None]) + grad[c] * torch.exp2(s - lse[c])
        result[r].addmm_(w, rows[c])
        if r != c:
            result[c].addmm_(w.mT, rows[r])


def _tiles(
    rows: Tensor, exclude_self: bool, tile: int, buffer: Tensor, known: bool = False
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Similarities times log2(e) on and above the diagonal, or what the caller made of them if known already.

    In a buffer of one tile each overwrites the one before. Powers of two cost a quarter of what powers of e cost, and
    the factor comes free with the matrix product.
    """
    blocks = [slice(start, min(start + tile, len(rows))) for start in range(0, len(rows), tile)]
    stop = 0
    for r, c in combinations_with_replacement(blocks, 2):
        shape = (r.stop - r.start, c.stop - c.start)
        start = stop if stop + math.prod(shape) <= len(buffer) else 0
        stop = start + math.prod(shape)
        s = buffer[start:stop].view(shape)
        if not known:
            s.addmm_(rows[r], rows[c].mT, beta=0, alpha=_LOG2E)
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
