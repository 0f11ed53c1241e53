"""Every refusal of a Setting: the field, what is wrong, the remedy; and that the nearest good value passes."""

import numpy as np
import pytest

from ssem_advisor.domain import FIELDS, Setting, SettingError

# what is wrong, the sentence, and what to change so that it is right
REFUSED = [
    ({}, "classes: missing", {"classes": 2}),
    ({"classes": 1}, r"classes=1: must be an integer >= 2$", {"classes": 2}),
    ({"classes": 2.5}, r"classes=2.5: must be an integer", {"classes": 3.0}),
    ({"classes": True}, "classes=True: must be an integer", {"classes": 2}),
    ({"classes": 10**15}, "below 1e15", {"classes": 10**15 - 1}),
    ({"classes": 3, "dim": 0}, "dim=0: must be an integer >= 1", {"dim": 1}),
    ({"classes": 3, "views": 0}, "views=0: must be an integer >= 1", {"views": 1}),
    ({"classes": 3, "batch_size": 1}, "batch_size=1: must be an integer >= 2", {"batch_size": 2}),
    ({"classes": 3, "queue": 1}, "queue=1: must be an integer >= 2", {"queue": 2}),
    ({"classes": 3, "instances_per_class": 1}, "instances_per_class=1: must be an integer >= 2",
     {"instances_per_class": 2}),
    ({"classes": 3, "temperature": 0.0}, "temperature=0.0: must be a finite number > 0", {"temperature": 1e-9}),
    ({"classes": 3, "temperature": np.inf}, "temperature=inf: must be a finite number > 0", {"temperature": 1e9}),
    ({"classes": 3, "temperature": "0.1"}, "temperature='0.1': must be a finite number", {"temperature": 0.1}),
    ({"classes": 3, "self_temperature": -1.0}, "self_temperature=-1.0: must be", {"self_temperature": 1.0}),
    ({"classes": 3, "alpha": -1e-9}, r"alpha=-1e-09: must be a number in \[0, 1\]", {"alpha": 0.0}),
    ({"classes": 3, "alpha": 1.0001}, r"must be a number in \[0, 1\]", {"alpha": 1.0}),
    ({"classes": 3, "alpha": np.nan}, r"must be a number in \[0, 1\]", {"alpha": 0.5}),
    ({"classes": 3, "cross_entropy": -0.1}, "cross_entropy=-0.1: must be", {"cross_entropy": 0.0}),
    ({"classes": 3, "loss": "triplet"}, "loss='triplet': must be one of supcon, ssem, l_spread", {"loss": "l_in"}),
    ({"classes": 3, "features": "odd"}, "features='odd': must be one of any, non-negative", {"features": "any"}),
    ({"classes": 3, "sampler": "odd"}, "sampler='odd': must be one of random, balanced, full", {"sampler": "random"}),
    ({"classes": 9, "classes_per_batch": 3}, "only sampler='balanced' draws", {"sampler": "balanced"}),
    ({"classes": 9, "classes_per_batch": 1, "sampler": "balanced"}, "use at least 2", {"classes_per_batch": 2}),
    ({"classes": 9, "classes_per_batch": 10, "sampler": "balanced"}, "must be at most classes=9",
     {"classes_per_batch": 9}),
    ({"classes": 3, "instances_per_class": 5, "batch_size": 16}, "larger than the data set of 15", {"batch_size": 15}),
    ({"class_counts": (5, 3), "batch_size": 9}, "larger than the data set of 8 instances", {"batch_size": 8}),
    ({"classes": 4, "batch_size": 10, "sampler": "balanced"}, "multiple of classes=4; use 8 or 12", {"batch_size": 8}),
    ({"classes": 9, "batch_size": 2, "sampler": "balanced"}, "multiple of classes=9; use 9", {"batch_size": 9}),
    ({"classes": 9, "batch_size": 10, "sampler": "balanced", "classes_per_batch": 4},
     "multiple of classes_per_batch=4; use 8 or 12", {"batch_size": 12}),
    ({"classes": 4, "batch_size": 24, "sampler": "balanced", "instances_per_class": 5, "classes_per_batch": 4},
     "larger than the data set", {"batch_size": 20}),
    ({"classes": 9, "batch_size": 24, "sampler": "balanced", "instances_per_class": 5, "classes_per_batch": 4},
     "asks for 6 instances of each class, the data set has 5", {"batch_size": 20}),
    ({"classes": 4, "batch_size": 10, "sampler": "full"}, "a full batch of equal classes is a multiple of classes=4",
     {"batch_size": 8}),
    ({"classes": 4, "batch_size": 4, "sampler": "full"}, "at least two instances of each class", {"batch_size": 8}),
    ({"classes": 4, "instances_per_class": 5, "batch_size": 16, "sampler": "full"},
     "a full batch holds all 20 instances; leave it out", {"batch_size": 20}),
    ({"class_counts": (5, 3), "batch_size": 7, "sampler": "full"}, "holds all 8 instances", {"batch_size": None}),
    ({"class_counts": (5,)}, "a list of at least two class sizes", {"class_counts": (5, 3)}),
    ({"class_counts": "5,3"}, "a list of at least two class sizes", {"class_counts": [5, 3]}),
    ({"class_counts": (5, 0)}, r"class_counts\[1\]=0: must be an integer >= 1", {"class_counts": (5, 1)}),
    ({"class_counts": (5, 2.5)}, r"class_counts\[1\]=2.5: must be an integer", {"class_counts": (5, 2.0)}),
    ({"class_counts": (5, 3), "classes": 3}, "class_counts lists 2 classes; give one of the two", {"classes": 2}),
    ({"class_counts": (5, 3), "instances_per_class": 5}, "contradicts class_counts", {"instances_per_class": None}),
    ({"class_counts": (5, 5), "instances_per_class": 4}, "contradicts class_counts", {"instances_per_class": 5}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "said", "mended"), REFUSED)
def test_a_setting_outside_its_domain_is_refused_and_the_nearest_one_inside_is_not(fields, said, mended):
    with pytest.raises(SettingError, match=said) as refused:
        Setting(**fields)
    assert "\n" not in str(refused.value)
    Setting(**{**fields, **mended})


def test_arrays_are_held_to_the_same_domain():
    Setting(classes=np.array([2, 5]), temperature=np.array([0.1, 0.5]), alpha=np.array([0.0, 1.0]))
    with pytest.raises(SettingError, match="alpha"):
        Setting(classes=3, alpha=np.array([0.5, 1.5]))
    with pytest.raises(SettingError, match="classes"):
        Setting(classes=np.array([2, 1]))


def test_what_a_setting_works_out():
    counted = Setting(class_counts=(4, 4, 4))
    assert (counted.classes, counted.instances_per_class, counted.unequal) == (3, 4, False)
    assert Setting(class_counts=(4, 3)).unequal
    assert Setting(classes=4, batch_size=20, sampler="full").instances_per_class == 5
    assert Setting(classes=3).extras == ()
    extra = {"loss": "l_in", "queue": 8, "features": "non-negative", "self_temperature": 0.1, "cross_entropy": 0.5}
    assert Setting(classes=3, **extra).extras == tuple(extra)
    with pytest.raises(SettingError, match="dim: missing, and this answer depends on it"):
        Setting(classes=3).need("dim")
    assert set(FIELDS) >= set(extra)
