"""Which files are looked at, and how their bytes become text."""

import os

import pytest

from ssem_advisor.config import OwnConfig, collect, read
from ssem_advisor.domain import AdvisorError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("method: supcon\n")


def found(folder, *paths, own=None):
    return [path.relative_to(folder).as_posix() for path in collect(paths or [folder], own)]


def test_folders_are_searched_for_what_we_read(tmp_path):
    touch(
        tmp_path, "b.yaml", "a/c.toml", "a/run.sh", "README.md", "x.png", "data.csv", "train.py", "conf.json", "y.YML"
    )
    assert found(tmp_path) == ["README.md", "b.yaml", "conf.json", "train.py", "y.YML", "a/c.toml", "a/run.sh"]


def test_environments_and_build_folders_are_skipped(tmp_path):
    touch(
        tmp_path, ".git/x.yaml", "node_modules/x.yaml", ".venv/x.yaml", "__pycache__/x.py", "mine/x.yaml", "keep/x.yaml"
    )
    touch(tmp_path, "mine/pyvenv.cfg", "package.json", "poetry-lock.json")
    assert found(tmp_path) == ["keep/x.yaml"]


def test_a_file_given_by_name_is_read_whatever_it_is_called(tmp_path):
    touch(tmp_path, "settings", ".git/x.yaml")
    assert found(tmp_path, tmp_path / "settings", tmp_path / ".git/x.yaml") == ["settings", ".git/x.yaml"]
    assert read(tmp_path / "settings").runs[0].kind == "supcon"


def test_each_file_once(tmp_path):
    touch(tmp_path, "a.yaml")
    assert found(tmp_path, tmp_path, tmp_path / "a.yaml", f"{tmp_path}/*.yaml") == ["a.yaml"]


def test_globs_and_missing_paths(tmp_path):
    touch(tmp_path, "a/x.yaml", "b/y.yaml")
    assert found(tmp_path, f"{tmp_path}/**/*.yaml") == ["a/x.yaml", "b/y.yaml"]
    for missing in (tmp_path / "gone.yaml", f"{tmp_path}/*.gone"):
        with pytest.raises(AdvisorError, match="check the"):
            list(collect([missing]))


def test_excluded_files(tmp_path):
    touch(tmp_path, "old/x.yaml", "new/y.yaml")
    own = OwnConfig(path=tmp_path / "pyproject.toml", exclude=("old/*",))
    assert found(tmp_path, own=own) == ["new/y.yaml"]


def test_symlink_loops_and_dangling_links(tmp_path):
    touch(tmp_path, "a/x.yaml")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "gone")
    (tmp_path / "self.yaml").symlink_to(tmp_path / "self.yaml")
    assert found(tmp_path) == ["a/x.yaml"]
    for name in ("dangling.yaml", "self.yaml"):
        (path,) = collect([tmp_path / name])
        assert read(path).error


def test_pipes_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    assert found(tmp_path) == []
    assert read(tmp_path / "pipe.yaml").error == "is not a regular file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_files(tmp_path):
    touch(tmp_path, "x.yaml")
    (tmp_path / "x.yaml").chmod(0)
    assert "cannot be read" in read(tmp_path / "x.yaml").error


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"method": "supcon"}', "json"),
        ("method: supcon\n", "yaml"),
        ("# a comment\nloss:\n  name: supcon\n", "yaml"),
        ("[loss]\nname = 'supcon'\n", "toml"),
        ("method = 'supcon'\n", "toml"),
        ("#!/bin/bash\necho\n", "shell"),
        ("CUDA_VISIBLE_DEVICES=0 python x.py --loss supcon", "shell"),
        ("import torch\nloss = SupConLoss(0.1)\n", "python"),
        ("model = dict(type='SupCon')\n", "python"),
        ("just words about supcon", "other"),
    ],
)
def test_standard_input_is_read_by_its_looks(text, form):
    assert read("-", text=text).format == form


@pytest.mark.parametrize(
    ("data", "encoding", "newline"),
    [
        ("method: supcon\n".encode("utf-16"), "utf-16", "\n"),
        (b"\xef\xbb\xbfmethod: supcon\r\n", "utf-8-sig", "\r\n"),
        ("method: supcon # \xe9\n".encode("latin-1"), "latin-1", "\n"),
        ("method: supcon # é\n".encode(), "utf-8", "\n"),
    ],
)
def test_encodings(tmp_path, data, encoding, newline):
    path = tmp_path / "x.yaml"
    path.write_bytes(data)
    document = read(path)
    assert (document.encoding, document.newline, document.runs[0].kind) == (encoding, newline, "supcon")
    assert document.text.encode(encoding) == data


def test_what_says_nothing_contrastive_is_not_even_parsed(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: [unclosed\n")
    document = read(path)
    assert (document.error, document.runs) == (None, [])
