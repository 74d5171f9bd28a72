"""From folders as fMRIPrep writes them to maps, confounds and censored volumes included."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.glm import fit
from boldglm.io.outputs.design_files import read_design
from fake_fmriprep import MNI, OLD, SPIKE, Layout, write_aroma, write_fmriprep

STEM = f"sub-01_task-cuetarget_run-1_space-{MNI}_res-2"
FUNC = "node-run/sub-01/func"
MOTION = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]


def participant(dataset, out, *options):
    one_run = ("--participant-label", "01", "--run-label", "1")
    assert main([str(dataset), str(out), "participant", *one_run, *options]) == 0
    return out / FUNC


def load(path):
    return np.asarray(nib.load(path).dataobj, dtype=float)


def t_map(folder, contrast="cue", stem=STEM):
    return load(folder / f"{stem}_contrast-{contrast}_stat-t_statmap.nii.gz")


def described(folder, stem=STEM):
    return json.loads((folder / f"{stem}_design.json").read_text())


def test_a_missing_confounds_table_and_mask_are_said_without_a_flag(dataset, tmp_path, capsys):
    folder = write_fmriprep(dataset)
    for pattern in ("*timeseries.tsv", "*_mask.nii.gz"):
        for path in folder.rglob(pattern):
            path.unlink()

    participant(dataset, tmp_path / "out")

    out = capsys.readouterr().out
    notes = out.partition("Notes (")[2]
    assert "no confounds table (*_desc-confounds_timeseries.tsv) was found for the" in notes
    assert "no brain mask was found beside the preprocessed series, so it was computed" in notes


def test_the_default_takes_motion_cosines_and_steady_state(dataset, tmp_path):
    write_fmriprep(dataset)

    func = participant(dataset, tmp_path / "out")

    design = read_design(func / f"{STEM}_design.tsv")
    assert design.names == (
        *("trial_type.cue", "trial_type.target", *MOTION, "cosine00", "cosine01"),
        *("censored_scan_0000", "constant"),
    )
    np.testing.assert_allclose(design.frame_times[:2], [0.95, 2.95])
    about = described(func)
    assert about["Confounds"] == [*MOTION, "cosine00", "cosine01"]
    assert about["CensoredVolumes"] == [0]
    assert about["CensoredVolumesReasons"] == {"0": ["non_steady_state_outlier00"]}
    sidecar = map_metadata(func / f"{STEM}_contrast-cue_stat-t_statmap.json")
    assert sidecar["CensoredVolumes"] == [0]
    assert f"bids:fmriprep:sub-01/func/{STEM}_desc-preproc_bold.nii.gz" in sidecar["Sources"]
    assert "bids:raw:sub-01/func/sub-01_task-cuetarget_run-1_events.tsv" in sidecar["Sources"]
    links = json.loads((tmp_path / "out" / "dataset_description.json").read_text())["DatasetLinks"]
    assert links["fmriprep"].endswith("/derivatives/fmriprep")


def test_the_mask_of_the_run_is_fmripreps(dataset, tmp_path):
    folder = write_fmriprep(dataset)
    path = folder / "sub-01" / "func" / f"{STEM}_desc-brain_mask.nii.gz"
    image = nib.load(path)
    half = np.asarray(image.dataobj).copy()
    half[7:] = 0
    nib.save(nib.Nifti1Image(half, image.affine), path)

    func = participant(dataset, tmp_path / "out")

    np.testing.assert_array_equal(load(func / f"{STEM}_desc-brain_mask.nii.gz"), half)


def test_the_maps_are_those_of_the_scans_that_are_left(dataset, tmp_path):
    write_fmriprep(dataset)

    options = ("--confounds", "motion24", "wm_csf", "--fd-threshold", "0.9", "--signal-scaling",
               "none", "--noise-model", "ols", "--dummy-scans", "4")  # fmt: skip
    func = participant(dataset, tmp_path / "out", *options)

    design = read_design(func / f"{STEM}_design.tsv")
    assert design.censored == (0, 1, 2, 3, SPIKE)
    left = np.setdiff1d(np.arange(80), design.censored)
    kept = [k for k, role in enumerate(design.roles) if role != "censored"]
    mask = load(func / f"{STEM}_desc-brain_mask.nii.gz") > 0
    preprocessed = (
        dataset / "derivatives/fmriprep/sub-01/func" / f"{STEM}_desc-preproc_bold.nii.gz"
    )
    bold = load(preprocessed)[mask].T
    found = fit(bold[left], design.matrix[np.ix_(left, kept)], noise="ols")
    expected = found.contrast(np.eye(len(kept))[0])
    np.testing.assert_allclose(t_map(func)[mask], expected.t, rtol=1e-5, atol=1e-5)


def test_a_saved_model_gives_the_same_maps(dataset, tmp_path):
    write_fmriprep(dataset)
    options = ("--confounds", "motion24", "compcor", "scrub", "--fd-threshold", "0.9",
               "--dummy-scans", "2")  # fmt: skip
    first = participant(dataset, tmp_path / "first", *options)
    model = tmp_path / "first" / "models" / "model-default_smdl.json"

    second = participant(dataset, tmp_path / "second", "-m", str(model))

    content = json.loads(model.read_text())["Nodes"][0]["Model"]
    assert content["X"][2:] == [
        *(f"{one}{suffix}" for one in MOTION
          for suffix in ("", "_derivative1", "_power2", "_derivative1_power2")),
        *("a_comp_cor_*", "motion_outlier*", "cosine*", 1),
    ]  # fmt: skip
    own = content["Software"]["boldglm"]
    assert (own["FramewiseDisplacementThreshold"], own["DummyScans"]) == (0.9, 2)
    maps = sorted(path.name for path in first.glob("*_statmap.nii.gz"))
    assert maps
    for name in maps:
        np.testing.assert_array_equal(load(first / name), load(second / name))
    assert described(first)["CensoredVolumes"] == [0, 1, SPIKE]


def test_a_spike_that_is_censored_no_longer_hides_the_activation(dataset, tmp_path):
    folder = write_fmriprep(dataset)
    path = folder / "sub-01" / "func" / f"{STEM}_desc-preproc_bold.nii.gz"
    image = nib.load(path)
    data = np.asarray(image.dataobj).astype(np.float32)
    data[..., SPIKE] *= 1.5
    header = image.header.copy()
    header.set_data_dtype(np.float32)
    nib.save(nib.Nifti1Image(data, image.affine, header), path)

    spoiled = participant(dataset, tmp_path / "spoiled")
    censored = participant(dataset, tmp_path / "censored", "--fd-threshold", "1")
    scrubbed = participant(dataset, tmp_path / "scrubbed", "--confounds", "motion6", "high_pass",
                           "scrub")  # fmt: skip

    assert t_map(censored).max() > 3 * t_map(spoiled).max()
    np.testing.assert_allclose(t_map(scrubbed), t_map(censored), rtol=1e-4, atol=1e-4)


def test_no_confounds_leaves_only_the_scans_before_steady_state(dataset, tmp_path):
    write_fmriprep(dataset)

    func = participant(dataset, tmp_path / "out", "--confounds", "none", "--high-pass", "60")

    design = read_design(func / f"{STEM}_design.tsv")
    assert {*design.roles} == {"condition", "censored", "drift", "constant"}


def test_dummy_scans_of_none_censor_nothing(dataset, tmp_path):
    write_fmriprep(dataset)

    func = participant(dataset, tmp_path / "out", "--dummy-scans", "0")

    assert described(func)["CensoredVolumes"] == []


def test_an_own_high_pass_takes_the_place_of_the_cosines(dataset, tmp_path):
    write_fmriprep(dataset)

    func = participant(dataset, tmp_path / "out", "--high-pass", "100")

    names = read_design(func / f"{STEM}_design.tsv").names
    assert "drift_1" in names
    assert not [name for name in names if name.startswith("cosine")]


def test_a_chosen_drift_takes_the_place_of_the_cosines(dataset, tmp_path):
    write_fmriprep(dataset)

    for drift, expected in (("polynomial:2", ["drift_1", "drift_2"]), ("none", [])):
        func = participant(dataset, tmp_path / drift, "--drift", drift)
        names = read_design(func / f"{STEM}_design.tsv").names
        assert [name for name in names if name.startswith(("drift", "cosine"))] == expected


def test_dummy_scans_are_censored_in_raw_data_too(dataset, tmp_path):
    func = participant(dataset, tmp_path / "out", "--dummy-scans", "3")

    about = described(func, "sub-01_task-cuetarget_run-1")
    assert about["CensoredVolumes"] == [0, 1, 2]
    assert about["CensoredVolumesReasons"]["2"] == ["one of the first 3"]


def test_files_of_the_first_versions_are_fitted(dataset, tmp_path):
    write_fmriprep(dataset, layout=OLD)

    func = participant(dataset, tmp_path / "out")

    stem = f"sub-01_task-cuetarget_run-1_space-{MNI}"
    assert np.abs(t_map(func, stem=stem)).max() > 3


@pytest.mark.parametrize(
    ("name", "n_censored"),
    [
        ("test_desc-confounds_regressors.tsv", 1),
        ("no_nonsteady_desc-confounds_regressors.tsv", 0),
        ("test-v21_desc-confounds_timeseries.tsv", 3),
    ],
)
def test_real_confounds_tables_go_into_the_design(name, n_censored, dataset, tmp_path, real_data):
    table = real_data("fmriprep-confounds") / "nilearn" / name
    write_fmriprep(dataset, tmp_path / "prep", table=table)

    func = participant(
        dataset, tmp_path / "out", "-d", str(tmp_path / "prep"), "--confounds", "motion12",
        "high_pass", "--space", MNI,
    )  # fmt: skip

    design = pd.read_csv(func / f"{STEM}_design.tsv", sep="\t")
    real = pd.read_csv(table, sep="\t")
    assert len(described(func)["CensoredVolumes"]) == n_censored
    np.testing.assert_allclose(design["rot_y"], real["rot_y"], rtol=1e-15)
    np.testing.assert_allclose(design["rot_y_derivative1"][1:], real["rot_y_derivative1"][1:])
    assert design["rot_y_derivative1"][0] == 0
    assert "rot_y_derivative1" in described(func)["ConfoundsFirstRowSetToZero"]


def test_the_report_groups_confounds_and_censored_volumes(dataset, tmp_path, capsys):
    write_fmriprep(dataset)
    options = ("--confounds", "motion6", "high_pass", "--fd-threshold", "0.11")

    participant(dataset, tmp_path / "out", *options)

    report = (tmp_path / "out" / "sub-01.html").read_text()
    said = capsys.readouterr().out
    for words in ("fMRIPrep 25.1.0", "6 motion, 2 high-pass cosines", "Censored volumes",
                  "framewise displacement above 0.11 mm", "Confounds in the design",
                  "discrete cosine regressors from preprocessing"):  # fmt: skip
        assert words in report
    assert "censored_scan_00" not in report
    assert "more than 20% of the volumes are censored" in said
    correlations = next((tmp_path / "out" / FUNC).glob("*_desc-correlation_matrix.tsv"))
    assert "censored" not in correlations.read_text()


def test_components_of_aroma_join_the_design_beside_those_of_fmriprep(dataset, tmp_path):
    prep, aroma = write_fmriprep(dataset), write_aroma(dataset)

    func = participant(
        dataset, tmp_path / "out", "-d", str(prep), str(aroma), "--space", MNI,
        "--confounds", "wm_csf", "aroma", "high_pass",
    )  # fmt: skip

    design = pd.read_csv(func / f"{STEM}_design.tsv", sep="\t")
    name = "sub-01_task-cuetarget_run-1_desc-aroma_timeseries.tsv"
    table = pd.read_csv(aroma / "sub-01" / "func" / name, sep="\t")
    np.testing.assert_allclose(design["aroma_motion_05"], table["aroma_motion_05"], rtol=1e-12)
    report = (tmp_path / "out" / "sub-01.html").read_text()
    assert f"run-1_desc-confounds_timeseries.tsv and {name}" in report
    assert "aroma_motion_02, aroma_motion_05" in report


def test_components_of_aroma_do_not_join_series_that_it_denoised(dataset, tmp_path, capsys):
    write_fmriprep(dataset)
    aroma = write_aroma(dataset)

    code = main([str(dataset), str(tmp_path / "out"), "participant", "-d", str(aroma),
                 "--confounds", "aroma"])  # fmt: skip

    assert code == 65
    assert "would remove them twice" in capsys.readouterr().err


def test_the_group_level_uses_maps_in_the_common_space(dataset, tmp_path):
    write_fmriprep(dataset, layout=Layout(spaces=(f"_space-{MNI}_res-2", "_space-T1w")))
    out = tmp_path / "out"
    assert main([str(dataset), str(out), "participant", "--space", MNI]) == 0

    assert main([str(dataset), str(out), "group"]) == 0

    stem = f"task-cuetarget_space-{MNI}_res-2_contrast-cue_stat-t_statmap.nii.gz"
    assert (out / "node-dataset" / stem).is_file()


def test_a_dry_run_shows_confounds_and_censored_volumes(dataset, tmp_path, capsys):
    write_fmriprep(dataset)

    participant(dataset, tmp_path / "out", "--dry-run", "--fd-threshold", "1")

    said = capsys.readouterr().out
    assert "confounds (8): trans_x" in said
    assert "censored volumes: 2 of 80 (2.5 %): 0, 40" in said
    assert "drift        by the cosines among the confounds" in said
    assert not (tmp_path / "out").exists()


def test_percent_and_r_squared_are_of_the_scans_that_are_left(dataset, tmp_path):
    folder = write_fmriprep(dataset)
    path = folder / "sub-01" / "func" / f"{STEM}_desc-preproc_bold.nii.gz"
    image = nib.load(path)
    data = np.asarray(image.dataobj).astype(np.float32)
    data[..., :4] *= 1.5
    header = image.header.copy()
    header.set_data_dtype(np.float32)
    nib.save(nib.Nifti1Image(data, image.affine, header), path)

    options = ("--dummy-scans", "4", "--noise-model", "ols", "--maps", "rsquared")
    func = participant(dataset, tmp_path / "out", *options)

    design = read_design(func / f"{STEM}_design.tsv")
    kept = [k for k, role in enumerate(design.roles) if role != "censored"]
    mask = load(func / f"{STEM}_desc-brain_mask.nii.gz") > 0
    X, y = design.matrix[4:, kept], data[mask].T[4:].astype(float)
    y *= 100 / y.mean(axis=0)
    betas = np.linalg.lstsq(X, y, rcond=None)[0]
    effect = load(func / f"{STEM}_contrast-cue_stat-effect_statmap.nii.gz")[mask]
    np.testing.assert_allclose(effect, betas[0], rtol=1e-4, atol=1e-5)
    explained = 1 - (y - X @ betas).var(axis=0) / y.var(axis=0)
    found = load(func / f"{STEM}_stat-rsquared_statmap.nii.gz")[mask]
    np.testing.assert_allclose(found, explained, rtol=1e-4, atol=1e-5)
