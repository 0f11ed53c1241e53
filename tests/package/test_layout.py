"""How answers look: as wide as the terminal, broken between words, coloured by meaning, and patient on a terminal."""

import contextlib
import io
import os
import re
import struct
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ssem_advisor import printing
from ssem_advisor.cli import _output, app

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def run(*arguments, **env):
    done = CliRunner().invoke(app, [str(a) for a in arguments], env=env)
    assert done.exit_code in (0, 1), done.output
    return done.stdout


WORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=20).filter(
    lambda word: "`" not in word
)


@given(st.lists(WORDS, max_size=40), st.integers(30, 120), st.sampled_from(["", "  ", "theorem  "]))
def test_text_breaks_between_words_alone(words, width, first):
    lines = printing.wrapped(" ".join(words), width, first)
    assert lines[0].startswith(first.rstrip())
    assert " ".join(lines)[len(first) :].split() == words
    assert all(len(line) <= width for line in lines)
    for line, following in pairwise(lines):  # no line ends before it has to
        assert len(line) + 1 + len(following.split()[0]) > width


def test_a_word_too_long_stands_whole_and_a_command_is_one_word():
    assert printing.wrapped("an other-class " + "x" * 50, 30) == ["an other-class", "x" * 50]
    assert printing.wrapped("set it; run this says more", 40, "do: ", command="run this") == [
        "do: set it;",
        "    run this",
        "    says more",
    ]
    assert printing.wrapped("ask run this", 40, command="run this") == ["ask", "run this"]
    assert printing.wrapped("long enough for `recommend --from FILE` here", 40) == [
        "long enough for `recommend --from FILE`", "here",
    ]  # fmt: skip


def test_colours_take_no_room():
    red = printing.coloured("collapse", "collapse")
    assert printing.wrapped(f"{red} is optimal", 19) == [f"{red} is optimal"]
    assert [COLOUR.sub("", line) for line in printing.table([("a", red), ("bb", "c")])] == ["a   collapse", "bb  c"]


SETTINGS = [
    ("--classes", 100, "--dim", 128, "--tau", 0.07, "--alpha", 0.05),
    ("--classes", 10, "--dim", 128, "--batch-size", 200, "--sampler", "balanced", "--mix", "mixed:0.05"),
    ("--classes", 6, "--dim", 5, "--batch-size", 60),
    ("--class-counts", "50,30,5", "--dim", 16, "--batch-size", 40),
    ("--classes", 10, "--views", 1),
    ("--classes", 10, "--loss", "l_in", "--alpha", 0.2),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: " ".join(map(str, s)))
def test_recommend_has_the_same_words_in_every_width(setting):
    texts = {width: run("recommend", *setting, "--details", COLUMNS=str(width)) for width in (60, 80, 120)}
    for width, text in texts.items():
        assert max(map(len, text.splitlines())) <= width, text
    assert len({tuple(text.split()) for text in texts.values()}) == 1


@pytest.mark.parametrize("key", ["RANDOM-BATCH", "FINITE", "L-IN", "OPTIMUM", "CROSS-ENTROPY"])
def test_explain_follows_the_width(key):
    for width in (60, 80, 120):
        assert max(map(len, run("explain", key, COLUMNS=str(width)).splitlines())) <= width


def test_measurements_and_reports_follow_the_width(tmp_path):
    import json
    from pathlib import Path

    import numpy as np

    from ssem_advisor.report import validation

    rng, labels = np.random.default_rng(0), np.repeat(np.arange(5), 20)
    z = 6.0 * np.eye(16)[labels][:, None] + rng.standard_normal((100, 1, 16)) + 0.5 * rng.standard_normal((100, 4, 16))
    np.savez(tmp_path / "z.npz", embeddings=z, labels=labels)
    (tmp_path / "c.yaml").write_text("loss: supcon\ntemperature: 0.1\nnum_classes: 10\nbatch_size: 256\n")
    study = Path(__file__).parents[2] / "validation" / "cifar10-pairs" / "result.json"
    report = json.loads(study.read_text())
    for suite in report["suites"]:
        suite["runs"] = []
    for width in (60, 80, 120):
        shown = [
            run("measure", tmp_path / "z.npz", "--tau", 0.1, "--alpha", 0.3, "--batch-size", 100, COLUMNS=str(width)),
            run("diagnose", "--config", tmp_path / "c.yaml", COLUMNS=str(width)),
            validation.text(report, width=width),
        ]
        for text in shown:
            assert max(len(line) for line in text.splitlines() if str(tmp_path) not in line) <= width, text


def on_terminal(*arguments, width, **env):
    """What a command writes to a terminal of so many columns, without the line that counts its seconds."""
    fcntl, pty, termios = map(pytest.importorskip, ("fcntl", "pty", "termios"))
    control, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-m", "ssem_advisor", *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=clean | {"TERM": "xterm"} | env
    ) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that nobody writes to the terminal any more
            while part := os.read(control, 65536):
                shown += part
        os.close(control)
    assert process.returncode in (0, 1), shown
    # A terminal goes back to the start of the line and erases it, however often that line was written.
    return re.sub(r"[^\n]*\r\x1b\[K", "", shown.decode().replace("\r\n", "\n"))


CONFIGS = {
    "collapse.yaml": "temperature: 0.5\nalpha: 0.1\nn_augment: 2\nbalanced_batch: true\nbatch_size: 250\n"
    "num_classes: 10\n",
    "open.yaml": "method: supcon\ntemperature: 0.5\nnum_gpus: 8\n",
    "train.sh": "python main_supcon.py --batch_size 1024 --learning_rate 0.5 --temp 0.1 --cosine --dataset cifar100 "
    "--a_long_option /a/long/path/to/somewhere/on/a/disk\n",
}


@pytest.mark.parametrize("arguments", [["check", "."], ["check", "--explain-file", "train.sh"]], ids=lambda a: a[1])
def test_check_keeps_to_the_terminal_and_breaks_no_word(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    for name, text in CONFIGS.items():
        (tmp_path / name).write_text(text)
    words = set()
    for width, env in ((60, {"NO_COLOR": "1"}), (80, {"TERM": "dumb"}), (120, {})):
        text = on_terminal(*arguments, width=width, **env)
        assert ("\x1b" in text) is (width == 120 and "--explain-file" not in arguments)
        text = COLOUR.sub("", text)
        assert max(map(len, text.splitlines())) <= width, text
        told = [line for line in text.splitlines() if not re.match(r" +(\d+)? \| ", line)]  # but the config's own lines
        words.add(tuple(sorted(" ".join(told).replace(",", "").split())))  # a broken table joins its cells by commas
    assert len(words) == 1


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lists_and_the_picture_of_a_terminal_keep_to_its_width(width):
    for arguments in (("explain",), ("plot", "--classes", 100, "--dim", 128, "--batch-size", 512, "--terminal")):
        text = run(*arguments, COLUMNS=str(width))
        assert max(map(len, text.splitlines())) <= width, text
        assert "\x1b" not in text
    assert "SupCon with the logarithm of a sum" in " ".join(run("explain", COLUMNS="120").split())


def test_the_answer_fits_on_the_first_screen_and_the_details_hold_the_rest():
    text, more = (run("recommend", "--classes", 100, "--dim", 128, *extra) for extra in ((), ("--details",)))
    assert len(text.splitlines()) <= 25
    assert "--details" in text.splitlines()[-1]
    assert "Worth training" not in text
    assert set(text.splitlines()) - set(more.splitlines()) == {text.splitlines()[-1]}
    assert "Worth training" in more
    assert "explain KEY" in more


def test_where_nothing_is_safe_the_first_screen_says_what_would_be():
    text = run("recommend", "--classes", 100, "--dim", 128, "--batch-size", 100, "--sampler", "balanced")
    assert "No setting is recommended" in text
    assert "If instead" in text
    assert "batch 400" in text or "batch 200" in text
    assert "other batches" not in text


def test_colours_mean_something_and_stay_out_of_files():
    setting = ("recommend", "--classes", 10, "--dim", 128, "--tau", 0.1, "--alpha", 0.001)
    plain = run(*setting)
    assert "\x1b" not in plain
    shown = run(*setting, FORCE_COLOR="1")
    assert COLOUR.sub("", shown) == plain
    assert "\x1b[1;31mYour alpha = 0.001" in shown
    assert "\x1b[1;32mSet   alpha" in shown
    assert "\x1b[33mestimate" in shown


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("env", "expected"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True)],
)
def test_who_decides_about_colour(monkeypatch, env, expected):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", Terminal())
    assert _output.has_colour() is expected
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert _output.has_colour() is ("FORCE_COLOR" in env)


def test_a_long_command_counts_its_seconds_on_a_terminal_alone(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(_output.Waiting, "patience", 0.01)
    screen, file = Terminal(), io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    with _output.Waiting("Working"):
        _output.Waiting.about("Placing 3 class means")
        while "Placing 3 class means, 0 s" not in screen.getvalue():
            time.sleep(0.001)
        _output.Waiting.end()
        _output.tell("a remark")
    assert screen.getvalue().endswith("\r\033[Ka remark\n")
    monkeypatch.setattr("sys.stderr", file)
    with _output.Waiting("Working") as waiting:
        assert waiting._thread is None
    assert file.getvalue() == ""


def test_the_waiting_line_is_not_written_into_an_answer(monkeypatch):
    """It erases the line it stands on, so none is written from the moment an answer begins until it ends."""
    told = []

    class Terminal(io.StringIO):
        def isatty(self):
            return True

        def write(self, text):
            told.append(text)
            return len(text)

    class Slow(Terminal):
        def write(self, text):
            for part in text:
                time.sleep(0.01)
                told.append(part)
            return len(text)

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", Slow())
    monkeypatch.setattr(_output.Waiting, "patience", 0.002)
    monkeypatch.setenv("TERM", "xterm")
    with _output.Waiting("Working"):
        time.sleep(0.05)
        _output.say("an answer")
    assert "an answer\n" in "".join(told)
    assert any("Working" in text for text in told)
