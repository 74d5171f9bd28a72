"""`--exclude`, and exclusions as later levels, reports and summaries see them."""

import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset

OLS = ("--noise-model", "ols")
FIRST, SECOND = "sub-01_task-cuetarget_run-1", "sub-01_task-cuetarget_run-2"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a dataset of 4 participants with 2 runs each, which no test may change."""
    plan = DatasetPlan(n_subjects=4, n_scans=60, shape=(6, 6, 5))
    return write_dataset(tmp_path_factory.mktemp("study") / "bids", plan)


@pytest.fixture
def call(study, tmp_path, capsys):
    """Return a function that runs a level and returns exit code, output and errors."""

    def run(level, *options, out="out"):
        code = main([str(study), str(tmp_path / out), level, *map(str, options)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def effects(folder):
    return np.array([nib.load(path).get_fdata() for path in sorted(folder)])


def group_effect(out):
    (path,) = (out / "node-dataset").glob("*contrast-cue_stat-effect_statmap.nii.gz")
    return nib.load(path).get_fdata()


def test_names_exclude_participants_and_runs(call, tmp_path):
    code, shown, _ = call("participant", *OLS, "--exclude", "sub-04", f"{FIRST}")

    assert code == 0
    assert "5 runs of 3 participants" in shown
    assert "Exclusions (2):" in shown
    assert "  sub-04: --exclude names it\n" in shown
    assert f"  {FIRST}: --exclude names it\n" in shown
    records = {path.name for path in (tmp_path / "out/node-run").rglob("*_design.json")}
    assert len(records) == 5
    assert f"{FIRST}_design.json" not in records
    report = (tmp_path / "out/sub-01.html").read_text()
    assert "1 run analyzed, 1 excluded" in report
    assert f"{FIRST}: --exclude names it" in report
    assert "sub-04: " not in report
    assert "Nothing was excluded" in (tmp_path / "out/sub-02.html").read_text()


def test_indices_are_numbers_and_suffixes_name_nothing(call):
    code, shown, _ = call("participant", "--dry-run", "--exclude",
                          "sub-01_task-cuetarget_run-01_bold.nii.gz")  # fmt: skip

    assert code == 0
    assert "7 runs of 4 participants" in shown


@pytest.mark.parametrize(
    ("table", "n_runs", "reason"),
    [
        ("participant_id\treason\nsub-04\tfell asleep\n", 6, "fell asleep"),
        ("participant_id\trun\treason\n4\t\t\n", None, None),
        ("participant_id\trun\treason\n04\t2\tmoved.\n04\tn/a\tasleep\n", 6, "asleep"),
        ("participant_id\ttask\trun\nsub-04\tcuetarget\trun-2\n", 7, "names it"),
        ("sub-04_run-2\tmoved\nsub-03\n", None, None),
        ("sub-04_run-2\tmoved\nsub-03\tasleep\n", 5, "asleep"),
        ("name\tcomment\nsub-04_run-2\tmoved\n", 7, "moved"),
        ("\ufeffparticipant_id\nsub-04\n", 6, "names it"),
    ],
)
def test_tables_exclude_with_their_reasons(call, tmp_path, table, n_runs, reason):
    path = tmp_path / "qc.tsv"
    path.write_text(table)

    code, shown, error = call("participant", "--dry-run", "--exclude", path)

    if n_runs is None:
        assert code in (18, 65)
        assert "qc.tsv" in error or "Did you mean 'sub-04'?" in error
        return
    assert code == 0, error
    assert re.search(rf"\b{n_runs} runs of", shown)
    assert f"--exclude qc.tsv names it: {reason}" in shown or reason == "names it"
    assert "--exclude qc.tsv names it" in shown


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        ("sub-05", 18, ["no participant sub-05", "Did you mean 'sub-04'?"]),
        ("sub-04_run-3", 18, ["no such run", "sub-04_task-cuetarget_run-2"]),
        ("sub-04_runn-2", 2, ["'runn-2'", "Did you mean 'run'?"]),
        ("sub-04_run-", 2, ["'run-'"]),
        ("04", 66, ["there is no such file", "sub-01_run-2"]),
        ("absent.tsv", 66, ["absent.tsv", "no such file"]),
    ],
)
def test_names_that_fit_nothing_are_refused_with_the_nearest(call, tmp_path, value, code, words):
    found, _, error = call("participant", "--exclude", value)

    assert found == code
    assert all(word in error for word in words), error
    assert not (tmp_path / "out").exists()


def test_a_column_that_is_no_entity_is_refused(call, tmp_path):
    path = tmp_path / "qc.tsv"
    path.write_text("participant_id\tsesion\nsub-04\tpre\n")

    code, _, error = call("participant", "--exclude", path)

    assert code == 65
    assert "'sesion'" in error
    assert "Did you mean 'session'?" in error


def test_a_table_of_the_study_may_name_participants_of_other_jobs(call, tmp_path):
    path = tmp_path / "qc.tsv"
    path.write_text("participant_id\treason\nsub-04\tasleep\n")

    code, shown, _ = call("participant", "--dry-run", "--exclude", path,
                          "--participant-label", "01")  # fmt: skip

    assert code == 0
    assert "sub-04" not in shown


def test_everything_excluded_is_nothing_selected(call):
    code, _, error = call("participant", "--participant-label", "04", "--exclude", "sub-04")

    assert code == 18
    assert "--exclude leaves none" in error


def test_the_group_leaves_out_whom_it_is_told_to(call, tmp_path):
    out = tmp_path / "out"
    assert call("participant", *OLS)[0] == 0
    maps = list((out / "node-subject").rglob("*contrast-cue_stat-effect_statmap.nii.gz"))
    path = tmp_path / "qc.tsv"
    path.write_text("participant_id\treason\nsub-04\tasleep\n")

    code, shown, _ = call("group", "--exclude", path)

    assert code == 0
    assert "from 3 participants (01, 02, 03)" in shown
    assert "sub-04: --exclude qc.tsv names it: asleep" in shown
    kept = [one for one in maps if "sub-04" not in one.name]
    np.testing.assert_allclose(group_effect(out), effects(kept).mean(axis=0), rtol=1e-4, atol=1e-5)
    report = (out / "group.html").read_text()
    assert "3 participants analyzed, 1 excluded" in report
    assert "sub-04: --exclude qc.tsv names it: asleep" in report
    assert call("group")[1].count("from 4 participants") == 1


def test_the_group_does_not_take_a_run_out_of_a_combination(call):
    assert call("participant", *OLS)[0] == 0

    code, _, error = call("group", "--exclude", SECOND)

    assert code == 2
    assert f"Repeat the participant level with --exclude {SECOND}" in error


def test_results_of_runs_that_are_excluded_by_now_are_not_used(call, tmp_path):
    out = tmp_path / "out"
    assert call("participant", *OLS)[0] == 0
    assert call("participant", *OLS, "--exclude", "sub-04", SECOND)[0] == 0

    assert not (out / "sub-04.html").exists()
    assert SECOND + "_" not in (out / "sub-01.html").read_text().replace(f"{SECOND}: --", "")
    subject = call("subject")[1]
    code, shown, _ = call("group")

    assert code == 0
    assert "from 3 participants (01, 02, 03)" in shown
    assert "sub-04: --exclude names it" in shown
    assert f"{SECOND}: --exclude names it" in shown
    assert "Nothing to do" in subject
    code, shown, _ = call("participant", *OLS)
    assert code == 0
    assert "Nothing was excluded." in shown
    assert "2 runs analyzed" in (out / "sub-01.html").read_text()
    assert "from 4 participants" in call("group")[1]


def test_what_the_participant_level_excluded_stands_in_the_group_report(call, study, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    path = copy / "sub-04/func/sub-04_task-cuetarget_run-2_events.tsv"
    path.write_text("onset\tduration\ttrial_type\n")
    out = tmp_path / "out"
    assert main([str(copy), str(out), "participant", *OLS]) == 0

    assert main([str(copy), str(out), "group"]) == 0

    report = (out / "group.html").read_text()
    assert "4 participants analyzed; 1 run excluded" in report
    assert "run-2_events.tsv has a header but no events" in report
    stored = json.loads((out / "logs/exclusions/sub-04_model-default.json").read_text())
    assert [run["Entities"]["run"] for run in stored["Exclusions"]] == ["2"]
    assert "1 run analyzed, 1 excluded" in (out / "sub-04.html").read_text()


def test_the_group_names_participants_without_results(call):
    labels = ("--participant-label", "01", "02", "03")
    assert call("participant", *OLS, *labels)[0] == 0

    shown = call("group")[1]

    assert "from 3 participants" in shown
    assert "sub-04 has no finished result of node 'subject'" in shown
    assert "sub-04" not in call("group", *labels)[1]
