"""Examples, tables and figures of the documents are what the program gives; the site builds."""

import doctest
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from boldglm.io.outputs.names import REGION_COLUMNS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
BLOCKS = {
    path: re.findall(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for path in DOCUMENTS
}
SITE = ("sphinx", "myst_parser", "pydata_sphinx_theme", "numpydoc")
N_SCANS = 60
MOTION = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]


def in_repository(path):
    return path.relative_to(ROOT).as_posix()


def module_of(name):
    """Import one of the scripts beside the documents."""
    specification = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def write_run(path, rng):
    """Write a BOLD series, its events and its confounds beside one another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    image = nib.Nifti1Image(
        (1000 + 10 * rng.normal(size=(6, 6, 6, N_SCANS))).astype(np.float32), affine
    )
    image.header.set_zooms((3, 3, 3, 2))
    image.to_filename(f"{path}_bold.nii.gz")
    onsets = np.arange(9) * 12.0 + rng.uniform(2, 6, 9)
    events = {"onset": onsets, "duration": 2.0, "trial_type": ["faces", "houses", "faces"] * 3}
    pd.DataFrame(events).to_csv(f"{path}_events.tsv", sep="\t", index=False)
    motion = pd.DataFrame(rng.normal(size=(N_SCANS, 6)), columns=MOTION)
    motion.to_csv(f"{path}_confounds.tsv", sep="\t", index=False)


@pytest.fixture
def example_files(tmp_path, monkeypatch):
    """Go to a folder with the files that examples name: single runs, and a dataset."""
    rng = np.random.default_rng(8)
    for number in range(1, 7):
        label = f"sub-{number:02d}"
        for name in (label, f"{label}_run-1", f"{label}_run-2"):
            write_run(tmp_path / name, rng)
        run = tmp_path / "bids" / label / "func" / f"{label}_task-faces"
        write_run(run, rng)
        Path(f"{run}_confounds.tsv").unlink()
        Path(f"{run}_bold.json").write_text('{"RepetitionTime": 2, "TaskName": "faces"}')
    description = '{"Name": "examples", "BIDSVersion": "1.9.0"}'
    (tmp_path / "bids" / "dataset_description.json").write_text(description)
    for number in range(1, 3):
        label = f"sub-{number:02d}"
        table = tmp_path / f"OUTPUT_DIR/node-subject/{label}/func/{label}_desc-regions_table.tsv"
        table.parent.mkdir(parents=True)
        row = {"participant_id": label, **dict.fromkeys(REGION_COLUMNS, "n/a"), "name": "V1"}
        row |= {"contrast": "faces - houses", "effect": "0.5"}
        table.write_text("\t".join(row) + "\n" + "\t".join(map(str, row.values())) + "\n")
    shutil.copy(tmp_path / "sub-01_bold.nii.gz", tmp_path / "bold.nii.gz")
    shutil.copy(tmp_path / "sub-01_events.tsv", tmp_path / "events.tsv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if ">>>" in "".join(BLOCKS[path])], ids=in_repository
)
def test_examples_print_what_the_documents_show(path):
    outcome = doctest.testfile(
        str(path), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )

    assert outcome.failed == 0
    assert outcome.attempted > 0


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    "path",
    [path for path in DOCUMENTS if any(">>>" not in block for block in BLOCKS[path])],
    ids=in_repository,
)
def test_examples_with_files_run(path, example_files):
    before = {file for file in example_files.rglob("*") if file.is_file()}
    names = {}

    for block in BLOCKS[path]:
        if ">>>" not in block:
            exec(compile(block, in_repository(path), "exec"), names)

    if "report(" not in "".join(BLOCKS[path]):
        return
    written = {file for file in example_files.rglob("*") if file.is_file()} - before
    assert {file.name for file in written} >= {f"sub-0{number}.html" for number in range(1, 7)}


def test_the_table_of_public_names_is_that_of_the_packages():
    names = module_of("public_names")

    assert (DOCS / "api.md").read_text(encoding="utf-8") == names.api_page()
    assert all(public.summary for public in names.public_names())


def test_figures_show_the_numbers_of_today(tmp_path):
    with mpl.rc_context():
        figures = module_of("figures")
        figures.draw_all(tmp_path)

    for name, (compute, describe, _draw) in figures.FIGURES.items():
        stored = (DOCS / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        assert f"<dc:description>{describe(compute())}</dc:description>" in stored, name
        assert (tmp_path / f"{name}.svg").is_file()


def test_the_site_builds_without_a_warning(tmp_path):
    missing = [package for package in SITE if importlib.util.find_spec(package) is None]
    if missing:
        pytest.skip(f"the extra docs is not installed: no {', '.join(missing)}")
    source, site = tmp_path / "docs", tmp_path / "html"
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("api", "__pycache__"))

    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", source, site],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    page = (site / "explanations" / "correlated_regressors.html").read_text(encoding="utf-8")
    assert "orthogonalize_design" in page
    assert (site / "api" / "boldglm.glm.fit.html").is_file()
    loaded = re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["'](https?://[^"']+)""", page)
    assert loaded == []  # nothing comes from the network
