"""One option per field of a Setting, the same in every command that takes one."""

from __future__ import annotations

import functools
import inspect
import json
import math
import os
import re
import shlex
from collections.abc import Callable, Collection
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

from ssem_advisor.cli._output import tell
from ssem_advisor.domain import FEATURES, KNOWN_LOSSES, SAMPLERS, Setting, SettingError
from ssem_advisor.limits import read_bytes

_PANEL = "Setting"


def _option(kind: Any, *names: str, help: str, metavar: str | None = None) -> Any:
    return Annotated[kind | None, typer.Option(*names, help=help, metavar=metavar, rich_help_panel=_PANEL)]


# Every option defaults to None, so that a command can tell what was given from what was not.
_OPTIONS: dict[str, Any] = {
    "dataset": _option(
        str,
        "--dataset",
        help="Well-known data set, for example cifar10 or imagenet-lt; `ssem-advisor datasets` lists all.",
    ),
    "classes": _option(int, "--classes", "-m", help="Number of classes."),
    "dim": _option(int, "--dim", "-d", help="Dimension of the normalised projection that the loss sees."),
    "temperature": _option(float, "--temperature", "--tau", "-t", help="Softmax temperature."),
    "alpha": _option(float, "--alpha", "-a", help="Weight of the self-supervised term, 0 to 1."),
    "loss": _option(str, "--loss", metavar="|".join(KNOWN_LOSSES), help="Which loss is in use; default supcon."),
    "views": _option(int, "--views", "-p", help="Augmented views per instance; default 2."),
    "batch_size": _option(int, "--batch-size", "-b", help="Instances (not views) in a batch, per process."),
    "sampler": _option(str, "--sampler", metavar="|".join(SAMPLERS), help="How batches are drawn; default random."),
    "classes_per_batch": _option(
        int, "--classes-per-batch", "-P", help="P, for a balanced sampler that draws P classes with K instances each."
    ),
    "instances_per_class": _option(
        int, "--instances-per-class", "-n", help="Number of instances of each class in the data set; default unlimited."
    ),
    "class_counts": _option(
        Path,
        "--class-counts",
        help="Size of every class: 500,200,80, or a file, or a ratio such as 7:2:1 with --instances.",
    ),
    "instances": _option(
        int, "--instances", help="Number of instances of all classes together, for a ratio in --class-counts."
    ),
    "queue": _option(int, "--queue", help="Number of keys in a queue or memory bank that replaces the batch."),
    "features": _option(
        str,
        "--features",
        metavar="|".join(FEATURES),
        help="Signs of the features; non-negative if a ReLU precedes the normalisation.",
    ),
    "self_temperature": _option(
        float, "--self-temperature", help="Temperature of the self-supervised term, if it differs from --temperature."
    ),
    "cross_entropy": _option(
        float,
        "--cross-entropy",
        help="Weight of cross-entropy on the same features, relative to the sum of the contrastive weights.",
    ),
    "world_size": _option(int, "--world-size", help="Number of processes."),
    "gather": Annotated[
        bool | None,
        typer.Option(
            "--gather/--no-gather", help="Whether the loss sees the batches of all processes.", rich_help_panel=_PANEL
        ),
    ],
}


_TYPED: ContextVar[dict[str, Any]] = ContextVar("options of the command that runs", default={})  # noqa: B039


def takes_setting(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the parameter `given` of a command by one option per Setting field.

    The command receives `given`, a dict of the fields that the user stated (class counts read, data set looked up,
    the batch enlarged by a gather); `Setting(**given)` validates it.
    """
    signature = inspect.signature(command)
    hints = inspect.get_annotations(command, eval_str=True)
    own = [p.replace(annotation=hints.get(n, p.annotation)) for n, p in signature.parameters.items() if n != "given"]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in _OPTIONS.items()
    ]

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        _TYPED.set(dict(kwargs))
        chosen = {name: value for name in _OPTIONS if (value := kwargs.pop(name)) is not None}
        given = given_setting(chosen)
        # Beside a config, how many processes there are and whether they gather is a matter of both.
        command(*args, given=given if kwargs.get("config") is not None else gathered(given), **kwargs)

    keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own if p.kind is not p.POSITIONAL_ONLY]
    wrapper.__signature__ = signature.replace(parameters=[*keyword_only, *options])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in [*keyword_only, *options]}
    return wrapper


def as_typed(*names: str, **other: Any) -> str:
    """The options of the setting as the user gave them, for a command that is to be typed next.

    names: further options of this command that the next one takes as well; other: options to add, None for none.
    """
    given = _TYPED.get()
    chosen = {name: given.get(name) for name in (*names, *_OPTIONS)} | other
    words = []
    for name, value in chosen.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        elif value is not None:
            words += [option, shlex.quote(f"{value}")]
    return " ".join(words)


def next_command(
    known: Collection[str], measured: Any = None, file: Path | None = None, labels: Path | None = None, **other: Any
) -> str:
    """The call of `recommend` that repeats the options and files of this command.

    known: the fields that options or a config say; what measured embeddings say beside them is added. file, labels: of
    a pilot run. other: options in place of those given, None for none.
    """
    said: dict[str, Any] = {"labels": labels}
    if file is not None:
        said["from"] = file
    else:
        if not {"classes", "class_counts"} & set(known):
            said["classes"] = "CLASSES" if measured is None else measured.classes + measured.spread.left_out
        if "dim" not in known and measured is not None:
            said["dim"] = measured.dim
    return f"ssem-advisor recommend {as_typed('config', **said, **other)}"


def given_setting(chosen: dict[str, Any]) -> dict[str, Any]:
    """Setting fields from raw options: data set and class counts resolved."""
    given = dict(chosen)
    name = given.pop("dataset", None)
    if name is not None:
        from ssem_advisor import catalogue

        data = catalogue.get(name)
        for field, value in data.fields().items():
            given.setdefault(field, value)
        given["dataset"] = data.name
        if data.counts is None and given["classes"] != data.classes:
            size = data.instances_per_class
            kept = size is not None and given["instances_per_class"] == size
            other = catalogue.relabelled(data, given["classes"])
            tell(
                f"classes: {given['classes']} as given, while {data.name} has {data.classes}: "
                f"{'a part of it, or coarser labels' if given['classes'] < data.classes else 'finer labels'}"
                + (f" (--dataset {other.name})" if other is not None else "")
                + (f"; taken with {size} instances of each as there, else give --instances-per-class" if kept else "")
            )
    instances = given.pop("instances", None)
    if isinstance(given.get("class_counts"), Path):
        ratio = class_ratio(str(given["class_counts"])) if not os.path.exists(given["class_counts"]) else None
        if ratio is not None and (instances is not None or not all(part % 1 == 0 for part in ratio) or _marked(given)):
            given["class_counts"] = sizes_of(ratio, instances, str(given["class_counts"]))
        elif instances is not None:
            raise SettingError("instances: goes with class ratios, such as --class-counts 7:2:1")
        else:
            given["class_counts"] = read_class_counts(given["class_counts"])
        _check_batch(given)
    elif instances is not None:
        raise SettingError("instances: goes with class ratios, --class-counts 7:2:1; else give --instances-per-class")
    return given


def gathered(given: dict[str, Any]) -> dict[str, Any]:
    """What is given, with the batch as the loss sees it in place of the processes and their gather."""
    given = dict(given)
    world, gather = given.pop("world_size", None), given.pop("gather", None)
    if world is not None and world < 1:
        raise SettingError(f"world_size={world}: must be an integer >= 1")
    if gather and world is None:
        raise SettingError("gather: needs --world-size, the number of processes whose batches are gathered")
    if world is not None and world > 1:
        if gather is None:
            raise SettingError(
                "world_size: does the loss gather the batches of all processes? say --gather or --no-gather"
            )
        if gather and "batch_size" in given:
            given["batch_size"] *= world
    return given


def setting_of(given: dict[str, Any]) -> Setting:
    """A validated Setting from what was given; the data-set name is not a field of it."""
    return Setting(**{name: value for name, value in given.items() if name != "dataset"})


def own_weights(mix: str, given: dict[str, Any]) -> Any:
    """How the user's code writes the loss; weights named there decide alpha."""
    from ssem_advisor.advice import complete
    from ssem_advisor.report.mix import Mix

    own = Mix.parse(mix)
    name, loss = own.form.name, own.form.loss
    if own.form.local and given.get("loss") == "l_in":  # the form is that loss, seen from the collapsed point
        given["loss"] = loss
    if name != "alpha" and given.setdefault("loss", loss) != loss:
        raise SettingError(f"mix={name}: mixes the loss {loss}, not loss={given['loss']!r}")
    if own.given is not None:
        if "alpha" in given:
            raise SettingError("alpha: the weights of --mix decide it; give one of the two")
        given["alpha"] = float(f"{own.alpha(complete(setting_of(given))[0]):.6g}")  # as one would type it
    return own


_MOST_BYTES = 50_000_000


def class_ratio(text: str) -> tuple[float, ...] | None:
    """`7:2:1`, `70%,20%,10%` or `7,2,1` as numbers; None where the text is something else."""
    number = r"\d+(?:\.\d+)?"
    if not re.fullmatch(rf"{number}%?(?:[:,] ?{number}%?)+", text):
        return None
    return tuple(float(part.strip().rstrip("%")) for part in re.split("[:,]", text))


def _marked(given: dict[str, Any]) -> bool:
    """Whether the sizes are written as a ratio: with colons or per cent."""
    return bool(re.search("[:%]", str(given["class_counts"])))


def sizes_of(ratio: tuple[float, ...], instances: int | None, text: str) -> tuple[int, ...]:
    """Class sizes in the ratio that add up to `instances`, by largest remainder."""
    if instances is None:
        raise SettingError(f"class_counts={text}: a ratio; give --instances N as well, the size of the data set")
    if "%" in text and abs(sum(ratio) - 100) > 0.51:
        raise SettingError(f"class_counts={text}: adds up to {sum(ratio):g}%, not to 100%")
    if not 1 <= instances < 1e15:
        raise SettingError(f"instances={instances!s:.40}: must be an integer >= 1 and below 1e15")
    total = sum(ratio)
    if not math.isfinite(total):
        raise SettingError(f"class_counts={text[:40]}...: too large for a ratio; give small numbers, as in 7:2:1")
    if min(ratio) <= 0:
        raise SettingError(f"class_counts={text}: every class needs a share above 0; leave empty classes out")
    exact = [instances * part / total for part in ratio]
    sizes = [int(share) for share in exact]
    left = sorted(range(len(ratio)), key=lambda i: sizes[i] - exact[i])
    for i in left[: instances - sum(sizes)]:
        sizes[i] += 1
    if min(sizes) < 1:
        raise SettingError(f"instances={instances}: too few for the ratio {text}; its smallest class would be empty")
    return tuple(sizes)


def _check_batch(given: dict[str, Any]) -> None:
    """A batch larger than a data set of ten instances: the sizes were meant as a ratio."""
    sizes, batch = given["class_counts"], given.get("batch_size")
    if batch is None or not all(isinstance(size, int) for size in sizes) or max(sizes) > 100 or batch <= sum(sizes):
        return
    raise SettingError(
        f"class_counts: {','.join(map(str, sizes))} are {sum(sizes)} instances, fewer than batch_size={batch}; if they "
        f"are a ratio, add --instances N, the size of the data set"
    )


def read_class_counts(path: Path) -> tuple[int, ...]:
    """Class sizes as they stand (500,200,80), from a JSON list or object, or from the last column of a CSV."""
    if re.fullmatch(r"\d+(,\d+)+", str(path)) and not os.path.exists(path):
        return tuple(int(size) for size in str(path).split(","))
    try:
        text = read_bytes(path, _MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        remedy = "give a JSON or CSV file of sizes"
        if not os.path.exists(path):
            named = path.suffix or len(path.parts) > 1  # else it may have been meant as the sizes themselves
            other = "sizes (500,200,80), or a ratio (7:2:1) with --instances N"
            remedy = "check the path" if named else f"{remedy}, {other}"
        raise SettingError(
            f"class_counts: cannot read {path}: {getattr(error, 'strerror', None) or 'not a text file'}; {remedy}"
        ) from error
    if path.suffix.lower() == ".json":
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SettingError(f"class_counts: {path} is not valid JSON: {error}") from error
        values = list(data.values()) if isinstance(data, dict) else data
        if not isinstance(values, list):
            raise SettingError(f"class_counts: {path} must hold a list of sizes or an object of name: size")
        return tuple(values)
    values = []
    for number, line in enumerate(text.splitlines(), 1):
        cell = line.replace(";", ",").split(",")[-1].strip()
        if not cell:
            continue
        try:
            values.append(float(cell))
        except ValueError:
            if not values and number == 1:
                continue  # a header
            raise SettingError(f"class_counts: {path}:{number}: {cell!r} is not a number") from None
    return tuple(values)  # type: ignore[arg-type]
