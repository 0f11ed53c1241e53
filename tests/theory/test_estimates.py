"""The objective behind the estimates, written out and differentiated at 30 digits, and what the estimates refuse."""

import mpmath as mp
import numpy as np
import pytest

from ssem_advisor import NotCovered, Setting, SettingError, collapse_threshold, optimal_variance
from ssem_advisor.theory import alpha_for_expected_variance, expected_variance
from ssem_advisor.theory.batches import batch_of
from ssem_advisor.theory.estimates import _estimate_of, directions_left, expected_variance_range, is_exact
from ssem_advisor.theory.network import (
    Network,
    alpha_for_free_spread,
    expected_free_spread,
    shares_directions,
    typical,
)


def log_mean(v, tau, dimension):
    """log of the mean of exp(v cos / tau) over the directions of a sphere."""
    return mp.mpf(0) if dimension is None else mp.log(mp.hyp0f1(mp.mpf(dimension) / 2, (v / tau) ** 2 / 4))


def objective(setting, v, reliability, dimension):
    """The loss at a within-class variance v, of which a share is the instance's own; constants left out."""
    m, tau, p, batch = mp.mpf(setting.classes), mp.mpf(setting.temperature), setting.views, batch_of(setting)
    alpha, loose, mean = mp.mpf(setting.alpha), 1 - mp.mpf(reliability), log_mean(v, tau, dimension)
    apart, within = -(1 + (1 - v) / (m - 1)) / tau + mean, -v / tau + mean
    total = mp.mpf(0)
    terms = [*zip(batch.weight[:, 0], batch.same[:, 0], batch.other[:, 0], strict=True)]
    for weight, k, o in [*terms, (batch.alone[0], 0.0, batch.alone_other[0])]:
        if setting.loss == "l_spread":
            first = mp.log(1 + o * mp.exp(apart)) + k * mp.log(1 + o * mp.exp(apart + v / tau))
            total += weight * ((1 - alpha) * first / (k + 1) + alpha * mp.log(1 + k * mp.exp(within)))
            continue
        own = mp.exp(-loose * v / tau)
        views = (1 + (p - 1) * own) / p if setting.loss == "ssem" else (p - 1) * own / p
        pulled = (p - 1) / mp.mpf(p) if setting.loss == "ssem" else 1
        denominator = mp.log(views + k * mp.exp(within) + o * mp.exp(apart))
        supervised = v / tau + denominator if k else 0
        total += weight * ((1 - alpha) * supervised + alpha * (pulled * loose * v / tau + denominator))
    return tau * total


CASES = [
    ({"sampler": "balanced", "batch_size": 24}, 0.3, 0.6, 5.0),
    ({"sampler": "full", "instances_per_class": 6}, 1.5, 1.0, None),
    ({"batch_size": 9}, 0.2, 0.8, 3.0),
    ({"batch_size": 9, "instances_per_class": 5, "views": 3}, 0.5, 0.5, 1.0),
    ({"sampler": "balanced", "batch_size": 24}, 0.01, 0.9, 40.0),
]


@pytest.mark.parametrize("loss", ["supcon", "ssem", "l_spread"])
@pytest.mark.parametrize(("fields", "temperature", "reliability", "dimension"), CASES)
def test_the_slope_of_the_estimate_is_the_derivative_of_its_objective(
    fields, temperature, reliability, dimension, loss
):
    setting = Setting(classes=4, temperature=temperature, loss=loss, alpha=0.35, **fields)
    reliability = 1.0 if loss == "l_spread" else reliability
    directions = None if dimension is None else np.asarray(dimension)
    estimate = _estimate_of(setting, reliability, directions)
    with mp.workdps(40):
        for v in (0.0, 0.1, 0.6, 1.0):
            at = {
                alpha: mp.diff(
                    lambda x, a=alpha: objective(setting.with_(alpha=a), x, reliability, dimension), v,
                    direction=1 if v == 0 else -1,
                )
                for alpha in (0.0, 0.35, 1.0)
            }  # fmt: skip
            for alpha, wanted in at.items():
                found = estimate.slope(np.atleast_1d(v), np.asarray(alpha))[0]
                assert found == pytest.approx(float(wanted), rel=1e-8, abs=1e-10)
            balance = at[0.0] / (at[0.0] - at[1.0]) if at[1.0] < at[0.0] else mp.inf  # linear in alpha
            if at[1.0] < 0:
                assert estimate.weight(np.atleast_1d(v))[0] == pytest.approx(float(balance), rel=1e-7, abs=1e-10)
            else:
                assert estimate.weight(np.atleast_1d(v))[0] >= 1


BASE = Setting(classes=5, dim=16, temperature=0.3, alpha=0.6, batch_size=60, instances_per_class=40)


def test_the_ends_of_the_estimate():
    """Collapsed below its threshold, everything spread where the weight allows more, arrays like numbers."""
    without_mates = BASE.with_(loss="l_spread", sampler="balanced", batch_size=5)
    assert alpha_for_expected_variance(without_mates, 0.1) == np.inf  # no weight spreads anything
    lowest = alpha_for_expected_variance(BASE, 0.0, 0.7, 8.0)
    assert lowest > collapse_threshold(BASE)
    below, above = BASE.with_(alpha=lowest * 0.999), BASE.with_(alpha=lowest * 1.01)
    assert expected_variance(below, 0.7, 8.0) == 0.0
    assert 0 < expected_variance(above, 0.7, 8.0) < 0.1
    assert expected_variance(BASE.with_(alpha=1.0), 1.0, 8.0) <= optimal_variance(BASE.with_(alpha=1.0))
    assert expected_variance(BASE.with_(alpha=1.0, loss="ssem", temperature=0.01), 0.2, 1.0) <= 1.0
    many = expected_variance(BASE.with_(alpha=np.array([lowest * 0.999, 0.6])), 0.7, 8.0)
    assert many == pytest.approx([0.0, expected_variance(BASE, 0.7, 8.0)])
    assert isinstance(expected_variance(BASE), float)
    assert isinstance(alpha_for_expected_variance(BASE, 0.2), float)
    assert alpha_for_expected_variance(BASE, np.array([0.1, 0.2])).shape == (2,)
    # Fully reliable views: never below the exact weight, and the exact one with all directions.
    endless = BASE.with_(instances_per_class=None)
    assert alpha_for_expected_variance(endless, 0.0) == pytest.approx(collapse_threshold(endless))
    assert alpha_for_expected_variance(BASE, 0.0) >= collapse_threshold(BASE)
    roomy = BASE.with_(dim=199)
    assert is_exact(roomy)
    assert not is_exact(roomy.with_(dim=198))
    assert is_exact(roomy.with_(dim=None))
    assert not is_exact(roomy.with_(instances_per_class=None))
    long_tail = Setting(class_counts=(7, 4, 1), temperature=0.3, sampler="full")
    assert [is_exact(long_tail.with_(dim=d)) for d in (None, 11, 10)] == [True, True, False]
    assert expected_variance(roomy) == optimal_variance(roomy)
    assert expected_variance(roomy, effective_dim=6.0) < optimal_variance(roomy)


def test_directions_left_of_a_dimension():
    assert directions_left(BASE.with_(dim=None)) == np.inf
    assert [directions_left(BASE.with_(dim=d)) for d in (4, 5, 6, 16, 64)] == [2.25, 3.0, 3.75, 12.0, 60.0]
    assert directions_left(BASE.with_(dim=np.array([5, 64]))).tolist() == [3.0, 60.0]
    assert isinstance(directions_left(BASE), float)
    assert [shares_directions(BASE.with_(dim=d)) for d in (None, 5, 7, 8, 16, 64)] == [
        False, True, True, False, False, False,
    ]  # fmt: skip
    assert typical(BASE.with_(dim=5)) == Network(0.5, 1.5, (0.3, 0.65))
    assert typical(BASE.with_(dim=2, classes=2)) == Network(0.5, 1.0, (0.3, 0.65))
    assert typical(BASE.with_(dim=68)) == Network(0.5, 32.0, (0.3, 0.65))
    assert typical(BASE.with_(dim=66)) == Network(0.5, 31.0, (0.3, 0.65))


def test_the_width_of_the_range():
    """A fiftieth, and two fifths of what the dimension takes off the optimum; cut at the ends."""
    found, bound = expected_variance(BASE), optimal_variance(BASE)
    half = 0.02 + 0.4 * (bound - found)
    assert expected_variance_range(BASE) == pytest.approx((found - half, found + half))
    threshold = collapse_threshold(BASE)
    low, high = expected_variance_range(BASE.with_(alpha=threshold + 1e-3))
    assert (low, high > 0.02) == (0.0, True)
    wide = BASE.with_(alpha=1.0, classes=2, dim=100, instances_per_class=None)
    assert expected_variance_range(wide)[1] == 1.0
    assert expected_variance_range(BASE.with_(alpha=threshold / 2)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda: expected_variance(BASE, 0.0), SettingError, r"^view_reliability=0.0: must be in \(0, 1\]$"),
        (lambda: expected_variance(BASE, 1.01), SettingError, r"^view_reliability=1.01: must be in \(0, 1\]$"),
        (lambda: expected_variance(BASE, 0.5, 0.99), SettingError, "^effective_dim=0.99: must be a finite number >= 1"),
        (lambda: expected_variance(BASE, 0.5, np.inf), SettingError, "^effective_dim=inf: must be a finite number"),
        (lambda: expected_variance(BASE.with_(alpha=None)), SettingError, "^alpha: missing"),
        (lambda: expected_variance(BASE.with_(loss="l_spread"), 0.9), NotCovered, "views that do not agree"),
        (lambda: expected_variance(BASE.with_(self_temperature=0.5)), NotCovered, "share one temperature"),
        (lambda: expected_variance_range(BASE.with_(dim=4)), NotCovered, "^expected_variance_range: not covered"),
    ],
)
def test_what_the_estimates_refuse(ask, error, said):
    with pytest.raises(error, match=said):
        ask()


def test_single_directions_and_perfect_views_are_allowed():
    assert 0 < expected_variance(BASE, 1.0, 1.0) < 1
    assert Network(1.0, 1.0, (1.0, 1.0)).directions == 1.0


def test_reliability_moves_with_the_root_of_the_spread_over_at_most_a_factor_of_ten():
    network = Network(0.4, 10.0, (0.3, 0.5))
    four = network.at_spread(0.1, 0.4)
    odds = [r / (1 - r) for r in (four.view_reliability, *four.reliability_range)]
    assert odds == pytest.approx([2 * r / (1 - r) for r in (0.4, 0.3, 0.5)])
    assert four.directions == 10.0
    assert network.at_spread(0.1, 1.0) == network.at_spread(0.1, 50.0) == network.at_spread(0.0, 1e-6)
    ten = network.at_spread(0.1, 50.0).view_reliability
    assert ten / (1 - ten) == pytest.approx(10**0.5 * 0.4 / 0.6)
    assert network.at_spread(0.1, 0.01) == network.at_spread(0.1, 1e-9) != network.at_spread(0.1, 0.02)
    assert Network(0.4).at_spread(0.1, 0.4).reliability_range is None


def test_the_free_spread_is_the_reliable_share():
    network = Network(0.6, 7.0)
    assert expected_free_spread(BASE, network) == 0.6 * expected_variance(BASE, 0.6, 7.0)
    wanted = alpha_for_free_spread(BASE, 0.12, network)
    assert wanted == pytest.approx(alpha_for_expected_variance(BASE, 0.2, 0.6, 7.0))
    assert isinstance(wanted, float)
    assert np.isfinite(alpha_for_free_spread(BASE, 0.6, network))  # all of it
    assert alpha_for_free_spread(BASE, 0.61, network) == np.inf
