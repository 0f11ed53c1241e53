"""The same training with the Hugging Face Trainer; scalars go to the trackers in use as `ssem/...`."""

import sys
from pathlib import Path

import torch
from plain_torch import digits, network, two_views
from torch import nn
from transformers import Trainer, TrainingArguments

from ssem_advisor import Setting
from ssem_advisor.losses import SupervisedContrastiveLoss
from ssem_advisor.training import BalancedBatchSampler, CollapseMonitor
from ssem_advisor.training.huggingface import CollapseCallback


class Contrastive(nn.Module):
    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.network = network()
        self.criterion = SupervisedContrastiveLoss(setting.alpha, setting.temperature)  # the callback finds it here

    def forward(self, pixels, labels):
        z = self.network(two_views(pixels))
        return {"loss": self.criterion(z, labels)}


class BalancedTrainer(Trainer):
    def get_train_dataloader(self):
        sampler = BalancedBatchSampler(self.train_dataset.tensors[1], classes_per_batch=5, instances_per_class=50)
        return torch.utils.data.DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator)


def collate(items):
    pixels, labels = zip(*items, strict=True)
    return {"pixels": torch.stack(pixels), "labels": torch.stack(labels)}


def train(folder: Path, alpha: float = 0.5, epochs: int = 6) -> CollapseMonitor:
    setting = Setting(classes=5, dim=32, temperature=0.5, alpha=alpha, batch_size=250, sampler="balanced")
    monitor = CollapseMonitor(setting, every=7, spread_every=100)  # a short run: look often
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=epochs,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        report_to=["tensorboard"],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = BalancedTrainer(model=Contrastive(setting), args=arguments, train_dataset=digits(), data_collator=collate)
    CollapseCallback(monitor).attach(trainer)
    trainer.train()
    return monitor


if __name__ == "__main__":
    print(train(Path(sys.argv[1] if len(sys.argv) > 1 else "runs")).verdict)
