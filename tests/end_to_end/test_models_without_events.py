"""Models of confounds alone: runs need no events file."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from boldglm.cli.main import main
from boldglm.interfaces import BuildModelDesign
from model_datasets import write_model_dataset
from model_nodes import GROUP

MOTION = {
    "Name": "motion",
    "ConditionList": ["trans_x", "rot_x"],
    "Weights": [[1, 0], [0, 1]],
    "Test": "F",
}


def _model(x, *contrasts, instructions=(), dummy=None):
    run = {
        "Level": "Run",
        "Name": "run",
        "GroupBy": ["run", "subject"],
        "Transformations": {
            "Transformer": "pybids-transforms-v1",
            "Instructions": list(instructions),
        },
        "Model": {"Type": "glm", "X": [*x, 1]},
        "Contrasts": list(contrasts),
    }
    if dummy is not None:
        run["DummyContrasts"] = dummy
    return {
        "Name": "nuisance",
        "BIDSModelVersion": "1.0.0",
        "Input": {"task": ["x"]},
        "Nodes": [run, GROUP],
    }


def _write(tmp_path, content, *, keep_events=0, extra=None):
    """Write model and dataset, without events but for the first `keep_events` participants."""
    file = tmp_path / "m_smdl.json"
    file.write_text(json.dumps(content))
    bids = write_model_dataset(tmp_path / "bids", content, n_subjects=3, n_runs=1)
    for path in sorted(bids.glob("sub-*/func/*_events.tsv"))[keep_events:]:
        path.unlink()
    for path in bids.rglob("*confounds_timeseries.tsv") if extra else ():
        lines = path.read_text().splitlines()
        values = ["", *np.sin(np.arange(len(lines) - 1) / 7)]
        rows = [f"{line}\t{value}" for line, value in zip(lines, values, strict=True)]
        path.write_text("\n".join([f"{lines[0]}\t{extra}", *rows[1:]]) + "\n")
    return bids, tmp_path / "out", ["-m", str(file), "--noise-model", "ols"]


def _fit(bids, out, options, capsys):
    code = main([str(bids), str(out), "participant", *options])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    return shown.out


def test_a_model_of_confounds_is_fitted_to_runs_without_events(tmp_path, capsys):
    names = ["trans_x", "rot_x", "csf"]
    model = _model(names, MOTION, dummy={"Test": "t", "Contrasts": ["csf"]})
    bids, out, options = _write(tmp_path, model)
    printed = _fit(bids, out, options, capsys)
    assert "3 runs of 3 participants" in printed
    assert "Nothing was excluded." in printed
    found = {path.name.split("contrast-")[1] for path in out.rglob("sub-01*_statmap.nii.gz")}
    assert {"motion_stat-F_statmap.nii.gz", "csf_stat-t_statmap.nii.gz"} <= found
    (design,) = out.rglob("sub-01*_design.tsv")
    assert design.read_text().splitlines()[0].split("\t")[:3] == names
    assert "<dt>Events</dt><dd>none</dd>" in (out / "sub-01.html").read_text()
    assert main([str(bids), str(out), "group"]) == 0
    (path,) = out.glob("node-group/**/*contrast-csf_stat-t_statmap.nii.gz")
    assert (nib.load(path).get_fdata() != 0).any()


def test_without_conditions_the_task_explains_nothing_and_that_is_said(tmp_path, capsys):
    model = _model(["trans_x", "csf"], dummy={"Test": "t"})
    bids, out, options = _write(tmp_path, model)

    printed = _fit(bids, out, [*options, "--maps", "taskrsquared", "tsnr"], capsys)

    assert "map taskrsquared: the design has no conditions" in printed
    assert not list(out.rglob("*taskrsquared*"))
    assert len(list(out.rglob("*_stat-tsnr_statmap.nii.gz"))) == 3
    assert "Motion and task" not in (out / "sub-01.html").read_text()


def test_dummy_contrasts_of_a_model_without_conditions_are_those_of_its_regressors(
    tmp_path, capsys
):
    model = _model(["seed", "trans_*"], dummy={"Test": "t"})
    bids, out, options = _write(tmp_path, model, extra="seed")
    for path in bids.glob("sub-*/func/*_events.tsv"):
        path.unlink()
    _fit(bids, out, options, capsys)
    found = {
        path.name.split("contrast-")[1] for path in out.rglob("sub-01*_stat-t_statmap.nii.gz")
    }
    assert {name.split("_stat")[0] for name in found} == {"seed", "trans00", "trans01"}


def test_transformations_of_confounds_need_no_events(tmp_path, capsys):
    steps = [
        {"Name": "Product", "Input": ["trans_x", "rot_x"], "Output": ["both"]},
        {"Name": "Scale", "Input": ["both"]},
    ]
    model = _model(["both", "rot_*"], instructions=steps, dummy={"Test": "t"})
    bids, out, options = _write(tmp_path, model)
    _fit(bids, out, options, capsys)
    assert list(out.rglob("sub-01*_contrast-both_stat-t_statmap.nii.gz"))


def test_runs_with_and_without_events_give_the_same_maps_of_a_model_of_confounds(tmp_path, capsys):
    content = _model(["trans_x", "rot_x"], MOTION)
    bids, out, options = _write(tmp_path, content, keep_events=3)
    _fit(bids, out, options, capsys)
    for path in bids.glob("sub-*/func/*_events.tsv"):
        path.unlink()
    _fit(bids, tmp_path / "again", options, capsys)
    maps = sorted(path.relative_to(out) for path in out.rglob("*_stat-F_statmap.nii.gz"))
    assert len(maps) == 3
    for path in maps:
        assert (out / path).read_bytes() == (tmp_path / "again" / path).read_bytes()


def test_a_run_without_events_is_excluded_if_the_model_has_conditions(tmp_path, capsys):
    content = _model(["trial_type.a", "trans_x"], dummy={"Test": "t"}, instructions=[
        {"Name": "Factor", "Input": ["trial_type"]},
        {"Name": "Convolve", "Input": ["trial_type.a"], "Model": "spm"},
    ])  # fmt: skip
    bids, out, options = _write(tmp_path, content, keep_events=2)
    printed = _fit(bids, out, options, capsys)
    assert "2 runs of 2 participants" in printed
    assert (
        "sub-03_task-x_run-1_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz has no events"
        in (printed)
    )


def test_without_a_confounds_table_the_message_names_the_columns(tmp_path, capsys):
    bids, out, options = _write(tmp_path, _model(["trans_x", "rot_x"], MOTION))
    for path in bids.rglob("*confounds_timeseries.tsv"):
        path.unlink()
    assert main([str(bids), str(out), "participant", *options]) == 66
    shown = capsys.readouterr().err
    assert "has no confounds table, which the model needs for trans_x, rot_x" in shown


def test_single_trials_of_a_model_of_confounds_are_refused(tmp_path, capsys):
    bids, out, options = _write(tmp_path, _model(["trans_x", "rot_x"], MOTION))
    assert main([str(bids), str(out), "participant", *options, "--single-trials", "lsa"]) == 65
    assert "needs a model that convolves trial types" in capsys.readouterr().err


def test_the_default_model_needs_events(tmp_path, capsys):
    bids, out, _ = _write(tmp_path, _model(["trans_x", "rot_x"], MOTION))
    assert main([str(bids), str(out), "participant"]) == 66
    assert "None of the 3 BOLD runs" in capsys.readouterr().err


def test_the_interface_builds_a_design_of_confounds_without_events(tmp_path):
    content = _model(["trans_x", "rot_x"], MOTION)
    bids, _, options = _write(tmp_path, content)
    table = next(bids.rglob("sub-01*confounds_timeseries.tsv"))
    build = BuildModelDesign(
        model_file=options[1], confounds_file=[str(table)], n_scans=220, repetition_time=2.0
    )
    built = build.run(cwd=str(tmp_path)).outputs
    header = Path(built.design_file).read_text().splitlines()[0]
    assert header.split("\t") == ["trans_x", "rot_x", "constant"]
