"""Published BIDS Stats Models: each is planned on a dataset that fits it, or refused in words."""

import json

import nibabel as nib
import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.io.outputs.names import node_label
from model_datasets import write_model_dataset

# Why models cannot be run, by a part of their file name.
REFUSED = {
    "ds000030__models": (65, "old draft"),
    "ds000114__models": (65, "old draft"),
    "ds000117__models": (65, "old draft"),
    "ds003481-verbs": (65, "[0.5, 0.5, 0.33, -1] for 3 conditions"),
    "interceptonlyrunlevel": (65, "'trial_type.parametric gain', which is not a column of X"),
    "prep_report_py": (65, "is for task 'task_name'"),
}
N_MODELS, N_PLANNED = 85, 79
N_PARTS = 6  # in which the models are planned, for processes to share
WHOLE = {  # one of each kind, from BOLD to the last node
    "ds003__model-001": 2,  # Run to two Dataset nodes: t by contrast, and F over contrasts
    "two_grp_by_age_interaction": 1,  # Factor and Product of participants.tsv
    "anova_2_by_4_cell_means": 1,  # a formula
    "narps": 3,  # three Dataset nodes, filters, C(group)
    "FaceRep_desc": 0,  # comparisons as inputs; ends at the run
    "ds000009-balloonanalogrisktask": 1,  # Copy, Replace, Assign of a reaction time
}


def _files(folder):
    return sorted(folder.rglob("*.json"))


def _refusal(file):
    """Return the exit code and the words with which a model is refused, or None."""
    return next((reason for part, reason in REFUSED.items() if part in file.name), None)


def test_public_models_are_as_many_as_the_documentation_says(real_data):
    files = _files(real_data("stats-models"))

    assert (len(files), sum(_refusal(file) is None for file in files)) == (N_MODELS, N_PLANNED)


@pytest.mark.parametrize("part", range(N_PARTS))
def test_every_public_model_is_planned_or_refused_with_its_reason(
    part, real_data, tmp_path, capsys
):
    for number, file in enumerate(_files(real_data("stats-models"))[part::N_PARTS]):
        content = json.loads(file.read_text())
        if "Steps" in content:
            content = {"Nodes": [{"Level": "Run", "Model": {"X": [1]}}]}
        if "prep_report_py" in file.name:
            content = {**content, "Input": {}}
        dataset = write_model_dataset(tmp_path / f"d{number}", content, n_subjects=8, n_runs=1)
        call = [str(dataset), str(tmp_path / "out"), "participant", "-m", str(file), "--dry-run"]
        code = main(call)
        shown = capsys.readouterr()
        refusal = _refusal(file)
        if refusal is None:
            assert code == 0, f"{file.name}: {shown.err}"
            assert "Nothing was fitted" in shown.out
        else:
            assert (code, refusal[1] in shown.err) == (refusal[0], True), shown.err


@pytest.mark.parametrize("part", WHOLE)
def test_one_public_model_of_each_kind_runs_to_maps(part, real_data, tmp_path, capsys):
    (file,) = [one for one in _files(real_data("stats-models")) if part in one.name]
    content = json.loads(file.read_text())
    n_subjects = 16 if "anova" in part else 6
    dataset = write_model_dataset(tmp_path / "bids", content, n_subjects=n_subjects, n_runs=1)
    out = tmp_path / "out"
    call = [str(dataset), str(out), "participant", "-m", str(file), "--noise-model", "ols"]
    assert main(call) == 0, capsys.readouterr().err
    datasets = [node for node in content["Nodes"] if node["Level"] == "Dataset"]
    assert len(datasets) == WHOLE[part]
    if datasets:
        assert main([str(dataset), str(out), "group"]) == 0, capsys.readouterr().err
    for node in datasets:
        folder = out / f"node-{node_label(node['Name'])}"
        maps = sorted(folder.rglob("*_stat-[tF]_statmap.nii.gz"))
        assert maps
        for path in maps:
            values = nib.load(path).get_fdata()
            assert np.isfinite(values).all()
            assert (values != 0).any()
