from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

DIALECT = Dialect(
    name="ssem-imagenet",
    title="Reference implementation of the SSEM paper, ImageNet",
    signs=(
        Sign(
            keys=("T", "alpha", "dim"),
            absent=(
                "teacher",
                "distill",
                "kd_T",
                "path_t",
                "model_s",
                "student",
                "lambda_kd",
                "moco_k",
                "k",
                "framework",
                "method",
            ),
            text=r"(?i)sup_?con|contrast|ssem|simclr|moco|class.?collapse",
        ),
    ),
    fields={"temperature": ("T",), "alpha": ("alpha",), "dim": ("dim",), "batch_size": ("batch_size b",), "views": ()},
    assumed={"views": 2},
    cases=(LossCase("supcon+self", "supcon"),),
    notes="The anchor is left out of its softmax. `--T` with `--alpha` alone is knowledge distillation elsewhere.",
)
