"""The evidence page, from what `validation/` holds: a folder for each study, with protocol, result and picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VALIDATION = Path(__file__).resolve().parents[2] / "validation"

_HEAD = """# Evidence

Theorems speak of the optimum; does training go there? Each study below is a protocol that `ssem-advisor validate` runs,
and the recorded result of one real run on CPU, every claim beside a negative control. Anybody can run it again:

```text
ssem-advisor validate --config validation/STUDY/protocol.yaml
```

**Free spread** is what instances of one class differ in beside the classes: what the theorems speak of, and what keeps
finer labels. The rest of the within-class variance is **confusion** (the network mixes up classes) and **view noise**
(two views of one image differ). *Estimate* is the free spread expected of a network with the view reliability and the
directions that were measured, *typical* that of a typical network, said without looking; *optimum* is the theorem.
Measured values are means over seeds with 95 % intervals. A *fine probe* is a linear classifier of labels that training
never saw.

Every picture is one temperature. Top: dots are measured, the ring is the recommended weight. Middle: the three parts
of the variance, over the weight. Bottom: the accuracy of linear probes. Studies that were recorded before confusion was
measured show the instances' own variance, which is free spread and confusion together.

Images are stratified subsets of CIFAR, as each study says; on the full files, with the same fast front end or a ResNet:

```text
ssem-advisor validate --suite cifar10 --classes 5 --data-root DIR
ssem-advisor validate --suite cifar100 --coarse --data-root DIR
ssem-advisor validate --suite cifar10 --network resnet18 --data-root DIR --device cuda
```

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


def pictures() -> dict[str, Path]:
    """Name on the site -> picture of a study."""
    found = (path for folder, _ in studies() for path in sorted(folder.rglob("*.svg")))
    return {f"evidence/{path.relative_to(VALIDATION).parts[0]}-{path.name}": path for path in found}


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
        counts = [str(sum(c["verdict"] == v for c in claims)) for v in ("confirmed", "refuted", "undecided")]
        rows.append(f"| [{_title(folder)}](#{folder.name}) | **{result['verdict']}** | {' | '.join(counts)} |\n")
    head = "| study | verdict | confirmed | refuted | undecided |\n| --- | --- | --- | --- | --- |\n"
    return f"{head}{''.join(rows)}\n"


def _study(folder: Path, result: dict[str, Any] | None) -> str:
    text = _readme(folder).partition("\n")[2].strip()
    parts = [f"## {_title(folder)} {{#{folder.name}}}\n\n", f"{_shifted(text)}\n\n" if text else ""]
    shown = [f"![{_title(folder)}]({name})" for name, path in pictures().items() if folder in path.parents]
    if shown:
        parts.append('<div class="evidence-pictures" markdown>\n\n' + "\n".join(shown) + "\n\n</div>\n\n")
    if result is None:
        return "".join(parts)
    for suite in result["suites"]:
        parts.append("| claim | verdict | |\n| --- | --- | --- |\n")
        for claim in suite["claims"]:
            control = f" *Control: {claim['control']}.*" if claim.get("control") else ""
            parts.append(
                f"| {claim['number']}. {claim['title']} | **{claim['verdict']}** | {claim['summary']}.{control} |\n"
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
