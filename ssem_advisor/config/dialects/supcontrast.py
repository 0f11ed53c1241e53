from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

DIALECT = Dialect(
    name="supcontrast",
    title="SupContrast (PyTorch reference code of SupCon)",
    signs=(Sign(script=r"main_supcon\w*"),),
    fields={
        "temperature": ("temp",),
        "dim": ("feat_dim",),
        "views": ("n_views",),
        "dataset": ("dataset datasets",),
    },
    assumed={
        "temperature": 0.07,
        "base_temperature": 0.07,
        "batch_size": 256,
        "dim": 128,
        "views": 2,
        "dataset": "cifar10",
        "epochs": 1000,
    },
    cases=(
        LossCase("self-only", "supcon", Sign(values={"method": "simclr"})),
        LossCase("supcon", "supcon", Sign(values={"method": "supcon"})),
        LossCase("supcon", "supcon", Sign(absent=("method",))),
        LossCase("unknown"),
    ),
    flags=(
        "print_freq", "save_freq", "batch_size", "num_workers", "epochs", "learning_rate", "lr_decay_epochs",
        "lr_decay_rate", "weight_decay", "momentum", "model", "dataset", "mean", "std", "data_folder", "size",
        "method", "temp", "cosine", "syncBN", "warm", "trial",
    ),
    notes="One process; DataParallel gathers the features, so the loss sees the whole batch.",
)  # fmt: skip
