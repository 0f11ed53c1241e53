"""Minima over unit rows: quadratic forms, whose minima linear algebra knows, and how often the function is asked."""

import numpy as np
import pytest

from ssem_advisor.theory.spheres import descend_on_spheres, least_curvatures, newton_on_spheres


def quadratic(seed, kinds, length, coupling):
    """Half of sum_ij x_i' A_ij x_j with its derivatives: (function of unit rows, the whole matrix)."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((kinds * length, kinds * length))
    matrix = 0.5 * (matrix + matrix.T)
    own = np.kron(np.eye(kinds), np.ones((length, length))) > 0
    matrix = np.where(own, matrix, coupling * matrix)
    asked = []

    def function(rows):
        assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(kinds))
        asked.append(rows)
        flat = rows.ravel()
        return 0.5 * float(flat @ matrix @ flat), (matrix @ flat).reshape(rows.shape), matrix

    return function, matrix, asked


def along(slope, rows):
    return slope - (slope * rows).sum(axis=1, keepdims=True) * rows


@pytest.mark.parametrize("search", [newton_on_spheres, descend_on_spheres])
def test_rows_that_do_not_meet_settle_on_their_least_eigenvectors(search):
    function, matrix, asked = quadratic(0, 3, 4, 0.0)
    rows, weight = np.random.default_rng(1).standard_normal((3, 4)), np.array([1.0, 0.01, 30.0])

    def scaled(x):
        _, slope, curved = function(x)
        each = 0.5 * (slope * x).sum(axis=1)
        given = (float(weight @ each), weight[:, None] * slope, curved * np.repeat(weight, 4)[:, None])
        return given if search is newton_on_spheres else given[:2]

    found = search(scaled, rows, np.ones((3, 4)), weight, 1e-10)
    for k in range(3):
        _, vectors = np.linalg.eigh(matrix[4 * k : 4 * k + 4, 4 * k : 4 * k + 4])
        assert abs(found[k] @ vectors[:, 0]) == pytest.approx(1.0, abs=1e-9)
    assert len(asked) <= (16 if search is newton_on_spheres else 90)


@pytest.mark.parametrize("search", [newton_on_spheres, descend_on_spheres])
@pytest.mark.parametrize("seed", range(4))
def test_a_minimum_of_coupled_rows_is_stationary_stable_and_keeps_its_zeros(search, seed):
    function, matrix, asked = quadratic(seed, 4, 3, 0.4)
    free = np.ones((4, 3))
    free[1, 2] = free[3, 0] = 0.0
    given = function if search is newton_on_spheres else lambda x: function(x)[:2]
    begin = np.random.default_rng(seed + 9).standard_normal((4, 3))
    found = search(given, begin, free, np.full(4, 2.0), 1e-9)
    assert np.all(found[free == 0] == 0)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(4), abs=1e-14)
    slope = (matrix @ found.ravel()).reshape(4, 3) * free
    assert np.linalg.norm(along(slope, found), axis=1).max() <= 2e-9 * (1 if search is newton_on_spheres else 10)
    rng, lowest = np.random.default_rng(2), function(found)[0]
    for _ in range(50):
        beside = found + 1e-3 * rng.standard_normal((4, 3)) * free
        assert function(beside / np.linalg.norm(beside, axis=1, keepdims=True))[0] > lowest
    assert len(asked) - 51 <= (26 if search is newton_on_spheres else 90)


def test_newton_near_a_minimum_squares_its_error():
    function, matrix, asked = quadratic(5, 3, 3, 0.3)
    rough = newton_on_spheres(
        function, np.random.default_rng(3).standard_normal((3, 3)), np.ones((3, 3)), np.ones(3), 1e-3
    )
    asked.clear()
    fine = newton_on_spheres(function, rough, np.ones((3, 3)), np.ones(3), 1e-12)
    assert len(asked) <= 8
    assert np.abs(along((matrix @ fine.ravel()).reshape(3, 3), fine)).max() < 1e-12


def test_newton_ends_where_digits_end():
    """A precision below rounding is not waited for, nor a function that is flat."""
    function, _, asked = quadratic(6, 3, 3, 0.3)
    newton_on_spheres(function, np.random.default_rng(3).standard_normal((3, 3)), np.ones((3, 3)), np.ones(3), 0.0)
    assert len(asked) <= 25
    asked = []

    def flat(rows):
        asked.append(rows)
        return 1.0, 1e-7 * np.ones_like(rows), np.zeros((9, 9))

    found = newton_on_spheres(flat, np.eye(3), np.ones((3, 3)), np.ones(3), 1e-12)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(3))
    assert len(asked) <= 14


def test_newton_goes_down_from_a_maximum_and_along_a_valley():
    """A function of one coordinate, from next to its maximum: the second derivatives point up, the others are free."""
    asked = []

    def height(rows):
        asked.append(rows)
        curved = np.zeros((6, 6))
        return float(rows[:, 0].sum()), np.tile([1.0, 0.0, 0.0], (2, 1)), curved

    begin = np.array([[1.0, 1e-3, 0.0], [0.0, 1.0, 0.0]])
    found = newton_on_spheres(height, begin, np.ones((2, 3)), np.ones(2), 1e-10)
    assert found[:, 0] == pytest.approx([-1.0, -1.0], abs=1e-12)
    assert len(asked) <= 30


@pytest.mark.parametrize("length", [2, 3, 7])
def test_least_curvatures_are_those_on_a_basis_of_the_tangent_space(length):
    rng = np.random.default_rng(length)
    for scale in (1e-6, 1.0, 1e6):
        curvature = rng.standard_normal((5, length, length)) * scale
        curvature = curvature + np.swapaxes(curvature, 1, 2)
        curvature[1] += 50.0 * scale * np.eye(length)  # all positive
        curvature[2] -= 50.0 * scale * np.eye(length)
        normal = rng.standard_normal((5, length))
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        curvature[3] -= 100.0 * scale * np.outer(normal[3], normal[3])  # the least of all stands across
        curvature[4] += 100.0 * scale * np.outer(normal[4], normal[4])
        wanted = []
        for c, n in zip(curvature, normal, strict=True):
            basis = np.linalg.svd(n[None])[2][1:]
            wanted.append(np.linalg.eigvalsh(basis @ c @ basis.T)[0])
        assert least_curvatures(curvature, normal) == pytest.approx(wanted, rel=1e-9, abs=1e-9 * scale)
