"""Every kind of bad input: one clear message with the remedy, the right exit code, no output."""

import gzip
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.default_model import DefaultModelOptions, default_model
from boldglm.cli.main import main
from fake_fmriprep import MNI, Layout, write_fmriprep

RUN = "sub-01_task-cuetarget_run-1"


def func(dataset: Path) -> Path:
    return dataset / "sub-01" / "func"


def events(dataset: Path) -> Path:
    return func(dataset) / f"{RUN}_events.tsv"


def bold(dataset: Path) -> Path:
    return func(dataset) / f"{RUN}_bold.nii.gz"


def no_events(dataset):
    for path in dataset.rglob("*_events.tsv"):
        path.unlink()


def no_trial_type(dataset):
    text = events(dataset).read_text()
    events(dataset).write_text(text.replace("trial_type", "stim_type"))


def onset_not_available(dataset):
    lines = events(dataset).read_text().splitlines()
    lines[3] = "n/a\t1\tcue"
    events(dataset).write_text("\n".join(lines) + "\n")


def onsets_in_milliseconds(dataset):
    header, *rows = events(dataset).read_text().splitlines()
    cells = [row.split("\t") for row in rows]
    rows = [f"{float(on) * 1000 + 160000}\t{lasts}\t{name}" for on, lasts, name in cells]
    events(dataset).write_text("\n".join([header, *rows]) + "\n")


def onsets_before_the_run(dataset):
    header, *rows = events(dataset).read_text().splitlines()
    cells = [row.split("\t") for row in rows]
    rows = [f"{float(on) - 9000}\t{lasts}\t{name}" for on, lasts, name in cells]
    events(dataset).write_text("\n".join([header, *rows]) + "\n")


def commas_instead_of_tabs(dataset):
    events(dataset).write_text(events(dataset).read_text().replace("\t", ","))


def negative_duration(dataset):
    lines = events(dataset).read_text().splitlines()
    lines[1] = "4.0\t-1\tcue"
    events(dataset).write_text("\n".join(lines) + "\n")


def three_dimensional(dataset):
    image = nib.load(bold(dataset))
    nib.save(image.slicer[..., 0], bold(dataset))


def truncated(dataset):
    content = bold(dataset).read_bytes()
    bold(dataset).write_bytes(content[: len(content) // 2])


def not_gzip(dataset):
    bold(dataset).write_bytes(gzip.decompress(bold(dataset).read_bytes()))


def empty_file(dataset):
    bold(dataset).write_bytes(b"")


def damaged_header(dataset):
    bold(dataset).write_bytes(gzip.compress(b"no image at all" * 100))


def no_repetition_time(dataset):
    sidecar = dataset / "task-cuetarget_bold.json"
    sidecar.write_text(json.dumps({"TaskName": "cuetarget"}))


def another_repetition_time(dataset):
    sidecar = dataset / "task-cuetarget_bold.json"
    sidecar.write_text(json.dumps({"TaskName": "cuetarget", "RepetitionTime": 1.79355}))


def repetition_time_in_milliseconds(dataset):
    sidecar = dataset / "task-cuetarget_bold.json"
    sidecar.write_text(json.dumps({"TaskName": "cuetarget", "RepetitionTime": 2000}))


def few_scans(dataset):
    image = nib.load(bold(dataset))
    nib.save(image.slicer[..., :3], bold(dataset))
    events(dataset).write_text("onset\tduration\ttrial_type\n0\t1\tcue\n1\t1\ttarget\n")


def constant_everywhere(dataset):
    image = nib.load(bold(dataset))
    constant = np.full(image.shape, 7, dtype=np.int16)
    nib.save(nib.Nifti1Image(constant, image.affine, image.header), bold(dataset))


def another_grid(dataset):
    image = nib.load(bold(dataset))
    nib.save(image.slicer[:-1], bold(dataset))


def no_description(dataset):
    (dataset / "dataset_description.json").unlink()


def nothing(dataset):
    pass


def fmriprep(dataset):
    write_fmriprep(dataset)


def table(dataset: Path) -> Path:
    return dataset / "derivatives/fmriprep/sub-01/func" / f"{RUN}_desc-confounds_timeseries.tsv"


def fmriprep_without_a_table(dataset):
    write_fmriprep(dataset)
    table(dataset).unlink()


def fmriprep_without_tables(dataset):
    for path in write_fmriprep(dataset).rglob("*_timeseries.tsv"):
        path.unlink()


def fmriprep_of_two_spaces(dataset):
    write_fmriprep(dataset, layout=Layout(spaces=("_space-T1w", f"_space-{MNI}_res-2")))


def fmriprep_of_level_minimal(dataset):
    for path in write_fmriprep(dataset).rglob("*_desc-preproc_bold.*"):
        path.unlink()


def fmriprep_of_surfaces_that_are_none(dataset):
    for path in write_fmriprep(dataset).rglob("*_desc-preproc_bold.nii.gz"):
        name = path.name.split("_space")[0] + "_hemi-L_space-fsaverage5_bold.func.gii"
        path.rename(path.with_name(name))


def fmriprep_table_cut(dataset):
    write_fmriprep(dataset)
    lines = table(dataset).read_text().splitlines()
    table(dataset).write_text("\n".join(lines[:-5]) + "\n")


def fmriprep_table_with_a_gap(dataset):
    write_fmriprep(dataset)
    lines = table(dataset).read_text().splitlines()
    cells = lines[7].split("\t")
    cells[lines[0].split("\t").index("rot_x")] = "n/a"
    table(dataset).write_text("\n".join([*lines[:7], "\t".join(cells), *lines[8:]]) + "\n")


def fmriprep_table_of_words(dataset):
    write_fmriprep(dataset)
    lines = table(dataset).read_text().splitlines()
    cells = lines[7].split("\t")
    cells[lines[0].split("\t").index("rot_x")] = "moved"
    table(dataset).write_text("\n".join([*lines[:7], "\t".join(cells), *lines[8:]]) + "\n")


def model_that_wants_confounds(dataset):
    write_model(dataset, ["rot_x"], {})


def model_of_an_unknown_column(dataset):
    write_fmriprep(dataset)
    write_model(dataset, ["rot_xx"], {})


def model_of_an_unknown_pattern(dataset):
    write_fmriprep(dataset)
    write_model(dataset, ["rotate_*"], {})


def model_of_two_high_passes(dataset):
    write_fmriprep(dataset)
    write_model(dataset, ["cosine*"], {"HighPassFilterCutoffHz": 0.01})


def model_of_cosines_and_polynomials(dataset):
    write_fmriprep(dataset)
    write_model(dataset, ["cosine*"], {}, "polynomial:2")


def model_of_two_drifts(dataset):
    write_model(dataset, [], {"HighPassFilterCutoffHz": 0.01}, "polynomial:2")


def model_of_a_cosine_drift(dataset):
    write_model(dataset, [], {}, "cosine")


def write_model(dataset, confounds, options, drift=None):
    choices = DefaultModelOptions(confounds=ConfoundSettings(tuple(confounds)), high_pass=None)
    content = default_model("cuetarget", ["cue", "target"], 2.0, choices)
    content["Nodes"][0]["Model"]["Options"] = options
    if drift is not None:
        content["Nodes"][0]["Model"]["Software"]["boldglm"]["Drift"] = drift
    Path("model_smdl.json").write_text(json.dumps(content))


TABLE = [
    (no_events, [], 66, ["None of the 4", "events", "_events.tsv"]),
    (no_trial_type, [], 65, [f"{RUN}_events.tsv", "trial_type", "stim_type", "add trial_type"]),
    (
        onset_not_available,
        ["--missing-times", "error"],
        65,
        [f"{RUN}_events.tsv", "n/a as onset", "line 4"],
    ),
    (onsets_in_milliseconds, [], 65, [f"{RUN}_events.tsv", "after the end", "milliseconds"]),
    (onsets_before_the_run, [], 65, [f"{RUN}_events.tsv", "outside of the run"]),
    (commas_instead_of_tabs, [], 65, [f"{RUN}_events.tsv", "separated by commas, not by tabs"]),
    (negative_duration, [], 65, [f"{RUN}_events.tsv", "negative durations", "line 2"]),
    (three_dimensional, [], 65, [f"{RUN}_bold.nii.gz", "14 x 16 x 10", "4-D"]),
    (truncated, [], 65, [f"{RUN}_bold.nii.gz", "is truncated", "80 volumes"]),
    (not_gzip, [], 65, [f"{RUN}_bold.nii.gz", "not gzip"]),
    (empty_file, [], 65, [f"{RUN}_bold.nii.gz", "empty"]),
    (damaged_header, [], 65, [f"{RUN}_bold.nii.gz", "not a readable NIfTI"]),
    (no_repetition_time, [], 65, [f"{RUN}_bold.nii.gz", "RepetitionTime", "header says 2"]),
    (
        another_repetition_time,
        [],
        65,
        [f"{RUN}_bold.nii.gz", "1.79355 s", "2 s in the image header"],
    ),
    (repetition_time_in_milliseconds, [], 65, [f"{RUN}_bold.nii.gz", "Write it in seconds, 2."]),
    (few_scans, [], 65, [f"{RUN}_bold.nii.gz", "3 volumes", "no degrees of freedom"]),
    (another_grid, [], 65, [f"{RUN}_bold.nii.gz", "different grids", "--run-label"]),
    (no_description, [], 16, ["dataset_description.json"]),
    (nothing, ["--participant-label", "1"], 18, ["no participant '1'", "01, 02"]),
    (nothing, ["--task", "cuetargt"], 18, ["cuetargt", "Did you mean 'cuetarget'?"]),
    (nothing, ["--run-label", "7"], 18, ["run '7'", "1, 2"]),
    (nothing, ["--conditions", "targe"], 65, ["targe", "Did you mean 'target'?"]),
    (nothing, ["--contrast", "cue - tarqet"], 65, ["tarqet", "target"]),
    (nothing, ["--orthogonalize", "cue ~ cue"], 65, ["--orthogonalize", "cue"]),
    (nothing, ["--orthogonalize", "cue ~ tarqet"], 65, ["--orthogonalize", "tarqet"]),
    (nothing, ["--model", "absent_smdl.json"], 66, ["absent_smdl.json"]),
    (nothing, ["--model", "x.json", "--high-pass", "60"], 2, ["--high-pass", "x.json"]),
    (nothing, ["--model", "x.json", "--drift", "none"], 2, ["--drift", "x.json"]),
    (nothing, ["--drift", "polynomal"], 2, ["Did you mean 'polynomial'?"]),
    (nothing, ["--drift", "cosine:3"], 2, ["'cosine:3'", "polynomial:3"]),
    (nothing, ["--drift", "cosine", "--high-pass", "none"], 2, ["--high-pass none"]),
    (nothing, ["--drift", "polynomial", "--high-pass", "90"], 2, ["--high-pass 90", "one of"]),
    (nothing, ["--drift", "polynomial:80"], 65, [RUN, "order must be", "from 0 to 79"]),
    (nothing, ["--fir-delays", "0", "2"], 2, ["--hrf-model fir"]),
    (nothing, ["--bids-filter-file", "absent.json"], 66, ["absent.json cannot be read: No such"]),
    (nothing, ["--mask", "absent.nii.gz"], 66, ["--mask absent.nii.gz: there is no such file"]),
    (nothing, ["-d", "nowhere"], 66, ["-d nowhere", "no folder"]),
    (nothing, ["-d", "."], 16, ["no derivative dataset", "sub-*"]),
    (nothing, ["--space", MNI], 18, [MNI, "has no output of fMRIPrep", "with -d"]),
    (nothing, ["--confounds", "motion6"], 66, ["--confounds motion6", "fMRIPrep", "-d"]),
    (nothing, ["--fd-threshold", "0.5"], 66, [RUN, "framewise_displacement", "-d"]),
    (nothing, ["--fd-threshold", "-1"], 2, ["--fd-threshold -1"]),
    (nothing, ["--dummy-scans", "all"], 2, ["'all'", "auto"]),
    (nothing, ["--dummy-scans", "80"], 65, ["80 volumes", "--dummy-scans 80"]),
    (fmriprep, ["--participant-label", "3"], 18, ["no participant '3'", "01, 02"]),
    (fmriprep, ["--space", "MNI"], 18, ["--space MNI", f"{MNI}:res-2"]),
    (fmriprep, ["--confounds", "motion23"], 65, ["motion23", "Did you mean 'motion24'?"]),
    (fmriprep, ["--confounds", "rot_xx"], 65, ["rot_xx", "Did you mean 'rot_x'?"]),
    (fmriprep, ["--confounds", "ro_x*"], 65, ["ro_x*", "Did you mean 'rot_x'"]),
    (fmriprep, ["--confounds", "compcor:4"], 65, ["compcor:4", "has 3"]),
    (fmriprep, ["--confounds", "aroma"], 65, ["aroma_motion_*"]),
    (
        fmriprep,
        ["--confounds", "motion6", "high_pass", "--high-pass", "100"],
        2,
        ["--high-pass 100", "second"],
    ),
    (
        fmriprep,
        ["--confounds", "motion6", "high_pass", "--drift", "polynomial"],
        2,
        ["--drift polynomial", "second"],
    ),
    (fmriprep, ["--fd-threshold", "0.01"], 65, ["no degrees of freedom", "80 of 80 (100 %)"]),
    (fmriprep_without_a_table, [], 66, [RUN, "no confounds table", "trans_x"]),
    (fmriprep_without_tables, ["--confounds", "motion6"], 66, ["no run has a confounds table"]),
    (fmriprep_of_two_spaces, [], 18, ["--space", "T1w", f"{MNI}:res-2"]),
    (fmriprep_of_level_minimal, [], 66, ["--level minimal", "-d none"]),
    (
        fmriprep_of_surfaces_that_are_none,
        [],
        65,
        ["hemi-L_space-fsaverage5", "not a readable GIFTI file"],
    ),
    (fmriprep_table_cut, [], 65, ["75 rows", "80 volumes"]),
    (fmriprep_table_with_a_gap, [], 65, ["timeseries.tsv", "'rot_x'", "scan 6"]),
    (fmriprep_table_of_words, [], 65, ["'rot_x'", "line 8", "'moved'"]),
    (model_that_wants_confounds, ["-m", "model_smdl.json"], 66, ["rot_x", RUN]),
    (model_of_an_unknown_column, ["-m", "model_smdl.json"], 65, ["Did you mean 'rot_x'?"]),
    (model_of_an_unknown_pattern, ["-m", "model_smdl.json"], 65, ["rotate_*", "rot_"]),
    (model_of_cosines_and_polynomials, ["-m", "model_smdl.json"], 65, ["Drift", "one of the two"]),
    (model_of_two_drifts, ["-m", "model_smdl.json"], 65, ["'polynomial:2'", "HighPass"]),
    (model_of_a_cosine_drift, ["-m", "model_smdl.json"], 65, ["'cosine'", "HighPassFilter"]),
    (model_of_two_high_passes, ["-m", "model_smdl.json"], 65, ["HighPass", "one of the two"]),
]


@pytest.mark.parametrize(
    ("spoil", "options", "code", "words"),
    TABLE,
    ids=[f"{spoil.__name__}{'-'.join(options)}" for spoil, options, _, _ in TABLE],
)
def test_bad_input_is_refused_before_fitting(
    spoil, options, code, words, dataset, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    spoil(dataset)

    stop = ["--on-bad-run", "stop"]
    found = main([str(dataset), str(tmp_path / "out"), "participant", *stop, *options])

    message = capsys.readouterr().err
    assert found == code, message
    for word in words:
        assert word in message
    assert "Traceback" not in message
    assert not list(tmp_path.glob("out/**/*.nii.gz"))


def test_an_unknown_level_is_named_with_its_code(dataset, tmp_path, capsys):
    assert main([str(dataset), str(tmp_path / "out"), "particpant"]) == 17
    assert "Did you mean 'participant'?" in capsys.readouterr().err


def test_the_dataset_itself_is_never_the_output(dataset, capsys):
    assert main([str(dataset), str(dataset), "participant"]) == 2
    assert "never writes to" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_missing_input(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere"), str(tmp_path / "out"), "participant"]) == 66
    assert "nowhere" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_said(dataset, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")

    assert main([str(dataset), str(tmp_path / "file" / "out"), "participant"]) == 73
    assert "cannot be written" in capsys.readouterr().err


def test_a_run_that_fails_while_it_is_read_leaves_the_others_whole(dataset, tmp_path, capsys):
    constant_everywhere(dataset)
    out = tmp_path / "out"

    code = main([str(dataset), str(out), "participant"])

    said = capsys.readouterr()
    assert code == 1
    assert f"{RUN}_bold.nii.gz has no voxel to analyze" in said.err
    assert (out / "sub-02.html").is_file()
    assert list((out / "node-run" / "sub-01" / "func").glob("*_run-2_*stat-t_statmap.nii.gz"))
    assert not list(out.rglob("*_run-1_contrast*_statmap.nii.gz")) or not list(
        (out / "node-run" / "sub-01").rglob("*_run-1_*")
    )
    assert not list(out.rglob(".*.nii.gz.*"))  # nothing half-written


def test_constant_and_missing_voxels_are_left_out_and_counted(dataset, tmp_path):
    image = nib.load(bold(dataset))
    data = np.asarray(image.dataobj).astype(np.float32)
    data[7, 8, 5] = 500
    data[8, 8, 5, 3] = np.nan
    nib.save(nib.Nifti1Image(data, image.affine), bold(dataset))
    header = nib.load(bold(dataset)).header
    header.set_zooms((4, 4, 4, 2))
    nib.save(nib.Nifti1Image(data, image.affine, header), bold(dataset))
    whole = nib.Nifti1Image(np.ones(image.shape[:3], dtype=np.uint8), image.affine)
    nib.save(whole, tmp_path / "mask.nii.gz")
    out = tmp_path / "out"

    code = main([str(dataset), str(out), "participant", "--mask", str(tmp_path / "mask.nii.gz")])

    design = json.loads((out / "node-run" / "sub-01" / "func" / f"{RUN}_design.json").read_text())
    mask = nib.load(out / "node-run" / "sub-01" / "func" / f"{RUN}_desc-brain_mask.nii.gz")
    assert code == 0
    assert any("constant or not finite" in note for note in design["Exclusions"])
    assert mask.get_fdata()[7, 8, 5] == mask.get_fdata()[8, 8, 5] == 0
    assert np.isfinite(
        nib.load(
            out / "node-run" / "sub-01" / "func" / f"{RUN}_contrast-cue_stat-t_statmap.nii.gz"
        )
        .get_fdata()
        .sum()
    )


def test_the_group_needs_two_subjects(dataset, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([str(dataset), str(out), "participant", "--participant-label", "sub-01"]) == 0

    assert main([str(dataset), str(out), "group"]) == 65
    assert "at least two participants" in capsys.readouterr().err


def test_the_group_needs_the_participant_level(dataset, tmp_path, capsys):
    assert main([str(dataset), str(tmp_path / "out"), "group"]) == 66
    assert "participant level" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_is_said(dataset, tmp_path, capsys):
    (tmp_path / "out").mkdir(mode=0o500)

    assert main([str(dataset), str(tmp_path / "out"), "participant"]) == 73
