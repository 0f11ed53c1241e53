"""Embeddings and labels out of a model under training, by hooks, for frameworks that own the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ssem_advisor.domain import AdvisorError
from ssem_advisor.losses import SupervisedContrastiveLoss
from ssem_advisor.training.loggers import Scalars
from ssem_advisor.training.monitor import CollapseMonitor


class TapError(AdvisorError, ValueError):
    """No embeddings to be had from the model as described; one line with the remedy."""


class Tap:
    """Feed a monitor from a model: from a contrastive loss of ours, or from a named layer and the batch's labels.

    loss: the module that receives embeddings and labels; None = those found in the model.
    layer: dotted name of the submodule whose output is the embedding; then `flush` needs the labels.
    """

    def __init__(
        self, monitor: CollapseMonitor, model: nn.Module, *, loss: nn.Module | None = None, layer: str | None = None
    ) -> None:
        self.monitor, self._model = monitor, model
        self._scalars: Scalars | None = None
        self._embedding: Tensor | None = None
        self._handles: list[Any] = []
        if layer is not None:
            modules = dict(model.named_modules())
            if layer not in modules:
                near = ", ".join(list(modules)[-5:])
                raise TapError(f"layer={layer!r}: not a submodule of the model (its last ones: {near})")
            self._handles.append(modules[layer].register_forward_hook(self._after_layer))
            return
        losses = (
            [loss] if loss is not None else [m for m in model.modules() if isinstance(m, SupervisedContrastiveLoss)]
        )
        if not losses:
            raise TapError(
                "the model holds no SupervisedContrastiveLoss: pass loss=... (the module that gets embeddings and "
                "labels) or layer=... (the submodule whose output is the embedding)"
            )
        self._handles += [module.register_forward_pre_hook(self._before_loss, with_kwargs=True) for module in losses]

    def flush(self, labels: Callable[[], Any] | None = None) -> Scalars | None:
        """The scalars of the last report since the last flush, if there was one."""
        if self._embedding is not None and labels is not None:
            self._take(self.monitor.observe(self._embedding, labels()))
        self._embedding = None
        scalars, self._scalars = self._scalars, None
        return scalars

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _take(self, scalars: Scalars | None) -> None:
        if scalars is not None:
            self._scalars = scalars

    def _before_loss(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not torch.is_grad_enabled():  # validation
            return
        z, labels, ids = _arguments(*args, **kwargs)
        self._take(self.monitor.observe(z, labels, instance_ids=ids))

    def _after_layer(self, module: nn.Module, args: Any, output: Any) -> None:
        if not torch.is_grad_enabled():
            return
        if not isinstance(output, Tensor):
            raise TapError(f"layer: its output is a {type(output).__name__}, not a tensor of embeddings; name another")
        self._embedding = output.detach()


def _arguments(z: Tensor, labels: Tensor, instance_ids: Tensor | None = None, **_: Any) -> tuple[Any, Any, Any]:
    return z, labels, instance_ids
