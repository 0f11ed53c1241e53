"""`ssem-advisor validate`: train small models and confirm the advice. Exit 0 confirmed, 1 refuted, 3 undecided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssem_advisor.cli._options import Format, FormatOption
from ssem_advisor.cli._output import Waiting, columns, paint, say, tell
from ssem_advisor.cli._setting import read_class_counts

if TYPE_CHECKING:
    from ssem_advisor.experiments.protocol import Protocol


def validate(
    suites: Annotated[
        list[str] | None,
        typer.Option(
            "--suite",
            help="embeddings, digits, synthetic, cifar10, cifar100 or imagenet-lt; repeatable. "
            "Default: embeddings and digits.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="A training config, of which a small model is trained, or a protocol."),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", help="Folder with the standard files of an image data set.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for all results. An interrupted study continues from it."),
    ] = None,
    former_output: Annotated[Path | None, typer.Option("--out", hidden=True)] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, help="Number of trainings for each point. Intervals are computed over these."),
    ] = None,
    alphas: Annotated[
        str | None, typer.Option("--alphas", help="Weights alpha, separated by commas. Default: around the threshold.")
    ] = None,
    temperatures: Annotated[
        str | None, typer.Option("--temperatures", help="Temperatures, separated by commas.")
    ] = None,
    loss: Annotated[str | None, typer.Option("--loss", help="supcon, ssem or l_spread.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the training data.")] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            "--classes",
            min=2,
            help="Number of classes (digits and cifar10: 2, 5 or 10; cifar100: a divisor of 100; synthetic: any).",
        ),
    ] = None,
    instances: Annotated[
        int | None,
        typer.Option(
            "--instances-per-class",
            "-n",
            min=2,
            help="Training instances of each class (for synthetic and CIFAR; CIFAR takes the first ones).",
        ),
    ] = None,
    former_instances: Annotated[int | None, typer.Option("--instances", min=2, hidden=True)] = None,
    class_counts: Annotated[
        Path | None, typer.Option("--class-counts", help="Training instances of every class: 500,200,80, or a file.")
    ] = None,
    dim: Annotated[int | None, typer.Option("--dim", min=2, help="Dimension of the projection.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=2, help="Instances that the loss sees at once.")
    ] = None,
    sampler: Annotated[str | None, typer.Option("--sampler", help="random, balanced or full.")] = None,
    coarse: Annotated[
        bool | None,
        typer.Option(
            "--coarse/--fine",
            help="For cifar100: train on 20 coarse classes and probe the fine ones, or train on the fine ones.",
        ),
    ] = None,
    imbalance: Annotated[
        float | None,
        typer.Option("--imbalance", min=1, help="For CIFAR: size of the largest class divided by the smallest."),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option("--network", help="For CIFAR: patches (fast on a CPU), resnet18 or resnet50.", show_default=False),
    ] = None,
    width: Annotated[int | None, typer.Option("--width", min=1, help="Channels of a ResNet's first stage.")] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget", min=0, help="Minutes after which the report is made from the trainings that are finished."
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=0, help="Number of processes; 0 trains in this one. Default: one for each core."),
    ] = None,
    executor: Annotated[
        str, typer.Option("--executor", help="process, or submitit's local, debug or slurm.")
    ] = "process",
    keep_embeddings: Annotated[
        bool, typer.Option("--keep-embeddings", help="Write the measured embeddings into --output, for `measure`.")
    ] = False,
    form: FormatOption = Format.text,
) -> None:
    """Train small models that confirm, or refute, the theory.

    Without options: free embeddings for every loss, and the digits of scikit-learn with merged classes; a few minutes.
    Exit code 0: every claim confirmed; 1: a claim refuted; 3: undecided; 2: could not run.
    """
    import json
    import os

    from ssem_advisor.domain import AdvisorError
    from ssem_advisor.extras import need

    need("validate", "validate")
    from ssem_advisor.experiments.protocol import Protocol
    from ssem_advisor.experiments.store import Store
    from ssem_advisor.experiments.study import run_study
    from ssem_advisor.report import validation

    changes: dict[str, Any] = {
        "seeds": seeds, "loss": loss, "epochs": epochs, "dim": dim, "batch_size": batch_size, "sampler": sampler,
        "alphas": _numbers("--alphas", alphas), "temperatures": _numbers("--temperatures", temperatures),
        "coarse": coarse, "imbalance": imbalance, "data_root": None if data_root is None else str(data_root),
        "network": network, "width": width,
    }  # fmt: skip
    out = former_output if output is None else output
    instances = former_instances if instances is None else instances
    if keep_embeddings and out is None:
        raise AdvisorError("--keep-embeddings: needs --output, the folder to keep them in")
    if executor not in ("process", "local", "debug", "slurm"):
        raise AdvisorError(f"--executor {executor}: must be process, local, debug or slurm")
    if config is not None and suites:
        raise AdvisorError("--config and --suite: give one of the two")
    if config is not None:
        protocols = [p.with_(**changes) for p in _configured(config, batch_size)]
        if classes is not None or instances is not None or class_counts is not None:
            raise AdvisorError(
                "--classes, --instances-per-class, --class-counts: the config says these; leave them out"
            )
    else:
        protocols = [
            Protocol.default(name, **changes, **_sizes(name, seeds, classes, instances, class_counts))
            for name in suites or ["embeddings", "digits"]
        ]

    def warn(message: str) -> None:
        tell(f"ssem-advisor: {message}")

    with _Progress() as progress:
        report = run_study(
            protocols, out=out, device=device, jobs=jobs, budget=budget, executor=executor,
            notify=progress.notify, warn=warn, keep_embeddings=keep_embeddings,
        )  # fmt: skip
    if os.environ.get("RANK", "0") != "0":
        raise typer.Exit(0)  # torchrun would end the reporting process with the first that fails
    text, machine = validation.text(report), json.dumps(report) + "\n"
    if out is not None:
        store = Store(out)
        store.warn = warn
        store.write_reports({"report.json": machine, "report.txt": text, "report.html": validation.html(report)})
    say(machine if form is Format.json else validation.text(report, paint(), columns()))
    raise typer.Exit(report["exit_code"])


def _numbers(option: str, value: str | None) -> tuple[float, ...] | None:
    from ssem_advisor.domain import AdvisorError

    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.replace(",", " ").split())
    except ValueError:
        raise AdvisorError(f"{option} {value!r}: must be numbers with commas between them, as in 0.1,0.5") from None


def _sizes(
    suite: str, seeds: int | None, classes: int | None, instances: int | None, class_counts: Path | None
) -> dict[str, Any]:
    """The options that say how many classes and instances, as the suite's protocol names them."""
    from ssem_advisor.domain import AdvisorError

    if suite == "digits" and instances is None and class_counts is None:
        return {"classes": classes}
    if suite == "synthetic":
        if class_counts is not None:
            counts = read_class_counts(class_counts)
            if not all(isinstance(count, (int, float)) and count >= 2 and count % 1 == 0 for count in counts):
                raise AdvisorError(f"--class-counts {class_counts}: must be integers >= 2")
            if classes not in (None, len(counts)) or instances is not None:
                raise AdvisorError(
                    "--class-counts says the classes and instances; leave --classes and --instances-per-class out"
                )
            return {"class_counts": tuple(int(count) for count in counts), "classes": len(counts)}
        if classes is None and instances is None:
            return {}
        return {"class_counts": (instances or 40,) * (classes or 20), "classes": classes or 20}
    if classes is None and instances is None and class_counts is None:
        return {}
    if suite.startswith("cifar") and class_counts is None:
        return {"classes": classes, "instances": instances}
    raise AdvisorError(f"--suite {suite}: its data fix the classes and instances; leave those options out")


def _configured(path: Path, batch_size: int | None) -> list[Protocol]:
    """The protocols of a protocol file, or the proxy of the first contrastive training run of a config.

    batch_size: instances that the loss sees, where the command line says it.
    """
    from ssem_advisor import config
    from ssem_advisor.cli._config import odd_places, refuse_open_batch
    from ssem_advisor.domain import LOSSES, AdvisorError, Setting
    from ssem_advisor.experiments import protocol

    if not path.is_file():
        raise AdvisorError(f"--config {path}: no such file")
    document = config.read(path)
    values = _mapping(path) if document.format in ("yaml", "json", "toml") else None
    if isinstance(values, dict) and "validate" in values:
        return protocol.read(path, values)
    if document.error:
        raise AdvisorError(f"--config {path}: {document.error}")
    for found in document.runs:
        if found.kind != "not-contrastive" and found.get("loss") in (None, *LOSSES):
            for odd in odd_places(document, found):
                tell(f"{path}: look at {odd}")
            if batch_size is None and found.get("sampler") != "full":
                refuse_open_batch(path, found, by_number=True)
            said = {} if batch_size is None else {"batch_size": batch_size}
            return [protocol.proxy(Setting(**found.known() | said))]
    raise AdvisorError(f"--config {path}: describes no supervised contrastive training, and has no `validate:`")


def _mapping(path: Path) -> Any:
    """The content of a YAML, JSON or TOML file; None where it is not plain data."""
    if path.suffix.lower() == ".toml":
        import tomllib

        try:
            return tomllib.loads(path.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            return None
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(path.read_text())
    except (YAMLError, UnicodeDecodeError):
        return None


class _Progress:
    """A bar with the time left on a terminal, elsewhere a line now and then; on stderr, stdout is the report's."""

    def __init__(self) -> None:
        import time

        from rich.console import Console

        self.console, self.clock, self.last = Console(stderr=True), time.monotonic, time.monotonic()
        self.bar: Any = None

    def __enter__(self) -> _Progress:
        Waiting.end()
        if self.console.is_terminal:
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            left, what = TextColumn("{task.fields[left]}"), TextColumn("{task.description}")
            columns = (BarColumn(), TaskProgressColumn(), left, what)
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.bar.start()
            self.task = self.bar.add_task("", total=1.0, left="")
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def notify(self, done: float, left: float | None, what: str) -> None:
        from ssem_advisor.report.validation import duration

        remaining = "" if left is None else f"{duration(left)} left"
        if self.bar is not None:
            self.bar.update(self.task, completed=done, left=remaining, description=what)
        elif self.clock() - self.last > 30:
            self.last = self.clock()
            tell(f"{done:.0%} {remaining} {what}".rstrip())
