"""Random settings of every extension, and larger ones of the basic theory, minimised by a second program.

The losses are written in torch as they are defined and differentiated by autograd; nothing is shared with the package
but the `Setting` and the number that is checked.
"""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from ssem_advisor import Setting, optimal_variance
from ssem_advisor.theory.extensions import cross_entropy_threshold
from ssem_advisor.theory.regime import collapse_limits

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow


def terms(z, labels, tau, self_tau, loss):
    """L_sup and L_self of batches of equal size: z (batches, instances, views, dim), labels (batches, instances)."""
    batches, size, views, dim = z.shape
    flat, label = z.reshape(batches, size * views, dim), labels.repeat_interleave(views, 1)
    instance, view = torch.arange(size).repeat_interleave(views), torch.arange(views).repeat(size)
    gram, itself = flat @ flat.transpose(1, 2), torch.eye(size * views, dtype=torch.bool)
    if loss == "l_spread":
        same, supervised, own = labels[:, :, None] == labels[:, None, :], [], []
        for a, b in itertools.permutations(range(views), 2):
            across = gram[:, view == a][:, :, view == b]
            others = torch.logsumexp((across / tau).masked_fill(same, -math.inf), 2, keepdim=True)
            each = torch.logaddexp(across / tau, others.expand_as(across)) - across / tau
            supervised.append(((each * same).sum(2) / same.sum(2)).mean())
            mates = torch.logsumexp((across / self_tau).masked_fill(~same, -math.inf), 2)
            own.append((mates - torch.diagonal(across, dim1=1, dim2=2) / self_tau).mean())
        return sum(supervised) / len(supervised), sum(own) / len(own)
    mine, same = (instance[:, None] == instance[None]).expand_as(gram), label[:, :, None] == label[:, None, :]

    def log_softmax(temperature):
        kept = gram if loss == "ssem" else gram.masked_fill(itself, -math.inf)
        return gram / temperature - torch.logsumexp(kept / temperature, 2, keepdim=True)

    views_of_it = mine if loss == "ssem" else mine & ~itself
    own = -((log_softmax(self_tau) * views_of_it).sum(2) / views_of_it.sum(2)).mean()
    if loss == "l_in":
        return -torch.logsumexp(log_softmax(tau).masked_fill(~same | itself, -math.inf), 2).mean(), own
    positives = same & ~mine
    return -((log_softmax(tau) * positives).sum(2) / positives.sum(2).clamp(min=1)).mean(), own


def drawn(labels, size, sampler):
    """Every batch of a sampler."""
    if sampler == "full":
        return [range(len(labels))]
    if sampler == "random":
        return itertools.combinations(range(len(labels)), size)
    classes = np.unique(labels)
    each = [list(itertools.combinations(np.flatnonzero(labels == c), size // len(classes))) for c in classes]
    return (itertools.chain(*choice) for choice in itertools.product(*each))


def lowest(value, shape, more=0, starts=4, non_negative=False):
    """The lowest minimum from random starts of a function of unit vectors and of `more` free numbers."""
    count, best = math.prod(shape), None

    def split(x):
        raw = x[:count].reshape(shape)
        raw = raw * raw if non_negative else raw
        return raw / torch.linalg.norm(raw, dim=-1, keepdim=True), x[count:]

    def function(x):
        x = torch.tensor(x, requires_grad=True)
        found = value(*split(x))
        found.backward()
        return found.item(), x.grad.numpy()

    options = {"maxiter": 4000, "maxfun": 8000, "ftol": 1e-15, "gtol": 1e-8, "maxcor": 20}
    for seed in range(starts):
        start = np.random.default_rng(seed).standard_normal(count + more)
        found = minimize(function, start, jac=True, method="L-BFGS-B", options=options)
        best = found if best is None or found.fun < best.fun else best
    return split(torch.tensor(best.x))[0].numpy()


def variance(z, labels):
    """Of the instances within their classes, drift of views left out: z (instances, views, dim)."""
    means = z.mean(axis=1)
    return np.mean([((means[labels == c] - means[labels == c].mean(0)) ** 2).sum(1).mean() for c in np.unique(labels)])


def simplex(m, dim):
    rows = np.linalg.svd(np.eye(m) - 1.0 / m)[0][:, : m - 1]
    return np.pad(rows / np.linalg.norm(rows, axis=1, keepdims=True), ((0, 0), (0, dim - m + 1)))


def setting_of(kind, rng):
    """A random small setting, or a larger one, whose threshold is neither near 0 nor near 1."""
    losses = {"l_in": ["l_in"], "non-negative": ["supcon", "ssem"]}.get(kind, ["supcon", "ssem", "l_spread"])
    while True:
        low, high = ((5, 5), (7, 7)) if kind == "at scale" else ((2, 2), (4, 5))
        m, each = (int(rng.integers(a, b + 1)) for a, b in zip(low, high, strict=True))
        loss, tau, self_tau = str(rng.choice(losses)), *np.exp(rng.uniform(np.log(0.12), np.log(1.2), 2))
        samplers = [("full", None)]
        if kind not in ("at scale", "cross-entropy"):
            samplers += [("random", 4)] if math.comb(m * each, 4) <= 80 else []
            samplers += [("balanced", 2 * m)] if each >= 3 and math.comb(each, 2) ** m <= 120 else []
        sampler, size = samplers[rng.integers(len(samplers))]
        # The variance is claimed where all instances have room, the threshold from one spare direction on.
        roomy, need = rng.random() < 0.5, m * each if kind == "non-negative" else m * each - 1
        spare = m + (kind == "non-negative")
        extra = {
            "non-negative": {"features": "non-negative"},
            "two temperatures": {"self_temperature": float(self_tau)},
            "cross-entropy": {"cross_entropy": float(np.exp(rng.uniform(-1.5, 1.5)))},
        }.get(kind, {})
        setting = Setting(
            classes=m, instances_per_class=each, dim=need if roomy else int(rng.integers(spare, need + 1)),
            temperature=float(tau), loss=loss, views=2, sampler=sampler, batch_size=size, **extra,
        )  # fmt: skip
        if 0.03 < collapse_limits(setting).open_above < 0.95:
            return setting


@pytest.mark.parametrize("kind", ["non-negative", "l_in", "two temperatures", "cross-entropy", "at scale"])
@pytest.mark.parametrize("seed", range(3))
def test_the_minimum_leaves_collapse_at_the_threshold_and_has_the_variance_that_is_claimed(kind, seed):
    setting = setting_of(kind, np.random.default_rng([seed, len(kind)]))
    m, dim, tau = int(setting.classes), int(setting.dim), setting.temperature
    labels = np.repeat(np.arange(m), setting.instances_per_class)
    batches = torch.tensor([list(batch) for batch in drawn(labels, setting.batch_size, setting.sampler)])
    threshold, weight, decay = collapse_limits(setting).open_above, setting.cross_entropy, 0.05 * setting.cross_entropy

    def classified(z, rows):
        rows = rows.reshape(m, dim)
        logits = z.reshape(-1, dim) @ rows.T
        label = torch.tensor(labels).repeat_interleave(z.shape[-2])
        return weight * torch.nn.functional.cross_entropy(logits, label) + 0.5 * decay * (rows**2).sum()

    if weight:
        collapsed = torch.tensor(simplex(m, dim))[torch.tensor(labels)][:, None]

        def alone(rows):
            rows = torch.tensor(rows, requires_grad=True)
            found = classified(collapsed, rows)
            found.backward()
            return found.item(), rows.grad.numpy()

        rows = minimize(alone, np.zeros(m * dim), jac=True, options={"gtol": 1e-9}).x.reshape(m, dim)
        margin = (rows[0] - rows[1]) @ simplex(m, dim)[0]
        limits, threshold = collapse_limits(setting), cross_entropy_threshold(setting, margin)
        assert limits.collapse_up_to < threshold <= limits.open_above

    def minimum(alpha):
        def value(z, rows):
            parts = terms(z[batches], torch.tensor(labels)[batches], tau, setting.self_temperature or tau, setting.loss)
            return (1 - alpha) * parts[0] + alpha * parts[1] + (classified(z, rows) if weight else 0.0)

        shape = (len(labels), int(setting.views), dim)
        return variance(lowest(value, shape, m * dim if weight else 0, non_negative=kind == "non-negative"), labels)

    step = min(0.02, 0.3 * threshold, 0.4 * (1 - threshold))
    assert minimum(threshold - step) < 1e-4
    above = minimum(threshold + step)
    assert above > 1e-3
    if kind in ("two temperatures", "at scale") and dim == len(labels) - 1:
        assert above == pytest.approx(optimal_variance(setting.with_(alpha=threshold + step)), abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_a_spread_of_keys_without_gradient_grows_from_the_threshold_on(seed):
    """The largest eigenvalue of the linearised flow over all spreads within classes, all draws of the queue listed."""
    rng = np.random.default_rng(seed)
    while True:
        m, each, dim = int(rng.integers(2, 5)), int(rng.integers(2, 5)), int(rng.integers(4, 7))
        tau, self_tau = np.exp(rng.uniform(np.log(0.12), np.log(1.2), 2))
        queue, number = int(rng.integers(2, m * each)), m * each
        setting = Setting(
            classes=m, instances_per_class=each, dim=dim, temperature=float(tau), queue=queue,
            self_temperature=float(self_tau) if seed % 2 else None,
        )  # fmt: skip
        threshold = collapse_limits(setting).open_above
        if math.comb(number - 1, queue) <= 200 and 0 < threshold < 1:
            break
    label = torch.tensor(np.repeat(np.arange(m), each))
    keys = torch.tensor(
        [list(drawn) for a in range(number) for drawn in itertools.combinations({*range(number)} - {a}, queue)]
    )
    anchor = torch.arange(number).repeat_interleave(math.comb(number - 1, queue))
    same = (label[keys] == label[anchor][:, None]).double()
    mates = torch.cat([torch.zeros(len(anchor), 1), same], 1)
    own = torch.eye(queue + 1)[0]

    def flow(flat, alpha):
        z = flat.reshape(number, dim)
        z = z / z.norm(dim=1, keepdim=True)
        bank = torch.cat([z[anchor][:, None], z[keys]], 1)
        cosines = (bank @ z[anchor][:, :, None])[:, :, 0]
        pull = mates / mates.sum(1, keepdim=True).clamp(min=1) - torch.softmax(cosines / tau, 1) * mates.any(1)[:, None]
        warm = setting.self_temperature or tau
        pull = (1 - alpha) * pull / tau + alpha * (own - torch.softmax(cosines / warm, 1)) / warm
        force = (pull[:, :, None] * bank).sum(1).reshape(number, -1, dim).mean(1)
        return (force - (force * z).sum(1, keepdim=True) * z).reshape(-1)

    collapsed = torch.tensor(simplex(m, dim))[label]
    tangent = torch.block_diag(*[torch.eye(dim) - torch.outer(row, row) for row in collapsed])
    within = torch.kron(torch.block_diag(*[torch.eye(each) - 1 / each for _ in range(m)]), torch.eye(dim))
    spreads = torch.linalg.svd(within.double() @ tangent)[0][:, : m * (each - 1) * (dim - 1)]

    def growth(alpha):
        linear = torch.autograd.functional.jacobian(lambda flat: flow(flat, alpha), collapsed.reshape(-1))
        return float(torch.linalg.eigvals(spreads.T @ linear @ spreads).real.max())

    assert brentq(growth, 0.0, 1.0, xtol=1e-9) == pytest.approx(threshold, abs=1e-7)
