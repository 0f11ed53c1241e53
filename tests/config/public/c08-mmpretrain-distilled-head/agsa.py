pretrained = "https://example.org/mvit.pth"
model = dict(
    type="ImageClassifier",
    backbone=dict(type="TIMMBackbone", model_name="tiny", init_cfg=dict(type="Pretrained", checkpoint=pretrained)),
    head=dict(
        type="DistilledClsHead",
        num_classes=47,
        in_channels=576,
        loss=dict(type="CrossEntropyLoss", loss_weight=1.0),
        loss_aux=dict(type="CrossEntropyLoss", loss_weight=0.7),
        loss_supcon=dict(type="SupConLoss", loss_weight=0.3, base_temperature=0.07, temperature=0.07),
    ),
)
train_dataloader = dict(batch_size=64, num_workers=4)
train_cfg = dict(by_epoch=True, max_epochs=30)
