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
from functools import lru_cache

import numpy as np

from ssem_advisor.domain import NotCovered, Setting, SettingError
from ssem_advisor.theory.batches import Batch, batch_of, random_batch
from ssem_advisor.theory.crowd import Crowd, Errors
from ssem_advisor.theory.openings import Openings, by_class, only_numbers
from ssem_advisor.theory.registry import BASIC, NO_LINE, SOFTMAX, assume
from ssem_advisor.theory.relation import Geometry, Softmax, own_view_weight
from ssem_advisor.theory.spheres import descend_on_spheres, least_curvatures

# Minima are looked for from up to this many starts, fewer where all would have more than so many coordinates. The most
# steps of a first look, towards the three lowest, and to the last digits of the lowest, up to so many classes; with
# more classes fewer, as a step works on all pairs of them.
_STARTS, _COORDINATES, _LOOK, _CLOSER, _LAST, _MANY = 24, 12_000, 150, 150, 400, 100
# Minima not found may lie further off than the lowest ones lie apart, by this factor. With more coordinates than the
# last number the lowest may be missed; then the highest one found counts as well, and this share of the value.
_OTHERS, _UNSEEN, _SURE = 2.0, 0.01, 200
# Up to this many equal classes the compositions of a batch are worked out as for unequal ones, those of an unlimited
# data set as of so many instances of each class.
_COMPOSED, _ENDLESS = 90, 10**8
# What more classes that are met their expected number of times may be off by, as a share of the value; measured.
_EXPECTED = 0.01
# Above this many coordinates a good frame stands for the minimiser, and this many classes for all. Class means in fewer
# dimensions than the last number count as if they had so many.
_CROWD, _SAMPLE, _FRAME_DIM = 4_000, 32, 12
# A frame descends towards the minimiser by up to the first number of steps, of classes that differ in size by up to the
# second, as small ones settle last; as many as the products (classes^2 x dim) allow, and no fewer than the last number.
_DESCENTS, _DESCENTS_UNEQUAL, _DESCENT_PRODUCTS, _LEAST_DESCENTS = 30, 100, 1.5e9, 6
_MOST_DESCENDING = 12_000
# In so many dimensions a tight frame is as good without steps.
_TIGHT_DIM = 96
# Above this dimension the stiffness of a class is bounded instead of worked out; above this many products (classes x
# dim^2) making a frame takes more than some seconds.
_STIFF_DIM, _MOST_PRODUCTS = 400, 5e10


@dataclass(frozen=True)
class ClassMeans:
    """The minimiser of the collapsed loss: unit vectors (classes, d) and log-denominator weights Z_i per own view."""

    vectors: np.ndarray
    denominators: np.ndarray
    others: np.ndarray  # o_ik E_ik, shape (classes, classes), zero diagonal


def class_thresholds(setting: Setting) -> np.ndarray:
    """The weight alpha_i up to which a spread of class i does not lower the loss at full collapse, shape (classes,).

    The fully collapsed state, views aligned, gives way above the smallest; `open_above` of `collapse_limits` is the
    weight above which no class is left collapsed. For unequal class sizes (class_counts), for dim < classes - 1, and
    for dim = classes - 1, where it is the local threshold. inf where no weight opens a class, nan for a class of a
    single instance.
    `class_thresholds_error` says how exact it is. Raises NotCovered for l_spread, for dim = 1, for more than 12,000
    classes in fewer than 12 dimensions, and where classes x dim^2 is beyond 5e10.
    Source: UNEQUAL and TIGHT (derived here).
    """
    return thresholds_and_errors(setting)[0]


def class_thresholds_error(setting: Setting) -> float:
    """Half width of the least and the largest of `class_thresholds`: 0 where they are exact to rounding.

    That is with a direction beside the class means, and in dim = classes - 1 for equal classes: for sampler "full", for
    balanced batches of all classes and for random batches whose compositions can be listed. Drawn compositions and
    binned sizes cost 0.002. With dim < classes the lowest minimum is looked for from many starts, and the error is
    twice what the first and the last threshold differ by between the three lowest minima found; for equal classes in
    more than 200 coordinates 1 % of the value more, for unequal ones whose minima differ 0.005, and 0.002 for
    compositions averaged in closed form; classes in between are rougher. More than 90 equal classes, of which batches
    hold some, are met their expected number of times: 1 % of the value. Beyond 4,000 coordinates (classes x dim, dim <
    classes) a good frame stands for the minimiser: of equal classes good to 4 % of the largest value, or 3.75/dim of
    it if that is less, of unequal ones to 8 %, in random batches to 21 %, and less good for thousands of classes
    (`_frame_error`). For unequal sizes that is measured for the first and the last class
    (docs/theory/classes.md#frames).
    """
    return max(thresholds_and_errors(setting)[1])


def thresholds_and_errors(setting: Setting) -> tuple[np.ndarray, Errors]:
    """Both at once, each end with its error."""
    assume(setting, "class_thresholds", SOFTMAX, BASIC, NO_LINE)
    only_numbers(setting)
    # With room further directions change nothing, and are no reason to find the same numbers again.
    return _thresholds(setting.with_(alpha=None, dim=None if is_roomy(setting) else setting.dim))


def is_roomy(setting: Setting) -> bool:
    """Whether a direction is left beside all class means, whatever their sizes."""
    return setting.dim is None or bool(setting.dim >= setting.classes)


@lru_cache(maxsize=256)
def _thresholds(setting: Setting) -> tuple[np.ndarray, Errors]:
    sizes, own = _sizes(setting), float(own_view_weight(setting))
    m = len(sizes)
    dim = m if setting.dim is None else min(int(setting.dim), m)
    if own == 0:  # one view: L_self is empty, no weight below 1 opens anything
        return np.where(sizes > 1, 1.0, np.nan), Errors(0.0, 0.0)
    if dim == m:
        problem = Openings.of(setting.with_(dim=None))
        by_group = problem.closed_thresholds()
        return by_class(setting, problem, by_group), Errors(problem.error, problem.error)
    if setting.sampler == "balanced" and setting.need("batch_size") == (setting.classes_per_batch or m):
        # One instance of a class in a batch: none meets a mate.
        return np.where(sizes > 1, np.inf, np.nan), Errors(0.0, 0.0)
    if not setting.unequal and _varied(setting) and m <= _COMPOSED and m * max(dim, _FRAME_DIM) <= _CROWD:
        each = _ENDLESS if np.isinf(sizes[0]) else int(sizes[0])
        alike = Crowd(setting.with_(class_counts=(each,) * m, instances_per_class=None))
        if m * dim <= _SURE:
            return alike.thresholds(compared=2)  # of few coordinates a minimum found twice is the lowest
        return alike.thresholds(unseen=_UNSEEN)
    if dim == m - 1 and not setting.unequal:
        return _simplex_thresholds(setting, own)
    if m * max(dim, _FRAME_DIM) > _CROWD:
        return _frame_thresholds(setting, sizes, own, dim)
    if setting.unequal:
        return Crowd(setting).thresholds()
    return _equal_thresholds(setting, sizes, own)


def _varied(setting: Setting) -> bool:
    """Whether the numbers of the other classes differ from batch to batch."""
    return setting.sampler == "random" or setting.classes_per_batch not in (None, setting.classes)


def _simplex_thresholds(setting: Setting, own: float) -> tuple[np.ndarray, Errors]:
    """Equal classes, dim = classes - 1: on the regular simplex all classes are alike, and every sum is closed."""
    m, tau, batch, sizes = setting.classes, float(setting.need("temperature")), batch_of(setting), _sizes(setting)
    cosine, count = -1.0 / (m - 1.0), float(_met(setting, sizes)[0])
    near = np.exp((cosine - 1.0) / tau)
    each = count * near
    denominator = own + (batch.weight * batch.same).sum(axis=0) + (m - 1.0) * each
    stiffness = np.full(1, 2.0 * each)
    if setting.sampler != "random" and sizes[0] > 1:  # see _sampling
        stiffness -= (1.0 - batch.same[0] / (sizes[0] - 1.0)) * each * near / denominator
    stiffness *= m / (m - 1.0)
    pull = np.full(1, (m - 1.0) * each)
    met = np.full(1, (m - 1.0) * count)
    found = _weights(setting, sizes[:1], own, batch, met, pull, 2.0 * pull * cosine, stiffness)
    error = _EXPECTED * float(found[0]) if _varied(setting) else 0.0
    return np.full(m, found[0]), Errors(error, error)


def _equal_thresholds(setting: Setting, sizes: np.ndarray, own: float) -> tuple[np.ndarray, Errors]:
    """At the lowest minimum found; the error is what the first and the last class differ by between minima."""
    batch, counts = _batches(setting, sizes), _expected_others(setting, sizes)

    def thresholds(means: ClassMeans) -> np.ndarray:
        gram = means.vectors @ means.vectors.T
        attraction = means.others * (1.0 + means.denominators[:, None] / means.denominators[None, :])
        stiffness = _least_tangent_eigenvalues(means, attraction - _sampling(means, counts, sizes, batch, setting))
        return _weights(
            setting, sizes, own, batch, counts.sum(axis=1), means.others.sum(axis=1), (attraction * gram).sum(axis=1),
            stiffness,
        )  # fmt: skip

    means = _collapsed_minima(setting, sizes, own, batch, counts)
    each = [thresholds(found) for found in means]
    ends = np.array([(np.nanmin(found), np.nanmax(found)) for found in each])
    errors = _OTHERS * np.ptp(ends[:4], axis=0)
    errors[errors < 1e-6] = 0.0
    if means[0].vectors.size > _SURE and len(means) > 1:
        errors = np.maximum(errors, np.ptp(ends, axis=0)) + _UNSEEN * ends[0]
    if _varied(setting):
        errors = errors + _EXPECTED * ends[0]
    return each[0], Errors(*map(float, errors))


def _weights(
    setting: Setting,
    sizes: np.ndarray,
    own: float,
    batch: Batch,
    met: np.ndarray,
    pull: np.ndarray,
    force: np.ndarray,
    stiffness: np.ndarray,
) -> np.ndarray:
    """The ordinary threshold at the effective r and rho of every class."""
    tau = float(setting.need("temperature"))
    shrink = 1.0 - 1.0 / sizes
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = shrink * (stiffness / (2.0 * tau) - 0.5 * force) / pull
        log_r = np.log(pull / met)
    local = Geometry(np.nan_to_num(rho), shrink, log_r, np.asarray(tau))
    thresholds = Softmax(local, batch, np.asarray(own)).weight(np.zeros(len(sizes)))
    return np.where(sizes > 1, thresholds, np.nan)


def _sampling(means: ClassMeans, counts: np.ndarray, sizes: np.ndarray, batch: Batch, setting: Setting) -> np.ndarray:
    """What the curvature loses because a batch samples a class: the spreads in it no longer sum to zero."""
    if setting.sampler == "random":
        return np.zeros_like(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = np.nan_to_num(1.0 - batch.same[0] / (sizes - 1.0))
        share = np.nan_to_num(means.others / counts) / means.denominators[None, :]
    return left_out[:, None] * means.others * means.denominators[:, None] / means.denominators[None, :] * share


def class_batches(setting: Setting) -> tuple[Batch, np.ndarray]:
    """The batch law of every class (elements are classes) and the share of the anchors that each class has."""
    sizes = _sizes(setting)
    share = _anchor_shares(setting, sizes)
    return _batches(setting, sizes), share


def lonely_share(setting: Setting) -> float:
    """Share of the anchors that meet no other instance of their class in a batch, of one setting.

    Raises SettingError if the sampler needs a batch size or a data-set size that is missing.
    """
    if not setting.unequal:
        return float(batch_of(setting).alone.item())
    batch, share = class_batches(setting)
    return float(np.average(batch.alone, weights=share))  # exactly 1 where all are alone


# -- batches with their own numbers for every class --------------------------------------------------------------------


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


def _collapsed_minima(
    setting: Setting, sizes: np.ndarray, own: float, batch: Batch, counts: np.ndarray
) -> list[ClassMeans]:
    """The lowest minimum found; in dim < classes - 1 also as it was a little before, the next two and the highest."""
    m, tau = len(sizes), float(setting.need("temperature"))
    dim = m if setting.dim is None else min(int(setting.dim), m)
    same = own + (batch.weight * batch.same).sum(axis=0)
    share = _anchor_shares(setting, sizes)
    equal = bool(np.all(sizes == sizes[0])) or setting.sampler == "balanced"
    found = [_simplex(m, dim)] if equal and dim >= m - 1 else _minima(dim, tau, share, same, counts)
    means = []
    for vectors in found:
        others = counts * np.exp((vectors @ vectors.T - 1.0) / tau)
        means.append(ClassMeans(vectors, same + others.sum(axis=1), others))
    return means


def _simplex(m: int, dim: int) -> np.ndarray:
    """Regular simplex of m unit vectors in dim >= m-1 dimensions."""
    basis = np.linalg.qr(np.column_stack([np.ones(m), np.eye(m)[:, : m - 1]]))[0][:, 1:]
    vectors = np.zeros((m, dim))
    vectors[:, : m - 1] = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    return vectors


def _minima(dim: int, tau: float, share: np.ndarray, same: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """Minima of sum_i share_i log(same_i + sum_k o_ik exp((v_i.v_k - 1)/tau)) over unit vectors, the lowest first."""
    m = len(share)

    def value_and_gradient(v: np.ndarray) -> tuple[float, np.ndarray]:
        terms = v @ v.T
        terms -= 1.0
        terms /= tau
        np.exp(terms, out=terms)
        terms *= counts
        z = same + terms.sum(axis=1)
        terms *= (share / z)[:, None]
        return tau * float(share @ np.log(z)), terms @ v + terms.T @ v

    def descend(rows: np.ndarray, precision: float, steps: float) -> np.ndarray:
        most = max(20, int(steps * min(1.0, (_MANY / m) ** 2)))
        precision *= min(1.0, 1.0 / tau)
        return descend_on_spheres(value_and_gradient, rows, np.ones(rows.shape), share, precision, most)

    starts = max(3, min(_STARTS, _COORDINATES // (m * dim))) if dim < m - 1 else 1
    tried = [descend(_first_guess(seed, (m, dim)), 1e-5, _LOOK) for seed in range(starts)]
    tried.sort(key=lambda v: value_and_gradient(v)[0])
    closer = [descend(rows, 1e-7, _CLOSER) for rows in tried[:3]]
    closer.sort(key=lambda v: value_and_gradient(v)[0])
    return [descend(closer[0], 1e-10, _LAST), *closer, descend(tried[-1], 1e-7, _CLOSER)]


def _first_guess(seed: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


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
        values[part] = least_curvatures(curvature, v[part])
    return values


# -- many classes in few dimensions ------------------------------------------------------------------------------------


def _frame_thresholds(setting: Setting, sizes: np.ndarray, own: float, dim: int) -> tuple[np.ndarray, Errors]:
    """Thresholds at a good frame of class means, for a sample of the classes and by size in between.

    Where many classes crowd into few dimensions the minimiser is nearly a tight frame, in which every class sees nearly
    the same. Some steps from such a frame towards the minimiser leave it within a few per cent of it in all dimensions
    (docs/theory/classes.md#frames). Raises NotCovered where the frame or its steps would take too long.
    """
    m, tau = len(sizes), float(setting.need("temperature"))
    if dim < _FRAME_DIM and m > _MOST_DESCENDING:
        raise NotCovered(
            f"classes={m}, dim={dim}: not covered, because in fewer than {_FRAME_DIM} dimensions the class means are "
            f"worked out for up to {_MOST_DESCENDING} classes"
        )
    if m * dim**2 > _MOST_PRODUCTS:
        raise NotCovered(
            f"classes={m}, dim={dim}: not covered, because the class means take too long to work out; with "
            f"{m} classes a dim up to {int((_MOST_PRODUCTS / m) ** 0.5)} is answered, and with equal classes one of "
            f"{m - 1} or more"
        )
    counts, batch = _met(setting, sizes), _batches(setting, sizes)
    vectors, share = _tight_frame(setting.class_counts, m, dim, setting.sampler)
    steps = _descents(m, dim, _DESCENTS_UNEQUAL if setting.unequal else _DESCENTS)
    if steps:
        # Anchors without a mate have the weight alpha, which is not known here: half.
        weight = share * (batch.paired + 0.5 * batch.alone)
        vectors = _descended(vectors, weight, own + (batch.weight * batch.same).sum(axis=0), counts, tau, steps)
    number = min(_SAMPLE if m <= 2000 else _SAMPLE * 3 // 8, m)
    order = np.argsort(sizes, kind="stable")
    places = np.linspace(0, m - 1, number).astype(int)
    if setting.unequal:  # evenly in the logarithm of the size, as the thresholds change
        levels = np.linspace(np.log(max(sizes[order[0]], 2.0)), np.log(sizes[order[-1]]), number)
        places = np.minimum(np.searchsorted(np.log(sizes[order]), levels), m - 1)
    picked = order[np.unique(places)]
    batch = Batch(
        batch.weight[:, picked], batch.same[:, picked], batch.other[:, picked], batch.alone[picked],
        batch.alone_other[picked],
    )  # fmt: skip
    gram = vectors[picked] @ vectors.T
    others = counts[None] * np.exp((gram - 1.0) / tau)
    others[np.arange(len(picked)), picked] = 0.0
    denominators = own + (batch.weight * batch.same).sum(axis=0) + others.sum(axis=1)
    order = np.argsort(sizes[picked], kind="stable")
    level = np.log(sizes)
    if setting.unequal:
        everywhere = np.exp(np.interp(level, level[picked][order], np.log(denominators[order])))
    else:
        denominators = np.full(len(picked), denominators.mean())
        everywhere = np.full(m, denominators[0])
    attraction = others * (1.0 + denominators[:, None] / everywhere[None])
    stiffness, unsure = _frame_stiffness(vectors, share, picked, others, attraction, denominators)
    found = _weights(
        setting, sizes[picked], own, batch, counts.sum() - counts[picked], others.sum(axis=1),
        (attraction * gram).sum(axis=1), stiffness,
    )  # fmt: skip
    stiffer = _weights(
        setting, sizes[picked], own, batch, counts.sum() - counts[picked], others.sum(axis=1),
        (attraction * gram).sum(axis=1), stiffness + unsure,
    )  # fmt: skip
    # Plain SupCon collapses in every dimension: at the minimiser no weight of 0 opens a class, whatever a frame says.
    found, stiffer = np.maximum(found, 0.0), np.maximum(stiffer, 0.0)
    opens = np.isfinite(found)  # beyond 1 there are no weights to tell apart
    bounded = float(np.max(np.minimum(stiffer, np.maximum(found, 1.0))[opens] - found[opens], initial=0.0))
    if not setting.unequal:  # of a tight frame the sample shows more differences than the minimiser has
        error = _frame_error(setting, dim, steps) * float(found.max()) + bounded
        error += (1.0 if steps else 0.5) * float(np.ptp(found))
        return np.full(m, found.mean()), Errors(error, error)
    finite = np.isfinite(found[order])
    if not finite.any():
        return np.where(sizes > 1, np.inf, np.nan), Errors(0.0, 0.0)
    each = np.interp(level, level[picked][order][finite], found[order][finite])
    each = np.where(sizes > 1, each, np.nan)
    rough = _frame_error(setting, dim, steps)
    last = rough * float(np.nanmax(each)) + bounded
    if not steps:
        return each, Errors(last, last)
    # Large classes meet their expected number of others, as the frame takes it; the smaller, the less.
    shares = np.interp(level, [level.min(), level.max()], [rough, _settled_error(steps)])
    first = float(np.nanmin(each) - np.nanmin(each * (1.0 - shares))) + bounded
    return each, Errors(min(first, last), last)


def _frame_stiffness(
    vectors: np.ndarray,
    share: np.ndarray,
    picked: np.ndarray,
    others: np.ndarray,
    attraction: np.ndarray,
    denominators: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Z_i lambda_i of the picked classes and the half width of it, as in `_least_tangent_eigenvalues`.

    In many dimensions bounds do: a tight frame has sum_k share_k v_k v_k^T = 1/dim, so the least eigenvalue is at least
    the least attraction per share over dim, and no more than the mean of the eigenvalues.
    """
    dim = vectors.shape[1]
    stiffness, unsure = np.zeros(len(picked)), np.zeros(len(picked))
    for row, i in enumerate(picked):
        normal, force = vectors[i], others[row] @ vectors
        aside = force - (force @ normal) * normal
        if dim > _STIFF_DIM:
            lost = float(aside @ aside) / denominators[row]
            along = vectors @ normal
            trace = float(attraction[row] @ (1.0 - along**2)) - lost
            least = float(np.delete(attraction[row] / share, i).min()) / dim - lost
            most = max(trace / (dim - 1.0), least)
            stiffness[row], unsure[row] = 0.5 * (least + most), 0.5 * (most - least)
            continue
        rooted = vectors * np.sqrt(attraction[row])[:, None]  # X^T X takes half the time of X^T Y
        curvature = rooted.T @ rooted - np.outer(force, force) / denominators[row]
        stiffness[row] = least_curvatures(curvature[None], normal[None])[0]
    return stiffness, unsure


def _frame_error(setting: Setting, dim: int, steps: int) -> float:
    """How far the thresholds at a frame may be from those of the minimiser, as a share; measured, not derived.

    Of the last class; of a tight frame and of one that has taken steps towards the minimiser. Where class sizes differ
    and batches are random, small classes meet few of the others at a time and not their expected number, which the
    frame takes.
    """
    tight = max(0.03, 3.75 / dim)
    if setting.unequal and setting.sampler == "random":
        return min(2.5 * tight, 0.13 + _settled_error(steps)) if steps else 2.5 * tight
    if not steps:
        return tight
    return _settled_error(steps) if setting.unequal else min(tight, 0.03 + 0.3 / steps)


def _settled_error(steps: int) -> float:
    """The same of classes of different sizes that meet their expected numbers; settled for up to 30 steps."""
    return 0.06 + 0.6 / min(steps, 30)


def _met(setting: Setting, sizes: np.ndarray) -> np.ndarray:
    """Expected instances of every class in the batch of an anchor of another class, shape (classes,)."""
    m = len(sizes)
    if setting.sampler == "full":
        return sizes
    if setting.sampler == "balanced":
        return np.full(m, _fixed_numbers(setting, sizes)[1][0] / (m - 1.0))
    total = np.inf if np.isinf(sizes[0]) else sizes.sum()
    draws = (float(setting.need("batch_size")) - 1.0) * (1.0 if np.isinf(total) else total / (total - 1.0))
    return np.asarray(draws * _shares(sizes))


def _descents(m: int, dim: int, most: int) -> int:
    """Steps from the frame towards the minimiser; 0 where too few of them are affordable to be worth it."""
    if dim >= _TIGHT_DIM:
        return 0
    steps = min(most, int(_DESCENT_PRODUCTS / (m**2 * (dim + 16.0))))
    return max(steps, _LEAST_DESCENTS) if dim < _FRAME_DIM or steps >= _LEAST_DESCENTS else 0


def _descended(
    vectors: np.ndarray, weight: np.ndarray, same: np.ndarray, counts: np.ndarray, tau: float, steps: int
) -> np.ndarray:
    """Some steps from a frame towards the minimiser of sum_i weight_i log(same_i + sum_k counts_k E_ik)."""
    m = len(vectors)
    block = max(1, 2**18 // m)  # pairs of classes at once: they stay in a core's cache

    def value_and_gradient(v: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = 0.0, np.zeros_like(v)
        for start in range(0, m, block):
            part = slice(start, min(start + block, m))
            near = v[part] @ v.T
            near -= 1.0
            near /= tau
            np.exp(near, out=near)
            near *= counts
            near[np.arange(near.shape[0]), np.arange(part.start, part.stop)] = 0.0
            total = same[part] + near.sum(axis=1)
            value += float(weight[part] @ np.log(total))
            near *= (weight[part] / total)[:, None]
            slope[part] += near @ v
            slope += near.T @ v[part]
        return tau * value, slope

    return descend_on_spheres(value_and_gradient, vectors, np.ones(vectors.shape), weight, 0.0, steps)


@lru_cache(maxsize=4)
def _tight_frame(counts: tuple[int, ...] | None, m: int, dim: int, sampler: str) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (m, dim) with mean zero and equal weight in every direction, each class by its share of anchors."""
    from scipy.linalg import cholesky, solve_triangular

    share = np.full(m, 1.0 / m)
    if counts is not None and sampler != "balanced":
        share = np.asarray(counts, dtype=float) / sum(counts)
    vectors = np.random.default_rng(0).standard_normal((m, dim))
    for _ in range(4 if dim <= _STIFF_DIM else 2):  # in many dimensions the rows are of nearly one length at once
        vectors -= share @ vectors
        rooted = vectors * np.sqrt(share)[:, None]
        # Whitened by a Cholesky factor: up to a rotation the same frame as by the root.
        vectors = solve_triangular(cholesky(rooted.T @ rooted, lower=True), vectors.T, lower=True).T
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, share
