"""Class by class in few dimensions: frames, the simplex and the descent, each against the curvature at its own vectors;
which of them answers, and the error that each one states."""

import numpy as np
import pytest
from collapsed import class_means

from ssem_advisor import Setting, SettingError, catalogue
from ssem_advisor.theory import classes
from ssem_advisor.theory.classes import class_batches, class_thresholds, class_thresholds_error
from ssem_advisor.theory.crowd import Crowd
from ssem_advisor.theory.openings import _MOST_CLASSES, by_class, only_numbers

GROWING = tuple(round(20 * 1.15**k) for k in range(24))
EQUAL = (30,) * 24


@pytest.mark.parametrize(
    ("counts", "temperature", "batch", "apart"),
    [
        (GROWING, 0.5, {"sampler": "full"}, 0.004),
        (GROWING, 0.5, {"sampler": "full", "loss": "ssem"}, 0.004),
        (GROWING, 0.1, {"sampler": "balanced", "batch_size": 48}, 1e-3),
        (GROWING, 0.5, {"batch_size": 100}, 0.012),
        (EQUAL, 0.5, {"sampler": "full"}, 0.004),
        (EQUAL, 0.1, {"sampler": "balanced", "batch_size": 72}, 0.001),
        (EQUAL, 0.5, {"sampler": "balanced", "batch_size": 72}, 0.004),
        (EQUAL, 0.1, {"batch_size": 200}, 0.001),
    ],
)
def test_the_thresholds_of_a_frame_are_those_of_the_loss_at_its_vectors(counts, temperature, batch, apart, monkeypatch):
    """Every class has its own there; in between sizes and for equal ones the frame takes means."""
    setting = Setting(class_counts=counts, dim=12, temperature=temperature, **batch)
    sizes, own = classes._sizes(setting), float(classes.own_view_weight(setting))
    for steps in ("_DESCENTS", "_DESCENTS_UNEQUAL"):
        monkeypatch.setattr(classes, steps, 0)
    found, (_, error) = classes._frame_thresholds(setting, sizes, own, 12)
    vectors, share = classes._tight_frame(setting.class_counts, 24, 12, setting.sampler)
    exact = Crowd(setting)._turns(vectors)
    assert np.median(np.abs(found - exact)) <= apart or not setting.unequal
    assert abs(found.mean() - exact.mean()) <= apart
    assert share == pytest.approx(Crowd(setting).share)
    stated = 3.75 / 12 * (2.5 if setting.unequal and setting.sampler == "random" else 1.0) * found.max()
    assert stated <= error <= stated + (0.0 if setting.unequal else 0.025) + 1e-12
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(24))
    assert np.abs(share @ vectors).max() < 0.05
    evenly = np.linalg.eigvalsh((vectors * share[:, None]).T @ vectors)
    assert 0.6 / 12 < evenly[0] < evenly[-1] < 1.9 / 12


def test_a_class_of_one_has_no_threshold_in_a_frame():
    setting = Setting(class_counts=(*GROWING, 1), dim=12, temperature=0.3, sampler="full")
    found, _ = classes._frame_thresholds(setting, classes._sizes(setting), 0.5, 12)
    assert np.isnan(found[-1])
    assert np.isfinite(found[:-1]).all()


def test_a_frame_of_one_size_needs_few_of_its_classes():
    """Above 2000 classes three eighths of the sample stand for all; below, the sample; never more than there are."""
    for number, picked in ((20, 20), (1000, 32), (2000, 32), (2001, 12)):
        setting = Setting(classes=number, instances_per_class=9, dim=12, temperature=0.3, sampler="full")
        asked = []
        original = classes._frame_stiffness

        def watched(vectors, share, which, *rest, asked=asked, original=original):
            asked.append(which)
            return original(vectors, share, which, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(classes, "_frame_stiffness", watched)
            patch.setattr(classes, "_DESCENTS", 0)
            classes._frame_thresholds(setting, classes._sizes(setting), 0.5, 12)
        (which,) = asked
        assert len(which) == picked
        assert (which[0], which[-1]) == (0, number - 1)


ROADS = {
    "simplex": "_simplex_thresholds", "frame": "_frame_thresholds", "descent": "_equal_thresholds", "crowd": "Crowd",
    "closed": "Openings",
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "road"),
    [
        ({"classes": 9, "dim": 9}, "closed"),
        ({"classes": 9, "dim": None}, "closed"),
        ({"classes": 9, "dim": 50}, "closed"),
        ({"classes": 9, "dim": 8, "sampler": "full", "batch_size": None, "instances_per_class": 5}, "simplex"),
        ({"classes": 9, "dim": 7, "sampler": "full", "batch_size": None, "instances_per_class": 5}, "descent"),
        ({"classes": 9, "dim": 7, "sampler": "balanced", "batch_size": 18}, "descent"),
        ({"classes": 9, "dim": 8}, "crowd"),
        ({"classes": 9, "dim": 7}, "crowd"),
        ({"classes": 90, "dim": 40}, "crowd"),
        ({"classes": 91, "dim": 40}, "descent"),
        ({"classes": 9, "dim": 7, "sampler": "balanced", "batch_size": 6, "classes_per_batch": 3}, "crowd"),
        ({"class_counts": (9, 8, 7, 6), "dim": 4}, "closed"),
        ({"class_counts": (9, 8, 7, 6), "dim": 3}, "crowd"),
        ({"class_counts": (9, 9, 9, 9), "dim": 3, "sampler": "full", "batch_size": None}, "simplex"),
        ({"classes": 333, "dim": 12}, "descent"),
        ({"classes": 334, "dim": 12}, "frame"),
        ({"classes": 333, "dim": 3}, "descent"),
        ({"classes": 334, "dim": 3}, "frame"),
        ({"classes": 200, "dim": 20}, "descent"),
        ({"classes": 200, "dim": 21}, "frame"),
        ({"classes": 5000, "dim": 4999}, "simplex"),
        ({"class_counts": (5,) * 332 + (6,), "dim": 12}, "crowd"),
        ({"class_counts": (5,) * 333 + (6,), "dim": 12}, "frame"),
        ({"classes": 9, "dim": 4, "views": 1}, None),
        ({"classes": 9, "dim": 4, "sampler": "balanced", "batch_size": 9}, None),
        ({"classes": 9, "dim": 4, "sampler": "balanced", "batch_size": 3, "classes_per_batch": 3}, None),
    ],
)
def test_which_road_leads_to_the_thresholds(fields, road, monkeypatch):
    class Taken(Exception):
        pass

    def taken(name):
        def refuse(*_, **__):
            raise Taken(name)

        return refuse

    for name in ("_simplex_thresholds", "_frame_thresholds", "_equal_thresholds"):
        monkeypatch.setattr(classes, name, taken(name))
    monkeypatch.setattr(classes.Crowd, "thresholds", taken("Crowd"))
    monkeypatch.setattr(classes.Openings, "of", taken("Openings"))
    classes._thresholds.cache_clear()
    setting = Setting(**{"temperature": 0.2, "batch_size": 8, **fields})
    if road is None:
        found = class_thresholds(setting)
        assert found.tolist() == [1.0 if setting.views == 1 else np.inf] * 9
        assert class_thresholds_error(setting) == 0.0
        return
    with pytest.raises(Taken, match=f"^{ROADS[road]}$"):
        class_thresholds(setting)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"classes": 6, "dim": 3, "sampler": "full", "instances_per_class": 9}, 0.0),
        ({"classes": 6, "dim": 3, "sampler": "balanced", "batch_size": 12}, 0.0),
        ({"classes": 6, "dim": 3, "sampler": "balanced", "batch_size": 12, "classes_per_batch": 6}, 0.0),
        ({"classes": 91, "dim": 90, "sampler": "balanced", "batch_size": 80, "classes_per_batch": 40}, 0.01),
        ({"classes": 91, "dim": 90, "batch_size": 200}, 0.01),
        ({"classes": 6, "dim": 5, "sampler": "full", "instances_per_class": 9}, 0.0),
        ({"classes": 6, "dim": 9, "batch_size": 12}, 0.0),
    ],
)
def test_the_error_that_is_stated(fields, error):
    setting = Setting(temperature=0.3, **fields)
    assert class_thresholds_error(setting) == pytest.approx(error * class_thresholds(setting).max())


@pytest.mark.parametrize(("apart", "dim"), [(0.0, 5), (0.0, 6), (0.02, 5), (0.02, 6)])
def test_the_errors_of_equal_classes_are_what_minima_differ_by_at_each_end(apart, dim, monkeypatch):
    """Twice that of the lowest; of large problems at least that of the highest, and 1 % of the value."""
    setting = Setting(classes=40, dim=dim, temperature=0.3, sampler="full", instances_per_class=9)
    ends = iter([(0.2, 0.4), (0.2, 0.4), (0.2 - apart, 0.4 + 3 * apart), (0.2, 0.4), (0.1, 0.4)])
    monkeypatch.setattr(classes, "_weights", lambda *_: np.linspace(*next(ends), 40))
    monkeypatch.setattr(classes, "_minima", lambda dim, *_: [np.eye(40)[:, :dim] + 0.1] * 5)
    _, errors = classes._equal_thresholds(setting, classes._sizes(setting), 0.5)
    large = 40 * dim > 200
    assert errors.first == pytest.approx(max(2 * apart, 0.1) + 0.002 if large else 2 * apart)
    assert errors.last == pytest.approx(6 * apart + (0.004 if large else 0.0))


def test_how_many_steps_a_frame_takes():
    """All where they are cheap, fewer with thousands of classes, six at least in few dimensions, none where a tight
    frame is as good."""
    asked = [(400, 3), (1000, 8), (1000, 95), (2000, 8), (2000, 60), (4000, 11), (4000, 12), (12_000, 2), (900, 96)]
    assert [classes._descents(m, dim, 30) for m, dim in asked] == [30, 30, 13, 15, 0, 6, 0, 6, 0]
    assert [classes._descents(m, dim, 100) for m, dim in asked] == [100, 62, 13, 15, 0, 6, 0, 6, 0]


@pytest.mark.parametrize(
    ("fields", "steps", "first", "last"),
    [
        ({}, 0, 3.75 / 12, 3.75 / 12),
        ({}, 30, 0.08, 0.08),
        ({"batch_size": 100, "sampler": "random"}, 0, 9.375 / 12, 9.375 / 12),
        ({"batch_size": 100, "sampler": "random"}, 30, 0.08, 0.21),
        ({"batch_size": 100, "sampler": "random"}, 6, 0.16, 0.29),
        ({}, 100, 0.08, 0.08),
        ({"batch_size": 100, "sampler": "random"}, 100, 0.08, 0.21),
    ],
)
def test_the_errors_of_a_frame_of_different_sizes(fields, steps, first, last, monkeypatch):
    """Shares of the last threshold; with steps the first has a share of its own."""
    monkeypatch.setattr(classes, "_descents", lambda *_: steps)
    setting = Setting(class_counts=GROWING, dim=12, temperature=0.3, **{"sampler": "full", **fields})
    found, errors = classes._frame_thresholds(setting, classes._sizes(setting), 0.5, 12)
    assert errors.last == pytest.approx(last * found.max())
    assert errors.first == pytest.approx(first * (found.min() if steps else found.max()))


def test_a_small_class_that_opens_first_has_the_error_of_small_classes(monkeypatch):
    """It meets few of the others in a random batch and not their expected number; in between, by the size."""
    setting = Setting(class_counts=GROWING, dim=12, temperature=0.3, batch_size=100)
    level = (np.log(GROWING) - np.log(GROWING[0])) / np.log(GROWING[-1] / GROWING[0])
    for ends in ((0.5, 0.9), (0.9, 0.5), (0.6, 0.62)):
        monkeypatch.setattr(classes, "_weights", lambda _, sizes, *__, ends=ends: np.linspace(*ends, len(sizes)))
        found, errors = classes._frame_thresholds(setting, classes._sizes(setting), 0.5, 12)
        lowest = min(found * (1 - (0.21 - 0.13 * level)))
        assert found.min() - errors.first == pytest.approx(lowest)


def test_the_first_of_365_classes_opens_later_where_the_temperature_is_higher():
    """Small classes settle last in the steps from a frame: too few of them, and one seems to open first far too early
    (0.49 in place of 0.66 at temperature 0.5 after thirty). The largest class does, and ever later."""
    counts = catalogue.get("places-lt").class_counts
    setting = Setting(class_counts=counts, dim=32, batch_size=256)
    first = [float(np.nanmin(class_thresholds(setting.with_(temperature=t)))) for t in (0.4, 0.5)]
    assert first == pytest.approx([0.529, 0.662], abs=0.001)  # as after a thousand steps


@pytest.mark.parametrize(("dim", "starts"), [(8, 0), (7, 24), (3, 24)])
def test_the_descent_ends_at_a_minimum_from_several_starts(dim, starts, monkeypatch):
    """The loss of collapsed classes written out, and no better one from twenty other starts."""
    setting = Setting(classes=9, instances_per_class=5, dim=dim, temperature=0.3, sampler="full")
    asked = []
    original = classes._first_guess
    monkeypatch.setattr(classes, "_first_guess", lambda *given: asked.append(given) or original(*given))
    vectors = class_means(setting)
    assert vectors.shape == (9, dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(9))
    assert len(asked) == starts

    def loss(v):
        near = np.exp((v @ v.T - 1) / 0.3) * 5
        np.fill_diagonal(near, 0.0)
        return np.log(4.5 + near.sum(axis=1)).mean()

    problem = Crowd(Setting(class_counts=(5,) * 9, dim=dim, temperature=0.3, sampler="full"))
    others = [problem.minimum(0.5, np.random.default_rng(90 + k).standard_normal((9, dim)), 1e-8) for k in range(20)]
    assert loss(vectors) == pytest.approx(min(map(loss, others)), rel=1e-8)


@pytest.mark.parametrize(
    ("batch", "same", "other", "share"),
    [
        ({"sampler": "full"}, [5, 3, 1], [6, 8, 10], [0.5, 1 / 3, 1 / 6]),
        ({"sampler": "balanced", "batch_size": 6}, [1, 1, 1], [4, 4, 4], [1 / 3] * 3),
        ({"sampler": "balanced", "batch_size": 4, "classes_per_batch": 2}, [1, 1, 1], [2, 2, 2], [1 / 3] * 3),
    ],
)
def test_what_classes_of_different_sizes_meet(batch, same, other, share):
    setting = Setting(class_counts=(6, 4, 2), **batch)
    law, shares = class_batches(setting)
    assert law.same[0].tolist() == same
    assert law.other[0].tolist() == law.alone_other.tolist() == other
    assert law.weight[0].tolist() == [1, 1, 1]
    assert law.alone.tolist() == [0, 0, 0]
    assert shares == pytest.approx(share)
    met = classes._met(setting, classes._sizes(setting))
    counts = classes._expected_others(setting, classes._sizes(setting))
    for i in range(3):
        assert counts[i, i] == 0
        assert counts[i].sum() == pytest.approx(other[i])
        assert counts[i] == pytest.approx(met * (np.arange(3) != i))


def test_what_classes_meet_in_random_batches():
    setting = Setting(class_counts=(6, 4, 2), batch_size=5)
    law, shares = class_batches(setting)
    assert shares == pytest.approx([0.5, 1 / 3, 1 / 6])
    assert (law.weight * law.same).sum(axis=0) == pytest.approx(4 * np.array([5, 3, 1]) / 11)
    counts = classes._expected_others(setting, classes._sizes(setting))
    assert counts == pytest.approx(4 / 11 * np.array([[0, 4, 2], [6, 0, 2], [6, 4, 0]]))
    assert classes._met(setting, classes._sizes(setting)) == pytest.approx(4 / 11 * np.array([6, 4, 2]))
    infinite = Setting(classes=4, batch_size=9)
    law, shares = class_batches(infinite)
    assert shares == pytest.approx([0.25] * 4)
    assert (law.weight * law.same).sum(axis=0) == pytest.approx([2] * 4)
    assert classes._met(infinite, classes._sizes(infinite)) == pytest.approx([2] * 4)
    assert classes._expected_others(infinite, classes._sizes(infinite))[0] == pytest.approx([0, 2, 2, 2])


def test_a_batch_that_a_class_cannot_fill_is_refused_in_both_ways_of_counting():
    setting = Setting(class_counts=(9, 5, 4), dim=2, temperature=0.3, sampler="balanced", batch_size=12)
    assert np.isfinite(class_thresholds(setting)).any()
    for ask in (class_thresholds, lambda s: class_batches(s)):
        with pytest.raises(SettingError, match=r"^batch_size=15: asks for 5 of each class, the smallest has 4$"):
            ask(setting.with_(batch_size=15))
    with pytest.raises(SettingError, match=r"^instances_per_class: missing"):
        class_batches(Setting(classes=4, sampler="full"))


def test_answers_class_by_class_end_at_thirty_thousand_classes():
    only_numbers(Setting(classes=_MOST_CLASSES, temperature=0.3))
    with pytest.raises(ValueError, match=r"^classes=30001: class by class answers are worked out for up to 30000"):
        only_numbers(Setting(classes=30_001, temperature=0.3))


def test_between_the_means_of_bins_a_weight_changes_with_the_logarithm_of_the_size():
    from types import SimpleNamespace as Given

    counts = (1, 10, 20, 40, 80, 100)
    groups = Given(sizes=np.array([1.0, 10.0, 30.0, 80.0, 100.0]), of=np.array([0, 1, 2, 2, 3, 4]), binned=True)
    problem = Given(groups=groups, can_open=groups.sizes > 1)
    setting = Setting(class_counts=counts)
    weights = np.array([np.nan, 0.9, 0.6, 0.3, 0.2])

    def between(size, a, b, at_a, at_b):
        return at_a + (at_b - at_a) * np.log(size / a) / np.log(b / a)

    found = by_class(setting, problem, weights)
    wanted = [np.nan, 0.9, between(20, 10, 30, 0.9, 0.6), between(40, 30, 80, 0.6, 0.3), 0.3, 0.2]
    assert found == pytest.approx(wanted, nan_ok=True)
    weights[1] = np.inf  # beyond what is known the nearest one stands, but a group that never opens does not
    assert by_class(setting, problem, weights)[:4] == pytest.approx(
        [np.nan, np.inf, 0.6, between(40, 30, 80, 0.6, 0.3)], nan_ok=True
    )
    assert by_class(setting, problem, np.array([np.nan, *[np.inf] * 4])).tolist()[1:] == [np.inf] * 5
    groups.binned = False
    assert by_class(setting, problem, weights) == pytest.approx([np.nan, np.inf, 0.6, 0.6, 0.3, 0.2], nan_ok=True)
