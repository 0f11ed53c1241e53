"""The explorer: one self-contained page in which every number follows the sliders, computed in the browser.

Its engine (engine.js) is the closed forms of `ssem_advisor.theory` once more, small enough to travel with the page;
tests hold it to the Python one in a real browser. Where every class has its own threshold no closed form answers: then
the page carries those of the first and the last class for the setting that it opens at, computed here.
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
from typing import Any
from urllib.parse import urlencode

import numpy as np

from ssem_advisor.advice import LARGEST_WEIGHT, LEAST_SHARE_BESIDE, SAFE_SPREAD, WANTED, complete, outlook_of
from ssem_advisor.domain import LOSSES, NotCovered, Setting, SettingError
from ssem_advisor.files import write_atomically
from ssem_advisor.report import plots
from ssem_advisor.report.boundary import boundary_of
from ssem_advisor.theory import estimates, network, reference_losses
from ssem_advisor.theory.regime import Regime

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


def write(path: str | os.PathLike[str], setting: Setting | None = None, sizes: str | None = None) -> Path:
    """Write the page to `path`, opened at a setting with scalar fields; `sizes` as for `page`."""
    return write_atomically(path, page(setting, sizes).encode())


def page(setting: Setting | None = None, sizes: str | None = None) -> str:
    """The page as one HTML document that asks the network for nothing, opened at `setting`.

    sizes: the options that say the sizes of unequal classes in a command, such as "--dataset cifar100-lt"; None = the
        sizes themselves where they are not too many to print. With unequal classes the controls of loss, batch and
        dimension lead to another page.
    Raises NotCovered for what the page does not draw and where no theorem speaks. Raises SettingError for a
    number outside the range of its control.
    """
    given, start = None, _START
    if setting is not None:
        _check(setting)
        setting = complete(setting)[0]
        given, start = _given(setting, sizes), outlook_of(setting).stand_in
    style = re.sub(r"(?<=[{};:,])\s+|\s+(?=[{}])", "", _lean(_part("style.css")))
    script = _constants(given) + _tight(_lean(_part("engine.js") + _part("page.js")))
    policy = f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}"
    parts = {"csp": policy, "start": escape(_address(start)), "style": style, "script": script}
    html = _lean(_part("page.html"))
    for name, text in parts.items():
        html = html.replace(f"{{{name}}}", text, 1)
    return html


_MOST_PRINTED = 100  # class sizes
_WEIGHTS = 41  # at which the page knows reference losses
# The page takes fewer temperatures than a Setting does (engine.js, `checked`), and all else that a Setting takes.
_TEMPERATURES = (0.005, 100)


def _check(setting: Setting) -> None:
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


def _given(setting: Setting, sizes: str | None) -> dict[str, Any] | None:
    """The thresholds of a complete setting that the page cannot work out, and what it must know to tell when they
    hold; None where it can."""
    outlook = outlook_of(setting)
    if outlook.regime in (Regime.EXACT, Regime.FINITE):
        return None
    least, most = plots.TEMPERATURES
    own = float(setting.temperature or _START.temperature)
    boundary = boundary_of(setting, (min(least, own), max(most, own)), {own})
    first, last = boundary.limits * 1e6
    counts = setting.class_counts or ()
    return {
        "of": {
            short: getattr(outlook.stand_in, name) for short, name in _FIELDS.items() if short not in ("alpha", "tau")
        },
        "batch": setting.batch_size,
        "sizes": f"{min(counts)} to {max(counts)} instances" if setting.unequal else None,
        "source": sizes or f"--class-counts {','.join(map(str, counts)) if len(counts) <= _MOST_PRINTED else 'FILE'}",
        # The page knows its own temperature by its digits; those between need not be exact.
        "taus": [tau if tau in (least, own, most) else float(f"{tau:.6g}") for tau in boundary.temperatures.tolist()],
        "values": (np.stack([np.floor(first), np.ceil(last)]) / 1e6).tolist(),  # the first down, the last up
        "slopes": boundary.slopes.round(5).tolist(),
        "error": float(f"{boundary.error:.1g}"),
        "losses": _losses(setting.with_(temperature=own)),
    }


def _losses(setting: Setting) -> dict[str, Any] | None:
    """Reference losses of unequal classes at one temperature, over the weight; None where theory does not know them.

    The page draws straight lines between the weights, which are close where the optimum bends: near 0 and 1.
    """
    if not setting.unequal:
        return None
    weights = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, _WEIGHTS))
    found = np.array([reference_losses(setting.with_(alpha=float(weight))) for weight in weights]).T
    if np.isnan(found).any():
        return None
    rows = [found[0, [0, -1]], *found[1:]]  # total collapse is linear in the weight
    # With half the weights the lines miss the others by four times as much.
    error = max(np.abs(np.interp(weights[1::2], weights[::2], found[2, ::2]) - found[2, 1::2]).max() / 4, 1e-4)
    return {
        "tau": setting.temperature,
        "at": [[float(f"{value:.5g}") for value in row] for row in rows],
        "error": float(f"{error:.1g}"),
    }


def _constants(given: dict[str, Any] | None = None) -> str:
    """What the page shares with the rest of the package, as a line of script."""
    recipes = [{"label": r.label, "losses": r.losses, "tau": r.temperature, "alpha": r.alpha} for r in plots.RECIPES]
    typical = {
        "reliability": network.TYPICAL_RELIABILITY,
        "share": network.TYPICAL_SHARE,
        "most": network.TYPICAL_MOST,
        "near": estimates.SHARE_NEAR_CLASSES,
    }
    aims = {"safe": SAFE_SPREAD, "wanted": WANTED, "beside": LEAST_SHARE_BESIDE, "largest": LARGEST_WEIGHT}
    shared = aims | {"typical": typical, "recipes": recipes, "given": given}
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
    """A complete setting as the page's address writes it; its point taken from the page's start where it has none."""
    values = {short: getattr(setting, name) for short, name in _FIELDS.items()}
    point = {"alpha": _START.alpha, "tau": _START.temperature}
    return urlencode(
        point | {"network": "typical"} | {short: value for short, value in values.items() if value is not None}
    )
