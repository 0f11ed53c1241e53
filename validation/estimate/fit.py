"""How well the predictions meet the free spread recorded in this folder, and which default the records ask for.

    python validation/estimate/fit.py

Reads every runs.jsonl of equal classes and writes fit.json. Three predictions of the free spread at each weight: of a
perfect network (finite dimension alone), of a typical one (made without looking at the run), and of the one that was
measured (its view reliability and directions). Probes lost are against the best point of the whole sweep over that data
set, all temperatures together, at the weight that a typical network is expected to need for a wanted free spread.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import gammaln, ive

from ssem_advisor.experiments.curves import estimate
from ssem_advisor.experiments.record import Record
from ssem_advisor.theory.batches import batch_of
from ssem_advisor.theory.network import PERFECT, alpha_for_free_spread, expected_free_spread, typical

HERE = Path(__file__).parent
WANTED = (0.1, 0.15, 0.2, 0.25, 0.3)
PREDICTIONS = ("measured", "typical", "perfect", "divided", "with_mean")
USEFUL = 0.7
"""Weights up to which the error is given beside that of all: above it no study had its best probe."""


def with_measured_mean(record: Record) -> float:
    """The estimate for the measured network with the measured common mean, which moves classes apart less.

    The similarity between classes is (classes * mean - 1 + v) / (classes - 1) instead of its value at mean 0.
    """
    setting, tau, alpha = record.setting, record.temperature, record.alpha
    batch, m, left = batch_of(setting), setting.classes, 1.0 - record.left
    weight = batch.weight[:, 0] if batch.weight.ndim > 1 else batch.weight
    same, other = (np.average(np.ravel(x), weights=np.ravel(weight)) for x in (batch.same, batch.other))
    rho, directions = min(max(record.reliability, 0.01), 1.0), max(record.effective_dim or 1.0, 1.0)
    own = 1.0 if setting.loss == "ssem" else (setting.views - 1) / setting.views
    order, v = directions / 2 - 1, np.linspace(1e-6, 1.0 - left, 2000)
    log_mean = gammaln(directions / 2) + order * np.log(2 * tau / v) + np.log(ive(order, v / tau)) + v / tau
    between = (m * left - (1 - v)) / (m - 1)
    near, view = np.log(same) + log_mean + (1 - v) / tau, np.log(own) + (1 - v + rho * v) / tau
    total = np.logaddexp(np.logaddexp(near, view), np.log(other) + log_mean + between / tau)
    loss = total - (1 - alpha) * (1 - v) / tau - alpha * (1 - v + rho * v) / tau
    return float(rho * v[np.argmin(loss)])


class Curve:
    """The runs of one study at one temperature, means over seeds."""

    def __init__(self, runs: list[Record]) -> None:
        self.setting, self.alphas = runs[0].setting, np.array(sorted({r.alpha for r in runs}))
        groups = [[r for r in runs if r.alpha == a] for a in self.alphas]
        self.seeds, self.free_is_measured = len({r.seed for r in runs}), runs[0].free_spread is not None

        def mean(value: Any) -> np.ndarray:
            return np.array([np.mean([value(r) for r in group]) for group in groups])

        self.free, self.measured = mean(lambda r: r.free), mean(estimate)
        self.divided = mean(lambda r: estimate(r) * min(max(r.free / r.own_variance, 0.0), 1.0))
        self.with_mean = mean(with_measured_mean)
        at = [self.setting.with_(alpha=a) for a in self.alphas]
        self.typical = np.array([expected_free_spread(s, typical(s)) for s in at])
        self.perfect = np.array([expected_free_spread(s, PERFECT) for s in at])
        self.probes = {
            kind: mean(lambda r, kind=kind: getattr(r, f"probe_{kind}"))
            for kind in ("fine", "coarse") if runs[0].probe_fine is not None
        }  # fmt: skip

    def errors(self) -> dict[str, Any]:
        """Mean distance of each prediction to the measured free spread, over all weights and up to USEFUL."""
        useful = self.alphas <= USEFUL
        found: dict[str, Any] = {"seeds": self.seeds, "points": len(self.alphas)}
        for name in PREDICTIONS:
            distance = np.abs(getattr(self, name) - self.free)
            found[name] = [round(float(d.mean()), 4) for d in (distance, distance[useful])]
        return found


def curves() -> dict[str, dict[float, Curve]]:
    """Study -> temperature -> curve."""
    found: dict[str, dict[float, Curve]] = {}
    for path in sorted(HERE.parent.glob("*/runs.jsonl")):
        runs = [Record.from_dict(json.loads(line)) for line in path.read_text().splitlines()]
        if runs[0].suite == "embeddings" or runs[0].setting.unequal:
            continue
        trained = [r for r in runs if not r.why_untrained()]
        groups = {t: [r for r in trained if r.temperature == t] for t in sorted({r.temperature for r in trained})}
        found[path.parent.name] = {t: Curve(group) for t, group in groups.items()}
    return found


def lost(study: dict[float, Curve]) -> dict[str, Any]:
    """For each temperature and wanted free spread: the weight, what was reached there, and the accuracy lost."""
    best = {kind: max(float(c.probes[kind].max()) for c in study.values()) for kind in ("fine", "coarse")}
    found: dict[str, Any] = {"best": {k: round(v, 4) for k, v in best.items()}}
    for temperature, curve in study.items():
        for wanted in WANTED:
            alpha = float(alpha_for_free_spread(curve.setting, wanted, typical(curve.setting)))
            if alpha > 1:
                continue
            row = {"alpha": alpha, "reached": float(PchipInterpolator(curve.alphas, curve.free)(alpha))}
            for kind in ("fine", "coarse"):
                row[f"{kind}_lost"] = best[kind] - float(PchipInterpolator(curve.alphas, curve.probes[kind])(alpha))
            found[f"temperature {temperature:g}, wanted {wanted:g}"] = {k: round(v, 4) for k, v in row.items()}
    return found


def main() -> None:
    found = curves()
    report: dict[str, Any] = {"errors": {}, "probe_lost": {}}
    for name, study in found.items():
        report["errors"][name] = {f"{t:g}": curve.errors() for t, curve in study.items()}
        if all(curve.probes for curve in study.values()):
            report["probe_lost"][name] = lost(study)
    groups = {
        "images": lambda name, t: name.startswith("cifar"),
        "images, temperature up to 0.1": lambda name, t: name.startswith("cifar") and t <= 0.1,
        "images not looked at before": lambda name, t: name in ("cifar10-vehicles", "cifar100-merged-10"),
        "crowded images": lambda name, t: name in ("cifar100-merged-50", "cifar100-fine"),
        "digits and Gaussians": lambda name, t: not name.startswith("cifar"),
    }
    for group, belongs in groups.items():
        rows = [c.errors() for name, study in found.items() for t, c in study.items() if belongs(name, t)]
        report.setdefault("mean_error", {})[group] = {
            k: [round(float(np.mean([row[k][i] for row in rows])), 4) for i in (0, 1)]
            for k in PREDICTIONS
        }  # fmt: skip
    report["columns"] = ["over all weights", f"over weights up to {USEFUL:g}"]
    (HERE / "fit.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
