"""The verdicts, on records made up from the theory and bent away from it."""

import numpy as np
import pytest

from ssem_advisor import Setting, class_openings, collapse_threshold, expected_variance, optimal_variance
from ssem_advisor.experiments import claims as claims_module
from ssem_advisor.experiments.claims import (
    CONFIRMED,
    NOT_TESTED,
    REFUTED,
    UNDECIDED,
    Interval,
    judge,
    overall,
    points,
    read_threshold,
)
from ssem_advisor.experiments.protocol import Protocol, alphas_around

SETTING = Setting(classes=5, dim=32, temperature=0.5, batch_size=250, sampler="balanced", instances_per_class=287)
ALPHAS = (0.0, 0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
ADVISED = 0.5


def records(variance, noise=0.002, seeds=3, gain=0.2, sham=0.0):
    """What a run would write if networks reached `variance(alphas)`."""
    generator = np.random.default_rng(0)
    setting = {"classes": 5, "dim": 32, "batch_size": 250, "sampler": "balanced", "instances_per_class": 287}
    reached = variance(np.array(ALPHAS))
    return [
        {
            "suite": "digits", "problem": "supcon, balanced", "alpha": alpha, "temperature": 0.5, "seed": seed,
            "recommended": alpha == ADVISED, "setting": setting | {"temperature": 0.5, "loss": "supcon", "views": 2},
            "variance": max(float(v + noise * generator.normal()), 1e-4), "reliability": 0.95, "effective_dim": 20.0,
            "probe_fine": 0.7 + gain * (alpha > 0.3) + 0.01 * generator.normal(),
            "probe_shuffled": 0.5 + sham * (alpha > 0.3) + 0.005 * generator.normal(), "seconds": 1.0,
        }
        for seed in range(seeds)
        for alpha, v in zip(ALPHAS, reached, strict=True)
    ]  # fmt: skip


def truth(alphas):
    return expected_variance(SETTING.with_(alpha=alphas))


def verdicts(found):
    return {c.number: c.verdict for c in judge(Protocol.default("digits"), found)}


def test_networks_that_do_as_predicted_confirm_everything():
    claims = judge(Protocol.default("digits"), records(truth))
    assert [c.verdict for c in claims] == [CONFIRMED] * 5
    assert all(c.control_failed for c in claims)


def test_networks_that_never_collapse_refute():
    found = verdicts(records(lambda a: 0.2 + 0.5 * a))
    assert found[1] == REFUTED
    assert found[4] == REFUTED


def test_networks_that_always_collapse_refute():
    found = verdicts(records(lambda a: 0 * a + 0.001))
    assert found[1] == found[2] == REFUTED


def test_a_shifted_threshold_refutes_claim_five():
    shifted = records(lambda a: truth(np.clip(a - 0.25, 0, 1)))
    assert verdicts(shifted)[5] == REFUTED


def unequal(shift, counts=(60, 30, 10)):
    """What networks would write whose classes open as predicted, the later ones `shift` further on."""
    setting = {"class_counts": list(counts), "sampler": "full", "temperature": 0.5, "loss": "supcon", "dim": 32}
    alphas = np.linspace(0, 1, 13)
    openings = class_openings(Setting(**setting)) + np.array([0.0, *[shift] * (len(counts) - 1)])
    return [
        {
            "suite": "synthetic", "problem": "unequal", "alpha": alpha, "temperature": 0.5, "seed": seed,
            "recommended": False, "setting": setting, "variance": 0.0, "reliability": 1.0,
            "per_class": [max(0.9 * (alpha - a), 1e-4) + 1e-5 * seed for a in openings],
        }
        for seed in range(3)
        for alpha in alphas
    ]  # fmt: skip


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, CONFIRMED), (0.2, REFUTED), (-0.2, REFUTED)])
def test_later_classes_open_where_they_open_at_the_minimum(shift, verdict):
    claim = judge(Protocol.default("synthetic"), unequal(shift))[4]
    assert claim.verdict == verdict
    assert claim.control_failed


def test_a_class_of_one_is_left_out():
    found = [r | {"per_class": [*r["per_class"], 0.0]} for r in unequal(0.0)]
    setting = found[0]["setting"] | {"class_counts": [60, 30, 10, 1]}
    claim = judge(Protocol.default("synthetic"), [r | {"setting": setting} for r in found])[4]
    assert len([c for c in claim.checks if not c.get("control")]) == 3
    assert 0 < min(alphas_around(Setting(**setting))[1:]) < 1


def test_of_many_classes_later_ones_only_open_no_earlier(monkeypatch):
    monkeypatch.setattr(claims_module, "MOST_OPENINGS", 2)
    protocol = Protocol.default("synthetic")
    assert judge(protocol, unequal(0.2))[4].verdict == CONFIRMED
    assert judge(protocol, unequal(-0.2))[4].verdict == REFUTED


def test_noise_leaves_it_open():
    assert verdicts(records(truth, noise=0.2))[1] == UNDECIDED


def test_one_seed_leaves_everything_open():
    assert set(verdicts(records(truth, seeds=1)).values()) == {UNDECIDED}


def test_a_gain_on_shuffled_labels_voids_the_probe():
    claim = judge(Protocol.default("digits"), records(truth, sham=0.2))[2]
    assert claim.verdict == UNDECIDED
    assert claim.control_failed is False


def test_a_loss_of_probe_accuracy_refutes_claim_three():
    assert verdicts(records(truth, gain=-0.2))[3] == REFUTED


def test_without_fine_labels_claim_three_is_not_tested():
    bare = [{k: v for k, v in r.items() if not k.startswith("probe")} for r in records(truth)]
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
    assert Interval.of([1.0]).as_dict()["low"] is None


@pytest.mark.parametrize("temperature", [0.4, 0.5, 1.0])
def test_threshold_is_read_off_the_exact_curve(temperature):
    setting = SETTING.with_(temperature=temperature)
    alphas = np.linspace(0, 1, 11)
    values = optimal_variance(setting.with_(alpha=alphas))
    assert read_threshold(alphas, values, 1e-4) == pytest.approx(collapse_threshold(setting), abs=0.03)


def test_no_threshold_in_a_flat_curve():
    assert read_threshold(np.linspace(0, 1, 9), np.full(9, 0.001)) is None


def test_points_put_predictions_beside_measurements():
    (row,) = [p for p in points(records(truth)) if p["alpha"] == 0.6]
    assert row["variance"]["mean"] == pytest.approx(row["expected"], abs=0.01)
    assert row["estimate"] < row["expected"] <= row["optimum"]
    assert row["variance"]["seeds"] == 3
