"""One generator of hostile input for all commands: `case(seed)` is the same command line and files at every run.

`python tests/fuzz/hostile.py --seconds 60` runs fresh seeds and prints those that fail; put them into seeds.txt.
"""

# ruff: noqa: E501
from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CORPUS = Path(__file__).parents[1] / "config" / "corpus"
SEEDS = Path(__file__).with_name("seeds.txt")
ODD = (
    "0", "-1", "1", "2", "3", "10", "1000", "1e-300", "1e300", "1e308", "nan", "inf", "-inf", "1e-3", "0.07", "0.5", "1.0", "100",
    "9" * 30, "9" * 310, "9" * 5000, "", " ", "x", "True", "null", "[]", "{}", "1,2", "5,5,5", "1,1,1,2", "0x10", "1_0", "\u0661",
    "::error::x", "##[stop-commands]x", "\x1b[31mred", "\x1b]0;title\x07", "%0A::set-output::", "<script>alert(1)</script>",
    "../../etc/passwd", "/dev/zero", "/dev/null", ".", "a\nb", "é", "\U0001f986", "\udc80", "-", "--", "$(id)", "`id`", "*",
)  # fmt: skip
SPLICES = (
    *ODD, "\0", "\ufeff", "\r\n", "\t", "&a [*a]", "<<: *x", "!!python/object/apply:os.system ['true']", "${a}", "${", "{{", "???",
    "'", '"', "\\", "\\\n", "$(rm -rf x)", "<<EOF", "_base_: [a, b]", "defaults: [{a: b}]", "defaults:\n - sub: a\n - _self_\n",
    "[" * 70, "{" * 70, "- " * 70, "!" * 99, "%YAML 1.1\n---\n", "---\n", "? [a]\n: b", "supcon", "temperature: 0.1\n", "alpha: on\n",
    "class_counts: [5, 3, 2]\n", "class_counts: [[1, 2], [3]]\n", "--temp", "=", "\x85", "\u2028", "def f(:\n", "dict(", "\x0c",
    "# ssem: ignore[", "# ssem: ignore-file", "dim: 1\n", "classes: 100000\n", "batch_size: 1000000000\n", "[a.b.c]\n", "[[a]]\n",
)  # fmt: skip
OWN = (
    "[tool.ssem-advisor]\ngoal = 'transfer'\nselect = ['SSM1']\nignore = ['SSM201']\nbaseline = 'base.json'\nexclude = ['x/*']\n"
    "dialects = ['generic']\n[tool.ssem-advisor.fields]\nalpha = ['w.a']\n[tool.ssem-advisor.defaults]\nkind = 'supcon'\nclasses = 10\n"
    "class_counts = [5, 3]\n[tool.ssem-advisor.per-file.'*.yaml']\ngoal = 'classification'\n[tool.ssem-advisor.per-file-ignores]\n"
    "'*.py' = ['SSM201']\n"
)
BASELINE = '{"version": 1, "findings": [\n{"path": "a.yaml", "rule": "SSM201", "key": "t", "count": 1}\n]}'
TEXTS = [
    path.read_bytes().decode("utf-8", "replace")
    for path in sorted(CORPUS.rglob("*"))
    if path.is_file() and not path.name.endswith(".expected.json")
]
SUFFIXES = (".yaml", ".yml", ".json", ".toml", ".py", ".sh", ".md", ".rst", "")
SETTING = (
    "--dataset", "--classes", "--dim", "--temperature", "--alpha", "--loss", "--views", "--batch-size", "--sampler",
    "--classes-per-batch", "--instances-per-class", "--class-counts", "--world-size",
)  # fmt: skip
WORDS = {
    "--dataset": ("cifar10", "cifar100", "imagenet-lt", "x"),
    "--loss": ("supcon", "ssem", "l_spread", "l_in", "x"),
    "--sampler": ("random", "balanced", "full", "x"),
    "--format": ("text", "json", "github", "sarif", "junit"),
}


def mutated(text: str, rng: random.Random) -> str:
    """A text with up to four pieces cut out, pasted in or replaced."""
    for _ in range(rng.randint(0, 4)):
        where = rng.randint(0, len(text))
        match rng.randint(0, 4):
            case 0:
                text = text[:where] + rng.choice(SPLICES) + text[where:]
            case 1:
                text = text[:where] + text[where + rng.randint(1, 30) :]
            case 2:
                other = rng.choice(TEXTS)
                text = text[:where] + other[rng.randint(0, len(other)) :][:200] + text[where:]
            case 3:
                text = text[:where] + chr(rng.randint(0, 0x2FFF)) + text[where + 1 :]
            case _:
                piece = text[where : where + rng.randint(1, 40)]
                text = text[:where] + piece * rng.choice((2, 3, 300)) + text[where:]
    return text


def number(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(ODD)
    if rng.random() < 0.6:
        return str(rng.choice((1, 2, 3, 5, 8, 10, 16, 100, 128, 256, 1000)))
    return repr(10 ** rng.uniform(-4, 3))


def setting(rng: random.Random) -> list[str]:
    given: list[str] = []
    for option in rng.sample(SETTING, rng.randint(0, 6)):
        given += [option, rng.choice(WORDS[option]) if option in WORDS and rng.random() < 0.9 else number(rng)]
    if rng.random() < 0.7:
        given += ["--classes", str(rng.choice((2, 3, 10, 100)))]
    return given + (["--gather"] if rng.random() < 0.1 else [])


def _name(rng: random.Random) -> str:
    stem = rng.choice(("a", "train", "sub/b", "::error::x", "##[stop]", "\x1b[31m", "%0A", "<b>", "é", "-x"))
    return stem + rng.choice(SUFFIXES)


def check(rng: random.Random, folder: Path) -> list[str]:
    (folder / "sub").mkdir()
    for _ in range(rng.randint(1, 4)):
        write(folder / _name(rng), mutated(rng.choice(TEXTS), rng))
    if rng.random() < 0.4:
        place = rng.choice((".", "sub"))
        write(folder / place / rng.choice(("pyproject.toml", "ssem-advisor.toml")), mutated(OWN, rng))
        write(folder / place / "base.json", mutated(BASELINE, rng))
    if rng.random() < 0.1:
        with contextlib.suppress(OSError):
            (folder / "link.yaml").symlink_to(rng.choice(("/dev/zero", "/etc/hostname", "nowhere", "link.yaml", "sub")))
    arguments = ["check", "--format", rng.choice(WORDS["--format"])]
    for option in ("--fix", "--diff", "--exit-zero", "--require-decision", "--write-baseline"):
        arguments += [option] if rng.random() < 0.12 else []
    for option, values in (
        ("--select", ("SSM1", "x")),
        ("--goal", ("transfer", "x")),
        ("--baseline", ("base.json", "/dev/zero")),
    ):
        arguments += [option, rng.choice(values)] if rng.random() < 0.1 else []
    return [*arguments, "--", "."]


def recommend(rng: random.Random, folder: Path) -> list[str]:
    more = ["--format", rng.choice(("text", "json"))]
    for option in ("--free-spread", "--safe-spread", "--network", "--from"):
        more += [option, number(rng)] if rng.random() < 0.1 else []
    return ["recommend", *setting(rng), *more]


def explain(rng: random.Random, folder: Path) -> list[str]:
    from ssem_advisor.theory.registry import theorems

    keys = list(theorems())
    return ["explain", rng.choice([*keys, *ODD]), *setting(rng), "--format", rng.choice(("text", "json"))]


def rule(rng: random.Random, folder: Path) -> list[str]:
    return ["rule", rng.choice(("SSM101", "SSM9", *ODD))]


def measure(rng: random.Random, folder: Path) -> list[str]:
    if rng.random() < 0.2:
        return ["measure", "--loss-value", number(rng), *setting(rng)]
    generator = np.random.default_rng(rng.randint(0, 2**31))
    shape = rng.choice(((12, 4), (12, 2, 4), (0, 3), (3,), (12, 0), (2, 2), (60, 3)))
    kind = rng.choice(("float64", "float32", "float16", "int64", "complex128", "bool", "U5", "datetime64[s]", "uint8"))
    z = (generator.normal(size=shape) * rng.choice((1, 1e-200, 1e200))).astype("float64")
    with np.errstate(all="ignore"), contextlib.suppress(TypeError, ValueError, OverflowError):
        z = z.astype(kind if rng.random() < 0.5 else "float64")
    labels: Any = generator.integers(0, rng.choice((1, 2, 3, 12)), shape[0])
    kind = rng.choice(("int64", "float64", "U8", "complex128", "datetime64[s]", "bool", "timedelta64[s]", "S4"))
    with np.errstate(all="ignore"), contextlib.suppress(TypeError, ValueError, OverflowError):
        labels = labels.astype(kind) if rng.random() < 0.6 else labels * rng.choice((1e300, np.nan, 2**53, -1))
    if kind == "U8" and rng.random() < 0.5:
        labels = np.array([rng.choice(ODD)[:20] for _ in labels], dtype=str)
    suffix = rng.choice((".npz", ".npy", ".csv"))
    path = folder / f"z{suffix}"
    if suffix == ".npz":
        np.savez(path, embeddings=z, labels=labels)
    elif suffix == ".npy":
        np.save(path, z)
        np.save(folder / "y.npy", labels)
    else:
        header = rng.choice(("label,f,f", "label,a,b", "x,y,label", ",,", "labels", "a,b"))
        rows = [",".join(str(rng.choice((1.5, 2, *ODD[:20]))) for _ in header.split(",")) for _ in range(8)]
        write(path, "\n".join([header, *rows]))
    if rng.random() < 0.3:
        data = bytearray(path.read_bytes())
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(bytes(data[: rng.choice((len(data), len(data) // 2))]))
    beside = ["--labels", "y.npy"] if suffix == ".npy" else []
    return [
        "measure",
        f"z{suffix}",
        *beside,
        *(setting(rng) if rng.random() < 0.4 else []),
        "--format",
        rng.choice(("text", "json")),
    ]


def write(path: Path, text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))


COMMANDS: tuple[Callable[[random.Random, Path], list[str]], ...] = (
    check,
    check,
    check,
    recommend,
    explain,
    rule,
    measure,
    measure,
)


def case(seed: int, folder: Path) -> list[str]:
    """The command line of a seed; its files are written into the folder."""
    rng = random.Random(seed)
    return rng.choice(COMMANDS)(rng, folder)


def outcome(arguments: list[str], folder: Path) -> str | None:
    """What is wrong with how a command ends, None if nothing: a traceback, a hang, an escape, NaN in JSON."""
    from ssem_advisor.cli import app

    stdout, stderr = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", newline=""),
        io.TextIOWrapper(io.BytesIO(), "utf-8", newline=""),
    )
    before, began = os.getcwd(), time.process_time()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            app(arguments, standalone_mode=False)
        code: Any = 0
    except SystemExit as end:
        code = end.code
    except BaseException as error:
        if type(error).__name__ not in ("Exit", "Abort", "NoArgsIsHelpError"):
            return f"{type(error).__name__}: " + traceback.format_exc().strip().splitlines()[-3].strip()
        code = getattr(error, "exit_code", 1)
    finally:
        os.chdir(before)
    spent = time.process_time() - began
    out, err = (
        stream.buffer.getvalue().decode("utf-8", "replace") for stream in (stdout, stderr) if not stream.flush()
    )
    if spent > 30:
        return f"{spent:.0f} s of processor time"
    if "error of ssem-advisor itself" in out + err:
        return err.strip()[:300]
    if code not in (0, 1, 2, None):
        return f"exit code {code}"
    if "\x1b" in err or ("\x1b" in out and "--diff" not in arguments):
        return "a terminal escape in the output"
    if any(line.lstrip().startswith("::") for line in err.splitlines()) or "##[" in err:
        return "a workflow command on stderr"
    form = arguments[arguments.index("--format") + 1] if "--format" in arguments else "text"
    if (
        form in ("json", "sarif")
        and out.strip()
        and code in (0, 1)
        and not {"--diff", "--write-baseline"} & {*arguments}
    ):
        found = json.loads(out, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
        if arguments[0] == "recommend" and (wrong := _out_of_order(found)):
            return wrong
    return None


def _out_of_order(answer: dict[str, Any]) -> str | None:
    chosen = answer.get("recommended")
    alpha = answer.get("alpha") or {}
    if not chosen or not isinstance(alpha, dict):
        return None
    low, high = alpha.get("low"), alpha.get("high")
    if low is not None and high is not None and not low <= chosen["alpha"] <= high:
        return f"recommended alpha {chosen['alpha']} outside {low} .. {high}"
    return None


def run(seed: int) -> str | None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return outcome(case(seed, folder), folder)


def kept_seeds() -> list[int]:
    return [int(line.split("#")[0]) for line in SEEDS.read_text().splitlines() if line.split("#")[0].strip()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=random.SystemRandom().randrange(10**6, 10**9))
    given = parser.parse_args()
    began, seed, failed, slowest = time.monotonic(), given.first, 0, (0.0, 0)
    while time.monotonic() - began < given.seconds:
        start = time.process_time()
        wrong = run(seed)
        slowest = max(slowest, (time.process_time() - start, seed))
        if wrong:
            failed += 1
            with tempfile.TemporaryDirectory() as name:
                print(f"{seed}  # {' '.join(case(seed, Path(name)))[:200]!r}: {wrong[:300]}", flush=True)
        seed += 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"{seed - given.first} commands from seed {given.first}: {failed} failed; slowest {slowest[0]:.1f} s (seed {slowest[1]}), "
        f"{memory:.0f} MB",
        file=sys.stderr,
    )
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
