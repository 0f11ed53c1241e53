"""The dialects we read as data, most specific first; the first whose sign fits explains a config."""

from ssem_advisor.config.dialects.core import Dialect, LossCase, Sign

_SSEM_ADVISOR_LOSS = r"ssem_advisor\.(?:\w+\.)*(?:SupervisedContrastiveLoss|supervised_contrastive_loss)"

SSEM_ADVISOR = Dialect(
    name="ssem-advisor",
    title="The losses of ssem_advisor itself",
    signs=tuple(Sign(values={key: _SSEM_ADVISOR_LOSS}) for key in ("__call__", "_target_", "class_path")),
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

_SOLO_LEARN_NEIGHBOURS = (
    "simclr|moco\\w*|nnclr|ressl|simsiam|byol|barlow_twins|dino|swav|vicreg|wmse|deepclusterv2|vibcreg|mae|all4one"
)

SOLO_LEARN = Dialect(
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
        LossCase("not-contrastive", None, Sign(values={".method": _SOLO_LEARN_NEIGHBOURS})),
    ),
    notes=(
        "`supcon` is the logarithm of the summed positives (L_in), collapsing at every temperature; the classifier is "
        "trained beside it. The batch size is per device, and the features are gathered."
    ),
)

_THANOS_SPREAD = r"l_?spread|spread|thanos"

THANOS = Dialect(
    name="thanos",
    title="thanos-code (L_spread)",
    signs=(
        Sign(keys=("a_spread",)),
        Sign(keys=("a_lc",)),
        *(
            Sign(values={key: _THANOS_SPREAD})
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

_SSEM_CIFAR_HERE = ("alpha",)
_SSEM_CIFAR_NOT = ("teacher", "kd_T", "distill", "mixup", "lora_alpha", "method")

SSEM_CIFAR = Dialect(
    name="ssem-cifar",
    title="Reference implementation of the SSEM paper, CIFAR and synthetic data",
    signs=(
        Sign(keys=(*_SSEM_CIFAR_HERE, "n_augment"), absent=_SSEM_CIFAR_NOT),
        Sign(keys=(*_SSEM_CIFAR_HERE, "balanced_batch"), absent=_SSEM_CIFAR_NOT),
        Sign(keys=("n_augment", "balanced_batch"), absent=_SSEM_CIFAR_NOT),
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

SSEM_IMAGENET = Dialect(
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

BCL = Dialect(
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

PACO = Dialect(
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

_PYTORCH_METRIC_LEARNING_USED = r"pytorch_metric_learning"

PYTORCH_METRIC_LEARNING = Dialect(
    name="pytorch-metric-learning",
    title="pytorch-metric-learning",
    signs=(
        Sign(text=_PYTORCH_METRIC_LEARNING_USED, keys=("SupConLoss",)),
        Sign(text=_PYTORCH_METRIC_LEARNING_USED, values={"__call__": r".*\bSupConLoss"}),
    ),
    fields={
        "temperature": ("SupConLoss.temperature",),
        "batch_size": ("MPerClassSampler.batch_size", "DataLoader.batch_size", "batch_size bsz train_batch_size"),
        "views": (),
    },
    assumed={"temperature": 0.1},
    cases=(LossCase("supcon", "supcon"),),
    notes="Views are repeated labels, so their number cannot be seen. The mean runs over anchors with a loss above 0.",
)

KERAS = Dialect(
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

MOCO = Dialect(
    name="moco",
    title="MoCo's own letters: K, m and T",
    signs=(Sign(keys=("k", "m", "t")),),
    fields={"temperature": ("*_temperature *_temp *_tau *_t moco.t", "temperature temp", "t")},
    notes="K is the length of the queue, m the momentum of the second network, T the temperature.",
)

SUPCONTRAST = Dialect(
    name="supcontrast",
    title="SupContrast (PyTorch reference code of SupCon)",
    signs=(Sign(script=r"main_supcon\w*"),),
    fields={
        "temperature": ("temp",),
        "dim": ("feat_dim",),
        "views": ("n_views",),
        "dataset": ("dataset datasets",),
    },
    assumed={
        "temperature": 0.07,
        "base_temperature": 0.07,
        "batch_size": 256,
        "dim": 128,
        "views": 2,
        "dataset": "cifar10",
        "epochs": 1000,
    },
    cases=(
        LossCase("self-only", "supcon", Sign(values={"method": "simclr"})),
        LossCase("supcon", "supcon", Sign(values={"method": "supcon"})),
        LossCase("supcon", "supcon", Sign(absent=("method",))),
        LossCase("unknown"),
    ),
    flags=(
        "print_freq", "save_freq", "batch_size", "num_workers", "epochs", "learning_rate", "lr_decay_epochs",
        "lr_decay_rate", "weight_decay", "momentum", "model", "dataset", "mean", "std", "data_folder", "size",
        "method", "temp", "cosine", "syncBN", "warm", "trial",
    ),
    notes="One process; DataParallel gathers the features, so the loss sees the whole batch.",
)  # fmt: skip

_TEMPERATURES = "temperature temp softmax_temperature moco_t"
_DIMS = (
    "projection_dim projection_dims projector_dim proj_output_dim proj_dim proj_out proj_out_dim projection_units "
    "projection_size proj_size moco_dim aux_head.out_channels neck.out_channels moco.dim n_proj "
    "projector.output_dim projector.out_dim projection.out_dim projection_head.out_dim projection_head.output_dim "
    "projection_head.dim head.output_dim"
)
_BATCHES = (
    "batch_size batchsize bsz bs train_batch_size batch_size.train batch_size_train per_device_batch_size "
    "per_device_train_batch_size per_gpu_batch_size samples_per_gpu batch_size_per_gpu ims_per_batch"
)
_VIEWS = "n_views num_views views n_augment n_augmentations num_augmentations"

GENERIC = Dialect(
    name="generic",
    title="Any other config that names its loss",
    signs=(Sign(),),
    fields={
        "temperature": ("*_temperature *_temp *_tau *_t moco.t", _TEMPERATURES, "tau"),
        "base_temperature": ("base_temperature base_temp temp_base",),
        "classes": ("num_classes n_classes nb_classes num_class n_class n_cls classifier.out_features cls_num",
            "classifier.d_output d_output", "n_speakers num_speakers n_identities num_identities",
            "classes class_names",),
        "class_counts": ("class_counts cls_num_list samples_per_class num_per_class img_num_list",),
        "dim": (
            "*_dim *_out_dim *_projection_dim *_proj_dim *_embedding_dim *_feat_dim",
            _DIMS,
            "feat_dim feature_dim emb_dim dim out_dim lin_neurons",
            "embedding_dim embed_dim embedding_size",
        ),
        "batch_size": ("*_batch_size *_bsz", _BATCHES),
        "views": ("+augmentations.num_crops", _VIEWS),
        "epochs": ("epochs max_epochs n_epochs num_epochs num_epoch num_train_epochs epoch",),
        "dataset": (
            "dataset dataset_name datasets data_name data_set dataset.name dataset.type data.name data.type "
            "data.dataset dataset.dataset_name dataset._target_ data.class_path data._target_ "
            "datamodule._target_ datamodule.name datasets.names",
        ),
        "precision": ("precision mixed_precision amp fp16 bf16 use_amp use_fp16 amp_dtype",),
        "world_size": ("nproc_per_node num_processes world_size devices ngpus num_gpus n_gpus trainer.gpus",),
        "gather": ("gather gather_distributed all_gather gather_embeddings",),
        "sampler": ("balanced_batch class_balanced_batch use_balanced_batch",),
        "classes_per_batch": ("classes_per_batch n_classes_per_batch num_classes_per_batch",),
    },
)  # fmt: skip

DIALECTS: tuple[Dialect, ...] = (
    SSEM_ADVISOR,
    SOLO_LEARN,
    THANOS,
    SSEM_CIFAR,
    SSEM_IMAGENET,
    BCL,
    PACO,
    PYTORCH_METRIC_LEARNING,
    KERAS,
    MOCO,
    SUPCONTRAST,
    GENERIC,
)
