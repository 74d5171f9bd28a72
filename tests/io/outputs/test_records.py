"""Records and caches are read as what others may have written."""

import json

import pytest

from boldglm.cli.main import main
from boldglm.errors import BadDataError
from boldglm.io.files.atomic import path_inside
from boldglm.io.outputs.fit_cache import OUTPUTS, cached_fit
from boldglm.io.outputs.records import Record, record_files

ONE = ("--participant-label", "01", "--run-label", "1", "--noise-model", "ols")


@pytest.mark.parametrize("path", ["../victim.txt", "a/../../victim.txt", "/etc/passwd"])
def test_a_path_cannot_lead_out_of_its_folder(tmp_path, path):
    with pytest.raises(ValueError, match="leads out of the folder"):
        path_inside(tmp_path, path)

    assert path_inside(tmp_path, "a/../b") == tmp_path / "a/../b"


def test_a_record_cannot_make_the_program_delete_a_file_outside(dataset, tmp_path):
    out, victim = tmp_path / "out", tmp_path / "victim.txt"
    victim.write_text("keep me")
    call = [str(dataset), str(out), "participant", *ONE]
    assert main(call) == 0
    records = record_files(out)
    for record in records:
        content = json.loads(record.read_text())
        content["boldglm"]["Files"].append("../victim.txt")
        record.write_text(json.dumps(content))

    assert main([*call, "--contrast", "cue", "--fresh"]) == 0
    assert victim.read_text() == "keep me"
    assert "../victim.txt" not in "".join(path.read_text() for path in records)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"Fingerprint"', '"Other"'),
        lambda _: "[]",
        lambda text: text.replace('"Mask": "', '"Mask": "../../'),
    ],
    ids=["truncated", "no fingerprint", "a list", "outside"],
)
def test_a_damaged_record_is_refused_by_name_and_fitted_again(dataset, tmp_path, damage, capsys):
    out = tmp_path / "out"
    call = [str(dataset), str(out), "participant", *ONE]
    assert main(call) == 0
    (record,) = (path for path in record_files(out) if "node-run" in path.parts)
    good = record.read_text()
    record.write_text(damage(good))

    with pytest.raises(BadDataError, match=rf"{record.name} is damaged"):
        Record.read(record, out)
    assert main([str(dataset), str(out), "group"]) == 65
    assert "is damaged" in capsys.readouterr().err
    assert main(call) == 0
    assert json.loads(record.read_text()) == json.loads(good)


def test_a_cache_that_names_files_outside_is_no_cache(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "secret.npz").write_bytes(b"x")
    outputs = {"fit_file": "../secret.npz"}
    (folder / OUTPUTS).write_text(json.dumps({"Key": "k", "Outputs": outputs}))

    assert cached_fit(folder, "k") is None
