"""Callback for the Hugging Face Trainer."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import TrainerCallback

from ssem_advisor.training.loggers import Scalars, log_to
from ssem_advisor.training.monitor import CollapseMonitor
from ssem_advisor.training.tap import Tap

_STATE = "ssem_advisor.CollapseMonitor"


class CollapseCallback(TrainerCallback):
    """Run a CollapseMonitor inside a Trainer and write `ssem/...` to the trackers that are active.

        CollapseCallback(monitor).attach(trainer)

    attach reaches TensorBoard as well as W&B and MLflow; in `Trainer(callbacks=[...])` a callback cannot see the
    TensorBoard writer. The monitor's state goes into checkpoints and comes back with them.

    By default embeddings and labels are taken from the SupervisedContrastiveLoss inside the model; `loss` names the
    module where it lives outside of it (a compute_loss function), `layer` the submodule whose output is the embedding
    for a loss of your own, with labels from the model's keyword argument `labels`.
    """

    def __init__(self, monitor: CollapseMonitor, *, loss: nn.Module | None = None, layer: str | None = None) -> None:
        self.monitor, self.loss, self.layer = monitor, loss, layer
        self._trainer: Any = None
        self._tap: Tap | None = None
        self._labels: Any = None
        self._scalars: Scalars | None = None
        self._handle: Any = None

    def attach(self, trainer: Any) -> CollapseCallback:
        self._trainer = trainer
        trainer.add_callback(self)
        return self

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        saved = state.stateful_callbacks.get(_STATE)
        if saved is not None and state.global_step:
            self.monitor.load_state_dict(saved)
        self._tap = Tap(self.monitor, model, loss=self.loss, layer=self.layer)
        if self.layer is not None:
            self._handle = model.register_forward_hook(self._after_model, with_kwargs=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        assert self._tap is not None
        scalars = self._tap.flush() or self._scalars
        self._scalars = None
        if scalars is not None and state.is_world_process_zero:
            self._log(scalars, state.global_step)
        self._keep(state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._keep(state, control)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._tap is not None:
            self._tap.close()
        if self._handle is not None:
            self._handle.remove()

    def _after_model(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        assert self._tap is not None
        if "labels" in kwargs:
            self._scalars = self._tap.flush(lambda: kwargs["labels"]) or self._scalars

    def _log(self, scalars: Scalars, step: int) -> None:
        self.monitor.log(scalars, step)
        if self._trainer is not None:
            for callback in self._trainer.callback_handler.callbacks:
                writer = getattr(callback, "tb_writer", None)
                if writer is not None:
                    log_to(writer)(scalars, step)

    def _keep(self, state: Any, control: Any) -> None:
        """The trainer saves its state with the checkpoint: leave the monitor's there."""
        if control.should_save:
            state.stateful_callbacks[_STATE] = self.monitor.state_dict()
