"""How much variance embeddings keep inside and between classes, and whether that is healthy.

Every class counts the same, whatever its size, so that within- and between-class variance add up to the total:
with class means mu_c of the unit rows, within = 1 - mean_c |mu_c|^2, total = 1 - |mean_c mu_c|^2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssem_advisor.domain import Setting, a_setting
from ssem_advisor.measurement.moments import Array, Moments, SSEMFit
from ssem_advisor.measurement.prediction import Comparison, compare
from ssem_advisor.measurement.rows import MeasurementError, UnitRows
from ssem_advisor.measurement.spread import FEWEST, Pilot, Spread, spread_of_rows
from ssem_advisor.measurement.structure import MOST_CLASSES, Structure, structure_of
from ssem_advisor.measurement.verdict import NO_PILOT, Name, SpreadVerdict, judge_spread

_BOOTSTRAP_INSTANCES = 20_000


@dataclass(frozen=True)
class Measurement:
    """Statistics of unit embeddings of `dim` dimensions. NaN = undefined for these embeddings; `notes` say why.

    within_class_variance, between_class_variance, total_variance: in [0, 1], within + between = total.
    class_variances: within-class variance of each label.
    spread: the same without the bias of few rows, divided into view noise, confusion and free spread.
    structure: how often the nearest class mean and the nearest neighbours tell the class; None with few instances.
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
    structure: Structure | None
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

    @property
    def pilot(self) -> Pilot | None:
        """What `recommend` can be asked with; None where `why_no_pilot` says why."""
        return None if self.why_no_pilot else self.spread.pilot

    @property
    def why_no_pilot(self) -> str:
        """Why the embeddings say nothing of their network that a weight could follow from; empty where they do."""
        spread, found = self.spread, self.diagnosis
        nothing_left = spread.reliability is not None and not math.isfinite(spread.reliability.value)
        if found.name == "total collapse" or nothing_left:
            return f"{found.name}: {found.meaning}; measure a run that has not collapsed"
        if spread.why_no_network:
            return spread.why_no_network
        if found.name in NO_PILOT:
            return f"{found.name}: {found.meaning}; {NO_PILOT[found.name]}"
        return ""


def measure(
    embeddings: Any,
    labels: Any,
    *,
    instance_ids: Any = None,
    setting: Setting | None = None,
    bootstrap: int = 200,
    pairs: int = 50_000,
    seed: int = 0,
    compared: bool = True,
) -> Measurement:
    """Measure embeddings against class collapse, and against the theory where the setting is known.

    embeddings: (embeddings, dim) or (instances, views, dim); rows are scaled to unit length. Memory maps are streamed,
        so memory stays bounded by classes x dim + dim^2 + 100 bytes a row, with rows for dim where rows are fewer;
        torch tensors are accepted.
    labels: one per instance, integers or strings.
    instance_ids: with two axes, which rows are views of one instance.
    setting: the training setting, to compare with what it predicts; alpha None in it means plain SupCon.
    compared: False where the weight of the setting is not known: the setting then serves the next step alone.
    bootstrap: resamples for the intervals (0 = none); pairs: random pairs for uniformity; seed: of both.

    Raises MeasurementError (one line) on NaN or zero rows, lengths that do not match, or fewer than two usable classes.
    """
    for name, value, least in (("seed", seed, 0), ("bootstrap", bootstrap, 0), ("pairs", pairs, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise MeasurementError(f"{name}={value!r}: must be an integer >= {least}")
    if setting is not None:
        a_setting(setting)
    rows = UnitRows(embeddings, labels, instance_ids)
    rng = np.random.default_rng(seed)
    moments = Moments(rows)
    m, within, between = moments.m, float(moments.variances.mean()), moments.between
    intervals = _intervals(rows, moments.means, bootstrap, rng) if bootstrap else {}
    ssem = moments.ssem()
    spread = spread_of_rows(rows)
    theory, remarks = compare(
        setting if compared else None,
        classes=m,
        dim=rows.dim,
        measured=spread.within.value if spread.free is None else spread.free.value,
        pilot=spread.pilot,
    )
    structure = structure_of(rows, seed)
    diagnosis = judge_spread(spread, theory, structure, setting)
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
        structure=structure,
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
        notes=(*_notes(rows, moments, spread, structure, diagnosis), *remarks),
    )


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


def _notes(
    rows: UnitRows, moments: Moments, spread: Spread, structure: Structure | None, diagnosis: SpreadVerdict
) -> list[str]:
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
    if spread.common_mean.value > 0.1 and diagnosis.name != "total collapse":
        notes.append(
            f"a common mean holds {spread.common_mean.value:.0%} of the squared length; shares are of the rest, "
            f"{spread.available:.3g}"
        )
    if structure is None and diagnosis.name == "healthy":
        notes.append(
            f"too much spread was not looked for: that takes 2 to {MOST_CLASSES} classes of {FEWEST} instances or more"
        )
    if spread.view_noise is None and spread.free_spread is not None:
        notes.append("one view an instance: free spread holds the view noise and is an upper bound; save two views")
    if spread.view_noise is not None and 0 <= spread.view_noise.value <= 1e-9 < spread.within.value:
        notes.append("the views of every instance are the same: without augmentation the view noise is not seen")
    if spread.left_out > len(rows.lonely):
        few = spread.left_out - len(rows.lonely)
        notes.append(f"classes with fewer than {FEWEST} instances left out of the division of the spread: {few}")
    if rows.dim < moments.m - 1:
        notes.append(f"dim={rows.dim} < classes-1={moments.m - 1}: class means cannot form a simplex")
    return notes
