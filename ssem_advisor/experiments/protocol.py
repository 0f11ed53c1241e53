"""What `validate` does, as data: a protocol is a suite with its numbers, written to disk and read back unchanged."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ssem_advisor import theory
from ssem_advisor.advice import recommend
from ssem_advisor.domain import KNOWN_LOSSES, LOSSES, AdvisorError, Setting, SettingError
from ssem_advisor.theory.network import PERFECT

SUITES = ("embeddings", "digits", "synthetic", "cifar10", "cifar100", "imagenet-lt")
IMAGE_SUITES = ("cifar10", "cifar100", "imagenet-lt")
NETWORKS = ("mlp", "patches", "resnet18", "resnet50")


@dataclass(frozen=True)
class Protocol:
    """One suite and everything that decides its numbers.

    alphas: the weights to train at; None = chosen around the threshold of every temperature. seeds: how many.
    loss: None = every loss (`embeddings` alone). class_counts: train instances of every class (`synthetic`).
    network: "mlp" on the samples themselves, "patches" for one on fixed features of image patches, or a ResNet.
    optimiser: of a ResNet, "sgd" (momentum 0.9) or "adamw"; the others train with Adam. hidden: widths of a multilayer
    perceptron's hidden layers. width: channels of a ResNet's first stage. classes: of CIFAR-10, 10, or 5 pairs, or 2
    (vehicles and animals); of CIFAR-100, a divisor of 100: neighbours in the order of its labels, the alphabet, merge.
    coarse: train on the 20 coarse classes of CIFAR-100 instead. The probe asks for the labels of the files. instances:
    the first so many of each class (CIFAR); None = all. imbalance: size of the largest class over the smallest,
    exponential profile (CIFAR).
    """

    suite: str
    loss: str | None = "supcon"
    temperatures: tuple[float, ...] = (0.1, 0.5)
    alphas: tuple[float, ...] | None = None
    seeds: int = 3
    classes: int = 5
    dim: int = 32
    views: int = 2
    sampler: str = "balanced"
    batch_size: int | None = 250
    classes_per_batch: int | None = None
    class_counts: tuple[int, ...] | None = None
    epochs: int = 100
    hidden: tuple[int, ...] = (256, 256)
    learning_rate: float = 2e-3
    network: str = "mlp"
    optimiser: str = "sgd"
    width: int = 64
    coarse: bool = False
    instances: int | None = None
    imbalance: float = 1.0
    data_root: str | None = None

    def __post_init__(self) -> None:
        if self.suite not in SUITES:
            raise AdvisorError(f"suite={self.suite!r}: must be one of {', '.join(SUITES)}")
        if self.loss is None and self.suite != "embeddings":
            raise AdvisorError(f"loss: suite {self.suite} trains with one loss; give one of {', '.join(LOSSES)}")
        if self.loss not in (None, *KNOWN_LOSSES):
            raise AdvisorError(f"loss={self.loss!r}: must be one of {', '.join(LOSSES)}")
        for name, least in (("seeds", 1), ("epochs", 1), ("dim", 2), ("classes", 2), ("views", 2)):
            if getattr(self, name) < least:
                raise AdvisorError(f"{name}={getattr(self, name)!r}: must be an integer >= {least}")
        if self.suite == "digits" and self.classes not in (2, 5, 10):
            raise AdvisorError(f"classes={self.classes}: the ten digits merge into 2, 5 or 10 equal classes")
        if self.suite == "cifar10" and self.classes not in (2, 5, 10):
            raise AdvisorError(
                f"classes={self.classes}: CIFAR-10 has 10 classes, merges into 5 pairs or 2 (vehicles, animals)"
            )
        if self.suite == "cifar100" and (self.classes > 100 or 100 % self.classes):
            raise AdvisorError(f"classes={self.classes}: CIFAR-100 has 100 classes, a divisor of it merges neighbours")
        if self.suite == "cifar100" and self.coarse and self.classes not in (20, 100):
            raise AdvisorError(
                f"classes={self.classes}: --coarse trains the 20 coarse classes; leave one of the two out"
            )
        allowed = {"cifar10": NETWORKS[1:], "cifar100": NETWORKS[1:], "imagenet-lt": NETWORKS[2:]}.get(
            self.suite, ("mlp",)
        )
        if self.network not in allowed:
            raise AdvisorError(f"network={self.network!r}: must be {' or '.join(allowed)} for suite {self.suite}")
        if self.optimiser not in ("sgd", "adamw"):
            raise AdvisorError(f"optimiser={self.optimiser!r}: must be sgd or adamw")
        if self.width < 1 or (self.instances is not None and self.instances < 2):
            raise AdvisorError("width must be >= 1 and instances >= 2")
        if not self.temperatures or (self.alphas is not None and not self.alphas):
            raise AdvisorError("temperatures and alphas: give at least one of each")
        if not self.learning_rate > 0 or not self.imbalance >= 1:
            raise AdvisorError("learning_rate must be > 0 and imbalance >= 1")
        for temperature in self.temperatures:
            if not temperature >= 0.01:
                raise AdvisorError(
                    f"temperature={temperature!r}: validate trains at 0.01 and above; below, 32-bit losses underflow"
                )
        self.setting(self.temperatures[0])  # every other field, checked where settings are
        for alpha in self.alphas or ():
            self.setting(self.temperatures[0], alpha)

    @classmethod
    def default(cls, suite: str, **changes: Any) -> Protocol:
        """The suite with its default numbers; a change that is None keeps the default."""
        if suite not in SUITES:
            raise AdvisorError(f"--suite {suite}: must be one of {', '.join(SUITES)}")
        changes = {k: v for k, v in changes.items() if v is not None}
        network = changes.get("network", _DEFAULTS.get(suite, {}).get("network"))
        values = {**_DEFAULTS.get(suite, {}), **_NETWORK_DEFAULTS.get(network, {}), **changes}
        return cls(suite=suite, **values)

    @classmethod
    def from_mapping(cls, values: Any, place: str) -> Protocol:
        """A protocol read from a file; place names the file in errors."""
        if not isinstance(values, Mapping) or "suite" not in values:
            raise AdvisorError(f"{place}: a protocol is a mapping with at least `suite`")
        known = {field.name for field in fields(cls)}
        wanted = dict(values)
        for name in wanted:
            if name not in known:
                raise AdvisorError(f"{place}: unknown key {name!r}; known are {', '.join(sorted(known))}")
        hints = typing.get_type_hints(cls)
        for name, value in wanted.items():
            wanted[name] = _coerce(value, hints[name], f"{place}: {name}")
        try:
            return cls.default(wanted.pop("suite"), **wanted)
        except AdvisorError as error:
            raise AdvisorError(f"{place}: {error}") from error

    @property
    def is_resnet(self) -> bool:
        """Whether every model is a large network, trained on its own, rather than one of a stack."""
        return self.network.startswith("resnet")

    def to_dict(self) -> dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def with_(self, **changes: Any) -> Protocol:
        """A copy with some fields replaced; a change that is None keeps the field."""
        return replace(self, **{k: v for k, v in changes.items() if v is not None})

    def fitted(self, counts: Sequence[int]) -> Protocol:
        """With the data's classes, and the batch cut to what the data hold, where that is less than a batch."""
        if self.sampler == "full" or self.batch_size is None:
            return self
        if self.sampler == "random":
            return self.with_(classes=len(counts), batch_size=min(self.batch_size, sum(counts)))
        drawn = self.classes_per_batch or len(counts)
        return self.with_(classes=len(counts), batch_size=drawn * min(self.batch_size // drawn, min(counts)))

    def setting(self, temperature: float, alpha: float | None = None, counts: Sequence[int] | None = None) -> Setting:
        """The setting whose theory predicts this protocol. counts: instances of each class, once the data are read."""
        if self.suite == "embeddings":
            return PROBLEMS[0].with_(temperature=temperature, alpha=alpha)
        counts = counts if counts is not None else self.class_counts
        # Balanced batches make classes of any size equal, and a few per cent (the digits) matter to no batch.
        unequal = counts is not None and self.sampler != "balanced" and max(counts) > 1.1 * min(counts)
        return Setting(
            classes=None if unequal else (len(counts) if counts is not None else self.classes),
            dim=self.dim,
            temperature=temperature,
            alpha=alpha,
            loss=self.loss,  # type: ignore[arg-type]
            views=self.views,
            sampler=self.sampler,  # type: ignore[arg-type]
            batch_size=None if self.sampler == "full" and counts is not None else self.batch_size,
            classes_per_batch=self.classes_per_batch,
            instances_per_class=None if unequal or counts is None else round(sum(counts) / len(counts)),
            class_counts=list(counts) if unequal else None,  # type: ignore[arg-type]
        )


def _coerce(value: Any, hint: Any, place: str) -> Any:
    """A value of a protocol file in the type of its field, or an error that names the place."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    kind = next(o for o in options if o is not type(None))
    try:
        if typing.get_origin(kind) is tuple:
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise TypeError
            return tuple(_coerce(v, typing.get_args(kind)[0], place) for v in value)
        if kind is int and (isinstance(value, bool) or int(value) != value):
            raise TypeError
        if (kind is bool or kind is str) and not isinstance(value, kind):
            raise TypeError
        return kind(value)
    except (TypeError, ValueError):
        wanted = getattr(kind, "__name__", str(kind)).replace("tuple", "list")
        raise AdvisorError(f"{place}: {value!r} is not of type {wanted}") from None


PROBLEMS = tuple(
    Setting(views=2, **problem)  # type: ignore[arg-type]
    for problem in (
        {"classes": 5, "instances_per_class": 4, "dim": 24, "sampler": "full"},
        {"classes": 3, "instances_per_class": 3, "dim": 8, "sampler": "balanced", "batch_size": 6},
        {
            "classes": 3,
            "instances_per_class": 3,
            "dim": 8,
            "sampler": "balanced",
            "batch_size": 6,
            "classes_per_batch": 2,
        },
        {"classes": 2, "instances_per_class": 3, "dim": 5, "sampler": "random", "batch_size": 3},
    )
)
"""The small problems of the `embeddings` suite: the whole geometry fits their dimension, every batch can be listed."""

_DEFAULTS: dict[str, dict[str, Any]] = {
    "embeddings": {"loss": None, "temperatures": (0.25, 0.5, 1.0), "seeds": 2, "dim": 24},
    "synthetic": {"classes": 20, "dim": 64, "batch_size": 160, "class_counts": (40,) * 20, "epochs": 100},
    "cifar10": {"classes": 10, "network": "patches"},
    "cifar100": {"classes": 100, "network": "patches"},
    "imagenet-lt": {
        "classes": 1000, "batch_size": 1000, "classes_per_batch": 250, "network": "resnet50", "epochs": 200,
        "learning_rate": 0.1, "alphas": (0.0, 0.1, 0.3, 0.5, 0.8, 1.0), "seeds": 2, "dim": 128, "temperatures": (0.1,),
        "hidden": (),
    },
}  # fmt: skip
_NETWORK_DEFAULTS: dict[str | None, dict[str, Any]] = {
    "patches": {
        "dim": 64, "batch_size": 400, "temperatures": (0.1,), "epochs": 40, "learning_rate": 1e-3,
        "alphas": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0), "seeds": 3,
    },
    # That of Lee et al. (2025) on CIFAR.
    "resnet18": {
        "dim": 128, "batch_size": 500, "temperatures": (0.1,), "epochs": 500, "learning_rate": 0.5,
        "alphas": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0), "seeds": 3, "hidden": (),
    },
}  # fmt: skip


def alphas_around(setting: Setting) -> list[float]:
    """Weights that show the whole curve at one temperature: 0, half the threshold, the threshold, eight above it.

    Unequal classes: 0, every class's threshold, 1, and the middles between these. A class of one has none.
    """
    if setting.unequal:
        thresholds = theory.class_thresholds(setting)
        edges = np.unique(np.clip([0.0, *thresholds[~np.isnan(thresholds)], 1.0], 0.0, 1.0))
        marks = [*edges, *(edges[1:] + edges[:-1]) / 2]
    else:
        threshold = float(theory.collapse_threshold(setting))
        above = [float(theory.alpha_for_variance(setting, v)) for v in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65)]
        marks = [0.0, threshold / 2, threshold, *above, 1.0]
    return sorted({round(min(float(mark), 1.0), 4) for mark in marks})


def recommended_alpha(setting: Setting, suite: str) -> float | None:
    """The weight that `recommend` gives at the setting's temperature; None where it knows no safe one there.

    Free embeddings are the minimiser itself, and digits and Gaussians have views that networks hardly confuse (measured
    reliability about 0.9): these suites judge the advice for a perfect network, images that for a typical one.
    """
    try:
        network = None if suite in IMAGE_SUITES else PERFECT
        point = recommend(setting.with_(alpha=None), network=network).recommended
    except (SettingError, AdvisorError):
        return None
    return round(float(point.alpha), 3) if point is not None and point.temperature == setting.temperature else None


def read(path: Path, values: Any) -> list[Protocol]:
    """The protocols of a file whose top level is `validate:` with one protocol or a list of them."""
    entries = values["validate"]
    entries = entries if isinstance(entries, Sequence) and not isinstance(entries, str) else [entries]
    return [Protocol.from_mapping(entry, f"{path}: validate") for entry in entries]


def proxy(setting: Setting) -> Protocol:
    """A synthetic stand-in for the user's setting: its classes, dimension, batch, loss and sampler, a small network.

    The batch is what makes the threshold, so it is kept as it is; more than 2048 instances do not fit a small proxy.
    """
    batch = setting.batch_size if setting.batch_size is not None else 512
    if batch > 2048:
        raise AdvisorError(
            f"batch_size={batch}: the proxy trains batches of at most 2048 instances; give a smaller one"
        )
    per_class = max(16, -(-batch // (setting.classes_per_batch or setting.classes)) * 2)
    counts = setting.class_counts or (min(setting.instances_per_class or per_class, per_class),) * setting.classes
    if sum(counts) > 200_000:
        raise AdvisorError(
            f"classes={setting.classes}: the proxy holds at most 200000 instances, this needs {sum(counts)}"
        )
    return Protocol.default(
        "synthetic", classes=setting.classes, dim=min(setting.dim or 128, 512), views=setting.views, loss=setting.loss,
        sampler=setting.sampler, batch_size=min(batch, sum(counts)), classes_per_batch=setting.classes_per_batch,
        class_counts=tuple(counts), temperatures=None if setting.temperature is None else (setting.temperature,),
    )  # fmt: skip
