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


def test_commands_print_through_one_way_only():
    import re
    from pathlib import Path

    import ssem_advisor.cli

    printing = re.compile(r"typer\.(?:secho|echo)\(|(?<![\w.])print\(|sys\.stdout\.write")
    found = {
        p.name for p in Path(ssem_advisor.cli.__file__).parent.glob("*.py") if printing.search(p.read_text("utf-8"))
    }
    assert found == {"_output.py"}
