"""The models of the guides run from the command line, and give what the pages say."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset
from fake_fmriprep import write_fmriprep

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


def json_blocks(page):
    text = (GUIDES / page).read_text(encoding="utf-8")
    return re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


BLOCKS = json_blocks("group.md")
FAST = ("--noise-model", "ols", "--no-report", "--conditions", "cue", "--contrast", "cue")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Return a dataset of six participants in two groups, scanned before and after."""
    plan = DatasetPlan(n_subjects=6, n_scans=60, shape=(6, 6, 5))
    bids = write_dataset(tmp_path_factory.mktemp("worked") / "bids", plan)
    for path in sorted(bids.glob("sub-*/func/*_run-*")):
        subject = path.name.split("_")[0]
        session = "ses-pre" if "run-1" in path.name else "ses-post"
        folder = bids / subject / session / "func"
        folder.mkdir(parents=True, exist_ok=True)
        name = path.name.replace(subject, f"{subject}_{session}")
        path.rename(folder / re.sub(r"_run-\d", "", name))
    for folder in bids.glob("sub-*/func"):
        folder.rmdir()
    people = [f"sub-0{number}" for number in range(1, 7)]
    groups, ages = ["younger", "older"] * 3, [25, 71, 28, 66, 22, 75]
    table = pd.DataFrame({"participant_id": people, "group": groups, "age": ages})
    table.to_csv(bids / "participants.tsv", sep="\t", index=False)
    return bids


@pytest.fixture(scope="module")
def first_levels(sessions):
    """Fit the default model of one condition; return its folder and its content."""
    out = sessions.parent / "out"
    assert main([str(sessions), str(out), "participant", *FAST]) == 0
    return out, json.loads((out / "models" / "model-default_smdl.json").read_text())


def saved(folder, content, *nodes):
    """Write the default model with other nodes; return the path."""
    levels = {node["Level"]: node for node in (*content["Nodes"], *nodes)}
    if "Session" in levels:
        del levels["Subject"]
    order = [levels[name] for name in ("Run", "Session", "Subject", "Dataset") if name in levels]
    path = folder / "worked_smdl.json"
    path.write_text(json.dumps({**content, "Name": nodes[0]["Name"], "Nodes": order}))
    return str(path)


@pytest.mark.parametrize(
    ("block", "contrasts"),
    [(0, {"cueMean", "cueAge"}), (1, {"cueYoungerMinusOlder", "cueMeanOfGroups"})],
)
def test_covariates_and_groups_need_no_refit(block, contrasts, sessions, first_levels, tmp_path):
    out, content = first_levels
    node = json.loads(BLOCKS[block])
    before = {path: path.stat().st_mtime_ns for path in out.glob("node-run/**/*.nii.gz")}

    assert main([str(sessions), str(out), "group", "-m", saved(tmp_path, content, node)]) == 0

    written = (out / f"node-{node['Name']}").glob("*_stat-t_statmap.nii.gz")
    assert {re.search("contrast-([^_]+)", path.name)[1] for path in written} == contrasts
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.parametrize(("block", "dof"), [(2, 5), (3, 5)])
def test_change_over_sessions(block, dof, sessions, first_levels, tmp_path):
    _, content = first_levels
    nodes = json.loads(BLOCKS[block])
    nodes = nodes if isinstance(nodes, list) else [nodes]
    out, model = tmp_path / "out", saved(tmp_path, content, *nodes)
    assert main([str(sessions), str(out), "participant", "-m", model, "--no-report"]) == 0

    assert main([str(sessions), str(out), "group"]) == 0

    names = {node["Level"]: node["Name"] for node in json.loads(Path(model).read_text())["Nodes"]}
    (change,) = (out / f"node-{names['Dataset']}").glob("*_stat-t_statmap.nii.gz")
    assert "contrast-cuePostMinusPre" in change.name
    record = next((out / f"node-{names['Dataset']}").glob("*_statmap.json"))
    assert f'"DegreesOfFreedom": {dof}' in record.read_text()


def test_the_complete_model_goes_from_runs_to_the_group(tmp_path):
    bids = write_dataset(tmp_path / "bids", DatasetPlan(n_subjects=3, n_scans=60, shape=(6, 6, 5)))
    write_fmriprep(bids)
    (text,) = json_blocks("model_files.md")
    model, out = tmp_path / "cuetarget_smdl.json", tmp_path / "out"
    model.write_text(text)
    call = [str(bids), str(out), "participant", "-m", str(model)]
    assert main([*call, "--noise-model", "ols", "--no-report"]) == 0

    assert main([str(bids), str(out), "group"]) == 0

    written = (out / "node-dataset").glob("*_stat-t_statmap.nii.gz")
    names = {re.search("contrast-([^_]+)", path.name)[1] for path in written}
    assert names == {"trialTypeCue", "trialTypeTarget", "targetMinusCue"}


def test_the_page_has_the_models_that_are_tested():
    assert len(BLOCKS) == 4
