"""Settings past the basic theory, each against losses written as plain loops: minimised, enumerated or simulated."""

import itertools

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from ssem_advisor import NotCovered, Setting, collapse_threshold, optimal_variance
from ssem_advisor.theory import class_thresholds, expected_variance, reference_losses
from ssem_advisor.theory.extensions import cross_entropy_threshold, error_probability, extended_limits, hardest_pull

from .brute import batches_of, loss_and_gradient, within_variance


def unit(raw):
    return raw / np.linalg.norm(raw, axis=-1, keepdims=True)


def simplex(m, dim):
    basis = np.linalg.qr(np.column_stack([np.ones(m), np.eye(m)[:, : m - 1]]))[0][:, 1:]
    return np.pad(unit(basis), ((0, 0), (0, dim - m + 1)))


def contrastive(z, labels, views, alpha, tau, self_tau=None, loss="supcon", batches=None):
    """Expected loss and its gradient in z (views of an instance next to each other), a temperature for each term."""
    labels, blocks = np.asarray(labels), z.reshape(len(labels), views, -1)
    batches = batches or [list(range(len(labels)))]
    value, gradient = 0.0, np.zeros_like(blocks)
    for batch in batches:
        part = blocks[batch].reshape(len(batch) * views, -1)
        for weight, own, temperature in ((1 - alpha, 0.0, tau), (alpha, 1.0, self_tau or tau)):
            v, g = loss_and_gradient(part, labels[batch], views, own, temperature, loss)
            value += weight * v / len(batches)
            gradient[batch] += weight * ((g + g.T) @ part).reshape(len(batch), views, -1) / len(batches)
    return value, gradient.reshape(z.shape)


def descend(objective, shapes, starts=2, seed=0, sign=lambda raw: raw):
    """The lowest of a few descents over free arrays; the first one is normalised row by row after `sign`."""
    sizes = np.cumsum([0, *(int(np.prod(s)) for s in shapes)])

    def split(flat):
        return [flat[a:b].reshape(shape) for a, b, shape in zip(sizes, sizes[1:], shapes, strict=False)]

    def function(flat):
        raw, *rest = split(flat)
        rows, chain = sign(raw), np.ones_like(raw) if sign(raw) is raw else 2 * raw
        norm = np.linalg.norm(rows, axis=1, keepdims=True)
        z = rows / norm
        value, gradient, *others = objective(z, *rest)
        gradient = (gradient - (gradient * z).sum(1, keepdims=True) * z) / norm * chain
        return value, np.concatenate([g.ravel() for g in (gradient, *others)])

    found = []
    for start in range(starts):
        guess = np.random.default_rng(seed + start).standard_normal(sizes[-1])
        options = {"maxiter": 20000, "maxfun": 40000, "ftol": 1e-17, "gtol": 1e-11, "maxcor": 30}
        found.append(minimize(function, guess, jac=True, method="L-BFGS-B", options=options))
    best = min(found, key=lambda f: f.fun)
    raw, *rest = split(best.x)
    return unit(sign(raw)), best.fun, rest


# -- plain SupCon ------------------------------------------------------------------------------------------------------


def plain_loss(z, labels, views, tau, inside):
    """Positives merged; the logarithm of their mean inside, or the mean of their logarithms. Lonely anchors count 0."""
    label = np.repeat(labels, views)
    total = 0.0
    for a in range(len(z)):
        others = np.arange(len(z)) != a
        positives = others & (label == label[a])
        s = z @ z[a] / tau
        if positives.any():
            top = np.log(np.exp(s[positives]).sum()) if inside else s[positives].mean()
            total += np.log(np.exp(s[others]).sum()) - top
    return total / len(z)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_one_embedding_for_each_class_drawn_at_random_never_costs(inside, dim):
    """The proof's step itself: every choice of representatives enumerated, unequal classes, enumerated batches."""
    rng = np.random.default_rng(dim)
    labels, views = np.array([0, 0, 0, 1, 1, 2]), 2
    for sampler, size, tau in (("full", 6, 0.3), ("random", 4, 1.0)):
        batches = batches_of(labels, size, sampler)
        z = unit(rng.standard_normal((len(labels) * views, dim)))

        def expected(z, batches=batches, tau=tau):
            blocks = z.reshape(len(labels), views, -1)
            values = [plain_loss(blocks[b].reshape(-1, dim), labels[b], views, tau, inside) for b in batches]
            return np.mean(values)

        label = np.repeat(labels, views)
        members = [np.flatnonzero(label == c) for c in range(3)]
        collapsed = [expected(z[np.asarray(choice)[label]]) for choice in itertools.product(*members)]
        assert np.mean(collapsed) < expected(z) - 1e-3


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("labels", [[0, 0, 1], [0, 0, 1, 1, 2]])
def test_one_embedding_out_of_place_costs(inside, labels):
    """Strictness: one view of one instance beside its class, and the collapsed configurations are better on average."""
    labels, views, dim = np.array(labels), 2, 3
    label, rng = np.repeat(labels, views), np.random.default_rng(1)
    z = unit(rng.standard_normal((labels.max() + 1, dim)))[label]
    z[0] = unit(z[0] + 0.05 * rng.standard_normal(dim))
    members = [np.flatnonzero(label == c) for c in range(labels.max() + 1)]

    def expected(z):
        blocks, batches = z.reshape(len(labels), views, dim), batches_of(labels, 3, "random")
        return np.mean([plain_loss(blocks[b].reshape(-1, dim), labels[b], views, 0.4, inside) for b in batches])

    collapsed = [expected(z[np.asarray(choice)[label]]) for choice in itertools.product(*members)]
    assert np.mean(collapsed) < expected(z) - 1e-6


def test_any_classifier_beside_plain_supcon_leaves_it_collapsed():
    """A fixed classifier that is nobody's optimum, unequal classes, two dimensions for four classes."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), (4, 3, 2, 2))
    weight = 3.0 * rng.standard_normal((4, 2))
    n = np.bincount(labels)

    def objective(z):
        value, gradient = 0.0, np.zeros_like(z)
        gram = z @ z.T / 0.5
        for a in range(len(z)):  # plain SupCon, one view
            others = np.arange(len(z)) != a
            soft = np.where(others, np.exp(gram[a] - gram[a][others].max()), 0)
            target = (others & (labels == labels[a])) / (n[labels[a]] - 1)
            value += (np.log(soft.sum()) + gram[a][others].max() - target @ gram[a]) / len(z)
            pull = (soft / soft.sum() - target) / 0.5 / len(z)
            gradient[a] += pull @ z
            gradient += pull[:, None] * z[a]
        ce, g, _ = cross_entropy(z, labels, weight)
        return value + 5.0 * ce, gradient + 5.0 * g

    z, _, _ = descend(objective, [(len(labels), 2)], starts=4)
    for c in range(4):
        assert np.ptp(z[labels == c], axis=0).max() < 1e-5


# -- cross-entropy -----------------------------------------------------------------------------------------------------


def cross_entropy(z, label, weight):
    """Value and gradients in z and in the classifier's weight."""
    logits = z @ weight.T
    soft = np.exp(logits - logits.max(1, keepdims=True))
    soft /= soft.sum(1, keepdims=True)
    value = -np.log(soft[np.arange(len(z)), label]).mean()
    error = (soft - np.eye(len(weight))[label]) / len(z)
    return value, error @ weight, error.T @ z


def margin_at_decay(m, weight, decay):
    """Logit margin s at collapse, where the classifier is stationary: weight q(s)/(m-1) = decay s (m-1)/m."""
    return brentq(lambda s: weight * error_probability(m, s) / (m - 1) - decay * s * (m - 1) / m, 1e-9, 200)


@pytest.mark.parametrize(
    ("m", "n", "views", "loss", "tau", "weight", "decay", "dim"),
    [
        (3, 3, 2, "supcon", 0.3, 1.0, 0.05, 9),
        (2, 4, 1, "ssem", 0.5, 2.0, 0.3, 2),  # one direction beside the class means
        (4, 2, 2, "supcon", 0.2, 0.7, 0.01, 8),
        (2, 3, 2, "l_spread", 0.4, 1.0, 0.1, 6),
    ],
)
def test_cross_entropy_moves_the_threshold_up_by_what_its_margin_says(m, n, views, loss, tau, weight, decay, dim):
    labels = np.repeat(np.arange(m), n)
    label = np.repeat(labels, views)
    setting = Setting(classes=m, instances_per_class=n, sampler="full", views=views, loss=loss, temperature=tau)
    with_ce = setting.with_(cross_entropy=weight)
    threshold = cross_entropy_threshold(with_ce, margin_at_decay(m, weight, decay))
    alone = collapse_threshold(setting)
    assert alone < threshold - 0.01

    def variance(alpha):
        def objective(z, w):
            value, gradient = contrastive(z, labels, views, alpha, tau, loss=loss)
            ce, g, g_w = cross_entropy(z, label, w)
            total = value + weight * ce + 0.5 * decay * (w**2).sum()
            return total, gradient + weight * g, weight * g_w + decay * w

        z, _, _ = descend(objective, [(len(label), dim), (m, dim)])
        return within_variance(z.reshape(len(labels), views, dim), labels)

    assert variance(threshold - 0.01) < 1e-6
    assert variance(threshold + 0.02) > 1e-3


def test_cross_entropy_without_decay_gives_the_contrastive_threshold_back():
    setting = Setting(classes=10, sampler="balanced", batch_size=100, temperature=0.2)
    limits = extended_limits(setting.with_(cross_entropy=1.0))
    assert limits.collapse_up_to == collapse_threshold(setting)
    assert cross_entropy_threshold(setting.with_(cross_entropy=1.0), 80.0) == pytest.approx(limits.collapse_up_to)
    over_margins = [cross_entropy_threshold(setting.with_(cross_entropy=1.0), s) for s in np.linspace(0, 20, 2001)]
    assert max(over_margins) == pytest.approx(limits.open_above, abs=1e-6)
    assert limits.open_above >= max(over_margins)
    assert limits.kind == "bound"


def test_hardest_pull_is_the_maximum_over_margins():
    for m in (2, 10, 1000, 10**7):
        margins = np.linspace(0, 30, 300001)
        assert hardest_pull(m) == pytest.approx((margins * error_probability(m, margins)).max(), rel=1e-8)


# -- log of the sum ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sampler", "size"), [("full", None), ("random", 4), ("balanced", 6)])
@pytest.mark.parametrize("self_tau", [None, 0.9])
def test_log_of_the_sum_mixed_opens_at_its_threshold(sampler, size, self_tau):
    """Second difference of the enumerated loss along a spread into a spare direction."""
    labels, views, tau = np.repeat(np.arange(3), 3), 2, 0.6
    batches = batches_of(labels, size, sampler)
    e = np.eye(3)[2]

    def value(step, alpha):
        t = step * np.tile([1.0, 0.5, -1.5], 3)
        z = np.cos(t)[:, None] * simplex(3, 3)[labels] + np.sin(t)[:, None] * e
        total = 0.0
        for b in batches:
            part = np.repeat(z[b], views, axis=0)
            own = loss_and_gradient(part, labels[b], views, 1.0, self_tau or tau, "supcon")[0]
            supervised = plain_loss(part, labels[b], views, tau, inside=True)
            total += (1 - alpha) * supervised + alpha * own
        return total / len(batches)

    setting = Setting(
        classes=3, instances_per_class=3, sampler=sampler, batch_size=size, temperature=tau, loss="l_in",
        self_temperature=self_tau,
    )  # fmt: skip
    limits = extended_limits(setting)
    assert limits.kind == "local"
    curvature = [(value(1e-3, a) - value(0.0, a)) / 1e-6 for a in (0.0, 1.0)]
    zero = curvature[0] / (curvature[0] - curvature[1])  # linear in alpha
    assert limits.open_above == pytest.approx(zero, rel=1e-4)


# -- queues ------------------------------------------------------------------------------------------------------------


def anchor_force(z, a, keys, labels, alpha, tau):
    """Minus the gradient of one anchor's loss against its own key and detached keys, on the tangent space."""
    bank = np.vstack([z[a], z[keys]])
    s = bank @ z[a] / tau
    soft = np.exp(s - s.max())
    soft /= soft.sum()
    same = np.r_[False, labels[keys] == labels[a]]
    own = np.eye(len(bank))[0]
    target = alpha * own + (1 - alpha) * same / same.sum() if same.any() else alpha * own
    force = (target - target.sum() * soft) @ bank / tau
    return force - (force @ z[a]) * z[a]


def growth(alpha, m, n, size, tau):
    """Growth rate of a within-class spread when the keys are all subsets of a size, each equally likely."""
    labels, e, step = np.repeat(np.arange(m), n), np.eye(m)[m - 1], 1e-5
    t = step * np.tile(np.linspace(-1, 1, n), m)
    z = np.cos(t)[:, None] * simplex(m, m)[labels] + np.sin(t)[:, None] * e
    others = np.arange(1, m * n)
    forces = [anchor_force(z, 0, list(keys), labels, alpha, tau) @ e for keys in itertools.combinations(others, size)]
    return np.mean(forces) / t[0]


@pytest.mark.parametrize(("m", "n", "size", "tau"), [(2, 3, 3, 0.7), (3, 3, 4, 0.4), (3, 2, 5, 1.0)])
def test_keys_without_gradient_have_the_threshold_of_their_batch(m, n, size, tau):
    low, high = growth(0.0, m, n, size, tau), growth(1.0, m, n, size, tau)
    setting = Setting(classes=m, instances_per_class=n, temperature=tau, queue=size)
    assert low < 0
    assert extended_limits(setting).open_above == pytest.approx(low / (low - high), rel=1e-5)
    batch = Setting(
        classes=m, instances_per_class=n, temperature=tau, loss="ssem", views=1, sampler="random", batch_size=size + 1
    )
    assert extended_limits(setting).open_above == pytest.approx(collapse_threshold(batch), rel=1e-13)


def test_a_queue_longer_than_the_data_set_draws_keys_independently():
    short = Setting(classes=10, instances_per_class=100, temperature=0.1, queue=2000)
    assert extended_limits(short) == extended_limits(short.with_(instances_per_class=None))


def test_a_momentum_encoder_does_not_move_the_threshold():
    """Queries q' = own q + via k, keys k' = rate (q - k): unstable exactly where own + via > 0, for every rate."""
    for own, via, rate in itertools.product((-0.1, -1.0, -5.0), (-0.5, 0.05, 0.95, 1.05, 6.0), (1e-3, 1.0, 1e3)):
        rates = np.linalg.eigvals([[own, via], [rate, -rate]]).real
        assert (rates.max() > 0) == (own + via > 0)


def test_gathering_without_gradient_by_simulation():
    """Attached keys of the own process, detached keys of others; per-process balanced batches, formula of the page."""
    m, local, processes, tau = 3, 2, 2, 0.5
    n = local * processes  # one gathered batch holds every instance: N = n
    labels, e, step = np.repeat(np.arange(m), n), np.eye(m)[m - 1], 1e-5
    t = step * np.tile(np.linspace(-1, 1, n), m)
    z = np.cos(t)[:, None] * simplex(m, m)[labels] + np.sin(t)[:, None] * e

    def rate(alpha):
        forces = []
        for split in itertools.product(list(itertools.combinations(range(n), local)), repeat=m):
            first = {c * n + i for c, chosen in enumerate(split) for i in chosen}
            process = np.array([i in first for i in range(m * n)])
            force = np.zeros_like(z)
            for a in range(m * n):
                keys = [b for b in range(m * n) if b != a]
                bank = [a, *keys]  # ssem with one view: the anchor itself is its own key, which passes no gradient
                s = z[bank] @ z[a] / tau
                soft = np.exp(s - s.max()) / np.exp(s - s.max()).sum()
                same = np.r_[False, labels[keys] == labels[a]]
                weight = (alpha * np.eye(len(bank))[0] + (1 - alpha) * same / same.sum() - soft) / tau
                force[a] += weight @ z[bank]
                for b, w in zip(keys, weight[1:], strict=True):
                    if process[b] == process[a]:
                        force[b] += w * z[a]
            force -= (force * z).sum(1, keepdims=True) * z
            forces.append(force[0] @ e)
        return np.mean(forces) / t[0]

    low, high = rate(0.0), rate(1.0)
    k, o, r, rho = n - 1, (m - 1) * n, np.exp(-m / ((m - 1) * tau)), (1 - 1 / n) / (m - 1)
    whole = 1 + k + o * r
    own = (1 + (m - 1) * local / o) / (1 + (local - 1) / k)
    page = 1 - k / whole + own * rho * o * r / whole
    gathered = collapse_threshold(
        Setting(classes=m, instances_per_class=n, sampler="full", loss="ssem", temperature=tau)
    )
    assert low / (low - high) == pytest.approx(page, rel=1e-5)
    assert page > gathered + 1e-3


# -- features without negative coordinates -----------------------------------------------------------------------------


@pytest.mark.parametrize(("views", "loss", "sampler", "size"), [(2, "supcon", "full", None), (1, "ssem", "random", 3)])
def test_non_negative_features_by_direct_minimisation(views, loss, sampler, size):
    m, n, tau = 2, 3, 0.4
    labels, dim = np.repeat(np.arange(m), n), m * n
    batches = batches_of(labels, size, sampler)
    setting = Setting(
        classes=m, instances_per_class=n, sampler=sampler, batch_size=size, views=views, loss=loss, temperature=tau,
        features="non-negative", dim=dim,
    )  # fmt: skip
    threshold = collapse_threshold(setting)
    for alpha in (threshold - 0.02, threshold + 0.05, 0.5 * (1 + threshold)):
        predicted = optimal_variance(setting.with_(alpha=alpha))

        def objective(z, alpha=alpha):
            return contrastive(z, labels, views, alpha, tau, loss=loss, batches=batches)

        z, _, _ = descend(objective, [(len(labels) * views, dim)], starts=2, sign=lambda raw: raw * raw)
        assert within_variance(z.reshape(len(labels), views, dim), labels) == pytest.approx(predicted, abs=2e-4)


def test_non_negative_closed_form_and_its_end():
    setting = Setting(
        classes=5, instances_per_class=20, sampler="full", temperature=0.3, features="non-negative", dim=100
    )
    for alpha in (0.2, 0.5, 0.9, 0.999999):
        reach = 19 / 20 * 0.3 * np.log(alpha * 19 / ((1 - alpha) * (0.5 + 80 * np.exp(-1 / 0.3))))
        found = optimal_variance(setting.with_(alpha=alpha))
        assert found == pytest.approx(min(max(reach, 0.0), 19 / 20), rel=1e-9)
    assert optimal_variance(setting.with_(alpha=1.0)) == pytest.approx(19 / 20)


# -- two temperatures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "views"), [("supcon", 2), ("ssem", 1), ("l_spread", 2)])
@pytest.mark.parametrize(("tau", "self_tau"), [(0.3, 0.8), (0.9, 0.2)])
def test_two_temperatures_by_direct_minimisation(loss, views, tau, self_tau):
    m, n = 2, 3
    labels, dim = np.repeat(np.arange(m), n), m * n
    setting = Setting(
        classes=m, instances_per_class=n, sampler="full", views=views, loss=loss, temperature=tau,
        self_temperature=self_tau,
    )  # fmt: skip
    threshold = collapse_threshold(setting)
    assert 0 < threshold < 1
    for alpha in (max(threshold - 0.03, 0.5 * threshold), threshold + 0.3 * (1 - threshold)):
        predicted = optimal_variance(setting.with_(alpha=alpha))

        def objective(z, alpha=alpha):
            return contrastive(z, labels, views, alpha, tau, self_tau, loss=loss)

        z, _, _ = descend(objective, [(len(labels) * views, dim)], starts=3)
        assert within_variance(z.reshape(len(labels), views, dim), labels) == pytest.approx(predicted, abs=1e-4)


def test_equal_temperatures_are_one_temperature():
    rng = np.random.default_rng(0)
    for loss in ("supcon", "ssem", "l_spread"):
        tau = np.exp(rng.uniform(-4, 2, 20))
        setting = Setting(classes=7, instances_per_class=50, batch_size=32, temperature=tau, loss=loss, alpha=0.8)
        twice = setting.with_(self_temperature=tau)
        np.testing.assert_allclose(collapse_threshold(twice), collapse_threshold(setting), rtol=1e-11)
        np.testing.assert_allclose(optimal_variance(twice), optimal_variance(setting), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("loss", ["supcon", "ssem", "l_spread"])
def test_a_smaller_temperature_reaches_every_value_of_a_larger_one(loss):
    """Add one constant to all similarities over temperature: the same loss, and vectors that exist."""
    rng = np.random.default_rng(3)
    labels, warm, cold = np.repeat(np.arange(2), 3), 0.7, 0.3
    z = unit(rng.standard_normal((12, 5)))
    share = np.sqrt(cold / warm)
    shifted = np.column_stack([share * z, np.full(12, np.sqrt(1 - share**2))])
    before = loss_and_gradient(z, labels, 2, 0.4, warm, loss)[0]
    after = loss_and_gradient(shifted, labels, 2, 0.4, cold, loss)[0]
    assert after == pytest.approx(before, rel=1e-12)


@pytest.mark.parametrize("name", ["loss", "queue", "features", "self_temperature", "cross_entropy"])
def test_thresholds_keep_their_digits_over_the_whole_domain(name):
    """Against the definitions at 1000 digits (l_in cancels most), temperatures 1e-3 to 1e3, to a million classes."""
    import mpmath as mp

    rng = np.random.default_rng(5)
    for _ in range(40):
        m, n = int(10 ** rng.uniform(0.31, 6)), int(10 ** rng.uniform(0.31, 4))
        big_n, views = n + int(10 ** rng.uniform(0, 5)), int(rng.integers(2, 9))
        tau, self_tau, weight = (float(10 ** rng.uniform(*ends)) for ends in ((-3, 3), (-3, 3), (-2, 2)))
        setting = Setting(
            classes=m, instances_per_class=big_n, views=views, temperature=tau, sampler="balanced", batch_size=m * n
        )
        extra = {"loss": "l_in", "features": "non-negative", "self_temperature": self_tau, "cross_entropy": weight}
        if name == "queue":
            # every queue of one law is a sum; two keys keep it short
            setting, extra["queue"] = setting.with_(instances_per_class=None, batch_size=None, sampler="random"), 2
        found = extended_limits(setting.with_(**{name: extra[name]}))
        with mp.workdps(1000):
            M, k, o, c = mp.mpf(m), mp.mpf(n - 1), mp.mpf(m - 1) * n, 1 - 1 / mp.mpf(views)
            rho = (1 - 1 / mp.mpf(big_n)) / (M - 1)

            def slope(t, c=c, k=k, o=o, rho=rho, M=M):
                r = mp.exp(-M / ((M - 1) * mp.mpf(t)))
                return (k - o * rho * r) / (c + k + o * r), r

            g, r = slope(tau)
            if name == "loss":
                alpha_eq = c / (c + k)
                wanted = (1 - g - alpha_eq) / (1 - alpha_eq)
            elif name == "features":
                wanted = (c + o * mp.exp(-1 / mp.mpf(tau))) / (c + k + o * mp.exp(-1 / mp.mpf(tau)))
            elif name == "self_temperature":
                pull, push = (1 - g) / mp.mpf(tau), slope(self_tau)[0] / mp.mpf(self_tau)
                wanted = pull / (pull + push) if pull + push > 0 else mp.inf
            elif name == "cross_entropy":
                wanted = 1 - g + mp.mpf(weight) * (1 - 1 / mp.mpf(big_n)) * tau * mp.lambertw((M - 1) / mp.e).real / 2
            else:
                share, rest = 1 / M, 1 / (M - 1)
                sums = [(mp.binomial(2, j) * share**j * (1 - share) ** (2 - j), j, 2 - j) for j in range(3)]
                pull = sum(q * (1 + b * r * (1 + rest)) / (1 + j + b * r) for q, j, b in sums if j)
                wanted = pull / (1 - sums[0][0] - sums[0][0] * 2 * rest * r / (1 + 2 * r))
                wanted = wanted if wanted > 0 else mp.inf
            digits = float(wanted)
        # Far above one push and pull cancel, and only the size matters: no weight prevents collapse.
        tolerance = 1e-11 if digits < 10 else 1e-9 * max(1.0, digits)
        if digits > 1e3:
            assert found.open_above > 1e3
        else:  # below 1e-300 floats lose digits themselves
            assert found.open_above == pytest.approx(digits, rel=tolerance, abs=1e-300)


# -- what is not covered says so ---------------------------------------------------------------------------------------

BASE = Setting(classes=5, batch_size=50, sampler="balanced", temperature=0.2, dim=64, alpha=0.3)
EXTRAS = {
    "loss": "l_in", "queue": 256, "features": "non-negative", "self_temperature": 0.5, "cross_entropy": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("name", EXTRAS)
def test_answers_that_know_nothing_of_an_extra_refuse_it(name):
    setting = BASE.with_(**{name: EXTRAS[name]})
    assert setting.extras == (name,)
    for question in (expected_variance, reference_losses, class_thresholds):
        with pytest.raises(NotCovered):
            question(setting)
    assert extended_limits(setting).theorems
    for change in ({"class_counts": (9, 5, 3, 3, 3), "batch_size": 10}, {"dim": 3}):
        with pytest.raises(NotCovered, match="not covered, because"):
            extended_limits(setting.with_(**change))


def test_extras_that_no_theorem_joins_are_refused():
    for pair in (
        {"loss": "l_in", "queue": 64},
        {"features": "non-negative", "queue": 64},
        {"loss": "l_in", "views": 1},
        {"loss": "l_spread", "queue": 64},
        {"loss": "l_spread", "features": "non-negative"},
        {"loss": "l_in", "cross_entropy": 1.0},
        {"features": "non-negative", "cross_entropy": 1.0},
    ):
        with pytest.raises(NotCovered):
            extended_limits(BASE.with_(**pair))
    with pytest.raises(NotCovered):
        collapse_threshold(BASE.with_(cross_entropy=1.0))
