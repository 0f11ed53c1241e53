"""Assumption by assumption: each theorem falls silent where one of its assumptions fails, and only there."""

import numpy as np
import pytest

from ssem_advisor import theory
from ssem_advisor.domain import NotCovered, Setting, SettingError
from ssem_advisor.theory.registry import (
    EQUAL_CLASSES,
    NO_LINE,
    OWN_VIEW,
    SIMPLEX_FITS,
    SOFTMAX,
    covered,
    is_basic_but,
    require,
    theorems,
)

USUAL = Setting(classes=10, dim=64, batch_size=200, sampler="balanced", temperature=0.2, alpha=0.3)
FULL = Setting(classes=10, dim=256, instances_per_class=20, sampler="full", temperature=0.2, alpha=0.3)
SETTINGS = {
    "usual": USUAL,
    "full": FULL,
    "random": USUAL.with_(sampler="random"),
    "full ssem": FULL.with_(loss="ssem"),
    "full spread": FULL.with_(loss="l_spread"),
    "l_in": USUAL.with_(loss="l_in"),
    "tight": FULL.with_(dim=9),
}
CHANGES = {
    "supcon": {"loss": "supcon"},
    "ssem": {"loss": "ssem"},
    "l_spread": {"loss": "l_spread"},
    "l_in": {"loss": "l_in"},
    "random": {"sampler": "random", "batch_size": 200},
    "balanced": {"sampler": "balanced", "batch_size": 200},
    "full": {"sampler": "full", "batch_size": None, "instances_per_class": 20},
    "P x K": {"sampler": "balanced", "batch_size": 200, "classes_per_batch": 5},
    "one view": {"views": 1},
    "dim m": {"dim": 10},
    "dim m-1": {"dim": 9},
    "dim m-2": {"dim": 8},
    "unequal": {"classes": None, "class_counts": (50,) * 9 + (40,), "instances_per_class": None},
    "queue": {"queue": 4096},
    "relu": {"features": "non-negative"},
    "two temperatures": {"self_temperature": 0.5},
    "cross-entropy": {"cross_entropy": 1.0},
}
# Of every theorem: a setting that it covers, and which of the changes above, each alone, take it out of its reach.
BREAKS = {
    "REDUCTION": ("usual", "l_in, one view, dim m-2, unequal, queue, relu, two temperatures, cross-entropy"),
    "GEOMETRY": ("usual", "unequal"),
    "SLOPES": ("usual", "l_spread, l_in, one view, dim m-2, unequal, queue, relu, two temperatures, cross-entropy"),
    "SLOPES-SPREAD": (
        "full spread",
        "supcon, ssem, l_in, one view, dim m-2, unequal, queue, relu, two temperatures, cross-entropy",
    ),
    "THRESHOLD": (
        "usual",
        "l_spread, l_in, random, one view, dim m-2, unequal, queue, relu, two temperatures, cross-entropy",
    ),
    "FULL-SSEM": (
        "full ssem",
        "supcon, l_spread, l_in, random, balanced, dim m-2, unequal, queue, relu, two temperatures, cross-entropy",
    ),
    "FULL-SUPCON": (
        "full",
        "ssem, l_spread, l_in, random, balanced, one view, dim m-2, unequal, queue, relu, two temperatures, "
        "cross-entropy",
    ),
    "FULL-SPREAD": (
        "full spread",
        "supcon, ssem, l_in, random, balanced, one view, dim m-2, unequal, queue, relu, two temperatures, "
        "cross-entropy",
    ),
    "BATCH": (
        "usual",
        "l_spread, l_in, random, full, one view, dim m-2, unequal, queue, relu, two temperatures, cross-entropy",
    ),
    "RANDOM-BATCH": (
        "random",
        "l_spread, l_in, balanced, full, P x K, one view, dim m-2, unequal, queue, relu, two temperatures, "
        "cross-entropy",
    ),
    "WEIGHT": (
        "full",
        "l_spread, l_in, random, one view, dim m, dim m-1, dim m-2, unequal, queue, relu, two temperatures, "
        "cross-entropy",
    ),
    "WEIGHT-SPREAD": (
        "full spread",
        "supcon, ssem, l_in, one view, dim m, dim m-1, dim m-2, unequal, queue, relu, two temperatures, cross-entropy",
    ),
    "OPTIMUM": (
        "full",
        "ssem, l_spread, l_in, random, balanced, one view, dim m, dim m-1, dim m-2, unequal, queue, relu, two "
        "temperatures, cross-entropy",
    ),
    "TEMPERATURE": (
        "usual",
        "ssem, l_spread, l_in, random, one view, dim m-2, unequal, queue, relu, two temperatures, cross-entropy",
    ),
    "TEMPERATURE-SSEM": (
        "full ssem",
        "supcon, l_spread, l_in, random, balanced, dim m-2, unequal, queue, relu, two temperatures, cross-entropy",
    ),
    "SMALL-TEMPERATURE": (
        "usual",
        "l_spread, l_in, random, one view, dim m-2, unequal, queue, relu, two temperatures, cross-entropy",
    ),
    "PLAIN-SUPCON": ("usual", "ssem, l_spread, l_in, queue"),
    "L-IN": ("usual", "queue"),
    "CE-SUPCON": ("usual", "queue"),
    "L-IN-MIXED": ("l_in", "supcon, ssem, l_spread, one view, dim m-1, dim m-2, unequal, queue, relu, cross-entropy"),
    "QUEUE": ("usual", "l_spread, l_in, one view, dim m-1, dim m-2, unequal, relu, cross-entropy"),
    "NON-NEGATIVE": ("usual", "l_spread, l_in, one view, dim m, dim m-1, dim m-2, unequal, queue, cross-entropy"),
    "NON-NEGATIVE-OPTIMUM": (
        "full",
        "l_spread, l_in, random, one view, dim m, dim m-1, dim m-2, unequal, queue, two temperatures, cross-entropy",
    ),
    "TWO-TEMPERATURES": ("usual", "one view, dim m-1, dim m-2, unequal"),
    "LEARNED-TEMPERATURE": ("usual", "l_in, queue, cross-entropy"),
    "CROSS-ENTROPY": ("usual", "l_in, one view, dim m-1, dim m-2, unequal, queue, relu"),
    "CROSS-ENTROPY-BOUND": ("usual", "unequal, queue, relu"),
    "DIMENSION": (
        "usual",
        "l_spread, l_in, one view, dim m-1, dim m-2, unequal, queue, relu, two temperatures, cross-entropy",
    ),
    "TIGHT": (
        "tight",
        "l_spread, l_in, random, balanced, one view, dim m, dim m-2, unequal, queue, relu, two temperatures, "
        "cross-entropy",
    ),
    "UNEQUAL": ("usual", "l_spread, l_in, P x K, one view, queue, relu, two temperatures, cross-entropy"),
    "VIEWS": (
        "full",
        "ssem, l_spread, l_in, random, balanced, one view, dim m-2, unequal, queue, relu, two temperatures, "
        "cross-entropy",
    ),
    "TOTAL-COLLAPSE": ("usual", "ssem, l_spread, l_in"),
    "REFERENCE": (
        "usual",
        "ssem, l_spread, l_in, random, one view, dim m-2, unequal, queue, relu, two temperatures, cross-entropy",
    ),
    "FINITE": ("usual", "l_spread, l_in, one view, dim m-2, unequal, queue, relu, two temperatures, cross-entropy"),
    "RELIABILITY": (
        "usual",
        "ssem, l_spread, l_in, one view, dim m-2, unequal, queue, relu, two temperatures, cross-entropy",
    ),
}


def test_the_table_knows_every_theorem():
    assert list(BREAKS) == list(theorems())


@pytest.mark.parametrize("key", BREAKS)
def test_a_theorem_speaks_where_it_was_proven_and_nowhere_else(key):
    name, breaking = BREAKS[key]
    theorem, base = theorems()[key], SETTINGS[name]
    assert theorem.broken(base) == ()
    silent = []
    for change, fields in CHANGES.items():
        try:
            changed = base.with_(**fields)
        except SettingError:  # no such setting: a full batch has no queue, ...
            continue
        if theorem.broken(changed):
            silent.append(change)
            with pytest.raises(NotCovered, match="not covered, because"):
                require(changed, key)
        assert (key in covered(changed)) == (change not in silent)
    assert silent == breaking.split(", ")


def test_unequal_classes_have_their_own_theorem():
    unequal = Setting(class_counts=(50, 30, 20), dim=16, sampler="full", temperature=0.2, alpha=0.3)
    for key in ("THRESHOLD", "BATCH", "FULL-SUPCON", "FULL-SSEM", "OPTIMUM", "TEMPERATURE"):
        assert any("same size" in text for text in theorems()[key].broken(unequal)), key
    assert theorems()["UNEQUAL"].broken(unequal) == ()
    assert theorems()["UNEQUAL"].broken(unequal.with_(loss="l_spread"))


@pytest.mark.parametrize("key", theorems())
def test_every_assumption_can_be_asked(key):
    for assumption in theorems()[key].assumptions:
        assert assumption.text
        assert assumption.holds(USUAL) in (True, False, None)


UNEQUAL = Setting(class_counts=(50, 30, 20), dim=16, batch_size=20, temperature=0.2, alpha=0.3)
CURRENT, ONE_TEMPERATURE = (
    is_basic_but("features", "self_temperature", "cross_entropy"),
    is_basic_but("queue", "features", "cross_entropy"),
)
REFUSED = [
    (theory.collapse_threshold, UNEQUAL, EQUAL_CLASSES),
    (theory.collapse_threshold, USUAL.with_(dim=8), SIMPLEX_FITS),
    (theory.collapse_threshold, USUAL.with_(loss="l_spread", views=1), OWN_VIEW),
    (theory.collapse_limits, USUAL.with_(loss="l_spread", views=1), OWN_VIEW),
    (theory.optimal_variance, USUAL.with_(batch_size=None, sampler="random", queue=64), CURRENT),
    (theory.critical_temperature, USUAL.with_(self_temperature=0.5), ONE_TEMPERATURE),
    (theory.class_thresholds, USUAL.with_(loss="l_spread"), SOFTMAX),
    (theory.class_thresholds, USUAL.with_(dim=1), NO_LINE),
    (theory.class_thresholds, UNEQUAL.with_(batch_size=None, queue=64), CURRENT),
    (theory.class_openings, UNEQUAL.with_(loss="l_spread"), SOFTMAX),
    (theory.expected_variance, UNEQUAL, EQUAL_CLASSES),
    (lambda s: theory.alpha_for_expected_variance(s, 0.2), UNEQUAL, EQUAL_CLASSES),
    (lambda s: theory.expected_variance(s, view_reliability=0.5), USUAL.with_(loss="l_spread"), SOFTMAX),
]


@pytest.mark.parametrize(("ask", "setting", "assumption"), REFUSED)
def test_a_number_is_refused_in_the_words_of_the_assumption_that_fails(ask, setting, assumption):
    with pytest.raises(NotCovered) as refusal:
        ask(setting)
    assert assumption.text in str(refusal.value)
    (said,) = assumption.broken(setting)
    assert str(refusal.value).endswith(f"not covered, because it assumes: {said}")


def test_of_an_assumption_that_is_several_things_only_what_fails_is_named():
    (said,) = theorems()["REDUCTION"].broken(USUAL.with_(self_temperature=0.5))
    assert said == "both terms share one temperature"
    assert len(theorems()["REDUCTION"].broken(USUAL.with_(self_temperature=0.5, cross_entropy=1.0))) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("classes", 10), ("dim", 8), ("temperature", 0.2), ("views", 2), ("batch_size", 200), ("classes_per_batch", 5),
     ("instances_per_class", 50)],
)  # fmt: skip
@pytest.mark.parametrize("ask", [theory.class_thresholds, theory.class_openings])
def test_an_answer_class_by_class_names_the_field_that_is_an_array(ask, name, value):
    setting = USUAL.with_(alpha=None).with_(**{name: np.array([value, value])})
    with pytest.raises(SettingError, match=f"^{name}: class by class answers take one setting at a time"):
        ask(setting)


@pytest.mark.parametrize(
    ("key", "sampler", "answers"),
    [
        ("THRESHOLD", "random", "RANDOM-BATCH"),
        ("BATCH", "random", "RANDOM-BATCH"),
        ("BATCH", "full", "THRESHOLD"),
        ("RANDOM-BATCH", "balanced", "THRESHOLD"),
        ("RANDOM-BATCH", "full", "THRESHOLD"),
    ],
)
def test_a_theorem_of_other_batches_says_which_are_drawn_and_what_answers(key, sampler, answers):
    setting = Setting(classes=10, batch_size=100, sampler=sampler)
    (said,) = theorems()[key].broken(setting)
    assert f"(here {sampler}; " in said
    assert answers in said
    assert theorems()[answers].broken(setting) == ()


def test_two_classes_on_a_line_have_no_local_threshold():
    """They cannot spread at all; three in a plane can."""
    line = FULL.with_(classes=2, dim=1)
    assert theorems()["TIGHT"].broken(line) == ("dim = classes - 1 >= 2",)
    assert theorems()["TIGHT"].broken(line.with_(classes=3, dim=2)) == ()
