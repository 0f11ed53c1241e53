"""Every field of an answer, over settings of every kind, by another road than the code's own."""

import functools
import math
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import numpy as np
import pytest

from ssem_advisor import Setting, SettingError, collapse_threshold, optimal_variance, recommend
from ssem_advisor.advice import (
    LARGEST_WEIGHT,
    Basis,
    Code,
    NetworkOrigin,
    Outlook,
    Purpose,
    State,
    complete,
    judge,
    outlook_of,
)
from ssem_advisor.theory.estimates import expected_variance, expected_variance_range
from ssem_advisor.theory.network import PERFECT, Network, alpha_for_free_spread, expected_free_spread, typical
from ssem_advisor.theory.regime import collapse_limits
from ssem_advisor.theory.values import reference_losses

SPARE = {"classes": 10, "dim": 64, "batch_size": 200, "sampler": "balanced"}
SETTINGS = {
    "spare": Setting(**SPARE),
    "spare, warm": Setting(**SPARE, temperature=0.3),
    "spare, hot": Setting(**SPARE, temperature=1.5),
    "spare, a weight": Setting(**SPARE, alpha=0.5),
    "spare, a small weight": Setting(**SPARE, alpha=0.05),
    "spare, a large weight": Setting(**SPARE, alpha=0.9),
    "spare, a safe point": Setting(**SPARE, alpha=0.3, temperature=0.1),
    "spare, a point with too little": Setting(**SPARE, alpha=0.05, temperature=0.1),
    "spare, a collapsed point": Setting(**SPARE, alpha=0.05, temperature=1.5),
    "large": Setting(classes=10, batch_size=200, sampler="balanced"),
    "random": Setting(classes=20, dim=128, batch_size=30),
    "random of few": Setting(classes=4, dim=64, batch_size=20, instances_per_class=8),
    "P x K": Setting(classes=20, dim=64, batch_size=60, sampler="balanced", classes_per_batch=5),
    "exact": Setting(classes=4, dim=40, instances_per_class=8, sampler="full"),
    "tight": Setting(classes=8, dim=7, batch_size=160, sampler="balanced"),
    "crowded": Setting(classes=12, dim=9, batch_size=120, sampler="balanced"),
    "unequal": Setting(class_counts=(60, 30, 10), dim=16, batch_size=40),
    "unequal, few": Setting(class_counts=(5, 3, 2), dim=4, sampler="full"),
    "ssem": Setting(classes=5, dim=32, batch_size=100, sampler="balanced", loss="ssem"),
    "l_spread": Setting(classes=5, dim=32, batch_size=100, loss="l_spread"),
    "bare": Setting(classes=100, dim=128),
    "four views": Setting(**SPARE, views=4),
    "one view": Setting(classes=10, dim=64, views=1),
    "ssem, one view": Setting(classes=5, dim=32, batch_size=100, sampler="balanced", loss="ssem", views=1),
    "a line": Setting(classes=2, dim=1, batch_size=10, alpha=0.5),
    "a line, a point": Setting(classes=2, dim=1, batch_size=10, alpha=0.5, temperature=0.2),
    "alone": Setting(classes=100, batch_size=100, sampler="balanced"),
}
UNSAFE = ("unequal, few", "one view", "a line", "a line, a point", "alone")
BY_CLASS = ("crowded", "unequal", "unequal, few")
USUAL = 0.1


@functools.cache
def answer(name):
    return recommend(SETTINGS[name], alternatives=True)


def temperature_of(advice):
    return advice.temperature.recommended or advice.setting.temperature or USUAL


def codes(advice):
    return [note.code for note in advice.notes]


# -- what is filled in ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "batch"),
    [
        ({"classes": 10}, 512),
        ({"classes": 128}, 512),
        ({"classes": 129}, 516),
        ({"classes": 10, "instances_per_class": 51}, 510),
        ({"classes": 10, "instances_per_class": 52}, 512),
        ({"class_counts": (30, 20, 5)}, 55),
        ({"class_counts": (3000, 20, 5)}, 512),
        ({"class_counts": (20, 20)}, 40),
        ({"classes": 10, "sampler": "balanced"}, 510),
        ({"classes": 100, "sampler": "balanced"}, 500),
        ({"classes": 200, "sampler": "balanced"}, 800),
        ({"classes": 10, "sampler": "balanced", "classes_per_batch": 5}, 510),
        ({"classes": 10, "sampler": "balanced", "classes_per_batch": 4}, 512),
        ({"classes": 10, "sampler": "balanced", "instances_per_class": 20}, 200),
        ({"classes": 10, "sampler": "balanced", "instances_per_class": 51}, 510),
        ({"class_counts": (300, 7, 9), "sampler": "balanced"}, 21),
    ],
)
def test_a_missing_batch_is_filled_in(given, batch):
    full, filled = complete(Setting(**given))
    assert (full.batch_size, filled) == (batch, ("batch_size",))
    assert full == Setting(**given, batch_size=batch)


@pytest.mark.parametrize("given", [{"classes": 10, "batch_size": 64}, {"class_counts": (9, 4), "sampler": "full"}])
def test_a_known_batch_stays(given):
    assert complete(Setting(**given)) == (Setting(**given), ())


def test_what_was_not_given_is_told_once_and_in_order():
    assert recommend(Setting(classes=10)).assumed == ("batch_size", "alpha", "temperature")
    assert recommend(Setting(classes=10), assumed=("views", "alpha")).assumed == (
        "views", "alpha", "batch_size", "temperature",
    )  # fmt: skip
    assert recommend(Setting(**SPARE, alpha=0.3)).assumed == ("temperature",)
    assert recommend(Setting(**SPARE, temperature=0.1)).assumed == ("alpha",)


@pytest.mark.parametrize("field", ["classes", "dim", "temperature", "alpha", "views", "batch_size", "queue"])
def test_one_setting_at_a_time(field):
    two = np.array([0.1, 0.2] if field in ("temperature", "alpha") else [2, 3])
    setting = Setting(**{"classes": 4, field: two})
    for ask in (recommend, outlook_of, judge):
        with pytest.raises(SettingError, match=f"^{field}: recommend answers one setting at a time"):
            ask(setting)


@pytest.mark.parametrize("safe", [(0.0, 0.2), (0.1, 1.0), (0.2, 0.2), (0.3, 0.2)])
def test_the_safe_range_lies_inside_0_to_1(safe):
    with pytest.raises(SettingError, match=r"^safe_spread=.*: must be two increasing numbers inside"):
        recommend(SETTINGS["spare"], safe_spread=safe, free_spread=0.2)


def test_what_is_wanted_lies_in_the_safe_range():
    large, crowded = SETTINGS["large"], SETTINGS["bare"]  # .1 to .25, and half of it
    for safe, wanted in (((0.3, 0.4), 0.3), ((0.05, 0.1), 0.1), ((0.1, 0.3), 0.2)):
        assert recommend(large, safe_spread=safe).wanted == wanted
        for end in safe:
            assert recommend(large, safe_spread=safe, free_spread=end).wanted == end
        for beyond in (safe[0] - 1e-6, safe[1] + 1e-6):
            with pytest.raises(
                SettingError, match=f"^free_spread=.*: must lie in the safe range {safe[0]:g} to {safe[1]:g}"
            ):
                recommend(large, safe_spread=safe, free_spread=beyond)
    assert recommend(crowded).safe_spread == (0.05, 0.125)
    for wanted, safe in ((0.06, (0.05, 0.125)), (0.2, (0.05, 0.2)), (0.25, (0.05, 0.25))):
        advice = recommend(crowded, free_spread=wanted)
        assert (advice.wanted, advice.safe_spread) == (wanted, safe)


# -- the numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETTINGS)
def test_the_threshold_is_that_of_the_temperature_shown(name):
    advice = answer(name)
    limits = collapse_limits(advice.setting.with_(temperature=temperature_of(advice)))
    for field in fields(limits):
        assert np.array_equal(getattr(advice.limits, field.name), getattr(limits, field.name)), field.name
    assert advice.limits_temperature == temperature_of(advice)
    assert advice.alpha.collapse_threshold == limits.threshold
    assert advice.regime is limits.regime
    assert (advice.regime in ("crowded", "unequal")) is (name in BY_CLASS)
    alpha = advice.setting.alpha if advice.recommended is None else advice.recommended.alpha
    critical = advice.temperature.collapse_threshold
    assert (critical is None) is (alpha is None or name in BY_CLASS)
    if critical is not None:
        assert collapse_threshold(advice.setting.with_(temperature=critical)) == pytest.approx(alpha, rel=1e-9)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_network_is_the_typical_one(name):
    advice = answer(name)
    assert (advice.network, advice.origin) == (typical(advice.setting), NetworkOrigin.typical)
    assert (advice.recommended is None) is (name in UNSAFE)
    assert advice.recommended == (advice.plan[0].point if advice.plan else None)
    if advice.recommended is None:
        assert advice.alpha.safe is advice.alpha.recommended is advice.temperature.safe is None
        assert advice.temperature.recommended is advice.similarities is None
        return
    assert advice.alpha.recommended == advice.recommended.alpha
    assert advice.temperature.recommended == advice.recommended.temperature


def test_the_regime_and_what_stands_behind_the_spread():
    found = {name: (answer(name).regime.value, answer(name).recommended.basis.value)
             for name in SETTINGS if name not in UNSAFE and not name.startswith("spare,")}  # fmt: skip
    assert found == {
        "spare": ("finite-dimension", "estimate"),
        "large": ("exact", "estimate"),
        "random": ("finite-dimension", "estimate"),
        "random of few": ("exact", "estimate"),
        "P x K": ("finite-dimension", "estimate"),
        "exact": ("exact", "estimate"),
        "tight": ("tight", "rough"),
        "crowded": ("crowded", "rough"),
        "unequal": ("unequal", "rough"),
        "ssem": ("finite-dimension", "estimate"),
        "ssem, one view": ("finite-dimension", "estimate"),
        "l_spread": ("finite-dimension", "minimiser"),
        "bare": ("finite-dimension", "rough"),
        "four views": ("finite-dimension", "estimate"),
    }
    for name, basis in (("exact", "exact"), ("large", "exact"), ("spare", "estimate"), ("bare", "rough")):
        assert recommend(SETTINGS[name], network=PERFECT).recommended.basis == basis
    for network in (None, PERFECT, Network(0.8, 3.0)):
        exact = Setting(classes=4, dim=40, instances_per_class=8, sampler="full", loss="l_spread", temperature=0.1)
        assert judge(exact.with_(alpha=0.5), network).basis == "exact"
        assert judge(SETTINGS["l_spread"].with_(alpha=0.5, temperature=0.1), network).basis == "minimiser"
    sizes = SETTINGS["unequal"].with_(dim=None, temperature=0.1, alpha=0.6)
    assert judge(sizes, PERFECT).basis == "rough"


def test_classes_of_one_mean_size_stand_in_for_unequal_ones():
    counts = (60, 30, 10, 7)  # of 26.75 in the mean
    for given, stand_in in (
        ({"batch_size": 40}, {"instances_per_class": 27, "batch_size": 40}),
        ({"batch_size": 107}, {"instances_per_class": 27, "batch_size": 107}),
        ({"sampler": "full"}, {"instances_per_class": 27, "sampler": "full"}),
        ({"sampler": "balanced", "batch_size": 24}, {"sampler": "balanced", "batch_size": 24}),
    ):
        outlook = outlook_of(Setting(class_counts=counts, dim=16, **given))
        assert outlook.stand_in == Setting(classes=4, dim=16, **stand_in)
    few = outlook_of(Setting(class_counts=(3, 1, 1), dim=16, batch_size=5))  # at least two of each
    assert few.stand_in == Setting(classes=3, dim=16, instances_per_class=2, batch_size=5)
    fewer = outlook_of(Setting(class_counts=(6, 4, 4), dim=16, batch_size=14))  # 5 of each hold 15
    assert fewer.stand_in == Setting(classes=3, dim=16, instances_per_class=5, batch_size=14)
    rounded = outlook_of(Setting(class_counts=(5, 4, 4), dim=16, batch_size=13))  # 4 of each hold but 12
    assert rounded.stand_in == Setting(classes=3, dim=16, instances_per_class=4, batch_size=12)
    equal = Setting(class_counts=(5, 5), dim=16, batch_size=10)
    assert outlook_of(equal).stand_in is outlook_of(equal).setting


def points():
    """Points on all sides of what is safe, each with its network."""
    for name in ("spare", "random", "exact", "tight", "ssem", "bare", "unequal", "crowded"):
        setting = complete(SETTINGS[name])[0].with_(temperature=0.2)
        for network in (None, PERFECT, Network(0.7, 12.0), Network(0.7, 12.0, (0.6, 0.9))):
            for alpha in (0.01, 0.4, 0.75, 0.95):
                yield pytest.param(
                    setting.with_(alpha=alpha), network, id=f"{name} {network and network.directions} {alpha}"
                )


@pytest.mark.parametrize(("setting", "network"), list(points()))
def test_a_point_says_what_theory_and_network_say(setting, network):
    point, known = judge(setting, network), network or typical(setting)
    limits = collapse_limits(setting)
    assert (point.alpha, point.temperature) == (setting.alpha, 0.2)
    by_class = limits.regime.by_class
    assert point.optimal_variance == (None if by_class else optimal_variance(setting))
    inside = limits.regime.value in ("exact", "finite-dimension")
    assert point.minimum_range == (expected_variance_range(setting) if inside else None)
    if setting.alpha <= limits.collapse_up_to:
        assert (point.state, point.free_spread, point.basis) == (State.collapse, 0.0, "exact")
        assert (point.within_class_variance, point.spread_range) == (0.0, None)
        return
    at = outlook_of(setting, network).stand_in
    spread = expected_free_spread(at, known)
    assert point.free_spread == spread
    assert point.within_class_variance == spread / known.view_reliability
    if network == PERFECT:
        exact = point.minimum_range is None or point.minimum_range[0] == point.minimum_range[1]
        assert point.spread_range == (None if exact else point.minimum_range)
    elif known.reliability_range is None:
        assert point.spread_range is None
    else:
        ends = [expected_free_spread(at, replace(known, view_reliability=r)) for r in known.reliability_range]
        assert point.spread_range == (min(*ends, spread), max(*ends, spread))
    least, most = outlook_of(setting, network).safe_spread
    if setting.alpha <= limits.open_above:
        assert point.state is State.may_collapse
    elif spread < least * (1 - 1e-9):
        assert point.state is State.too_little
    elif spread > most * (1 + 1e-9) or setting.alpha > LARGEST_WEIGHT:
        assert point.state is State.too_much
    else:
        assert point.state is State.safe


def test_between_its_limits_a_weight_may_collapse():
    setting = SETTINGS["tight"].with_(temperature=0.5)
    limits = collapse_limits(setting)
    assert limits.collapse_up_to < limits.open_above < LARGEST_WEIGHT
    for alpha, state in (
        (limits.collapse_up_to, State.collapse),
        (math.nextafter(limits.collapse_up_to, 1), State.may_collapse),
        (limits.open_above, State.may_collapse),
    ):
        assert judge(setting.with_(alpha=alpha)).state is state
    assert judge(setting.with_(alpha=math.nextafter(limits.open_above, 1))).state is State.too_little


def test_of_l_spread_the_minimiser_speaks():
    setting = complete(SETTINGS["l_spread"])[0].with_(temperature=0.1, alpha=0.5)
    for network in (None, Network(0.7, 5.0, (0.6, 0.8))):
        point = judge(setting, network)
        assert point.free_spread == point.within_class_variance == expected_variance(setting)
        assert point.spread_range is None


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in UNSAFE])
def test_the_safe_weights_end_where_the_spread_or_the_threshold_does(name):
    advice = answer(name)
    outlook = outlook_of(SETTINGS[name])
    tau, (low, high), (least, most) = temperature_of(advice), advice.alpha.safe, advice.safe_spread
    at_low, at_high = (outlook.spread(end, tau) for end in (low, high))
    if at_low != pytest.approx(least, rel=1e-6):
        assert at_low > least
        assert low == math.nextafter(advice.limits.open_above, math.inf)
    if at_high != pytest.approx(most, rel=1e-6):
        assert at_high < most
        assert high == LARGEST_WEIGHT
    if SETTINGS[name].alpha is None:  # as far along what is left of the range as what is wanted lies in all of it
        along = (advice.wanted - least) / (most - least)
        assert advice.recommended.free_spread == pytest.approx(at_low + along * (at_high - at_low), rel=1e-6)


def test_a_safe_range_may_begin_at_the_threshold():
    """Where collapse stays a minimum up to a weight at which a perfect network would spread more than is needed."""
    setting = SETTINGS["tight"].with_(temperature=0.5)
    cut = recommend(setting, network=PERFECT, safe_spread=(0.001, 0.3), free_spread=0.1)
    assert cut.recommended.temperature == 0.5
    assert cut.alpha.safe[0] == math.nextafter(cut.limits.open_above, math.inf)
    assert outlook_of(setting, PERFECT).spread(cut.alpha.safe[0], 0.5) > 0.01


@pytest.mark.parametrize(
    "name", ["spare", "spare, warm", "spare, a weight", "random", "tight", "ssem", "crowded", "exact"]
)
def test_the_safe_temperatures_end_where_the_point_stops_being_safe(name):
    advice = answer(name)
    alpha, (low, high) = advice.recommended.alpha, advice.temperature.safe
    outlook = outlook_of(SETTINGS[name])

    def state(temperature):
        return outlook.point(alpha, temperature).state

    for inside in np.geomspace(low, high, 9):
        assert state(float(inside) if low < inside < high else min(max(float(inside), low), high)) is State.safe
    ends = pytest.approx(advice.safe_spread[0], rel=1e-5), pytest.approx(advice.safe_spread[1], rel=1e-5)
    assert outlook.spread(alpha, low) in ends
    opening = outlook.limits(high).open_above / alpha
    assert outlook.spread(alpha, high) in ends or 0.98 < opening < 1
    assert state(low / 1.001) is not State.safe
    assert state(high * (1.05 if name == "crowded" else 1.002)) is not State.safe
    assert low <= advice.recommended.temperature <= high


@pytest.mark.parametrize("name", ["spare", "spare, warm", "spare, a weight", "exact", "ssem"])
def test_several_safe_temperature_intervals_are_told(name):
    advice = answer(name)
    alpha, outlook = advice.recommended.alpha, outlook_of(SETTINGS[name])
    spread = np.array([outlook.spread(alpha, t) for t in np.geomspace(1e-3, 10, 120)])
    safe = (spread >= advice.safe_spread[0]) & (spread <= advice.safe_spread[1])
    several = np.diff(np.concatenate([[0], safe.astype(int)]) == 1).sum() > 2  # beginnings and ends but the last
    notes = [note.values for note in advice.notes if note.code is Code.several_intervals]
    begins = np.flatnonzero(np.diff(np.concatenate([[0], safe.astype(int)])) == 1)
    assert notes == ([{"alpha": alpha}] if len(begins) > 1 else []), several


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in UNSAFE])
def test_the_mean_cosines_are_those_of_vectors_that_add_up_to_zero(name):
    advice = answer(name)
    if name in BY_CLASS:
        assert advice.similarities is None
        return
    within, between = advice.similarities
    m, each, away = advice.setting.classes, advice.setting.instances_per_class, advice.recommended.within_class_variance
    if each is None:
        assert within == pytest.approx(1 - away)
        assert within + (m - 1) * between == pytest.approx(0, abs=1e-12)
    else:
        assert (1 + (each - 1) * within) / each == pytest.approx(1 - away)  # the squared length of a class mean
        assert 1 + (each - 1) * within + each * (m - 1) * between == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_losses_are_those_of_the_users_own_point(name):
    advice = answer(name)
    point = advice.given or advice.recommended
    assert (advice.reference is None) is (name in UNSAFE)
    if advice.reference is not None:
        at = advice.setting.with_(alpha=point.alpha, temperature=point.temperature)
        assert list(advice.reference) == pytest.approx(list(reference_losses(at)), nan_ok=True)
    whole = SETTINGS[name].alpha is not None and SETTINGS[name].temperature is not None
    assert advice.given == (judge(SETTINGS[name]) if whole else None)


def test_plain_supcon_is_a_mixture_of_its_own_views_and_the_rest():
    found = {name: answer(name).plain_alpha for name in SETTINGS}
    own_of_positives = {
        "spare": 1 / 39, "P x K": 1 / 23, "exact": 1 / 15, "tight": 1 / 39, "crowded": 1 / 19, "alone": 1.0,
        "large": 1 / 39, "four views": 3 / 79,
    }  # fmt: skip
    for name, weight in found.items():
        expected = own_of_positives.get(name.partition(",")[0])
        assert weight == (None if expected is None else pytest.approx(expected)), name


def test_the_lonely_are_those_who_meet_nobody():
    found = {name: answer(name).lonely for name in SETTINGS}
    others = math.comb(31 - 7, 19) / math.comb(31, 19)  # of 31 others 7 are of the class, 19 are drawn
    lonely = {
        "random": 0.95**29, "random of few": others, "bare": 0.99**511, "one view": 0.9**511, "l_spread": 0.8**99,
        "a line": 0.5**9, "a line, a point": 0.5**9, "alone": 1.0,
    }  # fmt: skip
    for name, share in found.items():
        if name != "unequal":
            assert share == pytest.approx(lonely.get(name, 0.0), rel=1e-9), name
    drawn = [size * math.comb(100 - size, 39) / math.comb(99, 39) for size in (60, 30, 10)]
    assert found["unequal"] == pytest.approx(sum(drawn) / 100)


# -- the choice -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in UNSAFE and SETTINGS[name].alpha is None])
def test_the_usual_temperature_first_then_its_neighbours_outwards(name):
    advice, outlook = answer(name), outlook_of(SETTINGS[name])
    best = None
    given = advice.setting.temperature
    for temperature in (*([given] if given else []), 0.1, 0.15, 0.07, 0.2, 0.05, 0.3, 0.03, 0.02, 0.01):
        weight = outlook.best_weight(advice.wanted, temperature)
        if weight is None:
            continue
        needed = (
            alpha_for_free_spread(outlook.stand_in.with_(temperature=temperature), advice.wanted, advice.network)
            if SETTINGS[name].loss != "l_spread"
            else 0.0
        )
        if needed <= LARGEST_WEIGHT or temperature == given:
            best = (0, weight, temperature)
            break
        spread = outlook.spread(weight, temperature)
        best = best if best is not None and best[0] >= spread else (spread, weight, temperature)
    assert (advice.recommended.alpha, advice.recommended.temperature) == best[1:]


def test_what_is_given_and_safe_stays_and_else_the_least_is_changed():
    found = {name: answer(name).recommended for name in SETTINGS if name.startswith("spare")}
    start = found["spare"]
    for name in ("a small weight", "a large weight", "a point with too little", "a collapsed point", "hot"):
        assert found[f"spare, {name}"] == start
    safe = found["spare, a safe point"]
    assert (safe.alpha, safe.temperature) == (0.3, 0.1)
    assert found["spare, warm"].temperature == 0.3
    kept = answer("spare, a weight")
    assert kept.recommended.alpha == 0.5
    assert kept.recommended.free_spread == pytest.approx(kept.wanted, abs=0.003)  # of fifty temperatures the nearest
    usual = recommend(Setting(**SPARE, alpha=0.3))
    assert (usual.recommended.alpha, usual.recommended.temperature) == (0.3, 0.1)


@pytest.mark.parametrize("end", [0, 1])
def test_a_weight_at_the_end_of_its_range_keeps_the_usual_temperature(end):
    alpha = answer("spare").alpha.safe[end]
    assert recommend(Setting(**SPARE, alpha=alpha)).recommended.temperature == USUAL


NETWORKS = [Network(rho, directions) for rho in (0.4, 0.7, 0.8, 0.9, 0.95, 0.99) for directions in (6, 40)]


def test_a_measured_network_may_go_as_warm_as_its_views_bear():
    """While they move the threshold by at most .05, and half of the supervised term is left."""
    seen = set()
    for setting in (
        Setting(**SPARE),
        Setting(classes=5, dim=32, batch_size=250, sampler="balanced"),
        SETTINGS["tight"],
    ):
        for network in NETWORKS:
            advice = recommend(setting, network=network)
            if advice.recommended is None:
                continue
            perfect, warm = Network(1.0, network.directions), USUAL
            for temperature in (0.15, 0.2, 0.3, 0.5):
                at = setting.with_(temperature=temperature)
                shift = alpha_for_free_spread(at, 0.0, network) - alpha_for_free_spread(at, 0.0, perfect)
                if shift <= 0.05 and alpha_for_free_spread(at, advice.wanted, network) <= 0.5:
                    warm = temperature
            assert advice.origin is NetworkOrigin.measured
            if advice.recommended.temperature != warm:  # the weights there end too early
                assert outlook_of(setting, network).best_weight(advice.wanted, warm) is None or warm == USUAL
                continue
            seen.add(warm)
            if warm != USUAL:
                needed = alpha_for_free_spread(setting.with_(temperature=USUAL), advice.wanted, network)
                note = advice.notes[0]
                assert note.code is (
                    Code.warmer_for_reliable_views if needed <= LARGEST_WEIGHT else Code.another_temperature
                )
                assert note.values == {"usual": USUAL, "temperature": warm, "weight": needed}
    assert seen == {0.1, 0.15, 0.2, 0.3, 0.5}


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in UNSAFE])
def test_the_plan_varies_the_spread_and_keeps_it_at_other_temperatures(name):
    advice, outlook = answer(name), outlook_of(SETTINGS[name])
    start, (low, high) = advice.recommended, advice.alpha.safe
    plan = {trial.purpose: trial.point for trial in advice.plan}
    order = [Purpose.start, Purpose.more_spread, Purpose.less_spread, Purpose.warmer, Purpose.colder]
    assert [trial.purpose for trial in advice.plan] == [purpose for purpose in order if purpose in plan]
    assert plan[Purpose.start] == start
    for purpose, end in ((Purpose.more_spread, high), (Purpose.less_spread, low)):
        near = abs(end - start.alpha) <= 0.05 * max(end, start.alpha)
        assert plan.get(purpose) == (None if near else outlook.point(end, start.temperature))
    for purpose, factor in ((Purpose.warmer, 2.0), (Purpose.colder, 0.5)):
        expected = None
        for other in (
            start.temperature * math.sqrt(factor),
            start.temperature * factor,
        ):  # the farther one if it can be
            safe, alpha = outlook.safe_weights(other), float(outlook.weight(start.free_spread, other))
            if safe is not None and safe[0] <= alpha <= safe[1]:
                expected = (alpha, other)
        found = plan.get(purpose)
        assert (found and (found.alpha, found.temperature)) == expected
        if found is not None:
            assert found.free_spread == pytest.approx(start.free_spread, rel=1e-6)


# -- the notes ------------------------------------------------------------------------------------------------------

COLD = [Code.fp16_underflow]
NOTES = {
    "spare": COLD,
    "spare, warm": [Code.less_than_wanted, Code.several_intervals],
    "spare, hot": [Code.temperature_moved, *COLD],
    "spare, a weight": [Code.fp16_overflow, *COLD, Code.several_intervals],
    "spare, a small weight": [Code.alpha_moved, *COLD],
    "spare, a large weight": [Code.alpha_moved, *COLD],
    "spare, a safe point": COLD,
    "spare, a point with too little": COLD,
    "spare, a collapsed point": [Code.both_moved, *COLD],
    "random": [Code.lonely_anchors, *COLD],
    "exact": [*COLD, Code.several_intervals],
    "tight": [Code.another_temperature, Code.less_than_wanted, Code.tight, Code.sampled_threshold],
    "crowded": [Code.another_temperature, Code.less_than_wanted, Code.crowded, Code.sampled_threshold],
    "unequal, few": [Code.out_of_reach, Code.unequal, Code.sampled_threshold, *COLD],
    "ssem": [Code.less_than_wanted, *COLD, Code.several_intervals],
    "l_spread": [Code.minimiser_only, *COLD],
    "bare": [Code.shared_directions, *COLD],
    "one view": [Code.one_view, *COLD],
    "a line": [Code.line, Code.tight, *COLD],
    "alone": [Code.all_alone, *COLD],
}


@pytest.mark.parametrize("name", NOTES)
def test_the_notes_are_those_that_the_answer_needs(name):
    assert codes(answer(name)) == NOTES[name]


def values(name, code):
    (found,) = [note.values for note in answer(name).notes if note.code is code]
    return found


def test_the_numbers_of_the_notes():
    for name, code, given in (
        ("spare, hot", Code.temperature_moved, (None, 1.5)),
        ("spare, a small weight", Code.alpha_moved, (0.05, None)),
        ("spare, a collapsed point", Code.both_moved, (0.05, 1.5)),
    ):
        assert values(name, code) == dict(zip(("alpha", "temperature"), given, strict=True))
    for name in ("tight", "crowded"):
        advice, outlook = answer(name), outlook_of(SETTINGS[name])
        assert values(name, Code.another_temperature) == {
            "usual": 0.1, "temperature": advice.recommended.temperature,
            "weight": outlook.weight(advice.wanted, 0.1),
        }  # fmt: skip
    for name in ("spare, warm", "tight", "crowded", "ssem"):
        advice = answer(name)
        assert values(name, Code.less_than_wanted) == {
            "wanted": advice.wanted, "free_spread": advice.recommended.free_spread,
        }  # fmt: skip
    tight = answer("tight").limits
    assert values("tight", Code.tight) == {"collapse_up_to": tight.collapse_up_to, "open_above": tight.open_above}
    assert values("crowded", Code.crowded) == {"dim": 9, "classes": 12}
    assert values("unequal, few", Code.unequal) == {}
    few = answer("unequal, few").limits
    assert values("unequal, few", Code.sampled_threshold) == {
        "error": few.error, "collapse_error": few.collapse_error, "kind": "local",
    }  # fmt: skip
    assert values("bare", Code.shared_directions) == {"beside": 29, "dim": 128, "classes": 100}
    assert values("l_spread", Code.minimiser_only) == {"loss": "l_spread"}
    lonely = values("random", Code.lonely_anchors)
    assert lonely["share"] == answer("random").lonely
    assert set(lonely) == {"share", "plain_network"}
    assert values("spare", Code.fp16_underflow) == {"span": 20.0}
    assert values("spare, a weight", Code.fp16_overflow) == {
        "inverse": 1 / answer("spare, a weight").recommended.temperature
    }


def test_what_is_out_of_reach_is_the_most_of_any_temperature():
    advice, outlook = answer("unequal, few"), outlook_of(SETTINGS["unequal, few"])
    reach = max(outlook.spread(LARGEST_WEIGHT, t) for t in (0.1, 0.15, 0.07, 0.2, 0.05, 0.3, 0.03, 0.02, 0.01))
    assert advice.notes[0].values == {"least": advice.safe_spread[0], "reach": reach, "dim": 4}


@pytest.mark.parametrize(
    ("temperature", "overflow", "underflow"),
    [(0.0901, True, True), (0.0902, False, True), (0.1204, False, True), (0.1205, False, False), (1e-3, True, True)],
)
def test_half_precision_ends_where_its_numbers_do(temperature, overflow, underflow):
    """The largest float16 is 65504, and exp(-16.6) is about its least."""
    notes = recommend(Setting(classes=100, batch_size=100, sampler="balanced", temperature=temperature)).notes
    found = {note.code: note.values for note in notes}
    assert (found.get(Code.fp16_overflow), found.get(Code.fp16_underflow)) == (
        {"inverse": 1 / temperature} if overflow else None,
        {"span": 2 / temperature} if underflow else None,
    )


@pytest.mark.parametrize(
    ("given", "code", "reason"),
    [
        ({"loss": "l_spread", "dim": 7}, Code.no_weight_known, None),
        ({"class_counts": (9, 8, 7, 6, 5, 4, 3, 40), "dim": 3}, Code.no_weight_known, None),
        ({"loss": "l_spread", "dim": 3}, Code.not_covered, "assumes: the loss is supcon or ssem"),
        ({"loss": "l_in", "dim": 64}, Code.not_covered, "away from collapse it is not convex"),
        ({"queue": 64, "dim": 64}, Code.not_covered, "the loss compares current embeddings"),
    ],
)
@pytest.mark.parametrize("network", [None, PERFECT, Network(0.8, 2.0)])
def test_why_there_is_nothing_to_recommend(given, code, reason, network):
    advice = recommend(Setting(classes=8, batch_size=64, **given), network=network)
    assert advice.recommended is None
    assert advice.notes[0].code is code
    if reason is None:
        assert advice.notes[0].values == {"temperature": USUAL, "dim": given["dim"], "classes": 8}
        assert Code.sampled_threshold not in codes(advice)  # there is no number to be off
    else:
        assert reason in advice.notes[0].values["reason"]


def test_a_temperature_at_which_no_weight_prevents_collapse_is_named():
    hot = recommend(Setting(classes=8, dim=3, batch_size=16, sampler="balanced", temperature=50.0))
    assert hot.notes[0].code is Code.no_weight_prevents
    assert hot.notes[0].values == {"temperature": 50.0, "threshold": hot.limits.open_above}
    assert hot.limits.open_above >= 1


@pytest.mark.parametrize(("batch", "lonely"), [(45, True), (46, False)])
def test_lonely_anchors_are_told_above_a_tenth(batch, lonely):
    advice = recommend(Setting(classes=20, dim=128, batch_size=batch))
    assert advice.lonely == pytest.approx(0.95 ** (batch - 1))
    assert (Code.lonely_anchors in codes(advice)) is lonely is (advice.lonely > 0.1)


def test_a_pilot_is_carried_over_to_the_spread_that_is_wanted():
    setting = Setting(**SPARE, temperature=0.1)
    usual = typical(setting).directions
    few, many = Network(0.6, usual - 4, (0.5, 0.7)), Network(0.6, usual + 4, (0.5, 0.7))
    for network, pilot, at, directions in (
        (few, 0.05, setting, usual),  # has not found its directions yet
        (few, 0.3, setting, usual - 4),
        (few, 0.3, setting.with_(temperature=None), usual),
        (many, 0.05, setting, usual + 4),
        (Network(0.6), 0.05, setting, None),
    ):
        advice = recommend(at, network=network, pilot=pilot)
        moved = network.at_spread(pilot, advice.wanted)
        assert advice.network == replace(moved, directions=directions)
        (note,) = [note for note in advice.notes if note.code is Code.pilot]
        assert note.values == {
            "measured_reliability": 0.6, "measured_spread": pilot, "reliability": moved.view_reliability,
            "wanted": advice.wanted, "temperature": at.temperature,
        }  # fmt: skip
    wanted = recommend(setting).wanted
    assert recommend(setting, network=few, pilot=wanted).network == few  # a pilot at the very spread
    assert recommend(setting, network=few).network == few
    assert Code.pilot not in codes(recommend(setting, network=few))
    assert recommend(setting, pilot=0.05).network == typical(setting)


# -- the alternatives -----------------------------------------------------------------------------------------------

CHANGES = {
    "spare": ["batch 100", "batch 400", "batch 800", "4 views"],
    "four views": ["batch 100", "batch 400", "batch 800", "2 views"],
    "random": ["batch 15", "batch 60", "batch 120", "balanced, 2 per class", "P x K = 7 x 4", "4 views"],
    "random of few": ["batch 10", "balanced, 5 per class", "4 views"],
    "exact": ["4 views"],
    "bare": ["batch 256", "batch 1024", "batch 2048", "balanced, 5 per class", "4 views"],
    "a line": ["batch 5", "batch 20", "batch 40", "balanced, 5 per class", "4 views"],
    "alone": ["batch 200", "batch 400", "4 views"],
    "crowded": [],
    "unequal": [],
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_alternative_is_what_recommend_would_say_of_it(name):
    advice = answer(name)
    assert [other.change for other in advice.alternatives] == CHANGES[name]
    for other in advice.alternatives:
        at = other.setting.with_(temperature=temperature_of(advice), alpha=None)
        if other.setting.sampler == advice.setting.sampler == "balanced" and "batch" in other.change:
            assert other.setting == advice.setting.with_(batch_size=int(other.change.split()[-1]))
        told = recommend(at, network=advice.network, free_spread=advice.wanted, safe_spread=advice.safe_spread)
        if told.temperature.recommended in (None, at.temperature):
            assert other.collapse_threshold == told.alpha.collapse_threshold
            assert (other.safe, other.recommended) == (told.alpha.safe, told.alpha.recommended)
        else:
            assert other.safe is other.recommended is None


def test_the_settings_of_the_alternatives():
    changed = {other.change: other.setting for other in answer("random").alternatives}
    setting = answer("random").setting
    assert changed == {
        "batch 15": setting.with_(batch_size=15),
        "batch 60": setting.with_(batch_size=60),
        "batch 120": setting.with_(batch_size=120),
        "balanced, 2 per class": setting.with_(sampler="balanced", batch_size=40),
        "P x K = 7 x 4": setting.with_(sampler="balanced", classes_per_batch=7, batch_size=28),
        "4 views": setting.with_(views=4),
    }
    for batch, expected in ((2, ["batch 4", "batch 8"]), (4, ["batch 2", "batch 8", "batch 16"]), (8, ["batch 4"])):
        few = recommend(Setting(classes=20, dim=64, batch_size=batch), alternatives=True)
        assert [other.change for other in few.alternatives][: len(expected)] == expected
    for classes, batch, change in ((20, 79, "P x K = 19 x 4"), (20, 8, "P x K = 2 x 4"), (3, 9, "P x K = 2 x 4")):
        found = recommend(Setting(classes=classes, dim=64, batch_size=batch), alternatives=True)
        assert change in [other.change for other in found.alternatives]
    for classes, batch in ((20, 80), (2, 4)):
        found = recommend(Setting(classes=classes, dim=64, batch_size=batch), alternatives=True)
        assert not [other for other in found.alternatives if "P x K" in other.change]
    assert recommend(setting).alternatives == ()


# -- the outlook ----------------------------------------------------------------------------------------------------


def test_codes_are_words_that_json_and_users_read():
    assert all(code.value == code.name.replace("_", "-") for code in Code)
    for words in (State, Purpose, NetworkOrigin, Basis):
        assert all(word.value == word.name.replace("_", " ") for word in words)


def test_an_answer_cannot_be_changed():
    advice = answer("spare")
    parts = (advice, advice.alpha, advice.recommended, advice.plan[0], advice.alternatives[0], advice.notes[0],
             outlook_of(SETTINGS["spare"]))  # fmt: skip
    for part in parts:
        assert is_dataclass(part)
        with pytest.raises(FrozenInstanceError):
            setattr(part, fields(part)[0].name, None)


def test_the_safe_temperatures_may_end_at_the_threshold():
    """Where collapse stays a minimum although a perfect network would spread enough at the optimum."""
    setting = SETTINGS["tight"].with_(alpha=0.5)
    advice = recommend(setting, network=PERFECT, safe_spread=(0.001, 0.9), free_spread=0.1)
    high = advice.temperature.safe[1]
    assert outlook_of(setting, PERFECT).spread(0.5, high) > 0.01
    ends = [collapse_limits(setting.with_(temperature=high * factor)).open_above for factor in (1, 1.001)]
    assert ends[0] < 0.5 <= ends[1]


def test_beyond_the_largest_weight_no_temperature_is_safe():
    outlook = outlook_of(SETTINGS["spare"])
    assert outlook.safe_temperatures(LARGEST_WEIGHT, 0.1)[0] is not None
    assert outlook.safe_temperatures(math.nextafter(LARGEST_WEIGHT, 1), 0.1) == (None, True)
    assert outlook.safe_temperatures(1e-6, 0.1) == (None, True)
    for name in ("one view", "a line"):
        assert outlook_of(SETTINGS[name]).safe_temperatures(0.5, 0.1) == (None, True)


def test_why_nothing_is_covered_is_told():
    crowded = outlook_of(Setting(classes=8, dim=3, loss="l_spread", batch_size=64))
    assert crowded.why_not_covered is None
    assert "assumes: the loss is supcon or ssem" in crowded.why_no_limits(0.1)
    assert crowded.limits(0.1) is crowded.threshold(0.1) is None
    assert crowded.point(0.5, 0.1).state is State.not_covered
    queue = outlook_of(Setting(**SPARE, queue=64))
    assert "the loss compares current embeddings" in queue.why_not_covered
    assert queue.why_no_limits(0.1) == ""
    assert queue.safe_weights(0.1) is queue.best_weight(0.2, 0.1) is None
    assert queue.safe_temperatures(0.5, 0.1) == (None, True)
    assert queue.point(0.5, 0.1).state is State.not_covered
    spare = outlook_of(SETTINGS["spare"])
    assert (spare.why_not_covered, spare.why_no_limits(0.1)) == (None, "")
    assert isinstance(spare, Outlook)


def test_the_search_for_the_last_open_temperature_ends_where_a_step_is_rounded(monkeypatch):
    """4.196.. over its 1.04th part is more than 1.04 in floating point: one step, and no further question."""
    asked = []

    def margin(outlook, alpha, temperature):
        asked.append(temperature)
        assert len(asked) < 50
        return 1.0 if temperature < 4.1 else -1.0

    monkeypatch.setattr(Outlook, "_margin", margin)
    outlook = outlook_of(Setting(class_counts=(5, 3, 2), dim=4, sampler="full"))
    assert outlook.by_class
    high = 4.196010979529736
    assert high / (high / 1.04) > 1.04
    assert outlook._open_end(0.5, 4.0, 1.0, high) == high / 1.04
