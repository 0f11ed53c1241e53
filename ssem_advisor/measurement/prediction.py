"""What theory predicts for embeddings trained in a setting, beside what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from ssem_advisor import theory
from ssem_advisor.advice import LARGEST_WEIGHT, Advice, Code, Point, State, recommend
from ssem_advisor.domain import AdvisorError, NotCovered, Setting, SettingError
from ssem_advisor.measurement.spread import Pilot
from ssem_advisor.rounding import above, show, within
from ssem_advisor.theory.network import expected_free_spread
from ssem_advisor.theory.regime import CollapseLimits, collapse_limits, coordinates

# Above it networks on images spread far more than the estimate for a typical one says (`validation/estimate`).
TRUSTED_TEMPERATURE = 0.2
_MOST_COORDINATES = 8_000  # a comparison answers within a second or two
_MOST_ASKED = 1_500  # what to train with instead takes many such answers


@dataclass(frozen=True)
class Comparison:
    """Free spread from the optimum down to the measured one, each step with what it takes into account.

    limits: up to which weight class collapse is the optimum; None where not covered.
    optimum: of the loss, in enough dimensions, where all of the within-class variance is free spread; None where every
        class has its own (classes of different size, dim < classes - 1).
    finite_dimension: estimate in this dimension. network: estimate with the measured view reliability and directions,
        None with one view. Both None for l_spread.
    measured: the free spread that the verdict judges (`Spread.free`); where it is not known, the within-class variance.
    pilot: the measured network; None where it cannot be told.
    """

    setting: Setting
    limits: CollapseLimits | None
    optimum: float | None
    finite_dimension: float | None
    network: float | None
    measured: float
    pilot: Pilot | None = None

    @property
    def why_collapse(self) -> str:
        """Why class collapse is the optimum, as a clause; empty where it is not known to be."""
        alpha, limits = self.setting.alpha, self.limits
        if limits is None or (alpha is not None and alpha > limits.collapse_up_to):
            return ""
        if alpha is None:
            return "plain SupCon, without a weighted self-supervised term, collapses at every temperature"
        if limits.collapse_up_to >= 1:
            return "class collapse is the optimum at every weight"
        return f"alpha={alpha:.3g} is not above the collapse threshold {above(limits.threshold)}"

    @property
    def threshold(self) -> float | None:
        """The weight up to which classes are collapsed, as `recommend` says it."""
        return None if self.limits is None else self.limits.threshold

    @cached_property
    def expected(self) -> Point | None:
        """What the measured network makes of the setting, or a typical one where none was measured; None for plain
        SupCon, or where it is not known."""
        answer = _answer(self.setting, self.pilot)
        return None if answer is None else answer.given

    @property
    def weight_is_not_too_large(self) -> bool:
        """Whether the weight is known to lie below the threshold, or inside or below the network's safe range."""
        alpha, temperature = self.setting.alpha, self.setting.temperature
        if self.why_collapse or alpha is None:
            return bool(self.why_collapse)
        if temperature is None or temperature > TRUSTED_TEMPERATURE or self.expected is None:
            return False
        return self.expected.state not in (State.too_much, State.not_covered) and alpha <= LARGEST_WEIGHT

    @property
    def share_of_optimum(self) -> float:
        """Measured over optimal free spread; NaN where the optimum is 0 or not known."""
        return self.measured / self.optimum if self.optimum else math.nan


# What to do where no weight is safe, by the note of `recommend` that says why.
_WAYS = {
    Code.one_view: "take two views of each instance",
    Code.line: "use a projection of more dimensions",
    Code.all_alone: "draw two instances or more of each class in a batch",
    Code.no_weight_prevents: "lower the temperature, or draw more instances of each class in a batch",
    Code.no_weight_known: "use a projection of at least as many dimensions as classes",
    Code.out_of_reach: "make the views of an instance more alike, or draw more instances of each class in a batch",
}


class Advised(NamedTuple):
    """A point to train with instead, None where there is none or none that is better; the same as a clause.

    keeps: the setting's own weight and temperature are what `recommend` answers. safe: range of the weight there.
    """

    point: Point | None
    clause: str = ""
    keeps: bool = False
    safe: tuple[float, float] | None = None


def advised(setting: Setting, pilot: Pilot | None = None) -> Advised:
    """Weight and temperature to train with instead: what `recommend` answers, for the measured network if there is one.

    Nothing where many more classes than dimensions make the answer slow: `recommend` gives it.
    """
    answer = _answer(setting, pilot)
    if answer is None:
        return Advised(None)
    point = answer.recommended
    if point is None:
        why = next((note.code for note in answer.notes if note.code in _WAYS), None)
        if why is None:  # not covered
            return Advised(None)
        where, ways = "here", _WAYS[why]
        if pilot is not None and why is Code.out_of_reach:
            where = f"for a network with view reliability {pilot.network.view_reliability:.2g}"
            ways += ", or measure after longer training"
        return Advised(None, f"no alpha and temperature are safe {where}: {ways}")
    same = point.temperature == setting.temperature and setting.alpha is not None
    if same and math.isclose(point.alpha, setting.alpha, rel_tol=0.02):
        return Advised(None, keeps=True, safe=answer.alpha.safe)
    moved = "" if point.temperature == setting.temperature else f" at temperature {show(point.temperature)}"
    return Advised(point, f"alpha={within(point.alpha, answer.alpha.safe)}{moved}", safe=answer.alpha.safe)


@lru_cache(maxsize=32)
def _answer(setting: Setting, pilot: Pilot | None) -> Advice | None:
    if setting.dim is not None and setting.classes > setting.dim and coordinates(setting) > _MOST_ASKED:
        return None
    try:
        return answer_for(setting, pilot)
    except AdvisorError:
        return None


def answer_for(setting: Setting, pilot: Pilot | None) -> Advice:
    """What `recommend` answers, for the measured network if there is one. Raises as `recommend` does."""
    if pilot is None:
        return recommend(setting)
    return recommend(setting, network=pilot.network, pilot=pilot.free_spread)


def compare(
    setting: Setting | None,
    *,
    classes: int,
    dim: int,
    measured: float = math.nan,
    pilot: Pilot | None = None,
) -> tuple[Comparison | None, list[str]]:
    """The comparison, or None with a note that says what is missing or which assumption fails.

    alpha None in the setting means plain SupCon, whose optimum is class collapse.
    """
    if setting is None:
        return None, []
    notes = []
    if setting.classes != classes:
        notes.append(f"the setting says classes={setting.classes}, these embeddings have {classes}")
    if setting.dim is None:
        setting = setting.with_(dim=dim)
    elif setting.dim != dim:
        notes.append(f"the setting says dim={setting.dim}, these embeddings have {dim}: another layer than the loss's?")
    limits = optimum = finite = expected = None
    silence = ""
    try:
        setting.need("temperature")
        plain = setting.alpha is None and setting.loss == "supcon"
        try:
            if coordinates(setting) <= _MOST_COORDINATES:
                limits = collapse_limits(setting)
            optimum = 0.0 if plain else float(theory.optimal_variance(setting))
        except NotCovered as error:
            silence = str(error)
        try:
            finite = optimum if plain else float(theory.expected_variance(setting))
            if not plain and pilot is not None:
                expected = float(expected_free_spread(setting, pilot.network))
        except NotCovered as error:
            silence = silence or str(error)
    except SettingError as error:
        silence = str(error)
    if optimum is None and finite is None:
        notes.append(f"no {'comparison with theory' if limits is None else 'optimum to compare with'}: {silence}")
        if limits is None:
            return None, notes
    return Comparison(setting, limits, optimum, finite, expected, measured, pilot), notes
