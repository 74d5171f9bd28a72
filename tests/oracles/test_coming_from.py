"""The settings that docs/coming_from.md names for nilearn give nilearn's numbers."""

import re
import shlex
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import FirstLevelModel

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset

PAGE = Path(__file__).parents[2] / "docs" / "coming_from.md"
RUN = "sub-01_task-cuetarget_run-1"


@pytest.fixture(scope="module")
def settings():
    """Return the options of the row of nilearn in the first table."""
    (row,) = re.findall(r"^\| nilearn \| `(.*)` \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return shlex.split(row)


def test_maps_are_those_of_nilearn_but_for_the_grid_of_its_convolution(settings, tmp_path):
    plan = DatasetPlan(n_subjects=1, n_scans=120, shape=(10, 10, 8))
    bids, out = write_dataset(tmp_path / "bids", plan), tmp_path / "out"
    call = [str(bids), str(out), "participant", "--run-label", "1", "--no-report"]
    assert main([*call, "--contrast", "cue - target", *settings]) == 0
    folder = out / "node-run" / "sub-01" / "func"
    mask = nib.load(folder / f"{RUN}_desc-brain_mask.nii.gz")
    inside = np.asarray(mask.dataobj) > 0

    model = FirstLevelModel(t_r=2.0, mask_img=mask)  # every other default is nilearn's
    series = bids / "sub-01" / "func" / f"{RUN}_bold.nii.gz"
    events = pd.read_csv(str(series).replace("_bold.nii.gz", "_events.tsv"), sep="\t")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(str(series), events=events[["onset", "duration", "trial_type"]])
        theirs = model.compute_contrast("cue - target", output_type="all")

    for kind, key in (("effect", "effect_size"), ("t", "stat"), ("z", "z_score")):
        (path,) = folder.glob(f"{RUN}_contrast-*_stat-{kind}_statmap.nii.gz")
        ours = np.asarray(nib.load(path).dataobj)[inside]
        expected = np.asarray(theirs[key].dataobj)[inside]
        assert np.corrcoef(ours, expected)[0, 1] > 0.999, kind
        assert np.abs(ours - expected).max() < 0.05 * np.abs(expected).max(), kind
