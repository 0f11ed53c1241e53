"""The three parts of the spread against plain loops, known populations and controls; the verdicts that follow."""

import itertools
from typing import get_args

import numpy as np
import pytest

from ssem_advisor import theory
from ssem_advisor.domain import Setting
from ssem_advisor.measurement import MeasurementError, judge_spread, measure, spread_of
from ssem_advisor.measurement.prediction import compare
from ssem_advisor.measurement.verdict import Name


def population(
    m=5, n=200, d=32, views=2, between=0.3, confusion=0.1, free=0.2, noise=0.2, common=0.2, directions=None, seed=0
):
    """Gaussian rows whose squared parts are as asked before they are scaled to length 1, turned at random."""
    rng = np.random.default_rng(seed)
    means = np.linalg.svd(np.eye(m) - 1 / m)[0][:, : m - 1]
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    directions = directions or d - m
    z = np.zeros((m, n, views, d))
    z[..., : m - 1] += np.sqrt(between) * means[:, None, None]
    z[..., : m - 1] += np.sqrt(confusion / (m - 1)) * rng.normal(size=(m, n, 1, m - 1))
    z[..., m - 1 : m - 1 + directions] += np.sqrt(free / directions) * rng.normal(size=(m, n, 1, directions))
    z += np.sqrt(noise / d) * rng.normal(size=z.shape)
    z[..., -1] += np.sqrt(common)
    turned = z @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    return turned.reshape(m * n, views, d), np.repeat(np.arange(m), n)


def verdict_of(z, y):
    spread = spread_of(z, y)
    found = judge_spread(spread)
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
        assert name == ("healthy" if v < 0.5 else "too loose")


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
        ({"free": 1.2, "between": 0.4}, "too loose"),
        ({"free": 0.2, "noise": 0.3, "confusion": 0.6, "between": 0.12}, "class structure lost"),
        ({"free": 0.6, "between": 0.03}, "class structure lost"),
        ({"free": 0.001, "noise": 0.001, "confusion": 0.001, "between": 0.8}, "class collapse"),
        ({"free": 0.001, "noise": 0.001, "confusion": 0.001, "between": 0.004, "common": 1}, "total collapse"),
    ],
)
def test_verdicts(parts, expected):
    name, _ = verdict_of(*population(**parts))
    assert name == expected


def test_the_common_mean_does_not_hide_the_spread():
    """The same variance around a far common mean: the same verdict, and the same share."""
    near, far = (spread_of(*population(common=c, seed=3)) for c in (0.0, 3.0))
    assert far.free_spread.value < near.free_spread.value / 3
    assert far.free_share.value == pytest.approx(near.free_share.value, rel=0.1)
    assert judge_spread(far).name == judge_spread(near).name == "healthy"


def test_means_that_fill_the_space_leave_the_question_open():
    rng = np.random.default_rng(0)
    means = rng.normal(size=(12, 6))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    y = np.repeat(np.arange(12), 40)
    z = means[y][:, None] + 0.3 * rng.normal(size=(480, 1, 6)) + 0.1 * rng.normal(size=(480, 2, 6))
    name, spread = verdict_of(z, y)
    assert name == "cannot tell"
    assert spread.free_spread is None
    assert "12 classes fill all 6 dimensions" in judge_spread(spread).meaning
    assert verdict_of(means[y][:, None] + 0.01 * rng.normal(size=(480, 2, 6)), y)[0] == "class collapse"


HARD = {"free": 0.35, "noise": 0.4, "confusion": 0.13, "between": 0.04}


def known(alpha, temperature=0.1):
    setting = Setting(classes=5, dim=32, temperature=temperature, alpha=alpha, batch_size=400)
    comparison, _ = compare(setting, classes=5, dim=32)
    return comparison


def test_overlap_of_hard_classes_is_not_blamed_on_a_weight_that_is_not_too_large():
    """Ten classes of ten unlike things each look so at the recommended weight, and gain on their labels over plain."""
    spread = spread_of(*population(**HARD, common=0.1))
    assert judge_spread(spread).name == "class structure lost"
    assert "--alpha" in judge_spread(spread).remedy
    assert judge_spread(spread, known(0.95)).name == "class structure lost"
    assert judge_spread(spread, known(0.4)).name == "healthy"
    assert judge_spread(spread, known(0.4, temperature=0.5)).name == "class structure lost"  # not to be trusted there
    assert judge_spread(spread_of(*population(**HARD, common=0.5))).name == "healthy"  # nothing has taken over
    z, y = population(**HARD, common=0.5)
    assert verdict_of(z[:, 0], y)[0] == "cannot tell"


def test_one_view_of_a_loss_that_asks_for_collapse_is_never_healthy():
    spread = spread_of(*population(free=0.3, views=1))
    assert judge_spread(spread).name == "healthy"
    assert judge_spread(spread, known(None)).name == "cannot tell"


def test_class_means_that_fill_half_the_space_leave_confusion_open():
    z, y = population(m=20, d=32, n=40, free=0.01, confusion=0.4, between=0.3)
    name, spread = verdict_of(z, y)
    assert name == "cannot tell"
    assert "20 classes take 19 of 32 directions" in judge_spread(spread).meaning
    roomy, y = population(m=20, d=64, n=40, free=0.01, confusion=0.4, between=0.3)
    assert verdict_of(roomy, y)[0] in ("class collapse", "too little")


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
