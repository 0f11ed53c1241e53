"""The verdicts, on records made up from the theory and bent away from it."""

import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from ssem_advisor import Setting, class_openings, collapse_threshold, optimal_variance
from ssem_advisor.experiments import claims, curves
from ssem_advisor.experiments.claims import judge_claims
from ssem_advisor.experiments.curves import points_of, read_threshold
from ssem_advisor.experiments.intervals import Interval, Outcome, overall
from ssem_advisor.experiments.protocol import Protocol, alphas_around
from ssem_advisor.experiments.record import Record
from ssem_advisor.theory.network import Network, expected_free_spread, typical

CONFIRMED, REFUTED, UNDECIDED = Outcome.CONFIRMED, Outcome.REFUTED, Outcome.UNDECIDED
NOT_TESTED, NOT_TRAINED = Outcome.NOT_TESTED, Outcome.NOT_TRAINED

SETTING = Setting(classes=5, dim=32, temperature=0.5, batch_size=250, sampler="balanced", instances_per_class=287)
ALPHAS = (0.0, 0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
ADVISED = 0.5


RELIABILITY, DIRECTIONS = 0.85, 14.0


def records(free, noise=0.002, seeds=3, gain=0.2, sham=0.0, **changes):
    """What a run would write if networks reached the free spread `free(alphas)`."""
    generator = np.random.default_rng(0)
    reached = free(np.array(ALPHAS))
    return [
        Record(**{
            "suite": "digits", "problem": "supcon, balanced", "alpha": alpha, "temperature": 0.5, "seed": seed,
            "recommended": alpha == ADVISED, "setting": SETTING, "mean": 0.02, "confusion": 0.03,
            "variance": max(float(v), 0.0) / RELIABILITY + 0.05, "reliability": RELIABILITY,
            "free_spread": max(float(v + noise * generator.normal()), 1e-4), "effective_dim": DIRECTIONS,
            "probe_fine": 0.7 + gain * (alpha > 0.3) + 0.01 * generator.normal(),
            "probe_shuffled": 0.5 + sham * (alpha > 0.3) + 0.005 * generator.normal(), "seconds": 1.0,
        } | changes)
        for seed in range(seeds)
        for alpha, v in zip(ALPHAS, reached, strict=True)
    ]  # fmt: skip


def truth(alphas):
    return expected_free_spread(SETTING.with_(alpha=alphas), Network(RELIABILITY, DIRECTIONS))


def verdicts(found):
    return {c.number: c.verdict for c in judge_claims(Protocol.default("digits"), found)}


def test_networks_that_do_as_predicted_confirm_everything():
    claims = judge_claims(Protocol.default("digits"), records(truth))
    assert [c.verdict for c in claims] == [CONFIRMED] * 5
    assert all(c.control_failed for c in claims)


def test_networks_that_never_collapse_refute():
    found = verdicts(records(lambda a: 0.2 + 0.5 * a))
    assert found[1] == found[4] == REFUTED


def test_networks_that_always_collapse_refute():
    found = verdicts(records(lambda a: 0 * a + 0.001))
    assert found[1] == found[2] == REFUTED


def test_a_shifted_threshold_refutes_claim_five():
    shifted = records(lambda a: truth(np.clip(a - 0.35, 0, 1)), noise=0.0005)
    assert verdicts(shifted)[5] == REFUTED


def unequal(shift, counts=(60, 30, 10)):
    """What networks would write whose classes open as predicted, the later ones `shift` further on."""
    setting = Setting(class_counts=list(counts), sampler="full", temperature=0.5, dim=32)
    alphas = np.linspace(0, 1, 13)
    openings = class_openings(setting) + np.array([0.0, *[shift] * (len(counts) - 1)])
    return [
        Record(
            suite="synthetic", problem="unequal", alpha=alpha, temperature=0.5, seed=seed, recommended=False,
            setting=setting, variance=0.0, reliability=1.0, seconds=1.0,
            free_per_class=tuple(max(0.9 * (alpha - a), 1e-4) + 1e-5 * seed for a in openings),
        )
        for seed in range(3)
        for alpha in alphas
    ]  # fmt: skip


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, CONFIRMED), (0.2, REFUTED), (-0.2, REFUTED)])
def test_later_classes_open_where_they_open_at_the_minimum(shift, verdict):
    claim = judge_claims(Protocol.default("synthetic"), unequal(shift))[4]
    assert claim.verdict == verdict
    assert claim.control_failed


def test_a_class_of_one_is_left_out():
    found = [replace(r, free_per_class=(*r.free_per_class, 0.0)) for r in unequal(0.0)]
    setting = found[0].setting.with_(class_counts=[60, 30, 10, 1], classes=None)
    claim = judge_claims(Protocol.default("synthetic"), [replace(r, setting=setting) for r in found])[4]
    assert len([c for c in claim.checks if not c.control]) == 3
    assert 0 < min(alphas_around(setting)[1:]) < 1


def test_of_many_classes_later_ones_only_open_no_earlier(monkeypatch):
    monkeypatch.setattr(curves, "MOST_OPENINGS", 2)
    protocol = Protocol.default("synthetic")
    assert judge_claims(protocol, unequal(0.2))[4].verdict == CONFIRMED
    assert judge_claims(protocol, unequal(-0.2))[4].verdict == REFUTED


def test_noise_leaves_it_open():
    assert verdicts(records(truth, noise=0.2))[1] == UNDECIDED


def test_one_seed_leaves_everything_open():
    assert set(verdicts(records(truth, seeds=1)).values()) == {UNDECIDED}


def test_a_gain_on_shuffled_labels_voids_the_probe():
    claim = judge_claims(Protocol.default("digits"), records(truth, sham=0.2))[2]
    assert claim.verdict == UNDECIDED
    assert claim.control_failed is False


def test_a_loss_of_probe_accuracy_refutes_claim_three():
    assert verdicts(records(truth, gain=-0.2))[3] == REFUTED


def test_without_fine_labels_claim_three_is_not_tested():
    bare = records(truth, probe_fine=None, probe_shuffled=None)
    assert verdicts(bare)[3] == NOT_TESTED


def test_nothing_run_is_undecided():
    assert set(verdicts([]).values()) == {UNDECIDED}


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([CONFIRMED, NOT_TESTED], CONFIRMED),
        ([CONFIRMED, UNDECIDED], UNDECIDED),
        ([UNDECIDED, REFUTED], REFUTED),
        ([NOT_TESTED], UNDECIDED),
    ],
)
def test_overall(parts, whole):
    assert overall(parts) == whole


def test_interval_is_student_s():
    interval = Interval.of([1.0, 2.0, 3.0])
    assert interval.mean == 2.0
    assert interval.high - 2.0 == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
    assert interval.side(-1.0) == CONFIRMED
    assert interval.side(6.0) == REFUTED
    assert interval.side(2.5) == UNDECIDED
    assert Interval.of([1.0]).to_dict()["low"] is None


@pytest.mark.parametrize("temperature", [0.4, 0.5, 1.0])
def test_threshold_is_read_off_the_exact_curve(temperature):
    setting = SETTING.with_(temperature=temperature)
    alphas = np.linspace(0, 1, 11)
    values = optimal_variance(setting.with_(alpha=alphas))
    assert read_threshold(alphas, values, 1e-4) == pytest.approx(collapse_threshold(setting), abs=0.03)


def test_no_threshold_in_a_flat_curve():
    assert read_threshold(np.linspace(0, 1, 9), np.full(9, 0.001)) is None


def test_points_put_predictions_beside_measurements():
    (point,) = [p for p in points_of(records(truth)) if p.alpha == 0.6]
    assert point.measured["free_spread"].mean == pytest.approx(point.estimate.mean, abs=0.01)
    assert point.estimate.mean < point.optimum
    assert point.typical == pytest.approx(expected_free_spread(SETTING.with_(alpha=0.6), typical(SETTING)))
    assert point.measured["free_spread"].seeds == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mean": 0.9987}, "every embedding is still at one point"),
        ({"steps": 12}, "fewer than 100 updates"),
        ({"losses": tuple(6.2 - 0.05 * i for i in range(20))}, "the loss was still falling"),
    ],
)
def test_runs_that_have_not_begun_are_no_evidence(changes, reason):
    claims = judge_claims(Protocol.default("digits"), records(truth, **changes))
    assert {c.verdict for c in claims} == {NOT_TRAINED}
    assert all(reason in c.summary and "27 of 27" in c.summary for c in claims)


@pytest.mark.parametrize(("variance", "reason"), [(0.039, None), (0.041, "every embedding is still at one point")])
def test_two_classes_a_temperature_apart_are_trained_though_close_to_one_point(variance, reason):
    """Of 0.09 that the mean leaves, 0.05 between two classes are similarities of +0.05 and -0.05: 0.1 apart."""
    setting = Setting(classes=2, dim=64, temperature=0.1, batch_size=62, sampler="balanced")
    run = replace(records(truth)[0], setting=setting, alpha=0.0, temperature=0.1, mean=0.91, variance=variance)
    assert run.why_untrained() == reason


def test_untrained_runs_among_trained_ones_are_left_out_and_counted():
    found = records(truth)
    found[0] = replace(found[0], mean=0.999)
    claims = judge_claims(Protocol.default("digits"), found)
    assert "1 of 27 runs left out" in claims[0].summary
    assert claims[3].verdict == UNDECIDED  # the curve has a hole


def test_view_noise_and_confusion_are_no_spread():
    """Variance far above the level whose free part is nothing: collapsed, at every weight."""
    found = verdicts(records(lambda a: 0 * a + 0.004, variance=0.5, confusion=0.3))
    assert found[1] == found[2] == REFUTED


def test_collapse_is_relative_to_what_the_common_mean_leaves():
    """A free spread of .03 is nothing of a whole sphere, and a third of what a mean of .9 leaves."""
    assert verdicts(records(lambda a: 0 * a + 0.03, noise=0.001))[2] == REFUTED
    assert verdicts(records(lambda a: 0 * a + 0.03, noise=0.001, mean=0.9, temperature=0.05))[2] != REFUTED


def test_a_record_comes_back_from_its_line():
    record = records(truth)[5]
    assert Record.from_dict(json.loads(json.dumps(record.to_dict()))) == record


# -- curves made by hand: every claim at both sides of each of its limits --------------------------------------------

WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def run(alpha, seed=0, **fields):
    """A training of which only the probes are looked at."""
    known = {"suite": "digits", "problem": "made", "temperature": 0.1, "recommended": False, "setting": SETTING}
    return Record(
        **known | {"alpha": alpha, "seed": seed, "variance": 0.1, "reliability": 1.0, "seconds": 1.0} | fields
    )


def curve(
    alphas=WEIGHTS, share=None, free=None, expected=None, expected_wrong=None, threshold=0.3, wrong=0.9, **fields
):
    """A curve of two seeds that measured the same, unless two rows are given."""

    def rows(values):
        return None if values is None else np.array(values if np.ndim(values) == 2 else [values] * 2, dtype=float)

    alphas = np.array(alphas)
    nothing = [0.0] * len(alphas)
    return curves.Curve(**{
        "name": "made", "alphas": alphas, "free": rows(nothing if free is None else free),
        "share": rows(nothing if share is None else share), "threshold": threshold, "wrong": wrong,
        "expected": rows(expected), "expected_wrong": rows(expected_wrong), "records": [],
    } | fields)  # fmt: skip


@pytest.fixture
def judged(monkeypatch):
    """The claims on curves made by hand."""

    def judge(*made, suite="digits", stretch=1.0):
        monkeypatch.setattr(claims, "curves_of", lambda trained: list(made))
        found = judge_claims(Protocol.default(suite), [run(0.0)], stretch)
        assert [claim.number for claim in found] == [1, 2, 3, 4, 5]
        return {claim.number: claim for claim in found}

    return judge


def told(claim, control=False):
    return [(check.what, check.verdict) for check in claim.checks if check.control is control]


def test_collapse_is_asked_up_to_the_threshold_and_clearly_above_it(judged):
    nan = np.nan
    made = curve(
        alphas=(0.0, 0.3, 0.31, 0.4, 0.5, 0.6), threshold=0.3, wrong=0.45,
        share=[[0.0, 0.049, 0.2, 0.051, 0.051, nan]] * 2,
        expected=[[0.5, 0.5, nan, 0.099, 0.15, 0.9], [0.5, 0.5, 0.09, 0.0999, 0.05, 0.9]],  # .5: a mean of .1
        expected_wrong=[0.0, 0.0, 0.0, 0.0, 0.0, 0.9],
    )  # fmt: skip
    claim = judged(made)[1]
    assert told(claim) == [
        ("alpha 0 collapsed", CONFIRMED),
        ("alpha 0.3 collapsed", CONFIRMED),
        ("alpha 0.5 spread", CONFIRMED),
    ]
    assert told(claim, control=True) == [
        ("alpha 0 collapsed", CONFIRMED),
        ("alpha 0.3 collapsed", CONFIRMED),
        ("alpha 0.31 collapsed", REFUTED),
        ("alpha 0.4 collapsed", REFUTED),
    ]
    assert (claim.verdict, claim.control_failed, claim.checks[0].curve) == (CONFIRMED, True, "made")
    assert claim.summary == (
        "2 points at or below the threshold, 1 clearly above it; collapsed means a free spread, relative to what the "
        "common mean leaves, below 0.05"
    )
    assert claim.control == "the threshold of a temperature 5 times too high, by the same test"


@pytest.mark.parametrize(("suite", "level"), [("digits", 0.05), ("embeddings", 1e-4)])
def test_below_the_level_is_collapsed_and_above_it_is_not(judged, suite, level):
    for factor, collapsed in ((0.98, CONFIRMED), (1.0, UNDECIDED), (1.02, REFUTED)):
        values = [0.0, factor * level, factor * level]
        runs = [run(0.5, recommended=True)]
        made = curve(alphas=(0.0, 0.2, 0.5), share=values, expected=[0.0, 0.0, 0.9], records=runs)
        found = judged(made, suite=suite)
        assert told(found[1])[1:] == [("alpha 0.2 collapsed", collapsed), ("alpha 0.5 spread", collapsed.opposite)]
        assert told(found[2]) == [("alpha 0.5 not collapsed", collapsed.opposite)]
    assert ("a variance below 0.0001" in found[1].summary) is (suite == "embeddings")


def test_of_unequal_classes_a_distance_from_the_threshold_is_clear(judged):
    made = curve(alphas=(0.2, 0.25, 0.39, 0.4), share=[0.0, 0.0, 0.0, 0.2], threshold=0.25, wrong=0.25)
    claim = judged(made)[1]
    asked = [("alpha 0.2 collapsed", CONFIRMED), ("alpha 0.25 collapsed", CONFIRMED), ("alpha 0.4 spread", CONFIRMED)]
    assert told(claim) == told(claim, control=True) == asked
    assert claim.verdict == UNDECIDED
    assert claim.summary.endswith("; the negative control did not fail, so the test cannot tell")
    assert claim.control_failed is False


def test_a_stretch_widens_every_interval(judged, monkeypatch):
    runs = [run(a, seed, recommended=a > 0, probe_fine=0.7 + a / 4 + seed * a / 50, probe_shuffled=0.5 + seed * a / 90)
            for a in (0.0, 0.8) for seed in (0, 1)]  # fmt: skip
    free = [np.maximum(np.array(WEIGHTS) - at, 0.0) for at in (0.30, 0.31)]
    rows = [[0.01, 0.01, 0.01, 0.3, 0.3, 0.3], [0.02, 0.02, 0.02, 0.35, 0.35, 0.35]]
    made = curve(share=rows, free=free, expected=rows, expected_wrong=[0.9] * 6, wrong=0.6, records=runs)
    once, twice = judged(made), judged(made, stretch=2.0)
    monkeypatch.setattr(claims, "curves_of", lambda trained: [made])
    assert judge_claims(Protocol.default("digits"), runs) == list(once.values())  # none unless asked for
    for number, claim in once.items():
        assert len(claim.checks) == len(twice[number].checks) >= 2, number
        for check, wider in zip(claim.checks, twice[number].checks, strict=True):
            one, two = check.interval, wider.interval
            assert (one.mean, one.seeds) == (two.mean, two.seeds)
            assert one.high > one.mean
            assert two.high - two.mean == pytest.approx(2 * (one.high - one.mean))


def test_what_is_recommended_is_held_against_no_self_supervised_term(judged):
    runs = [run(0.4, recommended=True), run(0.2, 1, recommended=True), run(0.4, 1, recommended=True), run(0.8)]
    alphas, share = (0.0, 0.2, 0.4, 0.8), [0.01, 0.04, 0.06, 0.9]
    advised, other = (curve(alphas, share, records=found) for found in (runs, [run(0.4)]))
    found = judged(advised, replace(other, name="not advised"))[2]
    assert told(found) == [("alpha 0.2 not collapsed", REFUTED), ("alpha 0.4 not collapsed", CONFIRMED)]
    assert told(found, control=True) == [("alpha 0 not collapsed", REFUTED)]
    assert {check.curve for check in found.checks} == {"made"}
    assert (found.verdict, found.summary) == (REFUTED, "recommended alpha 0.2, 0.4")
    assert found.control == "no self-supervised term (alpha 0), by the same test"
    exact = judged(curve(alphas, [0.0, *share[1:]], records=runs), suite="embeddings")[2]
    assert (exact.verdict, exact.summary) == (CONFIRMED, "2 recommended settings")


@pytest.mark.parametrize("without", ["alpha 0", "a run at alpha 0"])
def test_a_recommendation_without_its_control_confirms_nothing(judged, without):
    alphas, first = ((0.1, 0.4), 0.01) if without == "alpha 0" else ((0.0, 0.4), np.nan)
    found = judged(curve(alphas=alphas, share=[first, 0.3], records=[run(0.4, recommended=True)]))[2]
    assert (told(found), told(found, control=True)) == ([("alpha 0.4 not collapsed", CONFIRMED)], [])
    assert (found.verdict, found.control_failed) == (UNDECIDED, False)


def probes(gain, sham, **fields):
    """Two seeds at alpha 0 and at a recommended weight, and runs that must not count."""
    return [
        *(run(0.0, seed, probe_fine=0.5, probe_shuffled=0.4, **fields) for seed in (0, 1)),
        *(run(0.4, s, recommended=True, probe_fine=0.5 + gain, probe_shuffled=0.4 + sham, **fields) for s in (0, 1)),
        run(0.6, 0, probe_fine=0.0, probe_shuffled=0.0, **fields),  # not recommended
        run(0.4, 2, recommended=True, probe_fine=0.0, probe_shuffled=0.0, **fields),  # nothing at alpha 0 to hold it to
        run(0.0, 3, probe_shuffled=0.4, **fields),
        run(0.4, 3, recommended=True, probe_fine=0.0, probe_shuffled=0.0, **fields),
    ]


@pytest.mark.parametrize(
    ("gain", "sham", "verdict", "control"),
    [
        (0.25, 0.124, CONFIRMED, REFUTED),
        (0.25, 0.126, UNDECIDED, CONFIRMED),
        (0.001, 0.0, CONFIRMED, REFUTED),
        (-0.001, -0.25, REFUTED, REFUTED),
        (0.0, -0.25, UNDECIDED, REFUTED),
    ],
)
def test_the_probe_gains_over_alpha_0_and_less_than_half_of_it_on_shuffled_labels(judged, gain, sham, verdict, control):
    runs = probes(gain, sham)
    claim = judged(curve(records=runs), curve(records=runs, name="another class of the same runs"))[3]
    ((what, _),) = told(claim)
    assert what == "gain over alpha 0"
    assert told(claim, control=True) == [("more than half the gain on shuffled labels", control)]
    assert claim.verdict == verdict
    assert claim.checks[0].curve == "temperature 0.1"
    assert claim.checks[0].interval.mean == pytest.approx(gain)
    assert claim.checks[1].interval.mean == pytest.approx(sham)
    shown = f"probe of the fine labels, alpha 0 -> recommended: 0.500 -> {0.5 + gain:.3f}"
    assert claim.summary.partition(";")[0] == shown
    assert claim.control == "the same gain, at least half of it, on fine labels shuffled within their class"


@pytest.mark.parametrize("part", ["probe_fine", "probe_shuffled"])
def test_a_missing_probe_leaves_the_claim_open(judged, part):
    runs = [replace(r, **{part: None}) if r.alpha == 0.4 and r.seed == 0 else r for r in probes(0.25, 0.0)]
    assert judged(curve(records=runs))[3].verdict == UNDECIDED


def test_alpha_0_is_no_gain_over_itself(judged):
    alone = [run(0.0, seed, recommended=True, probe_fine=0.5, probe_shuffled=0.4) for seed in (0, 1)]
    assert judged(curve(records=alone))[3].verdict == NOT_TESTED
    other = judged(curve(records=alone), curve(records=probes(0.2, 0.0, temperature=0.5)))[3]
    assert [check.curve for check in other.checks] == ["temperature 0.5"] * 2


@pytest.mark.parametrize(("suite", "tolerance"), [("digits", 0.05), ("embeddings", 1e-4)])
def test_the_spread_follows_within_the_tolerance(judged, suite, tolerance):
    """The mean distance over the weights; of free embeddings the largest."""
    exact = suite == "embeddings"
    for factor, verdict in ((0.98, CONFIRMED), (1.02, REFUTED)):
        far = factor * tolerance
        free = [0.5 - far if exact else 0.5 - 1.5 * far, 0.5 + (0.2 if exact else 0.5) * far]
        made = curve(alphas=(0.4, 0.6), free=free, expected=[0.5, 0.5], expected_wrong=[0.1, 0.1])
        claim = judged(made, curve(), suite=suite)[4]  # without theory nothing is asked
        assert told(claim) == [("error of the free spread", verdict)]
        assert told(claim, control=True) == [("error of the free spread", REFUTED)]
        assert claim.checks[0].interval.mean == pytest.approx(far)
        made_with = "largest error" if exact else "made with the measured view reliability and directions; mean error"
        assert claim.summary == f"{made_with} {far:.2g} at worst, {tolerance:g} allowed"
        assert claim.control == "the estimate for a temperature 5 times too high, by the same test"


def test_the_worst_curve_is_told(judged):
    made = [curve(alphas=(0.4, 0.6), free=[0.5, 0.5 + far], expected=[0.5, 0.5]) for far in (0.02, 0.06, 0.04)]
    assert "mean error 0.03 at worst" in judged(*made)[4].summary


def test_a_hole_in_the_curve_leaves_open_whether_it_follows(judged):
    nan = np.nan
    near, far = [[0.5, nan], [0.5, 0.51]], [[0.7, nan], [0.7, 0.7]]
    wrong = [0.1, 0.1]
    for free, verdict in ((near, UNDECIDED), (far, REFUTED)):
        made = curve(alphas=(0.4, 0.6), free=free, expected=[0.5, 0.5], expected_wrong=wrong)
        assert judged(made)[4].verdict == verdict
    empty_seed = [[nan, nan], [0.5, 0.5], [0.5, 0.5]]
    made = curve(alphas=(0.4, 0.6), free=empty_seed, expected=[[0.5, 0.5]] * 3, expected_wrong=[wrong] * 3)
    assert judged(made)[4].checks[0].interval.seeds == 2
    nothing = curve(alphas=(0.4, 0.6), free=[nan, nan], expected=[0.5, 0.5], expected_wrong=wrong)
    claim = judged(nothing)[4]
    assert (claim.verdict, claim.summary) == (NOT_TESTED, "this suite has nothing to test it on")


def opening(*at, steep=1.0, **fields):
    """A curve whose free spread leaves zero at these weights, a seed each."""
    return curve(free=[steep * np.maximum(np.array(WEIGHTS) - a, 0.0) for a in at], **fields)


@pytest.mark.parametrize(
    ("predicted", "at_least", "verdict"),
    [
        (0.399, False, CONFIRMED),
        (0.401, False, REFUTED),
        (0.201, False, CONFIRMED),
        (0.199, False, REFUTED),
        (0.1, True, CONFIRMED),
        (0.399, True, CONFIRMED),
        (0.401, True, REFUTED),
    ],
)
def test_the_threshold_read_off_lies_within_a_tenth(judged, predicted, at_least, verdict):
    claim = judged(opening(0.3, 0.3, threshold=predicted, wrong=0.6, at_least=at_least))[5]
    bound = ">= " if at_least else ""
    assert told(claim) == [(f"predicted {bound}{predicted:.3f}", verdict)]
    assert told(claim, control=True) == [(f"predicted {bound}0.600", REFUTED)]
    assert claim.summary == f"read off: 0.300 (predicted {bound}{predicted:.3f}); within 0.1 asked"
    assert claim.control == "the threshold of a temperature 5 times too high, by the same test"


def test_a_wide_interval_leaves_the_threshold_open(judged):
    """Read off at .2995 and .3005, so that half the interval is .0064."""
    half = 12.7062 * 0.0005
    for distance, verdict in ((0.1 - 1.1 * half, CONFIRMED), (0.1, UNDECIDED), (0.1 + 1.1 * half, REFUTED)):
        assert told(judged(opening(0.2995, 0.3005, threshold=0.3 + distance))[5])[0][1] == verdict


def test_a_threshold_exactly_a_tenth_away_is_near(judged):
    """Where the curve leaves zero in a jump, the last weight before it is read off: .2 as it is written."""
    jump = curve(free=[0.0, 0.0, 0.5, 0.55, 0.6, 0.6], threshold=0.1)
    assert told(judged(jump)[5]) == [("predicted 0.100", CONFIRMED)]


def test_a_threshold_is_read_where_there_is_one_to_read(judged):
    assert told(judged(opening(0.8, 0.8, threshold=0.949))[5]) == []  # fewer than two weights above
    assert told(judged(opening(0.5, 0.5, threshold=0.949))[5]) == [("predicted 0.949", REFUTED)]
    assert judged(opening(0.5, 0.5, threshold=0.95))[5].verdict == NOT_TESTED  # no weight lies clearly above
    faint = opening(0.3, 0.3, steep=0.003)
    assert (told(judged(faint)[5]), told(judged(faint, suite="embeddings")[5])) == (
        [],
        [("predicted 0.300", CONFIRMED)],
    )
    hole = opening(0.3, 0.3, 0.5)
    hole.free[2, 3] = np.nan
    assert judged(hole)[5].checks[0].interval.seeds == 2


@pytest.mark.parametrize("number", [4, 5])
def test_the_first_four_thresholds_are_shown(judged, number):
    summary = judged(*(opening(0.3, 0.3, threshold=0.3 + i / 100) for i in range(number)))[5].summary
    shown = ", ".join(f"0.300 (predicted 0.{30 + i}0)" for i in range(4))
    assert summary.startswith(f"read off: {shown}{', ...' if number > 4 else ''}; within 0.1 asked")


def test_a_claim_as_json_says_all_of_it(judged):
    shown = judged(opening(0.3, 0.3, threshold=0.31))[5].to_dict()
    interval = {"mean": pytest.approx(0.3), "low": pytest.approx(0.3), "high": pytest.approx(0.3), "seeds": 2}
    assert shown == {
        "number": 5,
        "title": "the threshold read off the training lies near the predicted one",
        "verdict": "confirmed",
        "summary": "read off: 0.300 (predicted 0.310); within 0.1 asked",
        "control": "the threshold of a temperature 5 times too high, by the same test",
        "control_failed": True,
        "checks": [
            {"curve": "made", "what": "predicted 0.310", "verdict": "confirmed", **interval},
            {"curve": "made", "what": "predicted 0.900", "verdict": "refuted", **interval, "control": True},
        ],
    }
    with pytest.raises(FrozenInstanceError):
        judged(curve())[1].number = 2
    with pytest.raises(FrozenInstanceError):
        judged(opening(0.3, 0.3))[5].checks[0].control = True


def test_every_outcome_that_a_suite_can_have_has_its_exit_code():
    assert {outcome.word: code for outcome, code in claims.EXIT_CODES.items()} == {
        "confirmed": 0, "refuted": 1, "undecided": 3, "not trained": 3,
    }  # fmt: skip


def test_what_was_left_out_is_counted_by_reason():
    found = records(truth)
    found[0], found[3] = replace(found[0], mean=0.999), replace(found[3], mean=0.999)
    found[5] = replace(found[5], steps=12)
    reasons = (
        "2 of 27 runs left out: every embedding is still at one point; 1 of 27 runs left out: fewer than 100 updates"
    )
    for claim in judge_claims(Protocol.default("digits"), found):
        assert claim.summary.endswith(f"; {reasons}")
    (claim, *_), nothing = judge_claims(Protocol.default("digits"), records(truth)), []
    assert "left out" not in claim.summary
    assert [c.summary for c in judge_claims(Protocol.default("digits"), nothing)] == ["no run finished"] * 5
    assert [c.number for c in judge_claims(Protocol.default("digits"), nothing)] == [1, 2, 3, 4, 5]
    assert [c.number for c in judge_claims(Protocol.default("digits"), records(truth, steps=3))] == [1, 2, 3, 4, 5]
