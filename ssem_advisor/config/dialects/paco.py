from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

DIALECT = Dialect(
    name="paco",
    title="PaCo (parametric contrastive learning, long-tailed)",
    signs=(Sign(keys=("moco_t", "alpha", "beta")), Sign(keys=("moco_t",), script=r".*paco.*")),
    fields={
        "temperature": ("moco_t",),
        "dim": ("moco_dim",),
        "batch_size": ("batch_size b",),
        "views": (),
    },
    assumed={"views": 2},
    cases=(LossCase("ce+supcon", "supcon"),),
    notes="`alpha` weighs samples against class centres. `feat_dim` is the backbone's, and `moco-k` a queue.",
)
