"""What `collapse_limits` says of every regime, field by field, and how often the openings behind it are minimised."""

import numpy as np
import pytest

from ssem_advisor import NotCovered, Setting, SettingError, class_openings, class_thresholds, collapse_threshold
from ssem_advisor.theory import openings, regime
from ssem_advisor.theory.classes import class_thresholds_error, thresholds_and_errors
from ssem_advisor.theory.crowding import without_others
from ssem_advisor.theory.openings import Openings, all_open
from ssem_advisor.theory.regime import Regime, collapse_limits, coordinates, opening_margin

BASE = Setting(classes=6, dim=40, temperature=0.3, instances_per_class=10, batch_size=24)
SIZES = Setting(class_counts=(12, 7, 5, 3), temperature=0.3, sampler="full")
DRAWN = Setting(class_counts=tuple(range(20, 34)), temperature=0.3, batch_size=60)
FIRST = ("REDUCTION", "SLOPES")


@pytest.mark.parametrize(
    ("change", "found", "theorems"),
    [
        ({"dim": None}, Regime.EXACT, (*FIRST, "RANDOM-BATCH")),
        ({"dim": 59}, Regime.EXACT, (*FIRST, "RANDOM-BATCH")),
        ({"dim": 58}, Regime.FINITE, (*FIRST, "RANDOM-BATCH", "DIMENSION")),
        ({"dim": 6}, Regime.FINITE, (*FIRST, "RANDOM-BATCH", "DIMENSION")),
        ({"sampler": "balanced"}, Regime.FINITE, (*FIRST, "THRESHOLD", "DIMENSION")),
        ({"sampler": "full", "batch_size": None, "dim": 99}, Regime.EXACT, (*FIRST, "THRESHOLD")),
        ({"loss": "l_spread", "dim": None}, Regime.EXACT, ("REDUCTION", "SLOPES-SPREAD", "WEIGHT-SPREAD")),
        ({"loss": "l_spread"}, Regime.FINITE, ("REDUCTION", "SLOPES-SPREAD")),
    ],
)
def test_where_classes_open_together_one_number_is_both_limits(change, found, theorems):
    setting = BASE.with_(**change)
    limits = collapse_limits(setting)
    assert limits.regime is found
    assert limits.collapse_up_to == limits.open_above == limits.threshold == collapse_threshold(setting)
    assert (limits.kind, limits.error, limits.per_class) == ("exact", 0.0, None)
    assert limits.theorems == theorems
    assert coordinates(setting) == 0
    assert not found.by_class


def test_one_dimension_fewer_than_classes_leaves_a_gap():
    for setting, error in ((BASE.with_(dim=5, sampler="balanced"), False), (BASE.with_(dim=5), True)):
        limits, each = collapse_limits(setting), class_thresholds(setting)
        assert (limits.regime, limits.kind, limits.per_class) == (Regime.TIGHT, "local", None)
        assert limits.collapse_up_to == limits.threshold == collapse_threshold(setting)
        assert (class_thresholds_error(setting) > 0) == error
        # All are alike: what is left is the share of what the other classes add that the last may open later by.
        later = 0.02 * (each.max() - without_others(setting)[0])
        assert later > 0
        assert limits.error == pytest.approx(class_thresholds_error(setting) + later)
        assert limits.open_above == pytest.approx(each.max() + limits.error, rel=1e-14)
    full = collapse_limits(BASE.with_(dim=5, sampler="full", batch_size=None))
    assert full.theorems == (*FIRST, "THRESHOLD", "TIGHT")
    for bound in (BASE.with_(dim=5, loss="l_spread"), BASE.with_(classes=2, dim=1, batch_size=12)):
        limits = collapse_limits(bound)
        assert (limits.kind, limits.open_above, limits.error) == ("bound", np.inf, 0.0)
        assert limits.collapse_up_to == collapse_threshold(bound)


def test_few_dimensions_give_every_class_its_own_threshold():
    setting = BASE.with_(dim=3)
    limits, each = collapse_limits(setting), class_thresholds(setting)
    assert (limits.regime, limits.kind, limits.theorems) == (Regime.CROWDED, "local", ("UNEQUAL",))
    assert np.array_equal(limits.per_class, each)
    others, spread = each.max() - without_others(setting)[0], np.ptp(each)
    later = 0.02 * others + min(1.5 * spread, 0.2 * others)
    assert limits.error == pytest.approx(thresholds_and_errors(setting)[1].last + later)
    assert limits.collapse_error == thresholds_and_errors(setting)[1].first > 0
    assert limits.collapse_up_to == pytest.approx(each.min() - limits.collapse_error)
    assert limits.open_above == limits.threshold == pytest.approx(each.max() + limits.error)
    assert coordinates(setting) == 18
    # "BATCH" speaks of equal classes whose means have room, so it is not cited; a balanced one of some is a bound
    assert collapse_limits(setting.with_(sampler="balanced")).theorems == ("UNEQUAL",)


@pytest.mark.parametrize(
    ("setting", "kind", "tolerance"),
    [(SIZES, "exact", 1e-4), (SIZES.with_(dim=26), "exact", 1e-4), (DRAWN, "sampled", 1e-3)],
)
def test_sizes_that_differ_open_from_the_first_to_the_last(setting, kind, tolerance):
    limits = collapse_limits(setting)
    assert (limits.regime, limits.kind, limits.theorems) == (Regime.UNEQUAL, kind, ("UNEQUAL",))
    error = openings.openings_error(setting)
    assert error == (0.003 if setting.batch_size else 0.0)
    assert limits.error == pytest.approx(error + tolerance)
    each = class_openings(setting, tolerance)
    assert np.array_equal(limits.per_class, each)
    assert limits.open_above == pytest.approx(np.nanmax(each) + limits.error)
    assert limits.collapse_error == error
    assert limits.collapse_up_to == pytest.approx(np.nanmin(class_thresholds(setting)) - error)
    assert limits.collapse_up_to < limits.open_above


@pytest.mark.parametrize("setting", [SIZES.with_(dim=25), SIZES.with_(dim=8), SIZES.with_(dim=4)])
def test_with_fewer_dimensions_than_instances_the_last_class_opens_later(setting):
    limits, room = collapse_limits(setting), collapse_limits(setting.with_(dim=None))
    assert (limits.regime, limits.kind, limits.theorems) == (Regime.UNEQUAL, "local", ("UNEQUAL",))
    assert limits.open_above == pytest.approx(np.nanmax(limits.per_class) + limits.error)
    assert limits.error > room.error
    assert limits.open_above > room.open_above
    assert limits.collapse_up_to == room.collapse_up_to  # the first class does not feel it


def test_extras_are_answered_by_their_own_theorems():
    queue = collapse_limits(Setting(classes=6, dim=40, temperature=0.3, queue=64))
    assert (queue.regime, queue.kind, queue.theorems) == (Regime.FINITE, "local", ("QUEUE",))
    both = collapse_limits(BASE.with_(self_temperature=0.5, dim=None))
    assert (both.regime, both.kind, both.error, both.theorems) == (Regime.EXACT, "exact", 0.0, ("TWO-TEMPERATURES",))
    assert collapse_limits(BASE.with_(self_temperature=0.5)).regime is Regime.FINITE
    classifier = collapse_limits(BASE.with_(cross_entropy=1.0))
    assert (classifier.kind, classifier.theorems) == ("bound", ("CROSS-ENTROPY",))
    assert classifier.collapse_up_to < classifier.open_above


def test_what_limits_refuse():
    with pytest.raises(SettingError, match=r"^temperature: collapse_limits answers one setting at a time, not arrays$"):
        collapse_limits(BASE.with_(temperature=np.array([0.1, 0.2])))
    with pytest.raises(
        NotCovered, match=r"^class_openings: not covered, because it assumes: the loss is supcon or ssem"
    ):
        collapse_limits(SIZES.with_(loss="l_spread"))
    assert collapse_limits(BASE.with_(alpha=0.9)) == collapse_limits(BASE)
    with pytest.raises(SettingError, match=r"^alpha: missing"):
        opening_margin(BASE)


@pytest.mark.parametrize(("setting", "margin"), [(SIZES, 2e-4), (DRAWN, 0.003 + 2e-3)])
def test_the_margin_of_a_weight_keeps_clear_of_the_error_and_twice_the_tolerance(setting, margin, monkeypatch):
    asked = []
    monkeypatch.setattr(regime, "all_open", lambda _, alpha: asked.append(alpha) or True)
    assert opening_margin(setting.with_(alpha=0.7)) > 0
    assert asked == [pytest.approx(0.7 - margin, abs=1e-12)]
    # Without room for a direction beside the means, and for equal classes, the limits answer.
    crowded = Setting(class_counts=tuple(range(2, 24)), dim=12, temperature=0.15, sampler="full")
    above = collapse_limits(crowded).open_above
    assert above < 1
    assert opening_margin(crowded.with_(alpha=above + 1e-6)) > 0
    assert opening_margin(crowded.with_(alpha=0.25)) == pytest.approx(0.25 - above)
    threshold = collapse_threshold(BASE)
    assert opening_margin(BASE.with_(alpha=threshold)) <= 0
    assert opening_margin(BASE.with_(alpha=threshold + 1e-9)) > 0
    assert len(asked) == 1


def test_no_class_is_open_at_weight_zero_or_with_one_view():
    assert not all_open(SIZES, 0.0)
    assert all_open(SIZES, 1.0) == all_open(SIZES, 7.0) == (class_openings(SIZES).max() < 1)
    assert not all_open(SIZES.with_(views=1), 1.0)
    assert class_openings(SIZES.with_(views=1)).tolist() == [1.0] * 4
    single = Setting(class_counts=(9, 4, 1), views=1, temperature=0.3, sampler="full")
    assert class_openings(single) == pytest.approx([1.0, 1.0, np.nan], nan_ok=True)
    assert class_thresholds(single) == pytest.approx([1.0, 1.0, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("fields", "of_openings", "of_thresholds", "of_variances"),
    [
        ({"class_counts": (5, 3, 2), "temperature": 0.5, "sampler": "full"}, (11, 84), (1, 5), 11),
        ({"class_counts": (300, 40, 12, 7, 3, 1), "temperature": 0.1, "sampler": "full"}, (15, 162), (6, 55), 18),
        ({"class_counts": (40, 12, 3, 3), "batch_size": 12, "loss": "ssem", "temperature": 0.5}, (12, 68), (8, 37), 11),
        ({"class_counts": (20, 10, 5), "sampler": "balanced", "batch_size": 12, "temperature": 1.5}, (11, 78), (1, 5),
         10),
        ({"class_counts": (9, 2), "temperature": 0.02, "batch_size": 3}, (6, 71), (2, 2), 9),
    ],
)  # fmt: skip
def test_how_often_the_loss_is_minimised(fields, of_openings, of_thresholds, of_variances, monkeypatch):
    """The searches start near their ends: some ten minima for all classes, some seven evaluations for each."""
    setting, count = Setting(**fields), [0, 0]
    for place, name in enumerate(("solve", "second_order")):
        original = getattr(Openings, name)

        def counting(*given, original=original, place=place):
            count[place] += 1
            return original(*given)

        monkeypatch.setattr(Openings, name, counting)

    def asked(question, limits):
        count[:] = 0, 0
        question()
        assert all(found <= 1.05 * most + 1 for found, most in zip(count, limits, strict=True))

    openings._openings.cache_clear()
    asked(lambda: class_openings(setting), of_openings)
    asked(lambda: Openings.of(setting).closed_thresholds(), of_thresholds)
    asked(lambda: openings.class_variances(setting.with_(alpha=0.5)), (1, of_variances))
