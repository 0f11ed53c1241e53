from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

DIALECT = Dialect(
    name="keras",
    title="Keras example of supervised contrastive learning",
    signs=(
        Sign(
            text=r"npairs_loss|class SupervisedContrastiveLoss\(.*[Ll]oss", keys=("temperature",), formats=("python",)
        ),
    ),
    fields={
        "temperature": ("SupervisedContrastiveLoss.temperature", "temperature"),
        "dim": ("projection_units",),
        "views": (),
    },
    assumed={"views": 1},
    cases=(LossCase("supcon", "ssem"),),
    notes="One view, and the anchor stays in its own softmax. The temperature was 1 before it became 0.05.",
)
