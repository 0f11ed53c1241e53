"""The one relation that carries everything: which weight alpha makes a given within-class similarity optimal.

With x the within-class similarity, u = 1 - x, y = u / tau, rho = (1 - 1/N) / (m - 1) and log r = -m / ((m-1) tau),
the between-class similarity is s = 1 - m/(m-1) + rho u. The slopes of the two losses (tau * d/dx) combine to

    slope = alpha D - S,    S = -S_sup > 0,    D = S_self - S_sup,

so alpha = S / D makes x optimal. For "supcon" and "ssem", per number k of same-class instances,

    sigma = k e1 / (c + k e1 + o e2),   w = o e2 / (c + o e2),   S = (1 - sigma)(1 + rho w),   D = 1,

and D = -rho w for anchors without a same-class instance. No term is ever subtracted from a near neighbour, and all
exponentials are taken of log-sums, so nothing overflows and no digit is lost. y = 0 is class collapse.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ssem_advisor.domain import LOSSES, Setting
from ssem_advisor.theory.batches import Batch, batch_of
from ssem_advisor.theory.registry import BASIC, OWN_VIEW, assume, is_loss
from ssem_advisor.theory.solve import newton


@dataclass(frozen=True)
class Geometry:
    """What the number of classes and the size of the data set decide. Arrays broadcast over elements.

    rho: minus the slope of s(x); shrink: (N-1)/N, so that variance v = shrink * u; log_r: (s-1)/tau at collapse.
    """

    rho: np.ndarray
    shrink: np.ndarray
    log_r: np.ndarray
    temperature: np.ndarray

    @property
    def furthest(self) -> np.ndarray:
        """The largest y: class means at the origin, v = 1."""
        return 1.0 / (self.shrink * self.temperature)

    def y(self, variance: np.ndarray) -> np.ndarray:
        return variance / (self.shrink * self.temperature)

    def variance(self, y: np.ndarray) -> np.ndarray:
        return np.minimum(self.shrink * self.temperature * y, 1.0)


def geometry_of(setting: Setting) -> Geometry:
    m = np.asarray(setting.classes, dtype=float)
    instances = np.inf if setting.instances_per_class is None else np.asarray(setting.instances_per_class, dtype=float)
    temperature = np.asarray(setting.need("temperature"), dtype=float)
    shrink = 1.0 - 1.0 / np.asarray(instances)
    return Geometry(shrink / (m - 1.0), shrink, -(m / (m - 1.0)) / temperature, temperature)


class Relation(ABC):
    """The slopes of the two losses as functions of y, and what follows from their balance."""

    @abstractmethod
    def weight(self, y: np.ndarray) -> np.ndarray:
        """The alpha that makes y optimal; inf where no weight does."""

    @abstractmethod
    def slopes(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(-S_sup, S_self)."""

    @abstractmethod
    def solve(self, alpha: np.ndarray, furthest: np.ndarray) -> np.ndarray:
        """The y in [0, furthest] that alpha makes optimal."""


class Smooth(Relation):
    """A relation with its balance in a form that Newton's method likes."""

    @abstractmethod
    def balance(self, y: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log(pull apart) - log(pull together), decreasing and nearly linear in y, and its derivative."""

    def solve(self, alpha: np.ndarray, furthest: np.ndarray) -> np.ndarray:
        return newton(lambda y: self.balance(y, alpha), furthest)


def relation_of(setting: Setting) -> tuple[Relation, Geometry]:
    if setting.extras:
        from ssem_advisor.theory.extensions import extended_relation

        return extended_relation(setting)
    geometry, batch = geometry_of(setting), batch_of(setting)
    if setting.loss == "l_spread":
        assume(setting, "l_spread", OWN_VIEW)
        return LSpread(geometry, batch), geometry
    return Softmax(geometry, batch, own_view_weight(setting)), geometry


def own_view_weight(setting: Setting) -> np.ndarray:
    """c, the share of the anchor's own views in its denominator: 1 for ssem, (p-1)/p for supcon.

    Raises NotCovered for a setting with extras: whatever asks for c here knows nothing of them.
    """
    assume(setting, "this answer", is_loss(*LOSSES), BASIC)
    views = np.asarray(setting.views, dtype=float)
    return np.ones_like(views) if setting.loss == "ssem" else (views - 1.0) / views


def _log(value: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(value)


# Stands for log 0 where -inf - -inf could come up.
_NOTHING = -1e300


def _log_add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """log(exp(a) + exp(b)) for a > -inf, three times as fast as numpy's logaddexp; pass log 0 as _NOTHING."""
    return np.maximum(a, b) + np.log(1.0 + np.exp(-np.abs(a - b)))


def _sigmoid(t: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-t))


def _log_sigmoid(t: np.ndarray) -> np.ndarray:
    return np.minimum(t, 0.0) - np.log1p(np.exp(-np.abs(t)))


def _log_sum(terms: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log of a sum of exponentials over the first axis, and its derivative from those of the terms."""
    if len(terms) == 1:
        return terms[0], slopes[0]
    top = np.maximum(terms.max(axis=0), -1e300)  # a sum of nothing stays log 0
    parts = np.exp(terms - top)
    total = parts.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return top + np.log(total), np.nan_to_num((parts * slopes).sum(axis=0) / total)


class Softmax(Smooth):
    """`supcon` and `ssem`: one softmax over the batch."""

    def __init__(self, geometry: Geometry, batch: Batch, own: np.ndarray) -> None:
        self.rho, self.batch = geometry.rho, batch
        self.log_weight, self.log_lonely = _log(batch.weight), _log(batch.alone * self.rho)
        self.log_same, self.log_rho = _log(batch.same), _log(self.rho)
        self.log_own = np.maximum(_log(own), _NOTHING)
        self.log_others = _log(batch.other) + geometry.log_r
        self.log_alone = _log(batch.alone_other) + geometry.log_r
        self.one_composition = len(batch.weight) == 1 and not batch.alone.any()

    def _share_of_others(self, log_others: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log(c + o e2) and log w."""
        others = log_others + self.rho * y
        rest = _log_add(self.log_own, others)
        # With neither own views nor others in the denominator (log 0 - log 0) no force comes from other classes.
        with np.errstate(invalid="ignore"):
            return rest, np.where(rest > 0.5 * _NOTHING, others - rest, -np.inf)

    def _log_odds(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log(sigma / (1 - sigma)) and log w of the terms with a same-class instance."""
        rest, log_w = self._share_of_others(self.log_others, y)
        return self.log_same - y - rest, log_w

    def weight(self, y: np.ndarray) -> np.ndarray:
        log_odds, log_w = self._log_odds(y)
        _, lonely = self._share_of_others(self.log_alone, y)
        together = (self.batch.weight * _sigmoid(-log_odds) * (1.0 + self.rho * np.exp(log_w))).sum(axis=0)
        gain = self.batch.paired - self.batch.alone * self.rho * np.exp(lonely)
        with np.errstate(divide="ignore", invalid="ignore"):
            alpha = np.where(gain > 0, together / gain, np.inf)  # no gain: a larger weight only pulls together
        return np.where(self.log_own > _NOTHING, alpha, 1.0)  # one view: L_self is empty, no weight below 1 helps

    def slopes(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(-S_sup, S_self)."""
        log_odds, log_w = self._log_odds(y)
        _, lonely = self._share_of_others(self.log_alone, y)
        between, rest = self.rho * np.exp(log_w), _sigmoid(-log_odds)
        pull = (self.batch.weight * rest * (1.0 + between)).sum(axis=0)
        push = (self.batch.weight * (_sigmoid(log_odds) - rest * between)).sum(axis=0)
        return pull, push - self.batch.alone * self.rho * np.exp(lonely)

    def log_of_sum_pull(self) -> np.ndarray:
        """-S_sup at class collapse with the sum over all positives, own views included, inside the logarithm."""
        zero = np.zeros_like(self.batch.alone)
        log_odds, log_w = self._log_odds(zero)
        _, lonely = self._share_of_others(self.log_alone, zero)
        merged = _sigmoid(self.log_same - self.log_own)  # the share of the positives from other instances
        pull = (self.batch.weight * np.exp(log_w) * _sigmoid(-log_odds) * (merged + self.rho)).sum(axis=0)
        return pull + self.batch.alone * self.rho * np.exp(lonely)

    def balance(self, y: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_odds, log_w = self._log_odds(y)
        w, log_between = np.exp(log_w), self.log_rho + log_w
        pull = _log_add(np.maximum(_log(1.0 - alpha), _NOTHING), log_between)  # log(1 - alpha + rho w)
        with np.errstate(invalid="ignore"):
            pull_slope = self.rho * (1.0 - w) * np.exp(np.where(pull > 0.5 * _NOTHING, log_between - pull, 0.0))
        odds_slope = 1.0 + self.rho * w
        if self.one_composition:
            return (_log(alpha) + log_odds - pull)[0], -(odds_slope + pull_slope)[0]
        sigma = _sigmoid(log_odds)
        apart, apart_slope = _log_sum(self.log_weight + _log_sigmoid(log_odds), -(1.0 - sigma) * odds_slope)
        _, log_lonely = self._share_of_others(self.log_alone, y)
        together, together_slope = _log_sum(
            np.concatenate(
                [self.log_weight + _log_sigmoid(-log_odds) + pull, (_log(alpha) + self.log_lonely + log_lonely)[None]]
            ),
            np.concatenate([sigma * odds_slope + pull_slope, (self.rho * (1.0 - np.exp(log_lonely)))[None]]),
        )
        return _log(alpha) + apart - together, apart_slope - together_slope


class LSpread(Smooth):
    """`l_spread`: each positive against itself and the negatives, plus the class-conditional InfoNCE."""

    def __init__(self, geometry: Geometry, batch: Batch) -> None:
        self.rho = geometry.rho
        # An anchor without a same-class instance keeps its own other view as positive: the term k = 0.
        weight, same, other = batch.weight, batch.same, batch.other
        if batch.alone.any():
            weight = np.concatenate([weight, batch.alone[None]])
            same = np.concatenate([same, np.zeros_like(batch.alone)[None]])
            other = np.concatenate([other, batch.alone_other[None]])
        self.log_weight, self.log_same = _log(weight), _log(same)
        self.log_own_pull = _log(weight * self.rho / (same + 1.0))
        self.log_same_pull = _log(weight * same * (1.0 + self.rho) / (same + 1.0))
        self.log_others = _log(other) + geometry.log_r

    def _pulls(self, y: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """(log S_self, slope) and (log -S_sup, slope)."""
        own, same = self.log_others + self.rho * y, self.log_others + (1.0 + self.rho) * y
        together = _log_sum(
            np.concatenate([self.log_own_pull + _log_sigmoid(own), self.log_same_pull + _log_sigmoid(same)]),
            np.concatenate([self.rho * _sigmoid(-own), (1.0 + self.rho) * _sigmoid(-same)]),
        )
        spread = self.log_same - y
        return _log_sum(self.log_weight + _log_sigmoid(spread), -_sigmoid(-spread)), together

    def weight(self, y: np.ndarray) -> np.ndarray:
        (apart, _), (together, _) = self._pulls(y)
        with np.errstate(invalid="ignore"):  # without a mate nothing pulls apart, and no weight below 1 helps
            return np.where(apart > -np.inf, _sigmoid(together - apart), 1.0)

    def slopes(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(-S_sup, S_self)."""
        (apart, _), (together, _) = self._pulls(y)
        return np.exp(together), np.exp(apart)

    def balance(self, y: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (apart, apart_slope), (together, together_slope) = self._pulls(y)
        with np.errstate(divide="ignore"):
            return np.log(alpha) - np.log1p(-alpha) + apart - together, apart_slope - together_slope
