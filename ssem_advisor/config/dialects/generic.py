from ssem_advisor.config.dialects.core import Dialect, Sign

_TEMPERATURES = "temperature temp softmax_temperature moco_t"
_DIMS = (
    "projection_dim projection_dims projector_dim proj_output_dim proj_dim proj_out proj_out_dim projection_units "
    "projection_size proj_size moco_dim aux_head.out_channels neck.out_channels moco.dim n_proj "
    "projector.output_dim projector.out_dim projection.out_dim projection_head.out_dim projection_head.output_dim "
    "projection_head.dim head.output_dim"
)
_BATCHES = (
    "batch_size batchsize bsz train_batch_size batch_size.train batch_size_train per_device_batch_size "
    "per_device_train_batch_size per_gpu_batch_size samples_per_gpu batch_size_per_gpu ims_per_batch"
)
_VIEWS = "n_views num_views views n_augment n_augmentations num_augmentations"

DIALECT = Dialect(
    name="generic",
    title="Any other config that names its loss",
    signs=(Sign(),),
    fields={
        "temperature": ("*_temperature *_temp *_tau *_t moco.t", _TEMPERATURES),
        "base_temperature": ("base_temperature base_temp temp_base",),
        "classes": ("num_classes n_classes nb_classes num_class n_class n_cls classifier.out_features cls_num",
            "classifier.d_output d_output", "classes class_names",),
        "class_counts": ("class_counts cls_num_list samples_per_class num_per_class img_num_list",),
        "dim": (
            "*_dim *_out_dim *_projection_dim *_proj_dim *_embedding_dim *_feat_dim",
            _DIMS,
            "feat_dim feature_dim emb_dim dim out_dim lin_neurons",
            "embedding_dim embed_dim",
        ),
        "batch_size": ("*_batch_size *_bsz", _BATCHES),
        "views": ("+augmentations.num_crops", _VIEWS),
        "epochs": ("epochs max_epochs n_epochs num_epochs num_epoch num_train_epochs epoch",),
        "dataset": (
            "dataset dataset_name datasets data_name data_set dataset.name dataset.type data.name data.type "
            "data.dataset dataset.dataset_name dataset._target_ data.class_path data._target_ "
            "datamodule._target_ datamodule.name",
        ),
        "precision": ("precision mixed_precision amp fp16 bf16 use_amp use_fp16 amp_dtype",),
        "world_size": ("nproc_per_node num_processes world_size devices ngpus num_gpus n_gpus trainer.gpus",),
        "gather": ("gather gather_distributed all_gather gather_embeddings",),
        "sampler": ("balanced_batch class_balanced_batch use_balanced_batch",),
        "classes_per_batch": ("classes_per_batch n_classes_per_batch num_classes_per_batch",),
    },
)  # fmt: skip
