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
_STRIP = 256  # instances asked about at once


class Structure(NamedTuple):
    """Share of instances whose class is told rightly, mean over classes; chance is 1 / classes.

    by_mean: by the nearest class mean, which leaves the instance out. by_neighbours: by a vote of its nearest other
    instances, at most NEIGHBOURS of them. gap: the second less the first, with its 95% interval over instances.
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
    views: list[NDArray[np.float32]] = []
    means, middles = np.empty((m, rows.width)), np.empty((int(sizes.sum()), rows.width), dtype=np.float32)
    ends = np.cumsum(sizes)
    for c, (name, size, end) in enumerate(zip(chosen, sizes, ends, strict=True)):
        first, last = rows.span(int(name))
        picked = np.arange(first, last)
        if size < len(picked):
            picked = np.sort(rng.choice(picked, size, replace=False))
        z, starts = rows.instances_of(picked)
        middle = np.add.reduceat(z, starts, axis=0) / np.diff(starts, append=len(z))[:, None]
        views.append(z[starts].astype(np.float32))
        means[c], middles[end - size : end] = middle.mean(axis=0), middle
    z32 = np.concatenate(views)
    classes = np.repeat(np.arange(m), sizes)
    asked = np.sort(rng.permutation(len(z32))[:_ASKED])
    k = int(max(1, min(NEIGHBOURS, sizes.min() // 5)))
    right = np.empty((2, len(asked)), dtype=bool)
    for i in range(0, len(asked), _STRIP):
        part = asked[i : i + _STRIP]
        own = classes[part]
        right[0, i : i + _STRIP] = _by_mean(z32[part], middles[part], means, sizes, own)
        right[1, i : i + _STRIP] = _by_neighbours(z32, part, classes, k, 1.0 / sizes)
    return _compared(right, classes[asked], m)


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


def _by_neighbours(
    z: NDArray[np.float32], part: NDArray[np.int64], classes: NDArray[np.int64], k: int, weight: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether the k nearest other rows of z vote for the class of each row in `part`; near ones break ties."""
    similarity = z[part] @ z.T
    row = np.arange(len(part))[:, None]
    similarity[row[:, 0], part] = -np.inf
    nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    order = np.argsort(-similarity[row, nearest], axis=1, kind="stable")
    found = classes[nearest[row, order]]
    votes = np.zeros((len(part), len(weight)))
    np.add.at(votes, (row, found), weight[found] * (1 + 1e-3 * np.linspace(1, 0, k)))
    return np.asarray(votes.argmax(axis=1) == classes[part])


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
