"""What the repository itself promises: pinned and audited workflows, a page that works outside it, a lean archive."""

import importlib.util
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

import ssem_advisor

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def script(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda p: p.name)
def test_every_foreign_action_is_pinned_to_a_commit(path):
    for used in re.findall(r"uses:\s*(\S+)", path.read_text()):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", used), used


def test_workflows_pass_an_audit():
    auditor = Path(sys.executable).with_name("zizmor")
    done = subprocess.run(
        [auditor, "--offline", "--quiet", ".github", "action.yml"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_citation_names_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == ssem_advisor.__version__
    assert f"## {cited['version']} ({cited['date-released']})" in (ROOT / "CHANGELOG.md").read_text()


def test_links_of_the_package_page_are_absolute():
    absolute = script(ROOT / ".github/absolute_links.py").absolute
    page = absolute((ROOT / "README.md").read_text(), "https://example.org/r", "v1")
    for link in re.findall(r"\]\(([^)\s]+)|(?:src|srcset|href)=\"([^\"]+)", page):
        assert re.match(r"https?://|#|mailto:", "".join(link)), link
    pictured = absolute("[![CI](a.svg)](b.md) ![p](c.png) [t](#here) [u](https://x.y)", "https://example.org/r", "v1")
    assert pictured == (
        "[![CI](https://example.org/r/raw/v1/a.svg)](https://example.org/r/blob/v1/b.md) "
        "![p](https://example.org/r/raw/v1/c.png) [t](#here) [u](https://x.y)"
    )


def test_release_adds_the_repository_to_the_metadata():
    text = script(ROOT / ".github/absolute_links.py").with_addresses(
        (ROOT / "pyproject.toml").read_text(), "https://example.org/r"
    )
    assert tomllib.loads(text)["project"]["urls"]["Repository"] == "https://example.org/r"


def test_every_path_of_the_contributing_page_exists():
    page = (ROOT / "docs/contributing.md").read_text()
    named = re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:py|md|toml|yml|cff))`", page)
    named += re.findall(r"python ([\w./-]+\.py)", page)
    assert len(named) > 20
    roots = (ROOT, ROOT / "ssem_advisor", ROOT / ".github/workflows")
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_the_contributing_page_knows_every_layer():
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    page = (ROOT / "docs/contributing.md").read_text()
    block = page[page.index("```text") : page.index("## Where each kind")]
    assert re.findall(r"^([a-z]+(?: \| [a-z]+)*)(?:  |$)", block, re.M) == layers


def test_the_source_archive_holds_what_builds_and_tests_and_no_pictures(tmp_path):
    archive = next(SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))
    with tarfile.open(archive) as tar:
        sizes = {member.name.partition("/")[2]: member.size for member in tar.getmembers()}
    assert {"pyproject.toml", "README.md", "Makefile", "ssem_advisor/py.typed", "docs/index.md"} <= set(sizes)
    assert not [name for name in sizes if name.endswith(".png") or name.startswith(("validation/", "benchmarks/"))]
    assert sum(sizes.values()) < 8e6


FOREIGN = {  # what others made, and the file that holds their licence
    "docs/assets/stix-two-math.woff2": "docs/assets/stix-two-math.LICENSE.txt",
    "docs/assets/iframe-worker.js": "docs/assets/iframe-worker.js",
    "tests/lint/data/sarif-schema-2.1.0.json": "tests/lint/data/sarif-schema-2.1.0.LICENSE.txt",
}


def test_what_others_made_is_never_without_its_licence(tmp_path):
    """In the repository, the source archive and the wheel; a font that is new has to be named here."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    archive = next(SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))
    with tarfile.open(archive) as tar:
        source = [name.partition("/")[2] for name in tar.getnames()]
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    packed = zipfile.ZipFile(wheel).namelist()
    assert [name for name in packed if name.startswith("ssem_advisor-") and name.endswith("licenses/LICENSE")]
    for names in (listed, source, packed):
        made = {name for name in names if name in FOREIGN or name.endswith((".woff", ".woff2", ".ttf", ".otf"))}
        assert {FOREIGN[name] for name in made} <= {*names}
    for licence in FOREIGN.values():
        assert re.search("permission is hereby granted|may be copied", (ROOT / licence).read_text(), re.I), licence
