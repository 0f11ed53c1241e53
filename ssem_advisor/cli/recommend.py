"""`recommend`: safe ranges of alpha and temperature, and a setting to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ssem_advisor.cli._options import ConfigOption, Format, FormatOption, MixOption, NetworkChoice
from ssem_advisor.cli._output import Waiting, columns, paint, say, tell
from ssem_advisor.cli._setting import own_weights, setting_of, takes_setting
from ssem_advisor.domain import NotCovered, SettingError


@takes_setting
def recommend(
    given: dict[str, Any],
    network: Annotated[
        NetworkChoice | None,
        typer.Option("--network", help="Aim at the free spread of a typical network, or of the minimum of the loss."),
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="EMBEDDINGS",
            help="Aim at the free spread of your network: embeddings of several views from a pilot run.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="Labels for --from, if they are in a separate file."),
    ] = None,
    free_spread: Annotated[
        float | None,
        typer.Option("--free-spread", help="Free spread to aim at, as a share of the variance; default 0.2."),
    ] = None,
    safe_spread: Annotated[
        str | None,
        typer.Option(
            "--safe-spread", metavar="LOW,HIGH", help="Smallest and largest safe free spread; default 0.1,0.25."
        ),
    ] = None,
    config: ConfigOption = None,
    mix: MixOption = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Also draw the phase diagram.")] = None,
    details: Annotated[
        bool,
        typer.Option(
            "--details", help="Also show further settings to train, other batches, all notes and the theorems."
        ),
    ] = False,
    form: FormatOption = Format.text,
) -> None:
    """Recommend an alpha and temperature that avoid class collapse.

    The answer has the ranges to stay in, how sure each number is, and what happens otherwise. --details adds further
    settings worth training, other batches, all notes and the theorems.
    """
    if mix == "list":
        if form is Format.json:
            raise SettingError("mix: the list of forms is a text; leave --format out")
        from ssem_advisor.report.mix import forms_text

        say(forms_text())
        return
    if labels is not None and measured is None:
        raise SettingError("labels: go with --from EMBEDDINGS")
    if plot is not None:
        from ssem_advisor.report.plots import check_ending

        check_ending(plot)  # before the answer, not after it
    facts = None
    if config is not None:
        from ssem_advisor.cli._config import adopt

        facts = adopt(config, given)
    pilot = _measured(measured, labels, given) if measured is not None else None
    if not {"classes", "class_counts"} & given.keys():
        where = "" if facts is None else f"{config} does not say how many classes there are; "
        if facts is not None and (refused := next((odd for odd in facts.odd if ": classes = " in odd), "")):
            where = f"{config}, {refused}; "
        raise SettingError(f"classes: missing; {where}give --classes N, --class-counts FILE or --dataset NAME")
    from ssem_advisor import advice as advisor

    own = own_weights(mix, given) if mix is not None else None
    setting = setting_of(given)
    if setting.extras:
        wanted = {
            "mix": mix,
            "from": measured,
            "network": network,
            "free-spread": free_spread,
            "safe-spread": safe_spread,
        }
        for option, value in wanted.items():
            if value is not None:
                raise SettingError(
                    f"{option}: goes with a recommended alpha, and with {' and '.join(setting.extras)} only the "
                    f"collapse threshold is known; leave --{option} out"
                )
        _say_extended(setting, facts, form)
        return
    assumed = [name for name in ("loss", "views", "sampler", "dim") if name not in given]
    if setting.instances_per_class is None and setting.class_counts is None:
        assumed.append("instances_per_class")
    wishes: dict[str, Any] = {}
    if free_spread is not None:
        wishes["free_spread"] = free_spread
    if safe_spread is not None:
        wishes["safe_spread"] = _pair(safe_spread)
    if pilot is not None:
        if network is not None:
            raise SettingError("--from: measures the network; leave --network out")
        wishes["network"], wishes["pilot"] = pilot.network, pilot.free_spread
    elif network is NetworkChoice.perfect:
        from ssem_advisor.theory.network import PERFECT

        wishes["network"] = PERFECT
    if setting.unequal or (setting.dim is not None and setting.dim < setting.classes - 1):
        Waiting.about(f"Placing {setting.classes} class means in {setting.dim or 'all'} dimensions")
    wishes["assumed"] = tuple(assumed)
    answer = advisor.recommend(setting, alternatives=details or form is Format.json, **wishes)
    if answer.recommended is None and not answer.alternatives:  # then what else to do is the answer
        answer = advisor.recommend(setting, alternatives=True, **wishes)
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
            say(facts.to_text(columns()))
        say(report.to_text(answer, paint(), columns(), details))
        if own is not None:
            say(own.to_text(answer, columns()))
        _note_data_set(given)
    if plot is not None:
        from ssem_advisor.report import plots

        try:
            plots.phase_diagram(answer.setting, plot)
        except NotCovered as reason:
            tell(f"No picture: {reason}")
        else:
            tell(f"Phase diagram written to {plot}")


def _say_extended(setting: Any, facts: Any, form: Format) -> None:
    from ssem_advisor.report import extended

    if form is Format.json:
        import json

        data = extended.to_dict(setting)
        if facts is not None:
            data["config"] = facts.to_dict()
        say(json.dumps(data, indent=2, allow_nan=False))
    else:
        if facts is not None:
            say(facts.to_text(columns()))
        say(extended.to_text(setting, paint(), columns()))


def _measured(path: Path, labels: Path | None, given: dict[str, Any]) -> Any:
    """What `--from` says of the network; classes and dim that `given` leaves open are those of the file."""
    import numpy as np

    from ssem_advisor.measurement import load, measure

    rows = load(path, labels)
    found = measure(rows.embeddings, rows.labels, instance_ids=rows.instance_ids, bootstrap=0, pairs=1)
    pilot, spread = found.pilot, found.spread
    if pilot is None:
        raise SettingError(f"--from {path}: {found.why_no_pilot}, or leave --from out for a typical network")
    dim = given.setdefault("dim", spread.dim)
    if dim != spread.dim:
        raise SettingError(
            f"--from {path}: dim {spread.dim}, while the loss sees dim {dim}: another layer; save the projection, "
            f"whose view reliability decides, or give --dim {spread.dim} if that is it"
        )
    if "class_counts" not in given:
        classes = len(np.unique(rows.labels))
        if given.setdefault("classes", classes) != classes:
            tell(f"--from {path}: {classes} labels, while the loss is told of {given['classes']} classes")
    return pilot


def _pair(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise SettingError(
            f"safe_spread={text!r}: must be two numbers with a comma between, such as 0.1,0.25"
        ) from None
    return low, high


def _note_data_set(given: dict[str, Any]) -> None:
    if "dataset" in given:
        from ssem_advisor import catalogue

        data = catalogue.get(given["dataset"])
        note = f"; {data.note}" if data.note else ""
        say(f"Data set {data.name}: {data.source}{note}.")
