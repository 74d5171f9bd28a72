"""Which images are runs: indices are numbers, and one acquisition is one run."""

import shutil

import pytest

from boldglm.errors import NothingSelectedError
from boldglm.io.bids.query import find_runs
from boldglm.io.bids.selection import Selection
from fake_fmriprep import write_fmriprep

FIRST = "sub-01_task-cuetarget_run-1"


def renamed(folder, old, new):
    for path in folder.rglob(f"*{old}*"):
        path.rename(path.with_name(path.name.replace(old, new)))


def test_run_1_of_fmriprep_belongs_to_run_01_of_the_raw_data(dataset):
    write_fmriprep(dataset)
    renamed(dataset / "sub-01" / "func", "run-1", "run-01")
    renamed(dataset / "sub-02" / "func", "run-2", "run-002")

    found = find_runs(dataset, Selection())

    assert len(found.runs) == 4
    assert found.notices == ()
    assert {run.events.name for run in found.runs if "run-1" in run.bold.name} == {
        "sub-01_task-cuetarget_run-01_events.tsv",
        "sub-02_task-cuetarget_run-1_events.tsv",
    }


def test_a_sidecar_of_run_01_applies_to_run_1(dataset):
    func = dataset / "sub-01" / "func"
    (func / f"{FIRST.replace('run-1', 'run-01')}_bold.json").write_text('{"EchoTime": 0.03}')

    found = find_runs(dataset, Selection(subjects=("01",)))

    assert [run.metadata.get("EchoTime") for run in found.runs] == [0.03, None]


@pytest.mark.parametrize(
    ("copies", "remedy"),
    [
        (("_rec-a", "_rec-b"), '"reconstruction": "a"'),
        (("_ce-x", "_ce-y"), '"ceagent": "x"'),
        (("", "_rec-b"), "--bids-filter-file"),
    ],
)
def test_reconstructions_of_one_acquisition_are_not_two_runs(dataset, copies, remedy):
    func = dataset / "sub-01" / "func"
    for ending in ("bold.nii.gz", "events.tsv"):
        original = func / f"{FIRST}_{ending}"
        kept = original.rename(func / f"original_{ending}")
        for copy in copies:
            shutil.copy(kept, func / f"{FIRST.replace('_run', copy + '_run')}_{ending}")
        kept.unlink()

    with pytest.raises(NothingSelectedError, match="one acquisition, and would count as two"
                       ) as refused:  # fmt: skip
        find_runs(dataset, Selection())

    assert remedy in str(refused.value)


def test_a_compressed_copy_beside_a_series_is_refused(dataset):
    import gzip

    packed = dataset / "sub-01" / "func" / f"{FIRST}_bold.nii.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))

    with pytest.raises(NothingSelectedError, match="moving or removing the other"):
        find_runs(dataset, Selection())


def test_a_description_may_begin_with_a_byte_order_mark(dataset):
    description = dataset / "dataset_description.json"
    description.write_bytes(b"\xef\xbb\xbf" + description.read_bytes())

    assert len(find_runs(dataset, Selection()).runs) == 4
