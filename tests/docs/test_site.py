"""Pages made by the code are not stale; the site builds strictly; its mathematics needs no script and no network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import generate
import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium binary on this machine")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    got = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert got.returncode == 0, got.stdout + got.stderr
    return folder


def test_generated_pages_are_what_the_code_makes():
    for path, text in generate.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is stale: python docs/_build/generate.py"


def test_every_command_is_in_the_reference():
    from ssem_advisor.cli import COMMANDS

    text = (ROOT / "docs" / "reference" / "cli.md").read_text()
    for command in COMMANDS:
        assert f"\n## {command}\n" in text


def test_the_site_builds_strictly_and_every_page_is_in_it(site):
    skipped = {"_build"}
    for page in (ROOT / "docs").rglob("*.md"):
        relative = page.relative_to(ROOT / "docs")
        if not skipped & set(relative.parts):
            assert (site / relative.with_suffix(".html")).exists(), relative


def test_every_public_type_is_on_the_api_page():
    text = (ROOT / "docs" / "reference" / "api.md").read_text()
    listed = set(re.findall(r"^::: ssem_advisor\.\S*?(\w+)$", text, re.MULTILINE))
    package = import_module("ssem_advisor")
    assert {name for name in package.__all__ if not name.startswith("__")} <= listed
    for room in ("advice", "diagnosis", "losses", "measurement", "theory", "training"):
        module = import_module(f"ssem_advisor.{room}")
        assert {name for name in module.__all__ if isinstance(getattr(module, name), type)} <= listed, room


def test_every_theorem_has_its_proof_where_it_says(site):
    from ssem_advisor.theory.registry import theorems

    listed = (site / "theorems.html").read_text()
    for key, theorem in theorems().items():
        assert f'id="{key}"' in listed
        page, _, anchor = theorem.page.partition("#")
        assert f'id="{anchor}"' in (site / page).with_suffix(".html").read_text(), theorem.page


def test_mathematics_is_mathml(site):
    page = (site / "theory" / "batches.html").read_text()
    assert page.count("<math") > 30
    for path in site.rglob("*.html"):
        assert "arithmatex" not in path.read_text(), path


def test_pages_load_nothing_from_the_network(site):
    for path in site.rglob("*.html"):
        text = path.read_text()
        loaded = re.findall(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(https?:[^"]+)"', text)
        loaded += re.findall(r'<link\b[^>]*rel="(?:stylesheet|preconnect)"[^>]*href="(https?:[^"]+)"', text)
        assert not loaded, f"{path.name}: {loaded}"


# The theme wraps tables after the page has loaded, so this is waited for.
_FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
_WIDE_CODE = """() => [...document.querySelectorAll('.md-typeset pre > code')]
    .filter(code => code.offsetParent && code.scrollWidth > code.clientWidth + 1).map(code => code.innerText)"""


@needs_chromium
def test_no_page_scrolls_sideways_and_no_code_on_a_desktop(site):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for path in sorted(site.rglob("*.html")):
            if path.name == "explorer-page.html":
                continue
            page.set_viewport_size({"width": 1280, "height": 900})
            page.goto(path.as_uri())
            page.wait_for_function(_FITS)
            assert page.evaluate(_WIDE_CODE) == [], path.relative_to(site)
            page.set_viewport_size({"width": 360, "height": 900})
            page.wait_for_function(_FITS)
        browser.close()


@needs_chromium
@pytest.mark.parametrize("missing", ["gone.html", "rules/gone.html", "theory/old/gone.html"])
def test_a_missing_page_leads_home_from_any_address(site, missing):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        shown = (site / "404.html").read_text()
        page.route("**/*", lambda route: route.fulfill(status=404, content_type="text/html", body=shown))
        page.goto(f"http://site.test/project/{missing}")
        assert page.get_by_role("link").get_attribute("href") == "/project/index.html"
        browser.close()


_FAINT = """() => {
    const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const light = (element, name) => {
        const [r, g, b] = getComputedStyle(element)[name].match(/[\\d.]+/g).map((c) => linear(c / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = light(document.querySelector(".md-typeset pre > code"), "backgroundColor");
    return [...document.querySelectorAll(".md-typeset pre code, .md-typeset pre code span")]
        .filter((e) => [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
        .filter((e) => {
            const [low, high] = [light(e, "color"), ground].sort((a, b) => a - b);
            return (high + 0.05) / (low + 0.05) < 7;
        }).map((e) => e.textContent);
}"""


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_code_and_what_it_prints_has_a_contrast_of_seven(site, scheme):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=scheme)
        for name in ("quickstart", "ci-in-three-minutes", "guides/solo-learn"):
            page.goto((site / name).with_suffix(".html").as_uri())
            assert page.evaluate(_FAINT) == [], name
        browser.close()


@needs_chromium
def test_the_search_finds_pages_from_disk(site):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((site / "faq.html").as_uri())
        page.fill(".md-search__input", "temperature")
        page.wait_for_selector(".md-search-result__item", timeout=60_000)
        assert page.locator(".md-search-result__item").count() > 3
        browser.close()


def test_every_rule_is_in_the_navigation(site):
    from ssem_advisor.lint import all_rules

    page = (site / "rules" / "index.html").read_text()
    navigation = page[page.index('<nav class="md-nav md-nav--primary') :]
    for rule in all_rules():
        assert f'href="{rule.code}.html"' in navigation, rule.code


def test_every_recorded_study_is_on_the_evidence_page(site):
    text = (site / "evidence.html").read_text()
    recorded = [path.parent for path in (ROOT / "validation").glob("*/result.json")]
    assert recorded
    for folder in recorded:
        assert f'id="{folder.name}"' in text, folder.name
