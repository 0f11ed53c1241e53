"""First and second moments of every class of embeddings, and the statistics of collapse that are made of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssem_advisor.measurement.rows import BLOCK, UnitRows

_ANCHOR_CLASSES = 4096
_TINY = 1e-30

Array = NDArray[np.float64]


class SSEMFit(NamedTuple):
    """The Simplex-to-Simplex model nearest to the embeddings; views of an instance are averaged first.

    within_similarity: x, mean inner product of two different instances of one class.
    between_similarity: s, mean inner product of instances of different classes.
    delta: 0 = class collapse, 1 = all instances form one regular simplex, a little above 1 = class means at 0.
    residual: root mean square distance of the single inner products from x and s, both kinds of pairs counted alike.
        It cannot fall below about 1 - x over the square root of the effective dimension: few directions, much scatter.
    """

    within_similarity: float
    between_similarity: float
    delta: float
    residual: float


class _Covariances:
    """Covariances of residuals class by class: the sum over classes, and of each its squared Frobenius norm.

    A class with fewer rows than dimensions goes through its Gram matrix, and its rows wait to be squared with others'.
    """

    def __init__(self, dim: int) -> None:
        self._sum, self._dim = np.zeros((dim, dim)), dim
        self._waiting: list[Array] = []
        self._few: Array | None = None
        self._many: Array | None = None

    def add(self, residuals: Array) -> None:
        """A block of rows of the current class, centred on its mean."""
        if self._few is None and self._many is None and len(residuals) < self._dim:
            self._few = residuals
            return
        if self._many is None:
            self._many = np.zeros((self._dim, self._dim))
        if self._few is not None:
            self._many, self._few = self._few.T @ self._few, None
        self._many += residuals.T @ residuals

    def close(self, count: int) -> float:
        """End the class of `count` rows; the squared Frobenius norm of its covariance."""
        few, many = self._few, self._many
        self._few = self._many = None
        if many is not None:
            self._sum += many / count
            return float((many**2).sum()) / count**2
        assert few is not None
        self._waiting.append(few / np.sqrt(count))
        if len(self._waiting) * self._dim >= 4096:
            self._square()
        return float(((few @ few.T) ** 2).sum()) / count**2

    def total(self) -> Array:
        """The sum over the classes closed so far."""
        self._square()
        return self._sum

    def _square(self) -> None:
        if self._waiting:
            rows = np.concatenate(self._waiting)
            self._sum += rows.T @ rows
            self._waiting.clear()


class Moments:
    """First and second moments of every class, from two visits to each (one to disk where a class fits into a block).

    Residuals are taken from the class mean before they are squared: nothing cancels, however near to collapse.
    """

    def __init__(self, rows: UnitRows) -> None:
        m, d = len(rows.labels), rows.width
        self.m, self.per_class = m, float(rows.instances.mean())
        self.means = np.empty((m, d))  # over rows
        self.instance_means = np.empty((m, d))  # over instances, views averaged first
        self.variances = np.empty(m)
        self._similarity = np.empty(m)  # x of each class
        self._pair_squares = np.empty(m)  # mean squared inner product of two instances of a class
        dimensions = np.full(m, np.nan)
        second_squares = 0.0  # sum over classes of |S|^2, S = mean of y y^T over instance means y
        covariances = _Covariances(d)
        between_instances = _Covariances(d) if rows.has_views else covariances
        self._views = _ViewSums()
        for c in range(m):
            n, count = int(rows.class_rows[c]), int(rows.instances[c])
            blocks = list(rows.blocks(c)) if n <= rows.block else None  # else read twice
            mean, center = np.zeros(d), np.zeros(d)
            for z, starts in blocks or rows.blocks(c):
                mean += z.sum(axis=0) / n
                if rows.has_views:
                    center += _averaged(z, starts).sum(axis=0) / count
            if not rows.has_views:
                center = mean
            squares = spread = along = fourth = 0.0
            for z, starts in blocks or rows.blocks(c):
                e = z - mean
                covariances.add(e)
                squares += float((e**2).sum())
                u, norms = e, np.ones(len(e))
                if rows.has_views:
                    u = _averaged(z, starts) - center
                    norms = ((center + u) ** 2).sum(axis=1)
                    between_instances.add(u)
                    self._views.add(e, starts, norms)
                spread += float((u**2).sum())
                along += float(((u @ center) ** 2).sum())
                fourth += float(norms @ norms)
            self.means[c], self.instance_means[c], self.variances[c] = mean, center, squares / n
            frobenius = covariances.close(n)
            if squares > _TINY * n:
                dimensions[c] = (squares / n) ** 2 / frobenius
            if rows.has_views:
                frobenius = between_instances.close(count)
            length = float(center @ center)
            second = frobenius + 2 * along / count + length**2
            second_squares += second
            pairs = count * (count - 1)
            self._similarity[c] = length - spread / pairs
            self._pair_squares[c] = (count**2 * second - fourth) / pairs
        self.within = covariances.total() / m
        whole = between_instances.total() + self.instance_means.T @ self.instance_means
        self._cross_squares = (float((whole**2).sum()) - second_squares) / (m * (m - 1))
        self.effective_dimension = float(np.nanmean(dimensions)) if np.isfinite(dimensions).any() else float("nan")
        self.reliability = self._views.reliability(rows.rows) if rows.has_views else None
        self.view_similarity = self._views.similarity()
        centred = self.means - self.means.mean(axis=0)
        self.between = float((centred**2).sum()) / m
        self.between_covariance = centred.T @ centred / m

    def ssem(self) -> SSEMFit:
        m, n = self.m, self.per_class
        x = float(self._similarity.mean())
        total = self.instance_means.sum(axis=0)
        s = float(total @ total - (self.instance_means**2).sum()) / (m * (m - 1))
        within = float((self._pair_squares - 2 * x * self._similarity).mean()) + x**2
        residual = np.sqrt(max(within, 0.0) / 2 + max(self._cross_squares - s**2, 0.0) / 2)
        return SSEMFit(x, s, (1 - x) * (m * n - 1) / (m * n), float(residual))

    def nc1(self) -> float:
        values, vectors = np.linalg.eigh(self.between_covariance)
        keep = values > max(values[-1] * 1e-10, _TINY)
        if not keep.any():
            return float("nan")
        projected = np.einsum("ij,ij->j", vectors, self.within @ vectors)
        return float((projected[keep] / values[keep]).sum()) / self.m

    def etf_deviation(self) -> float:
        m = self.m
        values = np.sort(np.linalg.eigvalsh(self.between_covariance))[::-1][: m - 1]
        norm = float(np.sqrt((values**2).sum()))
        if norm < _TINY:
            return float("nan")
        missing = max(0, m - 1 - len(values)) / (m - 1)
        return float(np.sqrt(((values / norm - 1 / np.sqrt(m - 1)) ** 2).sum() + missing))

    def effective_rank(self) -> float:
        values = np.linalg.eigvalsh(self.within + self.between_covariance)
        if values[-1] < _TINY:
            return 1.0
        sizes = np.sqrt(values[values > 1e-14 * values[-1]])  # what is left is rounding, and its root is not small
        share = sizes / sizes.sum()
        return float(np.exp(-(share * np.log(share)).sum()))

    def class_distance_variance(self) -> float:
        centred = self.means - self.means.mean(axis=0)
        norms = (centred**2).sum(axis=1)
        anchors = np.unique(np.linspace(0, self.m - 1, min(self.m, _ANCHOR_CLASSES)).astype(int))
        total = 0.0
        for chosen in np.array_split(anchors, -(-len(anchors) * self.m // BLOCK)):
            distance = norms[chosen, None] + norms - 2 * centred[chosen] @ centred.T
            distance[np.arange(len(chosen)), chosen] = np.inf
            if (distance <= 1e-14).any():
                return float("nan")
            total += float(((self.variances[chosen, None] + self.variances) / 2 / distance).sum())
        return total / (len(anchors) * (self.m - 1))


class _ViewSums:
    """What views of one instance share, over the instances with at least two."""

    def __init__(self) -> None:
        self._shared = self._own = self._similar = 0.0
        self._instances = 0

    def add(self, residuals: Array, starts: NDArray[np.int64], norms: Array) -> None:
        """residuals: of rows from the class mean; norms: squared lengths of the instances' mean views."""
        p = np.diff(starts, append=len(residuals))
        own = np.add.reduceat((residuals**2).sum(axis=1), starts)
        shared = (np.add.reduceat(residuals, starts, axis=0) ** 2).sum(axis=1) - own
        several = p > 1
        p, others = p[several], p[several] - 1
        self._shared += float((shared[several] / others).sum())
        self._own += float(own[several].sum())
        self._similar += float(((norms[several] * p - 1) / others).sum())
        self._instances += len(p)

    def reliability(self, rows: int) -> float:
        return self._shared / self._own if self._own > _TINY * rows else float("nan")

    def similarity(self) -> float:
        return self._similar / self._instances if self._instances else float("nan")


def _averaged(z: Array, starts: NDArray[np.int64]) -> Array:
    """Instance means of rows."""
    return np.add.reduceat(z, starts, axis=0) / np.diff(starts, append=len(z))[:, None]
