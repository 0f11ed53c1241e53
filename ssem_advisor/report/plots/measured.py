"""What was measured beside what was predicted: the points of a `validate` report, and embeddings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssem_advisor.advice import aims
from ssem_advisor.domain import Setting, SettingError
from ssem_advisor.report.plots.canvas import PAPER, Look, Paper, canvas, legend_below
from ssem_advisor.report.plots.shown import headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ssem_advisor.documents import PointOfCurve, Validate
    from ssem_advisor.measurement.embeddings import Measurement


def measured_report(report: Validate, path: str | os.PathLike[str], paper: Paper = PAPER) -> Path:
    """Write measured against predicted free spread, of every point of a `validate` report.

    Two predictions: of a typical network, made before training, and with the view reliability and directions that were
    measured. Free embeddings, which are the minimiser, are held to the theorem. Raises SettingError for a report
    without points.
    """
    points = [(suite["suite"], point) for suite in report["suites"] for point in suite["points"]]
    if not points:
        raise SettingError("--from: this report holds no points yet")
    suites = list(dict.fromkeys(name for name, _ in points))
    networks = suites != ["embeddings"]
    what = "free spread" if networks else "within-class variance"
    title = f"Measured against predicted {what}"
    heading = f"{', '.join(suites)}; {len(points)} point{'s' * (len(points) != 1)}; verdict: {report['verdict']}"
    series: dict[str, tuple[Callable[[PointOfCurve], float | None], dict[str, Any]]] = {
        "typical network, before training": (lambda p: p.get("typical"), {"marker": "s", "fillstyle": "none"}),
        "network as measured": (_estimated, {"marker": "o"}),
        "theorem": (lambda p: p["optimum"], {"marker": "D", "markersize": 3}),
    }
    # One safe range is drawn where the report is about one dimension and number of classes.
    trained = {(s["protocol"]["classes"], s["protocol"]["dim"]) for s in report["suites"] if s["suite"] != "embeddings"}
    ranges = [aims(Setting(classes=classes, dim=dim))[1] for classes, dim in trained]
    with canvas(path, paper, (6.4, 6.0), title, heading) as (figure, axes, look):
        most = 0.1
        for rank, (label, (predict, drawn)) in enumerate(series.items()):
            mine = [p for suite, p in points if (suite == "embeddings") == (label == "theorem")]
            pairs = [(x, p.get("free_spread", p["own_variance"])) for p in mine if (x := predict(p)) is not None]
            if not pairs:
                continue
            across, y = np.array([x for x, _ in pairs]), np.array([value["mean"] for _, value in pairs])
            low, high = (
                np.array([value["mean"] if value[end] is None else value[end] for _, value in pairs])
                for end in ("low", "high")
            )
            colour = look.line(rank / 2)
            axes.vlines(across, np.minimum(low, y), np.maximum(high, y), color=colour, linewidth=0.9)
            axes.plot(across, y, linestyle="none", label=label, color=colour, **{"markersize": 6} | drawn)
            most = max(most, float(across.max()), float(y.max()))
        _diagonal(axes, look, 1.06 * most, ranges[0] if len(ranges) == 1 else None)
        axes.set(xlabel="predicted", ylabel="measured, with 95 % interval" if networks else "measured")
        legend_below(figure)
    return Path(path)


def _estimated(point: PointOfCurve) -> float | None:
    estimate = point.get("estimate")
    return None if estimate is None else estimate["mean"]


def measured_embeddings(found: Measurement, path: str | os.PathLike[str], paper: Paper = PAPER) -> Path:
    """Write the free spread of embeddings beside what theory predicts for their setting, step by step.

    Raises SettingError where the measurement was made without a setting that theory covers.
    """
    theory, spread = found.theory, found.spread.free_spread
    if theory is None:
        why = "; ".join(found.notes) or "give --temperature and --alpha"
        raise SettingError(f"--from: no prediction to draw beside these embeddings: {why}")
    steps = [
        ("optimum, unlimited dimension\n(theorem)", theory.optimum),
        (f"optimum, dimension {found.dim}\n(estimate)", theory.finite_dimension),
        ("network as measured\n(estimate)", theory.network),
        ("measured", theory.measured),
    ]
    rows = [(name, value) for name, value in steps if value is not None]
    s = theory.setting
    alpha = "plain SupCon" if s.alpha is None else f"α {s.alpha:g}"
    heading = f"{found.instances} instances, {headline(s)}, {alpha}, temperature {s.temperature:g}"
    with canvas(path, paper, (7.4, 3.6), f"Free spread: {found.verdict}", heading, left=2.3) as (_, axes, look):
        _, safe = aims(s)
        axes.axvspan(*safe, color=look.safe, linewidth=0)
        axes.text(safe[0] + 0.005, -0.62, "safe range", va="center", color=look.safe_ink, fontsize=9)
        for place, (_, value) in enumerate(rows):
            last = place == len(rows) - 1
            axes.barh(place, value, height=0.5, color=look.ink if last else look.edge)
            end = max(value, spread.high) if last and spread is not None else value
            axes.text(end + 0.008, place, f"{value:.3f}", va="center", path_effects=look.halo())
        if spread is not None:
            ends = [max(spread.low, 0.0), spread.high]
            axes.plot(ends, [len(rows) - 1] * 2, color=look.bad, linewidth=2.5, label="95 % interval")
            axes.legend(loc="lower right")
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        most = max(*(value for _, value in rows), safe[1])
        axes.set(xlim=(0, 1.15 * most), ylim=(len(rows) - 0.5, -0.9), xlabel="free spread")
    return Path(path)


def _diagonal(axes: Axes, look: Look, most: float, safe: tuple[float, float] | None) -> None:
    """Equal axes from 0 with the line on which the prediction holds, and the safe range across where there is one."""
    if safe is not None:
        axes.axhspan(*safe, color=look.safe, linewidth=0, zorder=0)
        axes.text(0.98 * most, safe[0] + 0.01 * most, "safe range", ha="right", color=look.safe_ink, fontsize=9)
    axes.plot([0, most], [0, most], color=look.soft, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.text(
        0.9 * most, 0.92 * most, "as predicted", ha="right", fontsize=9, color=look.soft, path_effects=look.halo()
    )
    axes.set(xlim=(0, most), ylim=(0, most))
    axes.set_aspect("equal")
    axes.grid()
