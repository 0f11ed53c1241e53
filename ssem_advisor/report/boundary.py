"""First and last collapse threshold over the temperature, where no closed form answers.

With unequal classes or few dimensions every class has its own threshold, and finding them takes a good part of a second
for one temperature. Pictures and the explorer draw a curve through those of a few temperatures. How far the curve
misses others is measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ssem_advisor.domain import Setting
from ssem_advisor.theory.regime import collapse_limits

# Above 1 no weight prevents collapse; how far above does not matter.
CAP = 1.0
# The curve gets more points until it misses by no more than the first, or has as many as the second.
_TOLERANCE, _MOST = 0.006, 32
_START = (0.05, 0.1, 0.15, 0.22, 0.33, 0.5, 1.0)  # most of what happens, happens here


@dataclass(frozen=True)
class Boundary:
    """First and last threshold of the weight over the temperature: a monotone cubic in its logarithm.

    temperatures: increasing, shape (n,). limits: `collapse_up_to` and `open_above` of `collapse_limits` there, at most
    CAP, shape (2, n). slopes: of the curves there, by the logarithm of the temperature, shape (2, n).
    error: an estimate of how far the curve is from a threshold between these temperatures: half of what it missed one
    by before that became a point of it, not less than 1/32 of what two neighbours differ by, which bounds it.
    """

    temperatures: np.ndarray
    limits: np.ndarray
    slopes: np.ndarray
    error: float

    def at(self, temperatures: np.ndarray) -> np.ndarray:
        """First and last threshold at temperatures (k,) within those of the boundary, shape (2, k)."""
        from scipy.interpolate import CubicHermiteSpline

        curve = CubicHermiteSpline(np.log(self.temperatures), self.limits, self.slopes, axis=1)
        return np.asarray(curve(np.log(temperatures)))


def boundary_of(setting: Setting, span: tuple[float, float], exact: Iterable[float] = ()) -> Boundary:
    """The boundary of a complete setting over a span of temperatures, some 16 of which are worked out.

    exact: temperatures in the span to work out among them. Raises as `collapse_limits`.
    """
    start = {*span, *exact, *(t for t in _START if span[0] < t < span[1])}
    known = {float(temperature): _limits(setting, float(temperature)) for temperature in start}

    def apart(low: float, high: float) -> float:
        """A monotone curve misses by no more between two points: flat parts are settled untried."""
        return float(np.abs(known[low] - known[high]).max())

    misses = {pair: apart(*pair) for pair in pairwise(sorted(known))}
    while max(misses.values()) > _TOLERANCE and len(known) < _MOST:
        low, high = max(misses, key=lambda pair: misses[pair])
        middle = float(np.sqrt(low * high))
        guess = _curve(known).at(np.array([middle]))[:, 0]
        known[middle] = _limits(setting, middle)
        miss = float(np.abs(known[middle] - guess).max())
        del misses[low, high]
        for pair in ((low, middle), (middle, high)):
            misses[pair] = min(max(miss / 2.0, apart(*pair) / 32.0), apart(*pair))
    return _curve(known, max(misses.values()))


def _limits(setting: Setting, temperature: float) -> np.ndarray:
    found = collapse_limits(setting.with_(temperature=temperature, alpha=None))
    return np.minimum([found.collapse_up_to, found.open_above], CAP)


def _curve(known: dict[float, np.ndarray], error: float = 0.0) -> Boundary:
    temperatures = np.array(sorted(known))
    limits = np.array([known[temperature] for temperature in temperatures.tolist()]).T
    return Boundary(temperatures, limits, _slopes(np.log(temperatures), limits), error)


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of a monotone cubic through points, y of shape (curves, n): those of parabolas through three neighbours, no
    steeper than three times a secant beside the point (Fritsch and Carlson 1980). Those of scipy's PchipInterpolator
    are flatter: through the same points its curve misses others by up to twice as much."""
    steps, secants = np.diff(x), np.diff(y) / np.diff(x)
    left, right = secants[:, :-1], secants[:, 1:]
    parabola = (steps[1:] * left + steps[:-1] * right) / (steps[1:] + steps[:-1])
    steepest = 3.0 * np.minimum(np.abs(left), np.abs(right)) * (left * right > 0)
    inner = np.clip(parabola, -steepest, steepest)
    return np.column_stack([secants[:, :1], inner, secants[:, -1:]])
