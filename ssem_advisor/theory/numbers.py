"""The numbers that a setting puts into a theorem, also where batches differ from anchor to anchor.

A formula is stated for one number k of same-class and o of other-class instances. In random batches they vary, and
what the formula equals is then its mean over the anchors, which the engine computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ssem_advisor.domain import AdvisorError, Setting
from ssem_advisor.theory.classes import class_thresholds
from ssem_advisor.theory.collapse import alpha_for_variance, collapse_threshold, optimal_variance
from ssem_advisor.theory.estimates import alpha_for_expected_variance, directions_left, expected_variance
from ssem_advisor.theory.extensions import extended_limits
from ssem_advisor.theory.network import typical
from ssem_advisor.theory.registry import Theorem, symbol_values
from ssem_advisor.theory.relation import relation_of
from ssem_advisor.theory.values import plain_weight

OPTIONS = {
    "tau": "--temperature",
    "alpha": "--alpha",
    "v": "--alpha",
    "B": "--batch-size",
    "d": "--dim",
    "D": "--dim",
    "n": "--instances-per-class",
    "Q": "--queue",
    "s": "--cross-entropy",
}
_VARIES = ("k", "o", "n")


@dataclass(frozen=True)
class Numbers:
    """What a setting makes of a formula.

    symbols: its symbols; those that differ between anchors, or between classes, are left out and named in `varies`.
    results: what the formula equals, by name: one number, or the least and the largest over the classes.
    note: how the results differ from the formula, as a sentence; empty where they are the formula's own.
    missing: options that would fill the symbols left open; then there are no results.
    refused: why the variance of the minimiser is not known although alpha and temperature are; then neither.
    """

    symbols: dict[str, float]
    results: dict[str, float] = field(default_factory=dict)
    varies: tuple[str, ...] = ()
    note: str = ""
    missing: tuple[str, ...] = ()
    refused: str = ""


def numbers_of(theorem: Theorem, setting: Setting) -> Numbers:
    """The numbers of a theorem whose assumptions the setting meets; alpha and temperature are the setting's own."""
    known, refused = _known(theorem, setting), ""
    if "v" in theorem.symbols and setting.alpha is not None and setting.temperature is not None:
        try:
            known["v"] = _variance(theorem, setting)
        except AdvisorError as error:
            refused = str(error)
    given = {name: value for name in theorem.symbols if (value := known.get(name)) is not None}
    if refused:
        return Numbers(given, refused=refused)
    open_ = [name for name in theorem.symbols if name not in given]
    by_option = [OPTIONS[name] for name in open_ if name in OPTIONS and not (name == "n" and _fixed_n(setting))]
    if by_option:
        return Numbers(given, missing=tuple(dict.fromkeys(by_option)))
    exact = _ENGINE.get(theorem.key)
    differ = f"From anchor to anchor {' and '.join(open_)} differ{'s' * (len(open_) == 1)}"
    try:
        if exact is not None and theorem.key in _STATED_FOR and not (stated := _STATED_FOR[theorem.key])[1](setting):
            return Numbers(given, exact(setting), tuple(open_), f"The formula is for {stated[0]}; here it is:")
        if not open_:
            return Numbers(given, {theorem.implicit or theorem.left: float(theorem.numeric(**given))})
        if exact is not None:
            results = exact(setting)
            many = "The classes differ, and the number with them:"
            note = many if len(results) > 1 else f"{differ}; over the batches drawn it is:"
            return Numbers(given, results, tuple(open_), note)
    except AdvisorError:
        pass
    return Numbers(given, varies=tuple(open_), note=f"{differ}, so there is no single number.")


def _fixed_n(setting: Setting) -> bool:
    """Whether n follows from the batch, or differs from anchor to anchor, rather than being an option left out."""
    return setting.sampler != "full" or setting.unequal


def _known(theorem: Theorem, setting: Setting) -> dict[str, float | None]:
    known = symbol_values(setting)
    if theorem.kind == "estimate":
        known["R"] = typical(setting).view_reliability
        known["D"] = None if setting.dim is None else directions_left(setting)
    if setting.sampler == "balanced" and setting.classes_per_batch is None:
        known["P"] = float(setting.classes)
    return known


def _variance(theorem: Theorem, setting: Setting) -> float:
    """The within-class variance of the minimiser, with room for it in a theorem. Raises AdvisorError."""
    if theorem.kind == "theorem":
        return float(optimal_variance(setting.with_(dim=None)))
    return float(expected_variance(setting, effective_dim=None if setting.dim is None else directions_left(setting)))


# -- where batches differ from anchor to anchor, or classes from one another ------------------------------------------


def _slope(setting: Setting, which: int, sign: float) -> float:
    relation, geometry = relation_of(setting)
    variance = np.atleast_1d(float(optimal_variance(setting)))
    return sign * float(relation.slopes(geometry.y(variance))[which][0])


def _finite(setting: Setting) -> float:
    directions = directions_left(setting)
    variance = expected_variance(setting, effective_dim=directions)
    return float(alpha_for_expected_variance(setting, variance, effective_dim=directions))


def _reliable(setting: Setting) -> float:
    return float(alpha_for_expected_variance(setting, 0.0, typical(setting).view_reliability))


def _by_class(setting: Setting) -> dict[str, float]:
    if not setting.unequal and (setting.dim is None or setting.dim >= setting.classes):
        return {"alpha_i": float(collapse_threshold(setting))}
    thresholds = class_thresholds(setting)
    return {"least alpha_i": float(np.nanmin(thresholds)), "largest alpha_i": float(np.nanmax(thresholds))}


def _named(name: str, value: Callable[[Setting], float]) -> Callable[[Setting], dict[str, float]]:
    return lambda setting: {name: float(value(setting))}


_ENGINE: dict[str, Callable[[Setting], dict[str, float]]] = {
    "SLOPES": _named("S_self", lambda s: _slope(s, 1, 1.0)),
    "SLOPES-SPREAD": _named("S_sup", lambda s: _slope(s, 0, -1.0)),
    "DIMENSION": _named("alpha_c", collapse_threshold),
    "RANDOM-BATCH": _named("alpha_c", collapse_threshold),
    "WEIGHT-SPREAD": _named("alpha(v)", lambda s: alpha_for_variance(s, optimal_variance(s))),
    "PLAIN-SUPCON": _named("alpha_eq", plain_weight),
    "CE-SUPCON": _named("alpha_c - alpha_eq", lambda s: collapse_threshold(s.with_(dim=None)) - plain_weight(s)),
    "L-IN-MIXED": _named("alpha", lambda s: extended_limits(s).open_above),
    "NON-NEGATIVE": _named("alpha_c", lambda s: extended_limits(s.with_(features="non-negative")).open_above),
    "TWO-TEMPERATURES": _named("alpha_c", lambda s: extended_limits(s).open_above),
    "CROSS-ENTROPY": _named("alpha_ce", lambda s: extended_limits(s).open_above),
    "UNEQUAL": _by_class,
    "FINITE": _named("alpha(v)", _finite),
    "RELIABILITY": _named("alpha_c(R)", _reliable),
}

# Formulas that say less than their theorem: what for, and whether a setting is of that kind.
_STATED_FOR: dict[str, tuple[str, Callable[[Setting], bool]]] = {
    "RANDOM-BATCH": ("an unlimited data set", lambda s: s.instances_per_class is None),
    "CE-SUPCON": ("full batches", lambda s: s.sampler == "full"),
}
