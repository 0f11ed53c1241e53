"""The verdicts, on records made up from the theory and bent away from it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ssem_advisor import Setting, class_openings, collapse_threshold, optimal_variance
from ssem_advisor.experiments import curves
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
