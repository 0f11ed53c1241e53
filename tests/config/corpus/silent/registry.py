from losses import NTXent, SupConLoss

LOSSES = {"supcon": SupConLoss, "simclr": NTXent, "ce": None}
METHODS = ["supcon", "simclr"]
losses = ["supcon", "simclr"]
temperature = 0.1
