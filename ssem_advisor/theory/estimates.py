"""Estimates, not theorems: what a finite dimension and imperfect views leave of the optimum.

Class residuals are taken to point in uniformly random directions of D dimensions orthogonal to the class means, so a
pair of residuals of squared length v contributes M = 0F1(; D/2; v^2 / (4 tau^2)), the mean of exp(v cos / tau). Views
of one instance share the part `view_reliability` of their residual. N is taken infinite. The objective is convex in
v, and its stationarity is linear in alpha: alpha(v) is in closed form, as in the exact theory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from ssem_advisor.domain import Setting, SettingError, a_setting
from ssem_advisor.theory.batches import Batch, batch_of
from ssem_advisor.theory.collapse import alpha_for_variance, mapped, optimal_variance
from ssem_advisor.theory.registry import EQUAL_CLASSES, SOFTMAX, SPARE_DIRECTION, assume
from ssem_advisor.theory.relation import own_view_weight
from ssem_advisor.theory.solve import zero

# Near dim = classes the minimiser's residuals leave the complement of the class means and use about three quarters of
# all directions beside their own class mean (direct minimisation).
SHARE_NEAR_CLASSES = 0.75
# Half width of the range that holds the minimiser's variance in nine of ten settings: this much, and this share of what
# the dimension takes off the optimum of unlimited dimension.
LEAST_ERROR, ERROR_SHARE = 0.02, 0.4


def expected_variance(setting: Setting, view_reliability: float = 1.0, effective_dim: float | None = None) -> Any:
    """Estimate of the within-class variance that training reaches, in [0, 1].

    view_reliability: in (0, 1], share of the within-class spread that belongs to the instance rather than to the view.
    effective_dim: directions D >= 1 that the within-class spread uses; None = `directions_left`.
    Equals the exact optimum where that is exact (dim large enough, reliable views). With fully reliable views it is
    capped at the optimum of unlimited dimension: a convention, as the minimiser can have more variance than that.
    Unreliable views add variance of their own.
    Raises NotCovered for l_spread with imperfect views. Source: FINITE and RELIABILITY (estimates, derived here).
    """
    a_setting(setting).need("alpha")
    assume(setting, "expected_variance", EQUAL_CLASSES)
    if view_reliability == 1.0 and effective_dim is None and is_exact(setting):
        return optimal_variance(setting)
    dimension = _check(setting, view_reliability, effective_dim)

    def variance(part: Setting) -> np.ndarray:
        alpha = np.asarray(part.alpha, dtype=float)
        estimate = _estimate_of(part, view_reliability, dimension(part))
        shape = np.broadcast_shapes(estimate.shape, alpha.shape)
        low, high = np.zeros(shape), np.ones(shape)
        return zero(lambda v: estimate.slope(v, alpha), low, high)

    estimate = mapped(setting, variance)
    if view_reliability == 1.0:
        estimate = np.minimum(estimate, optimal_variance(setting.with_(dim=None)))
    return float(estimate) if np.ndim(estimate) == 0 else estimate


def expected_variance_range(setting: Setting) -> tuple[float, float]:
    """Where the variance of the loss's own minimum lies in nine of ten settings, around `expected_variance`.

    Scalar fields; no width where the optimum is exact or class collapse is the optimum. Measured, not derived: settled
    on 108 random settings that were minimised directly, and held on as many others (docs/theory/estimates.md). Raises
    NotCovered where it is not measured: for l_spread, classes of different sizes and dim < classes.
    Source: FINITE (an estimate, derived here).
    """
    assume(setting, "expected_variance_range", SOFTMAX, EQUAL_CLASSES, SPARE_DIRECTION)
    found = float(expected_variance(setting))
    if is_exact(setting) or found == 0.0:
        return found, found
    taken = abs(float(optimal_variance(setting.with_(dim=None))) - found)
    half = LEAST_ERROR + ERROR_SHARE * taken
    return max(found - half, 0.0), min(found + half, 1.0)


def alpha_for_expected_variance(
    setting: Setting, variance: Any, view_reliability: float = 1.0, effective_dim: float | None = None
) -> Any:
    """Estimate of the weight alpha at which training reaches a within-class variance: `expected_variance` inverted.

    At variance 0 and full reliability it is the collapse threshold; with reliability below 1 the threshold moves up.
    Not bounded by 1: a larger value says that no weight reaches the variance. view_reliability, effective_dim: as
    there. Raises NotCovered for l_spread. Source: FINITE and RELIABILITY.
    """
    assume(setting, "alpha_for_expected_variance", EQUAL_CLASSES)
    exact = alpha_for_variance(setting.with_(dim=None), variance)
    if view_reliability == 1.0 and effective_dim is None and is_exact(setting):
        return exact
    dimension = _check(setting, view_reliability, effective_dim)
    estimate = mapped(
        setting,
        lambda part, wanted: _estimate_of(part, view_reliability, dimension(part)).weight(wanted),
        np.asarray(variance, dtype=float),
    )
    weight = np.maximum(estimate, exact) if view_reliability == 1.0 else estimate
    return float(weight) if np.ndim(weight) == 0 else weight


def is_exact(setting: Setting) -> bool:
    """Whether the minimiser of unlimited dimension fits: dim None or at least the number of all instances - 1."""
    if setting.dim is None:
        return True
    if setting.class_counts is not None:
        return bool(np.all(np.asarray(setting.dim) >= sum(setting.class_counts) - 1))
    if setting.instances_per_class is None:
        return False
    return bool(
        np.all(np.asarray(setting.dim) >= np.asarray(setting.classes) * np.asarray(setting.instances_per_class) - 1)
    )


def directions_left(setting: Setting) -> Any:
    """Effective number of directions that the minimiser's within-class variance uses in the setting's dimension.

    All dim - (classes - 1) beside the class means, and where these are few, three quarters of dim - 1, so that it is
    continuous in dim (an estimate, derived here from direct minimisation). inf for unlimited dim.
    """
    if setting.dim is None:
        return math.inf
    dim, classes = np.asarray(setting.dim, dtype=float), np.asarray(setting.classes, dtype=float)
    found = np.maximum(dim - classes + 1.0, SHARE_NEAR_CLASSES * (dim - 1.0))
    return float(found) if found.ndim == 0 else found


def _check(setting: Setting, view_reliability: float, effective_dim: float | None) -> Any:
    own_view_weight(setting)  # not covered with extras
    if view_reliability != 1.0:
        assume(setting, "the estimate for views that do not agree", SOFTMAX)
    if not 0 < view_reliability <= 1:
        raise SettingError(f"view_reliability={view_reliability!r}: must be in (0, 1]")
    if effective_dim is not None and not np.all((np.asarray(effective_dim) >= 1) & np.isfinite(effective_dim)):
        raise SettingError(f"effective_dim={effective_dim!r}: must be a finite number >= 1")

    def dimension(part: Setting) -> np.ndarray | None:
        if effective_dim is not None:
            return np.asarray(effective_dim, dtype=float)
        return None if part.dim is None else np.maximum(directions_left(part), 1.0)

    return dimension


@dataclass(frozen=True)
class Estimate:
    """The objective as a function of the per-view within-class variance v; arrays broadcast over elements.

    still, moving: weights in the denominator of the own views that augmentation does not and does move.
    """

    batch: Batch
    tau: np.ndarray
    m: np.ndarray
    still: np.ndarray
    moving: np.ndarray
    reliability: float
    dimension: np.ndarray | None

    @classmethod
    def of(cls, setting: Setting, reliability: float, dimension: np.ndarray | None) -> Estimate:
        own, views = own_view_weight(setting), np.asarray(setting.views, dtype=float)
        # ssem counts the anchor's own view, which no augmentation can move: 1/p of its own views stand still.
        still = 1.0 / views if setting.loss == "ssem" else np.zeros_like(views)
        tau, m = np.asarray(setting.temperature, dtype=float), np.asarray(setting.classes, dtype=float)
        return cls(batch_of(setting), tau, m, still, own - still, reliability, dimension)

    @property
    def shape(self) -> tuple[int, ...]:
        return np.broadcast_shapes(self.batch.alone.shape, self.tau.shape, self.m.shape)

    def weight(self, v: np.ndarray) -> np.ndarray:
        """The alpha at which v is the minimum; inf where no weight does it."""
        paired, alone = self._denominator_slopes(v)
        gain = self.batch.paired - self._pull - alone
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(gain > 0, (self.batch.paired + paired) / gain, np.inf)

    def slope(self, v: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """tau times the derivative of the objective in v, increasing; keeps its sign at alpha = 1 and small tau."""
        paired, alone = self._denominator_slopes(v)
        return (1.0 - alpha) * self.batch.paired + paired + alpha * (self._pull + alone)

    @property
    def _pull(self) -> np.ndarray:
        return (1.0 - self.still) * (1.0 - self.reliability)

    def _denominator_slopes(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """tau d/dv of the expected log-denominator: of anchors with a same-class instance and of those without."""
        tau, batch, loose = self.tau, self.batch, 1.0 - self.reliability
        if self.dimension is None:
            log_m, slope_m = np.zeros_like(v), np.zeros_like(v)
        else:
            log_m, slope_m = log_mean_exp(v / tau, self.dimension)
        between_slope = 1.0 / (self.m - 1.0)
        log_still, log_moving, log_same, log_other, log_alone = self._logs
        moving = log_moving - loose * v / tau
        near, away = log_m - v / tau, log_m - (1.0 + (1.0 - v) * between_slope) / tau

        def slope(same: np.ndarray | float, other: np.ndarray) -> np.ndarray:
            top = np.maximum(np.maximum(log_still, moving), np.maximum(same, other))
            own, together, others = np.exp(moving - top), np.exp(same - top), np.exp(other - top)
            total = np.exp(log_still - top) + own + together + others
            return ((slope_m - 1.0) * together + (between_slope + slope_m) * others - loose * own) / total

        paired = (self.batch.weight * slope(log_same + near, log_other + away)).sum(axis=0)
        if not self.batch.alone.any():
            return paired, np.zeros_like(paired)
        return paired, batch.alone * slope(-np.inf, log_alone + away)

    @cached_property
    def _logs(self) -> tuple[np.ndarray, ...]:
        """Of the own views that stand still and that move, of mates, of others, and of the others of the lonely."""
        batch = self.batch
        with np.errstate(divide="ignore"):
            return tuple(map(np.log, (self.still, self.moving, batch.same, batch.other, batch.alone_other)))


@dataclass(frozen=True)
class SpreadEstimate:
    """The same for `l_spread`, whose two terms have denominators of their own: with A and B their means,
    (1 - alpha) A(v) + alpha B(v). Views agree."""

    batch: Batch
    tau: np.ndarray
    m: np.ndarray
    dimension: np.ndarray | None

    @property
    def shape(self) -> tuple[int, ...]:
        return np.broadcast_shapes(self.batch.alone.shape, self.tau.shape, self.m.shape)

    def weight(self, v: np.ndarray) -> np.ndarray:
        """The alpha at which v is the minimum."""
        together, apart = self._slopes(v)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(apart < 0, together / (together - apart), np.inf)

    def slope(self, v: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """tau times the derivative of the objective in v."""
        together, apart = self._slopes(v)
        return (1.0 - alpha) * together + alpha * apart

    def _slopes(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """tau times the derivatives of A and B."""
        tau, batch, between = self.tau, self.batch, 1.0 / (self.m - 1.0)
        log_m, slope_m = np.zeros_like(v), np.zeros_like(v)
        if self.dimension is not None:
            log_m, slope_m = log_mean_exp(v / tau, self.dimension)
        across = log_m - (1.0 + (1.0 - v) * between) / tau

        def share(number: np.ndarray, exponent: np.ndarray) -> np.ndarray:
            """Of the terms in log(1 + number e^exponent)."""
            with np.errstate(divide="ignore", over="ignore"):
                return 1.0 / (1.0 + np.exp(-np.log(number) - exponent))

        def pull(same: np.ndarray, other: np.ndarray) -> np.ndarray:
            itself = share(other, across) * (between + slope_m)
            return (itself + same * share(other, across + v / tau) * (1.0 + between + slope_m)) / (same + 1.0)

        together = (batch.weight * pull(batch.same, batch.other)).sum(axis=0)
        together = together + batch.alone * pull(np.zeros_like(batch.alone), batch.alone_other)
        return together, (batch.weight * share(batch.same, log_m - v / tau)).sum(axis=0) * (slope_m - 1.0)


def _estimate_of(setting: Setting, reliability: float, dimension: np.ndarray | None) -> Estimate | SpreadEstimate:
    if setting.loss != "l_spread":
        return Estimate.of(setting, reliability, dimension)
    tau, m = np.asarray(setting.temperature, dtype=float), np.asarray(setting.classes, dtype=float)
    return SpreadEstimate(batch_of(setting), tau, m, dimension)


# -- the mean of exp(z cos) on a sphere --------------------------------------------------------------------------------


def log_mean_exp(z: np.ndarray, dimension: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log E[exp(z cos)] for two independent uniform directions in `dimension` dimensions, and its derivative in z.

    z >= 0; dimension > 0, need not be whole. The mean is 0F1(; dimension/2; z^2/4). scipy has it as well, but takes
    longer to import than a whole answer takes.
    """
    z, b = np.broadcast_arrays(np.asarray(z, dtype=float), np.asarray(dimension, dtype=float) / 2.0)
    value = _log_0f1(z, b)
    return value, z / (2.0 * b) * np.exp(_log_0f1(z, b + 1.0) - value)


_SERIES_UP_TO = 40.0


def _log_0f1(z: np.ndarray, b: np.ndarray) -> np.ndarray:
    """log 0F1(; b; z^2/4): power series for small z, Debye's uniform expansion of the Bessel function beyond."""
    near = np.minimum(z, _SERIES_UP_TO)
    terms = 30.0 + 2.25 * np.ceil(np.max(near, initial=0.0))  # beyond these nothing is left to add
    j = np.arange(terms).reshape((-1,) + (1,) * z.ndim)
    value = np.log1p(np.cumprod((near * near / 4.0) / ((j + 1.0) * (b + j)), axis=0).sum(axis=0))
    if np.any(z > _SERIES_UP_TO):
        far = np.maximum(z, _SERIES_UP_TO)
        # The contiguous relation keeps the order of the Bessel function positive.
        debye = np.logaddexp(
            _log_0f1_debye(far, b + 1.0), 2.0 * np.log(far / 2.0) - np.log(b * (b + 1.0)) + _log_0f1_debye(far, b + 2.0)
        )
        value = np.where(z > _SERIES_UP_TO, debye, value)
    return value


def _log_0f1_debye(z: np.ndarray, b: np.ndarray) -> np.ndarray:
    order = b - 1.0
    radius = np.hypot(order, z)  # squares of a large z overflow
    t = order / radius
    correction = sum(np.polyval(c, t * t) * (1.0 / radius) ** k for k, c in enumerate(_debye(8)))
    log_bessel = radius - order * np.arcsinh(order / z) - 0.5 * np.log(2.0 * np.pi * radius) + np.log(correction)
    return _log_gamma(b) - order * np.log(z / 2.0) + log_bessel


_log_gamma = np.vectorize(math.lgamma, otypes=[float])


@cache
def _debye(terms: int) -> list[np.ndarray]:
    """Coefficients in t^2, highest first, of u_k(t) / t^k for k = 0..terms (DLMF 10.41.9)."""
    u, found = {0: 1.0}, []
    for _ in range(terms + 1):
        found.append(np.array([u[power] for power in sorted(u, reverse=True)]))
        following: dict[int, float] = {}
        for power, a in u.items():
            following[power + 1] = following.get(power + 1, 0.0) + a * (power / 2.0 + 1.0 / (8.0 * (power + 1)))
            following[power + 3] = following.get(power + 3, 0.0) - a * (power / 2.0 + 5.0 / (8.0 * (power + 3)))
        u = following
    return found
