"""Score the reader on configs in the forms of public repositories: `python tests/config/public.py [FOLDER]`.

A case is a folder with what a user would point `check` at and `expect.json`, what a careful human reads from it:
`file`; `kind`; `fields`, null where the file does not say; `where`, how each is said ("implied: ..." may be left
unread); `accept`, further answers that are right; `code_defaults`, what stands only in the training code and may be
given as "assumed" alone; `must_warn`, whether a finding about collapse is due (null: either way).
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ssem_advisor.config import TrainingRun, Value, read
from ssem_advisor.lint import Policy, check_document

HERE = Path(__file__).parent / "public"
SHARED = Path(__file__).parents[3] / "shared" / "corpus"
NUMBERS = ("temperature", "alpha", "classes", "dim", "batch_size", "views")
FIELDS = (*NUMBERS, "dataset", "epochs")
COLLAPSE = {"SSM101", "SSM102", "SSM103", "SSM201", "SSM202", "SSM203", "SSM403"}
RIGHT_TOO = {
    "ce+supcon": {"supcon"}, "self-only": {"not-contrastive"}, "not-contrastive": {"unknown"},
}  # fmt: skip
"""Kinds that are as good as the human's for what the rules say of them."""


def cases(folder: Path = HERE) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/expect.json"))


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def same(name: str, found: Any, wanted: Any) -> bool:
    if name == "dataset":
        flat = ["".join(c for c in str(v).replace("\\", "/").rstrip("/").split("/")[-1].lower() if c.isalnum())
                for v in (found, wanted)]  # fmt: skip
        return flat[1] in flat[0]
    return isinstance(wanted, (int, float)) and abs(found - wanted) <= 1e-9 * max(1, abs(wanted))


def judge(name: str, value: Value | None, want: dict[str, Any], kind: str) -> str:
    """One field: "right", "implied" (left to be inferred), "missed", "extra" (also fine), "silent" or "wrong"."""
    wanted, accepted = want["fields"].get(name), listed(want["accept"].get(name, []))
    if value is None:
        if wanted is None or want["must_not_flag"]:
            return "silent"
        by_kind = name == "alpha" and wanted == 0 and kind in ("supcon", "ce+supcon")
        where = str(want["where"].get(name, ""))
        return "implied" if by_kind or where.startswith("implied") or None in accepted else "missed"
    if wanted is not None and same(name, value.value, wanted):
        return "right"
    if any(same(name, value.value, each) for each in accepted if each is not None):
        return "extra" if wanted is None else "right"
    default = want["code_defaults"].get(name)
    if value.origin == "assumed" and wanted is None and (default is None or same(name, value.value, default)):
        return "extra"
    return "wrong"


def outcome(case: Path) -> dict[str, Any]:
    """What the reader and the rules make of one case, beside what a human does."""
    want = json.loads((case / "expect.json").read_text(encoding="utf-8"))
    document = read(case / want["file"])
    result = check_document(document, Policy(), want["file"])
    kinds = {want["kind"], *RIGHT_TOO.get(want["kind"], ()), *listed(want["accept"].get("kind", []))}
    runs: list[TrainingRun] = document.runs or [TrainingRun("not-contrastive", "")]
    fitting = [run for run in runs if run.kind in kinds]
    readings = [{name: judge(name, run.fields.get(name), want, run.kind) for name in FIELDS} for run in fitting or runs]
    best = min(readings, key=lambda fields: (Counter(fields.values())["wrong"], -Counter(fields.values())["right"]))
    loud = {each.rule.code for each in result.active if each.severity in ("error", "warning")}
    due = want.get("must_warn", want["kind"] in ("supcon", "ce+supcon"))
    return {
        "error": document.error, "kind": bool(fitting), "kinds": [run.kind for run in runs], "fields": best,
        "alarm": bool(want["must_not_flag"] and loud), "flagged": bool(COLLAPSE & loud), "due": due,
    }  # fmt: skip


def score(folder: Path) -> dict[str, Any]:
    found = {case.name: outcome(case) for case in cases(folder)}
    fields = Counter(verdict for each in found.values() for name, verdict in each["fields"].items() if name in NUMBERS)
    flags = Counter((each["due"], each["flagged"]) for each in found.values())
    wrong = sum(list(each["fields"].values()).count("wrong") for each in found.values())
    made, due = flags[True, True] + flags[False, True], flags[True, True] + flags[True, False]
    read_, all_ = (sum(fields[v] for v in vs) for vs in (("right", "implied"), ("right", "implied", "missed", "wrong")))
    return {
        "cases": len(found), "errors": sum(each["error"] is not None for each in found.values()),
        "alarms": sum(each["alarm"] for each in found.values()), "wrong": wrong,
        "kinds": sum(each["kind"] for each in found.values()), "fields": (read_, all_),
        "precision": (flags[True, True], made), "recall": (flags[True, True], due),
        "notes": {
            name: (each["kinds"], {k: v for k, v in each["fields"].items() if v in ("wrong", "missed")})
            for name, each in found.items()
            if not each["kind"]
            or each["due"] not in (None, each["flagged"])
            or set(each["fields"].values()) & {"wrong", "missed"}
        },
    }  # fmt: skip


if __name__ == "__main__":
    for place in [Path(each) for each in sys.argv[1:]] or [HERE, *([SHARED] if SHARED.is_dir() else [])]:
        result = score(place)
        for note in result.pop("notes").items():
            print(*note)
        print(place.name, result)
