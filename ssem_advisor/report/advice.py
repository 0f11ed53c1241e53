"""An Advice as JSON and as text for a terminal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ssem_advisor.advice import Advice, Basis, Code, NetworkOrigin, Note, Point, Range, State
from ssem_advisor.domain import FIELDS, Setting
from ssem_advisor.printing import WIDTH, Paint, table, uncoloured, wrapped
from ssem_advisor.report.words import ASSUMED, MEANINGS, PURPOSES, STATES, describe_batch, words
from ssem_advisor.rounding import above, below, inward, show, within
from ssem_advisor.theory.regime import CollapseLimits

if TYPE_CHECKING:
    from ssem_advisor.documents import KnobRange, LimitsShown, PointShown, Recommend, SettingFields


# -- JSON --------------------------------------------------------------------------------------------------------------


def setting_dict(setting: Setting, assumed: Sequence[str]) -> SettingFields:
    """A setting as plain data, with the names of what was not given."""
    fields: Any = {name: getattr(setting, name) for name in FIELDS} | {"assumed": list(assumed)}
    return fields | {"class_counts": list(setting.class_counts) if setting.class_counts else None}


def to_dict(advice: Advice) -> Recommend:
    """The answer as plain data, numbers unrounded; null stands for "no value"."""
    point, similarities = advice.recommended, advice.similarities or (None, None)
    reference = advice.reference or (None, None, None)
    network, limits = advice.network, advice.limits
    return {
        "version": 2,
        "setting": setting_dict(advice.setting, advice.assumed),
        "network": {
            "origin": advice.origin,
            "view_reliability": network.view_reliability,
            "reliability_range": list(network.reliability_range) if network.reliability_range else None,
            "directions": network.directions,
        },
        "alpha": _range(advice.alpha),
        "temperature": _range(advice.temperature),
        "limits": _limits(limits, advice.limits_temperature),
        "given_limits": _limits(advice.given_limits, advice.setting.temperature),
        "recommended": _point(advice.recommended),
        "given": _point(advice.given),
        "plan": [{"purpose": trial.purpose, **_as_dict(trial.point)} for trial in advice.plan],
        "predicted": {
            "free_spread": point.free_spread if point else None,
            "within_class_variance": point.within_class_variance if point else None,
            "optimal_within_class_variance": point.optimal_variance if point else None,
            "within_similarity": similarities[0],
            "between_similarity": similarities[1],
        },
        "wanted_free_spread": advice.wanted,
        "safe_free_spread": list(advice.safe_spread),
        "plain_supcon": {"alpha_equivalent": advice.plain_alpha, "collapses": True},
        "anchors_without_positive": advice.lonely,
        "class_thresholds": None
        if limits is None or limits.per_class is None
        else [_finite(float(threshold)) for threshold in limits.per_class],
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
        "notes": [
            {"code": str(note.code), "values": _plain(note.values), "text": words(note)} for note in advice.notes
        ],
    }


def _finite(value: float | None) -> float | None:
    """JSON has no infinity and no NaN: null, and a note says why."""
    return value if value is not None and math.isfinite(value) else None


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _finite(value) if isinstance(value, float) else value for name, value in values.items()}


def _range(of: Range) -> KnobRange:
    return {
        "collapse_threshold": _finite(of.collapse_threshold),
        "safe": list(of.safe) if of.safe else None,
        "recommended": of.recommended,
    }


def _limits(limits: CollapseLimits | None, temperature: float) -> LimitsShown | None:
    if limits is None:
        return None
    return {
        "temperature": temperature,
        "collapse_up_to": _finite(limits.collapse_up_to),
        "collapse_error": limits.collapse_error,
        "open_above": _finite(limits.open_above),
        "kind": limits.kind,
        "error": _finite(limits.error),
    }


def _point(point: Point | None) -> PointShown | None:
    return None if point is None else _as_dict(point)


def _as_dict(point: Point) -> PointShown:
    return {
        "alpha": point.alpha,
        "temperature": point.temperature,
        "state": point.state,
        "free_spread": point.free_spread,
        "spread_range": list(point.spread_range) if point.spread_range else None,
        "basis": point.basis,
        "within_class_variance": point.within_class_variance,
        "optimal_variance": point.optimal_variance,
        "minimum_range": list(point.minimum_range) if point.minimum_range else None,
    }


# -- text --------------------------------------------------------------------------------------------------------------

# Notes that change nothing about what to do next stand among the details.
_DETAILS = {
    Code.unequal,
    Code.shared_directions,
    Code.sampled_threshold,
    Code.minimiser_only,
    Code.several_intervals,
    Code.fp16_underflow,
}


def to_text(advice: Advice, paint: Paint = uncoloured, width: int = WIDTH, details: bool = False) -> str:
    """The answer for a terminal of so many columns: what to set, how sure, what happens otherwise.

    details: also what fills a second screen: the conventions, what else is worth training, other batches, every note
    and the theorems.
    """
    return "\n".join(_Screen(advice, paint, width).lines(details)) + "\n"


@dataclasses.dataclass(frozen=True)
class _Screen:
    """An answer on its way to a terminal."""

    advice: Advice
    paint: Paint
    width: int

    def lines(self, details: bool) -> Iterator[str]:
        blocks = [self.heading(), self.answer(), self.certainty(details), self.otherwise(details)]
        later = [note for note in self.advice.notes if note.code in _DETAILS]
        blocks.append(self.notes([note for note in self.advice.notes if details or note not in later]))
        if details:
            blocks += [self.plan(), self.alternatives(), self.theorems()]
        else:
            blocks += [self.alternatives() if self.advice.recommended is None else iter(()), self.more(len(later))]
        first = True
        for block in blocks:
            for number, line in enumerate(block):
                if number == 0 and not first:
                    yield ""
                first = False
                yield line

    def _bold(self, text: str) -> str:
        return self.paint(text, "heading")

    def _wrapped(self, text: str, first: str = "  ", rest: str | None = None) -> list[str]:
        return wrapped(text, self.width, first, rest)

    def heading(self) -> Iterator[str]:
        s = self.advice.setting
        dim = "any dim" if s.dim is None else f"dim {s.dim}"
        title = f"{s.classes} classes, {dim}, {s.loss}, {s.views} view{'s' * (s.views != 1)}, {describe_batch(s)}"
        yield from map(self._bold, self._wrapped(title, ""))
        assumed = [ASSUMED[name](s) for name in self.advice.assumed if name in ASSUMED]
        if assumed:
            yield from self._wrapped(f"Assumed, because not given: {', '.join(assumed)}.")

    def answer(self) -> Iterator[str]:
        """What to set, and the ranges to stay in."""
        given, point = self.advice.given, self.advice.recommended
        if given is not None:
            line = f"Your alpha = {given.alpha:g}, temperature = {given.temperature:g}: {STATES[given.state]}"
            if given.free_spread and given.state is not State.may_collapse:
                line += f" (expected free spread {show(given.free_spread, 2)})"
            for part in self._wrapped(line + ".", ""):
                yield self.paint(part, MEANINGS[given.state])
        if point is None:
            yield self._bold("No setting is recommended, see the notes.")
            return
        weights, temperatures = self.advice.alpha.safe, self.advice.temperature.safe
        alpha, tau = within(point.alpha, weights), within(point.temperature, temperatures)
        yield self.paint(f"Set   alpha = {alpha}   temperature = {tau}", "safe")
        if weights:
            yield f"  stay in   alpha {' to '.join(inward(*weights))} at temperature {tau}"
        if temperatures:
            yield f"            temperature {' to '.join(inward(*temperatures))} at alpha {alpha}"
        else:
            yield f"            temperature: no range is covered at alpha {alpha}"
        if point.free_spread is not None:
            yield from self._wrapped(self._expected(point), "  expect    ")

    def _expected(self, point: Point) -> str:
        kind = {
            Basis.exact: "exact",
            Basis.estimate: self.paint("estimate", "estimate"),
            Basis.rough: self.paint("rough estimate", "estimate"),
            Basis.minimiser: self.paint("estimate", "estimate") + " of the loss's own minimum",
        }[point.basis or Basis.estimate]
        ends = point.spread_range
        between = "" if ends is None else f", {' to '.join(show(end, 2) for end in ends)}"
        return (
            f"free spread {show(point.free_spread, 2)} ({kind}{between}): the share of the variance in which "
            "instances of one class differ"
        )

    def certainty(self, details: bool) -> Iterator[str]:
        """What is a theorem, what an estimate, what a convention."""
        yield self._bold("How sure")
        head = "  theorem     "
        for line in self._theorem():
            yield from self._wrapped(line, head)
            head = " " * len(head)
        advice, point, network = self.advice, self.advice.recommended, self.advice.network
        if point is not None and point.basis is not Basis.exact and point.basis is not Basis.minimiser:
            number = "" if network.directions is None else show(network.directions, 2)
            directions = f", {number} effective direction{'s' * (number != '1')}" if number else ""
            rho = show(network.view_reliability, 2)
            said = {
                NetworkOrigin.perfect: (
                    "the free spread is that of the loss's minimum in this dimension; networks reach less."
                ),
                NetworkOrigin.typical: (
                    f"the free spread is that of a typical network on real images: view reliability {rho}"
                    f"{directions}. With embeddings of several views after ten epochs, `recommend --from FILE` gives "
                    "your own weight: much smaller where views are nearly perfect (digits)."
                ),
                NetworkOrigin.measured: (
                    f"the free spread assumes your measured network: view reliability {rho}{directions}."
                ),
            }[advice.origin]
            yield from self._wrapped(said, f"  {self.paint('estimate', 'estimate')}    ")
        ends = None if point is None else point.minimum_range
        if details and ends is not None and ends[0] < ends[1]:
            yield from self._wrapped(
                f"the loss's own minimum has a within-class variance of {show(ends[0], 2)} to {show(ends[1], 2)} in "
                "this dimension, in nine of ten settings that were minimised directly.",
                f"  {self.paint('estimate', 'estimate')}    ",
            )
        if details:
            low, high = advice.safe_spread
            yield from self._wrapped(
                f"free spread {show(low, 2)} to {show(high, 2)} counts as safe and {show(advice.wanted, 2)} is aimed "
                "at: on CIFAR with 2 to 100 classes finer labels are kept best there and accuracy on the trained ones "
                "is "
                "not below plain SupCon's (less is asked where class means take most directions). Temperature 0.1 is "
                "the middle of 0.05 to 0.2, equal there.",
                "  convention  ",
            )

    def _theorem(self) -> list[str]:
        advice, limits, setting = self.advice, self.advice.limits, self.advice.setting
        tau = show(advice.temperature.recommended or setting.temperature or 0.1)
        if limits is None:
            return ["no threshold is covered here, see the notes."]
        collapse = self.paint("class collapse", "collapse")
        by_class = limits.per_class is not None and advice.regime.by_class
        if by_class and limits.collapse_up_to < 1:
            earliest = " at the earliest" if limits.collapse_error > 0 else ""
            gives_way = f"gives way at alpha {below(limits.collapse_up_to)}{earliest}"
            if limits.collapse_up_to == 0:
                gives_way = "may give way at any alpha above 0"
            # What is numerical is not said as if proven.
            proven = limits.kind == "exact"
            if limits.open_above <= 1:
                last = f"no class is {'' if proven else 'known to stay '}collapsed above {above(limits.open_above)}"
            else:
                last = f"no weight {'opens' if proven else 'is known to open'} every class"
            found = [f"at temperature {tau} full collapse {gives_way}, and {last}"]
        elif limits.collapse_up_to >= 1:
            lasts = "stays a minimum" if limits.kind == "local" and setting.views > 1 else "is optimal"
            found = [f"{collapse} {lasts} at every alpha at temperature {tau}"]
        else:
            found = [f"{collapse} is optimal up to alpha {below(limits.collapse_up_to)} at temperature {tau}"]
        critical, alpha = advice.temperature.collapse_threshold, advice.alpha.recommended
        if alpha is None:
            alpha = setting.alpha
        if critical is not None and alpha is not None and 0 < critical < math.inf:
            found.append(f"and from temperature {above(critical)} on at alpha {show(alpha)}")
        return found

    def otherwise(self, details: bool) -> Iterator[str]:
        """What happens with the settings people use instead."""
        advice, collapses = self.advice, self.paint("collapses", "collapse")
        yield self._bold("Otherwise")
        if advice.setting.loss == "supcon":
            equivalent = "" if advice.plain_alpha is None else f" (alpha = {show(advice.plain_alpha)})"
            yield from self._wrapped(f"plain SupCon{equivalent} {collapses} every class at every temperature.")
        else:
            yield from self._wrapped(f"without a weight on the self-supervised term every class {collapses}.")
        if details:
            yield from self._wrapped(
                "inside the safe range the labels trained on cost nothing: coarse accuracy rose with mixing on all "
                "recorded image data. So the same answer serves transfer, retrieval and classification."
            )
        if advice.reference is not None:
            total, collapsed, best = advice.reference
            whose = "your" if advice.given is not None else "the recommended"
            head = "  loss on your screen  "
            for value, meaning in (
                (total, "all embeddings equal: the run has not started"),
                (collapsed, f"every class on one point: {self.paint('collapse', 'collapse')}"),
                (best, f"the optimum at {whose} setting"),
            ):
                if not math.isfinite(value):  # the class means are not worked out: the plateau alone is known
                    continue
                yield from self._wrapped(meaning, f"{head}{show(value, 4):<6} ")
                head = " " * len(head)

    def notes(self, notes: list[Note]) -> Iterator[str]:
        if notes:
            yield self._bold("Notes")
        for note in notes:
            yield from self._wrapped(words(note), "  - ")

    def plan(self) -> Iterator[str]:
        advice = self.advice
        if not advice.plan:
            return
        title = self._bold("Worth training, in order")
        yield from self._wrapped(f"{title} (alpha, temperature, expected free spread)", "", "  ")
        for number, trial in enumerate(advice.plan, 1):
            point = trial.point
            safe = advice.alpha.safe if point.temperature == advice.temperature.recommended else None
            yield from self._wrapped(
                PURPOSES[trial.purpose],
                f"  {number}  {within(point.alpha, safe):<6} {show(point.temperature):<6} "
                f"{show(point.free_spread, 2):<5}  ",
            )

    def alternatives(self) -> Iterator[str]:
        advice = self.advice
        if not advice.alternatives:
            return
        tau = advice.temperature.recommended or advice.setting.temperature or 0.1
        yield self._bold(f"If instead, at temperature {show(tau)}")
        rows = [("", "threshold", "safe alpha", "start")]
        for row in advice.alternatives:
            threshold = "-" if row.collapse_threshold is None else above(row.collapse_threshold)
            safe = "none" if row.safe is None else " to ".join(inward(*row.safe))
            start = "-" if row.recommended is None else within(row.recommended, row.safe)
            rows.append((row.change, threshold, safe, start))
        yield from table(rows, indent="  ")

    def theorems(self) -> Iterator[str]:
        if self.advice.theorems:
            keys = ", ".join(self.advice.theorems)
            yield from self._wrapped(f"Why: ssem-advisor explain KEY, with KEY one of {keys}.", "", "")

    def more(self, notes: int) -> Iterator[str]:
        """What --details would add."""
        advice = self.advice
        parts = ["what else to train"] if len(advice.plan) > 1 else []
        asked = advice.recommended is not None and not advice.regime.by_class
        parts += ["other batches"] if asked else []
        parts += [f"{notes} note{'s' * (notes != 1)}"] if notes else []
        parts += ["the theorems"] if advice.limits is not None else []
        if parts:
            yield from self._wrapped(f"More with --details: {', '.join(parts)}.", "", "")
