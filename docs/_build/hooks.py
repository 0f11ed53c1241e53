"""What MkDocs runs while it builds the site: mathematics to MathML, pages and figures made by the code."""

from __future__ import annotations

import html
import re
from typing import Any

from math_core import LatexToMathML

_TEX = LatexToMathML(macros={"tr": r"\operatorname{tr}", "Var": r"\operatorname{Var}"})
_MATH = re.compile(r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL)


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Browsers draw MathML by themselves: no script, no network."""

    def mathml(match: re.Match[str]) -> str:
        inline, block = match.group(2), match.group(3)
        tex = html.unescape(inline if block is None else block)
        return str(_TEX.convert_with_local_state(tex, displaystyle=block is not None))

    return _MATH.sub(mathml, content)
