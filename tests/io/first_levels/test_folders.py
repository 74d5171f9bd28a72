"""Folders of nilearn (written by nilearn itself), FitLins, FSL and SPM (laid out as they do)."""

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.first_levels.find import find_first_levels

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


def _image(path: Path, value: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(np.full((3, 3, 3), value, "f4"), AFFINE).to_filename(path)
    return path


def _by_contrast(path: Path) -> dict:
    return {maps.contrast: maps for maps in find_first_levels(path).maps}


# --------------------------------------------------------------------------- BIDS derivatives
def test_what_nilearn_writes_is_found(tmp_path):
    pytest.importorskip("nilearn", reason="nilearn is not installed")
    from nilearn.glm import save_glm_to_bids
    from nilearn.glm.first_level import FirstLevelModel

    rng = np.random.default_rng(0)
    mask = np.zeros((6, 6, 5), "u1")
    mask[1:5, 1:5, 1:4] = 1
    events = pd.DataFrame({"onset": [4, 20, 36, 52], "duration": 4, "trial_type": [*"abab"]})
    series = nib.Nifti1Image(100 + rng.normal(size=(6, 6, 5, 40)).astype("f4"), AFFINE)
    model = FirstLevelModel(
        t_r=2,
        mask_img=nib.Nifti1Image(mask, AFFINE),
        noise_model="ols",
        hrf_model="glover",
        minimize_memory=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(series, events)
        save_glm_to_bids(model, ["a", "a - b"], out_dir=tmp_path / "nl", prefix="sub-01_task-x")

    found = _by_contrast(tmp_path / "nl")
    assert set(found) == {"a", "aMinusB"}
    maps = found["aMinusB"]
    stem = tmp_path / "nl" / "sub-01" / "sub-01_task-x"
    assert maps.entities == {"sub": "01", "task": "x"}
    assert maps.effect == Path(f"{stem}_contrast-aMinusB_stat-effect_statmap.nii.gz")
    assert maps.variance == Path(f"{stem}_contrast-aMinusB_stat-variance_statmap.nii.gz")
    assert maps.mask == Path(f"{stem}_mask.nii.gz")
    assert maps.dof is None
    assert "signal_scaling" in maps.scale


def _fitlins(root: Path, node: str, run: str = "") -> None:
    for subject in ("01", "02"):
        stem = f"sub-{subject}_task-x{run}_space-MNI_contrast-go"
        for statistic in ("effect", "variance", "t", "z", "p"):
            name = f"{stem}_stat-{statistic}_statmap.nii.gz"
            _image(root / node / f"sub-{subject}" / name)


def test_what_fitlins_writes_is_found(tmp_path):
    _fitlins(tmp_path / "fitlins", "node-subjectLevel")
    _image(tmp_path / "fitlins/node-datasetLevel/contrast-go_stat-effect_statmap.nii.gz")
    found = find_first_levels(tmp_path / "fitlins").maps
    assert [maps.entities for maps in found] == [
        {"sub": subject, "task": "x", "space": "MNI"} for subject in ("01", "02")
    ]
    assert all(maps.variance and maps.mask is None and maps.dof is None for maps in found)


def test_several_nodes_are_refused_and_one_can_be_given(tmp_path):
    root = tmp_path / "fitlins"
    _fitlins(root, "node-subjectLevel")
    _fitlins(root, "node-runLevel", run="_run-1")
    with pytest.raises(BadDataError, match="node-runLevel, node-subjectLevel"):
        find_first_levels(root)
    assert len(find_first_levels(root / "node-subjectLevel").maps) == 2


def test_t_maps_alone_are_refused(tmp_path):
    _image(tmp_path / "sub-01" / "sub-01_contrast-go_stat-t_statmap.nii.gz")
    with pytest.raises(BadDataError, match=r"test statistics .* but no effects"):
        find_first_levels(tmp_path)


def test_an_empty_folder_names_what_was_looked_for(tmp_path):
    with pytest.raises(MissingInputError, match=r"stat-effect_statmap.*stats/cope.*con_<N>"):
        find_first_levels(tmp_path)


# --------------------------------------------------------------------------- FSL
CONTRASTS = "/ContrastName1\tgo\n/ContrastName2\tgo > stop\n/NumWaves\t4\n/Matrix\n1 0 0 0\n"


def _feat(folder: Path, *, moved: bool = False) -> Path:
    (folder / "stats").mkdir(parents=True)
    (folder / "stats" / "dof").write_text("113\n")
    (folder / "design.con").write_text(CONTRASTS)
    stats = folder / "reg_standard" / "stats" if moved else folder / "stats"
    for number in (1, 2):
        _image(stats / f"cope{number}.nii.gz")
        _image(stats / f"varcope{number}.nii.gz")
        _image(stats / f"zstat{number}.nii.gz")
    _image(stats.parent / "mask.nii.gz")
    return folder


def _register(folder: Path, matrix: np.ndarray) -> None:
    (folder / "reg").mkdir()
    np.savetxt(folder / "reg" / "example_func2standard.mat", matrix)


def test_a_first_level_of_feat_is_found(tmp_path):
    folder = _feat(tmp_path / "fsl" / "sub-01" / "sub-01_task-x_run-1.feat")
    found = _by_contrast(tmp_path / "fsl")
    assert list(found) == ["go", "go > stop"]
    maps = found["go > stop"]
    assert maps.entities == {"sub": "01", "task": "x", "run": "1"}
    assert maps.effect == folder / "stats" / "cope2.nii.gz"
    assert maps.variance == folder / "stats" / "varcope2.nii.gz"
    assert (maps.dof, maps.mask) == (113.0, folder / "mask.nii.gz")


def test_copes_in_the_space_of_the_run_are_refused(tmp_path):
    folder = _feat(tmp_path / "sub-01.feat")
    _register(folder, np.diag([2.0, 2, 2, 1]))
    with pytest.raises(BadDataError, match="featregapply"):
        find_first_levels(tmp_path)


def test_copes_whose_registration_is_the_identity_are_taken(tmp_path):
    _register(_feat(tmp_path / "sub-01.feat"), np.eye(4))
    assert len(find_first_levels(tmp_path).maps) == 2


def test_copes_moved_to_standard_space_have_precedence(tmp_path):
    folder = _feat(tmp_path / "sub-01.feat", moved=True)
    _register(folder, np.diag([2.0, 2, 2, 1]))
    maps = _by_contrast(tmp_path)["go"]
    assert maps.effect == folder / "reg_standard" / "stats" / "cope1.nii.gz"
    assert maps.mask == folder / "reg_standard" / "mask.nii.gz"
    assert maps.dof == 113.0


def test_a_higher_level_of_feat_is_named_by_the_contrasts_of_its_first_level(tmp_path):
    lower = _feat(tmp_path / "lower" / "sub-01_run-1.feat")
    group = tmp_path / "fsl" / "sub-01.gfeat"
    for number in (1, 2):
        cope = group / f"cope{number}.feat"
        _image(cope / "stats" / "cope1.nii.gz")
        _image(cope / "stats" / "varcope1.nii.gz")
        _image(cope / "stats" / "tdof_t1.nii.gz", 226.0)
        _image(cope / "mask.nii.gz")
        (cope / "design.con").write_text("/ContrastName1\tgroup mean\n")
    assert list(_by_contrast(tmp_path / "fsl")) == ["cope1", "cope2"]  # without design.fsf
    (group / "design.fsf").write_text(f'set feat_files(1) "{lower}"\n')
    found = _by_contrast(tmp_path / "fsl")
    assert list(found) == ["go", "go > stop"]
    assert found["go"].entities == {"sub": "01"}
    assert found["go"].dof == group / "cope1.feat" / "stats" / "tdof_t1.nii.gz"


def test_a_folder_without_a_participant_in_its_path_is_named(tmp_path):
    _feat(tmp_path / "fsl" / "sub-01.feat")
    _feat(tmp_path / "fsl" / "pilot.feat")
    first_levels = find_first_levels(tmp_path / "fsl")
    assert len(first_levels.maps) == 2
    (notice,) = first_levels.notices
    assert notice.kind == "exclusion"
    assert "pilot.feat" in notice.text


# --------------------------------------------------------------------------- SPM
def _spm(folder: Path, *, estimated: bool = True) -> Path:
    for name in ("con_0001.nii", "con_0002.nii", "spmT_0001.nii", "spmT_0002.nii", "ess_0003.nii"):
        _image(folder / name)
    _image(folder / "ResMS.nii", 2.0)
    _image(folder / "mask.nii")
    kinds = [("go", "T", [1, 0, 0]), ("go > stop", "T", [1, -1, 0]), ("any", "F", np.eye(3))]
    contrasts = np.zeros(len(kinds), dtype=[("name", object), ("STAT", object), ("c", object)])
    for row, (name, test, weights) in enumerate(kinds):
        contrasts[row] = (name, test, np.array(weights, float).reshape(-1, 3).T)
    bcov = np.array([[0.2, 0.05, 0], [0.05, 0.3, 0], [0, 0, 0.1]])
    design = {"Bcov": bcov, "erdf": 97.3} if estimated else {"X": np.eye(3)}
    savemat(folder / "SPM.mat", {"SPM": {"xX": design, "xCon": contrasts}})
    return folder


def test_con_images_have_the_names_and_variances_of_spm_mat(tmp_path):
    folder = _spm(tmp_path / "spm" / "sub-01" / "task-x")
    found = _by_contrast(tmp_path / "spm")
    assert list(found) == ["go", "go > stop"]
    maps = found["go > stop"]
    assert maps.entities == {"sub": "01", "task": "x"}
    assert (maps.effect, maps.variance) == (folder / "con_0002.nii", folder / "ResMS.nii")
    assert maps.variance_factor == pytest.approx(0.2 + 0.3 - 2 * 0.05)
    assert (maps.dof, maps.mask) == (pytest.approx(97.3), folder / "mask.nii")


def test_a_design_that_was_not_estimated_has_no_variances(tmp_path):
    _spm(tmp_path / "sub-01", estimated=False)
    maps = _by_contrast(tmp_path)["go"]
    assert (maps.variance, maps.dof) == (None, None)


def test_without_a_reader_for_spm_mat_names_are_from_the_headers(tmp_path):
    folder = _spm(tmp_path / "sub-01")
    image = nib.load(folder / "con_0001.nii")
    image.header["descrip"] = b"SPM contrast - 1: faces > houses"
    nib.Nifti1Image(np.ones((3, 3, 3), "f4"), AFFINE, image.header).to_filename(
        folder / "con_0001.nii"
    )

    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (folder / "SPM.mat").write_bytes(header.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n")

    first_levels = find_first_levels(tmp_path)
    assert [maps.contrast for maps in first_levels.maps] == ["faces > houses", "con_0002"]
    assert all(maps.variance is None for maps in first_levels.maps)
    (notice,) = first_levels.notices
    assert notice.kind == "warning"
    assert "save it with -v7" in notice.text


def test_a_damaged_spm_mat_is_refused(tmp_path):
    (_spm(tmp_path / "sub-01") / "SPM.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(BadDataError, match=r"SPM\.mat cannot be read"):
        find_first_levels(tmp_path)
