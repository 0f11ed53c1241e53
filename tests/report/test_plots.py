"""The pictures: right curves, right points, right files, the same bytes twice, readable without colour."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from typer.testing import CliRunner, Result

from ssem_advisor.advice import aims, outlook_of, recommend
from ssem_advisor.cli import app
from ssem_advisor.domain import AdvisorError, NotCovered, Setting, SettingError
from ssem_advisor.measurement import measure
from ssem_advisor.report import plots
from ssem_advisor.report.plots import canvas, phase
from ssem_advisor.theory import (
    alpha_for_variance,
    class_openings,
    class_variances,
    collapse_threshold,
    reference_losses,
)
from ssem_advisor.theory.estimates import alpha_for_expected_variance
from ssem_advisor.theory.network import PERFECT, alpha_for_free_spread, expected_free_spread, typical
from ssem_advisor.theory.regime import collapse_limits

ROOT = Path(__file__).parents[2]
SETTING = Setting(classes=20, batch_size=256, dim=64, temperature=0.2, alpha=0.6)
DRAWINGS = [plots.phase_diagram, plots.threshold_vs_batch, plots.variance_vs_alpha, plots.loss_values]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Axes]:
    """The axes of every figure made, to look at what the file shows."""
    found: list[Axes] = []
    save = Figure.savefig

    def saved(figure: Figure, *args: Any, **more: Any) -> None:
        found.append(figure.axes[0])
        save(figure, *args, **more)

    monkeypatch.setattr(Figure, "savefig", saved)
    return found


def points(axes: Axes) -> dict[str, tuple[float, float]]:
    lines = [line for line in axes.lines if line.get_linestyle() == "None"]
    return {str(line.get_label()): (float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines}


def curves(axes: Axes) -> list[tuple[np.ndarray, np.ndarray]]:
    lines = [line for line in axes.lines if line.get_linestyle() != "None" and len(line.get_xdata())]
    return [(np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)) for line in lines]


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_boundary_and_band_of_the_phase_diagram_are_the_theory(drawn: list[Axes], tmp_path: Path) -> None:
    plots.phase_diagram(SETTING, tmp_path / "phase.svg")
    boundary, low, high = curves(drawn[0])
    temperatures = boundary[0]
    assert (temperatures[0], temperatures[-1]) == pytest.approx(phase.TEMPERATURES)
    at, network = SETTING.with_(temperature=temperatures), typical(SETTING)
    assert boundary[1] == pytest.approx(np.minimum(collapse_threshold(at), 1.1))
    assert low[1] == pytest.approx(np.minimum(alpha_for_free_spread(at, aims(SETTING)[1][0], network), 1.1))
    assert high[1] == pytest.approx(np.minimum(alpha_for_free_spread(at, aims(SETTING)[1][1], network), 1.1))


def test_colour_of_a_place_is_its_variance(drawn: list[Axes], tmp_path: Path) -> None:
    """The region painted last at a place lies between the contours that enclose its variance."""
    plots.phase_diagram(SETTING, tmp_path / "phase.png")
    regions = [c for c in drawn[0].collections if isinstance(c, FillBetweenPolyCollection)][:-1]
    levels = phase.levels_of(outlook_of(SETTING))
    for temperature, alpha in ((0.2, 0.6), (0.05, 0.4), (0.1, 0.95), (0.15, 0.7)):
        variance = expected_free_spread(SETTING.with_(temperature=temperature, alpha=alpha), typical(SETTING))
        inside = [j for j, region in enumerate(regions) if region.get_paths()[0].contains_point((temperature, alpha))]
        assert levels[inside[-1]] <= variance <= levels[inside[-1] + 1]


def test_points_of_the_phase_diagram(drawn: list[Axes], tmp_path: Path) -> None:
    config = Setting(classes=20, batch_size=256, temperature=0.05, alpha=0.25)
    plots.phase_diagram(SETTING.with_(alpha=0.1), tmp_path / "phase.png", config=config)
    recommended = recommend(SETTING.with_(alpha=None)).alpha.recommended
    met = [math.comb(255, k) * 0.05**k * 0.95 ** (255 - k) for k in range(1, 256)]  # of the class of an anchor
    plain = sum(chance / (2 * (k + 1) - 1) for k, chance in enumerate(met, 1)) / sum(met)
    assert points(drawn[0]) == {
        "this setting: α 0.1, τ 0.2": (0.2, 0.1),
        f"recommended: α {recommended:.3g}, τ 0.2": (0.2, pytest.approx(recommended)),
        "your config: α 0.25, τ 0.05": (0.05, 0.25),
        f"plain SupCon: α {plain:.3g}, τ 0.07": (0.07, pytest.approx(plain)),
        f"plain SupCon: α {plain:.3g}, τ 0.1": (0.1, pytest.approx(plain)),
        "SimCLR: α 1, τ 0.1": (0.1, 1.0),
        "SSEM paper's runs: α 0.5, τ 0.1": (0.1, 0.5),
    }


def test_plain_supcon_is_marked_below_the_threshold_and_not_where_it_has_no_one_weight(
    drawn: list[Axes], tmp_path: Path
) -> None:
    small = Setting(classes=365, batch_size=256, temperature=0.1)  # half of the anchors are alone
    plots.phase_diagram(small, tmp_path / "small.png")
    weights = [alpha for label, (_, alpha) in points(drawn[0]).items() if label.startswith("plain SupCon")]
    assert len(weights) == 2
    assert max(weights) < collapse_threshold(small)
    plots.phase_diagram(Setting(class_counts=(50, 30, 20), batch_size=8, dim=16), tmp_path / "unequal.png")
    assert not [label for label in points(drawn[1]) if "plain" in label]


def test_recommended_point_is_the_one_of_recommend(drawn: list[Axes], tmp_path: Path) -> None:
    for setting in (SETTING, Setting(classes=20), SETTING.with_(temperature=5.0)):
        plots.phase_diagram(setting, tmp_path / "phase.png")
        best = recommend(setting).recommended
        label = f"recommended: α {best.alpha:.3g}, τ {best.temperature:g}"
        assert points(drawn[-1])[label] == (best.temperature, best.alpha)


def test_points_far_out_widen_the_diagram(drawn: list[Axes], tmp_path: Path) -> None:
    plots.phase_diagram(SETTING.with_(temperature=40.0), tmp_path / "phase.png")
    assert drawn[0].get_xlim() == pytest.approx((0.01, 40.0))
    assert curves(drawn[0])[0][0][-1] == pytest.approx(40.0)


@pytest.mark.parametrize(("loss", "names"), [("ssem", {"SSEM paper's runs"}), ("l_spread", {"L_spread defaults"})])
def test_only_recipes_of_the_same_loss_are_shown(drawn: list[Axes], tmp_path: Path, loss: Any, names: set[str]) -> None:
    plots.phase_diagram(Setting(classes=20, batch_size=256, loss=loss), tmp_path / "phase.png")
    assert {label.split(":")[0] for label in points(drawn[0])} == names | {"recommended"}


def test_l_spread_is_drawn_by_its_own_estimate_at_each_dimension(drawn: list[Axes], tmp_path: Path) -> None:
    setting = SETTING.with_(loss="l_spread")
    plots.phase_diagram(setting, tmp_path / "phase.png")
    temperatures, weights = curves(drawn[0])[2]
    assert weights == pytest.approx(
        np.minimum(alpha_for_expected_variance(setting.with_(temperature=temperatures), aims(SETTING)[1][1]), 1.1)
    )
    beyond = alpha_for_variance(setting.with_(temperature=temperatures, dim=None), aims(SETTING)[1][1])
    assert np.max(np.abs(weights - np.minimum(beyond, 1.1))) > 1e-3  # not that of unlimited dimension


@pytest.mark.parametrize(
    "batch",
    [
        {"batch_size": 256},
        {"batch_size": 200, "sampler": "balanced"},
        {"batch_size": 40, "sampler": "balanced", "classes_per_batch": 5},
    ],
)
def test_threshold_against_batch_size(drawn: list[Axes], tmp_path: Path, batch: dict[str, Any]) -> None:
    setting = Setting(classes=20, instances_per_class=300, temperature=0.2, **batch)
    plots.threshold_vs_batch(setting, tmp_path / "batch.png")
    for line in drawn[0].lines[:5]:
        sizes, thresholds = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert len(sizes) > 20
        assert sizes[-1] == (6000 if batch.get("classes_per_batch") is None else 1500)
        at = setting.with_(batch_size=sizes, temperature=float(str(line.get_label())))
        assert thresholds == pytest.approx(np.minimum(collapse_threshold(at), 2))


@pytest.mark.parametrize(
    ("setting", "largest"),
    [
        (Setting(class_counts=(50, 30, 20), batch_size=40, dim=16, temperature=0.5), 100),
        (Setting(class_counts=(50, 30, 20), batch_size=15, dim=16, sampler="balanced"), 60),
        (Setting(classes=6, instances_per_class=9, batch_size=20, dim=3), 54),
    ],
)
def test_last_opening_against_batch_size(drawn: list[Axes], tmp_path: Path, setting: Setting, largest: int) -> None:
    plots.threshold_vs_batch(setting, tmp_path / "batch.png")
    assert drawn[0].get_ylabel() == "weight α above which the last class opens"
    for line in drawn[0].lines[:5]:
        sizes, opens = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert setting.batch_size in sizes
        assert sizes[-1] == largest
        for place in (1, len(sizes) // 2, -1):
            at = setting.with_(batch_size=int(sizes[place]), temperature=float(str(line.get_label())))
            assert opens[place] == min(collapse_limits(at).open_above, 2.0)


def test_of_very_many_coordinates_fewer_batch_sizes_are_worked_out(
    drawn: list[Axes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = Setting(class_counts=(50, 30, 20), batch_size=40, dim=16)
    monkeypatch.setattr("ssem_advisor.report.plots.curves._MANY_COORDINATES", 8)
    plots.threshold_vs_batch(setting, tmp_path / "few.png")
    monkeypatch.setattr("ssem_advisor.report.plots.curves._MANY_COORDINATES", 9)
    plots.threshold_vs_batch(setting, tmp_path / "more.png")
    few, more = (len(axes.lines[0].get_xdata()) for axes in drawn)
    assert few <= 6 < more
    assert "  no weight is known to do it" in {text.get_text() for text in drawn[0].texts}


def test_smallest_data_sets_still_have_batches_to_compare(drawn: list[Axes], tmp_path: Path) -> None:
    for setting in (
        Setting(classes=2, instances_per_class=2),
        Setting(classes=100_000, instances_per_class=2, sampler="balanced"),
        Setting(classes=5, instances_per_class=9, sampler="balanced", classes_per_batch=2),
    ):
        plots.threshold_vs_batch(setting, tmp_path / "batch.png")
        assert len(drawn[-1].lines[0].get_xdata()) > 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "of a typical network"),
        ({"network": "perfect"}, "of the minimiser"),
        ({"network": "perfect", "dim": None}, "at the optimum"),
        ({"loss": "l_spread"}, "of the loss's own minimum"),
    ],
)
def test_what_stands_behind_the_variance_is_said(
    drawn: list[Axes], tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    paper = plots.Paper(network=changes.pop("network", "typical"))
    plots.variance_vs_alpha(SETTING.with_(**changes), tmp_path / "variance.png", paper)
    assert drawn[0].get_ylabel() == f"free spread {words}"


@pytest.mark.parametrize("network", ["typical", "perfect"])
def test_free_spread_against_weight(drawn: list[Axes], tmp_path: Path, network: Any) -> None:
    plots.variance_vs_alpha(SETTING, tmp_path / "variance.png", plots.Paper(network=network))
    who = PERFECT if network == "perfect" else typical(SETTING)
    for line in drawn[0].lines[:5]:
        setting = SETTING.with_(temperature=float(str(line.get_label())))
        weights, spreads = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        for alpha in (0.05, 0.4, 0.8):
            shown = np.interp(alpha, weights, spreads)
            assert shown == pytest.approx(expected_free_spread(setting.with_(alpha=alpha), who), abs=2e-3)
        assert spreads[-1] == pytest.approx(expected_free_spread(setting.with_(alpha=1.0), who))


def test_loss_values_are_the_reference_losses(drawn: list[Axes], tmp_path: Path) -> None:
    plots.loss_values(SETTING, tmp_path / "losses.png")
    for line, name in zip(drawn[0].lines[:3], ("total_collapse", "class_collapse", "optimum"), strict=True):
        for at in (0, 60, 150, 200):
            alpha = float(line.get_xdata()[at])
            exact = getattr(reference_losses(SETTING.with_(alpha=alpha)), name)
            assert float(line.get_ydata()[at]) == pytest.approx(exact)


def test_loss_values_of_classes_of_different_size(drawn: list[Axes], tmp_path: Path) -> None:
    setting = Setting(class_counts=(50, 30, 20), batch_size=40, dim=16, temperature=0.2)
    plots.loss_values(setting, tmp_path / "losses.png")
    for line, name in zip(drawn[0].lines[:3], ("total_collapse", "class_collapse", "optimum"), strict=True):
        assert (line.get_xdata()[0], line.get_xdata()[-1]) == (0, 1)
        for at in (0, 3, 20, 40):
            exact = getattr(reference_losses(setting.with_(alpha=float(line.get_xdata()[at]))), name)
            assert float(line.get_ydata()[at]) == pytest.approx(exact)


def test_each_size_of_class_opens_where_theory_says(drawn: list[Axes], tmp_path: Path) -> None:
    setting = Setting(class_counts=(5, 3, 3, 2), sampler="full", dim=5, temperature=0.5)
    plots.class_openings(setting, tmp_path / "openings.png")
    lines = {str(line.get_label()): line for line in drawn[0].lines if not str(line.get_label()).startswith("_")}
    opens = class_openings(setting)
    for name, member in (("5", 0), ("3 (2 classes)", 1), ("2", 3)):
        weights, values = (np.asarray(data, dtype=float) for data in lines[name].get_data())
        assert weights.min() > opens[member]  # what lies below is noise of the views, and drawn as such
        alpha = float(weights[len(weights) // 2])
        exact = class_variances(setting.with_(alpha=alpha))[member]
        assert float(values[len(weights) // 2]) == pytest.approx(exact, abs=1e-3)
    marks = sorted(float(line.get_xdata()[0]) for line in drawn[0].lines if line.get_marker() == "^")
    assert marks == pytest.approx(sorted({round(float(at), 6) for at in opens}), abs=1e-3)
    assert drawn[0].get_ylabel() == "within-class variance at the optimum,\nwith room for all instances"
    plots.class_openings(setting.with_(dim=12), tmp_path / "openings.png")
    assert drawn[1].get_ylabel() == "within-class variance at the optimum"
    with pytest.raises(SettingError, match="class_counts"):
        plots.class_openings(SETTING, tmp_path / "openings.png")


@pytest.mark.parametrize(
    ("setting", "between"),
    [
        (Setting(class_counts=(50, 30, 20), batch_size=40, dim=16, temperature=0.5, alpha=0.7), "some class may be"),
        (Setting(classes=4, dim=3, batch_size=80, temperature=0.5, alpha=0.9), "some class may be"),
        (Setting(classes=400, dim=32, batch_size=1600, temperature=0.1), "some class may be"),
    ],
)
def test_classes_with_their_own_thresholds_have_a_first_and_a_last_boundary(
    drawn: list[Axes], tmp_path: Path, setting: Setting, between: str
) -> None:
    plots.phase_diagram(setting, tmp_path / "phase.svg")
    first, last = (line for line in drawn[0].lines[:2])
    for at in (0, 61, 77, 101, 180):
        limits = collapse_limits(setting.with_(temperature=float(first.get_xdata()[at]), alpha=None))
        for line, exact in ((first, limits.collapse_up_to), (last, limits.open_above)):
            assert min(float(line.get_ydata()[at]), 1.0) == pytest.approx(min(exact, 1.0), abs=0.006)
    assert {"every class is collapsed", f"{between} collapsed"} <= {
        text.get_text() for legend in drawn[0].figure.legends for text in legend.get_texts()
    }
    low = drawn[0].lines[2]  # the safe range begins where no class is collapsed
    inside = np.isfinite(low.get_ydata())
    assert np.all(np.asarray(low.get_ydata())[inside] >= np.asarray(last.get_ydata())[inside])
    best = recommend(setting).recommended
    assert best is None or (best.temperature, best.alpha) in points(drawn[0]).values()


def test_free_spread_begins_where_no_class_is_collapsed(drawn: list[Axes], tmp_path: Path) -> None:
    setting = Setting(class_counts=(50, 30, 20), batch_size=40, dim=16, temperature=0.2)
    plots.variance_vs_alpha(setting, tmp_path / "variance.png")
    outlook, shown = outlook_of(setting), 0
    for line in drawn[0].lines[:5]:
        temperature = float(str(line.get_label()))
        limits = outlook.limits(temperature)
        weights, spreads = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        assert weights[1] == limits.collapse_up_to
        if limits.open_above < 1:
            assert weights[3] == limits.open_above
            assert spreads[4:-1] == pytest.approx([outlook.spread(float(at), temperature) for at in weights[4:-1]])
            shown += 1
    assert shown > 2


def test_measured_points_stand_against_what_was_predicted(drawn: list[Axes], tmp_path: Path) -> None:
    study = ROOT / "validation" / "cifar10-pairs"
    done = command("--kind", "measured", "--from", study, "-o", tmp_path / "measured.svg")
    assert (done.exit_code, done.stdout) == (0, "")
    points = json.loads((study / "result.json").read_text())["suites"][0]["points"]
    lines = {str(line.get_label()): line for line in drawn[0].lines}
    for name, predicted in (
        ("typical network, before training", [p["typical"] for p in points]),
        ("network as measured", [p["estimate"]["mean"] for p in points]),
    ):
        across, up = (np.asarray(data, dtype=float) for data in lines[name].get_data())
        assert across.tolist() == pytest.approx(predicted)
        assert up.tolist() == pytest.approx([p["free_spread"]["mean"] for p in points])


def test_measured_embeddings_stand_beside_their_prediction(drawn: list[Axes], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 60)
    own, noise = rng.standard_normal((300, 1, 64)), rng.standard_normal((300, 4, 64))
    z = 6.0 * np.eye(64)[labels][:, None] + 0.5 * own + 0.5 * noise
    np.savez(tmp_path / "z.npz", embeddings=z, labels=labels)
    setting = ("--batch-size", 250, "--sampler", "balanced", "--tau", 0.1, "--alpha", 0.3)
    done = command("--kind", "measured", "--from", tmp_path / "z.npz", *setting, "-o", tmp_path / "measured.png")
    assert done.exit_code == 0, done.stderr
    at = Setting(classes=5, dim=64, batch_size=250, sampler="balanced", temperature=0.1, alpha=0.3)
    found = measure(z, labels, setting=at)
    bars = [
        float(bar.get_width()) for bar in drawn[0].patches if isinstance(bar, Rectangle) and bar.get_height() == 0.5
    ]
    assert found.theory is not None
    assert bars == pytest.approx(
        [found.theory.optimum, found.theory.finite_dimension, found.theory.network, found.theory.measured]
    )


def test_the_users_own_lines_are_labelled(drawn: list[Axes], tmp_path: Path) -> None:
    plots.threshold_vs_batch(SETTING, tmp_path / "batch.png")
    plots.variance_vs_alpha(SETTING, tmp_path / "variance.png")
    written = [{text.get_text() for text in axes.texts} for axes in drawn]
    assert "batch 256" in written[0]
    assert "your α = 0.6" in written[1]


# -- the file ---------------------------------------------------------------------------------------------------------

MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize("ending", MAGIC)
def test_ending_chooses_the_format_and_bytes_repeat(tmp_path: Path, draw: Any, ending: str) -> None:
    first, second = (draw(SETTING, tmp_path / f"{name}{ending}").read_bytes() for name in ("first", "second"))
    assert first.startswith(MAGIC[ending])
    assert first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"first{ending}", f"second{ending}"]


def test_text_stays_text_and_the_picture_has_a_title(tmp_path: Path) -> None:
    picture = plots.phase_diagram(SETTING, tmp_path / "a.svg").read_text()
    assert "<title>Where class collapse is the optimum: supcon, 20 classes" in picture
    assert ">temperature τ</text>" in picture
    printed = plots.phase_diagram(SETTING, tmp_path / "a.pdf").read_bytes()
    assert b"/Type42" in printed or b"/TrueType" in printed or b"/CIDFontType2" in printed
    assert b"/Type3" not in printed


@pytest.mark.parametrize("width", [4.0, 7.0, 12.0])
def test_size_is_the_users_and_titles_stay_inside(drawn: list[Axes], tmp_path: Path, width: float) -> None:
    plots.variance_vs_alpha(SETTING, tmp_path / "v.png", plots.Paper((width, 4.0)))
    figure = drawn[0].figure
    assert tuple(figure.get_size_inches()) == (width, 4.0)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for text in (drawn[0]._left_title, drawn[0].texts[0]):
        box = text.get_window_extent(renderer)
        assert box.x1 <= figure.bbox.x1 + 1


@pytest.mark.parametrize("draw", DRAWINGS)
def test_dark_pictures_say_the_same_in_other_colours(drawn: list[Axes], tmp_path: Path, draw: Any) -> None:
    for theme in ("light", "dark"):
        draw(SETTING, tmp_path / f"{theme}.svg", paper=plots.Paper(theme=theme))
    light, dark = ((tmp_path / f"{theme}.svg").read_text() for theme in ("light", "dark"))
    assert "#ffffff" in light
    assert canvas.LOOKS["dark"].page in dark
    assert [a[1].tolist() for a in curves(drawn[0])] == [a[1].tolist() for a in curves(drawn[1])]


def test_text_has_contrast_on_its_page() -> None:
    """WCAG contrast of 4.5 or more for all that is written."""

    def luminance(colour: str) -> float:
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    for look in canvas.LOOKS.values():
        for ink in (look.ink, look.soft, look.safe_ink, look.bad):
            high, low = sorted((luminance(ink), luminance(look.page)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5


def test_bytes_do_not_depend_on_the_process_or_its_matplotlib_settings(tmp_path: Path) -> None:
    script = (
        "import sys, matplotlib; matplotlib.rcParams.update({'font.size': 30, 'axes.facecolor': 'red'})\n"
        "from ssem_advisor import Setting; from ssem_advisor.report import plots\n"
        "plots.phase_diagram(Setting(classes=20, batch_size=256, dim=64, temperature=0.2, alpha=0.6), sys.argv[1])"
    )
    other = tmp_path / "other.svg"
    subprocess.run([sys.executable, "-c", script, str(other)], check=True, env={"PYTHONHASHSEED": "7", "PATH": ""})
    assert other.read_bytes() == plots.phase_diagram(SETTING, tmp_path / "here.svg").read_bytes()


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize("name", ["picture.jpg", "picture", "picture.svg.gz"])
def test_unknown_ending_is_one_clear_line(tmp_path: Path, draw: Any, name: str) -> None:
    with pytest.raises(AdvisorError, match=r"unknown picture format .*\.png, \.svg, \.pdf") as error:
        draw(SETTING, tmp_path / name)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


UNEQUAL = Setting(class_counts=(50, 20, 10), batch_size=16)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        (UNEQUAL.with_(dim=2), "dim=2: not covered, because the loss of collapsed classes needs dim >= 3"),
        (Setting(classes=5, batch_size=16, dim=3), "dim=3: .* needs dim >= 4"),
        (UNEQUAL.with_(loss="l_spread"), "loss='l_spread': not covered, because"),
    ],
)
def test_loss_values_that_are_not_worked_out_are_not_drawn(tmp_path: Path, setting: Setting, reason: str) -> None:
    with pytest.raises(NotCovered, match=reason):
        plots.loss_values(setting, tmp_path / "losses.png")


@pytest.mark.parametrize(
    ("setting", "draw"),
    [
        *((UNEQUAL.with_(dim=1), draw) for draw in (plots.threshold_vs_batch, plots.loss_values)),
        *((Setting(classes=20, batch_size=256, dim=10, loss="l_spread"), draw) for draw in DRAWINGS),
        *((Setting(classes=20, batch_size=256, views=1), draw) for draw in DRAWINGS),
        *(
            (s, lambda setting, _: plots.terminal_heat_map(setting))
            for s in (UNEQUAL.with_(loss="l_spread"), UNEQUAL.with_(views=1))
        ),
    ],
)
def test_silence_of_the_theory_is_said_not_drawn(tmp_path: Path, setting: Setting, draw: Any) -> None:
    with pytest.raises(NotCovered, match="not covered"):
        draw(setting, tmp_path / "picture.png")
    assert list(tmp_path.iterdir()) == []


def test_a_full_batch_has_no_size_to_vary(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="sampler='full'"):
        plots.threshold_vs_batch(Setting(classes=5, sampler="full", instances_per_class=20), tmp_path / "batch.png")


def test_variance_stays_readable_in_grey(drawn: list[Axes], tmp_path: Path) -> None:
    """Without colour, lightness still orders the variance, in the picture as on the terminal."""
    plots.phase_diagram(SETTING, tmp_path / "phase.png")
    regions = [c for c in drawn[0].collections if isinstance(c, FillBetweenPolyCollection)][:-1]
    for shades in ([region.get_facecolor()[0][:3] for region in regions], [to_rgb(shade) for shade in canvas.SHADES]):
        grey = np.dot(shades, (0.299, 0.587, 0.114))
        assert np.all(np.diff(grey) > 0.01)
        assert grey[-1] - grey[0] > 0.6


# -- the terminal -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 200])
def test_heat_map_fits_and_its_glyphs_tell_the_variance(width: int) -> None:
    lines = ["".join(text for text, _ in line) for line in plots.terminal_heat_map(SETTING, width=width)]
    rows = [line for line in lines if "│" in line]
    assert max(map(len, rows)) <= width
    columns = len(rows[0].split("│")[1])
    for alpha, temperature, glyph in ((0.9, 5.0, "·"), (0.3, 0.01, "░"), (0.5, 0.05, "▒"), (0.98, 0.12, "▓")):
        place = round((columns - 1) * phase.share(temperature))
        assert rows[round((len(rows) - 1) * (1 - alpha))].split("│")[1][place] == glyph


def test_heat_map_in_ascii_and_its_points() -> None:
    lines = ["".join(text for text, _ in line) for line in plots.terminal_heat_map(SETTING, unicode=False)]
    assert all(line.isascii() for line in lines)
    picture = [line.split("|")[1] for line in lines if "|" in line]
    assert picture[8][round(71 * phase.share(0.2))] == "1"
    assert "1 this setting: alpha 0.6, tau 0.2" in lines


def test_terminal_needs_no_matplotlib() -> None:
    script = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from ssem_advisor import Setting; from ssem_advisor.report.plots import terminal_heat_map\n"
        "assert terminal_heat_map(Setting(classes=20, batch_size=256))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# -- the command ------------------------------------------------------------------------------------------------------

LAUNCH = "python main_supcon.py --batch_size 1024 --temp 0.1 --dataset cifar100 --cosine\n"


def command(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(app, ["plot", *map(str, arguments)], env={"COLUMNS": "80"})


@pytest.mark.parametrize("kind", ["phase", "batch", "variance", "losses"])
def test_command_writes_the_picture(tmp_path: Path, kind: str) -> None:
    picture = tmp_path / "picture.svg"
    result = command("--classes", 20, "--batch-size", 256, "--kind", kind, "-o", picture)
    assert (result.exit_code, result.stdout) == (0, "")
    assert picture.read_bytes().startswith(b"<?xml")


def test_command_takes_setting_and_point_from_a_config(tmp_path: Path) -> None:
    config = tmp_path / "run.sh"
    config.write_text(LAUNCH)
    result = command("--config", config, "--terminal", "--batch-size", 512)
    assert result.exit_code == 0, result.stderr
    assert "100 classes" in result.stdout
    assert "random batches of 512" in result.stdout
    assert "your config: α 0.107, τ 0.1" in result.stdout  # plain SupCon in the batches of the command line
    assert "your config: α 0.0517, τ 0.1" in command("--config", config, "--terminal").stdout


def test_a_config_that_has_no_one_weight_is_marked_at_its_temperature(drawn: list[Axes], tmp_path: Path) -> None:
    """Plain SupCon of classes of different size has a weight for each of them."""
    config = tmp_path / "run.yaml"
    config.write_text("loss: supcon\ntemperature: 20\nclass_counts: [50, 20, 10]\nbatch_size: 16\nprojection_dim: 16\n")
    said = "plain SupCon, whose weight differs from class to class"
    assert f"your config, τ 20: {said}" in command("--config", config, "--terminal").stdout
    assert command("--config", config, "-o", tmp_path / "a.svg").exit_code == 0
    assert f"your config: {said}" in {text.get_text() for text in drawn[0].texts}
    assert [20.0, 20.0] in [list(line.get_xdata()) for line in drawn[0].lines]
    assert drawn[0].get_xlim()[1] == pytest.approx(20)
    assert "your config, " not in command("--config", config, "--terminal", "--alpha", "0.5").stdout
    setting = Setting(class_counts=(50, 20, 10), batch_size=16, dim=16)
    lines = plots.terminal_heat_map(setting, setting)  # there is no temperature to say it at
    assert not any("your config" in text for line in lines for text, _ in line)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--classes", "20", "--batch-size", "256"], "give -o FILE"),
        (["--classes", "20", "--batch-size", "256", "-o", "picture.jpg"], "picture.jpg: unknown picture format '.jpg'"),
        (["--classes", "20", "--batch-size", "256", "-o", "missing/picture.png"], "missing/picture.png: cannot be"),
        (["--classes", "1", "-o", "picture.png"], "classes=1"),
        (
            ["--classes", "20", "--batch-size", "256", "--dim", "5", "--kind", "losses", "-o", "picture.png"],
            "not covered",
        ),
        (["--classes", "20", "--batch-size", "256", "--kind", "batch", "--terminal"], "--kind batch"),
        (["--classes", "20", "--batch-size", "256", "-o", "picture.png", "--size", "wide"], "--size wide"),
        (["--classes", "20", "--batch-size", "256", "-o", "picture.png", "--size", "0x4"], "2 to 40 inches"),
        (["--classes", "20", "--batch-size", "256", "-o", "picture.png", "--kind", "openings"], "class_counts"),
        (["--kind", "measured", "-o", "picture.png"], "--kind measured and --from PATH go together"),
        (["--classes", "20", "--from", "x.npz", "-o", "picture.png"], "--kind measured and --from PATH go together"),
        (["--kind", "measured", "--from", "{configs}", "-o", "picture.png"], "no report.json in it yet"),
        (["--kind", "measured", "--from", "no.json", "-o", "picture.png"], "no such file"),
        (["--kind", "measured", "--from", "no.npz", "-o", "picture.png"], "no.npz"),
        (["--config", "missing.yaml", "--terminal"], "missing.yaml: no such file"),
        (["--config", "{configs}/other.yaml", "--terminal"], "other.yaml: names no contrastive loss"),
        (["--config", "{configs}/simclr.yaml", "--terminal"], "describes no supervised contrastive training"),
        (["--config", "{configs}/open.yaml", "--terminal"], "give --temperature as well"),
        (["--config", "{configs}/sizes.yaml", "--terminal", "--loss", "l_spread"], "not covered"),
    ],
)
def test_command_says_what_is_wrong_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    work, configs = tmp_path / "work", tmp_path / "configs"
    work.mkdir()
    configs.mkdir()
    for name, text in {
        "other": "loss: cross_entropy\nlr: 0.1\n",
        "simclr": "method: simclr\ntemperature: 0.1\nnum_classes: 10\n",
        "open": "loss: supcon\nnum_classes: 10\n",
        "sizes": "loss: supcon\ntemperature: 0.1\nclass_counts: [500, 200, 80]\nbatch_size: 64\n",
    }.items():
        (configs / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(work)
    result = command(*(argument.format(configs=configs) for argument in arguments))
    assert result.exit_code == 2
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(work.iterdir()) == []


@pytest.mark.parametrize(
    ("wish", "escapes"), [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)]
)
def test_terminal_honours_no_color(wish: dict[str, str], escapes: bool) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONIOENCODING": "utf-8"}
    arguments = [sys.executable, "-m", "ssem_advisor", "plot", "-m", "20", "-b", "256", "--terminal"]
    output = subprocess.run(arguments, check=True, capture_output=True, env=clean | terminal | wish).stdout
    assert (b"\x1b[38;2;" in output) == escapes
    assert "▒▒▒".encode() in output
