"""Free spread: what a network with imperfect views is expected to reach, against recorded numbers and limits."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssem_advisor import (
    Setting,
    SettingError,
    alpha_for_variance,
    collapse_threshold,
    expected_variance,
    optimal_variance,
)
from ssem_advisor.theory.estimates import _log_0f1
from ssem_advisor.theory.network import (
    PERFECT,
    Network,
    alpha_for_free_spread,
    directions_left,
    expected_free_spread,
    typical,
)

CIFAR10_PAIRS = Setting(classes=5, dim=64, temperature=0.1, batch_size=400, sampler="balanced")
CIFAR100_COARSE = CIFAR10_PAIRS.with_(classes=20)
DIGITS = Setting(classes=5, dim=32, temperature=0.1, batch_size=250, sampler="balanced")


@pytest.mark.parametrize(
    ("setting", "wanted", "alpha"),
    [
        (CIFAR10_PAIRS, 0.2, 0.293),
        (CIFAR10_PAIRS, 0.3, 0.488),
        (CIFAR100_COARSE, 0.2, 0.487),
        (CIFAR10_PAIRS.with_(batch_size=250), 0.2, 0.308),
    ],
)
def test_half_reliable_views_and_half_of_the_directions(setting, wanted, alpha):
    """The weights that the studies on real images trained at, computed there independently of this package."""
    beside_the_means = setting.dim - setting.classes + 1
    assert alpha_for_free_spread(setting, wanted, Network(0.5, beside_the_means / 2)) == pytest.approx(alpha, abs=6e-4)


@pytest.mark.parametrize(
    ("alpha", "reliability", "directions", "estimate"),
    [
        (0.02, 0.34, 11.6, 0.004),
        (0.05, 0.48, 11.6, 0.022),
        (0.1, 0.63, 13.3, 0.072),
        (0.15, 0.70, 17.5, 0.155),
        (0.2, 0.73, 21.4, 0.248),
        (0.3, 0.76, 24.9, 0.384),
        (0.5, 0.78, 26.1, 0.554),
    ],
)
def test_measured_digits_networks(alpha, reliability, directions, estimate):
    """Two-digit inputs, so the estimate agrees to two digits."""
    spread = expected_free_spread(DIGITS.with_(alpha=alpha), Network(reliability, directions))
    assert spread == pytest.approx(reliability * estimate, abs=0.004)


@given(rho=st.floats(0.1, 1.0), tau=st.floats(0.03, 0.8), classes=st.integers(2, 60), each=st.integers(2, 60))
@settings(max_examples=30, deadline=None)
def test_nothing_spreads_up_to_the_threshold_with_imperfect_views(rho, tau, classes, each):
    """alpha_c(rho) = (c + o r (m/(m-1)) / rho) / (c + k + o r): theory by hand, the estimate by the code."""
    setting = Setting(classes=classes, dim=100, temperature=tau, batch_size=classes * each, sampler="balanced")
    r, others = math.exp(-classes / ((classes - 1) * tau)), (classes - 1) * each
    by_hand = (0.5 + others * r * classes / (classes - 1) / rho) / (0.5 + each - 1 + others * r)
    assert alpha_for_free_spread(setting, 0.0, Network(rho, 20.0)) == pytest.approx(by_hand, rel=1e-9)
    assert by_hand >= collapse_threshold(setting) * (1 - 1e-12)
    if by_hand < 0.99:
        assert expected_free_spread(setting.with_(alpha=0.99 * by_hand), Network(rho, 20.0)) == 0
        assert expected_free_spread(setting.with_(alpha=min(1.01 * by_hand, 1.0)), Network(rho, 20.0)) > 0


@given(wanted=st.floats(0.01, 0.45), rho=st.floats(0.5, 1.0), tau=st.floats(0.05, 0.3), dim=st.integers(10, 200))
@settings(max_examples=30, deadline=None)
def test_weight_and_spread_undo_each_other(wanted, rho, tau, dim):
    setting = Setting(classes=8, dim=dim, temperature=tau, batch_size=256)
    network = Network(rho, dim / 2)
    alpha = alpha_for_free_spread(setting, wanted, network)
    if alpha <= 1:
        assert expected_free_spread(setting.with_(alpha=alpha), network) == pytest.approx(wanted, rel=1e-6)


def test_the_perfect_network_is_the_minimiser():
    exact = Setting(classes=4, dim=39, temperature=0.3, instances_per_class=10, sampler="full", alpha=0.6)
    assert expected_free_spread(exact, PERFECT) == expected_variance(exact)
    assert alpha_for_free_spread(exact, 0.2, PERFECT) == alpha_for_variance(exact, 0.2)


def test_more_than_reliable_views_allow_is_out_of_reach():
    assert alpha_for_free_spread(CIFAR10_PAIRS, 0.6, Network(0.5, 30.0)) == math.inf
    weights = alpha_for_free_spread(CIFAR10_PAIRS, np.array([0.1, 0.3, 0.6]), Network(0.5, 30.0))
    assert weights[0] < weights[1] < weights[2] == math.inf


def test_typical_is_half_and_half_of_at_most_64():
    assert typical(CIFAR10_PAIRS) == Network(0.5, 30.0, (0.3, 0.65))
    assert typical(CIFAR10_PAIRS.with_(dim=512)) == Network(0.5, 32.0, (0.3, 0.65))
    assert typical(CIFAR10_PAIRS.with_(dim=None)) == Network(0.5, 32.0, (0.3, 0.65))


def test_the_typical_network_meets_what_was_measured_in_many_dimensions():
    """Five coarse classes of CIFAR-100 at dimension 512; half of the directions predicts .31, .34 and .37."""
    setting = Setting(classes=5, dim=512, temperature=0.1, batch_size=500, sampler="balanced")
    recorded = {0.2: 0.120, 0.3: 0.192, 0.5: 0.307}
    for alpha, free in recorded.items():
        at = setting.with_(alpha=alpha)
        assert expected_free_spread(at, typical(at)) == pytest.approx(free, abs=0.04)
        assert expected_free_spread(at, Network(0.5, 254.0)) > free + 0.05


@given(classes=st.integers(2, 300), dim=st.integers(3, 600))
def test_directions_change_steadily_with_dim(classes, dim):
    """One more dimension is at most one more direction, also across dim = classes."""
    setting = Setting(classes=classes, dim=dim)
    step = directions_left(setting.with_(dim=dim + 1)) - directions_left(setting)
    assert 0 < step <= 1 + 1e-12
    assert directions_left(setting) <= dim


def test_reliability_rises_with_the_spread():
    """Reliability and own spread of recorded networks: CIFAR-10 pairs twice, CIFAR-100 coarse."""
    recorded = [(0.28, 0.033, 0.50, 0.246), (0.35, 0.061, 0.50, 0.246), (0.49, 0.261, 0.57, 0.495)]
    for before, spread, after, wanted in recorded:
        assert Network(before).at_spread(spread, wanted).view_reliability == pytest.approx(after, abs=0.05)
    network = Network(0.4, 10.0, (0.3, 0.5))
    assert network.at_spread(0.2, 0.2) == network
    there = network.at_spread(0.1, 0.2).at_spread(0.2, 0.1)
    assert there.view_reliability == pytest.approx(0.4)
    assert there.reliability_range == pytest.approx((0.3, 0.5))
    assert PERFECT.at_spread(0.1, 0.2) == PERFECT
    assert network.at_spread(0.0, 0.2).view_reliability < 0.7  # no spread at all says little


@pytest.mark.parametrize(("reliability", "directions"), [(0, 3.0), (1.1, 3.0), (math.nan, 3.0), (0.5, 0.5)])
def test_impossible_networks(reliability, directions):
    with pytest.raises(SettingError, match=r"view_reliability|directions"):
        Network(reliability, directions)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"directions": 0.5}, "directions=0.5: must"),
        ({"directions": math.inf}, "directions=inf: must"),
        ({"reliability_range": (0.0, 0.5)}, "view_reliability=0.0: must"),
    ],
)
def test_an_impossible_network_names_its_field(fields, said):
    with pytest.raises(SettingError, match=f"^{said}"):
        Network(0.5, **fields)


@pytest.mark.parametrize("dim", [11, 12, 40])
def test_with_room_for_every_instance_the_estimate_is_the_exact_optimum(dim):
    setting = Setting(classes=3, dim=dim, instances_per_class=4, sampler="full", temperature=0.4, alpha=0.6)
    assert expected_variance(setting) == optimal_variance(setting) > 0.1


@pytest.mark.parametrize("b", [0.5, 1.0, 1.5, 8.0, 63.5])
def test_the_bessel_function_of_the_estimate_is_that_of_mpmath_on_both_sides_of_its_switch(b):
    z = np.array([0.5, 30.0, 39.9, 40.1, 60.0, 300.0, 5000.0])
    exact = [float(mpmath.log(mpmath.hyp0f1(b, mpmath.mpf(x) ** 2 / 4))) for x in z]
    np.testing.assert_allclose(_log_0f1(z, np.full_like(z, b)), exact, rtol=1e-13, atol=1e-13)
