"""Every command's JSON is what its type says: the schemas are made of the types, and ship with the package."""

import json
import zipfile
from pathlib import Path
from typing import get_args

import jsonschema
import numpy as np
import pytest
import schemas
import typer
from hatchling.builders.wheel import WheelBuilder
from typer.testing import CliRunner

from ssem_advisor import documents
from ssem_advisor.cli import app
from ssem_advisor.experiments.intervals import Outcome

ROOT = Path(__file__).parents[2]
CONFIG = "loss: supcon\nalpha: 0.1\ntemperature: 0.2\nnum_classes: 10\nbatch_size: 100\nviews: 2\nbroken: 1\n"
RUNS = {
    "recommend": [
        "--classes 10 --dim 128",
        "--classes 10 --batch-size 100 --temperature 0.2 --mix two-weights:1,0.3",
        "--classes 8 --dim 7 --batch-size 64",
        "--class-counts 5,3,2 --dim 8 --sampler full",
        "--config c.yaml --mix mixed",
        "--classes 10 --queue 4096 --temperature 0.1",
        "--classes 10 --batch-size 100 --temperature 0.1 --alpha 0.5 --loss l_in",
        "--classes 10 --batch-size 100 --temperature 0.1 --cross-entropy 1",
        "--config c.yaml --self-temperature 0.5",
    ],
    "check": ["c.yaml", "c.yaml other.yaml two.sh broken.yaml --exit-zero"],
    "measure": ["z.npz", "z.npz --temperature 0.1 --alpha 0.3 --batch-size 60", "--loss-value 4.1 --batch-size 64",
                "z.npz --loss-value 4.1 --batch-size 64"],
    "diagnose": ["--embeddings z.npz", "--config c.yaml --loss-curve curve.csv", "--classes 10 --temperature 0.1"],
    "explain": ["", "THRESHOLD", "THRESHOLD --classes 10 --temperature 0.1",
                "FINITE --classes 5 --dim 8 -t 0.1 -a 0.5"],
    "rule": ["SSM101", "--all"],
    "datasets": [""],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "z.npz", embeddings=rng.normal(size=(60, 2, 8)), labels=np.arange(60) % 3)
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "other.yaml").write_text("loss: supcon\ntemperature: 0.1  # ssem: ignore[SSM]\n")
    (tmp_path / "broken.yaml").write_text("loss: supcon\n  temperature: [\n")
    (tmp_path / "two.sh").write_text(
        "python main_supcon.py --temp 0.1 --method SupCon\npython main_supcon.py --temp 0.5 --method SupCon\n"
    )
    (tmp_path / "curve.csv").write_text("step,loss\n" + "".join(f"{i},{5 - i / 100}\n" for i in range(50)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def closed(schema):
    """The same schema, in which a record has no fields but its own: an undescribed one is then an error."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: closed(part) for name, part in schema.items()}
    return parts | ({"additionalProperties": False} if "properties" in parts else {})


@pytest.mark.parametrize("command", documents.DOCUMENTS)
def test_the_schema_that_ships_is_made_of_the_types(command):
    assert (schemas.FOLDER / f"{command}.schema.json").read_text() == schemas.text_of(command), (
        "run python docs/_build/schemas.py"
    )
    jsonschema.Draft202012Validator.check_schema(schemas.schema_of(command))


def test_no_schema_is_left_over():
    assert {path.name.split(".")[0] for path in schemas.FOLDER.glob("*.json")} == set(documents.DOCUMENTS)
    assert set(RUNS) | {"validate"} == set(documents.DOCUMENTS)


@pytest.mark.parametrize(("command", "options"), [(name, line) for name, lines in RUNS.items() for line in lines])
def test_a_command_prints_what_its_type_says_and_nothing_else(folder, command, options):
    result = CliRunner().invoke(app, [command, *options.split(), "--format", "json"])
    assert result.exit_code in (0, 1) or "broken" in options, result.stderr
    document = json.loads(result.stdout)
    assert isinstance(document["version"], int)
    jsonschema.validate(document, closed(schemas.schema_of(command)))


def test_the_check_for_undescribed_fields_can_fail():
    schema = closed(schemas.schema_of("datasets"))
    good = {"version": 1, "datasets": []}
    jsonschema.validate(good, schema)
    for bad in ({**good, "more": 1}, {**good, "version": 2}, {"version": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


def test_outcomes_of_studies_are_those_of_the_type():
    assert set(get_args(documents.Outcome)) == {str(outcome) for outcome in Outcome}


def test_a_command_with_json_has_a_document():
    """Whoever adds `--format json` to a command adds its type."""
    group = typer.main.get_command(app)
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        choices = {choice for o in command.params if "--format" in o.opts for choice in getattr(o.type, "choices", ())}
        assert ("json" in choices) == (name in documents.DOCUMENTS), name


def test_schemas_and_type_marker_are_in_the_wheel(tmp_path):
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"ssem_advisor/schemas/{command}.schema.json" for command in documents.DOCUMENTS} <= names
    assert "ssem_advisor/py.typed" in names
    assert all(name.split("/")[0] in ("ssem_advisor", "ssem_advisor-0.1.0.dist-info") for name in names)
