"""The field's own validators, and a real browser, on what is written."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bids.layout import BIDSLayout

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.demo.dataset import write_dataset

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A dataset without derivatives that is fitted fast."""
    return write_dataset(tmp_path_factory.mktemp("small") / "bids")


# Files in the folder of a node whose names are not in BIDS (statmap and design are proposed).
KINDS_WITHOUT_A_NAME = (
    "*_statmap.*",
    "*_design.*",
    "*_desc-correlation_matrix.tsv",
    "*_desc-trialcorrelation_matrix.*",
    "*_desc-clusters_table.*",
    "*_desc-mean_boldref.*",
    "*_desc-trials_events.*",
)


def issues(folder, severity="error"):
    """Codes and places of what the validator finds."""
    done = subprocess.run(
        [str(VALIDATOR), str(folder), "--format", "json"],
        check=False,
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout)["issues"]["issues"]
    return [(one["code"], one["location"]) for one in found if one["severity"] == severity]


def errors(folder):
    """Codes and places of the errors that the validator finds."""
    return issues(folder)


def test_the_demo_dataset_is_valid_bids(demo):
    assert errors(demo.folder / "bids") == []


@pytest.fixture(scope="module")
def derivatives(small, tmp_path_factory):
    """Results with every kind of file: more maps, single trials and permutations."""
    folder = tmp_path_factory.mktemp("every") / "out"
    more = [
        "--maps",
        "rsquared",
        "taskrsquared",
        "tsnr",
        "whiteness",
        "dof",
        "ar",
        "residuals",
        "fitted",
    ]
    assert main([str(small), str(folder), "participant", *more,
                 "--noise-model", "ar1", "--single-trials", "lss", "--figures"]) == 0  # fmt: skip
    assert (
        main(
            [
                str(small),
                str(folder),
                "group",
                "--permutations",
                "4",
                "--tfce",
                "--figures",
            ]
        )
        == 0
    )
    return folder


def test_the_derivatives_are_valid_with_their_bidsignore(derivatives):
    assert errors(derivatives) == []


def test_bidsignore_hides_what_bids_has_no_name_for_and_nothing_else(derivatives, tmp_path):
    patterns = [
        line
        for line in (derivatives / ".bidsignore").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert patterns == [
        "/sub-*.html", "/group.html", "/index.html", "/quality.*", "/sub-*/figures", "/group",
        "/models", "/node-*",
    ]  # fmt: skip
    folder = shutil.copytree(derivatives, tmp_path / "out")
    for pattern in patterns:
        matched = {path.relative_to(folder).as_posix() for path in folder.glob(pattern[1:])}
        others = [other for other in patterns if other != pattern]
        (folder / ".bidsignore").write_text("\n".join(others) + "\n")

        found = {place.strip("/") for _, place in errors(folder)}

        assert matched, pattern
        assert matched <= found, pattern  # each pattern is needed
        assert all(
            place in matched or place.startswith(tuple(f"{one}/" for one in matched))
            for place in found
        )


@pytest.mark.parametrize("node", ["run", "subject", "dataset"])
def test_what_has_a_bids_name_in_the_folder_of_a_node_is_valid(derivatives, tmp_path, node):
    folder = shutil.copytree(derivatives / f"node-{node}", tmp_path / node)
    shutil.copy(derivatives / "dataset_description.json", folder)
    (folder / ".bidsignore").write_text("\n".join([*KINDS_WITHOUT_A_NAME, ""]))

    assert errors(folder) == []
    (folder / ".bidsignore").unlink()
    hidden = {place.rpartition("/")[2] for code, place in errors(folder)}
    assert hidden
    assert not {name for name in hidden if name.endswith(("_mask.nii.gz", "_bold.nii.gz"))}


def sources(path):
    return map_metadata(path)["Sources"]


def test_every_source_of_a_map_is_an_image_or_table_that_exists(derivatives, small):
    folders = {"": derivatives, "raw": small}
    maps = list(derivatives.glob("node-*/**/*_stat-*_statmap.nii.gz"))
    maps += derivatives.glob("node-*/**/*_desc-brain_mask.nii.gz")
    assert len(maps) > 50
    for path in maps:
        assert sources(path), path
        for uri in sources(path):
            _, name, relative = uri.split(":", 2)
            assert (folders[name] / relative).is_file(), uri
            assert relative.endswith((".nii.gz", ".tsv")), uri


def test_a_group_map_names_the_effects_that_came_in(derivatives):
    stem = "task-cuetarget_contrast-cue_stat"
    assert sources(derivatives / f"node-dataset/{stem}-t_statmap.json") == [
        f"bids::node-subject/sub-{subject}/func/sub-{subject}_{stem}-effect_statmap.nii.gz"
        for subject in ("01", "02")
    ]
    run = "node-run/sub-01/func/sub-01_task-cuetarget"
    path = derivatives / f"node-subject/sub-01/func/sub-01_{stem}-z_statmap.json"
    assert set(sources(path)) >= {
        f"bids::{run}_run-{number}_contrast-cue_stat-{label}_statmap.nii.gz"
        for number in (1, 2)
        for label in ("effect", "variance")
    }


def test_pybids_reads_the_derivatives(demo):
    layout = BIDSLayout(
        demo.folder / "derivatives" / "boldglm", is_derivative=True, validate=False
    )

    assert layout.get_subjects() == [f"{number:02d}" for number in range(1, 11)]
    assert layout.get(suffix="statmap", subject="01", run=1, extension=".nii.gz")


def test_a_browser_shows_the_report_without_errors(demo, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no Chromium here")
    report = demo.folder / "derivatives" / "boldglm" / "sub-01.html"

    done = subprocess.run(
        [
            browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr", "--dump-dom", report.as_uri(),
        ],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert "Task cuetarget, run 2" in done.stdout
    assert "cue - target" in done.stdout
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
