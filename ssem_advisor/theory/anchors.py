"""Groups of classes of equal size, and what an anchor of each group meets in its batch.

A batch enters the loss of an anchor through the number of other instances of its class and the numbers of instances
of the other classes, and classes of one size are exchangeable: one anchor per group, and counts per group, carry all.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import overload

import numpy as np

from ssem_advisor.domain import Setting, SettingError
from ssem_advisor.theory.batches import random_batch

# More distinct sizes than this are binned, evenly in the logarithm of the size; the extremes stay by themselves.
_GROUPS, _BINS = 12, 8
# Compositions are listed one by one up to this number per group; beyond it so many are drawn in all, the same number at
# each of up to twice `_NODES` values of the number of same-class instances.
_LISTED, _NODES, _DRAWS = 600, 6, 72
# What drawing compositions instead of listing them may move a weight by.
DRAWN_ERROR = 0.002


@dataclass(frozen=True)
class SizeGroups:
    """Classes by size. sizes: instances of one class (mean of a bin), inf = unlimited; members: number of classes;
    totals: instances of the whole group; of: group of every class, shape (classes,); binned: sizes are means."""

    sizes: np.ndarray
    members: np.ndarray
    totals: np.ndarray
    of: np.ndarray
    binned: bool


@dataclass(frozen=True)
class Anchors:
    """Kinds of anchors. group (J,): its class's group; weight (J,): share of all anchors, sum 1; same (J,): other
    instances of its class in the batch; others (J, groups): instances of other classes, by group.
    sampled: whether batch compositions were drawn rather than listed."""

    group: np.ndarray
    weight: np.ndarray
    same: np.ndarray
    others: np.ndarray
    sampled: bool


def groups_of(setting: Setting, single: bool = False) -> SizeGroups:
    """The groups of a setting; single: every class by itself."""
    if setting.class_counts is None:
        each = np.inf if setting.instances_per_class is None else float(setting.instances_per_class)
        m = int(setting.classes)
        return SizeGroups(np.array([each]), np.array([float(m)]), np.array([m * each]), np.zeros(m, dtype=int), False)
    counts = np.asarray(setting.class_counts, dtype=float)
    distinct, of = np.unique(counts, return_inverse=True)
    binned = len(distinct) > _GROUPS and not single
    if single:
        of = np.arange(len(counts))
    elif binned:
        logs = np.log(counts)
        place = np.floor((logs - logs.min()) / np.ptp(logs) * _BINS).clip(max=_BINS - 1)
        place = np.where(counts == counts.min(), -1, np.where(counts == counts.max(), _BINS, place))
        of = np.unique(place, return_inverse=True)[1]
    members = np.bincount(of).astype(float)
    totals = np.bincount(of, weights=counts)
    return SizeGroups(totals / members, members, totals, of, binned)


@overload
def anchors_of(setting: Setting, groups: SizeGroups, seed: int = 0) -> Anchors: ...


@overload
def anchors_of(setting: Setting, groups: SizeGroups, seed: int = 0, *, draw: bool) -> Anchors | None: ...


def anchors_of(setting: Setting, groups: SizeGroups, seed: int = 0, *, draw: bool = True) -> Anchors | None:
    """Every kind of anchor with its probability; raises SettingError where the sampler lacks a number.

    draw: draw compositions of a batch where there are too many to list; if not, None there.
    """
    kinds, m, count = len(groups.sizes), groups.members.sum(), groups.members
    own = np.eye(kinds)
    if setting.sampler == "full":
        if setting.class_counts is None:
            setting.need("instances_per_class")
        others = groups.totals[None] - own * groups.sizes[:, None]
        return Anchors(np.arange(kinds), groups.totals / groups.totals.sum(), groups.sizes - 1.0, others, False)
    rng = np.random.default_rng(seed)
    if setting.sampler == "balanced":
        drawn = int(setting.classes if setting.classes_per_batch is None else setting.classes_per_batch)
        n = setting.need("batch_size") / drawn
        smallest = min(setting.class_counts) if setting.class_counts else groups.sizes.min()
        if n > smallest:
            raise SettingError(
                f"batch_size={setting.batch_size!r}: asks for {n:g} of each class, the smallest has {smallest:g}"
            )
        laws = [_draw((count - own[g]).astype(int), drawn - 1, rng, _DRAWS if draw else 0) for g in range(kinds)]
        if not draw and any(law[2] for law in laws):
            return None
        parts = [(share, np.full(len(share), n - 1.0), n * numbers) for share, numbers, _ in laws]
        return _join(parts, count / m, any(law[2] for law in laws))
    size = int(setting.need("batch_size"))
    if kinds == 1:  # one size: only the number of same-class instances matters, and its law is known
        batch = random_batch(groups.sizes, groups.sizes * (count - 1.0), 1.0 / count, np.array([float(size)]))
        share = np.concatenate([batch.weight[:, 0], batch.alone])
        same = np.concatenate([batch.same[:, 0], [0.0]])
        return _join([(share, same, (size - 1.0 - same)[:, None])], np.ones(1), False)
    parts, sampled = [], False
    for g in range(kinds):
        mates = max(round(groups.sizes[g]) - 1, 0)
        rest = np.round(groups.totals).astype(int)
        rest[g] -= mates + 1
        listed, numbers, drawn_some = _draw(np.concatenate([[mates], rest]), size - 1, rng, 0)
        if not drawn_some:
            parts.append((listed, numbers[:, 0], numbers[:, 1:]))
            continue
        if not draw:
            return None
        sampled = True
        cuts = [
            (probability * part, whole)
            for probability, k in _nodes(float(mates + 1), float(rest.sum()), float(size))
            for whole, part in ((int(np.floor(k)), 1.0 - k % 1.0), (int(np.floor(k)) + 1, k % 1.0))
            if part > 1e-9
        ]
        pieces = []
        for probability, whole in cuts:
            counts = _drawn(rest, size - 1 - whole, rng, _DRAWS // len(cuts))
            pieces.append((np.full(len(counts), probability / len(counts)), np.full(len(counts), float(whole)), counts))
        parts.append(tuple(np.concatenate(column) for column in zip(*pieces, strict=True)))  # type: ignore[arg-type]
    return _join(parts, groups.totals / groups.totals.sum(), sampled)


def _join(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]], share: np.ndarray, sampled: bool) -> Anchors:
    return Anchors(
        np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts]),
        np.concatenate([part[0] * share[g] for g, part in enumerate(parts)]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
        sampled,
    )


def _draw(
    colours: np.ndarray, draws: int, rng: np.random.Generator, samples: int
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Numbers of each colour among `draws` without replacement: (probabilities, numbers (terms, colours), drawn)."""

    ranges = [range(max(0, draws - int(colours.sum() - c)), min(int(c), draws) + 1) for c in colours]
    if math.prod(len(r) for r in ranges[:-1]) <= 40 * _LISTED:
        listed = []
        for head in itertools.product(*ranges[:-1]):
            last = draws - sum(head)
            if last in ranges[-1]:
                listed.append((*head, last))
            if len(listed) > _LISTED:
                break
        if len(listed) <= _LISTED:
            logs = np.array([sum(map(_log_comb, colours, row)) for row in listed])
            return np.exp(logs - _log_comb(colours.sum(), draws)), np.array(listed, dtype=float), False
    if not samples:
        return np.empty(0), np.empty((0, len(colours))), True
    return np.full(samples, 1.0 / samples), _drawn(colours, draws, rng, samples), True


def _drawn(colours: np.ndarray, draws: int, rng: np.random.Generator, samples: int) -> np.ndarray:
    """Numbers of each colour in some samples, moved to their known mean with the spread about it kept: what a loss
    depends on at first order is exact then, which few samples leave far off. Rare colours have too little spread,
    and where there are some a sample holds `draws` only on average."""
    numbers = rng.multivariate_hypergeometric(colours, draws, size=samples, method="marginals")
    mean, seen = draws * colours / colours.sum(), numbers.mean(axis=0)
    moved = mean + (numbers - seen) * math.sqrt(samples / (samples - 1.0))
    # A rare colour is scaled: moved, it would be less than none in some samples.
    scaled = np.where(seen > 0, numbers * (mean / np.maximum(seen, 0.5 / samples)), mean)
    return np.where(moved.min(axis=0) < 0, scaled, moved)


def _log_comb(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _nodes(size: float, others: float, batch: float) -> list[tuple[float, float]]:
    """(probability, same-class instances): none, and the law of one or more cut into pieces at their means."""
    law = random_batch(np.array([size]), np.array([others]), np.array([0.0]), np.array([batch]))
    weight, same, alone = law.weight[:, 0], law.same[:, 0], float(law.alone[0])
    found = [(alone, 0.0)] if alone > 0 else []
    total = weight.sum()
    if total > 0:
        piece = np.minimum((np.cumsum(weight) - 0.5 * weight) / total * _NODES, _NODES - 1).astype(int)
        for number in np.unique(piece):
            inside = piece == number
            found.append((float(weight[inside].sum()), float(weight[inside] @ same[inside] / weight[inside].sum())))
    return found
