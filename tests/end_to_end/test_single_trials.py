"""Single trials from the command line to maps and their table."""

import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.glm import convolve_events
from boldglm.glm.design.kernels import SPM
from boldglm.glm.first_level.single_trials import least_squares_all, least_squares_separate
from boldglm.interfaces import BuildDesign, FitGLM
from boldglm.io.images import nifti
from boldglm.io.outputs.design_files import read_design
from boldglm.io.outputs.names import TRIAL_MAPS
from fake_fmriprep import write_fmriprep

RUN = "node-run/sub-01/func/sub-01_task-cuetarget_run-1"


def participant(dataset, out, *options):
    return main([str(dataset), str(out), "participant", "--participant-label", "01", *options])


def load(path):
    return np.asarray(nib.load(path).dataobj, dtype=float)


@pytest.mark.parametrize("method", ["lsa", "lss"])
def test_trial_maps_are_those_of_the_array_functions(dataset, tmp_path, method):
    out = tmp_path / "out"
    options = ("--single-trials", method, "--signal-scaling", "none", "--noise-model", "ar1")
    assert participant(dataset, out, *options) == 0

    mask = load(out / f"{RUN}_desc-brain_mask.nii.gz") > 0
    source = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    bold = np.asarray(nib.load(source).dataobj)[mask].T
    design = read_design(out / f"{RUN}_design.tsv")
    table = pd.read_csv(out / f"{RUN}_desc-trials_events.tsv", sep="\t")
    trials = np.column_stack(
        [
            convolve_events([one.onset], [one.duration], [1.0], SPM, design.frame_times)
            for one in table.itertuples()
        ]
    )
    others = design.matrix[:, [k for k, role in enumerate(design.roles) if role != "condition"]]
    if method == "lss":
        expected = least_squares_separate(bold, trials, table.trial_type.tolist(), others)
    else:
        expected = least_squares_all(bold, trials, others, noise="ar1")

    effect = load(out / f"{RUN}_desc-trials_stat-effect_statmap.nii.gz")[mask].T
    t = load(out / f"{RUN}_desc-trials_stat-t_statmap.nii.gz")[mask].T
    np.testing.assert_allclose(effect, expected.effect, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(t, expected.t, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(table.variance_factor, expected.variance_factor, rtol=1e-5)
    said = map_metadata(out / f"{RUN}_desc-trials_stat-effect_statmap.json")
    assert said["Units"] == "arbitrary"


def test_trials_need_a_response_of_one_shape(dataset, tmp_path, capsys):
    code = participant(dataset, tmp_path / "out", "--single-trials", "lss", "--hrf-model", "fir")

    assert code == 65
    assert "one regressor for each trial" in capsys.readouterr().err


def test_the_series_is_read_once(dataset, tmp_path, monkeypatch):
    read = []
    volumes = nifti.stream_volumes
    monkeypatch.setattr(
        nifti, "stream_volumes", lambda header, **k: read.append(1) or volumes(header, **k)
    )
    source = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    monkeypatch.chdir(tmp_path)
    build = BuildDesign(events_file=str(source).replace("bold.nii.gz", "events.tsv"))
    build.inputs.bold_file = str(source)
    design = build.run().outputs.design_file

    found = FitGLM(
        bold_file=str(source),
        design_file=design,
        events_file=build.inputs.events_file,
        single_trials="lss",
    ).run()

    assert len(read) == 1
    assert set(found.outputs.trial_maps) == set(TRIAL_MAPS)


@pytest.mark.parametrize("method", ["lsa", "lss"])
def test_the_report_shows_single_trials_and_how_they_differ(dataset, tmp_path, method):
    out = tmp_path / "out"
    assert participant(dataset, out, "--single-trials", method, "--run-label", "1") == 0

    page = (out / "sub-01.html").read_text()
    table = pd.read_csv(out / f"{RUN}_desc-trials_events.tsv", sep="\t")
    assert f"({method.upper()})" in page
    assert f"{RUN}_desc-trials_*" in page
    assert "Correlations over voxels between the t maps of single trials" in page
    assert "Standard deviation of single-trial effects within conditions" in page
    for condition, count in table.trial_type.value_counts().items():
        cells = rf"<td[^>]*>{condition}</td>\s*<td[^>]*>{count}</td>"
        assert re.search(cells, page)
    mask = load(out / f"{RUN}_desc-brain_mask.nii.gz") > 0
    effect = load(out / f"{RUN}_desc-trials_stat-effect_statmap.nii.gz")[mask].T
    t = load(out / f"{RUN}_desc-trials_stat-t_statmap.nii.gz")[mask].T
    correlation = pd.read_csv(out / f"{RUN}_desc-trialcorrelation_matrix.tsv", sep="\t").iloc[
        :, 1:
    ]
    np.testing.assert_allclose(correlation, np.corrcoef(t), atol=1e-5)
    spread = load(out / f"{RUN}_desc-trials_stat-std_statmap.nii.gz")[mask]
    frame = pd.DataFrame(effect - pd.DataFrame(effect).groupby(table.trial_type).transform("mean"))
    expected = np.sqrt((frame**2).sum() / (len(table) - table.trial_type.nunique()))
    np.testing.assert_allclose(spread, expected, rtol=1e-4)


def test_conditions_of_one_trial_have_no_spread_to_show(dataset, tmp_path):
    for path in dataset.rglob("*_events.tsv"):
        rows = pd.read_csv(path, sep="\t").drop_duplicates("trial_type")
        rows.to_csv(path, sep="\t", index=False)

    assert participant(dataset, tmp_path, "--single-trials", "lss", "--run-label", "1") == 0

    page = (tmp_path / "sub-01.html").read_text()
    assert "Correlations over voxels between the t maps of single trials" in page
    assert "Standard deviation of single-trial effects" not in page


def test_the_scheduler_is_told_of_the_memory_that_trials_need(dataset, monkeypatch, tmp_path):
    class PlannedError(Exception):
        """Stands for all that comes after planning."""

    told = []

    def remember(workflow, how, n_runs):
        told.append(max(node._mem_gb for node in workflow._get_all_nodes()))
        raise PlannedError

    monkeypatch.setattr("boldglm.cli.app.execute", remember)
    for options in ((), ("--single-trials", "lss")):
        with pytest.raises(PlannedError):
            participant(dataset, tmp_path / "out", *options)

    run = dataset / "sub-01/func/sub-01_task-cuetarget_run-1"
    n_trials = len(pd.read_csv(f"{run}_events.tsv", sep="\t"))
    of_a_trial = 8 * np.prod(nib.load(f"{run}_bold.nii.gz").shape[:3]) / 2**30
    assert told[1] - told[0] == pytest.approx(4 * n_trials * of_a_trial, rel=0.1)  # or run 2


def scrubbed(dataset, moved):
    """Write fMRIPrep's files of a dataset, with scans that moved."""
    folder = write_fmriprep(dataset)
    for path in folder.rglob("*_timeseries.tsv"):
        table = pd.read_csv(path, sep="\t", na_values="n/a")
        table.loc[moved, "framewise_displacement"] = 3.0
        table.to_csv(path, sep="\t", index=False, na_rep="n/a")


@pytest.mark.parametrize("method", ["lsa", "lss"])
def test_a_trial_of_which_every_scan_is_censored_has_no_estimate(
    dataset, tmp_path, capsys, method
):
    for path in dataset.rglob("*_events.tsv"):
        rows = pd.DataFrame({"onset": [4.0, 60.0, 110.0, 125.0], "duration": 1.0})
        rows["trial_type"] = ["cue", "cue", "target", "cue"]
        rows.to_csv(path, sep="\t", index=False)
    scrubbed(dataset, np.arange(30, 48))  # 60 to 94 s

    options = ("--single-trials", method, "--fd-threshold", "1", "--confounds", "high_pass")
    assert participant(dataset, tmp_path, *options, "--noise-model", "ols") == 0

    assert (
        "1 of 4 trials: they have no response outside censored volumes" in capsys.readouterr().out
    )
    func = tmp_path / "node-run/sub-01/func"
    [path] = func.glob("*run-1*desc-trials_events.tsv")
    assert pd.read_csv(path, sep="\t").onset.tolist() == [4, 110, 125]
    [path] = func.glob("*run-1*desc-trials_stat-effect_statmap.nii.gz")
    assert nib.load(path).shape[3] == 3


def test_trials_that_cannot_be_estimated_are_refused_before_any_fit(dataset, tmp_path, capsys):
    for path in dataset.rglob("*_events.tsv"):
        table = pd.read_csv(path, sep="\t")
        table.loc[len(table)] = [table.onset[3], 1.0, table.trial_type[3]]
        table.to_csv(path, sep="\t", index=False)

    code = participant(dataset, tmp_path / "out", "--single-trials", "lsa")

    assert code == 65
    message = capsys.readouterr().err
    assert "run-1_events.tsv: 2 of" in message
    assert re.search(r"The first is the '(cue|target)' at \d", message)
    assert not (tmp_path / "out").exists()


def test_events_named_like_a_confound_are_no_trials_unless_they_are_conditions(dataset, tmp_path):
    for path in dataset.rglob("*_events.tsv"):
        table = pd.read_csv(path, sep="\t")
        table.loc[::4, "trial_type"] = "csf"
        table.to_csv(path, sep="\t", index=False)
    write_fmriprep(dataset)

    options = ("--single-trials", "lss", "--confounds", "csf", "--conditions", "cue", "target")
    assert participant(dataset, tmp_path, *options, "--noise-model", "ols") == 0

    for path in tmp_path.rglob("*desc-trials_events.tsv"):
        assert set(pd.read_csv(path, sep="\t").trial_type) == {"cue", "target"}


@pytest.mark.parametrize(("method", "noise"), [("lsa", "ar1"), ("lss", "ols")])
def test_sidecars_of_trials_say_how_trials_were_estimated(dataset, tmp_path, method, noise):
    options = ("--noise-model", "ar1", "--hrf-model", "spm + derivative")
    assert participant(dataset, tmp_path, "--single-trials", method, *options) == 0

    of_trials = map_metadata(tmp_path / f"{RUN}_desc-trials_stat-t_statmap.json")
    of_run = map_metadata(tmp_path / f"{RUN}_contrast-cue_stat-t_statmap.json")
    assert f"({method.upper()})" in of_trials["SingleTrials"]
    assert (of_trials["NoiseModel"], of_trials["HRF"]) == (noise, "spm")
    assert (of_run["NoiseModel"], of_run["HRF"]) == ("ar1", "spm + derivative")
    assert not any("trials" in key.lower() for key in of_run)
