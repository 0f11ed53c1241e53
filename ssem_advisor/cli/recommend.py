"""`recommend`: safe ranges of alpha and temperature, and a setting to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ssem_advisor.cli._options import Format, FormatOption
from ssem_advisor.cli._output import say, tell
from ssem_advisor.cli._setting import setting_of, takes_setting
from ssem_advisor.domain import NotCovered, SettingError


@takes_setting
def recommend(
    given: dict[str, Any],
    target_variance: Annotated[
        float, typer.Option("--target-variance", help="Within-class variance to aim for.", show_default=True)
    ] = 0.25,
    band: Annotated[
        str, typer.Option("--band", metavar="LOW,HIGH", help="Least and largest within-class variance that is safe.")
    ] = "0.05,0.5",
    view_reliability: Annotated[
        float, typer.Option("--view-reliability", help="Measured share of the spread that is the instance's own.")
    ] = 1.0,
    effective_dim: Annotated[
        float | None, typer.Option("--effective-dim", help="Measured directions of the within-class spread.")
    ] = None,
    trained: Annotated[
        bool, typer.Option("--trained", help="Aim at what trained networks reach (fitted), not at the minimiser.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Take what a training config says; options here win over it."),
    ] = None,
    mix: Annotated[
        str | None,
        typer.Option(
            "--mix",
            metavar="FORM[:WEIGHTS]",
            help="How your code writes the loss, so that its own weights are said: mixed, mixed:0.05, "
            "two-weights:1,0.3, ... (--mix list shows all).",
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Also draw the phase diagram.")] = None,
    form: FormatOption = Format.text,
) -> None:
    """Say which alpha and temperature avoid class collapse, and a setting to start from."""
    if mix == "list":
        from ssem_advisor.report.mix import forms_text

        typer.echo(forms_text(), nl=False)
        return
    facts = None
    if config is not None:
        from ssem_advisor.cli._config import adopt

        facts = adopt(config, given)
    if not {"classes", "class_counts"} & given.keys():
        where = "" if config is None else f"{config} does not say how many classes there are; "
        raise SettingError(f"classes: missing; {where} give --classes N, --class-counts FILE or --dataset NAME")
    from ssem_advisor import advice as advisor

    own = _own_weights(mix, given) if mix is not None else None
    setting = setting_of(given)
    if setting.extras:
        _say_extended(setting, form)
        return
    assumed = [name for name in ("loss", "views", "sampler", "dim") if name not in given]
    if setting.instances_per_class is None and setting.class_counts is None:
        assumed.append("instances_per_class")
    with _patience(setting):
        answer = advisor.recommend(
            setting,
            target_variance,
            _band(band),
            assumed=tuple(assumed),
            alternatives=True,
            view_reliability=view_reliability,
            effective_dim=effective_dim,
            trained=trained,
        )
    from ssem_advisor.report import advice as report

    if form is Format.json:
        import json

        data = report.to_dict(answer)
        if facts is not None:
            data["config"] = facts.to_dict()
        if own is not None:
            data["mix"] = own.to_dict(answer)
        say(json.dumps(data, indent=2, allow_nan=False))
    else:
        if facts is not None:
            say(facts.to_text())
        say(report.to_text(answer, bold=lambda text: typer.style(text, bold=True)))
        if own is not None:
            say(own.to_text(answer))
        _note_data_set(given)
    if plot is not None:
        from ssem_advisor.report import plots

        try:
            plots.phase_diagram(answer.setting, plot)
        except NotCovered as reason:
            tell(f"No picture: {reason}")
        else:
            tell(f"Phase diagram written to {plot}")


def _say_extended(setting: Any, form: Format) -> None:
    from ssem_advisor.report import extended

    if form is Format.json:
        import json

        say(json.dumps(extended.to_dict(setting), indent=2, allow_nan=False))
    else:
        say(extended.to_text(setting, bold=lambda text: typer.style(text, bold=True)))


def _band(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise SettingError(f"band={text!r}: must be two numbers with a comma between, such as 0.05,0.5") from None
    return low, high


def _own_weights(mix: str, given: dict[str, Any]) -> Any:
    """How the user's code writes the loss; weights named there decide alpha."""
    from ssem_advisor.advice import complete
    from ssem_advisor.report.mix import Mix

    own = Mix.parse(mix)
    name, loss = own.form.name, own.form.loss
    if name != "alpha" and given.setdefault("loss", loss) != loss:
        raise SettingError(f"mix={name}: mixes the loss {loss}, not loss={given['loss']!r}")
    if own.given is not None:
        if "alpha" in given:
            raise SettingError("alpha: the weights of --mix decide it; give one of the two")
        given["alpha"] = float(f"{own.alpha(complete(setting_of(given))[0]):.6g}")  # as one would type it
    return own


def _note_data_set(given: dict[str, Any]) -> None:
    if "dataset" in given:
        from ssem_advisor import catalogue

        data = catalogue.get(given["dataset"])
        note = f"; {data.note}" if data.note else ""
        say(f"Data set {data.name}: {data.source}{note}.")


def _patience(setting: Any) -> Any:
    """A spinner on stderr where the class means have to be searched for; nothing where the answer is immediate."""
    import contextlib
    import sys

    slow = setting.unequal or (setting.dim is not None and setting.dim < setting.classes - 1)
    if not slow or setting.classes < 50 or not sys.stderr.isatty():
        return contextlib.nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(f"Placing {setting.classes} class means in {setting.dim or 'all'} dimensions")
