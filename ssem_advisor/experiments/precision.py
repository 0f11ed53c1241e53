"""The number format that a device computes networks in fastest, measured rather than looked up."""

from __future__ import annotations

import time
from functools import cache

import torch

_GAIN = 1.5
"""How much faster a narrow product must be to be worth its rounding."""


@cache
def fast_dtype(device: str) -> torch.dtype:
    """bfloat16 on a GPU, and on a CPU that multiplies in it at least 1.5 times as fast as in float32; else float32.

    Processors without such units emulate them, and are slower for it, so a CPU is timed: a few milliseconds, once.
    """
    if device.split(":")[0] == "cuda":
        return torch.bfloat16
    if device.split(":")[0] != "cpu":
        return torch.float32
    wide, narrow = (_seconds(dtype) for dtype in (torch.float32, torch.bfloat16))
    return torch.bfloat16 if wide > _GAIN * narrow else torch.float32


def _seconds(dtype: torch.dtype) -> float:
    """Best of five products of two square matrices."""
    a = torch.ones(512, 512, dtype=dtype)
    found = []
    for _ in range(6):
        began = time.perf_counter()
        a @ a
        found.append(time.perf_counter() - began)
    return min(found[1:])
