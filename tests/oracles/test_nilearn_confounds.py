"""Strategies against nilearn's `load_confounds`, on confounds tables of real fMRIPrep runs.

Two choices differ on purpose. Where the first row is n/a, nilearn repeats the second value and
we put 0, so rows are compared from the second on. nilearn deletes censored scans (and by
default short segments between them), we give each a regressor, so the lists are compared.
"""

import shutil
import warnings

import numpy as np
import pytest
from nilearn.interfaces.fmriprep import load_confounds

from boldglm.analysis.first_level.confounds import confounds_of_run
from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.glm import expand_strategies, match_columns, prepare_confounds
from boldglm.io.bids.confounds_table import read_confounds

OLD, NEW = "test_desc-confounds_regressors.tsv", "test-v21_desc-confounds_timeseries.tsv"
WITHOUT = "no_nonsteady_desc-confounds_regressors.tsv"
CASES = {
    "motion6": ("motion6", {"strategy": ("motion",), "motion": "basic"}),
    "motion12": ("motion12", {"strategy": ("motion",), "motion": "derivatives"}),
    "motion24": ("motion24", {"strategy": ("motion",), "motion": "full"}),
    "wm_csf": ("wm_csf", {"strategy": ("wm_csf",), "wm_csf": "basic"}),
    "wm_csf8": ("wm_csf8", {"strategy": ("wm_csf",), "wm_csf": "full"}),
    "global": ("global_signal", {"strategy": ("global_signal",), "global_signal": "basic"}),
    "global4": ("global_signal4", {"strategy": ("global_signal",), "global_signal": "full"}),
    "high_pass": ("high_pass", {"strategy": ("high_pass",)}),
    "compcor": ("compcor", {"compcor": "anat_combined", "n_compcor": "all"}),
    "compcor:3": ("compcor:3", {"compcor": "anat_combined", "n_compcor": 3}),
    "separated": ("compcor_separated", {"compcor": "anat_separated", "n_compcor": "all"}),
    "separated:2": ("compcor_separated:2", {"compcor": "anat_separated", "n_compcor": 2}),
    "temporal:2": ("compcor_temporal:2", {"compcor": "temporal", "n_compcor": 2}),
}


@pytest.fixture
def theirs(real_data, tmp_path):
    """Return what nilearn loads of a table, with the real names of the columns."""

    def load(name, **options):
        if "compcor" in options:
            # nilearn wants the cosines to be asked for; CompCor brings them here
            options["strategy"] = ("high_pass", "compcor")
        source = real_data("fmriprep-confounds") / "nilearn" / name
        target = tmp_path / name.replace("test_", "sub-01_task-x_").replace(
            "test-v21_", "sub-01_task-x_"
        ).replace("no_nonsteady_", "sub-01_task-x_")
        shutil.copyfile(source, target)
        if source.with_suffix(".json").is_file():
            shutil.copyfile(source.with_suffix(".json"), target.with_suffix(".json"))
        bold = tmp_path / "sub-01_task-x_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
        bold.touch()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load_confounds(str(bold), demean=False, **options)

    return load


@pytest.fixture
def table(real_data):
    def read(name):
        return read_confounds(real_data("fmriprep-confounds") / "nilearn" / name)

    return read


@pytest.mark.parametrize("name", [OLD, NEW])
@pytest.mark.parametrize(("word", "options"), CASES.values(), ids=CASES)
def test_a_strategy_selects_the_columns_that_nilearn_selects(word, options, name, theirs, table):
    ours = table(name)
    columns = match_columns(expand_strategies([word], ours.columns, ours.masks), ours.columns)
    found = prepare_confounds(columns, ours.values(columns))

    expected, _ = theirs(name, **options)

    assert set(found.names) == set(expected.columns)
    np.testing.assert_allclose(
        found.columns[1:], expected[list(found.names)].to_numpy()[1:], rtol=1e-12
    )


@pytest.mark.parametrize("name", [OLD, NEW])
@pytest.mark.parametrize(
    ("word", "mask"),
    [("anat_combined:50%", "anat_combined"), ("compcor_separated:50%", "anat_separated")],
)
def test_half_of_the_variance_is_what_nilearn_calls_all(word, mask, name, theirs, table):
    # fMRIPrep writes the components that explain half, and nilearn takes what it wrote
    ours = table(name)
    words = expand_strategies([word], ours.columns, ours.masks, ours.variance_explained)

    expected, _ = theirs(name, compcor=mask, n_compcor="all")

    assert set(match_columns(words, ours.columns)) == set(expected.columns)


def test_noise_components_of_aroma_are_the_columns_of_nilearn(theirs, table):
    ours = table(OLD)
    columns = match_columns(expand_strategies(["aroma"], ours.columns), ours.columns)

    expected, _ = theirs(OLD, strategy=("ica_aroma",), ica_aroma="basic")

    assert len(columns) == 13
    assert set(columns) == set(expected.columns)
    np.testing.assert_allclose(ours.values(columns)[1:], expected[list(columns)].to_numpy()[1:])


@pytest.mark.parametrize("name", [OLD, NEW, WITHOUT])
def test_the_scans_before_steady_state_are_those_of_nilearn(name, theirs, table):
    ours = table(name)

    found = confounds_of_run(ours, ConfoundSettings(("non_steady_state_outlier*",)), 30, "run")

    _, kept = theirs(name, strategy=("motion",))
    kept = np.arange(30) if kept is None else kept
    np.testing.assert_array_equal(sorted(found.censored), np.setdiff1d(np.arange(30), kept))


def test_marked_motion_outliers_are_the_scans_that_nilearn_scrubs(theirs, table):
    ours = table(NEW)
    choices = ConfoundSettings(expand_strategies(["scrub", "non_steady_state"], ours.columns))

    found = confounds_of_run(ours, choices, 30, "run")

    # fMRIPrep was told to mark this run by DVARS: scans 5 and 6 moved more than 1 mm
    limits = {"scrub": 0, "fd_threshold": 1e9, "std_dvars_threshold": 1.5}
    _, kept = theirs(NEW, strategy=("motion", "scrub"), **limits)
    np.testing.assert_array_equal(sorted(found.censored), np.setdiff1d(np.arange(30), kept))
    # of the scans that are in both lists each is censored once, for both reasons
    assert found.censored[1] == ("motion_outlier00", "non_steady_state_outlier01")
    assert any("7 confounds that do not vary" in str(note) for note in found.notes)


@pytest.mark.parametrize("threshold", [0.15, 0.5, 1.2])
@pytest.mark.parametrize("name", [OLD, NEW])
def test_displacement_above_a_threshold_is_what_nilearn_scrubs(name, threshold, theirs, table):
    ours = table(name)

    found = confounds_of_run(
        ours, ConfoundSettings(("non_steady_state_outlier*",), fd_threshold=threshold), 30, "run"
    )

    limits = {"scrub": 0, "fd_threshold": threshold, "std_dvars_threshold": 1e9}
    _, kept = theirs(name, strategy=("motion", "scrub"), **limits)
    np.testing.assert_array_equal(sorted(found.censored), np.setdiff1d(np.arange(30), kept))
