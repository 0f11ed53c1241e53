"""Every config of the corpus is read as a careful human reads it, and the published scores are current."""

import pytest
import scoring

from ssem_advisor.config import read


@pytest.mark.parametrize("path", scoring.cases(), ids=lambda path: str(path.relative_to(scoring.CORPUS)))
def test_reading_is_that_of_a_human(path):
    want, document = scoring.expected(path), read(path)
    got = scoring.observed(document)
    assert got["error"] == want.get("error", False), document.error
    assert [run["kind"] for run in got["runs"]] == [run["kind"] for run in want["runs"]]
    for human, machine in zip(want["runs"], got["runs"], strict=True):
        assert set(human.get("traps", ())) <= machine["traps"]
        assert machine["missing"] == human["missing"]
        human_fields = {name: entry for name, entry in human["fields"].items() if name in scoring.FIELDS}
        for name in human.get("unread", ()):  # what a human sees and the reader does not, yet
            del human_fields[name]
        assert set(machine["fields"]) == set(human_fields)
        for name, entry in human_fields.items():
            assert machine["fields"][name].items() >= entry.items(), name


@pytest.mark.parametrize("path", scoring.cases(), ids=lambda path: path.name)
def test_span_of_a_stated_value_is_its_own_token(path):
    for run in read(path).runs:
        for value in run.fields.values():
            place = value.location
            if value.origin == "stated" and place is not None and place.path is None:
                text = read(path).text
                assert text[place.start : place.end] == value.raw
                before = text[: place.start]
                assert place.line == before.count("\n") + 1
                assert place.column == place.start - (before.rfind("\n") + 1) + 1


def test_the_corpus_is_large_and_covers_every_format():
    assert len(scoring.cases()) >= 60
    assert {path.suffix for path in scoring.cases()} >= {".sh", ".md", ".yaml", ".py", ".json", ".toml", ".slurm"}


def test_published_tables_are_current():
    text = scoring.PAGE.read_text(encoding="utf-8")
    assert scoring.page(text) == text, "run: python tests/config/scoring.py"
