"""How much variance embeddings keep inside and between classes, and whether that is healthy.

Every class counts the same, whatever its size, so that within- and between-class variance add up to the total:
with class means mu_c of the unit rows, within = 1 - mean_c |mu_c|^2, total = 1 - |mean_c mu_c|^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssem_advisor.advice import BAND
from ssem_advisor.domain import Setting
from ssem_advisor.measurement.prediction import Comparison, compare
from ssem_advisor.measurement.rows import UnitRows
from ssem_advisor.measurement.verdict import Verdict, diagnose

_BOOTSTRAP_INSTANCES = 20_000
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
    """Statistics of unit embeddings. NaN = undefined for these embeddings (a note says why).

    within_class_variance, between_class_variance, total_variance: in [0, 1], within + between = total.
    class_variances: within-class variance of each label.
    nc1: tr(S_W S_B^+) / classes (Papyan, Han, Donoho 2020); 0 = classes are points.
    class_distance_variance: mean over class pairs of (var_a + var_b) / (2 |mu_a - mu_b|^2) (Galanti et al. 2022).
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
    ssem: SSEMFit
    effective_rank: float
    effective_dimension: float
    view_reliability: float | None
    alignment: float
    uniformity: float
    uniformity_pairs: int
    seed: int
    diagnosis: Verdict
    theory: Comparison | None
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """ "total collapse", "class collapse", "class structure lost", "anisotropic" or "healthy"."""
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
        so memory stays bounded by classes x dim + dim^2 + 100 bytes a row; torch tensors are accepted.
    labels: one per instance, integers or strings.
    instance_ids: with two axes, which rows are views of one instance.
    setting: the training setting, to compare with what it predicts; needs temperature, alpha and what they depend on.
    bootstrap: resamples for the intervals (0 = none); pairs: random pairs for uniformity; seed: of both.

    Raises MeasurementError (one line) on NaN or zero rows, lengths that do not match, or fewer than two usable classes.
    """
    rows = UnitRows(embeddings, labels, instance_ids)
    rng = np.random.default_rng(seed)
    moments = _Moments(rows)
    within, between = float(moments.variances.mean()), moments.between
    intervals = _intervals(rows, moments.means, bootstrap, rng) if bootstrap else {}
    ssem = moments.ssem()
    reliability = moments.reliability
    common = float(((moments.means.mean(axis=0)) ** 2).sum())
    theory, remarks = compare(
        setting, classes=len(moments.means), dim=rows.dim, measured=within, reliability=reliability,
        effective_dim=moments.effective_dimension,
    )  # fmt: skip
    uniformity, used = _uniformity(rows, pairs, rng)
    m = len(moments.means)
    diagnosis = diagnose(
        spread=1 - ssem.within_similarity,
        structure=(ssem.within_similarity - ssem.between_similarity) * (m - 1) / m,
        common=common,
        theory=theory,
    )
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
        ssem=ssem,
        effective_rank=moments.effective_rank(),
        effective_dimension=moments.effective_dimension,
        view_reliability=reliability,
        alignment=2 * (1 - (moments.view_similarity if rows.has_views else ssem.within_similarity)),
        uniformity=uniformity,
        uniformity_pairs=used,
        seed=seed,
        diagnosis=diagnosis,
        theory=theory,
        notes=(*_notes(rows, moments, within, common, diagnosis), *remarks),
    )


class _Moments:
    """First and second moments of every class, from one visit to each class (two where a class exceeds a block).

    Residuals are taken from the class mean before they are squared: nothing cancels, however near to collapse.
    """

    def __init__(self, rows: UnitRows) -> None:
        m, d = len(rows.labels), rows.dim
        self.means = np.empty((m, d))  # over rows
        self.instance_means = np.empty((m, d))  # over instances, views averaged first
        self.variances = np.empty(m)
        self.within = np.zeros((d, d))  # mean over classes of the within-class covariance
        dimensions = np.full(m, np.nan)
        similarity = np.empty(m)  # x of each class
        pair_squares = np.empty(m)  # mean squared inner product of two instances of a class
        second = np.zeros((d, d))  # sum over classes of the mean of y y^T over instance means y
        second_squares = 0.0
        shared, own, same_view = 0.0, 0.0, [0.0, 0]
        for c in range(m):
            n, count = int(rows.class_rows[c]), int(rows.instances[c])
            blocks = list(rows.blocks(c)) if n <= rows.block else None  # else read twice
            self.means[c] = mean = sum(z.sum(axis=0) for z, _ in blocks or rows.blocks(c)) / n
            scatter, own_scatter = np.zeros((d, d)), np.zeros((d, d))
            offset_sum, squares, fourth = np.zeros(d), 0.0, 0.0
            for z, starts in blocks or rows.blocks(c):
                e = z - mean
                scatter += e.T @ e
                if not rows.has_views:
                    fourth += len(z)  # |y| = 1
                    continue
                lengths = np.diff(starts, append=len(z))[:, None]
                sums = np.add.reduceat(e, starts, axis=0)
                w = sums / lengths
                own_scatter += w.T @ w
                offset_sum += w.sum(axis=0)
                norms = ((mean + w) ** 2).sum(axis=1)
                squares += norms.sum()
                fourth += (norms**2).sum()
                several = lengths[:, 0] > 1
                if several.any():
                    row_squares = np.add.reduceat((e**2).sum(axis=1), starts)[several]
                    p = lengths[several, 0]
                    cross = (sums[several] ** 2).sum(axis=1) - row_squares
                    shared += float((cross / (p - 1)).sum())
                    own += float(row_squares.sum())
                    same_view[0] += float(((norms[several] * p - 1) / (p - 1)).sum())
                    same_view[1] += int(several.sum())
            trace = float(np.trace(scatter))
            self.variances[c] = trace / n
            self.within += scatter / n
            if trace > _TINY * n:
                dimensions[c] = trace**2 / (scatter**2).sum()
            if rows.has_views:
                offset = offset_sum / count
            else:
                own_scatter, offset, squares = scatter, offset_sum, float(n)
            center = self.instance_means[c] = mean + offset
            spread = own_scatter - count * np.outer(offset, offset)  # of instance means around their centre
            similarity[c] = center @ center - np.trace(spread) / (count * (count - 1))
            moment = spread / count + np.outer(center, center)
            second += moment
            size = float((moment**2).sum())
            second_squares += size
            pair_squares[c] = (count**2 * size - fourth) / (count * (count - 1))
        self.m = m
        self.within /= m
        self.per_class = float(rows.instances.mean())
        self.effective_dimension = float(np.nanmean(dimensions)) if np.isfinite(dimensions).any() else float("nan")
        self.reliability = (shared / own if own > _TINY * rows.rows else float("nan")) if rows.has_views else None
        self.view_similarity = same_view[0] / same_view[1] if same_view[1] else float("nan")
        centred = self.means - self.means.mean(axis=0)
        self.between = float((centred**2).sum()) / m
        self.between_covariance = centred.T @ centred / m
        self._similarity, self._pair_squares = similarity, pair_squares
        self._cross_squares = (float((second**2).sum()) - second_squares) / (m * (m - 1))

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
        sizes = np.sqrt(np.clip(values, 0, None))
        if sizes.sum() < np.sqrt(_TINY):
            return 1.0
        share = sizes / sizes.sum()
        share = share[share > 0]
        return float(np.exp(-(share * np.log(share)).sum()))

    def class_distance_variance(self) -> float:
        centred = self.means - self.means.mean(axis=0)
        norms = (centred**2).sum(axis=1)
        total, step = 0.0, max(1, (1 << 22) // self.m)
        for a in range(0, self.m, step):  # blocks of class pairs: classes^2 numbers would not fit for 1e5 classes
            part = slice(a, a + step)
            distance = norms[part, None] + norms - 2 * centred[part] @ centred.T
            ratio = (self.variances[part, None] + self.variances) / 2
            rows = np.arange(len(distance))
            distance[rows, rows + a] = np.inf
            if (distance <= 1e-14).any():
                return float("nan")
            total += float((ratio / distance).sum())
        return total / (self.m * (self.m - 1))


def _intervals(
    rows: UnitRows, means: Array, resamples: int, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Bootstrap over instances inside classes; above 20 000 instances a subsample, its spread scaled to the whole.

    Quantiles are taken of the deviation from the resamples' mean, because resampling shrinks within-class variance.
    """
    whole = int(rows.instances.sum())
    fraction = min(1.0, _BOOTSTRAP_INSTANCES / whole)
    taken = 0
    mean_norm, mean_sum = np.zeros(resamples), np.zeros((resamples, rows.dim))
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


def _uniformity(rows: UnitRows, pairs: int, rng: np.random.Generator) -> tuple[float, int]:
    """Log of the mean Gaussian potential over random pairs of different instances, one view each."""
    spans = np.array([rows.span(c) for c in range(len(rows.labels))])
    instances = np.concatenate([np.arange(a, b) for a, b in spans]) if rows.lonely else None
    count = int(rows.instances.sum())
    total, step = 0.0, max(1, (1 << 20) // rows.dim)
    for begin in range(0, pairs, step):
        size = min(step, pairs - begin)
        first = rng.integers(0, count, size)
        second = (first + rng.integers(1, count, size)) % count
        if instances is not None:
            first, second = instances[first], instances[second]
        (z, at), (w, bt) = rows.instances_of(first), rows.instances_of(second)
        total += float(np.exp(-4 + 4 * np.einsum("ij,ij->i", z[at], w[bt])).sum())
    return float(np.log(total / pairs)), pairs


def _notes(rows: UnitRows, moments: _Moments, within: float, common: float, diagnosis: Verdict) -> list[str]:
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
    if diagnosis.name == "healthy" and not BAND[0] <= within <= BAND[1]:
        side = "below" if within < BAND[0] else "above"
        notes.append(
            f"within-class variance {within:.3g} lies {side} the band {BAND[0]}..{BAND[1]} that counts as safe"
        )
    if common > 0.1 and diagnosis.name not in ("anisotropic", "total collapse"):
        notes.append(f"a common mean holds {common:.0%} of the squared length; at an optimum it is 0")
    if rows.dim < moments.m - 1:
        notes.append(f"dim={rows.dim} < classes-1={moments.m - 1}: class means cannot form a simplex")
    return notes
