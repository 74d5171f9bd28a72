"""The demo finds what it simulated, and shows what orthogonalization does."""

import re
from pathlib import Path

import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.demo.study import COLUMNS, N_SUBJECTS, REGIONS
from boldglm.io.images.nifti import load_map

NUMBER = r"(-?\d+\.\d+)"
ROW = rf"^ .* {NUMBER} +{NUMBER} \({NUMBER} to {NUMBER}\) +(\d+) of (\d+) +{NUMBER}$"


@pytest.fixture(scope="module")
def rows(demo):
    """True effect, estimate, interval, voxels found, voxels and orthogonalized estimate."""
    found = re.findall(ROW, demo.printed, re.MULTILINE)
    assert len(found) == len(REGIONS) * len(COLUMNS)
    return np.array(found, float).reshape(len(REGIONS), len(COLUMNS), 7)


def test_intervals_contain_what_was_simulated(rows):
    true, _, low, high, *_ = np.moveaxis(rows, -1, 0)

    assert ((low <= true) & (true <= high)).sum() >= 16  # of 18 intervals of 95 %


def test_the_group_finds_the_simulated_effects_and_no_others_there(rows):
    true, n_found, n_voxels = rows[..., 0], rows[..., 4], rows[..., 5]

    assert (n_found[true == 0] == 0).all()
    assert (n_found[true != 0] > 0.3 * n_voxels[true != 0]).all()


def test_orthogonalizing_the_target_gives_the_cue_what_they_share_and_changes_no_target(rows):
    true, estimate, orthogonalized = rows[..., 0], rows[..., 1], rows[..., 6]
    cue, target = 0, 1

    np.testing.assert_allclose(orthogonalized[:, target], estimate[:, target], atol=0.05)
    only_target = (true[:, cue] == 0) & (true[:, target] != 0)
    assert only_target.sum() == 1
    assert abs(estimate[only_target, cue]) < 0.3
    assert orthogonalized[only_target, cue] > 0.5


def test_the_groups_differ_where_they_were_made_to(demo):
    pattern = rf"left motor: true {NUMBER}, estimate {NUMBER}; (\d+) of 65 voxels"
    ((true, estimate, n_found),) = re.findall(pattern, demo.printed)

    assert abs(float(true) - float(estimate)) < 0.4
    assert int(n_found) > 0


def test_each_group_call_ends_with_what_it_found(demo):
    calls = demo.printed.split("\n$ boldglm ")
    tables = [call.partition("Significant voxels of each contrast:\n")[2] for call in calls]
    whole, groups = (table.splitlines() for table in tables if table)

    assert whole[0].split()[:4] == ["contrast", "q", "<", ".05"]
    cue = next(line for line in whole if line.strip().startswith("dataset: cue  "))
    n_significant = int(cue.split()[2].replace(",", ""))
    assert n_significant > 100
    assert re.search(r"t \d+\.\d\d at -?\d+, -?\d+, -?\d+$", cue)
    assert any("younger - older" in line for line in groups)


def test_reports_are_where_the_demo_says(demo):
    for path in re.findall(r"^Report of .*: +(.+)$", demo.printed, re.MULTILINE):
        assert (demo.folder / path).is_file()


def test_without_a_home_no_temporary_folder_is_left(demo):
    assert not list(demo.temporary.iterdir())


def test_every_participant_has_a_preprocessed_series_and_motion(demo):
    prepared = demo.folder / "bids" / "derivatives" / "fmriprep"
    series = sorted(prepared.rglob("*_desc-preproc_bold.nii.gz"))

    assert len(series) == 2 * N_SUBJECTS
    brain = load_map(series[0].with_name(series[0].name.replace("preproc_bold", "brain_mask")))
    assert 0.2 < np.asarray(brain.dataobj).mean() < 0.6
    tables = [path.read_text() for path in prepared.rglob("*_desc-confounds_timeseries.tsv")]
    assert sum("motion_outlier00" in table for table in tables) >= 2


def blocks_of_get_started():
    text = (Path(__file__).parents[2] / "docs/get_started.md").read_text(encoding="utf-8")
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def block_with(words):
    (block,) = [block for block in blocks_of_get_started() if words in block]
    return block


def numbers(line):
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", line)]


def test_get_started_shows_the_dry_run_of_the_demo(demo, tmp_path, capsys):
    data = str(demo.folder / "bids")

    assert main([data, str(tmp_path / "out"), "participant", "--dry-run"]) == 0

    assert block_with("What stands out") in capsys.readouterr().out


def test_get_started_shows_the_table_of_the_group(demo):
    """Up to the counts of permutation tests, which depend on the number of permutations."""
    table = block_with("Significant voxels").splitlines()[2:]
    printed = [line.strip() for line in demo.printed.splitlines()]

    for line in table:
        name, q, *_, peak = re.split(r"\s{2,}", line.strip())
        (found,) = [row for row in printed if row.startswith(f"dataset: {name}  ")]
        _, found_q, *_, found_peak = re.split(r"\s{2,}", found)
        assert abs(int(q) - int(found_q)) <= 2
        np.testing.assert_allclose(numbers(peak), numbers(found_peak), atol=0.05)


def test_get_started_shows_estimates_of_the_demo(demo):
    table = block_with("true  estimate").splitlines()[1:]
    printed = [line.split() for line in demo.printed.splitlines()]

    region = ""
    for line in table:
        region = line[:20].strip() or region
        found = [words for words in _under(printed, region) if words[0] == line[23:].split()[0]]
        np.testing.assert_allclose(numbers(line), numbers(" ".join(found[0])), atol=0.02)


def _under(printed, region):
    """Return the rows of a region of the table, without its name."""
    start = next(
        i for i, words in enumerate(printed) if words[: len(region.split())] == region.split()
    )
    rows = printed[start : start + len(COLUMNS)]
    return [rows[0][len(region.split()) :], *rows[1:]]
