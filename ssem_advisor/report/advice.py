"""An Advice as text for an 80-column terminal and as JSON."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Iterator
from typing import Any

from ssem_advisor.advice import Advice, Alternative, Point
from ssem_advisor.domain import FIELDS

VERSION = 1
WIDTH = 80

# -- JSON --------------------------------------------------------------------------------------------------------------


def to_dict(advice: Advice, assumed: tuple[str, ...] | None = None) -> dict[str, Any]:
    """The answer as plain data, numbers unrounded; see schemas/recommend.schema.json. null stands for "no value"."""
    setting: dict[str, Any] = {name: getattr(advice.setting, name) for name in FIELDS}
    setting["class_counts"] = list(setting["class_counts"]) if setting["class_counts"] else None
    setting["assumed"] = list(advice.assumed)
    point, similarities = advice.recommended, advice.similarities or (None, None)
    reference = advice.reference or (None, None, None)
    return {
        "version": VERSION,
        "setting": setting,
        "alpha": _range(advice.alpha),
        "temperature": _range(advice.temperature),
        "predicted": {
            "within_class_variance": point.within_class_variance if point else None,
            "optimal_within_class_variance": point.optimal_variance if point else None,
            "trained_within_class_variance": point.trained_variance if point else None,
            "between_class_variance": point.between_class_variance if point else None,
            "within_similarity": similarities[0],
            "between_similarity": similarities[1],
        },
        "given": _point(advice.given),
        "recommended": _point(advice.recommended),
        "target_variance": advice.target_variance,
        "band": list(advice.band),
        "plain_supcon": {"alpha_equivalent": advice.plain_alpha, "collapses": True},
        "anchors_without_positive": advice.lonely,
        "class_thresholds": None if advice.thresholds is None else [_finite(float(t)) for t in advice.thresholds],
        "reference_losses": {
            "total_collapse": _finite(reference[0]),
            "class_collapse": _finite(reference[1]),
            "optimum": _finite(reference[2]),
        },
        "alternatives": [
            {
                "change": a.change,
                "collapse_threshold": _finite(a.collapse_threshold),
                "safe": list(a.safe) if a.safe else None,
                "recommended": a.recommended,
            }
            for a in advice.alternatives
        ],
        "regime": advice.regime,
        "theorems": list(advice.theorems),
        "notes": list(advice.notes),
    }


def _finite(value: float | None) -> float | None:
    """JSON has no infinity and no NaN: null, and a note says why."""
    return value if value is not None and math.isfinite(value) else None


def _range(of: Any) -> dict[str, Any]:
    return {
        "collapse_threshold": _finite(of.collapse_threshold),
        "safe": list(of.safe) if of.safe else None,
        "recommended": of.recommended,
    }


def _point(point: Point | None) -> dict[str, Any] | None:
    return None if point is None else dataclasses.asdict(point)


# -- text --------------------------------------------------------------------------------------------------------------


def show(value: float | None, digits: int = 3) -> str:
    """A number for people."""
    if value is None:
        return "-"
    if math.isinf(value):
        return "none"
    return f"{value:.{digits}g}"


def inward(low: float, high: float, digits: int = 3) -> tuple[str, str]:
    """Both ends of a safe interval rounded so that they stay inside it."""
    for more in range(digits, 17):
        lower, upper = _rounded(low, more, math.ceil), _rounded(high, more, math.floor)
        if low <= float(lower) <= float(upper) <= high:
            return lower, upper
    return repr(low), repr(high)


def upward(value: float, digits: int = 3) -> str:
    """A threshold rounded up: whoever stays above the printed number stays above the true one."""
    return _rounded(value, digits, math.ceil) if math.isfinite(value) else "none"


def downward(value: float, digits: int = 3) -> str:
    return _rounded(value, digits, math.floor) if math.isfinite(value) else "none"


def _rounded(value: float, digits: int, step: Any) -> str:
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    scaled = step(value * 10.0**places) / 10.0**places
    # The quotient may land on the wrong side of the value by one rounding.
    if step is math.ceil and scaled < value:
        scaled = (step(value * 10.0**places) + 1) / 10.0**places
    if step is math.floor and scaled > value:
        scaled = (step(value * 10.0**places) - 1) / 10.0**places
    return f"{scaled:.{digits}g}"


def to_text(advice: Advice, bold: Any = str) -> str:
    """The answer for a terminal; `bold` styles headings."""
    return "\n".join(_lines(advice, bold)) + "\n"


def _lines(advice: Advice, bold: Any) -> Iterator[str]:
    yield from _heading(advice, bold)
    yield ""
    yield from _verdict(advice, bold)
    if advice.recommended is not None:
        yield ""
        yield from _recommended(advice, advice.recommended, bold)
    yield ""
    yield from _ranges(advice, bold)
    if advice.thresholds is not None:
        yield from _by_class(advice)
    if advice.reference is not None:
        yield ""
        yield bold("The loss on your screen")
        total, collapsed, best = advice.reference
        yield f"  {show(total, 4):>7}  all embeddings equal: a run stuck here has not started"
        yield f"  {show(collapsed, 4):>7}  every class on one point"
        yield f"  {show(best, 4):>7}  the optimum at the recommended setting"
    if advice.alternatives:
        yield ""
        yield from _alternatives(advice.alternatives, advice, bold)
    if advice.notes:
        yield ""
        yield bold("Notes")
        for note in advice.notes:
            yield from textwrap.wrap(note, WIDTH, initial_indent="  - ", subsequent_indent="    ")
    if advice.theorems:
        yield ""
        keys = ", ".join(advice.theorems)
        yield from textwrap.wrap(f"Why: ssem-advisor explain KEY, with KEY one of {keys}.", WIDTH)


def describe_batch(setting: Any) -> str:
    if setting.sampler == "full":
        return "the whole data set in one batch"
    if setting.sampler == "balanced":
        drawn = setting.classes_per_batch
        each = setting.batch_size // (drawn or setting.classes)
        return f"balanced batches of {setting.batch_size}" + (
            f" ({drawn} classes x {each})" if drawn else f" ({each} of each class)"
        )
    return f"random batches of {setting.batch_size}"


_ASSUMED = {
    "loss": lambda s: f"the {s.loss} loss",
    "views": lambda s: f"{s.views} views",
    "sampler": lambda s: f"a {s.sampler} sampler",
    "batch_size": lambda s: f"batch size {s.batch_size}",
    "instances_per_class": lambda s: "an unlimited data set",
    "dim": lambda s: "a dim large enough for the exact theory",
}


def _heading(advice: Advice, bold: Any) -> Iterator[str]:
    s = advice.setting
    dim = "any dim" if s.dim is None else f"dim {s.dim}"
    yield bold(f"{s.classes} classes, {dim}, {s.loss}, {s.views} view{'s' * (s.views != 1)}, {describe_batch(s)}")
    assumed = [_ASSUMED[name](s) for name in advice.assumed if name in _ASSUMED]
    if assumed:
        yield from textwrap.wrap(
            f"Assumed, because not given: {', '.join(assumed)}.", WIDTH, initial_indent="  ", subsequent_indent="  "
        )


_STATES = {
    "collapse": "class collapse is the optimum: instances of a class end on one point",
    "too little": "no full collapse, but less within-class variance than the safe band",
    "safe": "safe",
    "too much": "so much within-class variance that class structure is lost",
    "not covered": "not covered by a theorem, see the notes",
}


def _verdict(advice: Advice, bold: Any) -> Iterator[str]:
    given = advice.given
    if given is not None:
        line = f"Your alpha = {given.alpha:g}, temperature = {given.temperature:g}: {_STATES[given.state]}"
        expected = given.within_class_variance
        if expected is not None and given.state not in ("collapse", "not covered"):
            line += f" (expected within-class variance {show(expected)})"
        yield from _wrap(bold, line + ".")
    elif advice.setting.loss == "supcon":
        yield from _wrap(
            bold, "Plain SupCon, without a self-supervised term, collapses every class at every temperature here."
        )
    else:
        yield from _wrap(bold, "Without a weight on the self-supervised term every class collapses.")
    if given is not None and advice.setting.loss == "supcon":
        equivalent = "" if advice.plain_alpha is None else f" (it is alpha = {show(advice.plain_alpha)})"
        yield f"  Plain SupCon{equivalent} collapses here at every temperature."


def _wrap(bold: Any, text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, WIDTH):
        yield bold(line)


def _recommended(advice: Advice, point: Point, bold: Any) -> Iterator[str]:
    # The shown weight must be safe as printed.
    alpha = show(point.alpha)
    if advice.alpha.safe and not advice.alpha.safe[0] <= float(alpha) <= advice.alpha.safe[1]:
        alpha = inward(point.alpha, advice.alpha.safe[1])[0]
    yield bold(f"Start from   alpha = {alpha}   temperature = {show(point.temperature)}")
    expected, optimum = point.within_class_variance, point.optimal_variance
    if expected is None:
        return
    label = "exact" if advice.regime == "exact" else "estimate"
    yield f"  within-class variance   {show(expected):<8} ({label}" + (
        f"; {show(optimum)} with unlimited dim)" if label == "estimate" and optimum is not None else ")"
    )
    if point.trained_variance is not None:
        yield f"  in trained networks     {show(point.trained_variance, 2):<8} (estimate fitted on recorded runs)"
    yield f"  between-class variance  {show(1 - expected)}"
    if advice.similarities:
        within, between = advice.similarities
        yield f"  mean cosine             {within:.2f} within a class, {between:.3f} between classes"


def _ranges(advice: Advice, bold: Any) -> Iterator[str]:
    low, high = advice.band
    yield bold(f"Safe ranges (within-class variance {low:g} to {high:g})")
    tau, alpha = advice.temperature, advice.alpha
    at_tau = tau.recommended or advice.setting.temperature or 0.1
    at_alpha = advice.setting.alpha if advice.setting.alpha is not None else alpha.recommended
    if alpha.safe:
        a, b = inward(*alpha.safe)
        yield f"  alpha        {a} to {b}   at temperature {show(at_tau)}"
    else:
        yield f"  alpha        none at temperature {show(at_tau)}"
    if at_alpha is not None:
        if tau.safe:
            a, b = inward(*tau.safe)
            yield f"  temperature  {a} to {b}   at alpha {show(at_alpha)}"
        elif "temperature is not covered" in " ".join(advice.notes):
            yield "  temperature  not covered here, see the notes"
        else:
            yield f"  temperature  none at alpha {show(at_alpha)}"
    yield bold("Some class is collapsed" if advice.thresholds is not None else "Class collapse is the optimum")
    if alpha.collapse_threshold is None:
        yield "  not covered here, see the notes"
    elif alpha.collapse_threshold >= 1:
        yield f"  at every alpha (threshold {upward(alpha.collapse_threshold)}) at temperature {show(at_tau)}"
    else:
        yield f"  for alpha up to {upward(alpha.collapse_threshold)} at temperature {show(at_tau)}"
    if tau.collapse_threshold is not None:
        if tau.collapse_threshold == 0:
            yield f"  at every temperature at alpha {show(at_alpha)}"
        elif math.isinf(tau.collapse_threshold):
            yield f"  at no temperature at alpha {show(at_alpha)}"
        else:
            yield f"  for temperature from {downward(tau.collapse_threshold)} at alpha {show(at_alpha)}"


def _by_class(advice: Advice) -> Iterator[str]:
    import numpy as np

    thresholds = advice.thresholds
    if thresholds is None:
        return
    known = thresholds[np.isfinite(thresholds)]
    if not known.size:
        return
    low, middle, high = float(known.min()), float(np.median(known)), float(known.max())
    yield f"  full collapse gives way by class: first {show(low)}, median {show(middle)}, last {upward(high)}"


def _alternatives(rows: tuple[Alternative, ...], advice: Advice, bold: Any) -> Iterator[str]:
    tau = advice.temperature.recommended or advice.setting.temperature or 0.1
    yield bold(f"If instead (at temperature {show(tau)})".ljust(32)) + "threshold   safe alpha         start from"
    for row in rows:
        threshold = "-" if row.collapse_threshold is None else upward(row.collapse_threshold)
        safe = "none" if row.safe is None else " to ".join(inward(*row.safe))
        yield f"  {row.change:<29} {threshold:<11} {safe:<18} {show(row.recommended)}".rstrip()
