from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

DIALECT = Dialect(
    name="setfit",
    title="setfit with SupConLoss",
    signs=(
        Sign(text=r"setfit", keys=("loss",), values={"loss": r".*SupConLoss.*"}),
        Sign(text=r"setfit", values={"loss_class": r".*SupConLoss.*"}),
        Sign(text=r"setfit", values={"__call__": r".*SupConLoss"}),
    ),
    fields={
        "temperature": ("SupConLoss.temperature",),
        "batch_size": ("TrainingArguments.batch_size Trainer.batch_size SetFitTrainer.batch_size", "batch_size"),
        "views": (),
        "dim": (),
    },
    assumed={"temperature": 0.07, "views": 1, "batch_size": 16},
    cases=(LossCase("supcon", "supcon"),),
    notes="One view; anchors without a positive divide by zero.",
)
