"""Roots without a derivative: the last digit, the ends, values that are infinite, and few questions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssem_advisor.theory.solve import zero


@given(st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=6), st.sampled_from([0.3, 5.0, 300.0]))
def test_every_root_is_found_to_the_last_digits(roots, steepness):
    wanted = np.array(roots)
    for rising in (np.tanh, np.sinh, np.cbrt, lambda x: x**3):
        found = zero(lambda x, rise=rising: rise(steepness * (x / wanted - 1.0)), np.zeros_like(wanted), 2 * wanted)
        assert found == pytest.approx(wanted, rel=1e-15)


def test_an_end_stands_for_a_root_that_is_not_between_them():
    ends = np.zeros(3), np.ones(3)
    assert zero(lambda x: x - np.array([-1.0, 0.25, 2.0]), *ends).tolist() == [0.0, 0.25, 1.0]


def test_infinite_values_have_a_sign():
    found = zero(lambda x: np.where(x < 0.3, -np.inf, np.inf), np.zeros(1), np.ones(1))
    assert found == pytest.approx(0.3, rel=1e-15)


def test_a_smooth_function_is_asked_about_ten_times():
    asked = []

    def function(x):
        asked.append(x)
        return np.log(x + 0.5) + x - np.array([0.2, 0.5, 0.9])

    zero(function, np.zeros(3), np.ones(3))
    assert len(asked) < 20
