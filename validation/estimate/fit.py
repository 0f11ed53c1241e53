"""How well the predictions meet the variances recorded in this folder, and which defaults the records ask for.

    python validation/estimate/fit.py

Reads every runs.jsonl of equal classes and writes fit.json. Derived: the optimum, and the estimate for a given view
reliability and effective dimension. Fitted here: two constants of what to expect where neither is known,

    reliability r,    effective dimension (dim - classes + 1) / (1 + (temperature / t)^2).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from ssem_advisor import Setting, expected_variance, optimal_variance
from ssem_advisor.theory.estimates import alpha_for_expected_variance

HERE = Path(__file__).parent
TARGETS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
RELIABILITIES, SCALES = (1.0, 0.96, 0.94, 0.92, 0.9, 0.85), (0.2, 0.3, 0.4, 0.6, 1e6)


class Curve:
    """The runs of one study at one temperature, means over seeds."""

    def __init__(self, name: str, runs: list[dict]) -> None:
        self.name, self.setting = name, Setting(**runs[0]["setting"])
        self.alphas = np.array(sorted({r["alpha"] for r in runs}))
        groups = [[r for r in runs if r["alpha"] == a] for a in self.alphas]
        self.variance = np.array([np.mean([r["variance"] for r in g]) for g in groups])
        self.reliability = np.clip([np.mean([r["reliability"] for r in g]) for g in groups], 0.02, 1)
        self.dimension = np.maximum([np.mean([r["effective_dim"] for r in g]) for g in groups], 1)
        fine = [np.mean([r["probe_fine"] for r in g]) for g in groups if "probe_fine" in g[0]]
        self.probe = np.array(fine) if fine else None

    def options(self, reliability: float, scale: float) -> dict:
        s = self.setting
        dimension = (s.dim - s.classes + 1) / (1 + (s.temperature / scale) ** 2)
        return {"view_reliability": reliability, "effective_dim": max(dimension, 1.0)}

    def reached(self, target: float, **options: float) -> float | None:
        """Measured variance at the weight that the estimate gives for the target, over the target."""
        alpha = float(alpha_for_expected_variance(self.setting, target, **options))
        return float(PchipInterpolator(self.alphas, self.variance)(alpha)) / target if alpha <= 1 else None


def curves() -> list[Curve]:
    found = []
    for path in sorted(HERE.parent.glob("*/runs.jsonl")):
        runs = [json.loads(line) for line in path.read_text().splitlines()]
        if runs[0]["suite"] == "embeddings" or "class_counts" in runs[0]["setting"]:
            continue
        for temperature in sorted({r["temperature"] for r in runs}):
            found.append(
                Curve(f"{path.parent.name} at {temperature}", [r for r in runs if r["temperature"] == temperature])
            )
    return found


def errors(found: list[Curve], options_of) -> dict:
    ratios = [r for c in found for t in TARGETS if (r := c.reached(t, **options_of(c))) is not None]
    off = np.abs(np.array(ratios) - 1)
    return {"mean": round(float(off.mean()), 3), "largest": round(float(off.max()), 3),
            "within_25_percent": round(float((off <= 0.25).mean()), 3), "targets_tried": len(off)}  # fmt: skip


def main() -> None:
    found = curves()
    report: dict = {"curves": {}}
    for c in found:
        at = c.setting.with_(alpha=c.alphas)
        own = [
            expected_variance(c.setting.with_(alpha=a), r, d)
            for a, r, d in zip(c.alphas, c.reliability, c.dimension, strict=True)
        ]
        named = {
            "optimum": optimal_variance(at),
            "finite dimension": expected_variance(at, 1.0, max(c.setting.dim - c.setting.classes + 1, 1)),
            "measured reliability and dimension": own,
        }
        report["curves"][c.name] = {k: round(float(np.abs(v - c.variance).mean()), 4) for k, v in named.items()}
    kinds = next(iter(report["curves"].values()))
    report["mean_error"] = {k: round(float(np.mean([v[k] for v in report["curves"].values()])), 4) for k in kinds}

    report["asked_against_reached"] = {
        "optimum": errors(found, lambda c: {"view_reliability": 1.0, "effective_dim": 1e6}),
        "finite dimension": errors(found, lambda c: c.options(1.0, 1e6)),
    }
    grid = {(r, t): errors(found, lambda c, r=r, t=t: c.options(r, t)) for r in RELIABILITIES for t in SCALES}
    best = min(grid, key=lambda key: grid[key]["mean"])
    report["fitted"] = {"reliability": best[0], "temperature_scale": best[1], **grid[best]}

    report["probe_lost_by_target"] = {}
    for target in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4):
        lost = []
        for c in found:
            alpha = float(alpha_for_expected_variance(c.setting, target, **c.options(*best)))
            if c.probe is not None and alpha <= 1:
                lost.append(c.probe.max() - np.interp(alpha, c.alphas, c.probe))
        report["probe_lost_by_target"][str(target)] = round(float(np.mean(lost)), 4)
    (HERE / "fit.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
