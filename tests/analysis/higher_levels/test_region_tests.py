"""Regions above the run: inputs that lack some, permutations, and groups with variances."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from boldglm.analysis.higher_levels.group_inference import Inference
from boldglm.analysis.higher_levels.region_tests import InputRegions, RegionTests
from boldglm.glm import fit_second_level
from boldglm.io.bids.atlas import Atlas, Regions
from boldglm.io.outputs.records import ContrastMaps, NodeResult
from boldglm.io.outputs.region_tables import RegionTable
from boldglm.stats_model.specification import ContrastSpec

N_INPUTS, INDICES = 10, (2, 5, 9)
MEAN = ContrastSpec("mean", ("intercept",), ((1.0,),), "t")


@pytest.fixture
def effects():
    """Return effects of three regions; one input lacks the second, four the third."""
    values = np.random.default_rng(4).normal([0.9, 0.1, 0.5], 1, (N_INPUTS, 3))
    values[3, 1] = values[:4, 2] = np.nan
    return values


def given(effects) -> InputRegions:
    atlas = Atlas(Path("a_dseg.nii.gz"), None, "a", "")
    sizes = np.array([4, 4, 4])
    regions = Regions(atlas, INDICES, ("A", "B", "C"), np.repeat(np.arange(3), 4), sizes)
    tables = []
    for number, row in enumerate(effects):
        # in another order, with a region that the atlas of the node does not have
        places, labels = [2, 0, 1], (9, 2, 5, 77)
        known = {"effect": np.append(row[places], 1.0)}
        known["variance"] = np.where(np.isnan(known["effect"]), np.nan, 1 + number / 10)
        known["dof"] = np.where(np.isnan(known["effect"]), np.nan, 40.0)
        shares = dict.fromkeys(labels, 0.5 + number / 100)
        names = dict.fromkeys(labels, "x")
        tables.append(RegionTable((), names, shares, {"go": known}))
    return InputRegions(regions, tuple(tables))


def values_of(effects, inference=None, **options):
    tests = RegionTests(given(effects), inference)
    inputs = [(k, ContrastMaps("go", "t", {}, 40.0, 1, {})) for k in range(N_INPUTS)]
    options = {"method": "ols", "coverage": 0.9, "names": ("intercept",), **options}
    notices = tests.add(inputs, np.ones((N_INPUTS, 1)), [MEAN], **options)
    (values,) = tests.values
    return values.values, notices


def test_a_region_needs_the_share_of_inputs_that_a_voxel_needs(effects):
    values, _ = values_of(effects)
    expected = [stats.ttest_1samp(row[np.isfinite(row)], 0) for row in effects.T[:2]]
    np.testing.assert_allclose(values["t"][:2], [each.statistic for each in expected])
    np.testing.assert_allclose(values["p"][:2], [each.pvalue for each in expected])
    assert np.isnan(values["t"][2])
    assert values["inputs"].tolist() == [10, 9, 0]
    assert "q_fdr" not in values


def test_permutations_are_of_regions_that_all_inputs_have(effects):
    values, notices = values_of(effects, Inference(permutations=200))
    assert np.isfinite(values["p_fwe"]).tolist() == [True, False, False]
    assert np.isfinite(values["q_fdr"]).tolist() == [True, True, False]
    text = "1 of 2 regions from the permutation test of 'mean': some inputs lack them"
    assert [notice.text for notice in notices] == [text]


def test_one_sided_p_values_are_of_the_upper_tail(effects):
    values, _ = values_of(effects, Inference(sides="one"))
    expected = stats.ttest_1samp(effects[:, 0], 0, alternative="greater").pvalue
    assert values["p"][0] == pytest.approx(expected)


def test_fixed_effects_use_the_variances_of_the_regions(effects):
    values, _ = values_of(effects, method="fixed", coverage=1.0)
    variances = np.full((N_INPUTS, 1), 1 + np.arange(N_INPUTS)[:, np.newaxis] / 10)
    expected = fit_second_level(
        effects[:, :1],
        np.ones((N_INPUTS, 1)),
        variances=variances,
        dofs=np.full((N_INPUTS, 1), 40.0),
        method="fixed",
    ).contrast([1.0])
    assert values["effect"][0] == pytest.approx(expected.effect[0])
    assert values["t"][0] == pytest.approx(expected.t[0])
    assert np.isnan(values["t"][1:]).all()


def test_without_any_complete_region_the_table_has_rows_and_a_note(effects):
    values, notices = values_of(np.full_like(effects, np.nan))
    assert values == {}
    assert [notice.text for notice in notices] == ["no region has enough inputs to be tested"]


def test_coverage_is_the_smallest_of_the_inputs(effects):
    np.testing.assert_allclose(given(effects).coverage(), 0.5)


def test_other_estimators_than_least_squares_need_the_tables(tmp_path):
    regions = given(np.ones((N_INPUTS, 3))).regions
    result = NodeResult(tmp_path / "mask.nii.gz", tmp_path / "mean.nii.gz", ())
    found, (notice,) = InputRegions.of(regions, [result], ["sub-01"], None, "mixed")
    assert found is None
    assert notice.kind == "exclusion"
    assert "have no tables of the regions of the atlas a" in notice.text
    assert "their variances are needed" in notice.text
