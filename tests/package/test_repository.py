"""What the repository itself promises: pinned and audited workflows, a page that works outside it, a lean archive."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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
    import tomllib

    text = script(ROOT / ".github/absolute_links.py").with_addresses(
        (ROOT / "pyproject.toml").read_text(), "https://example.org/r"
    )
    assert tomllib.loads(text)["project"]["urls"]["Repository"] == "https://example.org/r"
