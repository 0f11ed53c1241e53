"""Measurements and loss values as text for people and as JSON-ready dictionaries."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ssem_advisor.measurement.embeddings import Measurement
from ssem_advisor.measurement.loss_value import LossPlacement
from ssem_advisor.measurement.prediction import Comparison
from ssem_advisor.measurement.spread import Measured, Spread
from ssem_advisor.measurement.structure import Structure
from ssem_advisor.printing import WIDTH, Paint, uncoloured, wrapped

if TYPE_CHECKING:
    from ssem_advisor.documents import (
        Estimated,
        MeasureEmbeddings,
        MeasureLoss,
        SpreadShown,
        StructureShown,
        Theory,
    )

_MANY = 12  # classes listed in full


def painted(verdict: str, paint: Paint) -> str:
    """A verdict in the colour of what it means."""
    if verdict in ("healthy", "optimum"):
        return paint(verdict, "safe")
    return paint(verdict, "collapse" if "collapse" in verdict or verdict == "diverged" else "estimate")


def measurement_text(m: Measurement, paint: Paint = uncoloured, width: int = WIDTH, threads: int | None = None) -> str:
    """The verdict first, then the numbers behind it. threads: of numpy's products, where they are known."""
    lines = [painted(m.verdict, paint), *wrapped(m.meaning, width)]
    lines += [*wrapped(m.remedy, width, "do: ", command=m.diagnosis.command), ""]
    views = "" if m.rows == m.instances else f" with {m.rows / m.instances:.3g} views"
    computed = "" if threads is None else f"; computed with {threads} thread{'s' if threads > 1 else ''}"
    lines += wrapped(f"{m.instances} instances{views}, {m.classes} classes, dim {m.dim}{computed}", width)
    lines += ["", *_parts(m.spread, width)]
    lines += ["", *_theory(m, width), *_classes(m, width)]
    reliability = m.spread.reliability.value if m.spread.reliability else m.view_reliability
    rows = [
        ("within similarity x", m.ssem.within_similarity, "same class, different instances"),
        ("between similarity s", m.ssem.between_similarity, "different classes"),
        ("simplex delta", m.ssem.delta, "0 class collapse, 1 every instance apart"),
        ("simplex residual", m.ssem.residual, "rms distance of inner products from x, s"),
        ("NC1", m.nc1, "0 = classes are points"),
        ("class-distance variance", m.class_distance_variance, "0 = classes are points"),
        ("ETF deviation", m.etf_deviation, "0 = class means form a simplex"),
        ("effective rank", m.effective_rank, "of all embeddings"),
        ("directions", m.spread.directions.value, "that the spread inside a class uses"),
    ]
    if m.view_reliability is not None and reliability is not None:
        rows.append(("view reliability", reliability, "share of the spread not due to augmentation"))
    views = "views of an instance" if m.view_reliability is not None else "instances of a class"
    rows += [
        ("alignment", m.alignment, views),
        ("uniformity", m.uniformity, f"{m.uniformity_pairs} random pairs, seed {m.seed}"),
    ]
    if m.structure is not None:
        rows += [
            ("told by class means", m.structure.by_mean, "share of instances nearest to the mean of their class"),
            ("told by neighbours", m.structure.by_neighbours, "whose nearest instances are of their class"),
        ]
    for name, value, text in rows:
        lines += _row(name, value, text, width)
    for note in m.notes:
        lines += wrapped(note, width, "note: ")
    return "\n".join(lines) + "\n"


def where_the_variance_went(theory: Comparison, reliability: float | None, directions: float) -> str:
    """One sentence from the optimum down to what was measured."""
    parts = [
        ("optimum", theory.optimum),
        ("finite dimension", theory.finite_dimension),
        (f"reliability {reliability or 0:.2f} and {directions:.0f} effective directions", theory.network),
        ("measured", theory.measured),
    ]
    return ", ".join(f"{name} {_number(value)}" for name, value in parts if value is not None)


def measurement_json(m: Measurement, threads: int | None = None) -> MeasureEmbeddings:
    """Numbers unrounded; null where a statistic is undefined."""
    theory: Theory | None = None
    if m.theory is not None:
        theory = {
            "alpha": m.theory.setting.alpha,
            "temperature": m.theory.setting.temperature,
            "threshold": m.theory.threshold,
            "optimum": m.theory.optimum,
            "finite_dimension": m.theory.finite_dimension,
            "network": m.theory.network,
            "measured": m.theory.measured,
            "share_of_optimum": m.theory.share_of_optimum,
            "where_the_variance_went": where_the_variance_went(m.theory, m.view_reliability, m.spread.directions.value),
        }
    found: MeasureEmbeddings = {
        "version": 2,
        "verdict": m.verdict,
        "meaning": m.meaning,
        "remedy": m.remedy,
        "rows": m.rows,
        "instances": m.instances,
        "classes": m.classes,
        "dim": m.dim,
        "within_class_variance": m.within_class_variance,
        "between_class_variance": m.between_class_variance,
        "total_variance": m.total_variance,
        "spread": _spread_json(m.spread),
        "structure": _structure_json(m.structure),
        "intervals": {name: list(interval) for name, interval in m.intervals.items()},
        "per_class": [{"label": label, "within_class_variance": value} for label, value in m.class_variances.items()],
        "nc1": m.nc1,
        "class_distance_variance": m.class_distance_variance,
        "etf_deviation": m.etf_deviation,
        "ssem": {
            "within_similarity": m.ssem.within_similarity,
            "between_similarity": m.ssem.between_similarity,
            "delta": m.ssem.delta,
            "residual": m.ssem.residual,
        },
        "effective_rank": m.effective_rank,
        "effective_dimension": m.effective_dimension,
        "view_reliability": m.view_reliability,
        "alignment": m.alignment,
        "uniformity": {"value": m.uniformity, "pairs": m.uniformity_pairs, "seed": m.seed},
        "theory": theory,
        "threads": threads,
        "notes": list(m.notes),
    }
    return _plain(found)


def _estimated(value: Measured) -> Estimated:
    return {"value": value.value, "interval": [value.low, value.high]}


def _structure_json(structure: Structure | None) -> StructureShown | None:
    if structure is None:
        return None
    return {
        "by_mean": structure.by_mean,
        "by_neighbours": structure.by_neighbours,
        "gap": _estimated(structure.gap),
    }


def _spread_json(spread: Spread) -> SpreadShown:
    def part(estimate: Measured | None) -> Estimated | None:
        return None if estimate is None else _estimated(estimate)

    return {
        "common_mean": part(spread.common_mean),
        "between": part(spread.between),
        "within": part(spread.within),
        "view_noise": part(spread.view_noise),
        "confusion": part(spread.confusion),
        "free_spread": part(spread.free_spread),
        "local_free": part(spread.local_free),
        "free_share": part(spread.free_share),
        "view_reliability": part(spread.reliability),
        "directions": part(spread.directions),
        "missing": spread.missing,
        "classes_left_out": spread.left_out,
        "free_spread_by_class": [
            {"label": label, "free_spread": value} for label, value in spread.free_by_class.items()
        ],
    }


def loss_text(p: LossPlacement, paint: Paint = uncoloured, width: int = WIDTH) -> str:
    """A loss value on the line from total collapse to the optimum."""
    head = f"loss {p.value:g}: {painted(p.verdict, paint)}"
    lines = [head, *wrapped(p.meaning, width), *wrapped(p.remedy, width, "do: "), ""]
    points = [
        ("total collapse", p.total_collapse, "all embeddings equal"),
        ("class collapse", p.class_collapse, "each class one point"),
        ("optimum", p.optimum, "as low as this loss gets"),
        ("this value", p.value, f"{p.position:.0%} of the way to the optimum" if _inside(p.position) else ""),
    ]
    known = [(name, value, text) for name, value, text in points if value is not None]
    for name, value, text in sorted(known, key=lambda point: -point[1]):
        lines += _row(name, value, text, width)
    if p.scale != 1:
        lines += wrapped(f"values carry the factor temperature / base temperature = {p.scale:.4g}", width, "note: ")
    return "\n".join(lines) + "\n"


def loss_json(p: LossPlacement) -> MeasureLoss:
    return _plain({"version": 2, "loss_value": asdict(p)})


# -- pieces ---------------------------------------------------------------------------------------------------------


def _parts(spread: Spread, width: int) -> list[str]:
    """The parts that a squared length of 1 goes to, and what of the rest the common mean leaves."""
    parts = [
        ("common mean", spread.common_mean, ""),
        ("between classes", spread.between, ""),
        ("inside classes", spread.within, ""),
        ("  view noise", spread.view_noise, "what augmentation moves"),
        ("  confusion", spread.confusion, "towards other classes"),
        ("  free spread", spread.free_spread, "beside the classes"),
        ("  locally free", spread.local_free, "beside the nearest classes: an estimate"),
    ]
    lines = [f"{'squared length':<17} {'':>7}   {'share':>6}   95% interval"]
    for name, part, text in parts:
        if part is None:
            continue
        low, high = (_number(min(max(end, 0.0), 1.0)) for end in (part.low, part.high))
        share = "" if name == "common mean" or not spread.available else f"{part.value / spread.available:.1%}"
        row = f"{name:<17} {_number(part.value):>7}   {share:>6}   {low} .. {high}"
        fits = len(row) + 3 + len(text) <= width
        lines += [f"{row}   {text}".rstrip()] if fits else [row, *wrapped(text, width, " " * 28)]
    if spread.missing:
        lines += wrapped(spread.missing, width, "not divided: ")
    return lines


def _theory(m: Measurement, width: int) -> list[str]:
    t = m.theory
    if t is None:
        return []
    lines = wrapped(where_the_variance_went(t, m.view_reliability, m.spread.directions.value), width, "free spread: ")
    if t.why_collapse:
        lines = [*wrapped(f"the optimum is class collapse: {t.why_collapse}", width), *lines]
    elif t.optimum:
        lines = [f"you are at {t.share_of_optimum:.0%} of the optimal free spread", *lines]
    return [*lines, ""]


def _classes(m: Measurement, width: int) -> list[str]:
    ranked = sorted(m.class_variances.items(), key=lambda item: item[1])
    if len(ranked) <= _MANY:
        text = ", ".join(f"{label} {_number(value)}" for label, value in m.class_variances.items())
        return [*wrapped(text, width, "by class: "), ""]
    low = ", ".join(f"{label} {_number(value)}" for label, value in ranked[:3])
    high = ", ".join(f"{label} {_number(value)}" for label, value in ranked[-3:])
    return [*wrapped(f"least {low}; most {high}", width, "by class: "), ""]


def _row(name: str, value: float, text: str, width: int) -> list[str]:
    return wrapped(text, width, f"{name:<24} {_number(value):>9}  ")


def _inside(position: float | None) -> bool:
    return position is not None and 0 <= position <= 1


def _number(value: float) -> str:
    if math.isnan(value):
        return "undefined"
    if abs(value) >= 1e4 or 0 < abs(value) < 1e-3:
        return f"{value:.2g}"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def _plain(value: Any) -> Any:
    """JSON has no NaN or infinity: null instead."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
