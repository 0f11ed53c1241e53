import pytorch_lightning as pl
from losses import SupConLoss

BATCH_SIZE = 192
MAX_EPOCHS = 300
NUM_CLASSES = 18


class Embedder(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.criterion = SupConLoss(temperature=0.1)


if __name__ == "__main__":
    trainer = pl.Trainer(max_epochs=MAX_EPOCHS)
