"""Thresholds and optima: every public answer of the exact theory, as numbers or arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ssem_advisor.domain import Setting, SettingError, a_setting
from ssem_advisor.theory.batches import batch_of
from ssem_advisor.theory.registry import EQUAL_CLASSES, SIMPLEX_FITS, assume, is_basic_but
from ssem_advisor.theory.relation import geometry_of, own_view_weight, relation_of
from ssem_advisor.theory.solve import multiply_subtract, zero

# Elements worked on at once: their temporaries stay in a core's cache.
_CHUNK = 1 << 13
_NUMERIC = (
    "classes",
    "temperature",
    "alpha",
    "views",
    "batch_size",
    "classes_per_batch",
    "instances_per_class",
    "queue",
    "self_temperature",
    "cross_entropy",
)


def collapse_threshold(setting: Setting) -> Any:
    """The weight alpha_c up to which class collapse minimises the loss.

    Returns a float, or an array where fields of the setting are arrays (dimensionless). Collapse is optimal if and
    only if alpha <= alpha_c. A value above 1, or inf, says that no weight prevents collapse here.
    Needs temperature and the batch; exact for dim >= classes (None included), for dim = classes-1 the global
    threshold. Raises SettingError for missing fields, NotCovered for unequal classes and dim < classes-1: see
    `class_thresholds`. Source: THRESHOLD (derived here; full batch: Lee et al. 2025).
    """
    require_simplex(setting)
    return mapped(setting, _threshold)


def alpha_for_variance(setting: Setting, variance: Any) -> Any:
    """The weight alpha whose optimum has the given within-class variance (in [0, 1]); may exceed 1.

    Closed form, exact where the regular geometry fits (dim >= classes * instances_per_class - 1).
    Raises SettingError if the variance lies outside [0, 1], NotCovered like `collapse_threshold`.
    Source: WEIGHT (derived here).
    """
    require_simplex(setting)
    wanted = np.asarray(variance, dtype=float)
    if not np.all((wanted >= 0) & (wanted <= 1)):
        raise SettingError(f"variance={variance!r}: must be in [0, 1], the total variance is 1")

    def weight(part: Setting, wanted: np.ndarray) -> np.ndarray:
        relation, geometry = relation_of(part)
        return relation.weight(geometry.y(wanted))

    return mapped(setting, weight, wanted)


def optimal_variance(setting: Setting) -> Any:
    """The within-class variance v* in [0, 1] of the loss minimiser; 0 means class collapse.

    Needs alpha and temperature. Exact for dim >= classes * instances_per_class - 1. In fewer dimensions it is the
    optimum of unlimited dimension, a bound from neither side: see `expected_variance`. Just above the threshold the
    relative error grows like 1e-16 alpha_c / (alpha - alpha_c).
    Raises SettingError for missing fields, NotCovered for classes of unequal size and dim < classes - 1.
    Source: OPTIMUM (derived here; full batch: Lee et al. 2025).
    """
    a_setting(setting).need("alpha")
    require_simplex(setting)

    def variance(part: Setting) -> np.ndarray:
        relation, geometry = relation_of(part)
        alpha = np.asarray(part.alpha, dtype=float)
        spread = alpha > relation.weight(np.zeros_like(geometry.log_r))
        found = np.zeros(spread.shape)
        if not spread.all():  # solve only where there is something to solve
            part = _unchecked(part, {n: a[spread] for n in _NUMERIC if np.ndim(a := getattr(part, n)) > 0})
            relation, geometry = relation_of(part)
            alpha = np.asarray(part.alpha, dtype=float)
        if spread.any():
            y = relation.solve(alpha, geometry.furthest + np.zeros(int(spread.sum())))
            found[spread] = geometry.variance(y)
        return found

    return mapped(setting, variance)


def critical_temperature(setting: Setting) -> Any:
    """The temperature tau_c from which on class collapse is optimal at the setting's alpha; the temperature is ignored.

    0 if collapse is optimal at every temperature, inf if at none. Raises SettingError without alpha, NotCovered for
    classes of unequal size and dim < classes - 1. Source: TEMPERATURE (derived here).
    """
    a_setting(setting).need("alpha")
    require_simplex(setting)
    assume(setting, "critical_temperature", is_basic_but("queue", "features", "cross_entropy"))

    def critical(part: Setting) -> np.ndarray:
        alpha, m = np.asarray(part.alpha, dtype=float), np.asarray(part.classes, dtype=float)
        if part.loss != "l_spread" and part.sampler != "random" and not part.extras:
            return _closed_critical_temperature(part, alpha, m)

        def threshold(log_temperature: np.ndarray) -> np.ndarray:
            return _threshold(part.with_(temperature=np.exp(log_temperature)))

        low, high = np.full_like(alpha * m, -20.0), np.full_like(alpha * m, 25.0)
        root = np.exp(zero(lambda t: threshold(t) - alpha, low, high))
        root = np.where(threshold(low) >= alpha, 0.0, root)
        return np.where(threshold(high) <= alpha, np.inf, root)

    return mapped(setting.with_(temperature=1.0), critical)


def _closed_critical_temperature(part: Setting, alpha: np.ndarray, m: np.ndarray) -> np.ndarray:
    """alpha_c = alpha solved for r: o r (1 + rho - alpha) = alpha (c + k) - c, times p to keep c a whole number."""
    batch, views = batch_of(part), np.asarray(part.views, dtype=float)
    own, k, o = np.round(views * own_view_weight(part)), views * batch.same[0], views * batch.other[0]
    reach = multiply_subtract(alpha, own + k, own)
    others = o * (1.0 + geometry_of(part).rho - alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        # log(reach / others), by log1p where the quotient is near 1 (high temperatures).
        log_r = np.where(
            np.abs(reach - others) < 0.5 * others, np.log1p((reach - others) / others), np.log(reach / others)
        )
        root = -(m / (m - 1.0)) / log_r
    root = np.where(reach >= others, np.inf, root)
    return np.where((reach <= 0) | (k < 1) | (own == 0), 0.0, root)


def require_simplex(setting: Setting) -> None:
    """The exact theory speaks of equal classes whose means fit a regular simplex."""
    assume(setting, "the closed form", EQUAL_CLASSES, SIMPLEX_FITS)


def _threshold(part: Setting) -> np.ndarray:
    if part.extras:
        from ssem_advisor.theory.extensions import contrastive_threshold

        return contrastive_threshold(part)
    relation, geometry = relation_of(part)
    return relation.weight(np.zeros_like(geometry.log_r))


# -- broadcasting ---------------------------------------------------------------------------------------------------


def mapped(setting: Setting, function: Any, *extra: np.ndarray) -> Any:
    """Apply a vectorised function in chunks over the broadcast elements of a setting; a float for scalars."""
    arrays = {
        name: np.asarray(value)
        for name in _NUMERIC
        if (value := getattr(setting, name)) is not None and np.ndim(value) > 0
    }
    shape = np.broadcast_shapes(*(a.shape for a in arrays.values()), *(np.shape(e) for e in extra))
    if not shape:
        return float(function(setting, *extra)[0])
    flat = {name: np.broadcast_to(array, shape).reshape(-1) for name, array in arrays.items()}
    flat_extra = [np.broadcast_to(e, shape).reshape(-1) for e in extra]
    result = np.empty(int(np.prod(shape)))
    for part in _chunks(result.size):
        piece = _unchecked(setting, {name: array[part] for name, array in flat.items()})
        result[part] = function(piece, *(e[part] for e in flat_extra))
    return result.reshape(shape)


def _chunks(size: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, size, _CHUNK))


def _unchecked(setting: Setting, changes: dict[str, np.ndarray]) -> Setting:
    """A copy of a validated setting with parts of its own arrays: nothing left to validate."""
    part = object.__new__(Setting)
    for name in Setting.__dataclass_fields__:
        object.__setattr__(part, name, changes.get(name, getattr(setting, name)))
    return part
