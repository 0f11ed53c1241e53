"""One epoch under Lightning, one under Accelerate, as torchrun starts them; writes the items that each process saw."""

import json
import os
import sys
from pathlib import Path

import lightning as L
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset

from ssem_advisor.losses import SupervisedContrastiveLoss
from ssem_advisor.training import BalancedBatchSampler

torch.set_num_threads(1)
FOLDER = Path(sys.argv[1])
LABELS = torch.arange(64) % 4
DATA = TensorDataset(torch.arange(64), torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), LABELS)


def write(trainer: str, rank: int, seen: list) -> None:
    (FOLDER / f"{trainer}{rank}.json").write_text(json.dumps(seen))


class Module(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.seen = torch.nn.Linear(8, 4), []
        self.criterion = SupervisedContrastiveLoss(alpha=0.3, temperature=0.1, gather="ddp")

    def training_step(self, batch, _):
        item, x, y = batch
        self.seen.append(item.tolist())
        return self.criterion(torch.stack([self.layer(x), self.layer(x + 0.1)], 1), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


module = Module()
trainer = L.Trainer(
    max_epochs=1, accelerator="cpu", devices=2, strategy="ddp", use_distributed_sampler=False, logger=False,
    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
)  # fmt: skip
trainer.fit(module, DataLoader(DATA, batch_sampler=BalancedBatchSampler(LABELS, 4, 4)))  # made before the group
write("lightning", trainer.global_rank, module.seen)

accelerator = Accelerator(cpu=True)
sampler = BalancedBatchSampler(LABELS, 4, 4, rank=0, world_size=1)  # Accelerate deals the batches out
loader = accelerator.prepare(DataLoader(DATA, batch_sampler=sampler))
write("accelerate", accelerator.process_index, [item.tolist() for item, _, _ in loader])

torch.distributed.barrier()
os._exit(0)  # not through the interpreter's end, in which threads of the group may still run and abort the process
