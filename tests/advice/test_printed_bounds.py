"""Every bound is printed so that the sentence it stands in is true of the printed number itself."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssem_advisor import Setting, recommend
from ssem_advisor.config import OwnConfig, read
from ssem_advisor.diagnosis import diagnose
from ssem_advisor.lint.remedy import remedy_for
from ssem_advisor.measurement.prediction import compare
from ssem_advisor.report.advice import to_text
from ssem_advisor.rounding import above, below, inward
from ssem_advisor.theory.collapse import collapse_threshold, critical_temperature

NUMBER = r"([\d.]+(?:e-?\d+)?)"


def drawn(seed):
    rng = random.Random(seed)
    m, each = rng.choice((2, 5, 10, 20)), rng.randint(2, 30)
    return Setting(
        classes=m,
        dim=rng.choice((m, 64, 128, None)),
        temperature=round(10 ** rng.uniform(-1.2, -0.2), 3),
        batch_size=each * m,
        sampler=rng.choice(("random", "balanced")),
        loss=rng.choice(("supcon", "ssem")),
    )


def found(pattern, text):
    """Of each place that the pattern fits, its number, or its numbers."""
    places = re.findall(pattern.replace("NUMBER", NUMBER), " ".join(text.split()))
    return [float(place) if isinstance(place, str) else tuple(map(float, place)) for place in places]


@pytest.mark.parametrize("seed", range(12))
def test_what_recommend_prints_of_collapse_is_true(seed):
    setting = drawn(seed)
    answer = recommend(setting)
    text, tau = to_text(answer), answer.temperature.recommended or setting.temperature
    threshold = collapse_threshold(answer.setting.with_(temperature=tau))
    for printed in found("optimal up to alpha NUMBER", text):
        assert threshold * 0.99 < printed <= threshold
    alpha = answer.alpha.recommended
    for printed in found("from temperature NUMBER on", text):
        assert critical_temperature(answer.setting.with_(alpha=alpha)) <= printed


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("factor", [0.5, 0.9999, 1.0001, 1.7])
def test_what_diagnose_and_measure_print_of_a_weight_is_true(seed, factor):
    setting = drawn(seed)
    threshold = float(collapse_threshold(setting))
    alpha = factor * threshold
    if not 0 < alpha < 1:
        return
    setting = setting.with_(alpha=alpha)
    text = " ".join(reason.text for reason in diagnose(setting).reasons)
    at_or_below, over = found("at or below NUMBER,", text), found("is above NUMBER:", text)
    assert (len(at_or_below), len(over)) == ((1, 0) if factor < 1 else (0, 1))
    assert all(alpha <= printed <= threshold for printed in at_or_below)
    assert all(threshold <= printed <= alpha for printed in over)
    told, _ = compare(setting, classes=setting.classes, dim=setting.dim or 4096)
    assert all(alpha <= printed for printed in found("collapse threshold NUMBER", told.why_collapse))
    assert bool(told.why_collapse) == (factor < 1)


@given(st.floats(1e-9, 1e3), st.floats(1e-9, 1e3), st.integers(1, 6))
def test_two_numbers_are_printed_between_the_two_and_in_their_order(one, two, digits):
    limit, value = sorted((one, two))
    lower, upper = map(float, inward(limit, value, digits))
    assert limit <= lower <= upper <= value
    assert float(below(value, digits)) <= value <= float(above(value, digits))


def test_a_threshold_just_above_a_round_number_does_not_gain_a_digit():
    assert (below(0.01001), above(0.01001)) == ("0.01", "0.0101")
    assert below(float("inf")) == above(float("inf")) == "none"
    assert inward(0.01001, 0.010015) == ("0.01001", "0.01001")


@pytest.mark.parametrize("factor", [1 - 2e-4, 1 + 2e-4, 1 - 1e-7, 1 + 1e-7])
def test_a_weight_beside_the_threshold_is_printed_on_its_own_side(factor):
    setting = Setting(classes=10, dim=64, temperature=0.1, batch_size=200, sampler="balanced")
    threshold = float(collapse_threshold(setting))
    text = " ".join(reason.text for reason in diagnose(setting.with_(alpha=factor * threshold)).reasons)
    if factor < 1:
        ((alpha, limit),) = found("alpha = NUMBER is at or below NUMBER,", text)
    else:
        ((limit, alpha),) = [pair[::-1] for pair in found("alpha = NUMBER is above NUMBER:", text)]
    assert (alpha <= limit) == (factor < 1) or alpha == limit


@pytest.mark.parametrize("batch", [128, 300, 512, 1024])
def test_check_prints_the_numbers_that_recommend_prints(batch, tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(f"loss: SupConLoss\ntemperature: 0.1\nbatch_size: {batch}\nnum_classes: 20\nembedding_dim: 128\n")
    (run,) = read(path, OwnConfig()).runs
    numbers, text = remedy_for(run, path).numbers, to_text(recommend(run.setting().with_(alpha=None)))
    checked = found("alpha NUMBER .safe from NUMBER to NUMBER, collapse up to NUMBER", numbers)
    assert checked
    start, threshold = found("Set alpha = NUMBER", text), found("optimal up to alpha NUMBER", text)
    assert checked == [(*start, *found("stay in alpha NUMBER to NUMBER", text)[0], *threshold)]
