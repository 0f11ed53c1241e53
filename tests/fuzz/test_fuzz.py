"""No command answers any input with a traceback, a hang, an escape sequence or NaN; every past finding stays mended."""

from __future__ import annotations

import contextlib
import json
import socket

import hostile
import pytest
from judge import again, findings, out_of_order, outcome, run
from typer.testing import CliRunner

from ssem_advisor.cli import app


@pytest.mark.parametrize("finding", findings(), ids=lambda finding: finding["why"])
def test_a_finding_stays_mended(finding):
    assert again(finding) is None


@pytest.mark.parametrize("command", hostile.COMMANDS)
def test_the_same_fresh_input_at_every_run(command):
    number = max(4, round(10 * hostile.COMMANDS[command][1]))
    failed = {seed: wrong for seed in range(10_000, 10_000 + number) if (wrong := run(seed, command))}
    assert failed == {}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("alpha", "safe"), [0.9, 0.95]),
        (("alpha", "safe"), [0.5, 0.4]),
        (("alpha", "collapse_threshold"), 0.9),
        (("temperature", "collapse_threshold"), 0.01),
        (("temperature", "recommended"), 9.0),
        (("recommended", "free_spread"), 1.5),
        (("recommended", "spread_range"), [0.0, 0.01]),
        (("limits", "open_above"), 0.0),
    ],
)
def test_the_judge_sees_an_answer_in_disorder(place, value):
    answer = json.loads(
        CliRunner().invoke(app, ["recommend", "--classes", "10", "--dim", "64", "--format", "json"]).stdout
    )
    assert out_of_order(answer) is None
    answer[place[0]][place[1]] = value
    assert out_of_order(answer) is not None


def test_the_judge_sees_code_and_connections(tmp_path, monkeypatch):
    (tmp_path / hostile.CANARY).touch()
    assert outcome(["datasets"], tmp_path) == "code of the input was executed"
    (tmp_path / hostile.CANARY).unlink()
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", 9), timeout=0.01)
    assert "network" in outcome(["datasets"], tmp_path)
    assert outcome(["datasets"], tmp_path) is None
