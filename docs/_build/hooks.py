"""What MkDocs runs while it builds the site: mathematics to MathML, and figures and the explorer made by the code."""

from __future__ import annotations

import html
import itertools
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
_PHONE = (4.2, 4.6)  # inches: letters stay readable on a screen of 390 pixels
_SHIM = "https://unpkg.com/iframe-worker/shim"
# A long name in a table may break after these, and nowhere else.
_CELL = re.compile(r"<td[^>]*>.*?</td>", re.DOTALL)
_LONG_NAME = re.compile(r"(?<=<code>)[^<>]{16,}(?=</code>)")
_BREAK = re.compile(r"(?<=[A-Za-z0-9])([._/=(,])(?=[A-Za-z0-9])")
_FIGURE = re.compile(r'<img ([^>]*?)src="([^"]*figures/[\w.-]+?)\.svg"([^>]*)>')


def on_config(config: Any) -> Any:
    """The rules in the navigation, from their registry."""
    rules = [{f"{rule.code} {rule.name}": f"rules/{rule.code}.md"} for rule in all_rules()]
    for section in config.nav:
        for pages in section.values():
            for place, page in enumerate(pages if isinstance(pages, list) else []):
                if page == {"Rules": "rules/index.md"}:
                    pages[place] = {"Rules": [{"Rules": "rules/index.md"}, *rules]}
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add what is drawn at build time."""
    themes: tuple[plots.Theme, ...] = ("light", "dark")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figure.svg"
        for theme, narrow in itertools.product(themes, (False, True)):
            ending = f"{'-narrow' * narrow}{'-dark' * (theme == 'dark')}.svg"
            for name, draw in FIGURES.items():
                draw(generate.EXAMPLE, path, paper=plots.Paper(_PHONE if narrow else None, theme))
                files.append(File.generated(config, f"figures/{name}{ending}", content=path.read_text("utf-8")))
            for name, training in trainings.FIGURES.items():
                training(path, theme, narrow)
                files.append(File.generated(config, f"figures/{name}{ending}", content=path.read_text("utf-8")))
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

    content = _FIGURE.sub(_pictures, content)
    content = _CELL.sub(lambda cell: _LONG_NAME.sub(_breakable, cell.group()), content)
    return _TAIL.sub(r'<span class="unbroken">\1</span>', _MATH.sub(mathml, content))


def _breakable(name: re.Match[str]) -> str:
    return _BREAK.sub(r"\1<wbr>", name.group())


def _pictures(image: re.Match[str]) -> str:
    """One picture for each theme, and for a phone its narrow form where there is one."""
    before, name, after = image.groups()
    shown = []
    for theme, ending in (("light", ""), ("dark", "-dark")):
        picture = f'<img {before}src="{name}{ending}.svg#only-{theme}"{after}>'
        if name.rpartition("/")[2] in FIGURES.keys() | trainings.FIGURES.keys():
            narrow = f'<source media="(max-width: 44.98em)" srcset="{name}-narrow{ending}.svg">'
            picture = f"<picture>{narrow}{picture}</picture>"
        shown.append(picture)
    return "".join(shown)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """The search's helper for pages opened from disk comes with the site, not from the network."""
    return output.replace(_SHIM, get_relative_url("assets/iframe-worker.js", page.url))


# A server shows this page at any address, and from disk it stands beside the home page. So it brings its own
# style, and looks for the home page above the site's folders in its address.
_MISSING = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>No such page - ssem-advisor</title>
<style>
body { max-width: 34rem; margin: 20vh auto 0; padding: 0 1.2rem; font: 1.05rem/1.6 system-ui, sans-serif; }
</style>
</head>
<body>
<h1>No such page</h1>
<p>There is no page at this address. <a id="home" href="index.html">The home page</a> has the search and all pages.</p>
<script>
const above = location.pathname.replace(/\\b(FOLDERS)\\/.*|[^\\/]*$/, "");
document.getElementById("home").href = above + "index.html";
</script>
</body>
</html>
"""


def on_post_template(output_content: str, template_name: str, config: Any, **_: Any) -> str:
    """The page that says that there is no such page."""
    if template_name != "404.html":
        return output_content
    folders = sorted(
        path.name for path in Path(config.docs_dir).iterdir() if path.is_dir() and path.name[0] not in "_."
    )
    return _MISSING.replace("FOLDERS", "|".join(folders))
