"""From the parts of the spread to a verdict: what it means and what to do.

Every limit is a share of what the common mean leaves. The limits are conventions, not theorems, chosen so that the
verdicts follow linear probes, of the finer and of the trained labels, on networks trained over a sweep of weights and
temperatures on CIFAR-10 in five pairs, CIFAR-100 in twenty coarse classes and scikit-learn's digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from ssem_advisor.advice import State, aims, command_for
from ssem_advisor.domain import Setting
from ssem_advisor.measurement.prediction import Comparison, advised
from ssem_advisor.measurement.spread import Pilot, Spread
from ssem_advisor.measurement.structure import Structure
from ssem_advisor.rounding import above, below, inward

COLLAPSED = 0.02  # share below which variance counts as lost
# Free spread up to which finer labels are as bad as after plain SupCon, unless it stands out from view noise.
HIDDEN, HIDDEN_ONE_VIEW = 0.05, 0.16
# View noise alone does not explain what one view shows beside the classes where it is so many times the confusion, or
# where the spread uses so many directions: plain SupCon used at most 17 in every recorded study.
CLEAR_ONE_VIEW, MANY_ONE_VIEW = 2.0, 20.0
# From one view instances are known to differ where their asymmetry is more than this for certain: view noise alone had
# at most .03 for certain in 17 networks, and those that were healthy had .12 and more.
SYMMETRIC = 0.05
EVEN = 0.4  # or where they keep apart so evenly that they cannot lie independently of each other, as in a minimiser
REPEATED = 0.2  # share of the rows that are there more than once; data sets of images have a few per cent at most
ENOUGH, ENOUGH_ONE_VIEW = 0.1, 0.2  # free spread from which finer labels are near their best; one view holds view noise
# Neighbours tell the class more often than class means do: by a hundredth, a certain difference; by this share of what
# neighbours tell, most of the classes are in pieces.
IN_PIECES, LOST_SHARE = 0.01, 0.2
LEAST_SKILL = 0.15  # what class means tell above chance, of all that is above it; less is no structure to speak of

Name = Literal[
    "total collapse", "class collapse", "too little", "healthy", "too loose", "class structure lost", "cannot tell"
]


# Verdicts on runs whose spread says nothing of the network, and what to measure instead.
NO_PILOT: dict[Name, str] = {
    "class structure lost": "measure a run that tells its classes apart, with the labels of its training",
    "cannot tell": "measure more of it",
}


@dataclass(frozen=True)
class SpreadVerdict:
    """name: the verdict itself. meaning: what the embeddings have become. remedy: what to do about it. command: the
    call of `recommend` that the remedy names, number: what it sets, such as "alpha=0.3"; empty if none."""

    name: Name
    meaning: str
    remedy: str
    command: str = ""
    number: str = ""


def judge_spread(
    spread: Spread,
    theory: Comparison | None = None,
    structure: Structure | None = None,
    setting: Setting | None = None,
    trained: bool = True,
) -> SpreadVerdict:
    """The verdict on embeddings, most severe first.

    spread: as `spread_of` measures it. theory: what is expected in the setting that they were trained in, if known.
    structure: as `structure_of` measures it; without it too much spread is not noticed. setting: what is known of the
    training where that is too little for theory; the next step speaks of it. trained: False early in training, when
    views are still more alike than they will be, and the next step is that of a typical network.
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
    step = _NextStep(spread, theory, setting, asks_pilot=trained)
    available = spread.available
    within, between = max(spread.within.value, 0.0) / available, max(spread.between.value, 0.0) / available
    own = max(spread.own, 0.0) / available
    if within < COLLAPSED:
        return _collapse(step, within)
    if spread.between.low <= 0:
        return _lost(step, f"the {between:.1%} of the variance between classes are no more than chance gives")
    if own < COLLAPSED:
        return _collapse(step, own)
    if spread.repeated > REPEATED:
        return SpreadVerdict(
            "cannot tell",
            f"{spread.repeated:.0%} of the rows are there more than once: copies, or views of one instance, which "
            "would pass for instances that differ",
            "save every instance once; of several views say which belong together: (instances, views, dim), or "
            "instance ids",
        )
    # Only what instances differ in can take a class to pieces. Where that is less than classes differ in, neighbours
    # know more by chance: in every recorded study it is at least 1.6 times as much where the trained labels lose.
    in_pieces = _in_pieces(step, structure) if own > between else None
    if in_pieces is not None and (in_pieces.name != "too loose" or spread.free_share is None):
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
    free, (_, (least, most)) = spread.free, aims(Setting(classes=spread.classes, dim=spread.dim))
    assert free is not None  # its share is known
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
        return _collapse(step, share.value)
    if share.value < min(HIDDEN_ONE_VIEW if one_view else HIDDEN, rival):
        return _collapse(step, share.value)
    # What `recommend` calls safe is enough too: it speaks of the squared length, and of more than view noise.
    if share.value < min(enough, rival) and (one_view or free.value < least):
        found, safe = inward(free.value, least)
        unsafe = "" if one_view else f" ({found} of the squared length, while {safe} is safe)"
        return SpreadVerdict(
            "too little",
            f"free spread is {share.value:.1%} of the variance{unsafe}, below {enough:.0%} and below the "
            f"{rival:.1%} of {'confusion' if rival == confusion else 'view noise'}: finer labels are being lost",
            *step.more(),
        )
    if in_pieces is not None:  # what is too little cannot be too much, whatever neighbours know
        return in_pieces
    if one_view and why_collapse:
        return SpreadVerdict(
            "cannot tell",
            f"{why_collapse}; the {share.value:.1%} of the variance beside the classes hold the view noise, which one "
            "view cannot tell from free spread",
            "save two views of each instance",
        )
    if structure is not None and structure.skill < LEAST_SKILL:
        return _lost(
            step,
            f"the nearest class mean tells the class of {structure.by_mean:.1%} of the instances, chance that of "
            f"{1 / structure.classes:.1%}",
        )
    if one_view and not _told_from_noise(spread):
        return SpreadVerdict(
            "cannot tell",
            f"the {share.value:.1%} of the variance beside the classes may be view noise alone: instances lie as "
            "symmetrically about their class means as noise does, or too few are known to tell",
            "save two views of each instance",
        )
    meaning = (
        f"classes are apart, and instances within a class still differ beside them: free spread is {share.value:.1%} "
        f"of the variance{by_nearest}"
    )
    if one_view:
        meaning += "; with one view this holds the view noise too, so it is an upper bound"
    if free.low <= most:
        return SpreadVerdict("healthy", meaning, "nothing to do")
    change = step.less(blames_training=False)
    return SpreadVerdict(
        "healthy",
        f"{meaning}; its {free.value:.3g} of the squared length are more than the {most:.3g} that `recommend` "
        "goes up to, because on real images more can cost accuracy on the trained labels",
        f"nothing to do while the trained labels keep their accuracy; else {change.remedy}",
        change.command,
    )


def _told_from_noise(spread: Spread) -> bool:
    """Whether one view shows that instances differ: independent noise that is symmetric about a class mean does not
    lie as they do."""
    uneven, even = spread.asymmetry, spread.evenness
    return (uneven is not None and uneven.low > SYMMETRIC) or (even is not None and even < EVEN)


def _in_pieces(step: _NextStep, structure: Structure | None) -> SpreadVerdict | None:
    """The verdict on classes that have fallen into pieces; None where they have not, or where it was not measured."""
    if structure is None or structure.gap.low <= 0 or structure.gap.value < IN_PIECES:
        return None
    why = (
        f"the nearest class mean tells the class of {structure.by_mean:.1%} of the instances, their neighbours that of "
        f"{structure.by_neighbours:.1%}"
    )
    if structure.gap.value > LOST_SHARE * structure.by_neighbours:
        return _lost(step, why)
    return SpreadVerdict("too loose", f"classes fall into pieces: {why}", *step.less())


def class_collapse(
    spread: Spread, theory: Comparison | None = None, *, share: float, under_way: bool = False
) -> SpreadVerdict:
    """share: of the variance, what tells the instances of a class apart."""
    return _collapse(_NextStep(spread, theory), share, under_way)


def _collapse(step: _NextStep, share: float, under_way: bool = False) -> SpreadVerdict:
    done, spread = "are drawing together" if under_way else "coincide", step.spread
    change = step.more()
    within = spread.within.value / spread.available
    if spread.reliability is not None and within > COLLAPSED and not spread.reliability.low > 0:
        change = change.after("check which rows are views of one instance, as they have nothing in common")
    return SpreadVerdict(
        "class collapse",
        f"the instances of a class {done} but for view noise and confusion: {max(share, 0.0):.1%} of the variance "
        "tells them apart; finer labels are lost",
        *change,
    )


def _lost(step: _NextStep, why: str) -> SpreadVerdict:
    change = step.without_pilot().less().after("check that labels belong to these rows")
    return SpreadVerdict("class structure lost", f"classes hardly differ: {why}", *change)


class _Change(NamedTuple):
    """What to change about a run: a sentence, the call of `recommend` and the number to set that it names."""

    remedy: str
    command: str = ""
    number: str = ""

    def after(self, check: str) -> _Change:
        """Only where a check finds nothing."""
        return self._replace(remedy=f"{check}; else {self.remedy}")


@dataclass(frozen=True)
class _NextStep:
    """What to change about a run, by what is known of its setting and its network."""

    spread: Spread
    theory: Comparison | None = None
    known: Setting | None = None
    asks_pilot: bool = True

    def without_pilot(self) -> _NextStep:
        """For embeddings that say nothing of their network."""
        theory = None if self.theory is None else replace(self.theory, pilot=None)
        return replace(self, theory=theory, asks_pilot=False)

    @property
    def setting(self) -> Setting:
        """What is known of the training, with the dimension of the embeddings where it is not said."""
        if self.theory is not None:
            return self.theory.setting
        if self.known is not None:
            return self.known if self.known.dim is not None else self.known.with_(dim=self.spread.dim)
        return Setting(classes=self.spread.classes + self.spread.left_out, dim=self.spread.dim)

    @property
    def pilot(self) -> Pilot | None:
        """What the embeddings say of the network, where `recommend --from` takes it in this setting."""
        fits = self.setting.dim == self.spread.dim and not self.setting.extras
        return self.spread.pilot if self.asks_pilot and fits else None

    def more(self) -> _Change:
        """Of a run with too little spread."""
        theory, change = self.theory, "raise alpha, the weight of the self-supervised term"
        if theory is None:
            return self._set(change)
        better, setting = advised(theory.setting, self.pilot), theory.setting
        if better.keeps:
            change = ""
        elif better.point is not None and better.point.alpha <= (setting.alpha or 0):
            change = "" if better.point.temperature == setting.temperature else "change weight and temperature"
        found = self._set(change) if change else _Change("")
        if not change and better.safe is not None and better.safe[1] > 1.05 * (setting.alpha or 0):
            found = self._end("train longer, or raise alpha", below(better.safe[1]), "most")
        advice = f"; {found.remedy}" if found.remedy else ""
        if theory.why_collapse:
            return found._replace(remedy=f"the loss asks for it: {theory.why_collapse}{advice}")
        if theory.threshold is None or theory.optimum is None:
            return found if advice else _Change("train longer: the weight is not too small")
        threshold, alpha = inward(theory.threshold, setting.alpha or 0.0)
        fact = f"alpha={alpha} is above the threshold {threshold}"
        expected = theory.expected
        if expected is not None and expected.state is State.too_little:
            whose = "a typical network" if theory.pilot is None else "a network like this one"
            why = f"{fact}, but {whose} keeps a free spread of {expected.free_spread:.2g} there"
        else:
            why = (
                f"the loss does not ask for it ({fact}, the optimum keeps {theory.optimum:.3g}): views differ too "
                "much or training was too short"
            )
        return found._replace(remedy=why + advice)

    def less(self, blames_training: bool = True) -> _Change:
        """Of a run with too much spread. blames_training: where the weight is not too large by what is expected."""
        theory, change = self.theory, "lower alpha, the weight of the self-supervised term"
        if theory is None:
            return self._set(change)
        better, setting = advised(theory.setting, self.pilot), theory.setting
        if blames_training and theory.weight_is_not_too_large:
            return _Change(f"train longer: alpha={setting.alpha or 0:.3g} is not too large a weight")
        if better.keeps and better.safe is not None:
            return self._end(change, above(better.safe[0]), "least")
        if better.point is not None and better.point.alpha >= (setting.alpha or 0):
            if better.point.temperature == setting.temperature:
                unknown = "this network spreads more than the estimate says, so that it gives no number"
                return _Change(f"{change}: {unknown}")
            change = "change weight and temperature"
        return self._set(change)

    def _end(self, change: str, alpha: str, which: str) -> _Change:
        """To one end of the safe range."""
        command = self._command(self.setting)
        return _Change(f"{change}: alpha={alpha}, the {which} that is safe; {command} says more", command)

    def _command(self, setting: Setting) -> str:
        return command_for(setting) + (" --from FILE" if self.pilot is not None else "")

    def _set(self, change: str) -> _Change:
        """What to change and to which number, where one is known, and the command that says more."""
        setting, command = self.setting, self._command(self.setting)
        found = advised(setting, self.pilot)
        if not found.clause:
            return _Change(f"{change}: {command}", command)
        if found.point is None:  # there is no number to change it to, and the old one says nothing
            command = self._command(setting.with_(alpha=None))
            return _Change(f"{found.clause}; {command} says more", command)
        default = setting.batch_size is None and setting.sampler != "full"
        number = f"{found.clause}{' for its default batch' if default else ''}"
        return _Change(f"{change}: {number}; {command} says more", command, number)
