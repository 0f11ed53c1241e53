from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

_SPREAD = r"l_?spread|spread|thanos"

DIALECT = Dialect(
    name="thanos",
    title="thanos-code (L_spread)",
    signs=(
        Sign(keys=("a_spread",)),
        Sign(keys=("a_lc",)),
        *(
            Sign(values={key: _SPREAD})
            for key in ("loss_fn", "loss.type", "loss.name", "loss", "criterion", "loss_type")
        ),
    ),
    fields={
        "temperature": ("temp temperature",),
        "views": ("views n_views num_views",),
        "classes": ("num_classes n_classes decoder.d_output d_output",),
        "dim": ("projection_dim proj_dim", "encoder.d_model d_model"),
        "alpha": (),
    },
    assumed={"temperature": 0.5, "views": 2, "a_lc": 1.0, "a_spread": 1.0},
    cases=(LossCase("supcon+self", "l_spread"),),
    weights=("a_lc", "a_spread"),
    notes="alpha = a_spread / (a_lc + a_spread), each 1 by default. Positives stand outside the denominator.",
)
