"""The command that asks `recommend` again: it repeats the setting, nothing more and nothing less."""

import json
import shlex

import pytest
from typer.testing import CliRunner

from ssem_advisor import Setting
from ssem_advisor.advice import command_for
from ssem_advisor.cli import app

COMMANDS = {
    "--classes 10": {"classes": 10},
    "--classes 20 --dim 64 --temperature 0.123457 --alpha 0.3 --loss ssem --views 3 --batch-size 100 --sampler "
    "balanced --classes-per-batch 5 --instances-per-class 500": {
        "classes": 20, "dim": 64, "temperature": 0.1234567, "alpha": 0.3, "loss": "ssem", "views": 3, "batch_size": 100,
        "sampler": "balanced", "classes_per_batch": 5, "instances_per_class": 500,
    },
    "--batch-size 40 --class-counts 60,30,10 --queue 64 --features non-negative --self-temperature 0.5 "
    "--cross-entropy 0.25": {
        "class_counts": (60, 30, 10), "batch_size": 40, "queue": 64, "features": "non-negative",
        "self_temperature": 0.5, "cross_entropy": 0.25,
    },
    "--sampler full --class-counts 5,5": {"class_counts": (5, 5), "sampler": "full"},
}  # fmt: skip


@pytest.mark.parametrize("options", COMMANDS)
def test_a_command_says_what_is_no_default(options):
    assert command_for(Setting(**COMMANDS[options])) == f"ssem-advisor recommend {options}"


@pytest.mark.parametrize("options", [options for options in COMMANDS if "queue" not in options])
def test_the_command_asks_about_the_same_setting(options):
    setting = Setting(**COMMANDS[options])
    program, *arguments = shlex.split(command_for(setting))
    done = CliRunner().invoke(app, [*arguments, "--format", "json"])
    assert (program, done.exit_code) == ("ssem-advisor", 0), done.output
    read = json.loads(done.stdout)["setting"]
    for name in ("classes", "dim", "loss", "views", "sampler", "classes_per_batch", "instances_per_class"):
        assert read[name] == getattr(setting, name), name
    if setting.class_counts is not None:
        assert tuple(read["class_counts"]) == setting.class_counts


def test_many_class_sizes_stand_for_themselves_as_a_file():
    for sizes, shown in (((1000,) * 15 + (10000,), True), ((1000,) * 15 + (100000,), False)):
        written = ",".join(map(str, sizes))
        assert (len(written) == 80) is shown
        command = command_for(Setting(class_counts=sizes, sampler="full"))
        assert command.endswith(f"--class-counts {written if shown else 'FILE'}")
