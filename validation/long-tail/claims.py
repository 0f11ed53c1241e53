"""Hold the networks trained on long tails against what was fixed to count as right before.

    python validation/long-tail/claims.py

Trains nothing: it reads what `validation/verdicts/judge.py` recorded, and prints the tables of the page beside it.
Claim (b), on verdicts, is counted by `judge.py --count`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ssem_advisor import Setting, class_openings, class_variances
from ssem_advisor.experiments.curves import read_threshold
from ssem_advisor.theory.classes import class_batches

RECORDED = Path(__file__).parent.parent / "verdicts"
ADVISED = {"tail": 0.503, "tail-lonely": 0.691, "tail-pairs": 0.396, "tail-warm": 0.717, "tail-hundred": 0.481}
THIRDS = ("largest", "middle", "smallest")
LARGEST_COUNTED = 0.7  # weights up to which the free spread is held against predictions


@dataclass(frozen=True)
class Study:
    """name, recommended weight, and what was recorded. Rows of a table are weights, its columns classes."""

    name: str
    advised: float
    setting: Setting
    networks: list[dict[str, Any]]

    @classmethod
    def read(cls, name: str) -> Study:
        found = json.loads((RECORDED / f"{name}.json").read_text())
        known = {k: v for k, v in found["setting"].items() if k != "test_images"}
        known["class_counts"] = tuple(known["class_counts"])
        return cls(
            name,
            ADVISED[name],
            Setting(loss="supcon", views=2, temperature=found["networks"][0]["temperature"], **known),
            found["networks"],
        )

    @cached_property
    def weights(self) -> list[float]:
        """In increasing order, without plain SupCon."""
        return sorted({row["alpha"] for row in self.networks if row["alpha"] is not None})

    def mean(self, what: str | Callable[[dict[str, Any]], Any], alpha: float | None) -> Any:
        """Over seeds, of a number or of one for every class; alpha None = plain SupCon."""
        rows = [row for row in self.networks if row["alpha"] == alpha]
        return np.mean([row[what] if isinstance(what, str) else what(row) for row in rows], axis=0)

    def shares(self, alpha: float | None) -> np.ndarray:
        """Free spread of every class as a share of what the common mean leaves."""
        return np.asarray(self.mean(lambda row: np.array(row["free by class"]) / (1 - row["common_mean"]), alpha))

    @cached_property
    def openings(self) -> np.ndarray:
        return class_openings(self.setting)

    @cached_property
    def read_off(self) -> list[float | None]:
        """The weight at which each third of the classes leaves collapse, from the networks alone."""
        table = np.array([thirds(self.shares(alpha)) for alpha in self.weights])
        return [read_threshold(np.array(self.weights), column) for column in table.T]


def free_spread(row: dict[str, Any]) -> float:
    """What verdicts judge: told by the nearest classes where class means take most of the directions."""
    return float(row["free_spread"] if row.get("local_free") is None else row["local_free"])


def thirds(values: np.ndarray) -> np.ndarray:
    """Means over the third of the classes with the most instances, the middle one and that with the fewest."""
    return np.array([part.mean() for part in np.array_split(np.asarray(values), 3)])


def shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if np.ndim(value) == 0 else ", ".join(shown(v) for v in value)


PROBES = ("balanced_probe_fine", "balanced_probe_coarse", "probe_fine", "probe_coarse")


def sweep(study: Study) -> Iterator[str]:
    yield (
        "| weight | fine | trained | fine, by train images | trained, by train images | trained: largest, middle, "
        "smallest classes | free spread | typical network | measured network |"
    )
    yield "| --- |" + " --- |" * 8
    for alpha in (None, *study.weights):
        name = "plain" if alpha is None else f"{alpha:g}{' (recommended)' if alpha == study.advised else ''}"
        probes = " | ".join(shown(study.mean(what, alpha)) for what in PROBES)
        by_third = shown(thirds(study.mean("balanced_probe_coarse by class", alpha)))
        spread = " | ".join(
            shown(study.mean(what, alpha))
            for what in (free_spread, "expected of a typical network", "expected of this network")
        )
        yield f"| {name} | {probes} | {by_third} | {spread} |"


def classes(study: Study) -> Iterator[str]:
    yield "| weight | free spread: largest, middle, smallest | of images left out | variance at the minimum |"
    yield "| --- | --- | --- | --- |"
    for alpha in (None, *study.weights):
        at_minimum = np.zeros(study.setting.classes)
        if alpha:
            at_minimum = class_variances(study.setting.with_(alpha=alpha))
        measured, held = (shown(thirds(study.mean(k, alpha))) for k in ("free by class", "held-out free by class"))
        yield f"| {'plain' if alpha is None else f'{alpha:g}'} | {measured} | {held} | {shown(thirds(at_minimum))} |"


def weight_is_right(study: Study, probe: str) -> str:
    """Claim (a)."""
    found = {alpha: float(study.mean(probe, alpha)) for alpha in (None, *study.weights)}
    here = found[study.advised]
    best = max(found, key=lambda alpha: found[alpha])
    right = here >= found[best] - 0.01 and here > found[0] and here > found[None]
    return (
        f"(a) {study.name}, {probe}: {here:.3f} at {study.advised:g}, best {found[best]:.3f} at {best}, plain "
        f"{found[None]:.3f}, weight 0 {found[0]:.3f}: {'right' if right else 'wrong'}"
    )


def spread_is_right(study: Study) -> str:
    """Claim (c)."""
    counted = [alpha for alpha in study.weights if alpha <= LARGEST_COUNTED]
    off = [
        float(np.mean([abs(study.mean(free_spread, a) - study.mean(f"expected of {who}", a)) for a in counted]))
        for who in ("a typical network", "this network")
    ]
    right = ["right" if distance <= most else "wrong" for distance, most in zip(off, (0.1, 0.05), strict=True)]
    return f"(c) {study.name}: typical network {off[0]:.3f} ({right[0]}), measured network {off[1]:.3f} ({right[1]})"


def classes_are_right(study: Study) -> Iterator[str]:
    """Claim (d)."""
    measured = study.mean("free by class", study.advised)
    expected = class_variances(study.setting.with_(alpha=study.advised))
    related, means = spearmanr(measured, expected).statistic, thirds(measured)
    held = spearmanr(study.mean("held-out free by class", study.advised), expected).statistic
    right = related >= 0.7 and bool(np.all(np.diff(means) < 0))
    yield (
        f"(d) {study.name}: rank correlation {related:.2f} (images left out: {held:.2f}), thirds {shown(means)}: "
        f"{'right' if right else 'wrong'}"
    )
    due, found = thirds(study.openings), study.read_off
    known = [value for value in found if value is not None]
    right = len(known) == 3 and known == sorted(known) and bool(np.all(np.abs(np.array(known) - due) <= 0.1))
    yield (
        f"(d) {study.name}: thirds leave collapse at {shown(found)}, class_openings {shown(due)}: "
        f"{'right' if right else 'wrong'}"
    )


def lonely_are_right(often: Study, seldom: Study) -> Iterator[str]:
    """Claim (e). often, seldom: how often an anchor is the only one of its class in a batch."""
    asked = thirds(often.openings)[2] - thirds(seldom.openings)[2]
    found, before = often.read_off[2], seldom.read_off[2]
    moved = None if found is None or before is None else found - before
    yield (
        f"(e) the smallest third opens {shown(moved)} later, class_openings {asked:.3f}: "
        f"{'right' if moved is not None and moved >= asked / 2 else 'wrong'}"
    )

    def ratio(values: np.ndarray) -> float:
        first, _, last = thirds(values)
        return float(last / first)

    pairs = [
        (ratio(s.mean("free by class", s.advised)), ratio(class_variances(s.setting.with_(alpha=s.advised))))
        for s in (seldom, often)
    ]
    nearer = abs(1 - pairs[1][0]) < abs(1 - pairs[0][0])
    yield (
        f"(e) free spread of the smallest third over that of the largest: {pairs[0][0]:.2f}, then {pairs[1][0]:.2f} "
        f"(minimum {pairs[0][1]:.2f}, then {pairs[1][1]:.2f}): {'right' if nearer else 'wrong'}"
    )
    share = thirds(often.shares(None))[2]
    yield f"(e) plain SupCon, smallest third, share {share:.3f}: {'right' if share < 0.05 else 'wrong'}"


def plain_as_a_weight(study: Study) -> str:
    """Not fixed before: plain SupCon against the mixture at the mean weight of its anchors, lone ones counted as 1."""
    batch, share = class_batches(study.setting)
    own = (batch.weight / (2 * batch.same + 1)).sum(axis=0) + batch.alone  # two views, k mates: 1 / (2k + 1)
    weight = float(own @ share)
    found = []
    for what in (free_spread, "balanced_probe_fine"):
        there = np.interp(weight, study.weights, [study.mean(what, alpha) for alpha in study.weights])
        found.append(f"{study.mean(what, None):.3f} and {there:.3f}")
    return (
        f"(f) {study.name}: plain SupCon and the mixture at {weight:.3f}, the mean weight of its anchors: free spread "
        f"{found[0]}, fine probe {found[1]}"
    )


def report() -> Iterator[str]:
    studies = {name: Study.read(name) for name in ADVISED if (RECORDED / f"{name}.json").exists()}
    for study in studies.values():
        yield from (f"{study.name}", "", *sweep(study), "", *classes(study), "")
        for probe in ("balanced_probe_fine", "probe_fine"):
            yield weight_is_right(study, probe)
        yield spread_is_right(study)
        yield from (*classes_are_right(study), plain_as_a_weight(study), "")
    if {"tail", "tail-lonely"} <= set(studies):
        yield from lonely_are_right(studies["tail-lonely"], studies["tail"])


if __name__ == "__main__":
    for line in report():
        print(line)
