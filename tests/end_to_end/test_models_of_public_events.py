"""Published models with the events of the datasets that they were written for."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from awkward_datasets import rebuild
from boldglm.cli.main import main
from model_datasets import needs_of

N_RUNS = 8  # with confounds and preprocessed series
# Models by a part of their name; columns that the public copy of the events or participants lacks.
LACKING = {
    "mfx_model": "'RT'",
    "ds-005_type-test_model": "'RT'",
    "testnodummy": "'RT'",
    "interceptonly": "which is not a column of X",
    "2_grp_2lev": "'runnum'",
    "paired_difference": "'runnum'",
    "anova_2_by_4": "'fake_patient_grp'",
    "one_factor_4_lev": "'fake_patient_grp'",
    "two_by_two_bs_anova": "'fake_task_pres'",
}
DATASETS = {
    "ds003": (["ds003__model-001", "ds000003__models"], 2),
    "ds005": (["ds005__models", "ds0005_altered"], 6),
    "ds114": (["ds000114-"], 2),
}


def add_confounds(dataset, series, names):
    """Write fMRIPrep-like files of some runs, with columns of these names."""
    folder = dataset / "derivatives" / "fmriprep"
    folder.mkdir(parents=True)
    made = {"Name": "fMRIPrep", "BIDSVersion": "1.4.0", "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.1.0"}]}  # fmt: skip
    (folder / "dataset_description.json").write_text(json.dumps(made))
    rng = np.random.default_rng(1)
    for path in series:
        target = folder / path.relative_to(dataset).parent
        target.mkdir(parents=True, exist_ok=True)
        stem = path.name.replace("_bold.nii.gz", "")
        image = f"{stem}_space-MNI152NLin2009cAsym_desc-preproc_bold"
        shutil.copy(path, target / f"{image}.nii.gz")
        *_, n_scans = nib.load(path).shape
        step = float(nib.load(path).header.get_zooms()[3])
        (target / f"{image}.json").write_text(json.dumps({"RepetitionTime": step}))
        rows = np.cumsum(rng.normal(size=(n_scans, len(names))), axis=0)
        lines = ["\t".join(names), *("\t".join(f"{one:.5f}" for one in row) for row in rows)]
        table = target / f"{stem}_desc-confounds_timeseries.tsv"
        table.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("name", DATASETS)
def test_models_are_planned_on_real_events_or_say_what_those_lack(
    name, real_data, tmp_path, capsys
):
    parts, n_planned = DATASETS[name]
    folder = real_data("stats-models")
    files = [
        file
        for file in sorted(Path(folder).rglob("*.json"))
        if any(part in file.name for part in parts)
    ]
    dataset = tmp_path / "bids"
    series = rebuild(real_data("bids-events") / name, dataset)
    contents = [json.loads(file.read_text()) for file in files]
    needed = [one for content in contents for one in needs_of(content).confounds]
    if needed:
        chosen = series[:N_RUNS] if name != "ds114" else series
        add_confounds(dataset, chosen, list(dict.fromkeys(needed)))
    planned = 0
    for file in files:
        code = main([str(dataset), str(tmp_path / "out"), "participant", "-m", str(file),
                     "--dry-run"])  # fmt: skip
        shown = capsys.readouterr()
        lack = next((words for part, words in LACKING.items() if part in file.name), None)
        if lack is None:
            assert code == 0, f"{file.name}: {shown.err}"
            assert "volumes, one every" in shown.out
            planned += 1
        else:
            assert (code, lack in shown.err) == (65, True), shown.err
    assert planned == n_planned
