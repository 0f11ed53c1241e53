"""The phase diagram: expected free spread over temperature and weight, as a file and as text for a terminal.

Every contour is a closed form, alpha as a function of the variance: nothing is searched, nothing interpolated over a
grid. Where every class has its own threshold, the two collapse boundaries alone are curves through a few temperatures.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssem_advisor.advice import Outlook, recommend
from ssem_advisor.domain import Setting
from ssem_advisor.printing import wrapped
from ssem_advisor.report.boundary import CAP, boundary_of
from ssem_advisor.report.plots.canvas import (
    INK,
    PAPER,
    POWER,
    SHADES,
    Paper,
    canvas,
    colour_scale,
    legend_below,
    logarithmic,
    mark,
    weight_label,
)
from ssem_advisor.report.plots.shown import basis, covered_outlook, headline, most, network_of
from ssem_advisor.theory import collapse_threshold, plain_weight
from ssem_advisor.theory.regime import Regime

TEMPERATURES = (0.01, 10.0)
_LEVELS = np.array([0.0, *np.arange(0.025, 0.5, 0.025), *np.arange(0.5, 1.01, 0.05)]).round(3)


class Marker(NamedTuple):
    """A place in the phase diagram: the words of its legend, temperature, weight, and how it is marked."""

    label: str
    temperature: float
    alpha: float
    look: dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    label: str
    losses: tuple[str, ...]
    temperature: float
    alpha: float | None  # None = plain SupCon's own weight
    marker: str


# Khosla et al. 2020 (0.07 in its code, 0.1 in its text), Chen et al. 2020, Lee et al. 2025; L_spread: the code of
# Chen et al. 2022, both weights 1.
RECIPES = (
    Recipe("plain SupCon", ("supcon",), 0.07, None, "^"),
    Recipe("plain SupCon", ("supcon",), 0.1, None, "v"),
    Recipe("SimCLR", ("supcon",), 0.1, 1.0, "s"),
    Recipe("SSEM paper's runs", ("supcon", "ssem"), 0.1, 0.5, "p"),
    Recipe("L_spread defaults", ("l_spread",), 0.5, 0.5, "s"),
)
_RECOMMENDED = {"marker": "D", "color": "white", "markeredgecolor": INK, "markersize": 7.5, "zorder": 6}
_OWN = {"marker": "o", "color": "#d8342c", "markeredgecolor": "white", "markersize": 14, "zorder": 5}
_RECIPE = {"color": "#c9d3df", "markeredgecolor": INK, "markersize": 7.5, "zorder": 3}
_CONFIG = {"marker": "*", "color": "#ff9d5c", "markeredgecolor": INK, "markersize": 16, "zorder": 4}


def phase_diagram(
    setting: Setting, path: str | os.PathLike[str], config: Setting | None = None, paper: Paper = PAPER
) -> Path:
    """Write the phase diagram of a setting: expected free spread over temperature and weight.

    On it: the collapse boundary (a theorem; where classes have thresholds of their own the first and the last one), the
    safe range of free spread, the recommended point, the setting's own point where it has a temperature and an alpha,
    the point of `config` (alpha None = plain SupCon), and well-known recipes of the same loss. The ending of `path`
    chooses PNG, SVG or PDF. Raises AdvisorError for another ending, NotCovered where no theorem speaks,
    ModuleNotFoundError without matplotlib.
    """
    outlook = covered_outlook(setting, paper)
    setting = outlook.setting
    title = "Which classes are collapsed at the optimum" if setting.unequal else "Where class collapse is the optimum"
    with canvas(path, paper, (8.4, 5.6), title, headline(setting)) as (figure, axes, look):
        points = _points(setting, config, paper)
        span = _span(points, config)
        temperatures, (first, last), weights = contours(outlook, 181, span)
        colours = colour_scale(most(outlook))
        axes.set_facecolor(look.collapse)
        levels = levels_of(outlook)
        for low, high, curve in zip(levels[:-1], levels[1:], weights[:-1], strict=True):
            axes.fill_between(
                temperatures, curve, 1.1, color=colours.to_rgba(min((low + high) / 2, most(outlook))), linewidth=0
            )
        hatched: dict[str, Any] = {"facecolor": look.collapse, "edgecolor": look.hatch, "linewidth": 0}
        apart = not np.array_equal(first, last)
        axes.fill_between(temperatures, 0, first, hatch="///", **hatched, label=_FIRST_LABEL if apart else None)
        axes.plot(temperatures, first, color=look.ink, linewidth=2.2)
        if apart:
            axes.fill_between(temperatures, first, last, hatch="..", **hatched, label=_BETWEEN_LABEL)
            axes.plot(temperatures, last, color=look.ink, linewidth=1.4)
        for level in outlook.safe_spread:
            curve = weights[np.isclose(levels, level)][0]
            curve = np.where(curve >= last, curve, np.nan)  # what is collapsed is not safe
            axes.plot(temperatures, curve, color="white", linewidth=1.5, path_effects=look.halo("#00224e", 3.2))
            if np.isnan(curve).all():
                continue
            place = _beside(points, temperatures, curve, span)
            if curve[place] < 0.95:
                axes.text(
                    temperatures[place], curve[place] + 0.015, f"{level:.2g}", ha="center", path_effects=look.halo()
                )
        roomy = len(temperatures) * 6 // 7
        if first[roomy] > 0.15:
            axes.text(temperatures[roomy], first[roomy] / 2, "collapse", ha="center", path_effects=look.halo())
        low, high = outlook.safe_spread
        safe: dict[str, Any] = {"color": "white", "linewidth": 1.5, "path_effects": look.halo("#00224e", 3.2)}
        axes.plot([], [], label=f"safe: free spread {low:.2g} to {high:.2g}", **safe)
        for label, temperature, alpha, marked in points:
            axes.plot(temperature, alpha, linestyle="none", label=label, clip_on=False, **marked)
        if config is not None and (why := _placeless(config)) is not None:
            mark(axes, look, config.temperature, f"your config: {why}")
        logarithmic(axes.xaxis, [0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100])
        axes.set(xlim=span, ylim=(0, 1), xlabel="temperature τ", ylabel=weight_label(figure))
        bar = figure.colorbar(
            colours, ax=axes, pad=0.02, aspect=28, ticks=[0, *outlook.safe_spread, most(outlook)], format="%.2g"
        )
        bar.outline.set_edgecolor(look.edge)  # type: ignore[operator]
        whose = basis(outlook)
        if figure.get_figheight() < 5:
            whose = whose.partition(",")[0] if figure.get_figheight() >= 4.4 else ""
        bar.set_label(f"free spread {whose}")
        for level in outlook.safe_spread:
            bar.ax.axhline(level, color="white", linewidth=1.5)
        legend_below(figure)
    return Path(path)


_FIRST_LABEL = "every class is collapsed"
_BETWEEN_LABEL = "some class may be collapsed"  # what is estimated is not said as if it were known


def _beside(points: Sequence[Marker], temperatures: np.ndarray, curve: np.ndarray, span: tuple[float, float]) -> int:
    """Where to write what a curve says: the column nearest to its lowest point that lies inside the frame and hides no
    point of the diagram."""
    lowest, inside = int(np.nanargmin(curve)), np.flatnonzero(np.isfinite(curve[8:-8])) + 8
    if not len(inside):
        return lowest

    def free(column: int) -> bool:
        across, up = share(float(temperatures[column]), span), curve[column] + 0.03
        return not any(abs(share(p.temperature, span) - across) < 0.05 and abs(p.alpha - up) < 0.05 for p in points)

    near = sorted(inside.tolist(), key=lambda column: abs(column - lowest))
    return next(filter(free, near), near[0])


def terminal_heat_map(
    setting: Setting,
    config: Setting | None = None,
    width: int = 80,
    unicode: bool = True,
    paper: Paper = PAPER,
) -> list[list[tuple[str, str]]]:
    """The phase diagram as lines of (text, rich style) for a terminal; the glyphs alone say what the colours say.

    Without `unicode` only ASCII is written. Raises NotCovered where no theorem speaks.
    """
    outlook = covered_outlook(setting, paper)
    setting = outlook.setting
    glyphs, bar = ("·░▒▓", "│") if unicode else (".:+#", "|")
    columns, rows = min(max(width - 8, 24), 100), 21
    found = _points(setting, config, paper)
    span = _span(found, config)
    _, (_, last), weights = contours(outlook, columns, span)
    levels = levels_of(outlook)
    points = list(enumerate(found, start=1))
    marks = {
        (round((rows - 1) * (1 - point.alpha)), round((columns - 1) * share(point.temperature, span))): str(number)
        for number, point in reversed(points)
    }
    lines = [[(line, "bold")] for line in wrapped(headline(setting), width)]
    for row, alpha in enumerate(np.linspace(1, 0, rows)):
        line = [(f"{alpha:5.2f} {bar}" if row % 5 == 0 else f"      {bar}", "")]
        for column in range(columns):
            variance = _reached(alpha, weights[:, column], levels)
            kind = 0 if alpha <= last[column] else 1 + int(np.searchsorted(outlook.safe_spread, variance))
            style = SHADES[int(10 * min(variance / most(outlook), 1.0) ** POWER)] if kind else "bright_black"
            mark = marks.get((row, column))
            line.append((mark, "bold reverse") if mark else (glyphs[kind], style))
        lines.append([("".join(text for text, _ in run), style) for style, run in groupby(line, itemgetter(1))])
    ticks = [" "] * (columns + 14)
    for tick in (0.01, 0.1, 1.0, 10.0):
        text, place = f"{tick:g}", round((columns - 1) * share(tick, span))
        ticks[place + 7 : place + 7 + len(text)] = text
    lines.append([("    τ  " + "".join(ticks)[7:].rstrip(), "")])
    names = (
        _BETWEEN_LABEL if outlook.by_class else "collapse is optimal",
        f"spread < {outlook.safe_spread[0]:.2g}",
        "safe range",
        f"spread > {outlook.safe_spread[1]:.2g}",
    )
    keys = [f"{glyph} {name}" for glyph, name in zip(glyphs, names, strict=True)]
    whole = "   ".join(keys)
    lines += [[(key, "")] for key in ([whole] if len(whole) <= width else keys)]
    lines += [[(f"{number} {point.label}", "")] for number, point in points]
    if config is not None and (why := _placeless(config)) is not None:
        lines += [[(line, "")] for line in wrapped(f"your config, τ {config.temperature:g}: {why}", width)]
    if unicode:
        return lines
    return [[(text.replace("α", "alpha").replace("τ", "tau"), style) for text, style in line] for line in lines]


def _points(setting: Setting, config: Setting | None, paper: Paper) -> list[Marker]:
    found: list[tuple[str, float | None, float | None, dict[str, Any]]] = []
    found.append(("this setting", setting.temperature, setting.alpha, _OWN))
    best = recommend(setting, network=network_of(paper)).recommended
    if best is not None:
        found.append(("recommended", best.temperature, best.alpha, _RECOMMENDED))
    if config is not None:
        alpha = _plain_weight(config) if config.alpha is None else config.alpha
        found.append(("your config", config.temperature, alpha, _CONFIG))
    for recipe in RECIPES:
        if setting.loss in recipe.losses:
            alpha = _plain_weight(setting) if recipe.alpha is None else recipe.alpha
            found.append((recipe.label, recipe.temperature, alpha, _RECIPE | {"marker": recipe.marker}))
    return [
        Marker(f"{name}: α {alpha:.3g}, τ {tau:g}", tau, alpha, look)
        for name, tau, alpha, look in found
        if tau is not None and alpha is not None
    ]


def _plain_weight(setting: Setting) -> float | None:
    """The weight at which the mixture is plain SupCon; None where it differs from class to class."""
    if setting.unequal and setting.sampler != "balanced":
        return None
    weight = plain_weight(setting)
    return None if math.isnan(weight) else weight


def _placeless(config: Setting) -> str | None:
    """Why a config has no weight to be marked at; None where it has one, or no temperature to say it at."""
    if config.temperature is None or config.alpha is not None or _plain_weight(config) is not None:
        return None
    differs = "weight differs from class to class" if config.unequal else "anchors meet no other of their class"
    return f"plain SupCon, whose {differs}"


def _span(points: Sequence[Marker], config: Setting | None = None) -> tuple[float, float]:
    """The temperatures to show: the usual ones, and those of the points and the config."""
    shown = [*TEMPERATURES, *(point.temperature for point in points)]
    if config is not None and config.temperature is not None:
        shown.append(config.temperature)
    return min(shown), max(shown)


def levels_of(outlook: Outlook) -> np.ndarray:
    """Free spreads whose contours are drawn."""
    return np.union1d(_LEVELS[most(outlook) >= _LEVELS], outlook.safe_spread)


def contours(outlook: Outlook, columns: int, span: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Temperatures, shape (columns,); the first and the last collapse threshold at them, shape (2, columns); and the
    weights of the levels, shape (levels, columns). Weights are at most 1.1.

    The thresholds are those of the minimiser, and level 0 is the last; the others are estimates where the network is.
    """
    temperatures, setting = np.geomspace(*span, columns), outlook.setting
    if outlook.regime in (Regime.EXACT, Regime.FINITE):
        limits = np.broadcast_to(collapse_threshold(setting.with_(temperature=temperatures, alpha=None)), (2, columns))
    else:
        limits = boundary_of(setting, (temperatures[0], temperatures[-1])).at(temperatures)
        limits = np.where(limits < CAP - 1e-6, limits, 1.1)
    levels = [outlook.weight(level, temperatures) for level in levels_of(outlook)[1:]]
    return temperatures, np.minimum(limits, 1.1), np.minimum([limits[1], *levels], 1.1)


def _reached(alpha: float, weights: np.ndarray, levels: np.ndarray) -> float:
    """The largest free spread whose weight is at most alpha, between the levels by interpolation."""
    # Near 1 the weights of different spreads may differ by rounding alone.
    above = int(np.searchsorted(weights, alpha + 1e-12, side="right"))
    if above in (0, len(weights)):
        return float(levels[min(above, len(weights) - 1)])
    return float(np.interp(alpha, weights[above - 1 : above + 1], levels[above - 1 : above + 1]))


def share(temperature: float, span: tuple[float, float] = TEMPERATURES) -> float:
    """Place on the temperature axis, 0 left to 1 right."""
    low, high = np.log(span)
    return (float(np.log(temperature)) - low) / (high - low)
