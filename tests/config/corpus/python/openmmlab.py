_base_ = ["./_base_/schedule.py"]
num_classes = 40
model = dict(
    type="ImageClassifier",
    backbone=dict(type="ResNet", depth=50, out_indices=(3,)),
    neck=dict(type="NonLinearNeck", in_channels=2048, hid_channels=2048, out_channels=128),
    head=dict(
        type="ContrastiveHead",
        num_classes=num_classes,
        loss=dict(type="SupConLoss", temperature=0.1, loss_weight=1.0),
    ),
)
train_dataloader = dict(batch_size=64, dataset=dict(type="CUB", data_root="data/cub"))
val_dataloader = dict(batch_size=128)
