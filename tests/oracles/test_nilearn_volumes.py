"""fMRIPrep's volumes from the command line, against nilearn's FirstLevelModel on the same files.

nilearn samples its response on a grid and rounds onsets up to it, so the design that we wrote is
handed to it, and what is compared is everything else: the series with its scaling, the mask,
censored scans, noise and contrasts. The designs are compared by themselves: ours on nilearn's
grid is nilearn's, and how far the exact one is from it is measured.
"""

import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import (
    FirstLevelModel,
    first_level_from_bids,
    make_first_level_design_matrix,
)

from boldglm.cli.main import main
from boldglm.glm import build_design
from boldglm.glm.design.confound_names import MOTION
from boldglm.io.outputs.design_files import read_design
from fake_fmriprep import MNI, SPIKE, write_fmriprep

RUN = "sub-01_task-cuetarget_run-1"
STEM = f"{RUN}_space-{MNI}_res-2"
FUNC = "node-run/sub-01/func"
START, REPETITION_TIME, N_SCANS = 0.95, 2.0, 80
CONFOUNDS = ["trans_x", "trans_x_derivative1", "rot_z", "csf", "csf_derivative1", "cosine00"]
CONDITIONS = ("trial_type.cue", "trial_type.target")
WEIGHTS = {"cue": [1, 0], "cueMinusTarget": [1, -1]}
ROUNDING = 2**-23  # maps are float32

pytestmark = pytest.mark.filterwarnings("ignore:.*Generation of a mask has been requested")

ALL_MAPS = ("--maps", "effect", "variance", "t", "F", "z", "p")


@pytest.fixture
def prepared(dataset):
    """Return the dataset with fMRIPrep's folder, its series stored with slope and intercept."""
    folder = write_fmriprep(dataset)
    for path in folder.rglob("*_desc-preproc_bold.nii.gz"):
        image = nib.load(path)
        stored = np.asarray(image.dataobj).astype(np.int16)
        scaled = nib.Nifti1Image(stored, image.affine, image.header)
        scaled.header.set_slope_inter(0.37, 25.0)
        nib.save(scaled, path)
    return dataset


def participant(dataset, out, *options):
    given = ("--participant-label", "01", "--hrf-model", "glover", *options)
    assert main([str(dataset), str(out), "participant", *ALL_MAPS, *given]) == 0
    return out / FUNC


def of_fmriprep(dataset, name):
    return dataset / "derivatives/fmriprep/sub-01/func" / name


def events_of_run(dataset):
    return pd.read_csv(dataset / f"sub-01/func/{RUN}_events.tsv", sep="\t")


def inside(image, mask):
    return np.asarray(image.dataobj)[mask]


def of_map(func, contrast, kind, mask):
    return inside(nib.load(func / f"{STEM}_contrast-{contrast}_stat-{kind}_statmap.nii.gz"), mask)


def calmed(image, censored):
    """Return a series whose censored volumes, which no estimate depends on, are at its mean.

    So nilearn's mean, which is over all volumes, is that over those that count.
    """
    data = np.asarray(image.dataobj, dtype=float)
    data[..., censored] = np.delete(data, censored, axis=3).mean(axis=3, keepdims=True)
    header = image.header.copy()
    header.set_data_dtype(float)
    return nib.Nifti1Image(data, image.affine, header)


@pytest.mark.parametrize(("scaling", "theirs"), [("percent", 0), ("none", False)])
@pytest.mark.parametrize(("noise", "their_noise"), [("ols", "ols"), ("nilearn-ar1", "ar1")])
def test_every_map_is_that_of_nilearn_with_the_same_design(
    prepared, tmp_path, noise, their_noise, scaling, theirs
):
    func = participant(
        prepared, tmp_path / "out", "--noise-model", noise, "--signal-scaling", scaling,
        "--confounds", *CONFOUNDS, "--fd-threshold", "0.9", "--contrast", "cue",
        "--contrast", "cue - target", "--contrast", "all = cue, target",
    )  # fmt: skip

    design = read_design(func / f"{STEM}_design.tsv")
    assert design.censored == (0, SPIKE)
    brain = nib.load(of_fmriprep(prepared, f"{STEM}_desc-brain_mask.nii.gz"))
    model = FirstLevelModel(
        mask_img=brain, noise_model=their_noise, signal_scaling=theirs, minimize_memory=False
    )
    columns = pd.DataFrame(design.matrix, columns=list(design.names))
    series = nib.load(of_fmriprep(prepared, f"{STEM}_desc-preproc_bold.nii.gz"))
    model.fit(calmed(series, design.censored), design_matrices=columns)
    mask = np.asarray(brain.dataobj) > 0
    places = [design.names.index(name) for name in CONDITIONS]
    rows = np.eye(design.n_regressors)[places]
    wanted = [(name, np.array(two) @ rows, "t") for name, two in WEIGHTS.items()]
    for name, weights, test in [*wanted, ("all", rows, "F")]:
        found = model.compute_contrast(weights, stat_type=test, output_type="all")
        kinds = {test: "stat", "z": "z_score", "p": "p_value"}
        if test == "t":
            kinds |= {"effect": "effect_size", "variance": "effect_variance"}
        for kind, key in kinds.items():
            ours, expected = of_map(func, name, kind, mask), inside(found[key], mask)
            np.testing.assert_allclose(ours, expected, rtol=ROUNDING, err_msg=f"{name} {kind}")


def test_the_design_on_the_grid_of_nilearn_is_nilearns(prepared, tmp_path):
    func = participant(prepared, tmp_path / "out", "--confounds", *CONFOUNDS[:-1])

    ours = read_design(func / f"{STEM}_design.tsv")
    scans = START + REPETITION_TIME * np.arange(N_SCANS)
    np.testing.assert_array_equal(ours.frame_times, scans)
    events = events_of_run(prepared)
    table = pd.read_csv(of_fmriprep(prepared, f"{RUN}_desc-confounds_timeseries.tsv"), sep="\t")
    confounds = table[CONFOUNDS[:-1]]
    assert confounds.isna().to_numpy().any(axis=1).tolist() == [True] + [False] * (N_SCANS - 1)
    theirs = make_first_level_design_matrix(
        scans, events, hrf_model="glover", high_pass=1 / 128, add_regs=confounds.fillna(0)
    )
    assert ours.names == (
        *CONDITIONS, *CONFOUNDS[:-1], "censored_scan_0000", *theirs.columns[-3:]
    )  # fmt: skip
    left = [name for name in ours.names if name not in (*CONDITIONS, "censored_scan_0000")]
    np.testing.assert_allclose(
        ours.matrix[:, [ours.names.index(name) for name in left]], theirs[left], atol=1e-12
    )
    on_grid = build_design(events, scans, hrf_model="glover", high_pass=None, oversampling=50)
    expected = theirs[["cue", "target"]].to_numpy()
    np.testing.assert_allclose(on_grid.matrix[:, :2], expected, atol=1e-12)
    away = np.abs(ours.matrix[:, :2] - expected).max() / expected.max()
    assert 0.005 < away < 0.03  # of events of 1 s; see docs/method.md


def test_what_nilearn_finds_in_the_folders_and_does_by_itself_is_the_same_but_for_its_grid(
    prepared, tmp_path
):
    func = participant(
        prepared, tmp_path / "out", "--noise-model", "ols", "--dummy-scans", "0", "--confounds",
        *MOTION, "cosine*",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models, images, events, confounds = first_level_from_bids(
            str(prepared), "cuetarget", MNI, ["01"], [("res", "2"), ("desc", "preproc")],
            derivatives_folder="derivatives/fmriprep", drift_model=None, noise_model="ols",
        )  # fmt: skip
    model = models[0]
    model.minimize_memory = False
    assert model.slice_time_ref * model.t_r == pytest.approx(START)
    name = f"{STEM}_desc-preproc_bold.nii.gz"
    assert images[0][0].endswith(name)
    model.mask_img = nib.load(of_fmriprep(prepared, f"{STEM}_desc-brain_mask.nii.gz"))
    wanted = confounds[0][0][[*MOTION, "cosine00", "cosine01"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(images[0][0], events=events[0][0], confounds=wanted)
    mask = np.asarray(model.mask_img.dataobj) > 0
    for contrast in ("cue", "target"):
        expected = inside(model.compute_contrast(contrast, output_type="stat"), mask)
        ours = of_map(func, contrast, "t", mask)
        assert np.abs(expected).max() > 3
        # 0.07 and 0.02, which is the grid; a StartTime wrong by 0.5 s makes 0.9 and 0.3
        assert np.abs(ours - expected).max() < 0.1
        assert np.sqrt(np.mean((ours - expected) ** 2)) < 0.03
