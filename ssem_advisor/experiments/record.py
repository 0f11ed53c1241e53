"""What one trained model, or one minimised problem, left behind: a line of runs.jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from ssem_advisor.domain import Setting

if TYPE_CHECKING:
    from ssem_advisor.documents import RunRecorded

UNFINISHED = 0.2
"""A loss that does more than this share of its whole fall in the last quarter of the updates has not converged."""
FEWEST_UPDATES = 100
"""With fewer, the falling learning rate alone makes the loss look settled. Digits without a self-supervised term keep a
free spread of .07 of what the mean leaves after 12 updates, .04 after 48, .03 after 96, .01 after 384."""


@dataclass(frozen=True)
class Record:
    """setting: of the training, without its weight. recommended: whether alpha is the weight recommended there today.

    variance: within-class variance of augmented views, the sum of view noise, confusion and free spread. reliability:
    share of it that an instance's views have in common. confusion, free_spread: see `metrics.moments`; None in records
    made before they were measured, and free_spread where dim < classes leaves it no room. mean: squared length
    of the overall mean. per_class: variance, free_per_class: free spread of each class. loss_value: at the last step;
    losses: along the training. residual: gradient norm at the end of a minimisation. view: points of the picture.
    """

    suite: str
    problem: str
    alpha: float
    temperature: float
    seed: int
    recommended: bool
    setting: Setting
    variance: float
    reliability: float
    seconds: float
    loss_value: float | None = None
    losses: tuple[float, ...] = ()
    steps: int | None = None
    confusion: float | None = None
    free_spread: float | None = None
    effective_dim: float | None = None
    mean: float | None = None
    per_class: tuple[float, ...] = ()
    free_per_class: tuple[float, ...] = ()
    probe_coarse: float | None = None
    probe_fine: float | None = None
    probe_shuffled: float | None = None
    residual: float | None = None
    processes: int | None = None
    view: Mapping[str, Any] | None = None

    @property
    def own_variance(self) -> float:
        """The variance that the views of an instance have in common: confusion and free spread."""
        return self.variance * self.reliability

    @property
    def view_noise(self) -> float:
        """The variance that the views of an instance do not have in common."""
        return self.variance - self.own_variance

    @property
    def free(self) -> float:
        """The free spread; the own variance, of which it is a part, where free spread was not measured."""
        return self.own_variance if self.free_spread is None else self.free_spread

    def free_of(self, number: int) -> float:
        """The same of one class."""
        return self.free_per_class[number] if self.free_per_class else self.per_class[number] * self.reliability

    @property
    def left(self) -> float:
        """What the common mean leaves of the total variance: at a minimiser all of it, 1."""
        return 1.0 - (self.mean or 0.0)

    def why_untrained(self) -> str | None:
        """Why this training is no evidence of where training goes; None where it is."""
        if self.mean is not None and max(self.left, self._contrast()) < min(self.temperature, 0.5):
            return "every embedding is still at one point"
        if self.steps is not None and self.steps < FEWEST_UPDATES:
            return f"fewer than {FEWEST_UPDATES} updates"
        fell = self.losses[len(self.losses) * 3 // 4 :] if len(self.losses) >= 8 else ()
        if fell and fell[0] - fell[-1] > UNFINISHED * (max(self.losses) - fell[-1]):
            return "the loss was still falling"
        return None

    def _contrast(self) -> float:
        """By how much the mean similarity inside classes exceeds that between them; a few classes can be a temperature
        apart with less than that left by the common mean."""
        classes = float(self.setting.classes)
        return (self.left - self.variance) * classes / (classes - 1.0)

    def to_dict(self) -> RunRecorded:
        """JSON-ready; what was not measured is left out."""
        found: Any = {f.name: getattr(self, f.name) for f in fields(self)}
        setting = {k: v for k, v in asdict(self.setting).items() if v is not None and k != "alpha"}
        found |= {k: list(v) for k, v in found.items() if isinstance(v, tuple)} | {"setting": setting}
        found = {k: v for k, v in found.items() if v is not None and v != []}
        return cast("RunRecorded", found)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Record:
        """The record of a line of runs.jsonl. Raises TypeError, ValueError or KeyError where it is none."""
        wanted: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        record = cls(**wanted | {"setting": Setting(**values["setting"])})
        for field in fields(cls):
            value = getattr(record, field.name)
            if not _is(value, str(field.type)):
                raise TypeError(f"{field.name} is {value!r:.40}, not {field.type}")
        return record


def _is(value: Any, kind: str) -> bool:
    """Whether a value is of a type as the fields of a record write it."""
    if value is None:
        return kind.endswith(" | None")
    match kind.removesuffix(" | None"):
        case "float":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "tuple[float, ...]":
            return isinstance(value, tuple) and all(_is(part, "float") for part in value)
        case "Mapping[str, Any]":
            return isinstance(value, Mapping)
    return type(value).__name__ == kind
