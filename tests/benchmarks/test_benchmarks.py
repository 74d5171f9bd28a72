"""Every benchmark runs, on data of no size, and writes what the page is made of."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import calibration
import few_voxels
import group_calibration
from measure import overhead, ratio, spread
from report import page
from scaling import exponent

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks"
CALLS = {
    "arrays": ["--scans", "60", "--threads", "1", "--noise-models", "ols"],
    "run": ["--memory-scans", "60", "--jobs", "ols"],
    "command": ["--noise-models", "ols", "--skip-fitlins"],
    "scaling": ["--noise-models", "ols"],
    "query": [],
    "group": [],
    "participants": [],
    "slices": ["--noise-models", "ols"],
    "files": [],
}


def run_script(name, *arguments):
    return subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return a folder with the results of all benchmarks, on tiny data."""
    folder = tmp_path_factory.mktemp("results")
    for name, options in CALLS.items():
        done = run_script(name, "--tiny", "--rounds", "1", "--results", str(folder), *options)
        assert done.returncode == 0, done.stderr
    return folder


def result(folder, name):
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def test_least_squares_of_an_array_are_those_of_nilearn(results):
    (row,) = result(results, "arrays")["rows"]

    assert row["same_model"]
    assert row["largest_t_difference"] < 1e-9
    assert row["ours"]["seconds"]["n"] == row["nilearn"]["seconds"]["n"] == 1
    assert set(row["ours"]["parts"]) == {"import", "prepare", "fit", "contrasts"}


def test_permutations_of_nilearn_have_nearly_our_largest_t(results):
    permutations, clusters, tfce, constant, columns = result(results, "group")["rows"]

    ours, theirs = permutations["quantiles"]
    assert abs(ours - theirs) < 0.3 * theirs
    assert permutations["ratio"]["median"] > 0
    for maps in (clusters, tfce):
        np.testing.assert_allclose(*maps["largest"], rtol=1e-6)
    assert tfce["job"].startswith("TFCE: 100 sign flips")
    assert constant["ours"]["seconds"]["median"] > 0
    assert "3 columns" in columns["job"]


def test_the_group_level_of_nilearn_has_our_largest_t(results):
    content = result(results, "participants")

    assert [row["n_inputs"] for row in content["rows"]] == [4, 8]
    for row in content["rows"]:
        np.testing.assert_allclose(*row["largest"], rtol=1e-5)
    assert len(content["largest"]) == 4
    assert "mixed effects" in content["largest"][-1]["job"]


def test_a_run_gives_the_t_maps_of_nilearn_and_of_the_floor(results):
    floor, ols = result(results, "run")["rows"]

    assert ols["largest_t_difference"] < 1e-4  # maps are float32
    assert ols["largest_t_difference_to_floor"] < 1e-3  # which calculates in float32
    assert floor["floor"]["seconds"]["median"] < ols["ours"]["seconds"]["median"]
    assert ols["ours"]["with_imports"] > ols["ours"]["seconds"]["median"]
    assert [row["n_scans"] for row in result(results, "run")["memory"]] == [60]


def test_the_command_writes_five_maps_and_q_values_of_four_contrasts_of_the_group(results):
    (row,) = result(results, "command")["rows"]

    assert row["group_maps"] == 24
    assert row["maps"] >= 4 * row["group_maps"]
    assert len(row["fastest_levels"]) == 2
    assert row["peak_gb"] > 0.05


def test_growth_is_measured_in_every_direction(results):
    (row,) = result(results, "scaling")["rows"]

    assert set(row["exponents"]) == {"n_scans", "n_voxels", "n_regressors", "n_contrasts"}
    assert all(np.isfinite(list(one.values())).all() for one in row["exponents"].values())


def test_slices_with_designs_of_their_own_are_timed_against_one_design(results):
    (row,) = result(results, "slices")["rows"]

    assert row["shape"] == [16, 16, 6, 60]
    assert row["ratio"]["median"] > 0
    assert set(row["model"]["parts"]) == set(row["reference"]["parts"]) == {"import", "command"}


def test_runs_are_found_planned_and_fitted(results):
    one, every, kept, command, dry_run, first_fit = result(results, "query")["rows"]

    assert [row["n_runs"] for row in (one, every, kept)] == [4, 24, 24]
    assert command["n_runs"] == 4
    assert dry_run["n_runs"] == first_fit["n_runs"] == 12
    assert one["ratio"]["median"] > 0


def test_a_result_says_how_it_was_made_but_not_where(results):
    for name in CALLS:
        found = result(results, name)

        assert found["command"].startswith(f"python benchmarks/{name}.py --tiny --rounds 1")
        assert str(results) not in json.dumps(found)
        assert found["machine"]["cores"] >= 1


def test_the_page_shows_every_result(results, tmp_path):
    done = run_script("report", "--results", str(results), "--page", str(tmp_path / "page.md"))

    assert done.returncode == 0, done.stderr
    written = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert all(result(results, name)["command"] in written for name in CALLS)
    tables = re.findall(r"(?:^\|.*\n)+", written, re.MULTILINE)
    widths = [{line.count("|") for line in one.splitlines()} for one in tables]
    assert [len(one) for one in widths] == [1] * (
        len(CALLS) + 2
    )  # of a run and of participants there are two


def test_the_committed_page_is_that_of_the_committed_results():
    written = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")

    assert written == page(FOLDER / "results")


def test_the_committed_rates_are_those_of_the_committed_results():
    written = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")

    assert written == calibration.table(calibration.stored_rates())


def test_the_committed_rates_of_groups_are_those_of_the_committed_results():
    stored = json.loads(group_calibration.RESULTS.read_text(encoding="utf-8"))

    assert group_calibration.PAGE.read_text(encoding="utf-8") == group_calibration.page(stored)


def test_a_tiny_measurement_cannot_replace_a_real_one():
    done = run_script("scaling", "--tiny")

    assert done.returncode == 2
    assert "--tiny measures nothing worth keeping" in done.stderr


def test_bounds_of_a_ratio_are_the_worst_for_us():
    ours = [{"seconds": value} for value in (1.0, 2.0, 4.0)]
    theirs = [{"seconds": value} for value in (10.0, 12.0, 20.0)]

    assert ratio(theirs, ours) == {"median": 6.0, "pessimistic": 2.5}
    assert overhead(ours, [{"seconds": 0.5}, {"seconds": 1.0}]) == {
        "median": 2.67,
        "pessimistic": 8.0,
    }
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0, "n": 3}


def test_an_exponent_is_the_slope_of_logarithms():
    points = [{"n": size, "seconds": 0.1 * size**1.5} for size in (10, 20, 40, 80)]

    assert exponent(points, "n") == {"exponent": 1.5, "error": 0.0}


def test_the_package_does_not_know_the_benchmarks():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]

    assert not [text for text in sources if "benchmarks" in text]


def test_the_noise_of_each_group_study_has_the_variance_that_its_errors_say():
    rng = np.random.default_rng(1)
    for name, study in group_calibration.STUDIES.items():
        made = study(8)
        y = group_calibration.noise(made, 4000, rng)
        contrast = np.linalg.pinv(made.design)[made.contrast != 0]
        effect = made.contrast[made.contrast != 0] @ contrast @ y
        assert abs(effect.mean()) < 5 * effect.std() / 4000**0.5, name
    smoothed = group_calibration.smooth(rng.standard_normal((400, 512)))
    assert smoothed.var() == pytest.approx(1, rel=0.05)


def test_a_cell_of_the_group_calibration_has_a_row_on_its_page():
    found = [
        group_calibration.voxelwise("paired", 8, "ols", 2000, [1]),
        group_calibration.family_wise("one sample", 8, "ols", (2, 20), [1]),
    ]

    page = group_calibration.page({"seed": 1, "cells": found})

    assert 0.03 < found[0]["rates"][0] < 0.07
    rate = f"{found[0]['rates'][0]:.3f}".removeprefix("0")
    assert f"| paired | 8 | {rate}" in page
    assert "| one sample | 8 | `ols` | 2 | 20 |" in page


def test_tiny_runs_leave_few_files_and_their_time_has_parts(results):
    rows = {row["job"]: row for row in result(results, "files")["rows"]}

    assert set(rows) == {"default", "no report", "no report, for the group"}
    for row in rows.values():
        assert sum(row["shares"].values()) == pytest.approx(1, abs=0.01)
    assert rows["default"]["files_of_run"] <= 25
    assert rows["default"]["shares"]["figures"] > 0.1
    assert rows["no report"]["shares"]["figures"] < 0.1
    assert rows["no report, for the group"]["files_per_run"] < rows["default"]["files_per_run"]


def test_rates_that_are_computed_for_few_voxels_are_those_that_are_known(monkeypatch):
    lags = np.arange(200)
    monkeypatch.setattr(few_voxels, "MODELS", ("ols",))
    monkeypatch.setitem(few_voxels.NOISES, "white", lambda lags, _: (lags == 0) * 1.0)

    found = few_voxels.rates_of_run((200, "white", 200), [1])
    slow = few_voxels.rates_of_run((200, "AR(1) .4", 5), [1])

    assert found["ols", "block"] == pytest.approx(0.05, abs=0.004)
    assert found["ols", "event"] == pytest.approx(0.05, abs=0.004)
    assert slow["ols", "block"] > 0.12  # least squares of slow noise
    assert few_voxels.oscillating(lags)[:3] == pytest.approx(
        [1, 0.3846, 0.5 * 0.3846 - 0.3], abs=1e-4
    )


def test_the_table_of_few_voxels_has_means_over_runs_with_their_errors(monkeypatch):
    monkeypatch.setattr(few_voxels, "MODELS", ("ols",))
    rates = {("ols", "block"): [0.04, 0.06], ("ols", "event"): [0.05, 0.05]}
    found = {
        (n, noise, count): rates
        for n in few_voxels.LENGTHS for noise in few_voxels.NOISES for count in few_voxels.COUNTS
    }  # fmt: skip

    rows = few_voxels.table(found)

    assert "| 200 | 1 | AR(1) .4 | block | 0.050 (0.010) |" in rows
    assert "| 120 | 5 | all | block | 0.050 (0.005) |" in rows
