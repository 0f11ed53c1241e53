"""A task: what one process does, and what it hands back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from ssem_advisor.domain import Setting
from ssem_advisor.experiments import metrics
from ssem_advisor.experiments.data import Data
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.record import Record

MEASURED_VIEWS = 4
"""Views of every train instance whose spread is measured; training has seen none of them."""
CURVE_POINTS = 40
"""Values of the loss along a training that its record keeps."""


@dataclass(frozen=True)
class Task:
    """key: file name of its results. number: of its protocol. weight: its work beside others', for the time left.

    keep: whether to keep the embeddings that were measured.
    recommended: the weight that is recommended at the setting's temperature, whether or not it is one of `alphas`.
    """

    key: str
    number: int
    protocol: Protocol
    setting: Setting
    alphas: tuple[float, ...]
    recommended: float | None
    seed: int
    weight: float
    device: str = "cpu"
    keep: bool = False

    def read(self, lines: Any) -> list[Record]:
        """The records in the file of its results. Raises TypeError, ValueError or KeyError where it holds others."""
        records = [Record.from_dict(line) for line in lines]
        if not records or any((r.suite, r.seed) != (self.protocol.suite, self.seed) for r in records):
            raise ValueError("none, or of another task")
        return records


def steps_of(protocol: Protocol, total: int, batch: int) -> int:
    """Updates of a training on `total` instances."""
    return protocol.epochs * (1 if protocol.sampler == "full" else -(-total // batch))


def worth_recording(step: int, steps: int) -> bool:
    """Whether the loss of this step is one of the CURVE_POINTS that a record keeps; the last one is."""
    return step == steps - 1 or step * CURVE_POINTS // steps != (step - 1) * CURVE_POINTS // steps


def record_of(task: Task, alpha: float, temperature: float, **measured: Any) -> Record:
    """The record of one model; measured: what is known of it beside its setting."""
    setting = task.setting.with_(temperature=temperature, alpha=None)
    problem = f"{setting.loss}, {setting.sampler}"
    if setting.classes_per_batch is not None:
        problem += f" {setting.classes_per_batch} of {setting.classes} classes"
    return Record(
        suite=task.protocol.suite, problem=problem, alpha=alpha, temperature=temperature, seed=task.seed,
        recommended=task.recommended is not None and alpha == task.recommended, setting=setting, **measured,
    )  # fmt: skip


def shown(task: Task, alpha: float) -> bool:
    """Whether the report shows this model's embedding: without self-supervision, and as recommended, once each."""
    return task.seed == 0 and alpha in (0.0, task.recommended)


def evaluate(
    data: Data, views: torch.Tensor, z: torch.Tensor, z_test: torch.Tensor, seed: int, show: bool
) -> dict[str, Any]:
    """What a trained model shows, for its record.

    views: (instances, MEASURED_VIEWS, dim) embeddings of augmented views, whose spread is measured. z, z_test:
    (samples, dim) embeddings of the plain train and test samples, which the probes read and the picture shows.
    """
    found: dict[str, Any] = asdict(metrics.moments(views, data.coarse))
    found["probe_coarse"] = metrics.probe(z, data.coarse, z_test, data.coarse_test)
    if data.has_fine:
        found["probe_fine"] = metrics.probe(z, data.fine, z_test, data.fine_test)
        train = metrics.shuffled_within(data.fine, data.coarse, 2 * seed)
        test = metrics.shuffled_within(data.fine_test, data.coarse_test, 2 * seed + 1)
        found["probe_shuffled"] = metrics.probe(z, train, z_test, test)
    if show:
        found["view"] = metrics.picture(z, data.coarse, data.fine)
    return found
