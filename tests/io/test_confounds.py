"""Confounds tables: several of one run merged, and what does not suit a series refused."""

import json

import numpy as np
import pytest

from boldglm.errors import BadDataError
from boldglm.io.confounds import check_denoising, check_patterns, read_confounds


def table(path, columns):
    rows = zip(*columns.values(), strict=True)
    lines = ["\t".join(columns), *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_tables_of_one_run_are_put_side_by_side(tmp_path):
    first = table(tmp_path / "a_confounds.tsv", {"X": [1, 2], "csf": ["n/a", 3]})
    second = table(tmp_path / "b_timeseries.tsv", {"trans_x": [1, 2], "aroma_motion_01": [5, 6]})
    about = {"aCompCor00": {"Mask": "CSF", "CumulativeVarianceExplained": 0.4}}
    second.with_suffix(".json").write_text(json.dumps(about))

    found = read_confounds(first, second)

    assert found.columns == ("trans_x", "csf", "aroma_motion_01")
    assert found.name == "a_confounds.tsv + b_timeseries.tsv"
    np.testing.assert_array_equal(found.values(["aroma_motion_01", "csf"]), [[5, np.nan], [6, 3]])
    assert found.masks == {"a_comp_cor_00": "CSF"}
    assert found.explained == {"a_comp_cor_00": 0.4}


def test_a_column_that_differs_between_tables_is_refused(tmp_path):
    first = table(tmp_path / "a.tsv", {"csf": [1, 2]})
    second = table(tmp_path / "b.tsv", {"csf": [1, 3]})

    with pytest.raises(BadDataError, match=r"b.tsv and a.tsv .* both have a column 'csf'"):
        read_confounds(first, second)


def test_tables_of_other_lengths_are_refused(tmp_path):
    first = table(tmp_path / "a.tsv", {"csf": [1, 2]})
    second = table(tmp_path / "b.tsv", {"pulse": [1, 2, 3]})

    with pytest.raises(BadDataError, match=r"b.tsv has 3 rows, but a.tsv 2"):
        read_confounds(first, second)


def test_noise_components_are_not_taken_out_of_a_series_twice():
    names = ["trans_x", "aroma_motion_02"]

    with pytest.raises(BadDataError, match="aroma_motion_02 would take them out twice"):
        check_denoising("nonaggrDenoised", names, 128.0)
    assert check_denoising("preproc", names, 128.0) == ()
    assert check_denoising("nonaggrDenoised", ["trans_x"], None) == ()


def test_components_without_any_drift_are_warned_of():
    (note,) = check_denoising("preproc", ["a_comp_cor_00"], None)

    assert "slow drift is not removed" in note
    assert check_denoising("preproc", ["a_comp_cor_00"], 128.0) == ()
    assert check_denoising("preproc", ["a_comp_cor_00", "cosine00"], None) == ()


def test_missing_noise_components_are_said_to_come_from_another_program(tmp_path):
    found = read_confounds(table(tmp_path / "a.tsv", {"csf": [1, 2]}))

    with pytest.raises(BadDataError, match=r"since version 23\.1; fMRIPost-AROMA does"):
        check_patterns(["aroma_motion_*"], [found])
