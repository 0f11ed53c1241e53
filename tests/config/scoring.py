"""What a careful human reads from each config of the corpus, and how the reader compares.

`python tests/config/scoring.py` writes the tables of docs/reading.md anew.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from ssem_advisor.config import Document, read
from ssem_advisor.config.dialects import DIALECTS

CORPUS = Path(__file__).parent / "corpus"
PAGE = Path(__file__).parents[2] / "docs" / "reading.md"
FIELDS = (
    "temperature", "alpha", "classes", "dim", "batch_size", "views", "dataset", "loss", "epochs", "sampler",
    "classes_per_batch", "base_temperature", "precision", "world_size",
)  # fmt: skip


def cases() -> list[Path]:
    """The configs of the corpus that have an expected reading."""
    return sorted(path.with_name(path.name.removesuffix(".expected.json")) for path in CORPUS.rglob("*.expected.json"))


def expected(path: Path) -> dict[str, Any]:
    return json.loads(path.with_name(f"{path.name}.expected.json").read_text(encoding="utf-8"))


def observed(document: Document) -> dict[str, Any]:
    """A document in the form of the expected readings."""
    runs = []
    for run in document.runs:
        fields = {}
        for name, value in run.fields.items():
            if name in FIELDS:
                place = value.location
                fields[name] = {"value": value.value, "origin": value.origin}
                if place is not None:
                    fields[name]["line"] = place.line
                    if place.path is not None:
                        fields[name]["file"] = place.path.relative_to(document.path.parent.resolve()).as_posix()
        runs.append({"kind": run.kind, "fields": fields, "missing": run.missing, "traps": {t.name for t in run.traps}})
    return {"runs": runs, "error": document.error is not None}


def score() -> tuple[dict[str, Counter[str]], Counter[str]]:
    """For each field how often the reader was right, wrong, silent or correctly silent; and the same for the kind."""
    tallies: dict[str, Counter[str]] = {name: Counter() for name in FIELDS}
    kinds: Counter[str] = Counter()
    for path in cases():
        want, got = expected(path)["runs"], observed(read(path))["runs"]
        for position in range(max(len(want), len(got))):
            human = want[position] if position < len(want) else {"kind": "not-contrastive", "fields": {}}
            machine = got[position] if position < len(got) else {"kind": "not-contrastive", "fields": {}}
            kinds["right" if human["kind"] == machine["kind"] else "wrong"] += 1
            for name in FIELDS:
                there, read_ = human["fields"].get(name), machine["fields"].get(name)
                if read_ is None:
                    tallies[name]["missed" if there else "silent"] += 1
                else:
                    same = there is not None and there["value"] == read_["value"]
                    tallies[name]["right" if same else "wrong"] += 1
        if not want and not got:
            kinds["right"] += 1
    return tallies, kinds


def table() -> str:
    tallies, kinds = score()
    lines = [
        "| field | runs in which a person reads it | precision | recall |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, tally in tallies.items():
        present, given = tally["right"] + tally["missed"], tally["right"] + tally["wrong"]
        precision = f"{tally['right'] / given:.3f}" if given else "-"
        recall = f"{tally['right'] / present:.3f}" if present else "-"
        lines.append(f"| {name} | {present} | {precision} | {recall} |")
    total = kinds.total()
    lines += ["", f"Kind of the run: {kinds['right']} of {total} right, over {len(cases())} files."]
    return "\n".join(lines)


QUANTITIES = {
    "temperature": "temperature",
    "alpha": "alpha",
    "views": "views",
    "batch_size": "batch size",
    "dim": "dimension",
}


def dialects() -> str:
    """One row for each dialect: what it is, and which keys it knows; two columns, which a phone has room for."""
    lines = ["| dialect | keys, in the order in which they are tried |", "| --- | --- |"]
    for dialect in DIALECTS:
        keys = []
        for quantity, name in QUANTITIES.items():
            known = [f"`{key}`" for tier in dialect.fields.get(quantity, ()) for key in tier.split()]
            if quantity == "alpha" and dialect.weights is not None:
                known = [f"share of `{dialect.weights[1]}` beside `{dialect.weights[0]}`"]
            generic = quantity not in dialect.fields and quantity != "alpha"
            keys.append(f"**{name}**: {', '.join(known) or ('generic' if generic else 'none')}")
        if dialect.assumed:
            keys.append(f"**assumed**: {', '.join(f'{name} {value}' for name, value in dialect.assumed.items())}")
        notes = f"<br>{dialect.notes}" if dialect.notes else ""
        lines.append(f"| **{dialect.title}** (`{dialect.name}`){notes} | {'<br>'.join(keys)} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The documentation page with its generated parts renewed."""
    for name, make in (("dialects", dialects), ("score", table)):
        begin, end = f"<!-- {name}: generated -->", f"<!-- end of {name} -->"
        text = re.sub(
            f"{re.escape(begin)}.*?{re.escape(end)}",
            lambda _, b=begin, e=end, m=make: f"{b}\n{m()}\n{e}",
            text,
            flags=re.S,
        )
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
