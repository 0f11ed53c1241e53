"""The explorer: one self-contained page in which every number follows the sliders, computed in the browser.

Its engine (engine.js) is the closed forms of `ssem_advisor.theory` once more, small enough to travel with the page;
tests hold it to the Python one in a real browser.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from pathlib import Path
from string import ascii_letters, digits
from urllib.parse import urlencode

from ssem_advisor.advice import LARGEST_WEIGHT, LEAST_SHARE_BESIDE, SAFE_SPREAD, WANTED, complete
from ssem_advisor.domain import LOSSES, NotCovered, Setting, SettingError
from ssem_advisor.files import write_atomically
from ssem_advisor.report import plots
from ssem_advisor.theory import estimates, network

_START = Setting(classes=100, batch_size=512, dim=128, temperature=0.1, alpha=0.3)
_FIELDS = {
    "loss": "loss",
    "sampler": "sampler",
    "classes": "classes",
    "instances": "instances_per_class",
    "batch": "batch_size",
    "perBatch": "classes_per_batch",
    "views": "views",
    "dim": "dim",
    "alpha": "alpha",
    "tau": "temperature",
}


def write(path: str | os.PathLike[str], setting: Setting | None = None) -> Path:
    """Write the page to `path`, opened at a setting with scalar fields and equal classes."""
    return write_atomically(path, page(setting).encode())


def page(setting: Setting | None = None) -> str:
    """The page as one HTML document that asks the network for nothing, opened at `setting`.

    Raises NotCovered for what the page does not draw, such as unequal classes: it has one number for the size of all.
    Raises SettingError for a number outside the range of its control.
    """
    if setting is not None:
        _check(setting)
    style = re.sub(r"(?<=[{};:,])\s+|\s+(?=[{}])", "", _lean(_part("style.css")))
    script = _constants() + _tight(_lean(_part("engine.js") + _part("page.js")))
    policy = f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}"
    parts = {"csp": policy, "start": escape(_address(setting or _START)), "style": style, "script": script}
    html = _lean(_part("page.html"))
    for name, text in parts.items():
        html = html.replace(f"{{{name}}}", text, 1)
    return html


# The page takes fewer temperatures than a Setting does (engine.js, `checked`), and all else that a Setting takes.
_TEMPERATURES = (0.005, 100)


def _check(setting: Setting) -> None:
    if setting.unequal:
        raise NotCovered("class_counts: not covered, the explorer needs classes of equal size; see `recommend`")
    if setting.extras:
        raise NotCovered(
            f"{', '.join(setting.extras)}: not covered, the explorer draws {', '.join(LOSSES)} with one temperature, "
            "current embeddings of any sign and no cross-entropy; `ssem-advisor recommend` answers"
        )
    least, most = _TEMPERATURES
    if setting.temperature is not None and not least <= setting.temperature <= most:
        raise SettingError(
            f"temperature={setting.temperature!r}: the explorer takes {least} to {most}; `ssem-advisor recommend` "
            "answers any"
        )


def _constants() -> str:
    """What the page shares with the rest of the package, as a line of script."""
    recipes = [{"label": r.label, "losses": r.losses, "tau": r.temperature, "alpha": r.alpha} for r in plots.RECIPES]
    typical = {
        "reliability": network.TYPICAL_RELIABILITY,
        "share": network.TYPICAL_SHARE,
        "most": network.TYPICAL_MOST,
        "near": estimates.SHARE_NEAR_CLASSES,
    }
    aims = {"safe": SAFE_SPREAD, "wanted": WANTED, "beside": LEAST_SHARE_BESIDE, "largest": LARGEST_WEIGHT}
    shared = aims | {"typical": typical, "recipes": recipes}
    return f"const CONSTANTS = {json.dumps(shared, separators=(',', ':'))};\n"


def _lean(text: str) -> str:
    """Script or style without indentation and lines that only comment: a fifth less to load."""
    text = re.sub(r"^ */\*.*?\*/\n", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^ +(?://.*\n)?|^//.*\n|(?<=[;,)]) // .*$", "", text, flags=re.MULTILINE)


_STRING = re.compile(r"""\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'""")
_MARK = r"[-=+*/<>!&|?:;,(){}\[\]]"


def _tight(code: str) -> str:
    """Script without the blanks beside its operators and the line ends, in short names."""
    short = _short_names(code)

    def squeezed(part: str) -> str:
        part = re.sub(rf"(?<! [-+]) *({_MARK}) (?![-+] ?[-+])| ({_MARK})", r"\1\2", part)
        part = re.sub(r"\n+(?=\W|$)|(?<=\W)\n+", "", part)  # every statement ends with a semicolon
        return re.sub(r"(?<![\w.$])[A-Za-z]\w*", lambda name: short.get(name[0], name[0]), part)

    return "".join(part if quoted else squeezed(part) for part, quoted in _quotes(code))


def _short_names(code: str) -> dict[str, str]:
    """A name of two letters for every variable of the script; none for a name that is that of a property, too."""
    texts = "".join(part for part, quoted in _quotes(code) if quoted)
    rest = "".join('""' if quoted else part for part, quoted in _quotes(code))
    properties = set(re.findall(r"\.(\w+)|\b(\w+):|(?<=[{,] )(\w+)(?=,| })|(?<={)(\w+)", rest))
    kept = {name for found in properties for name in found} | set(re.findall(r"\w+", texts))
    declared = dict.fromkeys(re.findall(r"\b(?:const|let|function) (\w{3,})", rest))
    taken = set(re.findall(r"\w+", code))
    unused = (a + b for a in ascii_letters for b in ascii_letters + digits if a + b not in taken)
    return {name: next(unused) for name in declared if name not in kept}


def _quotes(code: str) -> Iterator[tuple[str, bool]]:
    """The script in parts: what is quoted, a template with its holes as a whole, and what is not."""
    place = 0
    while place < len(code):
        begin = min((at for at in (code.find(mark, place) for mark in "\"'`") if at >= 0), default=len(code))
        if begin > place:
            yield code[place:begin], False
        place = _end_of_quote(code, begin) if begin < len(code) else begin
        if place > begin:
            yield code[begin:place], True


def _end_of_quote(code: str, place: int) -> int:
    """The place after the string or template that begins at one."""
    if code[place] != "`":
        found = _STRING.match(code, place)
        assert found is not None
        return found.end()
    place, depth = place + 1, 0
    while depth or code[place] != "`":
        if depth and code[place] in "\"'`":
            place = _end_of_quote(code, place)
            continue
        if code[place] == "}" and depth:
            depth -= 1
        elif code[place] == "{" and (depth or code[place - 1] == "$"):
            depth += 1
        place += 1
    return place + 1


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _address(setting: Setting) -> str:
    """The setting as the page's address writes it; its batch filled in, its point taken from the page's start."""
    full = complete(setting)[0]
    values = {short: getattr(full, name) for short, name in _FIELDS.items()}
    point = {"alpha": _START.alpha, "tau": _START.temperature}
    return urlencode(
        point | {"network": "typical"} | {short: value for short, value in values.items() if value is not None}
    )
