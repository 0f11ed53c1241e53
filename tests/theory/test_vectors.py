"""Sixty settings evaluated to 50 digits elsewhere, and random ones over the whole domain evaluated to 60 here."""

import json
import random
from pathlib import Path

import mpmath
import pytest

from ssem_advisor import Setting, alpha_for_variance, collapse_threshold, critical_temperature, optimal_variance

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
FIELDS = ("loss", "classes", "views", "temperature", "sampler", "instances_per_class", "batch_size")


def setting_of(vector):
    return Setting(**{name: vector[name] for name in FIELDS})


@pytest.mark.parametrize(
    "vector", VECTORS, ids=lambda v: f"{v['loss']}-{v['sampler']}-{v['classes']}-{v['temperature']}"
)
def test_sixty_settings(vector):
    setting = setting_of(vector)
    assert collapse_threshold(setting) == pytest.approx(float(vector["alpha_c"]), rel=1e-12, abs=0)
    for row in vector["optimum"]:
        expected = float(row["within_class_variance"])
        assert optimal_variance(setting.with_(alpha=row["alpha"])) == pytest.approx(expected, rel=1e-12, abs=0)
    for row in vector["alpha_for_variance"]:
        found = alpha_for_variance(setting, row["within_class_variance"])
        assert found == pytest.approx(float(row["alpha"]), rel=1e-12, abs=0)
    for row in vector["temperature_c"]:
        found = critical_temperature(setting.with_(alpha=row["alpha"]))
        assert found == pytest.approx(float(row["temperature"]), rel=1e-12, abs=0)


def exact_weight(loss, m, N, p, tau, same, other, variance):
    """alpha(v) at 60 digits, from the slopes as they are defined."""
    with mpmath.workdps(60):
        m, tau, v = mpmath.mpf(m), mpmath.mpf(tau), mpmath.mpf(variance)
        shrink = 1 - 1 / mpmath.mpf(N)
        x = 1 - v / shrink
        s = -(1 + (N - 1) * x) / ((m - 1) * N)
        slope = -mpmath.mpf(N - 1) / ((m - 1) * N)
        e1, e2 = mpmath.exp((x - 1) / tau), mpmath.exp((s - 1) / tau)
        if loss == "l_spread":
            w0, w1 = other * e2, other * mpmath.exp((s - x) / tau)
            sup = (w0 / (1 + w0) * slope + same * w1 / (1 + w1) * (slope - 1)) / (same + 1)
            own = same * e1 / (1 + same * e1)
        else:
            c = mpmath.mpf(1) if loss == "ssem" else mpmath.mpf(p - 1) / p
            own = (same * e1 + other * slope * e2) / (c + same * e1 + other * e2)
            sup = own - 1
        return -sup / (own - sup)


def random_case(rng):
    loss, p = rng.choice(["ssem", "supcon", "l_spread"]), rng.choice([2, 3, 8])
    m, N = int(10 ** rng.uniform(0.31, 8)), int(10 ** rng.uniform(0.31, 9))
    fields = {"classes": m, "loss": loss, "views": p, "temperature": 10 ** rng.uniform(-4, 4), "instances_per_class": N}
    sampler = rng.choice(["full", "balanced", "pk"])
    if sampler == "full":
        return {**fields, "sampler": "full"}, N - 1, (m - 1) * N
    n = min(N, int(10 ** rng.uniform(0.31, 3)))
    drawn = m if sampler == "balanced" else rng.randint(2, min(m, 500))
    fields |= {"sampler": "balanced", "batch_size": n * drawn}
    if sampler == "pk":
        fields["classes_per_batch"] = drawn
    return fields, n - 1, (drawn - 1) * n


def test_thresholds_keep_twelve_digits_over_the_whole_domain():
    rng = random.Random(20)
    for _ in range(400):
        fields, same, other = random_case(rng)
        want = exact_weight(fields["loss"], fields["classes"], fields["instances_per_class"], fields["views"],
                            fields["temperature"], same, other, 0)  # fmt: skip
        if want < 1e-290:
            continue  # below the smallest normal float64 no relative error can be kept
        assert collapse_threshold(Setting(**fields)) == pytest.approx(float(want), rel=1e-12, abs=0), fields


def test_weights_for_a_variance_keep_twelve_digits():
    rng = random.Random(21)
    for _ in range(400):
        fields, same, other = random_case(rng)
        fields["temperature"] = 10 ** rng.uniform(-3, 4)
        variance = rng.choice([rng.random(), 1e-6, 1.0, 0.5])
        want = exact_weight(fields["loss"], fields["classes"], fields["instances_per_class"], fields["views"],
                            fields["temperature"], same, other, variance)  # fmt: skip
        if want < 1e-290:
            continue
        assert alpha_for_variance(Setting(**fields), variance) == pytest.approx(float(want), rel=1e-12, abs=0), fields


@pytest.mark.parametrize("instances", [None, 3, 40])
def test_random_batches_are_the_expectation_over_compositions(instances):
    m, size, p, tau = 7, 30 if instances != 3 else 15, 2, 0.3
    with mpmath.workdps(50):
        N = mpmath.inf if instances is None else mpmath.mpf(instances)
        rho = mpmath.mpf(1) / (m - 1) * (1 if instances is None else 1 - 1 / N)
        r, c = mpmath.exp(-mpmath.mpf(m) / ((m - 1) * mpmath.mpf(tau))), mpmath.mpf(p - 1) / p
        top = bottom = mpmath.mpf(0)
        for k in range(size):
            if instances is None:
                q = mpmath.binomial(size - 1, k) * mpmath.mpf(m - 1) ** (size - 1 - k) / mpmath.mpf(m) ** (size - 1)
            else:
                q = (mpmath.binomial(instances - 1, k) * mpmath.binomial((m - 1) * instances, size - 1 - k)
                     / mpmath.binomial(m * instances - 1, size - 1))  # fmt: skip
            o = size - 1 - k
            if k:
                top += q * (c + o * r * (1 + rho)) / (c + k + o * r)
                bottom += q
            else:
                bottom -= q * o * rho * r / (c + o * r)
    setting = Setting(classes=m, batch_size=size, views=p, temperature=tau, instances_per_class=instances)
    assert collapse_threshold(setting) == pytest.approx(float(top / bottom), rel=1e-13, abs=0)
