"""Lightning callback; works with `lightning` and with `pytorch_lightning`, whichever the program uses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ssem_advisor.training.loggers import log_to
from ssem_advisor.training.monitor import CollapseMonitor
from ssem_advisor.training.tap import Tap

_NAMES = {"lightning": "lightning.pytorch", "pytorch_lightning": "pytorch_lightning"}

if TYPE_CHECKING:
    from lightning.pytorch import Callback
else:
    _name = next(
        (name for name in _NAMES if name in sys.modules),
        next((name for name in _NAMES if find_spec(name) is not None), "lightning"),
    )
    Callback = import_module(_NAMES[_name]).Callback


class CollapseCallback(Callback):
    """Run a CollapseMonitor inside a Lightning Trainer and write `ssem/...` to the trainer's loggers.

    monitor: its state goes into checkpoints and comes back with them.
    By default embeddings and labels are taken from the SupervisedContrastiveLoss inside the LightningModule. With a
    loss of your own name the submodule whose output is the embedding (layer="projector") and, unless batches are
    (x, labels), how to get labels from a batch (labels=lambda batch: batch["y"]).
    """

    def __init__(
        self,
        monitor: CollapseMonitor,
        *,
        layer: str | None = None,
        labels: Callable[[Any], Any] = lambda batch: batch[1],
    ) -> None:
        self.monitor, self.layer, self.labels = monitor, layer, labels
        self._tap: Tap | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._tap = Tap(self.monitor, pl_module, layer=self.layer)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert self._tap is not None
        scalars = self._tap.flush(lambda: self.labels(batch))
        if scalars is not None:
            for logger in trainer.loggers:
                log_to(logger)(scalars, trainer.global_step)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if self._tap is not None:
            self._tap.close()

    def state_dict(self) -> dict[str, Any]:
        return self.monitor.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.monitor.load_state_dict(state_dict)
