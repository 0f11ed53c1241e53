from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

_NEIGHBOURS = (
    "simclr|moco\\w*|nnclr|ressl|simsiam|byol|barlow_twins|dino|swav|vicreg|wmse|deepclusterv2|vibcreg|mae|all4one"
)

DIALECT = Dialect(
    name="solo-learn",
    title="solo-learn",
    signs=(
        Sign(keys=("method_kwargs.temperature",)),
        Sign(keys=("method_kwargs.proj_output_dim",)),
        Sign(keys=("method_kwargs", "augmentations.num_crops")),
        Sign(keys=(".method", ".optimizer.batch_size", ".data.dataset")),
    ),
    fields={
        "temperature": ("method_kwargs.temperature",),
        "dim": ("method_kwargs.proj_output_dim",),
        "batch_size": ("optimizer.batch_size",),
        "views": ("+augmentations.num_crops",),
        "dataset": ("data.dataset",),
        "classes": ("data.num_classes",),
        "epochs": (".max_epochs",),
        "precision": (".precision",),
        "world_size": (".devices",),
    },
    assumed={"temperature": 0.2, "dim": 256, "batch_scope": "device", "gather": True},
    cases=(
        LossCase("supcon", "l_in", Sign(values={".method": "supcon"})),
        LossCase("self-only", None, Sign(values={".method": "simclr|moco\\w*|nnclr|ressl"})),
        LossCase("not-contrastive", None, Sign(values={".method": _NEIGHBOURS})),
    ),
    notes=(
        "`supcon` is the logarithm of the summed positives (L_in), collapsing at every temperature; the classifier is "
        "trained beside it. The batch size is per device, and the features are gathered."
    ),
)
