model = dict(
    type='SupConClassifier',
    head=dict(type='Head', num_classes=10, loss=dict(type='SupConLoss', temperature=0.07)))
