"""Every code block of README.md and docs/ runs and prints what its page says."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import blocks
import pytest

ROOT = blocks.ROOT
PAGES = [path for path in blocks.pages() if list(blocks.Page(path).blocks())]


QUICK = [path for path in PAGES if any(not block.slow for block in blocks.Page(path).blocks())]


@pytest.mark.parametrize("path", QUICK, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_blocks_of_a_page_do_what_it_says(path):
    assert blocks.run(blocks.Page(path)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_slow_blocks_too(path):
    if "--data-root data" in path.read_text() and "CIFAR_ROOT" not in os.environ:
        pytest.skip("CIFAR_ROOT names no folder with cifar-100-python")
    blocks.run(blocks.Page(path), slow=True)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_fits_the_page(path):
    """92 columns stand beside the navigation at 1280 pixels; what a command prints is wrapped by the page."""
    for block in blocks.Page(path).blocks():
        for number, line in enumerate(block.body.splitlines(), block.line + 2):
            typed = block.language != "console" or line.startswith("$ ")
            assert len(line) <= 92 or not typed, f"{path.name}:{number} has {len(line)} columns"


def page_of(folder: Path, text: str):
    path = folder / "page.md"
    path.write_text(textwrap.dedent(text))
    return blocks.Page(path)


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ false\n```\n",
        "<!-- run: exit 3 -->\n```console\n$ true\n```\n",
        "```python\nprint(1)  # 2\n```\n",
        "```python\nraise KeyError\n```\n",
        "```yaml\na: [\n```\n",
        "```json\n{]\n```\n",
        "```sh\ntrue\n```\n",
        "```console\necho\n```\n",
    ],
)
def test_a_block_that_lies_is_found(tmp_path, monkeypatch, text):
    monkeypatch.setattr(blocks, "ROOT", tmp_path)
    with pytest.raises(blocks.Mismatch, match=r"page.md:\d+"):
        blocks.run(page_of(tmp_path, text))


def test_blocks_share_a_folder_and_dots_stand_for_lines(tmp_path):
    text = """
    ```yaml title="sub/a.yaml"
    a: 1
    ```

    ```console
    $ cat sub/a.yaml; seq 5
    a: 1
    ...
    5
    ```

    ```python
    x = open("sub/a.yaml").read()
    ```

    ```python
    print(x.strip())  # a: 1
    ```
    """
    assert blocks.run(page_of(tmp_path, text)) == 4


def test_what_a_training_prints_may_differ_a_little(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "ROOT", tmp_path)
    block = (
        "<!-- run: about -->\n```console\n$ printf 'healthy\\n7 lines\\nfine {} coarse\\nand so on\\n'\n"
        "healthy\n...\nfine 0.297 coarse\n...\n```\n"
    )
    for told, holds in (("0.31", True), ("0.25", False), ("none", False)):
        page = page_of(tmp_path, block.replace("{}", told))
        if holds:
            assert blocks.run(page) == 1
        else:
            with pytest.raises(blocks.Mismatch):
                blocks.run(page)


def test_write_puts_the_true_output_into_the_page(tmp_path):
    page = page_of(tmp_path, "- item\n\n    ```console\n    $ echo one\n    two\n    ```\n")
    blocks.run(page, write=True)
    assert "    $ echo one\n    one\n    ```" in page.path.read_text()


def test_a_command_may_continue_on_the_next_line(tmp_path):
    page = page_of(tmp_path, "```console\n$ ssem-advisor \\\n    --version\n...\n```\n")
    assert blocks.run(page) == 1


def test_write_leaves_out_what_the_page_left_out(tmp_path):
    page = page_of(tmp_path, "```console\n$ printf 'a\\nb 2\\nc\\n'\n...\nb 1\n...\n```\n")
    blocks.run(page, write=True)
    assert page.path.read_text().endswith("...\nb 2\n...\n```\n")
    assert blocks.run(blocks.Page(page.path)) == 1
