"""`recommend`: from a setting to the whole answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ssem_advisor.advice.answer import (
    Advice,
    Alternative,
    Basis,
    Code,
    NetworkOrigin,
    Note,
    Point,
    Range,
)
from ssem_advisor.advice.choice import TEMPERATURES, USUAL_TEMPERATURE, Choice
from ssem_advisor.advice.outlook import LARGEST_WEIGHT, Outlook
from ssem_advisor.domain import NotCovered, Setting, SettingError, a_setting
from ssem_advisor.theory.batches import batch_of
from ssem_advisor.theory.classes import lonely_share
from ssem_advisor.theory.collapse import critical_temperature
from ssem_advisor.theory.network import PERFECT, Network, shares_directions, typical
from ssem_advisor.theory.regime import Regime
from ssem_advisor.theory.relation import geometry_of
from ssem_advisor.theory.values import ReferenceLosses, equivalent_alpha, plain_weight, reference_losses

# Free spread to aim at and the range that counts as safe: fine-label probes are flat in it on CIFAR-10 pairs and
# CIFAR-100 coarse; below they fall towards those of plain SupCon, above coarse accuracy falls below plain SupCon's.
WANTED, SAFE_SPREAD = 0.2, (0.1, 0.25)
# Where class means take most directions, most spread becomes confusion and costs trained labels. The aims shrink with
# the root of the share of directions beside the means; less than a quarter was never tried. Settled on CIFAR-100
# in 50 classes (dim 64), where the full aims lost .036 of the fine probe; tested on all 100 (dim 128).
LEAST_SHARE_BESIDE = 0.25
DEFAULT_BATCH = 512


def complete(setting: Setting) -> tuple[Setting, tuple[str, ...]]:
    """Fill in the batch that the theory needs, and say what was assumed.

    A random or balanced batch holds 512 instances, but at least 4 of every class, and no more than the data set.
    """
    if a_setting(setting).sampler == "full" or setting.batch_size is not None:
        return setting, ()
    drawn = setting.classes_per_batch or setting.classes
    if setting.sampler == "balanced":
        each = max(4, round(DEFAULT_BATCH / drawn))
        smallest = min(setting.class_counts) if setting.class_counts else setting.instances_per_class
        if smallest is not None:
            each = min(each, smallest)
        return setting.with_(batch_size=each * drawn), ("batch_size",)
    batch = max(DEFAULT_BATCH, 4 * setting.classes)
    total = sum(setting.class_counts) if setting.class_counts else None
    if setting.instances_per_class is not None:
        total = setting.classes * setting.instances_per_class
    return setting.with_(batch_size=batch if total is None else min(batch, total)), ("batch_size",)


def recommend(
    setting: Setting,
    *,
    network: Network | None = None,
    pilot: float | None = None,
    free_spread: float | None = None,
    safe_spread: tuple[float, float] | None = None,
    assumed: tuple[str, ...] = (),
    alternatives: bool = False,
) -> Advice:
    """Safe ranges of alpha and temperature, a setting to start from, and a short plan of what to train.

    setting: scalar fields; missing batch size, alpha and temperature are filled in and reported in `assumed`.
    network: whose free spread the answer speaks of: None = a typical network on real images (`typical`), PERFECT = the
        minimiser of the loss, or one whose view reliability and directions were measured.
    pilot: the free spread at which that network was measured in a run; its reliability is then carried over to the one
        wanted (`Network.at_spread`), and the temperature stays that of the setting, or the usual one, if a weight is
        safe there. None = it was measured near the spread wanted.
    free_spread: share of the total variance that instances of one class should differ in; safe_spread: the least and
        the largest that count as safe, in (0, 1). None = as `aims` says.
    alternatives: also say what would change with the batch, the sampler and the views.
    Raises SettingError for arrays and for a free spread outside the safe range.
    """
    a_setting(setting).refuse_arrays("recommend answers")
    usual, (low, high) = aims(setting, network)
    if safe_spread is None:
        # What is asked for counts as safe where it would be in roomy dimensions.
        asked = usual if free_spread is None else min(max(free_spread, SAFE_SPREAD[0]), SAFE_SPREAD[1])
        safe_spread = min(low, asked), max(high, asked)
    free_spread = min(max(usual, safe_spread[0]), safe_spread[1]) if free_spread is None else free_spread
    _check(free_spread, safe_spread)
    full, filled = complete(setting)
    unset = tuple(name for name in ("alpha", "temperature") if getattr(setting, name) is None)
    assumed = tuple(dict.fromkeys((*assumed, *filled, *unset)))
    origin = NetworkOrigin.typical if network is None else NetworkOrigin.measured
    if network == PERFECT:
        origin = NetworkOrigin.perfect
    notes = []
    if network is not None and pilot is not None:
        before, network = network, _carried_over(full, network, pilot, free_spread)
        values = {"measured_reliability": before.view_reliability, "measured_spread": pilot}
        values |= {"reliability": network.view_reliability, "wanted": free_spread, "temperature": full.temperature}
        notes.append(Note(Code.pilot, values))
    outlook = Outlook(full, typical(full) if network is None else network, safe_spread)
    choice = Choice(outlook, free_spread, origin, of_a_run=origin is NetworkOrigin.measured and pilot is not None)
    return _advice(choice, assumed, alternatives, notes)


def _carried_over(setting: Setting, network: Network, pilot: float, wanted: float) -> Network:
    """The network at the wanted spread. A pilot below it, or at another temperature, has not yet found its directions:
    they are then at least those of a typical network."""
    moved = network.at_spread(pilot, wanted)
    usual = typical(setting).directions
    if usual is None or moved.directions is None or (setting.temperature is not None and pilot >= wanted):
        return moved
    return replace(moved, directions=max(moved.directions, usual))


def aims(setting: Setting, network: Network | None = None) -> tuple[float, tuple[float, float]]:
    """Free spread to aim at and the range that counts as safe, conventions by evidence; less in crowded dimensions.

    network: as for `recommend`. The minimiser keeps its spread apart from the class means in any dimension.
    """
    scale = 1.0
    if a_setting(setting).dim is not None and network != PERFECT:
        scale = math.sqrt(max(1.0 - (setting.classes - 1) / setting.dim, LEAST_SHARE_BESIDE))
    low, high = SAFE_SPREAD
    return WANTED * scale, (low * scale, high * scale)


def outlook_of(setting: Setting, network: Network | None = None) -> Outlook:
    """What a setting holds for a typical network, or for the one given, by the safe range of `recommend`.

    Raises SettingError for arrays.
    """
    a_setting(setting).refuse_arrays("recommend answers")
    _, safe = aims(setting, network)
    full, _ = complete(setting)
    return Outlook(full, typical(full) if network is None else network, safe)


def judge(setting: Setting, network: Network | None = None) -> Point:
    """What to expect of a setting with alpha and temperature, for a typical network or the one given.

    Raises SettingError for missing or array fields. `State.not_covered` where no theorem or estimate speaks.
    """
    return outlook_of(setting, network).point(setting.need("alpha"), setting.need("temperature"))


def _check(wanted: float, safe: tuple[float, float]) -> None:
    low, high = safe
    if not 0 < low < high < 1:
        raise SettingError(f"safe_spread={safe!r}: must be two increasing numbers inside (0, 1)")
    if not low <= wanted <= high:
        raise SettingError(f"free_spread={wanted!r}: must lie in the safe range {low:g} to {high:g}")


def _advice(choice: Choice, assumed: tuple[str, ...], alternatives: bool, known: list[Note]) -> Advice:
    outlook, setting = choice.outlook, choice.outlook.setting
    chosen = choice.start()
    given = None
    if setting.alpha is not None and setting.temperature is not None:
        given = outlook.point(setting.alpha, setting.temperature)
    tau = chosen.temperature if chosen else setting.temperature or USUAL_TEMPERATURE
    alpha = chosen.alpha if chosen else setting.alpha
    limits = outlook.limits(tau)
    safe_temperatures, only_one = outlook.safe_temperatures(alpha, tau) if alpha is not None else (None, True)
    notes = [*_notes(choice, chosen, tau), *known]
    if not only_one:
        notes.append(Note(Code.several_intervals, {"alpha": alpha}))
    reference, similarities = _reference(outlook, chosen, given)
    return Advice(
        setting=setting,
        assumed=assumed,
        network=outlook.network,
        origin=choice.origin,
        wanted=choice.wanted,
        safe_spread=outlook.safe_spread,
        regime=outlook.regime,
        limits=limits,
        limits_temperature=tau,
        given_limits=None if setting.temperature is None else outlook.limits(setting.temperature),
        alpha=Range(
            outlook.threshold(tau),
            outlook.safe_weights(tau),
            chosen.alpha if chosen else None,
        ),
        temperature=Range(_critical(setting, alpha), safe_temperatures, chosen.temperature if chosen else None),
        recommended=chosen,
        given=given,
        plan=choice.plan(chosen),
        similarities=similarities,
        reference=reference,
        plain_alpha=_plain(setting),
        lonely=lonely_share(outlook.setting),
        notes=tuple(notes),
        alternatives=tuple(_alternatives(choice, tau)) if alternatives else (),
    )


def _critical(setting: Setting, alpha: float | None) -> float | None:
    if alpha is None:
        return None
    try:
        return float(critical_temperature(setting.with_(alpha=alpha)))
    except NotCovered:
        return None


def _plain(setting: Setting) -> float | None:
    """alpha_eq of plain SupCon, where the batch fixes the number of same-class instances."""
    if setting.loss != "supcon" or setting.sampler == "random" or setting.unequal:
        return None
    return float(equivalent_alpha(batch_of(setting).same[0, 0], setting.views))


def _reference(
    outlook: Outlook, chosen: Point | None, given: Point | None
) -> tuple[ReferenceLosses | None, tuple[float, float] | None]:
    """Loss values at the user's own point, or the recommended one; expected mean cosines at the recommended one."""
    setting, point = outlook.setting, given or chosen
    if chosen is None or point is None:
        return None, None
    reference = reference_losses(setting.with_(alpha=point.alpha, temperature=point.temperature))
    if chosen.within_class_variance is None or outlook.by_class:
        return reference, None
    geometry = geometry_of(setting.with_(alpha=chosen.alpha, temperature=chosen.temperature))
    away, m = chosen.within_class_variance / float(geometry.shrink), float(setting.classes)
    return reference, (1.0 - away, 1.0 - m / (m - 1.0) + float(geometry.rho) * away)


# -- notes -------------------------------------------------------------------------------------------------------------


def _notes(choice: Choice, chosen: Point | None, tau: float) -> Iterator[Note]:
    outlook, setting = choice.outlook, choice.outlook.setting
    if chosen is None:
        yield _why_nothing(choice, tau)
    else:
        yield from _what_moved(choice, chosen)
    limits = outlook.limits(tau)
    regime = outlook.regime
    if regime is Regime.CROWDED:
        yield Note(Code.crowded, {"dim": setting.dim, "classes": setting.classes})
    elif regime is Regime.TIGHT and limits is not None:
        yield Note(Code.tight, {"collapse_up_to": limits.collapse_up_to, "open_above": limits.open_above})
    elif regime is Regime.UNEQUAL:
        yield Note(Code.unequal)
    elif shares_directions(setting) and chosen is not None and chosen.basis is not Basis.exact:
        beside = int(setting.dim) - int(setting.classes) + 1
        yield Note(Code.shared_directions, {"beside": beside, "dim": setting.dim, "classes": setting.classes})
    if limits is not None and limits.error > 0 and math.isfinite(limits.open_above):
        values = {"error": limits.error, "collapse_error": limits.collapse_error, "kind": str(limits.kind)}
        yield Note(Code.sampled_threshold, values)
    if chosen is not None and chosen.basis is Basis.minimiser:
        yield Note(Code.minimiser_only, {"loss": setting.loss})
    lonely = lonely_share(outlook.setting)
    if 0.1 < lonely < 1:
        values = {"share": lonely}
        if setting.loss == "supcon" and setting.views > 1:  # an anchor alone has its other view as its one positive
            values["plain_network"] = (1.0 - lonely) * plain_weight(outlook.setting) + lonely
        yield Note(Code.lonely_anchors, values)
    yield from _precision(tau)


def _what_moved(choice: Choice, chosen: Point) -> Iterator[Note]:
    setting = choice.outlook.setting
    given_alpha, given_tau = setting.alpha, setting.temperature
    alpha_moved = given_alpha is not None and chosen.alpha != given_alpha
    tau_moved = given_tau is not None and chosen.temperature != given_tau
    values = {"alpha": given_alpha, "temperature": given_tau}
    if tau_moved:
        yield Note(Code.both_moved if alpha_moved else Code.temperature_moved, values)
    elif alpha_moved and given_tau is None:
        yield Note(Code.alpha_moved, values)
    if given_tau is None and given_alpha is None and chosen.temperature != USUAL_TEMPERATURE:
        weight = float(choice.outlook.weight(choice.wanted, USUAL_TEMPERATURE))
        reliable = choice.origin is NetworkOrigin.measured and weight <= LARGEST_WEIGHT
        yield Note(
            Code.warmer_for_reliable_views if reliable else Code.another_temperature,
            {"usual": USUAL_TEMPERATURE, "temperature": chosen.temperature, "weight": weight},
        )
    warmest = choice.warmest() if choice.of_a_run and given_tau is None and given_alpha is None else USUAL_TEMPERATURE
    if warmest > chosen.temperature == USUAL_TEMPERATURE:
        yield Note(Code.warmer_for_reliable_views, {"usual": USUAL_TEMPERATURE, "temperature": warmest, "moved": False})
    spread = chosen.free_spread
    if (given_alpha is None or alpha_moved) and spread is not None and spread < 0.95 * choice.wanted:
        yield Note(Code.less_than_wanted, {"wanted": choice.wanted, "free_spread": spread})


def _precision(tau: float) -> Iterator[Note]:
    """The largest float16 is 65504; exp(-16.6) is about its least."""
    if 1.0 / tau > math.log(65504.0):
        yield Note(Code.fp16_overflow, {"inverse": 1.0 / tau})
    if 2.0 / tau > 16.6:
        yield Note(Code.fp16_underflow, {"span": 2.0 / tau})


def _why_nothing(choice: Choice, tau: float) -> Note:
    outlook, setting = choice.outlook, choice.outlook.setting
    if setting.loss != "ssem" and setting.views < 2:
        return Note(Code.one_view)
    if setting.dim == 1:
        return Note(Code.line)
    if lonely_share(outlook.setting) >= 1:
        return Note(Code.all_alone)
    limits, reason = outlook.limits(tau), outlook.why_not_covered
    if limits is None or reason is not None:
        return Note(Code.not_covered, {"reason": reason or outlook.why_no_limits(tau)})
    few = setting.dim is not None and setting.dim < setting.classes
    if few and limits.collapse_up_to < 1 <= limits.open_above:
        return Note(Code.no_weight_known, {"temperature": tau, "dim": setting.dim, "classes": setting.classes})
    if limits.open_above >= 1:
        return Note(Code.no_weight_prevents, {"temperature": tau, "threshold": limits.open_above})
    reach = max(outlook.spread(LARGEST_WEIGHT, t) for t in (tau, *TEMPERATURES))
    return Note(Code.out_of_reach, {"least": outlook.safe_spread[0], "reach": reach, "dim": setting.dim})


# -- alternatives ------------------------------------------------------------------------------------------------------


def _alternatives(choice: Choice, tau: float) -> Iterator[Alternative]:
    """What the answer would be with another batch, sampler or number of views, at the same temperature."""
    outlook = choice.outlook
    if outlook.by_class:
        return
    for label, changes in _changes(outlook.setting):
        try:
            other = Outlook(outlook.setting.with_(**changes), outlook.network, outlook.safe_spread)
            yield Alternative(
                label,
                other.setting,
                other.threshold(tau),
                other.safe_weights(tau),
                other.best_weight(choice.wanted, tau),
            )
        except SettingError:
            continue  # the data set is too small for it


def _changes(setting: Setting) -> Iterator[tuple[str, dict[str, Any]]]:
    size = setting.batch_size
    if setting.sampler != "full":
        yield from ((f"batch {s}", {"batch_size": s}) for s in (size // 2, size * 2, size * 4) if s >= 2)
    if setting.sampler == "random":
        each = max(2, round(size / setting.classes))
        yield f"balanced, {each} per class", {"sampler": "balanced", "batch_size": each * setting.classes}
        per_class = max(4, round(size / setting.classes))
        classes = max(2, min(setting.classes, size // per_class))
        if classes < setting.classes:
            change = {"sampler": "balanced", "classes_per_batch": classes, "batch_size": classes * per_class}
            yield f"P x K = {classes} x {per_class}", change
    views = 2 if setting.views in (1, 4) else 4
    yield f"{views} views", {"views": views}
