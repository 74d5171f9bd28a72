"""The group level from the command line: designs, corrected p values, clusters, restarts."""

import itertools
import json
import re
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset
from boldglm.glm import (
    benjamini_hochberg,
    find_clusters,
    fit_second_level,
    grid_neighbors,
    permutation_test,
    permute_contrast,
)
from boldglm.io.files.checksums import checksum
from boldglm.io.outputs.records import record_files
from boldglm.vocabulary import PERMUTATION_SEED

N_SUBJECTS = 7
STEM = "task-cuetarget_contrast-cue"


@pytest.fixture(scope="module")
def fitted_once(tmp_path_factory):
    """Return a dataset of several participants with ages, and the folder of its fitted runs."""
    plan = DatasetPlan(n_subjects=N_SUBJECTS, n_runs=1, n_scans=60, shape=(10, 12, 8))
    folder = tmp_path_factory.mktemp("group")
    dataset = write_dataset(folder / "bids", plan)
    ages = np.linspace(20, 50, N_SUBJECTS).round(1)
    rows = [f"sub-{k + 1:02d}\t{age}\t{'fm'[k % 2]}" for k, age in enumerate(ages)]
    (dataset / "participants.tsv").write_text(
        "participant_id\tage\tsex\n" + "\n".join(rows) + "\n"
    )
    out = folder / "out"
    assert main([str(dataset), str(out), "participant", "--noise-model", "ols"]) == 0
    return dataset, out


@pytest.fixture
def fitted(fitted_once, tmp_path):
    """Return the dataset, and a copy of the folder of its fitted runs that the test may change."""
    dataset, out = fitted_once
    return dataset, shutil.copytree(out, tmp_path / "out")


def group_map(out, label, node="dataset", stem=STEM):
    return nib.load(out / f"node-{node}" / f"{stem}_stat-{label}_statmap.nii.gz").get_fdata()


def inputs_of(out, node="dataset"):
    """Return the effects of the participants (n, n_voxels), and the mask of the group."""
    mask = nib.load(out / f"node-{node}/task-cuetarget_desc-brain_mask.nii.gz").get_fdata() > 0
    paths = sorted(out.glob(f"node-subject/sub-*/func/sub-*_{STEM}_stat-effect_statmap.nii.gz"))
    return np.stack([nib.load(path).get_fdata()[mask] for path in paths]), mask


def forget_checksums(out):
    """Let the records of participants accept maps that a test has changed."""
    for path in out.glob("node-subject/sub-*/func/*_statmap.json"):
        content = json.loads(path.read_text())
        if "boldglm" in content:
            files = [out / name for name in content["boldglm"]["Files"]]
            content["boldglm"]["Checksums"] = [checksum(file) for file in files]
            path.write_text(json.dumps(content))


def clusters_of(out, node="dataset", stem=STEM):
    path = out / f"node-{node}" / f"{stem}_desc-clusters_table.tsv"
    return pd.read_csv(path, sep="\t", dtype={0: str})


def sides_of(out, label):
    path = out / "node-dataset" / f"{STEM}_stat-{label}_statmap.json"
    return map_metadata(path).get("Sides")


def change_model(out, change):
    path = out / "models" / "model-default_smdl.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_permutations_and_clusters_are_those_of_the_numerics(fitted):
    dataset, out = fitted
    call = [str(dataset), str(out), "group", "--permutations", "60", "--cluster-p", "0.01"]
    assert main([*call, "--tfce"]) == 0
    effects, mask = inputs_of(out)
    design = np.ones((N_SUBJECTS, 1))
    tested = fit_second_level(effects, design).contrast([1.0])
    threshold = 3.142668  # t of 6 degrees of freedom at .01
    neighbors = grid_neighbors(mask)
    found = permutation_test(
        effects, design, [1.0], 60, np.random.default_rng(PERMUTATION_SEED), neighbors=neighbors,
        cluster_threshold=threshold, tfce=True, two_sided=True,
    )  # fmt: skip
    np.testing.assert_allclose(group_map(out, "t")[mask], tested.t, rtol=1e-4)
    for label, p in (
        ("pFWE", found.p_max), ("pFWEextent", found.p_extent), ("pFWEmass", found.p_mass),
        ("pFWEtfce", found.p_tfce),
    ):  # fmt: skip
        np.testing.assert_allclose(group_map(out, label)[mask], p, atol=1e-6)
    table = pd.read_csv(
        out / "node-dataset" / f"{STEM}_desc-clusters_table.tsv", sep="\t", dtype={0: str}
    )
    _, extent, _ = find_clusters(tested.t, threshold, neighbors, two_sided=True)
    sizes = table["size"].dropna().to_numpy()
    np.testing.assert_allclose(sizes, np.sort(extent)[::-1])
    np.testing.assert_allclose(table["volume"].dropna(), sizes * 64)
    top = table.iloc[0]
    image = nib.load(out / "node-dataset" / f"{STEM}_stat-t_statmap.nii.gz")
    place = np.linalg.inv(image.affine) @ [top.x, top.y, top.z, 1]
    np.testing.assert_allclose(
        image.get_fdata()[tuple(place[:3].round().astype(int))], top.peak_t, rtol=1e-4
    )
    sidecar = map_metadata(out / "node-dataset" / f"{STEM}_stat-pFWE_statmap.json")
    assert (sidecar["Permutations"], sidecar["PermutationKind"]) == (60, "sign flips")
    assert sidecar["Inputs"][0].startswith("sub-01")
    assert "family-wise error" in (out / "group.html").read_text()


def run_records(out):
    """Return when each record of a run was written."""
    records = [path for path in record_files(out) if "node-run" in path.parts]
    return {path: path.stat().st_mtime_ns for path in records}


def test_q_values_are_always_written(fitted):
    dataset, out = fitted
    assert main([str(dataset), str(out), "group"]) == 0
    _, mask = inputs_of(out)
    q, p = group_map(out, "qFDR")[mask], group_map(out, "p")[mask]
    two_sided = 2 * np.minimum(p, 1 - p)
    np.testing.assert_allclose(q, benjamini_hochberg(two_sided), atol=1e-5)


def test_a_decrease_in_every_participant_is_found_and_named_unless_one_side_is_tested(fitted):
    dataset, out = fitted
    for path in out.glob(f"node-subject/sub-*/func/sub-*_{STEM}_stat-effect_statmap.nii.gz"):
        image = nib.load(path)
        effect = np.where(image.get_fdata() == 0, 0, -3 + 0.1 * image.get_fdata())
        path.unlink()  # it may be a link to the file of a run
        nib.save(nib.Nifti1Image(effect.astype(np.float32), image.affine, image.header), path)
    forget_checksums(out)
    call = [str(dataset), str(out), "group", "--permutations", "200"]
    assert main(call) == 0
    _, mask = inputs_of(out)
    assert group_map(out, "qFDR")[mask].max() < 0.01
    np.testing.assert_allclose(group_map(out, "pFWE")[mask].min(), 2 / 128, rtol=1e-6)
    table = clusters_of(out)
    assert (table["sign"] == "negative").all()
    assert (table["peak_t"] < 0).all()
    assert table["size"][0] == mask.sum()
    assert table["p_fwe_extent"][0] == 2 / 128
    table_sidecar = json.loads((out / f"node-dataset/{STEM}_desc-clusters_table.json").read_text())
    assert "p < 0.001 in each tail" in table_sidecar["Description"]
    assert "two-sided" in table_sidecar["Description"]
    assert {label: sides_of(out, label) for label in ("p", "qFDR", "pFWE", "t")} == {
        "p": "one", "qFDR": "two", "pFWE": "two", "t": None
    }  # fmt: skip
    report = (out / "group.html").read_text()
    assert "there are only 128 sign flips, so no p value is below 0.016" in report
    assert "Tests of t contrasts were two-sided" in report
    assert "two-sided; false discovery rate" in report

    assert main([*call, "--sides", "one"]) == 0
    assert group_map(out, "qFDR")[mask].min() > 0.99
    assert group_map(out, "pFWE")[mask].min() > 0.9
    assert clusters_of(out).empty
    assert sides_of(out, "pFWE") == "one"
    assert "Tests of t contrasts were one-sided" in (out / "group.html").read_text()


def test_a_covariate_of_participants_is_tested_without_refitting_any_run(fitted, tmp_path, capsys):
    dataset, out = fitted
    records = run_records(out)

    def add_age(content):
        node = content["Nodes"][2]
        node["Name"] = "byAge"
        node["Model"]["X"] = [1, "age"]
        demean = {"Name": "Demean", "Input": ["age"]}
        node["Transformations"] = {
            "Transformer": "pybids-transforms-v1", "Instructions": [demean]
        }  # fmt: skip

    change_model(out, add_age)
    assert main([str(dataset), str(out), "group", "--dry-run"]) == 0
    assert "columns intercept, age: " in capsys.readouterr().out
    assert main([str(dataset), str(out), "group"]) == 0
    effects, mask = inputs_of(out, "byAge")
    ages = np.linspace(20, 50, N_SUBJECTS).round(1)
    design = np.column_stack([np.ones(N_SUBJECTS), ages - ages.mean()])
    tested = fit_second_level(effects, design).contrast([0, 1.0])
    found = group_map(out, "t", "byAge", "task-cuetarget_contrast-cueAge")[mask]
    np.testing.assert_allclose(found, tested.t, rtol=2e-3, atol=1e-3)
    assert records == {path: path.stat().st_mtime_ns for path in records}


def test_mixed_effects_are_asked_for_in_the_model(fitted):
    dataset, out = fitted

    def mixed(content):
        content["Nodes"][2]["Name"] = "mixed"
        content["Nodes"][2]["Model"]["Software"] = {"boldglm": {"Estimator": "mixed"}}

    change_model(out, mixed)
    assert main([str(dataset), str(out), "group", "--permutations", "60"]) == 0
    effects, mask = inputs_of(out, "mixed")
    paths = sorted(out.glob(f"node-subject/sub-*/func/sub-*_{STEM}_stat-variance_statmap.nii.gz"))
    variances = np.stack([nib.load(path).get_fdata()[mask] for path in paths])
    mixed_fit = fit_second_level(
        effects, np.ones((N_SUBJECTS, 1)), variances=variances, dofs=np.full(N_SUBJECTS, 40.0),
        method="mixed",
    )  # fmt: skip
    tested = mixed_fit.contrast([1.0])
    np.testing.assert_allclose(group_map(out, "t", "mixed")[mask], tested.t, rtol=1e-3, atol=1e-3)
    assert "restricted maximum likelihood" in (out / "group.html").read_text()
    permuted = permute_contrast(
        mixed_fit, [1.0], 60, np.random.default_rng(PERMUTATION_SEED), two_sided=True,
        neighbors=grid_neighbors(mask), cluster_p=0.001,
    )  # fmt: skip
    for label, p in (("pFWE", permuted.p_max), ("pFWEmass", permuted.p_mass)):
        np.testing.assert_allclose(group_map(out, label, "mixed")[mask], p, atol=0.02)
    # the largest z of the map has the smallest p of the permutation test
    highest = np.abs(group_map(out, "z", "mixed")[mask]).argmax()
    p = group_map(out, "pFWE", "mixed")[mask]
    assert p[highest] == p.min()
    _, extents, _ = find_clusters(tested.z, 3.090232, grid_neighbors(mask), two_sided=True)
    found = clusters_of(out, "mixed")["size"].dropna()
    assert abs(len(found) - len(extents)) <= 1  # maps are float32
    assert abs(found.max() - max(extents)) <= 1


def test_the_subject_level_starts_from_what_is_on_disk(fitted):
    dataset, out = fitted
    first = out / "node-subject/sub-01/func/sub-01_task-cuetarget_statmap.json"
    first.unlink()
    runs = run_records(out)
    assert main([str(dataset), str(out), "subject"]) == 0
    assert first.is_file()
    assert runs == {path: path.stat().st_mtime_ns for path in runs}


def test_an_impossible_cluster_threshold_is_a_usage_error(fitted, capsys):
    dataset, out = fitted
    assert main([str(dataset), str(out), "group", "--cluster-p", "0.7"]) == 2
    assert main([str(dataset), str(out), "group", "--tfce"]) == 2
    assert "--tfce needs --permutations" in capsys.readouterr().err


def test_voxels_that_a_participant_lacks_are_tested_with_the_others(tmp_path):
    plan = DatasetPlan(n_subjects=11, n_runs=1, n_scans=40, shape=(8, 9, 6))
    dataset = write_dataset(tmp_path / "bids", replace(plan, seed=5))
    path = dataset / "sub-03/func/sub-03_task-cuetarget_run-1_bold.nii.gz"
    image = nib.load(path)
    values = np.asanyarray(image.dataobj).copy()
    values[4:, :, 3] = 0
    nib.save(nib.Nifti1Image(values, image.affine, image.header), path)
    out = tmp_path / "out"
    assert main([str(dataset), str(out), "participant", "--noise-model", "ols"]) == 0
    assert main([str(dataset), str(out), "group"]) == 0
    dof = group_map(out, "dof")
    assert {9, 10} <= set(dof[dof > 0].astype(int))
    assert "were fitted with the inputs that have them" in (out / "group.html").read_text()


def compare_sexes(options):
    def change(content):
        node = content["Nodes"][2]
        node["Name"] = "bySex"
        node["Model"] |= {"X": ["sex"], "Software": {"boldglm": options}}
        node.pop("DummyContrasts", None)
        node["Contrasts"] = [
            {"Name": "diff", "ConditionList": ["sex.f", "sex.m"], "Weights": [1, -1], "Test": "t"}
        ]

    return change


@pytest.mark.parametrize("options", [{}, {"VarianceGroups": []}])
def test_groups_are_compared_with_variances_of_their_own_unless_one_is_asked_for(fitted, options):
    dataset, out = fitted
    change_model(out, compare_sexes(options))
    assert main([str(dataset), str(out), "group", "--permutations", "40"]) == 0
    effects, mask = inputs_of(out, "bySex")
    stem = "task-cuetarget_contrast-cueDiff"
    is_male = np.arange(N_SUBJECTS) % 2 == 1  # written as f, m, f, ...
    design = np.column_stack([~is_male, is_male]).astype(float)
    groups = None if options else is_male
    fit = fit_second_level(effects, design, variance_groups=groups)
    tested = fit.contrast([1.0, -1.0])
    np.testing.assert_allclose(group_map(out, "t", "bySex", stem)[mask], tested.t, rtol=2e-3)
    permuted = permute_contrast(
        fit, [1.0, -1.0], 40, np.random.default_rng(PERMUTATION_SEED), two_sided=True
    )
    p = group_map(out, "pFWE", "bySex", stem)[mask]
    np.testing.assert_allclose(p, permuted.p_max, atol=0.03)
    content = map_metadata(out / f"node-bySex/{stem}_stat-t_statmap.json")
    report = (out / "group.html").read_text()
    if options:
        assert "VarianceGroups" not in content
        assert content["PermutationKind"] == "permutations"
        assert "Johansen" not in report
        return
    np.testing.assert_allclose(group_map(out, "dof", "bySex", stem)[mask], tested.dof, rtol=1e-2)
    assert content["VarianceGroups"] == ["sex.m" if male else "sex.f" for male in is_male]
    assert (content["PermutationKind"], content["PermutedStatistic"]) == ("sign flips", "z")
    assert "variances of groups: sex.f (4), sex.m (3)" in report
    assert "as in the tests of Welch and James (Johansen, 1980)" in report
    assert content["Variance"].startswith("of each group, their ratio pooled over voxels")


def test_a_variance_group_that_is_too_small_is_refused_before_any_fit(fitted, capsys):
    dataset, out = fitted
    change_model(out, compare_sexes({"VarianceGroups": "age"}))
    assert main([str(dataset), str(out), "group"]) == 65
    assert "the group 'age 20.0' has 1 inputs, too few for a variance" in capsys.readouterr().err
    change_model(out, compare_sexes({"VarianceGroups": 3}))
    assert main([str(dataset), str(out), "group"]) == 65
    assert "VarianceGroups: found 3. Give the name of a column" in capsys.readouterr().err


def test_two_contrasts_of_each_participant_are_compared_as_pairs(fitted):
    dataset, out = fitted

    def both(content):
        node = content["Nodes"][2]
        node["Name"] = "pairs"
        node["GroupBy"] = []
        node["Model"] |= {"X": ["cue", "target"]}
        del node["DummyContrasts"]
        node["Contrasts"] = [
            {"Name": "diff", "ConditionList": ["cue", "target"], "Weights": [1, -1], "Test": "t"}
        ]
        content["Edges"] = [
            {"Source": "run", "Destination": "subject"},
            {"Source": "subject", "Destination": "pairs",
             "Filter": {"contrast": ["cue", "target"]}},
        ]  # fmt: skip

    change_model(out, both)
    assert main([str(dataset), str(out), "group", "--permutations", "200"]) == 0
    cue, mask = inputs_of(out, "pairs")
    paths = sorted(
        out.glob("node-subject/sub-*/func/*_contrast-target_stat-effect_statmap.nii.gz")
    )
    target = np.stack([nib.load(path).get_fdata()[mask] for path in paths])
    paired = fit_second_level(cue - target, np.ones((N_SUBJECTS, 1))).contrast([1.0])
    stem = "task-cuetarget_contrast-diff"
    np.testing.assert_allclose(
        group_map(out, "t", "pairs", stem)[mask], paired.t, rtol=2e-3, atol=1e-3
    )
    permuted = permutation_test(
        cue - target, np.ones((N_SUBJECTS, 1)), [1.0], 200,
        np.random.default_rng(PERMUTATION_SEED), two_sided=True,
    )  # fmt: skip
    p = group_map(out, "pFWE", "pairs", stem)[mask]
    np.testing.assert_allclose(p, permuted.p_max, atol=0.02)
    report = (out / "group.html").read_text()
    assert "14 inputs of 7 participants: variances robust" in report
    assert "participants were permuted as wholes" in report
    content = map_metadata(out / f"node-pairs/{stem}_stat-pFWE_statmap.json")
    assert content["ExchangeabilityBlocks"][:3] == ["sub-01", "sub-01", "sub-02"]
    assert content["Variance"] == "robust to dependence within blocks (CR2)"


def any_of_two_columns(content):
    """Test the mean and the slope over age together, at the node of the dataset."""
    node = content["Nodes"][2]
    node["Name"] = "byAge"
    node["Model"] |= {"X": [1, "age"], "Software": {"boldglm": {"VarianceGroups": []}}}
    demean = {"Name": "Demean", "Input": ["age"]}
    node["Transformations"] = {"Transformer": "pybids-transforms-v1", "Instructions": [demean]}
    node.pop("DummyContrasts", None)
    node["Contrasts"] = [
        {"Name": "any", "ConditionList": ["intercept", "age"], "Weights": [[1, 0], [0, 1]],
         "Test": "F"}
    ]  # fmt: skip


def test_f_over_participants_has_q_values_and_permutations_of_f_by_brute_force(fitted):
    dataset, out = fitted
    change_model(out, any_of_two_columns)
    call = [str(dataset), str(out), "group", "--permutations", "500", "--cluster-p", "0.05"]

    assert main(call) == 0

    effects, mask = inputs_of(out, "byAge")
    ages = np.linspace(20, 50, N_SUBJECTS).round(1)
    design = np.column_stack([np.ones(N_SUBJECTS), ages - ages.mean()])
    hat = design @ np.linalg.pinv(design)

    def f_of(y):
        explained, rest = hat @ y, y - hat @ y
        return (explained**2).sum(axis=0) / 2 / ((rest**2).sum(axis=0) / (N_SUBJECTS - 2))

    flips = [np.array(signs)[:, None] for signs in itertools.product([1, -1], repeat=N_SUBJECTS)]
    observed, permuted = f_of(effects), [f_of(flip * effects) for flip in flips]
    largest = np.array([values.max() for values in permuted])
    stem = "task-cuetarget_contrast-cueAny"
    np.testing.assert_allclose(group_map(out, "F", "byAge", stem)[mask], observed, rtol=1e-3)
    expected = (largest[:, None] >= observed * (1 - 1e-9)).mean(axis=0)
    np.testing.assert_allclose(group_map(out, "pFWE", "byAge", stem)[mask], expected, atol=1e-6)
    q = benjamini_hochberg(stats.f.sf(observed, 2, N_SUBJECTS - 2))
    np.testing.assert_allclose(group_map(out, "qFDR", "byAge", stem)[mask], q, rtol=1e-2)
    threshold = stats.f.isf(0.05, 2, N_SUBJECTS - 2)
    neighbors = grid_neighbors(mask)
    extents = [
        find_clusters(values, threshold, neighbors)[1].max(initial=0) for values in permuted
    ]
    table = clusters_of(out, "byAge", stem)
    top = table.dropna(subset=["size"]).iloc[0]
    assert top.p_fwe_extent == pytest.approx(np.mean(np.array(extents) >= top["size"]))
    assert "peak_F" in table
    assert not {"peak_t", "sign"} & set(table)
    sidecar = map_metadata(out / f"node-byAge/{stem}_stat-pFWE_statmap.json")
    assert sidecar["PermutedStatistic"] == "F"
    assert sidecar["PermutationsAreAll"]
    assert sidecar["VoxelsNotPermuted"] == 0
    assert "Sides" not in sidecar
    report = (out / "group.html").read_text()
    assert (
        "Number of voxels with q or corrected p below .05, and the smallest value of all."
        in report
    )
    assert re.search(r"<td[^>]*>\s*[\d,]+ \(smallest 0\.\d+\)", report)
