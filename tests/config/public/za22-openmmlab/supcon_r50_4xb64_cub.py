_base_ = []
model = dict(
    type='SupConClassifier',
    backbone=dict(type='ResNet', depth=50, num_stages=4, out_indices=(3, )),
    neck=dict(type='NonLinearNeck', in_channels=2048, hid_channels=2048, out_channels=128, num_layers=2),
    head=dict(type='SupConHead', num_classes=200, loss=dict(type='SupConLoss', temperature=0.07)))
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    dataset=dict(type='CUB', data_root='data/cub200'))
train_cfg = dict(by_epoch=True, max_epochs=120)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
