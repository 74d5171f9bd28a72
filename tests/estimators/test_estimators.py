"""FirstLevel and SecondLevel: the numbers of the command line, with scikit-learn's manners."""

import pickle
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import clone

import boldglm
from boldglm import FirstLevel, SecondLevel
from boldglm.cli.main import main
from boldglm.estimators.parameters import NotFittedError
from fake_atlases import write_boxes
from fake_fmriprep import write_fmriprep
from fake_surfaces import write_cifti, write_surfaces

TASK = "sub-01_task-cuetarget"
RUN = f"{TASK}_run-1"

ALL_MAPS = ("--maps", "effect", "variance", "t", "F", "z", "p")


def values(image) -> np.ndarray:
    if isinstance(image, nib.GiftiImage):
        return image.darrays[0].data
    return np.asarray(image.dataobj)


def assert_same_bits(images, folder: Path, stem: str, ending: str = ".nii.gz") -> None:
    for label in ("effect", "variance", "t", "z", "p"):
        ours = values(images.images[label])
        theirs = values(nib.load(folder / f"{stem}_stat-{label}_statmap{ending}"))
        np.testing.assert_array_equal(ours, theirs, err_msg=label)
        assert ours.dtype == theirs.dtype


def raw(dataset: Path, run: str = RUN) -> tuple[Path, Path]:
    func = dataset / run.split("_")[0] / "func"
    return func / f"{run}_bold.nii.gz", func / f"{run}_events.tsv"


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({"noise_model": "ols"}, ["--noise-model", "ols"]),
        (
            {"noise_model": "ar1", "smoothing": 6.0, "hrf_model": "spm + derivative",
             "orthogonalize": ["target ~ cue"], "high_pass": 100.0},
            ["--noise-model", "ar1", "--smoothing", "6", "--hrf-model", "spm + derivative",
             "--orthogonalize", "target ~ cue", "--high-pass", "100"],
        ),
        ({"signal_scaling": "none"}, ["--signal-scaling", "none"]),
        (
            {"noise_model": "ols", "drift": "polynomial:2"},
            ["--noise-model", "ols", "--drift", "polynomial:2"],
        ),
    ],
    ids=["ols", "ar1", "auto", "polynomials"],
)  # fmt: skip
def test_a_run_has_the_bits_of_the_command_line(dataset, tmp_path, settings, options):
    chosen = ["--participant-label", "01", "--run-label", "1", "--contrast", "cue - target"]
    out = tmp_path / "out"
    assert main([str(dataset), str(out), "participant", *chosen, *ALL_MAPS, *options]) == 0

    model = FirstLevel(**settings).fit(*raw(dataset))

    images = model.contrast("cue - target")
    stem = f"{RUN}_contrast-cueMinusTarget"
    assert_same_bits(images, out / "node-run/sub-01/func", stem)
    design = (out / "node-run/sub-01/func" / f"{RUN}_design.tsv").read_text()
    (written,) = model.write_designs(tmp_path)
    assert written.read_text() == design


def test_runs_are_combined_and_participants_tested_as_the_command_line_does(dataset, tmp_path):
    out = tmp_path / "out"
    options = ["--noise-model", "ols", "--contrast", "cue"]
    assert main([str(dataset), str(out), "participant", *ALL_MAPS, *options]) == 0
    assert main([str(dataset), str(out), "group", "--permutations", "50"]) == 0

    inputs = []
    for subject in ("01", "02"):
        runs = [raw(dataset, f"sub-{subject}_task-cuetarget_run-{run}") for run in (1, 2)]
        bold, events = (list(files) for files in zip(*runs, strict=True))
        inputs.append(FirstLevel(noise_model="ols").fit(bold, events).contrast("cue"))
    tested = SecondLevel().fit(inputs).contrast(permutations=50)

    assert_same_bits(inputs[0], out / "node-subject/sub-01/func", f"{TASK}_contrast-cue")
    stem = "task-cuetarget_contrast-cue"
    assert_same_bits(tested, out / "node-dataset", stem)
    for label in ("qFDR", "pFWE"):
        theirs = nib.load(out / "node-dataset" / f"{stem}_stat-{label}_statmap.nii.gz")
        np.testing.assert_array_equal(values(tested.images[label]), values(theirs))
    assert tested.dof == 1

    assert main([str(dataset), str(out), "group", "--permutations", "50", "--sides", "one"]) == 0
    upper = SecondLevel().fit(inputs).contrast(permutations=50, sides="one")
    for label in ("qFDR", "pFWE"):
        theirs = nib.load(out / "node-dataset" / f"{stem}_stat-{label}_statmap.nii.gz")
        np.testing.assert_array_equal(values(upper.images[label]), values(theirs))
    assert not np.array_equal(values(upper.qFDR), values(tested.qFDR))
    with pytest.raises(ValueError, match="sides is 'three': choose two or one"):
        SecondLevel().fit(inputs).contrast(sides="three")


def test_fmripreps_confounds_and_mask_are_taken_as_by_the_command_line(dataset, tmp_path):
    folder = write_fmriprep(dataset) / "sub-01/func"
    out = tmp_path / "out"
    chosen = ["--participant-label", "01", "--run-label", "1", "--fd-threshold", "0.5"]
    assert (
        main([str(dataset), str(out), "participant", *chosen, *ALL_MAPS, "--noise-model", "ols"])
        == 0
    )
    (design,) = (out / "node-run").rglob("*_design.tsv")
    stem = design.name.removesuffix("_design.tsv")

    images = FirstLevel(noise_model="ols", fd_threshold=0.5).fit(
        folder / f"{stem}_desc-preproc_bold.nii.gz",
        raw(dataset)[1],
        next(folder.glob(f"{RUN}_*confounds*.tsv")),
        mask=folder / f"{stem}_desc-brain_mask.nii.gz",
    ).contrast("cue")  # fmt: skip

    assert_same_bits(images, design.parent, f"{stem}_contrast-cue")


def test_grayordinates_and_surfaces_have_the_bits_of_the_command_line(dataset, tmp_path):
    write_cifti(dataset)
    write_surfaces(dataset)
    kinds = {"dtseries.nii": (".dscalar.nii", "fsLR"), "func.gii": (".shape.gii", "fsaverage5")}
    for ending, (map_ending, space) in kinds.items():
        out = tmp_path / space
        chosen = ["--participant-label", "01", "--run-label", "1", "--space", space]
        options = [*chosen, "--noise-model", "ols"]
        assert main([str(dataset), str(out), "participant", *ALL_MAPS, *options]) == 0
        for design in (out / "node-run").rglob("*_design.tsv"):
            stem = design.name.removesuffix("_design.tsv")
            (bold,) = dataset.rglob(f"derivatives/*/sub-01/func/{stem}_bold.{ending}")

            confounds = next(bold.parent.glob(f"{RUN}_*confounds*.tsv"))
            model = FirstLevel(noise_model="ols").fit(bold, raw(dataset)[1], confounds)
            images = model.contrast("cue")

            assert_same_bits(images, design.parent, f"{stem}_contrast-cue", map_ending)


def test_images_and_tables_in_memory_are_as_good_as_files(dataset):
    bold, events = raw(dataset)
    from_files = FirstLevel(noise_model="ols").fit(bold, events).contrast("cue")

    model = FirstLevel(noise_model="ols", repetition_time=2.0)
    in_memory = model.fit(nib.load(bold), pd.read_csv(events, sep="\t")).contrast("cue")

    np.testing.assert_array_equal(values(in_memory.t), values(from_files.t))


def test_scikit_learn_can_clone_it_and_it_can_be_pickled(dataset):
    model = FirstLevel(noise_model="ols", conditions=["cue", "target"])

    copy = clone(model).set_params(high_pass=90.0)

    assert copy.get_params() == {**model.get_params(), "high_pass": 90.0}
    assert repr(copy) == (
        "FirstLevel(conditions=['cue', 'target'], high_pass=90.0, noise_model='ols')"
    )
    with pytest.raises(ValueError, match=r"no parameter 'noise'.*Did you mean 'noise_model'"):
        model.set_params(noise="ols")
    fitted = pickle.loads(pickle.dumps(model.fit(*raw(dataset))))
    np.testing.assert_array_equal(
        values(fitted.contrast("cue").z), values(model.contrast("cue").z)
    )


def test_a_report_holds_every_run_and_their_combination(dataset, tmp_path):
    bold, events = (list(files) for files in zip(raw(dataset), raw(dataset, f"{TASK}_run-2"),
                                                 strict=True))  # fmt: skip
    model = FirstLevel(noise_model="ols").fit(bold, events)

    path = model.report(tmp_path / "report.html", ["cue - target"], explain=["cue ~ drift_1"])

    page = path.read_text()
    assert page.count("<h3>Two regressors: drift_1 and cue</h3>") == 2
    assert page.count("SD over voxels") >= 2
    with pytest.raises(ValueError, match=r"there is no 'qeu'. Known: trial_type.cue"):
        model.report(tmp_path / "report.html", explain=["qeu ~ target"])
    for words in ("All runs", "Run 1", "Run 2", "cue - target", "data:image/png"):
        assert words in page
    assert list(tmp_path.glob("*")) != []


def test_a_report_shows_motion_and_noise_of_a_run(dataset, tmp_path):
    folder = write_fmriprep(dataset)
    confounds = next(folder.rglob(f"{RUN}_*confounds*.tsv"))
    bold, events = raw(dataset)

    page = (
        FirstLevel(noise_model="ols")
        .fit(bold, events, confounds)
        .report(tmp_path / "report.html")
        .read_text()
    )

    assert "Framewise displacement (Power et al. 2012; column framewise_displacement)" in page
    assert "(of the fitted data, in percent of their mean)" in page
    assert "<dt>Temporal SNR</dt>" in page
    assert "Motion and task: correlations of regressors with head motion" in page


def test_what_does_not_fit_is_refused_with_the_remedy(dataset):
    bold, events = raw(dataset)
    with pytest.raises(NotFittedError, match="call fit"):
        FirstLevel().contrast("cue")
    with pytest.raises(NotFittedError, match="call fit"):
        SecondLevel().contrast()
    with pytest.raises(ValueError, match="2 BOLD series but 1 events"):
        FirstLevel().fit([bold, bold], events)
    model = FirstLevel(noise_model="ols").fit(bold, events)
    with pytest.raises(ValueError, match=r"Did you mean 'trial_type.target'"):
        model.contrast("targt")
    images = model.contrast("any = cue, target")
    assert images.test == "F"
    assert images.F.shape == images.mask.shape
    with pytest.raises(AttributeError, match="no image 't'"):
        _ = images.t
    two = FirstLevel(noise_model="ols").fit([bold, bold], [events, events])
    with pytest.raises(ValueError, match="F contrast"):
        two.contrast("any = cue, target")
    with pytest.raises(ValueError, match="give variances"):
        SecondLevel(estimator="mixed").fit([nib.Nifti1Image(np.ones((2, 2, 2)), np.eye(4))])
    with pytest.raises(ValueError, match="one row an input"):
        SecondLevel().fit([images], np.ones((2, 1)))


def test_covariates_have_the_names_of_the_data_frame():
    rng = np.random.default_rng(3)
    age = np.linspace(-1, 1, 10)
    effects = [
        nib.Nifti1Image(1 + 2 * value + rng.normal(0, 0.1, (3, 3, 3)), np.eye(4)) for value in age
    ]
    design = pd.DataFrame({"intercept": 1.0, "age": age})

    images = SecondLevel().fit(effects, design).contrast("age")

    assert images.dof == 8
    np.testing.assert_allclose(values(images.effect).mean(), 2, atol=0.05)
    assert dict(images.weights) == {"age": [1.0]} or images.weights["age"] == [1.0]


def test_the_package_offers_the_estimators_without_importing_them():
    assert boldglm.FirstLevel is FirstLevel
    assert "SecondLevel" in dir(boldglm)
    with pytest.raises(AttributeError, match="no attribute 'ThirdLevel'"):
        _ = boldglm.ThirdLevel


def test_groups_and_participants_are_given_to_the_second_level():
    rng = np.random.default_rng(3)
    effects = [nib.Nifti1Image(rng.normal(size=(3, 3, 2)), np.eye(4)) for _ in range(9)]
    rows = np.stack([image.get_fdata().ravel() for image in effects])
    groups = ["a"] * 4 + ["b"] * 5
    design = pd.DataFrame({"a": [1.0] * 4 + [0] * 5, "b": [0.0] * 4 + [1] * 5})

    welch = SecondLevel().fit(effects, design, variance_groups=groups).contrast("a - b")

    expected = stats.ttest_ind(rows[:4], rows[4:], equal_var=False)
    np.testing.assert_allclose(welch.t.get_fdata().ravel(), expected.statistic, rtol=1e-4)
    np.testing.assert_allclose(welch.images["dof"].get_fdata().ravel(), expected.df, rtol=1e-4)
    pooled = SecondLevel().fit(effects, design).contrast("a - b")
    assert pooled.dof == 7

    people = ["1", "1", "2", "2", "3", "3", "4", "4"]
    whole = SecondLevel().fit(effects[:8], blocks=people).contrast(permutations=100)
    means = rows[:8].reshape(4, 2, -1).mean(axis=1)
    np.testing.assert_allclose(
        whole.t.get_fdata().ravel(), stats.ttest_1samp(means, 0).statistic, rtol=1e-4
    )
    assert whole.dof == pytest.approx(3)
    assert whole.pFWE.get_fdata().min() >= 2 / 16 - 1e-6  # 4 participants have 16 sign flips
    with pytest.raises(ValueError, match="there are 9 inputs but 2 blocks"):
        SecondLevel().fit(effects, blocks=["1", "2"])
    with pytest.raises(ValueError, match="takes inputs as independent"):
        SecondLevel(estimator="mixed").fit(effects, variances=effects, blocks=["1"] * 9)


def test_regions_are_those_of_the_command_line(dataset, tmp_path):
    bold, events = zip(*(raw(dataset, f"{TASK}_run-{run}") for run in (1, 2)), strict=True)
    atlas = write_boxes(tmp_path, bold[0])
    out = tmp_path / "out"
    options = ("--participant-label", "01", "--noise-model", "ar1", "--atlas", str(atlas))
    assert main([str(dataset), str(out), "participant", *options]) == 0

    model = FirstLevel(noise_model="ar1", atlas=[atlas, atlas.with_name("atlas-Boxes_dseg.tsv")])
    table = model.fit(list(bold), list(events)).regions("cue - target")

    name = f"node-subject/sub-01/func/{TASK}_seg-Boxes_desc-regions_table.tsv"
    theirs = pd.read_csv(out / name, sep="\t", na_values="n/a")
    theirs = theirs[theirs["contrast"] == "cue - target"].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, theirs[table.columns])
    of_run = FirstLevel(noise_model="ar1", atlas=atlas).fit(bold[0], events[0])
    assert of_run.regions("any = cue, target")["F"].notna().any()
    assert any("without a voxel in the mask" in notice.text for notice in of_run.notices_)
    with pytest.raises(ValueError, match="need an atlas"):
        FirstLevel().fit(bold[0], events[0]).regions("cue")
