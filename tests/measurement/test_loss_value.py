"""Loss values placed between their reference values; the values that people report as stuck are recognised."""

import math

import pytest

from ssem_advisor.domain import AdvisorError, Setting
from ssem_advisor.measurement import place_loss


@pytest.mark.parametrize(
    ("value", "options"),
    [
        (6.920, {"batch_size": 64, "temperature": 0.1, "base_temperature": 0.07}),
        (8.909, {"batch_size": 256, "temperature": 0.1, "base_temperature": 0.07}),
        (1.9459, {"batch_size": 4}),
        (6.92, {"batch_size": 64}),  # the base temperature is recognised
        (6.92, {"batch_size": 64, "temperature": 0.1}),
        (6.920, {}),  # and so is the batch size
        (8.909, {}),
        (1.9459, {}),
        (math.log(512), {"batch_size": 256}),  # anchor kept in its denominator
        (math.log(512), {"batch_size": 256, "loss": "ssem"}),
        (math.log(3 * 100 - 1), {"batch_size": 100, "views": 3}),
    ],
)
def test_stuck_at_total_collapse(value, options):
    placed = place_loss(value, **options)
    assert placed.verdict == "total collapse"
    assert placed.remedy


def test_recognised_value_is_explained():
    assert "6.92 = (0.1/0.07) ln(2*64-1)" in place_loss(6.92).meaning
    assert "batch 64" in place_loss(6.92).meaning


@pytest.mark.parametrize(("value", "batch"), [(5.3, 256), (3.0, 64)])
def test_other_values_below_the_plateau_are_not_collapse(value, batch):
    assert place_loss(value, batch_size=batch).verdict == "below total collapse"


def test_nothing_known():
    assert place_loss(5.0).verdict == "unknown"


SETTING = Setting(classes=10, temperature=0.5, alpha=0.6, batch_size=100, sampler="balanced")


def test_the_whole_line_from_plateau_to_optimum():
    known = place_loss(4.0, setting=SETTING)
    plateau, collapse, optimum = known.total_collapse, known.class_collapse, known.optimum
    assert plateau == pytest.approx(math.log(199))
    r = math.exp(-10 / 9 / 0.5)
    assert collapse == pytest.approx(math.log(19 + 20 * 9 * r))
    assert optimum < collapse < plateau
    for value, verdict in [
        (plateau + 0.5, "above total collapse"),
        (plateau, "total collapse"),
        ((plateau + collapse) / 2, "between total and class collapse"),
        (collapse, "class collapse"),
        ((collapse + optimum) / 2, "between class collapse and optimum"),
        (optimum, "optimum"),
        (optimum - 0.5, "below the optimum"),
    ]:
        placed = place_loss(value, setting=SETTING)
        assert placed.verdict == verdict
        assert placed.position == pytest.approx((plateau - value) / (plateau - optimum))


def test_optimum_of_a_collapsing_setting_is_class_collapse():
    setting = SETTING.with_(alpha=0.1)
    placed = place_loss(place_loss(4.0, setting=setting).optimum, setting=setting)
    assert placed.verdict == "class collapse"
    assert "raise alpha" in placed.remedy


def test_base_temperature_scales_every_reference_value():
    plain, scaled = place_loss(4.0, setting=SETTING), place_loss(4.0, setting=SETTING, base_temperature=0.07)
    for name in ("total_collapse", "class_collapse", "optimum"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name) * 0.5 / 0.07)


@pytest.mark.parametrize(
    ("value", "options", "says"),
    [
        (math.nan, {}, "diverged"),
        (5.0, {"base_temperature": 0.07}, "temperature: missing"),
        (5.0, {"base_temperature": 0.0, "temperature": 0.1}, "base_temperature=0.0"),
        (5.0, {"loss": "l_spread", "batch_size": 64}, "l_spread"),
    ],
)
def test_bad_input_is_one_line(value, options, says):
    with pytest.raises(AdvisorError, match=says):
        place_loss(value, **options)


@pytest.mark.parametrize(
    "setting",
    [
        Setting(classes=12, dim=8, temperature=0.1, alpha=0.3, batch_size=36, sampler="balanced"),
        Setting(class_counts=(50, 30, 20), dim=2, temperature=0.1, alpha=0.3, batch_size=64),
    ],
)
def test_total_collapse_is_known_where_the_rest_is_not(setting):
    placed = place_loss(math.log(2 * setting.batch_size - 1), setting=setting)
    assert placed.verdict == "total collapse"
    assert placed.optimum is None
    below = place_loss(3.0, setting=setting)
    assert below.verdict == "below total collapse"
    assert "needs" not in below.meaning  # every fact is there
    assert "--" not in below.remedy
    assert below.remedy.startswith("measure embeddings")
