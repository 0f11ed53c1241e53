import lightning as L
from pytorch_metric_learning.losses import SupConLoss


class Net(L.LightningModule):
    def __init__(self, lr=1e-3, temperature=0.1):
        super().__init__()
        self.loss = SupConLoss(temperature=temperature)


if __name__ == "__main__":
    L.Trainer(max_epochs=20, devices=2, precision="bf16-mixed").fit(Net())
