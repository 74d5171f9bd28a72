"""One job for each participant, in any order, gives what one call for all of them gives."""

import json

import pytest

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset

SUBJECTS = ("01", "02", "03")
OPTIONS = ("--noise-model", "ols")


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """Return a dataset in which only sub-02 has the condition novel, in one run."""
    plan = DatasetPlan(n_subjects=3, n_scans=60, shape=(6, 6, 5))
    bids = write_dataset(tmp_path_factory.mktemp("uneven") / "bids", plan)
    events = bids / "sub-02/func/sub-02_task-cuetarget_run-1_events.tsv"
    rows = events.read_text().splitlines()
    rows[-1] = rows[-1].replace("cue", "novel").replace("target", "novel")
    events.write_text("\n".join(rows) + "\n")
    return bids


def call(bids, out, level, *options):
    return main([str(bids), str(out), level, *options])


def contents(out):
    """Return the bytes of every map, table, sidecar, model and report.

    dataset_description.json names the commands that were given, and reports the folder.
    """
    return {
        path.relative_to(out).as_posix(): path.read_bytes().replace(str(out).encode(), b"OUT")
        for pattern in ("node-*/**/*", "models/*", "*.html")
        for path in out.glob(pattern)
        if path.is_file()
    }


def one_call(bids, out, *options):
    assert call(bids, out, "participant", *OPTIONS, *options) == 0
    assert call(bids, out, "group") == 0
    return contents(out)


@pytest.mark.parametrize("order", [("01", "02", "03"), ("03", "02", "01")])
def test_jobs_of_one_participant_give_the_bytes_of_one_call(uneven, tmp_path, order):
    expected = one_call(uneven, tmp_path / "one")
    out = tmp_path / "jobs"
    for subject, nprocs in zip(order, "121", strict=True):
        one = ("--participant-label", subject, "--nprocs", nprocs)
        assert call(uneven, out, "participant", *one, *OPTIONS) == 0
    assert call(uneven, out, "group") == 0

    found = contents(out)

    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


def test_the_default_model_is_of_the_whole_dataset(uneven, tmp_path):
    assert call(uneven, tmp_path, "participant", "--participant-label", "01", *OPTIONS) == 0

    model = json.loads((tmp_path / "models/model-default_smdl.json").read_text())

    assert [name for name in model["Nodes"][0]["Model"]["X"] if name != 1] == [
        "trial_type.cue", "trial_type.novel", "trial_type.target"
    ]  # fmt: skip
