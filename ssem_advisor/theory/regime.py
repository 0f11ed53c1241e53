"""Which part of the theory speaks about a setting, and from where to where class collapse is the optimum.

Everything that judges a weight (advice, linter, measurement, tuning, explorer, `assert_safe`) asks `collapse_limits`:
there is one threshold of a setting, and this is its owner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Literal

import numpy as np

from ssem_advisor.domain import Setting, a_setting
from ssem_advisor.theory.classes import is_roomy, thresholds_and_errors
from ssem_advisor.theory.collapse import collapse_threshold
from ssem_advisor.theory.crowding import (
    estimated_open,
    estimated_openings,
    fits,
    found_error,
    found_open,
    found_openings,
    one_by_one_error,
)
from ssem_advisor.theory.estimates import is_exact
from ssem_advisor.theory.extensions import extended_limits
from ssem_advisor.theory.openings import all_open, class_openings, openings_error
from ssem_advisor.theory.registry import covered


class Regime(StrEnum):
    """What the class sizes and the dimension leave of the theory."""

    EXACT = "exact"  # dim >= classes * N - 1: threshold and variances are exact
    FINITE = "finite-dimension"  # classes <= dim < classes * N - 1: the threshold is exact, variances are estimates
    TIGHT = "tight"  # dim = classes - 1: collapse stays a local minimum above the threshold
    CROWDED = "crowded"  # dim < classes - 1: the class means form no simplex, every class has its own threshold
    UNEQUAL = "unequal"  # classes differ in size: every class has its own threshold

    @property
    def by_class(self) -> bool:
        """Whether every class has its own threshold."""
        return self in (Regime.CROWDED, Regime.UNEQUAL)


@dataclass(frozen=True)
class CollapseLimits:
    """From where to where class collapse is the optimum, in terms of the weight alpha (dimensionless, may exceed 1).

    collapse_up_to: up to this weight every class is collapsed at the minimum; where `kind` is not "exact" it may be
        shown only that the collapsed state is a local minimum there. At least 0, however large the error.
    open_above: above this weight no class is collapsed; "safe" begins here. inf where no weight is known to do it.
        With fewer dimensions than instances and unequal classes it is searched for or estimated, with fewer than
        classes also for equal ones (docs/theory/classes.md#few); `kind` is "local" or "sampled" there.
    kind: "exact" (proven to be global), "local" (the weights at which collapsed classes stop being local minima),
        "bound" (a proven outer bound; the truth lies inside) or "sampled" (batch compositions were drawn).
    error: half width of `open_above` where it is approximated or sampled; 0 where it is exact to rounding.
    collapse_error: the same of `collapse_up_to`. Both numbers already lie on the safe side of their error.
    per_class: the weight above which each class is spread, shape (classes,), nan for a class of one instance; None
        where all classes open together.
    theorems: keys of what stands behind the numbers; every assumption of theirs holds here.
    """

    regime: Regime
    collapse_up_to: float
    open_above: float
    kind: Literal["exact", "local", "bound", "sampled"]
    error: float
    per_class: np.ndarray | None
    theorems: tuple[str, ...]
    collapse_error: float = 0.0

    @property
    def threshold(self) -> float:
        """The weight that is called the threshold: up to it some class is collapsed; all, where they open together."""
        return self.open_above if self.regime.by_class else self.collapse_up_to


def regime_of(setting: Setting) -> Regime:
    """The regime of a setting with scalar fields: which part of the theory its class sizes and dimension leave."""
    if a_setting(setting).unequal:
        return Regime.UNEQUAL
    if is_exact(setting):
        return Regime.EXACT
    if setting.dim >= setting.classes:
        return Regime.FINITE
    return Regime.TIGHT if setting.dim == setting.classes - 1 else Regime.CROWDED


def coordinates(setting: Setting) -> int:
    """In how many coordinates `collapse_limits` minimises, which is what it costs; 0 where a closed form answers.

    Some 8,000 take a second or two.
    """
    if regime_of(setting).by_class:
        return setting.classes * min(setting.dim or setting.classes, setting.classes)
    return 0


def collapse_limits(setting: Setting) -> CollapseLimits:
    """The limits of class collapse for a setting with scalar fields; needs temperature and the batch, alpha is ignored.

    Raises SettingError for arrays and missing fields, NotCovered where no theorem speaks (l_spread by class, a line
    with more than two classes). Source: THRESHOLD, DIMENSION, TIGHT, UNEQUAL (derived here).
    """
    a_setting(setting).refuse_arrays("collapse_limits answers")
    limits = _limits(setting.with_(alpha=None))
    return replace(limits, theorems=covered(setting, *limits.theorems))


def opening_margin(setting: Setting) -> float:
    """By how much alpha exceeds `collapse_limits(setting).open_above`: positive where no class is collapsed.

    Where class sizes differ and a direction is left, or the problem is small, it is 1 or -1, which takes a fraction of
    the time. Raises as `collapse_limits` does.
    """
    alpha = float(setting.need("alpha"))
    if not setting.extras and regime_of(setting) is Regime.UNEQUAL:
        if not is_exact(setting) and fits(setting):
            return 1.0 if found_open(setting, alpha - found_error(setting)) else -1.0
        if is_roomy(setting):
            error = openings_error(setting)
            below = alpha - error - 2.0 * _tolerance(error)
            return 1.0 if (all_open if is_exact(setting) else estimated_open)(setting, below) else -1.0
    return alpha - collapse_limits(setting).open_above


@lru_cache(maxsize=512)
def _limits(setting: Setting) -> CollapseLimits:
    if setting.extras:
        return _extended(setting)
    regime = regime_of(setting)
    if regime is Regime.UNEQUAL:
        return _unequal(setting)
    if regime is Regime.CROWDED:
        return _crowded(setting)
    threshold = float(collapse_threshold(setting))
    keys: tuple[str, ...] = ("REDUCTION",)
    if setting.loss == "l_spread":
        keys += ("SLOPES-SPREAD", "WEIGHT-SPREAD")
    else:
        keys += ("SLOPES", "RANDOM-BATCH" if setting.sampler == "random" else "THRESHOLD")
    if regime is Regime.TIGHT:
        return _tight(setting, threshold, (*keys, "TIGHT"))
    if regime is Regime.FINITE:
        keys += ("DIMENSION",)
    return CollapseLimits(regime, threshold, threshold, "exact", 0.0, None, keys)


def _extended(setting: Setting) -> CollapseLimits:
    """Log of the sum, a queue, two temperatures, non-negative features or cross-entropy: their own theorems."""
    low, high, kind, keys = extended_limits(setting)
    regime = Regime.EXACT if kind == "exact" and is_exact(setting) else Regime.FINITE
    return CollapseLimits(regime, float(low), float(high), kind, 0.0, None, keys)


def _tight(setting: Setting, threshold: float, keys: tuple[str, ...]) -> CollapseLimits:
    """dim = classes - 1: collapse is global up to alpha_c, may stay so up to where it stops being a local minimum."""
    if setting.dim == 1 or setting.loss == "l_spread":
        # Two classes on a line cannot spread at all; for l_spread the local threshold is not derived.
        return CollapseLimits(Regime.TIGHT, threshold, float("inf"), "bound", 0.0, None, keys)
    each, errors = thresholds_and_errors(setting)
    error = errors.last + one_by_one_error(setting, each)
    local = max(float(np.nanmax(each)) + error, threshold)
    return CollapseLimits(Regime.TIGHT, threshold, local, "local", error, None, keys)


_BY_CLASS = ("UNEQUAL", "BATCH")


def _crowded(setting: Setting) -> CollapseLimits:
    """Equal classes open at nearly one weight: what their thresholds differ by is part of the answer."""
    each, errors = thresholds_and_errors(setting)
    error = errors.last + one_by_one_error(setting, each)
    last, first = float(np.nanmax(each)) + error, _first(each, errors.first)
    return CollapseLimits(Regime.CROWDED, first, last, "local", error, each, _BY_CLASS, errors.first)


def _first(each: np.ndarray, error: float) -> float:
    """The least of the thresholds with its error taken off: a weight, so 0 where it is not told apart from it."""
    return max(float(np.nanmin(each)) - error, 0.0)


def _tolerance(error: float) -> float:
    """Within which the weights of classes of different sizes are found, beside their `openings_error`."""
    return 1e-3 if error else 1e-4


def _unequal(setting: Setting) -> CollapseLimits:
    """Sizes that differ: from the opening of the first class to that of the last one on the branch of minimisers."""
    error = openings_error(setting)
    sampled = error > 0
    tolerance = _tolerance(error)
    error += tolerance
    exact = is_exact(setting)
    local, unsure = thresholds_and_errors(setting)
    if exact:
        each = class_openings(setting, tolerance)
    elif fits(setting):
        each, error = found_openings(setting, local), found_error(setting)
    else:
        each, few = estimated_openings(setting, local, unsure.last, tolerance)
        error += few
    last = float(np.nanmax(each)) + error
    kind: Literal["exact", "local", "bound", "sampled"] = "sampled" if sampled else "exact" if exact else "local"
    return CollapseLimits(Regime.UNEQUAL, _first(local, unsure.first), last, kind, error, each, _BY_CLASS, unsure.first)
