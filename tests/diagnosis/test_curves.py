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


def test_tensorboard_events(tmp_path):
    tensorboard = pytest.importorskip("torch.utils.tensorboard", exc_type=ImportError)
    with tensorboard.SummaryWriter(tmp_path) as writer:
        for step, value in enumerate((3.0, 2.0)):
            writer.add_scalar("train/loss", value, step)
            writer.add_scalar("val/loss", 9.0, step)
    assert read_curve(tmp_path).values == (3.0, 2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("a_loss,b_loss\n1,2\n", "say --column with one of a_loss, b_loss"),
        ("x,y\n1,2\n", "no column is named a training loss"),
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
