"""Runs hostile cases and says what is wrong with how they end; keeps those that failed, as files, in findings.jsonl.

python tests/fuzz/judge.py --seconds 60            fresh cases; prints those that fail
python tests/fuzz/judge.py --first 0 --cases 500   the same 500 at every run
python tests/fuzz/judge.py --keep 123 "why"        add the case of a seed to findings.jsonl
"""

# ruff: noqa: E501
from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import xml.etree.ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile

FINDINGS = Path(__file__).with_name("findings.jsonl")
MOST_SECONDS = 30.0
"""Processor time that a case may take."""


def run(seed: int, only: str | None = None) -> str | None:
    """What is wrong with how the case of a seed ends; None if nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return outcome(hostile.case(seed, folder, only), folder)


def outcome(arguments: list[str], folder: Path) -> str | None:
    """What is wrong with how a command ends: a traceback, a hang, an escape, a connection, NaN in JSON, a disorder."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        code, out, err = command(arguments)
    except _Crash as crash:
        return str(crash)
    finally:
        os.chdir(before)
    if "an error of ssem-advisor itself" in out + err:
        return err.strip()[:300]
    if code not in (0, 1, 2) and not (code == 3 and arguments[0] == "validate"):
        return f"exit code {code}"
    lines = err.strip().splitlines()  # remarks may come before a refusal, which is the last line alone
    if code == 2 and arguments[0] not in ("check", "rule"):
        refusals = [line for line in lines if line.startswith("ssem-advisor: ")]
        if lines[-1:] != refusals or out.strip():
            return f"a refusal that is not one line: {err.strip()[:200]!r}"
    if (folder / hostile.CANARY).exists():
        return "code of the input was executed"
    if _connected:
        asked = _connected.pop()
        _connected.clear()
        return f"the network was asked: {asked}"
    return _steers(arguments, out, err) or (_wrong_answer(arguments, code, out) if code in (0, 1, 3) else None)


class _Crash(BaseException):
    pass


def _hang(*_: Any) -> None:
    raise _Crash(f"more than {MOST_SECONDS:.0f} s of processor time")


def command(arguments: list[str]) -> tuple[Any, str, str]:
    """Exit code, stdout and stderr of a command in this process."""
    from ssem_advisor.cli import app

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    code: Any = 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _untrained(arguments[0]),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", category=RuntimeWarning, module="ssem_advisor")  # a user would see it
        signal.signal(signal.SIGVTALRM, _hang)
        signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
        try:
            code = app(arguments, standalone_mode=False) or 0  # the exit code comes back, no exception
        except SystemExit as end:
            code = end.code or 0
        except _Crash:
            raise
        except BaseException as error:
            if type(error).__name__ not in ("Exit", "Abort"):
                place = traceback.extract_tb(error.__traceback__)[-1]
                raise _Crash(
                    f"{type(error).__name__} at {place.filename}:{place.lineno}: {str(error)[:200]}"
                ) from error
            code = getattr(error, "exit_code", 1)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    for stream in (out, err):
        stream.flush()
    return code, *(stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err))  # type: ignore[attr-defined]


@contextlib.contextmanager
def _untrained(command: str) -> Iterator[None]:
    """`validate` plans, takes up folders and reports, and every training says that it was asked to stop."""
    if command != "validate":
        yield
        return
    from ssem_advisor.experiments import study

    whole = study.execute
    study.execute = lambda task, folder: None  # type: ignore[assignment]
    try:
        yield
    finally:
        study.execute = whole


_connected: list[str] = []


def _listen(event: str, arguments: Any) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        _connected.append(f"{event} {arguments!r}"[:200])


sys.addaudithook(_listen)


def _format(arguments: list[str]) -> str:
    return arguments[arguments.index("--format") + 1] if "--format" in arguments else "text"


def _steers(arguments: list[str], out: str, err: str) -> str | None:
    """Whether a name or a value gets to steer the terminal or the log that a command writes to."""
    form = _format(arguments)
    if any(c in err for c in "\x1b\x9b\x07") or (any(c in out for c in "\x1b\x9b\x07") and "--diff" not in arguments):
        return "a terminal escape in the output"
    if "--diff" in arguments:
        out = ""
    for line in err.splitlines() + (out.splitlines() if form != "github" else []):
        if line.lstrip().startswith("::"):
            return f"a workflow command: {line[:80]!r}"
    if re.search(r"##\w*\[", err + (out if form != "github" else "")):
        return "a workflow command in the middle of a line"
    if form == "github" and arguments[0] == "check":
        for line in out.splitlines():
            if line.startswith("::") and not line.startswith(
                ("::error ", "::warning ", "::notice ", "::debug::", "::group::", "::endgroup::", "::notice::")
            ):
                return f"a workflow command of another kind: {line[:80]!r}"
    return None


def _wrong_answer(arguments: list[str], code: int, out: str) -> str | None:
    """What is wrong with the document or the text of an answer."""
    form = _format(arguments)
    if {"--diff", "--write-baseline"} & {*arguments} or not out.strip():
        return None
    if form in ("json", "sarif"):
        try:
            found = as_json(out)
        except ValueError as error:
            return f"no JSON: {error}"
        return out_of_order(found) if arguments[0] == "recommend" and isinstance(found, dict) else None
    if form == "junit":
        try:
            xml.etree.ElementTree.fromstring(out)
        except xml.etree.ElementTree.ParseError as error:
            return f"no XML: {error}"
    return None


def as_json(text: str) -> Any:
    """A document without NaN and infinities, which JSON does not know; else ValueError."""
    return json.loads(text, parse_constant=_no_number)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def out_of_order(answer: dict[str, Any]) -> str | None:
    """What is wrong with the order of a recommendation: low <= recommended <= high, above the collapse threshold."""
    point, limits = answer.get("recommended"), answer.get("limits")
    for name in ("alpha", "temperature"):
        found = answer.get(name)
        if not isinstance(found, dict):
            continue
        safe, chosen, threshold = found.get("safe"), found.get("recommended"), found.get("collapse_threshold")
        if safe is not None and not 0 <= safe[0] <= safe[1]:
            return f"{name}: safe from {safe[0]} to {safe[1]}"
        if (
            safe is not None
            and chosen is not None
            and point
            and point["state"] == "safe"
            and not safe[0] <= chosen <= safe[1]
        ):
            return f"{name}: recommended {chosen} outside of {safe[0]} to {safe[1]}"
        if name == "alpha" and None not in (safe, threshold) and safe[0] < threshold:
            return f"alpha: safe from {safe[0]}, collapses up to {threshold}"
        if name == "temperature" and None not in (safe, threshold) and safe[1] > threshold:
            return f"temperature: safe up to {safe[1]}, collapses from {threshold}"
        if point is not None and chosen != point[name]:
            return f"{name}: {chosen} in one place, {point[name]} in another"
    if limits is not None:
        low, high = limits["collapse_up_to"], limits["open_above"]
        if (low is not None and low < 0) or (None not in (low, high) and low > high):
            return f"limits: collapse up to {low}, open above {high}"
    points = [found for found in (point, answer.get("given"), *(answer.get("plan") or ())) if isinstance(found, dict)]
    for each in points:
        if not 0 <= each["alpha"] <= 1 or not each["temperature"] > 0:
            return f"a point outside of the domain: alpha {each['alpha']}, temperature {each['temperature']}"
        spread, ends = each.get("free_spread"), each.get("spread_range")
        if spread is not None and not -1e-12 <= spread <= 1 + 1e-12:
            return f"free spread {spread}"
        if None not in (spread, ends) and not ends[0] - 1e-9 <= spread <= ends[1] + 1e-9:
            return f"free spread {spread} outside of its range {ends[0]} to {ends[1]}"
        for name in ("within_class_variance", "optimal_variance"):
            if each.get(name) is not None and not -1e-12 <= each[name] <= 1 + 1e-12:
                return f"{name} {each[name]}"
    return None


# -- findings ------------------------------------------------------------------------------------------------------------


def findings() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FINDINGS.read_text(encoding="utf-8").splitlines()]


def again(finding: dict[str, Any]) -> str | None:
    """What is wrong with how a kept case ends today."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in finding["files"].items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(base64.b64decode(content))
        for link, target in finding["links"].items():
            (folder / link).symlink_to(target)
        return outcome(finding["arguments"], folder)


def keep(seed: int, why: str, only: str | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        arguments = hostile.case(seed, Path(name), only)
        paths = [path for path in sorted(Path(name).rglob("*")) if path.is_symlink() or path.is_file()]
        files = {
            str(p.relative_to(name)): base64.b64encode(p.read_bytes()).decode() for p in paths if not p.is_symlink()
        }
        links = {str(p.relative_to(name)): os.readlink(p) for p in paths if p.is_symlink()}
    with FINDINGS.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"why": why, "arguments": arguments, "files": files, "links": links}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--cases", type=float, default=float("inf"))
    parser.add_argument("--first", type=int, default=random.SystemRandom().randrange(10**6, 10**9))
    parser.add_argument("--only", choices=list(hostile.COMMANDS))
    parser.add_argument("--keep", nargs=2, metavar=("SEED", "WHY"))
    given = parser.parse_args()
    if given.keep:
        keep(int(given.keep[0]), given.keep[1], given.only)
        return
    began, seed, failed, slowest = time.monotonic(), given.first, 0, (0.0, 0)
    while time.monotonic() - began < given.seconds and seed - given.first < given.cases:
        start = time.process_time()
        wrong = run(seed, given.only)
        slowest = max(slowest, (time.process_time() - start, seed))
        if wrong:
            failed += 1
            with tempfile.TemporaryDirectory() as name:
                print(f"{seed}  # {str(hostile.case(seed, Path(name), given.only))[:250]}: {wrong[:300]!r}", flush=True)
        seed += 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"{seed - given.first} cases from seed {given.first}: {failed} failed; slowest {slowest[0]:.1f} s (seed {slowest[1]}), "
        f"{memory:.0f} MB",
        file=sys.stderr,
    )
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
