from losses import SupConLoss

config = dict(loss="supcon", temperature=1 / 10, batch_size=32 * 4, num_classes=len(CLASSES))
criterion = SupConLoss(temperature=config["temperature"])
