"""The evidence page, from what `validation/` holds: a folder for each study, with protocol, result and picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VALIDATION = Path(__file__).resolve().parents[2] / "validation"

_HEAD = """---
hide: [toc]
---

# Evidence

The theorems describe the optimum of the loss. This page shows whether training reaches it. Each study is a protocol
that `ssem-advisor validate` runs, with the recorded result of one real run on a CPU. Every claim stands beside a
negative control. You can run a study again:

```text
ssem-advisor validate --config validation/STUDY/protocol.yaml
```

## How to read the pictures

The variance inside the classes has three parts. **Free spread** is what instances of one class differ in and what
does not point towards other classes: it is what finer labels need, and what the theorems describe. **Confusion** is
the part in which the network mixes up classes. **View noise** is the difference between two views of the same
image.

Each picture belongs to one temperature and shows everything against the weight alpha.

- **Top:** the free spread. Dots are measured, as means over seeds with 95 % intervals, and the ring marks the
  recommended weight. *Optimum* is what the theorem says, *typical* is the prediction for a typical network before
  any measurement, and *estimate* is the prediction with the measured quality of the views and the measured number
  of directions. The vertical line is the collapse threshold.
- **Middle:** the three parts of the variance. This panel is missing in studies that were recorded before confusion
  was measured; their top panel shows free spread and confusion together.
- **Bottom:** the accuracy of linear classifiers on the embedding, for the trained labels and for finer labels that
  training never saw.

The image studies use stratified subsets of [CIFAR](https://www.cs.toronto.edu/~kriz/cifar.html), as each study
says. These commands run on the full files:

```text
ssem-advisor validate --suite cifar10 --classes 5 --data-root DIR
ssem-advisor validate --suite cifar100 --coarse --data-root DIR
ssem-advisor validate --suite cifar10 --network resnet18 --data-root DIR --device cuda
```

## All studies

"""


def studies() -> Iterator[tuple[Path, dict[str, Any] | None]]:
    """Every study with something recorded: its folder, and its result where that is a report of `validate`."""
    for folder in sorted(VALIDATION.glob("*/")):
        path = folder / "result.json"
        result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if "suites" in result:
            yield folder, result
        elif (folder / "README.md").exists():
            yield folder, None


_DARK = ":root{--ink:#e8ecf2;--soft:#a3aebd;--line:#3a4350}"


def pictures() -> dict[str, Path]:
    """Name on the site -> picture of a study."""
    found = (path for folder, _ in studies() for path in sorted(folder.rglob("*.svg")))
    return {f"figures/{path.relative_to(VALIDATION).parts[0]}-{path.name}": path for path in found}


def drawings() -> dict[str, str]:
    """Name on the site -> SVG: every picture, and the same on the ground of a dark page."""
    drawn = {}
    for name, path in pictures().items():
        drawn[name] = light = path.read_text(encoding="utf-8")
        dark = light.replace("<style>", f"<style>{_DARK}", 1).replace('fill="#fff"/>', 'fill="#1e2129"/>', 1)
        drawn[f"{name.removesuffix('.svg')}-dark.svg"] = dark
    return drawn


def page() -> str:
    found = list(studies())
    parts = [_HEAD, _summary(found)]
    for folder, result in found:
        parts.append(_study(folder, result))
    return "".join(parts)


def _summary(found: list[tuple[Path, dict[str, Any] | None]]) -> str:
    rows = []
    for folder, result in found:
        if result is None:
            continue
        claims = [claim for suite in result["suites"] for claim in suite["claims"] if claim["verdict"] != "not tested"]
        counts = {v: sum(c["verdict"] == v for c in claims) for v in ("confirmed", "refuted", "undecided")}
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        rows.append(f"| [{_title(folder)}](#{folder.name}) | {_verdict(result['verdict'])} | {told} |\n")
    head = "| study | verdict | its claims |\n| --- | --- | --- |\n"
    return f"{head}{''.join(rows)}\n"


def _verdict(word: str) -> str:
    """A verdict in the colour of its kind; the word says it, too."""
    return f'<span class="verdict {word.split()[0]}">{word}</span>'


def _study(folder: Path, result: dict[str, Any] | None) -> str:
    text = _readme(folder).partition("\n")[2].strip()
    parts = [f"## {_title(folder)} {{#{folder.name}}}\n\n", f"{_shifted(text)}\n\n" if text else ""]
    shown = [f"![{_title(folder)}]({name})" for name, path in pictures().items() if folder in path.parents]
    if shown:
        parts.append('<div class="evidence-pictures" markdown>\n\n' + "\n".join(shown) + "\n\n</div>\n\n")
    if result is None:
        return "".join(parts)
    for suite in result["suites"]:
        parts.append("| claim | verdict | what was found |\n| --- | --- | --- |\n")
        for claim in suite["claims"]:
            control = f" *Control: {claim['control']}.*" if claim.get("control") else ""
            parts.append(
                f"| {claim['number']}. {claim['title']} | {_verdict(claim['verdict'])} "
                f"| {claim['summary']}.{control} |\n"
            )
        parts.append("\n")
        if suite["suite"] != "embeddings":
            parts.append(_points(suite))
    return "".join(parts)


def _points(suite: dict[str, Any]) -> str:
    """Predicted against measured, folded away."""
    lines = [
        '??? info "Every point"\n',
        "    | τ | α | typical | estimate | free spread | confusion | view noise | fine probe | trained labels |\n",
        "    " + "| --- " * 9 + "|\n",
    ]
    for point in suite["points"]:
        star = " (recommended)" if point["recommended"] else ""
        cells = [
            f"{point['temperature']:g}",
            f"{point['alpha']:.3g}{star}",
            _number(point["typical"]),
            *(_number(_mean(point, name)) for name in ("estimate",)),
            _interval(point.get("free_spread", point["own_variance"])),
            *(_number(_mean(point, name)) for name in ("confusion", "view_noise", "probe_fine", "probe_coarse")),
        ]
        lines.append(f"    | {' | '.join(cells)} |\n")
    return "".join(lines) + "\n"


def _mean(point: dict[str, Any], name: str) -> float | None:
    found = point.get(name)
    return None if found is None else float(found["mean"])


def _interval(value: dict[str, Any]) -> str:
    span = "" if value["low"] is None else f" [{_number(value['low'])}, {_number(value['high'])}]"
    return f"{_number(value['mean'])}{span}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _readme(folder: Path) -> str:
    path = folder / "README.md"
    if path.exists():
        return path.read_text(encoding="utf-8")
    comments = re.match(r"(?:#.*\n)*", (folder / "protocol.yaml").read_text(encoding="utf-8"))
    return f"# {folder.name}\n\n" + re.sub(r"^# ?", "", comments[0] if comments else "", flags=re.MULTILINE)


def _title(folder: Path) -> str:
    return _readme(folder).partition("\n")[0].lstrip("# ").strip()


def _shifted(text: str) -> str:
    """Headings two levels lower; links and pictures that lead into the folder are left to the table and the picture."""
    text = re.sub(r"^#", "###", text, flags=re.MULTILINE)
    text = re.sub(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n*", "", text)
    return re.sub(r"\[([^\]]*)\]\((?!https?:|#)[^)]*\)", r"\1", text)
