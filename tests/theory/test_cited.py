"""The theorems that an answer cites apply to the setting it is for."""

import itertools

import pytest

from ssem_advisor import NotCovered, Setting, SettingError
from ssem_advisor.theory.regime import collapse_limits
from ssem_advisor.theory.registry import covered, theorem

EXTRAS = ({}, {"queue": 100}, {"features": "non-negative"}, {"self_temperature": 0.5}, {"cross_entropy": 1.0},
          {"class_counts": (30, 30, 30, 20, 20), "instances_per_class": None})  # fmt: skip


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda e: "-".join(e) or "basic")
def test_cited_theorems_apply(extra):
    answered = 0
    for loss, sampler, dim in itertools.product(
        ("supcon", "ssem", "l_spread", "l_in"), ("random", "balanced", "full"), (None, 128, 4)
    ):
        batch = None if sampler == "full" else 30
        given = {"classes": 5, "dim": dim, "temperature": 0.3, "loss": loss, "sampler": sampler, "batch_size": batch}
        try:
            setting = Setting(**{**given, "instances_per_class": 40, **extra})
            limits = collapse_limits(setting)
        except (NotCovered, SettingError):
            continue
        answered += 1
        assert setting.unequal or limits.collapse_up_to <= limits.open_above
        assert limits.theorems
        assert limits.theorems == covered(setting, *limits.theorems)
        assert all(theorem(key).kind == "theorem" for key in limits.theorems)
    assert answered >= 3
