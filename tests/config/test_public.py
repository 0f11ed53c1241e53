"""The forms of public repositories: what the reader makes of them stays at least as good as it is."""

import public
import pytest

CORPORA = [
    pytest.param(public.HERE, (283, 0.99, 0.98, 0.98), id="here"),
    pytest.param(
        public.SHARED,
        (45, 0.88, 0.98, 0.88),
        id="shared",
        marks=pytest.mark.skipif(not public.SHARED.is_dir(), reason=f"{public.SHARED} is not on this machine"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("folder", "least"), CORPORA)
def test_reads_the_forms_of_public_repositories(folder, least):
    result, (cases, kinds, fields, recall) = public.score(folder), least
    assert result["cases"] >= cases
    assert result["errors"] == result["alarms"] == result["wrong"] == 0, result["notes"]
    assert result["precision"][0] == result["precision"][1] > 0, result["notes"]
    assert result["recall"][0] >= recall * result["recall"][1], result["notes"]
    assert result["kinds"] >= kinds * result["cases"], result["notes"]
    assert result["fields"][0] >= fields * result["fields"][1], result["notes"]


def test_the_scorer_notices_a_wrong_number_and_a_missing_finding(tmp_path):
    case = tmp_path / "wrong"
    case.mkdir()
    (case / "a.yaml").write_text("method: simclr\ntemperature: 0.5\nbatch_size: 64\n")
    (case / "expect.json").write_text(
        '{"file": "a.yaml", "kind": "supcon", "must_not_flag": false, "fields": {"temperature": 0.1, "dim": 128},'
        ' "where": {}, "accept": {}, "code_defaults": {}}'
    )
    result = public.score(tmp_path)
    assert (result["wrong"], result["kinds"], result["recall"]) == (2, 0, (0, 1))
    assert result["notes"]["wrong"][1] == {"temperature": "wrong", "batch_size": "wrong", "dim": "missed"}
