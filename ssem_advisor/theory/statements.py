"""The theorems, in reading order. A new one is one more object in STATEMENTS, with its proof on the page it names."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssem_advisor.domain import Setting
from ssem_advisor.theory.batches import Batch, random_batch
from ssem_advisor.theory.classes import class_thresholds
from ssem_advisor.theory.collapse import critical_temperature, optimal_variance
from ssem_advisor.theory.estimates import Estimate, is_exact
from ssem_advisor.theory.extensions import Orthant, Weighed, error_probability, hardest_pull
from ssem_advisor.theory.registry import (
    BASIC,
    EQUAL_CLASSES,
    OWN_VIEW,
    SIMPLEX_FITS,
    SOFTMAX,
    SPARE_DIRECTION,
    TWO_VIEWS,
    Assumption,
    Theorem,
    is_basic_but,
    is_loss,
    is_sampler,
)
from ssem_advisor.theory.relation import Geometry, LSpread, Softmax

COMMON = (OWN_VIEW, EQUAL_CLASSES, SIMPLEX_FITS, BASIC)

# What plain SupCon may have beside it: losses of single embeddings, features of one sign.
PLAIN = is_basic_but("cross_entropy", "features", "self_temperature")

# -- numbers into the engine's own objects -----------------------------------------------------------------------------


def _one(value: float) -> np.ndarray:
    return np.atleast_1d(np.asarray(value, dtype=float))


def _geometry(m: float, N: float, tau: float) -> Geometry:
    shrink = 1.0 - 1.0 / N
    return Geometry(_one(shrink / (m - 1)), _one(shrink), _one(-(m / (m - 1)) / tau), _one(tau))


def _fixed(k: float, o: float) -> Batch:
    return Batch(np.ones((1, 1)), _one(k)[None], _one(o)[None], _one(0.0), _one(o))


def _softmax_weight(m: float, N: float, k: float, o: float, c: float, tau: float, v: float = 0.0) -> float:
    geometry = _geometry(m, N, tau)
    return float(Softmax(geometry, _fixed(k, o), _one(c)).weight(geometry.y(_one(v))).item())


def _spread_weight(m: float, N: float, k: float, o: float, tau: float, v: float = 0.0) -> float:
    geometry = _geometry(m, N, tau)
    return float(LSpread(geometry, _fixed(k, o)).weight(geometry.y(_one(v))).item())


def _random_weight(m: float, B: float, c: float, tau: float) -> float:
    batch = random_batch(_one(np.inf), _one(np.inf), _one(1.0 / m), _one(B))
    return float(Softmax(_geometry(m, np.inf, tau), batch, _one(c)).weight(_one(0.0)).item())


def _full(m: float, n: float, p: float, tau: float, loss: Any, **more: Any) -> Setting:
    return Setting(
        classes=int(m), instances_per_class=int(n), views=int(p), temperature=tau, sampler="full", loss=loss, **more
    )


def _numeric_l_in(m: float, N: float, k: float, o: float, c: float, tau: float) -> float:
    softmax = Softmax(_geometry(m, N, tau), _fixed(k, o), _one(c))
    pull, push = softmax.log_of_sum_pull(), softmax.slopes(_one(0.0))[1]
    return float((pull / (pull + push)).item())


def _numeric_non_negative(k: float, o: float, c: float, tau: float) -> float:
    geometry = Orthant(_one(0.0), _one(1.0), _one(-1.0 / tau), _one(tau))
    return float(Softmax(geometry, _fixed(k, o), _one(c)).weight(_one(0.0)).item())


def _numeric_two_temperatures(m: float, N: float, k: float, o: float, c: float, tau: float, tau_2: float) -> float:
    first, second = (Softmax(_geometry(m, N, t), _fixed(k, o), _one(c)) for t in (tau, tau_2))
    return float(Weighed(first, second, _one(tau / tau_2)).weight(_one(0.0)).item())


def _numeric_loss_by_temperature(m: float, n: float, p: float, tau: float) -> float:
    others = p * n * (m - 1) * np.exp(-m / ((m - 1) * tau))
    return float(others / ((p * n - 1) + others) * m / (m - 1) / tau**2)


def _numeric_cross_entropy(m: float, N: float, k: float, o: float, c: float, tau: float, w: float, s: float) -> float:
    pull = s * float(error_probability(m, s))
    return _softmax_weight(m, N, k, o, c, tau) + 0.5 * w * (1 - 1 / N) * tau * pull


def _orthant_fits(setting: Setting) -> bool:
    if setting.dim is None:
        return True
    return setting.instances_per_class is not None and bool(
        np.all(np.asarray(setting.dim) >= np.asarray(setting.classes) * np.asarray(setting.instances_per_class))
    )


# -- symbolic pieces ---------------------------------------------------------------------------------------------------


def _r(sp: Any, m: Any, tau: Any) -> Any:
    return sp.exp(-m / ((m - 1) * tau))


def _rho(N: Any, m: Any) -> Any:
    return (1 - 1 / N) / (m - 1)


def _similarities(N: Any, m: Any, v: Any) -> tuple[Any, Any]:
    """x and s at within-class variance v."""
    x = 1 - v / (1 - 1 / N)
    return x, -(1 / N + (1 - 1 / N) * x) / (m - 1)


def _softmax_slope(sp: Any, m: Any, N: Any, k: Any, o: Any, c: Any, tau: Any, v: Any) -> Any:
    x, s = _similarities(N, m, v)
    e1, e2 = sp.exp((x - 1) / tau), sp.exp((s - 1) / tau)
    return (k * e1 - o * _rho(N, m) * e2) / (c + k * e1 + o * e2)


def _spread_slopes(sp: Any, m: Any, N: Any, k: Any, o: Any, tau: Any, v: Any) -> tuple[Any, Any]:
    x, s = _similarities(N, m, v)
    rho, w0, w1 = _rho(N, m), o * sp.exp((s - 1) / tau), o * sp.exp((s - x) / tau)
    sup = -(rho * w0 / (1 + w0) + k * (1 + rho) * w1 / (1 + w1)) / (k + 1)
    e1 = sp.exp((x - 1) / tau)
    return sup, k * e1 / (1 + k * e1)


def _spread_alpha(sp: Any, **symbols: Any) -> Any:
    sup, own = _spread_slopes(sp, **symbols)
    return -sup / (own - sup)


def _numeric_softmax_slope(m: float, N: float, k: float, o: float, c: float, tau: float, v: float) -> float:
    shrink = 1 - 1 / N
    away = v / (shrink * tau)
    e1, e2 = np.exp(-away), np.exp(-m / ((m - 1) * tau) + shrink / (m - 1) * away)
    return float((k * e1 - o * shrink / (m - 1) * e2) / (c + k * e1 + o * e2))


def _numeric_spread_slope(m: float, N: float, k: float, o: float, tau: float, v: float) -> float:
    shrink = 1 - 1 / N
    rho, away = shrink / (m - 1), v / (shrink * tau)
    log_others = np.log(o) - m / ((m - 1) * tau)
    w0, w1 = (1 / (1 + np.exp(-(log_others + slope * away))) for slope in (rho, 1 + rho))
    return float(-(rho * w0 + k * (1 + rho) * w1) / (k + 1))


def _own_and_same(sp: Any, n: Any, p: Any) -> tuple[Any, Any]:
    return (p - 1) / p, n - 1


def _tight(sp: Any, m: Any, n: Any, c: Any, tau: Any) -> Any:
    r = _r(sp, m, tau)
    whole = n - 1 + c + (m - 1) * n * r
    return 1 - (n - 1) / n * (n * (1 - r) / whole - m / (m - 1) * n * r / whole / tau)


def _numeric_tight(m: float, n: float, c: float, tau: float) -> float:
    loss, views = ("ssem", 2) if c == 1 else ("supcon", round(1 / (1 - c)))
    return float(class_thresholds(_full(m, n, views, tau, loss, dim=int(m) - 1))[0])


def _finite_weight(sp: Any, m: Any, k: Any, o: Any, c: Any, tau: Any, v: Any, D: Any) -> Any:
    t = sp.Symbol("t", positive=True)
    mean = sp.hyper([], [D / 2], t**2 / (4 * tau**2))
    log_sum = sp.log(
        c * sp.exp(1 / tau) + k * mean * sp.exp((1 - t) / tau) + o * mean * sp.exp(-(1 - t) / ((m - 1) * tau))
    )
    return 1 + tau * sp.diff(log_sum, t).subs(t, v)


def _reliable_threshold(sp: Any, m: Any, k: Any, o: Any, c: Any, tau: Any, R: Any) -> Any:
    r = _r(sp, m, tau)
    return (c + o * r * (m / (m - 1)) / R) / (c + k + o * r)


def _estimate(m: float, k: float, o: float, c: float, tau: float, v: float, D: float | None, R: float = 1.0) -> float:
    dimension = None if D is None else _one(D)
    estimate = Estimate(_fixed(k, o), _one(tau), _one(m), _one(0.0), _one(c), R, dimension)
    return float(estimate.weight(_one(v)).item())


def _optimum(m: float, n: float, p: float, tau: float, alpha: float) -> float:
    return optimal_variance(_full(m, n, p, tau, "supcon", alpha=alpha))


def _optimum_residual(sp: Any, m: Any, n: Any, p: Any, tau: Any, alpha: Any, v: Any) -> Any:
    c, k = _own_and_same(sp, n, p)
    return _softmax_slope(sp, m, n, k, (m - 1) * n, c, tau, v) - (1 - alpha)


def _fixed_temperature(m: float, N: float, k: float, o: float, p: float, alpha: float) -> float:
    P = o / (k + 1) + 1
    setting = Setting(
        classes=int(m),
        instances_per_class=int(N) if np.isfinite(N) else None,
        views=int(p),
        alpha=alpha,
        sampler="balanced",
        classes_per_batch=int(P),
        batch_size=int(P * (k + 1)),
    )
    return critical_temperature(setting)


def _eigenvalue(m: float, N: float, v: float) -> float:
    return float(N * (1 - v) * m / (m - 1))


def _zero_slope_l_in(m: float, N: float, k: float, o: float, tau: float, v: float) -> float:
    x, s = _similarities(N, m, v)
    e1, e2 = np.exp((x - 1) / tau), np.exp((s - 1) / tau)
    rho = (1 - 1 / N) / (m - 1)
    return float(-(rho + k * e1 / (1 + k * e1)) * o * e2 / (1 + k * e1 + o * e2))


STATEMENTS: tuple[Theorem, ...] = (
    Theorem(
        key="REDUCTION",
        title="At the optimum one number is free",
        statement=(
            "The loss is convex in the Gram matrix and does not change when views, instances or classes are renamed. "
            "So some minimiser has one similarity between views, one within classes (x) and one between classes (s). "
            "The overall mean of its embeddings is zero, so only x remains free: s = -(1/N + (1-1/N) x)/(m-1)."
        ),
        left="s",
        symbols=("m", "N", "v"),
        symbolic=lambda sp, m, N, v: _similarities(N, m, v)[1],
        numeric=lambda m, N, v: -(1 - v) / (m - 1),
        page="theory/reduction.md#symmetrisation",
        assumptions=(is_loss("supcon", "ssem", "l_spread"), *COMMON),
        reference="the paper has it for balanced full batches; convexity and mini-batches are derived here",
    ),
    Theorem(
        key="GEOMETRY",
        title="From the class simplex to the instance simplex",
        statement=(
            "The Gram matrix of such a minimiser has the eigenvalues 1-x (m(N-1) times), 1+(N-1)x-Ns (m-1 times) and "
            "0 (once). Its within-class variance v is 0 at class collapse and m(N-1)/(mN-1) when all instances form a "
            "regular simplex. At v = 1 the class means are at the origin."
        ),
        left="1 + (N-1) x - N s",
        symbols=("m", "N", "v"),
        symbolic=lambda sp, m, N, v: 1 + (N - 1) * _similarities(N, m, v)[0] - N * _similarities(N, m, v)[1],
        numeric=_eigenvalue,
        page="theory/reduction.md#rank",
        source="paper",
        assumptions=(EQUAL_CLASSES,),
    ),
    Theorem(
        key="SLOPES",
        title="The slope of supcon and ssem",
        statement=(
            "The slope is tau times the derivative of the loss in x. It is S_self = g for the self-supervised loss. "
            "For the supervised loss it is S_sup = g - 1 for anchors with a same-class instance in the batch and 0 "
            "for the others. Both slopes increase in x."
        ),
        left="S_self",
        symbols=("m", "N", "k", "o", "c", "tau", "v"),
        symbolic=_softmax_slope,
        numeric=_numeric_softmax_slope,
        page="theory/slopes.md#contrastive",
        assumptions=(SOFTMAX, *COMMON),
    ),
    Theorem(
        key="SLOPES-SPREAD",
        title="The slope of l_spread",
        statement="The slope of the supervised part of l_spread is tau times its derivative in x. It increases in x.",
        left="S_sup",
        symbols=("m", "N", "k", "o", "tau", "v"),
        symbolic=lambda sp, **s: _spread_slopes(sp, **s)[0],
        numeric=_numeric_spread_slope,
        page="theory/slopes.md#l-spread",
        assumptions=(is_loss("l_spread"), *COMMON),
    ),
    Theorem(
        key="THRESHOLD",
        title="Collapse threshold",
        statement=(
            "All instances of every class have the same embedding at the minimum if and only if alpha <= alpha_c. The "
            "class means then form a regular simplex. (In supcon below alpha_view only the views of an instance drift "
            "apart.) Every anchor's batch has k instances of its class and o of other classes; r = exp(-m/((m-1) "
            "tau)), rho = (1-1/N)/(m-1), and c = 1 for ssem and (p-1)/p for supcon. If alpha_c is above 1, no weight "
            "prevents collapse. With dim = classes - 1 it is proved only that collapse is the minimum up to alpha_c: "
            "see TIGHT."
        ),
        left="alpha_c",
        symbols=("m", "N", "k", "o", "c", "tau"),
        symbolic=lambda sp, m, N, k, o, c, tau: (
            (c + o * _r(sp, m, tau) * (1 + _rho(N, m))) / (c + k + o * _r(sp, m, tau))
        ),
        numeric=_softmax_weight,
        page="theory/thresholds.md#threshold",
        assumptions=(SOFTMAX, is_sampler("balanced", "full", otherwise="RANDOM-BATCH answers"), *COMMON),
    ),
    Theorem(
        key="FULL-SSEM",
        title="Collapse threshold of ssem, full batch",
        statement="With balanced full batches, the threshold rises from 1/n as tau -> 0 to 1 as tau -> infinity.",
        left="alpha_c",
        symbols=("m", "n", "tau"),
        symbolic=lambda sp, m, n, tau: (1 + (m * n - 1) * _r(sp, m, tau)) / (n * (1 + (m - 1) * _r(sp, m, tau))),
        numeric=lambda m, n, tau: _softmax_weight(m, n, n - 1, (m - 1) * n, 1.0, tau),
        page="theory/thresholds.md#closed-forms",
        source="paper",
        assumptions=(is_loss("ssem"), is_sampler("full"), EQUAL_CLASSES, SIMPLEX_FITS, BASIC),
    ),
    Theorem(
        key="FULL-SUPCON",
        title="Collapse threshold of supcon, full batch",
        statement=(
            "With balanced full batches, the threshold falls to alpha_eq = (p-1)/(np-1) as tau -> 0. This is the "
            "weight of plain SupCon, which is therefore below the threshold at every temperature."
        ),
        left="alpha_c",
        symbols=("m", "n", "p", "tau"),
        symbolic=lambda sp, m, n, p, tau: (
            ((p - 1) + p * (m * n - 1) * _r(sp, m, tau)) / ((n * p - 1) + (m - 1) * n * p * _r(sp, m, tau))
        ),
        numeric=lambda m, n, p, tau: _softmax_weight(m, n, n - 1, (m - 1) * n, (p - 1) / p, tau),
        page="theory/thresholds.md#closed-forms",
        assumptions=(is_loss("supcon"), is_sampler("full"), TWO_VIEWS, EQUAL_CLASSES, SIMPLEX_FITS, BASIC),
    ),
    Theorem(
        key="FULL-SPREAD",
        title="Collapse threshold of l_spread, full batch",
        statement=(
            "With balanced full batches, alpha_c = q/(1+q), where q = (m/(m-1)) w/(1+w) and w = (m-1) n r. The "
            "threshold falls to zero as tau -> 0."
        ),
        left="alpha_c",
        symbols=("m", "n", "tau"),
        symbolic=lambda sp, m, n, tau: (lambda q: q / (1 + q))(
            m / (m - 1) * (m - 1) * n * _r(sp, m, tau) / (1 + (m - 1) * n * _r(sp, m, tau))
        ),
        numeric=lambda m, n, tau: _spread_weight(m, n, n - 1, (m - 1) * n, tau),
        page="theory/thresholds.md#closed-forms",
        assumptions=(is_loss("l_spread"), is_sampler("full"), *COMMON),
    ),
    Theorem(
        key="BATCH",
        title="Mini-batches",
        statement=(
            "The batch matters only through the number k of same-class and o of other-class instances that an anchor "
            "meets, and the data set only through N. In P x K batches k = K-1 and o = (P-1) K. In a batch of all "
            "classes P = m. Only the instances that the loss sees at once count, after any gather."
        ),
        left="alpha_c",
        symbols=("m", "N", "P", "n", "c", "tau"),
        symbolic=lambda sp, m, N, P, n, c, tau: (
            (c + (P - 1) * n * _r(sp, m, tau) * (1 + _rho(N, m))) / (c + (n - 1) + (P - 1) * n * _r(sp, m, tau))
        ),
        numeric=lambda m, N, P, n, c, tau: _softmax_weight(m, N, n - 1, (P - 1) * n, c, tau),
        page="theory/batches.md#balanced",
        assumptions=(
            SOFTMAX,
            is_sampler("balanced", otherwise="RANDOM-BATCH answers for random, THRESHOLD for full batches"),
            *COMMON,
        ),
    ),
    Theorem(
        key="RANDOM-BATCH",
        title="Random mini-batches",
        statement=(
            "In uniform random batches k is hypergeometric, or binomial for an infinite data set, as in the formula. "
            "Anchors without a same-class instance have only the self-supervised term. It pushes classes away from "
            "each other, and so it draws the instances of a class together."
        ),
        left="alpha_c",
        symbols=("m", "B", "c", "tau"),
        symbolic=lambda sp, m, B, c, tau: _random_threshold(sp, m, B, c, tau),
        numeric=_random_weight,
        page="theory/batches.md#random",
        assumptions=(SOFTMAX, is_sampler("random", otherwise="THRESHOLD answers"), *COMMON),
    ),
    Theorem(
        key="WEIGHT",
        title="Weight for a wanted variance",
        statement="This is the weight at whose optimum the within-class variance is v. It increases with v.",
        left="alpha(v)",
        symbols=("m", "N", "k", "o", "c", "tau", "v"),
        symbolic=lambda sp, **s: 1 - _softmax_slope(sp, **s),
        numeric=_softmax_weight,
        page="theory/thresholds.md#weight",
        assumptions=(SOFTMAX, is_sampler("balanced", "full"), *COMMON, Assumption("dim >= mN - 1", is_exact)),
    ),
    Theorem(
        key="WEIGHT-SPREAD",
        title="Weight for a wanted variance, l_spread",
        statement="This is the weight at whose optimum the within-class variance is v, for l_spread.",
        left="alpha(v)",
        symbols=("m", "N", "k", "o", "tau", "v"),
        symbolic=lambda sp, **s: _spread_alpha(sp, **s),
        numeric=_spread_weight,
        page="theory/thresholds.md#weight",
        assumptions=(is_loss("l_spread"), *COMMON, Assumption("dim >= mN - 1", is_exact)),
    ),
    Theorem(
        key="OPTIMUM",
        title="Optimal within-class variance",
        statement=(
            "The within-class variance of the minimiser is where the slope is zero. It is 0 for alpha <= alpha_c and "
            "increases with alpha above that. (The formula is the slope for supcon in full batches.)"
        ),
        left="0",
        implicit="v",
        symbols=("m", "n", "p", "tau", "alpha"),
        symbolic=lambda sp, m, n, p, tau, alpha: _optimum_residual(
            sp, m, n, p, tau, alpha, sp.Symbol("v", positive=True)
        ),
        numeric=_optimum,
        page="theory/slopes.md#slope",
        assumptions=(is_loss("supcon"), is_sampler("full"), *COMMON, Assumption("dim >= mN - 1", is_exact)),
        reference="the paper has the full batch of ssem",
    ),
    Theorem(
        key="TEMPERATURE",
        title="Critical temperature",
        statement=(
            "alpha_c increases with tau, so collapse is optimal if and only if tau >= tau_c. If tau_c is 0, collapse "
            "is optimal at every temperature; if it is infinite, at none. With dim = classes - 1 it is proved only "
            "that collapse is optimal from tau_c on: see TIGHT."
        ),
        left="tau_c",
        symbols=("m", "N", "k", "o", "p", "alpha"),
        symbolic=lambda sp, m, N, k, o, p, alpha: (
            -(m / (m - 1)) / sp.log((alpha * ((p - 1) / p + k) - (p - 1) / p) / (o * (1 + _rho(N, m) - alpha)))
        ),
        numeric=_fixed_temperature,
        page="theory/thresholds.md#temperature",
        assumptions=(is_loss("supcon"), is_sampler("balanced", "full"), TWO_VIEWS, EQUAL_CLASSES, SIMPLEX_FITS, BASIC),
    ),
    Theorem(
        key="TEMPERATURE-SSEM",
        title="Critical temperature of ssem, full batch",
        statement=(
            "This is the critical temperature for alpha > 1/n. For smaller alpha, collapse is optimal at every "
            "temperature."
        ),
        left="tau_c",
        symbols=("m", "n", "alpha"),
        symbolic=lambda sp, m, n, alpha: (m / (m - 1)) / sp.log((m * n - 1 - alpha * n * (m - 1)) / (alpha * n - 1)),
        numeric=lambda m, n, alpha: critical_temperature(_full(m, n, 2, 1.0, "ssem", alpha=alpha)),
        page="theory/thresholds.md#temperature",
        source="paper",
        assumptions=(is_loss("ssem"), is_sampler("full"), EQUAL_CLASSES, SIMPLEX_FITS, BASIC),
    ),
    Theorem(
        key="SMALL-TEMPERATURE",
        title="A temperature can be too small",
        statement="At a fixed alpha above the threshold, the optimal variance falls in proportion to tau as tau -> 0.",
        left="v* (as tau -> 0)",
        symbols=("N", "k", "c", "tau", "alpha"),
        symbolic=lambda sp, N, k, c, tau, alpha: (1 - 1 / N) * tau * sp.log(alpha * k / ((1 - alpha) * c)),
        numeric=lambda N, k, c, tau, alpha: (1 - 1 / N) * tau * np.log(alpha * k / ((1 - alpha) * c)),
        page="theory/thresholds.md#small-temperature",
        assumptions=(SOFTMAX, is_sampler("balanced", "full"), *COMMON),
    ),
    Theorem(
        key="PLAIN-SUPCON",
        title="Plain SupCon collapses at every temperature",
        statement=(
            "Plain SupCon averages over all same-class positives of an anchor. It is lowest when every class is one "
            "point: at every temperature, in every dimension, for any class sizes, and for any sampler that treats "
            "the instances of a class alike. A classifier of any kind on any layer does not change this. For equal "
            "classes plain SupCon is the mixture with the weight alpha_eq, which is below alpha_c. (For full batches: "
            "Graf et al. 2021.)"
        ),
        left="alpha_eq",
        symbols=("n", "p"),
        symbolic=lambda sp, n, p: (p - 1) / (n * p - 1),
        numeric=lambda n, p: (p - 1) / (n * p - 1),
        page="theory/plain.md#plain-supcon",
        assumptions=(is_loss("supcon"), PLAIN),
    ),
    Theorem(
        key="L-IN",
        title="SupCon with the logarithm of a sum collapses at every temperature",
        statement=(
            "SupCon with the sum over positives inside the logarithm (L_in) is lowest when every class is one point: "
            "at every temperature, in every dimension, for any class sizes, and for any sampler that treats the "
            "instances of a class alike. A classifier beside it does not change this. (The formula is its slope for "
            "equal classes, which is negative everywhere.)"
        ),
        left="slope of L_in",
        symbols=("m", "N", "k", "o", "tau", "v"),
        symbolic=lambda sp, m, N, k, o, tau, v: _l_in_slope(sp, m, N, k, o, tau, v),
        numeric=_zero_slope_l_in,
        page="theory/plain.md#plain-supcon",
        assumptions=(PLAIN,),
    ),
    Theorem(
        key="CE-SUPCON",
        title="Cross-entropy beside SupCon does not help",
        statement=(
            "Cross-entropy plus SupCon without a self-supervised term has collapse as its optimum, whatever the two "
            "weights, the classifier, its weight decay, its layer, the class sizes and the dimension are. If all "
            "instances of a class get one of its own embeddings, drawn at random, the expected cross-entropy stays "
            "the same and SupCon falls. (The formula is the distance of plain SupCon from the threshold, for equal "
            "classes.)"
        ),
        left="alpha_c - alpha_eq",
        symbols=("m", "n", "p", "tau"),
        symbolic=lambda sp, m, n, p, tau: (
            ((p - 1) + p * (m * n - 1) * _r(sp, m, tau)) / ((n * p - 1) + (m - 1) * n * p * _r(sp, m, tau))
            - (p - 1) / (n * p - 1)
        ),
        numeric=lambda m, n, p, tau: _plain_margin(m, n, p, tau),
        page="theory/plain.md#cross-entropy",
        assumptions=(PLAIN,),
    ),
    Theorem(
        key="L-IN-MIXED",
        title="The logarithm of a sum, mixed with a self-supervised term",
        statement=(
            "With L_in as the supervised term, collapse is stable against a spread within classes up to this weight, "
            "(alpha_c - alpha_eq) / (1 - alpha_eq), and unstable above it. This is a local statement: L_in is not "
            "convex, so below this weight something else may be better than collapse. Plain SupCon plus a "
            "self-supervised term has the same threshold, and there the statement is global."
        ),
        left="alpha",
        symbols=("m", "N", "k", "o", "c", "tau"),
        symbolic=lambda sp, m, N, k, o, c, tau: _l_in_threshold(sp, m, N, k, o, c, tau),
        numeric=_numeric_l_in,
        page="theory/extensions.md#l-in",
        assumptions=(
            is_loss("l_in"),
            TWO_VIEWS,
            EQUAL_CLASSES,
            SPARE_DIRECTION,
            is_basic_but("self_temperature"),
        ),
    ),
    Theorem(
        key="QUEUE",
        title="Queues, memory banks, gathering without gradient",
        statement=(
            "If the keys are current embeddings that pass no gradient, a spread within the collapsed classes grows if "
            "and only if alpha > alpha_c. This is the threshold of the same comparison with gradient, as a statement "
            "about local stability. A queue of Q random keys is ssem with one view and random batches of Q + 1. Keys "
            "of a momentum encoder that follow the embeddings with a lag do not change the threshold."
        ),
        left="alpha_c",
        symbols=("m", "Q", "tau"),
        symbolic=lambda sp, m, Q, tau: _random_threshold(sp, m, Q + 1, 1, tau),
        numeric=lambda m, Q, tau: _random_weight(m, Q + 1, 1.0, tau),
        page="theory/extensions.md#queue",
        assumptions=(SOFTMAX, TWO_VIEWS, EQUAL_CLASSES, SPARE_DIRECTION, is_basic_but("queue", "self_temperature")),
    ),
    Theorem(
        key="NON-NEGATIVE",
        title="Features without negative coordinates",
        statement=(
            "With a ReLU before the normalisation, classes can at best be at right angles: s = 0. Collapse is the "
            "global minimum if and only if alpha <= alpha_c. In the formula exp(-1/tau) takes the place of r, and rho "
            "is 0. (It holds for one number k of same-class and o of other-class instances.)"
        ),
        left="alpha_c",
        symbols=("k", "o", "c", "tau"),
        symbolic=lambda sp, k, o, c, tau: (c + o * sp.exp(-1 / tau)) / (c + k + o * sp.exp(-1 / tau)),
        numeric=_numeric_non_negative,
        page="theory/extensions.md#non-negative",
        assumptions=(
            SOFTMAX,
            OWN_VIEW,
            EQUAL_CLASSES,
            is_basic_but("features", "self_temperature"),
            Assumption(
                "one direction for every class and one beside them: dim >= classes + 1",
                lambda s: True if s.dim is None else bool(np.all(np.asarray(s.dim) > np.asarray(s.classes))),
            ),
        ),
    ),
    Theorem(
        key="NON-NEGATIVE-OPTIMUM",
        title="Optimal variance without negative coordinates",
        statement=(
            "With a ReLU before the normalisation, the optimal within-class variance is 0 below the threshold and "
            "(N-1)/N at most. (The formula holds between the two, for one k and o.)"
        ),
        left="v*",
        symbols=("N", "k", "o", "c", "tau", "alpha"),
        symbolic=lambda sp, N, k, o, c, tau, alpha: (
            (1 - 1 / N) * tau * sp.log(alpha * k / ((1 - alpha) * (c + o * sp.exp(-1 / tau))))
        ),
        numeric=lambda N, k, o, c, tau, alpha: float(
            (1 - 1 / N) * tau * (np.log(alpha / (1 - alpha)) + np.log(k) - np.log(c + o * np.exp(-1 / tau)))
        ),
        page="theory/extensions.md#non-negative",
        assumptions=(
            SOFTMAX,
            OWN_VIEW,
            is_sampler("balanced", "full"),
            EQUAL_CLASSES,
            is_basic_but("features"),
            Assumption("dim >= m N", _orthant_fits),
        ),
    ),
    Theorem(
        key="TWO-TEMPERATURES",
        title="A temperature for each term",
        statement=(
            "With the temperature tau_1 for the supervised and tau_2 for the self-supervised term, collapse is the "
            "global minimum if and only if alpha <= alpha_c, which follows from the two slopes at collapse."
        ),
        left="alpha_c",
        symbols=("m", "N", "k", "o", "c", "tau", "tau_2"),
        symbolic=lambda sp, m, N, k, o, c, tau, tau_2: _two_temperatures(sp, m, N, k, o, c, tau, tau_2),
        numeric=_numeric_two_temperatures,
        page="theory/extensions.md#two-temperatures",
        assumptions=(
            OWN_VIEW,
            EQUAL_CLASSES,
            SPARE_DIRECTION,
        ),
    ),
    Theorem(
        key="LEARNED-TEMPERATURE",
        title="A learned temperature falls to its lower limit",
        statement=(
            "In unlimited dimension the smallest value of the loss does not rise when the temperature falls, whatever "
            "alpha, the batch and the class sizes are. For equal classes and ssem or supcon it falls strictly. So "
            "embeddings and temperature together are best at the smallest temperature allowed, and every threshold "
            "should be evaluated there. (The formula is the derivative of the loss at class collapse, which is "
            "positive.)"
        ),
        left="d loss / d tau",
        symbols=("m", "n", "p", "tau"),
        symbolic=lambda sp, m, n, p, tau: sp.diff(sp.log((p * n - 1) + p * n * (m - 1) * _r(sp, m, tau)), tau),
        numeric=_numeric_loss_by_temperature,
        page="theory/extensions.md#learned-temperature",
        assumptions=(is_loss("supcon", "ssem", "l_spread"), is_basic_but("features", "self_temperature")),
    ),
    Theorem(
        key="CROSS-ENTROPY",
        title="Cross-entropy beside both contrastive terms",
        statement=(
            "For equal classes a linear classifier on the same normalised features can only raise the threshold. "
            "Collapse is the global minimum if and only if alpha is at most alpha_ce, where w is the weight of "
            "cross-entropy over the contrastive weights and s is the margin of its logits at collapse, which weight "
            "decay or a norm bound decides. With a large margin the threshold is alpha_c again, and no margin adds "
            "more than w tau W((m-1)/e) / 2, with Lambert's function W. A classifier on another layer, under an "
            "unlimited projection head, leaves the threshold at alpha_c."
        ),
        left="alpha_ce",
        symbols=("m", "N", "k", "o", "c", "tau", "w", "s"),
        symbolic=lambda sp, m, N, k, o, c, tau, w, s: (
            (c + o * _r(sp, m, tau) * (1 + _rho(N, m))) / (c + k + o * _r(sp, m, tau))
            + w * (1 - 1 / N) * tau * s * (m - 1) / (2 * (sp.exp(s) + m - 1))
        ),
        numeric=_numeric_cross_entropy,
        page="theory/cross-entropy.md#threshold",
        assumptions=(
            OWN_VIEW,
            EQUAL_CLASSES,
            SPARE_DIRECTION,
            is_loss("supcon", "ssem", "l_spread"),
            is_basic_but("cross_entropy", "self_temperature"),
        ),
    ),
    Theorem(
        key="CROSS-ENTROPY-BOUND",
        title="The most that cross-entropy adds to the threshold",
        statement=(
            "Over all weight decays and norm bounds of the classifier, cross-entropy pulls most strongly at the "
            "margin 1 + W((m-1)/e). (The formula is the largest value of s (m-1)/(e^s + m-1).)"
        ),
        left="W((m-1)/e)",
        symbols=("m",),
        symbolic=lambda sp, m: sp.LambertW((m - 1) * sp.exp(-1)),
        numeric=lambda m: float(hardest_pull(m)),
        page="theory/cross-entropy.md#bound",
        assumptions=(EQUAL_CLASSES, is_basic_but("cross_entropy", "self_temperature")),
    ),
    Theorem(
        key="DIMENSION",
        title="As many dimensions as classes are enough",
        statement=(
            "For classes <= dim < mN - 1 the threshold is the same as in high dimension: collapse is the global "
            "minimum if and only if alpha <= alpha_c, and above alpha_c it is not even a local minimum. The optimal "
            "variance in high dimension does not bound the variance reached, from either side. The estimate FINITE "
            "takes its place."
        ),
        left="alpha_c",
        symbols=("m", "N", "k", "o", "c", "tau"),
        symbolic=lambda sp, m, N, k, o, c, tau: 1 - _softmax_slope(sp, m, N, k, o, c, tau, sp.Integer(0)),
        numeric=_softmax_weight,
        page="theory/dimension.md#enough",
        assumptions=(SOFTMAX, OWN_VIEW, EQUAL_CLASSES, SPARE_DIRECTION, BASIC),
    ),
    Theorem(
        key="TIGHT",
        title="One dimension fewer than classes",
        statement=(
            "With dim = classes - 1 there is no direction beside the class means. Collapse is the global minimum for "
            "alpha <= alpha_c and remains a local minimum up to the larger alpha_loc. (The formula holds for full "
            "batches.)"
        ),
        left="alpha_loc",
        symbols=("m", "n", "c", "tau"),
        symbolic=_tight,
        numeric=_numeric_tight,
        page="theory/dimension.md#tight",
        assumptions=(
            SOFTMAX,
            is_sampler("full"),
            OWN_VIEW,
            EQUAL_CLASSES,
            BASIC,
            Assumption("dim = classes - 1 >= 2", lambda s: None if s.dim is None else bool(s.dim == s.classes - 1 > 1)),
        ),
    ),
    Theorem(
        key="UNEQUAL",
        title="Every class has its own threshold",
        statement=(
            "With unequal class sizes, or with dim < classes - 1, class i stops being collapsed at its own alpha_i. "
            "Usually, but not always, small classes need a larger weight. F is the force between classes, and lambda_i "
            "is the least curvature of the collapsed loss at the class mean. The thresholds are local, for the state "
            "in which all classes are collapsed. Once some classes have spread out, the others follow at other "
            "weights, usually larger ones, which are found by minimising the symmetrised loss. With fewer dimensions "
            "than instances they open later still, which is searched for or estimated. (The formula holds for full "
            "batches; q is the softmax weight of one embedding.)"
        ),
        left="alpha_i",
        symbols=("n", "p", "q", "F", "lambda_i", "tau"),
        symbolic=lambda sp, n, p, q, F, lambda_i, tau: 1 - (n - 1) / n * (p * n * q + F - lambda_i / (2 * tau)),
        numeric=lambda n, p, q, F, lambda_i, tau: 1 - (n - 1) / n * (p * n * q + F - lambda_i / (2 * tau)),
        page="theory/classes.md#threshold",
        assumptions=(
            SOFTMAX,
            OWN_VIEW,
            BASIC,
            Assumption(
                "batches draw from all classes: no P x K batches of some",
                lambda s: s.classes_per_batch is None or bool(s.classes_per_batch == s.classes),
            ),
        ),
    ),
    Theorem(
        key="VIEWS",
        title="When views of one instance drift apart",
        statement=(
            "At collapse, the views of one instance drift apart when alpha < alpha_view, and alpha_view <= alpha_eq "
            "<= alpha_c. Such variance is augmentation noise and not information about the instance."
        ),
        left="alpha_view",
        symbols=("m", "n", "p", "tau"),
        symbolic=lambda sp, m, n, p, tau: (
            (p - 1) * (n * p * (1 - _r(sp, m, tau)) / ((n * p - 1) + (m - 1) * n * p * _r(sp, m, tau)) - 1)
        ),
        numeric=lambda m, n, p, tau: (
            (p - 1)
            * (1 - m * n * p * np.exp(-m / ((m - 1) * tau)))
            / ((n * p - 1) + (m - 1) * n * p * np.exp(-m / ((m - 1) * tau)))
        ),
        page="theory/views.md#views",
        assumptions=(is_loss("supcon"), is_sampler("full"), TWO_VIEWS, EQUAL_CLASSES, SIMPLEX_FITS, BASIC),
    ),
    Theorem(
        key="TOTAL-COLLAPSE",
        title="The loss when all embeddings are equal",
        statement=(
            "If all embeddings are equal, supcon is ln(pB - 1) whatever the labels are, and ssem is ln(pB). Code with "
            "a base_temperature multiplies this by tau/tau_base. A loss that stays at this value is total collapse, "
            "not slow learning."
        ),
        left="loss",
        symbols=("p", "B"),
        symbolic=lambda sp, p, B: sp.log(p * B - 1),
        numeric=lambda p, B: np.log(p * B - 1),
        page="theory/values.md#total-collapse",
        assumptions=(is_loss("supcon"),),
    ),
    Theorem(
        key="REFERENCE",
        title="The loss at class collapse",
        statement=(
            "This is supcon in a balanced batch when every class is one point and the class means form a regular "
            "simplex."
        ),
        left="loss",
        symbols=("m", "n", "p", "tau"),
        symbolic=lambda sp, m, n, p, tau: sp.log((p * n - 1) + p * n * (m - 1) * _r(sp, m, tau)),
        numeric=lambda m, n, p, tau: np.log((p * n - 1) + p * n * (m - 1) * np.exp(-m / ((m - 1) * tau))),
        page="theory/values.md#class-collapse",
        assumptions=(is_loss("supcon"), is_sampler("balanced", "full"), TWO_VIEWS, EQUAL_CLASSES, SIMPLEX_FITS, BASIC),
    ),
    Theorem(
        key="FINITE",
        title="Estimate: finite dimension",
        statement=(
            "ESTIMATE. Assume that the spread of each class fills D directions evenly: the d - (m-1) beside the class "
            "means, or three quarters of d - 1 if that is more. Then the weight for a within-class variance v follows "
            "from the mean of exp(v cos / tau) over such directions."
        ),
        left="alpha(v)",
        symbols=("m", "k", "o", "c", "tau", "v", "D"),
        symbolic=_finite_weight,
        numeric=_estimate,
        page="theory/estimates.md#finite-dimension",
        kind="estimate",
        assumptions=(SOFTMAX, *COMMON),
    ),
    Theorem(
        key="RELIABILITY",
        title="Estimate: imperfect views",
        statement=(
            "ESTIMATE. If only the share R of the within-class spread belongs to the instance (the view reliability), "
            "the threshold rises, in the part that comes from the other classes. At small tau it hardly changes, at "
            "large tau it does."
        ),
        left="alpha_c(R)",
        symbols=("m", "k", "o", "c", "tau", "R"),
        symbolic=_reliable_threshold,
        numeric=lambda m, k, o, c, tau, R: _estimate(m, k, o, c, tau, 0.0, None, R),
        page="theory/estimates.md#reliability-threshold",
        kind="estimate",
        assumptions=(is_loss("supcon"), *COMMON),
    ),
)


def _random_threshold(sp: Any, m: Any, B: Any, c: Any, tau: Any) -> Any:
    k = sp.Symbol("k", integer=True)
    r, rho = _r(sp, m, tau), 1 / (m - 1)
    probability = sp.binomial(B - 1, k) * (1 / m) ** k * (1 - 1 / m) ** (B - 1 - k)
    o = B - 1 - k
    together = sp.Sum(probability * (c + o * r * (1 + rho)) / (c + k + o * r), (k, 1, B - 1))
    alone = (1 - 1 / m) ** (B - 1)
    return together / (1 - alone - alone * (B - 1) * rho * r / (c + (B - 1) * r))


def _l_in_slope(sp: Any, m: Any, N: Any, k: Any, o: Any, tau: Any, v: Any) -> Any:
    """tau d/dx of -log((1 + k e1) / (1 + k e1 + o e2)), differentiated by sympy."""
    x = sp.Symbol("x")
    s = -(1 / N + (1 - 1 / N) * x) / (m - 1)
    positives, negatives = 1 + k * sp.exp((x - 1) / tau), o * sp.exp((s - 1) / tau)
    loss = -sp.log(positives / (positives + negatives))
    return (tau * sp.diff(loss, x)).subs(x, _similarities(N, m, v)[0])


def _l_in_threshold(sp: Any, m: Any, N: Any, k: Any, o: Any, c: Any, tau: Any) -> Any:
    """(alpha_c - alpha_eq) / (1 - alpha_eq) with alpha_eq = c / (c + k)."""
    threshold = 1 - _softmax_slope(sp, m, N, k, o, c, tau, sp.Integer(0))
    return (threshold - c / (c + k)) / (1 - c / (c + k))


def _two_temperatures(sp: Any, m: Any, N: Any, k: Any, o: Any, c: Any, tau: Any, tau_2: Any) -> Any:
    pull = (1 - _softmax_slope(sp, m, N, k, o, c, tau, sp.Integer(0))) / tau
    return pull / (pull + _softmax_slope(sp, m, N, k, o, c, tau_2, sp.Integer(0)) / tau_2)


def _plain_margin(m: float, n: float, p: float, tau: float) -> float:
    """alpha_c - alpha_eq without cancellation."""
    r = np.exp(-m / ((m - 1) * tau))
    top = p * r * ((m * n - 1) * (n * p - 1) - (p - 1) * (m - 1) * n)
    return float(top / (((n * p - 1) + (m - 1) * n * p * r) * (n * p - 1)))
