"""From a setting to an answer: safe ranges, a setting to start from, and what stands behind each."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ssem_advisor.domain import NotCovered, Setting, SettingError
from ssem_advisor.theory.batches import batch_of
from ssem_advisor.theory.classes import class_thresholds, open_weight
from ssem_advisor.theory.collapse import alpha_for_variance, collapse_threshold, critical_temperature, optimal_variance
from ssem_advisor.theory.estimates import alpha_for_expected_variance, expected_variance, is_exact
from ssem_advisor.theory.relation import geometry_of
from ssem_advisor.theory.values import ReferenceLosses, equivalent_alpha, reference_losses

TARGET = 0.25
BAND = (0.05, 0.5)
DEFAULT_BATCH = 512
# What describes the recorded training runs best (validation/estimate): fitted, not derived. View reliability, and the
# temperature above which the spread leaves most of the directions beside the class means.
TRAINED_RELIABILITY, TRAINED_TEMPERATURE = 0.92, 0.3
TEMPERATURES = (0.1, 0.07, 0.05, 0.03, 0.02, 0.01)
# A weight above this leaves so little of the supervised term that a smaller temperature is the better way.
LARGEST_WEIGHT = 0.95


@dataclass(frozen=True)
class Range:
    """What is known of one knob: where collapse begins, the safe interval and the value to start from."""

    collapse_threshold: float | None
    safe: tuple[float, float] | None
    recommended: float | None


@dataclass(frozen=True)
class Point:
    """A pair (alpha, temperature) and what the theory says of it.

    state: "collapse" (class collapse is the optimum), "too little", "safe" or "too much" (expected variance against
    the band), "not covered".
    within_class_variance: what training is expected to reach (an estimate unless the regime is exact);
    optimal_variance: of the loss minimiser with unlimited dimension; None where not covered.
    trained_variance: the estimate with the view reliability and effective dimension fitted to recorded runs.
    """

    alpha: float
    temperature: float
    state: str
    within_class_variance: float | None
    optimal_variance: float | None
    trained_variance: float | None = None

    @property
    def between_class_variance(self) -> float | None:
        return None if self.within_class_variance is None else 1.0 - self.within_class_variance


@dataclass(frozen=True)
class Alternative:
    """What the answer would be if one thing were different."""

    change: str
    setting: Setting
    collapse_threshold: float | None
    safe: tuple[float, float] | None
    recommended: float | None


@dataclass(frozen=True)
class Advice:
    """The whole answer to `recommend`. Numbers are not rounded."""

    setting: Setting
    assumed: tuple[str, ...]
    target_variance: float
    band: tuple[float, float]
    regime: str
    alpha: Range
    temperature: Range
    recommended: Point | None
    given: Point | None
    similarities: tuple[float, float] | None
    reference: ReferenceLosses | None
    plain_alpha: float | None
    lonely: float | None
    thresholds: np.ndarray | None
    theorems: tuple[str, ...]
    notes: tuple[str, ...]
    alternatives: tuple[Alternative, ...] = field(default=())


REGIMES = {
    "exact": "the regular geometry fits: everything is exact",
    "finite-dimension": "classes <= dim < classes * N - 1: the threshold is exact, variances are estimates",
    "tight": "dim = classes - 1: the threshold is exact, collapse stays a local minimum above it",
    "crowded": "dim < classes - 1: class means cannot form a simplex, every class has its own threshold",
    "unequal": "classes differ in size: every class has its own threshold",
}


def regime_of(setting: Setting) -> str:
    if setting.unequal:
        return "unequal"
    if is_exact(setting):
        return "exact"
    if setting.dim >= setting.classes:
        return "finite-dimension"
    return "tight" if setting.dim == setting.classes - 1 else "crowded"


def complete(setting: Setting) -> tuple[Setting, tuple[str, ...]]:
    """Fill in the batch that the theory needs, and say what was assumed.

    A random or balanced batch holds 512 instances, but at least 4 of every class, and no more than the data set.
    """
    if setting.sampler == "full" or setting.batch_size is not None:
        return setting, ()
    drawn = setting.classes_per_batch or setting.classes
    if setting.sampler == "balanced":
        each = max(4, round(DEFAULT_BATCH / drawn))
        smallest = min(setting.class_counts) if setting.class_counts else setting.instances_per_class
        if smallest is not None:
            each = min(each, smallest)
        return setting.with_(batch_size=each * drawn), ("batch_size",)
    batch = max(DEFAULT_BATCH, 4 * setting.classes)
    total = sum(setting.class_counts) if setting.class_counts else None
    if setting.instances_per_class is not None:
        total = setting.classes * setting.instances_per_class
    return setting.with_(batch_size=batch if total is None else min(batch, total)), ("batch_size",)


def recommend(
    setting: Setting,
    target_variance: float = TARGET,
    band: tuple[float, float] = BAND,
    assumed: tuple[str, ...] = (),
    alternatives: bool = False,
    view_reliability: float = 1.0,
    effective_dim: float | None = None,
    trained: bool = False,
) -> Advice:
    """Safe ranges of alpha and temperature, and a setting to start from.

    setting: scalar fields; missing batch size, alpha and temperature are filled in and reported in `assumed`.
    target_variance: wanted within-class variance; band: the least and the largest that count as safe, in (0, 1).
    alternatives: also say what would change with the batch, the sampler and the views.
    view_reliability, effective_dim: measured on embeddings of a trained network (`measure`), see `expected_variance`;
        then ranges and recommendation aim at what such a network reaches.
    trained: aim at what networks like the recorded ones reach, with the two numbers fitted to them.
    Raises SettingError for arrays and for a target outside the band.
    """
    _check(setting, target_variance, band)
    full, filled = complete(setting)
    assumed = tuple(dict.fromkeys((*assumed, *filled)))
    if setting.alpha is None:
        assumed = (*assumed, "alpha")
    if setting.temperature is None:
        assumed = (*assumed, "temperature")
    if trained and (view_reliability, effective_dim) != (1.0, None):
        raise SettingError("trained: stands for a fitted view_reliability and effective_dim; give one or the other")
    answer = _Answer(full, target_variance, band, view_reliability, effective_dim, trained)
    if trained and not answer.knows_trained(full):
        raise NotCovered("trained: fitted for supcon and ssem with equal classes, two views and dim >= classes")
    return answer.advice(assumed, alternatives)


def _check(setting: Setting, target: float, band: tuple[float, float]) -> None:
    for name in Setting.__dataclass_fields__:
        if name != "class_counts" and np.ndim(getattr(setting, name)) > 0:
            raise SettingError(f"{name}: recommend answers one setting at a time, not arrays")
    low, high = band
    if not 0 < low < high < 1:
        raise SettingError(f"band={band!r}: must be two increasing numbers inside (0, 1)")
    if not low <= target <= high:
        raise SettingError(f"target_variance={target!r}: must lie in the safe band {low} to {high}")


def _trained_network(at: Setting) -> tuple[float, Any]:
    """Fitted view reliability and effective dimension; arrays of temperatures give arrays of dimensions."""
    warmth = np.asarray(at.temperature, dtype=float) / TRAINED_TEMPERATURE
    return TRAINED_RELIABILITY, np.maximum(1.0, (at.dim - at.classes + 1) / (1.0 + warmth**2))


class _Answer:
    """Works out the parts of an Advice for one setting."""

    def __init__(
        self,
        setting: Setting,
        target: float,
        band: tuple[float, float],
        reliability: float = 1.0,
        effective_dim: float | None = None,
        trained: bool = False,
    ) -> None:
        self.setting, self.target, self.band = setting, target, band
        self.given_network, self.trained = (reliability, effective_dim), trained
        self.regime = regime_of(setting)
        self.by_class = self.regime in ("crowded", "unequal")
        self.notes: list[str] = []
        self._class_thresholds: dict[float, np.ndarray] = {}
        self._opening: dict[float, float] = {}

    # -- the quantities -----------------------------------------------------------------------------------------------

    def threshold(self, temperature: float) -> float | None:
        """The weight above which no class is collapsed; None where not covered."""
        at = self.setting.with_(temperature=temperature)
        if not self.by_class:
            return collapse_threshold(at)
        if temperature not in self._opening:
            try:
                self._class_thresholds[temperature] = class_thresholds(at)
                last = float(np.nanmax(self._class_thresholds[temperature]))
                # Unequal classes open one after the other, the last one later than its own threshold says.
                self._opening[temperature] = max(last, open_weight(at)) if self.regime == "unequal" else last
            except NotCovered:
                return None
        return self._opening[temperature]

    def local_threshold(self, temperature: float) -> float:
        """Up to this weight collapse is a local minimum even where it is not the global one; 0 if that cannot be."""
        if self.regime != "tight" or self.setting.dim < 2 or self.setting.loss == "l_spread":
            return 0.0
        return float(np.nanmax(class_thresholds(self.setting.with_(temperature=temperature))))

    def weight(self, variance: float, temperature: Any) -> Any:
        """The weight at which training is expected to reach a variance."""
        at = self.stand_in.with_(temperature=temperature)
        if at.loss == "l_spread":
            return alpha_for_variance(at.with_(dim=None), variance)
        return alpha_for_expected_variance(at, variance, *self.network(at))

    def network(self, at: Setting) -> tuple[float, Any]:
        """View reliability and effective dimension that the answer is for, at the temperature of `at`."""
        return _trained_network(at) if self.trained else self.given_network

    @property
    def stand_in(self) -> Setting:
        """Classes of equal mean size in place of unequal ones, for the estimates."""
        setting = self.setting
        if not setting.unequal:
            return setting
        counts = setting.class_counts or ()
        each = None if setting.sampler == "balanced" else max(2, round(sum(counts) / len(counts)))
        batch = None if setting.sampler == "full" else setting.batch_size
        if each is not None and batch is not None:
            batch = min(batch, each * len(counts))
        return setting.with_(class_counts=None, instances_per_class=each, batch_size=batch)

    def safe_weights(self, temperature: float) -> tuple[float, float] | None:
        """The safe interval of alpha: above the threshold, expected variance inside the band."""
        threshold = self.threshold(temperature)
        if threshold is None or self.no_second_view or self.setting.dim == 1:
            return None
        low = max(float(self.weight(self.band[0], temperature)), threshold, self.local_threshold(temperature))
        high = min(float(self.weight(self.band[1], temperature)), 1.0)
        return (low, high) if low < high else None

    def best_weight(self, temperature: float) -> float | None:
        """The weight for the target variance, inside the safe interval."""
        safe = self.safe_weights(temperature)
        if safe is None:
            return None
        wanted = float(self.weight(self.target, temperature))
        if self.by_class:  # rough estimates: keep clear of the threshold
            wanted = max(wanted, safe[0] + 0.25 * (safe[1] - safe[0]))
        return min(wanted, safe[1])

    def point(self, alpha: float, temperature: float) -> Point:
        at = self.setting.with_(alpha=alpha, temperature=temperature)
        threshold = self.threshold(temperature)
        if threshold is None:
            return Point(alpha, temperature, "not covered", None, None)
        optimum = None if self.by_class else optimal_variance(at)
        stand_in = self.stand_in.with_(alpha=alpha, temperature=temperature)
        expected = optimum if at.loss == "l_spread" else expected_variance(stand_in, *self.network(stand_in))
        trained = self._trained(at)
        if alpha <= threshold:
            return Point(alpha, temperature, "collapse", expected if self.by_class else 0.0, optimum, trained)
        if expected is None:
            return Point(alpha, temperature, "not covered", None, optimum)
        low, high = self.band
        # The ends of a safe range are safe: compare with the weights that define them.
        safe = self.safe_weights(temperature)
        inside = safe is not None and safe[0] <= alpha <= safe[1]
        state = "safe" if inside or low <= expected <= high else "too little" if expected < low else "too much"
        return Point(alpha, temperature, state, expected, optimum, trained)

    def _trained(self, at: Setting) -> float | None:
        """What networks like the recorded ones reach; only where dimensions are left beside the class means."""
        if self.given_network != (1.0, None) or not self.knows_trained(at):
            return None
        return expected_variance(at, *_trained_network(at))

    def knows_trained(self, at: Setting) -> bool:
        return not (
            self.by_class or at.loss == "l_spread" or at.dim is None or at.dim < at.classes or self.no_second_view
        )

    @property
    def no_second_view(self) -> bool:
        return self.setting.loss != "ssem" and self.setting.views < 2

    # -- choosing -----------------------------------------------------------------------------------------------------

    def choose(self) -> Point | None:
        """Change as little as possible: keep what is given and safe, else move alpha, else temperature as well."""
        setting = self.setting
        if setting.alpha is not None and setting.temperature is not None:
            given = self.point(setting.alpha, setting.temperature)
            if given.state == "safe":
                return given
        elif setting.alpha is not None:
            found = self.temperature_for(setting.alpha)
            if found is not None:
                return self.point(setting.alpha, found)
        candidates = TEMPERATURES if setting.temperature is None else (setting.temperature, *TEMPERATURES)
        best: tuple[float, float] | None = None
        for temperature in candidates:
            alpha = self.best_weight(temperature)
            if alpha is None:
                continue
            if alpha <= LARGEST_WEIGHT or temperature == setting.temperature:
                return self.point(alpha, temperature)
            if best is None or alpha < best[0]:
                best = (alpha, temperature)
        return None if best is None else self.point(*best)

    def temperature_for(self, alpha: float) -> float | None:
        """A safe temperature at a fixed weight: 0.1 if it is one, else where the variance comes nearest the target."""
        safe = self.safe_temperatures(alpha, 0.1)
        if safe is None:
            return None
        if safe[0] <= 0.1 <= safe[1]:
            return 0.1
        grid = np.geomspace(*safe, 100)
        misses = np.abs(np.log(self.weight(self.target, grid)) - math.log(max(alpha, 1e-300)))
        return float(grid[int(np.argmin(misses))])

    def safe_temperatures(self, alpha: float, near: float) -> tuple[float, float] | None:
        """The safe interval of the temperature at a fixed weight that holds `near`, or else the nearest one."""
        if self.by_class or self.no_second_view or self.setting.dim == 1:
            return None
        grid = np.geomspace(1e-3, 10.0, 400)
        inside = self._is_safe(alpha, grid)
        if not inside.any():
            return None
        edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
        pieces = [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        here = math.log(near)

        def distance(piece: tuple[int, int]) -> float:
            low, high = math.log(grid[piece[0]]), math.log(grid[piece[1]])
            return max(low - here, here - high, 0.0)

        first, last = min(pieces, key=distance)
        if len(pieces) > 1:
            self.notes.append(
                "The safe temperatures at this alpha form more than one interval; the nearest one is shown."
            )
        low = self._edge(alpha, grid[first], grid[first - 1]) if first else grid[0]
        high = self._edge(alpha, grid[last], grid[last + 1]) if last + 1 < len(grid) else grid[-1]
        return float(low), float(high)

    def _edge(self, alpha: float, inside: float, outside: float) -> float:
        """The last safe temperature between a safe and an unsafe one; every returned value is itself safe."""
        for _ in range(3):
            grid = np.geomspace(inside, outside, 50)
            safe = self._is_safe(alpha, grid)
            safe[0] = True
            last = int(np.argmin(safe)) - 1 if not safe.all() else len(grid) - 2
            inside, outside = grid[last], grid[last + 1]
        return inside

    def _is_safe(self, alpha: float, temperatures: np.ndarray) -> np.ndarray:
        return (self.weight(self.band[0], temperatures) <= alpha) & (self.weight(self.band[1], temperatures) >= alpha)

    # -- the answer ---------------------------------------------------------------------------------------------------

    def advice(self, assumed: tuple[str, ...], alternatives: bool) -> Advice:
        setting = self.setting
        chosen = self.choose()
        given = None
        if setting.alpha is not None and setting.temperature is not None:
            given = self.point(setting.alpha, setting.temperature)
        tau = setting.temperature or (chosen.temperature if chosen else TEMPERATURES[0])
        alpha = setting.alpha if setting.alpha is not None else chosen.alpha if chosen else None
        shown = chosen.temperature if chosen else tau
        safe_temperatures, critical = None, None
        if alpha is not None and not self.by_class:
            safe_temperatures = self.safe_temperatures(alpha, shown)
            critical = critical_temperature(setting.with_(alpha=alpha))
        self._explain(chosen, tau)
        reference, similarities = self._reference(chosen)
        return Advice(
            setting=setting,
            assumed=assumed,
            target_variance=self.target,
            band=self.band,
            regime=self.regime,
            alpha=Range(self.threshold(shown), self.safe_weights(shown), chosen.alpha if chosen else None),
            temperature=Range(critical, safe_temperatures, chosen.temperature if chosen else None),
            recommended=chosen,
            given=given,
            similarities=similarities,
            reference=reference,
            plain_alpha=self._plain(),
            lonely=self._lonely(),
            thresholds=self._class_thresholds.get(shown),
            theorems=self._theorems(),
            notes=tuple(dict.fromkeys(self.notes)),
            alternatives=self._alternatives(shown) if alternatives else (),
        )

    def _plain(self) -> float | None:
        """alpha_eq of plain SupCon, where the batch fixes the number of same-class instances."""
        if self.setting.loss != "supcon" or self.setting.sampler == "random" or self.setting.unequal:
            return None
        return float(equivalent_alpha(batch_of(self.setting).same[0, 0], self.setting.views))

    def _lonely(self) -> float | None:
        """Share of anchors without a same-class instance in their batch."""
        return float(batch_of(self.stand_in).alone[0])

    def _reference(self, chosen: Point | None) -> tuple[ReferenceLosses | None, tuple[float, float] | None]:
        if chosen is None or self.by_class:
            return None, None
        at = self.setting.with_(alpha=chosen.alpha, temperature=chosen.temperature)
        similarities = None
        if chosen.within_class_variance is not None:
            geometry = geometry_of(at)
            away = chosen.within_class_variance / float(geometry.shrink)
            m = float(at.classes)
            similarities = (1.0 - away, 1.0 - m / (m - 1.0) + float(geometry.rho) * away)
        return reference_losses(at), similarities

    def _theorems(self) -> tuple[str, ...]:
        setting = self.setting
        if self.by_class:
            return ("UNEQUAL", "BATCH") if setting.loss != "l_spread" else ()
        keys = ["REDUCTION"]
        if setting.loss == "l_spread":
            keys += ["SLOPES-SPREAD", "WEIGHT-SPREAD"]
        else:
            keys += ["SLOPES", "RANDOM-BATCH" if setting.sampler == "random" else "THRESHOLD", "TEMPERATURE"]
        if self.regime == "exact":
            keys.append("OPTIMUM")
        else:
            keys += ["DIMENSION" if self.regime == "finite-dimension" else "TIGHT", "FINITE"]
        return (*keys, "PLAIN-SUPCON") if setting.loss == "supcon" else tuple(keys)

    def _explain(self, chosen: Point | None, tau: float) -> None:
        setting, notes = self.setting, self.notes
        if chosen is None:
            notes.append(self._why_nothing(tau))
        elif setting.temperature is None and setting.alpha is not None and chosen.alpha != setting.alpha:
            notes.append(f"No temperature is safe at alpha {setting.alpha:g}, so the recommendation changes alpha.")
        elif setting.temperature is not None and chosen.temperature != setting.temperature:
            notes.append(
                f"No weight up to 1 is safe at temperature {setting.temperature:g}; a smaller temperature is, so both "
                "change."
            )
        if self.regime == "crowded":
            notes.append(
                f"dim {setting.dim} < classes - 1 = {setting.classes - 1}: the class means cannot form a simplex. "
                "Every class has its own threshold and variances are rough estimates; a larger dim makes the "
                "answer exact."
            )
        elif self.regime == "tight":
            local = self.local_threshold(chosen.temperature if chosen else tau)
            upto = f" up to alpha {local:.3g}" if local else ""
            notes.append(
                "dim = classes - 1: no direction beside the class means is left for within-class spread, and collapse "
                f"stays a local minimum{upto}, above the threshold. One more dimension removes it."
            )
        elif self.regime == "unequal":
            notes.append(
                "Classes differ in size: every class opens at its own weight and the smallest decides; variances "
                "are estimates for classes of equal mean size."
            )
        if self.by_class and (setting.sampler == "random" or setting.classes_per_batch not in (None, setting.classes)):
            notes.append(
                "Per-class thresholds are exact for full and all-class balanced batches; here they are estimates with "
                "the expected number of other-class instances in each batch."
            )
        if self.by_class:
            notes.append(
                "The safe range of the temperature is not covered here, because thresholds are class by class."
            )
        if self.no_second_view:
            notes.append("One view: the self-supervised term has no positives, so alpha means nothing; use two views.")
        lonely = self._lonely()
        if lonely is not None and lonely > 0.1:
            notes.append(
                f"{lonely:.0%} of the anchors have no other instance of their class in the batch: a class-balanced or "
                "P x K sampler, or a larger batch, gives them one."
            )
        self._precision(chosen.temperature if chosen else tau)

    def _precision(self, tau: float) -> None:
        if math.exp(min(1.0 / tau, 700.0)) > 65504.0:
            self.notes.append(
                f"In fp16, exp(1/tau) = exp({1 / tau:.3g}) overflows (above 65504): keep the loss in float32 or "
                "subtract the row maximum."
            )
        if 2.0 / tau > 16.6:
            self.notes.append(
                f"Logits span 2/tau = {2 / tau:.3g}: in fp16 the smallest softmax terms underflow; compute the loss "
                "in float32."
            )

    def _why_nothing(self, tau: float) -> str:
        setting = self.setting
        if self.no_second_view:
            return "No safe setting: with one view nothing holds instances of a class apart. Two views make one."
        if setting.dim == 1:
            return "Not covered: unit vectors in one dimension are two points and cannot spread. Use dim >= classes."
        if setting.loss == "l_spread" and self.by_class:
            return "Not covered: l_spread with unequal classes or dim < classes - 1 has no theorem yet."
        lonely = self._lonely()
        if lonely is not None and lonely >= 1:
            return (
                "No safe setting: every anchor is alone with its class in the batch. Draw at least two instances "
                "of each class (P x K sampler) to make one."
            )
        threshold = self.threshold(tau)
        if threshold is not None and threshold >= 1:
            return (
                f"No safe setting: at temperature {tau:g} the collapse threshold is {threshold:.4g}, so no weight "
                "prevents collapse. A smaller temperature or more instances of each class in the batch make one."
            )
        return (
            f"No safe setting: no weight up to 1 reaches within-class variance {self.band[0]:g} at any usual "
            "temperature. A larger batch, a balanced sampler or a larger dim make one."
        )

    def _alternatives(self, tau: float) -> tuple[Alternative, ...]:
        """What the answer would be with another batch, sampler or number of views, at the same temperature."""
        if self.by_class:
            return ()
        setting = self.setting
        tries: list[tuple[str, dict[str, Any]]] = []
        if setting.sampler == "random":
            tries += [(f"batch {size}", {"batch_size": size}) for size in self._batch_sizes()]
            each = max(2, round(setting.batch_size / setting.classes))
            tries.append((f"balanced, {each} per class", {"sampler": "balanced", "batch_size": each * setting.classes}))
            per_class = max(4, round(setting.batch_size / setting.classes))
            classes = max(2, min(setting.classes, setting.batch_size // per_class))
            if classes < setting.classes:
                change = {"sampler": "balanced", "classes_per_batch": classes, "batch_size": classes * per_class}
                tries.append((f"P x K = {classes} x {per_class}", change))
        elif setting.sampler == "balanced":
            tries += [(f"batch {size}", {"batch_size": size}) for size in self._batch_sizes()]
        tries.append(("4 views" if setting.views != 4 else "2 views", {"views": 4 if setting.views != 4 else 2}))
        found = []
        for label, changes in tries:
            try:
                other = _Answer(setting.with_(**changes), self.target, self.band, *self.given_network, self.trained)
                row = Alternative(
                    label, other.setting, other.threshold(tau), other.safe_weights(tau), other.best_weight(tau)
                )
            except SettingError:
                continue  # the data set is too small for it
            found.append(row)
        return tuple(found)

    def _batch_sizes(self) -> list[int]:
        size = self.setting.batch_size
        return [s for s in (size // 2, size * 2, size * 4) if s >= 2]
