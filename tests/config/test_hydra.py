"""Hydra folders are composed as hydra-core composes them, and nothing outside the project is opened."""

import pytest

from ssem_advisor.config import read
from ssem_advisor.config.includes import follow
from ssem_advisor.config.reader import _included

LAYOUTS = {
    "self last by default": {"config": "defaults: [{a: x}]\na: {v: 1}\nw: 2\n", "a/x": "v: 3\nu: 4\n"},
    "self first": {"config": "defaults: [_self_, {a: x}]\na: {v: 1}\n", "a/x": "v: 3\n"},
    "self in the middle": {
        "config": "defaults: [{a: x}, _self_, {b: y}]\na: {v: 1}\nb: {v: 1}\n",
        "a/x": "v: 3\n",
        "b/y": "v: 5\n",
    },
    "global package": {"config": "defaults: [{a: x}, _self_]\nlr: 1\n", "a/x": "# @package _global_\nlr: 2\nd: {e: 3}"},
    "named package": {"config": "defaults: [{a: x}]\n", "a/x": "# @package model.loss\ntemperature: 0.1\n"},
    "package in the list": {"config": "defaults: [{a@model: x}, {a@_global_: z}]\n", "a/x": "v: 1\n", "a/z": "w: 2\n"},
    "nested defaults": {
        "config": "defaults: [{model: big}]\n",
        "model/big": "defaults: [base, {loss: supcon}]\ndepth: 50\n",
        "model/base": "depth: 18\nwidth: 1\n",
        "model/loss/supcon": "temperature: 0.1\n",
    },
    "absolute group": {
        "config": "defaults: [{model: big}]\n",
        "model/big": "defaults: [{/loss: supcon}]\nd: 1\n",
        "loss/supcon": "temperature: 0.1\n",
    },
    "override": {
        "config": "defaults: [{model: small}, {experiment: birds}]\n",
        "model/small": "d: 18\n",
        "model/big": "d: 50\n",
        "experiment/birds": "# @package _global_\ndefaults: [{override /model: big}]\nepochs: 3\n",
    },
    "here": {
        "config": "defaults: [{model: big}]\n",
        "model/big": "defaults: [{loss@_here_: supcon}]\nd: 1\n",
        "model/loss/supcon": "temperature: 0.1\n",
    },
    "optional and null": {"config": "defaults: [{optional a: gone}, {b: null}, {c: z}]\n", "c/z": "v: 1\n"},
    "plain names": {"config": "defaults: [base, c/z]\nv: 9\n", "base": "v: 1\nw: 2\n", "c/z": "v: 1\n"},
    "suffix": {"config": "defaults: [{c: z.yaml}]\n", "c/z": "v: 1\n"},
    "lists replace": {"config": "defaults: [{c: z}]\nc: {l: [1]}\n", "c/z": "l: [1, 2, 3]\nm: {a: 1}\n"},
    "several options": {"config": "defaults: [{c: [y, z]}]\n", "c/z": "v: 1\n", "c/y": "v: 2\nw: 1\n"},
}  # fmt: skip


def lay(folder, layout):
    for name, text in layout.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "config.yaml"


def flat(node, path=()):
    if isinstance(node, dict) and node:
        return {key: value for name, inner in node.items() for key, value in flat(inner, (*path, name)).items()}
    if isinstance(node, list) and node:
        return {key: value for i, inner in enumerate(node) for key, value in flat(inner, (*path, i)).items()}
    return {path: node}


@pytest.mark.filterwarnings("ignore:.*_self_:UserWarning")
@pytest.mark.parametrize("name", LAYOUTS)
def test_composes_like_hydra(tmp_path, name):
    hydra = pytest.importorskip("hydra")
    omegaconf = pytest.importorskip("omegaconf")
    path = lay(tmp_path, LAYOUTS[name])
    with hydra.initialize_config_dir(str(tmp_path), version_base=None):
        want = omegaconf.OmegaConf.to_container(hydra.compose("config"))
    (tmp_path / "pyproject.toml").touch()
    tree = follow(_included(path), _included)
    assert {leaf.path: leaf.value for leaf in tree.leaves if leaf.quirk != "option"} == flat(want)


def test_values_keep_the_place_of_their_own_file(tmp_path):
    path = lay(
        tmp_path,
        {"config": "defaults: [{loss: supcon}]\nbatch_size: 64\n", "loss/supcon": "name: supcon\ntemperature: 0.1\n"},
    )
    fields = read(path).runs[0].fields
    assert fields["batch_size"].location.path is None
    assert fields["temperature"].location.path == (tmp_path / "loss/supcon.yaml").resolve()
    assert (fields["temperature"].location.line, fields["temperature"].location.column) == (2, 14)


def test_interpolation_crosses_files(tmp_path):
    path = lay(
        tmp_path,
        {"config": "defaults: [{loss: supcon}]\ntau: 5e-2\n", "loss/supcon": "name: supcon\ntemperature: ${tau}\n"},
    )
    value = read(path).runs[0].fields["temperature"]
    assert value.value == 0.05
    assert value.location.path is None


@pytest.mark.parametrize(
    "defaults",
    [
        "[{a: ../../outside}]",
        "[../outside]",
        "[/etc/passwd]",
        "[{a: '${x}'}]",
        "[pkg://os]",
        "[{a: gone}]",
        "[config]",
        "[a/loop]",
    ],
)
def test_what_is_not_followed_is_said_and_nothing_is_assumed(tmp_path, defaults):
    project = tmp_path / "project"
    path = lay(project, {"config": f"defaults: {defaults}\nloss: supcon\n", "a/loop": "defaults: [/config]\n"})
    (project / "pyproject.toml").touch()
    (tmp_path / "outside.yaml").write_text("temperature: 9.0\n")
    (run,) = read(path).runs
    assert "temperature" not in run.fields
    assert "include" in {trap.name for trap in run.traps}


def test_base_files_are_followed_inside_the_project_only(tmp_path):
    project = tmp_path / "project"
    (project / "configs").mkdir(parents=True)
    (project / ".git").mkdir()
    (project / "base.py").write_text(
        "model = dict(head=dict(loss=dict(type='SupConLoss', temperature=0.2)))\nbatch_size = 8\n"
    )
    (tmp_path / "secret.py").write_text("temperature = 9.0\n")
    child = project / "configs" / "child.py"
    child.write_text("_base_ = ['../base.py', '../../secret.py']\nbatch_size = 16\n")
    (run,) = read(child).runs
    assert (run.get("temperature"), run.get("batch_size")) == (0.2, 16)
    assert [trap.key for trap in run.traps if trap.name == "include"] == ["_base_.1"]


def test_a_link_out_of_the_project_is_not_followed(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    (tmp_path / "secret.yaml").write_text("temperature: 9.0\n")
    (project / "base.yaml").symlink_to(tmp_path / "secret.yaml")
    (project / "child.yaml").write_text("_base_: base.yaml\nloss: supcon\n")
    (run,) = read(project / "child.yaml").runs
    assert run.get("temperature") is None


def test_delete_replaces_a_section_of_the_base(tmp_path):
    (tmp_path / "base.yaml").write_text("loss: {name: supcon, temperature: 0.1}\nbatch_size: 4\n")
    child = tmp_path / "child.yaml"
    child.write_text("_base_: base.yaml\nloss: {_delete_: true, name: supcon}\n")
    (run,) = read(child).runs
    assert (run.get("temperature"), run.get("batch_size")) == (None, 4)


def test_a_fan_of_includes_is_bounded(tmp_path):
    for level in range(12):
        names = ", ".join(f"n{level + 1}_{i}" for i in range(6)) if level < 11 else ""
        for i in range(6):
            (tmp_path / f"n{level}_{i}.yaml").write_text(f"defaults: [{names}]\nloss: supcon\n")
    document = read(tmp_path / "n0_0.yaml")
    assert document.error is None
    assert "include" in {trap.name for trap in document.runs[0].traps}
