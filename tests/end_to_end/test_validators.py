"""The field's own validators, and a real browser, on what is written."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bids.layout import BIDSLayout

from boldglm.cli.main import main

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What `boldglm demo` writes."""
    folder = tmp_path_factory.mktemp("demo")
    assert main(["demo", str(folder)]) == 0
    return folder


def errors(folder):
    """Codes and places of the errors that the validator finds."""
    done = subprocess.run(
        [str(VALIDATOR), str(folder), "--format", "json", "--ignoreWarnings"],
        check=False,
        capture_output=True,
        text=True,
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    return [(one["code"], one["location"]) for one in issues if one["severity"] == "error"]


def test_the_demo_dataset_is_valid_bids(demo):
    assert errors(demo / "bids") == []


def test_the_derivatives_are_valid_with_their_bidsignore(demo):
    assert errors(demo / "derivatives" / "boldglm") == []


def test_pybids_reads_the_derivatives(demo):
    layout = BIDSLayout(demo / "derivatives" / "boldglm", is_derivative=True, validate=False)

    assert layout.get_subjects() == ["01", "02"]
    assert layout.get(suffix="statmap", subject="01", run=1, extension=".nii.gz")


def test_a_browser_shows_the_report_without_errors(demo, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no Chromium here")
    report = demo / "derivatives" / "boldglm" / "sub-01.html"

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
