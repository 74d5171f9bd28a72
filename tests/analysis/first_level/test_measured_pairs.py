"""Estimates of correlated regressors over voxels, as records keep them."""

import numpy as np
import pytest

from boldglm.analysis.first_level.measured_pairs import (
    explained_pairs,
    measure_pair,
    requested_pair,
)
from boldglm.glm import Design, fit
from boldglm.io.outputs.measured_pairs import MeasuredPair

N_SCANS = 30
NAMES = ("trial_type.a", "trial_type.b", "trial_type.none", "constant")


def make_design():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, N_SCANS))
    columns = np.column_stack([a, 0.7 * a + 0.7 * b, np.zeros(N_SCANS), np.ones(N_SCANS)])
    roles = ("condition",) * 3 + ("constant",)
    return Design(columns, NAMES, np.arange(N_SCANS) * 2.0, roles)


def measured(bold, design, noise="ols", scale=1.0):
    [pair] = explained_pairs(design)
    fitted = fit(bold, design, noise=noise)
    return measure_pair(fitted, np.full(bold.shape[1], scale), design, pair)


@pytest.mark.parametrize("n_alike", [1, 1246, 1250, 1267, 1335, 1350, 19_999])
def test_densities_can_be_read_however_many_voxels_are_alike(n_alike):
    """9 log(n) / log(n) is above 9 for some n, by the last bit."""
    design = make_design()
    one = design.matrix @ [1.0, 2.0, 0, 100] + 0.1 * np.random.default_rng(2).normal(size=N_SCANS)
    other = design.matrix @ [-1.0, 0.5, 0, 100] + np.linspace(0, 0.1, N_SCANS) ** 2
    found = measured(np.column_stack([*[one] * n_alike, other]), design)

    assert MeasuredPair.from_dict(found.to_dict()) == found
    for density in found.densities:
        digits = np.array([list(row) for row in density.rows]).astype(int)
        assert digits.shape == (44, 44)
        assert digits.max() == 9


def test_a_density_has_its_axes_where_they_are_said():
    design = make_design()
    rng = np.random.default_rng(3)
    heights = np.stack([rng.uniform(1, 2, 500), rng.uniform(-4, -3, 500)])  # of a and b
    bold = 100 + design.matrix[:, :2] @ heights + 0.01 * rng.normal(size=(N_SCANS, 500))
    found = measured(bold, design, scale=2.0)

    density = next(one for one in found.densities
                   if (one.across, one.up) == (("first", "both"), ("second", "both")))  # fmt: skip
    rows, columns = np.nonzero([[digit != "0" for digit in row] for row in density.rows])
    places = np.linspace(found.limit, -found.limit, 45)
    up = (places[rows] + places[rows + 1]) / 2
    across = -(places[columns] + places[columns + 1]) / 2
    assert 1.8 < across.min() < across.max() < 4.2  # a bin is .36 wide
    assert -8.2 < up.min() < up.max() < -5.8
    assert found.spread["first", "both"][0] == pytest.approx(2 * heights[0].std(), rel=0.01)


def test_voxels_without_variance_are_left_out():
    design = make_design()
    bold = 100 + np.random.default_rng(4).normal(size=(N_SCANS, 20))
    bold[:, :5] = 100

    assert measured(bold, design).n_voxels == 15
    nothing = measured(np.full((N_SCANS, 3), 100.0), design)
    assert nothing.reason == "no voxel has an estimate"
    assert nothing.densities == ()


def test_what_the_design_does_not_determine_is_refused():
    with pytest.raises(ValueError, match="does not determine none and a, because other columns"):
        requested_pair(make_design(), "a ~ none")


def test_a_derivative_that_is_not_determined_is_said():
    plain = make_design()
    rng = np.random.default_rng(5)
    slopes = rng.normal(size=(N_SCANS, 2))
    columns = np.column_stack([plain.matrix[:, :2], slopes, slopes[:, 1] * 2, np.ones(N_SCANS)])
    names = ("a", "b", "a_derivative", "b_derivative", "motion", "constant")
    design = Design(
        columns, names, plain.frame_times,
        ("condition",) * 4 + ("confound", "constant"), ("a", "b", "a", "b", "", ""),
    )  # fmt: skip
    found = measured(100 + rng.normal(size=(N_SCANS, 20)), design)

    assert found.pair.second_columns == ("b", "b_derivative")
    assert found.reason == "the design does not determine all of their columns"


@pytest.mark.parametrize("noise", ["auto", "ols", "ar1", "ar2"])
def test_regressors_that_are_the_same_but_for_rounding_are_not_compared(noise):
    plain = make_design()
    matrix = plain.matrix.copy()
    matrix[:, 1] = matrix[:, 0] + 1e-7 * matrix[:, 1]
    design = Design(matrix[:, [0, 1, 3]], ("a", "b", "constant"), plain.frame_times,
                    ("condition", "condition", "constant"))  # fmt: skip
    bold = 100 + np.random.default_rng(6).normal(size=(N_SCANS, 20))

    assert measured(bold, design, noise).reason == "the two are the same but for rounding"
