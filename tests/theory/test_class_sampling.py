"""Class thresholds of balanced batches without a spare direction: sampling a class takes off its curvature."""

import numpy as np
import pytest

from ssem_advisor import Setting, class_thresholds


@pytest.mark.parametrize("instances", [2, 4, 50, None])
def test_balanced_batches_of_a_tight_simplex(instances):
    """docs/theory/classes.md, balanced mini-batches, at d = m - 1; tests/docs checks the page by brute force."""
    m, n, p, tau = 3, 2, 2, 1.0
    big_n = np.inf if instances is None else instances
    r = np.exp(-m / ((m - 1) * tau))
    q_s = 1 / (p * (1 + (n - 1) + (m - 1) * n * r))
    q_d = q_s * r
    sampled = 1 - (n - 1) / (big_n - 1)
    least = p * n * q_d * m / (m - 1) * (2 - p * q_d * sampled)
    expected = 1 - (p * (n - 1) * q_s + (1 - 1 / big_n) * (-p * n * q_d - least / (2 * tau)))
    setting = Setting(
        classes=m, dim=m - 1, temperature=tau, loss="ssem", sampler="balanced", batch_size=m * n,
        instances_per_class=instances,
    )  # fmt: skip
    assert class_thresholds(setting) == pytest.approx(expected, rel=1e-9)
