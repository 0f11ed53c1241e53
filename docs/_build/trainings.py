"""Pictures of recorded trainings: the runs of the CIFAR-100 tutorial, and what the monitor logged in two of them."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot

HERE = Path(__file__).parent
_INK = {"light": "#1f2933", "dark": "#e4e8ee"}
_COLOURS = {"fine": "#2f6fb5", "coarse": "#d97b29"}


def fine_probe(path: Path, theme: str, narrow: bool) -> None:
    """Accuracy of the probes over the weight, mean and range over seeds, from lines of `runs.csv`."""
    runs: dict[tuple[float | None, float], list[tuple[float, float]]] = defaultdict(list)
    with open(HERE / "cifar100.csv", newline="") as file:
        for alpha, temperature, _, coarse, fine in csv.reader(file):
            runs[float(alpha) if alpha else None, float(temperature)].append((float(coarse), float(fine)))
    figure, axes = _canvas(theme, 1, narrow)
    chosen = sorted(runs, key=lambda key: (key[0] is not None, key[0] or 0.0))
    plain = "plain\nSupCon" if narrow else "plain SupCon"
    names = [plain if alpha is None else f"{alpha:g}" for alpha, _ in chosen]
    for column, what in enumerate(("coarse", "fine")):
        values = [[run[column] for run in runs[key]] for key in chosen]
        means = [sum(each) / len(each) for each in values]
        label = "20 coarse classes, trained on" if what == "coarse" else "100 fine classes, never told"
        reach = [
            [mean - min(each) for mean, each in zip(means, values, strict=True)],
            [max(each) - mean for mean, each in zip(means, values, strict=True)],
        ]
        axes[0].errorbar(names, means, yerr=reach, marker="o", capsize=3, color=_COLOURS[what], label=label)
    axes[0].set(xlabel="weight alpha of the self-supervised term", ylabel="accuracy of a linear probe")
    axes[0].set_ylim(0, 0.6)
    _finish(figure, axes, path, theme)


def monitor(path: Path, theme: str, narrow: bool) -> None:
    """What the monitor wrote to TensorBoard in the two runs of the tutorial."""
    with open(HERE / "monitor.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    figure, axes = _canvas(theme, 3, narrow)
    tags = ("ssem/free_share", "ssem/within_class_variance", "ssem/distance_to_class_collapse")
    for axis, tag in zip(axes, tags, strict=True):
        for run, colour in (("plain", "#b8442c"), ("mixed", _COLOURS["fine"])):
            points = [(int(row["step"]), float(row["value"])) for row in rows if (row["run"], row["tag"]) == (run, tag)]
            axis.plot(*zip(*points, strict=True), marker=".", color=colour, label=run)
        axis.set_title(tag, fontsize=10)
        axis.set_xlabel("step")
        if tag == "ssem/free_share":
            axis.set_ylim(0, 0.25)
    _finish(figure, axes, path, theme)


def _canvas(theme: str, panels: int, narrow: bool) -> tuple[Any, list[Any]]:
    """Panels side by side, or, narrow, one below the other."""
    if narrow:
        figure, axes = pyplot.subplots(panels, 1, figsize=(4.2, 1.0 + 2.6 * panels), squeeze=False)
    else:
        figure, axes = pyplot.subplots(1, panels, figsize=(7.0 if panels == 1 else 10.0, 3.6), squeeze=False)
    for axis in axes.flat:
        axis.set_facecolor("none")
        for part in (*axis.spines.values(), axis.xaxis.label, axis.yaxis.label, axis.title):
            (part.set_edgecolor if part in axis.spines.values() else part.set_color)(_INK[theme])
        axis.tick_params(colors=_INK[theme])
        axis.grid(alpha=0.25)
    return figure, list(axes.flat)


def _finish(figure: Any, axes: list[Any], path: Path, theme: str) -> None:
    axes[0].legend(frameon=False, labelcolor=_INK[theme])
    figure.tight_layout()
    figure.savefig(path, transparent=True, metadata={"Date": None})
    pyplot.close(figure)


FIGURES = {"fine-probe": fine_probe, "monitor": monitor}
