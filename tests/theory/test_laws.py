"""What an anchor meets in its batch, against scipy's laws, enumeration and the moments of drawing without return."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from ssem_advisor import Setting, SettingError
from ssem_advisor.theory.anchors import anchors_of, groups_of
from ssem_advisor.theory.batches import _MOST_TERMS, batch_of, random_batch


def law_of(instances, others, share, size):
    """scipy's law of the number of same-class instances beside the anchor."""
    if math.isinf(instances):
        return stats.binom(size - 1, share)
    return stats.hypergeom(instances + others - 1, instances - 1, size - 1)


@pytest.mark.parametrize(
    ("instances", "others", "share", "size"),
    [
        (np.inf, np.inf, 0.1, 2),
        (np.inf, np.inf, 0.5, 3),
        (np.inf, np.inf, 0.01, 40),
        (np.inf, np.inf, 0.2, 3000),  # no batch of one class, none without a mate
        (5, 10, 0.0, 6),
        (5, 3, 0.0, 7),  # more draws than others: a mate is certain
        (5, 3, 0.0, 8),  # the whole data set
        (1, 9, 0.0, 4),  # nobody has a mate
        (2, 10**6, 0.0, 5000),
        (4000, 6000, 0.0, 900),
        (1_000_000, 9_000_000, 0.0, 4096),
    ],
)
def test_random_batches_follow_the_law_of_drawing(instances, others, share, size):
    found = random_batch(*(np.atleast_1d(float(x)) for x in (instances, others, share, size)))
    law = law_of(instances, others, share, size)
    assert found.alone[0] == pytest.approx(law.pmf(0), rel=1e-9, abs=1e-25)
    assert found.alone_other[0] == size - 1
    assert found.paired[0] == pytest.approx(law.sf(0), rel=1e-9, abs=1e-15)
    weight, same, other = found.weight[:, 0], found.same[:, 0], found.other[:, 0]
    assert np.all(same >= 1)
    assert np.all(same + other == size - 1)
    assert weight == pytest.approx(law.pmf(same), rel=1e-7, abs=1e-17)
    likely = np.arange(1, size)[law.pmf(np.arange(1, size)) > 1e-16]
    assert set(likely) <= set(same)
    assert len(same) <= max(len(likely) * 2, 2)


@pytest.mark.parametrize("instances", [np.inf, 10**9])
def test_wide_laws_keep_their_moments_in_a_bounded_number_of_terms(instances):
    size, share = 10**8 + 1, 0.3
    others = np.inf if math.isinf(instances) else 2_333_333_333
    found = random_batch(*(np.atleast_1d(float(x)) for x in (instances, others, share, size)))
    weight, same = found.weight[:, 0], found.same[:, 0]
    law = law_of(instances, others, share, size)
    assert found.alone[0] == 0.0
    assert weight.sum() == pytest.approx(1.0, rel=1e-14)
    mean = weight @ same
    assert mean == pytest.approx(law.mean(), rel=1e-12)
    assert weight @ (same - mean) ** 2 == pytest.approx(law.var(), rel=1e-7)
    assert 0.5 * _MOST_TERMS < len(same) < 2 * _MOST_TERMS
    assert len(np.unique(np.diff(same))) == 1


def test_elements_of_a_setting_have_laws_of_their_own():
    both = batch_of(Setting(classes=np.array([2, 50]), batch_size=np.array([4, 300])))
    for column, (m, size) in enumerate([(2, 4), (50, 300)]):
        alone = batch_of(Setting(classes=m, batch_size=size))
        terms = len(alone.weight)
        for name in ("weight", "same", "other"):
            assert np.array_equal(getattr(both, name)[:terms, column], getattr(alone, name)[:, 0])
        assert not both.weight[terms:, column].any()
        assert both.alone[column] == alone.alone[0] == pytest.approx((1 - 1 / m) ** (size - 1))
        assert both.alone_other[column] == size - 1


@pytest.mark.parametrize(
    ("fields", "same", "other"),
    [
        ({"sampler": "full", "instances_per_class": 6}, 5, 12),
        ({"sampler": "balanced", "batch_size": 15}, 4, 10),
        ({"sampler": "balanced", "batch_size": 10, "classes_per_batch": 2}, 4, 5),
        ({"sampler": "balanced", "batch_size": 3}, 0, 2),
    ],
)
def test_fixed_batches(fields, same, other):
    found = batch_of(Setting(classes=3, **fields))
    assert (found.same[0, 0], found.other[0, 0], found.alone_other[0]) == (same, other, other)
    assert (found.paired[0], found.alone[0]) == ((1, 0) if same else (0, 1))


# -- classes of different sizes ----------------------------------------------------------------------------------------

COUNTS = (300, 250, 200, 170, 140, 120, 100, 90, 80, 70, 60, 50, 40, 30, 30)


def test_groups_hold_every_class():
    few = groups_of(Setting(class_counts=(5, 3, 5, 2)))
    assert few.sizes.tolist() == [2, 3, 5]
    assert few.members.tolist() == [1, 1, 2]
    assert few.totals.tolist() == [2, 3, 10]
    assert few.of.tolist() == [2, 1, 2, 0]
    single = groups_of(Setting(class_counts=(5, 3, 5, 2)), single=True)
    assert single.sizes.tolist() == [5, 3, 5, 2]
    assert (few.binned, single.binned) == (False, False)
    equal = groups_of(Setting(classes=4, instances_per_class=7))
    assert (equal.sizes.tolist(), equal.members.tolist(), equal.totals.tolist()) == ([7], [4], [28])
    assert groups_of(Setting(classes=4)).sizes.tolist() == [np.inf]


def test_many_sizes_are_binned_evenly_in_their_logarithm_with_the_ends_alone():
    twelve, thirteen = tuple(range(2, 14)), tuple(range(2, 15))
    assert not groups_of(Setting(class_counts=twelve)).binned
    assert groups_of(Setting(class_counts=thirteen)).binned
    counts = np.array(COUNTS, dtype=float)
    found = groups_of(Setting(class_counts=COUNTS))
    assert found.sizes[0] == 30.0
    assert found.members[0] == 2
    assert found.sizes[-1] == 300.0
    assert found.members[-1] == 1
    assert np.array_equal(np.bincount(found.of), found.members)
    assert found.members.sum() == len(counts)
    for g, size in enumerate(found.sizes):
        inside = counts[found.of == g]
        assert size == pytest.approx(inside.mean())
        assert found.totals[g] == inside.sum()
        assert np.ptp(np.log(inside)) <= np.log(10) / 8  # eight bins from 30 to 300
    width = np.log(10) / 8
    for a, b in itertools.combinations(range(1, 14), 2):  # not the ends
        together = math.floor(np.log(counts[a] / 30) / width) == math.floor(np.log(counts[b] / 30) / width)
        if counts[a] > 30 and counts[b] > 30:
            assert (found.of[a] == found.of[b]) == together


def moments(setting):
    """Per class group: share of the anchors, P(no mate), means of mates and of others by group, of a uniform batch."""
    groups, size, total = groups_of(setting), setting.batch_size, sum(setting.class_counts)
    for g, n in enumerate(groups.sizes):
        others = (groups.totals - n * (np.arange(len(groups.sizes)) == g)) * (size - 1) / (total - 1)
        alone = stats.hypergeom(total - 1, round(n) - 1, size - 1).pmf(0)
        yield g, groups.totals[g] / total, alone, (n - 1) * (size - 1) / (total - 1), others


@pytest.mark.parametrize(
    ("counts", "size", "sampled"),
    [((4, 2, 2), 4, False), ((30, 20, 10), 12, False), ((9, 9, 7, 1), 10, False), (COUNTS[1:13], 120, True)],
)
def test_anchors_of_random_batches_have_the_moments_of_their_law(counts, size, sampled):
    setting = Setting(class_counts=counts, batch_size=size)
    found = anchors_of(setting, groups_of(setting))
    assert found.sampled == sampled
    assert found.weight.sum() == pytest.approx(1.0, rel=1e-12)
    # drawn numbers of rare classes are scaled to their mean, so single compositions need not add up
    assert found.same + found.others.sum(axis=1) == pytest.approx(size - 1.0, rel=0.3 if sampled else 1e-12)
    assert np.all(found.others >= 0)
    assert np.all(np.diff(found.group) >= 0)
    assert np.all(found.weight >= 0)
    for g, share, alone, mates, others in moments(setting):
        mine = found.group == g
        weight = found.weight[mine]
        assert weight.sum() == pytest.approx(share, rel=1e-9)
        lonely = weight[found.same[mine] == 0].sum() / share
        assert lonely == pytest.approx(alone, **({"abs": 5e-3} if sampled else {"rel": 1e-9, "abs": 1e-12}))
        assert weight @ found.same[mine] / share == pytest.approx(mates, rel=1e-9)
        # drawn compositions are moved to their mean, at a rounded number of mates
        assert weight @ found.others[mine] / share == pytest.approx(others, rel=1e-9)
    if sampled:
        assert anchors_of(setting, groups_of(setting), draw=False) is None
        again, other = anchors_of(setting, groups_of(setting)), anchors_of(setting, groups_of(setting), 1)
        assert np.array_equal(again.others, found.others)
        assert not np.array_equal(other.others, found.others)


def test_anchors_of_full_batches_meet_everybody():
    setting = Setting(class_counts=(5, 3, 5, 2), sampler="full")
    found = anchors_of(setting, groups_of(setting))
    assert found.same.tolist() == [1, 2, 4]
    assert found.weight == pytest.approx([2 / 15, 3 / 15, 10 / 15])
    assert found.others.tolist() == [[0, 3, 10], [2, 0, 10], [2, 3, 5]]
    with pytest.raises(SettingError, match="instances_per_class: missing"):
        anchors_of(Setting(classes=4, sampler="full"), groups_of(Setting(classes=4, sampler="full")))


@pytest.mark.parametrize("drawn", [None, 2, 3])
def test_anchors_of_balanced_batches_by_enumeration(drawn):
    """Classes of a batch without replacement: every choice of the others' classes is equally likely."""
    counts, each = (9, 5, 9, 7, 7, 5), 4
    number = len(counts) if drawn is None else drawn
    setting = Setting(class_counts=counts, sampler="balanced", classes_per_batch=drawn, batch_size=number * each)
    groups = groups_of(setting)
    found = anchors_of(setting, groups)
    assert found.same.tolist() == [each - 1] * len(found.group)
    law = {}
    for i in range(len(counts)):
        rest = [k for k in range(len(counts)) if k != i]
        choices = list(itertools.combinations(rest, number - 1))
        for choice in choices:
            seen = tuple(each * np.bincount(groups.of[list(choice)], minlength=3))
            key = (groups.of[i], *seen)
            law[key] = law.get(key, 0.0) + 1 / len(choices) / len(counts)
    mine = {(g, *row): w for g, row, w in zip(found.group, found.others, found.weight, strict=True)}
    assert mine == pytest.approx(law)
    assert not found.sampled


def test_anchors_of_many_balanced_classes_are_drawn():
    counts = tuple(range(20, 140, 3))
    setting = Setting(class_counts=counts, sampler="balanced", classes_per_batch=15, batch_size=60)
    groups = groups_of(setting, single=True)
    found = anchors_of(setting, groups)
    assert found.sampled
    assert found.weight.sum() == pytest.approx(1.0)
    assert np.all(found.others >= 0)
    assert np.all(found.others[np.arange(len(found.group)), found.group] == 0)
    for g in range(len(counts)):  # few are drawn, and moved to their mean
        mean = found.others[found.group == g].mean(axis=0)
        assert np.delete(mean, g) == pytest.approx(14 * 4 / 39, rel=1e-9)
    assert anchors_of(setting, groups, draw=False) is None
    with pytest.raises(SettingError, match=r"^batch_size=315: asks for 21 of each class, the smallest has 20$"):
        anchors_of(setting.with_(batch_size=315), groups)


def test_anchors_of_one_size_have_the_law_of_equal_classes():
    setting = Setting(class_counts=(8, 8, 8), batch_size=9)
    found, law = anchors_of(setting, groups_of(setting)), batch_of(setting)
    assert found.weight == pytest.approx([*law.weight[:, 0], law.alone[0]])
    assert found.same == pytest.approx([*law.same[:, 0], 0])
    assert found.others[:, 0] == pytest.approx([*law.other[:, 0], 8])
