"""Whether classes still are what embeddings are grouped by: class means against nearest neighbours.

Where classes are the large structure, the nearest class mean tells the class of an instance as well as its nearest
neighbours do, or better, as it averages over more of them; that holds for classes that are hard to tell apart too.
Where instances have spread until a class is many separate pieces, neighbours are still of one class, but the mean lies
far from all of them. The difference of the two accuracies needs no reference from another network.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssem_advisor.measurement.rows import BLOCK, UnitRows
from ssem_advisor.measurement.spread import FEWEST, Measured

NEIGHBOURS = 20
_GALLERY, _ASKED = 8192, 4096  # instances compared with, and asked about
MOST_CLASSES = 2 * _GALLERY // FEWEST
# Where the largest class has so many times the instances of the smallest, a vote of the nearest would be one of the
# large classes, or, with weights, of single instances of the small ones: this share of every class is asked instead.
# Both were settled on two long-tailed studies of CIFAR and held against three others (validation/long-tail).
UNEVEN, NEAREST_SHARE = 2.0, 0.1
_STRIP = 512  # instances asked about, or compared with, at once


class Structure(NamedTuple):
    """Share of instances whose class is told rightly, mean over classes; chance is 1 / classes.

    by_mean: by the nearest class mean, which leaves the instance out. by_neighbours: by a vote of its nearest other
    instances, at most NEIGHBOURS of them; in classes of very different size, by the class whose nearest tenth is
    nearest. gap: the second less the first, with its 95% interval over instances.
    """

    classes: int
    by_mean: float
    by_neighbours: float
    gap: Measured

    @property
    def skill(self) -> float:
        """What the class means tell above chance, as a share of all that is above it."""
        return (self.classes * self.by_mean - 1) / (self.classes - 1)


def structure_of(rows: UnitRows, seed: int = 0) -> Structure | None:
    """Compare the two on one view of each instance; of large files on a random part, the same number of each class.

    Classes with fewer than FEWEST instances are left out: a fifth of a class, the neighbours asked, is then not one.
    None where fewer than two classes are left, or more than MOST_CLASSES.
    """
    chosen = np.flatnonzero(rows.instances >= FEWEST)
    m = len(chosen)
    if not 2 <= m <= MOST_CLASSES:
        return None
    gallery = min(_GALLERY, 2 * BLOCK // rows.width)
    each = max(gallery // m, FEWEST)
    sizes = np.minimum(rows.instances[chosen], each)
    rng = np.random.default_rng(seed)
    picked = []
    for name, size in zip(chosen, sizes, strict=True):
        first, last = rows.span(int(name))
        part = np.arange(first, last)
        picked.append(part if size == len(part) else np.sort(rng.choice(part, size, replace=False)))
    classes, ends = np.repeat(np.arange(m), sizes), np.cumsum(sizes)
    asked = np.sort(rng.permutation(len(classes))[:_ASKED])
    # The rows are read twice, class by class; only those asked about, and the means, are kept.
    means = np.empty((m, rows.width))
    z32, middles = (np.empty((len(asked), rows.width), dtype=np.float32) for _ in range(2))
    for c, (part, end) in enumerate(zip(picked, ends, strict=True)):
        z, starts = rows.instances_of(part)
        middle = np.add.reduceat(z, starts, axis=0) / np.diff(starts, append=len(z))[:, None]
        means[c] = middle.mean(axis=0)
        low, high = np.searchsorted(asked, (end - len(part), end))
        here = asked[low:high] - (end - len(part))
        z32[low:high], middles[low:high] = z[starts[here]], middle[here]
    uneven = bool(sizes.max() > UNEVEN * sizes.min())
    nearest: _Nearest | _NearestTenths
    if uneven:
        nearest = _NearestTenths(z32, asked)
    else:
        nearest = _Nearest(z32, asked, int(max(1, min(NEIGHBOURS, sizes.min() // 5))))
    waiting, first = [], 0
    for c, part in enumerate(picked):
        z, starts = rows.instances_of(part)
        waiting.append(z[starts].astype(np.float32))
        count = sum(map(len, waiting))
        if uneven or count >= _STRIP or c == m - 1:
            nearest.look_at(np.concatenate(waiting), first)
            waiting, first = [], first + count
    own = classes[asked]
    right = np.empty((2, len(asked)), dtype=bool)
    right[1] = nearest.vote(classes, 1.0 / sizes) == own
    for i in range(0, len(asked), _STRIP):
        strip = slice(i, i + _STRIP)
        right[0, strip] = _by_mean(z32[strip], middles[strip], means, sizes, own[strip])
    return _compared(right, own, m)


def _by_mean(
    z: NDArray[np.float32], middle: NDArray[np.float32], means: NDArray[np.float64], sizes: NDArray[np.int64],
    own: NDArray[np.int64],
) -> NDArray[np.bool_]:  # fmt: skip
    """Whether each row of z is nearest to the mean of its own class without its instance, whose mean is `middle`."""
    score = z @ means.T - (means**2).sum(axis=1) / 2
    count = sizes[own, None]
    without = (count * means[own] - middle) / (count - 1)
    mine = (z * without).sum(axis=1) - (without**2).sum(axis=1) / 2
    score[np.arange(len(z)), own] = mine
    return np.asarray(score.argmax(axis=1) == own)


class _Nearest:
    """The k rows of a gallery nearest to each row of z, which come by and by; row i of z is number asked[i] of it."""

    def __init__(self, z: NDArray[np.float32], asked: NDArray[np.int64], k: int) -> None:
        self._z, self._asked, self._k = z, asked, k
        self._similarity = np.full((len(z), k), -np.inf, dtype=np.float32)
        self._number = np.zeros((len(z), k), dtype=np.int64)

    def look_at(self, gallery: NDArray[np.float32], first: int) -> None:
        """Rows of the gallery, of which `first` is the number of the first."""
        k, numbers = self._k, first + np.arange(len(gallery))
        for i in range(0, len(self._z), _STRIP):
            part = slice(i, i + _STRIP)
            similarity = self._z[part] @ gallery.T
            similarity[self._asked[part, None] == numbers] = -np.inf  # a row is no neighbour of its own
            similarity = np.concatenate([self._similarity[part], similarity], axis=1)
            number = np.concatenate(
                [self._number[part], np.broadcast_to(numbers, (len(similarity), len(gallery)))], axis=1
            )
            kept = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
            self._similarity[part] = np.take_along_axis(similarity, kept, axis=1)
            self._number[part] = np.take_along_axis(number, kept, axis=1)

    def vote(self, classes: NDArray[np.int64], weight: NDArray[np.float64]) -> NDArray[np.int64]:
        """The class that the nearest vote for; near ones break ties. classes: of the gallery, weight: of a class."""
        order = np.argsort(-self._similarity, axis=1, kind="stable")
        found = classes[np.take_along_axis(self._number, order, axis=1)]
        winner = np.empty(len(found), dtype=np.int64)
        for i in range(0, len(found), _STRIP):
            part = found[i : i + _STRIP]
            votes = np.zeros((len(part), len(weight)))
            nearness = 1 + 1e-3 * np.linspace(1, 0, self._k)
            np.add.at(votes, (np.arange(len(part))[:, None], part), weight[part] * nearness)
            winner[i : i + _STRIP] = votes.argmax(axis=1)
        return winner


class _NearestTenths:
    """How near the nearest tenth of every class is to each row of z; classes come by one after the other. Row i of z is
    number asked[i] of all of their rows."""

    def __init__(self, z: NDArray[np.float32], asked: NDArray[np.int64]) -> None:
        self._z, self._asked = z, asked
        self._nearness: list[NDArray[np.float32]] = []

    def look_at(self, gallery: NDArray[np.float32], first: int) -> None:
        """The rows of the next class, of which `first` is the number of the first."""
        k, numbers = max(1, round(NEAREST_SHARE * len(gallery))), first + np.arange(len(gallery))
        found = np.empty(len(self._z), dtype=np.float32)
        for i in range(0, len(self._z), _STRIP):
            part = slice(i, i + _STRIP)
            similarity = self._z[part] @ gallery.T
            similarity[self._asked[part, None] == numbers] = -np.inf  # a row is no neighbour of its own
            found[part] = np.partition(similarity, -k, axis=1)[:, -k:].mean(axis=1)
        self._nearness.append(found)

    def vote(self, classes: NDArray[np.int64], weight: NDArray[np.float64]) -> NDArray[np.int64]:
        """The class whose nearest tenth is nearest; every class has asked the same share of its rows."""
        return np.asarray(np.argmax(self._nearness, axis=0))


def _compared(right: NDArray[np.bool_], classes: NDArray[np.int64], m: int) -> Structure:
    count = np.maximum(np.bincount(classes, minlength=m), 1)
    present = np.bincount(classes, minlength=m) > 0

    def mean(values: NDArray[np.float64]) -> float:
        return float((np.bincount(classes, values, minlength=m) / count)[present].mean())

    by_mean, by_neighbours = (mean(values.astype(float)) for values in right)
    differences = right[1].astype(float) - right[0]
    middle = (np.bincount(classes, differences, minlength=m) / count)[classes]
    square = np.bincount(classes, (differences - middle) ** 2, minlength=m)[present] / count[present] ** 2
    half = 1.96 * float(np.sqrt(square.sum())) / int(present.sum())
    gap = by_neighbours - by_mean
    return Structure(m, by_mean, by_neighbours, Measured(gap, gap - half, gap + half))
