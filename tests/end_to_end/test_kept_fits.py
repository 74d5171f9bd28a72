"""Fits that are kept: changed contrasts read no series and fit no run."""

import os
import re

import nibabel as nib
import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.interfaces import fit as interface

RENAMED = ("--model-name", "other")  # analyses of one folder share fits, not results
FUNC = "node-run/sub-01/func/sub-01_task-cuetarget_run-1_contrast-{}_stat-{}_statmap.nii.gz"


def call(dataset, out, *options):
    one_run = ("--participant-label", "01", "--run-label", "1")
    return main([str(dataset), str(out), "participant", *one_run, *options])


def values(out, contrast, statistic):
    last = "node-otherRun" if (out / "node-otherRun").is_dir() else "node-run"
    path = FUNC.format(contrast, statistic).replace("node-run", last)
    return nib.load(out / path).get_fdata()


@pytest.fixture
def no_fit(monkeypatch):
    """Make every attempt to read a series fail, from when it is called."""

    def forbid():
        def refuse(*_, **__):
            raise AssertionError("a series was read")

        monkeypatch.setattr(interface, "load_run", refuse)

    return forbid


def test_changed_contrasts_need_no_series_and_no_fit(dataset, tmp_path, no_fit, capsys):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    asked = ["--contrast", "sum = cue + target", "--maps", "rsquared"]
    assert call(dataset, fresh, *asked) == 0
    assert call(dataset, out, "--maps", "rsquared") == 0
    assert re.search(r"Fits are cached \((?!0\.0 )\d+\.\d MB", capsys.readouterr().out)
    no_fit()

    assert call(dataset, out, *asked, *RENAMED) == 0

    for statistic in ("effect", "t", "z"):
        np.testing.assert_array_equal(
            values(out, "sum", statistic), values(fresh, "sum", statistic)
        )
    assert (
        out
        / FUNC.format("sum", "t")
        .replace("contrast-sum_stat-t", "stat-rsquared")
        .replace("node-run", "node-otherRun")
    ).is_file()


def test_a_fit_is_kept_where_files_cannot_have_two_names(dataset, tmp_path, no_fit, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    out = tmp_path / "out"
    assert call(dataset, out) == 0
    no_fit()
    assert call(dataset, out, "--contrast", "cue - target", *RENAMED) == 0
    assert values(out, "cueMinusTarget", "t").any()


def test_another_noise_model_needs_a_new_fit(dataset, tmp_path, no_fit):
    out = tmp_path / "out"
    assert call(dataset, out, "--noise-model", "ols") == 0
    no_fit()
    assert call(dataset, out, "--noise-model", "ar1", *RENAMED) == 1


def test_no_fit_is_kept_where_none_is_wanted(dataset, tmp_path, no_fit):
    out = tmp_path / "out"
    assert call(dataset, out, "--no-keep-fits") == 0
    assert not (out / ".boldglm-work").exists()
    no_fit()
    assert call(dataset, out, "--contrast", "cue - target", *RENAMED) == 1


def test_a_damaged_fit_is_made_again(dataset, tmp_path):
    out = tmp_path / "out"
    assert call(dataset, out) == 0
    for path in (out / ".boldglm-work/fits").rglob("outputs.json"):
        path.write_text("{")
    assert call(dataset, out, "--contrast", "cue - target", *RENAMED) == 0
    assert values(out, "cueMinusTarget", "t").any()


def test_maps_of_a_contrast_that_left_the_model_are_removed(dataset, tmp_path):
    out = tmp_path / "out"
    assert call(dataset, out, "--contrast", "cue", "--contrast", "target", "--figures") == 0
    assert (out / FUNC.format("target", "t")).is_file()
    assert list((out / "sub-01/figures").glob("*ontrastTarget*"))

    assert call(dataset, out, "--contrast", "cue", "--fresh", "--figures") == 0

    left = [path.name for path in out.rglob("*arget_*") if "contrast-target" in path.name]
    assert left == []
    assert not list((out / "sub-01/figures").glob("*ontrastTarget*"))
    assert (out / FUNC.format("cue", "t")).is_file()


def test_series_are_not_kept_twice(dataset, tmp_path):
    out = tmp_path / "out"
    assert call(dataset, out, "--maps", "residuals") == 0
    assert not (out / ".boldglm-work").exists()


def test_no_result_is_the_same_file_as_what_is_kept(dataset, tmp_path):
    out = tmp_path / "out"
    assert call(dataset, out, "--maps", "rsquared") == 0
    assert call(dataset, out, "--contrast", "cue - target", "--maps", "rsquared", *RENAMED) == 0

    work = out / ".boldglm-work"
    kept = {path.stat().st_ino for path in work.rglob("*") if path.is_file()}
    results = [path for path in out.rglob("*") if path.is_file() and work not in path.parents]
    assert kept
    assert len(results) > 40
    assert not [path.name for path in results if path.stat().st_ino in kept]
