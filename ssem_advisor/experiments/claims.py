"""The five claims: what the records must show, with intervals over seeds, and the control that must fail.

A claim is confirmed when the whole interval lies on its side, refuted when the whole interval lies on the other side,
undecided in between, and not confirmed unless its negative control fails by the same test.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ssem_advisor import theory
from ssem_advisor.domain import NotCovered, Setting
from ssem_advisor.experiments.protocol import Protocol

CONFIRMED, REFUTED, UNDECIDED, NOT_TESTED = "confirmed", "refuted", "undecided", "not tested"
EXIT_CODES = {CONFIRMED: 0, REFUTED: 1, UNDECIDED: 3}

LEVEL = 0.02
"""A trained class is collapsed when its instances' own spread is below this share of the total variance."""
CLEAR = 0.1
"""An expected variance from which on a trained class must not be collapsed; between 0 and this nothing is asked."""
CLEAR_MARGIN = 0.15
"""The same as a distance from the threshold, for classes of unequal sizes, whose variance has no prediction."""
CURVE_TOLERANCE = 0.1
"""Mean distance between measured and expected within-class variance that still counts as following it."""
THRESHOLD_TOLERANCE = 0.1
"""Distance between the threshold read off the training curves and the predicted one that still counts as near."""
EXACT_TOLERANCE = 1e-4
"""The same for free embeddings, where theory is exact."""
CONVERGED = 1e-5
"""Free embeddings whose gradient is larger have not converged and count as missing."""
MOST_OPENINGS = 50
"""Unequal classes whose openings are searched for, each search taking as long as training one free embedding."""
WRONG = 5.0
"""The controls use the theory at a temperature this many times too high."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Interval:
    """Mean over seeds and its 95 % t-interval; endless where one seed gives no spread."""

    mean: float
    low: float
    high: float
    seeds: int

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray, stretch: float = 1.0) -> Interval:
        from scipy.special import stdtrit

        data = np.asarray(values, dtype=float)
        mean, n = float(data.mean()), len(data)
        if n < 2:
            return cls(mean, -math.inf, math.inf, n)
        half = stretch * float(stdtrit(n - 1, 0.975)) * float(data.std(ddof=1)) / math.sqrt(n)
        return cls(mean, mean - half, mean + half, n)

    def side(self, bound: float) -> str:
        """CONFIRMED above the bound, REFUTED below it, UNDECIDED across it."""
        return CONFIRMED if self.low > bound else REFUTED if self.high < bound else UNDECIDED

    def as_dict(self) -> dict[str, Any]:
        return {"mean": self.mean, "low": _finite(self.low), "high": _finite(self.high), "seeds": self.seeds}


@dataclass(frozen=True)
class Claim:
    """One claim's verdict on one suite. checks: the single comparisons; control: what must fail, and whether it did."""

    number: int
    title: str
    verdict: str
    summary: str
    control: str = ""
    control_failed: bool | None = None
    checks: list[dict[str, Any]] = field(default_factory=list)


TITLES = {
    1: "below the threshold training collapses the classes, above it does not",
    2: "the recommended setting avoids collapse",
    3: "it keeps what collapse destroys: labels the training never saw",
    4: "the within-class variance follows the prediction",
    5: "the threshold read off the training lies near the predicted one",
}


def overall(verdicts: Iterable[str]) -> str:
    """The verdict of many: one refuted refutes, one undecided leaves it open; what was not tested does not count."""
    counted = [v for v in verdicts if v != NOT_TESTED]
    if REFUTED in counted:
        return REFUTED
    return UNDECIDED if UNDECIDED in counted or not counted else CONFIRMED


def judge(protocol: Protocol, records: Sequence[Record], stretch: float = 1.0) -> list[Claim]:
    """The five claims on the records of one suite. stretch: widens every interval (to stop early only when certain)."""
    if not records:
        return [Claim(n, TITLES[n], UNDECIDED, "no run finished") for n in TITLES]
    exact = protocol.suite == "embeddings"
    curves = [c for group in _grouped(records, "problem", "temperature") for c in _curves(group, exact)]
    judges = (_collapse, _recommended, _probe, _follows, _threshold)
    return [judge_one(curves, exact, stretch) for judge_one in judges]


@dataclass(frozen=True)
class Curve:
    """Measured against predicted over alpha at one temperature: of a problem, or of one of its unequal classes.

    values, total: seeds x alphas, the instances' own within-class variance and all of it; NaN where a run is missing.
    threshold, expected: collapse threshold and expected variances per alpha (None: no theory); wrong, expected_wrong:
    the same at the wrong temperature. at_least: the threshold is but a lower bound.
    """

    name: str
    alphas: np.ndarray
    values: np.ndarray
    total: np.ndarray
    threshold: float
    wrong: float
    expected: np.ndarray | None
    expected_wrong: np.ndarray | None
    records: list[Record]
    at_least: bool = False

    def at(self, alpha: float) -> np.ndarray:
        """The seeds' values at one weight."""
        column = self.values[:, int(np.argmin(np.abs(self.alphas - alpha)))]
        return column[~np.isnan(column)]


def _curves(records: list[Record], exact: bool) -> list[Curve]:
    alphas = np.array(sorted({r["alpha"] for r in records}))
    seeds = sorted({r["seed"] for r in records})
    where = {(r["seed"], r["alpha"]): r for r in records}
    setting = Setting(**records[0]["setting"]).with_(alpha=None)
    wrong = setting.with_(temperature=WRONG * setting.temperature)

    def table(value: Callable[[Record], float]) -> np.ndarray:
        return np.array([[value(where[s, a]) if (s, a) in where else math.nan for a in alphas] for s in seeds])

    if setting.unequal:
        (thresholds, at_least), (mistaken, _) = _openings(setting), _openings(wrong)
        counts = setting.class_counts or ()
        return [
            Curve(
                f"temperature {setting.temperature:g}, class {i} of {counts[i]} instances", alphas,
                table(lambda r, i=i: r["per_class"][i] * r["reliability"]),  # type: ignore[misc]
                table(lambda r, i=i: r["per_class"][i]),  # type: ignore[misc]
                float(thresholds[i]), float(mistaken[i]), None, None, records, bool(at_least[i]),
            )
            for i in range(len(counts)) if counts[i] > 1
        ]  # fmt: skip

    expected: Any = theory.optimal_variance if exact or setting.loss == "l_spread" else theory.expected_variance
    name = f"temperature {setting.temperature:g}"
    if exact:
        name = f"{records[0]['problem']} batch, {name}"
    values = table(lambda r: r["variance"] * r["reliability"] if r.get("residual", 0.0) < CONVERGED else math.nan)
    return [
        Curve(
            name, alphas, values, table(lambda r: r["variance"]),
            float(theory.collapse_threshold(setting)), float(theory.collapse_threshold(wrong)),
            np.asarray(expected(setting.with_(alpha=alphas)), dtype=float),
            np.asarray(expected(wrong.with_(alpha=alphas)), dtype=float), records,
        )
    ]  # fmt: skip


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


# -- the claims --------------------------------------------------------------------------------------------------------


def _collapse(curves: Sequence[Curve], exact: bool, stretch: float) -> Claim:
    level = EXACT_TOLERANCE if exact else LEVEL

    def check(curve: Curve, threshold: float, expected: np.ndarray | None) -> list[dict[str, Any]]:
        found = []
        for i, alpha in enumerate(curve.alphas):
            clear = expected[i] >= CLEAR if expected is not None else alpha >= threshold + CLEAR_MARGIN
            values = curve.at(alpha)
            if not len(values) or (alpha > threshold and not clear):
                continue
            interval = Interval.of(values, stretch)
            spread = interval.side(level)
            verdict = spread if clear else {CONFIRMED: REFUTED, REFUTED: CONFIRMED}.get(spread, UNDECIDED)
            expectation = "spread" if clear else "collapsed"
            found.append(_check(curve, f"alpha {alpha:g} {expectation}", verdict, interval))
        return found

    checks = [c for curve in curves for c in check(curve, curve.threshold, curve.expected)]
    control = [c for curve in curves for c in check(curve, curve.wrong, curve.expected_wrong)]
    below = sum(c["what"].endswith("collapsed") for c in checks)
    return _conclude(
        1, checks,
        f"{below} points at or below the threshold, {len(checks) - below} clearly above it; "
        f"collapsed means own variance below {level:g}",
        f"the threshold of a temperature {WRONG:g} times too high, by the same test", control,
    )  # fmt: skip


def _recommended(curves: Sequence[Curve], exact: bool, stretch: float) -> Claim:
    level = EXACT_TOLERANCE if exact else LEVEL
    checks, control = [], []
    for curve in curves:
        advised = sorted({r["alpha"] for r in curve.records if r.get("recommended")})
        for alpha in advised:
            interval = Interval.of(curve.at(alpha), stretch)
            checks.append(_check(curve, f"alpha {alpha:g} not collapsed", interval.side(level), interval))
        if advised and 0.0 in curve.alphas and len(curve.at(0.0)):
            interval = Interval.of(curve.at(0.0), stretch)
            control.append(_check(curve, "alpha 0 not collapsed", interval.side(level), interval))
    alphas = sorted({c["what"].split()[1] for c in checks}, key=float)
    return _conclude(
        2, checks, f"recommended alpha {', '.join(alphas)}" if not exact else f"{len(checks)} recommended settings",
        "no self-supervised term (alpha 0), by the same test", control,
    )  # fmt: skip


def _probe(curves: Sequence[Curve], exact: bool, stretch: float) -> Claim:
    checks, control, gains = [], [], []
    for records in {id(c.records): c.records for c in curves}.values():
        curve = next(c for c in curves if c.records is records)
        by_seed: dict[int, dict[str, Record]] = {}
        for record in records:
            if record.get("probe_fine") is not None:
                if record.get("recommended"):
                    by_seed.setdefault(record["seed"], {})["advised"] = record
                elif record["alpha"] == 0:
                    by_seed.setdefault(record["seed"], {})["none"] = record
        pairs = [p for p in by_seed.values() if len(p) == 2]
        if not pairs:
            continue
        gain = Interval.of([p["advised"]["probe_fine"] - p["none"]["probe_fine"] for p in pairs], stretch)
        sham = Interval.of([p["advised"]["probe_shuffled"] - p["none"]["probe_shuffled"] for p in pairs], stretch)
        best = [np.mean([p[k]["probe_fine"] for p in pairs]) for k in ("none", "advised")]
        gains.append(f"{best[0]:.3f} -> {best[1]:.3f}")
        name = f"temperature {records[0]['temperature']:g}"
        checks.append(_check(curve, "gain over alpha 0", gain.side(0.0), gain) | {"curve": name})
        sham_verdict = sham.side(gain.mean / 2)
        control.append(
            _check(curve, "more than half the gain on shuffled labels", sham_verdict, sham) | {"curve": name}
        )
    return _conclude(
        3, checks, f"probe of the fine labels, alpha 0 -> recommended: {', '.join(gains)}",
        "the same gain, at least half of it, on fine labels shuffled within their class", control,
    )  # fmt: skip


def _follows(curves: Sequence[Curve], exact: bool, stretch: float) -> Claim:
    tolerance = EXACT_TOLERANCE if exact else CURVE_TOLERANCE
    aggregate = np.nanmax if exact else np.nanmean

    def check(curve: Curve, expected: np.ndarray | None) -> list[dict[str, Any]]:
        if expected is None:
            return []
        measured = curve.values if exact else curve.total
        errors = [float(aggregate(np.abs(row - expected))) for row in measured if not np.isnan(row).all()]
        if not errors:
            return []
        interval = Interval.of(errors, stretch)
        verdict = {CONFIRMED: REFUTED, REFUTED: CONFIRMED}.get(interval.side(tolerance), UNDECIDED)
        if verdict == CONFIRMED and np.isnan(measured).any():
            verdict = UNDECIDED
        return [_check(curve, "error of the variance", verdict, interval)]

    checks = [c for curve in curves for c in check(curve, curve.expected)]
    control = [c for curve in curves for c in check(curve, curve.expected_wrong)]
    kind = "largest" if exact else "mean"
    worst = max((c["mean"] for c in checks), default=math.nan)
    return _conclude(
        4, checks, f"{kind} error {worst:.2g} at worst, {tolerance:g} allowed",
        f"the prediction for a temperature {WRONG:g} times too high, by the same test", control,
    )  # fmt: skip


def _threshold(curves: Sequence[Curve], exact: bool, stretch: float) -> Claim:
    def check(curve: Curve, threshold: float) -> list[dict[str, Any]]:
        level = EXACT_TOLERANCE if exact else None
        found = [read_threshold(curve.alphas, row, level) for row in curve.values if not np.isnan(row).any()]
        known = [t for t in found if t is not None]
        if not known:
            return []
        interval = Interval.of(known, stretch)
        half = interval.high - interval.mean
        distance = abs(interval.mean - threshold)
        if curve.at_least:
            distance = max(threshold - interval.mean, 0.0)
        inside, outside = distance + half <= THRESHOLD_TOLERANCE, distance - half > THRESHOLD_TOLERANCE
        verdict = CONFIRMED if inside else REFUTED if outside else UNDECIDED
        return [_check(curve, f"predicted {'>= ' if curve.at_least else ''}{threshold:.3f}", verdict, interval)]

    tested = [c for c in curves if c.threshold < 0.95]
    checks = [c for curve in tested for c in check(curve, curve.threshold)]
    control = [c for curve in tested for c in check(curve, curve.wrong)]
    shown = ", ".join(f"{c['mean']:.3f} ({c['what']})" for c in checks[:4]) + (", ..." if len(checks) > 4 else "")
    return _conclude(
        5, checks, f"read off: {shown}; within {THRESHOLD_TOLERANCE:g} asked",
        f"the threshold of a temperature {WRONG:g} times too high, by the same test", control,
    )  # fmt: skip


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


def _conclude(
    number: int, checks: list[dict[str, Any]], summary: str, control: str, controls: list[dict[str, Any]]
) -> Claim:
    if not checks:
        return Claim(number, TITLES[number], NOT_TESTED, "this suite has nothing to test it on")
    verdict = overall(c["verdict"] for c in checks)
    failed = any(c["verdict"] == REFUTED for c in controls)
    if verdict == CONFIRMED and not failed:
        verdict = UNDECIDED
        summary += "; the negative control did not fail, so the test cannot tell"
    return Claim(
        number, TITLES[number], verdict, summary, control, failed, checks + [c | {"control": True} for c in controls]
    )


def _check(curve: Curve, what: str, verdict: str, interval: Interval) -> dict[str, Any]:
    return {"curve": curve.name, "what": what, "verdict": verdict, **interval.as_dict()}


def _grouped(records: Sequence[Record], *names: str) -> list[list[Record]]:
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(record.get(name) for name in names), []).append(record)
    return list(groups.values())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


# -- for the report ----------------------------------------------------------------------------------------------------


def points(records: Sequence[Record]) -> list[dict[str, Any]]:
    """One row per problem, temperature and weight: means over seeds with intervals, beside the predictions.

    optimum: the theorem's variance. expected: what `recommend` expects of a network. estimate: the same with the view
    reliability and effective dimension that were measured. None where no theory speaks.
    """
    rows = []
    for group in _grouped(sorted(records, key=lambda r: r["alpha"]), "problem", "temperature", "alpha"):
        first = group[0]
        setting = Setting(**first["setting"]).with_(alpha=first["alpha"])
        row = {k: first[k] for k in ("problem", "temperature", "alpha", "recommended")}
        row["variance"] = Interval.of([r["variance"] for r in group]).as_dict()
        row["own_variance"] = Interval.of([r["variance"] * r["reliability"] for r in group]).as_dict()
        for name in ("reliability", "effective_dim", "mean", "probe_fine", "probe_coarse", "probe_shuffled"):
            if first.get(name) is not None:
                row[name] = Interval.of([r[name] for r in group]).as_dict()
        row["optimum"] = row["expected"] = row["estimate"] = None
        if setting.unequal:
            row["per_class"] = np.mean([r["per_class"] for r in group], axis=0).tolist()
        else:
            row["optimum"] = float(theory.optimal_variance(setting))
            with contextlib.suppress(NotCovered):
                row["expected"] = float(theory.expected_variance(setting))
                if "effective_dim" in row:
                    reliability = min(max(row["reliability"]["mean"], 0.01), 1.0)
                    dimension = max(row["effective_dim"]["mean"], 1.0)
                    row["estimate"] = float(theory.expected_variance(setting, reliability, dimension))
        rows.append(row)
    return sorted(rows, key=lambda r: (r["problem"], r["temperature"], r["alpha"]))


def predicted_curves(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The threshold and the predicted variances of every problem and temperature, finely, for the pictures."""
    curves = []
    grid = np.linspace(0, 1, 101)
    for group in _grouped(records, "problem", "temperature"):
        setting = Setting(**group[0]["setting"])
        curve: dict[str, Any] = {k: group[0][k] for k in ("problem", "temperature")}
        read_off = [
            read_threshold(c.alphas, row) for c in _curves(group, False) for row in c.values if not np.isnan(row).any()
        ]
        if setting.unequal:
            curve["class_openings"] = [_finite(float(a)) for a in _openings(setting)[0]]
            curve["class_counts"] = list(setting.class_counts or ())
        else:
            at = setting.with_(alpha=grid)
            curve |= {
                "threshold": _finite(float(theory.collapse_threshold(setting))),
                "read_off": [t for t in read_off if t is not None],
                "alphas": grid.tolist(),
                "optimum": np.asarray(theory.optimal_variance(at)).tolist(),
                "expected": None,
            }
            with contextlib.suppress(NotCovered):
                curve["expected"] = np.asarray(theory.expected_variance(at)).tolist()
        curves.append(curve)
    return curves
