"""Measured against predicted over the weight alpha: the curves that claims judge and reports draw."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ssem_advisor import theory
from ssem_advisor.domain import NotCovered, Setting
from ssem_advisor.experiments.intervals import Interval, finite
from ssem_advisor.experiments.record import Record
from ssem_advisor.theory.network import Network, expected_free_spread, typical

if TYPE_CHECKING:
    from ssem_advisor.documents import CurveShown, PointOfCurve

CONVERGED = 1e-5
"""Free embeddings whose gradient is larger have not converged and count as missing."""
MOST_OPENINGS = 50
"""Unequal classes whose openings are searched for, each search taking as long as training one free embedding."""
WRONG = 5.0
"""The controls use the theory at a temperature this many times too high."""


@dataclass(frozen=True)
class Curve:
    """Measured against predicted over alpha at one temperature: of a problem, or of one of its unequal classes.

    free, share: seeds x alphas, the free spread, and the same over what the common mean leaves of the total variance
    (1 - mean); NaN where a training is missing. threshold: collapse threshold. expected: seeds x alphas, the free
    spread estimated with the view reliability and directions of the very training (None: no theory); wrong,
    expected_wrong: the same at the wrong temperature. at_least: the threshold is but a lower bound.
    """

    name: str
    alphas: np.ndarray
    free: np.ndarray
    share: np.ndarray
    threshold: float
    wrong: float
    expected: np.ndarray | None
    expected_wrong: np.ndarray | None
    records: list[Record]
    at_least: bool = False

    def at(self, alpha: float) -> np.ndarray:
        """The share that each seed measured at one weight."""
        column = self.share[:, int(np.argmin(np.abs(self.alphas - alpha)))]
        return column[~np.isnan(column)]


def curves_of(records: Sequence[Record]) -> list[Curve]:
    """One curve for every problem and temperature, one for every class of these where sizes are unequal."""
    return [curve for group in _grouped(records, "problem", "temperature") for curve in _curves(group)]


def _curves(records: list[Record]) -> list[Curve]:
    alphas = np.array(sorted({r.alpha for r in records}))
    seeds = sorted({r.seed for r in records})
    where = {(r.seed, r.alpha): r for r in records}
    setting = records[0].setting
    wrong = setting.with_(temperature=WRONG * setting.temperature)

    def table(value: Callable[[Record], float]) -> np.ndarray:
        return np.array([[value(where[s, a]) if (s, a) in where else math.nan for a in alphas] for s in seeds])

    name = f"temperature {setting.temperature:g}"
    if setting.unequal:
        (thresholds, at_least), (mistaken, _) = _openings(setting), _openings(wrong)
        counts = setting.class_counts or ()
        return [
            Curve(
                f"{name}, class {i} of {counts[i]} instances", alphas,
                table(lambda r, i=i: r.free_of(i)), table(lambda r, i=i: r.free_of(i) / r.left),  # type: ignore[misc]
                float(thresholds[i]), float(mistaken[i]), None, None, records, bool(at_least[i]),
            )
            for i in range(len(counts)) if counts[i] > 1
        ]  # fmt: skip
    if records[0].suite == "embeddings":
        name = f"{records[0].problem} batch, {name}"
    free = table(lambda r: r.free if (r.residual or 0.0) < CONVERGED else math.nan)
    return [
        Curve(
            name, alphas, free, free / table(lambda r: r.left),
            float(theory.collapse_threshold(setting)), float(theory.collapse_threshold(wrong)),
            table(lambda r: estimate(r)), table(lambda r: estimate(r, WRONG)), records,
        )
    ]  # fmt: skip


def estimate(record: Record, factor: float = 1.0) -> float:
    """The free spread to expect of the network that was measured, at `factor` times the temperature.

    Free embeddings reach the optimum itself; so does, for want of an estimate, l_spread.
    """
    setting = record.setting.with_(alpha=record.alpha, temperature=factor * record.temperature)
    if record.effective_dim is None or setting.loss == "l_spread":
        return float(theory.optimal_variance(setting))
    network = Network(min(max(record.reliability, 0.01), 1.0), max(record.effective_dim, 1.0))
    return float(expected_free_spread(setting, network))


def _openings(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """The weight at which each of unequal classes opens, and whether theory only knows a lower bound of it.

    Of many classes theory knows the threshold of the fully collapsed state. That of the first to open is exact; once it
    has opened, the others open later than they would have.
    """
    thresholds = theory.class_thresholds(setting)
    assert setting.class_counts is not None
    if len(setting.class_counts) > MOST_OPENINGS:
        return thresholds, thresholds > np.nanmin(thresholds)
    return theory.class_openings(setting), np.zeros(len(thresholds), dtype=bool)


def read_threshold(alphas: np.ndarray, values: np.ndarray, level: float | None = None) -> float | None:
    """The weight at which a measured curve leaves zero, from the curve alone: theory is not asked.

    alphas, values: (points,), increasing alphas. The rising part, up to 60 % of the largest value, is fitted as
    alpha = a + b v + c v^2 (a line where fewer than four points rise); the answer is a, cut to the interval between the
    last weight that still is at the level and the first above it. level: the noise; None = twice the value at the
    smallest weight, at least 0.003. None where fewer than two points exceed it.
    """
    if level is None:
        level = max(2 * float(values[0]), 0.003)
    above = values > level
    if above.sum() < 2:
        return None
    rising = above & (values <= max(0.6 * values.max(), np.sort(values[above])[1]))
    fit = np.polynomial.Polynomial.fit(values[rising], alphas[rising], 2 if rising.sum() >= 4 else 1)
    first = int(np.argmax(above))
    return float(np.clip(fit(0.0), alphas[max(first - 1, 0)], alphas[first]))


def _grouped(records: Sequence[Record], *names: str) -> list[list[Record]]:
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(getattr(record, name) for name in names), []).append(record)
    return list(groups.values())


# -- for the report ----------------------------------------------------------------------------------------------------

_MEASURED = (
    "variance", "view_noise", "confusion", "free_spread", "own_variance", "reliability", "effective_dim", "mean",
    "probe_fine", "probe_coarse", "probe_shuffled",
)  # fmt: skip


@dataclass(frozen=True)
class CurvePoint:
    """Means over seeds with intervals, of one problem, temperature and weight, beside the predictions.

    The predictions are of the free spread: optimum, the theorem's; typical, the estimate for a typical network, made
    without looking; estimate, for the view reliability and directions that were measured. None where none speaks.
    """

    problem: str
    temperature: float
    alpha: float
    recommended: bool
    measured: dict[str, Interval]
    optimum: float | None
    typical: float | None
    estimate: Interval | None
    per_class: tuple[float, ...]
    free_per_class: tuple[float, ...]

    def to_dict(self) -> PointOfCurve:
        found: Any = {
            "problem": self.problem,
            "temperature": self.temperature,
            "alpha": self.alpha,
            "recommended": self.recommended,
            "optimum": self.optimum,
            "typical": self.typical,
            "estimate": None if self.estimate is None else self.estimate.to_dict(),
            **{name: interval.to_dict() for name, interval in self.measured.items()},
        }
        if self.per_class:
            found["per_class"] = list(self.per_class)
        if self.free_per_class:
            found["free_per_class"] = list(self.free_per_class)
        return found


def points_of(records: Sequence[Record]) -> list[CurvePoint]:
    """One point for every problem, temperature and weight, in this order."""
    points = []
    for group in _grouped(records, "problem", "temperature", "alpha"):
        first = group[0]
        setting = first.setting.with_(alpha=first.alpha)
        optimum = foreseen = estimated = None
        if not setting.unequal:
            optimum = float(theory.optimal_variance(setting))
            estimated = Interval.of([estimate(r) for r in group])
            with contextlib.suppress(NotCovered):
                foreseen = float(expected_free_spread(setting, typical(setting)))
        measured = {
            name: Interval.of([getattr(r, name) for r in group])
            for name in _MEASURED if all(getattr(r, name) is not None for r in group)
        }  # fmt: skip
        points.append(
            CurvePoint(
                first.problem, first.temperature, first.alpha, first.recommended, measured, optimum, foreseen,
                estimated,                _mean(group, "per_class"), _mean(group, "free_per_class"),
            )
        )  # fmt: skip
    return sorted(points, key=lambda p: (p.problem, p.temperature, p.alpha))


def _mean(group: list[Record], name: str) -> tuple[float, ...]:
    rows = [getattr(r, name) for r in group]
    return tuple(np.mean(rows, axis=0).tolist()) if group[0].setting.unequal and all(rows) else ()


def predicted_curves(records: Sequence[Record]) -> list[CurveShown]:
    """The threshold and the predicted free spread of every problem and temperature, finely, for the pictures."""
    found = []
    grid = np.linspace(0, 1, 101)
    for group in _grouped(records, "problem", "temperature"):
        setting = group[0].setting
        curve: CurveShown = {"problem": group[0].problem, "temperature": group[0].temperature}
        if setting.unequal:
            curve["class_openings"] = [finite(float(a)) for a in _openings(setting)[0]]
            curve["class_counts"] = list(setting.class_counts or ())
        else:
            at = setting.with_(alpha=grid)
            read_off = [
                read_threshold(c.alphas, row) for c in _curves(group) for row in c.free if not np.isnan(row).any()
            ]
            curve |= {
                "threshold": finite(float(theory.collapse_threshold(setting))),
                "read_off": [t for t in read_off if t is not None],
                "alphas": grid.tolist(),
                "optimum": np.asarray(theory.optimal_variance(at)).tolist(),
                "typical": None,
            }
            with contextlib.suppress(NotCovered):
                curve["typical"] = np.asarray(expected_free_spread(at, typical(setting))).tolist()
        found.append(curve)
    return found
