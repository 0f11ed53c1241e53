"""Loss curves from the files that trainers write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssem_advisor.diagnosis import CurveError, read_curve


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log.csv", "step,train/loss,val/loss\n1,3.0,9\n2,2.0,9\n3,,9\n"),
        ("log.tsv", "step\tloss\n1\t3.0\n2\t2.0\n"),
        (
            "wandb.csv",
            '"Step","run - train/loss","run - train/loss__MIN"\n1,3,1\n2,2,1\n',
        ),
        ("one.txt", "3.0\n2.0\n"),
        ("log.jsonl", '{"step": 1, "supcon_loss": 3.0, "loss": 7}\n{"step": 2, "supcon_loss": 2.0, "loss": 6}\n'),
        ("losses.csv", "loss,train_nce_loss,balance_loss\n7,3,1\n6,2,1\n"),
        ("list.json", "[3.0, 2.0]"),
        (
            "trainer_state.json",
            json.dumps({"log_history": [{"loss": 3.0, "step": 1}, {"loss": 2, "step": 2}, {"eval_loss": 1.0}]}),
        ),
    ],
)
def test_the_training_loss_is_found(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    assert read_curve(path).values == (3.0, 2.0)


LOGS = Path(__file__).parent / "logs"


@pytest.mark.parametrize(
    ("file", "column", "count", "first", "last"),
    [
        ("hf/trainer_state.json", "loss", 9, 3.2277, 3.2134),  # its mean over the run, train_loss, is none of them
        ("lightning/version_0/metrics.csv", "train_loss_step", 18, 3.2145, 2.2948),
        ("wandb.csv", "test-run-3 - train/loss", 30, 4.3511, 3.4115),  # the run is named a test, its loss is not
    ],
)
def test_files_of_real_loggers(file, column, count, first, last):
    """Made by logs/make.py."""
    curve = read_curve(LOGS / file)
    assert (curve.name, len(curve.values)) == (column, count)
    assert (curve.first, curve.values[-1]) == pytest.approx((first, last), abs=1e-4)


@pytest.mark.parametrize(
    ("events", "same", "column"),
    [
        ("hf", "hf/trainer_state.json", "train/loss"),  # in a folder two levels below
        ("lightning", "lightning/version_0/metrics.csv", "train_loss_step"),
        ("writer", "wandb.csv", "train/loss"),
    ],
)
def test_tensorboard_events_of_the_same_runs(events, same, column):
    pytest.importorskip("tensorboard")
    curve = read_curve(LOGS / events)
    assert curve.name == column
    assert curve.values == pytest.approx(read_curve(LOGS / same).values, rel=1e-4)


def test_scalars_that_are_written_as_tensors(tmp_path):
    """As TensorFlow writes them."""
    tensorboard = pytest.importorskip("torch.utils.tensorboard", exc_type=ImportError)
    with tensorboard.SummaryWriter(tmp_path) as writer:
        for step, value in enumerate((3.0, 2.0)):
            writer.add_scalar("train/loss", value, step, new_style=True)
            writer.add_text("loss", "words", step)
    assert read_curve(tmp_path).values == (3.0, 2.0)


def test_a_folder_of_several_runs_names_them(tmp_path):
    tensorboard = pytest.importorskip("torch.utils.tensorboard", exc_type=ImportError)
    for run in ("one", "two"):
        with tensorboard.SummaryWriter(tmp_path / run) as writer:
            writer.add_scalar("loss", 1.0, 0)
    with pytest.raises(CurveError, match="2 runs in it; give the folder of one: one, two"):
        read_curve(tmp_path)


def test_the_loss_of_the_last_run_of_a_panel_is_not_taken_for_all(tmp_path):
    path = tmp_path / "panel.csv"
    path.write_text(
        '"Step","a-1 - loss","a-1 - loss__MIN","a-1 - loss__MAX","b-2 - loss","b-2 - loss__MIN"\n1,3,3,3,2,2\n'
    )
    with pytest.raises(CurveError, match=r"say --column with one of a-1 - loss, b-2 - loss$"):
        read_curve(path)


def test_files_of_wandb_that_hold_no_curve(tmp_path):
    (tmp_path / "runs.csv").write_text('"Name","State","Created","train/loss"\n"a-1","finished","now","3.0"\n')
    (tmp_path / "run.wandb").write_bytes(b":W&B\x01")
    for name, remedy in (("runs.csv", "export the loss panel"), ("run.wandb", "export the loss panel as csv")):
        with pytest.raises(CurveError, match=remedy):
            read_curve(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("a_loss,b_loss\n1,2\n", "say --column with one of a_loss, b_loss"),
        ("x,y\n1,2\n", "no column is named a training loss"),
        ("step,loss\n1,abc\n", "no column is named a training loss"),  # a step is no loss
        ("Step,loss\n1,\n", "no column is named a training loss"),
        ("1,2\n3,4\n", "give it a header"),
        ("{1", "neither JSON nor JSON lines"),
        ('{"log_history": 3}', "must hold a list"),
        ("[" * 100_000, "neither JSON|nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, text, message):
    path = tmp_path / "curve"
    path.write_text(text)
    with pytest.raises(CurveError, match=message) as caught:
        read_curve(path)
    assert "\n" not in str(caught.value)


def test_devices_and_broken_events_are_one_line(tmp_path):
    (tmp_path / "events.out.tfevents.1").write_bytes(b"no events")
    for path in (Path("/dev/zero"), tmp_path / "events.out.tfevents.1"):
        with pytest.raises(CurveError) as caught:
            read_curve(path)
        assert "\n" not in str(caught.value)


HUGE = "1" + "0" * 400


@pytest.mark.parametrize("text", [f'{{"loss": {HUGE}}}', '""\n,'])
def test_hostile_text_is_one_line(tmp_path, text):
    path = tmp_path / "curve"
    path.write_text(text)
    with pytest.raises(CurveError) as caught:
        read_curve(path)
    assert "\n" not in str(caught.value)


def test_one_step_does_not_decide(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("loss\n" + "\n".join(["9"] + ["2"] * 30 + ["50"]))
    curve = read_curve(path)
    assert (curve.first, curve.last) == (9.0, 2.0)
