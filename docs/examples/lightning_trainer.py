"""The same training with Lightning: one callback, scalars go to the trainer's logger as `ssem/...`."""

import sys
from pathlib import Path

import lightning.pytorch as pl
import torch
from plain_torch import digits, network, two_views

from ssem_advisor import Setting
from ssem_advisor.losses import SupervisedContrastiveLoss
from ssem_advisor.training import BalancedBatchSampler, CollapseMonitor
from ssem_advisor.training.lightning import CollapseCallback


class Contrastive(pl.LightningModule):
    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.network = network()
        self.criterion = SupervisedContrastiveLoss(setting.alpha, setting.temperature)  # the callback finds it here

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.criterion(self.network(two_views(x)), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def train(folder: Path, alpha: float = 0.5, epochs: int = 6) -> CollapseMonitor:
    pl.seed_everything(0, verbose=False)
    setting = Setting(classes=5, dim=32, temperature=0.5, alpha=alpha, batch_size=250, sampler="balanced")
    monitor = CollapseMonitor(setting, every=7, spread_every=100)  # a short run: look often
    data = digits()
    sampler = BalancedBatchSampler(data.tensors[1], classes_per_batch=5, instances_per_class=50)
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[CollapseCallback(monitor)],
        logger=pl.loggers.TensorBoardLogger(folder),
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        use_distributed_sampler=False,  # the sampler is distributed-aware itself
    )
    trainer.fit(Contrastive(setting), torch.utils.data.DataLoader(data, batch_sampler=sampler))
    return monitor


if __name__ == "__main__":
    print(train(Path(sys.argv[1] if len(sys.argv) > 1 else "runs")).verdict)
