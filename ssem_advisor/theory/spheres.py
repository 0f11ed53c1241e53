"""Minima of functions of unit vectors: Newton's method, and a descent where second derivatives are too large; and the
least curvature at them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_STEPS = 500

Rows = np.ndarray  # (kinds, length), every row of length 1


def least_curvatures(curvature: np.ndarray, normal: Rows) -> np.ndarray:
    """Least eigenvalues (kinds,) of symmetric C_i (kinds, length, length) on the tangent spaces at the unit rows."""
    bent = np.matmul(curvature, normal[:, :, None])[:, :, 0]
    stiff = np.einsum("ij,ij->i", bent, normal)
    # P C P, P the projection on the tangent space; the normal direction is lifted out of the way of its eigenvalues.
    on_tangent = curvature - bent[:, :, None] * normal[:, None, :] - normal[:, :, None] * bent[:, None, :]
    lift = stiff + np.abs(stiff + np.trace(on_tangent, axis1=1, axis2=2)) + 1.0
    on_tangent += lift[:, None, None] * normal[:, :, None] * normal[:, None, :]
    return np.asarray(np.linalg.eigvalsh(on_tangent)[:, 0])


def newton_on_spheres(
    function: Callable[[Rows], tuple[float, np.ndarray, np.ndarray]],
    rows: Rows,
    free: np.ndarray,
    weight: np.ndarray,
    precision: float,
) -> Rows:
    """A minimum of a function of unit rows (kinds, length) near the ones given.

    function: unit rows -> (value, gradient (kinds, length), second derivatives (kinds * length, kinds * length)), as of
    the function in free space. free: 0 where a coordinate stays zero. weight: (kinds,), the scale of the function in
    each row. The search ends where no row's gradient along its sphere exceeds precision * weight.

    Damped by Levenberg's rule: the value falls at every step, and the damping vanishes near the minimum, where the
    error is squared at every step. Directions along which the function is constant do no harm.
    """
    kinds, length = rows.shape
    rows = rows * free
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    used = np.flatnonzero(free)
    row_of = used // length
    pace = np.sqrt(weight)[row_of]
    value, slope, curved = function(rows)
    damping, still = 1e-2, 0
    for _ in range(_STEPS):
        slope = slope * free
        multiplier = (slope * rows).sum(axis=1)
        slope -= multiplier[:, None] * rows
        if np.max(np.linalg.norm(slope, axis=1) / weight) <= precision:
            break
        system = curved[np.ix_(used, used)]
        system[np.diag_indices(len(used))] -= multiplier[row_of]
        system /= pace[:, None] * pace
        # Along the spheres: P H P + N N^T with the unit normals N of the rows.
        normal = np.zeros((len(used), kinds))
        normal[np.arange(len(used)), row_of] = rows.ravel()[used]
        bent = system @ normal
        inside = normal.T @ bent + np.eye(kinds)
        system += normal @ (inside @ normal.T - bent.T) - bent @ normal.T
        right = -slope.ravel()[used] / pace
        taken = _step(function, rows, value, system, right, used, pace, damping)
        if taken is None:
            break
        still = still + 1 if value - taken[1][0] <= 1e-13 * abs(value) else 0
        rows, (value, slope, curved), damping = taken
        if still == 4:  # the digits of the value are used up, or a flat valley is followed
            break
    return rows


def descend_on_spheres(
    function: Callable[[Rows], tuple[float, np.ndarray]],
    rows: Rows,
    free: np.ndarray,
    weight: np.ndarray,
    precision: float,
    steps: int = 4 * _STEPS,
) -> Rows:
    """Like `newton_on_spheres` without second derivatives, by L-BFGS: for hundreds of rows. steps: the most of them."""
    from scipy.optimize import minimize

    pace = np.sqrt(weight)[:, None]
    begin = rows * free
    begin = begin / np.linalg.norm(begin, axis=1, keepdims=True)

    def flattened(flat: np.ndarray) -> tuple[float, np.ndarray]:
        raw = flat.reshape(free.shape) / pace
        norm = np.linalg.norm(raw, axis=1, keepdims=True)
        unit = raw / norm
        value, slope = function(unit)
        slope = slope * free
        slope -= (slope * unit).sum(axis=1, keepdims=True) * unit
        return value, (slope / (norm * pace)).ravel()

    options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 1e-15, "gtol": precision, "maxcor": 30}
    found = minimize(flattened, (begin * pace).ravel(), jac=True, method="L-BFGS-B", options=options)
    raw = found.x.reshape(free.shape) / pace
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True))


def _step(
    function: Callable[[Rows], tuple[float, np.ndarray, np.ndarray]],
    rows: Rows,
    value: float,
    system: np.ndarray,
    right: np.ndarray,
    used: np.ndarray,
    pace: np.ndarray,
    damping: float,
) -> tuple[Rows, tuple[float, np.ndarray, np.ndarray], float] | None:
    """The next rows, what the function says there and the next damping; None where rounding hides any progress."""
    for _ in range(60):
        damped = system + damping * np.eye(len(used))
        try:
            np.linalg.cholesky(damped)
        except np.linalg.LinAlgError:
            damping *= 8.0
            continue
        step = np.linalg.solve(damped, right)
        flat = rows.ravel().copy()
        flat[used] += step / pace
        moved = flat.reshape(rows.shape)
        moved = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        found = function(moved)
        promised = 0.5 * float(step @ right) + 0.5 * damping * float(step @ step)
        if value - found[0] >= 0.1 * promised or promised <= 1e-14 * abs(value):
            return moved, found, max(0.1 * damping, 1e-14)
        damping *= 8.0
    return None
