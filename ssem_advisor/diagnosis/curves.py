"""Loss curves from the files that trainers write: csv (W&B exports too), HF trainer state, JSON lines, TensorBoard."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssem_advisor.domain import AdvisorError
from ssem_advisor.limits import read_bytes

MAX_BYTES = 200_000_000
_NOT_TRAINING = re.compile(r"(?:^|[\W_])(?:val|valid|validation|eval|test)(?:$|[\W_])|__(?:min|max)$")
_INDEX = re.compile(r"(?i)|(?:global_?)?step|epoch|iter(?:ation)?|(?:wall|relative)?[ _]?time.*|timestamp")
_WHOLE = ("loss", "train_loss", "training_loss")


class CurveError(AdvisorError, ValueError):
    """A loss curve that cannot be read; one line with the remedy."""


@dataclass(frozen=True)
class LossCurve:
    """A training loss over time.

    path: the file it is from. name: column or tag. values: in nats as the training loop prints it, at least one.
    """

    path: Path
    name: str
    values: tuple[float, ...]

    @property
    def finite(self) -> bool:
        return all(map(math.isfinite, self.values))

    @property
    def first(self) -> float:
        return self.values[0]

    @property
    def last(self) -> float:
        """The median of the last tenth, of five values at least, or of the last half where there are fewer than ten.

        One step's noise does not decide.
        """
        return _median(self.values[-self._tenth :])

    @property
    def falling(self) -> bool | None:
        """Whether the last tenth brought 2 % of what the loss has come down by, and more than the noise of a median.

        None for fewer than 20 values.
        """
        if len(self.values) < 20:
            return None
        recent, start = self.values[-2 * self._tenth : -self._tenth], _median(self.values[: self._tenth])
        before = _median(recent)
        noise = 6 * _median(tuple(abs(value - before) for value in recent)) / math.sqrt(self._tenth)
        return before - self.last > max(0.02 * (start - self.last), noise)

    @property
    def rising(self) -> bool | None:
        """Whether the loss ends above every value of its first tenth. None for fewer than 20 values."""
        if len(self.values) < 20:
            return None
        return self.last > max(self.values[: self._tenth])

    @property
    def _tenth(self) -> int:
        return min(max(5, len(self.values) // 10), (len(self.values) + 1) // 2)


def _median(values: tuple[float, ...]) -> float:
    return sorted(values)[len(values) // 2]


def read_curve(path: Path | str, column: str | None = None) -> LossCurve:
    """The training loss of a file: csv or tsv, JSON (a list, HF's trainer_state.json), JSON lines, TensorBoard events.

    path: the file, or a folder of TensorBoard events. column: the name to take where several could be meant.
    Raises CurveError for what cannot be read as a loss curve, or as more than one.
    """
    path = Path(path)
    if not path.exists():
        raise CurveError(f"{path}: no such file; check the path")
    if path.is_dir() or "tfevents" in path.name:
        return _chosen(path, _tensorboard(path), column)
    if path.suffix == ".wandb":
        raise CurveError(f"{path}: W&B's own format; export the loss panel as csv and give that file")
    try:
        text = read_bytes(path, MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a text file"
        raise CurveError(f"{path}: cannot be read: {why}; give csv, JSON or TensorBoard events") from None
    if not text.strip():
        raise CurveError(f"{path}: empty; give a file with at least one loss value")
    records = _json_records(path, text) if text.lstrip()[0] in "{[" else _csv_records(path, text)
    series: dict[str, list[float]] = {}
    for record in records:
        for key, value in record.items():
            number = _number(value)
            if number is not None:
                series.setdefault(key, []).append(number)
    return _chosen(path, series, column)


def _chosen(path: Path, series: dict[str, list[float]], column: str | None) -> LossCurve:
    if column is not None:
        if column not in series:
            raise CurveError(f"{path}: no column {column!r} with numbers; it has {_listed(list(series))}")
        return LossCurve(path, column, tuple(series[column]))
    named = [name for name in series if "loss" in _metric(name) and not _NOT_TRAINING.search(_metric(name))]
    # Trainers add a mean over each epoch to the loss of the steps, and one over the whole run at its end.
    named = [name for name in named if name.removesuffix("_epoch") + "_step" not in named]
    named = [name for name in named if len(series[name]) > 1] or named
    whole = [name for name in named if re.split(r"[/ .]+", _metric(name))[-1].removesuffix("_step") in _WHOLE]
    contrastive = [name for name in named if re.search(r"contras|supcon|(?:^|info|[\W_])nce", _metric(name))]
    best = contrastive if len(contrastive) == 1 else whole if len(whole) == 1 else named
    if len(best) == 1:
        return LossCurve(path, best[0], tuple(series[best[0]]))
    if not best and len(series) == 1 and not _INDEX.fullmatch(alone := next(iter(series))):
        return LossCurve(path, alone, tuple(series[alone]))
    if not series:
        raise CurveError(f"{path}: no column of numbers in it; give csv, JSON or TensorBoard events")
    why = "several could be the training loss" if best else "no column is named a training loss"
    raise CurveError(f"{path}: {why}; say --column with one of {_listed(best or list(series))}")


def _metric(name: str) -> str:
    """The name in lower case, without the run that an export of W&B writes before it: "sunset-3 - train/loss"."""
    return name.rpartition(" - ")[2].lower()


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "none"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value) if isinstance(value, (int, float, str)) else None
    except (ValueError, OverflowError):
        return None


def _json_records(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        data = json.loads(text)
    except RecursionError:
        raise CurveError(f"{path}: nested too deeply") from None
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            data = [json.loads(line) for line in lines]
        except (ValueError, RecursionError) as error:
            raise CurveError(f"{path}: neither JSON nor JSON lines: {error}") from None
    if isinstance(data, dict):
        data = data.get("log_history", data.get("history", [data]))
    if isinstance(data, list) and data and all(_number(value) is not None for value in data):
        data = [{"loss": value} for value in data]
    if not isinstance(data, list):
        raise CurveError(f"{path}: must hold a list of records, such as the log_history of a trainer state")
    return [record for record in data if isinstance(record, dict)]


def _csv_records(path: Path, text: str) -> list[dict[str, Any]]:
    first = text.lstrip().splitlines()[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise CurveError(f"{path}: not a csv file: {error}") from None
    rows = [row for row in rows if row]
    if not rows:
        raise CurveError(f"{path}: empty; give a file with at least one loss value")
    if all(_number(cell) is not None for cell in rows[0]):
        if len(rows[0]) == 1:
            return [{"loss": row[0]} for row in rows]
        raise CurveError(f"{path}: its first line holds numbers, not names of columns; give it a header")
    names = [name.strip() for name in rows[0]]
    if {"Name", "State"} <= set(names):
        raise CurveError(f"{path}: W&B's table of runs, one row for each; export the loss panel of the run instead")
    return [dict(zip(names, row, strict=False)) for row in rows[1:]]


def _tensorboard(path: Path) -> dict[str, list[float]]:
    """The scalars of an event file or a folder of them, or of the one run that lies up to three folders below."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.util.tensor_util import make_ndarray
    except ModuleNotFoundError:
        raise CurveError(f"{path}: events need pip install tensorboard; or export a csv") from None

    def scalars(place: Path) -> dict[str, list[float]]:
        events = EventAccumulator(str(place), size_guidance={"scalars": 0, "tensors": 0})
        try:
            events.Reload()
        except Exception as error:  # whatever its reader makes of a broken file
            raise CurveError(f"{place}: no readable TensorBoard events ({type(error).__name__})") from None
        tags = events.Tags()
        values = {tag: [event.value for event in events.Scalars(tag)] for tag in tags["scalars"]}
        for tag in tags["tensors"]:  # how TensorFlow writes a scalar, and SummaryWriter in its new style
            arrays = [make_ndarray(event.tensor_proto) for event in events.Tensors(tag)]
            if all(array.dtype.kind == "f" and array.size == 1 for array in arrays):
                values[tag] = [float(array) for array in arrays]
        return values

    if found := scalars(path):
        return found
    below = {file.parent for stars in ("*", "*/*", "*/*/*") for file in path.glob(f"{stars}/*tfevents*")}
    runs = [  # add_scalars makes folders below a run, such as Loss_val
        run for run in sorted(below) if run.parent not in below and not _NOT_TRAINING.search(run.name.lower())
    ]
    if len(runs) == 1 and (found := scalars(runs[0])):
        return found
    if len(runs) > 1:
        names = _listed([run.relative_to(path).as_posix() for run in runs])
        raise CurveError(f"{path}: {len(runs)} runs in it; give the folder of one: {names}")
    raise CurveError(f"{path}: no scalars in it; give a folder or file of TensorBoard events")
