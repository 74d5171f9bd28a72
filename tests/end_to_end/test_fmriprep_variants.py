"""What differs between folders of fMRIPrep: formats, old names, strategies, times."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from boldglm import map_metadata
from boldglm.cli.main import main
from fake_fmriprep import MNI, OLD, SPIKE, Layout, write_aroma, write_fmriprep

RUN = "sub-01_task-cuetarget_run-1"
STEM = f"{RUN}_space-{MNI}_res-2"
FUNC = "node-run/sub-01/func"
ONE = ("--participant-label", "01", "--run-label", "1", "--noise-model", "ols")
FIRST_NAMES = {
    "trans_x": "X",
    "trans_y": "Y",
    "trans_z": "Z",
    "rot_x": "RotX",
    "rot_y": "RotY",
    "rot_z": "RotZ",
    "csf": "CSF",
    "white_matter": "WhiteMatter",
    "cosine00": "Cosine00",
    "cosine01": "Cosine01",
    "framewise_displacement": "FramewiseDisplacement",
    "a_comp_cor_00": "aCompCor00",
    "non_steady_state_outlier00": "NonSteadyStateOutlier00",
}


def participant(dataset, out, *options):
    assert main([str(dataset), str(out), "participant", *ONE, *options]) == 0
    return out / FUNC


def load(path):
    return np.asarray(nib.load(path).dataobj)


def about(func, stem=STEM):
    return json.loads((func / f"{stem}_design.json").read_text())


@pytest.mark.parametrize(
    ("image_class", "name"),
    [(nib.Nifti2Image, ".nii.gz"), (nib.Nifti2Image, ".nii"), (nib.Nifti1Image, ".nii")],
)
def test_nifti_2_and_files_that_are_not_compressed_give_the_same_maps(
    image_class, name, dataset, tmp_path
):
    folder = write_fmriprep(dataset) / "sub-01" / "func"
    expected = participant(dataset, tmp_path / "expected")
    given = folder / f"{STEM}_desc-preproc_bold.nii.gz"
    image = nib.load(given)
    header = image_class.header_class.from_header(image.header)
    data = np.asarray(image.dataobj)
    given.unlink()
    changed = folder / f"{STEM}_desc-preproc_bold{name}"
    nib.save(image_class(data, image.affine, header), changed)
    affine = nib.load(changed).affine
    assert type(nib.load(changed)) is image_class

    func = participant(dataset, tmp_path / "out")

    maps = sorted(path.name for path in expected.glob("*.nii.gz"))
    assert len(maps) > 10
    for one in maps:
        np.testing.assert_array_equal(load(func / one), load(expected / one))
        np.testing.assert_array_equal(nib.load(func / one).affine, affine)
    said = map_metadata(func / f"{STEM}_contrast-cue_stat-t_statmap.json")
    assert f"bids:fmriprep:sub-01/func/{changed.name}" in said["Sources"]


def test_start_time_is_honored_and_said(dataset, tmp_path, capsys):
    write_fmriprep(dataset, layout=Layout(start_time=0.7))

    func = participant(dataset, tmp_path / "out", "-v")

    assert about(func)["FrameTimes"][:2] == [0.7, 2.7]
    assert f"{STEM}: first volume at 0.7 s (StartTime)" in capsys.readouterr().err
    assert "0.7 s" in (tmp_path / "out" / "sub-01.html").read_text()


def test_columns_under_the_names_of_the_first_versions_join_under_those_of_today(
    dataset, tmp_path
):
    folder = write_fmriprep(dataset, layout=OLD) / "sub-01" / "func"
    path = folder / f"{RUN}_bold_confounds.tsv"
    table = pd.read_csv(path, sep="\t")
    first = table[list(FIRST_NAMES)].rename(columns=FIRST_NAMES)
    first.to_csv(path, sep="\t", na_rep="n/a", index=False)

    asked = ("motion6", "wm_csf", "CSF", "aCompCor00", "high_pass")
    func = participant(dataset, tmp_path / "out", "--confounds", *asked, "--fd-threshold", "0.9")

    stem = f"{RUN}_space-{MNI}"
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "white_matter", "csf",
             "a_comp_cor_00", "cosine00", "cosine01"]  # fmt: skip
    assert about(func, stem)["Confounds"] == names
    assert about(func, stem)["CensoredVolumes"] == [0, SPIKE]
    design = pd.read_csv(func / f"{stem}_design.tsv", sep="\t")
    np.testing.assert_allclose(design[names], table[names], rtol=1e-12)


def test_every_strategy_reaches_the_design_the_sidecar_and_the_report(dataset, tmp_path):
    folder, aroma = write_fmriprep(dataset), write_aroma(dataset)
    path = folder / "sub-01" / "func" / f"{RUN}_desc-confounds_timeseries.tsv"
    table = pd.read_csv(path, sep="\t")
    rng = np.random.default_rng(3)
    mean = "global_signal"
    more = [mean, f"{mean}_derivative1", f"{mean}_power2", f"{mean}_derivative1_power2",
            "t_comp_cor_00", "t_comp_cor_01", "pulse"]  # fmt: skip
    for name in more:
        table[name] = rng.normal(size=len(table))
    table.loc[0, "global_signal_derivative1"] = np.nan
    table.to_csv(path, sep="\t", na_rep="n/a", index=False)

    words = ("motion12", "wm_csf", "global_signal4", "compcor:2", "compcor_separated:1",
             "compcor_temporal:all", "scrub", "aroma", "puls*")  # fmt: skip
    func = participant(
        dataset, tmp_path / "out", "-d", str(folder), str(aroma), "--space", MNI,
        "--confounds", *words,
    )  # fmt: skip

    found = about(func)
    assert found["Confounds"] == [
        *(f"{kind}_{axis}{suffix}" for kind in ("trans", "rot") for axis in "xyz"
          for suffix in ("", "_derivative1")),
        *("white_matter", "csf", *more[:4]),
        *("a_comp_cor_00", "a_comp_cor_01", "c_comp_cor_00", "w_comp_cor_00"),
        *("t_comp_cor_00", "t_comp_cor_01", "aroma_motion_02", "aroma_motion_05", "pulse"),
        *("cosine00", "cosine01"),
    ]  # fmt: skip
    assert found["CensoredVolumes"] == [0, SPIKE]
    assert found["CensoredVolumesReasons"][str(SPIKE)] == ["motion_outlier00"]
    assert "global_signal_derivative1" in found["ConfoundsFirstRowSetToZero"]
    design = pd.read_csv(func / f"{STEM}_design.tsv", sep="\t")
    np.testing.assert_allclose(design[more], table[more].fillna(0), rtol=1e-12)
    assert not [name for name in design if name.startswith("drift")]
    report = (tmp_path / "out" / "sub-01.html").read_text()
    for row in ("12 motion", "2 tissue signals", "4 global signal", "6 CompCor", "2 ICA-AROMA",
                "2 high-pass cosines"):  # fmt: skip
        assert row in report
