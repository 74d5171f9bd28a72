"""Collinearity: the textbook's standard errors, regression by hand, what is not estimable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boldglm.glm.design.collinearity import collinearity
from boldglm.glm.design.design_matrix import build_design
from boldglm.glm.design.hrf import textbook_hrf
from boldglm.glm.design.orthogonalize import orthogonalize


def textbook_columns():
    times = np.arange(0, 30, 2)
    first, second = textbook_hrf(times), textbook_hrf(times - 2)
    return first - first.mean(), second - second.mean(), np.ones(times.size)


def r_squared(x, others):
    x = x - x.mean()
    residual = x - others @ np.linalg.lstsq(others, x, rcond=None)[0]
    return 1 - residual @ residual / (x @ x)


def test_the_textbook_predicts_these_standard_errors():
    # "Correlated regressors": printed 1.485 alone, 2.0861 and 2.0865 together
    first, second, constant = textbook_columns()

    alone = collinearity(np.column_stack([first, constant]), {"first": [1, 0]})
    both = collinearity(
        np.column_stack([first, second, constant]), {"first": [1, 0, 0], "second": [0, 1, 0]}
    )

    np.testing.assert_allclose(alone.predicted_standard_error["first"], 1.485, atol=5e-4)
    np.testing.assert_allclose(both.predicted_standard_error["first"], 2.0861, atol=5e-5)
    np.testing.assert_allclose(both.predicted_standard_error["second"], 2.0865, atol=5e-5)
    np.testing.assert_allclose(both.correlations[0, 1], 0.7023, atol=5e-5)


def test_orthogonalizing_gives_the_first_its_standard_error_alone_as_printed():
    first, second, constant = textbook_columns()
    unique = orthogonalize(second, first)

    found = collinearity(
        np.column_stack([first, unique, constant]), {"first": [1, 0, 0], "second": [0, 1, 0]}
    )

    np.testing.assert_allclose(found.predicted_standard_error["first"], 1.485, atol=5e-4)
    np.testing.assert_allclose(found.predicted_standard_error["second"], 2.0865, atol=5e-5)
    np.testing.assert_allclose(list(found.vif.values()), [1.0, 1.0], rtol=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_the_inflation_is_one_over_what_the_others_leave(seed, n_columns):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(40, n_columns)) + rng.normal(size=(40, 1))
    design = np.column_stack([columns * 10.0 ** rng.integers(-3, 4, n_columns), np.ones(40)])

    found = collinearity(design).vif

    assert list(found) == [f"column_{k + 1}" for k in range(n_columns)]
    expected = [
        1 / (1 - r_squared(design[:, k], np.delete(design, k, axis=1))) for k in range(n_columns)
    ]
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-7)


@given(st.integers(0, 10_000))
def test_efficiency_and_standard_errors_are_those_of_the_formula(seed):
    rng = np.random.default_rng(seed)
    design = np.column_stack([rng.normal(size=(30, 3)), np.ones(30)])
    t, f = rng.normal(size=4), rng.normal(size=(2, 4))
    covariance = np.linalg.inv(design.T @ design)

    found = collinearity(design, {"t": t, "f": f})

    np.testing.assert_allclose(found.predicted_standard_error["t"] ** 2, t @ covariance @ t)
    np.testing.assert_allclose(
        found.predicted_standard_error["f"] ** 2, np.diag(f @ covariance @ f.T)
    )
    np.testing.assert_allclose(found.efficiency["f"], 1 / np.trace(f @ covariance @ f.T))
    assert found.estimable == {"t": True, "f": True}


def test_a_duplicate_is_found_and_only_what_it_touches_is_lost():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 50))
    design = np.column_stack([a, b, 2 * a, np.ones(50)])

    found = collinearity(
        design,
        {"a": [1, 0, 0, 0], "b": [0, 1, 0, 0], "a + 2 copy": [1, 0, 2, 0], "any": np.eye(4)[:2]},
    )

    assert found.rank == 3
    assert found.condition_number == np.inf
    assert found.vif["column_1"] == found.vif["column_3"] == np.inf
    np.testing.assert_allclose(
        found.vif["column_2"], 1 / (1 - r_squared(b, design[:, [0, 3]])), rtol=1e-9
    )
    assert found.estimable == {"a": False, "b": True, "a + 2 copy": True, "any": False}
    assert found.predicted_standard_error["a"] == np.inf
    assert found.efficiency["a"] == found.efficiency["any"] == 0.0
    assert np.isfinite(found.predicted_standard_error["any"]).tolist() == [False, True]
    # a and 2a with weights 1 and 2 is 5 times the estimate of a, shared over 5 units of a
    alone = collinearity(np.column_stack([a, b, np.ones(50)]), {"a": [1, 0, 0]})
    np.testing.assert_allclose(
        found.predicted_standard_error["a + 2 copy"], alone.predicted_standard_error["a"]
    )


def test_constant_and_empty_columns_have_no_correlation_and_no_inflation():
    rng = np.random.default_rng(3)
    design = np.column_stack([rng.normal(size=20), np.zeros(20), np.full(20, 0.1)])

    found = collinearity(design, {"nothing": [0, 1, 0]})

    np.testing.assert_array_equal(found.correlations, np.diag([1.0, 0.0, 0.0]))
    assert list(found.vif) == ["column_1"]
    assert found.estimable == {"nothing": False}
    assert found.rank == 2


def test_correlations_are_those_of_numpy():
    rng = np.random.default_rng(3)
    design = rng.normal(size=(30, 4)) + rng.normal(size=(30, 1))

    found = collinearity(design).correlations

    np.testing.assert_allclose(found, np.corrcoef(design.T), atol=1e-14)


@given(st.integers(0, 1000))
def test_units_change_neither_rank_nor_condition_nor_inflation(seed):
    rng = np.random.default_rng(seed)
    design = np.column_stack([rng.normal(size=(30, 4)) + rng.normal(size=(30, 1)), np.ones(30)])
    scaled = design * 10.0 ** rng.integers(-8, 9, 5)

    before, after = collinearity(design), collinearity(scaled)

    assert before.rank == after.rank == 5
    np.testing.assert_allclose(after.condition_number, before.condition_number, rtol=1e-9)
    np.testing.assert_allclose(list(after.vif.values()), list(before.vif.values()), rtol=1e-9)


def test_orthogonal_columns_of_unit_length_have_condition_number_1():
    columns, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 4)))

    np.testing.assert_allclose(collinearity(columns * [1, 10, 100, 1]).condition_number, 1.0)


def test_more_regressors_than_scans_leave_nothing_estimable_alone():
    design = np.random.default_rng(0).normal(size=(5, 8))

    found = collinearity(design, {"first": np.eye(8)[0]})

    assert found.rank == 5
    assert found.estimable == {"first": False}
    assert set(found.vif.values()) == {np.inf}


def test_the_names_of_a_design_are_used():
    events = {"onset": [2.0, 20, 40], "duration": [2.0, 2, 2], "trial_type": ["a", "b", "a"]}
    design = build_design(events, np.arange(0, 70, 2.0), high_pass=60)

    found = collinearity(design, {"a - b": [1, -1, 0, 0, 0]})

    assert found.names == design.names == ("a", "b", "drift_1", "drift_2", "constant")
    assert list(found.vif) == ["a", "b", "drift_1", "drift_2"]
    assert found.estimable["a - b"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 0], r"contrast 'c' has weights of shape \(2,\), but the design has 3"),
        ([0, 0, 0], "'c' has a row of weights that are all 0"),
        ([[1, 0, 0], [0, 0, 0]], "'c' has a row of weights that are all 0"),
        ([1, np.nan, 0], "not finite"),
    ],
)
def test_weights_that_make_no_contrast_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        collinearity(np.random.default_rng(0).normal(size=(9, 3)), {"c": weights})


@pytest.mark.parametrize("design", [np.ones((4, 2, 1)), np.ones((4, 0)), np.full((3, 1), np.nan)])
def test_arrays_that_are_no_design_are_refused(design):
    with pytest.raises(ValueError, match="design has"):
        collinearity(design)
