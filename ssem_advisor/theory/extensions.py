"""Thresholds past the three losses: log of the sum, queues, two temperatures, non-negative features, cross-entropy.

Each keeps the two slopes of the basic theory and changes how they are weighed. With pull = -S_sup and push = S_self at
class collapse (tau times derivatives by the within-class similarity), the weight at which they balance is

    alpha = pull / (pull + push tau_1 / tau_2),

tau_1 and tau_2 the temperatures of the supervised and of the self-supervised term.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from ssem_advisor.domain import NotCovered, Setting
from ssem_advisor.theory.batches import Batch, batch_of
from ssem_advisor.theory.collapse import mapped
from ssem_advisor.theory.registry import OWN_VIEW, assume, is_basic_but, require
from ssem_advisor.theory.relation import Geometry, LSpread, Relation, Softmax, geometry_of, own_view_weight, relation_of
from ssem_advisor.theory.solve import zero


class ExtendedLimits(NamedTuple):
    """Collapse is the optimum up to `collapse_up_to`, and is none above `open_above` (dimensionless, may exceed 1).

    kind: "exact" (global, the two agree), "local" (collapse stops being a local minimum there; whether it is the
    global one below is not proven) or "bound" (the threshold lies between the two).
    theorems: keys of what stands behind it.
    """

    collapse_up_to: Any
    open_above: Any
    kind: Literal["exact", "local", "bound"]
    theorems: tuple[str, ...]


def extended_limits(setting: Setting) -> ExtendedLimits:
    """What is known of the collapse threshold of a setting with `extras`; scalars or arrays like its fields.

    Needs temperature and the batch, or the queue in its place. Raises NotCovered, naming the assumption that fails,
    and SettingError for missing fields. Source: L-IN-MIXED, QUEUE, TWO-TEMPERATURES, NON-NEGATIVE, CROSS-ENTROPY
    (derived here).
    """
    keys = tuple(THEOREM_OF[name] for name in setting.extras)
    require(setting, *keys)
    kind: Literal["exact", "local"] = "local" if {"loss", "queue"} & set(setting.extras) else "exact"
    if "cross_entropy" in setting.extras:
        alone = mapped(setting.with_(cross_entropy=0.0), lambda part: _quotient(*_balance(part)))
        return ExtendedLimits(alone, cross_entropy_threshold(setting), "bound", keys)
    threshold = mapped(setting, contrastive_threshold)
    return ExtendedLimits(threshold, threshold, kind, keys)


def contrastive_threshold(part: Setting) -> np.ndarray:
    """The weight that balances the contrastive terms at class collapse, for the flat elements of a setting.

    Raises NotCovered where a theorem of one of the extras does not apply, and for cross-entropy, whose threshold is
    known as an interval only (`extended_limits`) or for a given margin (`cross_entropy_threshold`).
    """
    if "cross_entropy" in part.extras:
        raise NotCovered(
            "cross_entropy: not covered by one number, because the threshold depends on the classifier's margin; "
            "see extended_limits and cross_entropy_threshold"
        )
    require(part, *(THEOREM_OF[name] for name in part.extras))
    return _quotient(*_balance(part))


THEOREM_OF = {
    "loss": "L-IN-MIXED",
    "queue": "QUEUE",
    "features": "NON-NEGATIVE",
    "self_temperature": "TWO-TEMPERATURES",
    "cross_entropy": "CROSS-ENTROPY",
}


def cross_entropy_threshold(setting: Setting, margin: Any = None) -> Any:
    """The weight alpha up to which collapse minimises contrastive terms and cross-entropy together.

    margin: difference s >= 0 of the logits of the true and of another class at collapse, which the weight decay or
    the bound of the classifier decides; None = the margin at which cross-entropy pulls hardest, 1 + W((m-1)/e): an
    upper bound over all margins. A large margin gives back the threshold of the contrastive terms alone.
    Source: CROSS-ENTROPY (derived here).
    """
    require(setting, *(THEOREM_OF[name] for name in setting.extras))

    def weight(part: Setting, margin: np.ndarray) -> np.ndarray:
        pull, gain = _balance(part)
        classes, temperature = np.asarray(part.classes, dtype=float), np.asarray(part.temperature, dtype=float)
        force = np.where(np.isnan(margin), hardest_pull(classes), margin * error_probability(classes, margin))
        instances = np.inf if part.instances_per_class is None else part.instances_per_class
        shrink = 1.0 - 1.0 / np.asarray(instances, dtype=float)
        extra = 0.5 * np.asarray(part.cross_entropy, dtype=float) * shrink * temperature * force
        return _quotient(pull + extra, gain)

    return mapped(setting, weight, np.asarray(np.nan if margin is None else margin, dtype=float))


def error_probability(classes: Any, margin: Any) -> Any:
    """Softmax mass of the other classes where the true logit leads every other by `margin`."""
    return 1.0 / (1.0 + np.exp(np.asarray(margin, dtype=float)) / (np.asarray(classes, dtype=float) - 1.0))


def hardest_pull(classes: Any) -> Any:
    """max over s of s * error_probability(s) = W((m-1)/e), Lambert's function, by Newton's method."""
    z = (np.asarray(classes, dtype=float) - 1.0) / np.e
    w = np.log1p(z)
    for _ in range(20):
        w = w - (w - z * np.exp(-w)) / (1.0 + w)
    return w


def _quotient(pull: np.ndarray, gain: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gain > 0, pull / gain, np.inf)


def _balance(part: Setting) -> tuple[np.ndarray, np.ndarray]:
    """(pull, pull + push) of the contrastive terms at class collapse."""
    core = part.with_(cross_entropy=0.0)
    if core.queue is not None:
        core = queue_as_batch(core)
    relation, geometry = relation_of(core)
    pull, push = relation.slopes(np.zeros_like(geometry.log_r))
    return pull, pull + push


def queue_as_batch(setting: Setting) -> Setting:
    """The batch that a queue amounts to: one own key, Q keys of random instances, nothing else (ssem with one view).

    A queue longer than the data set meets instances again: then its keys are independent draws, as from an infinite
    data set.
    """
    instances = setting.instances_per_class
    if instances is not None and np.any(np.asarray(setting.queue) >= np.asarray(setting.classes) * instances):
        instances = None
    return setting.with_(
        queue=None,
        loss="ssem",
        views=1,
        sampler="random",
        batch_size=setting.queue + 1,
        classes_per_batch=None,
        class_counts=None,
        instances_per_class=instances,
    )


# -- the relation of a setting with extras -----------------------------------------------------------------------------


class Orthant(Geometry):
    """Features without negative coordinates: the classes stand at right angles and stay there."""

    @property
    def furthest(self) -> np.ndarray:
        return 1.0 / self.temperature

    def variance(self, y: np.ndarray) -> np.ndarray:
        return np.minimum(self.shrink * self.temperature * y, self.shrink)


def extended_geometry(setting: Setting) -> Geometry:
    plain = geometry_of(setting)
    if setting.features != "non-negative":
        return plain
    return Orthant(np.zeros_like(plain.rho), plain.shrink, -1.0 / plain.temperature, plain.temperature)


def extended_relation(setting: Setting) -> tuple[Weighed, Geometry]:
    """Relation and geometry of a setting with extras that the loss itself knows: l_in, two temperatures, features.

    Raises NotCovered for a queue and for cross-entropy, which have a threshold but no optimum here.
    """
    assume(setting, "the optimum (collapse_limits knows the threshold)", is_basic_but("features", "self_temperature"))
    first = extended_geometry(setting)
    second, ratio = first, np.ones_like(first.log_r)
    if setting.self_temperature is not None:
        warm = setting.with_(temperature=setting.self_temperature, self_temperature=None)
        second = extended_geometry(warm)
        ratio = first.temperature / second.temperature
    batch = batch_of(setting)
    plain = setting.with_(
        features="any", self_temperature=None, loss="supcon" if setting.loss == "l_in" else setting.loss
    )
    supervised, own = _engine(plain, first, batch), _engine(plain, second, batch)
    return Weighed(supervised, own, ratio, log_of_sum=setting.loss == "l_in"), first


def _engine(setting: Setting, geometry: Geometry, batch: Batch) -> Softmax | LSpread:
    if setting.loss == "l_spread":
        assume(setting, "l_spread", OWN_VIEW)
        return LSpread(geometry, batch)
    return Softmax(geometry, batch, own_view_weight(setting))


class Weighed(Relation):
    """A supervised and a self-supervised slope, each at its own temperature; y is in units of the first one."""

    def __init__(
        self, supervised: Softmax | LSpread, own: Softmax | LSpread, ratio: np.ndarray, log_of_sum: bool = False
    ) -> None:
        self.supervised, self.own, self.ratio, self.log_of_sum = supervised, own, ratio, log_of_sum

    def slopes(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(pull, push): -S_sup and S_self tau_1 / tau_2."""
        if self.log_of_sum:
            assert isinstance(self.supervised, Softmax)
            if np.any(y != 0):
                raise NotCovered("loss='l_in': not covered, because away from collapse it is not convex")
            pull = self.supervised.log_of_sum_pull()
        else:
            pull = self.supervised.slopes(y)[0]
        return pull, self.ratio * self.own.slopes(y * self.ratio)[1]

    def weight(self, y: np.ndarray) -> np.ndarray:
        pull, push = self.slopes(y)
        return _quotient(pull, pull + push)

    def solve(self, alpha: np.ndarray, furthest: np.ndarray) -> np.ndarray:
        """The y at which alpha is the weight, `furthest` where that is beyond the range."""

        def together(y: np.ndarray) -> np.ndarray:
            pull, push = self.slopes(y)
            return (1.0 - alpha) * pull - alpha * push

        high = furthest + np.zeros_like(alpha)
        return np.where(together(high) <= 0, high, zero(together, np.zeros_like(high), high))
