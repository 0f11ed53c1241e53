from somewhere import SupConLoss

criterion = SupConLoss(0.5)
batch_size = 64
