"""Numbers that pages say in prose, tables and captions, against the code that they speak of."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from ssem_advisor import Setting, collapse_threshold, recommend
from ssem_advisor.advice import SAFE_SPREAD, WANTED
from ssem_advisor.catalogue import get
from ssem_advisor.theory.network import TYPICAL_MOST, TYPICAL_RANGE, TYPICAL_RELIABILITY, TYPICAL_SHARE

ROOT = Path(__file__).resolve().parents[2]
HOME = Setting(classes=100, dim=128, batch_size=512)  # what the first screen, the home page and their picture show


def page(name: str) -> str:
    """A page as one line of text, so that a sentence is found wherever its lines break."""
    return " ".join((ROOT / name).read_text(encoding="utf-8").split())


def rows() -> dict[str, list[str]]:
    """The cells of the first screen's table, by their row's first word or two."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("<!-- table: recommend -->")[2].partition("<!-- end of table -->")[0]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.strip().splitlines()[2:]]
    return {found[0].partition(" ")[0].rstrip(","): found[1:] for found in cells}


ROWS = {
    "CIFAR-10": {**get("cifar10").fields(), "batch_size": 512},
    "CIFAR-100": {**get("cifar100").fields(), "batch_size": 512},
    "ImageNet": {**get("imagenet").fields(), "batch_size": 4096},
    "CIFAR-100-LT": {**get("cifar100-lt").fields(), "batch_size": 512},
    "three": {"class_counts": (7000, 2000, 1000), "batch_size": 64},
}


def test_the_table_has_the_rows_that_are_checked():
    assert set(rows()) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_the_first_screen_recommends_what_the_command_recommends(name):
    """The recommendation to two digits; the threshold and both ends of the range rounded to the safe side."""
    threshold, recommended, safe = rows()[name]
    low, high = safe.split(" to ")
    alpha = recommend(Setting(dim=128, temperature=0.1, **ROWS[name])).alpha
    assert float(recommended) == pytest.approx(alpha.recommended, abs=0.0051)
    for shown, true, side in [
        (threshold, alpha.collapse_threshold, 1), (low, alpha.safe[0], 1), (high, alpha.safe[1], -1),
    ]:  # fmt: skip
        unit = 10.0 ** -len(shown.partition(".")[2])
        assert -1e-9 <= side * (float(shown) - true) < unit, (shown, true)


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_plain_supcon_has_the_small_alpha_that_the_first_screen_says(name):
    setting = HOME.with_(temperature=0.1)
    found = re.search(r"\b(?:alpha = |weight is )(0\.\d+),? (?:while|and) the threshold is (0\.\d+)", page(name))
    assert found is not None
    met = [math.comb(511, k) * 0.01**k * 0.99 ** (511 - k) for k in range(1, 512)]  # instances that an anchor meets
    weight = sum(chance / (2 * (k + 1) - 1) for k, chance in enumerate(met, 1)) / sum(met)
    assert float(found[1]) == pytest.approx(weight, abs=5e-4)
    assert float(found[2]) == pytest.approx(collapse_threshold(setting), abs=5e-4)


@pytest.mark.parametrize(
    ("name", "sentence", "value"),
    [
        ("docs/limitations.md", r"view reliability (0\.\d+) and half of the directions", TYPICAL_RELIABILITY),
        ("docs/limitations.md", r"safe range of free spread, (0\.\d+) to", SAFE_SPREAD[0]),
        ("docs/limitations.md", r"safe range of free spread, 0\.\d+ to (0\.\d+),", SAFE_SPREAD[1]),
        ("docs/theory/estimates.md", r"\$R=(0\.\d+)\$ \((?:between )?\.?[\d.]+ (?:to|and) ", TYPICAL_RELIABILITY),
        ("docs/theory/estimates.md", r"\$R=0\.\d+\$ \((?:between )?([\d.]+) (?:to|and) ", TYPICAL_RANGE[0]),
        ("docs/theory/estimates.md", r"\$R=0\.\d+\$ \((?:between )?[\d.]+ (?:to|and) ([\d.]+) ", TYPICAL_RANGE[1]),
    ],
)
def test_fitted_constants_are_those_of_the_code(name, sentence, value):
    found = re.search(sentence, page(name))
    assert found is not None, f"{name} no longer says {sentence}"
    assert float(found[1]) == value


@pytest.mark.parametrize("name", ["docs/limitations.md", "docs/theory/estimates.md"])
def test_a_typical_network_uses_half_of_the_directions(name):
    assert "half of the directions" in page(name)
    assert "at most 32" in page(name)
    assert (TYPICAL_SHARE, TYPICAL_MOST) == (0.5, 32)


def test_the_wanted_free_spread_is_what_the_option_says():
    assert f"default {WANTED:g}." in page("docs/reference/cli.md")
    assert f"default {SAFE_SPREAD[0]:g},{SAFE_SPREAD[1]:g}." in page("docs/reference/cli.md")


def test_the_caption_of_the_batch_picture_says_what_its_curves_do():
    sizes = 2 ** np.arange(5, 14)

    def curve(temperature):
        return np.asarray(collapse_threshold(HOME.with_(temperature=temperature, batch_size=sizes)))

    assert "At temperatures up to 0.1 it falls as the batch grows" in page("docs/guides/multi-gpu.md")
    for temperature in (0.07, 0.1):
        found = curve(temperature)
        assert np.all(np.diff(found) < 0)
        assert found[5:8] / found[4:7] == pytest.approx(0.5, abs=0.1)  # from 512 to 4096
    assert "At temperatures 0.3 and 0.5 a larger batch does not help" in page("docs/guides/multi-gpu.md")
    for temperature in (0.3, 0.5):
        found = curve(temperature)
        assert np.all(np.diff(found[:4]) > 0)
        assert np.ptp(found[4:]) < 0.02


def test_three_quarters_of_the_anchors_have_no_positive():
    assert "With 1000 classes and random batches of 256, about three quarters of the anchors" in page(
        "docs/guides/multi-gpu.md"
    )
    lonely = (1 - 1 / 1000) ** 255
    assert lonely == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize(
    ("name", "sentence", "value"),
    [
        ("docs/faq.md", r"\\ln127=(6\.\d+)", 0.1 / 0.07 * math.log(127)),
        ("docs/faq.md", r"\\ln511=(8\.\d+)", 0.1 / 0.07 * math.log(511)),
        ("docs/faq.md", r"\\ln7=(1\.\d+)", math.log(7)),
        ("docs/faq.md", r"\\ln255=(5\.\d+)", math.log(255)),
        ("docs/faq.md", r"\\tau<(0\.09\d+)", 1 / math.log(65504)),
        ("docs/guides/loss-value.md", r"\\ln2=(0\.\d+)", math.log(2)),
        ("docs/guides/supcontrast.md", r"0\.1 / 0\.07 = (1\.\d+)", 0.1 / 0.07),
        ("docs/which-loss.md", r"\$w=0\.05\$ is \$\\alpha=(0\.\d+)\$", 0.05 + 0.95 / 9),
    ],
)
def test_numbers_in_prose_follow_from_their_formulas(name, sentence, value):
    found = re.search(sentence, page(name))
    assert found is not None, f"{name} no longer says {sentence}"
    digits = len(found[1].partition(".")[2])
    assert float(found[1]) == pytest.approx(value, abs=0.51 * 10.0**-digits)


def test_the_explorer_is_drawn_for_the_setting_of_the_home_page():
    import generate

    assert generate.EXAMPLE.with_(temperature=None, alpha=None) == HOME
