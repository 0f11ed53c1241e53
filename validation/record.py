"""Run a protocol of this folder and record what came out.

    python validation/record.py digits-5 [--work DIR] [--jobs N] [--judge-again]

Leaves result.json (claims and points), runs.jsonl (one line per model), environment.json and picture.svg beside the
protocol. --work keeps the run's own folder, from which an interrupted run goes on. --judge-again trains nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from ruamel.yaml import YAML

from ssem_advisor.experiments import claims
from ssem_advisor.experiments.protocol import Protocol, read
from ssem_advisor.experiments.run import run
from ssem_advisor.report import validation

HERE = Path(__file__).parent


def record(name: str, work: Path, jobs: int | None) -> int:
    path = HERE / name / "protocol.yaml"
    protocols = read(path, YAML(typ="safe").load(path.read_text()))
    report = run(protocols, out=work, device="cpu", jobs=jobs, warn=lambda m: print(m, file=sys.stderr))
    (suite,) = report["suites"]
    lines = [json.dumps({k: v for k, v in r.items() if k != "view"}) for r in suite.pop("runs")]
    (HERE / name / "runs.jsonl").write_text("\n".join(lines) + "\n")
    del report["environment"]  # that of the run is in its own file; that of a resumption says nothing
    report["seconds"] = sum(json.loads(line)["seconds"] for line in lines)
    shutil.copy(work / "environment.json", HERE / name)
    return keep(name, report, suite)


def judge_again(name: str) -> int:
    """Judge the recorded runs by the theory and the defaults of today; nothing is trained."""
    path = HERE / name / "result.json"
    report = json.loads(path.read_text())
    (suite,) = report["suites"]
    runs = [json.loads(line) for line in (HERE / name / "runs.jsonl").read_text().splitlines()]
    found = claims.judge(Protocol.from_mapping(suite["protocol"], str(path)), runs)
    suite["claims"], suite["points"] = [asdict(c) for c in found], claims.points(runs)
    suite["curves"] = claims.predicted_curves(runs)
    suite["verdict"] = report["verdict"] = claims.overall(c.verdict for c in found)
    report["exit_code"] = claims.EXIT_CODES[report["verdict"]]
    return keep(name, report, suite)


def keep(name: str, report: dict, suite: dict) -> int:
    (HERE / name / "picture.svg").write_text(validation.picture(suite))
    for curve in suite["curves"]:
        for fine in ("alphas", "optimum", "expected"):
            curve.pop(fine, None)  # theory at a hundred weights: recomputed, not recorded
    (HERE / name / "result.json").write_text(json.dumps(report, indent=1) + "\n")
    print(name, report["verdict"])
    return int(report["exit_code"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(p.parent.name for p in HERE.glob("*/protocol.yaml")))
    parser.add_argument("--work", type=Path)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--judge-again", action="store_true")
    options = parser.parse_args()
    if options.judge_again:
        sys.exit(judge_again(options.name))
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(record(options.name, options.work or Path(scratch), options.jobs))
