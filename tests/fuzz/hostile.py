"""One generator of hostile input for all commands: `case(seed, folder)` is the same command line and files at every run.

`judge.py` runs the cases; both `make test`, the minute of CI and the hours of `make fuzz` draw from here.
"""

# ruff: noqa: E501
from __future__ import annotations

import contextlib
import functools
import io
import json
import math
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CORPUS = Path(__file__).parents[1] / "config" / "corpus"
CANARY = "CANARY"
"""A file that appears in the working folder if anything that a case holds is executed."""
ODD = (
    "0", "-1", "1", "2", "3", "10", "1000", "1e-300", "1e300", "1e308", "nan", "inf", "-inf", "1e-3", "0.07", "0.5", "1.0", "100",
    "9" * 30, "9" * 310, "9" * 5000, "", " ", "x", "True", "null", "[]", "{}", "1,2", "5,5,5", "1,1,1,2", "0x10", "1_0", "\u0661",
    "::error::x", "##[stop-commands]x", "##vso[task.setvariable]x", "##teamcity[x]", "\x1b[31mred", "\x1b]0;title\x07", "\x9b31m",
    "section_start:1:x\r\x1b[0K", "%0A::set-output::", "<script>alert(1)</script>", "]]>", "&lt;", "../../etc/passwd", "/dev/zero",
    "/dev/null", "/proc/self/mem", ".", "a\nb", "a\n::warning::b", "é", "\U0001f986", "\u202e", "\udc80", "-", "--", "*",
    f"$(touch {CANARY})", f"`touch {CANARY}`", "1e999999999", "-0.0", "5e-324", "1e-5", "7:2:1", "7:2:0", "50%,50%",
)  # fmt: skip
SPLICES = (
    *ODD, "\0", "\ufeff", "\r\n", "\t", "&a [*a]", "<<: *x", f"!!python/object/apply:os.system ['touch {CANARY}']", "${a}", "${",
    "{{", "???", "'", '"', "\\", "\\\n", f"$(touch {CANARY})", "<<EOF", "_base_: [a, b]", "defaults: [{a: b}]",
    "defaults:\n - sub: a\n - _self_\n", "[" * 70, "{" * 70, "- " * 70, "!" * 99, "%YAML 1.1\n---\n", "---\n", "? [a]\n: b", "supcon",
    "temperature: 0.1\n", "alpha: on\n", "class_counts: [5, 3, 2]\n", "class_counts: [[1, 2], [3]]\n", "--temp", "=", "\x85",
    "\u2028", "def f(:\n", "dict(", "\x0c", "# ssem: ignore[", "# ssem: ignore-file", "dim: 1\n", "classes: 100000\n",
    "batch_size: 1000000000\n", "[a.b.c]\n", "[[a]]\n", f"__import__('os').system('touch {CANARY}')\n", "w: &w 0.1\nlr: *w\n",
    "a: &a {b: *a}\n", "1" + "0" * 400, "\n" * 50, ",,,,", "e" * 200, "_target_: os.system\n",
)  # fmt: skip
OWN = (
    "[tool.ssem-advisor]\ngoal = 'transfer'\nselect = ['SSM1']\nignore = ['SSM201']\nbaseline = 'base.json'\nexclude = ['x/*']\n"
    "dialects = ['generic']\n[tool.ssem-advisor.fields]\nalpha = ['w.a']\n[tool.ssem-advisor.defaults]\nkind = 'supcon'\nclasses = 10\n"
    "class_counts = [5, 3]\n[tool.ssem-advisor.per-file.'*.yaml']\ngoal = 'classification'\n[tool.ssem-advisor.per-file-ignores]\n"
    "'*.py' = ['SSM201']\n"
)
BASELINE = '{"version": 1, "findings": [\n{"path": "a.yaml", "rule": "SSM201", "key": "t", "count": 1}\n]}'
PROTOCOL = (
    "validate:\n  suite: digits\n  epochs: 1\n  seeds: 1\n  alphas: [0.5]\n  temperatures: [0.5]\n  hidden: [32]\n  batch_size: 50\n"
    "  classes: 5\n  dim: 8\n  sampler: balanced\n  loss: supcon\n"
)
CURVES = (
    "step,train/loss,val/loss\n" + "".join(f"{i},{5 / (i + 1)},{6 / (i + 1)}\n" for i in range(12)),
    json.dumps({"log_history": [{"step": i, "loss": 5.0 - i / 9} for i in range(9)], "epoch": 2}),
    "".join(json.dumps({"loss": 3.0 / (i + 1), "x": "y"}) + "\n" for i in range(9)),
    "4.1\n4.0\n3.9\n",
    "loss;lr\n4,1;0,1\n3,9;0,1\n",
)
TEXTS = [
    path.read_bytes().decode("utf-8", "replace")
    for path in sorted(CORPUS.rglob("*"))
    if path.is_file() and not path.name.endswith(".expected.json")
]
SUFFIXES = (".yaml", ".yml", ".json", ".toml", ".py", ".sh", ".md", ".rst", "")
SETTING = (
    "--dataset", "--classes", "--dim", "--temperature", "--alpha", "--loss", "--views", "--batch-size", "--sampler",
    "--classes-per-batch", "--instances-per-class", "--class-counts", "--world-size", "--instances", "--queue", "--features",
    "--self-temperature", "--cross-entropy",
)  # fmt: skip
WORDS = {
    "--dataset": ("cifar10", "cifar100", "imagenet-lt", "x"),
    "--loss": ("supcon", "ssem", "l_spread", "l_in", "x"),
    "--sampler": ("random", "balanced", "full", "x"),
    "--features": ("any", "non-negative", "x"),
    "--format": ("text", "json", "github", "sarif", "junit"),
    "--class-counts": ("5,3,2", "500,200,80", "7:2:1", "1,1", "1,1,1,2", "70%,30%"),
}
USUAL = {
    "--class-counts": ("50,30,20", "500,200,80,20"), "--dim": ("2", "9", "128", "512"), "--temperature": ("0.02", "0.1", "0.5", "2"),
    "--alpha": ("0", "0.05", "0.3", "0.9", "1"), "--loss": ("supcon", "ssem", "l_spread"), "--views": ("2", "3", "5"),
    "--batch-size": ("8", "60", "240", "1200"), "--sampler": ("random", "balanced", "full"),
}  # fmt: skip
Random = random.Random


# -- pieces ---------------------------------------------------------------------------------------------------------------


def mutated(text: str, rng: Random, most: int = 4) -> str:
    """A text with up to `most` pieces cut out, pasted in or replaced."""
    for _ in range(rng.randint(0, most)):
        where = rng.randint(0, len(text))
        match rng.randint(0, 5):
            case 0:
                text = text[:where] + rng.choice(SPLICES) + text[where:]
            case 1:
                text = text[:where] + text[where + rng.randint(1, 30) :]
            case 2:
                other = rng.choice(TEXTS)
                text = text[:where] + other[rng.randint(0, len(other)) :][:200] + text[where:]
            case 3:
                text = text[:where] + chr(rng.randint(0, 0x2FFF)) + text[where + 1 :]
            case 4:  # another value in the place of a word or number
                start = where
                while start < len(text) and not text[start].isalnum():
                    start += 1
                end = start
                while end < len(text) and (text[end].isalnum() or text[end] == "."):
                    end += 1
                text = text[:start] + rng.choice(ODD) + text[end:]
            case _:
                piece = text[where : where + rng.randint(1, 40)]
                text = text[:where] + piece * rng.choice((2, 3, 300)) + text[where:]
    return text


def damaged(data: bytes, rng: Random) -> bytes:
    """Bytes of which a few are others, or the end is gone."""
    found = bytearray(data)
    for _ in range(rng.randint(0, 6) if found else 0):
        found[rng.randrange(len(found))] = rng.randrange(256)
    match rng.randint(0, 5):
        case 0:
            return bytes(found[: len(found) // 2])
        case 1:
            return bytes(found[: rng.randint(0, len(found))])
        case 2:
            return b"" if rng.random() < 0.3 else bytes(found) + bytes(rng.randrange(256) for _ in range(9))
    return bytes(found)


def number(rng: Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(ODD)
    if rng.random() < 0.6:
        return str(rng.choice((1, 2, 3, 5, 8, 10, 16, 100, 128, 256, 1000)))
    return repr(10 ** rng.uniform(-4, 3))


def setting(rng: Random) -> list[str]:
    """Options of a setting: half of the time such as a user gives, else any."""
    given: list[str] = []
    if rng.random() < 0.5:
        for option, values in USUAL.items():
            given += [option, rng.choice(values)] if rng.random() < 0.4 else []
        if not {"--classes", "--class-counts"} & {*given}:
            given += ["--classes", rng.choice(("2", "3", "10", "10", "100"))]
        if rng.random() < 0.15:
            given += [rng.choice(SETTING), number(rng)]
        return given
    for option in rng.sample(SETTING, rng.randint(0, 6)):
        given += [option, rng.choice(WORDS[option]) if option in WORDS and rng.random() < 0.9 else number(rng)]
    if rng.random() < 0.7:
        given += ["--classes", str(rng.choice((2, 3, 10, 100)))]
    return given + (["--gather"] if rng.random() < 0.1 else [])


def write(path: Path, content: str | bytes) -> None:
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
    with contextlib.suppress(OSError, ValueError):
        path.write_bytes(data)


def config(rng: Random, folder: Path, name: str = "") -> str:
    name = name or "c" + rng.choice(SUFFIXES)
    write(folder / name, mutated(rng.choice(TEXTS), rng))
    return name


class Harmful:
    """Pickles into a call of os.system."""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {CANARY}",)


def embeddings(rng: Random, folder: Path) -> list[str]:
    """A file of embeddings, and options that name its labels."""
    generator = np.random.default_rng(rng.randint(0, 2**31))
    shape = rng.choice(((12, 4), (12, 2, 4), (0, 3), (3,), (12, 0), (2, 2), (60, 3), (24, 2, 60), (40, 8)))
    kind = rng.choice(("float64", "float32", "float16", "int64", "complex128", "bool", "U5", "datetime64[s]", "uint8"))
    z: Any = (generator.normal(size=shape) * rng.choice((1, 1, 1e-200, 1e200))).astype("float64")
    with np.errstate(all="ignore"), contextlib.suppress(TypeError, ValueError, OverflowError):
        z = z.astype(kind if rng.random() < 0.4 else "float64")
    if rng.random() < 0.1 and z.size:
        z.reshape(-1)[:1] = rng.choice((0, 1))
    labels: Any = generator.integers(0, rng.choice((1, 2, 3, 12)), shape[0])
    kind = rng.choice(
        ("int64", "float64", "U8", "complex128", "datetime64[s]", "bool", "timedelta64[s]", "S4", "uint64")
    )
    with np.errstate(all="ignore"), contextlib.suppress(TypeError, ValueError, OverflowError):
        labels = labels.astype(kind) if rng.random() < 0.6 else labels * rng.choice((1e300, np.nan, 2**53, -1, 1))
    if kind == "U8" and rng.random() < 0.5:
        labels = np.array([rng.choice(ODD)[:20] for _ in labels], dtype=str)
    if rng.random() < 0.1:
        labels = labels[: rng.randint(0, len(labels))]
    suffix = rng.choice((".npz", ".npz", ".npy", ".csv", ".csv", ".pt", ".safetensors", ".parquet"))
    path, named = folder / f"z{suffix}", {"embeddings": z, "labels": labels}
    if rng.random() < 0.1:
        named["instance_ids"] = generator.integers(0, 6, rng.choice((shape[0], 3)))
    match suffix:
        case ".npz":
            np.savez(path, **named)
        case ".npy":
            np.save(path, z)
            np.save(folder / "y.npy", labels)
        case ".csv":
            header = rng.choice(("label,f,f", "label,a,b", "x,y,label", ",,", "labels", "a,b", "label,instance_id,a"))
            cells = [
                str(rng.choice((1.5, 2, *ODD))) if rng.random() < 0.2 else f"{rng.gauss(0, 1):.3f}" for _ in range(90)
            ]
            width = len(header.split(","))
            rows = [",".join([rng.choice("abc"), *cells[i : i + width - 1]]) for i in range(0, 60, width)]
            write(path, mutated("\n".join([header, *rows]), rng, 1))
        case ".parquet":
            write(path, damaged(_parquet(named) or b"PAR1", rng))
        case _:
            write(path, _torch(named, suffix, rng.random() < 0.3))
    if rng.random() < 0.3:
        write(path, damaged(path.read_bytes(), rng))
    return [path.name, *(["--labels", "y.npy"] if suffix == ".npy" else [])]


def _torch(arrays: dict[str, Any], suffix: str, harmful: bool) -> bytes:
    import torch

    tensors = {}
    for name, array in arrays.items():
        with contextlib.suppress(TypeError, ValueError):
            tensors[name] = torch.as_tensor(np.ascontiguousarray(array))
    if suffix != ".pt":
        tensors = {name: tensor for name, tensor in tensors.items() if not tensor.is_complex()}
    stream = io.BytesIO()
    if suffix == ".pt":
        torch.save(tensors | ({"more": Harmful()} if harmful else {}), stream)
        return stream.getvalue()
    from safetensors.torch import save

    content = save(tensors)
    return content.replace(b'"shape":[', b'"shape":[9', 1) if harmful else content


def _parquet(arrays: dict[str, Any]) -> bytes | None:
    import pyarrow
    import pyarrow.parquet

    stream = io.BytesIO()
    with contextlib.suppress(pyarrow.ArrowException, TypeError, ValueError, NotImplementedError):
        columns = {name: list(a) if a.ndim == 2 else a for name, a in arrays.items() if a.ndim < 3}
        pyarrow.parquet.write_table(pyarrow.table(columns), stream)
        return stream.getvalue()
    return None


# -- one function a command -------------------------------------------------------------------------------------------------


def _name(rng: Random) -> str:
    stem = rng.choice(
        ("a", "train", "sub/b", "::error::x", "##[stop]", "##vso[x]", "\x1b[31m", "%0A", "<b>", "é", "-x", "a\nb")
    )
    return stem + rng.choice(SUFFIXES)


def check(rng: Random, folder: Path) -> list[str]:
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


def own_files(rng: Random, folder: Path) -> list[str]:
    """`check` beside its own configuration and baseline, damaged more than a config is."""
    write(folder / "a.yaml", "method: supcon\ntemperature: 0.1\nclasses: 10\nbatch_size: 50\n")
    write(folder / rng.choice(("pyproject.toml", "ssem-advisor.toml")), mutated(OWN, rng, 8))
    write(folder / "base.json", mutated(BASELINE, rng, 8))
    return ["check", "--format", rng.choice(WORDS["--format"]), "a.yaml"]


def recommend(rng: Random, folder: Path) -> list[str]:
    more = ["--format", rng.choice(("text", "json"))]
    for option in ("--free-spread", "--safe-spread", "--network", "--from"):
        more += [option, number(rng)] if rng.random() < 0.1 else []
    if rng.random() < 0.2:
        more += ["--config", config(rng, folder)]
    if rng.random() < 0.2:
        more += [
            "--mix",
            rng.choice(_forms()) + rng.choice(("", ":", ":0.3", ":1,0.3", f":{number(rng)}", f":1,{number(rng)}")),
        ]
    if rng.random() < 0.1:
        write(folder / "counts.json", mutated(rng.choice(("[5, 3, 2]", '{"a": 9, "b": 4}')), rng, 2))
        more += ["--class-counts", "counts.json"]
    if rng.random() < 0.1:
        more += ["--from", embeddings(rng, folder)[0]]
    return ["recommend", *setting(rng), *more]


@functools.cache
def _forms() -> tuple[str, ...]:
    from ssem_advisor import convert

    return (*convert.FORMS, "list", "x")


def engine(rng: Random, folder: Path) -> list[str]:
    """Settings that are numbers throughout, over the whole domain: `judge` asks the answer for its order."""

    def between(low: float, high: float) -> float:
        return math.exp(rng.uniform(math.log(low), math.log(high)))

    usual = rng.random() < 0.7
    tau = (
        between(1e-3, 100)
        if usual
        else rng.choice((1e-300, 5e-324, 1e-30, 1e-9, 1e9, 1e30, 1e300, between(1e-300, 1e300)))
    )
    alpha = rng.random() if usual else rng.choice((0.0, 1.0, 1e-300, 1e-12, 1 - 1e-12, 0.5))
    classes = rng.choice((2, 3, 5, 10, 100, 1000, round(between(2, 5000))))
    given = ["--loss", rng.choice(("supcon", "ssem", "l_spread")), "--views", str(rng.choice((2, 2, 2, 3, 8, 64)))]
    match rng.randint(0, 3):
        case 0 if classes <= 10:
            given += ["--class-counts", ",".join(str(round(between(1, 1000))) for _ in range(classes))]
            given += ["--batch-size", str(round(between(2, 4096)))]
        case 1:
            drawn = rng.randint(2, classes)
            given += ["--sampler", "balanced", "--classes-per-batch", str(drawn)]
            given += ["--batch-size", str(drawn * round(between(1, 64)))]
        case 2:
            given += ["--sampler", "full", "--instances-per-class", str(round(between(1, 1e4)))]
        case _:
            given += ["--batch-size", str(round(between(2, 1e6)))]
    if "--class-counts" not in given:
        given += ["--classes", str(classes)]
    if rng.random() < 0.7:
        given += ["--dim", str(rng.choice((1, 2, 3, classes - 1, classes, 128, 4096, round(between(1, 4096)))))]
    for option, value, share in (
        ("--temperature", tau, 0.6), ("--alpha", alpha, 0.4), ("--free-spread", rng.random(), 0.1),
        ("--queue", round(between(1, 1e6)), 0.05), ("--self-temperature", between(1e-3, 100), 0.05),
        ("--cross-entropy", between(1e-3, 100), 0.05),
    ):  # fmt: skip
        given += [option, repr(value)] if rng.random() < share else []
    return ["recommend", *given, *rng.choice(([], [], ["--network", "perfect"])), "--format", "json"]


def explain(rng: Random, folder: Path) -> list[str]:
    from ssem_advisor.theory.registry import theorems

    key = [rng.choice([*theorems(), *ODD])] if rng.random() < 0.95 else []
    return ["explain", *key, *setting(rng), "--format", rng.choice(("text", "json"))]


def rule(rng: Random, folder: Path) -> list[str]:
    return [
        "rule",
        *rng.choice(((), ("SSM101",), ("SSM9",), (rng.choice(ODD),))),
        "--format",
        rng.choice(("text", "json")),
    ]


def datasets(rng: Random, folder: Path) -> list[str]:
    return ["datasets", *([rng.choice(ODD)] if rng.random() < 0.7 else [])]


def measure(rng: Random, folder: Path) -> list[str]:
    if rng.random() < 0.2:
        more = ["--base-temperature", number(rng)] if rng.random() < 0.3 else []
        return ["measure", "--loss-value", number(rng), *more, *setting(rng), "--format", rng.choice(("text", "json"))]
    more = setting(rng) if rng.random() < 0.4 else []
    return ["measure", *embeddings(rng, folder), *more, "--format", rng.choice(("text", "json"))]


def diagnose(rng: Random, folder: Path) -> list[str]:
    given = ["diagnose"]
    if rng.random() < 0.5:
        given += ["--config", config(rng, folder)]
    if rng.random() < 0.6:
        name = rng.choice(("loss.csv", "log.json", "log.jsonl", "loss", "events.out.tfevents.1.x"))
        write(folder / name, mutated(rng.choice(CURVES), rng))
        given += ["--loss-curve", name] + (
            ["--column", rng.choice(("loss", "val/loss", *ODD))] if rng.random() < 0.2 else []
        )
    if rng.random() < 0.3:
        given += ["--embeddings", *embeddings(rng, folder)]
    if rng.random() < 0.4:
        given += setting(rng)
    return [*given, "--format", rng.choice(("text", "json"))]


def plot(rng: Random, folder: Path) -> list[str]:
    given = [
        "plot",
        "--kind",
        rng.choice(("phase", "phase", "batch", "variance", "losses", "openings", "x")),
        *setting(rng),
    ]
    if rng.random() < 0.5:
        given += [
            "-o",
            rng.choice(("p.svg", "p.png", "p.pdf", "p", "p.x", "nowhere/p.svg", "/dev/null", ".", "é.svg", "")),
        ]
    if rng.random() < 0.6:
        given += ["--terminal"]
    if rng.random() < 0.3:
        given += [
            "--size",
            rng.choice(("3x2", "x", "0x0", "-1x2", "nanxnan", "1e9x1e9", "infx1", f"{number(rng)}x{number(rng)}")),
        ]
    if rng.random() < 0.3:
        given += ["--config", config(rng, folder)]
    return given + rng.choice(([], ["--theme", "dark"], ["--network", "perfect"], ["--theme", "x"]))


def explore(rng: Random, folder: Path) -> list[str]:
    place = ["-o", rng.choice(("e.html", "é", "nowhere/e.html", ".", "/dev/null", ""))] if rng.random() < 0.5 else []
    return ["explore", *setting(rng), *place]


def validate(rng: Random, folder: Path) -> list[str]:
    """What `validate` reads; `judge` lets it plan, take up a folder and report, but not train."""
    given = ["validate", "--jobs", "0", "--device", rng.choice(("cpu", "cpu", "cpu", "auto", *ODD))]
    match rng.randint(0, 3):
        case 0:
            name = "p" + rng.choice((".yaml", ".json", ".toml", ".py"))
            write(folder / name, mutated(rng.choice((PROTOCOL, PROTOCOL, rng.choice(TEXTS))), rng))
            given += ["--config", name]
        case 1:
            given += ["--suite", rng.choice(("digits", "synthetic", "embeddings", "x"))]
            for option in ("--seeds", "--alphas", "--temperatures", "--epochs", "--classes", "--instances-per-class", "--class-counts",
                           "--dim", "--batch-size", "--imbalance", "--width", "--budget"):  # fmt: skip
                given += [option, number(rng)] if rng.random() < 0.2 else []
        case 2:
            files = _finished()
            for name, data in files.items():
                (folder / "run" / name).parent.mkdir(parents=True, exist_ok=True)
                write(folder / "run" / name, damaged(data, rng) if rng.random() < 0.3 else data)
            if rng.random() < 0.3:
                name = rng.choice(sorted(files))
                write(folder / "run" / name, mutated(files[name].decode("utf-8", "replace"), rng))
            given += [*FINISHED, "--output", "run"]
        case _:
            _cifar(rng, folder)
            given += [
                "--suite",
                rng.choice(("cifar10", "cifar100")),
                "--data-root",
                ".",
                "--network",
                "resnet18",
                "--width",
                "1",
            ]
            given += ["--batch-size", "20", "--seeds", "1", "--alphas", "0.5"]
    return [*given, "--format", rng.choice(("text", "json"))]


FINISHED = ("--suite", "embeddings", "--loss", "ssem", "--temperatures", "0.5", "--seeds", "1", "--alphas", "0.5")


@functools.cache
def _finished() -> dict[str, bytes]:
    """The files of a run that has ended."""
    import tempfile

    from ssem_advisor.experiments.protocol import Protocol
    from ssem_advisor.experiments.study import run_study

    with tempfile.TemporaryDirectory() as name:
        protocol = Protocol.default("embeddings", loss="ssem", temperatures=(0.5,), seeds=1, alphas=(0.5,))
        run_study([protocol], out=Path(name), device="cpu", jobs=0)
        files = [path for path in Path(name).rglob("*") if path.is_file()]
        return {str(path.relative_to(name)): path.read_bytes() for path in files}


def _cifar(rng: Random, folder: Path) -> None:
    """Standard files of CIFAR-10 and CIFAR-100 with 20 images in each, of which one is not as it should be."""
    names = [f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)] + ["cifar-10-batches-py/test_batch"]
    names += ["cifar-100-python/train", "cifar-100-python/test"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        labels = [i % 10 for i in range(20)]
        content: dict[bytes, Any] = {b"data": np.zeros((20, 3072), np.uint8), b"coarse_labels": labels}
        content |= {b"labels": labels} if "cifar-10-" in name else {b"fine_labels": [i * 5 for i in labels]}
        if rng.random() < 0.3:
            odd = (Harmful(), None, [], [1] * 20, ["x"] * 20, [10**30] * 20, [-1] * 20, [[1, 2]] * 20, np.zeros((20, 5)),
                   np.zeros(20, object), "x", b"x", 3, {}, [0.5] * 20, np.arange(20), [99] * 20)  # fmt: skip
            content[rng.choice(sorted(content))] = rng.choice(odd)
        data = pickle.dumps(
            content if rng.random() < 0.9 else rng.choice((Harmful(), [], None)), protocol=rng.choice((2, 4, 5))
        )
        write(folder / name, damaged(data, rng) if rng.random() < 0.3 else data)


COMMANDS: dict[str, tuple[Callable[[Random, Path], list[str]], float]] = {
    "check": (check, 6), "own files": (own_files, 2), "recommend": (recommend, 3), "engine": (engine, 3), "explain": (explain, 2),
    "rule": (rule, 0.5), "datasets": (datasets, 0.2), "measure": (measure, 4), "diagnose": (diagnose, 2), "plot": (plot, 0.7),
    "explore": (explore, 0.5), "validate": (validate, 2),
}  # fmt: skip
"""Of each name, what makes the case, and how often it is drawn beside the others."""


def case(seed: int, folder: Path, only: str | None = None) -> list[str]:
    """The command line of a seed; its files are written into the folder. only: one name of COMMANDS."""
    rng = Random(seed)
    name = rng.choices(list(COMMANDS), [weight for _, weight in COMMANDS.values()])[0]
    return COMMANDS[only or name][0](rng, folder)
