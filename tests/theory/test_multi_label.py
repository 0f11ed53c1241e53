"""Why multi-label data are not covered: plain SupCon need not collapse where positives only share a label."""

import numpy as np
import pytest

from .test_extensions import descend


def loss_of(shared, tau):
    """Plain SupCon, one view, with any symmetric relation of positives."""
    total = len(shared)
    others = ~np.eye(total, dtype=bool)
    target = shared / shared.sum(1, keepdims=True)

    def objective(z):
        scores = z @ z.T / tau
        top = np.where(others, scores, -np.inf).max(1, keepdims=True)
        soft = np.where(others, np.exp(scores - top), 0.0)
        value = (np.log(soft.sum(1)) + top[:, 0] - (target * scores).sum(1)).mean()
        pull = (soft / soft.sum(1, keepdims=True) - target) / total / tau
        return value, (pull + pull.T) @ z

    return objective


@pytest.mark.parametrize(
    ("sets", "each", "temperature", "least"),
    [
        ([{0}, {1}, {0, 1}], 4, 0.2, 0.4),
        ([{0}, {1}, {0, 1}], 4, 0.1, 0.5),
        ([{0}, {1}, {2}, {0, 1, 2}], 3, 0.15, 0.25),
    ],
)
def test_instances_with_one_label_set_need_not_coincide(sets, each, temperature, least):
    group = np.repeat(np.arange(len(sets)), each)
    total = len(group)
    for sharing, spreads in ((lambda a, b: bool(a & b), True), (lambda a, b: a == b, False)):
        shared = np.array([[sharing(sets[i], sets[j]) for j in group] for i in group]) & ~np.eye(total, dtype=bool)
        z, _, _ = descend(loss_of(shared, temperature), [(total, total)], starts=4)
        variance = [1 - (z[group == c].mean(0) ** 2).sum() for c in range(len(sets))]
        assert min(variance) > least if spreads else max(variance) < 1e-8
