from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

_HERE = ("alpha",)
_NOT = ("teacher", "kd_T", "distill", "mixup", "lora_alpha", "method")

DIALECT = Dialect(
    name="ssem-cifar",
    title="Reference implementation of the SSEM paper, CIFAR and synthetic data",
    signs=(
        Sign(keys=(*_HERE, "n_augment"), absent=_NOT),
        Sign(keys=(*_HERE, "balanced_batch"), absent=_NOT),
        Sign(keys=("n_augment", "balanced_batch"), absent=_NOT),
    ),
    fields={
        "temperature": ("temperature",),
        "alpha": ("alpha",),
        "dim": ("dim",),
        "classes": ("n_label num_classes n_classes",),
        "views": (),
        "sampler": ("balanced_batch",),
    },
    assumed={"temperature": 0.1, "alpha": 0.5, "views": 2, "dim": 128, "batch_size": 500},
    cases=(LossCase("supcon+self", "ssem"),),
    notes="The anchor stays in its own softmax. Two views whatever `n_augment` says.",
)
