from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

DIALECT = Dialect(
    name="bcl",
    title="BCL (balanced contrastive learning, long-tailed)",
    signs=(Sign(keys=("temp", "alpha", "beta"), absent=("moco_t", "teacher", "method")),),
    fields={
        "temperature": ("temp",),
        "dim": ("feat_dim",),
        "batch_size": ("batch_size b",),
        "views": (),
    },
    assumed={"views": 2},
    cases=(LossCase("ce+supcon", "supcon"),),
    notes="`alpha` weighs cross-entropy and `beta` the contrastive term; none weighs a self-supervised one.",
)
