"""From the parts of the spread to a verdict: what it means and what to do.

Every limit is a share of what the common mean leaves. The limits are conventions, not theorems, chosen so that the
verdicts follow linear probes, of the finer and of the trained labels, on networks trained over a sweep of weights and
temperatures on CIFAR-10 in five pairs, CIFAR-100 in twenty coarse classes and scikit-learn's digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ssem_advisor.advice import State
from ssem_advisor.domain import Setting
from ssem_advisor.measurement.prediction import Comparison, advised
from ssem_advisor.measurement.spread import Spread
from ssem_advisor.theory.network import shares_directions

COLLAPSED = 0.02  # share below which variance counts as lost
# Free spread up to which finer labels are as bad as after plain SupCon, unless it stands out from view noise.
HIDDEN, HIDDEN_ONE_VIEW = 0.05, 0.16
ENOUGH, ENOUGH_ONE_VIEW = 0.1, 0.2  # free spread from which finer labels are near their best; one view holds view noise
TOO_MUCH = 0.5  # free spread above which classes and finer labels suffer
CONFUSED, CONFUSED_ONE_VIEW = 0.7, 0.72  # confusion over confusion and between: coarse accuracy falls
LOOSE, LOOSE_ONE_VIEW = 0.85, 0.9  # own spread over own spread and between: coarse accuracy falls
LOST_CONFUSION, LOST_OWN = 0.8, 0.9
LOST_ONE_VIEW = 0.93
MEAN_KEPT = 0.25  # squared common mean with which the self-supervised term, whose optimum has none, has not taken over

Name = Literal[
    "total collapse", "class collapse", "too little", "healthy", "too loose", "class structure lost", "cannot tell"
]


@dataclass(frozen=True)
class SpreadVerdict:
    """name: the verdict itself. meaning: what the embeddings have become. remedy: what to do about it."""

    name: Name
    meaning: str
    remedy: str


def judge_spread(spread: Spread, theory: Comparison | None = None) -> SpreadVerdict:
    """The verdict on embeddings, most severe first.

    spread: as `spread_of` measures it. theory: what is expected in the setting that they were trained in, if known.
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
    available = spread.available
    within, between = max(spread.within.value, 0.0) / available, max(spread.between.value, 0.0) / available
    own = max(spread.own, 0.0) / available
    if within < COLLAPSED:
        return class_collapse(spread, theory, share=within)
    if spread.between.low <= 0:
        return _lost(spread, theory, f"the {between:.1%} of the variance between classes are no more than chance gives")
    if own < COLLAPSED:
        return class_collapse(spread, theory, share=own)
    one_view = spread.view_noise is None
    overlap = _overlap(spread, theory, own=own, between=between, noise=within - own)
    # Classes that are hard to tell apart overlap at every weight. Where the weight is known not to be too large, or a
    # common mean says that the self-supervised term, which pushes all apart, has not taken over, it is they.
    known = theory is not None and theory.weight_is_not_too_large
    kept_mean = spread.common_mean.low > MEAN_KEPT
    if overlap is not None and not known:
        if not kept_mean:
            return overlap
        if one_view:
            return SpreadVerdict(
                "cannot tell",
                f"{overlap.meaning}; in one view of an instance that may be view noise, or classes that are hard to "
                "tell apart",
                "save two views of each instance",
            )
    share = spread.free_share
    if spread.confusion is None or share is None:
        return SpreadVerdict(
            "cannot tell",
            f"{spread.missing}; whether the {own:.1%} of the variance that instances keep inside their class is free "
            "spread or confusion of classes stays open",
            "measure more instances of each class"
            if spread.dim >= spread.classes
            else f"use a projection of dim >= {spread.classes} (the number of classes), or judge by a probe of finer "
            "labels",
        )
    enough = ENOUGH_ONE_VIEW if one_view else ENOUGH
    why_collapse = theory.why_collapse if theory is not None else ""
    if share.value < enough and not why_collapse and shares_directions(Setting(classes=spread.classes, dim=spread.dim)):
        return SpreadVerdict(
            "cannot tell",
            f"the means of {spread.classes} classes take {spread.classes - 1} of {spread.dim} directions; whether the "
            f"{own:.1%} of the variance that instances keep inside their class is free spread or confusion of classes "
            "stays open",
            f"compare accuracy on the trained labels with that of plain SupCon, or use a projection of dim >= "
            f"{4 * spread.classes}",
        )
    confusion = max(spread.confusion.value, 0.0) / available
    if not one_view and share.value > TOO_MUCH:
        return _loose(spread, theory, f"free spread is {share.value:.1%} of the variance, more than {TOO_MUCH:.0%}")
    if share.low < COLLAPSED and share.high > enough:
        return SpreadVerdict(
            "cannot tell",
            f"the free spread lies between {max(share.low, 0):.1%} and {share.high:.1%} of the variance, from nothing "
            "to enough: too few instances",
            "measure more instances of each class, or more views of each",
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
    return SpreadVerdict(
        "healthy",
        f"classes are apart, and instances within a class still differ beside them: free spread is {share.value:.1%} "
        "of the variance",
        "nothing to do",
    )


def _overlap(
    spread: Spread, theory: Comparison | None, *, own: float, between: float, noise: float
) -> SpreadVerdict | None:
    """The verdict on classes that overlap, as where the self-supervised term has taken over; None where they do not.

    own, between, noise: variances as shares of what the common mean leaves.
    """
    one_view = spread.view_noise is None
    looseness = own / (own + between)
    instances = f"instances differ {own / between:.1f} times as much as classes do"
    if looseness > (LOST_ONE_VIEW if one_view else LOST_OWN):
        return _lost(spread, theory, instances)
    # Augmentation that moves instances more than they differ says that the network is unsure, not that it is too free.
    sure = (one_view or own > noise) and not shares_directions(Setting(classes=spread.classes, dim=spread.dim))
    if sure and spread.confusion is not None:
        confusion = max(spread.confusion.value, 0.0) / spread.available
        confused = confusion / (confusion + between)
        nearer = f"confusion is {confusion / between:.1f} times the variance between classes"
        if confused > LOST_CONFUSION:
            return _lost(spread, theory, nearer)
        if confused > (CONFUSED_ONE_VIEW if one_view else CONFUSED):
            return _loose(spread, theory, nearer)
    return _loose(spread, theory, instances) if looseness > (LOOSE_ONE_VIEW if one_view else LOOSE) else None


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
        f"check that labels belong to these rows; else {_less(spread, theory)}{_HARD if theory is None else ''}",
    )


def _loose(spread: Spread, theory: Comparison | None, why: str) -> SpreadVerdict:
    remedy = _less(spread, theory) + (_HARD if theory is None else "")
    return SpreadVerdict("too loose", f"classes give way to their instances: {why}", remedy)


_HARD = "; classes that are hard to tell apart look alike: with --alpha and --temperature of the run it is decided"


def _more(spread: Spread, theory: Comparison | None) -> str:
    better = None if theory is None else advised(theory.setting).point
    warmer = better is not None and theory is not None and better.alpha <= (theory.setting.alpha or 0)
    change = "change weight and temperature" if warmer else "raise alpha, the weight of the self-supervised term"
    advice = f"{change}: {_weight(spread, theory)}"
    if theory is None:
        return advice
    if theory.why_collapse:
        return f"the loss asks for it: {theory.why_collapse}; {advice}"
    if theory.threshold is None or theory.optimum is None:
        return advice
    above = f"alpha={theory.setting.alpha:.3g} is above the threshold {theory.threshold:.3g}"
    typical = theory.typical
    if typical is not None and typical.state is State.too_little:
        return f"{above}, but a typical network keeps a free spread of {typical.free_spread:.2g} there; {advice}"
    return (
        f"the loss does not ask for it ({above}, the optimum keeps {theory.optimum:.3g}): views differ too much or "
        f"training was too short; {advice}"
    )


def _less(spread: Spread, theory: Comparison | None) -> str:
    return f"lower alpha, the weight of the self-supervised term: {_weight(spread, theory)}"


def _weight(spread: Spread, theory: Comparison | None) -> str:
    """What to set, with its number where one is known, and the command that says more."""
    options = f"--classes {spread.classes} --dim {spread.dim}"
    command = f"ssem-advisor recommend {options}"
    if spread.reliability is not None:
        command += " --from FILE"
    setting = theory.setting if theory is not None else Setting(classes=spread.classes, dim=spread.dim)
    said = advised(setting).clause
    if not said:
        return command
    where = "" if theory is not None else " for its default batch"
    return f"{said}{where}; {command} says more"
