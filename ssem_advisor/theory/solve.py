"""Roots of monotone functions, vectorised: Newton's method inside a bracket, and bisection."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def newton(function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], high: np.ndarray) -> np.ndarray:
    """The root in [0, high] of a decreasing function that returns (value, derivative); `high` if it stays positive.

    Every step stays in the shrinking bracket; a step that would leave it is replaced by the midpoint. Newton's steps
    square the error, so the first one below 1e-8 of the root is the last one needed.
    """
    ends_positive = function(high)[0] >= 0
    low, x = np.zeros_like(high), np.zeros_like(high)
    for _ in range(200):
        value, slope = function(x)
        positive = value > 0
        low, high = np.where(positive, x, low), np.where(positive, high, x)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = x - value / slope
        settled = np.abs(step - x) <= 1e-8 * np.abs(x)
        x = np.where(settled | ((step >= low) & (step <= high)), step, 0.5 * (low + high))
        settled |= high - low <= 4e-16 * high
        if np.all(settled | ends_positive):
            break
    return np.where(ends_positive, high, x)


def bisect(function: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The root of an increasing function by bisection to the last digit."""
    low, high = np.broadcast_arrays(np.asarray(low, dtype=float), np.asarray(high, dtype=float))
    for _ in range(200):
        middle = 0.5 * (low + high)
        if np.all((middle == low) | (middle == high)):
            break
        positive = function(middle) > 0
        low, high = np.where(positive, low, middle), np.where(positive, middle, high)
    return 0.5 * (low + high)


def multiply_subtract(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a b - c with one rounding (Dekker's exact product): 0.2 * 5 - 1 is 5.6e-17, not 0."""
    product = a * b
    a_high, b_high = _upper_half(a), _upper_half(b)
    a_low, b_low = a - a_high, b - b_high
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return (product - c) + error


def _upper_half(x: np.ndarray) -> np.ndarray:
    """The leading 26 bits of a float64."""
    scaled = 134217729.0 * x  # 2**27 + 1
    return scaled - (scaled - x)
