from ssem_advisor.config.dialects.core import Case, Dialect, Sign

DIALECT = Dialect(
    name="lightly",
    title="lightly",
    signs=(
        Sign(text=r"from lightly|import lightly", values={"__call__": r"lightly\..*NTXentLoss|.*\bNTXentLoss"}),
        Sign(keys=("loss.temperature", "loss.memory_bank_size")),
        Sign(keys=("collate", "loader.batch_size", "model.num_ftrs")),
    ),
    fields={
        "temperature": ("NTXentLoss.temperature loss.temperature",),
        "dim": ("model.out_dim",),
        "batch_size": ("loader.batch_size DataLoader.batch_size", "batch_size"),
        "gather": ("gather_distributed",),
        "epochs": ("trainer.max_epochs", "max_epochs epochs"),
    },
    assumed={"temperature": 0.5, "views": 2},
    cases=(Case("self-only", "supcon"),),
    notes="Self-supervised alone: without labels there are no classes to collapse.",
)
