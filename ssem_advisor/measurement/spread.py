"""Spread inside classes in three parts: view noise, confusion and free spread.

With e the residual of a unit row from its class mean and P the projector on the span of the centred class means:

    own        mean of e . e' over different views of one instance: what is the instance's, not its augmentation's
    view noise the rest of the within-class variance
    confusion  mean of (P e) . (P e'): instances that sit nearer to the means of other classes
    free       own - confusion: what the instances of a class differ in beside the classes; finer labels need it

At a minimiser of the loss every residual is orthogonal to every centred class mean, so that all of its variance is free
spread: what the theorems say of the within-class variance, they say of the free spread of a trained network.

Estimators. A class mean of n instances holds 1/n of their variance: every term is a mean over pairs of *different*
instances or views and thus unbiased. A span fitted on the rows that it is applied to follows their noise: it is fitted
on four fifths of the instances of every class and applied to the last fifth, in turn. Every class counts the same.

Where class means take most of the directions, or all of them, little or nothing lies beside them. What stands in is
local: confusion is sought towards the means of the nearest classes alone, as many as take a third of the directions,
and the rest is scaled up by the share of the directions in which it was sought. This is an estimate: it takes free
spread to be the same in all directions, and what a class shares with distant ones it counts as free.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssem_advisor.domain import Setting
from ssem_advisor.measurement.rows import MeasurementError, UnitRows
from ssem_advisor.theory.network import Network, shares_directions

FOLDS = 5
FEWEST = 8  # instances of a class; with fewer, half of them place its mean too badly to correct for
NEAREST = 64  # classes at most, whose means stand in for those of all
WIDEST = 2.0  # ratio of the ends of an interval of the directions beyond which it says nothing
_PAIRED = 1024  # instances of a class that its directions are counted on
_CUBED = 256  # instances of a class that its asymmetry is measured on
TWIN = 1e-4  # distance, in parts of the spread of a class, below which two instances are the same
_TINY = 1e-30

Array = NDArray[np.float64]


class Measured(NamedTuple):
    """A value with the ends `low` and `high` of its 95% interval (normal approximation over instances)."""

    value: float
    low: float
    high: float


class Pilot(NamedTuple):
    """What embeddings say of the network that made them: for `recommend(setting, network=..., pilot=free_spread)`."""

    network: Network
    free_spread: float


@dataclass(frozen=True)
class Spread:
    """Where the squared length 1 of embeddings goes. The parts add up: common mean + between + within = 1, and
    within = view noise + confusion + free spread. Unbiased estimates, so that a part that is 0 may come out below it.

    common_mean: squared length of the mean over classes. between, within: variance between and inside classes.
    view_noise: None with one view an instance; confusion and free_spread then hold the view noise as well, which makes
        the free spread an upper bound. confusion, free_spread: None where `missing` says why.
    reliability: own spread over the within-class variance; None with one view. directions: tr(C)^2 / tr(C^2) of the
        within-class covariance C, mean over classes, corrected for few rows; its interval is over pairs of instances.
    asymmetry: mean cube of the cosine of two residuals of a class, less its mean, over the third power of its root mean
        square; at least 0, and 0 where residuals lie symmetrically about their class mean, as those of Gaussian noise
        do. evenness: mean square of that cosine times dim; at least 1 where instances lie independently of each other,
        0 in a simplex. Both are known with one view alone, where they tell that noise cannot be all.
    repeated: share of the instances that are there more than once, with one view: views or copies of one instance that
        were not said to be.
    local_free: what stands in for the free spread where class means take most of the directions; else None.
    missing: why the own spread cannot be divided; empty where it is.
    left_out: classes that are not measured, for fewer than FEWEST instances. free_by_class: free spread by label; empty
        where it is not divided. dim: dimension of the embeddings.
    """

    classes: int
    dim: int
    instances: int
    common_mean: Measured
    between: Measured
    within: Measured
    view_noise: Measured | None
    confusion: Measured | None
    free_spread: Measured | None
    reliability: Measured | None
    directions: Measured
    free_by_class: dict[Any, float]
    local_free: Measured | None = None
    asymmetry: Measured | None = None
    evenness: float | None = None
    repeated: float = 0.0
    missing: str = ""
    left_out: int = 0

    @property
    def available(self) -> float:
        """What the common mean leaves: the variance that classes and instances share."""
        return max(1 - self.common_mean.value, 0.0)

    @property
    def own(self) -> float:
        """Within-class variance without the view noise, where that is known: an upper bound of the free spread."""
        return self.within.value - (0.0 if self.view_noise is None else self.view_noise.value)

    @property
    def free(self) -> Measured | None:
        """The free spread that verdicts judge, theory is compared with and `recommend` starts from: the local one where
        class means take most of the directions; None where it cannot be told."""
        return self.free_spread if self.local_free is None else self.local_free

    @property
    def free_share(self) -> Measured | None:
        """`free` as a share of `available`."""
        free = self.free
        if free is None or self.available < _TINY:
            return None
        value, low, high = (x / self.available for x in free)
        return Measured(value, low, high)

    @property
    def why_no_network(self) -> str:
        """Why reliability and directions cannot be told, and what to measure instead; empty where they can."""
        if self.reliability is None:
            return (
                "one view of each instance; view reliability needs two or more: save (instances, views, dim), or rows "
                "with instance ids"
            )
        if self.free is None:
            wanted = f"a projection of dim >= {self.classes}" if self.dim < self.classes else "more of each class"
            return f"cannot tell free spread from confusion: {self.missing}; measure {wanted}"
        if not self.reliability.low > 0:
            return (
                "the views of an instance have nothing in common beside their class that is told from chance (view "
                f"reliability {self.reliability.value:.3f}); check which rows are views of one instance, or train "
                "longer"
            )
        value, low, high = self.directions
        if not (np.isfinite(value) and 0 < high <= WIDEST * low):
            return (
                f"cannot tell how many directions the spread uses: {self.instances / self.classes:.0f} instances of "
                "a class are too few; measure more of each class"
            )
        return ""

    def network(self) -> Network:
        """Reliability and directions, as `recommend` takes them. Raises MeasurementError where they cannot be told."""
        if self.why_no_network:
            raise MeasurementError(f"embeddings: {self.why_no_network}")
        assert self.reliability is not None
        value, *ends = (min(max(end, 0.01), 1.0) for end in self.reliability)
        return Network(value, min(max(self.directions.value, 1.0), float(self.dim)), (ends[0], ends[1]))

    @property
    def pilot(self) -> Pilot | None:
        """What these embeddings say of their network; None where `why_no_network` says why."""
        if self.why_no_network or self.free is None:
            return None
        return Pilot(self.network(), max(self.free.value, 0.0))


def spread_of(embeddings: Any, labels: Any, instance_ids: Any = None) -> Spread:
    """Measure embeddings (instances, views, dim), or (embeddings, dim) with or without instance_ids.

    Rows are scaled to length 1. labels: one per instance. Raises MeasurementError on what cannot be measured: NaN or
    zero rows, lengths that do not match, fewer than two classes of two instances.
    """
    return spread_of_rows(UnitRows(embeddings, labels, instance_ids))


def spread_of_rows(rows: UnitRows) -> Spread:
    """`spread_of` for rows in class order; reads each of them twice, a block at a time."""
    chosen = [c for c in range(len(rows.labels)) if rows.instances[c] >= FEWEST]
    missing = ""
    if len(chosen) < 2:  # the totals can still be told
        missing = f"fewer than two classes have {FEWEST} instances or more, too few to divide their spread"
        chosen = list(range(len(rows.labels)))
    elif len(chosen) > rows.dim:
        missing = f"the means of {len(chosen)} classes fill all {rows.dim} dimensions: no direction lies beside them"
    m, d = len(chosen), rows.width
    sums, counts = np.zeros((m, FOLDS, d)), np.zeros((m, FOLDS))  # of instance means, by class and fold
    for k, c in enumerate(chosen):
        for z, starts, fold in _blocks(rows, c):
            np.add.at(sums[k], fold, np.add.reduceat(z, starts, axis=0) / _lengths(z, starts)[:, None])
            counts[k] += np.bincount(fold, minlength=FOLDS)
    per_class = counts.sum(axis=1)
    means = sums.sum(axis=1) / per_class[:, None]
    overall = means.mean(axis=0)
    spans = [] if missing else _spans(sums, counts)
    crowded = m > rows.dim or shares_directions(Setting(classes=m, dim=rows.dim))
    enough = all(rows.instances[c] >= FEWEST for c in chosen)
    near = max(1, min(rows.dim // 3, m - 1, NEAREST)) if crowded and enough and rows.dim > 2 else 0

    tables: list[dict[str, Array]] = []
    noise_of_mean = np.empty(m)
    traces, skews, twins = np.empty((m, 3)), np.empty((m, 3)), np.zeros(m)
    rng = np.random.default_rng(0)
    for k, c in enumerate(chosen):
        centres = sums[k] / np.maximum(counts[k], 1)[:, None]
        local = _nearest(sums, counts, means, k, near) if near else None
        blocks = [
            _contributions(z, starts, fold, centres, counts[k], means[k], overall, spans, local, rows.has_views)
            for z, starts, fold in _blocks(rows, c)
        ]
        found = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        noise_of_mean[k] = found.pop("to_mean").sum() / (per_class[k] * (per_class[k] - 1))
        picked, starts = rows.instances_of(rng.permutation(np.arange(*rows.span(c)))[:_PAIRED])
        traces[k] = _traces(picked[starts])
        skews[k] = _skew(picked[starts])
        if not rows.has_views:  # of a part of a class a mate is in it as often as it is a part
            twins[k] = min(_repeated(picked[starts]) * per_class[k] / len(starts), 1.0)
        tables.append(found)

    def estimate(*names: str, value: float | None = None) -> Measured:
        """Of the sum of the named contributions, or of `value`, whose linearisation they are."""
        total, square = 0.0, 0.0
        for table in tables:
            terms = np.sum([table[name] for name in names], axis=0)
            terms = terms[~np.isnan(terms)]
            total += float(terms.mean()) / m if len(terms) else float("nan")
            square += float(terms.var(ddof=1)) / len(terms) / m**2 if len(terms) > 1 else 0.0
        middle, half = total if value is None else value, 1.96 * float(np.sqrt(square))
        return Measured(middle, middle - half, middle + half)

    within, own = estimate("noise", "own"), estimate("own")
    reliability = None
    if rows.has_views:
        ratio = own.value / within.value if within.value > _TINY else float("nan")
        for table in tables:
            table["ratio"] = (table["own"] - ratio * (table["noise"] + table["own"])) / max(within.value, _TINY)
        reliability = estimate("ratio", value=ratio)
    common = float(overall @ overall) - float(noise_of_mean.mean()) / m
    between = float(((means - overall) ** 2).sum() - noise_of_mean.sum() * (m - 1) / m) / m
    return Spread(
        classes=m,
        dim=rows.dim,
        instances=int(per_class.sum()),
        common_mean=estimate("to_overall", value=common),
        between=estimate("to_own", value=between),
        within=within,
        view_noise=estimate("noise") if rows.has_views else None,
        confusion=None if missing else estimate("confusion"),
        free_spread=None if missing else estimate("free"),
        reliability=reliability,
        directions=_directions(traces),
        free_by_class={} if missing else {
            rows.labels[c]: float(np.nanmean(table["free"])) for c, table in zip(chosen, tables, strict=True)
            if not np.isnan(table["free"]).all()
        },
        asymmetry=None if rows.has_views else _asymmetry(skews),
        evenness=None if rows.has_views else float((skews[:, 2] ** (2 / 3)).mean()) * rows.dim,
        repeated=float(twins.mean()),
        local_free=_scaled(estimate("local"), rows.dim / (rows.dim - near)) if near else None,
        missing=missing,
        left_out=len(rows.labels) - m + len(rows.lonely),
    )  # fmt: skip


def _blocks(rows: UnitRows, c: int) -> Iterator[tuple[Array, NDArray[np.int64], NDArray[np.int64]]]:
    """Unit rows of a class with the offset and the fold of each instance; a fold has two instances or more."""
    folds, first = max(1, min(FOLDS, int(rows.instances[c]) // 2)), 0
    for z, starts in rows.blocks(c):
        yield z, starts, (first + np.arange(len(starts))) % folds
        first += len(starts)


def _lengths(z: Array, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.diff(starts, append=len(z))


def _spans(sums: Array, counts: Array) -> list[tuple[tuple[float, Array], ...]]:
    """Of each fold, orthonormal bases (classes - 1, dim) of centred class means without that fold, with weights.

    A basis of means of n instances misses a part of the span that falls as 1/n. Twice the basis of the four other folds
    less the basis of two of them takes that part out, where every class has instances in these two.
    """

    def basis(folds: list[int]) -> Array:
        means = sums[:, folds].sum(axis=1) / counts[:, folds].sum(axis=1)[:, None]
        means -= means.mean(axis=0)
        _, values, axes = np.linalg.svd(means, full_matrices=False)
        values, axes = values[: len(means) - 1], axes[: len(means) - 1]
        return axes[values > 1e-12 * max(float(values[0]), _TINY)]

    result: list[tuple[tuple[float, Array], ...]] = []
    for f in range(FOLDS):
        others = [(f + i) % FOLDS for i in range(1, FOLDS)]
        if (counts[:, others[::2]].sum(axis=1) > 0).all():
            result.append(((2.0, basis(others)), (-1.0, basis(others[::2]))))
        else:
            result.append(((1.0, basis(others)),))
    return result


def _nearest(sums: Array, counts: Array, means: Array, k: int, near: int) -> list[Array]:
    """Of each fold, an orthonormal basis (near, dim) of the way from class k to its nearest classes, without that
    fold."""
    distance = ((means - means[k]) ** 2).sum(axis=1)
    distance[k] = np.inf
    chosen = [k, *np.argpartition(distance, near - 1)[:near]]
    result = []
    for f in range(FOLDS):
        others = [(f + i) % FOLDS for i in range(1, FOLDS)]
        found = sums[chosen][:, others].sum(axis=1) / counts[chosen][:, others].sum(axis=1)[:, None]
        result.append(np.linalg.qr((found[1:] - found[0]).T)[0].T)
    return result


def _scaled(value: Measured, factor: float) -> Measured:
    return Measured(*(factor * x for x in value))


def _contributions(
    z: Array,
    starts: NDArray[np.int64],
    fold: NDArray[np.int64],
    centres: Array,
    counts: Array,
    mean: Array,
    overall: Array,
    spans: list[tuple[tuple[float, Array], ...]],
    local: list[Array] | None,
    has_views: bool,
) -> dict[str, Array]:
    """What every instance of a block of one class adds to the means over instances; NaN where it has no second view.

    centres, counts: means and sizes of the folds of the class. mean: of the class. overall: mean over classes.
    """
    views = _lengths(z, starts)

    def shared(e: Array, views: NDArray[np.int64], rest: Array) -> tuple[Array, Array]:
        """Mean inner product of two views of an instance, unbiased, and the mean square less that of two views."""
        starts = np.cumsum(views) - views
        squares = np.add.reduceat((e**2).sum(axis=1), starts) / views
        length = (np.add.reduceat(e, starts, axis=0) ** 2).sum(axis=1) / views**2  # of the instance mean
        if not has_views:
            return length + length / rest, np.zeros_like(length)
        noise = np.where(views > 1, (squares - length) * views / np.maximum(views - 1, 1), np.nan)
        return squares - noise + length / rest, noise

    # A residual from a mean is short by the part of that mean that is the instance itself; `rest` makes up for it.
    own, noise = shared(z - mean, views, np.full(len(views), max(counts.sum() - 1, 1)))
    result = {"own": own, "noise": noise}

    def beside(spans: list[tuple[tuple[float, Array], ...]]) -> Array:
        e = z - np.repeat(centres[fold], views, axis=0)
        rest = np.maximum(counts[fold] - 1, 1)
        free, _ = shared(e, views, rest)
        for f, bases in enumerate(spans):
            here = fold == f
            for weight, axes in bases if here.any() else ():
                part, _ = shared(e[np.repeat(here, views)] @ axes.T, views[here], rest[here])
                free[here] -= weight * part
        return free

    if spans:
        free = beside(spans)
        result |= {"free": free, "confusion": own - free}
    if local:
        result["local"] = beside([((1.0, axes),) for axes in local])
    deviation = np.add.reduceat(z, starts, axis=0) / views[:, None] - mean
    result["to_mean"] = (deviation**2).sum(axis=1)
    result["to_overall"] = 2 * deviation @ overall
    result["to_own"] = 2 * deviation @ (mean - overall)
    return result


def _skew(z: Array) -> tuple[float, float, float]:
    """Of the rows of a class: the third central moment of the cosines of two residuals, the variance of its estimate,
    and the third power of the root of the second.

    Residuals from a mean of n rows share its error, which adds 6 tr(C^3) / n to the third moment, C their covariance.
    """
    z = z[:_CUBED]
    e = z - z.mean(axis=0)
    length = np.sqrt((e**2).sum(axis=1))
    n, kept = len(e), length > 1e-12
    if n < 3 or not kept.all():
        return 0.0, 0.0, 0.0
    e /= length[:, None]
    cosines = e @ e.T
    off = ~np.eye(n, dtype=bool)
    cosines -= cosines[off].mean()
    np.fill_diagonal(cosines, 0.0)
    shared = 6.0 / n * float(((cosines @ cosines) * cosines).sum()) / (n * (n - 1) * (n - 2))
    each = (cosines**3).sum(axis=1) / (n - 1) - shared
    second = float((cosines**2).sum()) / (n * (n - 1))
    return float(each.mean()), 4 * float(each.var(ddof=1)) / n, second**1.5


def _repeated(z: Array) -> float:
    """Share of the rows of a class that lie within TWIN of its spread from another one of them.

    Rows that are nearly the same lie side by side, but for a few, in the order of any one coordinate.
    """
    spread = float(z.var(axis=0).sum())
    if len(z) < 2 or spread <= _TINY:
        return 0.0
    z = z[np.argsort(z @ np.random.default_rng(0).normal(size=z.shape[1]))]
    found = np.zeros(len(z), dtype=bool)
    for apart in range(1, min(4, len(z))):
        near = ((z[apart:] - z[:-apart]) ** 2).sum(axis=1) < TWIN**2 * spread
        found[apart:] |= near
        found[:-apart] |= near
    return float(found.mean())


def _asymmetry(skews: Array) -> Measured:
    """The third moments of all classes over the scale of all, with the interval over instances."""
    scale = float(skews[:, 2].sum())
    if scale <= _TINY:
        return Measured(float("nan"), float("nan"), float("nan"))
    value, half = float(skews[:, 0].sum()) / scale, 1.96 * float(np.sqrt(skews[:, 1].sum())) / scale
    return Measured(value, value - half, value + half)


def _traces(z: Array) -> tuple[float, float, float]:
    """tr(C)^2 and tr(C^2) of the covariance C of the rows of a class, from differences of different pairs of them, and
    the number of products of two of these that they rest on."""
    half = len(z) // 2
    differences = z[:half] - z[half : 2 * half]
    gram = differences @ differences.T
    squares = np.diag(gram).copy()
    if half < 2:
        return float("nan"), float("nan"), 0.0
    np.fill_diagonal(gram, 0.0)
    pairs = half * (half - 1)
    square = float(squares.sum() ** 2 - (squares**2).sum()) / pairs / 4
    return square, float((gram**2).sum()) / pairs / 4, pairs / 2


def _directions(traces: Array) -> Measured:
    """tr(C)^2 / tr(C^2) of sums over classes: classes too small to tell their own add what they have.

    The square of an inner product of normal rows varies by root two of its mean, whatever their covariance.
    """
    traces = traces[~np.isnan(traces).any(axis=1)]
    if not len(traces) or traces[:, 1].sum() <= _TINY**2:
        return Measured(float("nan"), float("nan"), float("nan"))
    value = float(traces[:, 0].sum() / traces[:, 1].sum())
    half = 1.96 * value * float(np.sqrt(2 / traces[:, 2].sum()))
    return Measured(value, value - half, value + half)
