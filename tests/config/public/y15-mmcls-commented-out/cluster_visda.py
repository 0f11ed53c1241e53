model = dict(
    head=dict(
        type="DASupClusterHead",
        num_classes=12,
        in_channels=2048,
        mlp_dim=128,
        # sup_source_loss=dict(type='SupConLoss', temperature=0.1, loss_weight=1),
        # con_target_loss=dict(type='SupConLoss', temperature=0.07, loss_weight=0.1),
        cls_loss=dict(type="CrossEntropyLoss", loss_weight=1),
        frozen_map=True,
    )
)
data = dict(samples_per_gpu=32)
