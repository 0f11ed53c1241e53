"""Values of the loss at the three states a training run can be in, so that a number on the screen can be placed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ssem_advisor.domain import NotCovered, Setting, SettingError, a_setting
from ssem_advisor.theory.batches import batch_of
from ssem_advisor.theory.classes import class_batches
from ssem_advisor.theory.collapse import mapped, optimal_variance, require_simplex
from ssem_advisor.theory.openings import symmetrised
from ssem_advisor.theory.relation import geometry_of, own_view_weight
from ssem_advisor.theory.solve import zero


class ReferenceLosses(NamedTuple):
    """Loss values in nats, batch mean over all anchors, expectation over batches.

    total_collapse: all embeddings are equal, the plateau of a run that never starts.
    class_collapse: every class on one point, the class means where they make that loss least; nan where these are not
        worked out (dim < classes - 1; classes of different sizes with l_spread or dim < classes).
    optimum: the minimum; equal to class_collapse where collapse is optimal with aligned views, below it where the
        views of an instance drift apart (supcon, alpha < alpha_view). A lower bound where the dimension is too small
        for the regular geometry; nan where class_collapse is.

    Of classes of different sizes both carry the error of `openings_error` where sizes are binned or batches drawn.
    """

    total_collapse: Any
    class_collapse: Any
    optimum: Any


def reference_losses(setting: Setting, base_temperature: float | None = None) -> ReferenceLosses:
    """The loss at total collapse, at class collapse and at the optimum.

    setting.alpha None means plain SupCon (loss "supcon"): all same-class positives merged, which is the mixture at
    alpha_eq = (p-1)/((k+1)p-1) for an anchor with k same-class instances, and collapses at every temperature.
    base_temperature: of the SupContrast code, which multiplies the loss by temperature / base_temperature.
    Raises SettingError for missing fields. Source: TOTAL-COLLAPSE and REFERENCE (derived here).
    """
    scale: Any = 1.0
    a_setting(setting)
    if base_temperature is not None:
        if not base_temperature > 0:
            raise SettingError(f"base_temperature={base_temperature!r}: must be a number > 0")
        scale = np.asarray(setting.need("temperature"), dtype=float) / base_temperature
    if setting.alpha is None and setting.loss != "supcon":
        raise SettingError(f"alpha: missing; loss={setting.loss!r} has no plain form without a weight")
    try:
        require_simplex(setting)
    except NotCovered:
        values = [_plateau(setting), *_by_size(setting)]
    else:
        variance = 0.0 if setting.alpha is None else optimal_variance(setting)
        values = [_value(setting, 0.0, at_once=True), _value(setting, 0.0), _value(setting, variance)]
        if setting.alpha is not None and setting.loss == "supcon":
            values[2] = values[2] - _gain_of_drift(setting)
    return ReferenceLosses(*(float(v) if np.ndim(v * scale) == 0 else v for v in (value * scale for value in values)))


def equivalent_alpha(same: Any, views: Any) -> Any:
    """alpha_eq = (p-1)/(np-1), n = same + 1: plain SupCon of an anchor is the mixture at this weight.

    same: number of same-class instances of the anchor besides itself; views: p. 1 for a lonely anchor with two views
    or more, 0 for one view. Source: PLAIN-SUPCON (derived here).
    """
    same, views = np.asarray(same, dtype=float), np.asarray(views, dtype=float)
    weight = np.where(views > 1, (views - 1.0) / np.maximum((same + 1.0) * views - 1.0, 1.0), 0.0)
    return float(weight) if weight.ndim == 0 else weight


def plain_weight(setting: Setting) -> float:
    """alpha_eq of one setting, averaged over the anchors that meet another instance of their class; nan if none does.

    An anchor alone has no supervised term, which any weight would give. With equal classes it is below alpha_c.
    Source: PLAIN-SUPCON (derived here).
    """
    batch, share = class_batches(a_setting(setting))
    paired = float(share @ batch.paired)
    weights = (share * (batch.weight * equivalent_alpha(batch.same, setting.views))).sum()
    return float(weights) / paired if paired > 0 else float("nan")


def _plateau(setting: Setting) -> Any:
    """Total collapse where classes differ in size or crowd: labels matter only through anchors without a positive."""
    if not setting.unequal:
        return _value(setting.with_(dim=None), 0.0, at_once=True)
    batch, share = class_batches(setting)
    paired = float(share @ batch.paired)
    size = float(batch.same[0, 0] + batch.other[0, 0]) + 1.0
    if setting.loss == "l_spread":
        return np.nan  # its denominators hold one class or the other, so the plateau depends on every class size
    weight = 1.0 if setting.alpha is None else paired + float(setting.alpha) * (1.0 - paired)
    return weight * np.log(setting.views * (float(own_view_weight(setting)) + size - 1.0))


def _by_size(setting: Setting) -> tuple[float, float]:
    """The least loss at class collapse, and the minimum, of classes of different sizes; nan where not worked out."""
    if not setting.unequal or (setting.dim is not None and setting.dim < setting.classes):
        return np.nan, np.nan
    try:
        problem = symmetrised(setting)
    except NotCovered:
        return np.nan, np.nan
    # Plain SupCon is the self-supervised loss for an anchor without a mate; collapsed, the others are alike at every
    # weight, and collapse is its optimum.
    alpha = 1.0 if setting.alpha is None else float(setting.alpha)
    collapsed = problem.solve(alpha, problem.start(), np.ones(len(problem.groups.sizes), dtype=bool))
    values = [problem.loss(collapsed, alpha)] * 2
    if setting.alpha is not None:
        values[1] = min(values[0], problem.loss(problem.solve(alpha, problem.start()), alpha))
    return values[0], values[1]


def _value(setting: Setting, variance: Any, at_once: bool = False) -> Any:
    def value(part: Setting, v: np.ndarray) -> np.ndarray:
        geometry, batch = geometry_of(part), batch_of(part)
        tau, m = geometry.temperature, np.asarray(part.classes, dtype=float)
        away = np.zeros_like(v) if at_once else geometry.y(v)
        across = np.zeros_like(v * tau) if at_once else (m / (m - 1.0)) / tau - geometry.rho * away
        views = np.asarray(part.views, dtype=float)
        terms = [(batch.weight, batch.same, batch.other), (batch.alone, np.zeros_like(batch.alone), batch.alone_other)]
        total: Any = 0.0
        for weight, same, other in terms:
            alpha = equivalent_alpha(same, views) if part.alpha is None else np.asarray(part.alpha, dtype=float)
            if part.loss == "l_spread":
                loss = _spread_value(alpha, same, other, away, across)
            else:
                log_sum = np.log(views * (own_view_weight(part) + same * np.exp(-away) + other * np.exp(-across)))
                # Without a same-class instance the supervised term counts zero.
                loss = np.where(same > 0, (1.0 - alpha) * away + log_sum, alpha * log_sum)
            share = np.where(weight > 0, weight * loss, 0.0)
            total = total + (share.sum(axis=0) if share.ndim > 1 else share)
        return np.asarray(total)

    return mapped(setting, value, np.asarray(variance, dtype=float))


def _gain_of_drift(setting: Setting) -> Any:
    """How far letting views drift apart takes `supcon` below the collapsed simplex; 0 from alpha_view on.

    Below alpha_view instances of a class keep one mean, so of the three similarities one is free: at a drift e the
    views of an instance stand at 1 - e, instances of a class at 1 - e (p-1)/p, classes at -1/(m-1) times that.
    """

    def gain(part: Setting) -> np.ndarray:
        batch, views = batch_of(part), np.asarray(part.views, dtype=float)
        tau, m = np.asarray(part.temperature, dtype=float), np.asarray(part.classes, dtype=float)
        own, alpha, share = own_view_weight(part), np.asarray(part.alpha, dtype=float), (views - 1.0) / views
        terms = [(batch.weight, batch.same, batch.other), (batch.alone, np.zeros_like(batch.alone), batch.alone_other)]

        def objective(drift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """tau times the loss, up to a constant, and its derivative in the drift."""
            value: Any = 0.0
            slope: Any = 0.0
            for weight, same, other in terms:
                paired = same > 0
                logs = np.stack(
                    np.broadcast_arrays(
                        np.log(np.maximum(own, 1e-300)) - drift / tau,
                        np.log(np.maximum(same, 1e-300)) - drift * share / tau,
                        np.log(np.maximum(other, 1e-300)) - (m - drift * share) / (m - 1.0) / tau,
                    )
                )
                top = logs.max(axis=0)
                parts = np.exp(logs - top)
                total = parts.sum(axis=0)
                pulled = -parts[0] - share * parts[1] + share / (m - 1.0) * parts[2]
                attract = np.where(paired, (1.0 - alpha) * share, 0.0) + alpha
                scale = np.where(paired, 1.0, alpha) * weight
                part_value = weight * attract * drift + scale * tau * (top + np.log(total))
                part_slope = weight * attract + scale * pulled / total
                value = value + (part_value.sum(axis=0) if part_value.ndim > 1 else part_value)
                slope = slope + (part_slope.sum(axis=0) if part_slope.ndim > 1 else part_slope)
            return value, slope

        aligned, start = objective(np.zeros(np.broadcast_shapes(tau.shape, alpha.shape, batch.alone.shape)))
        furthest = np.zeros_like(start) + 1.0 / np.where(share > 0, share, 1.0)
        drift = zero(lambda e: objective(e)[1], np.zeros_like(start), furthest)
        return np.where((start < 0) & (share > 0), (aligned - objective(drift)[0]) / tau, 0.0)

    return mapped(setting, gain)


def _spread_value(alpha: Any, same: Any, other: Any, away: Any, across: Any) -> Any:
    supervised = (np.log1p(other * np.exp(-across)) + same * np.log1p(other * np.exp(away - across))) / (same + 1.0)
    return (1.0 - alpha) * supervised + alpha * np.log1p(same * np.exp(-away))
