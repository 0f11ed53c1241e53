"""Roots of monotone functions, vectorised: Newton's method inside a bracket, and interpolation without a derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def newton(function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], high: np.ndarray) -> np.ndarray:
    """The root in [0, high] of a decreasing function that returns (value, derivative); `high` if it stays positive.

    Every step stays in the shrinking bracket: one that would leave it goes to the upper end as long as nothing is known
    there, else to the midpoint. Newton's steps square the error, so the first below 1e-8 of the root is the last one.
    """
    low, x = np.zeros_like(high), np.zeros_like(high)
    untested = np.ones(high.shape, dtype=bool)  # the upper end has not been tried
    for _ in range(200):
        value, slope = function(x)
        positive = value > 0
        untested &= positive
        low, high = np.where(positive, x, low), np.where(positive, high, x)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = x - value / slope
            settled = (np.abs(step - x) <= 1e-8 * x) | (high - low <= 4e-16 * high)
        beyond = np.where(untested & (step > high), high, 0.5 * (low + high))
        x = np.where((step >= low) & (step <= high), step, np.where(settled, x, beyond))
        if np.all(settled):
            break
    return x


def zero(function: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The root of an increasing function between two ends, to the last digits; an end where there is none between them.

    Chandrupatla's method: inverse quadratic interpolation where the last three points allow it, else bisection. The
    function gets arrays of the ends' common shape, about ten times.
    """
    low, high = np.broadcast_arrays(np.asarray(low, dtype=float), np.asarray(high, dtype=float))
    x, kept, other = low, high, high  # the newest point, the one across the root, the one given up last
    at_x, at_kept = function(low), function(high)
    at_other = at_kept
    found = best = np.where(at_x > 0, low, high)
    done = (at_x > 0) | (at_kept <= 0)
    share = np.full(low.shape, 0.5)
    for _ in range(200):
        if np.all(done):
            break
        middle = x + share * (kept - x)
        value = function(middle)
        same = (value > 0) == (at_x > 0)
        other, at_other = np.where(same, x, kept), np.where(same, at_x, at_kept)
        kept, at_kept = np.where(same, kept, x), np.where(same, at_kept, at_x)
        x, at_x = middle, value
        best = np.where(np.abs(at_x) < np.abs(at_kept), x, kept)
        width, least = np.abs(kept - x), 4e-16 * np.abs(best) + 5e-324
        settled = (width <= least) | (at_x == 0)
        found, done = np.where(settled & ~done, np.where(at_x == 0, x, best), found), done | settled
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            place, height = (x - kept) / (other - kept), (at_x - at_kept) / (at_other - at_kept)
            smooth = (1.0 - np.sqrt(1.0 - place) < height) & (height < np.sqrt(place))
            guess = at_x / (at_kept - at_x) * (at_other / (at_kept - at_other)) + (other - x) / (kept - x) * (
                at_x / (at_other - at_x)
            ) * (at_kept / (at_other - at_kept))
            end = np.minimum(0.5 * least / width, 0.5)
        share = np.clip(np.where(smooth & np.isfinite(guess), guess, 0.5), end, 1.0 - end)
        share = np.where(done, 0.5, share)
    return np.where(done, found, best)  # a root of 1e-50 of the bracket is not settled by then


def bracketed(
    function: Callable[[float], float], positive: tuple[float, float], negative: tuple[float, float], tolerance: float
) -> float:
    """The root of an expensive smooth function between two ends (x, value), half a tolerance to the negative side.

    Regula falsi, the value at an end that stays for a second time halved (Illinois). It ends where two estimates in a
    row agree to a quarter of the tolerance, unless the function is flat there and they creep, or where the ends agree
    to half of it. Raises ValueError unless the value is positive at the first end and not at the second.
    """
    (a, at_a), (b, at_b) = positive, negative
    if not at_a > 0 >= at_b:
        raise ValueError(f"no root is bracketed: the values at the ends are {at_a!r} and {at_b!r}")
    before, x, stayed, creeps = np.nan, b, 0, False
    half_a = half_b = 1.0
    for _ in range(100):
        x = float(b - half_b * at_b * (b - a) / (half_b * at_b - half_a * at_a))
        if (abs(x - before) <= 0.25 * tolerance and not creeps) or abs(b - a) <= 0.5 * tolerance:
            break
        value, before = function(x), x
        creeps = abs(value) > 0.5 * abs(at_a if value > 0 else at_b)
        if value > 0:
            a, at_a, half_a, half_b = x, value, 1.0, half_b * (0.5 if stayed > 0 else 1.0)
            stayed = 1
        else:
            b, at_b, half_b, half_a = x, value, 1.0, half_a * (0.5 if stayed < 0 else 1.0)
            stayed = -1
    return x + 0.5 * tolerance * (1.0 if negative[0] > positive[0] else -1.0)


def last_sign_change(cost: Callable[[float], float], low: float, slope: float, tolerance: float) -> float:
    """Where an expensive function turns from positive to not positive in [0, 1], looked for from `low` by secants.

    slope: a first guess, negative. inf where it is positive up to 1; 0 where it is nowhere positive. Within the
    tolerance, on the side where it is not positive.
    """
    at = cost(low)
    if not at > 0 and low > 0:
        low, top = 0.0, (low, at)
        at = cost(low)
        return bracketed(cost, (low, at), top, tolerance) if at > 0 else low
    if not at > 0:
        return low
    while True:
        ahead = min(low - 1.05 * at / min(slope, -1e-3) + tolerance, 1.0)
        there = cost(ahead)
        if there <= 0:
            return bracketed(cost, (low, at), (ahead, there), tolerance)
        if ahead == 1.0:
            return float("inf")
        slope, low, at = (there - at) / (ahead - low), ahead, there


def fixed_points(
    function: Callable[[float], np.ndarray], tolerance: float, most: int = 40, only: Callable[..., Any] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The points x_i in [0, 1] with x_i = f_i(x_i) of functions that change little, and their estimated errors.

    function: point -> values (components,), expensive; values below 0 and beyond 1 stand for those ends. Every
    evaluation serves all components: each is interpolated between the two nearest points, and the one with the largest
    error decides where to look next. It ends where no error exceeds the tolerance, or after `most` evaluations.
    only: estimates -> the components that matter for that.
    """
    points, values = np.array([0.5]), function(0.5)[None]
    while True:
        found, errors = _interpolated(points, np.clip(values, 0.0, 1.0))
        matter = np.full(len(found), True) if only is None else only(found)
        pending = np.where(matter, errors, 0.0)
        if not np.any(pending > tolerance) or len(points) >= most:
            return found, errors
        ahead = float(found[np.argmax(pending)])
        place = int(np.searchsorted(points, ahead))
        points, values = np.insert(points, place, ahead), np.insert(values, place, function(ahead), axis=0)


def _interpolated(points: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fixed points of the columns of values (points, columns), and what the nearest point leaves open."""
    columns = np.arange(values.shape[1])
    above = (values > points[:, None]).sum(axis=0)  # points before the fixed point
    low, high = np.clip(above - 1, 0, None), np.clip(above, None, len(points) - 1)
    gap = points[high] - points[low]
    at_low, at_high = values[low, columns], values[high, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(gap > 0, (at_high - at_low) / gap, 0.0)
        found = np.where(gap > 0, (at_low - slope * points[low]) / (1.0 - slope), at_low)
    found = np.where(gap > 0, np.clip(found, points[low], points[high]), found)
    distance = np.abs(found[:, None] - points[None]).min(axis=1)
    if len(points) == 1:
        return found, distance
    # Beyond the last point nothing brackets: the slope there is that of the two points next to it.
    near = np.clip(low, 0, len(points) - 2)
    slope = np.abs(values[near + 1, columns] - values[near, columns]) / (points[near + 1] - points[near])
    return found, distance * slope


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
