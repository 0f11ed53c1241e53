"""What every command does alike: one line for bad input, one spelling of shared options."""

import pytest
from typer.testing import CliRunner

from ssem_advisor.cli import COMMANDS, app


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_one_line_and_exit_two(command):
    done = run(command, "--nonsense")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "--nonsense" in done.stderr
    assert f"{command} --help" in done.stderr


@pytest.mark.parametrize("arguments", [("recommend", "--dim", "many"), ("recommend", "--format", "yaml"), ("rule",)])
def test_a_bad_value_is_one_line_and_exit_two(arguments):
    done = run(*arguments)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), done.stderr


def test_help_lists_every_command():
    done = run("--help")
    assert done.exit_code == 0
    assert all(command in done.stdout for command in COMMANDS)


def test_help_fits_eighty_columns_and_no_summary_is_cut():
    listed = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).stdout
    assert not any(line.endswith("...") for line in listed.splitlines()[1:]), listed
    for command in COMMANDS:
        shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80"}).stdout
        assert max(map(len, shown.splitlines())) <= 80, shown


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("recomend",), "recommend"),
        (("recommend", "--temprature", 0.1), "--temperature"),
        (("recommend", "--dataset", "cifar"), "cifar10"),
        (("recommend", "--classes", 10, "--mix", "mixd"), "mixed"),
        (("explain", "TRESHOLD"), "THRESHOLD"),
        (("rule", "SSM110"), "did you mean SSM10"),
        (("plot", "--classes", 10, "--kind", "fase", "-o", "x.png"), "phase"),
    ],
)
def test_a_slip_of_the_pen_is_answered_with_what_was_meant(arguments, remedy):
    done = run(*arguments)
    assert (done.exit_code, len(done.stderr.splitlines()), done.stdout) == (2, 1, "")
    assert remedy in done.stderr


def test_a_picture_of_an_unknown_format_is_refused_before_the_answer():
    done = run("recommend", "--classes", 10, "--plot", "x.bmp")
    assert (done.exit_code, done.stdout) == (2, "")
    assert ".png, .svg, .pdf" in done.stderr


def test_commands_print_through_one_way_only():
    import re
    from pathlib import Path

    import ssem_advisor.cli

    printing = re.compile(r"typer\.(?:secho|echo)\(|(?<![\w.])print\(|sys\.stdout\.write")
    found = {
        p.name for p in Path(ssem_advisor.cli.__file__).parent.glob("*.py") if printing.search(p.read_text("utf-8"))
    }
    assert found == {"_output.py"}
