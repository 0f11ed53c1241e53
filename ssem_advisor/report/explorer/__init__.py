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
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlencode

from ssem_advisor.advice import LARGEST_WEIGHT, LEAST_SHARE_BESIDE, SAFE_SPREAD, WANTED, complete
from ssem_advisor.domain import NotCovered, Setting
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

    Raises NotCovered for unequal classes: the page has one number for the size of all.
    """
    if setting is not None and setting.unequal:
        raise NotCovered("class_counts: not covered, the explorer needs classes of equal size; see `recommend`")
    style = re.sub(r"(?<=[{};:,])\s+|\s+(?=[{}])", "", _lean(_part("style.css")))
    code = re.sub(r"^(const|let) (.*?) = ", r"\1 \2=", _lean(_part("engine.js") + _part("page.js")), flags=re.MULTILINE)
    script = _constants() + re.sub(" (=>|===|!==|&&|[|]{2}|[?]{2}|<=|>=) ", r"\1", code)
    policy = f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}"
    parts = {"csp": policy, "start": escape(_address(setting or _START)), "style": style, "script": script}
    html = _lean(_part("page.html"))
    for name, text in parts.items():
        html = html.replace(f"{{{name}}}", text, 1)
    return html


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
