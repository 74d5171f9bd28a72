"""Adjusted p values, against scipy, statsmodels, and what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests

from boldglm.glm import benjamini_hochberg, bonferroni

P_VALUES = arrays.arrays(float, st.integers(1, 40), elements=st.floats(0, 1))


@given(P_VALUES)
def test_adjusted_values_are_those_of_scipy_and_statsmodels(p):
    q = benjamini_hochberg(p)

    for ours, theirs in (
        (q, stats.false_discovery_control(p)),
        (q, multipletests(p, method="fdr_bh")[1]),
        (bonferroni(p), multipletests(p, method="bonferroni")[1]),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("adjust", [benjamini_hochberg, bonferroni])
@given(p=P_VALUES)
def test_voxels_that_were_not_tested_change_nothing(adjust, p):
    with_gaps = np.insert(p, [0, p.size], np.nan).reshape(1, -1)

    adjusted = adjust(with_gaps)

    assert np.isnan(adjusted[0, [0, -1]]).all()
    np.testing.assert_allclose(adjusted[0, 1:-1], adjust(p), rtol=1e-15)


@pytest.mark.parametrize("adjust", [benjamini_hochberg, bonferroni])
def test_the_argument_is_left_as_it_is_and_nothing_tested_is_nothing(adjust):
    p = np.array([0.9, 0.01, 0.2])
    before = p.copy()

    adjust(p)

    np.testing.assert_allclose(p, before, rtol=0)
    assert np.isnan(adjust(np.full(3, np.nan))).all()
    assert adjust([]).shape == (0,)


@pytest.mark.parametrize("adjust", [benjamini_hochberg, bonferroni])
def test_statistics_are_refused(adjust):
    with pytest.raises(ValueError, match=r"2 p values are outside of 0 to 1, such as -1"):
        adjust([0.5, -1.0, 3.2])


def test_the_share_of_false_discoveries_is_what_was_asked_for():
    rng = np.random.default_rng(4)
    shares = []
    for _ in range(300):
        z = rng.normal(size=400) + np.repeat([3.0, 0.0], [80, 320])
        result = benjamini_hochberg(stats.norm.sf(z)) <= 0.1
        shares.append(result[80:].sum() / max(result.sum(), 1))

    # true nulls are 80 % of all, so the rate is .8 x .1; standard error about .0025
    assert abs(np.mean(shares) - 0.08) < 0.01
