"""The five claims: what the records must show, with intervals over seeds, and the control that must fail.

A claim is confirmed when the whole interval lies on its side, refuted when the whole interval lies on the other side,
undecided in between, and not confirmed unless its negative control fails by the same test. Collapse and spread are
judged on free spread: view noise and confusion are no sign that instances are told apart. A training that has not left
total collapse, or has not converged, is no evidence and left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ssem_advisor.experiments.curves import WRONG, Curve, curves_of, read_threshold
from ssem_advisor.experiments.intervals import Interval, Outcome, overall
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.record import Record

if TYPE_CHECKING:
    from ssem_advisor.documents import CheckOfClaim, ClaimShown

EXIT_CODES: dict[Outcome, Literal[0, 1, 3]] = {
    Outcome.CONFIRMED: 0,
    Outcome.REFUTED: 1,
    Outcome.UNDECIDED: 3,
    Outcome.NOT_TRAINED: 3,
}

LEVEL = 0.05
"""A trained class is collapsed when its free spread is below this share of what the common mean leaves."""
CLEAR = 0.1
"""An expected free spread from which on a trained class must not be collapsed; below it nothing is asked."""
CLEAR_MARGIN = 0.15
"""The same as a distance from the threshold, for classes of unequal sizes, whose spread has no prediction."""
CURVE_TOLERANCE = 0.05
"""Mean distance between measured and estimated free spread that still counts as following it."""
THRESHOLD_TOLERANCE = 0.1
"""Distance between the threshold read off the training curves and the predicted one that still counts as near."""
EXACT_TOLERANCE = 1e-4
"""The same for free embeddings, where theory is exact."""


@dataclass(frozen=True)
class Check:
    """One comparison of a claim, on one curve; control: it belongs to the negative control."""

    curve: str
    what: str
    verdict: Outcome
    interval: Interval
    control: bool = False

    def to_dict(self) -> CheckOfClaim:
        found: CheckOfClaim = {
            "curve": self.curve, "what": self.what, "verdict": self.verdict.word, **self.interval.to_dict()
        }  # fmt: skip
        if self.control:
            found["control"] = True
        return found


@dataclass(frozen=True)
class Claim:
    """One claim's outcome on one suite. control: what must fail, and whether it did (None: nothing to test)."""

    number: int
    verdict: Outcome
    summary: str
    control: str = ""
    control_failed: bool | None = None
    checks: tuple[Check, ...] = ()

    def to_dict(self) -> ClaimShown:
        return {
            "number": self.number,
            "title": TITLES[self.number],
            "verdict": self.verdict.word,
            "summary": self.summary,
            "control": self.control,
            "control_failed": self.control_failed,
            "checks": [check.to_dict() for check in self.checks],
        }


TITLES = {
    1: "below the threshold training collapses the classes, above it does not",
    2: "the recommended setting avoids collapse",
    3: "it keeps what collapse destroys: labels the training never saw",
    4: "the free spread follows the estimate",
    5: "the threshold read off the training lies near the predicted one",
}


def judge_claims(protocol: Protocol, records: Sequence[Record], stretch: float = 1.0) -> list[Claim]:
    """The five claims on the records of one suite. stretch: widens every interval (to stop early only when certain)."""
    if not records:
        return [Claim(n, Outcome.UNDECIDED, "no run finished") for n in TITLES]
    reasons = Counter(reason for r in records if (reason := r.why_untrained()))
    trained = [r for r in records if not r.why_untrained()]
    left_out = "; ".join(f"{count} of {len(records)} runs left out: {reason}" for reason, count in reasons.items())
    if not trained:
        return [Claim(n, Outcome.NOT_TRAINED, left_out) for n in TITLES]
    exact = protocol.suite == "embeddings"
    curves = curves_of(trained)
    claims = [
        judge_one(curves, exact, stretch) for judge_one in (_collapse, _recommended, _probe, _follows, _threshold)
    ]
    return [replace(c, summary=f"{c.summary}; {left_out}") if left_out else c for c in claims]


def _collapse(curves: Sequence[Curve], exact: bool, stretch: float) -> Claim:
    level = EXACT_TOLERANCE if exact else LEVEL

    def check(curve: Curve, threshold: float, expected: np.ndarray | None) -> list[Check]:
        found = []
        for i, alpha in enumerate(curve.alphas):
            clear = np.nanmean(expected[:, i]) >= CLEAR if expected is not None else alpha >= threshold + CLEAR_MARGIN
            values = curve.at(alpha)
            if not len(values) or (alpha > threshold and not clear):
                continue
            clear = clear and alpha > threshold
            interval = Interval.of(values, stretch)
            spread = interval.side(level)
            what = f"alpha {alpha:g} {'spread' if clear else 'collapsed'}"
            found.append(Check(curve.name, what, spread if clear else spread.opposite, interval))
        return found

    checks = [c for curve in curves for c in check(curve, curve.threshold, curve.expected)]
    control = [c for curve in curves for c in check(curve, curve.wrong, curve.expected_wrong)]
    below = sum(c.what.endswith("collapsed") for c in checks)
    kind = "a variance" if exact else "a free spread, relative to what the common mean leaves,"
    return _conclude(
        1, checks,
        f"{below} points at or below the threshold, {len(checks) - below} clearly above it; "
        f"collapsed means {kind} below {level:g}",
        f"the threshold of a temperature {WRONG:g} times too high, by the same test", control,
    )  # fmt: skip


def _recommended(curves: Sequence[Curve], exact: bool, stretch: float) -> Claim:
    level = EXACT_TOLERANCE if exact else LEVEL
    checks, control, alphas = [], [], set()
    for curve in curves:
        advised = sorted({r.alpha for r in curve.records if r.recommended})
        for alpha in advised:
            interval = Interval.of(curve.at(alpha), stretch)
            checks.append(Check(curve.name, f"alpha {alpha:g} not collapsed", interval.side(level), interval))
        if advised and 0.0 in curve.alphas and len(curve.at(0.0)):
            interval = Interval.of(curve.at(0.0), stretch)
            control.append(Check(curve.name, "alpha 0 not collapsed", interval.side(level), interval))
        alphas |= set(advised)
    shown = ", ".join(f"{alpha:g}" for alpha in sorted(alphas))
    return _conclude(
        2, checks, f"recommended alpha {shown}" if not exact else f"{len(checks)} recommended settings",
        "no self-supervised term (alpha 0), by the same test", control,
    )  # fmt: skip


def _probe(curves: Sequence[Curve], exact: bool, stretch: float) -> Claim:
    checks, control, gains = [], [], []
    for records in {id(c.records): c.records for c in curves}.values():
        none = {r.seed: r for r in records if r.alpha == 0 and r.probe_fine is not None}
        pairs = [(none[r.seed], r) for r in records if r.recommended and r.alpha > 0 and r.seed in none]
        if not pairs:
            continue
        fine = np.array([[r.probe_fine for r in pair] for pair in pairs], dtype=float)
        shuffled = np.array([[r.probe_shuffled for r in pair] for pair in pairs], dtype=float)
        gain, sham = (Interval.of(probes[:, 1] - probes[:, 0], stretch) for probes in (fine, shuffled))
        gains.append(f"{fine[:, 0].mean():.3f} -> {fine[:, 1].mean():.3f}")
        name = f"temperature {records[0].temperature:g}"
        checks.append(Check(name, "gain over alpha 0", gain.side(0.0), gain))
        control.append(Check(name, "more than half the gain on shuffled labels", sham.side(gain.mean / 2), sham))
    return _conclude(
        3, checks, f"probe of the fine labels, alpha 0 -> recommended: {', '.join(gains)}",
        "the same gain, at least half of it, on fine labels shuffled within their class", control,
    )  # fmt: skip


def _follows(curves: Sequence[Curve], exact: bool, stretch: float) -> Claim:
    tolerance = EXACT_TOLERANCE if exact else CURVE_TOLERANCE
    aggregate = np.nanmax if exact else np.nanmean

    def check(curve: Curve, expected: np.ndarray | None) -> list[Check]:
        if expected is None:
            return []
        distances = [np.abs(row) for row in curve.free - expected if not np.isnan(row).all()]
        if not distances:
            return []
        interval = Interval.of([float(aggregate(row)) for row in distances], stretch)
        verdict = interval.side(tolerance).opposite
        if verdict == Outcome.CONFIRMED and np.isnan(curve.free).any():
            verdict = Outcome.UNDECIDED
        return [Check(curve.name, "error of the free spread", verdict, interval)]

    checks = [c for curve in curves for c in check(curve, curve.expected)]
    control = [c for curve in curves for c in check(curve, curve.expected_wrong)]
    worst = max((c.interval.mean for c in checks), default=math.nan)
    made = "largest error" if exact else "made with the measured view reliability and directions; mean error"
    return _conclude(
        4, checks, f"{made} {worst:.2g} at worst, {tolerance:g} allowed",
        f"the estimate for a temperature {WRONG:g} times too high, by the same test", control,
    )  # fmt: skip


def _threshold(curves: Sequence[Curve], exact: bool, stretch: float) -> Claim:
    def check(curve: Curve, threshold: float) -> list[Check]:
        level = EXACT_TOLERANCE if exact else None
        found = [read_threshold(curve.alphas, row, level) for row in curve.free if not np.isnan(row).any()]
        known = [t for t in found if t is not None]
        if not known:
            return []
        interval = Interval.of(known, stretch)
        half = interval.high - interval.mean
        distance = abs(interval.mean - threshold)
        if curve.at_least:
            distance = max(threshold - interval.mean, 0.0)
        inside, outside = distance + half <= THRESHOLD_TOLERANCE, distance - half > THRESHOLD_TOLERANCE
        verdict = Outcome.CONFIRMED if inside else Outcome.REFUTED if outside else Outcome.UNDECIDED
        return [Check(curve.name, f"predicted {'>= ' if curve.at_least else ''}{threshold:.3f}", verdict, interval)]

    tested = [c for c in curves if c.threshold < 0.95]
    checks = [c for curve in tested for c in check(curve, curve.threshold)]
    control = [c for curve in tested for c in check(curve, curve.wrong)]
    shown = ", ".join(f"{c.interval.mean:.3f} ({c.what})" for c in checks[:4]) + (", ..." if len(checks) > 4 else "")
    return _conclude(
        5, checks, f"read off: {shown}; within {THRESHOLD_TOLERANCE:g} asked",
        f"the threshold of a temperature {WRONG:g} times too high, by the same test", control,
    )  # fmt: skip


def _conclude(number: int, checks: list[Check], summary: str, control: str, controls: list[Check]) -> Claim:
    if not checks:
        return Claim(number, Outcome.NOT_TESTED, "this suite has nothing to test it on")
    verdict = overall(c.verdict for c in checks)
    failed = any(c.verdict == Outcome.REFUTED for c in controls)
    if verdict == Outcome.CONFIRMED and not failed:
        verdict = Outcome.UNDECIDED
        summary += "; the negative control did not fail, so the test cannot tell"
    return Claim(
        number, verdict, summary, control, failed, (*checks, *(replace(c, control=True) for c in controls))
    )  # fmt: skip
