"""Lightning and Hugging Face: the examples run, scalars reach the real trackers, state comes back with checkpoints."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from ssem_advisor import AdvisorError, Setting
from ssem_advisor.training import BalancedBatchSampler, CollapseMonitor, CollapseWarning

SETTING = Setting(classes=5, dim=32, temperature=0.5, alpha=0.5, batch_size=50, sampler="balanced")
NAMES = {
    "ssem/within_class_variance",
    "ssem/between_class_variance",
    "ssem/total_variance",
    "ssem/anchors_with_positives",
    "ssem/share_of_optimum",
    "ssem/loss",
    "ssem/distance_to_plateau",
    "ssem/distance_to_class_collapse",
    "ssem/distance_to_optimum",
}

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*num_workers.*"),
]


def tensorboard_scalars(folder: Path) -> dict[str, list]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for file in folder.rglob("events.out.tfevents.*"):
        events = EventAccumulator(str(file)).Reload()
        for tag in events.Tags()["scalars"]:
            found.setdefault(tag, []).extend(events.Scalars(tag))
    return found


def test_lightning_example(tmp_path):
    import lightning_trainer

    monitor = lightning_trainer.train(tmp_path)
    assert monitor.verdict.name == "healthy"
    assert monitor.steps == 6 * 7
    scalars = tensorboard_scalars(tmp_path)
    assert set(scalars) >= NAMES
    assert [e.step for e in scalars["ssem/loss"]] == [7, 14, 21, 28, 35, 42]


def test_hugging_face_example(tmp_path):
    import hf_trainer

    monitor = hf_trainer.train(tmp_path)
    assert monitor.verdict.name == "healthy"
    scalars = tensorboard_scalars(tmp_path)
    assert set(scalars) >= NAMES
    assert [e.step for e in scalars["ssem/loss"]] == [7, 14, 21, 28, 35, 42]


def test_collapse_is_called_out_in_both_frameworks(tmp_path):
    import hf_trainer
    import lightning_trainer

    for example in (lightning_trainer, hf_trainer):
        with pytest.warns(CollapseWarning, match="class collapse"):
            example.train(tmp_path / example.__name__, alpha=0.05, epochs=8)


# -- Lightning ------------------------------------------------------------------------------------------------------


def lightning_model(pl, own_loss: bool = False):
    """A module around the digits network; with a loss of its own the callback is told where the embedding is."""
    from plain_torch import network, two_views

    from ssem_advisor.losses import SupervisedContrastiveLoss, supervised_contrastive_loss

    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.Sequential(network())
            self.criterion = None if own_loss else SupervisedContrastiveLoss(0.5, 0.5)

        def training_step(self, batch, batch_idx):
            x, y = batch
            z = self.encoder(two_views(x))
            return supervised_contrastive_loss(z, y, 0.5, 0.5) if own_loss else self.criterion(z, y)

        def validation_step(self, batch, batch_idx):
            x, y = batch
            if not own_loss:
                self.criterion(self.encoder(two_views(x)), y)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    return Model()


def lightning_fit(pl, monitor, folder, *, own_loss=False, epochs=1, ckpt=None, logger=False, **options):
    from plain_torch import digits

    from ssem_advisor.training import lightning

    data = digits()
    loader = torch.utils.data.DataLoader(data, batch_sampler=BalancedBatchSampler(data.tensors[1], 5, 10, batches=6))
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[lightning.CollapseCallback(monitor, **options)],
        logger=logger,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
    )
    trainer.fit(lightning_model(pl, own_loss), loader, loader, ckpt_path=ckpt)
    return trainer


@pytest.mark.parametrize(
    ("name", "other"), [("lightning.pytorch", "pytorch_lightning"), ("pytorch_lightning", "lightning")]
)
def test_both_lightning_packages(tmp_path, monkeypatch, name, other):
    pl = importlib.import_module(name)
    callback = importlib.import_module("ssem_advisor.training.lightning")
    with monkeypatch.context() as alone:
        alone.delitem(sys.modules, other, raising=False)  # as in a program that loads only one of them
        assert issubclass(importlib.reload(callback).CollapseCallback, pl.Callback)
        monitor = CollapseMonitor(SETTING, every=3)
        lightning_fit(pl, monitor, tmp_path)
        assert monitor.steps == 6  # validation does not count
    importlib.reload(callback)


def test_lightning_with_a_loss_of_ones_own(tmp_path):
    import lightning.pytorch as pl

    monitor = CollapseMonitor(SETTING, every=2)
    lightning_fit(pl, monitor, tmp_path, own_loss=True, layer="encoder.0")
    assert monitor.steps == 6
    with pytest.raises(AdvisorError, match="not a submodule"):
        lightning_fit(pl, monitor, tmp_path, own_loss=True, layer="projector")
    with pytest.raises(AdvisorError, match="holds no SupervisedContrastiveLoss"):
        lightning_fit(pl, monitor, tmp_path, own_loss=True)


def test_lightning_checkpoint_holds_the_monitor(tmp_path):
    import lightning.pytorch as pl

    monitor = CollapseMonitor(SETTING, every=4)
    trainer = lightning_fit(pl, monitor, tmp_path)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    resumed = CollapseMonitor(SETTING, every=4)
    lightning_fit(pl, resumed, tmp_path, epochs=2, ckpt=tmp_path / "last.ckpt")
    assert resumed.steps == 12


# -- Hugging Face ---------------------------------------------------------------------------------------------------


def hugging_face(folder, monitor, *, report_to=(), epochs=1, resume=None, attach=True, **options):
    import hf_trainer
    from plain_torch import digits
    from transformers import TrainingArguments

    from ssem_advisor.training.huggingface import CollapseCallback

    class Small(hf_trainer.Trainer):
        def get_train_dataloader(self):
            sampler = BalancedBatchSampler(self.train_dataset.tensors[1], 5, 10, batches=6)
            return torch.utils.data.DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator)

    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=epochs,
        save_strategy="epoch",
        report_to=list(report_to),
        disable_tqdm=True,
        use_cpu=True,
        run_name="test",
        **options.pop("arguments", {}),
    )
    callback = CollapseCallback(monitor, **options)
    trainer = Small(
        model=hf_trainer.Contrastive(SETTING),
        args=arguments,
        train_dataset=digits(),
        data_collator=hf_trainer.collate,
        callbacks=None if attach else [callback],
    )
    if attach:
        callback.attach(trainer)
    trainer.train(resume_from_checkpoint=resume)
    return trainer


@pytest.mark.parametrize("restore", [False, True])
def test_hugging_face_checkpoint_holds_the_monitor(tmp_path, restore):
    hugging_face(tmp_path, CollapseMonitor(SETTING, every=4))
    resumed = CollapseMonitor(SETTING, every=4)
    hugging_face(
        tmp_path,
        resumed,
        epochs=2,
        resume=str(tmp_path / "checkpoint-6"),
        arguments={"restore_callback_states_from_checkpoint": restore},
    )
    assert resumed.steps == 12


def test_hugging_face_with_a_loss_of_ones_own(tmp_path):
    monitor = CollapseMonitor(SETTING, every=2)
    hugging_face(tmp_path, monitor, layer="network", attach=False)
    assert monitor.steps == 6


# -- trackers, for real ---------------------------------------------------------------------------------------------


def test_wandb_offline_and_mlflow_local(tmp_path, monkeypatch):
    """Both trackers active at once; the loop's own W&B rows keep their steps."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow, wandb = importlib.import_module("mlflow"), importlib.import_module("wandb")
    mlflow.set_tracking_uri(tmp_path.as_uri())
    mlflow.set_experiment("test")
    run = wandb.init(project="test", dir=str(tmp_path))
    z, y = torch.randn(40, 2, 8), torch.arange(40) % 5
    with mlflow.start_run() as active:
        monitor = CollapseMonitor(SETTING, every=2)
        for step in range(4):
            scalars = monitor.update(z, y)
            run.log({"loss": float(step)})
        assert run.step == 4
        assert run.summary["ssem/total_variance"] == pytest.approx(scalars["ssem/total_variance"])
    run.finish()
    recorded = mlflow.MlflowClient().get_metric_history(active.info.run_id, "ssem/total_variance")
    assert [metric.step for metric in recorded] == [2, 4]
    assert monitor.update(z, y) is None
    assert monitor.update(z, y) is not None  # no run active any more: nothing is created
    assert wandb.run is None
    assert mlflow.active_run() is None


def test_hugging_face_writes_to_wandb(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    wandb = importlib.import_module("wandb")
    monitor = CollapseMonitor(SETTING, every=2)
    hugging_face(tmp_path, monitor, report_to=["wandb"], attach=False, arguments={"logging_steps": 2})
    assert set(dict(wandb.run.summary)) >= NAMES
    wandb.finish()
