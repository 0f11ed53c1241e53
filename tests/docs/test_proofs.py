"""Each step of the proofs in docs/theory, by number, against losses written as plain loops.

Nothing here imports the theory it checks: the formulas are typed from the pages.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import hyp0f1, logsumexp
from scipy.stats import hypergeom

Batch = tuple[int, ...]


def items(m: int, n: int, p: int) -> list[tuple[int, int, int]]:
    """(class, instance, view) of every embedding."""
    return list(itertools.product(range(m), range(n), range(p)))


def anchor_loss(gram: np.ndarray, rows: list, a: int, batch: list[int], alpha: float, tau: float, loss: str) -> float:
    """The loss of anchor a in a batch (indices of embeddings), term by term as docs/theory/notation.md states it."""
    s = gram[a] / tau
    c, i, w = rows[a]
    views = [b for b in batch if rows[b][:2] == (c, i)]
    positives = [b for b in batch if rows[b][0] == c and rows[b][1] != i]
    if loss == "l_spread":
        total, others = 0.0, sorted({rows[b][2] for b in batch} - {w})
        for view in others:
            mine = [b for b in batch if rows[b][2] == view]
            same = [b for b in mine if rows[b][0] == c]
            own = next(b for b in same if rows[b][1] == i)
            negatives = [b for b in mine if rows[b][0] != c]
            supervised = [np.log1p(sum(np.exp(s[b] - s[j]) for b in negatives)) for j in same]
            self_term = np.log1p(sum(np.exp(s[j] - s[own]) for j in same if j != own))
            total += (1 - alpha) * np.mean(supervised) + alpha * self_term
        return total / len(others)
    pulled = views if loss == "ssem" else [b for b in views if b != a]
    log_z = logsumexp([s[b] for b in batch if loss == "ssem" or b != a])
    own = log_z - np.mean([s[b] for b in pulled]) if pulled else 0.0
    return alpha * own + (1 - alpha) * (log_z - np.mean([s[b] for b in positives]) if positives else 0.0)


def batches(m: int, n: int, sampler: str, size: int) -> Iterator[Batch]:
    """Every batch of the sampler, equally likely, as indices of instances."""
    for chosen in itertools.combinations(range(m * n), size):
        counts = sorted(sum(i // n == c for i in chosen) for c in range(m))
        wanted = {"random": counts, "balanced": [size // m] * m, "two classes": [0] * (m - 2) + [size // 2] * 2}
        if counts == wanted[sampler]:
            yield chosen


def expected_loss(gram: np.ndarray, m: int, n: int, p: int, chosen: list[Batch], *args) -> float:
    rows = items(m, n, p)
    values = []
    for batch in chosen:
        members = [i * p + v for i in batch for v in range(p)]
        values.append(np.mean([anchor_loss(gram, rows, a, members, *args) for a in members]))
    return float(np.mean(values))


def three_numbers(m: int, n: int, p: int, u: float, x: float, s: float) -> np.ndarray:
    rows = items(m, n, p)
    value = lambda a, b: 1 if a == b else u if a[:2] == b[:2] else x if a[0] == b[0] else s  # noqa: E731
    return np.array([[value(a, b) for b in rows] for a in rows], dtype=float)


def law(m: int, n: int, sampler: str, size: int) -> list[tuple[float, int, int]]:
    """(probability, k, o) of an anchor."""
    if sampler == "random":
        ks = range(min(n, size))
        return [(float(hypergeom(m * n - 1, n - 1, size - 1).pmf(k)), k, size - 1 - k) for k in ks]
    per_class = size // (2 if sampler == "two classes" else m)
    return [(1.0, per_class - 1, size - per_class)]


def slopes(x: float, m: int, n: int, p: int, q: list, tau: float, loss: str) -> tuple[float, float]:
    """Expected S_sup and S_self of docs/theory/slopes.md."""
    rho = (n - 1) / ((m - 1) * n)
    s = -(1 + (n - 1) * x) / ((m - 1) * n)
    e1, e2 = np.exp((x - 1) / tau), np.exp((s - 1) / tau)
    sup = own = 0.0
    for weight, k, o in q:
        if loss == "l_spread":
            w0, w1 = o * e2, o * np.exp((s - x) / tau)
            sup += weight * (-rho * w0 / (1 + w0) - k * w1 / (1 + w1) * (1 + rho)) / (k + 1)
            own += weight * k * e1 / (1 + k * e1)
        else:
            c = 1 if loss == "ssem" else (p - 1) / p
            g = (k * e1 - o * rho * e2) / (c + k * e1 + o * e2)
            sup += weight * (g - 1 if k else 0)
            own += weight * g
    return sup, own


def threshold(m, n, p, q, tau, loss) -> float:
    sup, own = slopes(1.0, m, n, p, q, tau, loss)
    return -sup / (own - sup)


CASES = [
    ("ssem", 3, 2, 2, "full", 6),
    ("supcon", 3, 2, 2, "full", 6),
    ("supcon", 2, 3, 2, "random", 3),
    ("ssem", 3, 2, 2, "random", 3),
    ("supcon", 3, 3, 2, "balanced", 6),
    ("supcon", 3, 2, 3, "two classes", 4),
    ("l_spread", 3, 2, 2, "full", 6),
    ("l_spread", 2, 3, 3, "random", 3),
]


def sampled(m: int, n: int, sampler: str, size: int) -> list[Batch]:
    return list(batches(m, n, "random" if sampler == "full" else sampler, size))


@pytest.mark.parametrize(("loss", "m", "n", "p", "sampler", "size"), CASES)
def test_slope_is_the_derivative_of_the_expected_loss_on_the_zero_mean_line(loss, m, n, p, sampler, size):
    chosen, alpha, tau, step = sampled(m, n, sampler, size), 0.3, 0.4, 1e-5
    for x in (0.9, 0.3, -0.1):
        value = lambda x: expected_loss(  # noqa: E731
            three_numbers(m, n, p, 1, x, -(1 + (n - 1) * x) / ((m - 1) * n)), m, n, p, chosen, alpha, tau, loss
        )
        numeric = tau * (value(x + step) - value(x - step)) / (2 * step)
        sup, own = slopes(x, m, n, p, law(m, n, sampler if sampler != "full" else "balanced", size), tau, loss)
        assert numeric == pytest.approx((1 - alpha) * sup + alpha * own, abs=1e-7)


@pytest.mark.parametrize(("loss", "m", "n", "p", "sampler", "size"), CASES)
def test_the_loss_is_convex_in_the_gram_matrix_and_averaging_never_raises_it(loss, m, n, p, sampler, size):
    chosen = sampled(m, n, sampler, size)[:12]
    rng = np.random.default_rng(1)
    value = lambda g: expected_loss(g, m, n, p, chosen, 0.4, 0.3, loss)  # noqa: E731
    for _ in range(3):
        one, two = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in rng.normal(size=(2, m * n * p, 4)))
        one, two = one @ one.T, two @ two.T
        assert value((one + two) / 2) <= (value(one) + value(two)) / 2 + 1e-12


@pytest.mark.parametrize(("loss", "m", "n", "p", "sampler", "size"), [case for case in CASES if case[0] != "l_spread"])
@pytest.mark.parametrize("alpha", [0.05, 0.35, 0.8])
def test_views_align_or_instances_collapse_over_three_number_matrices(loss, m, n, p, sampler, size, alpha):
    """Theorem 1, Theorem 8 and the l_spread lemma: free (u, x, s) over all positive semidefinite matrices."""
    chosen, tau = sampled(m, n, sampler, size), 0.25
    q = law(m, n, sampler if sampler != "full" else "balanced", size)
    rows = items(m, n, p)
    members = [[i * p + v for i in b for v in range(p)] for b in chosen]
    kinds = dict(zip(chosen, members, strict=True))
    # One anchor for each (k, o) is enough at a three-number matrix; its weight is how often that pair occurs.
    seen: dict[tuple[int, int], tuple[int, list[int]]] = {}
    count: dict[tuple[int, int], int] = {}
    for b in chosen:
        for a in kinds[b]:
            k = sum(rows[o][0] == rows[a][0] for o in kinds[b]) // p - 1
            key = (k, len(b) - 1 - k)
            seen.setdefault(key, (a, kinds[b]))
            count[key] = count.get(key, 0) + 1
    total = sum(count.values())
    assert {key: c / total for key, c in count.items()} == pytest.approx({(k, o): w for w, k, o in q if w > 1e-12})

    def value(y: np.ndarray) -> float:
        gram = three_numbers(m, n, p, *y)
        return sum(count[key] / total * anchor_loss(gram, rows, a, b, alpha, tau, loss) for key, (a, b) in seen.items())

    def eigenvalues(y: np.ndarray) -> np.ndarray:
        u, x, s = y
        t = 1 + (p - 1) * u + (n - 1) * p * x
        return np.array([1 - u, 1 + (p - 1) * u - p * x, t - n * p * s, t + (m - 1) * n * p * s])

    bounds = [(-1, 1)] * 3
    best = min(
        (
            minimize(
                value,
                start,
                method="SLSQP",
                bounds=bounds,
                options={"ftol": 1e-15, "maxiter": 500},
                constraints={"type": "ineq", "fun": eigenvalues},
            )
            for start in ([0.9, 0.5, -0.1], [0.5, 0.2, 0.0])
        ),
        key=lambda r: r.fun,
    )
    u, x, s = best.x
    alpha_c = threshold(m, n, p, q, tau, loss)
    r = np.exp(-m / ((m - 1) * tau))
    assert (m - 1) * n * p * s == pytest.approx(-(1 + (p - 1) * u + (n - 1) * p * x), abs=1e-4)
    if alpha > alpha_c:
        assert u == pytest.approx(1, abs=1e-4)
        x_best = minimize_scalar(
            lambda x: value(np.array([1, x, -(1 + (n - 1) * x) / ((m - 1) * n)])),
            bounds=(-1 / (n - 1), 1),
            method="bounded",
            options={"xatol": 1e-9},
        ).x
        assert x == pytest.approx(x_best, abs=2e-3)
        assert x < 1 - 1e-3
    else:
        assert p * x == pytest.approx(1 + (p - 1) * u, abs=1e-3)
        c, top, bottom = (p - 1) / p, 0.0, 0.0
        for weight, k, o in q:
            w0 = o * r / (c + o * r)
            if k:
                top += weight * (p - 1) * ((1 + k - o * r / (m - 1)) / (c + k + o * r) - 1)
                bottom += weight
            else:
                bottom += weight * w0 * (p + (p - 1) / (m - 1))
        drifts = loss == "supcon" and alpha < top / bottom
        assert (u < 1 - 1e-3) == drifts


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.7, 1.0])
def test_l_spread_aligns_its_views_with_a_free_same_view_block(alpha):
    """Minimise over (u, x, s) of the cross-view block and the three eigenvalues of the same-view block."""
    m, n, p, tau = 3, 2, 2, 0.4
    rows, batch = items(m, n, p), list(range(m * n * p))

    def value(y):
        return anchor_loss(three_numbers(m, n, p, *y[:3]), rows, 0, batch, alpha, tau, "l_spread")

    def spectrum(y):
        u, x, s = y[:3]
        return np.array([u - x, u + (n - 1) * x - n * s, u + (n - 1) * x + (m - 1) * n * s])

    constraints = [
        {"type": "ineq", "fun": lambda y: y[3:] - spectrum(y)},
        {"type": "ineq", "fun": lambda y: y[3:] + (p - 1) * spectrum(y)},
        {"type": "eq", "fun": lambda y: y[3:] @ [m * (n - 1), m - 1, 1] - m * n},
    ]
    best = min(
        (
            minimize(value, [u, 0.3, -0.1, 1, 1, 1], method="SLSQP", constraints=constraints, options={"ftol": 1e-15})
            for u in (0.2, 0.9)
        ),
        key=lambda result: result.fun,
    )
    on_the_line = minimize_scalar(
        lambda x: value([1, x, -(1 + (n - 1) * x) / ((m - 1) * n)]),
        bounds=(-1 / (n - 1), 1),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert best.fun == pytest.approx(on_the_line.fun, abs=1e-6)
    assert best.x[0] == pytest.approx(1, abs=1e-3)  # at the minimum of (u, x, s) views agree, in whatever D is left


def test_l_spread_knows_the_views_and_renames_them_all_alike():
    """Lemma 2: the group of l_spread; renaming the views of one instance alone changes it, and not the others."""
    m, n, p = 2, 2, 3
    rows, rng = items(m, n, p), np.random.default_rng(2)
    z = rng.normal(size=(len(rows), 5))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    value = lambda z, loss: expected_loss(z @ z.T, m, n, p, [(0, 1, 2, 3)], 0.4, 0.3, loss)  # noqa: E731
    blocks = z.reshape(m * n, p, -1)
    alike, alone = blocks[:, [1, 2, 0]], blocks.copy()
    alone[0] = alone[0, [1, 2, 0]]
    for loss in ("l_spread", "supcon", "ssem"):
        assert value(alike.reshape(z.shape), loss) == pytest.approx(value(z, loss), rel=1e-12)
        for order in ([1, 0, 2, 3], [2, 3, 0, 1]):  # instances of a class, classes
            assert value(blocks[order].reshape(z.shape), loss) == pytest.approx(value(z, loss), rel=1e-12)
        kept = abs(value(alone.reshape(z.shape), loss) - value(z, loss)) < 1e-12
        assert kept == (loss != "l_spread")


@pytest.mark.parametrize(("loss", "m", "n", "p", "sampler", "size"), [case for case in CASES if case[0] != "l_spread"])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_loss_is_strictly_convex_in_both_numbers(loss, m, n, p, sampler, size, alpha):
    """Lemma 4, by the Hessian in (u, x) at zero mean."""
    chosen, tau, step = sampled(m, n, sampler, size)[:12], 0.5, 1e-3

    def value(u, x):
        s = -(1 + (p - 1) * u + (n - 1) * p * x) / ((m - 1) * n * p)
        return expected_loss(three_numbers(m, n, p, u, x, s), m, n, p, chosen, alpha, tau, loss)

    for u, x in [(1.0, 1.0), (1.0, 0.2), (0.6, 0.7), (0.3, 0.0)]:
        at = lambda i, j, u=u, x=x: value(u + i * step, x + j * step)  # noqa: E731
        mixed = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
        hessian = np.array([[at(1, 0) - 2 * at(0, 0) + at(-1, 0), mixed], [mixed, at(0, 1) - 2 * at(0, 0) + at(0, -1)]])
        assert np.linalg.eigvalsh(hessian / step**2)[0] > 1e-4


def test_an_infinite_data_set():
    """Laws for instances: no law is below the minimum of phi, wide spheres approach it, finite N tends to it."""
    m, tau, alpha = 2, 0.6, 0.9
    q = [(0.25, k, 2 - k) for k in (0, 2)] + [(0.5, 1, 1)]

    def phi(x, n=np.inf, between=None):  # ssem
        s = -(1 / n + (1 - 1 / n) * x) / (m - 1) if between is None else between
        pull = lambda k: (1 - alpha) * x + alpha if k else alpha  # noqa: E731
        log_z = lambda k, o: np.log(np.exp(1 / tau) + k * np.exp(x / tau) + o * np.exp(s / tau))  # noqa: E731
        return sum(w * (((1 if k else alpha) * log_z(k, o)) - pull(k) / tau) for w, k, o in q)

    grid = np.linspace(0, 1, 20_001)
    least, best = phi(grid).min(), grid[np.argmin(phi(grid))]
    assert 0.1 < best < 0.9

    def population(points, weights):
        """Loss of two class laws on finitely many points, batches of three independent draws listed."""
        gram = np.einsum("cad,kbd->cakb", points, points)
        total = 0.0
        for c in range(m):
            for a, wa in enumerate(weights[c]):
                row = [(weights[k][b] / m, k == c, gram[c, a, k, b]) for k in range(m) for b in range(len(weights[k]))]
                for (w1, same1, s1), (w2, same2, s2) in itertools.product(row, repeat=2):
                    alike = [s for s, same in ((s1, same1), (s2, same2)) if same]
                    log_z = logsumexp(np.array([1.0, s1, s2]) / tau)
                    loss = alpha * (log_z - 1 / tau) + (1 - alpha) * (log_z - np.mean(alike) / tau if alike else 0)
                    total += wa * w1 * w2 * loss / m
        return total

    rng = np.random.default_rng(4)
    for dim in (1, 2, 3, 5):
        points = rng.normal(size=(m, 4, dim))
        points /= np.linalg.norm(points, axis=2, keepdims=True)
        weights = rng.dirichlet(np.ones(4), size=m)
        means = np.einsum("ca,cad->cd", weights, points)
        bound = phi((means**2).sum(1).mean(), between=means[0] @ means[1])  # Jensen
        assert population(points, weights) > bound > least
    gaps = []
    for axes in (1, 2, 4):  # the spread uniform on the axes of a wider and wider space, shared by the classes
        spread = np.concatenate([np.eye(axes), -np.eye(axes)])
        points = np.array(
            [np.column_stack([np.full(2 * axes, c * np.sqrt(best)), np.sqrt(1 - best) * spread]) for c in (1, -1)]
        )
        gaps.append(population(points, np.full((m, 2 * axes), 0.5 / axes)) - least)
    assert gaps[0] > 1.8 * gaps[1] > 3.2 * gaps[2] > 0
    line = lambda n: np.linspace(-1 / (n - 1), 1, 20_001)  # noqa: E731
    minima = [line(n)[np.argmin(phi(line(n), n))] for n in (10, 100, 1000)]
    assert np.all(np.diff(np.abs(np.array(minima) - best)) < 0)
    assert minima[-1] == pytest.approx(best, abs=2e-3)


def test_closed_forms_of_the_threshold():
    for m, n, p, tau in [(2, 2, 2, 0.5), (5, 4, 3, 0.2), (10, 50, 2, 1.7)]:
        r, q = np.exp(-m / ((m - 1) * tau)), [(1.0, n - 1, (m - 1) * n)]
        ssem, supcon, spread = (threshold(m, n, p, q, tau, loss) for loss in ("ssem", "supcon", "l_spread"))
        assert ssem == pytest.approx((1 + (m * n - 1) * r) / (n * (1 + (m - 1) * r)), rel=1e-12)
        assert supcon == pytest.approx((p - 1 + p * (m * n - 1) * r) / (n * p - 1 + (m - 1) * n * p * r), rel=1e-12)
        w = (m - 1) * n * r
        share = m / (m - 1) * w / (1 + w)
        assert spread == pytest.approx(share / (1 + share), rel=1e-12)
        alpha = 1 / n + 0.3
        r_c = np.exp(-m / (m - 1) / (m / (m - 1) / np.log((m * n - 1 - alpha * n * (m - 1)) / (alpha * n - 1))))
        assert (1 + (m * n - 1) * r_c) / (n * (1 + (m - 1) * r_c)) == pytest.approx(alpha, rel=1e-12)
    m, n = 7, 11
    hot = threshold(m, n, 2, [(1.0, n - 1, (m - 1) * n)], 1e9, "l_spread")
    assert hot == pytest.approx(m * n / (2 * m * n - n + 1), rel=1e-6)


def test_random_batches_have_the_cancellation_free_form():
    m, n, p, size, tau = 4, 5, 2, 6, 0.3
    q, rho, c = law(m, n, "random", size), (n - 1) / ((m - 1) * n), 0.5
    for v in (0.0, 0.2, 0.6):
        x = 1 - n / (n - 1) * v
        sup, own = slopes(x, m, n, p, q, tau, "supcon")
        e1, e2 = np.exp((x - 1) / tau), np.exp((-(1 + (n - 1) * x) / ((m - 1) * n) - 1) / tau)
        top = sum(w * (c + o * e2) / (c + k * e1 + o * e2) * (1 + rho * o * e2 / (c + o * e2)) for w, k, o in q if k)
        w_0, _, o_0 = q[0]
        bottom = 1 - w_0 - w_0 * rho * o_0 * e2 / (c + o_0 * e2)
        assert top / bottom == pytest.approx(-sup / (own - sup), rel=1e-12)
    assert pytest.approx(0.775, abs=5e-4) == (1 - 1 / 1000) ** 255  # the number the page prints


def test_small_temperature_limit_of_the_variance():
    m, n, p, alpha, tau = 3, 6, 2, 0.6, 2e-3
    q, c, k = [(1.0, n - 1, (m - 1) * n)], 0.5, n - 1
    low, high = -1 / (n - 1), 1.0
    for _ in range(100):
        x = (low + high) / 2
        sup, own = slopes(x, m, n, p, q, tau, "supcon")
        low, high = (x, high) if (1 - alpha) * sup + alpha * own < 0 else (low, x)
    assert 1 - x == pytest.approx(tau * np.log(alpha * k / (c * (1 - alpha))), rel=1e-6)


def test_plain_supcon_collapses_in_random_batches_at_every_temperature():
    """Theorem 7: slope at x = 1 with a weight of its own for every k."""
    for m, n, p, size in [(3, 4, 2, 5), (10, 30, 3, 16), (2, 5, 1, 4)]:
        c, rho = (p - 1) / p, (n - 1) / ((m - 1) * n)
        for tau in (0.02, 0.1, 1.0, 10.0):
            r = np.exp(-m / ((m - 1) * tau))
            slope = sum(
                w * ((k - o * rho * r) / (c + k + o * r) - (k / (c + k) if k else 0))
                for w, k, o in law(m, n, "random", size)
            )
            assert slope < 0


def test_log_of_the_sum_is_least_at_the_collapsed_simplex():
    """Theorem 9, against many random and locally perturbed configurations."""
    m, n, p, tau = 3, 3, 2, 0.3
    rows, rng = items(m, n, p), np.random.default_rng(0)

    def value(z):
        s = z @ z.T / tau
        same = np.array([[a != b and a[0] == b[0] for b in rows] for a in rows])
        other = np.array([[a[0] != b[0] for b in rows] for a in rows])
        return np.mean([np.log1p(np.exp(s[i][other[i]]).sum() / np.exp(s[i][same[i]]).sum()) for i in range(len(rows))])

    classes = (np.eye(m) - 1 / m) / np.linalg.norm(np.eye(m) - 1 / m, axis=1, keepdims=True)
    best = np.repeat(classes, n * p, axis=0)
    for scale in (1e-3, 1e-2, 0.1, 1.0, 10.0):
        for _ in range(20):
            z = best + scale * rng.normal(size=best.shape)
            assert value(z / np.linalg.norm(z, axis=1, keepdims=True)) > value(best)


def simplex_vectors(m: int, dim: int) -> np.ndarray:
    """m unit vectors at a regular simplex in dim >= m - 1 dimensions."""
    centred = np.eye(m) - 1 / m
    basis = np.linalg.svd(centred)[2][: m - 1]
    v = centred @ basis.T / np.sqrt(1 - 1 / m)
    return np.pad(v, ((0, 0), (0, dim - (m - 1))))


def full_loss(z: np.ndarray, labels: np.ndarray, p: int, alpha: float, tau: float, loss: str) -> float:
    """Vectorised full-batch loss; rows are ordered instance by instance, p views each."""
    instance = np.arange(len(z)) // p
    own = instance[:, None] == instance
    same = (labels[:, None] == labels) & ~own
    if loss == "supcon":
        own = own & ~np.eye(len(z), dtype=bool)
    s = z @ z.T / tau
    log_z = logsumexp(np.where(own | same | (labels[:, None] != labels), s, -np.inf), axis=1)
    pull = (1 - alpha) * (s * same).sum(1) / same.sum(1) + alpha * (s * own).sum(1) / own.sum(1)
    return float(np.mean(log_z - pull))


def curvature(z, labels, tangents, p, alpha, tau, loss, step=1e-3):
    """Second derivative of the loss along geodesics with the given tangent vectors, one per row."""
    length = np.linalg.norm(tangents, axis=1, keepdims=True)
    unit = np.divide(tangents, length, out=np.zeros_like(tangents), where=length > 0)
    at = lambda e: full_loss(np.cos(e * length) * z + np.sin(e * length) * unit, labels, p, alpha, tau, loss)  # noqa: E731
    return (at(step) - 2 * at(0) + at(-step)) / step**2


def test_second_order_change_in_a_spare_direction_is_the_slope():
    """Theorem 11: the coefficient is -N/(N-1) phi'(1), whatever the spread."""
    m, n, p, tau, alpha = 3, 4, 2, 0.5, 0.45
    labels = np.repeat(np.arange(m), n * p)
    z = np.repeat(simplex_vectors(m, m), n * p, axis=0)
    t = np.random.default_rng(3).normal(size=(m, n))
    t -= t.mean(1, keepdims=True)
    t /= np.sqrt((t**2).mean(1, keepdims=True))
    tangents = np.repeat(t.ravel(), p)[:, None] * np.eye(m)[m - 1]
    for loss in ("ssem", "supcon"):
        sup, own = slopes(1.0, m, n, p, [(1.0, n - 1, (m - 1) * n)], tau, loss)
        phi = ((1 - alpha) * sup + alpha * own) / tau
        got = curvature(z, labels, tangents, p, alpha, tau, loss) / 2
        assert got == pytest.approx(-n / (n - 1) * phi, rel=1e-4)


def test_the_simplex_is_rigid_up_to_rotation():
    """Theorem 12: of the motions of the class points in m - 1 dimensions only rotations leave the loss flat."""
    for m, loss in [(3, "ssem"), (4, "supcon")]:
        n, p, d = 2, 2, m - 1
        labels, v = np.repeat(np.arange(m), n * p), simplex_vectors(m, m - 1)
        tangents = [np.outer(np.eye(m)[i], t) for i in range(m) for t in np.linalg.svd(v[i : i + 1])[2][1:]]
        bend = lambda t: curvature(v[labels], labels, t[labels], p, 0.3, 0.6, loss)  # noqa: B023, E731
        form = np.array([[(bend(s + t) - bend(s - t)) / 4 for s in tangents] for t in tangents])
        values = np.linalg.eigvalsh(form)
        rotations = d * (d - 1) // 2
        assert values[:rotations] == pytest.approx(np.zeros(rotations), abs=1e-5)
        assert values[rotations] > 1e-2


def collapsed_classes(sizes, dim, p, tau, loss, seed=0):
    """Class points that minimise the collapsed loss."""
    counts, m = np.array(sizes), len(sizes)

    def value(flat):
        v = flat.reshape(m, dim)
        g = (v := v / np.linalg.norm(v, axis=1, keepdims=True)) @ v.T
        weights = p * np.broadcast_to(counts.astype(float), (m, m)).copy()
        if loss == "supcon":
            weights -= np.eye(m)
        return counts @ logsumexp(g / tau, b=weights, axis=1)

    rng = np.random.default_rng(seed)
    runs = [minimize(value, rng.normal(size=m * dim), method="BFGS", options={"gtol": 1e-10}) for _ in range(6)]
    v = min(runs, key=lambda run: run.fun).x.reshape(m, dim)
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def class_form(v, sizes, p, tau, loss):
    """H_i of Theorem 13 and the tangent direction of lambda_i, for every class."""
    counts = np.array(sizes)
    g = v @ v.T
    z = (p * counts * np.exp(g / tau)).sum(1) - (np.exp(1 / tau) if loss == "supcon" else 0)
    q = np.exp(g / tau) / z[:, None]
    for i in range(len(counts)):
        k = np.arange(len(counts)) != i
        both = p * counts[k] * (q[i, k] + q[k, i])
        pull = (p * counts[k] * q[i, k]) @ v[k]
        tangent = np.linalg.svd(v[i : i + 1])[2][1:]
        matrix = tangent @ (np.einsum("k,ka,kb->ab", both, v[k], v[k]) - np.outer(pull, pull)) @ tangent.T
        values, vectors = np.linalg.eigh(matrix)
        assert values[0] > -1e-12  # M_i is positive semidefinite
        yield p * counts[i] * q[i, i] + both @ g[i, k] / 2 - values[0] / (2 * tau), vectors[:, 0] @ tangent


@pytest.mark.parametrize(
    ("loss", "sizes", "tau", "dim", "expected"),
    [
        ("supcon", (5, 3, 2), 0.5, 4, (0.184362, 0.332264, 0.518270)),
        ("ssem", (6, 4, 3, 2), 0.3, 8, (0.185877, 0.279865, 0.371776, 0.547434)),
        ("ssem", (3,) * 5, 0.5, 4, (0.642309,) * 5),
        ("supcon", (5, 4, 3, 3, 2, 2), 0.4, 3, None),
    ],
)
def test_class_thresholds_are_where_the_curvature_changes_sign(loss, sizes, tau, dim, expected):
    """Theorems 12 and 13, for the spread of instances and for the spread of views."""
    p = 2
    v = collapsed_classes(sizes, dim, p, tau, loss)
    labels = np.repeat(np.arange(len(sizes)), np.array(sizes) * p)
    for i, (h, direction) in enumerate(class_form(v, sizes, p, tau, loss)):
        alpha_i = 1 - (sizes[i] - 1) / sizes[i] * h
        if expected:
            assert alpha_i == pytest.approx(expected[i], abs=2e-6)
        rows = np.flatnonzero(labels == i)
        spread = np.zeros((len(labels), dim))
        spread[rows] = np.repeat(np.linspace(-1, 1, sizes[i]), p)[:, None] * direction
        at = lambda alpha, t: curvature(v[labels], labels, t, p, alpha, tau, loss)  # noqa: E731
        size = at(0.0, spread) - at(1.0, spread)
        assert at(alpha_i, spread) == pytest.approx(0, abs=2e-4 * abs(size))
        if loss == "supcon":
            views = np.zeros((len(labels), dim))
            views[rows[:p]] = np.array([[1.0], [-1.0]]) * direction
            size = at(1.0, views) - at(0.0, views)
            assert at((p - 1) * (h - 1), views) == pytest.approx(0, abs=2e-4 * abs(size))


def test_balanced_batches_without_a_spare_direction():
    """The section on balanced mini-batches, d = m - 1: the curvature of the expected loss over all batches vanishes."""
    m, big_n, n, p, tau = 3, 4, 2, 2, 1.0
    v, labels = simplex_vectors(m, 2), np.repeat(np.arange(m), big_n)
    draws = [[i + c * big_n for i in pair] for c in range(m) for pair in itertools.combinations(range(big_n), n)]
    per_class = [draws[c * len(draws) // m : (c + 1) * len(draws) // m] for c in range(m)]
    chosen = [list(itertools.chain(*batch)) for batch in itertools.product(*per_class)]
    spread = np.zeros((m * big_n, 2))
    spread[:big_n] = np.array([-1, 1, 0.5, -0.5])[:, None] * np.array([-v[0, 1], v[0, 0]])
    r = np.exp(-m / ((m - 1) * tau))
    q_s = 1 / (p * (1 + (n - 1) + (m - 1) * n * r))
    q_d = q_s * r
    least = p * n * q_d * m / (m - 1) * (2 - p * q_d * (big_n - n) / (big_n - 1))
    alpha = 1 - (p * (n - 1) * q_s + (1 - 1 / big_n) * (-p * n * q_d - least / (2 * tau)))

    def mean_curvature(alpha):
        rows = [np.repeat(batch, p) for batch in chosen]
        return np.mean([curvature(v[labels][b], labels[b], spread[b], p, alpha, tau, "ssem") for b in rows])

    assert mean_curvature(alpha) == pytest.approx(0, abs=1e-4 * (mean_curvature(0.0) - mean_curvature(1.0)))


def test_reference_values():
    m, n, p, tau = 3, 4, 2, 0.4
    labels, r = np.repeat(np.arange(m), n * p), np.exp(-m / ((m - 1) * tau))
    one, collapsed = np.ones((m * n * p, 1)), np.repeat(simplex_vectors(m, m), n * p, axis=0)
    for alpha in (0.0, 0.3, 1.0):
        assert full_loss(one, labels, p, alpha, tau, "supcon") == pytest.approx(np.log(m * n * p - 1))
        assert full_loss(one, labels, p, alpha, tau, "ssem") == pytest.approx(np.log(m * n * p))
        expected = np.log(n * p - 1 + (m - 1) * n * p * r)
        assert full_loss(collapsed, labels, p, alpha, tau, "supcon") == pytest.approx(expected)
    for batch, shown in [(64, 6.9203), (256, 8.9091)]:  # the values of the page, at tau 0.1 and base 0.07
        assert 0.1 / 0.07 * np.log(2 * batch - 1) == pytest.approx(shown, abs=5e-5)
    classes_move = np.random.default_rng(0).normal(size=(m, 3))
    move = np.repeat(classes_move - classes_move.mean(0), n * p, axis=0)
    move[:, 0] = 0
    flat = np.tile([1.0, 0.0, 0.0], (m * n * p, 1))
    assert curvature(flat, labels, move, p, 0.3, tau, "supcon") < 0  # total collapse is not a minimum


def test_estimates():
    rng = np.random.default_rng(0)
    dim, scale = 5, 3.0
    w = rng.normal(size=(400_000, dim))
    mean = np.exp(scale * w[:, 0] / np.linalg.norm(w, axis=1)).mean()
    assert mean == pytest.approx(hyp0f1(dim / 2, scale**2 / 4), rel=5e-3)

    def loss_of(v, alpha, tau, m, c, k, o, kappa, dim):
        big = hyp0f1(dim / 2, v**2 / (4 * tau**2)) if dim else 1.0
        own = 1 - v + kappa * v
        rest = big * (k * np.exp((1 - v) / tau) + o * np.exp(-(1 - v) / ((m - 1) * tau)))
        return -((1 - alpha) * (1 - v) + alpha * own) / tau + np.log(c * np.exp(own / tau) + rest)

    def least(*args):
        grid = np.linspace(0, 1, 100_001)
        return grid[np.argmin(loss_of(grid, *args))]

    for m, n, dim, tau, alpha, c, shown in [  # the table of the page
        (5, 40, 32, 0.5, 0.7, 1.0, 0.476),
        (5, 34, 23, 0.084, 0.917, 0.5, 0.628),
        (2, 32, 9, 0.068, 0.983, 0.5, 0.885),
    ]:
        got = least(alpha, tau, m, c, n - 1, (m - 1) * n, 1.0, dim - (m - 1))
        assert got == pytest.approx(shown, abs=1e-3)
    m, n, c, tau = 5, 40, 0.5, 0.5
    k, o = n - 1, (m - 1) * n
    r = np.exp(-m / ((m - 1) * tau))
    for kappa in (0.5, 0.9, 1.0):
        alpha_c = (c + m / (m - 1) * o * r / kappa) / (c + k + o * r)
        for alpha, sign in [(alpha_c - 1e-3, 1), (alpha_c + 1e-3, -1)]:
            step = 1e-6
            slope = loss_of(step, alpha, tau, m, c, k, o, kappa, 28) - loss_of(0.0, alpha, tau, m, c, k, o, kappa, 28)
            assert np.sign(slope) == sign
