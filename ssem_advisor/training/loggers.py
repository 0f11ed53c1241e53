"""Where the scalars of training go: TensorBoard, Lightning's loggers, W&B, MLflow, or a function."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Scalars = dict[str, float]


def log_to_active_runs(scalars: Scalars, step: int) -> None:
    """Write to the W&B and MLflow runs that are active in this process; without one, do nothing."""
    wandb, mlflow = sys.modules.get("wandb"), sys.modules.get("mlflow")
    if wandb is not None and getattr(wandb, "run", None) is not None:
        wandb.run.log(scalars, commit=False)  # joins the training loop's own row: W&B steps may only grow
    if mlflow is not None and getattr(mlflow, "active_run", lambda: None)() is not None:
        mlflow.log_metrics(scalars, step=step)


def log_to(target: Any) -> Callable[[Scalars, int], None]:
    """A function (scalars, step) that writes to a TensorBoard writer, a Lightning logger, or is one already."""
    if hasattr(target, "add_scalar"):

        def write(scalars: Scalars, step: int) -> None:
            for name, value in scalars.items():
                target.add_scalar(name, value, step)

        return write
    if hasattr(target, "log_metrics"):
        return lambda scalars, step: target.log_metrics(scalars, step=step)
    if callable(target):
        return target
    raise TypeError(f"log={target!r}: must be a callable (scalars, step), a SummaryWriter or a Lightning logger")
