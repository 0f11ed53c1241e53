"""`diagnose`: config, loss curve and embeddings of a run, any of them, to one verdict with reasons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssem_advisor.cli._options import ConfigOption, Format, FormatOption, MixOption
from ssem_advisor.cli._output import columns, paint, say
from ssem_advisor.cli._setting import next_command, own_weights, setting_of, takes_setting
from ssem_advisor.domain import SettingError

if TYPE_CHECKING:
    from ssem_advisor.convert import Form


@takes_setting
def diagnose(
    given: dict[str, Any],
    config: ConfigOption = None,
    loss_curve: Annotated[
        Path | None,
        typer.Option(
            "--loss-curve",
            metavar="FILE",
            help="Loss curve: csv, W&B export, Hugging Face trainer state, JSON lines or TensorBoard events.",
        ),
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", help="Column or tag of the training loss.")
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option("--embeddings", metavar="FILE", help="Embeddings, as `measure` reads them.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="FILE", help="Labels, if they are in a separate file.")
    ] = None,
    base_temperature: Annotated[
        float | None,
        typer.Option(
            "--base-temperature",
            help="Base temperature of SupContrast's code, which multiplies the loss by temperature / base.",
        ),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="The loss is plain SupCon: it has no self-supervised term and no alpha.")
    ] = False,
    mix: MixOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Say what is wrong with a run, and what to change first."""
    if labels is not None and embeddings is None:
        raise SettingError("labels: go with --embeddings FILE")
    if column is not None and loss_curve is None:
        raise SettingError("column: goes with --loss-curve FILE")
    if plain and ("alpha" in given or mix is not None):
        raise SettingError("plain: plain SupCon has neither alpha nor a mixture; give one of the two")
    if mix == "list":
        from ssem_advisor.report.mix import forms_text

        say(forms_text())
        return
    from ssem_advisor import diagnosis
    from ssem_advisor.report.diagnosis import diagnosis_json, diagnosis_text

    facts = None
    if config is not None:
        from ssem_advisor.cli._config import adopt

        facts = adopt(config, given)
        if plain:
            given.pop("alpha", None)
        base_temperature = facts.base_temperature if base_temperature is None else base_temperature
    known = set(given)
    curve = diagnosis.read_curve(loss_curve, column) if loss_curve is not None else None
    measured = setting = None
    rectified = False
    if embeddings is not None:
        import numpy as np

        from ssem_advisor import measurement

        found = measurement.load(embeddings, labels)
        measured = measurement.measure(found.embeddings, found.labels, instance_ids=found.instance_ids)
        rectified = bool((np.asarray(found.embeddings) >= 0).all())  # asked last: whatever is no number was refused
        if given and not {"classes", "class_counts"} & given.keys():
            given["classes"] = len(np.unique(found.labels))
    form_of_loss = None
    if mix is not None:
        form_of_loss, scale = _own_loss(mix, given, curve is not None)
        if scale != 1:
            base_temperature = given["temperature"] / scale
    if {"classes", "class_counts"} & given.keys():
        setting = setting_of(given)
    fits = diagnosis.pilot_for(setting, measured) is not None
    verdict = diagnosis.diagnose(
        setting,
        curve,
        measured,
        known=given,
        rectified=rectified,
        base_temperature=base_temperature if {"temperature"} & given.keys() else None,
        plain=plain or (facts is not None and facts.plain and "alpha" not in given),
        form=form_of_loss,
        command=next_command(known, measured, *((embeddings, labels) if fits else ()), alpha=None),
    )
    if form is Format.json:
        import json

        data = diagnosis_json(verdict)
        if facts is not None:
            data["config"] = facts.to_dict()
        say(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        say((facts.to_text(columns()) if facts is not None else "") + diagnosis_text(verdict, paint(), columns()))


def _own_loss(mix: str, given: dict[str, Any], with_curve: bool) -> tuple[Form, float]:
    """The form in which the code writes its loss, and how many times this package's loss its value is.

    What its weights say of alpha is put into `given`.
    """
    from ssem_advisor.advice import complete
    from ssem_advisor.convert import to_alpha

    for name in ("classes", "temperature"):
        if name not in given and not (name == "classes" and "class_counts" in given):
            raise SettingError(f"mix: what its weights mean depends on the {name}; give --{name}")
    own = own_weights(mix, given)
    if own.given is None:
        example = ",".join(("1", "0.3") if len(own.form.weights) == 2 else ("0.05",))
        raise SettingError(f"mix={mix}: which weights does the run have? write --mix {mix}:{example}")
    if with_curve and (own.form.local or own.form.name == "cross-entropy"):
        raise SettingError(f"mix={own.form.name}: no theorem places the value of this loss; leave --loss-curve out")
    return own.form, to_alpha(own.form, own.given, complete(setting_of(given))[0]).scale
