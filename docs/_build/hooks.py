"""What MkDocs runs while it builds the site: mathematics to MathML, and figures and the explorer made by the code."""

from __future__ import annotations

import html
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from math_core import LatexToMathML
from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))
import evidence
import generate

from ssem_advisor.report import explorer, plots

_TEX = LatexToMathML()
_MATH = re.compile(r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL)
_TAIL = re.compile(r"(<math>(?:(?!</math>).)*</math>[.,;:)]+)", re.DOTALL)  # no line starts with a full stop
_ARGUMENT = re.compile(r"(<p>|\n)([a-z_]+(?:, [a-z_]+)*): (?=\S)")  # "name: meaning" lines of the docstrings


def on_files(files: Any, config: Any) -> Any:
    """Add what is drawn at build time."""
    with tempfile.TemporaryDirectory() as folder:
        made = {
            "figures/phase.svg": plots.phase_diagram,
            "figures/batch.svg": plots.threshold_vs_batch,
            "figures/variance.svg": plots.variance_vs_alpha,
        }
        for name, draw in made.items():
            path = draw(generate.EXAMPLE, Path(folder) / Path(name).name)
            files.append(File.generated(config, name, content=path.read_text(encoding="utf-8")))
    for name, path in evidence.pictures().items():
        files.append(File.generated(config, name, content=path.read_bytes()))
    files.append(File.generated(config, "evidence.md", content=evidence.page()))
    files.append(File.generated(config, "theorems.md", content=generate.theorems()))
    files.append(
        File.generated(
            config, "explorer-page.html", content=explorer.page(generate.EXAMPLE.with_(temperature=0.1, alpha=0.3))
        )
    )
    return files


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Browsers draw MathML by themselves: no script, no network."""
    if page.file.src_uri == "reference/api.md":
        content = _ARGUMENT.sub(r"\1<br>\n<code>\2</code>: ", content).replace("<p><br>\n", "<p>")

    def mathml(match: re.Match[str]) -> str:
        inline, block = match.group(2), match.group(3)
        tex = html.unescape(inline if block is None else block)
        return str(_TEX.convert_with_local_state(tex, displaystyle=block is not None))

    return _TAIL.sub(r'<span class="unbroken">\1</span>', _MATH.sub(mathml, content))
