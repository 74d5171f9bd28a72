"""One bad run never refuses a study: it is excluded by name, and only if none is left refused."""

import gzip
import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest

from boldglm.cli.main import main
from fake_fmriprep import write_fmriprep
from model_nodes import SUBJECT, run_node_of

RUN = "sub-01_task-cuetarget_run-1"


def file_of(dataset, ending, subject="01", run=1):
    return dataset / f"sub-{subject}/func/sub-{subject}_task-cuetarget_run-{run}_{ending}"


def header_only(path):
    path.write_text("onset\tduration\ttrial_type\n")


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_gzip(path):
    path.write_bytes(gzip.decompress(path.read_bytes()))


def broken_link(path):
    path.unlink()
    path.symlink_to("nowhere.nii.gz")


def annexed_link(path):
    path.unlink()
    path.symlink_to("../../.git/annex/objects/Xk/3P/MD5E-s1--d41d.nii.gz/MD5E-s1--d41d.nii.gz")


def annexed_pointer(path):
    path.write_text("/annex/objects/MD5E-s1--d41d\n")


def three_volumes(path):
    image = nib.load(path)
    nib.save(image.slicer[..., :3], path)
    events = path.with_name(path.name.replace("bold.nii.gz", "events.tsv"))
    events.write_text("onset\tduration\ttrial_type\n0\t1\tcue\n1\t1\ttarget\n")


def sidecar_of_another_repetition_time(path):
    path.with_name(path.name.replace(".nii.gz", ".json")).write_text('{"RepetitionTime": 1.7}')


def broken_sidecar(path):
    path.with_name(path.name.replace(".nii.gz", ".json")).write_text('{"RepetitionTime": ')


def other_grid(path):
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[:-1], image.affine, image.header), path)


def milliseconds(path):
    header, *rows = path.read_text().splitlines()
    cells = [row.split("\t") for row in rows]
    rows = [f"{float(on) * 1000 + 160000}\t{lasts}\t{name}" for on, lasts, name in cells]
    path.write_text("\n".join([header, *rows]) + "\n")


BAD = [
    (header_only, "events.tsv", "has a header but no events"),
    (milliseconds, "events.tsv", "after the end of the run"),
    (broken_link, "events.tsv", "is a link to nowhere.nii.gz, which does not exist"),
    (truncated, "bold.nii.gz", "is truncated"),
    (no_gzip, "bold.nii.gz", "not gzip"),
    (broken_link, "bold.nii.gz", "is a link to nowhere.nii.gz, which does not exist"),
    (annexed_link, "bold.nii.gz", "Run: datalad get "),
    (annexed_pointer, "bold.nii.gz", "Run: datalad get "),
    (three_volumes, "bold.nii.gz", "has 3 volumes"),
    (sidecar_of_another_repetition_time, "bold.nii.gz", "RepetitionTime"),
    (broken_sidecar, "bold.nii.gz", "_run-1_bold.json"),
]


@pytest.mark.parametrize(("spoil", "ending", "reason"), BAD)
def test_a_bad_run_is_excluded_by_name(dataset, tmp_path, capsys, spoil, ending, reason):
    spoil(file_of(dataset, ending))
    command = [str(dataset), str(tmp_path / "out"), "participant", "--dry-run"]

    code = main(command)
    planned = capsys.readouterr()
    stopped = main([*command, "--on-bad-run", "stop"])

    assert code == 0, planned.err
    assert "3 runs of 2 participants" in planned.out
    (line,) = [line for line in planned.out.splitlines() if line.startswith(f"excluded: {RUN}")]
    assert reason in line
    assert f"\n{RUN}\n" not in planned.out
    assert stopped in (65, 66)
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(("spoil", "ending", "reason"), BAD)
def test_if_no_run_is_left_the_reason_is_given_once(
    dataset, tmp_path, capsys, spoil, ending, reason
):
    for subject in ("01", "02"):
        for run in (1, 2):
            spoil(file_of(dataset, ending, subject, run))

    code = main([str(dataset), str(tmp_path / "out"), "participant"])

    said = capsys.readouterr().err
    assert code in (65, 66)
    assert said.count(reason) == 1
    assert "The same holds for the other 3 runs" in said
    assert not (tmp_path / "out").exists()


def test_different_reasons_are_all_given(dataset, tmp_path, capsys):
    header_only(file_of(dataset, "events.tsv"))
    truncated(file_of(dataset, "bold.nii.gz", run=2))
    no_gzip(file_of(dataset, "bold.nii.gz", "02"))
    three_volumes(file_of(dataset, "bold.nii.gz", "02", 2))

    code = main([str(dataset), str(tmp_path / "out"), "participant"])

    said = capsys.readouterr().err
    assert code == 65
    assert said.startswith("boldglm: No run is left, of 4.")
    assert "header but no events" in said
    assert "And 1 more." in said


def test_the_others_are_fitted_as_if_the_bad_run_were_not_there(dataset, tmp_path, capsys):
    without = shutil.copytree(dataset, tmp_path / "without")
    for ending in ("bold.nii.gz", "events.tsv"):
        file_of(without, ending).unlink()
    truncated(file_of(dataset, "bold.nii.gz"))

    assert main([str(dataset), str(tmp_path / "a"), "participant"]) == 0
    said = capsys.readouterr().out
    assert main([str(without), str(tmp_path / "b"), "participant"]) == 0

    assert "Exclusions (1):" in said
    assert re.search(f"^  {RUN}_bold.nii.gz is truncated", said, re.MULTILINE)
    maps = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.nii.gz"))
    expected = sorted(
        path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*.nii.gz")
    )
    assert maps == expected
    for path in maps:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()


def test_a_run_on_another_grid_than_most_is_excluded(dataset, tmp_path, capsys):
    for ending in ("bold.nii.gz", "events.tsv"):
        shutil.copy(file_of(dataset, ending), file_of(dataset, ending, run=3))
    other_grid(file_of(dataset, "bold.nii.gz", run=2))

    assert main([str(dataset), str(tmp_path / "out"), "participant", "--dry-run"]) == 0

    shown = capsys.readouterr().out
    excluded = [line for line in shown.splitlines() if line.startswith("excluded: ")]
    assert "4 runs of 2 participants" in shown
    assert len(excluded) == 1
    assert "_run-2_bold.nii.gz" in excluded[0]
    assert "different grids" in excluded[0]


def test_of_two_runs_on_two_grids_neither_is_preferred(dataset, tmp_path, capsys):
    other_grid(file_of(dataset, "bold.nii.gz"))

    assert main([str(dataset), str(tmp_path / "out"), "participant", "--dry-run"]) == 0

    shown = capsys.readouterr().out
    assert "2 runs of 1 participant" in shown
    assert shown.count("lie on different grids") == 2


def late_cue(dataset):
    """Let every cue of the first run lie after its end."""
    path = file_of(dataset, "events.tsv")
    header, *rows = path.read_text().splitlines()
    cells = [row.split("\t") for row in rows]
    rows = [f"{float(on) + 600 * (name == 'cue')}\t{lasts}\t{name}" for on, lasts, name in cells]
    path.write_text("\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize("of_file", [False, True])
def test_a_condition_after_the_end_of_an_aborted_run_is_missing_there(
    dataset, tmp_path, capsys, of_file
):
    late_cue(dataset)
    model = []
    if of_file:
        conditions = ["trial_type.cue", "trial_type.target"]
        content = {
            "Name": "two",
            "BIDSModelVersion": "1.0.0",
            "Nodes": [
                run_node_of(conditions, DummyContrasts={"Test": "t", "Contrasts": conditions}),
                SUBJECT,
            ],
        }
        (tmp_path / "two_smdl.json").write_text(json.dumps(content))
        model = ["-m", str(tmp_path / "two_smdl.json")]
    command = [str(dataset), str(tmp_path / "out"), "participant", "--dry-run", *model]

    code = main(command)
    shown = capsys.readouterr()
    alone = main([*command, "--participant-label", "01", "--run-label", "1"])
    capsys.readouterr()
    stopped = main([*command, "--missing-conditions", "error"])

    assert code == 0, shown.err
    assert "4 runs of 2 participants" in shown.out
    first = shown.out.partition(f"\n{RUN}\n")[2].partition("\n\n")[0]
    assert re.search(r"cue +not estimable in this run", first)
    assert re.search(r"excluded: .*'(trial_type\.)?cue': all \d+ events", first)
    assert alone == 0  # other runs of the dataset have the condition
    assert stopped == 65
    assert "cue" in capsys.readouterr().err


def test_a_mistake_of_the_model_is_refused_once(dataset, tmp_path, capsys):
    command = [str(dataset), str(tmp_path / "out"), "participant"]

    assert main([*command, "--contrast", "cue - tarqet"]) == 65
    first = capsys.readouterr().err
    assert main([*command, "--orthogonalize", "cue ~ tarqet"]) == 65

    assert first.count("there is no regressor 'tarqet'") == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_events_without_times_exclude_the_run_where_that_was_asked_for(dataset, tmp_path, capsys):
    path = file_of(dataset, "events.tsv")
    path.write_text(path.read_text() + "n/a\t1\tcue\n")
    command = [str(dataset), str(tmp_path / "out"), "participant", "--dry-run"]

    assert main([*command, "--missing-times", "run"]) == 0
    shown = capsys.readouterr().out
    assert main([*command, "--missing-times", "error"]) == 65

    assert f"excluded: {RUN}_events.tsv has n/a as onset" in shown
    assert "3 runs of 2 participants" in shown


def test_a_bad_confounds_table_excludes_its_run(dataset, tmp_path, capsys):
    prep = write_fmriprep(dataset)
    table = prep / "sub-01/func" / f"{RUN}_desc-confounds_timeseries.tsv"
    table.write_text("\n".join(table.read_text().splitlines()[:-5]) + "\n")

    assert main([str(dataset), str(tmp_path / "out"), "participant", "--dry-run"]) == 0

    shown = capsys.readouterr().out
    assert "3 runs of 2 participants" in shown
    assert "75 rows" in shown


def test_many_events_after_the_end_of_a_run_are_warned_of(dataset, tmp_path, capsys):
    image = nib.load(file_of(dataset, "bold.nii.gz"))
    nib.save(image.slicer[..., :50], file_of(dataset, "bold.nii.gz"))

    assert main([str(dataset), str(tmp_path / "out"), "participant", "--dry-run"]) == 0

    (line,) = [line for line in capsys.readouterr().out.splitlines() if "start after" in line]
    assert "The scan may have been stopped early" in line


def test_a_run_that_fails_in_the_fit_is_a_failure_in_the_summary(dataset, tmp_path, capsys):
    path = file_of(dataset, "bold.nii.gz")
    image = nib.load(path)
    data = np.asarray(image.dataobj, dtype=np.float32)
    data -= data.mean(axis=3, keepdims=True)
    nib.save(nib.Nifti1Image(data, image.affine, image.header), path)

    code = main([str(dataset), str(tmp_path / "out"), "participant", "--participant-label", "01"])

    said = capsys.readouterr()
    assert code == 1
    assert f"{RUN}_bold.nii.gz" in said.err
    assert "2 runs of 1 participant, 1 failure," in said.out
    assert "Nothing was excluded" not in said.out


def test_a_bad_scans_table_excludes_its_participant(dataset, tmp_path, capsys):
    table = dataset / "sub-01/sub-01_scans.tsv"
    table.write_text("filename\tscore\nfunc/a_bold.nii.gz\n")

    assert main([str(dataset), str(tmp_path / "out"), "participant", "--dry-run"]) == 0

    shown = capsys.readouterr().out
    assert "2 runs of 1 participant" in shown
    assert shown.count("sub-01_scans.tsv") == 2
