from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

_LOSS = r"ssem_advisor\.(?:\w+\.)*(?:SupervisedContrastiveLoss|supervised_contrastive_loss)"

DIALECT = Dialect(
    name="ssem-advisor",
    title="The losses of ssem_advisor itself",
    signs=tuple(Sign(values={key: _LOSS}) for key in ("__call__", "_target_", "class_path")),
    fields={
        "temperature": ("temperature",),
        "alpha": ("alpha",),
        "loss": ("loss",),
    },
    assumed={"batch_scope": "device", "gather": False},
    cases=(
        LossCase("supcon", "supcon", Sign(values={"alpha": "None"})),
        LossCase("supcon+self", "supcon"),
    ),
    notes="`alpha` weighs the self-supervised term, and alpha=None is plain SupCon.",
)
