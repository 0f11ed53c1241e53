"""Make the log files of this folder again, with the loggers themselves: python tests/diagnosis/logs/make.py

Each writes a short training of a small network:

hf          Trainer of transformers: its trainer state and TensorBoard events
lightning   Trainer of Lightning: CSVLogger and TensorBoardLogger, with on_step and on_epoch
writer      SummaryWriter of torch in a loop of our own: add_scalar, and add_scalars, which makes folders of its own
wandb.csv   the same loop as the web page of W&B exports a panel: with the run's name, __MIN and __MAX. That page needs
            a server, so this one file is written here, in its form.
"""

import os
import shutil
from pathlib import Path

import torch
from torch import nn

from ssem_advisor.losses import SupervisedContrastiveLoss

HERE = Path(__file__).parent


def data() -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.arange(48) % 4
    return nn.functional.one_hot(y, 8) + 0.3 * torch.randn(48, 8), y


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
        self.criterion = SupervisedContrastiveLoss(alpha=0.3, temperature=0.5)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        z = self.body(torch.stack([x, x + 0.1 * torch.randn_like(x)], dim=1))
        return {"loss": self.criterion(z, labels), "z": z[:, 0].detach()}


def hf(folder: Path) -> None:
    from transformers import Trainer, TrainingArguments

    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "runs" / "run")
    rows = [{"x": x, "labels": y} for x, y in zip(*data(), strict=True)]
    arguments = TrainingArguments(
        str(folder), num_train_epochs=6, per_device_train_batch_size=16, logging_steps=2, eval_strategy="epoch",
        save_strategy="no", report_to=["tensorboard"], use_cpu=True, disable_tqdm=True, label_names=["labels"],
    )  # fmt: skip
    trainer = Trainer(Network(), arguments, train_dataset=rows, eval_dataset=rows)
    trainer.train()
    trainer.save_state()


def lightning(folder: Path) -> None:
    import lightning.pytorch as pl
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = Network()

        def training_step(self, batch, index):
            loss = self.network(*batch)["loss"]
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch, index):
            self.log("val_loss", self.network(*batch)["loss"])

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 1e-2)

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data()), 16)
    trainer = pl.Trainer(
        max_epochs=6, accelerator="cpu", log_every_n_steps=1, enable_checkpointing=False, enable_progress_bar=False,
        logger=[kind(folder.parent, name=folder.name, version=0) for kind in (CSVLogger, TensorBoardLogger)],
    )  # fmt: skip
    trainer.fit(Module(), loader, loader)


def writer(folder: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    network, (x, y) = Network(), data()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    rows = ['"Step","test-run-3 - train/loss","test-run-3 - train/loss__MIN","test-run-3 - train/loss__MAX"']
    with SummaryWriter(folder) as out:
        for step in range(30):
            loss = network(x, y)["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            out.add_scalar("train/loss", loss.item(), step)
            out.add_scalar("val/loss", loss.item() + 1, step)
            out.add_scalars("share", {"train": step / 30, "val": step / 60}, step)
            rows.append(",".join(f'"{value}"' for value in (step, *[loss.item()] * 3)))
    Path("wandb.csv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    os.chdir(HERE)  # paths get into the files
    for make in (hf, lightning, writer):
        folder = Path(make.__name__)
        shutil.rmtree(folder, ignore_errors=True)
        torch.manual_seed(0)
        make(folder)
        for events in folder.rglob("*tfevents*"):
            events.rename(events.with_name("events.out.tfevents.0"))  # else the name of the machine is in it
