"""The real losses, written as their definitions, minimised over free unit vectors. Shares no code with the theory."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import minimize


def loss_and_gradient(z, labels, views, alpha, tau, loss):
    """Loss of one batch and its gradient in the Gram matrix. z: (instances * views, d), instance by instance."""
    total = len(z)
    instance = np.repeat(np.arange(len(labels)), views)
    label = np.repeat(labels, views)
    gram = z @ z.T / tau
    same_instance, same_class = instance[:, None] == instance[None], label[:, None] == label[None]
    weight = np.zeros((total, total))
    value = 0.0
    if loss == "l_spread":
        return _spread(gram, instance, label, alpha, tau)
    own = np.ones((total, total)) if loss == "ssem" else 1.0 - np.eye(total)
    sup = same_class & ~same_instance
    self_ = same_instance & (own > 0)
    exp = np.exp(gram - gram.max()) * own
    soft = exp / exp.sum(1, keepdims=True)
    log_soft = gram - gram.max() - np.log(exp.sum(1, keepdims=True))
    for part, positives in ((1 - alpha, sup), (alpha, self_)):
        count = positives.sum(1)
        use = count > 0
        target = positives / np.maximum(count, 1)[:, None]
        value += -part * (target * log_soft)[use].sum() / total
        weight += part * (soft - target) * use[:, None] / total
    return value, weight / tau


def _spread(gram, instance, label, alpha, tau):
    """Cross-view l_spread: row views against column views, every ordered pair of different views."""
    total, views = len(label), len(label) // len(np.unique(instance))
    view = np.tile(np.arange(views), total // views)
    value, weight, pairs = 0.0, np.zeros((total, total)), views * (views - 1)
    for a, b in itertools.permutations(range(views), 2):
        rows, cols = np.flatnonzero(view == a), np.flatnonzero(view == b)
        s = gram[np.ix_(rows, cols)]
        same = label[rows][:, None] == label[cols][None]
        e = np.exp(s)
        negatives = (e * ~same).sum(1, keepdims=True)
        grad = np.zeros_like(s)
        # supervised: each positive against itself and the negatives
        count = same.sum(1, keepdims=True)
        ratio = negatives / (e + negatives)
        value += (1 - alpha) * (np.where(same, np.log1p(negatives / e), 0) / count).sum() / (len(rows) * pairs)
        grad += (1 - alpha) * np.where(same, -ratio, 0) / count
        grad += (
            (1 - alpha) * np.where(same, 0, e) * (np.where(same, 1 / (e + negatives), 0) / count).sum(1, keepdims=True)
        )
        # self-supervised: own other view among the same class
        within = np.where(same, e, 0)
        value += alpha * (np.log(within.sum(1)) - np.diag(s)).sum() / (len(rows) * pairs)
        grad += alpha * (within / within.sum(1, keepdims=True) - np.eye(len(rows)))
        weight[np.ix_(rows, cols)] += grad / (len(rows) * pairs)
    return value, weight / tau


def batches_of(labels, size, sampler):
    """All batches of a data set that a sampler can draw, each equally likely."""
    labels = np.asarray(labels)
    everyone = range(len(labels))
    if sampler == "full":
        return [list(everyone)]
    if sampler == "random":
        return [list(b) for b in itertools.combinations(everyone, size)]
    classes = np.unique(labels)
    n = size // len(classes)
    per_class = [list(itertools.combinations(np.flatnonzero(labels == c), n)) for c in classes]
    return [list(itertools.chain(*choice)) for choice in itertools.product(*per_class)]


def minimise(labels, views, dim, alpha, tau, loss, batches=None, starts=3, seed=0, precision=1e-17):
    """(z, value) at the lowest minimum found of the expected loss; z: (instances, views, dim)."""
    labels = np.asarray(labels)
    batches = batches or [list(range(len(labels)))]
    best = None

    def objective(flat):
        raw = flat.reshape(-1, dim)
        norm = np.linalg.norm(raw, axis=1, keepdims=True)
        z = raw / norm
        value, grad = 0.0, np.zeros_like(z)
        blocks = z.reshape(len(labels), views, dim)
        for batch in batches:
            part = blocks[batch].reshape(-1, dim)
            v, w = loss_and_gradient(part, labels[batch], views, alpha, tau, loss)
            value += v / len(batches)
            g = (w + w.T) @ part / len(batches)
            grad.reshape(len(labels), views, dim)[batch] += g.reshape(len(batch), views, dim)
        grad -= (grad * z).sum(1, keepdims=True) * z
        return value, (grad / norm).ravel()

    for start in range(starts):
        guess = np.random.default_rng(seed + start).standard_normal(len(labels) * views * dim)
        found = minimize(
            objective,
            guess,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 20000, "maxfun": 40000, "ftol": precision, "gtol": 1e-11, "maxcor": 30},
        )
        if best is None or found.fun < best[1]:
            z = found.x.reshape(-1, dim)
            best = ((z / np.linalg.norm(z, axis=1, keepdims=True)).reshape(len(labels), views, dim), found.fun)
    return best


def within_variance(z, labels):
    """1 - mean over classes of |class mean|^2, class means over instances and views."""
    labels = np.asarray(labels)
    return 1 - np.mean([(z[labels == c].mean((0, 1)) ** 2).sum() for c in np.unique(labels)])
