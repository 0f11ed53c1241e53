"""How much variance embeddings keep inside and between classes, and whether that is healthy.

Every class counts the same, whatever its size, so that within- and between-class variance add up to the total:
with class means mu_c of the unit rows, within = 1 - mean_c |mu_c|^2, total = 1 - |mean_c mu_c|^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssem_advisor.domain import Setting
from ssem_advisor.measurement.prediction import Comparison, compare
from ssem_advisor.measurement.rows import BLOCK, MeasurementError, UnitRows
from ssem_advisor.measurement.spread import FEWEST, Spread, spread_of_rows
from ssem_advisor.measurement.verdict import Name, SpreadVerdict, judge_spread
from ssem_advisor.theory.network import Network

_BOOTSTRAP_INSTANCES = 20_000
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


@dataclass(frozen=True)
class Measurement:
    """Statistics of unit embeddings of `dim` dimensions. NaN = undefined for these embeddings; `notes` say why.

    within_class_variance, between_class_variance, total_variance: in [0, 1], within + between = total.
    class_variances: within-class variance of each label.
    spread: the same without the bias of few rows, divided into view noise, confusion and free spread.
    nc1: tr(S_W S_B^+) / classes (Papyan, Han, Donoho 2020); 0 = classes are points.
    class_distance_variance: mean over class pairs of (var_a + var_b) / (2 |mu_a - mu_b|^2) (Galanti et al. 2022); above
        4096 classes over the pairs with 4096 of them, evenly spaced.
    etf_deviation: Frobenius distance between the Gram matrix of the centred class means and that of a regular simplex,
        both of norm 1; 0 = simplex, at most sqrt(2).
    effective_rank: exponential of the entropy of the singular values of the centred rows (Roy, Vetterli 2007).
    effective_dimension: tr(C)^2 / tr(C^2) of the within-class covariance, averaged over classes.
    alignment: mean squared distance of positive pairs: views of one instance, or instances of one class without views.
    uniformity: log mean exp(-2 |z - z'|^2) over `uniformity_pairs` random pairs (Wang, Isola 2020), drawn by seed.
    view_reliability: share of the within-class spread that is the instance's, not its augmentation's; None: one view.
    intervals: 95% bootstrap intervals over instances, by statistic.
    """

    rows: int
    instances: int
    classes: int
    dim: int
    within_class_variance: float
    between_class_variance: float
    total_variance: float
    class_variances: dict[Any, float]
    intervals: dict[str, tuple[float, float]]
    nc1: float
    class_distance_variance: float
    etf_deviation: float
    spread: Spread
    ssem: SSEMFit
    effective_rank: float
    effective_dimension: float
    view_reliability: float | None
    alignment: float
    uniformity: float
    uniformity_pairs: int
    seed: int
    diagnosis: SpreadVerdict
    theory: Comparison | None
    notes: tuple[str, ...]

    @property
    def verdict(self) -> Name:
        """What the embeddings have become, in a word or two."""
        return self.diagnosis.name

    @property
    def meaning(self) -> str:
        return self.diagnosis.meaning

    @property
    def remedy(self) -> str:
        return self.diagnosis.remedy


def measure(
    embeddings: Any,
    labels: Any,
    *,
    instance_ids: Any = None,
    setting: Setting | None = None,
    bootstrap: int = 200,
    pairs: int = 50_000,
    seed: int = 0,
) -> Measurement:
    """Measure embeddings against class collapse, and against the theory where the setting is known.

    embeddings: (embeddings, dim) or (instances, views, dim); rows are scaled to unit length. Memory maps are streamed,
        so memory stays bounded by classes x dim + dim^2 + 100 bytes a row, with rows for dim where rows are fewer;
        torch tensors are accepted.
    labels: one per instance, integers or strings.
    instance_ids: with two axes, which rows are views of one instance.
    setting: the training setting, to compare with what it predicts; alpha None in it means plain SupCon.
    bootstrap: resamples for the intervals (0 = none); pairs: random pairs for uniformity; seed: of both.

    Raises MeasurementError (one line) on NaN or zero rows, lengths that do not match, or fewer than two usable classes.
    """
    rows = UnitRows(embeddings, labels, instance_ids)
    rng = np.random.default_rng(seed)
    moments = _Moments(rows)
    m, within, between = moments.m, float(moments.variances.mean()), moments.between
    intervals = _intervals(rows, moments.means, bootstrap, rng) if bootstrap else {}
    ssem = moments.ssem()
    common = float((moments.means.mean(axis=0) ** 2).sum())
    spread = spread_of_rows(rows)
    theory, remarks = compare(
        setting,
        classes=m,
        dim=rows.dim,
        measured=spread.within.value if spread.free_spread is None else spread.free_spread.value,
        network=_network(spread),
    )
    diagnosis = judge_spread(spread, theory)
    return Measurement(
        rows=rows.rows,
        instances=int(rows.instances.sum()),
        classes=m,
        dim=rows.dim,
        within_class_variance=within,
        between_class_variance=between,
        total_variance=within + between,
        class_variances=dict(zip(rows.labels, moments.variances.tolist(), strict=True)),
        intervals=intervals,
        nc1=moments.nc1(),
        class_distance_variance=moments.class_distance_variance(),
        etf_deviation=moments.etf_deviation(),
        spread=spread,
        ssem=ssem,
        effective_rank=moments.effective_rank(),
        effective_dimension=moments.effective_dimension,
        view_reliability=moments.reliability,
        alignment=2 * (1 - (moments.view_similarity if rows.has_views else ssem.within_similarity)),
        uniformity=_uniformity(rows, pairs, rng),
        uniformity_pairs=pairs,
        seed=seed,
        diagnosis=diagnosis,
        theory=theory,
        notes=(*_notes(rows, moments, spread, common, diagnosis), *remarks),
    )


def _network(spread: Spread) -> Network | None:
    try:
        return spread.network()
    except MeasurementError:
        return None


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


class _Moments:
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


def _intervals(
    rows: UnitRows, means: Array, resamples: int, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Bootstrap over instances inside classes; above 20 000 instances a subsample, its spread scaled to the whole.

    Quantiles are taken of the deviation from the resamples' mean, because resampling shrinks within-class variance.
    """
    whole = int(rows.instances.sum())
    fraction = min(1.0, _BOOTSTRAP_INSTANCES / whole)
    taken = 0
    mean_norm, mean_sum = np.zeros(resamples), np.zeros((resamples, rows.width))
    for c in range(len(means)):
        first, last = rows.span(c)
        count = max(2, round((last - first) * fraction))
        taken += count
        picked = np.arange(first, last)
        if count < len(picked):
            picked = np.sort(rng.choice(picked, count, replace=False))
        z, starts = rows.instances_of(picked)
        lengths = np.diff(starts, append=len(z))
        weights = rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
        sample = weights @ np.add.reduceat(z, starts, axis=0) / (weights @ lengths)[:, None]
        mean_norm += (sample**2).sum(axis=1)
        mean_sum += sample
    m = len(means)
    norm, common = float((means**2).sum()) / m, float((means.mean(axis=0) ** 2).sum())
    norms, commons = mean_norm / m, ((mean_sum / m) ** 2).sum(axis=1)
    shrink = np.sqrt(taken / whole) if fraction < 1 else 1.0
    result = {}
    for name, value, values in (
        ("within_class_variance", 1 - norm, 1 - norms),
        ("between_class_variance", norm - common, norms - commons),
        ("total_variance", 1 - common, 1 - commons),
    ):
        low, high = value + shrink * np.quantile(values - values.mean(), (0.025, 0.975))
        result[name] = (float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1)))
    return result


def _uniformity(rows: UnitRows, pairs: int, rng: np.random.Generator) -> float:
    """Log of the mean Gaussian potential over random pairs of different instances, one view each."""
    instances = np.concatenate([np.arange(*rows.span(c)) for c in range(len(rows.labels))])
    count = len(instances)
    total, step = 0.0, max(1, (1 << 20) // rows.width)
    for begin in range(0, pairs, step):
        size = min(step, pairs - begin)
        first = rng.integers(0, count, size)
        second = (first + rng.integers(1, count, size)) % count
        (z, at), (w, bt) = rows.instances_of(instances[first]), rows.instances_of(instances[second])
        total += float(np.exp(-4 + 4 * np.einsum("ij,ij->i", z[at], w[bt])).sum())
    return float(np.log(total / pairs))


def _notes(rows: UnitRows, moments: _Moments, spread: Spread, common: float, diagnosis: SpreadVerdict) -> list[str]:
    notes = []
    low, high = rows.norms
    if low < 1 - 1e-3 or high > 1 + 1e-3:
        notes.append(f"rows were not of unit length (norms {low:.3g} to {high:.3g}): scaled to 1, as the loss does")
    if rows.lonely:
        named = ", ".join(map(str, rows.lonely[:5])) + (", ..." if len(rows.lonely) > 5 else "")
        notes.append(f"classes with a single instance left out, they have no variance: {len(rows.lonely)} ({named})")
    if rows.class_rows.max() > rows.class_rows.min():
        notes.append(f"classes of {rows.class_rows.min()} to {rows.class_rows.max()} rows: each class counts the same")
    if moments.effective_dimension > rows.class_rows.min() / 4:
        notes.append("few rows a class: the effective dimension is bounded by them and reads low")
    if common > 0.1 and diagnosis.name != "total collapse":
        notes.append(
            f"a common mean holds {common:.0%} of the squared length; shares are of the rest, {1 - common:.3g}"
        )
    if spread.view_noise is None and spread.free_spread is not None:
        notes.append("one view an instance: free spread holds the view noise and is an upper bound; save two views")
    if spread.left_out > len(rows.lonely):
        few = spread.left_out - len(rows.lonely)
        notes.append(f"classes with fewer than {FEWEST} instances left out of the division of the spread: {few}")
    if rows.dim < moments.m - 1:
        notes.append(f"dim={rows.dim} < classes-1={moments.m - 1}: class means cannot form a simplex")
    return notes
