"""Pictures of the theory: phase diagram, threshold against batch size, variance and loss values against the weight,
and what was measured beside what was predicted.

Every contour is a closed form, alpha as a function of the variance: nothing is searched, nothing interpolated over a
grid. The colours are ordered in lightness (cividis), and contours, hatching and markers carry the same facts, so the
pictures survive colour blindness and a grey printer. The same call writes the same bytes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ssem_advisor.advice import Basis, Outlook, aims, complete, outlook_of, recommend
from ssem_advisor.domain import AdvisorError, NotCovered, Setting, SettingError
from ssem_advisor.files import write_atomically
from ssem_advisor.printing import wrapped
from ssem_advisor.theory import class_openings as class_openings_of
from ssem_advisor.theory import class_variances, collapse_threshold, equivalent_alpha, reference_losses
from ssem_advisor.theory.network import PERFECT
from ssem_advisor.theory.regime import collapse_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from ssem_advisor.measurement.embeddings import Measurement

TEMPERATURES = (0.01, 10.0)
ENDINGS = (".png", ".svg", ".pdf")
_LEVELS = np.array([0.0, *np.arange(0.025, 0.5, 0.025), *np.arange(0.5, 1.01, 0.05)]).round(3)
_POWER = 0.6  # of the variance, before colouring: gives the safe range its share of the colours


@dataclass(frozen=True)
class _Look:
    """The colours of a theme."""

    page: str
    ink: str
    soft: str
    edge: str
    grid: str
    collapse: str
    hatch: str
    safe: str
    safe_ink: str
    bad: str
    shades: tuple[float, float]  # the part of cividis that lines may use on this page

    @property
    def style(self) -> dict[str, Any]:
        """matplotlib's settings."""
        return {
            "svg.hashsalt": "ssem-advisor",
            "svg.fonttype": "none",  # text stays text: searchable, selectable, set in the reader's fonts
            "pdf.fonttype": 42,  # TrueType, as publishers ask for; matplotlib's own default is Type 3
            "font.family": "DejaVu Sans",
            "figure.facecolor": self.page,
            "axes.facecolor": self.page,
            "axes.edgecolor": self.edge,
            "axes.labelcolor": self.ink,
            "text.color": self.ink,
            "xtick.color": self.soft,
            "ytick.color": self.soft,
            "grid.color": self.grid,
            "hatch.linewidth": 0.6,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "legend.title_fontsize": 9,
            "savefig.dpi": 160,
        }

    def line(self, share: float) -> Any:
        """A colour for a line, share 0 to 1 of the way through this theme's shades."""
        low, high = self.shades
        return _cividis()(low + (high - low) * share)

    def halo(self, colour: str | None = None, width: float = 3.0) -> list[Any]:
        from matplotlib.patheffects import withStroke

        return [withStroke(linewidth=width, foreground=colour or self.page)]


_LOOKS = {
    "light": _Look(
        page="#ffffff", ink="#1b2430", soft="#566273", edge="#8290a2", grid="#e3e7ed", collapse="#e8ebf0",
        hatch="#a3adba", safe="#e4f3ee", safe_ink="#0b6b50", bad="#a3282f", shades=(0.0, 0.88),
    ),
    "dark": _Look(
        page="#1e2129", ink="#e8ecf2", soft="#aab4c2", edge="#6d7a8c", grid="#343b47", collapse="#2a303b",
        hatch="#566273", safe="#15302a", safe_ink="#6fd3b1", bad="#f59a9e", shades=(0.38, 1.0),
    ),
}  # fmt: skip
Theme = Literal["light", "dark"]
_INK = _LOOKS["light"].ink
# cividis at 0, 0.1 ... 1, for the terminal, which shall not load matplotlib
_SHADES = (
    "#00224e",
    "#083370",
    "#35456c",
    "#4f576c",
    "#666970",
    "#7d7c78",
    "#948e77",
    "#aea371",
    "#c8b866",
    "#e5cf52",
    "#fee838",
)
_METADATA: dict[str, dict[str, str | None]] = {  # no dates and no versions
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@dataclass(frozen=True)
class Paper:
    """What a picture is drawn on. size: width and height in inches, 2 to 40 each; None = what suits the picture.

    network: whose free spread it shows, that of networks as trained on real images or that of the loss minimiser.
    """

    size: tuple[float, float] | None = None
    theme: Theme = "light"
    network: Literal["typical", "perfect"] = "typical"


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
_RECOMMENDED = {"marker": "D", "color": "white", "markeredgecolor": _INK, "markersize": 7.5, "zorder": 6}
_OWN = {"marker": "o", "color": "#d8342c", "markeredgecolor": "white", "markersize": 14, "zorder": 5}
_RECIPE = {"color": "#c9d3df", "markeredgecolor": _INK, "markersize": 7.5, "zorder": 3}
_CONFIG = {"marker": "*", "color": "#ff9d5c", "markeredgecolor": _INK, "markersize": 16, "zorder": 4}


def phase_diagram(
    setting: Setting, path: str | os.PathLike[str], config: Setting | None = None, paper: Paper = Paper()
) -> Path:
    """Write the phase diagram of a setting: expected free spread over temperature and weight.

    On it: the collapse boundary (a theorem), the safe range of free spread, the recommended point, the setting's own
    point where it has a temperature and an alpha, the point of `config` (alpha None = plain SupCon), and well-known
    recipes of the same
    loss. The ending of `path` chooses PNG, SVG or PDF. Raises AdvisorError for another ending, NotCovered where no
    theorem speaks, ModuleNotFoundError without matplotlib.
    """
    if setting.unequal:
        return _phase_by_class(setting, path, config, paper)
    setting = _covered(setting)
    with _canvas(path, paper, (8.4, 5.6), "Where class collapse is the optimum", _heading(setting)) as (
        figure,
        axes,
        look,
    ):
        outlook = _outlook(setting, paper)
        points = _points(setting, config, paper)
        span = _span(points)
        temperatures, weights = _contours(outlook, 181, span)
        colours = _colours(_most(outlook))
        axes.fill_between(
            temperatures, 0, weights[0], facecolor=look.collapse, edgecolor=look.hatch, hatch="///", linewidth=0
        )
        levels = _levels(outlook)
        for low, high, curve in zip(levels[:-1], levels[1:], weights[:-1], strict=True):
            axes.fill_between(
                temperatures, curve, 1.1, color=colours.to_rgba(min((low + high) / 2, _most(outlook))), linewidth=0
            )
        axes.plot(temperatures, weights[0], color=look.ink, linewidth=2.2)
        for level in outlook.safe_spread:
            curve = weights[np.isclose(levels, level)][0]
            axes.plot(temperatures, curve, color="white", linewidth=1.5, path_effects=look.halo("#00224e", 3.2))
            lowest = int(np.clip(np.argmin(curve), 8, len(curve) - 9))  # the label stays inside the frame
            if curve[lowest] < 0.95:
                axes.text(
                    temperatures[lowest], curve[lowest] + 0.015, f"{level:.2g}", ha="center", path_effects=look.halo()
                )
        roomy = len(temperatures) * 6 // 7
        if weights[0][roomy] > 0.15:
            axes.text(temperatures[roomy], weights[0][roomy] / 2, "collapse", ha="center", path_effects=look.halo())
        low, high = outlook.safe_spread
        safe: dict[str, Any] = {"color": "white", "linewidth": 1.5, "path_effects": look.halo("#00224e", 3.2)}
        axes.plot([], [], label=f"safe: free spread {low:.2g} to {high:.2g}", **safe)
        for label, temperature, alpha, marked in points:
            axes.plot(temperature, alpha, linestyle="none", label=label, clip_on=False, **marked)
        _logarithmic(axes.xaxis, [0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100])
        axes.set(xlim=span, ylim=(0, 1), xlabel="temperature τ", ylabel=_weight_label(figure))
        bar = figure.colorbar(
            colours, ax=axes, pad=0.02, aspect=28, ticks=[0, *outlook.safe_spread, _most(outlook)], format="%.2g"
        )
        bar.outline.set_edgecolor(look.edge)  # type: ignore[operator]
        bar.set_label(f"free spread {_basis(outlook)}")
        for level in outlook.safe_spread:
            bar.ax.axhline(level, color="white", linewidth=1.5)
        _legend_below(figure)
    return Path(path)


def _phase_by_class(setting: Setting, path: str | os.PathLike[str], config: Setting | None, paper: Paper) -> Path:
    """The phase diagram of unequal classes: where all of them are collapsed, where some are, where none is."""
    _need_views(setting)
    setting = complete(setting)[0]
    with _canvas(path, paper, (8.4, 5.6), "Which classes are collapsed at the optimum", _heading(setting)) as (
        figure,
        axes,
        look,
    ):
        points = _points(setting, config, paper)
        span = _span(points)
        temperatures = np.geomspace(*span, 33)
        limits = [collapse_limits(setting.with_(temperature=float(t), alpha=None), quick=True) for t in temperatures]
        first = np.minimum([found.collapse_up_to for found in limits], 1.1)
        last = np.minimum([found.open_above for found in limits], 1.1)
        axes.fill_between(temperatures, 0, first, facecolor=look.collapse, edgecolor=look.hatch, hatch="///",
                          linewidth=0, label="every class is collapsed")  # fmt: skip
        axes.fill_between(temperatures, first, last, facecolor=look.collapse, edgecolor=look.hatch, hatch=".",
                          linewidth=0, label="some classes are")  # fmt: skip
        axes.fill_between(temperatures, last, 1.1, facecolor=look.safe, linewidth=0, label="no class is")
        axes.plot(temperatures, first, color=look.ink, linewidth=2.2)
        axes.plot(temperatures, last, color=look.safe_ink, linewidth=2.2)
        for label, temperature, alpha, marked in points:
            axes.plot(temperature, alpha, linestyle="none", label=label, clip_on=False, **marked)
        _logarithmic(axes.xaxis, [0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100])
        axes.set(xlim=span, ylim=(0, 1), xlabel="temperature τ", ylabel=_weight_label(figure))
        _legend_below(figure)
    return Path(path)


def threshold_vs_batch(setting: Setting, path: str | os.PathLike[str], paper: Paper = Paper()) -> Path:
    """Write the collapse threshold of the weight against the batch size, for several temperatures.

    Raises as `phase_diagram`, and SettingError for sampler="full", whose batch is the data set.
    """
    setting = _covered(setting)
    title = "Collapse is the optimum below each line"
    with _canvas(path, paper, (7.8, 4.8), title, _heading(setting.with_(batch_size=None))) as (_, axes, look):
        sizes = _batch_sizes(setting)
        for temperature, drawn in _temperatures(setting, look):
            at = setting.with_(batch_size=sizes, temperature=temperature, alpha=None)
            threshold = np.minimum(collapse_threshold(at), 2.0)
            axes.plot(sizes, threshold, label=f"{temperature:g}", **drawn)
        axes.axhspan(1, 1.1, facecolor=look.collapse, edgecolor=look.hatch, hatch="///", linewidth=0, zorder=3)
        axes.text(sizes[0], 1.045, "  no weight prevents collapse", va="center", path_effects=look.halo(), zorder=4)
        if setting.batch_size is not None:
            _mark(axes, look, setting.batch_size, f"batch {setting.batch_size}")
        powers = [2**power for power in range(1, 24) if sizes[0] <= 2**power <= sizes[-1]]
        _logarithmic(axes.xaxis, powers[:: 1 + len(powers) // 10])
        axes.set(xlim=(sizes[0], sizes[-1]), ylim=(0, 1.09))
        axes.set(xlabel="batch size, in instances", ylabel="collapse threshold of α")
        axes.grid()
        axes.legend(title="temperature", loc="center left", bbox_to_anchor=(1.01, 0.5))
    return Path(path)


def variance_vs_alpha(setting: Setting, path: str | os.PathLike[str], paper: Paper = Paper()) -> Path:
    """Write the expected free spread against the weight, for several temperatures.

    Raises as `phase_diagram`.
    """
    setting = _covered(setting)
    outlook = _outlook(setting, paper)
    spreads = _most(outlook) * np.concatenate([np.geomspace(1e-4, 0.02, 20), np.linspace(0.025, 1, 118)])
    with _canvas(
        path, paper, (7.8, 4.8), "What a weight keeps of the differences inside classes", _heading(setting)
    ) as (
        _,
        axes,
        look,
    ):
        axes.axhspan(*outlook.safe_spread, color=look.safe, linewidth=0)
        axes.text(0.012, outlook.safe_spread[1] - 0.02, "safe range", va="center", color=look.safe_ink, fontsize=9)
        for temperature, drawn in _temperatures(setting, look):
            weights = np.array([outlook.weight(spread, temperature) for spread in spreads])
            inside = weights <= 1
            edge = min(float(outlook.weight(0.0, temperature)), 1.0)
            last = outlook.spread(1.0, temperature)
            alphas, values = [0, edge, *weights[inside], 1], [0, 0, *spreads[inside], last]
            axes.plot(alphas, values, label=f"{temperature:g}", clip_on=False, **drawn)
        if setting.alpha is not None:
            _mark(axes, look, setting.alpha, f"your α = {setting.alpha:g}")
        axes.set(xlim=(0, 1), ylim=(0, _most(outlook)), xlabel="weight α of the self-supervised term")
        axes.set_ylabel(f"free spread {_basis(outlook)}")
        axes.grid()
        axes.legend(title="temperature", loc="center left", bbox_to_anchor=(1.01, 0.5))
    return Path(path)


def loss_values(setting: Setting, path: str | os.PathLike[str], paper: Paper = Paper()) -> Path:
    """Write the three reference values of the loss against the weight: total collapse, class collapse, the optimum.

    At the setting's temperature, or 0.1. Raises as `phase_diagram`.
    """
    setting = _covered(setting)
    at = setting.with_(temperature=setting.temperature or 0.1, alpha=np.linspace(0, 1, 201))
    title = f"Where a loss value stands, at temperature {at.temperature:g}"
    with _canvas(path, paper, (7.8, 4.8), title, _heading(setting)) as (figure, axes, look):
        values = reference_losses(at)
        for name, value, drawn in (
            (
                "total collapse: all embeddings equal",
                values.total_collapse,
                {"color": look.soft, "linestyle": (0, (5, 2))},
            ),
            ("class collapse: each class on one point", values.class_collapse, {"color": look.bad}),
            ("the optimum", values.optimum, {"color": look.safe_ink}),
        ):
            axes.plot(at.alpha, np.broadcast_to(value, at.alpha.shape), linewidth=2, label=name, **drawn)
        if setting.alpha is not None:
            _mark(axes, look, setting.alpha, f"your α = {setting.alpha:g}")
        axes.set(xlim=(0, 1), xlabel="weight α of the self-supervised term", ylabel="loss, in nats")
        axes.grid()
        _legend_below(figure)
    return Path(path)


def class_openings(setting: Setting, path: str | os.PathLike[str], paper: Paper = Paper()) -> Path:
    """Write the within-class variance of every class at the optimum against the weight, for unequal classes.

    Classes of one size share a line, and at most 8 sizes are drawn. At the setting's temperature, or 0.1. Raises
    SettingError without class_counts, NotCovered where no theorem speaks.
    """
    if setting.class_counts is None:
        raise SettingError("class_counts: missing; the picture of class openings needs the sizes of the classes")
    setting = complete(setting)[0]
    setting = setting.with_(temperature=setting.temperature or 0.1)
    sizes = np.asarray(setting.class_counts)
    opens = class_openings_of(setting)
    weights = np.unique(np.concatenate([np.linspace(0, 1, 51), np.clip(opens[np.isfinite(opens)], 0, 1)]))
    variances = np.array([class_variances(setting.with_(alpha=float(alpha))) for alpha in weights])
    title = f"Which class opens at which weight, at temperature {setting.temperature:g}"
    with _canvas(path, paper, (7.8, 4.8), title, _heading(setting)) as (_, axes, look):
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
            _mark(axes, look, setting.alpha, f"your α = {setting.alpha:g}")
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="weight α of the self-supervised term")
        axes.set_ylabel("within-class variance at the optimum")
        axes.grid()
        axes.legend(title="instances of the class;\n▲ where it opens", loc="center left", bbox_to_anchor=(1.01, 0.5))
    return Path(path)


def measured_report(report: dict[str, Any], path: str | os.PathLike[str], paper: Paper = Paper()) -> Path:
    """Write measured against predicted free spread, of every point of a `validate` report.

    Two predictions: of a typical network, made before training, and with the view reliability and directions that were
    measured. Free embeddings, which are the minimiser, are held to the theorem. Raises SettingError for a report
    without points.
    """
    points = [(suite["suite"], point) for suite in report["suites"] for point in suite["points"]]
    if not points:
        raise SettingError("--from: this report holds no points yet")
    suites = list(dict.fromkeys(name for name, _ in points))
    networks = suites != ["embeddings"]
    what = "free spread" if networks else "within-class variance"
    title = f"Measured against predicted {what}"
    heading = f"{', '.join(suites)}; {len(points)} point{'s' * (len(points) != 1)}; verdict: {report['verdict']}"
    series: dict[str, tuple[Callable[[dict[str, Any]], float | None], dict[str, Any]]] = {
        "typical network, before training": (lambda p: p.get("typical"), {"marker": "s", "fillstyle": "none"}),
        "network as measured": (lambda p: (p.get("estimate") or {}).get("mean"), {"marker": "o"}),
        "theorem": (lambda p: p["optimum"], {"marker": "D", "markersize": 3}),
    }
    # One safe range is drawn where the report is about one dimension and number of classes.
    trained = {(s["protocol"]["classes"], s["protocol"]["dim"]) for s in report["suites"] if s["suite"] != "embeddings"}
    ranges = [aims(Setting(classes=classes, dim=dim))[1] for classes, dim in trained]
    with _canvas(path, paper, (6.4, 6.0), title, heading) as (figure, axes, look):
        most = 0.1
        for rank, (label, (predict, drawn)) in enumerate(series.items()):
            mine = [p for suite, p in points if (suite == "embeddings") == (label == "theorem")]
            pairs = [(x, p.get("free_spread", p["own_variance"])) for p in mine if (x := predict(p)) is not None]
            if not pairs:
                continue
            across, y = np.array([x for x, _ in pairs]), np.array([value["mean"] for _, value in pairs])
            low, high = (
                np.array([value["mean"] if value[end] is None else value[end] for _, value in pairs])
                for end in ("low", "high")
            )
            colour = look.line(rank / 2)
            axes.vlines(across, np.minimum(low, y), np.maximum(high, y), color=colour, linewidth=0.9)
            axes.plot(across, y, linestyle="none", label=label, color=colour, **{"markersize": 6} | drawn)
            most = max(most, float(across.max()), float(y.max()))
        _diagonal(axes, look, 1.06 * most, ranges[0] if len(ranges) == 1 else None)
        axes.set(xlabel="predicted", ylabel="measured, with 95 % interval" if networks else "measured")
        _legend_below(figure)
    return Path(path)


def measured_embeddings(found: Measurement, path: str | os.PathLike[str], paper: Paper = Paper()) -> Path:
    """Write the free spread of embeddings beside what theory predicts for their setting, step by step.

    Raises SettingError where the measurement was made without a setting that theory covers.
    """
    theory, spread = found.theory, found.spread.free_spread
    if theory is None:
        why = "; ".join(found.notes) or "give --temperature and --alpha"
        raise SettingError(f"--from: no prediction to draw beside these embeddings: {why}")
    steps = [
        ("optimum, unlimited dimension\n(theorem)", theory.optimum),
        (f"optimum, dimension {found.dim}\n(estimate)", theory.finite_dimension),
        ("network as measured\n(estimate)", theory.network),
        ("measured", theory.measured),
    ]
    rows = [(name, value) for name, value in steps if value is not None]
    s = theory.setting
    alpha = "plain SupCon" if s.alpha is None else f"α {s.alpha:g}"
    heading = f"{found.instances} instances, {_heading(s)}, {alpha}, temperature {s.temperature:g}"
    with _canvas(path, paper, (7.4, 3.6), f"Free spread: {found.verdict}", heading, left=2.3) as (_, axes, look):
        _, safe = aims(s)
        axes.axvspan(*safe, color=look.safe, linewidth=0)
        axes.text(safe[0] + 0.005, -0.62, "safe range", va="center", color=look.safe_ink, fontsize=9)
        for place, (_, value) in enumerate(rows):
            last = place == len(rows) - 1
            axes.barh(place, value, height=0.5, color=look.ink if last else look.edge)
            end = max(value, spread.high) if last and spread is not None else value
            axes.text(end + 0.008, place, f"{value:.3f}", va="center", path_effects=look.halo())
        if spread is not None:
            ends = [max(spread.low, 0.0), spread.high]
            axes.plot(ends, [len(rows) - 1] * 2, color=look.bad, linewidth=2.5, label="95 % interval")
            axes.legend(loc="lower right")
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        most = max(*(value for _, value in rows), safe[1])
        axes.set(xlim=(0, 1.15 * most), ylim=(len(rows) - 0.5, -0.9), xlabel="free spread")
    return Path(path)


def terminal_heat_map(
    setting: Setting,
    config: Setting | None = None,
    width: int = 80,
    unicode: bool = True,
    paper: Paper = Paper(),
) -> list[list[tuple[str, str]]]:
    """The phase diagram as lines of (text, rich style) for a terminal; the glyphs alone say what the colours say.

    Without `unicode` only ASCII is written. Raises NotCovered where no theorem speaks.
    """
    setting = _covered(setting)
    glyphs, bar = ("·░▒▓", "│") if unicode else (".:+#", "|")
    columns, rows = min(max(width - 8, 24), 100), 21
    outlook = _outlook(setting, paper)
    found = _points(setting, config, paper)
    span = _span(found)
    _, weights = _contours(outlook, columns, span)
    levels = _levels(outlook)
    points = list(enumerate(found, start=1))
    marks = {
        (round((rows - 1) * (1 - point.alpha)), round((columns - 1) * _share(point.temperature, span))): str(number)
        for number, point in reversed(points)
    }
    lines = [[(_heading(setting), "bold")]]
    for row, alpha in enumerate(np.linspace(1, 0, rows)):
        line = [(f"{alpha:5.2f} {bar}" if row % 5 == 0 else f"      {bar}", "")]
        for column in range(columns):
            variance = _reached(alpha, weights[:, column], levels)
            kind = 0 if alpha <= weights[0, column] else 1 + int(np.searchsorted(outlook.safe_spread, variance))
            style = _SHADES[int(10 * min(variance / _most(outlook), 1.0) ** _POWER)] if kind else "bright_black"
            mark = marks.get((row, column))
            line.append((mark, "bold reverse") if mark else (glyphs[kind], style))
        lines.append([("".join(text for text, _ in run), style) for style, run in groupby(line, itemgetter(1))])
    ticks = [" "] * (columns + 14)
    for tick in (0.01, 0.1, 1.0, 10.0):
        text, place = f"{tick:g}", round((columns - 1) * _share(tick, span))
        ticks[place + 7 : place + 7 + len(text)] = text
    lines.append([("".join(ticks).rstrip() + "  τ", "")])
    names = (
        "collapse is optimal",
        f"spread < {outlook.safe_spread[0]:.2g}",
        "safe range",
        f"spread > {outlook.safe_spread[1]:.2g}",
    )
    lines.append([("   ".join(f"{glyph} {name}" for glyph, name in zip(glyphs, names, strict=True)), "")])
    lines += [[(f"{number} {point.label}", "")] for number, point in points]
    if unicode:
        return lines
    return [[(text.replace("α", "alpha").replace("τ", "tau"), style) for text, style in line] for line in lines]


def check_ending(path: str | os.PathLike[str]) -> str:
    """The ending of a picture's name, in small letters. Raises AdvisorError for a format that is not written."""
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise AdvisorError(f"{path}: unknown picture format {ending!r}; end the name in {', '.join(ENDINGS)}")
    return ending


# -- what is drawn ----------------------------------------------------------------------------------------------------


def _covered(setting: Setting) -> Setting:
    """The setting with its batch filled in, or NotCovered."""
    least = setting.classes - 1
    if setting.unequal:
        raise NotCovered(
            "class_counts: not covered, this picture needs classes of equal size; see --kind phase and --kind openings"
        )
    if setting.dim is not None and setting.dim < least:
        raise NotCovered(
            f"dim={setting.dim}: not covered, the pictures need dim >= classes-1 = {least}; see `recommend`"
        )
    _need_views(setting)
    return complete(setting)[0]


def _need_views(setting: Setting) -> None:
    if setting.views == 1 and setting.loss != "ssem":
        raise NotCovered("views=1: not covered, without a second view the self-supervised term has no positive")


def _outlook(setting: Setting, paper: Paper) -> Outlook:
    """What the pictures show: free spread of a typical network, or of the minimiser."""
    return outlook_of(setting, PERFECT if paper.network == "perfect" else None)


def _most(outlook: Outlook) -> float:
    """The largest free spread that there is."""
    return 1.0 if outlook.basis is Basis.minimiser else outlook.network.view_reliability


def _levels(outlook: Outlook) -> np.ndarray:
    """Free spreads whose contours are drawn."""
    return np.union1d(_LEVELS[_most(outlook) >= _LEVELS], outlook.safe_spread)


def _basis(outlook: Outlook) -> str:
    if outlook.basis is Basis.exact:
        return "at the optimum"
    if outlook.basis is Basis.minimiser:
        return "of the loss's own minimum"
    return "of the minimiser" if outlook.network == PERFECT else "of a typical network"


def _span(points: Sequence[Marker]) -> tuple[float, float]:
    """The temperatures to show: the usual ones, and those of the points."""
    shown = [*TEMPERATURES, *(point.temperature for point in points)]
    return min(shown), max(shown)


def _contours(outlook: Outlook, columns: int, span: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Temperatures, shape (columns,), and the weights of the levels at them, shape (levels, columns), at most 1.1.

    Level 0 is the collapse threshold of the minimiser, a theorem; the others are estimates where the network is one.
    """
    temperatures = np.geomspace(*span, columns)
    threshold = collapse_threshold(outlook.setting.with_(temperature=temperatures, alpha=None))
    return temperatures, np.minimum(
        [threshold, *(outlook.weight(level, temperatures) for level in _levels(outlook)[1:])], 1.1
    )


def _reached(alpha: float, weights: np.ndarray, levels: np.ndarray) -> float:
    """The largest free spread whose weight is at most alpha, between the levels by interpolation."""
    # Near 1 the weights of different spreads may differ by rounding alone.
    above = int(np.searchsorted(weights, alpha + 1e-12, side="right"))
    if above in (0, len(weights)):
        return float(levels[min(above, len(weights) - 1)])
    return float(np.interp(alpha, weights[above - 1 : above + 1], levels[above - 1 : above + 1]))


def _share(temperature: float, span: tuple[float, float] = TEMPERATURES) -> float:
    """Place on the temperature axis, 0 left to 1 right."""
    low, high = np.log(span)
    return (float(np.log(temperature)) - low) / (high - low)


def _points(setting: Setting, config: Setting | None, paper: Paper) -> list[Marker]:
    found: list[tuple[str, float | None, float | None, dict[str, Any]]] = []
    found.append(("this setting", setting.temperature, setting.alpha, _OWN))
    best = recommend(setting, network=_outlook(setting, paper).network).recommended
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


def _plain_weight(setting: Setting) -> float:
    """The weight at which the mixture is plain SupCon, at the mean number of same-class instances in a batch."""
    m, others = setting.classes, (setting.batch_size or 1) - 1
    if setting.sampler == "full":
        same = (sum(setting.class_counts) / m if setting.class_counts else setting.instances_per_class) - 1
    elif setting.sampler == "balanced":
        same = setting.batch_size / (setting.classes_per_batch or m) - 1
    elif setting.class_counts is not None:
        total = sum(setting.class_counts)
        same = others * (total / m - 1) / (total - 1)
    elif setting.instances_per_class is None:
        same = others / m
    else:
        same = others * (setting.instances_per_class - 1) / (m * setting.instances_per_class - 1)
    return equivalent_alpha(same, setting.views)


def _temperatures(setting: Setting, look: _Look) -> Iterator[tuple[float, dict[str, Any]]]:
    """A few temperatures, the setting's own among them and drawn thick, with line styles that grey keeps apart."""
    own = setting.temperature
    chosen = sorted({0.07, 0.1, 0.2, 0.3, 0.5} | ({own} if own is not None else set()))
    styles: Sequence[Any] = ["-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1, 1, 1, 1, 1)), "-"]
    for rank, temperature in enumerate(chosen):
        colour = look.line(rank / (len(chosen) - 1))
        yield temperature, {"color": colour, "linestyle": styles[rank], "linewidth": 3.2 if temperature == own else 1.8}


def _batch_sizes(setting: Setting) -> np.ndarray:
    """Batch sizes from the smallest to 65536 or the data set, evenly spaced in the logarithm."""
    if setting.sampler == "full":
        raise SettingError("sampler='full': the batch is the data set; choose random or balanced to vary it")
    random, each = setting.sampler == "random", setting.instances_per_class or np.inf
    step = 1 if random else setting.classes_per_batch or setting.classes
    largest = min(max(65536 // step, 8), setting.classes * each if random else each)
    return step * np.unique(np.geomspace(2 if step == 1 else 1, largest, 97).round().astype(int))


def _heading(setting: Setting) -> str:
    """The setting in one line."""
    parts = [setting.loss, f"{setting.classes} classes"]
    if setting.class_counts is not None:
        parts.append(f"{min(setting.class_counts)} to {max(setting.class_counts)} instances each")
    elif setting.instances_per_class is not None:
        parts.append(f"{setting.instances_per_class} instances each")
    if setting.sampler == "full":
        parts.append("full batch")
    else:
        drawn = f" from {setting.classes_per_batch} classes" if setting.classes_per_batch else ""
        parts.append(f"{setting.sampler} batches" + (f" of {setting.batch_size}" if setting.batch_size else "") + drawn)
    parts.append(f"{setting.views} view{'s' if setting.views != 1 else ''}")
    if setting.dim is not None:
        parts.append(f"dimension {setting.dim}")
    return ", ".join(parts)


# -- how it is drawn: matplotlib is loaded here, on first use ---------------------------------------------------------


@contextmanager
def _canvas(
    path: str | os.PathLike[str],
    paper: Paper,
    usual: tuple[float, float],
    title: str,
    heading: str,
    left: float = 0.7,
) -> Iterator[tuple[Figure, Axes, _Look]]:
    """A titled figure with one pair of axes in the paper's colours, written to `path` when the block ends.

    left: inches that the axis labels take beside the title.
    """
    ending = check_ending(path)
    size, look = paper.size or usual, _LOOKS[paper.theme]
    if not all(2 <= length <= 40 for length in size):
        raise AdvisorError(f"size={size[0]:g}x{size[1]:g}: width and height of a picture are 2 to 40 inches")
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", look.style]):  # the user's matplotlibrc shall not change our bytes
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        _title(figure, axes, look, title, heading, left)
        yield figure, axes, look
        picture = io.BytesIO()
        metadata = _METADATA[ending[1:]] | {"Title": f"{title}: {heading}"}
        figure.savefig(picture, format=ending[1:], metadata=metadata)
    write_atomically(path, picture.getvalue())


def _title(figure: Figure, axes: Axes, look: _Look, title: str, heading: str, left: float) -> None:
    """The title in bold and the setting below it, broken where the picture is narrow."""
    room = figure.get_figwidth() - left  # inches; a letter takes 1/11.5 of them below, 1/7.4 in bold
    below = "\n".join(wrapped(heading, int(11.5 * room)))
    bold = "\n".join(wrapped(title, int(7.4 * room)))
    axes.set_title(bold, loc="left", fontsize=13, fontweight="bold", pad=12 + 12 * (below.count("\n") + 1))
    axes.annotate(below, (0, 1), (0, 7), "axes fraction", "offset points", color=look.soft, fontsize=9.5)


def _diagonal(axes: Axes, look: _Look, most: float, safe: tuple[float, float] | None) -> None:
    """Equal axes from 0 with the line on which the prediction holds, and the safe range across where there is one."""
    if safe is not None:
        axes.axhspan(*safe, color=look.safe, linewidth=0, zorder=0)
        axes.text(0.98 * most, safe[0] + 0.01 * most, "safe range", ha="right", color=look.safe_ink, fontsize=9)
    axes.plot([0, most], [0, most], color=look.soft, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.text(
        0.9 * most, 0.92 * most, "as predicted", ha="right", fontsize=9, color=look.soft, path_effects=look.halo()
    )
    axes.set(xlim=(0, most), ylim=(0, most))
    axes.set_aspect("equal")
    axes.grid()


def _mark(axes: Axes, look: _Look, x: float, label: str) -> None:
    """A dotted line at x that says what it is."""
    axes.axvline(x, color=look.soft, linewidth=1, linestyle=(0, (2, 3)))
    axes.annotate(label, (x, 0), (4, 4), ("data", "axes fraction"), "offset points", rotation=90, va="bottom",
                  fontsize=8.5, color=look.soft, zorder=5, path_effects=look.halo())  # fmt: skip


def _cividis() -> Any:
    from matplotlib import colormaps

    return colormaps["cividis"]


def _colours(most: float) -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import PowerNorm

    return ScalarMappable(PowerNorm(_POWER, 0, most), _cividis())


def _legend_below(figure: Figure) -> None:
    """The legend under the axes, in as many columns of 2.5 inches as there is room for."""
    columns = int(np.clip(figure.get_figwidth() // 2.5, 1, 3))
    figure.legend(loc="outside lower center", ncols=columns, handletextpad=0.4, columnspacing=1.8)


def _weight_label(figure: Figure) -> str:
    return "weight α of the self-supervised term" if figure.get_figheight() >= 4.4 else "weight α"


def _logarithmic(axis: Axis, ticks: Sequence[float]) -> None:
    if axis.axes.figure.get_figwidth() < 6:  # type: ignore[union-attr]
        ticks = ticks[::2]
    axis.axes.set_xscale("log")
    axis.set_ticks(list(ticks), labels=[f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)
