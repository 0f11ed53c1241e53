"""The places a check runs in: GitHub action and workflow, pre-commit hooks, the pages that show them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ssem_advisor.lint.session import Session

ROOT = Path(__file__).parents[2]
PLAIN = "method: supcon\ntemperature: 0.1\n"


def load(path):
    return YAML(typ="safe").load((ROOT / path).read_text())


def blocks(page, language="yaml"):
    """The fenced blocks of a page as (title, text)."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf'^```{language}(?: title="([^"]*)")?\n(.*?)^```$', text, re.M | re.S)


# -- the GitHub action ----------------------------------------------------------------------------------------------


def step(name):
    return next(step for step in load("action.yml")["runs"]["steps"] if step["name"] == name)


def script(name, environment, folder):
    """A step's script as GitHub runs it."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step(name)["run"]],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip


def test_inputs_reach_the_scripts_through_the_environment_alone():
    action = load("action.yml")
    for each in action["runs"]["steps"]:
        assert "${{" not in each["run"]
    used = {name for each in action["runs"]["steps"] for name in re.findall(r"inputs\.([\w-]+)", str(each["env"]))}
    assert used == set(action["inputs"])
    table = (ROOT / "docs/ci/github.md").read_text()
    for name, described in action["inputs"].items():
        assert f"| `{name}` | {'`' + described['default'] + '`' if described['default'] else ''}" in table


@pytest.mark.parametrize(
    ("paths", "fail_on", "code", "findings"),
    [("configs\n\n", "warning", 1, 1), ("configs/*.yaml", "error", 0, 1), ("$(touch owned)", "never", 2, None)],
)
def test_the_action_script(tmp_path, paths, fail_on, code, findings):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "train me.yaml").write_text(PLAIN)
    tools = tmp_path / "runner" / "ssem-advisor" / "bin"
    tools.mkdir(parents=True)
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tools / "python").chmod(0o755)
    for name in ("venv", "json", "logging", "typer", "ssem_advisor", "sitecustomize"):  # must not run
        (tmp_path / f"{name}.py").write_text("open('owned', 'w').close()\nraise SystemExit(0)\n")
    environment = os.environ | {
        "PATHS": paths, "GOAL": "", "FAIL_ON": fail_on, "REQUIRE_DECISION": "false", "SARIF_FILE": "out.sarif",
        "RUNNER_TEMP": str(tmp_path / "runner"), "GITHUB_OUTPUT": str(tmp_path / "output"), "PYTHONPATH": str(tmp_path),
    }  # fmt: skip
    done = script("Check", environment, tmp_path)
    assert done.returncode == code, done.stderr
    assert not (tmp_path / "owned").exists()
    if findings is None:
        assert not (tmp_path / "output").exists()
        return
    assert done.stdout.startswith("::warning file=configs/train me.yaml,line=1,col=9")
    assert (tmp_path / "output").read_text() == f"findings={findings}\nsarif-file=out.sarif\n"
    assert len(json.loads((tmp_path / "out.sarif").read_text())["runs"][0]["results"]) == findings


def test_the_action_runs_python_isolated_and_outside_the_workspace():
    for each in load("action.yml")["runs"]["steps"]:
        commands = re.findall(r'^\s*(?:echo ".*\$\()?"\$(?:INTERPRETER|python)" (.*)$', each["run"], re.M)
        assert commands
        assert all(command.startswith("-I ") for command in commands)
    assert step("Install ssem-advisor")["working-directory"] == "${{ runner.temp }}"


@pytest.mark.parametrize("name", ["Install ssem-advisor", "Check"])
def test_no_python_variable_of_the_job_reaches_the_action(tmp_path, name):
    """pip starts processes of its own, which are not isolated: a PYTHONPATH would let the checked folder take part."""
    tools = tmp_path / "ssem-advisor" / "bin"
    tools.mkdir(parents=True)
    (tools / "python").write_text(f'#!/bin/sh\nenv >> "{tmp_path}/seen"\n')
    (tools / "python").chmod(0o755)
    environment = {
        "PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "output"),
        "INTERPRETER": str(tools / "python"), "SOURCE": str(tmp_path / "source"), "PYTHONPATH": str(tmp_path),
        "PYTHONSTARTUP": "json.py", "PYTHONUSERBASE": str(tmp_path), "PATHS": ".", "GOAL": "", "FAIL_ON": "never",
        "REQUIRE_DECISION": "false", "SARIF_FILE": "out.sarif",
    }  # fmt: skip
    script(name, environment, tmp_path)
    seen = (tmp_path / "seen").read_text()
    assert "RUNNER_TEMP=" in seen
    assert "PYTHON" not in seen


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("REQUIRE_DECISION", "True", "require-decision: must be true or false"),
        ("REQUIRE_DECISION", "yes", "require-decision: must be true or false"),
        ("SARIF_FILE", "out.sarif\nfindings=0", "sarif-file: must be one line"),
        ("SARIF_FILE", "out\r.sarif", "sarif-file: must be one line"),
        ("FAIL_ON", "$(touch owned)", "is not one of"),
        ("GOAL", "; touch owned", "must be one of"),
        ("PATHS", "a; touch owned\n`touch owned`", "no such file or folder"),
        ("PATHS", "--exit-zero", "no such file or folder"),
    ],
)
def test_an_input_is_data_and_a_wrong_one_fails_the_job(tmp_path, variable, value, said):
    (tmp_path / "train.yaml").write_text(PLAIN)
    tools = tmp_path / "runner" / "ssem-advisor" / "bin"
    tools.mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"], "PATHS": "train.yaml", "GOAL": "", "FAIL_ON": "warning",
        "REQUIRE_DECISION": "false", "SARIF_FILE": "out.sarif", "RUNNER_TEMP": str(tmp_path / "runner"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }  # fmt: skip
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tools / "python").chmod(0o755)
    done = script("Check", environment | {variable: value}, tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "output").exists()
    assert not (tmp_path / "owned").exists()


def test_the_action_installs_what_the_package_needs_each_file_by_its_hash():
    lines = (ROOT / "action.requirements.txt").read_text().replace("\\\n", " ").splitlines()
    pinned = [line for line in lines if line.strip() and not line.startswith("#")]
    assert all(re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line) for line in pinned)
    names = {line.partition("==")[0].replace(".", "-") for line in pinned}
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = needs["project"]["dependencies"] + needs["build-system"]["requires"]
    assert {re.match(r"[\w.-]+", need)[0].replace(".", "-") for need in wanted} <= names


@pytest.fixture
def workflow(tmp_path):
    path = tmp_path / ".github" / "workflows" / "configs.yml"
    path.parent.mkdir(parents=True)
    path.write_text(dict(blocks("docs/ci/github.md"))[".github/workflows/configs.yml"])
    return path


def test_zizmor_is_content(workflow):
    zizmor = shutil.which("zizmor", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if zizmor is None:
        pytest.skip("zizmor is not installed")
    done = subprocess.run(
        [zizmor, "--offline", str(ROOT / "action.yml"), str(workflow)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_actionlint_is_content(workflow):
    if shutil.which("actionlint") is None:
        pytest.skip("actionlint is not installed")
    done = subprocess.run(["actionlint", str(workflow)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_shown_workflows_use_known_inputs_and_options(workflow):
    from ssem_advisor.cli import check

    jobs = YAML(typ="safe").load(workflow.read_text())["jobs"]
    ours = next(each for each in jobs["ssem-advisor"]["steps"] if "OWNER/ssem-advisor" in each.get("uses", ""))
    assert set(ours["with"]) <= set(load("action.yml")["inputs"])
    source = Path(check.__file__).read_text()
    for page in (ROOT / "docs" / "ci").glob("*.md"):
        for line in page.read_text().splitlines():
            if "ssem-advisor check" in line:
                assert all(f'"{option}"' in source for option in re.findall(r"--[a-z-]+", line)), line


# -- pre-commit -----------------------------------------------------------------------------------------------------


def test_the_hooks_look_at_configs_and_not_at_everything():
    check, fix = load(".pre-commit-hooks.yaml")
    assert check["files"] == fix["files"]
    meant = re.compile(check["files"])
    for path in ("configs/a.yaml", "src/conf/model/b.yaml", "train.py", "scripts/run_all.sh", "SupCon_cifar.yaml"):
        assert meant.search(path), path
    for path in (
        "README.md",
        "src/model.py",
        ".github/workflows/ci.yml",
        "docker-compose.yml",
        "tests/test_model.py",
        "setup.py",
    ):
        assert not meant.search(path), path
    assert all(hook["entry"].split()[:2] == ["ssem-advisor", "check"] for hook in (check, fix))


def test_the_hook_installs_without_torch():
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert not [need for need in needs if re.match("torch|lightning|transformers|matplotlib", need)]


@pytest.mark.slow
def test_the_hook_runs_under_pre_commit(tmp_path):
    """The hook is installed from a copy of this working tree and run by the real pre-commit."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    pytest.importorskip("pre_commit")
    copy, project = tmp_path / "hook", tmp_path / "project"
    shutil.copytree(ROOT / "ssem_advisor", copy / "ssem_advisor", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, copy / name)
    project.mkdir()
    (project / "configs").mkdir()
    (project / "configs" / "train.yaml").write_text(PLAIN)
    (project / "other.yaml").write_text(PLAIN)
    identity = {"NAME": "test", "EMAIL": "test@example.com"}
    who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in identity.items()}
    environment = os.environ | who | {"PRE_COMMIT_HOME": str(tmp_path / "cache")}
    for folder in (copy, project):
        for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
            subprocess.run(["git", *command], cwd=folder, env=environment, check=True, capture_output=True)

    def hook():
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", "try-repo", str(copy), "ssem-advisor", "--all-files", "--verbose"],
            cwd=project, env=environment, capture_output=True, text=True,
        )  # fmt: skip

    failed = hook()
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "configs/train.yaml:1:9: SSM201 warning" in failed.stdout
    assert "other.yaml" not in failed.stdout
    (project / "configs" / "train.yaml").write_text(PLAIN.replace("supcon", "simclr"))
    passed = hook()
    assert passed.returncode == 0, passed.stdout + passed.stderr


def test_a_hydra_finding_comes_once_with_its_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loss").mkdir()
    (tmp_path / "config.yaml").write_text("defaults:\n  - loss: supcon\n  - _self_\nbatch_size: 128\nnum_classes: 10\n")
    (tmp_path / "loss" / "supcon.yaml").write_text("_target_: my.SupConLoss\ntemperature: 0.1\n")
    (finding,) = Session().check_paths(["."]).active
    assert (finding.path, finding.root, finding.location.line) == ("loss/supcon.yaml", "config.yaml", 1)
    assert finding.numbers
