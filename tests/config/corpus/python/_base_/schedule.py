train_cfg = dict(by_epoch=True, max_epochs=120)
