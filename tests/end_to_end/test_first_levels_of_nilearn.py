"""`group --first-level`: maps that nilearn wrote, tested as nilearn itself tests them."""

import json
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import FirstLevelModel
from nilearn.glm.second_level import SecondLevelModel
from nilearn.interfaces.bids import save_glm_to_bids

from boldglm.cli.main import main

SUBJECTS = tuple(f"{number:02d}" for number in range(1, 9))
AFFINE = np.diag([3.0, 3, 3, 1])
PREFIX = "sub-{}_task-stop_space-MNI152NLin6Asym"
RUN = {"Level": "Run", "GroupBy": ["run", "session", "subject"], "Model": {"X": [1]}}
GROUPS = {
    "Level": "Dataset",
    "Name": "groups",
    "GroupBy": ["contrast"],
    "Model": {"X": ["group.a", "group.b", "age"]},
    "Transformations": {
        "Transformer": "pybids-transforms-v1",
        "Instructions": [{"Name": "Factor", "Input": ["group"]}],
    },
    "Contrasts": [
        {"Name": "difference", "ConditionList": ["group.a", "group.b"], "Weights": [1, -1]},
        {"Name": "age", "ConditionList": ["age"], "Weights": [1]},
    ],
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a folder with first levels of nilearn, and a dataset that has a table only."""
    root = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(3)
    mask = np.zeros((6, 7, 5), np.uint8)
    mask[1:5, 1:6, 1:4] = 1
    events = pd.DataFrame(
        {"onset": np.arange(0, 110, 20.0), "duration": 5.0, "trial_type": ["go", "stop"] * 3}
    )
    for label in SUBJECTS:
        bold = nib.Nifti1Image(rng.normal(100, 1, (*mask.shape, 60)).astype("f4"), AFFINE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = FirstLevelModel(
                2.0, mask_img=nib.Nifti1Image(mask, AFFINE), minimize_memory=False
            ).fit(bold, events)
            save_glm_to_bids(
                model,
                ["go - stop"],
                contrast_types={"go - stop": "t"},
                out_dir=root / "nilearn",
                prefix=PREFIX.format(label),
            )
    bids = root / "bids"
    bids.mkdir()
    (bids / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    covariates(root).to_csv(bids / "participants.tsv", sep="\t", index=False)
    return root


def covariates(root):
    ages = [23, 31, 28, 44, 39, 25, 36, 30]
    labels = [f"sub-{label}" for label in SUBJECTS]
    return pd.DataFrame({"participant_id": labels, "group": list("abbabaab"), "age": ages})


def effects(root, label=None):
    names = [f"sub-{one}" for one in SUBJECTS] if label is None else [label]
    return [path for name in names for path in (root / "nilearn" / name).glob("*stat-effect*")]


@pytest.fixture
def call(study, tmp_path, capsys):
    """Return a function that runs the group and returns exit code, output and errors."""

    def run(first_level, *options, model=None):
        if model is not None:
            file = tmp_path / "model_smdl.json"
            file.write_text(json.dumps(model))
            options = (*options, "-m", file)
        given = ["--first-level", first_level] if first_level else []
        where = [study / "bids", tmp_path / "out"]
        code = main([*map(str, where), "group", *map(str, [*given, *options])])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def group_map(out, node, name):
    (path,) = (out / f"node-{node}").glob(f"*{name}_statmap.nii.gz")
    return nib.load(path).get_fdata()


def assert_as_nilearn(ours, theirs):
    inside = ours != 0
    assert inside.sum() == 60
    np.testing.assert_allclose(ours[inside], theirs[inside], rtol=1e-5, atol=1e-6)


def test_one_sample_test_is_that_of_nilearn(study, call, tmp_path):
    code, shown, errors = call(study / "nilearn")

    assert code == 0, errors
    assert "1 result from 8 participants" in shown
    assert "effects are on the scale of the program that estimated them" in shown
    assert "no variance has degrees of freedom that are known" in shown
    theirs = SecondLevelModel().fit(
        [str(path) for path in effects(study)], design_matrix=pd.DataFrame({"intercept": [1] * 8})
    )
    for stat, kind in (("t", "stat"), ("z", "z_score"), ("effect", "effect_size")):
        map_of_nilearn = theirs.compute_contrast("intercept", output_type=kind).get_fdata()
        ours = group_map(tmp_path / "out", "dataset", f"contrast-goMinusStop_stat-{stat}")
        assert_as_nilearn(ours, map_of_nilearn)
    report = (tmp_path / "out/group.html").read_text()
    assert "had been estimated with other software" in report
    assert "autoregressive" not in report  # says nothing of a fit that boldglm did not do


def test_groups_and_a_covariate_are_those_of_nilearn(study, call, tmp_path):
    same_variance = {"boldglm": {"VarianceGroups": []}}
    node = {**GROUPS, "Model": {**GROUPS["Model"], "Software": same_variance}}
    model = {"Name": "two", "BIDSModelVersion": "1.0.0", "Nodes": [node]}
    code, _, errors = call(study / "nilearn", model=model)

    assert code == 0, errors
    table = covariates(study)
    design = pd.DataFrame(
        {"a": (table["group"] == "a") * 1.0, "b": (table["group"] == "b") * 1.0, "age": table.age}
    )
    theirs = SecondLevelModel().fit([str(path) for path in effects(study)], design_matrix=design)
    for name, weights in (("difference", [1, -1, 0]), ("age", [0, 0, 1])):
        map_of_nilearn = theirs.compute_contrast(np.array(weights), output_type="stat").get_fdata()
        path = f"contrast-goMinusStop{name.capitalize()}_stat-t"
        assert_as_nilearn(group_map(tmp_path / "out", "groups", path), map_of_nilearn)


def test_sources_are_named_and_unknown_things_are_not(study, call, tmp_path):
    call(study / "nilearn")

    out = tmp_path / "out"
    (record,) = (out / "node-firstLevel/sub-01/func").glob("*_statmap.json")
    content = json.loads(record.read_text())
    (contrast,) = content["Contrasts"].values()
    assert contrast["Sources"][0] == (
        f"bids:firstlevel:sub-01/{PREFIX.format('01')}_contrast-goMinusStop_stat-effect_statmap"
        ".nii.gz"
    )
    assert "DegreesOfFreedom" not in contrast
    assert "Design" not in content
    links = json.loads((out / "dataset_description.json").read_text())["DatasetLinks"]
    assert links["firstlevel"] == (study / "nilearn").as_uri()


def test_a_repeated_call_does_nothing_and_a_changed_map_is_seen(study, call, tmp_path):
    table = tmp_path / "maps.tsv"
    rows = [f"{label}\tgo\t{effects(study, f'sub-{label}')[0]}" for label in SUBJECTS]
    own = tmp_path / "changed.nii.gz"
    own.write_bytes(effects(study, "sub-08")[0].read_bytes())
    rows[-1] = "08\tgo\tchanged.nii.gz"
    table.write_text("\n".join(["subject\tcontrast\teffect", *rows]) + "\n")
    assert call(table)[0] == 0
    before = group_map(tmp_path / "out", "dataset", "contrast-go_stat-effect")

    assert "Nothing to do" in call(table)[1]
    assert "Nothing to do" in call(None)[1]  # of what is in the output folder
    image = nib.load(own)
    nib.save(nib.Nifti1Image(image.get_fdata() + 8.0, image.affine), own)
    code, shown, _ = call(table)

    assert code == 0
    assert "Nothing to do" not in shown
    after = group_map(tmp_path / "out", "dataset", "contrast-go_stat-effect")
    np.testing.assert_allclose((after - before)[before != 0], 1.0, atol=1e-5)


def test_a_participant_who_is_not_given_any_more_is_not_in_the_group(study, call, tmp_path):
    table = tmp_path / "maps.tsv"
    rows = [f"{label}\tgo\t{effects(study, f'sub-{label}')[0]}" for label in SUBJECTS]
    table.write_text("\n".join(["subject\tcontrast\teffect", *rows]))
    call(table)
    table.write_text("\n".join(["subject\tcontrast\teffect", *rows[:-1]]))
    code, shown, _ = call(table)

    assert code == 0
    assert "1 result from 7 participants" in shown
    assert "the copies of 1 first level in node-firstLevel were removed" in shown


def test_exclusions_and_selections_are_honored(study, call):
    shown = call(study / "nilearn", "--exclude", "sub-03", "--dry-run")[1]
    assert "7 inputs" in shown
    assert "sub-03: --exclude names it" in shown
    assert "2 inputs" in call(study / "nilearn", "--participant-label", "01", "02", "--dry-run")[1]


def test_a_dry_run_writes_nothing(study, call, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    code, shown, _ = call(study / "nilearn", "--dry-run")

    assert code == 0
    assert "8 inputs, columns intercept: goMinusStop (t)" in shown
    assert not (tmp_path / "out").exists()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("settings", "lacking"),
    [
        ({"Type": "meta"}, "fixed effects, which need variances"),
        ({"Software": {"boldglm": {"Estimator": "mixed"}}}, "mixed effects, which need variances"),
    ],
)
def test_methods_that_need_variances_are_refused_without(study, call, tmp_path, settings, lacking):
    rows = [f"{label}\tgo\t{effects(study, f'sub-{label}')[0]}" for label in SUBJECTS]
    table = write_table(tmp_path / "maps.tsv", rows)
    node = {"Level": "Dataset", "GroupBy": ["contrast"], "Model": {"X": [1], **settings}}
    node["DummyContrasts"] = {"Test": "t"}
    model = {"Name": "mean", "BIDSModelVersion": "1.0.0", "Nodes": [node]}
    code, _, errors = call(table, model=model)

    assert code == 65
    assert lacking in errors
    assert "8 inputs of --first-level have none: sub-01 (go), sub-02 (go), sub-03 (go)" in errors


def test_options_of_the_fit_are_refused(study, call):
    code, _, errors = call(study / "nilearn", "--noise-model", "ols")
    assert code == 2
    assert "Leave out --noise-model" in errors


def test_other_grids_are_refused_by_name(study, call, tmp_path):
    table = tmp_path / "maps.tsv"
    rows = [f"{label}\tgo\t{effects(study, f'sub-{label}')[0]}" for label in SUBJECTS]
    moved = nib.load(effects(study, "sub-08")[0])
    nib.save(nib.Nifti1Image(moved.get_fdata(), np.diag([2.0, 2, 2, 1])), tmp_path / "moved.nii")
    rows[-1] = "08\tgo\tmoved.nii"
    table.write_text("\n".join(["subject\tcontrast\teffect", *rows]))
    code, _, errors = call(table)

    assert code == 65
    assert "moved.nii" in errors
    assert "sub-01" in errors


def write_table(path, rows, columns="subject\tcontrast\teffect"):
    path.write_text("\n".join([columns, *rows]) + "\n")
    return path


def test_tasks_are_kept_apart(study, call, tmp_path):
    rows = [
        f"{label}\tgo\t{effects(study, f'sub-{label}')[0]}\t{task}"
        for task in ("faces", "stop")
        for label in SUBJECTS
    ]
    table = write_table(tmp_path / "maps.tsv", rows, "subject\tcontrast\teffect\ttask")
    code, shown, errors = call(table)

    assert code == 0, errors
    assert "2 results from 8 participants" in shown
    names = {path.name for path in (tmp_path / "out/node-dataset").glob("*stat-t_statmap.nii.gz")}
    assert names == {
        f"task-{task}_contrast-go_stat-t_statmap.nii.gz" for task in ("faces", "stop")
    }


def test_spaces_may_have_grids_of_their_own(study, call, tmp_path):
    rows = []
    for label in SUBJECTS:
        effect = effects(study, f"sub-{label}")[0]
        image = nib.load(effect)
        other = tmp_path / f"other-{label}.nii.gz"
        nib.save(nib.Nifti1Image(image.get_fdata(), np.diag([2.0, 2, 2, 1])), other)
        rows += [f"{label}\tgo\t{effect}\tMNI", f"{label}\tgo\t{other.name}\tColin"]
    table = write_table(tmp_path / "maps.tsv", rows, "subject\tcontrast\teffect\tspace")
    code, shown, errors = call(table)

    assert code == 0, errors
    assert "2 results from 8 participants" in shown
    first, second = (
        nib.load(
            tmp_path / "out/node-dataset" / f"space-{space}_contrast-go_stat-t_statmap.nii.gz"
        )
        for space in ("MNI", "Colin")
    )
    np.testing.assert_array_equal(first.get_fdata(), second.get_fdata())
    report = (tmp_path / "out/group.html").read_text()
    assert "8 participants (Colin)" in report
    assert "8 participants (MNI)" in report
    assert first.affine[0, 0] == 3
    assert second.affine[0, 0] == 2


def test_missing_participants_are_named_with_what_to_do(study, tmp_path, capsys):
    bids = tmp_path / "bids"
    (bids / "sub-09/func").mkdir(parents=True)
    (bids / "sub-09/func/sub-09_task-stop_bold.nii.gz").touch()
    out = tmp_path / "out"
    given = ["--first-level", str(study / "nilearn"), "--missing-participants", "error"]

    assert main([str(bids), str(out), "group", *given, "--dry-run"]) == 66
    assert "sub-09 has no finished results. Add their maps to --first-level" in (
        capsys.readouterr().err
    )
