"""The three parts of the spread against plain loops, known populations and controls; the verdicts that follow."""

import itertools
import re
import tracemalloc
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from ssem_advisor import theory
from ssem_advisor.advice import aims
from ssem_advisor.domain import Setting
from ssem_advisor.measurement import MeasurementError, judge_spread, measure, spread_of, structure
from ssem_advisor.measurement.prediction import advised, compare
from ssem_advisor.measurement.rows import UnitRows
from ssem_advisor.measurement.spread import Measured
from ssem_advisor.measurement.structure import Structure, structure_of
from ssem_advisor.measurement.verdict import SYMMETRIC, Name


def population(
    m=5, n=200, d=32, views=2, between=0.3, confusion=0.1, free=0.2, noise=0.2, common=0.2, directions=None, seed=0,
    lopsided=False,
):  # fmt: skip
    """Gaussian rows whose squared parts are as asked before they are scaled to length 1, turned at random.

    lopsided: the free part is not symmetric about the class mean.
    """
    rng = np.random.default_rng(seed)
    means = np.linalg.svd(np.eye(m) - 1 / m)[0][:, : m - 1]
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    directions = directions or d - m
    z = np.zeros((m, n, views, d))
    z[..., : m - 1] += np.sqrt(between) * means[:, None, None]
    z[..., : m - 1] += np.sqrt(confusion / (m - 1)) * rng.normal(size=(m, n, 1, m - 1))
    own = rng.exponential(size=(m, n, 1, directions)) - 1 if lopsided else rng.normal(size=(m, n, 1, directions))
    z[..., m - 1 : m - 1 + directions] += np.sqrt(free / directions) * own
    z += np.sqrt(noise / d) * rng.normal(size=z.shape)
    z[..., -1] += np.sqrt(common)
    turned = z @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    return turned.reshape(m * n, views, d), np.repeat(np.arange(m), n)


def pieces(m=5, apart=0.4, between=0.05, noise=0.1, each=8, n=30, d=48, views=2, seed=0):
    """Classes of several pieces: `apart` is the variance between the pieces of a class."""
    rng = np.random.default_rng(seed)
    means = np.sqrt(between) * np.linalg.qr(rng.normal(size=(d, m)))[0].T[:, None]
    centres = means + np.sqrt(apart / d) * rng.normal(size=(m, each, d))
    z = np.repeat(centres.reshape(m * each, d), n, axis=0)
    z = z[:, None] + np.sqrt(noise / d) * rng.normal(size=(m * each * n, views, d))
    return z, np.repeat(np.arange(m), each * n)


def verdict_of(z, y, theory=None):
    spread = spread_of(z, y)
    found = judge_spread(spread, theory, structure_of(UnitRows(z, y)))
    assert found.name in get_args(Name)
    assert found.meaning
    assert found.remedy
    return found.name, spread


# -- estimators -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("views", [1, 2, 3])
def test_totals_are_means_over_pairs_of_different_instances_and_views(views):
    z, y = population(m=3, n=9, d=7, views=views)
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    spread = spread_of(z, y)
    x = [z[i, a] @ z[j, b] for i, j in itertools.permutations(range(27), 2) if y[i] == y[j]
         for a in range(views) for b in range(views)]  # fmt: skip
    s = [z[i, a] @ z[j, b] for i, j in itertools.permutations(range(27), 2) if y[i] != y[j]
         for a in range(views) for b in range(views)]  # fmt: skip
    assert spread.within.value == pytest.approx(1 - np.mean(x), abs=1e-12)
    assert spread.common_mean.value == pytest.approx((np.mean(x) + 2 * np.mean(s)) / 3, abs=1e-12)
    if views > 1:
        same = [z[i, a] @ z[i, b] for i in range(27) for a, b in itertools.permutations(range(views), 2)]
        assert spread.view_noise.value == pytest.approx(1 - np.mean(same), abs=1e-12)
    else:
        assert spread.view_noise is None
        assert spread.reliability is None


def test_parts_add_up():
    spread = spread_of(*population())
    parts = spread.view_noise.value + spread.confusion.value + spread.free_spread.value
    assert parts == pytest.approx(spread.within.value, abs=1e-12)
    whole = spread.common_mean.value + spread.between.value + spread.within.value
    assert whole == pytest.approx(1, abs=1e-12)
    assert spread.reliability.value == pytest.approx(1 - spread.view_noise.value / spread.within.value)
    assert np.mean(list(spread.free_by_class.values())) == pytest.approx(spread.free_spread.value)


@pytest.mark.parametrize("case", [{}, {"free": 0.01}, {"confusion": 0.3, "between": 0.15, "m": 12}])
def test_few_rows_a_class_say_the_same_as_many(case):
    """Neither the noise of class means nor a span that follows it is left in the parts."""
    truth = spread_of(*population(n=3000, **case))
    few = [spread_of(*population(n=16, seed=seed, **case)) for seed in range(12)]
    for name in ("free_spread", "confusion", "view_noise", "between", "common_mean"):
        values = [getattr(spread, name).value for spread in few]
        error = np.std(values) / np.sqrt(len(values))
        assert np.mean(values) == pytest.approx(getattr(truth, name).value, abs=0.012 + 3 * error), name


def test_intervals_hold_the_population_value():
    truth = spread_of(*population(m=3, n=6000, d=16))
    for name in ("free_spread", "confusion", "view_noise", "within", "between", "common_mean", "reliability"):
        value = getattr(truth, name).value
        covered = 0
        for seed in range(60):
            found = getattr(_sample(seed), name)
            covered += found.low <= value <= found.high
        assert 48 <= covered <= 60, name
    assert _sample(0).free_spread.high - _sample(0).free_spread.low < 0.1


_SAMPLES = {}


def _sample(seed):
    """Of the population above: the directions of a seed differ, their parts do not."""
    if seed not in _SAMPLES:
        _SAMPLES[seed] = spread_of(*population(m=3, n=60, d=16, seed=100 + seed))
    return _SAMPLES[seed]


@pytest.mark.parametrize("directions", [2, 8, 20])
def test_directions_do_not_shrink_with_the_rows(directions):
    """Without view noise and confusion the spread has as many directions as it was given, from 30 rows as from 2000."""
    options = {"directions": directions, "noise": 1e-6, "confusion": 1e-6, "free": 0.05}
    assert spread_of(*population(n=2000, **options)).directions.value == pytest.approx(directions, rel=0.1)
    few = [spread_of(*population(n=30, seed=seed, **options)).directions.value for seed in range(8)]
    assert np.mean(few) == pytest.approx(directions, rel=0.2)


def test_order_scale_and_layout_do_not_matter():
    z, y = population(n=30)
    one = spread_of(z, y)
    ids = np.repeat(np.arange(len(z)), z.shape[1])
    flat = spread_of(5 * z.reshape(-1, z.shape[-1]), np.repeat(y, z.shape[1]), ids)
    assert flat.free_spread == pytest.approx(one.free_spread)
    assert spread_of(z[:, ::-1], y).free_spread == pytest.approx(one.free_spread)


def test_instances_with_one_view_among_others_do_not_count_as_noiseless():
    z, y = population(n=100, views=2)
    ids = np.repeat(np.arange(len(z)), 2)
    kept = np.ones(len(ids), dtype=bool)
    kept[1::4] = False  # every other instance loses its second view
    found = spread_of(z.reshape(-1, z.shape[-1])[kept], np.repeat(y, 2)[kept], ids[kept])
    whole = spread_of(z, y)
    assert found.view_noise.value == pytest.approx(whole.view_noise.value, rel=0.05)
    assert found.free_spread.value == pytest.approx(whole.free_spread.value, rel=0.1)


# -- controls -------------------------------------------------------------------------------------------------------


def test_exact_minimisers_keep_their_optimal_variance_as_free_spread(simplex_family):
    m, n = 4, 12
    setting = Setting(classes=m, instances_per_class=n, sampler="full", batch_size=m * n, temperature=0.3, dim=64)
    for alpha in (0.2, 0.4, 0.7):
        v = theory.optimal_variance(setting.with_(alpha=alpha))
        z, y = simplex_family(m, n, 1 - v * n / (n - 1))
        name, spread = verdict_of(np.stack([z, z], axis=1), y)
        assert spread.free_spread.value * (n - 1) / n == pytest.approx(v, rel=0.02)
        assert spread.confusion.value == pytest.approx(0, abs=0.01)
        assert spread.view_noise.value == pytest.approx(0, abs=1e-12)
        assert spread.reliability.value == pytest.approx(1)
        assert name == "healthy"  # the class means of every minimiser are a simplex, however far instances spread


def test_random_labels_have_no_class_structure():
    z, y = population()
    name, spread = verdict_of(z, np.random.default_rng(0).permutation(y))
    assert name == "class structure lost"
    assert abs(spread.between.value) < 0.01


@pytest.mark.parametrize("views", [1, 2])
def test_pure_noise_has_no_class_structure(views):
    rng = np.random.default_rng(1)
    name, spread = verdict_of(rng.normal(size=(400, views, 16)), np.arange(400) % 4)
    assert name == "class structure lost"
    assert spread.common_mean.value == pytest.approx(0, abs=0.01)


def test_views_shuffled_inside_classes_leave_only_view_noise():
    z, y = population(free=0.4, noise=0.05)
    rng = np.random.default_rng(2)
    for c in range(5):
        rows = np.flatnonzero(y == c)
        z[rows, 1] = z[rng.permutation(rows), 1]
    name, spread = verdict_of(z, y)
    assert name == "class collapse"
    assert spread.free_spread.value == pytest.approx(0, abs=0.01)
    assert spread.view_noise.value == pytest.approx(spread.within.value, abs=0.02)


def test_views_that_agree_in_nothing_or_in_everything_are_named():
    z, y = population(free=0.0, confusion=0.0, noise=0.4)
    found = judge_spread(spread_of(z, y))
    assert found.name == "class collapse"
    assert found.remedy.startswith("check which rows are views of one instance")
    z, y = population(free=0.004, confusion=0.0, noise=0.004)
    assert "check which rows" not in judge_spread(spread_of(z, y)).remedy
    z, y = population(noise=0.0)
    same = measure(np.repeat(z[:, :1], 2, axis=1), y, bootstrap=0, pairs=10).notes
    assert any("views of every instance are the same" in note for note in same)
    assert not any("are the same" in note for note in measure(*population(), bootstrap=0, pairs=10).notes)


def test_noise_and_confusion_are_not_free_spread():
    """What plain SupCon leaves on real images: much variance, hardly any of it free."""
    name, spread = verdict_of(*population(between=0.4, confusion=0.1, free=0.001, noise=0.4, common=0.1))
    assert name == "class collapse"
    assert spread.within.value > 0.4


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"free": 0.06, "noise": 0.3}, "too little"),
        ({"free": 0.25, "noise": 0.25}, "healthy"),
        ({"free": 0.03, "noise": 0.005, "confusion": 0.005, "between": 0.8}, "healthy"),
        ({"free": 1.2, "between": 0.4}, "healthy"),  # however much: no neighbour knows more than the class means
        ({"free": 0.35, "noise": 0.4, "confusion": 0.13, "between": 0.04}, "healthy"),  # classes hard to tell apart
        ({"free": 0.6, "between": 0.002, "n": 2000}, "class structure lost"),  # hardly better than chance
        ({"free": 0.001, "noise": 0.001, "confusion": 0.001, "between": 0.8}, "class collapse"),
        ({"free": 0.001, "noise": 0.001, "confusion": 0.001, "between": 0.004, "common": 1}, "total collapse"),
    ],
)
def test_verdicts(parts, expected):
    name, _ = verdict_of(*population(**parts))
    assert name == expected


def test_too_little_names_three_shares_of_one_unit():
    meaning = measure(*population(free=0.06, noise=0.3), bootstrap=0).diagnosis.meaning
    number = r"(\d+\.?\d*)"
    (found,) = re.findall(
        rf"is {number}% of the variance \({number} of the squared length, while {number} is safe\), below {number}% "
        rf"and below the {number}% of view noise",
        meaning,
    )
    share, free, safe, enough, noise = map(float, found)
    assert share < enough < noise
    assert free < safe


def test_too_little_is_below_what_recommend_calls_safe_and_below_what_probes_ask_for():
    """`recommend` speaks of the squared length, the probes' limit of the share of what the common mean leaves."""

    def judged(free, common, m=5, d=32, local=False):
        spread = spread_of(*population(free=0.1, noise=0.4))
        name = "local_free" if local else "free_spread"
        held = {name: Measured(*(3 * [free])), "common_mean": Measured(*(3 * [common]))}
        return judge_spread(replace(spread, classes=m, dim=d, **held)).name

    least = aims(Setting(classes=5, dim=32))[1][0]
    assert least == pytest.approx(0.0935, abs=1e-4)
    assert judged(1.01 * least, 0.0) == "healthy"
    assert judged(0.99 * least, 0.0) == "too little"
    assert judged(0.99 * least, 0.03) == "too little"  # a share above the safe squared length, and below 10%
    assert judged(0.99 * least, 0.1) == "healthy"
    least = aims(Setting(classes=20, dim=24))[1][0]
    assert least == pytest.approx(0.05, abs=1e-4)
    assert judged(1.01 * least, 0.3, 20, 24, local=True) == "healthy"
    assert judged(0.99 * least, 0.3, 20, 24, local=True) == "too little"


def test_a_class_without_two_views_is_no_clean_bill():
    z, y = population(m=3, n=20, free=0.5)
    flat, ids, labels = z.reshape(-1, z.shape[-1]), np.repeat(np.arange(len(y)), 2), np.repeat(y, 2)
    kept = (labels != 0) | (np.arange(len(labels)) % 2 == 0)  # class 0 has a single view of each instance
    found = measure(flat[kept], labels[kept], instance_ids=ids[kept], bootstrap=0)
    assert found.verdict == "cannot tell"
    assert "same number of views" in found.diagnosis.remedy
    # Two views of one instance that is left out as the only one of its class make no views.
    alone = np.r_[flat[::2], flat[:2]], np.r_[labels[::2], [9, 9]], np.r_[ids[::2], [999, 999]]
    found = measure(alone[0], alone[1], instance_ids=alone[2], bootstrap=0)
    assert found.spread.view_noise is None
    assert np.isfinite(found.spread.within.value)


def test_a_small_class_does_not_hide_that_the_others_are_in_pieces():
    z, y = pieces()
    kept = (y != 0) | (np.cumsum(y == 0) <= 5)
    assert verdict_of(z, y)[0] == verdict_of(z[kept], y[kept])[0] == "too loose"
    assert structure_of(UnitRows(z[kept], y[kept])).classes == 4


def test_where_no_weight_is_known_more_dimensions_are_advised():
    few = Setting(class_counts=(50, 40, 30, 20, 10, 5), dim=3, temperature=0.2, batch_size=64, alpha=0.3)
    clause = "no alpha and temperature are safe here: use a projection of at least as many dimensions as classes"
    assert advised(few) == (None, clause, False, None)


def test_where_no_weight_is_smaller_or_safe_none_is_advised():
    z, y = population(m=5, free=0.001, confusion=0.001, noise=0.001, between=0.8)
    setting = Setting(classes=5, dim=32, batch_size=256, temperature=0.1, alpha=0.95)
    theory, _ = compare(setting, classes=5, dim=32, measured=0.0)
    assert "alpha=0.95 is above the threshold" in judge_spread(spread_of(z, y), theory).remedy
    assert "raise" not in judge_spread(spread_of(z, y), theory).remedy
    z, y = population(m=2, d=2, free=0, confusion=0, noise=0.02, between=1, directions=1)
    remedy = judge_spread(spread_of(z, y)).remedy
    assert remedy.startswith("no alpha and temperature are safe here")


def test_healthy_names_what_is_open():
    """More spread than `recommend` asks for, and view noise in one view, are told beside the verdict."""
    much, some = (judge_spread(spread_of(*population(free=free))) for free in (0.6, 0.13))
    assert much.name == some.name == "healthy"
    assert some.remedy == "nothing to do"
    assert "lower alpha" in much.remedy
    assert "more than the 0.234 that `recommend` goes up to" in much.meaning
    assert "recommend" not in some.meaning
    z, y = population(free=0.25, noise=0.02, lopsided=True)
    one = judge_spread(spread_of(z[:, 0], y))
    assert one.name == "healthy"
    assert "upper bound" in one.meaning


def test_the_common_mean_does_not_hide_the_spread():
    """The same variance around a far common mean: the same verdict, and the same share."""
    near, far = (spread_of(*population(common=c, seed=3)) for c in (0.0, 3.0))
    assert far.free_spread.value < near.free_spread.value / 3
    assert far.free_share.value == pytest.approx(near.free_share.value, rel=0.1)
    assert judge_spread(far).name == judge_spread(near).name == "healthy"


@pytest.mark.parametrize(("d", "few"), [(6, True), (30, False)])
@pytest.mark.parametrize("views", [1, 2])
def test_where_class_means_fill_the_space_nearest_classes_tell_free_spread_from_confusion(d, few, views):
    """Spread that is the same in all directions is read as what it is; instances between two near classes are not."""
    rng = np.random.default_rng(0)
    m, n = (12, 200) if few else (40, 60)
    means = rng.normal(size=(m, d))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    y = np.repeat(np.arange(m), n)
    z = (means[y] + 0.4 * rng.normal(size=(len(y), d)) / np.sqrt(d))[:, None]
    z = z + 0.01 * rng.normal(size=(len(y), views, d))
    spread = spread_of(z, y)
    assert spread.free_spread is None
    assert f"{m} classes fill all {d} dimensions" in spread.missing
    assert spread.local_free.value == pytest.approx(spread.own, rel=0.15)
    nearest = ((means[:, None] - means) ** 2).sum(axis=2).argsort(axis=1)[:, 1 : 1 + max(1, d // 3)]
    other = nearest[y, rng.integers(nearest.shape[1], size=len(y))]
    between = 0.6 * rng.random(len(y))[:, None]
    z = ((1 - between) * means[y] + between * means[other])[:, None] + 0.01 * rng.normal(size=(len(y), views, d))
    spread = spread_of(z, y)
    assert spread.local_free.value < 0.2 * spread.own
    assert verdict_of(z, y)[0] != "healthy"
    collapsed = means[y][:, None] + 0.01 * rng.normal(size=(len(y), views, d))
    assert verdict_of(collapsed, y)[0] == "class collapse"


@pytest.mark.parametrize("views", [1, 2])
def test_classes_in_pieces_are_too_loose_whatever_the_share(views):
    """Neighbours know the class of every instance, class means do not; with pieces nearer together both do."""
    name, spread = verdict_of(*pieces(views=views))
    assert name in ("too loose", "class structure lost")
    share = spread.free_share.value
    name, spread = verdict_of(*pieces(views=views, between=0.2))
    assert name == "healthy"
    assert spread.free_share.value > 0.4
    assert share > 0.4


@pytest.mark.parametrize(("free", "name"), [(0.01, "class collapse"), (0.6, "too loose")])
def test_collapsed_classes_are_not_in_pieces_though_neighbours_know_more_by_chance(free, name):
    spread = spread_of(*population(m=5, free=free, confusion=0.05, noise=0.1, between=0.4))
    chance = Structure(5, 0.70, 0.7103, Measured(0.0103, 0.0002, 0.0204))
    assert judge_spread(spread, structure=chance).name == name


@pytest.mark.parametrize("views", [1, 2])
def test_too_little_spread_is_never_too_much(views):
    """Confusion alone makes instances differ by more than classes do: after plain SupCon neighbours may know more."""
    spread = spread_of(*population(m=5, free=0.02, confusion=0.4, noise=0.5, between=0.3, views=views))
    assert spread.own > spread.between.value
    pieces = Structure(5, 0.47, 0.50, Measured(0.03, 0.012, 0.048))
    assert judge_spread(spread, structure=pieces).name == ("class collapse" if views == 2 else "cannot tell")
    much = spread_of(*population(m=5, free=0.8, confusion=0.1, noise=0.1, between=0.3, views=views))
    assert judge_spread(much, structure=pieces).name == "too loose"


def tail(z, y, largest, smallest):
    """A part of equal classes, whose sizes fall from the largest to the smallest."""
    sizes = np.geomspace(largest, smallest, len(np.unique(y))).round()
    rng = np.random.default_rng(1)
    kept = np.concatenate([
        np.sort(rng.permutation(np.flatnonzero(y == c))[: int(size)]) for c, size in enumerate(sizes)
    ])  # fmt: skip
    return z[kept], y[kept]


def test_a_long_tail_hides_neither_pieces_nor_whole_classes():
    """In equal classes and in a tenth of the smallest of them neighbours tell about as much more than class means."""
    loose, whole = pieces(m=8, noise=0.6, n=40, between=0.03, seed=2), population(m=8, d=48, n=320, between=0.06)
    for (z, y), in_pieces in ((loose, True), (whole, False)):
        even, uneven = structure_of(UnitRows(z, y)), structure_of(UnitRows(*tail(z, y, 320, 32)))
        assert (even.gap.low > 0.01) == (uneven.gap.low > 0.01) == in_pieces
        assert uneven.gap.value > even.gap.value - 0.05


def test_structure_of_a_long_tail_against_plain_loops():
    z, y = tail(*pieces(m=3, each=4, n=10, between=0.02, noise=0.6, d=12), 40, 9)
    found = structure_of(UnitRows(z, y))
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    right = []
    for i in range(len(y)):
        nearness = []
        for c in range(3):
            near = sorted((z[i, 0] @ z[j, 0] for j in np.flatnonzero(y == c) if j != i), reverse=True)
            k = max(1, round(np.sum(y == c) / 10))
            nearness.append(sum(near[:k]) / k)
        right.append(np.argmax(nearness) == y[i])
    assert found.by_neighbours == pytest.approx(np.mean([np.mean(np.array(right)[y == c]) for c in range(3)]))


@pytest.mark.parametrize("noise", [0.0, 1e-6])
@pytest.mark.parametrize("n", [30, 1500])
def test_rows_that_are_there_twice_are_no_instances_that_differ(noise, n):
    """Side by side or far apart, in classes that are looked at as a whole or in part; a few copies do no harm."""
    z, y = population(m=3, n=n, free=0.4, views=1, lopsided=True)
    z = z[:, 0]
    once = judge_spread(spread_of(z, y))
    rng = np.random.default_rng(1)
    for copies in (np.repeat(np.arange(len(y)), 2), np.tile(np.arange(len(y)), 2)):
        spread = spread_of(z[copies] + noise * rng.normal(size=(len(copies), z.shape[1])), y[copies])
        assert spread.repeated == pytest.approx(1.0, abs=0.06)
        found = judge_spread(spread)
        assert (found.name, found.command) == ("cannot tell", "")
        assert "there more than once" in found.meaning
    few = np.r_[np.arange(len(y)), rng.permutation(len(y))[: len(y) // 20]]
    spread = spread_of(z[few], y[few])
    assert spread.repeated == pytest.approx(0.1, abs=0.05)
    assert judge_spread(spread).name == once.name
    # Rows of an instance that say so are its views.
    assert spread_of(z[copies], y[copies], copies).repeated == 0


@pytest.mark.parametrize(("d", "n"), [(2, 20), (2, 2000), (3, 2000), (64, 300)])
def test_rows_that_lie_close_are_not_the_same(d, n):
    rng = np.random.default_rng(d)
    z = np.repeat(np.eye(2, d), n, axis=0) + 0.3 * rng.normal(size=(2 * n, d)) / np.sqrt(d)
    assert spread_of(z, np.repeat([0, 1], n)).repeated < 0.2


def test_structure_against_plain_loops():
    z, y = pieces(m=3, each=4, n=10, between=0.02, noise=0.6, d=12)
    found = structure_of(UnitRows(z, y))
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    by_mean, by_neighbours = [], []
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        centres = [z[rest & (y == c)].mean(axis=(0, 1)) for c in range(3)]
        by_mean.append(np.argmin([np.sum((z[i, 0] - c) ** 2) for c in centres]) == y[i])
        nearest = sorted(np.flatnonzero(rest), key=lambda j, i=i: -(z[i, 0] @ z[j, 0]))[:8]
        votes = [sum(1 + 1e-3 * (7 - k) / 7 for k, j in enumerate(nearest) if y[j] == c) for c in range(3)]
        by_neighbours.append(np.argmax(votes) == y[i])
    assert found.by_mean == pytest.approx(np.mean(by_mean))
    assert found.by_neighbours == pytest.approx(np.mean(by_neighbours))
    assert found.gap.value == pytest.approx(np.mean(by_neighbours) - np.mean(by_mean))
    assert found.gap.low < found.gap.value < found.gap.high


def test_structure_never_holds_its_whole_gallery(monkeypatch):
    monkeypatch.setattr(structure, "_ASKED", 64)
    rng = np.random.default_rng(0)
    rows = UnitRows(rng.normal(size=(4000, 512)), np.repeat(np.arange(500), 8))
    tracemalloc.start()
    found = structure_of(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.classes == 500
    assert peak < 4000 * 512 * 4  # bytes of the gallery in single precision


def test_structure_needs_a_few_instances_of_each_class_and_takes_a_part_of_many():
    z, y = pieces(m=4, each=1, n=7)
    assert structure_of(UnitRows(z, y)) is None
    z, y = pieces(m=2, each=4, n=2500, d=8, between=0.3)
    part = structure_of(UnitRows(z, y))
    assert part.by_mean > 0.9
    assert part.gap.high - part.gap.low < 0.05
    few = structure_of(UnitRows(np.concatenate([z[:9], z[10_000:]]), np.concatenate([y[:9], y[10_000:]])))
    assert few.by_mean > 0.7  # of classes that count the same


def known(alpha, temperature=0.1):
    setting = Setting(classes=5, dim=32, temperature=temperature, alpha=alpha, batch_size=400)
    comparison, _ = compare(setting, classes=5, dim=32)
    return comparison


def test_a_weight_that_is_not_too_large_is_not_blamed_for_classes_in_pieces():
    z, y = pieces(d=32)
    spread, structure = spread_of(z, y), structure_of(UnitRows(z, y))
    assert "lower alpha" in judge_spread(spread, None, structure).remedy
    assert "lower alpha" in judge_spread(spread, known(0.95), structure).remedy
    assert "train longer: alpha=0.2" in judge_spread(spread, known(0.2), structure).remedy
    assert "lower alpha" in judge_spread(spread, known(0.4, temperature=0.5), structure).remedy  # not to be trusted


def test_one_view_whose_spread_may_be_view_noise_cannot_tell():
    """Plain SupCon on images: view noise lies in few directions, beside the classes and towards others alike."""
    z, y = population(between=0.15, confusion=0.25, free=0.02, noise=0.001, common=0.4, m=10, d=48)
    rng = np.random.default_rng(4)
    axes = np.linalg.qr(rng.normal(size=(48, 12)))[0].T
    z = z + np.sqrt(0.5 / 12) * rng.normal(size=(*z.shape[:2], 12)) @ axes
    assert verdict_of(z[:, 0], y)[0] == "cannot tell"
    assert verdict_of(z, y)[0] in ("class collapse", "too little")
    finer = np.sqrt(0.4 / 48) * rng.normal(size=(10, 25, 48))[y, rng.integers(0, 25, len(y))]
    assert judge_spread(spread_of(z[:, 0] + finer, y)).name == "healthy"


@pytest.mark.parametrize(("m", "n", "d"), [(2, 8, 8), (3, 200, 16), (5, 60, 64), (10, 100, 32), (20, 20, 128)])
@pytest.mark.parametrize("decay", [1.0, 0.1])
@pytest.mark.parametrize("noise", [0.05, 0.4, 1.5])
def test_one_view_of_view_noise_is_never_healthy(m, n, d, decay, noise):
    """Noise of one view looks like free spread, in all directions alike or in some more than in others."""
    rng = np.random.default_rng(m + n + d)
    scale = np.geomspace(1, decay, d)
    means = np.linalg.qr(rng.normal(size=(max(d, m), m)))[0].T[:, :d]
    y = np.repeat(np.arange(m), n)
    rows = np.sqrt(noise / (scale**2).sum()) * scale * rng.normal(size=(m * n, d))
    name, spread = verdict_of(means[y] + rows, y)
    assert name != "healthy"
    assert spread.asymmetry.low < SYMMETRIC
    assert spread.evenness > 0.5


@pytest.mark.parametrize(("n", "x"), [(8, 0.5), (12, 0.8), (30, 0.3)])
def test_one_view_of_a_minimiser_is_not_noise(simplex_family, n, x):
    """Instances that keep apart as evenly as they can do not lie independently of each other."""
    name, spread = verdict_of(*simplex_family(3, n, x))
    assert spread.evenness < 0.01
    assert name == "healthy"


def test_asymmetry_against_plain_loops():
    """The third moment over pairs, less what residuals share for being taken from the mean of all; scale left out."""
    z, y = population(m=2, n=12, d=6, views=1, lopsided=True)
    z = z[:, 0] / np.linalg.norm(z[:, 0], axis=1, keepdims=True)
    third = second = 0.0
    for c in range(2):
        e = z[y == c] - z[y == c].mean(0)
        e /= np.linalg.norm(e, axis=1, keepdims=True)
        pairs = np.array([e[i] @ e[j] for i, j in itertools.permutations(range(12), 2)])
        x = {
            pair: value - pairs.mean() for pair, value in zip(itertools.permutations(range(12), 2), pairs, strict=True)
        }
        rings = np.mean([x[i, j] * x[j, k] * x[k, i] for i, j, k in itertools.permutations(range(12), 3)])
        third += np.mean(np.array(list(x.values())) ** 3) - 6 / 12 * rings
        second += np.mean(np.array(list(x.values())) ** 2) ** 1.5
    spread = spread_of(z, y)
    assert spread.asymmetry.value == pytest.approx(third / second)
    assert spread_of(*population(n=20)).asymmetry is None


def test_two_classes_and_unequal_classes():
    assert verdict_of(*population(m=2, free=0.25))[0] == "healthy"
    z, y = population(m=3, n=400)
    keep = np.concatenate([np.arange(400), 400 + np.arange(60), 800 + np.arange(10)])
    name, spread = verdict_of(z[keep], y[keep])
    assert name == "healthy"
    assert spread.free_spread.value == pytest.approx(spread_of(z, y).free_spread.value, abs=0.05)


def test_classes_of_few_rows_are_left_out_and_named():
    z, y = population(m=4, n=60)
    keep = np.concatenate([np.arange(180), 180 + np.arange(3)])
    m = measure(z[keep], y[keep], bootstrap=0, pairs=10)
    assert m.spread.classes == 3
    assert any("fewer than 8 instances left out" in note for note in m.notes)


def test_too_few_rows_cannot_tell():
    name, spread = verdict_of(*population(n=5))
    assert name == "cannot tell"
    assert "fewer than two classes have 8" in spread.missing


def test_network_needs_views_that_agree():
    z, y = population(free=0.3)
    network = spread_of(z, y).network()
    assert 0.4 < network.view_reliability < 0.8
    assert network.directions > 10
    with pytest.raises(MeasurementError, match="one view of each instance"):
        spread_of(z[:, 0], y).network()
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(200, 2, 16))
    spread = spread_of(noise - 0.02 * noise[:, ::-1], np.arange(200) % 2)
    if spread.reliability.value <= 0:
        with pytest.raises(MeasurementError, match="nothing in common"):
            spread.network()


def test_in_few_dimensions_theory_is_compared_with_what_the_verdict_judges():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(12, 1, 8)) + 0.3 * rng.normal(size=(12, 60, 8))
    z = z.reshape(-1, 1, 8) + 0.2 * rng.normal(size=(720, 2, 8))
    setting = Setting(classes=12, batch_size=256, temperature=0.1, alpha=0.3)
    found = measure(z, np.repeat(np.arange(12), 60), setting=setting)
    assert found.spread.free_spread is None
    assert found.theory.measured == found.spread.local_free.value < found.spread.within.value
