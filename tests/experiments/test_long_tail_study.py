"""The script that holds networks on long tails against what was fixed before, and the page that shows its output."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "validation" / "long-tail"


@pytest.fixture(scope="module")
def claims():
    spec = importlib.util.spec_from_file_location("claims_of_long_tails", FOLDER / "claims.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def study(claims, tmp_path, monkeypatch):
    """Three classes and three weights, two seeds; the fine probes are 0.30, 0.40 and 0.38."""
    rows = [
        {
            "alpha": alpha, "temperature": 0.1, "seed": seed, "balanced_probe_fine": fine + (seed - 0.5) / 50,
            "free_spread": spread, "expected of a typical network": spread + 0.02,
            "expected of this network": spread - 0.06, "common_mean": 0.5,
            "free by class": [3 * spread, spread, spread / 2],
            "held-out free by class": [spread, 2 * spread, 3 * spread],
        }
        for seed in (0, 1)
        for alpha, fine, spread in ((None, 0.32, 0.0), (0, 0.3, 0.0), (0.4, 0.4, 0.2), (0.6, 0.38, 0.3))
    ]  # fmt: skip
    setting = {
        "classes": 3, "dim": 64, "batch_size": 32, "sampler": "random", "class_counts": [80, 40, 10], "test_images": 9
    }  # fmt: skip
    (tmp_path / "tail.json").write_text(json.dumps({"setting": setting, "networks": rows}))
    monkeypatch.setattr(claims, "RECORDED", tmp_path)
    return claims.Study.read("tail")


@pytest.mark.parametrize(("advised", "right"), [(0.4, "right"), (0.6, "wrong"), (0, "wrong")])
def test_the_weight_is_right_within_a_hundredth_of_the_best(claims, study, advised, right):
    found = claims.weight_is_right(
        claims.Study(study.name, advised, study.setting, study.networks), "balanced_probe_fine"
    )
    assert found.endswith(f": {right}")
    assert "best 0.400 at 0.4, plain 0.320, weight 0 0.300" in found


def test_the_free_spread_is_held_against_both_predictions(claims, study):
    assert claims.spread_is_right(study) == "(c) tail: typical network 0.020 (right), measured network 0.060 (wrong)"


def test_classes_in_the_order_of_the_minimum_are_right(claims, study):
    order, openings = claims.classes_are_right(claims.Study(study.name, 0.4, study.setting, study.networks))
    assert "rank correlation 1.00 (images left out: -1.00)" in order
    assert order.endswith(": right")
    assert openings.startswith("(d) tail: thirds leave collapse at ")
    turned = [{**row, "free by class": row["free by class"][::-1]} for row in study.networks]
    order, _ = claims.classes_are_right(claims.Study(study.name, 0.4, study.setting, turned))
    assert "rank correlation -1.00" in order
    assert order.endswith(": wrong")


def test_lone_anchors_are_told_from_the_smallest_third(claims, study):
    small = claims.Study(study.name, 0.4, study.setting.with_(batch_size=8), study.networks)
    opens, ratio, plain = claims.lonely_are_right(small, claims.Study(study.name, 0.4, study.setting, study.networks))
    assert opens.startswith("(e) the smallest third opens 0.000 later")
    assert opens.endswith(": wrong")
    assert "largest: 0.17, then 0.17" in ratio
    assert ratio.endswith(": wrong")
    assert plain.endswith("share 0.000: right")


def test_plain_supcon_is_compared_at_the_mean_weight_of_its_anchors(claims, study):
    """By drawing batches: of two views and k mates one positive in 2k + 1 is the other view."""
    labels, rng = np.repeat([0, 1, 2], [80, 40, 10]), np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        batch = labels[rng.permutation(130)[:32]]
        drawn.append(np.mean(1 / (2 * np.bincount(batch)[batch] - 1)))
    weight = float(claims.plain_as_a_weight(study).split("mixture at ")[1].split(",")[0])
    assert weight == pytest.approx(np.mean(drawn), abs=0.001)
    assert claims.plain_as_a_weight(study).endswith(f"fine probe 0.320 and {0.3 + weight / 4:.3f}")


def test_thirds(claims):
    assert claims.thirds(np.array([1.0, 3.0, 5.0, 7.0, 9.0])) == pytest.approx([2, 6, 9])


def test_the_page_shows_what_is_printed(claims):
    """Line by line; numbers of the theory rest on drawn compositions of batches, and may move by 0.004."""
    number = re.compile(r"-?\d+\.\d+")
    printed = [line for line in claims.report() if line.startswith(("|", "("))]
    lines = [line.removeprefix("- ") for line in (FOLDER / "README.md").read_text().splitlines()]
    first = lines.index(printed[0])
    shown = [line for line in lines[first:] if line.startswith(("|", "("))]
    assert [number.sub("#", line) for line in shown] == [number.sub("#", line) for line in printed]
    for there, here in zip(shown, printed, strict=True):
        assert list(map(float, number.findall(there))) == pytest.approx(
            list(map(float, number.findall(here))), abs=0.0045
        )
