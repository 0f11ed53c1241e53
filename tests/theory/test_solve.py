"""Roots without a derivative: the last digit, the ends, values that are infinite, and few questions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssem_advisor.theory.solve import bracketed, fixed_points, newton, zero


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


def counted(function):
    """The function, and a list that grows by one at every question."""
    asked = []

    def ask(*given):
        asked.append(given)
        return function(*given)

    return ask, asked


SHAPES = [
    lambda x, root: np.sinh(3.0 * (x - root)),
    lambda x, root: np.tanh(8.0 * (x - root)),
    lambda x, root: np.log((x + 0.01) / (root + 0.01)),
    lambda x, root: x**3 - root**3,
    lambda x, root: np.expm1(20.0 * (x - root)),
    lambda x, root: (x - root) / (1.02 - x),
]


@pytest.mark.parametrize(("shape", "most"), list(enumerate((11, 14, 15, 16, 18, 15))))
def test_how_often_roots_are_asked_for(shape, most):
    """Interpolation saves two questions of three: bisection to the last digit takes over fifty."""
    for root in (0.03, 0.2, 0.5, 0.77, 0.98):
        function, asked = counted(lambda x, root=root: SHAPES[shape](x, root))
        assert zero(function, np.zeros(1), np.ones(1)) == pytest.approx(root, rel=1e-15)
        assert len(asked) <= most


def test_roots_far_apart_are_found_side_by_side():
    """Every element ends by itself: one that is settled does not move while others are looked for."""
    roots = np.array([[1e-30, 1e-8, 0.3], [0.5, 1.0 - 1e-12, 1.0]])
    found = zero(lambda x: np.arcsinh((x - roots) / 1e-3), 0.0, np.ones((2, 3)))
    assert found.shape == roots.shape
    assert found == pytest.approx(roots, rel=4e-16, abs=0)
    assert zero(lambda x: x, np.zeros(1), np.ones(1)) == 0.0
    assert zero(lambda x: x - 1.0, np.zeros(1), np.ones(1)) == 1.0


def test_a_root_too_small_for_the_bracket_is_not_its_other_end():
    assert 0 <= zero(lambda x: np.tanh(x - 1e-200), np.zeros(1), np.ones(1)) < 1e-50


# -- Newton's method in a bracket --------------------------------------------------------------------------------------


def test_newton_finds_every_root_in_its_bracket_in_few_steps():
    roots, steep = np.array([1e-6, 0.01, 0.4, 3.0, 7.9, 9.0, -1.0]), np.array([1.0, 5.0, 0.2, 1.0, 2.0, 1.0, 1.0])
    high = np.full(7, 8.0)

    def nearly_linear(x):
        bent = 0.2 * np.tanh(x)
        at = 0.2 * np.tanh(roots)
        return steep * (roots - x + bent - at), steep * (-1.0 + 0.2 / np.cosh(x) ** 2)

    function, asked = counted(nearly_linear)
    found = newton(function, high)
    assert found == pytest.approx([*roots[:5], 8.0, 0.0], rel=1e-14, abs=1e-15)
    assert len(asked) <= 60  # the one below the bracket is halved to nothing


def test_newton_alone_takes_five_steps_and_stays_in_the_bracket_where_slopes_mislead():
    function, asked = counted(lambda x: (np.log(0.3) - np.log(x + 0.1), -1.0 / (x + 0.1)))
    assert newton(function, np.array([5.0])) == pytest.approx(0.2, rel=1e-15)
    assert len(asked) <= 8
    # A step from 0 leads to 1000, beyond the end; one from there leads below 0.
    function, asked = counted(lambda x: (-np.tanh(40.0 * (x - 0.2)) + 0.0, -40.0 / np.cosh(40.0 * (x - 0.2)) ** 2))
    with np.errstate(all="ignore"):
        assert newton(function, np.array([1.0])) == pytest.approx(0.2, rel=1e-14)
    assert len(asked) <= 12
    # A slope of 0 gives no step.
    function, asked = counted(lambda x: (np.where(x < 0.3, 1.0, -1.0), np.zeros_like(x)))
    assert newton(function, np.array([1.0])) == pytest.approx(0.3, rel=1e-15)
    assert len(asked) <= 64


# -- expensive functions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("positive", "negative"), [(-0.1, -0.2), (0.3, 0.1), (0.0, -1.0), (np.nan, -1.0), (1.0, np.nan)]
)
def test_ends_that_bracket_no_root_are_an_error(positive, negative):
    """Regula falsi would return a point outside them."""
    with pytest.raises(ValueError, match="no root is bracketed"):
        bracketed(lambda x: 1.0 - x, (0.0, positive), (1.0, negative), 1e-3)


@pytest.mark.parametrize("falling", [True, False])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
@pytest.mark.parametrize("root", [0.11, 0.43, 0.87])
@pytest.mark.parametrize("shape", range(5))
def test_a_bracketed_root_lies_on_the_negative_side_within_its_tolerance(shape, root, tolerance, falling):
    sign = -1.0 if falling else 1.0
    function, asked = counted(lambda x: float(sign * SHAPES[shape](x, root)))
    ends = [(x, float(sign * SHAPES[shape](x, root))) for x in (0.0, 1.0)]
    positive, negative = ends if falling else ends[::-1]
    found = bracketed(function, positive, negative, tolerance)
    assert function(found) <= 0
    assert abs(found - root) <= tolerance
    assert len(asked) <= (33 if shape == 4 else 16)


def test_a_bracketed_root_of_a_straight_line_is_found_at_once():
    function, asked = counted(lambda x: 0.25 - x)
    assert bracketed(function, (0.0, 0.25), (1.0, -0.75), 1e-3) == pytest.approx(0.2505, abs=1e-12)
    assert len(asked) == 1
    function, asked = counted(lambda x: 0.25 - x)
    assert 0.25 <= bracketed(function, (0.2499, 1e-4), (0.2503, -3e-4), 1e-3) <= 0.251
    assert not asked  # the ends are near enough


def test_what_maps_to_itself_is_asked_for_where_the_error_is_largest():
    function, asked = counted(lambda x: np.array([0.1 + 0.05 * x, 0.95 - 0.3 * x**2, 2.0, -1.0]))
    found, errors = fixed_points(function, 1e-10)
    exact = [0.1 / 0.95, (np.sqrt(1 + 4 * 0.3 * 0.95) - 1) / 0.6, 1.0, 0.0]
    assert found == pytest.approx(exact, abs=1e-10)
    assert np.all(np.abs(found - exact) <= 1.2 * errors + 1e-15)
    assert len(asked) <= 18
    assert asked[0] == (0.5,)
    # Only the first matters: the others are left as they are.
    function, asked = counted(lambda x: np.array([0.1 + 0.05 * x, 0.95 - 0.3 * x**2]))
    found, errors = fixed_points(function, 1e-10, only=lambda found: np.array([True, False]))
    assert found[0] == pytest.approx(exact[0], abs=1e-10)
    assert errors[0] <= 1e-10 < errors[1]
    assert len(asked) <= 9
    function, asked = counted(lambda x: np.array([0.5 + 0.4 * np.sin(5 * x)]))
    found, errors = fixed_points(function, 1e-14, most=4)
    assert len(asked) == 4
    assert abs(found[0] - 0.5 - 0.4 * np.sin(5 * found[0])) <= 2 * errors[0]


def test_an_estimate_lies_between_the_points_next_to_it():
    """Two points of a straight line give its fixed point; of one point the distance to it is what is left open."""
    found, errors = fixed_points(lambda x: np.array([0.7, 0.2 + 0.5 * x, 0.9 - 0.5 * x]), 1e-6)
    assert found == pytest.approx([0.7, 0.4, 0.6], abs=2e-6)
    assert found[2] == pytest.approx(0.6, abs=1e-14)  # a point on each side of it
    assert errors.max() <= 1e-6
    found, errors = fixed_points(lambda x: np.array([0.7]), 1.0)
    assert (found[0], errors[0]) == (0.7, pytest.approx(0.2))
