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
from mkdocs.utils import get_relative_url

sys.path.insert(0, str(Path(__file__).parent))
import evidence
import generate
import trainings

from ssem_advisor.lint import all_rules
from ssem_advisor.report import explorer, plots

_TEX = LatexToMathML()
_MATH = re.compile(r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL)
_TAIL = re.compile(r"(<math>(?:(?!</math>).)*</math>[.,;:)]+)", re.DOTALL)  # no line starts with a full stop
# "name: meaning" in the docstrings: at the start of a line, and after a full stop in a paragraph that starts with one.
_ARGUMENT = re.compile(r"(<p>|\n)([a-z_]+(?:, [a-z_]+)*): (?=\S)")
_ARGUMENTS = re.compile(r"<p>[a-z_]+(?:, [a-z_]+)*: .*?</p>", re.DOTALL)
_NEXT = re.compile(r"(?<=[.;]) ([a-z_]+(?:, [a-z_]+)*: )(?=\S)")


FIGURES: dict[str, Any] = {
    "phase": plots.phase_diagram,
    "batch": plots.threshold_vs_batch,
    "variance": plots.variance_vs_alpha,
    "losses": plots.loss_values,
}
_SHIM = "https://unpkg.com/iframe-worker/shim"
_FIGURE = re.compile(r'<img ([^>]*?)src="([^"]*figures/[\w.-]+?)\.svg"([^>]*)>')


def on_config(config: Any) -> Any:
    """The rules in the navigation, from their registry."""
    rules = [{f"{rule.code} {rule.name}": f"rules/{rule.code}.md"} for rule in all_rules()]
    for section in config.nav:
        for pages in section.values():
            for place, page in enumerate(pages if isinstance(pages, list) else []):
                if page == {"Rules": "rules/index.md"}:
                    pages[place] = {"Rules": ["rules/index.md", *rules]}
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add what is drawn at build time."""
    with tempfile.TemporaryDirectory() as folder:
        for name, draw in FIGURES.items():
            for theme in ("light", "dark"):
                path = draw(generate.EXAMPLE, Path(folder) / "figure.svg", paper=plots.Paper(theme=theme))
                drawn = f"figures/{name}{'-dark' * (theme == 'dark')}.svg"
                files.append(File.generated(config, drawn, content=path.read_text(encoding="utf-8")))
        for name, training in trainings.FIGURES.items():
            for theme in ("light", "dark"):
                training(path := Path(folder) / "figure.svg", theme)
                drawn = f"figures/{name}{'-dark' * (theme == 'dark')}.svg"
                files.append(File.generated(config, drawn, content=path.read_text(encoding="utf-8")))
    for name, drawing in evidence.drawings().items():
        files.append(File.generated(config, name, content=drawing))
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
        content = _ARGUMENTS.sub(lambda found: _NEXT.sub(r"\n\1", found.group()), content)
        content = _ARGUMENT.sub(r"\1<br>\n<code>\2</code>: ", content).replace("<p><br>\n", "<p>")

    def mathml(match: re.Match[str]) -> str:
        inline, block = match.group(2), match.group(3)
        tex = html.unescape(inline if block is None else block)
        return str(_TEX.convert_with_local_state(tex, displaystyle=block is not None))

    content = _FIGURE.sub(r'<img \1src="\2.svg#only-light"\3><img \1src="\2-dark.svg#only-dark"\3>', content)
    return _TAIL.sub(r'<span class="unbroken">\1</span>', _MATH.sub(mathml, content))


def on_post_page(output: str, page: Any, config: Any) -> str:
    """The search's helper for pages opened from disk comes with the site, not from the network."""
    return output.replace(_SHIM, get_relative_url("assets/iframe-worker.js", page.url))


def on_post_template(output_content: str, **_: Any) -> str:
    """The same for the page that says that there is no such page."""
    return output_content.replace(_SHIM, "assets/iframe-worker.js")
