"""The batch law: how many same-class and other-class instances an anchor meets, and how likely.

The batch enters the theory only through these two numbers, the data set only through the geometry (N).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ssem_advisor.domain import Setting

# Compositions are listed this many standard deviations around the mean (plus a constant for small means), and those
# that weigh less than the last number against the likeliest are dropped.
_WIDTH, _EXTRA, _NEGLIGIBLE = 12.0, 60, 1e-22


@dataclass(frozen=True)
class Batch:
    """Composition of the batch seen by one anchor; its arrays broadcast against the (flat) elements of a setting.

    weight, same, other: shape (terms, elements), the terms with at least one same-class instance: their
        probability, the number k of same-class instances and the number o of other-class instances.
    alone, alone_other: shape (elements,), the probability of no same-class instance, and o in that case.
    """

    weight: np.ndarray
    same: np.ndarray
    other: np.ndarray
    alone: np.ndarray
    alone_other: np.ndarray

    @property
    def paired(self) -> np.ndarray:
        """Probability that the anchor has a same-class instance; shape (elements,)."""
        return self.weight.sum(axis=0)


def batch_of(setting: Setting) -> Batch:
    """The batch law of a setting with equal classes.

    Raises SettingError if the sampler needs a batch size or a data-set size that is missing.
    """
    m = _array(setting.classes)
    if setting.sampler == "full":
        instances = _array(setting.need("instances_per_class"))
        return _fixed(instances - 1, (m - 1) * instances)
    size = _array(setting.need("batch_size"))
    if setting.sampler == "balanced":
        drawn = m if setting.classes_per_batch is None else _array(setting.classes_per_batch)
        return _fixed(size / drawn - 1, (drawn - 1) * (size / drawn))
    return _random(m, _array(np.inf if setting.instances_per_class is None else setting.instances_per_class), size)


def _array(value: object) -> np.ndarray:
    return np.atleast_1d(np.asarray(value, dtype=float))


def _fixed(same: np.ndarray, other: np.ndarray) -> Batch:
    same, other = np.broadcast_arrays(same, other)
    paired = (same > 0).astype(float)
    return Batch(paired[None], same[None], other[None], 1.0 - paired, other)


def _random(m: np.ndarray, instances: np.ndarray, size: np.ndarray) -> Batch:
    return random_batch(instances, (m - 1.0) * instances, 1.0 / m, size)


def random_batch(instances: np.ndarray, others: np.ndarray, share: np.ndarray, size: np.ndarray) -> Batch:
    """Uniform random batches for anchors whose class has `instances` members and the rest of the data set `others`.

    `share` is the class's share of an infinite data set; it is used only where `instances` is inf.
    """
    instances, others, share, size = np.broadcast_arrays(instances, others, share, size)
    laws = list(map(_same_class_law, instances, others, share, size))
    terms = max(len(law[2]) for law in laws)
    weight, same = np.zeros((terms, size.size)), np.ones((terms, size.size))
    for column, (first, step, probability, _) in enumerate(laws):
        weight[: len(probability), column] = probability
        same[: len(probability), column] = first + step * np.arange(len(probability))
    alone = np.array([law[3] for law in laws])
    return Batch(weight, same, np.maximum(size - 1 - same, 0.0), alone, size - 1)


_MOST_TERMS = 2_000


@lru_cache(maxsize=4096)
def _same_class_law(instances: float, others: float, share: float, size: float) -> tuple[int, int, np.ndarray, float]:
    """(first k >= 1, step to the next k, their probabilities, probability of k = 0) for a uniform random batch.

    Hypergeometric (Binomial for an infinite data set), by the ratios of neighbouring terms from the mode: no
    factorials, so no loss of digits for large data sets.
    """
    draws, infinite = size - 1.0, np.isinf(instances)
    if not infinite:
        share = (instances - 1.0) / (instances + others - 1.0)
    least, most = max(0.0, draws - others), min(draws, instances - 1.0)
    mean = draws * share
    reach = _WIDTH * np.sqrt(mean * (1.0 - share)) + _EXTRA
    low, high = max(least, np.floor(mean - reach)), min(most, np.ceil(mean + reach))
    k = np.arange(low, high + 1)
    if infinite:
        ratio = (draws - k[:-1]) / (k[:-1] + 1.0) * (share / (1.0 - share))
    else:
        ratio = (instances - 1.0 - k[:-1]) * (draws - k[:-1]) / ((k[:-1] + 1.0) * (others - draws + k[:-1] + 1.0))
    mode = int(np.searchsorted(-ratio, -1.0))
    up = np.cumprod(ratio[mode:])
    down = np.cumprod(1.0 / ratio[:mode][::-1])[::-1]
    probability = np.concatenate([down, [1.0], up])
    probability /= probability.sum()
    first, alone = (1, float(probability[0])) if k[0] == 0 else (int(k[0]), 0.0)
    probability = probability[first - int(k[0]) :]
    heavy = np.flatnonzero(probability > _NEGLIGIBLE * probability.max(initial=0.0))
    if not len(heavy):
        return 1, 1, np.zeros(1), alone
    kept = probability[heavy[0] : heavy[-1] + 1]
    # A wide law is smooth: every step-th k stands for its neighbours, and the error is below exp(-1000).
    step = max(1, len(kept) // _MOST_TERMS)
    thinned = kept[::step] * (kept.sum() / kept[::step].sum())
    return first + int(heavy[0]), step, thinned, alone
