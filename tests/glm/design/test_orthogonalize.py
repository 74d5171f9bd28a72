"""Orthogonalization: the textbook's numbers and the Frisch-Waugh-Lovell theorem."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boldglm.glm.design.hrf import textbook_hrf
from boldglm.glm.design.orthogonalize import orthogonalize, residualize


@st.composite
def problems(draw):
    """Draw x (n, m), against (n, k) and adjust (n, q), sometimes rank deficient, any units."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n_scans = draw(st.integers(12, 40))
    n_x, n_against, n_adjust = (draw(st.integers(low, 3)) for low in (1, 1, 0))
    shared = rng.normal(size=(n_scans, 1))
    x = rng.normal(size=(n_scans, n_x)) + shared
    against = rng.normal(size=(n_scans, n_against)) + shared
    adjust = np.column_stack([np.ones(n_scans), rng.normal(size=(n_scans, n_adjust)) + shared])
    if draw(st.booleans()):
        against = np.column_stack([against, against @ rng.normal(size=(n_against, 1))])
    scale = 10.0 ** draw(st.integers(-4, 4))
    return x, against * scale, adjust


def fitted(design, data):
    return design @ np.linalg.lstsq(design, data, rcond=None)[0]


def t_values(design, data):
    betas = np.linalg.lstsq(design, data, rcond=None)[0]
    residuals = data - design @ betas
    variance = residuals @ residuals / (len(data) - design.shape[1])
    return betas / np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))


def test_the_textbook_finds_0_7022_of_the_first_response_in_the_second():
    # "Correlated regressors": B_hrf1_in_hrf2 printed as array([ 0.7022])
    times = np.arange(0, 30, 2)
    first, second = textbook_hrf(times), textbook_hrf(times - 2)
    first, second = first - first.mean(), second - second.mean()

    unique = orthogonalize(second, first)

    np.testing.assert_allclose((second - unique) / first, 0.7022, atol=5e-5)
    np.testing.assert_allclose(unique @ first, 0.0, atol=1e-16)


@given(problems())
def test_doing_it_twice_changes_nothing_more(problem):
    x, against, adjust = problem

    for nuisance in (None, adjust):
        once = orthogonalize(x, against, nuisance)
        np.testing.assert_allclose(orthogonalize(once, against, nuisance), once, atol=1e-9)


@given(problems())
def test_the_result_is_orthogonal_to_what_it_was_taken_against(problem):
    x, against, _ = problem

    result = orthogonalize(x, against)

    np.testing.assert_allclose(against.T @ result / np.linalg.norm(against), 0.0, atol=1e-9)


@given(problems())
def test_beside_nuisance_columns_the_unexplained_part_is_orthogonal(problem):
    x, against, adjust = problem

    result = residualize(orthogonalize(x, against, adjust), adjust)

    np.testing.assert_allclose(against.T @ result / np.linalg.norm(against), 0.0, atol=1e-8)


@given(problems(), st.integers(0, 1000))
def test_the_fitted_values_stay_the_same(problem, seed):
    x, against, adjust = problem
    data = np.random.default_rng(seed).normal(size=len(x))
    new = orthogonalize(x, against, adjust)

    after = fitted(np.column_stack([against, new, adjust]), data)

    before = fitted(np.column_stack([against, x, adjust]), data)
    np.testing.assert_allclose(after, before, atol=1e-7)


@given(st.integers(0, 1000))
def test_the_t_of_what_is_orthogonalized_stays_and_the_other_loses_its_rival(seed):
    rng = np.random.default_rng(seed)
    data, x, against = rng.normal(size=(3, 30))
    x = x + against
    adjust = np.column_stack([np.ones(30), rng.normal(size=(30, 3)) + x[:, None]])
    new = orthogonalize(x, against, adjust)
    design_before = np.column_stack([against, x, adjust])
    design_after = np.column_stack([against, new, adjust])
    design_without = np.column_stack([against, adjust])

    before, after = t_values(design_before, data), t_values(design_after, data)

    np.testing.assert_allclose(after[1], before[1], rtol=1e-7, atol=1e-9)
    betas = [np.linalg.lstsq(d, data, rcond=None)[0] for d in (design_after, design_without)]
    np.testing.assert_allclose(betas[0][0], betas[1][0], rtol=1e-7, atol=1e-9)
    kept = np.linalg.lstsq(design_before, data, rcond=None)[0][1]
    np.testing.assert_allclose(betas[0][1], kept, rtol=1e-7, atol=1e-9)


@given(problems())
def test_the_callers_arrays_are_untouched(problem):
    copies = [array.copy() for array in problem]

    result = orthogonalize(*problem)

    for array, copy in zip(problem, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert not np.shares_memory(result, array)


@given(problems(), st.floats(0.001, 1000))
def test_the_units_of_the_others_do_not_matter(problem, factor):
    x, against, adjust = problem

    scaled = orthogonalize(x, against * factor, adjust / factor)

    np.testing.assert_allclose(scaled, orthogonalize(x, against, adjust), atol=1e-8)


def test_what_is_explained_entirely_becomes_exactly_nothing():
    rng = np.random.default_rng(0)
    against = rng.normal(size=(50, 3))

    result = orthogonalize(against @ [1.0, -2.0, 0.3], against)

    np.testing.assert_array_equal(result, 0.0)


def test_against_a_column_that_nuisance_explains_there_is_nothing_to_take_out():
    rng = np.random.default_rng(0)
    adjust = rng.normal(size=(50, 3))
    x = rng.normal(size=50)

    result = orthogonalize(x, adjust @ [1.0, 2.0, 3.0], adjust)

    np.testing.assert_array_equal(result, x)


def test_one_column_stays_one_dimensional_and_several_stay_several():
    rng = np.random.default_rng(0)
    against = rng.normal(size=20)

    assert orthogonalize(rng.normal(size=20), against).shape == (20,)
    assert orthogonalize(rng.normal(size=(20, 1)), against).shape == (20, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3), np.ones(4)), r"against has shape \(4, 1\), but x has 3 scans"),
        ((np.ones(3), np.ones(3), np.ones((2, 2))), r"adjust has shape \(2, 2\)"),
        ((np.array([1, np.nan]), np.ones(2)), "x has 1 values that are not finite"),
        ((np.ones((2, 2, 2)), np.ones(2)), r"x has shape \(2, 2, 2\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        orthogonalize(*arguments)
