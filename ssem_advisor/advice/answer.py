"""What `recommend` answers with: numbers and codes. Their words are in `report.words`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from ssem_advisor.domain import Setting
from ssem_advisor.theory.network import Network
from ssem_advisor.theory.regime import CollapseLimits, Regime
from ssem_advisor.theory.values import ReferenceLosses


class State(StrEnum):
    """What becomes of the classes at a weight and temperature.

    collapse: class collapse is the optimum. may_collapse: it is not, but some class is still collapsed, or no theorem
    excludes that collapse stays a minimum. too_little, safe, too_much: the expected free spread against the safe
    range. not_covered: no theorem or estimate speaks.
    """

    collapse = "collapse"
    may_collapse = "may collapse"
    too_little = "too little"
    safe = "safe"
    too_much = "too much"
    not_covered = "not covered"


class Basis(StrEnum):
    """What stands behind an expected free spread.

    exact: the minimiser, by a theorem. estimate: derived, labelled so. rough: an estimate outside what it was derived
    for (classes of different size, class means that fill the space). minimiser: an estimate of the
    loss's own minimum, whatever the network.
    """

    exact = "exact"
    estimate = "estimate"
    rough = "rough"
    minimiser = "minimiser"


class NetworkOrigin(StrEnum):
    """Where the network of an answer comes from."""

    perfect = "perfect"
    typical = "typical"
    measured = "measured"


class Code(StrEnum):
    """What a note says; the values it needs stand in the note."""

    one_view = "one-view"
    line = "line"
    all_alone = "all-alone"
    no_weight_prevents = "no-weight-prevents"
    no_weight_known = "no-weight-known"
    out_of_reach = "out-of-reach"
    not_covered = "not-covered"
    alpha_moved = "alpha-moved"
    temperature_moved = "temperature-moved"
    another_temperature = "another-temperature"
    warmer_for_reliable_views = "warmer-for-reliable-views"
    both_moved = "both-moved"
    less_than_wanted = "less-than-wanted"
    crowded = "crowded"
    tight = "tight"
    unequal = "unequal"
    shared_directions = "shared-directions"
    lonely_anchors = "lonely-anchors"
    sampled_threshold = "sampled-threshold"
    minimiser_only = "minimiser-only"
    pilot = "pilot"
    several_intervals = "several-intervals"
    fp16_overflow = "fp16-overflow"
    fp16_underflow = "fp16-underflow"


class Purpose(StrEnum):
    """Why a point of the plan is worth training."""

    start = "start"
    more_spread = "more spread"
    less_spread = "less spread"
    warmer = "warmer"
    colder = "colder"


@dataclass(frozen=True)
class Note:
    """Something to know about an answer; `values` holds the numbers of the sentence."""

    code: Code
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Range:
    """What is known of one knob, alpha or temperature; None where nothing is.

    collapse_threshold: alpha: up to here some class is collapsed; temperature: from here on. safe: the interval in
    which the expected free spread is safe. recommended: the value to start from.
    """

    collapse_threshold: float | None
    safe: tuple[float, float] | None
    recommended: float | None


@dataclass(frozen=True)
class Point:
    """A pair (alpha, temperature) and what to expect of it.

    free_spread: share of the total variance that instances of one class are expected to differ in, for the network of
        the answer; None where not covered. spread_range: the same for the least and the most reliable network that
        the answer allows for; for a perfect network the `minimum_range`, None where that is exact.
    within_class_variance: expected variance of single views within a class, view noise included.
    optimal_variance: of the loss minimiser with unlimited dimension; None where not covered.
    minimum_range: within-class variance of the loss minimiser in this dimension, in nine of ten settings; both ends
        the same where it is exact, None where not covered.
    """

    alpha: float
    temperature: float
    state: State
    free_spread: float | None = None
    spread_range: tuple[float, float] | None = None
    basis: Basis | None = None
    within_class_variance: float | None = None
    optimal_variance: float | None = None
    minimum_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Trial:
    """A point worth training, and why."""

    purpose: Purpose
    point: Point


@dataclass(frozen=True)
class Alternative:
    """What the answer would be if one thing were different.

    change: what, in words; setting: the one with it. collapse_threshold, safe, recommended: of alpha, as in `Range`.
    """

    change: str
    setting: Setting
    collapse_threshold: float | None
    safe: tuple[float, float] | None
    recommended: float | None


@dataclass(frozen=True)
class Advice:
    """The whole answer to `recommend`. Numbers are not rounded.

    setting: as completed; assumed: the fields that were not given. network, origin: whose free spread the answer
    speaks of. wanted, safe_spread: free spread aimed at, and the range that counts as safe. limits: where collapse is
    the optimum and where it is excluded at `limits_temperature`, the recommended one where there is one; given_limits:
    the same at the temperature of the setting; None where not covered, or not given. alpha: ranges at
    `limits_temperature`; temperature: ranges at the recommended weight. plan: what to train, in order. similarities:
    mean cosine within and between classes at the recommended point. plain_alpha: the weight that plain SupCon amounts
    to. lonely: share of anchors without a same-class instance in their batch.
    """

    setting: Setting
    assumed: tuple[str, ...]
    network: Network
    origin: NetworkOrigin
    wanted: float
    safe_spread: tuple[float, float]
    regime: Regime
    limits: CollapseLimits | None
    limits_temperature: float
    given_limits: CollapseLimits | None
    alpha: Range
    temperature: Range
    recommended: Point | None
    given: Point | None
    plan: tuple[Trial, ...]
    similarities: tuple[float, float] | None
    reference: ReferenceLosses | None
    plain_alpha: float | None
    lonely: float
    notes: tuple[Note, ...]
    alternatives: tuple[Alternative, ...] = ()

    @cached_property
    def theorems(self) -> tuple[str, ...]:
        """Keys of what the numbers stand on, in reading order: each one's assumptions hold for this setting."""
        from ssem_advisor.theory.registry import covered, theorem

        point = self.recommended or self.given
        behind = {"REDUCTION", "SLOPES", "SLOPES-SPREAD", "TEMPERATURE", "TEMPERATURE-SSEM", "PLAIN-SUPCON"}
        behind |= set(self.limits.theorems) if self.limits is not None else set()
        if point is not None and point.basis is Basis.exact:
            behind |= {"OPTIMUM", "WEIGHT", "WEIGHT-SPREAD"}
        elif point is not None and point.basis in (Basis.estimate, Basis.rough):
            behind |= {"FINITE"} if self.setting.dim is not None else set()
            behind |= set() if self.origin is NetworkOrigin.perfect else {"RELIABILITY"}
        if point is None:  # no weight to speak of
            behind = {key for key in behind if not {"v", "alpha"} & set(theorem(key).symbols)}
        return tuple(key for key in covered(self.setting) if key in behind)
