"""The answer to `recommend` for a setting with extras (l_in, queue, features, two temperatures, cross-entropy)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ssem_advisor.domain import NotCovered, Setting
from ssem_advisor.printing import WIDTH, Meaning, Paint, uncoloured, wrapped
from ssem_advisor.report.advice import setting_dict
from ssem_advisor.rounding import above, below
from ssem_advisor.theory.collapse import optimal_variance
from ssem_advisor.theory.regime import CollapseLimits, collapse_limits
from ssem_advisor.theory.registry import theorem

if TYPE_CHECKING:
    from ssem_advisor.documents import RecommendExtended

# Where no temperature is given the answer is for this one, as elsewhere.
TEMPERATURE = 0.1


def completed(setting: Setting) -> tuple[Setting, tuple[str, ...]]:
    """Temperature and batch filled in where the answer needs them, and what was assumed."""
    from ssem_advisor.advice import complete

    assumed: tuple[str, ...] = ()
    if setting.temperature is None:
        setting, assumed = setting.with_(temperature=TEMPERATURE), ("temperature",)
    if setting.queue is not None:
        return setting, assumed
    filled, more = complete(setting)
    return filled, (*assumed, *more)


def state(alpha: float | None, limits: CollapseLimits) -> Literal["collapse", "above", "not covered"] | None:
    """What the limits say of a weight: "collapse", "not covered" (between the limits), "above", None without one."""
    if alpha is None:
        return None
    if alpha <= limits.collapse_up_to:
        return "collapse"
    return "above" if alpha > limits.open_above else "not covered"


def optimum(setting: Setting) -> float | None:
    """The optimal within-class variance in unlimited dimension, None where no theorem gives it."""
    try:
        return None if setting.alpha is None else float(optimal_variance(setting.with_(dim=None)))
    except NotCovered:
        return None


def to_dict(setting: Setting) -> RecommendExtended:
    """The answer as plain data, numbers unrounded; null stands for "no value"."""
    full, assumed = completed(setting)
    limits = collapse_limits(full)
    return {
        "version": 2,
        "setting": setting_dict(full, assumed),
        "collapse_up_to": _number(limits.collapse_up_to),
        "open_above": _number(limits.open_above),
        "kind": limits.kind,
        "given": state(full.alpha, limits),
        "optimal_within_class_variance": optimum(full),
        "theorems": list(limits.theorems),
    }


def _number(value: float) -> float | None:
    return value if value < float("inf") else None


_KINDS = {
    "exact": "Proven: collapse is the global minimum up to this weight, and not above it.",
    "local": (
        "Local: above this weight the collapsed state gives way. Below it the state is stable; that nothing else is "
        "better there is not proven."
    ),
    "bound": (
        "The threshold lies between the two, wherever weight decay leaves the classifier. Below the first collapse is "
        "the minimum, above the second it is not."
    ),
}
_STATES = {
    "collapse": "class collapse is the minimum, or a stable state",
    "above": "above the threshold: classes keep some spread",
    "not covered": "between the two limits: not covered, because it depends on the classifier's weight decay",
}


_MEANINGS: dict[str, Meaning] = {"collapse": "collapse", "above": "safe", "not covered": "estimate"}


def to_text(setting: Setting, paint: Paint = uncoloured, width: int = WIDTH) -> str:
    """The answer for a terminal of so many columns."""
    full, assumed = completed(setting)
    limits = collapse_limits(full)
    using = ", ".join(f"{name} {getattr(full, name)}" for name in full.extras)
    title = wrapped(f"{full.classes} classes, temperature {full.temperature:g}, {using}", width)
    lines = [paint(line, "heading") for line in title]
    if assumed:
        lines += wrapped(f"Assumed: {', '.join(f'{name} {getattr(full, name)}' for name in assumed)}.", width)
    lines.append("")
    if limits.collapse_up_to >= 1:
        lines += wrapped("No weight alpha prevents class collapse at this temperature: lower it.", width)
    elif limits.open_above > limits.collapse_up_to:
        lines.append(f"Collapse is the minimum up to alpha {below(limits.collapse_up_to)}.")
        far = limits.open_above < 1
        lines.append(
            f"Above alpha {above(limits.open_above)} it is not." if far else "No weight is known to prevent it."
        )
    else:
        lines.append(f"Collapse threshold: alpha must be larger than {above(limits.open_above)}.")
    lines += ["", *wrapped(_KINDS[limits.kind], width)]
    if (said := state(full.alpha, limits)) is not None:
        lines += [paint(line, _MEANINGS[said]) for line in wrapped(f"alpha {full.alpha:g}: {_STATES[said]}.", width)]
        variance = optimum(full)
        if variance is not None and said == "above":
            lines += wrapped(f"Optimal within-class variance in unlimited dimension: {variance:.3g}.", width)
    lines += ["", *wrapped(_ADVICE, width), "", paint("Theorems", "heading")]
    for key in limits.theorems:
        lines += wrapped(f"{key}: {theorem(key).title}", width, "  ", "    ")
    return "\n".join(lines) + "\n"


_ADVICE = (
    "How far above the threshold to go is not covered by a theorem here. Start clearly above it, and look at the "
    "spread of a short run with `ssem-advisor measure`."
)
