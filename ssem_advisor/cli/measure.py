"""`ssem-advisor measure`: have these embeddings collapsed, and where does this loss value lie?"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ssem_advisor.cli._options import ConfigOption, Format, FormatOption
from ssem_advisor.cli._output import columns, paint, say, tell
from ssem_advisor.cli._setting import next_command, setting_of, takes_setting
from ssem_advisor.domain import Setting, SettingError

_PLATEAU = ("batch_size", "views", "loss", "temperature")  # what total collapse depends on


@takes_setting
def measure(
    given: dict[str, Any],
    file: Annotated[
        Path | None,
        typer.Argument(
            help="File with embeddings: .npy, .npz, .pt, .pth, .safetensors, .parquet or .csv.", show_default=False
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="File with one label for each instance, if FILE has no labels.")
    ] = None,
    loss_value: Annotated[
        float | None, typer.Option("--loss-value", help="A training loss to compare with its reference values.")
    ] = None,
    base_temperature: Annotated[
        float | None,
        typer.Option(
            "--base-temperature",
            help="Base temperature of SupContrast's code, which multiplies the loss by temperature / base.",
        ),
    ] = None,
    config: ConfigOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed for the random pairs and the bootstrap.")] = 0,
    form: FormatOption = Format.text,
) -> None:
    """Say whether embeddings have collapsed, or place a loss value.

    The variance inside classes has three parts: view noise, confusion and free spread, which finer labels need.
    Embeddings of several views, with shape (instances, views, dim), show all three. With one view, the free spread
    contains the view noise.

    Setting options add a comparison with theory. Classes and dim are read from the embeddings.
    """
    if file is None and loss_value is None:
        raise typer.BadParameter("give a FILE of embeddings, or --loss-value")
    if file is None and labels is not None:
        raise typer.BadParameter("--labels goes with a FILE of embeddings")
    if seed < 0:
        raise SettingError(f"seed={seed}: must be an integer >= 0")
    compared = True
    if config is not None:
        from ssem_advisor.cli._config import adopted

        facts = adopted(config, given)
        if not facts.plain and "alpha" not in given:
            unknown = f"{config} does not say the weight of the self-supervised term"
            if file is None or loss_value is not None:
                raise SettingError(f"alpha: {unknown}; give --alpha")
            tell(f"{unknown}: measured without a comparison with theory, which needs --alpha")
            compared = False
        if loss_value is not None and base_temperature is None:
            base_temperature = facts.base_temperature
    text = ""
    data: dict[str, Any] = {}
    if file is not None:
        import numpy as np

        from ssem_advisor import measurement
        from ssem_advisor.report.measurement import measurement_json, measurement_text

        found = measurement.load(file, labels)
        setting = None
        if given:
            setting = setting_of({"classes": len(np.unique(found.labels)), **given})
        measured = measurement.measure(
            found.embeddings,
            found.labels,
            instance_ids=found.instance_ids,
            setting=setting,
            seed=seed,
            compared=compared,
        )
        measured = _as_typed(measured, given, file, labels)
        threads = _threads()
        text = measurement_text(measured, paint(), columns(), threads)
        data = {**measurement_json(measured, threads)}
    if loss_value is not None:
        from ssem_advisor.measurement.loss_value import beside_embeddings, place_loss
        from ssem_advisor.report.measurement import loss_json, loss_text

        if file is not None and given:
            given.setdefault("classes", len(np.unique(found.labels)))
        if "classes" in given or "class_counts" in given:
            placed = place_loss(loss_value, setting=setting_of(given), base_temperature=base_temperature)
        else:
            known = {name: given[name] for name in _PLATEAU if name in given}
            Setting(classes=2, **known)  # its fields are validated there
            placed = place_loss(loss_value, base_temperature=base_temperature, **known)
        if file is not None:
            placed = beside_embeddings(placed)
        text = loss_text(placed, paint(), columns()) + ("\n" + text if text else "")
        data = {**data, **loss_json(placed)}
    elif base_temperature is not None:
        raise SettingError("base_temperature: scales a loss value and moves no optimum; give --loss-value with it")
    if form is Format.json:
        import json

        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    say(text)


def _as_typed(measured: Any, known: Collection[str], file: Path, labels: Path | None) -> Any:
    """The measurement with a next step that repeats the options and files of this command."""
    old = measured.diagnosis.command
    if not old:
        return measured
    known_weight = {} if "--alpha" in old else {"alpha": None}
    new = next_command(known, measured, *((file, labels) if "--from" in old else ()), **known_weight)
    remedy = measured.remedy.replace(old, new)
    return replace(measured, diagnosis=replace(measured.diagnosis, remedy=remedy, command=new))


def _threads() -> int | None:
    """How many threads numpy's products were told to take, as libraries read it; None where nothing readable says it.

    `ssem_advisor.cli` asks for one before numpy is loaded, unless the user's OMP_NUM_THREADS says how many.
    """
    said = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS", "")
    number = re.match(r"\s*\+?0*([1-9]\d{0,3})\b", said)
    return int(number[1]) if number else None
