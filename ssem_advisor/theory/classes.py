"""Class by class: unequal class sizes, and dimensions in which the class means cannot form a simplex.

With all classes collapsed onto unit vectors v_1..v_m the loss no longer depends on alpha (anchors without a positive
apart). Around its minimiser each class has its own threshold: a spread within class i lowers the loss at second order
if and only if alpha > alpha_i. Seen from class i the other classes act like o_i others at the effective r and rho

    A_i = sum_k o_ik E_ik  (= o r),   E_ik = exp((v_i.v_k - 1)/tau),
    rho_i = (N_i-1)/N_i [ -1/2 sum_k o_ik E_ik (1 + Z_i/Z_k) v_i.v_k + Z_i lambda_i/(2 tau) ] / A_i,

and alpha_i is the ordinary threshold at these values: the same code serves both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from ssem_advisor.domain import NotCovered, Setting, SettingError
from ssem_advisor.theory.batches import Batch, random_batch
from ssem_advisor.theory.relation import Geometry, Softmax, own_view_weight

# Above this many coordinates the collapsed loss has many nearly equal minima; the descent stops after 60 steps, where
# the thresholds are settled to about 0.5 %.
_LARGE = 20_000
_MOST_CLASSES = 30_000


@dataclass(frozen=True)
class ClassMeans:
    """The minimiser of the collapsed loss: unit vectors (classes, d) and log-denominator weights Z_i per own view."""

    vectors: np.ndarray
    denominators: np.ndarray
    others: np.ndarray  # o_ik E_ik, shape (classes, classes), zero diagonal


def class_thresholds(setting: Setting) -> np.ndarray:
    """The weight alpha_i up to which a spread of class i does not lower the loss at full collapse, shape (classes,).

    The fully collapsed state gives way above the smallest; no class is left collapsed above `open_weight`.

    For unequal class sizes (class_counts), for dim < classes - 1, and for dim = classes - 1, where it is the local
    threshold. Exact for sampler "full" and for "balanced" batches of all classes; for "random" and P x K batches it
    is an estimate that puts the expected number of instances of the other classes into each batch.
    Beyond 20,000 coordinates (classes x dim) with dim < classes - 1 it is numerical to about 0.5 %.
    nan for a class with a single instance: it has no within-class variance.
    Raises NotCovered for l_spread and for dim = 1. Source: UNEQUAL and TIGHT (derived here).
    """
    if setting.loss == "l_spread":
        raise NotCovered("class_thresholds: the per-class Hessian is derived for supcon and ssem, not for l_spread")
    _only_numbers(setting)
    if setting.dim == 1:
        raise NotCovered("dim=1: unit vectors on a line are two points and cannot spread; use dim >= 2")
    tau, sizes, own = float(setting.need("temperature")), _sizes(setting), float(own_view_weight(setting))
    batch, counts = _batches(setting, sizes), _expected_others(setting, sizes)
    means = _collapsed_minimiser(setting, sizes, own, batch, counts)
    gram = means.vectors @ means.vectors.T
    attraction = means.others * (1.0 + means.denominators[:, None] / means.denominators[None, :])
    pull = means.others.sum(axis=1)
    shrink = 1.0 - 1.0 / sizes
    with np.errstate(divide="ignore", invalid="ignore"):
        stiffness = _least_tangent_eigenvalues(means, attraction - _sampling(means, counts, sizes, batch, setting))
        rho = shrink * (stiffness / (2.0 * tau) - 0.5 * (attraction * gram).sum(axis=1)) / pull
        log_r = np.log(pull / counts.sum(axis=1))
    local = Geometry(np.nan_to_num(rho), shrink, log_r, np.asarray(tau))
    thresholds = Softmax(local, batch, np.asarray(own)).weight(np.zeros(len(sizes)))
    return np.where(sizes > 1, thresholds, np.nan)


def _sampling(means: ClassMeans, counts: np.ndarray, sizes: np.ndarray, batch: Batch, setting: Setting) -> np.ndarray:
    """What the curvature loses because a batch samples a class: the spreads in it no longer sum to zero."""
    if setting.sampler == "random":
        return np.zeros_like(counts)
    left_out = np.nan_to_num(1.0 - batch.same[0] / (sizes - 1.0))
    share = np.nan_to_num(means.others / counts) / means.denominators[None, :]
    return left_out[:, None] * means.others * means.denominators[:, None] / means.denominators[None, :] * share


def class_means(setting: Setting) -> np.ndarray:
    """Unit vectors (classes, d) of the collapsed minimiser, d = min(dim, classes); see `class_thresholds`."""
    _only_numbers(setting)
    sizes, own = _sizes(setting), float(own_view_weight(setting))
    return _collapsed_minimiser(setting, sizes, own, _batches(setting, sizes), _expected_others(setting, sizes)).vectors


def class_batches(setting: Setting) -> tuple[Batch, np.ndarray]:
    """The batch law of every class (elements are classes) and the share of the anchors that each class has."""
    sizes = _sizes(setting)
    share = _anchor_shares(setting, sizes)
    return _batches(setting, sizes), share


# -- batches with their own numbers for every class --------------------------------------------------------------------


def _only_numbers(setting: Setting) -> None:
    for name in ("classes", "dim", "temperature", "views", "batch_size", "classes_per_batch", "instances_per_class"):
        if np.ndim(getattr(setting, name) or 0):
            raise SettingError(f"{name}: class by class answers take one setting at a time, not arrays")
    if setting.classes > _MOST_CLASSES:
        raise NotCovered(
            f"classes={setting.classes}: class by class answers keep a table of all pairs of classes, too large "
            f"above {_MOST_CLASSES} classes; with equal classes and dim >= classes the closed forms answer"
        )


def _sizes(setting: Setting) -> np.ndarray:
    if setting.class_counts is not None:
        return np.asarray(setting.class_counts, dtype=float)
    instances = np.inf if setting.instances_per_class is None else float(setting.instances_per_class)
    return np.full(setting.classes, instances)


def _shares(sizes: np.ndarray) -> np.ndarray:
    return np.full(len(sizes), 1.0 / len(sizes)) if np.isinf(sizes[0]) else sizes / sizes.sum()


def _anchor_shares(setting: Setting, sizes: np.ndarray) -> np.ndarray:
    """The share of all anchors that each class provides: equal in balanced batches, else that of the data set."""
    return np.full(len(sizes), 1.0 / len(sizes)) if setting.sampler == "balanced" else _shares(sizes)


def _batches(setting: Setting, sizes: np.ndarray) -> Batch:
    """The batch law of every class: elements are classes."""
    if setting.sampler == "random":
        size = np.asarray(float(setting.need("batch_size")))
        others = sizes if np.isinf(sizes[0]) else sizes.sum() - sizes
        return random_batch(sizes, others, _shares(sizes), size)
    same, other = _fixed_numbers(setting, sizes)
    paired = (same > 0).astype(float)
    return Batch(paired[None], same[None], other[None], 1.0 - paired, other)


def _fixed_numbers(setting: Setting, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if setting.sampler == "full":
        if np.isinf(sizes[0]):
            setting.need("instances_per_class")
        return sizes - 1.0, sizes.sum() - sizes
    drawn = setting.classes if setting.classes_per_batch is None else setting.classes_per_batch
    n = setting.need("batch_size") / drawn
    if n > sizes.min():
        raise SettingError(
            f"batch_size={setting.batch_size!r}: asks for {n:g} of each class, the smallest has {sizes.min():g}"
        )
    return np.full(len(sizes), n - 1.0), np.full(len(sizes), (drawn - 1.0) * n)


def _expected_others(setting: Setting, sizes: np.ndarray) -> np.ndarray:
    """o_ik, the expected number of instances of class k in the batch of an anchor of class i; zero diagonal."""
    m = len(sizes)
    if setting.sampler == "full":
        counts = np.tile(sizes, (m, 1))
    elif setting.sampler == "balanced":
        counts = np.tile(_fixed_numbers(setting, sizes)[1] / (m - 1.0), (m, 1))
    else:
        total = np.inf if np.isinf(sizes[0]) else sizes.sum()
        draws = (float(setting.need("batch_size")) - 1.0) * (1.0 if np.isinf(total) else total / (total - 1.0))
        counts = np.tile(draws * _shares(sizes), (m, 1))
    np.fill_diagonal(counts, 0.0)
    return counts


# -- the collapsed minimiser -------------------------------------------------------------------------------------------


def _collapsed_minimiser(
    setting: Setting, sizes: np.ndarray, own: float, batch: Batch, counts: np.ndarray
) -> ClassMeans:
    m, tau = len(sizes), float(setting.need("temperature"))
    dim = m if setting.dim is None else min(int(setting.dim), m)
    same = own + (batch.weight * batch.same).sum(axis=0)
    share = _anchor_shares(setting, sizes)
    equal = bool(np.all(sizes == sizes[0])) or setting.sampler == "balanced"
    if equal and dim >= m - 1:
        vectors = _simplex(m, dim)
    else:
        starts = 1 if dim >= m - 1 else max(1, min(8, 2000 // (m * dim)))
        vectors = _descend(m, dim, tau, share, same, counts, starts)
    others = counts * np.exp((vectors @ vectors.T - 1.0) / tau)
    return ClassMeans(vectors, same + others.sum(axis=1), others)


def _simplex(m: int, dim: int) -> np.ndarray:
    """Regular simplex of m unit vectors in dim >= m-1 dimensions."""
    basis = np.linalg.qr(np.column_stack([np.ones(m), np.eye(m)[:, : m - 1]]))[0][:, 1:]
    vectors = np.zeros((m, dim))
    vectors[:, : m - 1] = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    return vectors


def _descend(
    m: int, dim: int, tau: float, share: np.ndarray, same: np.ndarray, counts: np.ndarray, starts: int
) -> np.ndarray:
    """Minimise sum_i share_i log(same_i + sum_k o_ik exp((v_i.v_k - 1)/tau)) over unit vectors, by L-BFGS."""
    from scipy.optimize import minimize

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        raw = flat.reshape(m, dim)
        norm = np.linalg.norm(raw, axis=1, keepdims=True)
        v = raw / norm
        terms = v @ v.T
        terms -= 1.0
        terms /= tau
        np.exp(terms, out=terms)
        terms *= counts
        z = same + terms.sum(axis=1)
        terms *= (share / z)[:, None]
        pull = (terms @ v + terms.T @ v) / tau
        pull -= (pull * v).sum(axis=1, keepdims=True) * v
        return float(share @ np.log(z)), (pull / norm).ravel()

    best, lowest = np.empty(0), np.inf
    for start in range(starts):
        # Rows as long as the root of their class's share: then every class moves at the same pace.
        guess = np.random.default_rng(start).standard_normal((m, dim)) * np.sqrt(share * m)[:, None]
        found = minimize(
            value_and_gradient,
            guess.ravel() / np.sqrt(dim),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 5000 if m * dim <= _LARGE else 60, "maxfun": 10000, "ftol": 1e-15, "gtol": 1e-10},
        )
        if found.fun < lowest:
            best, lowest = found.x.reshape(m, dim), found.fun
    return best / np.linalg.norm(best, axis=1, keepdims=True)


def _least_tangent_eigenvalues(means: ClassMeans, attraction: np.ndarray) -> np.ndarray:
    """Z_i lambda_i / (own scale): least eigenvalue, on the tangent space at v_i, of the between-class curvature.

    Zero where a direction orthogonal to all class means is left.
    """
    v, z = means.vectors, means.denominators
    m, dim = v.shape
    values = np.zeros(m)
    if dim >= m or np.linalg.matrix_rank(v, tol=1e-7) < dim:
        return values
    pull = means.others @ v
    step = max(1, int(4e7 / (dim * (m + dim))))
    for start in range(0, m, step):
        part = slice(start, min(start + step, m))
        curvature = np.matmul(v.T[None] * attraction[part, None, :], v)
        curvature -= pull[part, :, None] * pull[part, None, :] / z[part, None, None]
        normal = v[part]
        bent = np.einsum("ijk,ik->ij", curvature, normal)
        stiff = np.einsum("ij,ij->i", bent, normal)
        # P C P on the tangent space; the normal direction is lifted out of the way of the least eigenvalue.
        curvature -= bent[:, :, None] * normal[:, None, :] + normal[:, :, None] * bent[:, None, :]
        lift = stiff + np.trace(curvature, axis1=1, axis2=2)
        curvature += (stiff + np.abs(lift) + 1.0)[:, None, None] * normal[:, :, None] * normal[:, None, :]
        values[part] = np.linalg.eigvalsh(curvature)[:, 0]
    return values


# -- all classes open --------------------------------------------------------------------------------------------------


def open_weight(setting: Setting, tolerance: float = 1e-4) -> float:
    """The weight alpha above which no class is collapsed at the minimum; inf if none up to 1 does it.

    `class_thresholds` speak of the fully collapsed state. Larger classes open first, and that shifts the weight at
    which the smaller ones follow: at sizes (5, 3, 2) and temperature 0.5 from 0.518 to 0.567 (supcon). Found by
    minimising the loss over class means mu_i and variances v_i = 1 - |mu_i|^2 (the symmetrised problem), to
    `tolerance` from above (at least 0.001 beyond 2,000 coordinates, classes x dim, and 0.01 beyond 20,000). Exact for
    sampler "full" and for "balanced" batches of all classes with unlimited dimension, else an estimate.
    Raises NotCovered for l_spread. Source: UNEQUAL (derived here).
    """
    problem = _Symmetrised.of(setting, "open_weight")
    return problem.opening(problem.can_open, tolerance)


def class_openings(setting: Setting, tolerance: float = 1e-4) -> np.ndarray:
    """The weight alpha above which each class is spread at the minimum, shape (classes,); inf if none up to 1 does it.

    Its largest value is `open_weight`, whose assumptions and precision it shares; NaN for a class of one, which has
    nothing to spread. One search for each distinct size.
    """
    problem = _Symmetrised.of(setting, "class_openings")
    result = np.full(problem.m, np.nan)
    for size in np.unique(problem.sizes[problem.can_open]):
        alike = problem.sizes == size
        result[alike] = problem.opening(alike, tolerance)
    return result


def class_variances(setting: Setting) -> np.ndarray:
    """Within-class variance of every class at the minimum, shape (classes,), in [0, 1]; 0 = the class is collapsed.

    Exact where `open_weight` is, an upper estimate in smaller dimensions. Source: UNEQUAL (derived here).
    """
    problem = _Symmetrised.of(setting, "class_variances")
    return problem.variances(problem.solve(float(setting.need("alpha")), problem.start()))


class _Symmetrised:
    """The loss as a function of class mean directions u_i (any length) and within-class variances v_i.

    The state holds the rows of u and then v, both in units in which every class moves at the same pace.
    """

    @classmethod
    def of(cls, setting: Setting, asked: str) -> Self:
        if setting.loss == "l_spread":
            raise NotCovered(f"{asked}: derived for supcon and ssem, not for l_spread")
        _only_numbers(setting)
        return cls(setting)

    def __init__(self, setting: Setting) -> None:
        self.sizes, self.own = _sizes(setting), float(own_view_weight(setting))
        self.m, self.tau = len(self.sizes), float(setting.need("temperature"))
        self.batch, self.counts = _batches(setting, self.sizes), _expected_others(setting, self.sizes)
        self.dim = self.m if setting.dim is None else min(int(setting.dim), self.m)
        self.share = _anchor_shares(setting, self.sizes)
        self.pace = np.sqrt(self.share * self.m)
        self.divisor = np.where(self.sizes > 1, 1.0 - 1.0 / self.sizes, 1.0) * self.tau
        self.can_open = self.sizes > 1

    @property
    def effort(self) -> tuple[float, int, float]:
        """Tolerance of alpha, steps and relative precision of one descent: less of each the larger the problem."""
        coordinates = self.m * self.dim
        if coordinates > _LARGE:
            return 1e-2, 60, 1e-15
        return (1e-3, 300, 1e-11) if coordinates > 2000 else (0.0, 3000, 1e-15)

    def start(self) -> np.ndarray:
        guess = np.random.default_rng(0).standard_normal((self.m, self.dim)) * self.pace[:, None]
        return np.concatenate([guess.ravel(), np.where(self.can_open, 0.3, 0.0) * self.pace])

    def variances(self, state: np.ndarray) -> np.ndarray:
        return state[-self.m :] / self.pace

    def solve(self, alpha: float, state: np.ndarray) -> np.ndarray:
        from scipy.optimize import minimize

        begin = state.copy()
        begin[-self.m :] = np.where(self.can_open, np.maximum(self.variances(begin), 1e-3), 0.0) * self.pace
        bounds = [(None, None)] * (self.m * self.dim) + [
            (0.0, float(pace) if can else 0.0) for pace, can in zip(self.pace, self.can_open, strict=True)
        ]
        _, steps, precision = self.effort
        options = {"maxiter": steps, "maxfun": 10000, "ftol": precision, "gtol": 1e-10}
        return minimize(
            self.value_and_gradient, begin, args=(alpha,), jac=True, method="L-BFGS-B", bounds=bounds, options=options
        ).x

    def opening(self, which: np.ndarray, tolerance: float) -> float:
        """The weight above which none of some classes is collapsed, to `tolerance` from above; inf if there is none."""
        tolerance = max(tolerance, self.effort[0])
        low, high, state = 0.0, 1.0, self.solve(1.0, self.start())
        if not self.open(state, 1.0)[which].all():
            return float("inf")
        while high - low > tolerance:
            middle = 0.5 * (low + high)
            found = self.solve(middle, state)
            if self.open(found, middle)[which].all():
                high, state = middle, found
            else:
                low = middle
        return high

    def open(self, state: np.ndarray, alpha: float) -> np.ndarray:
        """Whether a spread from v_i = 0, the other classes as they are, would lower the loss: (classes,)."""
        u, mu, v = self._parts(state)
        cosines = u @ mu.T
        forward = self.counts * np.exp((cosines - 1.0) / self.tau)  # row i: class i with its mean on the sphere
        backward = self.counts.T * np.exp((cosines - 1.0) / self.tau)  # the same pairs seen from the other class
        present = self.counts * np.exp((mu @ mu.T - 1.0) / self.tau)
        others, near = present.sum(axis=1), np.exp(-v / self.divisor)
        q, lonely, same = self.batch.weight, alpha * self.batch.alone, self.batch.same
        at_zero = forward.sum(axis=1)
        own_force = (q / (self.own + same + at_zero)).sum(axis=0) + lonely / (self.own + at_zero)
        seen = (q / (self.own + same * near + others)).sum(axis=0) + lonely / (self.own + others)
        spread = (q * same / (self.own + same + at_zero)).sum(axis=0)
        pull = (1.0 - alpha) * q.sum(axis=0) - spread
        between = (own_force * self.share)[:, None] * forward + (seen * self.share)[None, :] * backward
        slope = self.share * pull / self.divisor - 0.5 * (between * cosines).sum(axis=1) / self.tau
        return slope < 0

    def _parts(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        raw, v = state[: -self.m].reshape(self.m, self.dim), self.variances(state)
        u = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        return u, u * np.sqrt(np.maximum(1.0 - v, 1e-12))[:, None], v

    def value_and_gradient(self, state: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
        u, mu, v = self._parts(state)
        length = np.sqrt(np.maximum(1.0 - v, 1e-12))
        norm = np.linalg.norm(state[: -self.m].reshape(self.m, self.dim), axis=1, keepdims=True)
        terms = self.counts * np.exp((mu @ mu.T - 1.0) / self.tau)
        others, near = terms.sum(axis=1), np.exp(-v / self.divisor)
        z, alone = self.own + self.batch.same * near + others, self.own + others
        q, lonely = self.batch.weight, alpha * self.batch.alone
        pull = (1.0 - alpha) * q.sum(axis=0) / self.divisor
        value = self.share @ (pull * v + (q * np.log(z)).sum(axis=0) + lonely * np.log(alone))
        per_other = self.share * ((q / z).sum(axis=0) + lonely / alone)
        per_v = self.share * (pull - (q * self.batch.same / z).sum(axis=0) * near / self.divisor)
        weighted = per_other[:, None] * terms / self.tau
        grad_mu = weighted @ mu + weighted.T @ mu
        grad_v = per_v - (grad_mu * u).sum(axis=1) * 0.5 / length
        grad_u = grad_mu * length[:, None]
        grad_u -= (grad_u * u).sum(axis=1, keepdims=True) * u
        return float(value), np.concatenate([(grad_u / norm).ravel(), grad_v / self.pace])
