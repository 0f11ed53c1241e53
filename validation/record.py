"""Run a protocol of this folder and record what came out.

    python validation/record.py digits-5 [--data-root DIR] [--work DIR] [--jobs N] [--judge-again]

Leaves result.json (claims and points), runs.jsonl (one line per model), environment.json and pictures beside the
protocol. --work keeps the run's own folder, from which an interrupted run goes on. --judge-again trains nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

from ssem_advisor.experiments.claims import EXIT_CODES
from ssem_advisor.experiments.protocol import Protocol, read
from ssem_advisor.experiments.record import Record
from ssem_advisor.experiments.study import run_study
from ssem_advisor.experiments.suite import SuiteReport
from ssem_advisor.report import evidence_pictures

HERE = Path(__file__).parent


def record(name: str, work: Path, jobs: int | None, data_root: str | None) -> int:
    path = HERE / name / "protocol.yaml"
    protocols = [p.with_(data_root=data_root) for p in read(path, YAML(typ="safe").load(path.read_text()))]
    report = run_study(protocols, out=work, device="cpu", jobs=jobs, warn=lambda m: print(m, file=sys.stderr))
    (suite,) = report["suites"]
    suite["protocol"]["data_root"] = None
    lines = [json.dumps({k: v for k, v in r.items() if k != "view"}) for r in suite.pop("runs")]
    (HERE / name / "runs.jsonl").write_text("\n".join(lines) + "\n")
    del report["environment"]  # that of the run is in its own file; that of a resumption says nothing
    report["seconds"] = sum(json.loads(line)["seconds"] for line in lines)
    shutil.copy(work / "environment.json", HERE / name)
    return keep(name, report, suite)


def judge_again(name: str) -> int:
    """Judge the recorded runs by the theory and the defaults of today; nothing is trained."""
    report = json.loads((HERE / name / "result.json").read_text())
    (suite,) = report["suites"]
    protocol = Protocol.from_mapping(suite["protocol"], str(HERE / name / "result.json"))
    records = [Record.from_dict(json.loads(line)) for line in (HERE / name / "runs.jsonl").read_text().splitlines()]
    judged = SuiteReport.of(protocol, records, **suite["tasks"], stopped_early=suite["stopped_early"])
    report["verdict"], report["exit_code"] = str(judged.verdict), EXIT_CODES[judged.verdict]
    found = judged.to_dict()
    del found["runs"]
    return keep(name, report | {"suites": [found]}, found)


def keep(name: str, report: dict, suite: dict) -> int:
    for old in (HERE / name).glob("picture*.svg"):
        old.unlink()
    for file, picture in evidence_pictures.files(suite).items():
        (HERE / name / file).write_text(picture)
    for curve in suite["curves"]:
        for fine in ("alphas", "optimum", "typical"):
            curve.pop(fine, None)  # theory at a hundred weights: recomputed, not recorded
    (HERE / name / "result.json").write_text(json.dumps(report, indent=1) + "\n")
    print(name, report["verdict"])
    return int(report["exit_code"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(p.parent.name for p in HERE.glob("*/protocol.yaml")))
    parser.add_argument("--data-root", help="the folder of the images' standard files; it is not recorded")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--judge-again", action="store_true")
    options = parser.parse_args()
    if options.judge_again:
        sys.exit(judge_again(options.name))
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(record(options.name, options.work or Path(scratch), options.jobs, options.data_root))
