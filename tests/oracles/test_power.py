"""Power of the test over participants against statsmodels."""

import numpy as np
import pytest

from boldglm.glm import least_participants, one_sample_power


def test_power_and_numbers_of_participants_are_those_of_statsmodels():
    theirs = pytest.importorskip("statsmodels.stats.power").TTestPower()
    for alpha in (0.05, 0.001):
        for d in (0.1, 0.35, 0.8):  # beyond, theirs is NaN where power is 1
            for n in (4, 11, 30):
                expected = theirs.power(d, n, alpha, alternative="two-sided")
                assert one_sample_power(2 * d, 2.0, n, alpha) == pytest.approx(expected, abs=1e-9)
            needed = theirs.solve_power(d, None, alpha, 0.9, alternative="two-sided")
            assert least_participants(d, 1.0, 0.9, alpha) == int(np.ceil(needed))
