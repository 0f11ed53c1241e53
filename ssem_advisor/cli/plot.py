"""`ssem-advisor plot`: the phase diagram and its companions, as a file or in the terminal."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ssem_advisor.cli._options import NetworkChoice
from ssem_advisor.cli._output import Waiting, columns, has_colour, tell
from ssem_advisor.cli._setting import gathered, setting_of, takes_setting

if TYPE_CHECKING:
    from ssem_advisor.documents import Validate
    from ssem_advisor.domain import Setting
    from ssem_advisor.report.plots import Paper


class Picture(StrEnum):
    phase = "phase"
    batch = "batch"
    variance = "variance"
    losses = "losses"
    openings = "openings"
    measured = "measured"


class Theme(StrEnum):
    light = "light"
    dark = "dark"


@takes_setting
def plot(
    given: dict[str, Any],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Picture to write: .png, .svg or .pdf.")] = None,
    kind: Annotated[
        Picture,
        typer.Option(
            "--kind",
            help="phase: free spread over temperature and weight; batch: threshold against batch size; "
            "variance: free spread against weight; losses: the loss at collapse and at the optimum against weight; "
            "openings: variance of each class against weight, for unequal classes; "
            "measured: measured against predicted free spread, of --from.",
        ),
    ] = Picture.phase,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="For --kind measured: the folder or the report of a `validate` run, or embeddings with their setting.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="WIDTHxHEIGHT", help="Size of the picture in inches, for example 6x4."),
    ] = None,
    theme: Annotated[Theme, typer.Option("--theme", help="Colours for a light or a dark page.")] = Theme.light,
    network: Annotated[
        NetworkChoice,
        typer.Option("--network", help="Show the free spread of a typical network, or of the minimiser of the loss."),
    ] = NetworkChoice.typical,
    terminal: Annotated[bool, typer.Option("--terminal", help="Show the phase diagram in the terminal.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="Training config that gives the setting and a marked point.")
    ] = None,
) -> None:
    """Draw where class collapse is the optimum, and where it is not.

    The phase diagram shows the predicted within-class variance over temperature and weight, the collapse boundary, the
    safe range, the recommended point, your own point and well-known recipes.
    """
    from ssem_advisor.advice import complete
    from ssem_advisor.domain import FIELDS, AdvisorError
    from ssem_advisor.extras import need
    from ssem_advisor.report import plots

    if output is None and not terminal:
        raise AdvisorError("plot: nowhere to draw; give -o FILE (.png, .svg or .pdf) or --terminal")
    if kind is not Picture.phase and (terminal or config is not None):
        raise AdvisorError(f"--kind {kind}: --terminal and --config belong to the phase diagram")
    if (kind is Picture.measured) != (source is not None):
        raise AdvisorError("--kind measured and --from PATH go together")
    if output is not None:
        need("plot", "plot")
    paper = plots.Paper(None if size is None else _inches(size), theme.value, network.value)
    if source is not None and output is not None:
        _draw_measured(source, given, output, paper)
        tell(f"wrote {output}")
        return
    own = None
    if config is not None:
        own = _configured(config, given)
        if {"classes", "class_counts"}.isdisjoint(given):
            place = {"temperature", "alpha"}  # of its own point, which the picture marks
            given = {name: value for name in FIELDS if name not in place and (value := getattr(own, name)) is not None}
        else:
            given = gathered(given)
    setting, assumed = complete(setting_of(given))
    Waiting.about(f"Drawing what becomes of {setting.classes} classes")
    if output is not None:
        if kind is Picture.phase:
            plots.phase_diagram(setting, output, own, paper)
        else:
            draw = {
                Picture.batch: plots.threshold_vs_batch,
                Picture.variance: plots.variance_vs_alpha,
                Picture.losses: plots.loss_values,
                Picture.openings: plots.class_openings,
            }[kind]
            draw(setting, output, paper)
    if assumed:  # said with a picture, not with a refusal
        tell(f"assumed batch_size={setting.batch_size}; say --batch-size")
    if output is not None:
        tell(f"wrote {output}")
    if terminal:
        _show(setting, own, paper)


def _draw_measured(source: Path, given: dict[str, Any], output: Path, paper: Paper) -> None:
    """A `validate` folder or report as it is, or embeddings beside what theory predicts for their setting."""
    from ssem_advisor.domain import AdvisorError
    from ssem_advisor.report import plots

    if source.is_dir() or source.suffix == ".json":
        if given:
            raise AdvisorError("--from: a report of `validate` says its settings; leave the setting options out")
        plots.measured_report(_report(source), output, paper)
        return
    import numpy as np

    from ssem_advisor import measurement

    found = measurement.load(source)
    setting = setting_of({"classes": len(np.unique(found.labels)), **given})
    measured = measurement.measure(found.embeddings, found.labels, instance_ids=found.instance_ids, setting=setting)
    plots.measured_embeddings(measured, output, paper)


def _report(source: Path) -> Validate:
    """The report of `validate` in a folder (report.json, or result.json of a recorded study), or in a file."""
    import json

    from ssem_advisor.domain import AdvisorError
    from ssem_advisor.limits import read_bytes

    names = [source / "report.json", source / "result.json"] if source.is_dir() else [source]
    path = next((name for name in names if name.is_file()), None)
    if path is None:
        what = "no report.json in it yet" if source.is_dir() else "no such file"
        raise AdvisorError(f"--from {source}: {what}; `validate --output` writes one")
    try:
        report = json.loads(read_bytes(path, 100_000_000))
        told = all(
            isinstance(suite["points"], list) and {"classes", "dim"} <= suite["protocol"].keys()
            for suite in report["suites"]
        )
        if told and isinstance(report["verdict"], str):
            return cast("Validate", report)
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        pass
    raise AdvisorError(f"--from {path}: is no report of `validate`")


def _inches(size: str) -> tuple[float, float]:
    from ssem_advisor.domain import AdvisorError

    width, _, height = size.lower().partition("x")
    try:
        return float(width), float(height)
    except ValueError:
        raise AdvisorError(f"--size {size}: write width and height in inches with an x between, as 6x4") from None


def _configured(path: Path, given: dict[str, Any]) -> Setting:
    """The setting that a config and the options beside it train in; alpha None where it is plain SupCon."""
    from ssem_advisor.cli._config import adopted
    from ssem_advisor.domain import AdvisorError

    known = dict(given)
    facts = adopted(path, known)
    if facts.kind not in ("supcon", "supcon+self"):
        raise AdvisorError(f"--config {path}: describes no supervised contrastive training that has a place here")
    missing = [option for option in facts.asked if option in ("--temperature", "--alpha", "--classes")]
    if missing:
        raise AdvisorError(f"--config {path}: does not say where to mark it; give {' and '.join(missing)} as well")
    if facts.plain and "alpha" not in given:
        known.pop("alpha", None)
    return setting_of(known)


def _show(setting: Setting, own: Setting | None, paper: Paper) -> None:
    import sys

    from rich.console import Console
    from rich.text import Text

    from ssem_advisor.report.plots import terminal_heat_map

    colour = has_colour()
    console = Console(highlight=False, soft_wrap=True, force_terminal=colour, color_system="auto" if colour else None)
    encoding = (sys.stdout.encoding or "ascii").lower()
    for line in terminal_heat_map(setting, own, columns(), unicode=encoding.startswith("utf"), paper=paper):
        console.print(Text.assemble(*line))
