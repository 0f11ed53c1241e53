"""Curves of the theory: threshold over batch size; variance, loss values and openings of classes over the weight."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssem_advisor.advice import Outlook, complete
from ssem_advisor.domain import NotCovered, Setting, SettingError
from ssem_advisor.report.plots.canvas import PAPER, Look, Paper, canvas, legend_below, logarithmic, mark
from ssem_advisor.report.plots.shown import basis, covered_outlook, headline, most, need_views
from ssem_advisor.theory import ReferenceLosses, class_variances, collapse_threshold, reference_losses
from ssem_advisor.theory import class_openings as class_openings_of
from ssem_advisor.theory.estimates import is_exact
from ssem_advisor.theory.regime import Regime, collapse_limits, coordinates, regime_of

# How many batch sizes are drawn, and how many where every one takes a search; weights likewise.
_SIZES, _SIZES_BY_CLASS, _WEIGHTS_BY_CLASS = 97, 9, 41
# A search in more coordinates than this takes half a second and more: fewer sizes are drawn then.
_MANY_COORDINATES, _SIZES_OF_MANY = 30_000, 5


def threshold_vs_batch(setting: Setting, path: str | os.PathLike[str], paper: Paper = PAPER) -> Path:
    """Write the collapse threshold of the weight against the batch size, for several temperatures.

    Where every class has a threshold of its own that of the last one, worked out at a few sizes. Raises as
    `phase_diagram`, and SettingError for sampler="full", whose batch is the data set.
    """
    need_views(setting)
    setting = complete(setting)[0]
    by_class = regime_of(setting).by_class
    if by_class:
        title, label = (
            "Above each line no class is known to stay collapsed",
            "weight α above which the last class opens",
        )
    else:
        title, label = "Collapse is the optimum below each line", "collapse threshold of α"
    with canvas(path, paper, (7.8, 4.8), title, headline(setting.with_(batch_size=None))) as (_, axes, look):
        few = _SIZES_OF_MANY if coordinates(setting) > _MANY_COORDINATES else _SIZES_BY_CLASS
        sizes = _batch_sizes(setting, few if by_class else _SIZES)
        if by_class and setting.batch_size is not None:
            sizes = np.union1d(sizes, setting.batch_size)
        for temperature, drawn in temperatures(setting, look):
            at = setting.with_(temperature=temperature, alpha=None)
            if by_class:
                drawn |= {"marker": "o", "markersize": 3.5}  # only these are worked out
                found = np.array([collapse_limits(at.with_(batch_size=int(size))).open_above for size in sizes])
            else:
                found = collapse_threshold(at.with_(batch_size=sizes))
            axes.plot(sizes, np.minimum(found, 2.0), label=f"{temperature:g}", **drawn)
        axes.axhspan(1, 1.1, facecolor=look.collapse, edgecolor=look.hatch, hatch="///", linewidth=0, zorder=3)
        beyond = "  no weight is known to do it" if by_class else "  no weight prevents collapse"
        axes.text(sizes[0], 1.045, beyond, va="center", path_effects=look.halo(), zorder=4)
        if setting.batch_size is not None:
            mark(axes, look, setting.batch_size, f"batch {setting.batch_size}")
        powers = [2**power for power in range(1, 24) if sizes[0] <= 2**power <= sizes[-1]]
        logarithmic(axes.xaxis, powers[:: 1 + len(powers) // 10])
        axes.set(xlim=(sizes[0], sizes[-1]), ylim=(0, 1.09))
        axes.set(xlabel="batch size, in instances", ylabel=label)
        axes.grid()
        axes.legend(title="temperature", loc="center left", bbox_to_anchor=(1.01, 0.5))
    return Path(path)


def variance_vs_alpha(setting: Setting, path: str | os.PathLike[str], paper: Paper = PAPER) -> Path:
    """Write the expected free spread against the weight, for several temperatures.

    Up to the weight at which the first class opens it is 0; up to where the last one has, nothing is drawn. Raises
    NotCovered where no theorem or estimate speaks, and as `phase_diagram`.
    """
    outlook = covered_outlook(setting, paper)
    setting = outlook.setting
    spreads = most(outlook) * np.concatenate([np.geomspace(1e-4, 0.02, 20), np.linspace(0.025, 1, 118)])
    with canvas(
        path, paper, (7.8, 4.8), "What a weight keeps of the differences inside classes", headline(setting)
    ) as (
        _,
        axes,
        look,
    ):
        axes.axhspan(*outlook.safe_spread, color=look.safe, linewidth=0)
        axes.text(0.012, outlook.safe_spread[1] - 0.02, "safe range", va="center", color=look.safe_ink, fontsize=9)
        for temperature, drawn in temperatures(setting, look):
            weights = np.array([outlook.weight(spread, temperature) for spread in spreads])
            alphas, values = _spread_over_weight(outlook, temperature, spreads, weights)
            axes.plot(alphas, values, label=f"{temperature:g}", clip_on=False, **drawn)
        if setting.alpha is not None:
            mark(axes, look, setting.alpha, f"your α = {setting.alpha:g}")
        axes.set(xlim=(0, 1), ylim=(0, most(outlook)), xlabel="weight α of the self-supervised term")
        axes.set_ylabel(f"free spread {basis(outlook)}")
        axes.grid()
        gap = "\n(gap: some classes\nare collapsed)" if outlook.by_class else ""
        axes.legend(title=f"temperature{gap}", loc="center left", bbox_to_anchor=(1.01, 0.5))
    return Path(path)


def _spread_over_weight(
    outlook: Outlook, temperature: float, spreads: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The curve of one temperature, through the weights of given spreads; nan where some classes are collapsed."""
    at_one = outlook.spread(1.0, temperature)
    if outlook.regime in (Regime.EXACT, Regime.FINITE):
        inside, edge = weights <= 1, min(float(outlook.weight(0.0, temperature)), 1.0)
        return np.array([0, edge, *weights[inside], 1]), np.array([0, 0, *spreads[inside], at_one])
    limits = collapse_limits(outlook.setting.with_(temperature=temperature))
    first, last = min(limits.collapse_up_to, 1.0), min(limits.open_above, 1.0)
    inside = (weights > last) & (weights <= 1)
    collapsed = ([0, first, np.nan], [0, 0, np.nan])
    if last == 1:
        return np.array(collapsed[0]), np.array(collapsed[1])
    opened = outlook.spread(last, temperature)
    return np.array([*collapsed[0], last, *weights[inside], 1]), np.array(
        [*collapsed[1], opened, *spreads[inside], at_one]
    )


def loss_values(setting: Setting, path: str | os.PathLike[str], paper: Paper = PAPER) -> Path:
    """Write the three reference values of the loss against the weight: total collapse, class collapse, the optimum.

    At the setting's temperature, or 0.1. Raises as `phase_diagram`, and NotCovered where the loss of collapsed classes
    is not worked out.
    """
    need_views(setting)
    setting = complete(setting)[0]
    setting = setting.with_(temperature=setting.temperature or 0.1)
    alphas = np.linspace(0, 1, _WEIGHTS_BY_CLASS if setting.unequal else 201)
    values = _reference_losses(setting, alphas)
    title = f"Where a loss value stands, at temperature {setting.temperature:g}"
    with canvas(path, paper, (7.8, 4.8), title, headline(setting)) as (figure, axes, look):
        for name, value, drawn in (
            (
                "total collapse: all embeddings equal",
                values.total_collapse,
                {"color": look.soft, "linestyle": (0, (5, 2))},
            ),
            ("class collapse: each class on one point", values.class_collapse, {"color": look.bad}),
            ("the optimum", values.optimum, {"color": look.safe_ink}),
        ):
            axes.plot(alphas, np.broadcast_to(value, alphas.shape), linewidth=2, label=name, **drawn)
        if setting.alpha is not None:
            mark(axes, look, setting.alpha, f"your α = {setting.alpha:g}")
        axes.set(xlim=(0, 1), xlabel="weight α of the self-supervised term", ylabel="loss, in nats")
        axes.grid()
        legend_below(figure)
    return Path(path)


def _reference_losses(setting: Setting, alphas: np.ndarray) -> ReferenceLosses:
    """The reference values at weights, each of shape (weights,) or one number; NotCovered where one is not known."""
    if setting.unequal:  # one by one: each is a minimum that is searched for
        each = [reference_losses(setting.with_(alpha=float(alpha))) for alpha in alphas]
        found = ReferenceLosses(*(np.array(column) for column in zip(*each, strict=True)))
    else:
        found = reference_losses(setting.with_(alpha=alphas))
    if np.isnan(found.class_collapse).any():
        least = setting.classes if setting.unequal else setting.classes - 1
        what = f"dim={setting.dim}: not covered, because the loss of collapsed classes needs dim >= {least}"
        if setting.loss == "l_spread" and setting.unequal:
            what = "loss='l_spread': not covered, because its values are not worked out where classes differ in size"
        raise NotCovered(what)
    return found


def class_openings(setting: Setting, path: str | os.PathLike[str], paper: Paper = PAPER) -> Path:
    """Write the within-class variance of every class at the optimum against the weight, for unequal classes.

    Classes of one size share a line, and at most 8 sizes are drawn; with room for all instances, which the picture says
    where the dimension leaves less. At the setting's temperature, or 0.1. Raises SettingError without class_counts,
    NotCovered where no theorem speaks.
    """
    if setting.class_counts is None:
        raise SettingError("class_counts: missing; the picture of class openings needs the sizes of the classes")
    setting = complete(setting)[0]
    setting = setting.with_(temperature=setting.temperature or 0.1)
    sizes = np.asarray(setting.class_counts)
    opens = class_openings_of(setting)
    weights = np.unique(np.concatenate([np.linspace(0, 1, 51), np.clip(opens[np.isfinite(opens)], 0, 1)]))
    variances = np.array([class_variances(setting.with_(alpha=float(alpha))) for alpha in weights])
    title = f"At which weight each class leaves collapse, at temperature {setting.temperature:g}"
    with canvas(path, paper, (7.8, 4.8), title, headline(setting)) as (_, axes, look):
        distinct = np.unique(sizes)[::-1]
        shown = distinct[np.unique(np.linspace(0, len(distinct) - 1, min(8, len(distinct))).round().astype(int))]
        drifts = False
        for rank, each in enumerate(shown):
            members = np.flatnonzero(sizes == each)
            label = f"{each} ({len(members)} classes)" if len(members) > 1 else f"{each}"
            drawn = {"color": look.line(rank / max(len(shown) - 1, 1)), "linewidth": 1.8}
            values, opening = variances[:, members].mean(axis=1), float(np.nanmean(opens[members]))
            below = weights <= opening
            axes.plot(weights[~below], values[~below], label=label, **drawn)
            if (values[below] > 1e-6).any():  # what lies below the opening is noise of the views
                axes.plot(weights[below], values[below], **drawn | {"linewidth": 1, "linestyle": (0, (1, 2))})
                drifts = True
            if 0 <= opening <= 1:
                axes.plot(opening, 0, marker="^", clip_on=False, markersize=7, zorder=4, color=drawn["color"])
        if drifts:
            axes.plot([], [], color=look.soft, linewidth=1, linestyle=(0, (1, 2)), label="views drift apart:\nnoise")
        if setting.alpha is not None:
            mark(axes, look, setting.alpha, f"your α = {setting.alpha:g}")
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="weight α of the self-supervised term")
        room = "" if is_exact(setting) else ",\nwith room for all instances"
        axes.set_ylabel(f"within-class variance at the optimum{room}")
        axes.grid()
        axes.legend(
            title="instances of the class;\n▲ where it leaves collapse", loc="center left", bbox_to_anchor=(1.01, 0.5)
        )
    return Path(path)


def temperatures(setting: Setting, look: Look) -> Iterator[tuple[float, dict[str, Any]]]:
    """A few temperatures, the setting's own among them and drawn thick, with line styles that grey keeps apart."""
    own = setting.temperature
    chosen = sorted({0.07, 0.1, 0.2, 0.3, 0.5} | ({own} if own is not None else set()))
    styles: Sequence[Any] = ["-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1, 1, 1, 1, 1)), "-"]
    for rank, temperature in enumerate(chosen):
        colour = look.line(rank / (len(chosen) - 1))
        yield temperature, {"color": colour, "linestyle": styles[rank], "linewidth": 3.2 if temperature == own else 1.8}


def _batch_sizes(setting: Setting, number: int) -> np.ndarray:
    """Some batch sizes from the smallest to 65536 or the data set, evenly spaced in the logarithm."""
    if setting.sampler == "full":
        raise SettingError("sampler='full': the batch is the data set; choose random or balanced to vary it")
    random, counts = setting.sampler == "random", setting.class_counts
    each = min(counts) if counts else setting.instances_per_class or np.inf
    step = 1 if random else setting.classes_per_batch or setting.classes
    total = sum(counts) if counts else setting.classes * each
    largest = min(max(65536 // step, 8), total if random else each)
    return step * np.unique(np.geomspace(2 if step == 1 else 1, largest, number).round().astype(int))
