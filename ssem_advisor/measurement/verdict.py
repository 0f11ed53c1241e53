"""From the parts of the spread to a verdict: what it means and what to do.

Every limit is a share of what the common mean leaves. The limits are conventions, not theorems, chosen so that the
verdicts follow linear probes, of the finer and of the trained labels, on networks trained over a sweep of weights and
temperatures on CIFAR-10 in five pairs, CIFAR-100 in twenty coarse classes and scikit-learn's digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ssem_advisor.advice import State, aims
from ssem_advisor.domain import Setting
from ssem_advisor.measurement.prediction import Comparison, advised
from ssem_advisor.measurement.spread import Spread
from ssem_advisor.measurement.structure import Structure

COLLAPSED = 0.02  # share below which variance counts as lost
# Free spread up to which finer labels are as bad as after plain SupCon, unless it stands out from view noise.
HIDDEN, HIDDEN_ONE_VIEW = 0.05, 0.16
# View noise alone does not explain what one view shows beside the classes where it is so many times the confusion, or
# where the spread uses so many directions: plain SupCon used at most 17 in every recorded study.
CLEAR_ONE_VIEW, MANY_ONE_VIEW = 2.0, 20.0
ENOUGH, ENOUGH_ONE_VIEW = 0.1, 0.2  # free spread from which finer labels are near their best; one view holds view noise
# Neighbours tell the class more often than class means do: by a hundredth, a certain difference; by this share of what
# neighbours tell, most of the classes are in pieces.
IN_PIECES, LOST_SHARE = 0.01, 0.2
LEAST_SKILL = 0.15  # what class means tell above chance, of all that is above it; less is no structure to speak of

Name = Literal[
    "total collapse", "class collapse", "too little", "healthy", "too loose", "class structure lost", "cannot tell"
]


@dataclass(frozen=True)
class SpreadVerdict:
    """name: the verdict itself. meaning: what the embeddings have become. remedy: what to do about it."""

    name: Name
    meaning: str
    remedy: str


def judge_spread(spread: Spread, theory: Comparison | None = None, structure: Structure | None = None) -> SpreadVerdict:
    """The verdict on embeddings, most severe first.

    spread: as `spread_of` measures it. theory: what is expected in the setting that they were trained in, if known.
    structure: as `structure_of` measures it; without it too much spread is not noticed.
    Raises nothing: what cannot be told is the verdict "cannot tell".
    """
    if spread.available < COLLAPSED:
        return SpreadVerdict(
            "total collapse",
            f"all embeddings point the same way: a common mean holds {spread.common_mean.value:.1%} of the squared "
            "length; classes and instances are lost alike",
            "alpha does not cure this: warm up or lower the learning rate, check that the loss gets the normalised "
            "projection and that labels match rows, then start again from before the collapse",
        )
    if not math.isfinite(spread.within.value):
        return SpreadVerdict(
            "cannot tell",
            "some class has no instance with two views, while others have: view noise and spread cannot be told apart "
            "there",
            "save the same number of views of every instance",
        )
    available = spread.available
    within, between = max(spread.within.value, 0.0) / available, max(spread.between.value, 0.0) / available
    own = max(spread.own, 0.0) / available
    if within < COLLAPSED:
        return class_collapse(spread, theory, share=within)
    if spread.between.low <= 0:
        return _lost(spread, theory, f"the {between:.1%} of the variance between classes are no more than chance gives")
    if own < COLLAPSED:
        return class_collapse(spread, theory, share=own)
    in_pieces = _in_pieces(spread, theory, structure)
    if in_pieces is not None:
        return in_pieces
    one_view = spread.view_noise is None
    share = spread.free_share
    if share is None:
        return SpreadVerdict(
            "cannot tell",
            f"{spread.missing}; whether the {own:.1%} of the variance that instances keep inside their class is free "
            "spread or confusion of classes stays open",
            "measure more instances of each class"
            if spread.dim >= spread.classes
            else f"use a projection of dim >= {spread.classes} (the number of classes), or judge by a probe of finer "
            "labels",
        )
    by_nearest = "" if spread.local_free is None else ", as the nearest classes tell it (an estimate)"
    enough = ENOUGH_ONE_VIEW if one_view else ENOUGH
    why_collapse = theory.why_collapse if theory is not None else ""
    if share.low < COLLAPSED and share.high > enough:
        return SpreadVerdict(
            "cannot tell",
            f"the free spread lies between {max(share.low, 0):.1%} and {share.high:.1%} of the variance, from nothing "
            "to enough: too few instances",
            "measure more instances of each class, or more views of each",
        )
    confusion = max(own - share.value, 0.0)
    few = not spread.directions.value >= MANY_ONE_VIEW or spread.local_free is not None
    if one_view and few and ENOUGH_ONE_VIEW <= share.value < CLEAR_ONE_VIEW * confusion:
        return SpreadVerdict(
            "cannot tell",
            f"{share.value:.1%} of the variance lie beside the classes and {confusion:.1%} towards other classes, and "
            "view noise has its part in both: one view cannot tell it from free spread",
            "save two views of each instance",
        )
    # A little is enough where it stands out: from view noise, and, where that is not known, from confusion.
    rival = confusion if one_view else max(confusion, within - own)
    if share.value < COLLAPSED or (share.low < COLLAPSED and share.value < HIDDEN):
        return class_collapse(spread, theory, share=share.value)
    if share.value < min(HIDDEN_ONE_VIEW if one_view else HIDDEN, rival):
        return class_collapse(spread, theory, share=share.value)
    if share.value < enough and share.value < rival:
        return SpreadVerdict(
            "too little",
            f"free spread is {share.value:.1%} of the variance, below {enough:.0%} and below the "
            f"{rival:.1%} of {'confusion' if rival == confusion else 'view noise'}: finer labels are being lost",
            _more(spread, theory),
        )
    if one_view and why_collapse:
        return SpreadVerdict(
            "cannot tell",
            f"{why_collapse}; the {share.value:.1%} of the variance beside the classes hold the view noise, which one "
            "view cannot tell from free spread",
            "save two views of each instance",
        )
    if structure is not None and structure.skill < LEAST_SKILL:
        return _lost(
            spread,
            theory,
            f"the nearest class mean tells the class of {structure.by_mean:.1%} of the instances, chance that of "
            f"{1 / structure.classes:.1%}",
        )
    meaning = (
        f"classes are apart, and instances within a class still differ beside them: free spread is {share.value:.1%} "
        f"of the variance{by_nearest}"
    )
    if one_view:
        meaning += "; with one view this holds the view noise too, so it is an upper bound"
    _, (_, most) = aims(Setting(classes=spread.classes, dim=spread.dim))
    if share.low <= most:
        return SpreadVerdict("healthy", meaning, "nothing to do")
    return SpreadVerdict(
        "healthy",
        f"{meaning}; `recommend` asks for {most:.3g} at most, because on real images more can cost accuracy on the "
        "trained labels",
        f"nothing to do while the trained labels keep their accuracy; else {_less(spread, theory)}",
    )


def _in_pieces(spread: Spread, theory: Comparison | None, structure: Structure | None) -> SpreadVerdict | None:
    """The verdict on classes that have fallen into pieces; None where they have not, or where it was not measured."""
    if structure is None or structure.gap.low <= 0 or structure.gap.value < IN_PIECES:
        return None
    why = (
        f"the nearest class mean tells the class of {structure.by_mean:.1%} of the instances, their neighbours that of "
        f"{structure.by_neighbours:.1%}"
    )
    if structure.gap.value > LOST_SHARE * structure.by_neighbours:
        return _lost(spread, theory, why)
    remedy = _less(spread, theory)
    return SpreadVerdict("too loose", f"classes fall into pieces: {why}", remedy)


def class_collapse(
    spread: Spread, theory: Comparison | None = None, *, share: float, under_way: bool = False
) -> SpreadVerdict:
    """share: of the variance, what tells the instances of a class apart."""
    done = "are drawing together" if under_way else "coincide"
    return SpreadVerdict(
        "class collapse",
        f"the instances of a class {done} but for view noise and confusion: {max(share, 0.0):.1%} of the variance "
        "tells them apart; finer labels are lost",
        _more(spread, theory),
    )


def _lost(spread: Spread, theory: Comparison | None, why: str) -> SpreadVerdict:
    return SpreadVerdict(
        "class structure lost",
        f"classes hardly differ: {why}",
        f"check that labels belong to these rows; else {_less(spread, theory)}",
    )


def _more(spread: Spread, theory: Comparison | None) -> str:
    change = "raise alpha, the weight of the self-supervised term"
    if theory is None:
        return _set(change, spread, theory)
    better, setting = advised(theory.setting).point, theory.setting
    if better is not None and better.alpha <= (setting.alpha or 0):
        change = "" if better.temperature == setting.temperature else "change weight and temperature"
    advice = f"; {_set(change, spread, theory)}" if change else ""
    if theory.why_collapse:
        return f"the loss asks for it: {theory.why_collapse}{advice}"
    if theory.threshold is None or theory.optimum is None:
        return advice[2:] or "train longer: the weight is not too small"
    above = f"alpha={setting.alpha:.3g} is above the threshold {theory.threshold:.3g}"
    typical = theory.typical
    if typical is not None and typical.state is State.too_little:
        return f"{above}, but a typical network keeps a free spread of {typical.free_spread:.2g} there{advice}"
    return (
        f"the loss does not ask for it ({above}, the optimum keeps {theory.optimum:.3g}): views differ too much or "
        f"training was too short{advice}"
    )


def _less(spread: Spread, theory: Comparison | None) -> str:
    if theory is not None and theory.weight_is_not_too_large:
        return f"train longer: alpha={theory.setting.alpha or 0:.3g} is not too large a weight"
    return _set("lower alpha, the weight of the self-supervised term", spread, theory)


def _set(change: str, spread: Spread, theory: Comparison | None) -> str:
    """What to change and to which number, where one is known, and the command that says more."""
    classes = spread.classes + spread.left_out
    setting = theory.setting if theory is not None else Setting(classes=classes, dim=spread.dim)
    command = f"ssem-advisor recommend --classes {classes} --dim {spread.dim}"
    if not spread.why_no_network:
        command += " --from FILE"
    found = advised(setting)
    if not found.clause:
        return f"{change}: {command}"
    if found.point is None:  # there is no number to change it to
        return found.clause
    where = "" if theory is not None else " for its default batch"
    return f"{change}: {found.clause}{where}; {command} says more"
