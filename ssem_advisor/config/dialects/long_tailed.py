from ssem_advisor.config.dialects.core import Case, Dialect, Sign

_PACO = Sign(keys=("moco_t", "alpha", "beta"))
_PACO_SCRIPT = Sign(keys=("moco_t",), script=r".*paco.*")
_BCL = Sign(keys=("temp", "alpha", "beta"), absent=("moco_t", "teacher", "method"))

DIALECT = Dialect(
    name="long-tailed",
    title="BCL and PaCo scripts for long-tailed recognition",
    signs=(_PACO, _PACO_SCRIPT, _BCL),
    fields={
        "temperature": ("moco_t temp",),
        "dim": ("moco_dim",),
        "alpha": (),
        "views": (),
    },
    assumed={"views": 2},
    cases=(Case("ce+supcon", "supcon"),),
    notes=(
        "`alpha` weighs cross-entropy (BCL) or samples against class centres (PaCo), never a self-supervised term. "
        "`feat_dim` is the backbone's in PaCo."
    ),
)
