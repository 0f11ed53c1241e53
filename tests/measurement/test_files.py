"""Every kind of file gives the same embeddings and labels; what cannot be read is refused in one line."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from ssem_advisor.domain import AdvisorError
from ssem_advisor.measurement import load

Z = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
Y = np.array([0, 0, 1, 1, 2, 2])
IDS = np.array([5, 5, 6, 6, 7, 7])


def _npz(path):
    np.savez(path, embeddings=Z, labels=Y, instance_ids=IDS)


def _npz_synonyms(path):
    np.savez_compressed(path, features=Z, targets=Y, instances=IDS, epoch=np.array(3))


def _torch(path):
    import torch

    torch.save({"z": torch.tensor(Z), "y": torch.tensor(Y), "instance_ids": torch.tensor(IDS), "epoch": 3}, path)


def _safetensors(path):
    from safetensors.numpy import save_file

    save_file({"embeddings": Z, "labels": Y, "instance_ids": IDS}, path)


def _parquet_lists(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"embedding": list(Z), "label": Y, "instance_id": IDS}), path)


def _parquet_columns(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {f"d{i}": Z[:, i] for i in range(3)}
    pq.write_table(pa.table({"label": Y, **columns, "instance": IDS, "path": ["a.png"] * 6}), path)


def _csv(path):
    lines = ["d0,d1,d2,Label,instance_id"]
    lines += [f"{a!r},{b!r},{c!r},{y},{i}" for (a, b, c), y, i in zip(Z.tolist(), Y, IDS, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("ending", "write"),
    [
        (".npz", _npz),
        (".npz", _npz_synonyms),
        (".pt", _torch),
        (".pth", _torch),
        (".safetensors", _safetensors),
        (".parquet", _parquet_lists),
        (".parquet", _parquet_columns),
        (".csv", _csv),
    ],
)
def test_one_file_with_everything(tmp_path, ending, write):
    path = tmp_path / f"all{ending}"
    write(path)
    found = load(path)
    np.testing.assert_array_equal(np.asarray(found.embeddings), Z)
    np.testing.assert_array_equal(found.labels, Y)
    np.testing.assert_array_equal(found.instance_ids, IDS)


def _write_labels(path):
    match path.suffix:
        case ".npy":
            np.save(path, Y)
        case ".csv":
            path.write_text("label\n" + "\n".join(map(str, Y)))
        case ".txt":
            path.write_text("\n".join(map(str, Y)) + "\n")
        case ".npz":
            np.savez(path, whatever=Y)


@pytest.mark.parametrize("ending", [".npy", ".csv", ".txt", ".npz"])
def test_labels_in_a_second_file(tmp_path, ending):
    np.save(tmp_path / "z.npy", Z)
    _write_labels(tmp_path / f"y{ending}")
    found = load(tmp_path / "z.npy", tmp_path / f"y{ending}")
    assert isinstance(found.embeddings, np.memmap)
    np.testing.assert_array_equal(found.labels, Y)


def test_labels_file_wins_and_strings_stay_strings(tmp_path):
    _npz(tmp_path / "all.npz")
    (tmp_path / "y.csv").write_text("a\na\nb\nb\nc\nc\n")
    assert load(tmp_path / "all.npz", tmp_path / "y.csv").labels.tolist() == ["a", "a", "b", "b", "c", "c"]


def test_bfloat16(tmp_path):
    import torch
    from safetensors.torch import save_file

    z = torch.tensor(Z).bfloat16()
    save_file({"embeddings": z, "labels": torch.tensor(Y)}, tmp_path / "z.safetensors")
    torch.save((z, torch.tensor(Y)), tmp_path / "z.pt")
    for name in ("z.safetensors", "z.pt"):
        np.testing.assert_array_equal(load(tmp_path / name).embeddings, z.float().numpy())


class Bomb:
    def __reduce__(self):
        return (print, ("code ran",))


def _pickled_npy(path):
    np.save(path, np.array([{"a": 1}], dtype=object))


def _pickled_npz(path):
    np.savez(path, embeddings=np.array([Bomb()], dtype=object), labels=Y)


def _pickled_pt(path):
    import torch

    torch.save({"embeddings": Bomb()}, path)


def _raw_pickle(path):
    path.write_bytes(pickle.dumps(Bomb()))


@pytest.mark.parametrize(
    ("name", "write"),
    [("z.npy", _pickled_npy), ("z.npz", _pickled_npz), ("z.pt", _pickled_pt), ("z.npy", _raw_pickle)],
)
def test_pickled_objects_are_refused_and_never_run(tmp_path, capfd, name, write):
    write(tmp_path / name)
    with pytest.raises(AdvisorError, match="pickled Python objects"):
        load(tmp_path / name)
    assert "code ran" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("z.npy", b"", "z.npy: cannot be read"),
        ("z.npz", b"PK", "not an .npz archive"),
        ("z.pt", b"junk", "z.pt"),
        ("z.safetensors", b"junk", "cannot be read"),
        ("z.parquet", b"junk", "cannot be read"),
        ("z.csv", b"", "empty"),
        ("z.csv", b"a,label\n1,0\n2\n", "line 3 has 1 fields"),
        ("z.csv", b"a,b,label\n1,2,0\n1,x,0\n", "column 'b', data row 2: 'x' is not a number"),
        ("z.csv", b"\xff\xfe\x00", "cannot be read"),
        ("z.h5", b"", "cannot read '.h5' files; use one of .npy"),
        ("z.csv", b"label;a;b\n0;1;2\n", "fields stand between semicolons; save it with commas"),
        ("z.csv", b"label\ta\tb\n0\t1\t2\n", "fields stand between tabs; save it with commas"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AdvisorError) as caught:
        load(tmp_path / name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_parts_are_named(tmp_path):
    with pytest.raises(AdvisorError, match="no such file"):
        load(tmp_path / "z.npy")
    np.save(tmp_path / "z.npy", Z)
    with pytest.raises(AdvisorError, match="--labels FILE"):
        load(tmp_path / "z.npy")
    np.savez(tmp_path / "two.npz", a=Z, b=Z, labels=Y)
    with pytest.raises(AdvisorError, match=r"no embeddings among a \(6, 3\), b \(6, 3\)"):
        load(tmp_path / "two.npz")


def test_numpy_files_need_no_torch(tmp_path):
    _npz(tmp_path / "z.npz")
    program = (
        "import sys; from ssem_advisor import measure; from ssem_advisor.measurement import load;"
        f"found = load({str(tmp_path / 'z.npz')!r}); measure(found.embeddings, found.labels);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'pyarrow', 'safetensors', 'pandas', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(AdvisorError, match="a folder; name the file in it"):
        load(tmp_path)


def test_labels_are_the_same_numbers_however_numpy_wrote_them(tmp_path):
    z, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    for name, fmt in (("a.csv", "%.18e"), ("b.csv", "%g")):
        np.savetxt(tmp_path / name, np.c_[y, z], delimiter=",", header="label,a,b,c", comments="", fmt=fmt)
        found = load(tmp_path / name)
        assert found.labels.dtype == np.int64
        assert found.labels.tolist() == y.tolist()
    (tmp_path / "names.txt").write_text("nan\n1.5\n2\n")
    assert load(tmp_path / "a.csv", tmp_path / "names.txt").labels.tolist() == ["nan", "1.5", "2"]
    (tmp_path / "blanks.txt").write_text("sea lion\n\ncat\n")
    assert load(tmp_path / "a.csv", tmp_path / "blanks.txt").labels.tolist() == ["sea lion", "cat"]
    (tmp_path / "line.txt").write_text("0 1 2\n")
    assert load(tmp_path / "a.csv", tmp_path / "line.txt").labels.tolist() == [0, 1, 2]
