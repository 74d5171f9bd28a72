"""Records and caches are read as what others may have written."""

import json

import pytest

from boldglm.cli.main import main
from boldglm.errors import BadDataError
from boldglm.io.files.atomic import path_inside
from boldglm.io.outputs.fit_cache import OUTPUTS, cached_fit
from boldglm.io.outputs.records import Record, is_finished, record_files

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


def test_a_linked_folder_cannot_lead_the_program_outside(dataset, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    victim = elsewhere / "victim.txt"
    victim.write_text("keep me")
    call = [str(dataset), str(out), "participant", *ONE]
    assert main(call) == 0
    (out / "link").symlink_to(elsewhere, target_is_directory=True)
    (out / "file").symlink_to(victim)
    for record in record_files(out):
        content = json.loads(record.read_text())
        content["boldglm"]["Files"] += ["file", "link/victim.txt", "link/../victim.txt"]
        content["boldglm"]["Checksums"] += ["7 0", "7 0", "7 0"]
        record.write_text(json.dumps(content))
        with pytest.raises(BadDataError, match=r"link leads out of the folder, to .*elsewhere"):
            Record.read(record, out)

    assert main([*call, "--contrast", "cue", "--fresh"]) == 0
    assert victim.read_text() == "keep me"


def test_results_may_lie_in_a_linked_folder_and_be_links_themselves(dataset, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    call = [str(dataset), str(out), "participant", *ONE]
    assert main(call) == 0
    (record,) = (path for path in record_files(out) if "node-run" in path.parts)
    record.parent.rename(elsewhere)
    record.parent.symlink_to(elsewhere, target_is_directory=True)
    mask = next(record.parent.glob("*_desc-brain_mask.nii.gz"))
    annexed = mask.rename(tmp_path / "annexed.nii.gz")
    mask.symlink_to(annexed)

    read = Record.read(record, out)
    assert is_finished(record, out, read.fingerprint)


def damaged(record, *place, value):
    """Set what is at some place of a record."""
    inside = record
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value


DAMAGE = {
    "fingerprint": (("Fingerprint",), 7),
    "node": (("Node",), ["run"]),
    "entities": (("Entities",), "sub-01"),
    "an entity with a slash": (("Entities", "sub"), "../01"),
    "an entity without text": (("Entities", "sub"), None),
    "whiteness": (("Result", "Whiteness"), {"NotWhite": "much"}),
    "smoothness": (("Result", "Smoothness"), [1.0]),
    "quality": (("Result", "Quality"), {"MedianTSNR": "high"}),
    "dvars": (("Result", "Quality"), {"DVARS": [None, "1"]}),
    "contrasts": (("Result", "Contrasts"), {"Name": "cue"}),
    "contrast": (("Result", "Contrasts", 0), "cue"),
    "test": (("Result", "Contrasts", 0, "Test"), "chi2"),
    "weights": (("Result", "Contrasts", 0, "Weights"), {"cue": 1.0}),
    "weight": (("Result", "Contrasts", 0, "Weights"), {"cue": ["1"]}),
    "no weights": (("Result", "Contrasts", 0, "Weights"), {}),
    "dof": (("Result", "Contrasts", 0, "DegreesOfFreedom"), "many"),
    "dof of nan": (("Result", "Contrasts", 0, "DegreesOfFreedom"), float("nan")),
    "dof below 0": (("Result", "Contrasts", 0, "DegreesOfFreedom"), -float("inf")),
    "rows": (("Result", "Contrasts", 0, "NumeratorDegreesOfFreedom"), 0),
    "maps": (("Result", "Contrasts", 0, "Maps"), ["a.nii.gz"]),
    "a map of NUL": (("Result", "Contrasts", 0, "Maps", "effect"), "a\0.nii.gz"),
    "mask": (("Result", "Mask"), 1),
    "mesh": (("Result", "Meshes"), ["bids::../../mesh.surf.gii"]),
    "files": (("Files",), [1]),
    "fewer checksums": (("Checksums",), []),
}


@pytest.fixture(scope="module")
def finished(small_dataset, tmp_path_factory):
    """Return an output folder and the record of a run, which no test may change."""
    out = tmp_path_factory.mktemp("records") / "out"
    assert main([str(small_dataset), str(out), "participant", *ONE]) == 0
    return out, next(path for path in record_files(out) if "node-run" in path.parts)


@pytest.mark.parametrize(("place", "value"), DAMAGE.values(), ids=DAMAGE)
def test_a_value_of_another_type_in_a_record_is_damage(finished, tmp_path, place, value):
    out, record = finished
    content = json.loads(record.read_text())
    damaged(content["boldglm"], *place, value=value)
    path = tmp_path / record.name
    path.write_text(json.dumps(content))

    with pytest.raises(BadDataError, match=rf"The record {path} is damaged: "):
        Record.read(path, out)
    assert not is_finished(path, out, Record.read(record, out).fingerprint)


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
