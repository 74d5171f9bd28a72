"""Confounds tables: several of one run merged, and what does not suit a series refused."""

import gzip
import json

import numpy as np
import pytest

from boldglm.analysis.first_level.confounds import (
    check_denoising,
    check_patterns,
    confounds_of_run,
)
from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.errors import BadDataError
from boldglm.io.bids.confounds_table import read_confounds


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
    assert found.variance_explained == {"a_comp_cor_00": 0.4}


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

    with pytest.raises(BadDataError, match="aroma_motion_02 would remove them twice"):
        check_denoising("nonaggrDenoised", names, has_drift=True)
    assert check_denoising("preproc", names, has_drift=True) == ()
    assert check_denoising("nonaggrDenoised", ["trans_x"], has_drift=False) == ()


def test_components_without_any_drift_are_warned_of():
    (note,) = check_denoising("preproc", ["a_comp_cor_00"], has_drift=False)

    assert "slow drift is not removed" in note.text
    assert check_denoising("preproc", ["a_comp_cor_00"], has_drift=True) == ()
    assert check_denoising("preproc", ["a_comp_cor_00", "cosine00"], has_drift=False) == ()


def test_missing_noise_components_are_said_to_come_from_another_program(tmp_path):
    found = read_confounds(table(tmp_path / "a.tsv", {"csf": [1, 2]}))

    with pytest.raises(BadDataError, match=r"since version 23\.1; fMRIPost-AROMA writes them"):
        check_patterns(["aroma_motion_*"], [found])


def test_columns_come_in_the_order_in_which_they_are_asked_for(tmp_path):
    content = {name: [number, number + 0.5] for number, name in enumerate("abcdef")}
    found = read_confounds(table(tmp_path / "a.tsv", content))

    np.testing.assert_array_equal(found.values(["e", "a", "c"]), [[4, 0, 2], [4.5, 0.5, 2.5]])
    assert found.values([]).shape == (2, 0)


def test_a_cell_that_is_no_number_is_named_by_column_and_line(tmp_path):
    found = read_confounds(table(tmp_path / "a.tsv", {"b": [1, 2], "a": ["n/a", "fast"]}))

    with pytest.raises(BadDataError, match=r"a.tsv, column 'a', line 3: 'fast' is no number"):
        found.values(["a", "b"])
    np.testing.assert_array_equal(found.values(["b"])[:, 0], [1, 2])


@pytest.mark.parametrize("rows", ["1\t2\t3\n", "1\t2\n1\t2\t3\n", "1\t2\t\n1\t2\t\n", "1\t2\n1\n"])
def test_rows_longer_or_shorter_than_the_header_are_refused(rows, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\n" + rows)

    with pytest.raises(BadDataError, match=r"a\.tsv, line [23]: [13] cells, but 2 columns"):
        read_confounds(path)


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(gzip.compress, id="gzip"),
        pytest.param(lambda content: content.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(lambda content: b"\xef\xbb\xbf" + content, id="byte order mark"),
        pytest.param(lambda content: content.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda content: content.replace(b"\n", b"\t\n"), id="tab at every end"),
        pytest.param(lambda content: content + b"\n\t\t\n", id="blank lines at the end"),
    ],
)
def test_tables_packed_in_other_ways_hold_the_same(packed, tmp_path):
    path = tmp_path / "a_timeseries.tsv.gz"
    path.write_bytes(packed(b"a_comp_cor_00\tb \nn/a\t0.5\n1.5\t-2\n"))
    (tmp_path / "a_timeseries.json").write_text('{"a_comp_cor_00": {"Mask": "CSF"}}')

    found = read_confounds(path)

    assert (found.columns, found.n_rows) == (("a_comp_cor_00", "b"), 2)
    assert found.masks == {"a_comp_cor_00": "CSF"}
    np.testing.assert_array_equal(found.values(["b", "a_comp_cor_00"]), [[0.5, np.nan], [-2, 1.5]])


def test_a_damaged_gzip_file_is_refused_by_name(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"a\tb\n1\t2\n")[:-9])

    with pytest.raises(BadDataError, match=r"a\.tsv\.gz is a damaged gzip file"):
        read_confounds(path)


def test_scans_of_unknown_displacement_are_not_taken_for_calm(tmp_path):
    moved = ["n/a", 0.1, "n/a", 2.0, "n/a"]
    known = table(tmp_path / "a.tsv", {"framewise_displacement": ["n/a", 0.1, 0.2, 2.0, 0.1]})
    unknown = table(tmp_path / "b.tsv", {"framewise_displacement": moved})
    choices = ConfoundSettings(fd_threshold=0.5)

    assert list(confounds_of_run(read_confounds(known), choices, 5, "run").censored) == [3]
    with pytest.raises(
        BadDataError, match=r"n/a at 2 volumes after the first \(first at volume 2"
    ):
        confounds_of_run(read_confounds(unknown), choices, 5, "run")
    assert not confounds_of_run(read_confounds(unknown), ConfoundSettings(), 5, "run").censored
