"""`ssem-advisor check` and `rule` as a user runs them: streams, exit codes, options."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ssem_advisor.cli import app

COLLAPSE = (
    "temperature: 0.5\nalpha: 0.1\nn_augment: 2\nbalanced_batch: true\nbatch_size: 250\ndim: 128\nnum_classes: 10\n"
)
SAFE = COLLAPSE.replace("0.5", "0.1").replace("alpha: 0.1", "alpha: 0.3")
OPEN = COLLAPSE.replace("num_classes: 10\n", "")
PLAIN = "method: supcon\ntemperature: 0.1\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"bad": COLLAPSE, "safe": SAFE, "open": OPEN, "plain": PLAIN}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def run(*arguments, stdin=None, env=None):
    return CliRunner().invoke(app, [str(a) for a in arguments], input=stdin, env=env)


# -- exit codes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["safe.yaml"], 0),
        (["bad.yaml"], 1),
        (["plain.yaml"], 1),
        (["plain.yaml", "--goal", "classification"], 0),
        (["plain.yaml", "--goal", "classification", "--fail-on", "note"], 1),
        (["plain.yaml", "--fail-on", "error"], 0),
        (["plain.yaml", "--fail-on", "error", "--goal", "transfer"], 1),
        (["bad.yaml", "--fail-on", "never"], 0),
        (["bad.yaml", "--exit-zero"], 0),
        (["bad.yaml", "--ignore", "SSM1"], 0),
        (["bad.yaml", "--ignore", "SSM101,SSM103"], 0),
        (["bad.yaml", "--select", "SSM3", "--select", "plain-supcon"], 0),
        (["open.yaml"], 0),
        (["open.yaml", "--require-decision"], 1),
        ([".", "--require-decision"], 1),
        (["missing.yaml"], 2),
        (["nothing-*.yaml"], 2),
        (["bad.yaml", "--goal", "retrieval"], 2),
        (["bad.yaml", "--select", "SSM777"], 2),
        (["bad.yaml", "--format", "xml"], 2),
        (["bad.yaml", "--baseline", "none.json"], 2),
        (["bad.yaml", "--output", "no/such/folder/out"], 2),
        (["bad.yaml", "--format", "json", "--format", "text"], 2),
        (["bad.yaml", "--output", "a", "--output", "b"], 2),
        ([], 1),
    ],
)
def test_exit_codes(arguments, code):
    result = run("check", *arguments)
    assert result.exit_code == code, result.output
    if code == 2:
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        assert result.stderr.strip()


def test_a_finding_has_file_line_reason_and_remedy():
    result = run("check", "bad.yaml")
    assert "bad.yaml:2:8: SSM101 error:" in result.stdout
    assert "because: " in result.stdout
    assert "help: raise alpha above" in result.stdout
    assert result.stderr == "ssem-advisor: 1 file, 1 recognised; 1 error, 1 warning\n"


def test_a_missing_fact_is_one_line_on_stderr():
    result = run("check", "open.yaml")
    assert result.stdout == ""
    assert "open.yaml: cannot decide: needs classes (add it under [tool.ssem-advisor])\n" in result.stderr


def test_a_fact_from_the_own_configuration_decides(folder):
    (folder / "ssem-advisor.toml").write_text("[defaults]\nclasses = 10\n")
    assert run("check", "open.yaml").exit_code == 1


def test_a_named_file_that_cannot_be_read_does_not_stop_the_others(folder):
    (folder / "broken.yaml").write_text("supcon: [\n")
    (folder / "noise.yaml").write_bytes(bytes(range(256)))
    result = run("check", "broken.yaml", "noise.yaml", "bad.yaml")
    assert result.exit_code == 2
    assert "bad.yaml:2:8" in result.stdout
    assert result.stderr.count("could not be read") == 2


STRAY = {
    "stray.yaml": b"name: caf\xe9\n",
    "stray.json": b'{"name": "caf\xe9"}',
    "stray.toml": b"name = 'caf\xe9'\n",
    "stray.py": b"name = 'caf\xe9'\n",
    "stray": b"\xff\xd8\xff\xe0 noise",
}
LATIN = {
    "latin.sh": b"echo caf\xe9\n",
    "latin.md": b"caf\xe9\n",
    "latin.py": b"# -*- coding: latin-1 -*-\nname = 'caf\xe9'\n",
}


@pytest.mark.parametrize("name", STRAY)
def test_a_named_file_that_is_not_utf8_and_says_nothing_is_no_clean_file(folder, name):
    (folder / name).write_bytes(STRAY[name])
    result = run("check", f"./{name}")
    assert result.exit_code == 2
    assert f"{name}: could not be read: is not UTF-8" in result.stderr
    assert run("check", "-", stdin=STRAY[name]).exit_code == 2


@pytest.mark.parametrize("name", LATIN)
def test_files_that_may_be_latin1_are_read_as_such(folder, name):
    (folder / name).write_bytes(LATIN[name])
    assert (run("check", name).exit_code, run("check", name).stderr.count("could not")) == (0, 0)


def test_a_config_with_a_stray_byte_in_a_comment_is_read(folder):
    (folder / "stray.yaml").write_bytes(b"method: supcon # caf\xe9\n")
    assert "SSM201" in run("check", "stray.yaml").stdout


def test_standard_input_that_is_binary_is_not_read():
    result = run("check", "-", stdin=b"\x00\x01")
    assert (result.exit_code, "-: could not be read: is binary" in result.stderr) == (2, True)


def test_a_folder_with_nothing_to_check_says_so(folder):
    (folder / "empty").mkdir()
    (folder / "pictures").mkdir()
    (folder / "pictures" / "a.png").write_bytes(b"x")
    result = run("check", "empty", "pictures", "safe.yaml")
    assert result.exit_code == 0
    assert [line.partition(":")[0] for line in result.stderr.splitlines() if "nothing to check" in line] == [
        "empty",
        "pictures",
    ]
    assert "nothing to check" not in run("check", ".").stderr


def test_a_found_file_that_cannot_be_read_is_said_and_does_not_fail(folder):
    (folder / "broken.yaml").write_text("supcon: [\n")
    result = run("check", ".", "--ignore", "ALL")
    assert result.exit_code == 0
    assert "broken.yaml: could not be read" in result.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ssem-advisor.toml", "defaults.classes = ["),
        ("pyproject.toml", "[tool.ssem-advisor.defaults]\nclasses = ["),
        ("pyproject.toml", "[project]\ndependencies = ['ssem-advisor'"),
    ],
)
def test_a_broken_own_configuration_below_is_one_line_and_its_files_are_left_out(folder, name, text):
    (folder / "ssem-advisor.toml").write_text("[defaults]\nclasses = 10\n")
    below = folder / "below" / "deeper"
    below.mkdir(parents=True)
    (below / "open.yaml").write_text(OPEN)
    (below.parent / name).write_text(text)
    result = run("check", ".")
    assert result.exit_code == 2
    assert "open.yaml:2:8" in result.stdout
    assert "below/" not in result.stdout
    told = [line for line in result.stderr.splitlines() if "below/" in line]
    assert len(told) == 1
    assert told[0].startswith(f"below/{name}: could not be read: is not valid TOML")
    assert told[0].endswith("the files it governs were not checked")


def test_a_broken_pyproject_that_cannot_name_us_is_passed_over_for_the_one_above(folder):
    (folder / "ssem-advisor.toml").write_text("[defaults]\nclasses = 10\n")
    (folder / "below").mkdir()
    (folder / "below" / "open.yaml").write_text(OPEN)
    (folder / "below" / "pyproject.toml").write_text("[project\nname = {{ name }}\n")
    result = run("check", "below")
    assert result.exit_code == 1
    assert "below/open.yaml:2:8" in result.stdout
    assert "pyproject" not in result.stderr


def test_a_broken_own_configuration_above_a_pyproject_of_others_is_the_one_that_is_named(folder):
    (folder / "ssem-advisor.toml").write_text("defaults.classes = [")
    (folder / "below").mkdir()
    (folder / "below" / "open.yaml").write_text(OPEN)
    (folder / "below" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    result = run("check", ".")
    assert result.exit_code == 2
    assert result.stderr.count("could not be read") == 1
    assert "\nssem-advisor.toml: could not be read: is not valid TOML" in f"\n{result.stderr}"


# -- a config that says two things ---------------------------------------------------------------------------------


def test_two_values_are_said_by_every_command_that_takes_one(folder):
    text = f"batch_size: 60\n{COLLAPSE}".replace("batch_size: 250", "train: {batch_size: 250}")
    (folder / "two.yaml").write_text(text)
    result = run("check", "two.yaml")
    assert result.exit_code == 1
    assert ", although line 1 says batch_size = 60\n" in result.stdout
    said = "batch_size: 250 (line 6) is taken although line 1 says batch_size = 60; give --batch-size to decide"
    told = run("recommend", "--config", "two.yaml", env={"COLUMNS": "200"}).stdout
    assert f"look at {said}" in " ".join(told.split())
    assert said in json.loads(run("recommend", "--config", "two.yaml", "--format", "json").stdout)["config"]["odd"]
    decided = run("recommend", "--config", "two.yaml", "--batch-size", "60").stdout
    assert "look at" not in decided
    assert "the command line says otherwise" in " ".join(decided.split())


@pytest.mark.parametrize(("other", "confidence"), [("", "stated"), ("temperature: 0.5\n", "inferred")])
def test_a_finding_that_rests_on_one_of_two_values_is_not_stated(folder, other, confidence):
    (folder / "two.yaml").write_text(f"method: supcon\nprecision: fp16\n{other}train: {{temperature: 0.02}}\n")
    (file,) = json.loads(run("check", "two.yaml", "--select", "SSM501", "--format", "json").stdout)["files"]
    assert [finding["confidence"] for finding in file["findings"]] == [confidence]


def test_a_fix_leaves_a_value_that_the_file_says_twice(folder):
    text = COLLAPSE.replace("temperature: 0.5", "temperature: 0.2\ntrain: {temperature: 0.5}")
    (folder / "two.yaml").write_text(text)
    before = (folder / "two.yaml").read_text()
    result = run("check", "two.yaml", "--fix")
    assert (folder / "two.yaml").read_text() == before
    assert "temperature is 0.5 although line 1 says temperature = 0.2" in result.stderr


# -- streams ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "sarif", "github", "junit"])
def test_stdout_carries_the_machine_format_alone(form):
    result = run("check", ".", "--format", form)
    assert {"json": "{", "sarif": "{", "github": "::", "junit": "<?xml"}[form] == result.stdout[
        : 5 if form == "junit" else 2
    ].strip()
    if form in ("json", "sarif"):
        json.loads(result.stdout)
    assert "cannot decide" not in result.stdout or form in ("sarif", "junit")
    assert "cannot decide" in result.stderr


def test_each_output_belongs_to_the_format_named_before_it(folder):
    result = run(
        "check",
        ".",
        "--format=sarif",
        "--output",
        "a.sarif",
        "--format",
        "github",
        "--format",
        "json",
        "--output=b.json",
    )
    assert result.stdout.startswith("::")
    assert json.loads((folder / "a.sarif").read_text())["version"] == "2.1.0"
    assert json.loads((folder / "b.json").read_text())["version"] == 1


def test_output_alone_is_text(folder):
    assert run("check", "bad.yaml", "--output", "out.txt").stdout == ""
    assert "SSM101" in (folder / "out.txt").read_text()


def test_standard_input():
    result = run("check", "-", "--format", "json", stdin=COLLAPSE)
    assert result.exit_code == 1
    (file,) = json.loads(result.stdout)["files"]
    assert (file["path"], file["kind"]) == ("-", "supcon+self")
    diff = run("check", "-", "--diff", stdin=COLLAPSE)
    assert "-alpha: 0.1\n" in diff.stdout
    refused = run("check", "-", "--fix", stdin=COLLAPSE)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


def test_colour_obeys_the_environment_and_the_option():
    assert "\033[" not in run("check", "bad.yaml").stdout
    assert "\033[" in run("check", "bad.yaml", "--color", "always", env={"NO_COLOR": "1"}).stdout
    assert "\033[" in run("check", "bad.yaml", env={"FORCE_COLOR": "1"}).stdout
    assert "\033[" not in run("check", "bad.yaml", "--color", "never", env={"FORCE_COLOR": "1"}).stdout
    assert "\033[" not in run("check", "bad.yaml", "--color", "always", "--format", "json").stdout


# -- fixing and accepting -----------------------------------------------------------------------------------------


def test_fix_mends_once_and_for_all(folder):
    first = run("check", "bad.yaml", "--fix")
    assert (first.exit_code, first.stdout) == (0, "")
    assert "ssem-advisor: bad.yaml: set alpha = 0." in first.stderr
    mended = (folder / "bad.yaml").read_bytes()
    second = run("check", "bad.yaml", "--fix")
    assert second.exit_code == 0
    assert "set" not in second.stderr
    assert (folder / "bad.yaml").read_bytes() == mended


def test_diff_writes_nothing_and_still_tells(folder):
    result = run("check", "bad.yaml", "--diff")
    assert result.exit_code == 1
    assert result.stdout.startswith("--- a/bad.yaml\n+++ b/bad.yaml\n@@")
    assert (folder / "bad.yaml").read_text() == COLLAPSE
    assert run("check", "bad.yaml", "--diff", "--fix").stdout == result.stdout
    assert (folder / "bad.yaml").read_text() == COLLAPSE


def test_write_baseline_then_clean(folder):
    (folder / "ssem-advisor.toml").write_text('baseline = "accepted.json"\n')
    written = run("check", ".", "--write-baseline")
    assert written.exit_code == 0
    assert "wrote" in written.stderr
    again = run("check", ".")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "3 suppressed" in again.stderr


def test_explain_file_says_what_was_read_from_where():
    result = run("check", "--explain-file", "bad.yaml")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "bad.yaml:1: supcon+self (ssem-cifar, yaml)"
    assert any(line.split()[:6] == ["alpha", "0.1", "stated", "line", "2,", "column"] for line in lines)
    assert any(line.split()[:3] == ["views", "2", "assumed"] for line in lines)


def test_explaining_a_file_that_cannot_be_read(folder):
    (folder / "broken.yaml").write_text("supcon: [\n")
    result = run("check", "--explain-file", "broken.yaml", "--explain-file", "none.yaml")
    assert result.exit_code == 2
    assert result.stdout.count("could not be read") == 2


# -- rule ---------------------------------------------------------------------------------------------------------


def test_rule_prints_the_page():
    result = run("rule", "SSM101")
    assert result.exit_code == 0
    assert result.stdout.startswith("# SSM101 collapse-is-optimal\n")
    assert run("rule", "collapse-is-optimal").stdout == result.stdout


def test_rule_all_prints_every_page_and_json():
    from ssem_advisor.lint import all_rules

    text = run("rule", "--all").stdout
    listed = json.loads(run("rule", "--all", "--format", "json").stdout)
    assert [entry["code"] for entry in listed["rules"]] == [rule.code for rule in all_rules()]
    assert listed["version"] == 1
    for entry in listed["rules"]:
        assert entry["page"] in text


@pytest.mark.parametrize("arguments", [["SSM111"], ["colapse-is-optimal"], [], ["SSM101", "--all"]])
def test_rule_misuse(arguments):
    result = run("rule", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    if arguments == ["colapse-is-optimal"]:
        assert "did you mean collapse-is-optimal?" in result.stderr


# -- weight -------------------------------------------------------------------------------------------------------


def test_a_check_loads_no_heavy_library():
    code = (
        "import sys; sys.argv = ['ssem-advisor', 'check', 'bad.yaml', 'plain.yaml', 'safe.yaml']\n"
        "from ssem_advisor.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'scipy', 'sympy', 'rich', 'pydantic', 'torch', 'tomlkit', 'hashlib'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_value_outside_its_domain_is_told_beside_what_is_missing(folder):
    (folder / "odd.yaml").write_text("losses: [supcon, simclr]\ntemperature: 0\nbatch_size: 0\nepochs: 5\n")
    told = run("check", "odd.yaml").stderr
    assert "odd.yaml:2: note: temperature: temperature = 0 is outside its domain, and is not used" in told
    assert "odd.yaml:3: note: batch_size: batch_size = 0 is outside its domain, and is not used" in told


def test_standard_input_has_no_name_that_a_command_could_read():
    result = CliRunner().invoke(app, ["check", "-"], input="method: supcon\nepochs: 5\n")
    assert "recommend --config FILE" in result.output
    assert "--config -" not in result.output


MIXED = "loss: {supcon_weight: 1.0, simclr_weight: 0.5}\nnum_classes: 100\nn_views: 2\n"
OPEN_VALUES = {
    "a list": ("temperature: [0.05, 0.1]\nbatch_size: 512\n", "temperature", "0.1"),
    "a sweep": ("batch_size: 512\nparameters: {temperature: {values: [0.05, 0.1]}}\n", "temperature", "0.1"),
    "a range": ("temperature: {min: 0.05, max: 0.1}\nbatch_size: 512\n", "temperature", "0.1"),
    "a variable": ("temperature: ${oc.env:T}\nbatch_size: 512\n", "temperature", "0.1"),
    "two places": ("a: {temperature: 0.1}\nb: {temperature: 0.2}\nbatch_size: 512\n", "temperature", "0.1"),
    "batch sizes": ("temperature: 0.1\nbatch_size: [256, 512]\n", "batch_size", "512"),
}


@pytest.mark.parametrize(("text", "name", "value"), OPEN_VALUES.values(), ids=OPEN_VALUES)
def test_the_lines_that_are_to_settle_a_file_settle_it(folder, text, name, value):
    (folder / "run.yaml").write_text(MIXED + text)
    told = run("check", "run.yaml").stderr
    assert f"needs {name} (line " in told
    lines = [line.strip() for line in told.splitlines() if line.startswith("    ")]
    (folder / "ssem-advisor.toml").write_text("\n".join(line.replace("= ...", f"= {value}") for line in lines))
    settled = run("check", "run.yaml")
    assert "cannot decide" not in settled.stderr
    found = json.loads(run("check", "run.yaml", "--format", "json").stdout)["files"][0]["fields"]
    assert (found["temperature"]["value"], found["batch_size"]["value"]) == (0.1, 512)


@pytest.mark.parametrize("text", ["[0.05, 0.1]", "${oc.env:T}"])
def test_a_command_has_a_place_for_the_temperature_that_the_file_leaves_open(folder, text):
    (folder / "run.yaml").write_text(f"method: supcon\nclasses: 9\nbatch_size: 64\ntemperature: {text}\n")
    command = "recommend --config run.yaml"
    wanted = f"once you know the temperature: ssem-advisor {command} --temperature TEMPERATURE\n"
    assert wanted in run("check", "run.yaml").stdout
    told = run(*command.split(), "--temperature", "0.07")
    assert (told.exit_code, "temperature = 0.07" in told.stdout) == (0, True)
