"""Classes of different sizes in fewer dimensions than classes: every class with a vector and a threshold of its own.

With all classes collapsed, views aligned, the loss is that of unit vectors v_i. An anchor of class i that meets b_k
instances of class k has the denominator Z = c + k + sum_k b_k E_ik, E_ik = exp((v_i.v_k - 1)/tau). At the minimiser the
cost of a first bit of spread of class i is negative above its threshold. Source: UNEQUAL (derived here).

Few compositions b of a batch are listed. Many are averaged in closed form: for m draws with replacement
E exp(-t sum b_k E_ik) = phi(t)^m, phi the mean of exp(-t E_ik) over the other instances, and log Z, 1/Z and 1/Z^2 are
integrals of exp(-t Z) over t. Draws without replacement have a smaller variance: that of fewer draws, the rest of the
batch counted at its mean.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np

from ssem_advisor.domain import Setting
from ssem_advisor.theory.anchors import anchors_of, groups_of
from ssem_advisor.theory.batches import random_batch
from ssem_advisor.theory.relation import own_view_weight
from ssem_advisor.theory.solve import fixed_points
from ssem_advisor.theory.spheres import descend_on_spheres, least_curvatures

# Minima are looked for from up to this many starts, fewer where all would have more than so many coordinates; up to the
# next number of coordinates to the last digits, beyond that to where the ends of the thresholds are settled to 0.005.
_STARTS, _COORDINATES, _PRECISE, _SETTLED = 16, 12_000, 300, 0.005
# Minima not found may lie further off than those found lie apart, by this factor; settled on 31 settings.
_OTHERS = 2.0
# What averaging in closed form moves a threshold by, batches being drawn without replacement; measured.
_AVERAGED = 0.002
# Points that stand for the law of the number of mates, and the step in log t of the integrals over t.
_MATES, _STEP = 8, 1.0


class Errors(NamedTuple):
    """Half widths of the least and of the largest threshold."""

    first: float
    last: float


class Curvature(NamedTuple):
    """Sums over the anchors of a class: what its mates weigh in their denominators (classes,), `pull` as in
    `Batches.value_and_pull`, what sampling a class takes off the curvature (classes, classes), and the second moment
    of the force of the other classes (classes, dim, dim)."""

    mates: np.ndarray
    pull: np.ndarray
    sampled: np.ndarray
    forces: np.ndarray


class Batches(Protocol):
    """What the anchors of every class meet. sizes, paired, alone: (classes,), instances of the class, and the weight of
    its anchors with and without a mate in the batch."""

    sizes: np.ndarray
    paired: np.ndarray
    alone: np.ndarray

    def expected(self) -> Batches:
        """The same with every class met its expected number of times: for a first look."""

    def value_and_pull(self, near: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
        """The mean of log Z at E (classes, classes), and its derivative by log E (classes, classes).

        The diagonal of E is not read: no anchor counts its own class among the others.
        """

    def curvature(self, near: np.ndarray, vectors: np.ndarray, alpha: float) -> Curvature:
        """What the second derivatives at full collapse are made of."""


class Listed:
    """Compositions one by one. Tables of anchors (classes, kinds), filled up with some of no weight. mated: which have
    a mate in the batch; those with some at their own point, unless given."""

    def __init__(
        self,
        own: float,
        sizes: np.ndarray,
        weight: np.ndarray,
        same: np.ndarray,
        counts: np.ndarray,
        mated: np.ndarray | None = None,
    ) -> None:
        self.own, self.sizes, self.weight, self.same, self.counts = own, sizes, weight, same, counts
        self.mated = same > 0 if mated is None else mated
        self.paired = (weight * self.mated).sum(axis=1)
        self.alone = (weight * ~self.mated).sum(axis=1)

    def expected(self) -> Batches:
        return self

    def _anchors(self, near: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Weights and denominators of the anchors."""
        total = self.own + self.same + (self.counts @ near[:, :, None])[:, :, 0]
        return self.weight * np.where(self.mated, 1.0, alpha), total

    def _counted(self, each: np.ndarray, near: np.ndarray) -> np.ndarray:
        return np.asarray((each[:, None, :] @ self.counts)[:, 0, :] * near)

    def value_and_pull(self, near: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
        scale, total = self._anchors(near, alpha)
        return float((scale * np.log(total)).sum()), self._counted(scale / total, near)

    def curvature(self, near: np.ndarray, vectors: np.ndarray, alpha: float) -> Curvature:
        scale, total = self._anchors(near, alpha)
        left = np.maximum(self.sizes - self.counts, 0.0) / np.maximum(self.sizes - 1.0, 1.0)
        sampled = ((scale / total**2)[:, None, :] @ (self.counts * left))[:, 0, :] * near * near
        force = (self.counts * near[:, None, :] / total[:, :, None]) @ vectors
        second = np.matmul(np.swapaxes(force, 1, 2) * scale[:, None, :], force)
        return Curvature((scale * self.same / total).sum(axis=1), self._counted(scale / total, near), sampled, second)


class Averaged:
    """All compositions in closed form. Tables of anchors (classes, kinds): weight, mates, and `draws` of the other
    classes, of which `fewer` are random with replacement. share: (classes, classes), of class k in a draw; copies:
    instances that one draw brings."""

    def __init__(
        self,
        own: float,
        sizes: np.ndarray,
        weight: np.ndarray,
        mates: np.ndarray,
        draws: np.ndarray,
        others: np.ndarray,
        share: np.ndarray,
        copies: float,
    ) -> None:
        self.own, self.sizes, self.weight, self.mates, self.draws = own, sizes, weight, mates, draws
        self.share, self.copies = share, copies
        self.fewer = draws * np.clip((others[:, None] - draws) / np.maximum(others[:, None] - 1.0, 1.0), 0.0, 1.0)
        self.paired = (weight * (mates > 0)).sum(axis=1)
        self.alone = (weight * (mates == 0)).sum(axis=1)
        largest = float((own + mates + draws * copies).max())
        self.t = np.exp(np.arange(np.log(1e-3 / largest), np.log(30.0 / own), _STEP))

    def expected(self) -> Batches:
        """The same with every class met its expected number of times: for a first look."""
        counts = self.copies * self.draws[:, :, None] * self.share[:, None, :]
        kinds = np.stack([self.mates > 0, self.mates == 0], axis=1).astype(float) * self.weight[:, None, :]
        weight = kinds.sum(axis=2)
        each = kinds / np.maximum(weight, 1e-300)[:, :, None]
        return Listed(self.own, self.sizes, weight, (each @ self.mates[:, :, None])[:, :, 0], each @ counts)

    def _transforms(self, near: np.ndarray, alpha: float) -> tuple[np.ndarray, ...]:
        """Weights (classes, kinds), means of Z, exp(-t Z) at the mean of Z and in the mean (classes, kinds, t), phi
        (classes, t) and exp(-t E) (classes, t, classes)."""
        scale = self.weight * np.where(self.mates > 0, 1.0, alpha)
        mean = (self.share * near).sum(axis=1)[:, None]
        expected = self.own + self.mates + self.draws * mean
        decay = _scratch((len(near), len(self.t), len(near)))
        np.multiply(near[:, None, :], -self.t[:, None], out=decay)
        np.exp(decay, out=decay)
        phi = (decay @ self.share[:, :, None])[:, :, 0]
        settled = self.own + self.mates + (self.draws - self.fewer) * mean
        random = np.exp(-settled[:, :, None] * self.t + self.fewer[:, :, None] * np.log(phi)[:, None, :])
        return scale, expected, np.exp(-expected[:, :, None] * self.t), random, phi, decay

    def value_and_pull(self, near: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
        near = near * self.copies
        return self._value_and_pull(near, self._transforms(near, alpha))

    def _value_and_pull(self, near: np.ndarray, transforms: tuple[np.ndarray, ...]) -> tuple[float, np.ndarray]:
        scale, expected, steady, random, phi, decay = transforms
        weights = _STEP * self.t
        value = scale * (np.log(expected) + _STEP * (steady - random).sum(axis=2))
        # The integral of exp(-t mean) is known: what the sum over few t leaves of it is put back.
        rest = 1.0 / expected - steady @ weights
        settled = (scale * (self.draws * rest + (self.draws - self.fewer) * (random @ weights))).sum(axis=1)
        moved = ((scale * self.fewer)[:, None, :] @ random)[:, 0, :] * weights / phi
        pull = self.share * (settled[:, None] + (moved[:, None, :] @ decay)[:, 0, :]) * near
        return float(value.sum()), pull

    def curvature(self, near: np.ndarray, vectors: np.ndarray, alpha: float) -> Curvature:
        near = near * self.copies
        transforms = self._transforms(near, alpha)
        scale, expected, steady, random, phi, decay = transforms
        first, second = _STEP * self.t, _STEP * self.t**2
        mates = (scale * self.mates * (1.0 / expected + (random - steady) @ first)).sum(axis=1)
        # Means of 1/Z^2 times 1, b, b b': sums over t, with per class the weights of every t.
        part = scale[:, :, None] * random * second
        still, fewer = (self.draws - self.fewer)[:, :, None], self.fewer[:, :, None]
        both, mixed = (part * still**2).sum(axis=1), (part * still * fewer).sum(axis=1) / phi
        twice = (part * fewer * (fewer - 1.0)).sum(axis=1) / phi**2
        once, steady_once = (part * fewer).sum(axis=1) / phi, (part * still).sum(axis=1)
        share, seen = self.share, decay * self.share[:, None, :]
        number = share * steady_once.sum(axis=1)[:, None] + (once[:, None, :] @ seen)[:, 0, :]
        squared = share**2 * both.sum(axis=1)[:, None] + 2.0 * share * (mixed[:, None, :] @ seen)[:, 0, :]
        squared += (twice[:, None, :] @ seen**2)[:, 0, :] + (once[:, None, :] @ seen)[:, 0, :]
        present, square = number * self.copies, squared * self.copies**2
        sampled = np.maximum(self.sizes * present - square, 0.0) / np.maximum(self.sizes - 1.0, 1.0)
        sampled = sampled * (near / self.copies) ** 2
        mean, at = (share * near) @ vectors, (seen * near[:, None, :]) @ vectors
        forces = both.sum(axis=1)[:, None, None] * mean[:, :, None] * mean[:, None, :]
        cross = mean[:, :, None] * (mixed[:, None, :] @ at)
        forces += cross + np.swapaxes(cross, 1, 2)
        forces += np.matmul(np.swapaxes(at, 1, 2) * twice[:, None, :], at)
        alike = (once[:, None, :] @ seen)[:, 0, :] * near**2
        forces += np.matmul(vectors.T[None] * alike[:, None, :], vectors)
        return Curvature(mates, self._value_and_pull(near, transforms)[1], sampled, forces)


_KEPT = threading.local()


def _scratch(shape: tuple[int, ...]) -> np.ndarray:
    """Memory for an intermediate result, the same at every call of a thread: to get it from the system anew takes
    longer than to fill it."""
    kept: np.ndarray | None = getattr(_KEPT, "array", None)
    if kept is None or kept.shape != shape:
        kept = _KEPT.array = np.empty(shape)
    return kept


class Crowd:
    """The collapsed loss of one setting. Vectors have shape (classes, dim)."""

    def __init__(self, setting: Setting, batches: Batches | None = None) -> None:
        self.setting = setting
        self.batches = batches or _batches_of(setting)
        self.sizes = self.batches.sizes
        self.small = len(self.sizes) * min(int(setting.need("dim")), len(self.sizes)) <= _PRECISE
        self.look, self.precision = (1e-9, 1e-9) if self.small else (1e-5, 3e-6)
        self.tau, self.dim = float(setting.need("temperature")), min(int(setting.need("dim")), len(self.sizes))
        self.share = self.batches.paired + self.batches.alone
        self.shrink = np.where(self.sizes > 1, 1.0 - 1.0 / self.sizes, 1.0)

    def _near(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp((vectors @ vectors.T - 1.0) / self.tau))

    def value_and_gradient(self, vectors: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
        """tau times the loss, and its gradient."""
        value, pull = self.batches.value_and_pull(self._near(vectors), alpha)
        return self.tau * value, (pull + pull.T) @ vectors

    def minimum(self, alpha: float, vectors: np.ndarray, precision: float) -> np.ndarray:
        """The minimum near the vectors given. precision: of the gradient per anchor."""
        return descend_on_spheres(
            lambda v: self.value_and_gradient(v, alpha),
            vectors,
            np.ones(vectors.shape),
            np.maximum(self.batches.paired + alpha * self.batches.alone, 1e-12),
            precision * min(1.0, 1.0 / self.tau),
        )

    def costs(self, vectors: np.ndarray, alpha: float) -> np.ndarray:
        """What a first bit of spread costs every class at a minimum, times tau and per anchor: negative = it opens."""
        found = self.batches.curvature(self._near(vectors), vectors, alpha)
        by_v = ((1.0 - alpha) * self.batches.paired - found.mates) / self.shrink
        multiplier = 0.5 * ((found.pull + found.pull.T) * (vectors @ vectors.T)).sum(axis=1)
        return np.asarray((by_v - multiplier + self._stiffness(vectors, found)) / self.share)

    def _stiffness(self, vectors: np.ndarray, found: Curvature) -> np.ndarray:
        """Least eigenvalue over 2 tau, on the tangent space at v_i, of M_i of docs/theory/classes.md; 0 where a
        direction is orthogonal to all class means."""
        number, dim = vectors.shape
        if np.linalg.matrix_rank(vectors, tol=1e-6) < dim:
            return np.zeros(number)
        between = found.pull + (found.pull - found.sampled).T
        curvature = np.matmul(vectors.T[None] * between[:, None, :], vectors) - found.forces
        return least_curvatures(curvature, vectors) / (2.0 * self.tau)

    def minima(self, closer: int = 3) -> list[np.ndarray]:
        """Minima at the weight 0.5 from several starts, the lowest first, of many compositions those at the expected
        batch. closer: in small problems so many of the lowest are worked out with all compositions, and the highest."""
        starts = max(3, min(_STARTS, _COORDINATES // (len(self.sizes) * self.dim)))
        if self.dim >= len(self.sizes) - 1:
            starts = 1
        screen = Crowd(self.setting, self.batches.expected())
        shape = (len(self.sizes), self.dim)
        guesses = [np.random.default_rng(seed).standard_normal(shape) for seed in range(starts)]
        # In small problems to the last digits: a search that ends early may end at a saddle above the lowest minimum.
        tried = screen._sorted(screen.minimum(0.5, guess, self.look) for guess in guesses)
        if screen.batches is self.batches or not self.small:
            return tried
        return self._sorted(
            self.minimum(0.5, found, self.precision) for found in [*tried[:closer], *tried[closer:][-1:]]
        )

    def _sorted(self, found: Iterable[np.ndarray]) -> list[np.ndarray]:
        """By the value at the weight 0.5."""
        return sorted(found, key=lambda vectors: self.value_and_gradient(vectors, 0.5)[0])

    def thresholds(self, compared: int = 3, unseen: float = 0.0) -> tuple[np.ndarray, Errors]:
        """The weight up to which a spread of each class raises the loss at full collapse, shape (classes,), and the
        half widths of the first and the last of them.

        That is what each end differs by between the lowest of the minima found, `compared` of them, and what averaging
        batches, an early end of the search and minima not found add. unseen: where the lowest minimum may be missed,
        the share of the value that is added for it; then the highest one found counts as well.
        """
        number, tried = len(self.sizes), self.minima(compared)
        shown = tried[:compared] + (tried[-1:] if unseen else [])
        each = np.clip([self._turns(found) for found in shown], 0.0, 1.0)[:, self.sizes > 1]
        ends = np.stack([each.min(axis=1), each.max(axis=1)], axis=1)
        errors = np.maximum(_OTHERS * np.ptp(ends[:compared], axis=0), np.ptp(ends, axis=0)) + unseen * ends[0]
        errors += np.where(self.small & (errors < 1e-6), 0.0, np.minimum(_SETTLED, 0.1 * ends[0]))
        errors += _AVERAGED * np.minimum(1.0, 10.0 * ends[0]) if isinstance(self.batches, Averaged) else 0.0
        known = {0.5: self.minimum(0.5, tried[0], self.precision)}

        def turns(alpha: float) -> np.ndarray:
            nearest = known[min(known, key=lambda other: abs(other - alpha))]
            if alpha not in known and (self.batches.alone > 0).any():  # else there is one minimum for all weights
                nearest = known[alpha] = self.minimum(alpha, nearest, self.precision)
            return self._turns(nearest)

        def only_ends(found: np.ndarray) -> np.ndarray:
            """The first and the last class."""
            can = np.flatnonzero(self.sizes > 1)
            order = can[np.argsort(found[can])]
            return np.isin(np.arange(number), order[[0, -1]])

        # In large problems, whose minima are many, the classes between the ends take what the ends leave them.
        close = max(1e-8, 0.1 * float(errors.min()), 0.01 * float(errors.max()))
        found, left = fixed_points(turns, close, 12, None if self.small else only_ends)
        can = np.flatnonzero(self.sizes > 1)
        errors += left[[can[np.argmin(found[can])], can[np.argmax(found[can])]]]
        found = np.where(found < 1.0, found, np.inf)
        return np.where(self.sizes > 1, found, np.nan), Errors(*map(float, errors))

    def _turns(self, vectors: np.ndarray) -> np.ndarray:
        """The weights at which the costs of the classes vanish at these vectors, linear in the weight as they are."""
        low, high = self.costs(vectors, 0.0), self.costs(vectors, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(low > high, low / (low - high), np.inf)


def table_of_instances(setting: Setting) -> float:
    """Numbers in the table that `Held` works on; inf where the compositions of a batch cannot be listed."""
    batches = _batches_of(setting)
    return float(batches.weight.shape[1] * batches.sizes.sum() ** 2) if isinstance(batches, Listed) else np.inf


class Held(Crowd):
    """The loss over single instances, one class held on one point: rows (1 + instances of the others, dim).

    Exact for full batches and aligned views. In smaller ones every mate and every other instance counts as the mean of
    its class, inside the logarithm.
    """

    def __init__(self, setting: Setting, held: int) -> None:
        by_class = _batches_of(setting)
        if not isinstance(by_class, Listed):
            raise ValueError("single instances are minimised only where the compositions of a batch are listed")
        sizes = by_class.sizes.astype(int)
        of = np.repeat(np.arange(len(sizes)), np.where(np.arange(len(sizes)) == held, 1, sizes))
        self.row = int(np.flatnonzero(of == held)[0])
        each = np.where(of == held, 1.0, sizes[of])  # rows of the class
        mates = (of[:, None] == of[None, :]) & ~np.eye(len(of), dtype=bool)
        share = mates / np.maximum(each - 1.0, 1.0)[:, None]
        weight, same = by_class.weight[of] / each[:, None], by_class.same[of]
        counts = by_class.counts[of][:, :, of] / each + same[:, :, None] * share[:, None, :]
        mine = (of == held)[:, None]
        super().__init__(
            setting,
            Listed(by_class.own, np.where(of == held, sizes[of], 1.0), weight, same * mine, counts, same > 0),
        )
        self.liked = self.batches.paired[:, None] * share

    def value_and_gradient(self, vectors: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
        value, slope = super().value_and_gradient(vectors, alpha)
        liked = (1.0 - alpha) * self.liked
        return value + float((liked * (1.0 - vectors @ vectors.T)).sum()), slope - (liked + liked.T) @ vectors

    def cost(self, vectors: np.ndarray, alpha: float) -> float:
        """What a first bit of spread costs the class that is held, at a minimum: negative = it opens."""
        return float(self.costs(vectors, alpha)[self.row])


def _batches_of(setting: Setting) -> Batches:
    """The batches of a setting, the same at every temperature, weight and dimension."""
    return _batches(setting.with_(temperature=None, alpha=None, dim=None))


@lru_cache(maxsize=8)
def _batches(setting: Setting) -> Batches:
    """The batches of a setting: their compositions one by one where these can be listed."""
    groups, own = groups_of(setting, single=True), float(own_view_weight(setting))
    sizes, number = groups.sizes, len(groups.sizes)
    anchors = anchors_of(setting, groups, draw=False)
    if anchors is not None:
        place = np.arange(len(anchors.group)) - np.searchsorted(anchors.group, np.arange(number))[anchors.group]
        kinds = int(place.max()) + 1
        weight, same, counts = np.zeros((number, kinds)), np.zeros((number, kinds)), np.zeros((number, kinds, number))
        weight[anchors.group, place], same[anchors.group, place] = anchors.weight, anchors.same
        counts[anchors.group, place] = anchors.others
        return Listed(own, sizes, weight, same, counts)
    size = float(setting.need("batch_size"))
    if setting.sampler == "balanced":
        drawn = float(setting.classes if setting.classes_per_batch is None else setting.classes_per_batch)
        share = (1.0 - np.eye(number)) / (number - 1.0)
        weight, mates = np.full((number, 1), 1.0 / number), np.full((number, 1), size / drawn - 1.0)
        others, draws = np.full(number, number - 1.0), np.full((number, 1), drawn - 1.0)
        return Averaged(own, sizes, weight, mates, draws, others, share, size / drawn)
    others = sizes.sum() - sizes
    share = np.where(np.eye(number) > 0, 0.0, sizes / others[:, None])
    law = random_batch(sizes, others, sizes / sizes.sum(), np.full(number, size))
    weight, mates = np.zeros((number, _MATES + 1)), np.zeros((number, _MATES + 1))
    for i in range(number):
        points, probability = _condensed(law.same[:, i], law.weight[:, i])
        weight[i, : len(points)], mates[i, : len(points)] = probability, points
    weight[:, -1], mates[:, -1] = law.alone, 0.0
    mates[:, :-1] = np.where(weight[:, :-1] > 0, mates[:, :-1], 1.0)
    weight *= (sizes / sizes.sum())[:, None]
    return Averaged(own, sizes, weight, mates, size - 1.0 - mates, others, share, 1.0)


def _condensed(points: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A law on few points with the same first moments (Gauss quadrature by Lanczos' method): points, probabilities."""
    points, probability = points[probability > 0], probability[probability > 0]
    if len(points) <= _MATES:
        return points, probability
    total, start = probability.sum(), np.sqrt(probability / probability.sum())
    middle, width = float(start @ (points * start)), max(float(np.ptp(points)), 1.0)
    scaled = (points - middle) / width
    basis = [start]
    for _ in range(_MATES - 1):
        ahead = scaled * basis[-1]
        for _ in range(2):  # twice is enough to stay orthogonal
            ahead = ahead - np.stack(basis).T @ (np.stack(basis) @ ahead)
        basis.append(ahead / np.linalg.norm(ahead))
    rows = np.stack(basis)
    nodes, vectors = np.linalg.eigh((rows * scaled) @ rows.T)
    return middle + width * nodes, total * vectors[0] ** 2
