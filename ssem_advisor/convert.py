"""Between alpha and the weights that public code writes: which mixture a loss is, and which weights give a mixture.

The theorems weigh L_self against an L_sup whose positives are *other* instances of the class. Public code rarely has
that term: its SupCon merges both kinds of positives and already holds L_self with the share alpha_eq. So a loss is
written here as the sum of three terms, and becomes ``scale * ((1-alpha) L_sup + alpha L_self)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ssem_advisor.domain import NotCovered, Setting, SettingError, a_setting
from ssem_advisor.theory.batches import batch_of
from ssem_advisor.theory.values import plain_weight


@dataclass(frozen=True)
class Terms:
    """The factors of a loss's terms, each a mean over anchors; all >= 0.

    supervised: of L_sup, positives are the other instances of the class; merged: of SupCon, positives are those and the
    other views of the anchor's own instance; own: of L_self, positives are the other views alone.
    """

    supervised: float = 0.0
    merged: float = 0.0
    own: float = 0.0

    def mixture(self, share: float) -> Mixture:
        """share: of L_self in the merged term, alpha_eq."""
        scale = self.supervised + self.merged + self.own
        return Mixture((share * self.merged + self.own) / scale, scale)


@dataclass(frozen=True)
class Mixture:
    """A loss as the theorems see it: ``scale * ((1-alpha) L_sup + alpha L_self)``.

    scale: what the loss is larger by than this package's. Replacing it keeps the gradients if the learning rate is
    multiplied by scale (SGD; Adam does not notice).
    exact: False where the batches of a setting make the equality an estimate, or hold it at the collapsed point alone.
    """

    alpha: float
    scale: float
    exact: bool = True


@dataclass(frozen=True)
class Form:
    """One way to write the loss.

    name: as `--mix` takes it; note: what to know beside it.
    formula: as in the code, SupCon(f, y) with labels and SupCon(f) without. weights: the names of its numbers.
    terms: from those numbers to :class:`Terms`. loss: the loss of a Setting that it mixes.
    base_temperature: of SupContrast's code, multiplies every term by temperature / base_temperature.
    summed: terms are sums over the anchors, not means. two_views: equals the mixture with two views only.
    local: the equality holds at the collapsed point, to second order, and decides collapse as a local minimum only.
    """

    name: str
    formula: str
    weights: tuple[str, ...]
    terms: Callable[..., Terms]
    loss: str = "supcon"
    base_temperature: float | None = None
    summed: bool = False
    two_views: bool = False
    local: bool = False
    note: str = ""


def _shares(w: float) -> Terms:
    return Terms(merged=1.0 - w, own=w)


def _both(a: float, b: float) -> Terms:
    return Terms(merged=a, own=b)


_SIMCLR = "SupCon(f) is SupConLoss without labels"
FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("alpha", "(1-w) L_sup + w L_self", ("w",), lambda w: Terms(supervised=1.0 - w, own=w),
             note="this package, and the SSEM paper's code (--loss ssem)"),
        Form("mixed", "(1-w) SupCon(f, y) + w SupCon(f)", ("w",), _shares, note=_SIMCLR),
        Form("lambda-self", "SupCon(f, y) + w SupCon(f)", ("w",), lambda w: Terms(merged=1.0, own=w), note=_SIMCLR),
        Form("lambda-supcon", "SupCon(f) + w SupCon(f, y)", ("w",), lambda w: Terms(merged=w, own=1.0), note=_SIMCLR),
        Form("two-weights", "a SupCon(f, y) + b SupCon(f)", ("a", "b"), _both, note=_SIMCLR),
        Form("sums", "(1-w) SupCon(f, y).sum() + w SupCon(f).sum()", ("w",), _shares, summed=True,
             note="sums over the anchors in place of means, such as a SumReducer"),
        Form("cross-entropy", "CE + a SupCon(f, y) + b SupCon(f)", ("a", "b"), _both,
             note="alpha is that of the contrastive part; cross-entropy beside it pulls towards collapse as well and "
             "is not covered"),
        Form("supcontrast", "(1-w) SupConLoss(f, y) + w SupConLoss(f)", ("w",), _shares, base_temperature=0.07,
             note="SupContrast's SupConLoss with its base_temperature of 0.07"),
        Form("pytorch-metric-learning", "(1-w) SupConLoss(z, y) + w NTXentLoss(z, instance)", ("w",), _shares,
             two_views=True, note="give both losses one temperature: their defaults are 0.1 and 0.07"),
        Form("solo-learn", "(1-w) simclr_loss_func(z, y) + w simclr_loss_func(z, index)", ("w",), _shares,
             two_views=True, local=True, note="the sum over positives stands inside the logarithm (L_in)"),
        Form("l-spread", "a L_sup + b L_spread", ("a", "b"), lambda a, b: Terms(supervised=a, own=b), loss="l_spread",
             note="thanos-code's a_lc and a_spread; divided by their sum there, so its own factor is 1"),
    )
}  # fmt: skip


def form_of(name: str) -> Form:
    """The form of that name, as `--mix` takes it. Raises SettingError naming the forms there are."""
    if name not in FORMS:
        import difflib

        near = difflib.get_close_matches(name, FORMS, 1)
        guess = f" (did you mean {near[0]}?)" if near else ""
        raise SettingError(f"mix={name!r}: no such form{guess}; one of {', '.join(FORMS)}")
    return FORMS[name]


def to_alpha(
    form: Form | str,
    weights: float | tuple[float, ...],
    setting: Setting,
    *,
    supervised_factor: float = 1.0,
    self_factor: float = 1.0,
) -> Mixture:
    """The mixture that a loss with these weights is, in the batches of the setting.

    weights: in the order of form.weights, each >= 0. supervised_factor, self_factor: what the code multiplies its term
    with labels and its term without by beside the weights (a sum over a batch in place of a mean, a base temperature of
    one term alone).
    Raises SettingError for weights outside their domain or a missing batch size or temperature, NotCovered where the
    loss is no such mixture. Source: PLAIN-SUPCON (derived here).
    """
    a_setting(setting)
    form = form_of(form) if isinstance(form, str) else form
    numbers = tuple(weights) if isinstance(weights, (tuple, list)) else (weights,)
    _check_weights(form, numbers)
    both = _factor(form, setting)
    _check_factors(supervised_factor, self_factor)
    terms = _times(form.terms(*numbers), supervised_factor * both, self_factor * both)
    if terms.supervised + terms.merged + terms.own == 0:
        raise SettingError(f"mix={form.name}: all weights are zero; nothing is left of the loss")
    share, exact = _share(form, setting) if terms.merged else (0.0, not form.local)
    mixture = terms.mixture(share)
    return Mixture(min(mixture.alpha, 1.0), mixture.scale, exact)


def to_weights(
    form: Form | str, alpha: float, setting: Setting, *, supervised_factor: float = 1.0, self_factor: float = 1.0
) -> tuple[float, ...]:
    """The weights that make a form the mixture alpha; of two free ones, those that add up to 1.

    form: a name of `FORMS`, or a :class:`Form`. setting: its batches decide how much of L_self a merged term holds.
    supervised_factor, self_factor: constants, > 0, by which the code multiplies its two terms beside the weights.
    Raises NotCovered where no weights >= 0 do: below alpha_eq a merged SupCon term holds too much of L_self already.
    """
    a_setting(setting)
    form = form_of(form) if isinstance(form, str) else form
    if not 0 <= alpha <= 1:
        raise SettingError(f"alpha={alpha!r}: must be a number in [0, 1]")
    _check_factors(supervised_factor, self_factor)

    def at(w: float) -> tuple[float, ...]:
        return (w,) if len(form.weights) == 1 else (1.0 - w, w)

    # The terms are affine in w, so alpha * scale = (own part) is a linear equation.
    start, end = (_times(form.terms(*at(w)), supervised_factor, self_factor) for w in (0.0, 1.0))
    share = _share(form, setting)[0] if start.merged or end.merged else 0.0
    offset, slope = _excess(start, alpha, share), _excess(end, alpha, share) - _excess(start, alpha, share)
    w = -offset / slope if slope else math.inf
    w = 0.0 if -1e-12 < w < 0 else w
    if not (0 <= w < math.inf) or (at(w)[0] < 0):
        why = f"its SupCon term is alpha = {share:.4g} by itself" if alpha < share else "one weight would be infinite"
        raise NotCovered(f"mix={form.name}: no weights of this form give alpha = {alpha:.4g}; {why}")
    return at(w)


def _excess(terms: Terms, alpha: float, share: float) -> float:
    return share * terms.merged + terms.own - alpha * (terms.supervised + terms.merged + terms.own)


def _times(terms: Terms, supervised: float, own: float) -> Terms:
    return Terms(terms.supervised * supervised, terms.merged * supervised, terms.own * own)


def _factor(form: Form, setting: Setting) -> float:
    factor = 1.0
    if form.base_temperature is not None:
        factor *= setting.need("temperature") / form.base_temperature
    if form.summed:
        if setting.sampler == "full":
            total = sum(setting.class_counts) if setting.class_counts else None
            size = total or setting.classes * setting.need("instances_per_class")
        else:
            size = setting.need("batch_size")
        factor *= setting.views * size
    return factor


def _share(form: Form, setting: Setting) -> tuple[float, bool]:
    """alpha_eq of the merged term, and whether it is exact: one number for every anchor, and no anchor alone."""
    if setting.views < 2:
        raise NotCovered("views=1: an instance with one view has no self-supervised term; use two views or more")
    if form.two_views and setting.views != 2:
        raise NotCovered(f"mix={form.name}: equals a mixture with two views only, not with views={setting.views}")
    if setting.unequal and setting.sampler != "balanced":
        raise NotCovered(
            f"mix={form.name}: with unequal classes SupCon holds another share of L_self in every class; use balanced "
            "batches, or this package's loss (form alpha)"
        )
    equal = setting.with_(class_counts=None, classes=setting.classes) if setting.unequal else setting
    batch, share = batch_of(equal), plain_weight(equal)
    if math.isnan(share):
        raise NotCovered("batch_size: no anchor has another instance of its class, so there is no supervised term")
    return share, float(batch.alone[0]) == 0.0 and not form.local


def _check_weights(form: Form, numbers: tuple[float, ...]) -> None:
    if len(numbers) != len(form.weights):
        raise SettingError(
            f"mix={form.name}: takes {len(form.weights)} number{'s' * (len(form.weights) > 1)} "
            f"({', '.join(form.weights)}), not {len(numbers)}: {form.formula}"
        )
    limited = "1-w" in form.formula
    for name, number in zip(form.weights, numbers, strict=True):
        if not (0 <= number <= 1 if limited else 0 <= number < math.inf):
            raise SettingError(f"mix={form.name}: {name}={number:g} must be {'in [0, 1]' if limited else '>= 0'}")


def _check_factors(supervised: float, own: float) -> None:
    for name, factor in (("supervised_factor", supervised), ("self_factor", own)):
        if not 0 < factor < math.inf:
            raise SettingError(f"{name}={factor!r}: must be a finite number > 0")
