"""Names in data and model files are labels: they never become paths outside the output."""

import json
from pathlib import Path

import pytest

from boldglm.cli.main import main
from fake_fmriprep import write_fmriprep

NAMES = ["../../escaped", "/tmp/escaped", "a/../../escaped", "..", "~/escaped"]


def everything(folder):
    return {path for path in folder.rglob("*") if ".pytest" not in str(path)}


@pytest.fixture
def place(tmp_path):
    """Return a folder three levels down, so that a path that climbs stays where it is seen."""
    folder = tmp_path / "one" / "two" / "out"
    folder.parent.mkdir(parents=True)
    return folder


def run(dataset, out, level="participant", *options):
    return main([str(dataset), str(out), level, "--noise-model", "ols", *options])


@pytest.fixture(scope="module")
def default_model(small_dataset, tmp_path_factory):
    """Return the text of the model that the program writes by default."""
    out = tmp_path_factory.mktemp("default")
    options = ("--participant-label", "01", "--run-label", "1")
    assert run(small_dataset, out, "participant", *options) == 0
    return (out / "models" / "model-default_smdl.json").read_text()


@pytest.fixture
def model(default_model, tmp_path):
    """Return a function that writes the default model under other names."""

    def write(name):
        content = json.loads(default_model)
        content["Name"] = name
        for number, node in enumerate(content["Nodes"]):
            node["Name"] = f"{name}{number}"
        path = tmp_path / "hostile_smdl.json"
        path.write_text(json.dumps(content))
        return path

    return write


@pytest.mark.parametrize("name", NAMES)
def test_names_of_models_and_nodes_stay_inside_the_output(name, dataset, model, place, tmp_path):
    file = model(name)
    before = everything(tmp_path)

    assert (
        main([str(dataset), str(place), "participant", "-m", str(file), "--run-label", "1"]) == 0
    )
    excluding = ["--participant-label", "02", "--exclude", "sub-02_run-2"]
    assert main([str(dataset), str(place), "participant", "-m", str(file), *excluding]) == 0
    assert (
        main([str(dataset), str(place), "participant", "-m", str(file), "--run-label", "1"]) == 0
    )
    assert main([str(dataset), str(place), "group"]) == 0

    new = everything(tmp_path) - before
    assert {path for path in new if place not in (path, *path.parents)} == set()
    assert not Path("/tmp/escaped").exists()
    assert len(list(place.glob("node-*"))) == 3
    assert len(list((place / "models").iterdir())) == 2  # the model, and its options


def test_names_of_trial_types_stay_inside_the_output(dataset, place, tmp_path):
    for events in dataset.rglob("*_events.tsv"):
        text = events.read_text().replace("cue", "../../../escaped").replace("target", "/tmp/x")
        events.write_text(text)
    before = everything(tmp_path)

    options = ("--participant-label", "01", "--run-label", "1")
    assert run(dataset, place, "participant", *options) == 0

    new = everything(tmp_path) - before
    assert {path for path in new if place not in (path, *path.parents)} == set()
    maps = [path.name for path in place.rglob("*_stat-t_statmap.nii.gz")]
    assert any("escaped" in name.lower() for name in maps)


@pytest.mark.parametrize("label", ["../sub-01", "/sub-01", "01/../../..", "*", "0?"])
@pytest.mark.parametrize("derivatives", [True, False])
def test_a_label_that_is_a_path_or_a_pattern_is_no_participant(
    label, derivatives, dataset, place, capsys
):
    if derivatives:
        write_fmriprep(dataset)

    code = run(dataset, place, "participant", "--participant-label", label)

    assert code == 18
    assert "has no participant" in capsys.readouterr().err
    assert not place.exists()


def test_names_of_derivatives_are_labels(dataset, place, tmp_path):
    folder = write_fmriprep(dataset, tmp_path / "prep")
    before = everything(tmp_path)

    options = ("--participant-label", "01", "--run-label", "1")
    assert run(dataset, place, "participant", "-d", f"../../x={folder}", *options) == 0

    new = everything(tmp_path) - before
    assert {path for path in new if place not in (path, *path.parents)} == set()
    links = json.loads((place / "dataset_description.json").read_text())["DatasetLinks"]
    assert set(links) == {"raw", "x"}


def test_links_in_a_dataset_are_read_and_never_written_through(dataset, place, tmp_path):
    archive = (dataset / "sub-01").rename(tmp_path / "archive")
    (dataset / "sub-01").symlink_to(archive, target_is_directory=True)
    events = dataset / "sub-02" / "func" / "sub-02_task-cuetarget_run-1_events.tsv"
    moved = events.rename(tmp_path / "events.tsv")
    events.symlink_to(moved)
    before = {path: path.stat().st_mtime_ns for path in everything(tmp_path)}

    assert run(dataset, place, "participant", "--run-label", "1") == 0

    assert {path: path.stat().st_mtime_ns for path in before if path != place.parent} == {
        path: time for path, time in before.items() if path != place.parent
    }
    assert (place / "sub-01.html").is_file()
    assert (place / "sub-02.html").is_file()


def test_a_link_in_the_output_is_replaced_and_not_followed(dataset, place, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    place.mkdir()
    (place / "sub-01.html").symlink_to(precious)
    (place / "dataset_description.json").symlink_to(precious)

    options = ("--participant-label", "01", "--run-label", "1")
    assert run(dataset, place, "participant", *options) == 0

    assert precious.read_text() == "mine"
    assert not (place / "sub-01.html").is_symlink()


def test_preprocessed_files_that_do_not_say_whose_they_are_are_passed_over(dataset, place):
    folder = write_fmriprep(dataset)
    func = folder / "sub-01" / "func"
    series = next(func.glob("*_run-1_*_desc-preproc_bold.nii.gz"))
    for name in ("task-cuetarget_desc-preproc_bold.nii.gz", "sub-01_desc-preproc_bold.nii.gz",
                 "sub-..%2f_task-cuetarget_desc-preproc_bold.nii.gz"):  # fmt: skip
        (func / name).write_bytes(series.read_bytes())

    assert run(dataset, place, "participant", "--participant-label", "01") == 0

    assert len(list((place / "node-run").rglob("*_design.tsv"))) == 2
