"""The nouns of the project: the setting a loss is used in, and the errors a user can meet.

Standard library only. Numeric fields of :class:`Setting` may be numpy arrays; they broadcast against each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Loss = Literal["supcon", "ssem", "l_spread", "l_in"]
Sampler = Literal["random", "balanced", "full"]
Features = Literal["any", "non-negative"]

# The losses that the package computes, and those that the theory knows something about.
LOSSES: tuple[str, ...] = ("supcon", "ssem", "l_spread")
KNOWN_LOSSES: tuple[str, ...] = (*LOSSES, "l_in")
SAMPLERS: tuple[str, ...] = ("random", "balanced", "full")
FEATURES: tuple[str, ...] = ("any", "non-negative")


class AdvisorError(Exception):
    """Anything the user can mend. The message is one line: what is wrong, where, and the remedy."""


class SettingError(AdvisorError, ValueError):
    """A field of a :class:`Setting` is outside its domain, or missing where it is needed."""


class NotCovered(AdvisorError, ValueError):
    """No theorem speaks about this setting; the message says which assumption fails."""


def _every(value: Any, predicate: Any) -> bool:
    """Whether the predicate holds for a number, or for every element of an array."""
    result = predicate(value)
    return bool(result.all()) if hasattr(result, "all") else bool(result)


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, str, bytes)):
        return False
    if hasattr(value, "dtype"):
        return value.dtype.kind in "iuf"
    return isinstance(value, (int, float))


class _Sizes(tuple[int, ...]):
    """Class sizes that have been checked: a copy of a setting of thousands of classes need not check them again."""


def _checked_sizes(counts: Any) -> _Sizes:
    if isinstance(counts, (str, bytes)) or not hasattr(counts, "__len__") or len(counts) < 2:
        raise SettingError("class_counts: must be a list of at least two class sizes")
    for position, count in enumerate(counts):
        if not _is_number(count) or count != count or count < 1 or count % 1 != 0:
            raise SettingError(f"class_counts[{position}]={count!r}: must be an integer >= 1")
    return _Sizes(int(count) for count in counts)


@dataclass(frozen=True)
class Setting:
    """What decides whether class collapse is optimal.

    classes: number of classes m, integer >= 2.
    dim: dimension d of the normalised projection that the loss sees, integer >= 1; None = large enough.
    temperature: softmax temperature tau > 0, dimensionless.
    alpha: weight of the self-supervised term in [0, 1]: L = (1-alpha) L_sup + alpha L_self.
    loss: "supcon" (anchor left out of its denominator), "ssem" (anchor kept), "l_spread", or "l_in": the supervised
        term has the sum over all positives inside its logarithm, as in solo-learn.
    views: augmented views per instance p, integer >= 1.
    batch_size: instances (not views) that the loss sees at once, after any cross-device gather.
    sampler: "random" (uniform without replacement), "balanced" (equal instances of every class, or of
        `classes_per_batch` classes) or "full" (the whole data set is one batch).
    classes_per_batch: P of a P x K sampler; only with sampler="balanced".
    instances_per_class: N of the data set, integer >= 2; None = infinite.
    class_counts: instances of each class of the data set, for unequal classes.
    queue: number of keys of random instances, held without gradient, that an anchor meets beside its own key in place
        of a batch (MoCo, memory banks), integer >= 2; None = no queue.
    features: "non-negative" where a ReLU stands before the normalisation, else "any".
    self_temperature: temperature of the self-supervised term, > 0; None = `temperature` holds for both terms.
    cross_entropy: weight >= 0 of the cross-entropy of a linear classifier on the same normalised features, divided by
        the sum of the two contrastive weights; 0 = none, or a classifier on another layer.

    Raises SettingError naming the field, the value and the allowed domain.
    """

    classes: Any = None
    dim: Any = None
    temperature: Any = None
    alpha: Any = None
    loss: Loss = "supcon"
    views: Any = 2
    batch_size: Any = None
    sampler: Sampler = "random"
    classes_per_batch: Any = None
    instances_per_class: Any = None
    class_counts: Sequence[int] | None = None
    queue: Any = None
    features: Features = "any"
    self_temperature: Any = None
    cross_entropy: Any = 0.0

    def __post_init__(self) -> None:
        if self.class_counts is not None:
            self._adopt_class_counts()
        if self.classes is None:
            raise SettingError("classes: missing; give the number of classes (an integer >= 2)")
        for name, least in _INTEGERS.items():
            self._check_integer(name, least)
        self._check_real("temperature", lambda t: t >= _COLDEST, "a finite number > 0 (at least 1e-300)")
        self._check_real("self_temperature", lambda t: t >= _COLDEST, "a finite number > 0 (at least 1e-300)")
        self._check_real("alpha", lambda a: (a >= 0) & (a <= 1), "a number in [0, 1]")
        self._check_real("cross_entropy", lambda w: w >= 0, "a finite number >= 0")
        if self.loss not in KNOWN_LOSSES:
            raise SettingError(f"loss={self.loss!r}: must be one of {', '.join(KNOWN_LOSSES)}")
        if self.features not in FEATURES:
            raise SettingError(f"features={self.features!r}: must be one of {', '.join(FEATURES)}")
        if self.sampler not in SAMPLERS:
            raise SettingError(f"sampler={self.sampler!r}: must be one of {', '.join(SAMPLERS)}")
        self._check_batch()

    def with_(self, **changes: Any) -> Setting:
        """A copy with some fields replaced, validated again."""
        return replace(self, **changes)

    @property
    def unequal(self) -> bool:
        """Whether the classes of the data set differ in size."""
        return self.class_counts is not None and len(set(self.class_counts)) > 1

    @property
    def extras(self) -> tuple[str, ...]:
        """What of this setting goes past the basic theory (three losses, one temperature, current embeddings)."""
        used = {
            "loss": self.loss not in LOSSES,
            "queue": self.queue is not None,
            "features": self.features != "any",
            "self_temperature": self.self_temperature is not None,
            "cross_entropy": not _every(self.cross_entropy, lambda w: w == 0),
        }
        return tuple(name for name, is_used in used.items() if is_used)

    def need(self, name: str) -> Any:
        """The value of a field, or a SettingError saying that it is missing."""
        value = getattr(self, name)
        if value is None:
            raise SettingError(f"{name}: missing, and this answer depends on it")
        return value

    # -- validation -------------------------------------------------------------------------------------------

    def _adopt_class_counts(self) -> None:
        sizes = self.class_counts if isinstance(self.class_counts, _Sizes) else _checked_sizes(self.class_counts)
        object.__setattr__(self, "class_counts", sizes)
        if self.classes is None:
            object.__setattr__(self, "classes", len(sizes))
        elif not _every(self.classes, lambda m: m == len(sizes)):
            raise SettingError(
                f"classes={self.classes!r}: class_counts lists {len(sizes)} classes; give one of the two"
            )
        if self.instances_per_class is None:
            if not self.unequal:
                object.__setattr__(self, "instances_per_class", sizes[0])
        elif self.unequal or self.instances_per_class != sizes[0]:
            raise SettingError(
                f"instances_per_class={self.instances_per_class!r}: contradicts class_counts; give one of the two"
            )

    def refuse_arrays(self, asked: str, names: Sequence[str] = ()) -> None:
        """Raise SettingError for the first field that is an array. asked: who takes one setting at a time, as the
        message says it. names: the fields that matter there; all of them if empty."""
        for name in names or FIELDS:
            if getattr(getattr(self, name), "shape", ()):
                raise SettingError(f"{name}: {asked} one setting at a time, not arrays")

    def _check_integer(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if value is None:
            return
        ok = _is_number(value) and _every(value, lambda v: (v >= least) & (v % 1 == 0) & (v < _MOST))
        if not ok:
            large = _is_number(value) and _every(value, lambda v: v >= _MOST)
            raise SettingError(f"{name}={value!r}: must be an integer >= {least}{' and below 1e15' if large else ''}")
        if not getattr(value, "shape", ()):  # 10.0 or a number of numpy: one type from here on
            object.__setattr__(self, name, int(value))

    def _check_real(self, name: str, inside: Any, domain: str) -> None:
        value = getattr(self, name)
        if value is None:
            return
        if not (_is_number(value) and _every(value, lambda v: inside(v) & (abs(v) < math.inf))):
            raise SettingError(f"{name}={value!r}: must be {domain}")
        if not getattr(value, "shape", ()):
            object.__setattr__(self, name, float(value))

    def _check_batch(self) -> None:
        m, batch, instances, p = self.classes, self.batch_size, self.instances_per_class, self.classes_per_batch
        if p is not None and self.sampler != "balanced":
            raise SettingError(f"classes_per_batch={p!r}: only sampler='balanced' draws a fixed number of classes")
        if p is not None and not _every(p >= 2, lambda ok: ok):
            raise SettingError(
                f"classes_per_batch={p!r}: a batch of one class has no negatives and its loss no unique minimum; "
                "use at least 2"
            )
        if self.sampler == "full":
            self._check_full()
            return
        if p is not None and not _every(p <= m, lambda ok: ok):
            raise SettingError(f"classes_per_batch={p!r}: must be at most classes={m!r}")
        if batch is None:
            return
        if instances is not None and not _every(batch <= m * instances, lambda ok: ok):
            raise SettingError(f"batch_size={batch!r}: larger than the data set of {m * instances} instances")
        if self.class_counts is not None and not _every(batch <= sum(self.class_counts), lambda ok: ok):
            raise SettingError(f"batch_size={batch!r}: larger than the data set of {sum(self.class_counts)} instances")
        if self.sampler == "balanced":
            drawn, name = (m, "classes") if p is None else (p, "classes_per_batch")
            if not _every(batch % drawn == 0, lambda ok: ok):
                remedy = ""
                if not hasattr(batch, "dtype") and not hasattr(drawn, "dtype"):
                    lower = batch // drawn * drawn
                    near = f"{lower} or {lower + drawn}" if lower else f"{drawn}"
                    remedy = f"; use {near}, or the P x K sampler (classes_per_batch)"
                raise SettingError(
                    f"batch_size={batch!r}: a balanced batch needs a multiple of {name}={drawn!r}{remedy}"
                )
            if instances is not None and not _every(batch // drawn <= instances, lambda ok: ok):
                raise SettingError(
                    f"batch_size={batch!r}: asks for {batch // drawn} instances of each class, "
                    f"the data set has {instances!r}"
                )

    def _check_full(self) -> None:
        total = None
        if self.class_counts is not None:
            total = sum(self.class_counts)
        elif self.instances_per_class is not None:
            total = self.classes * self.instances_per_class
        elif self.batch_size is not None:
            if not _every(self.batch_size % self.classes == 0, lambda ok: ok):
                raise SettingError(
                    f"batch_size={self.batch_size!r}: a full batch of equal classes is a multiple of "
                    f"classes={self.classes!r}"
                )
            if not _every(self.batch_size // self.classes >= 2, lambda ok: ok):
                raise SettingError(
                    f"batch_size={self.batch_size!r}: a full batch needs at least two instances of each class"
                )
            object.__setattr__(self, "instances_per_class", self.batch_size // self.classes)
            return
        if total is not None and self.batch_size is not None and not _every(self.batch_size == total, lambda ok: ok):
            raise SettingError(
                f"batch_size={self.batch_size!r}: a full batch holds all {total} instances; leave it out"
            )


def a_setting(given: Any) -> Setting:
    """What a public function was given for its setting. Raises SettingError where it is none."""
    if isinstance(given, Setting):
        return given
    shown = repr(given)
    raise SettingError(
        f"setting={shown if len(shown) <= 40 else type(given).__name__}: must be a Setting, as in "
        "Setting(classes=10, temperature=0.1, batch_size=512)"
    )


_MOST = 10**15  # beyond, neighbouring integers are no longer told apart in sums of floats
_COLDEST = 1e-300  # below, 1 / temperature overflows
_INTEGERS = {
    "classes": 2,
    "dim": 1,
    "views": 1,
    "batch_size": 2,
    "classes_per_batch": 1,
    "instances_per_class": 2,
    "queue": 2,
}
FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Setting))
