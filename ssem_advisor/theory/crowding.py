"""Where classes open in few dimensions: those that opened first take up the directions and the room of the later ones.

Small problems are minimised over their single instances, one class held on one point (`found_openings`). Beyond that
`Room` says what the open classes do to a collapsed one, and `estimated_openings` where it opens then.
Source: UNEQUAL (estimates, derived here; docs/theory/classes.md#few).
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ssem_advisor.domain import Setting
from ssem_advisor.theory.classes import class_batches, class_thresholds, is_roomy
from ssem_advisor.theory.crowd import Held, table_of_instances
from ssem_advisor.theory.estimates import log_mean_exp
from ssem_advisor.theory.openings import Openings, all_open, by_class, solved
from ssem_advisor.theory.relation import own_view_weight
from ssem_advisor.theory.solve import last_sign_change

# Problems of up to so many coordinates, and numbers in the tables of their anchors, are minimised over single
# instances, in a fraction of a second each. Starts at the first weight, fresh ones at every other; where a class is
# found to open so many coordinates are searched, in up to so many starts.
_COORDINATES, _TABLE, _STARTS, _FRESH, _CONFIRMING, _MOST = 130, 100_000, 6, 1, 1_200, 24
# How closely the weight is found; what the search may be off by with a direction beside the class means, and without.
_TOLERANCE, _SOUGHT, _SOUGHT_CROWDED = 0.002, 0.002, 0.01
# The logarithm of the estimate is so many times that of one class. Its error: a share of what the other classes add
# times what is left up to 1. Settled on one half of 96 settings, tested on the other (docs/theory/classes.md#few).
# In more dimensions than the last number, the most of those settings, all errors are less.
_WEIGHS, _SHARE, _SHARE_RANDOM, _LEAST, _SETTLED = 1.25, 0.4, 0.6, 0.005, 14
# With a direction beside the class means the error is a share of what the estimate adds.
_ROOMY_SHARE, _ITERATIONS = 0.4, 8
# A step this short at the spread that the others have before it is not followed up.
_MOVES = 0.002
# Fewer dimensions than this, and than classes, are not estimated.
_FEWEST = 4
# Of equal classes: shares of what the other classes add, and of what the thresholds differ by.
_TOGETHER, _APART, _APART_SHARE = 0.02, 1.5, 0.2


class SingleInstances:
    """Whether a class is spread at the minimum of a small problem, weight by weight; see `fits`."""

    def __init__(self, setting: Setting, held: int) -> None:
        self.problem, self.random = Held(setting, held), np.random.default_rng(0)
        self.state: np.ndarray | None = None
        self.end = 1.0 - found_error(setting)
        self.many = min(_MOST, _CONFIRMING // (len(self.problem.sizes) * self.problem.dim))

    def cost(self, alpha: float, fresh: int = _FRESH) -> float:
        """What a first bit of spread costs the class that is held, at the lowest minimum found: negative = it opens."""
        problem, shape = self.problem, (len(self.problem.sizes), self.problem.dim)
        starts = [] if self.state is None else [self.state]
        starts += [self.random.standard_normal(shape) for _ in range(fresh if starts else max(fresh, _STARTS))]
        found = [problem.minimum(alpha, start, 1e-7) for start in starts]
        self.state = min(found, key=lambda vectors: problem.value_and_gradient(vectors, alpha)[0])
        return problem.cost(self.state, alpha)

    def opening(self, guess: float) -> float:
        """The weight above which the class is spread, looked for from a guess; inf beyond 1.

        Many more starts are made where it is found, unless its error reaches 1; if one of them ends lower, and
        collapsed, the search goes on.
        """
        at = last_sign_change(self.cost, guess, -1.0, _TOLERANCE)
        while at < self.end and self.cost(at, self.many) > 0:
            at = last_sign_change(self.cost, at, -1.0, _TOLERANCE)
        return at


def fits(setting: Setting) -> bool:
    """Whether a setting of unequal classes is so small that it is minimised over its single instances."""
    total = sum(setting.need("class_counts"))
    return total * setting.need("dim") <= _COORDINATES and table_of_instances(setting) <= _TABLE


def found_openings(setting: Setting, guess: np.ndarray) -> np.ndarray:
    """The weight above which each class is spread at the minimum, shape (classes,), where `fits`.

    guess: from where it is looked for, (classes,). nan for a class of one, inf where no weight up to 1 opens it.
    """
    found = np.full(setting.classes, np.nan)
    for size, held in _sizes(setting):
        opening = SingleInstances(setting, held).opening(min(float(guess[held]), 1.0))
        found[np.asarray(setting.class_counts) == size] = opening
    return found


def found_open(setting: Setting, alpha: float) -> bool:
    """Whether every class is spread at the minimum at a weight, where `fits`; asks for that weight alone."""
    each, alpha = (SingleInstances(setting, held) for _, held in _sizes(setting)), min(alpha, 1.0)
    return alpha > 0 and all(one.cost(alpha) <= 0 and one.cost(alpha, one.many) <= 0 for one in each)


def found_error(setting: Setting) -> float:
    """Half width of `found_openings`."""
    return _TOLERANCE + (_SOUGHT if is_roomy(setting) else _SOUGHT_CROWDED)


def _sizes(setting: Setting) -> list[tuple[int, int]]:
    """Every size above 1 with one class of it, the smallest first: small classes open last, if not always."""
    counts = np.asarray(setting.need("class_counts"))
    return [(int(size), int(np.flatnonzero(counts == size)[0])) for size in np.unique(counts[counts > 1])]


class Room:
    """What the classes that are open do to one that is still collapsed, in few dimensions: an estimate by groups.

    The second moment of all embeddings has the trace 1 and becomes as even as it can. The class means hold 1 - v of it
    in min(classes - 1, dim) directions, the spreads v in those left over. What a spread finds there stiffens the
    collapsed class. Where that is more than the means have each, the spreads fill all directions evenly and some lies
    along the class mean: its exp(similarity / temperature) is larger on average, so that class weighs more.
    """

    def __init__(self, setting: Setting, problem: Openings | None = None) -> None:
        """problem: that of the setting with room for all, where some of its minima are known."""
        self.problem = problem or Openings.of(setting.with_(dim=None, alpha=None))
        self.tau = float(setting.need("temperature"))
        self.dim = float(setting.need("dim"))
        self.off = _fewer(setting)
        self.means = min(setting.classes - 1.0, self.dim)
        problem = self.problem
        self.gain = np.maximum(problem.weight_paired / (problem.pace * problem.shrink), 1e-12)
        # The others count as they are spread where the class opens with room for all: in random batches, beside the
        # means. Counting what they spread more until it opens here would say twice what it is (measured).
        self.spread_before = setting.sampler == "random" and is_roomy(setting)

    def taken(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """By how many times more the other classes weigh, and by how much the weight at which a group opens rises, at
        the spread that they have at a weight with room for all. (kinds,), (kinds,)"""
        felt, v = self.problem.felt(min(max(alpha, 1e-3), 1.0))
        left, each = self.dim - self.means, (1.0 - v) / self.means
        filled = v > each * left
        along = np.where(filled, np.maximum(1.0 / self.dim - each, 0.0), 0.0)
        logs = log_mean_exp(np.sqrt(along * self.dim) / self.tau, np.asarray(self.dim))[0]
        across = np.where(filled, each, v / left) if left > 0 else np.zeros_like(v)
        return np.exp(np.minimum(_WEIGHS * logs, 50.0)), felt * across / (2.0 * self.tau * self.gain)

    def needed(self, alpha: float, alone: np.ndarray) -> np.ndarray:
        """The weight at which each group has to open with room for all so that it opens here below alpha, error
        included: dim >= classes. alone: `without_others` by group. (kinds,)"""
        before = np.full(len(alone), alpha)
        times, added = self.taken(alpha)
        for again in range(2 if self.spread_before else 1):
            if again:
                times, added = (np.diag(rows) for rows in zip(*map(self.taken, before), strict=True))
            for _ in range(_ITERATIONS):
                here = (alpha - _LEAST * self.off + _ROOMY_SHARE * before) / (1.0 + _ROOMY_SHARE)
                before = np.minimum(_heavier(here - added, alone, 1.0 / times), here)
        return before


def estimated_openings(
    setting: Setting, local: np.ndarray, unsure: float, tolerance: float
) -> tuple[np.ndarray, float]:
    """An estimate of the weight above which each of unequal classes is spread in few dimensions, shape (classes,), and
    the error of the largest; inf where that is beyond 1, nan for a class of one.

    local, unsure: `class_thresholds`, and the error of the largest of them.
    """
    if setting.need("dim") < min(setting.classes, _FEWEST):
        return np.where(np.isnan(local), np.nan, np.inf), 0.0
    roomy = setting.with_(dim=None, alpha=None)
    problem, weights = solved(roomy, tolerance)
    room, free, alone = Room(setting, problem), class_thresholds(roomy), without_others(setting)
    with np.errstate(invalid="ignore"):
        # That others have opened moves the thresholds with room for all, too.
        later = local + np.maximum(np.nan_to_num(by_class(setting, problem, weights) - free), 0.0)
        shift = local - free

    groups = room.problem.groups

    def here(weights: np.ndarray, who: np.ndarray, alpha: float, group: int, last: int) -> np.ndarray:
        """Where classes of a group open, the others being spread as they are at a weight."""
        at = float(later[last]) if room.spread_before else alpha
        times, added = room.taken(at - float(shift[last]))
        return _heavier(weights[who], alone[who], float(times[group])) + added[group]

    def own_error(weight: float, last: int) -> float:
        """What the estimate of a weight may be too small by."""
        if is_roomy(setting):
            return _LEAST * room.off + _ROOMY_SHARE * (weight - float(later[last]))
        others = max(float((later[last] - alone[last]) / (1.0 - alone[last])), 0.0)
        share = _SHARE_RANDOM if setting.sampler == "random" else _SHARE
        return room.off * (_LEAST + share * (1.0 - weight) * others)

    def ahead(alpha: float, group: int, last: int, wide: bool) -> float:
        """How far above a weight the last class of a group opens, wide: with all errors added."""
        weight = float(here(later + unsure * wide, np.array([last]), alpha, group, last)[0])
        return weight + (own_error(weight, last) if wide else 0.0) - alpha

    found, end = later.copy(), (0, 0)
    for group in map(int, np.flatnonzero(room.problem.can_open)):
        members = np.flatnonzero(groups.of == group)
        last = int(members[np.argmax(later[members])])
        if later[last] < 1.0:
            at = float(later[last])
            if not room.spread_before and ahead(at, group, last, False) > _MOVES:  # else the others spread no more
                at = last_sign_change(partial(ahead, group=group, last=last, wide=False), at, -1.0, tolerance)
            found[members] = here(later, members, at, group, last) if at < 1.0 else np.inf
            end = (group, last) if found[last] == np.nanmax(found) else end
    found[found >= 1.0] = np.inf
    group, last = end
    if not np.isfinite(np.nanmax(found)):
        return found, 0.0
    turn = partial(ahead, group=group, last=last, wide=True)
    return found, last_sign_change(turn, float(found[last]), -1.0, tolerance) - float(found[last])


def estimated_open(setting: Setting, alpha: float) -> bool:
    """Whether every class is spread at a weight, by `estimated_openings` and its error, without finding them: unequal
    classes, dim >= classes."""
    room = Room(setting)
    if not room.problem.paired.any():
        return False
    groups = room.problem.groups
    alone = without_others(setting)[[int(np.argmax(groups.of == group)) for group in range(len(groups.sizes))]]
    return all_open(setting, room.needed(alpha, alone))


def one_by_one_error(setting: Setting, thresholds: np.ndarray) -> float:
    """By how much the last of equal classes may open above the last of their thresholds, where dim < classes: a share
    of what the other classes add, and more where the classes do not open together (measured)."""
    if not np.isfinite(thresholds).all():
        return 0.0
    others = max(float(thresholds.max() - without_others(setting)[0]), 0.0)
    return _fewer(setting) * (_TOGETHER * others + min(_APART * float(np.ptp(thresholds)), _APART_SHARE * others))


def _fewer(setting: Setting) -> float:
    """What the spreads hold of one direction falls like 1 / dim, and with it what an answer can be off by: 1 up to
    about the dimensions in which the errors were settled."""
    return min(1.0, _SETTLED / float(setting.need("dim")))


def _heavier(weights: np.ndarray, alone: np.ndarray, times: np.ndarray | float) -> np.ndarray:
    """Thresholds of classes or groups where the others weigh so many times as much; alone: `without_others`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        others = np.maximum(weights - alone, 0.0) / (1.0 - weights)
        return np.where(weights < 1.0, 1.0 - (1.0 - alone) / (1.0 + times * others), weights)


def without_others(setting: Setting) -> np.ndarray:
    """The weight above which each class would be spread with no other class in sight, shape (classes,): c / (c + k) for
    k mates, and what the class thresholds fall to with the temperature."""
    batch, own = class_batches(setting)[0], float(own_view_weight(setting))
    with np.errstate(divide="ignore", invalid="ignore"):
        mates = (batch.weight * batch.same / (own + batch.same)).sum(axis=0)
        return np.asarray(1.0 - mates / batch.weight.sum(axis=0))
