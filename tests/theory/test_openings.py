"""Classes of any sizes: the symmetrised minimum, its openings and the limits built on them, against other roads."""

import numpy as np
import pytest
from brute import batches_of, minimise

from ssem_advisor import (
    NotCovered,
    Setting,
    class_openings,
    class_thresholds,
    class_variances,
    collapse_threshold,
    optimal_variance,
)
from ssem_advisor.catalogue import find
from ssem_advisor.theory import anchors, classes, openings
from ssem_advisor.theory.anchors import anchors_of, groups_of
from ssem_advisor.theory.classes import _first_guess as first_guess
from ssem_advisor.theory.openings import Openings
from ssem_advisor.theory.regime import Regime, collapse_limits, opening_margin, regime_of


def variances(z, counts):
    labels = np.repeat(range(len(counts)), counts)
    return [1 - (z[labels == c].mean((0, 1)) ** 2).sum() for c in range(len(counts))]


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3, 0.6])
def test_variances_of_unequal_classes_also_where_views_drift(alpha):
    counts = (6, 2, 2)
    setting = Setting(class_counts=counts, temperature=0.25, sampler="full", alpha=alpha)
    z, _ = minimise(np.repeat(range(3), counts), 2, 19, alpha, 0.25, "supcon", starts=2)
    assert class_variances(setting) == pytest.approx(variances(z, counts), abs=1e-6)


@pytest.mark.parametrize("loss", ["supcon", "ssem"])
@pytest.mark.parametrize("temperature", [1e-4, 1e4])
@pytest.mark.parametrize("dim", [None, 2])
def test_the_ends_of_the_temperatures(temperature, loss, dim):
    """Nothing under- or overflows (warnings are errors); beyond them the answer is a refusal."""
    setting = Setting(class_counts=(4, 3, 1), temperature=temperature, loss=loss, batch_size=4, dim=dim, alpha=0.5)
    for answer in (class_openings, class_thresholds, class_variances):
        assert np.isfinite(answer(setting)[0])
        for beyond in (1e-300, 0.9e-4, 1.1e4, 1e300):
            with pytest.raises(NotCovered, match=r"temperature=.* 0\.0001 to 10000"):
                answer(setting.with_(temperature=beyond))


def test_no_class_sticks_at_full_spread():
    setting = Setting(class_counts=(31, 4, 6), temperature=1.45, sampler="full", alpha=0.34)
    assert class_variances(setting) == pytest.approx([0.50325, 0, 0], abs=1e-4)


def test_random_batches_of_unequal_classes_by_enumeration():
    """Every batch of 4 out of sizes (4, 3, 2): the variances at the minimum and where each class opens."""
    counts, batch = (4, 3, 2), 4
    labels = np.repeat(range(3), counts)
    setting = Setting(class_counts=counts, temperature=0.5, batch_size=batch)
    openings = class_openings(setting)
    for alpha in (openings[0] + 0.02, openings[2] + 0.06):
        z, _ = minimise(labels, 2, 9, alpha, 0.5, "supcon", batches_of(labels, batch, "random"), starts=1)
        measured = variances(z, counts)
        assert class_variances(setting.with_(alpha=alpha)) == pytest.approx(measured, abs=1e-5)
        assert [v > 1e-5 for v in measured] == list(openings < alpha)


def test_local_thresholds_of_random_batches_without_a_spare_direction():
    setting = Setting(class_counts=(4, 3, 2), temperature=0.5, batch_size=4, dim=2)
    assert class_thresholds(setting) == pytest.approx([0.39833, 0.48550, 0.70960], abs=1e-5)


@pytest.mark.parametrize(
    "sampler", [{"sampler": "full"}, {"batch_size": 12}, {"sampler": "balanced", "batch_size": 12}]
)
@pytest.mark.parametrize("loss", ["supcon", "ssem"])
def test_equal_sizes_give_the_closed_form(sampler, loss):
    setting = Setting(classes=4, instances_per_class=7, temperature=0.4, loss=loss, **sampler)
    threshold = collapse_threshold(setting)
    assert class_openings(setting, 1e-6) == pytest.approx([threshold] * 4, abs=2e-6)
    assert class_thresholds(setting) == pytest.approx([threshold] * 4, rel=1e-8)


@pytest.mark.parametrize("loss", ["supcon", "ssem"])
@pytest.mark.parametrize("temperature", [1e-4, 1e-2, 0.3, 10.0, 1e4])
def test_equal_sizes_give_the_optimal_variance_at_every_temperature(temperature, loss):
    """Of small temperatures too, where classes hardly see each other and drift and spread exchange at no cost."""
    for batch in ({"sampler": "full"}, {"batch_size": 24}):
        setting = Setting(classes=4, instances_per_class=30, temperature=temperature, loss=loss, **batch)
        threshold = float(collapse_threshold(setting))
        for part in (0.02, 0.5):
            at = setting.with_(alpha=threshold + part * (1 - threshold))
            assert class_variances(at) == pytest.approx(optimal_variance(at), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("loss", ["supcon", "ssem"])
def test_second_derivatives(loss):
    problem = Openings.of(Setting(class_counts=(5, 3, 2, 5, 1), temperature=0.4, loss=loss, batch_size=6))
    rows = problem.start() + 0.1
    _, slope, curved = problem.second_order(rows, 0.5)
    along = np.random.default_rng(3).standard_normal(rows.shape)
    ahead, behind = (problem.second_order(rows + h * along, 0.5) for h in (1e-5, -1e-5))
    assert (ahead[0] - behind[0]) / 2e-5 == pytest.approx((slope * along).sum(), rel=1e-7)
    assert curved @ along.ravel() == pytest.approx((ahead[1] - behind[1]).ravel() / 2e-5, rel=1e-6, abs=1e-8)


def test_newton_finds_what_the_slow_descent_finds(monkeypatch):
    """Fresh sizes, weights and temperatures; the descent knows no second derivatives."""
    rng = np.random.default_rng(11)
    for _ in range(12):
        sizes = tuple(int(n) for n in rng.integers(1, 30, size=rng.integers(3, 7)))
        sampler = (
            {"sampler": "full"} if rng.random() < 0.5 else {"batch_size": int(rng.integers(4, min(sum(sizes), 12)))}
        )
        setting = Setting(
            class_counts=(*sizes, 2),
            temperature=float(np.exp(rng.uniform(-1.5, 1))),
            alpha=float(rng.random()),
            **sampler,
        )
        quick = class_variances(setting)
        with monkeypatch.context() as slow:
            slow.setattr(openings, "_DENSE", 0)
            assert class_variances(setting) == pytest.approx(quick, abs=2e-4)


def test_anchors_see_what_batches_hold():
    """Enumerated batches of random draws: joint law of own and other groups."""
    counts, size = (4, 2, 2), 4
    labels = np.repeat(range(3), counts)
    setting = Setting(class_counts=counts, temperature=0.5, batch_size=size)
    groups = groups_of(setting)
    anchors = anchors_of(setting, groups)
    batches = batches_of(labels, size, "random")
    for g, kind in enumerate(groups.sizes):
        found: dict[tuple[float, ...], float] = {}
        total = 0
        for batch in batches:
            held = labels[batch]
            for label in held:
                if counts[label] != kind:
                    continue
                of = groups.of[held[held != label]]
                seen = (float((held == label).sum() - 1), *np.bincount(of, minlength=len(groups.sizes)).astype(float))
                found[seen] = found.get(seen, 0.0) + 1
                total += 1
        mine = anchors.group == g
        law: dict[tuple[float, ...], float] = {}
        for same, others, weight in zip(anchors.same[mine], anchors.others[mine], anchors.weight[mine], strict=True):
            if weight > 0:
                law[(same, *others)] = law.get((same, *others), 0.0) + weight / anchors.weight[mine].sum()
        assert law == pytest.approx({key: number / total for key, number in found.items()})


def test_bins_and_drawn_batches_keep_their_error(monkeypatch):
    counts = (300, 250, 200, 170, 140, 120, 100, 90, 80, 70, 60, 50, 40, 30)
    setting = Setting(class_counts=counts, temperature=0.2, batch_size=120)
    limits = collapse_limits(setting)
    assert limits.kind == "sampled"

    for name, value in (("_GROUPS", 100), ("_NODES", 8), ("_DRAWS", 800)):
        monkeypatch.setattr(anchors, name, value)
    openings._openings.cache_clear()
    fine = class_openings(setting, 2e-3)
    openings._openings.cache_clear()
    assert np.max(np.abs(fine - limits.per_class)) <= limits.error
    assert np.max(fine) <= limits.open_above


@pytest.mark.parametrize(("name", "temperature", "size"), [("imagenet-lt", 0.2, 512), ("cifar100-lt", 0.3, 16)])
def test_other_draws_of_the_batches_say_the_same_within_their_error(name, temperature, size):
    """Nearly all anchors of small classes are alone here; the few others decide where the last class opens."""
    setting = Setting(class_counts=find(name).class_counts, temperature=temperature, batch_size=size)
    last = [np.nanmax(openings._openings(setting, 1e-4, seed)[1]) for seed in range(4)]
    assert openings.openings_error(setting) == 0.003
    assert np.ptp(last) <= 1e-3


def test_drawn_batches_say_what_hundreds_of_times_as_many_say():
    """Of 365 classes in batches of 64: 78,150 kinds of anchors as they are drawn put the last at 0.4827."""
    setting = Setting(class_counts=find("places-lt").class_counts, temperature=0.2, batch_size=64)
    assert np.nanmax(class_openings(setting)) == pytest.approx(0.4827, abs=openings.openings_error(setting))


def test_drawn_batches_have_their_known_means():
    """Colours that are seen often keep their spread too, those that are never seen count at their mean."""
    colours = np.array([400, 300, 60, 9, 1])
    for seed in range(20):
        drawn = anchors._drawn(colours, 50, np.random.default_rng(seed), 24)
        assert drawn.mean(axis=0) == pytest.approx(50 * colours / 770)
        assert drawn.min() >= 0
    many = anchors._drawn(colours, 50, np.random.default_rng(0), 20_000)
    share = colours / 770
    assert many.var(axis=0) == pytest.approx(50 * share * (1 - share) * 720 / 769, rel=0.1)


@pytest.mark.parametrize(
    "setting",
    [
        Setting(classes=60, dim=12, temperature=0.2, sampler="balanced", batch_size=240),
        Setting(classes=60, dim=40, temperature=0.1, batch_size=240),
        Setting(class_counts=tuple(range(4, 64)), dim=16, temperature=0.15, sampler="full"),
        Setting(classes=60, dim=58, temperature=0.2, sampler="full", instances_per_class=20),
    ],
)
def test_a_good_frame_stands_for_the_minimiser(setting, monkeypatch):
    """The slow descent to the collapsed minimiser is the independent road."""
    classes._thresholds.cache_clear()
    slow = class_thresholds(setting)
    monkeypatch.setattr(classes, "_CROWD", 0)
    classes._thresholds.cache_clear()
    quick, (_, error) = classes._thresholds(setting)
    classes._thresholds.cache_clear()
    assert np.nanmax(np.abs(quick - slow)) <= error
    assert error < 0.4 * np.nanmax(slow)


@pytest.mark.parametrize("temperature", [0.1, 0.3])
def test_the_frame_of_unequal_classes_holds_the_ends_within_its_error(temperature):
    """The descent to the minimiser is the road beside it."""
    sizes = np.round(5 * 20 ** np.linspace(0, 1, 40))
    setting = Setting(class_counts=tuple(map(int, sizes)), dim=12, temperature=temperature, sampler="full")
    slow, _ = classes._equal_thresholds(setting, sizes, 0.5)
    quick, errors = classes._frame_thresholds(setting, sizes, 0.5, 12)
    assert abs(slow.max() - quick.max()) <= errors.last < 0.1 * slow.max()
    assert abs(slow.min() - quick.min()) <= errors.first < 0.1 * slow.min()


def test_no_frame_gives_a_negative_threshold(monkeypatch):
    """Plain SupCon collapses in every dimension, so weight 0 opens no class; this frame says -0.017 of a large one."""
    monkeypatch.setattr(classes, "_DESCENTS_UNEQUAL", 0)
    classes._thresholds.cache_clear()
    sizes = tuple(int(n) for n in np.round(5 * 1000 ** np.linspace(0, 1, 400)))
    each = class_thresholds(Setting(class_counts=sizes, dim=12, temperature=0.05, sampler="full"))
    classes._thresholds.cache_clear()
    assert np.nanmin(each) == 0.0


@pytest.mark.parametrize("steps", [0, 30, 100])
@pytest.mark.parametrize(("counts", "temperature"), [(86, 0.177), (55, 0.186), (60, 0.106)])
def test_the_frame_of_random_batches_holds_the_last_class_within_its_error(counts, temperature, steps, monkeypatch):
    """Small classes meet few of the others in a batch, of which the frame knows the expected number alone."""
    sizes = np.round(4 * 100 ** np.linspace(0, 1, counts))
    setting = Setting(class_counts=tuple(map(int, sizes)), dim=18, temperature=temperature, batch_size=4 * counts)
    last = np.nanmax(np.minimum(class_thresholds(setting), 1.0))
    monkeypatch.setattr(classes, "_DESCENTS_UNEQUAL", steps)
    quick, (_, error) = classes._frame_thresholds(setting, sizes, 0.5, 18)
    assert last <= quick.max() + error
    assert error == pytest.approx((0.21 if steps else 2.5 * 3.75 / 18) * quick.max())


@pytest.mark.parametrize(
    ("number", "dim", "temperature", "batch"),
    [
        (340, 3, 0.05, {"batch_size": 2000}),
        (340, 7, 0.1, {"sampler": "full", "instances_per_class": 9}),
        (334, 11, 0.12, {"sampler": "balanced", "batch_size": 3340, "loss": "ssem"}),
    ],
)
def test_many_classes_in_the_fewest_dimensions_hold_their_error(number, dim, temperature, batch, monkeypatch):
    """A descent of some hundred steps from a random start is the road beside the thirty from a frame."""
    setting = Setting(classes=number, dim=dim, temperature=temperature, **batch)
    quick, (error, _) = classes.thresholds_and_errors(setting)
    for name, value in (("_LOOK", 150), ("_CLOSER", 1), ("_LAST", 1), ("_MANY", 1e6), ("_COORDINATES", 1)):
        monkeypatch.setattr(classes, name, value)
    slow, _ = classes._equal_thresholds(setting, classes._sizes(setting), float(classes.own_view_weight(setting)))
    assert np.max(np.abs(quick[0] - slow)) <= error < 0.15 * slow.max()


@pytest.mark.parametrize(
    "fields",
    [
        {"class_counts": (5, 3, 2), "sampler": "full", "temperature": 0.5},
        {"class_counts": (5, 3, 2), "sampler": "full", "temperature": 0.5, "dim": 4},
        {"class_counts": (40, 12, 3, 3), "batch_size": 12, "loss": "ssem", "temperature": 0.5},
        {"class_counts": tuple(range(2, 40)), "batch_size": 60, "dim": 64, "temperature": 0.15},
        {"class_counts": (2, 2, 3, 3, 5, 6, 8, 8, 9, 12), "sampler": "full", "dim": 16, "temperature": 0.3},
    ],
)
def test_whether_all_classes_are_open_agrees_with_where_the_last_one_opens(fields):
    setting = Setting(**fields)
    above = collapse_limits(setting).open_above
    assert opening_margin(setting.with_(alpha=min(above + 0.01, 1.0))) > 0
    assert opening_margin(setting.with_(alpha=above - 0.01)) < 0
    assert opening_margin(setting.with_(alpha=0.0)) < 0


@pytest.mark.parametrize("temperature", [0.1, 0.4])
@pytest.mark.parametrize("sizes", [{"classes": 90}, {"class_counts": tuple(range(4, 94))}])
def test_bounds_of_the_stiffness_hold_what_eigenvalues_say(sizes, temperature, monkeypatch):
    setting = Setting(**sizes, dim=60, temperature=temperature, batch_size=300)
    for steps in ("_DESCENTS", "_DESCENTS_UNEQUAL"):
        monkeypatch.setattr(classes, steps, 0)
    found = []
    for least in (400, 0):
        monkeypatch.setattr(classes, "_STIFF_DIM", least)
        classes._thresholds.cache_clear()
        classes._tight_frame.cache_clear()
        each, errors = classes._thresholds(setting)
        found.append((each, errors.last))
    classes._thresholds.cache_clear()
    classes._tight_frame.cache_clear()
    (worked_out, narrow), (bounded, wide) = found
    assert narrow < wide
    assert np.max(np.abs(worked_out - bounded)) <= wide - 0.9 * narrow


EQUAL = [
    {"sampler": "full", "instances_per_class": 6},
    {"sampler": "full", "instances_per_class": 6, "loss": "ssem"},
    {"sampler": "balanced", "batch_size": 24},
    {"sampler": "balanced", "batch_size": 9, "classes_per_batch": 3, "instances_per_class": 9},
    {"batch_size": 20},
    {"batch_size": 20, "instances_per_class": 30, "views": 4},
]


@pytest.mark.parametrize("batch", EQUAL)
@pytest.mark.parametrize(("number", "temperature"), [(3, 0.2), (8, 0.5), (12, 3.0)])
def test_the_closed_form_of_the_simplex_is_what_its_eigenvalues_say(batch, number, temperature):
    """Without a spare direction: the curvature of every class, from the vectors of a simplex, is the other road."""
    setting = Setting(classes=number, dim=number - 1, temperature=temperature, **batch)
    sizes, own = classes._sizes(setting), float(classes.own_view_weight(setting))
    closed, _ = classes._simplex_thresholds(setting, own)
    assert closed == pytest.approx(classes._equal_thresholds(setting, sizes, own)[0], rel=1e-9)


@pytest.mark.parametrize(("number", "dim"), [(1088, 1087), (5000, 4999), (2000, 16), (5000, 500), (1200, 1100)])
def test_thousands_of_classes_need_no_minimiser(number, dim, monkeypatch):
    monkeypatch.setattr(classes, "_minima", None)
    limits = collapse_limits(Setting(classes=number, dim=dim, temperature=0.1, batch_size=4 * number))
    assert 0 < limits.collapse_up_to < limits.open_above < 1


@pytest.mark.parametrize(
    ("number", "dim", "limit"),
    [(20000, 11, "up to 12000 classes"), (20000, 3000, "a dim up to 1581 is answered")],
)
def test_what_would_take_minutes_is_refused_with_its_limit(number, dim, limit, monkeypatch):
    monkeypatch.setattr(classes, "_minima", None)
    monkeypatch.setattr(classes, "_tight_frame", None)
    with pytest.raises(NotCovered, match=f"dim={dim}: not covered, because .*{limit}"):
        collapse_limits(Setting(classes=number, dim=dim, temperature=0.1, batch_size=4 * number))


@pytest.mark.parametrize(
    ("number", "dim", "temperature", "loss"),
    [(50, 9, 0.09, "ssem"), (34, 22, 0.34, "supcon"), (37, 4, 0.2, "supcon"), (21, 5, 0.43, "supcon")],
)
def test_the_ends_of_equal_classes_hold_against_many_more_starts(number, dim, temperature, loss, monkeypatch):
    setting = Setting(
        classes=number, dim=dim, temperature=temperature, loss=loss, sampler="full", instances_per_class=20
    )
    found, errors = classes.thresholds_and_errors(setting)
    starts = iter(range(1000, 2000))
    monkeypatch.setattr(classes, "_first_guess", lambda seed, shape: first_guess(next(starts), shape))
    for name, value in (("_STARTS", 24), ("_COORDINATES", 10**6), ("_CLOSER", 400), ("_LAST", 1500)):
        monkeypatch.setattr(classes, name, value)
    more, _ = classes._equal_thresholds(setting, classes._sizes(setting), float(classes.own_view_weight(setting)))
    assert abs(found.min() - more.min()) <= errors.first + 1e-6
    assert abs(found.max() - more.max()) <= errors.last + 1e-6
    assert max(errors) < 0.1


def test_an_uncertain_last_class_does_not_blur_the_first():
    """Local minima differ in where the last of 15 classes opens by .4, and in where the first opens by .005."""
    sizes = (172, 165, 160, 144, 140, 119, 98, 97, 91, 62, 47, 41, 32, 15, 7)
    setting = Setting(class_counts=sizes, dim=4, temperature=0.1, batch_size=64)
    found, errors = classes.thresholds_and_errors(setting)
    limits = collapse_limits(setting)
    assert errors.last > 0.1 > 5 * errors.first
    assert limits.collapse_error == errors.first
    assert limits.collapse_up_to == pytest.approx(np.nanmin(found) - errors.first)
    assert limits.collapse_up_to > 0.7 * np.nanmin(found)
    assert limits.open_above > np.nanmax(found) + errors.last


def test_limits_of_every_regime():
    """Safe begins where the last class opens, and above alpha_loc without a spare direction."""
    tight = collapse_limits(Setting(classes=4, dim=3, instances_per_class=50, sampler="full", temperature=0.7))
    assert tight.regime is Regime.TIGHT
    assert tight.collapse_up_to < 0.6 < tight.open_above
    assert collapse_limits(Setting(classes=2, dim=1, temperature=0.5, batch_size=64)).open_above == np.inf
    sizes = collapse_limits(Setting(class_counts=(5, 3, 2), temperature=0.5, sampler="full"))
    assert sizes.collapse_up_to == pytest.approx(0.184362, abs=1e-6)
    assert sizes.open_above == pytest.approx(0.5675, abs=3e-4)
    roomy = Setting(classes=10, dim=64, temperature=0.1, batch_size=100)
    assert regime_of(roomy) is Regime.FINITE
    assert collapse_limits(roomy).open_above == collapse_limits(roomy).collapse_up_to == collapse_threshold(roomy)


@pytest.mark.parametrize("dim", [3, 6, 12, None])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_without_mates_in_a_batch_nothing_opens(dim):
    """One instance of each class in a batch: no anchor has a positive of its class, at whatever dimension."""
    for kinds in ({"classes": 12}, {"class_counts": (9, 8, 7, 6, 5, 4, 4, 3, 3, 2, 2, 30)}):
        setting = Setting(dim=dim, temperature=0.1, sampler="balanced", batch_size=12, **kinds)
        limits = collapse_limits(setting)
        assert np.isinf(limits.collapse_up_to)
        assert np.isinf(limits.open_above)
        assert opening_margin(setting.with_(alpha=0.9)) < 0
