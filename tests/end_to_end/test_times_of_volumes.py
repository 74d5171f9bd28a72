"""The times of volumes, from the sidecar and the options to the maps and to what is said."""

import json

import nibabel as nib
import numpy as np
import pytest

from boldglm import FirstLevel, map_metadata
from boldglm.cli.main import main
from boldglm.glm import build_design, fit
from boldglm.interfaces import BuildDesign
from boldglm.io.bids.events import read_events
from boldglm.io.outputs.design_files import read_design
from fake_fmriprep import Layout, write_fmriprep

RUN = "node-run/sub-01/func/sub-01_task-cuetarget_run-1"
BOLD = "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
EVENTS = "sub-01/func/sub-01_task-cuetarget_run-1_events.tsv"
SLICES = [0.1 + 0.18 * k for k in range(10)]  # middle .91


def participant(dataset, out, *options, code=0):
    arguments = [str(dataset), str(out), "participant", "--participant-label", "01"]
    assert main([*arguments, "--run-label", "1", "--noise-model", "ols", *options]) == code
    return out


def describe(dataset, **content):
    sidecar = {"TaskName": "cuetarget", "RepetitionTime": 2.0, **content}
    sidecar = {key: value for key, value in sidecar.items() if value is not None}
    (dataset / "task-cuetarget_bold.json").write_text(json.dumps(sidecar))


def frame_times(out):
    return read_design(out / f"{RUN}_design.tsv").frame_times


def sidecar_of(out):
    return map_metadata(out / f"{RUN}_contrast-cue_stat-t_statmap.json")


def test_raw_volumes_are_modeled_at_their_middle_and_this_is_said(dataset, tmp_path, capsys):
    describe(dataset, SliceTiming=SLICES)
    out = participant(dataset, tmp_path / "out")
    np.testing.assert_allclose(frame_times(out)[:2], [0.91, 2.91])
    text = "volumes are modeled at the middle of their acquisition, 0.91 s after its beginning"
    assert text in capsys.readouterr().out
    assert text in (out / "sub-01.html").read_text()
    assert any(text in note for note in json.loads(
        (out / f"{RUN}_design.json").read_text())["Notes"])  # fmt: skip
    assert (sidecar_of(out)["StartTime"], sidecar_of(out)["RepetitionTime"]) == (0.91, 2.0)
    participant(dataset, tmp_path / "out", "--dry-run")
    assert text in (said := capsys.readouterr().out)
    assert "the first at 0.91 s" in said


def test_another_reference_refits_the_run(dataset, tmp_path, capsys):
    out = participant(dataset, tmp_path / "out")
    middle = nib.load(out / f"{RUN}_contrast-cue_stat-t_statmap.nii.gz").get_fdata()
    capsys.readouterr()
    participant(dataset, out, "--slice-time-reference", "0", "--fresh")
    np.testing.assert_array_equal(frame_times(out)[:2], [0.0, 2.0])
    assert sidecar_of(out)["StartTime"] == 0.0
    first = nib.load(out / f"{RUN}_contrast-cue_stat-t_statmap.nii.gz").get_fdata()
    assert abs(middle - first).max() > 0.1
    assert "modeled at the middle" not in capsys.readouterr().out


@pytest.mark.parametrize("value", ["1.1", "-0.1", "middle", "nan"])
def test_a_reference_outside_a_volume_is_refused(dataset, tmp_path, value, capsys):
    participant(dataset, tmp_path, f"--slice-time-reference={value}", code=2)
    assert "from 0 to 1" in capsys.readouterr().err


def test_preprocessed_data_take_the_slice_times_of_the_raw_data(dataset, tmp_path, capsys):
    describe(dataset, SliceTiming=SLICES)
    write_fmriprep(dataset, layout=Layout(start_time=None))
    plan = [str(dataset), str(tmp_path), "participant", "--dry-run"]
    assert main(plan) == 0
    assert "the first at 0.91 s" in capsys.readouterr().out
    for path in (dataset / "derivatives").rglob("*_bold.json"):
        content = json.loads(path.read_text()) | {"SliceTimingCorrected": True}
        path.write_text(json.dumps(content))
    assert main(plan) == 0
    said = capsys.readouterr().out
    assert "the first at 0.91 s" in said
    assert "slice timing was corrected, but the sidecar has no StartTime" in said


def test_a_start_time_leaves_everything_as_it_was(dataset, tmp_path, capsys):
    describe(dataset, SliceTiming=SLICES)
    write_fmriprep(dataset, layout=Layout(start_time=0.7))
    plan = [str(dataset), str(tmp_path), "participant", "--dry-run"]
    assert main([*plan, "--slice-time-reference", "0"]) == 0
    said = capsys.readouterr().out
    assert "the first at 0.7 s" in said
    assert "--slice-time-reference was not used" in said
    assert main(plan) == 0
    assert "after its beginning" not in capsys.readouterr().out


@pytest.mark.parametrize("gap", [0.0, 7.0])
def test_sparse_volumes_are_fitted_at_their_own_times(dataset, tmp_path, gap, capsys):
    n_scans = 80
    onsets = np.arange(n_scans) * 4.0 + gap * (np.arange(n_scans) // 5)
    describe(
        dataset,
        RepetitionTime=None,
        VolumeTiming=onsets.tolist(),
        FrameAcquisitionDuration=1.5,
    )
    arguments = [str(dataset), str(tmp_path / "out"), "participant", "--run-label", "1"]
    assert main([*arguments, "--participant-label", "01", "--maps", "fitted"]) == 0
    np.testing.assert_allclose(frame_times(tmp_path / "out"), onsets + 0.75)
    said = capsys.readouterr().out
    assert ("volumes are 4 to 11 s apart" in said) == bool(gap)
    sidecar = sidecar_of(tmp_path / "out")
    assert sidecar["VolumeTiming"] == onsets.tolist()
    assert "RepetitionTime" not in sidecar
    series = json.loads((tmp_path / "out" / f"{RUN}_desc-fitted_bold.json").read_text())
    assert "RepetitionTime" not in series
    events = read_events(dataset / EVENTS)
    table = {"onset": events.onset, "duration": events.duration, "trial_type": events.trial_type}
    design = build_design(table, onsets + 0.75)
    mask = nib.load(tmp_path / "out" / f"{RUN}_desc-brain_mask.nii.gz").get_fdata() > 0
    bold = nib.load(dataset / BOLD).get_fdata()[mask].T
    expected = fit(bold, design).contrast("cue").t
    found = nib.load(tmp_path / "out" / f"{RUN}_contrast-cue_stat-t_statmap.nii.gz")
    np.testing.assert_allclose(found.get_fdata()[mask], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("choice", "seconds"), [("sidecar", 2.5), ("header", 2.0), ("3", 3.0)])
def test_an_option_settles_which_repetition_time_holds(dataset, tmp_path, choice, seconds, capsys):
    describe(dataset, RepetitionTime=2.5)
    participant(dataset, tmp_path, "--dry-run", code=65)
    assert "--repetition-time sidecar, header" in capsys.readouterr().err
    participant(dataset, tmp_path, "--dry-run", "--repetition-time", choice)
    assert f"one every {seconds:g} s" in capsys.readouterr().out


def test_python_models_volumes_as_the_command_line_does(dataset, tmp_path):
    describe(dataset, SliceTiming=SLICES)
    beside = (dataset / BOLD).with_name((dataset / BOLD).name.replace(".nii.gz", ".json"))
    beside.write_text((dataset / "task-cuetarget_bold.json").read_text())
    out = participant(dataset, tmp_path / "out")
    model = FirstLevel(noise_model="ols").fit(dataset / BOLD, dataset / EVENTS)
    np.testing.assert_array_equal(model.designs_[0].matrix, read_design(
        out / f"{RUN}_design.tsv").matrix)  # fmt: skip
    model.slice_time_reference = 0.0
    model.fit(dataset / BOLD, dataset / EVENTS)
    np.testing.assert_allclose(model.designs_[0].frame_times[:2], [0.1, 2.1])
    model.start_time = 0.3
    model.fit(dataset / BOLD, dataset / EVENTS)
    np.testing.assert_allclose(model.designs_[0].frame_times[:2], [0.3, 2.3])


def test_the_interface_models_the_middle_unless_told_otherwise(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def times(**inputs):
        build = BuildDesign(events_file=str(dataset / EVENTS), **inputs)
        return read_design(build.run().outputs.design_file and tmp_path / "design.tsv").frame_times

    even = {"n_scans": 80, "repetition_time": 2.0}
    assert times(**even)[0] == 1.0
    assert times(**even, slice_time_reference=0.25)[0] == 0.5
    assert times(**even, start_time=0.0)[0] == 0.0
    onsets = [3.0 * k + k // 4 for k in range(40)]
    np.testing.assert_allclose(times(volume_timing=onsets, start_time=0.5), np.array(onsets) + 0.5)
    with pytest.raises(ValueError, match="together with start_time"):
        times(volume_timing=onsets)
