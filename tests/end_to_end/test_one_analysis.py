"""An analysis is one thing, whoever runs it: other options, models and versions do not mix."""

import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset

OLS = ("--noise-model", "ols")
GROUP_T = "node-dataset/task-cuetarget_contrast-cue_stat-t_statmap.nii.gz"


@pytest.fixture(scope="module")
def bids(tmp_path_factory):
    """Return three participants with two short runs each."""
    plan = DatasetPlan(n_subjects=3, n_scans=60, shape=(6, 6, 5))
    return write_dataset(tmp_path_factory.mktemp("three") / "bids", plan)


def call(bids, out, level, *options):
    return main([str(bids), str(out), level, *map(str, options)])


def fit(bids, out, subject, *options):
    return call(bids, out, "participant", "--participant-label", subject, *OLS, *options)


def group_t(out):
    return np.asarray(nib.load(out / GROUP_T).dataobj)


def saved_model(out, name="default"):
    return json.loads((out / f"models/model-{name}_smdl.json").read_text())


def record(out, subject="01", node="subject"):
    path = out / f"node-{node}/sub-{subject}/func/sub-{subject}_task-cuetarget_statmap.json"
    return json.loads(path.read_text())["boldglm"]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (("--smoothing", "8"), ("no --smoothing", "--smoothing 8")),
        (("--signal-scaling", "none"), ("--signal-scaling percent", "--signal-scaling none")),
        (("--hrf-model", "glover"), ("--hrf-model spm", "--hrf-model glover")),
        (("--contrast", "cue"), ("no --contrast", "--contrast 'cue'")),
        (("--missing-conditions", "zero"), ("--missing-conditions drop",)),
        (("--slice-time-reference", "0"), ("--slice-time-reference 0.5",)),
        (("--high-pass", "none"), ("--high-pass by default", "--high-pass none")),
    ],
)
def test_a_job_with_other_options_is_refused_by_name_before_anything_is_written(
    bids, tmp_path, capsys, other, words
):
    assert fit(bids, tmp_path, "01") == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()

    assert fit(bids, tmp_path, "02", *other) == 2

    message = capsys.readouterr().err
    for text in (*words, "another OUTPUT_DIR", "--model-name", "--fresh"):
        assert text in message
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before
    assert fit(bids, tmp_path, "02", *other, "--dry-run") == 2


def test_an_option_with_its_default_value_is_the_same_analysis(bids, tmp_path):
    assert fit(bids, tmp_path, "01") == 0
    given = ("--hrf-model", "spm", "--missing-conditions", "drop", "--slice-time-reference", ".5")
    assert fit(bids, tmp_path, "02", *given) == 0
    assert call(bids, tmp_path, "group") == 0


def test_participants_who_were_not_fitted_alike_are_not_averaged(bids, tmp_path, capsys):
    assert fit(bids, tmp_path, "01") == 0
    assert fit(bids, tmp_path, "02") == 0
    assert fit(bids, tmp_path, "03", "--smoothing", "8", "--fresh") == 0  # replaces the analysis
    capsys.readouterr()

    assert call(bids, tmp_path, "group") == 65

    message = capsys.readouterr().err
    assert "sub-01, sub-02: fitted with no --smoothing, the analysis has --smoothing 8" in message
    assert not (tmp_path / "node-dataset").exists()
    assert call(bids, tmp_path, "subject") == 65
    # the two ways out that the message names
    for subject in ("01", "02"):
        assert fit(bids, tmp_path, subject, "--smoothing", "8") == 0
    assert call(bids, tmp_path, "group") == 0


def test_a_version_is_part_of_the_analysis(bids, tmp_path, capsys):
    assert fit(bids, tmp_path, "01") == 0
    path = tmp_path / "models/model-default_analysis.json"
    content = json.loads(path.read_text())
    content["Version"] = "0.0.9"
    path.write_text(json.dumps(content))

    assert fit(bids, tmp_path, "02") == 2

    assert "the analysis has boldglm 0.0.9" in capsys.readouterr().err


def test_every_record_has_the_identity_of_its_analysis(bids, tmp_path):
    assert fit(bids, tmp_path, "01", "--smoothing", "8") == 0
    assert fit(bids, tmp_path, "02", "--smoothing", "8") == 0
    assert call(bids, tmp_path, "group") == 0

    paths = list(tmp_path.glob("node-*/**/*_statmap.json"))
    records = [json.loads(path.read_text()).get("boldglm") for path in paths]
    kept = [one["Analysis"] for one in records if one]
    assert len(kept) == 4 + 2 + 1
    assert {one["Options"]["--smoothing"] for one in kept} == {"8"}
    assert len({one["Digest"] for one in kept}) == 3  # one for each node
    assert len({one["Version"] for one in kept}) == 1


def test_the_first_of_several_jobs_at_once_decides(bids, tmp_path):
    other = {"01": (), "02": ("--smoothing", "8"), "03": ("--smoothing", "4")}
    jobs = {
        label: subprocess.Popen(
            [sys.executable, "-m", "boldglm", str(bids), str(tmp_path), "participant",
             "--participant-label", label, *OLS, *given],
            stdout=subprocess.DEVNULL,
        )
        for label, given in other.items()
    }  # fmt: skip
    codes = {label: job.wait(timeout=300) for label, job in jobs.items()}

    assert sorted(codes.values()) == [0, 2, 2]
    (winner,) = (label for label, code in codes.items() if code == 0)
    options = json.loads((tmp_path / "models/model-default_analysis.json").read_text())["Options"]
    assert options["--smoothing"] == (None if winner == "01" else other[winner][1])


def test_the_default_model_is_kept_when_the_dataset_grows(tmp_path, capsys):
    plan = DatasetPlan(n_subjects=2, n_scans=60, shape=(6, 6, 5))
    bids = write_dataset(tmp_path / "bids", plan)
    out = tmp_path / "out"
    assert fit(bids, out, "01") == 0
    model = saved_model(out)
    events = bids / "sub-02/func/sub-02_task-cuetarget_run-1_events.tsv"
    events.write_text(events.read_text() + "100\t1\tnovel\n")
    capsys.readouterr()

    assert fit(bids, out, "02") == 0

    assert "the dataset has changed since models/model-default_smdl.json was saved" in (
        capsys.readouterr().out
    )
    assert saved_model(out) == model
    assert call(bids, out, "group") == 0


def test_two_analyses_of_one_folder_are_both_fitted_named_and_tested(bids, tmp_path, capsys):
    for subject in ("01", "02", "03"):
        assert fit(bids, tmp_path, subject) == 0
    first = group_maps = None
    assert call(bids, tmp_path, "group") == 0
    first = group_t(tmp_path)
    for subject in ("01", "02", "03"):
        assert fit(bids, tmp_path, subject, "--smoothing", "8", "--model-name", "smooth") == 0
    capsys.readouterr()

    assert call(bids, tmp_path, "group") == 0

    np.testing.assert_array_equal(group_t(tmp_path), first)
    group_maps = sorted(path.parent.name for path in tmp_path.glob("node-*/*cue_stat-t_*.nii.gz"))
    assert group_maps == ["node-dataset", "node-smoothDataset"]
    for report in ("group.html", "sub-01.html"):
        text = (tmp_path / report).read_text()
        for model in ("default", "smooth"):
            assert f"(model {model})" in text
    assert "run 1 (model default)" in text
    assert saved_model(tmp_path, "smooth")["Name"] == "smooth"
    assert call(bids, tmp_path, "group", "--model-name", "smooth") == 0
    assert call(bids, tmp_path, "group", "--model-name", "smoth") == 18
    assert "Did you mean 'smooth'?" in capsys.readouterr().err


def edited(out, path, change, name="default"):
    content = saved_model(out, name)
    change(content)
    path.write_text(json.dumps(content))
    return path


def without_target(content):
    content["Nodes"][0]["Contrasts"] = content["Nodes"][0]["Contrasts"][:1]


def test_an_edited_model_is_refused_or_kept_apart_but_never_dropped(bids, tmp_path, capsys):
    out = tmp_path / "out"
    for subject in ("01", "02"):
        assert fit(bids, out, subject) == 0
    same_name = edited(out, tmp_path / "same_smdl.json", without_target)

    assert call(bids, out, "participant", "-m", same_name) == 2
    message = capsys.readouterr().err
    assert "the models differ at $.Nodes[run].Contrasts" in message

    content = json.loads(same_name.read_text())
    content["Name"] = "edited"
    new_name = tmp_path / "new_smdl.json"
    new_name.write_text(json.dumps(content))
    assert call(bids, out, "participant", "-m", new_name) == 2
    assert "--model-name" in capsys.readouterr().err

    pair = ("--participant-label", "01", "02")
    assert call(bids, out, "participant", "-m", new_name, "--model-name", "edited", *pair) == 0
    assert (out / "node-editedRun").is_dir()
    assert call(bids, out, "group") == 0
    assert (out / "node-editedDataset").is_dir()
    assert (out / GROUP_T).is_file()


def test_the_saved_model_gives_the_same_results_as_a_file(bids, tmp_path):
    out = tmp_path / "out"
    assert fit(bids, out, "01") == 0
    copy = edited(out, tmp_path / "copy_smdl.json", lambda _: None)
    before = record(out)

    assert call(bids, out, "participant", "-m", copy, "--participant-label", "01", "02") == 0

    assert record(out) == before  # it was finished
    assert call(bids, out, "group", "-m", copy) == 0


def three_groups(content):
    content["Nodes"][2]["Model"]["X"] = [1, "age"]
    content["Nodes"][2]["Contrasts"] = [
        {"Name": "older", "ConditionList": ["age"], "Weights": [1], "Test": "t"}
    ]
    del content["Nodes"][2]["DummyContrasts"]


def test_the_group_fits_the_levels_above_the_run_of_a_file(bids, tmp_path, capsys):
    out = tmp_path / "out"
    (bids / "participants.tsv").write_text(
        "participant_id\tage\nsub-01\t20\nsub-02\t31\nsub-03\t40\n"
    )
    for subject in ("01", "02", "03"):
        assert fit(bids, out, subject) == 0
    ages = edited(out, tmp_path / "ages_smdl.json", three_groups)
    capsys.readouterr()

    assert call(bids, out, "group", "-m", ages) == 0

    assert "models/model-default_smdl.json was replaced by the model of this call" in (
        capsys.readouterr().out
    )
    assert list((out / "node-dataset").glob("*Older_stat-t_statmap.nii.gz"))
    assert saved_model(out)["Nodes"][2]["Model"]["X"] == [1, "age"]
    assert fit(bids, out, "01") == 0  # the participant level is the same analysis
    # a file with other runs says what is missing
    other = edited(out, tmp_path / "other_smdl.json", without_target)
    assert call(bids, out, "group", "-m", other) == 65
    message = capsys.readouterr().err
    assert "$.Nodes[run].Contrasts" in message
    assert "Run the participant level with --model" in message
    assert call(bids, out, "group", "-m", tmp_path / "nope.json") == 66


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--contrast", "cue - target"), 2, "--contrast 'cue - target' does not suit them"),
        (("--task", "nope"), 18, "No result in the output folder is of task-nope"),
        (("--space", "nope"), 18, "--space nope: the results in the output folder are in func"),
        (("--noise-model", "ar1"), 2, "the analysis 'default' has --noise-model ols"),
        (("--high-pass", "90"), 2, "--high-pass 90 does not suit them"),
        (("--run-label", "1"), 18, "combine what run tells apart"),
        (("--session-label", "a"), 18, "combine what ses tells apart"),
        (("--maps", "rsquared"), 2, "--maps is about single runs"),
        (("--single-trials", "lss"), 2, "--single-trials is about single runs"),
        (("-m", "/nope.json"), 66, "/nope.json"),
        (("--missing-conditions", "zero"), 2, "--missing-conditions drop"),
        (("--mask", "MASK"), 2, "no --mask"),
        (("--participant-label", "77"), 66, "sub-77"),
    ],
)
def test_the_group_refuses_what_its_results_do_not_have(
    bids, tmp_path_factory, capsys, options, code, words
):
    out = finished(bids, tmp_path_factory)
    mask = out / "node-run/sub-01/func/sub-01_task-cuetarget_run-1_desc-brain_mask.nii.gz"
    given = [str(mask) if word == "MASK" else word for word in options]
    capsys.readouterr()

    assert call(bids, out, "group", *given) == code

    assert words in capsys.readouterr().err
    assert not (out / "node-dataset").exists()


@pytest.mark.parametrize(
    "options",
    [("--noise-model", "ols"), ("--task", "cuetarget"), ("--space", "func"), ("--high-pass",
      "none")],
)  # fmt: skip
def test_the_group_accepts_what_its_results_have(bids, tmp_path_factory, options):
    out = finished(bids, tmp_path_factory)
    expected = 2 if options[0] == "--high-pass" else 0
    assert call(bids, out, "group", *options, "--dry-run") == expected


FINISHED = {}


def finished(bids, tmp_path_factory):
    """Return an output folder with finished participants and no group."""
    if bids not in FINISHED:
        out = tmp_path_factory.mktemp("finished") / "out"
        assert call(bids, out, "participant", *OLS) == 0
        FINISHED[bids] = out
    return FINISHED[bids]


@pytest.mark.parametrize("option", ["--permutations", "--cluster-p", "--sides"])
def test_the_participant_level_refuses_options_of_the_group(bids, tmp_path, capsys, option):
    value = {"--permutations": "10", "--cluster-p": ".01", "--sides": "one"}[option]

    assert fit(bids, tmp_path / "out", "01", option, value) == 2

    assert f"{option} is about the test over participants" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_participants_combined_over_other_runs_are_not_averaged(bids, tmp_path, capsys):
    assert fit(bids, tmp_path, "01") == 0
    assert fit(bids, tmp_path, "02", "--run-label", "1") == 0
    capsys.readouterr()

    assert call(bids, tmp_path, "group") == 65

    message = capsys.readouterr().err
    assert "sub-01: all sessions and runs; sub-02: --run-label '1'" in message
    assert fit(bids, tmp_path, "02") == 0
    assert call(bids, tmp_path, "group") == 0


def test_the_settings_of_every_job_are_kept(bids, tmp_path):
    for subject in ("01", "02"):
        assert fit(bids, tmp_path, subject) == 0
    assert call(bids, tmp_path, "group", "--cluster-p", ".01") == 0

    paths = list((tmp_path / "logs/settings").iterdir())
    commands = [json.loads(path.read_text())["Command"] for path in paths]
    assert sum("--participant-label 01" in command for command in commands) == 1
    assert sum("--participant-label 02" in command for command in commands) == 1
    assert sum("group" in command for command in commands) == 1


def test_a_damaged_analysis_file_is_refused_by_name(bids, tmp_path, capsys):
    assert fit(bids, tmp_path, "01") == 0
    path = tmp_path / "models/model-default_analysis.json"
    for content in ("", "{", "[]", '{"Name": 3}', '{"Name": "default", "Version": "1"}'):
        path.write_text(content)
        for level in ("participant", "group"):
            assert call(bids, tmp_path, level, *(OLS if level == "participant" else ())) == 65
            assert "model-default_analysis.json is damaged" in capsys.readouterr().err
    path.unlink()
    assert fit(bids, tmp_path, "01") == 0


@pytest.fixture(scope="module")
def two_tasks(tmp_path_factory):
    """Return two participants who did two tasks with conditions of their own."""
    plan = DatasetPlan(n_subjects=2, n_scans=60, shape=(6, 6, 5))
    bids = write_dataset(tmp_path_factory.mktemp("tasks") / "bids", plan)
    for path in list(bids.rglob("*task-cuetarget*")):
        content = path.read_bytes()
        if path.suffix in (".tsv", ".json"):
            content = content.replace(b"cue", b"face").replace(b"target", b"house")
        path.with_name(path.name.replace("cuetarget", "other")).write_bytes(content)
    return bids


@pytest.mark.parametrize("how", ["option", "filter"])
def test_each_task_has_its_own_default_model_whichever_tasks_a_job_fits(two_tasks, tmp_path, how):
    out = tmp_path / "out"
    for subject, task in (("01", "cuetarget"), ("01", "other"), ("02", "other")):
        chosen = ("--task", task)
        if how == "filter":
            file = tmp_path / f"{task}.json"
            file.write_text(json.dumps({"bold": {"task": task}}))
            chosen = ("--bids-filter-file", file)
        assert fit(two_tasks, out, subject, *chosen) == 0
    models = sorted(path.name for path in (out / "models").glob("*_smdl.json"))
    assert models == ["model-defaultCuetarget_smdl.json", "model-defaultOther_smdl.json"]
    if how == "option":
        assert fit(two_tasks, out, "02") == 0
        assert call(two_tasks, out, "group") == 0
        assert call(two_tasks, out, "group", "--task", "other", "--dry-run") == 0
        report = (out / "sub-01.html").read_text()
        assert "run 1 (model defaultCuetarget)" in report
        assert "run 1 (model defaultOther)" in report
