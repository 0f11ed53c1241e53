"""`diagnose`: config, loss curve and embeddings of a run, any of them, to one verdict with reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ssem_advisor.cli._options import ConfigOption, Format, FormatOption
from ssem_advisor.cli._output import columns, paint, say
from ssem_advisor.cli._setting import setting_of, takes_setting
from ssem_advisor.domain import SettingError


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
    form: FormatOption = Format.text,
) -> None:
    """Say what is wrong with a run, and what to change first."""
    if labels is not None and embeddings is None:
        raise SettingError("labels: go with --embeddings FILE")
    if column is not None and loss_curve is None:
        raise SettingError("column: goes with --loss-curve FILE")
    if plain and "alpha" in given:
        raise SettingError("plain: plain SupCon has no alpha; give one of the two")
    from ssem_advisor import diagnosis
    from ssem_advisor.report.diagnosis import diagnosis_json, diagnosis_text

    facts = None
    if config is not None:
        from ssem_advisor.cli._config import adopt

        facts = adopt(config, given)
        if plain:
            given.pop("alpha", None)
        base_temperature = facts.base_temperature if base_temperature is None else base_temperature
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
    if {"classes", "class_counts"} & given.keys():
        setting = setting_of(given)
    verdict = diagnosis.diagnose(
        setting,
        curve,
        measured,
        known=given,
        rectified=rectified,
        base_temperature=base_temperature if {"temperature"} & given.keys() else None,
        plain=plain or (facts is not None and facts.plain and "alpha" not in given),
    )
    if form is Format.json:
        import json

        data = diagnosis_json(verdict)
        if facts is not None:
            data["config"] = facts.to_dict()
        say(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        say((facts.to_text(columns()) if facts is not None else "") + diagnosis_text(verdict, paint(), columns()))
