from ssem_advisor.config.dialects.core import Dialect, Sign

_LOSS = r"(?:\w+\.)*\w*SupCon\w*|\w*SupervisedContrastive\w*"

DIALECT = Dialect(
    name="openmmlab",
    title="OpenMMLab (mmpretrain, otx)",
    signs=(
        Sign(values={"head.loss.type": _LOSS}),
        Sign(values={"head.type": _LOSS}),
        Sign(values={"model.type": _LOSS}),
        Sign(keys=("model.type", "train_dataloader")),
        Sign(keys=("model.type", "data.samples_per_gpu")),
    ),
    fields={
        "temperature": ("head.loss.temperature loss.temperature head.temperature", "temperature"),
        "classes": ("head.num_classes", "num_classes"),
        "dim": (
            "neck.out_channels aux_head.out_channels aux_mlp.out_channels head.out_channels neck.out_dim",
            "projection_dim",
        ),
        "batch_size": ("train_dataloader.batch_size samples_per_gpu data.train.batch_size", "batch_size"),
        "dataset": ("train_dataloader.dataset.type data.train.type dataset_type", "dataset.type dataset"),
        "epochs": ("train_cfg.max_epochs runner.max_epochs", "max_epochs epochs"),
    },
    assumed={"batch_scope": "device"},
    notes="Objects are built from `type`; the batch size is per device.",
)
