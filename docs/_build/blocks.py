"""Run every code block of README.md and docs/, and compare what it prints with what the page says.

    python docs/_build/blocks.py [--write] [PAGE ...]

The blocks of a page run top to bottom in one empty folder. `python` blocks share their names. In `console` blocks each
line after `$ ` is a command, the lines below it its output; a line `...` stands for any lines. A block with a title
is a file of that name. Other `yaml`, `json` and `toml` blocks must parse. --write puts the true output into the page.

A comment above a block changes how it runs: `<!-- run: exit 1 -->` expects that exit code, `<!-- run: slow -->` leaves
it to the slow tests. `<!-- run: slow, about -->` is for what a training prints: the same words, and numbers near those
of the page, which differ a little from machine to machine. The folder that CIFAR_ROOT names is there as `data`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before a block imports torch
ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(
    r"(?:^(?P<indent>[ ]*)<!-- run: (?P<how>[^>]*?) -->\n)?"
    r"^(?P<margin>[ ]*)```(?P<language>\w*)(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=margin)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)


class Mismatch(AssertionError):
    """A block did not do what its page says."""


@dataclass
class Block:
    """A fenced block. `span` is where its body stands in the page."""

    language: str
    title: str | None
    body: str
    how: str
    margin: str
    line: int
    span: tuple[int, int]

    @property
    def slow(self) -> bool:
        return "slow" in self.how

    @property
    def about(self) -> bool:
        return "about" in self.how

    @property
    def exit_code(self) -> int:
        found = re.search(r"exit (\d+)", self.how)
        return int(found.group(1)) if found else 0


@dataclass
class Page:
    path: Path
    text: str = field(init=False)

    def __post_init__(self) -> None:
        self.text = self.path.read_text(encoding="utf-8")

    def blocks(self) -> Iterator[Block]:
        for match in _FENCE.finditer(self.text):
            margin = match["margin"]
            title = re.search(r'title="([^"]+)"', match["info"])
            yield Block(
                language=match["language"],
                title=title.group(1) if title else None,
                body="".join(line.removeprefix(margin) for line in match["body"].splitlines(keepends=True)),
                how=match["how"] or "",
                margin=margin,
                line=self.text.count("\n", 0, match.start("body")),
                span=match.span("body"),
            )


def pages() -> list[Path]:
    """Everything that people read; pages made by the code are held to it elsewhere."""
    made = {"rules", "_build", "examples"}
    docs = [p for p in sorted((ROOT / "docs").rglob("*.md")) if not made & set(p.relative_to(ROOT / "docs").parts)]
    return [ROOT / "README.md", *docs]


def run(page: Page, *, slow: bool = False, write: bool = False) -> int:
    """Run a page; the number of its blocks. Raises Mismatch, naming page and line; `write` mends the page instead."""
    edits: list[tuple[tuple[int, int], str]] = []
    names: dict[str, object] = {"__name__": "__main__"}
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        if "CIFAR_ROOT" in os.environ:
            (Path(folder) / "data").symlink_to(Path(os.environ["CIFAR_ROOT"]).resolve())
        for block in page.blocks():
            if block.slow and not slow:
                continue
            count += 1
            try:
                if block.language == "console":
                    told = _console(block, Path(folder), write)
                    if told != block.body:
                        indented = "".join(
                            block.margin + line if line.strip() else line for line in told.splitlines(True)
                        )
                        edits.append((block.span, indented))
                elif block.title is not None:
                    target = Path(folder) / block.title
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(block.body, encoding="utf-8")
                elif block.language == "python":
                    _python(block, names, Path(folder), page)
                else:
                    _parse(block)
            except Mismatch as error:
                raise Mismatch(f"{page.path.relative_to(ROOT)}:{block.line + 1}: {error}") from error
    for (start, end), text in reversed(edits):
        page.text = page.text[:start] + text + page.text[end:]
    if edits:
        page.path.write_text(page.text, encoding="utf-8")
    return count


def _console(block: Block, folder: Path, write: bool) -> str:
    """The block with its true output. Raises Mismatch unless `write`."""
    if not block.body.startswith("$ "):
        raise Mismatch("a console block starts with '$ '")
    told = ""
    for step in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
        command, expected = _split(step)
        code, output = _shell(command, folder)
        if code != block.exit_code:
            raise Mismatch(f"`{command}` exits {code}, not {block.exit_code}:\n{output}")
        if _matches(expected, output) or (block.about and _nearly(expected, output)):
            told += f"$ {command}\n{expected}"
        elif write:
            told += f"$ {command}\n{_elided(expected, output)}"
        else:
            raise Mismatch(f"`{command}` prints\n{output}\nand the page says\n{expected}")
    return told


def _split(step: str) -> tuple[str, str]:
    """A command, with its continued lines, and the output below it."""
    lines = step.splitlines(keepends=True)
    end = 1
    while lines[end - 1].rstrip("\n").endswith("\\") and end < len(lines):
        end += 1
    return "".join(lines[:end]).rstrip("\n"), "".join(lines[end:])


def _shell(command: str, folder: Path) -> tuple[int, str]:
    if command.startswith("make "):  # it would build a virtual environment, or run these very tests
        target = command.split()[1]
        known = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False).returncode
        if known != 0 or target != "recommend":
            return known, ""
        command = "ssem-advisor recommend --classes 100 --dim 128"
    if command.startswith("pip install "):  # nothing is installed: the extras asked for must be there
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        wanted = {extra for listed in re.findall(r"\[([\w,]+)\]", command) for extra in listed.split(",")}
        return int(not wanted <= project["optional-dependencies"].keys()), ""
    command = command.replace("python docs/", f"python {ROOT}/docs/")
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "CI", "GITHUB_ACTIONS")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
    }
    plain = re.sub(r"\\\n\s*", "", command)  # a command continued over lines, as a shell joins it
    if plain.startswith("ssem-advisor ") and not re.search(r"[|;&<>$`*]", plain):
        return _in_process(shlex.split(plain)[1:], folder, environment)
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    got = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, text=True, check=False, **pipes)
    return got.returncode, _stripped(got.stdout)


def _in_process(arguments: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Our own command without a process of its own: the same code and streams, many times faster."""
    from typer.testing import CliRunner

    from ssem_advisor.cli import app

    before = Path.cwd()
    os.chdir(folder)
    try:
        got = CliRunner().invoke(app, arguments, env=environment, prog_name="ssem-advisor")
    finally:
        os.chdir(before)
    if got.exception is not None and not isinstance(got.exception, SystemExit):
        raise got.exception
    return got.exit_code, _stripped(got.output)


def _stripped(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _elided(expected: str, output: str) -> str:
    """New output with the lines left out that the page left out: kept is what differs in numbers alone."""
    if "...\n" not in expected:
        return output
    shapes = {_shape(line) for line in expected.splitlines()}
    told: list[str] = []
    for line in output.splitlines():
        if _shape(line) in shapes:
            told.append(line)
        elif told[-1:] != ["..."]:
            told.append("...")
    return "".join(f"{line}\n" for line in told)


def _shape(line: str) -> str:
    return re.sub(r"[\d.]+", "#", " ".join(line.split()))


def _nearly(expected: str, output: str, relative: float = 0.15, absolute: float = 0.03) -> bool:
    """Whether the words are the same, wherever lines break, and every number is near that of the page."""
    number, pattern, claimed = r"-?\d+(?:\.\d+)?", "", []
    for piece in re.split(rf"(^\.\.\.\n|{number}|\s+)", expected, flags=re.MULTILINE):
        if re.fullmatch(number, piece):
            pattern += f"({number})"
            claimed.append(float(piece))
        else:
            pattern += ".*?" if piece == "...\n" else r"\s+" if piece.isspace() else re.escape(piece)
    found = re.fullmatch(pattern, output, re.DOTALL)
    return found is not None and all(
        abs(float(told) - page) <= max(relative * abs(page), absolute)
        for told, page in zip(found.groups(), claimed, strict=True)
    )


def _matches(expected: str, output: str) -> bool:
    parts = re.split(r"^\.\.\.\n", expected, flags=re.MULTILINE)
    return re.fullmatch(".*?".join(map(re.escape, parts)), output, re.DOTALL) is not None


def _python(block: Block, names: dict[str, object], folder: Path, page: Page) -> None:
    """Run a block. Where it ends in `# ...` comments after a print, they are what it prints."""
    out, before = io.StringIO(), Path.cwd()
    code = compile("\n" * block.line + block.body, str(page.path), "exec")
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out):
            exec(code, names)
    except Exception as error:
        raise Mismatch(f"{type(error).__name__}: {error}") from error
    finally:
        os.chdir(before)
    printed = [line.strip() for line in out.getvalue().splitlines()]
    claimed = [claim.strip() for claim in re.findall(r"^[^\n#]*\bprint\(.*\)\s+# (.*)$", block.body, re.MULTILINE)]
    if claimed and claimed != printed:
        raise Mismatch(f"the block prints\n{printed}\nand its comments say\n{claimed}")


def _parse(block: Block) -> None:
    try:
        if block.language == "json":
            json.loads(block.body)
        elif block.language == "toml":
            tomllib.loads(block.body)
        elif block.language == "yaml":
            YAML(typ="safe").load(block.body)
        elif block.language not in ("text", "mermaid"):
            raise Mismatch(f"no way to run a {block.language or 'nameless'} block; use python, console or text")
    except (ValueError, YAMLError) as error:
        raise Mismatch(str(error)) from error


def main(arguments: list[str]) -> None:
    write, slow = "--write" in arguments, "--slow" in arguments
    chosen = [Path(name).resolve() for name in arguments if not name.startswith("--")] or pages()
    failed = False
    for path in chosen:
        try:
            print(f"{path.relative_to(ROOT)}: {run(Page(path), write=write, slow=slow)} blocks")
        except Mismatch as error:
            failed = True
            print(error)
    raise SystemExit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])
