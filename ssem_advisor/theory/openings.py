"""The minimum of the loss over classes of any sizes, and the weight at which each class opens on it.

The loss is convex in the Gram matrix and does not change when views, instances of a class or classes of one size are
renamed, so averaging a minimiser over all renamings gives a minimiser: per group g of classes of one size a group
mean M_g, and beside it the parts of a unit vector that tell the classes apart (f), the instances of a class (a) and
the views of an instance (e), each a regular simplex in directions of its own: |M_g|^2 + f^2 + a^2 + e^2 = 1. The
within-class variance is v = a^2, the drift of the views e^2 (zero for ssem). In these rows the problem is smooth, has
no bounds, and is free of minima that are not global (docs/theory/classes.md). Source: UNEQUAL (derived here).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np

from ssem_advisor.domain import NotCovered, Setting
from ssem_advisor.theory.anchors import DRAWN_ERROR, Anchors, SizeGroups, anchors_of, groups_of
from ssem_advisor.theory.registry import BASIC, SOFTMAX, assume
from ssem_advisor.theory.relation import own_view_weight
from ssem_advisor.theory.solve import fixed_points, last_sign_change
from ssem_advisor.theory.spheres import descend_on_spheres, newton_on_spheres

_MOST_CLASSES = 30_000
# Up to this many coordinates second derivatives pay.
_DENSE = 600
# The forces between class means, of the order of 1 / temperature, keep enough digits up to the second.
_TEMPERATURES = (1e-4, 1e4)


class Terms(NamedTuple):
    """tau times the loss at a state, its derivatives by the similarities of classes (kinds, kinds), by v and by e^2
    (kinds,), and what the second derivatives are made of: the weight of every anchor, the slopes of its exponents
    averaged over its denominator (J, kinds + 2), and the shares of class and views in the denominators of a group."""

    value: float
    by_class: np.ndarray
    by_v: np.ndarray
    by_e: np.ndarray
    scale: np.ndarray
    pull: np.ndarray
    crowd: np.ndarray
    drift: np.ndarray


class Openings:
    """The symmetrised loss of one setting. A state holds one row (M_g, f, a, e) per group, M_g as long as groups."""

    def __init__(self, groups: SizeGroups, anchors: Anchors, views: float, loss: str, tau: float, own: float) -> None:
        self.groups, self.anchors, self.views, self.tau, self.own = groups, anchors, views, tau, own
        self.known = dict[float, np.ndarray]()  # minima by weight
        kinds = len(groups.sizes)
        self.stretch = views / (views - 1.0) if views > 1 else 1.0
        self.shrink = np.where(groups.sizes > 1, 1.0 - 1.0 / groups.sizes, 1.0)
        self.apart = np.where(groups.members > 1, 1.0 / np.maximum(groups.members - 1.0, 1.0), 0.0)
        self.can_open = groups.sizes > 1
        self.precision = 1e-10 * min(1.0, 1.0 / tau)
        self.slack = 1e-8 / min(1.0, tau**0.5)  # a cost per anchor below this is rounding
        self.error = (0.001 if groups.binned else 0.0) + (DRAWN_ERROR if anchors.sampled else 0.0)
        self.free = np.ones((kinds, kinds + 3))
        self.free[:, -3] = groups.members > 1
        self.free[:, -2] = self.can_open
        self.free[:, -1] = loss == "supcon" and views > 1
        self.paired = anchors.same > 0
        # Sums over the kinds of anchors of each group, which come one group after the other.
        self.bounds = np.searchsorted(anchors.group, np.arange(kinds + 1))
        self.gather = np.zeros((kinds, len(anchors.group)))
        self.gather[anchors.group, np.arange(len(anchors.group))] = 1.0
        self.weight_paired = self.gather @ (anchors.weight * self.paired)
        self.weight_alone = self.gather @ (anchors.weight * ~self.paired)
        self.pace = np.maximum(self.weight_paired + self.weight_alone, 1e-12)
        with np.errstate(divide="ignore"):
            self.log_own, self.log_same, self.log_others = np.log(own), np.log(anchors.same), np.log(anchors.others)

    @classmethod
    def of(cls, setting: Setting, seed: int = 0) -> Self:
        """seed: of the drawn batch compositions."""
        groups = groups_of(setting)
        anchors = anchors_of(setting, groups, seed)
        views, tau = float(setting.views), float(setting.need("temperature"))
        return cls(groups, anchors, views, setting.loss, tau, float(own_view_weight(setting)))

    def start(self, seed: int = 0) -> np.ndarray:
        state = np.random.default_rng(seed).standard_normal(self.free.shape) * 0.3
        state[:, -3:] = (1.0, min(0.5, self.tau**0.5), 0.0)
        return state * self.free

    def _terms(self, rows: np.ndarray, alpha: float) -> Terms:
        means, f, v, e = rows[:, :-3], rows[:, -3], rows[:, -2] ** 2, rows[:, -1] ** 2
        cosines = means @ means.T
        cosines[np.diag_indices(len(f))] -= f * f * self.apart
        others, near, own, log_denominator = self._softmax(cosines, v, e)
        scale = self.anchors.weight * np.where(self.paired, 1.0, alpha)
        crowd, drift = self.gather @ (scale * near), self.gather @ (scale * own) * self.stretch
        together = (1.0 - alpha) * self.weight_paired
        alike = alpha * self.stretch * (self.weight_paired + self.weight_alone)
        value = together @ (v / self.shrink + e) + alike @ e + self.tau * float(scale @ log_denominator)
        by_class = self.gather @ (scale[:, None] * others)
        by_v, by_e = (together - crowd) / self.shrink, together + alike - drift - crowd
        pull = np.column_stack([others, -near / self.shrink[self.anchors.group], -self.stretch * own - near])
        return Terms(float(value), by_class, by_v, by_e, scale, pull, crowd, drift)

    def _softmax(
        self, cosines: np.ndarray, v: np.ndarray, e: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Shares of an anchor's denominator: of other classes (J, kinds), of its class, of its views; its logarithm."""
        group = self.anchors.group
        others = self.log_others + ((cosines - 1.0) / self.tau)[group]
        near = self.log_same - ((v / self.shrink + e) / self.tau)[group]
        own = self.log_own - (e * self.stretch / self.tau)[group]
        # Shifted to the largest term: at small temperatures every one of them may underflow.
        top = np.maximum(np.maximum(own, near), others.max(axis=1))
        others, near, own = np.exp(others - top[:, None]), np.exp(near - top), np.exp(own - top)
        total = own + near + others.sum(axis=1)
        return others / total[:, None], near / total, own / total, top + np.log(total)

    def value_and_gradient(self, state: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
        """tau times the loss, and its gradient on unit rows."""
        terms = self._terms(state, alpha)
        return terms.value, self._slopes(state, terms)

    def loss(self, state: np.ndarray, alpha: float) -> float:
        """The loss in nats, batch mean over all anchors; anchors without a positive have the self-supervised term."""
        terms = self._terms(state, alpha)
        return terms.value / self.tau + float(np.log(self.views)) * float(terms.scale.sum())

    def _slopes(self, rows: np.ndarray, terms: Terms) -> np.ndarray:
        slope = np.empty_like(rows)
        slope[:, :-3] = (terms.by_class + terms.by_class.T) @ rows[:, :-3]
        slope[:, -3] = -2.0 * rows[:, -3] * np.diag(terms.by_class) * self.apart
        slope[:, -2], slope[:, -1] = 2.0 * rows[:, -2] * terms.by_v, 2.0 * rows[:, -1] * terms.by_e
        return slope

    def second_order(self, rows: np.ndarray, alpha: float) -> tuple[float, np.ndarray, np.ndarray]:
        """tau times the loss, its gradient and its second derivatives (rows.size, rows.size) at unit rows.

        A log-sum-exp has the second derivatives (mean of s s^T - mean of s mean of s^T) / tau in its exponents, s their
        slopes in the similarities; the Jacobian of those carries them to the rows.
        """
        kinds, length = rows.shape
        each, terms, bounds = np.arange(kinds), self._terms(rows, alpha), self.bounds
        means, f, a, e = rows[:, :-3], rows[:, -3], rows[:, -2], rows[:, -1]
        inner = np.zeros((kinds, kinds + 2, kinds + 2))
        for g in each:
            mine = terms.pull[bounds[g] : bounds[g + 1]]
            inner[g] = -(mine.T * terms.scale[bounds[g] : bounds[g + 1]]) @ mine
        inner[:, each, each] += terms.by_class
        inner[:, -2, -2] += terms.crowd / self.shrink**2
        inner[:, -2, -1] += terms.crowd / self.shrink
        inner[:, -1, -2] += terms.crowd / self.shrink
        inner[:, -1, -1] += terms.crowd + terms.drift * self.stretch
        inner /= self.tau
        jacobian = np.zeros((kinds, kinds + 2, kinds, length))
        jacobian[each, :kinds, each, :-3] += means
        jacobian[:, each, each, :-3] += means[:, None]
        jacobian[each, each, each, -3] = -2.0 * f * self.apart
        jacobian[each, -2, each, -2], jacobian[each, -1, each, -1] = 2.0 * a, 2.0 * e
        jacobian = jacobian.reshape(kinds, kinds + 2, rows.size)
        curved = jacobian.reshape(-1, rows.size).T @ np.matmul(inner, jacobian).reshape(-1, rows.size)
        blocks = curved.reshape(kinds, length, kinds, length)
        across = terms.by_class + terms.by_class.T
        for c in range(length - 3):
            blocks[:, c, :, c] += across
        blocks[each, -3, each, -3] -= 2.0 * np.diag(terms.by_class) * self.apart
        blocks[each, -2, each, -2] += 2.0 * terms.by_v
        blocks[each, -1, each, -1] += 2.0 * terms.by_e
        return terms.value, self._slopes(rows, terms), curved

    def solve(self, alpha: float, state: np.ndarray, closed: np.ndarray | None = None) -> np.ndarray:
        """Unit rows of the minimum at a weight; groups in `closed` (kinds,) have no spread and aligned views.

        At the minimum a group has spread or drifting views, never both (docs/theory/classes.md#open): each has one of
        the two coordinates, and takes the other where that lowers the loss. With both free the minimum would be flat to
        rounding at small temperatures.
        """
        closed = np.zeros(len(state), dtype=bool) if closed is None else closed
        least = min(1e-2, 0.1 * self.tau**0.5)  # exactly zero, a coordinate would stay so
        may_drift = (self.free[:, -1] > 0) & ~closed
        drifting = may_drift & (np.abs(state[:, -1]) > max(least, float(np.finfo(float).eps)))
        rows = state
        switched = np.zeros(len(state), dtype=int)
        while True:
            free = self.free.copy()
            free[:, -1] *= drifting
            free[:, -2] *= ~drifting & ~closed
            rows = np.where(np.abs(rows) < least, least, rows)
            if rows.size <= _DENSE:
                found = newton_on_spheres(lambda x: self.second_order(x, alpha), rows, free, self.pace, self.precision)
            else:
                found = descend_on_spheres(
                    lambda x: self.value_and_gradient(x, alpha), rows, free, self.pace, self.precision
                )
            rows, terms = found, self._terms(found, alpha)
            rest, slack = self._multiplier(rows, terms), self.slack * self.pace
            to_drift = ~drifting & may_drift & (rest - terms.by_e > slack)
            to_spread = drifting & self.can_open & (rest - terms.by_v > slack)
            change = (to_drift | to_spread) & (switched < 2)
            if not change.any():
                return rows
            drifting, switched = drifting ^ change, switched + change

    def _multiplier(self, rows: np.ndarray, terms: Terms) -> np.ndarray:
        """What a little more of the squared length of a row costs at a minimum. (kinds,)"""
        return 0.5 * (rows * self._slopes(rows, terms)).sum(axis=1)

    def slope_at_closed(self, rows: np.ndarray, alpha: float) -> np.ndarray:
        """What a first bit of spread costs each group, times tau and per anchor: negative = it opens. (kinds,)"""
        terms = self._terms(rows, alpha)
        return np.asarray(terms.by_v - self._multiplier(rows, terms)) / (self.weight_paired + self.weight_alone)

    def closed_thresholds(self) -> np.ndarray:
        """The weight up to which a spread of each group raises the loss at full collapse, views aligned: (kinds,)."""
        closed = np.ones(len(self.groups.sizes), dtype=bool)
        free, self.free = self.free, self.free * np.array([1.0] * (self.free.shape[1] - 2) + [0.0, 0.0])
        # At one state the cost is linear in the weight; the state depends on it through lonely anchors alone.
        moves = not self.paired.all()
        known = {0.5: self.solve(0.5, self.start() * self.free, closed)}

        def turns(alpha: float) -> np.ndarray:
            rows = known[min(known, key=lambda other: abs(other - alpha))]
            if moves and alpha not in known:
                rows = known[alpha] = self.solve(alpha, rows * self.free, closed)
            low, high = self.slope_at_closed(rows, 0.0), self.slope_at_closed(rows, 1.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(low > high, low / (low - high), np.inf)

        found, _ = fixed_points(turns, max(1e-8, 1e-2 * self.error))
        self.free = free
        return np.where(self.can_open, np.where(found < 1.0, found, np.inf), np.nan)

    def opening_cost(self, group: int, state: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
        """What a first bit of spread costs a group that is held closed, at the minimum of the others, and the state
        there: the group is spread at the minimum where it is negative."""
        closed = np.zeros(len(self.groups.sizes), dtype=bool)
        closed[group] = True
        rows = self.solve(alpha, state, closed)
        slack = max(1e-8, 10.0 * self.precision)  # a cost of rounding is none
        return float(self.slope_at_closed(rows, alpha)[group]) + slack, rows

    def felt(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Of each group at the minimum: what the other classes weigh in the denominators, from both sides and per
        anchor, and their mean variance by that weight. (kinds,), (kinds,)"""
        if alpha not in self.known:
            nearest = min(self.known, key=lambda other: abs(other - alpha), default=None)
            self.known[alpha] = self.solve(alpha, self.start() if nearest is None else self.known[nearest])
        rows = self.known[alpha]
        terms = self._terms(rows, alpha)
        across = terms.by_class + terms.by_class.T
        total = across.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.where(total > 0, across @ rows[:, -2] ** 2 / total, 0.0)
        return total / (self.weight_paired + self.weight_alone), spread

    def opening(self, group: int, state: np.ndarray, tolerance: float, low: float = 0.0) -> tuple[float, np.ndarray]:
        """The weight above which a group is spread at the minimum, inf if none up to 1 does it, and the state there.

        With the group held closed and its views aligned the cost of a first bit of spread is a continuous function of
        the weight, and the group is spread at the minimum exactly where it is negative (docs/theory/classes.md#open).
        """
        rows = state

        def cost(alpha: float) -> float:
            nonlocal rows
            found, rows = self.opening_cost(group, rows, alpha)
            return found

        # What the weight itself takes off the cost is a first guess of its slope.
        slope = -float(self.weight_paired[group] / (self.pace[group] * self.shrink[group]))
        return last_sign_change(cost, low, slope, tolerance), rows


def class_openings(setting: Setting, tolerance: float = 1e-4) -> np.ndarray:
    """The weight alpha above which each class is spread at the minimum, shape (classes,); inf if none up to 1 does it.

    NaN for a class of one, which has nothing to spread. Within `tolerance`, from above. Exact with a dimension for
    every instance and every sampler while there are few distinct sizes and compositions of a batch; `openings_error` is
    what binning and sampling add beyond that. It answers as if there were that room; `collapse_limits` says where the
    classes open in fewer dimensions. Raises NotCovered for l_spread. Source: UNEQUAL (derived here).
    """
    problem, weights = solved(setting, tolerance)
    return by_class(setting, problem, weights)


def all_open(setting: Setting, alpha: float | np.ndarray) -> bool:
    """Whether every class is spread at the minimum at a weight: alpha above all of `class_openings`, without finding
    them. alpha: one weight, or one for each group of classes of a size (kinds,). Has the domain and the errors of
    `class_openings`. Source: UNEQUAL (derived here)."""
    problem = symmetrised(setting.with_(alpha=None, dim=None), "all_open")
    weights = np.broadcast_to(np.minimum(alpha, 1.0), problem.groups.sizes.shape)
    if problem.own == 0 or not problem.paired.any() or not np.all(weights > 0):
        return False
    state = problem.start()
    for group in np.flatnonzero(problem.can_open):  # small classes first: they open last, if not always
        cost, state = problem.opening_cost(int(group), state, float(weights[group]))
        if not cost <= 0:
            return False
    return True


def openings_error(setting: Setting) -> float:
    """What binning sizes and drawing batch compositions add to the tolerance of `class_openings`."""
    _covered(setting, "class_openings")
    return Openings.of(setting.with_(alpha=None, dim=None)).error


def by_class(setting: Setting, problem: Openings, by_group: np.ndarray) -> np.ndarray:
    """Weights of groups as weights of classes, shape (classes,): smooth in the size between the means of bins."""
    groups = problem.groups
    if not groups.binned:
        return by_group[groups.of]
    sizes = np.asarray(setting.class_counts, dtype=float)
    known = np.isfinite(by_group) & problem.can_open
    if not known.any():
        return by_group[groups.of]
    order = np.argsort(groups.sizes[known])
    found = np.interp(np.log(sizes), np.log(groups.sizes[known][order]), by_group[known][order])
    found = np.where(np.isinf(by_group[groups.of]), np.inf, found)
    return np.where(sizes > 1, found, np.nan)


def open_weight(setting: Setting, tolerance: float = 1e-4) -> float:
    """The weight alpha above which no class is collapsed at the minimum with room for all; inf if none up to 1 does it.

    In fewer dimensions it is larger: see `open_above` of `collapse_limits`. `class_thresholds` speak of the fully
    collapsed state. Larger classes usually open first, and that shifts the weight at which the smaller ones follow: at
    sizes (5, 3, 2) and temperature 0.5 from 0.518 to 0.567 (supcon). It is the largest of `class_openings`, and shares
    its `tolerance`, its domain and its errors. Raises NotCovered for l_spread.
    Source: UNEQUAL (derived here).
    """
    return float(np.nanmax(class_openings(setting, tolerance)))


def class_variances(setting: Setting) -> np.ndarray:
    """Within-class variance 1 - |class mean|^2 of every class at the minimum, shape (classes,), in [0, 1].

    0 = the class is collapsed and its views agree. For supcon at weights so small that the views of an instance drift
    apart (`VIEWS`) it counts that drift. Exact where `class_openings` is, without a bound on the dimension; not a
    bound in smaller dimensions. Raises NotCovered for l_spread. Source: UNEQUAL (derived here).
    """
    problem = symmetrised(setting, "class_variances")
    rows = problem.solve(float(setting.need("alpha")), problem.start())
    spread = rows[:, -2] ** 2 + rows[:, -1] ** 2
    return np.where(spread < 1e-12, 0.0, spread)[problem.groups.of]


def symmetrised(setting: Setting, asked: str = "symmetrised") -> Openings:
    """The problem of a setting, one row per group of classes of one size, without a bound on the dimension.

    Raises NotCovered for l_spread and outside the range that class by class answers are worked out for, SettingError
    for arrays.
    """
    _covered(setting, asked)
    return Openings.of(setting)


def _covered(setting: Setting, asked: str) -> None:
    assume(setting, asked, SOFTMAX, BASIC)
    only_numbers(setting)


def only_numbers(setting: Setting) -> None:
    """Class by class answers take scalar fields; raises SettingError naming an array, NotCovered beyond their range."""
    names = ("classes", "dim", "temperature", "views", "batch_size", "classes_per_batch", "instances_per_class")
    setting.refuse_arrays("class by class answers take", names)
    low, high = _TEMPERATURES
    if setting.temperature is not None and not low <= setting.temperature <= high:
        raise NotCovered(
            f"temperature={setting.temperature!r}: class by class answers are worked out from {low:g} to {high:g}"
        )
    if setting.classes > _MOST_CLASSES:
        raise NotCovered(
            f"classes={setting.classes}: class by class answers are worked out for up to {_MOST_CLASSES} classes; "
            "with equal classes and dim >= classes the closed forms answer"
        )


@lru_cache(maxsize=256)
def _openings(setting: Setting, tolerance: float, seed: int) -> tuple[Openings, np.ndarray]:
    problem = Openings.of(setting, seed)
    weights = np.full(len(problem.groups.sizes), np.nan)
    if problem.own == 0:  # one view: L_self is empty, no weight below 1 opens anything
        return problem, np.where(problem.can_open, 1.0, np.nan)
    if not problem.paired.any():  # nothing tells the instances of a class apart
        return problem, np.where(problem.can_open, np.inf, np.nan)
    state, low = problem.start(), 0.0
    for group in np.flatnonzero(problem.can_open)[::-1]:  # large classes first: they open first, if not always
        weights[group], state = problem.opening(group, state, tolerance, low)
        if np.isfinite(weights[group]):
            low = float(weights[group])
            problem.known[low] = state  # held closed or not, a class that just opens has no spread
    return problem, weights


def solved(setting: Setting, tolerance: float) -> tuple[Openings, np.ndarray]:
    """The problem of `class_openings` with the minima on its way, and the weights by group."""
    _covered(setting, "class_openings")
    return _openings(setting.with_(alpha=None, dim=None), tolerance, 0)
