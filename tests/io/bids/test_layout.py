"""What of a raw dataset is indexed, which metadata and events apply, and what an index keeps."""

import json
import logging
import os

import pytest

from boldglm.errors import (
    BadDataError,
    CannotWriteError,
    InvalidDatasetError,
    NothingSelectedError,
)
from boldglm.io.bids.layout import RawDataset
from boldglm.io.bids.query import find_runs
from boldglm.io.bids.selection import Selection

RUN = "sub-01_task-cuetarget_run-1"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def forget_time(*paths):
    """Make folders look as if they had been there for long."""
    for path in paths:
        os.utime(path, (1e9, 1e9))


@pytest.fixture
def settled(dataset):
    forget_time(dataset, *(path for path in dataset.rglob("*") if path.is_dir()))
    return dataset


def test_the_sidecar_nearest_to_the_run_has_the_last_word(dataset):
    func = dataset / "sub-01" / "func"
    write(dataset / "bold.json", {"A": "root", "B": "root", "C": "root", "D": "root"})
    write(dataset / "task-cuetarget_bold.json", {"RepetitionTime": 2.0, "B": "task", "C": "task"})
    write(dataset / "sub-01" / "sub-01_bold.json", {"C": "subject", "D": "subject"})
    write(func / f"{RUN}_bold.json", {"D": "run"})
    write(func / f"{RUN}_sbref.json", {"A": "another suffix"})
    write(func / "sub-01_task-cuetarget_run-2_bold.json", {"A": "another run"})

    found = RawDataset(dataset, (), None).metadata(func.resolve() / f"{RUN}_bold.nii.gz")

    assert found == {"A": "root", "B": "task", "C": "subject", "D": "run", "RepetitionTime": 2.0}


def test_a_sidecar_that_is_no_object_is_named(dataset):
    sidecar = dataset / "sub-01" / "func" / f"{RUN}_bold.json"
    sidecar.write_text("[2.0]")

    with pytest.raises(BadDataError, match=f"{sidecar.name} must hold a JSON object"):
        find_runs(dataset, Selection(), on_bad_run="stop")
    (excluded,) = find_runs(dataset, Selection()).excluded
    assert excluded.name == RUN


def test_a_broken_sidecar_of_nobody_asked_for_does_no_harm(dataset):
    (dataset / "sub-02" / "func" / "sub-02_task-cuetarget_run-1_bold.json").write_text("{")

    assert len(find_runs(dataset, Selection(subjects=("01",))).runs) == 2


def test_events_of_the_nearest_folder_apply(dataset):
    events = dataset / "sub-01" / "func" / f"{RUN}_events.tsv"
    content = events.read_bytes()
    (dataset / "task-cuetarget_events.tsv").write_bytes(content)
    raw = RawDataset(dataset, (), None)

    own = raw.events_of({"sub": "01", "task": "cuetarget", "run": "1"})
    inherited = raw.events_of({"sub": "03", "task": "cuetarget"})
    none = raw.events_of({"sub": "01", "task": "rest"})

    assert own == events.resolve()
    assert inherited == dataset.resolve() / "task-cuetarget_events.tsv"
    assert none is None


def test_only_the_participants_asked_for_are_indexed(dataset):
    names = {path.name for path in RawDataset(dataset, ("02",), None).bold}

    assert names == {f"sub-02_task-cuetarget_run-{run}_bold.nii.gz" for run in (1, 2)}


def test_an_index_that_is_kept_serves_other_participants_without_listing_files(
    settled, tmp_path, monkeypatch
):
    kept = tmp_path / "index"
    first = find_runs(settled, Selection(subjects=("01",)), database=kept)
    monkeypatch.setattr("bids.layout.BIDSLayoutIndexer.__call__", None)

    again = find_runs(settled, Selection(subjects=("01",)), database=kept)
    other = find_runs(settled, Selection(subjects=("02",)), database=kept)

    assert again == first == find_runs_without(settled, monkeypatch, ("01",))
    assert {run.entities["sub"] for run in other.runs} == {"02"}
    assert len(other.runs) == 2


def find_runs_without(dataset, monkeypatch, subjects):
    monkeypatch.undo()
    return find_runs(dataset, Selection(subjects=subjects))


def test_an_index_is_made_anew_when_a_run_was_added(settled, tmp_path):
    kept = tmp_path / "index"
    assert len(find_runs(settled, Selection(), database=kept).runs) == 4
    func = settled / "sub-01" / "func"
    for path in list(func.glob("*run-2*")):
        path.with_name(path.name.replace("run-2", "run-3")).write_bytes(path.read_bytes())

    assert len(find_runs(settled, Selection(), database=kept).runs) == 5


def test_a_damaged_index_is_made_anew_and_that_is_said(settled, tmp_path, caplog):
    kept = tmp_path / "index"
    find_runs(settled, Selection(), database=kept)
    (index,) = kept.glob("boldglm-*/layout_index.sqlite")
    index.write_bytes(b"no database" * 100)

    with caplog.at_level(logging.WARNING):
        found = find_runs(settled, Selection(), database=kept)

    assert len(found.runs) == 4
    assert "cannot be read" in caplog.text
    assert index.read_bytes().startswith(b"SQLite")


def test_two_datasets_may_share_a_folder_for_indices(settled, tmp_path):
    kept = tmp_path / "index"
    find_runs(settled, Selection(), database=kept)
    moved = settled.rename(tmp_path / "moved")

    runs = find_runs(moved, Selection(), database=kept).runs

    assert runs[0].bold.is_relative_to(moved.resolve())
    assert len(list(kept.glob("boldglm-*"))) == 2


def test_a_folder_for_the_index_that_cannot_be_written_is_named(dataset, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")

    with pytest.raises(CannotWriteError, match=r"--bids-database-dir .*file"):
        find_runs(dataset, Selection(), database=blocked)


def test_subject_and_run_folders_that_are_links_are_read(dataset, tmp_path):
    elsewhere = (dataset / "sub-01").rename(tmp_path / "archive")
    (dataset / "sub-01").symlink_to(elsewhere)

    found = find_runs(dataset, Selection(subjects=("01",)))

    assert [run.bold.parent for run in found.runs] == [dataset.resolve() / "sub-01" / "func"] * 2
    assert found.runs[0].metadata["RepetitionTime"] == 2.0


def with_a_name_that_bids_lacks(dataset):
    func = dataset / "sub-01" / "func"
    for path in list(func.glob("*_run-2_*")):
        path.rename(func / path.name.replace("_run-2", "_foo-1_run-2"))


@pytest.mark.parametrize("with_database", [False, True])
def test_a_name_that_bids_lacks_is_excluded_or_analyzed_if_asked(dataset, tmp_path, with_database):
    with_a_name_that_bids_lacks(dataset)
    index = tmp_path / "index" if with_database else None

    for selection, n_excluded in ((Selection(), 1), (Selection(subjects=("02",)), 0)):
        strict = find_runs(dataset, selection, database=index)
        assert [run.name for run in strict.excluded] == [
            "sub-01_task-cuetarget_run-2_foo-1"
        ] * n_excluded
    assert "pass --skip-bids-validation" in find_runs(dataset, Selection()).excluded[0].reason
    assert not find_runs(dataset, Selection(runs=("1",)), database=index).excluded

    lenient = find_runs(dataset, Selection(), database=index, validate=False)

    assert not lenient.excluded
    (run,) = (run for run in lenient.runs if "foo" in run.entities)
    assert run.events is not None
    assert "foo-1_run-2" in run.events.name


def test_only_names_that_bids_lacks_are_no_dataset(dataset):
    with_a_name_that_bids_lacks(dataset)

    with pytest.raises(NothingSelectedError, match="BIDS has no file name such as"):
        find_runs(dataset, Selection(subjects=("01",), runs=("2",)))


@pytest.mark.parametrize("content", [None, {"Name": "a"}, {"BIDSVersion": "1.8.0"}])
def test_a_description_may_be_incomplete_if_asked(dataset, content):
    path = dataset / "dataset_description.json"
    path.unlink()
    if content is not None:
        path.write_text(json.dumps(content))

    with pytest.raises(InvalidDatasetError, match="pass --skip-bids-validation"):
        find_runs(dataset, Selection())
    found = find_runs(dataset, Selection(), validate=False)

    assert found.dataset_name == (content or {}).get("Name", dataset.name)
    assert len(found.runs) == 4
