"""Score the reader on configs in the forms of public repositories: `python tests/config/public.py`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ssem_advisor.config import read
from ssem_advisor.lint import Policy, check_document

CASES = Path(__file__).parent / "public" / "cases.yaml"
FIELDS = ("temperature", "alpha", "classes", "dim", "batch_size", "views", "dataset", "epochs")
COLLAPSE = {"SSM101", "SSM102", "SSM103", "SSM201", "SSM202", "SSM203", "SSM403"}


def cases() -> list[dict[str, Any]]:
    return YAML(typ="safe", pure=True).load(CASES.read_text(encoding="utf-8"))


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """What the reader and the rules make of one case, beside what a human does."""
    document = read(Path("/nowhere") / case["file"], text=case["text"])
    result = check_document(document, Policy(), case["file"])
    kinds = case["kind"] if isinstance(case["kind"], list) else [case["kind"]]
    runs = document.runs or [None]
    fitting = [run for run in runs if (run.kind if run else "not-contrastive") in kinds]
    scores = []
    for run in fitting or runs:
        score = Counter()
        for name in FIELDS:
            want, found = case["fields"].get(name), run.fields.get(name) if run else None
            if found is None or (found.origin == "assumed" and want is None):
                score["missed" if want is not None and run else "silent"] += 1
            elif want is None and found.origin == "inferred":
                score["extra"] += 1
            else:
                same = str(found.value).lower() == str(want).lower() or found.value == want
                score["right" if same else f"wrong {name}={found.value}"] += 1
        scores.append(score)
    return {
        "kind": bool(fitting), "got": [run.kind if run else "not-contrastive" for run in runs],
        "flagged": bool(COLLAPSE & {finding.rule.code for finding in result.active}), "flag": case["flag"],
        "fields": max(scores, key=lambda score: score["right"]),
    }  # fmt: skip


def score() -> dict[str, Any]:
    kinds, flags, fields, notes = 0, Counter(), Counter(), []
    every = cases()
    for case in every:
        found = outcome(case)
        kinds += found["kind"]
        if found["flag"] is not None:
            flags[
                ("true " if found["flag"] == found["flagged"] else "false ")
                + ("alarm" if found["flagged"] else "silence")
            ] += 1
        fields.update({name.split()[0]: n for name, n in found["fields"].items()})
        odd = [name for name in found["fields"] if name.startswith(("wrong", "missed"))]
        if not found["kind"] or odd or found["flag"] not in (None, found["flagged"]):
            notes.append((case["name"], found["got"], "flagged" if found["flagged"] else "silent", odd))
    return {"cases": len(every), "kinds": kinds, "flags": flags, "fields": fields, "notes": notes}


if __name__ == "__main__":
    result = score()
    for note in result.pop("notes"):
        print(*note)
    print(result)
