"""A watch over training: is the embedding collapsing, and how far is the loss from its reference values?"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ssem_advisor.domain import Setting, SettingError, a_setting
from ssem_advisor.losses import supervised_contrastive_loss
from ssem_advisor.measurement.loss_value import references
from ssem_advisor.measurement.prediction import Comparison, compare
from ssem_advisor.measurement.rows import MeasurementError, UnitRows
from ssem_advisor.measurement.spread import Spread, spread_of
from ssem_advisor.measurement.structure import Structure, structure_of
from ssem_advisor.measurement.verdict import SpreadVerdict
from ssem_advisor.training.alarm import Alarm, undivided
from ssem_advisor.training.loggers import Scalars, log_to, log_to_active_runs
from ssem_advisor.training.pair_sums import pair_sums

# Instances of the last batches that free spread is measured on: at most _MOST, about _EACH of a class.
_EACH, _LEAST, _MOST = 20, 512, 4096
# A report rests on so many batches, or on fewer that hold this many instances; the ones between cost nothing.
_READ, _ROWS = 3, 400


class CollapseWarning(UserWarning):
    """Training is collapsing; issued once, on rank 0."""


class CollapseMonitor:
    """Follow within-class variance during training and warn once, early, when embeddings collapse.

        monitor = CollapseMonitor(setting)
        for x, y in loader:
            z = model(x)                     # (instances, views, dim) or (embeddings, dim)
            loss = criterion(z, y)
            monitor.update(z, y)
            ...

    Meant to be left on: of `every` updates one to five read their batch, on the device of the embeddings (pair sums,
    no transfer, no N x N matrix); the others return at once. At the `every`-th the sums are reduced over the ranks of
    torch.distributed, judged and logged, as (prefix `ssem/`):

    within_class_variance, between_class_variance, total_variance: unbiased estimates from the batches read since the
        last report; anchors_with_positives: share of instances with another one of their class in the batch.
    The last batches (512 to 4096 instances) are measured as `measure` does at a report after a twentieth of
    `spread_every` updates, at twice that, and so on until `spread_every` updates lie between two measurements:
    free_spread, confusion, view_noise (with views) and free_share, the free spread over what the common mean leaves.

    With a temperature in the setting also share_of_optimum (of the within-class variance), loss, distance_to_plateau
    and distance_to_class_collapse (reference value minus loss: how far it has come below total and class collapse) and
    distance_to_optimum (loss minus optimum), in nats without base temperature.

    setting: what the loss is trained with; it makes verdicts earlier and remedies concrete. alpha None in it means
        plain SupCon. Without a setting the embeddings alone are judged.
    every: updates between reports. spread_every: updates between measurements of the free spread once they are spaced
        out; 0 = never. patience: consecutive bad reports, or measurements that find too little free spread, before the
        warning; two measurements where the loss asks for collapse. With the defaults that is after 200 updates.
    log: where reports go: a callable (scalars, step), a TensorBoard SummaryWriter or a Lightning logger. None = the
        W&B and MLflow runs active in this process, if any; no run is ever created.

    Feed what the loss sees: after a cross-device gather, the gathered rows. All ranks must update equally often.
    """

    def __init__(
        self,
        setting: Setting | None = None,
        *,
        every: int = 100,
        patience: int = 3,
        log: Any = None,
        spread_every: int = 2000,
    ) -> None:
        if every < 1 or patience < 1:
            raise ValueError("every and patience must be integers >= 1")
        if spread_every < 0:
            raise ValueError("spread_every must be an integer >= 0")
        self.setting, self.every = None if setting is None else a_setting(setting), every
        self.log = log_to(log) if log is not None else log_to_active_runs
        self.steps = 0
        self._wake = 0  # until this update there is nothing to do
        self._alarm = Alarm(patience)
        self.spread: Spread | None = None  # as last measured
        self._structure: Structure | None = None  # measured with it
        self.spread_every = spread_every
        self._sums: Tensor | None = None
        self._recent: list[tuple[Tensor, Tensor, Tensor | None]] = []  # for the measurement that is due
        self._measured_at = 0  # step of the last measurement
        self._predictions: dict[int, Comparison | None] = {}
        self._references: dict[int, tuple[float | None, float | None, float | None]] = {}

    # -- public -----------------------------------------------------------------------------------------------------

    @property
    def verdict(self) -> SpreadVerdict | None:
        """Of the last report; None before the first, and where a report had nothing to judge."""
        return self._alarm.verdict

    @property
    def warning(self) -> str | None:
        """What was warned about, if anything."""
        return self._alarm.warning

    def update(
        self, z: Tensor, y: Tensor, *, instance_ids: Tensor | None = None, step: int | None = None
    ) -> Scalars | None:
        """Take in a batch; on every `every`-th call log and return the scalars, else None.

        z: (instances, views, dim) or (embeddings, dim), any scale, any float type. y: one integer label per instance.
        instance_ids: with two axes, which rows are views of one instance. step: for the logger; default: updates.
        """
        scalars = self.observe(z, y, instance_ids=instance_ids)
        if scalars is not None and _rank() == 0:
            self.log(scalars, self.steps if step is None else step)
        return scalars

    def observe(self, z: Tensor, y: Tensor, *, instance_ids: Tensor | None = None) -> Scalars | None:
        """Like `update`, without logging: for callbacks that know their own loggers."""
        if torch.compiler.is_compiling():
            return self._out_of_graph(z, y, instance_ids)
        return self._observe(z, y, instance_ids)

    @torch.compiler.disable  # a compiled model steps out of its graph here, instead of tracing through theory
    def _out_of_graph(self, z: Tensor, y: Tensor, instance_ids: Tensor | None) -> Scalars | None:
        return self._observe(z, y, instance_ids)

    def _observe(self, z: Tensor, y: Tensor, instance_ids: Tensor | None) -> Scalars | None:
        self.steps += 1
        if self.steps < self._wake:  # most updates: nothing is touched, nothing is waited for
            return None
        left = -self.steps % self.every  # updates until the next report
        with torch.no_grad():
            scalars = self._read(z.detach(), torch.as_tensor(y, device=z.device).reshape(-1), instance_ids, left)
        self._wake = self._next_event(len(y))
        return scalars

    def _next_event(self, instances: int) -> int:
        """The next update that is read, or kept for a measurement because those after it are too few for one."""
        following = self.steps + 1
        read = following + (-following % self.every) % self._stride(instances)
        if not self.spread_every:
            return read
        return min(read, max(following, self._measured_next + 1 - -(-self._enough // instances)))

    def _read(self, z: Tensor, y: Tensor, instance_ids: Tensor | None, left: int) -> Scalars | None:
        if z.ndim not in (2, 3) or len(z) != len(y):
            raise ValueError(
                f"z of shape {tuple(z.shape)} with {len(y)} labels: give (instances, views, dim) with one label per "
                "instance, or (embeddings, dim) with one per row"
            )
        if self.spread_every and (self._measured_next - self.steps) * len(y) < self._enough:
            self._recent.append((z, y, instance_ids))
        if left % self._stride(len(y)):
            return None
        sums = pair_sums(z, y, instance_ids)
        self._sums = sums if self._sums is None else self._sums.to(sums) + sums
        if left:
            return None
        values, self._sums = self._sums, None
        values = torch.cat((values, sums[-1:], values.new_tensor(self._loss(z, y, instance_ids))))
        if _world() > 1:
            dist.all_reduce(values)
        return self._report(values.tolist(), y, int(z.shape[-1]))

    def state_dict(self) -> dict[str, Any]:
        """JSON-ready state, for a checkpoint."""
        return {
            "steps": self.steps,
            **self._alarm.state_dict(),
            "measured_at": self._measured_at,
            "sums": None if self._sums is None else self._sums.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps, self._wake = state["steps"], 0
        self._alarm.load_state_dict(state)
        self._measured_at = state.get("measured_at", 0)
        self._sums = None if state["sums"] is None else torch.tensor(state["sums"], dtype=torch.float64)

    # -- pieces -----------------------------------------------------------------------------------------------------

    def _report(self, values: list[float], y: Tensor, dim: int) -> Scalars:
        within, within_pairs, between, between_pairs, positives, instances, batch, loss, losses = values
        x = within / within_pairs if within_pairs else math.nan
        s = between / between_pairs if between_pairs else math.nan
        m = self.setting.classes if self.setting is not None else max(2, int(y.unique().numel()))
        spread, structure = 1 - x, (x - s) * (m - 1) / m
        scalars = {
            "ssem/within_class_variance": spread,
            "ssem/between_class_variance": structure,
            "ssem/total_variance": spread + structure,
            "ssem/anchors_with_positives": positives / instances,
        }
        predicted = self._predicted(dim)
        if predicted is not None and predicted.optimum:
            scalars["ssem/share_of_optimum"] = spread / predicted.optimum
        if losses:
            scalars["ssem/loss"] = value = loss / losses
            plateau, collapse, optimum = self._reference_losses(round(batch / _world()))
            if plateau is not None:
                scalars["ssem/distance_to_plateau"] = plateau - value
            if collapse is not None and optimum is not None:
                scalars["ssem/distance_to_class_collapse"] = collapse - value
                scalars["ssem/distance_to_optimum"] = value - optimum
        fresh = self._measure()
        if fresh is not None:
            scalars |= _scalars(fresh)
        due = self._alarm.judge(undivided(spread, structure, m, dim), fresh, self._structure, predicted, self.steps)
        if due is not None and _rank() == 0:
            warnings.warn(due, CollapseWarning, stacklevel=6)
        return scalars

    @property
    def _measured_next(self) -> int:
        """The report, as a number of updates, that measures the free spread."""
        last = self._measured_at
        due = last + min(last, self.spread_every) if last else self.spread_every // 20
        return -(-max(due, self.steps) // self.every) * self.every

    def _stride(self, instances: int) -> int:
        """Updates from one batch that is read to the next, for batches of so many."""
        return max(1, self.every // min(_READ, -(-_ROWS // max(instances, 1))))

    @property
    def _enough(self) -> int:
        """Instances that a measurement of the free spread rests on."""
        classes = self.setting.classes if self.setting is not None else _LEAST // _EACH
        return min(max(_EACH * classes, _LEAST), _MOST)

    def _measure(self) -> Spread | None:
        """The spread of the batches at hand when it is due; None when it is not, or when they cannot be measured."""
        if not self.spread_every or self.steps < self._measured_next:
            return None
        recent, self._recent = self._recent, []
        self._measured_at = self.steps
        batches = [(z, y, ids) for z, y, ids in recent if z.shape[1:] == recent[-1][0].shape[1:]]
        rows = torch.cat([z.float() for z, _, _ in batches]).cpu().numpy()
        labels = torch.cat([y for _, y, _ in batches]).cpu().numpy()
        ids = None
        if all(ids is not None for _, _, ids in batches) and rows.ndim == 2:
            # An instance that comes again in a later batch has changed since: it counts as another.
            ids = np.concatenate(
                [_offset(ids.cpu().numpy(), i) for i, (_, _, ids) in enumerate(batches) if ids is not None]
            )
        try:
            self.spread = spread_of(rows, labels, ids)
            self._structure = _structure(*recent[-1])
        except MeasurementError:  # one class, a class of one, NaN: nothing to be told from these batches
            return None
        return self.spread

    def _predicted(self, dim: int) -> Comparison | None:
        """What theory says of the setting; computed once."""
        if self.setting is None:
            return None
        if dim not in self._predictions:
            self._predictions[dim], _ = compare(self.setting, classes=self.setting.classes, dim=dim)
        return self._predictions[dim]

    def _loss(self, z: Tensor, y: Tensor, instance_ids: Tensor | None) -> list[float]:
        """Sum and count of this batch's loss, (0, 0) where the setting does not say which."""
        setting = self.setting
        if setting is None or setting.temperature is None:
            return [0.0, 0.0]
        try:
            loss = supervised_contrastive_loss(
                z, y, setting.alpha, setting.temperature, loss=setting.loss, instance_ids=instance_ids
            )
        except ValueError:  # one view, a batch without positives, NaN: the training loss says so itself
            return [0.0, 0.0]
        return [float(loss), 1.0]

    def _reference_losses(self, batch: int) -> tuple[float | None, float | None, float | None]:
        """Total collapse, class collapse and optimum for batches of this size; None where theory is silent."""
        assert self.setting is not None
        if batch not in self._references:
            try:
                self._references[batch] = references(self.setting.with_(batch_size=batch))
            except SettingError:  # a last batch that the sampler of the setting could not have drawn
                self._references[batch] = (None, None, None)
        return self._references[batch]


def _structure(z: Tensor, y: Tensor, ids: Tensor | None) -> Structure | None:
    """Class means against neighbours in one batch, which holds no instance twice: it would be its own neighbour."""
    known = None if ids is None or z.ndim == 3 else ids.cpu().numpy()
    return structure_of(UnitRows(z.float().cpu().numpy(), y.cpu().numpy(), known))


def _scalars(spread: Spread) -> Scalars:
    share = spread.free_share
    parts = {
        "free_spread": spread.free_spread,
        "confusion": spread.confusion,
        "view_noise": spread.view_noise,
        "view_reliability": spread.reliability,
        "free_share": share,
    }
    return {f"ssem/{name}": part.value for name, part in parts.items() if part is not None}


def _offset(ids: np.ndarray[Any, Any], batch: int) -> np.ndarray[Any, Any]:
    """Ids from 0 on, apart from those of every other batch."""
    return np.unique(ids, return_inverse=True)[1] + batch * (1 << 32)


def _world() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
