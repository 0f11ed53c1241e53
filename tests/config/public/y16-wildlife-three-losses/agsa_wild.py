model = dict(
    type="ImageClassifier",
    backbone=dict(type="MobileNetV3", arch="small"),
    head=dict(
        type="AreaClsHead",
        num_classes=47,
        in_channels=576,
        area_mean=154543.77,
        loss=dict(type="CrossEntropyLoss", loss_weight=1.0),
        loss_aux=dict(type="CrossEntropyLoss", loss_weight=0.7),
        loss_supcon=dict(type="SupConLoss", loss_weight=0.3, base_temperature=0.07, temperature=0.07),
    ),
)
