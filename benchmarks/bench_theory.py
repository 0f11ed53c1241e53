"""The engine: settings per second against a scipy.optimize.brentq loop, and class thresholds against eigvalsh.

One core, one run, interleaved; the ratio is what counts. Run with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time

import numpy as np
from scipy.optimize import brentq

from ssem_advisor import Setting, catalogue, class_thresholds, collapse_threshold, optimal_variance

POINTS, LOOP = 400_000, 1_000


def slope(x: float, m: float, n: float, tau: float, alpha: float, own: float) -> float:
    """tau d/dx of the mixture for a full batch, as a plain script would write it."""
    s, ds = -(1 + (n - 1) * x) / ((m - 1) * n), -(n - 1) / ((m - 1) * n)
    e1, e2 = np.exp((x - 1) / tau), np.exp((s - 1) / tau)
    k, o = n - 1, (m - 1) * n
    return (k * e1 + o * ds * e2) / (own + k * e1 + o * e2) - (1 - alpha)


def loop(m, n, tau, alpha, own) -> tuple[np.ndarray, np.ndarray]:
    """Threshold (the weight at which the slope at x = 1 vanishes) and optimal variance, point by point."""
    thresholds, variances = np.zeros(len(m)), np.zeros(len(m))
    for i in range(len(m)):
        thresholds[i] = brentq(lambda a, i=i: slope(1.0, m[i], n[i], tau[i], a, own), 0.0, 1.0, xtol=1e-14)
        arguments, low = (m[i], n[i], tau[i], alpha[i], own), -1 / (n[i] - 1)
        if slope(1.0, *arguments) > 0:
            root = low if slope(low, *arguments) >= 0 else brentq(slope, low, 1.0, args=arguments, xtol=1e-14)
            variances[i] = (n[i] - 1) / n[i] * (1 - root)
    return thresholds, variances


def main() -> None:
    rng = np.random.default_rng(0)
    m, n = rng.integers(2, 1000, POINTS), rng.integers(2, 5000, POINTS)
    tau, alpha = 10 ** rng.uniform(-1.5, 1, POINTS), rng.uniform(0, 1, POINTS)
    print("settings -> threshold and optimal variance, one core")
    for loss in ("supcon", "ssem", "l_spread"):
        setting = Setting(classes=m, instances_per_class=n, sampler="full", loss=loss, temperature=tau, alpha=alpha)
        ours, theirs = np.inf, np.inf
        for _ in range(7):
            start = time.perf_counter()
            threshold, found = collapse_threshold(setting), optimal_variance(setting)
            ours = min(ours, (time.perf_counter() - start) / POINTS)
            if loss == "l_spread":
                continue
            part = slice(0, LOOP)
            start = time.perf_counter()
            reference = loop(m[part], n[part], tau[part], alpha[part], 1.0 if loss == "ssem" else 0.5)
            theirs = min(theirs, (time.perf_counter() - start) / LOOP)
            assert np.allclose(threshold[part], reference[0], atol=1e-9)
            assert np.allclose(found[part], reference[1], atol=1e-9)
        ratio = "" if loss == "l_spread" else f"   {theirs / ours:6.0f} x a scipy.optimize.brentq loop"
        print(f"  {loss:<10} {1e-6 / ours:5.2f} million a second{ratio}")

    print("class thresholds of imagenet-lt, 1000 unequal classes, dim 128")
    counts = catalogue.get("imagenet-lt").class_counts
    matrices = rng.standard_normal((1000, 128, 128))
    matrices += matrices.transpose(0, 2, 1)
    ours, theirs = [], []
    for _ in range(2):
        start = time.perf_counter()
        class_thresholds(Setting(class_counts=counts, dim=128, temperature=0.1, sampler="full"))
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        np.linalg.eigvalsh(matrices)
        theirs.append(time.perf_counter() - start)
    print(
        f"  {min(ours):.1f} s, {min(ours) / min(theirs):.1f} x a numpy.linalg.eigvalsh sweep of 1000 matrices 128 x 128"
    )


if __name__ == "__main__":
    main()
