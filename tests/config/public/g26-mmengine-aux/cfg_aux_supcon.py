model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=50),
    head=dict(
        type='AuxHead',
        num_classes=23,
        in_channels=2048,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        aux_loss=dict(type='SupConLoss', temperature=0.07, loss_weight=0.3)))
train_dataloader = dict(batch_size=48, num_workers=4)
train_cfg = dict(by_epoch=True, max_epochs=60)
