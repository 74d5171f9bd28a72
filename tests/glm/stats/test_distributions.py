"""p and z of t and F against reference values of 60 digits, and what must hold everywhere.

The reference values were made once with mpmath 1.4.1 (``mp.dps = 60``): p as
``betainc(a, b, 0, x, regularized=True)`` and z as the root of ``log(erfc(z / sqrt(2)) / 2)``
less ``log(p)``; 20 digits of them are kept here.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from boldglm.glm.stats.distributions import f_to_p, f_to_z, t_to_p, t_to_p_and_z, t_to_z

# t, dof, p (None where float64 has no such small number), z
T_REFERENCE = [
    (0.001, 10.0, 0.4996108916873704921, 0.00097535005297406806287),
    (0.5, 10.0, 0.31394680287148647135, 0.48469374274612262752),
    (2.0, 10.0, 0.036694017385370182809, 1.7904099322688289101),
    (3.5, 43.7, 0.00054196220685363234781, 3.2677856038934062123),
    (10.0, 170.0, 4.1569488532305952426e-19, 8.8557285559018268145),
    (30.0, 170.0, 4.0990114806143678643e-70, 17.662200600275675428),
    (60.0, 170.0, 1.2419118208861495416e-116, 22.927278924616540225),
    (1000.0, 170.0, None, 38.385177241304442577),
    (100000.0, 170.0, None, 55.121936767859496513),
    (50.0, 3.0, 8.808576020635987078e-6, 4.2931303327951235196),
    (100000.0, 2.5, 2.2747519231756221101e-13, 7.2381189410010325571),
    (40.0, 100000.0, None, 39.841272437922005336),
    (39.0, 1000000.0, None, 38.985172710306441705),
    (78.0, 1000.0, None, 44.238161473277339699),
]
# F, numerator and denominator dof, p, z
F_REFERENCE = [
    (0.5, 3.0, 40.0, 0.68441377661914213425, -0.48007727463088960543),
    (4.0, 1.0, 10.0, 0.073388034770740365618, 1.4510136132554498811),
    (50.0, 3.0, 40.0, 1.344339266641412699e-13, 7.3091348437709873596),
    (2000.0, 3.0, 170.0, 2.6729878657320767526e-132, 24.447531629990406508),
    (100000.0, 5.0, 170.0, 8.7687560722945285384e-293, 36.550454388289815664),
    (1000.0, 2.0, 43.7, 3.2501602987148744759e-37, 12.692586321395567848),
    (10000.0, 12.0, 1000.0, None, 68.7963798969882542),
    (1e10, 2.0, 60.0, 2.0589111356444797314e-256, 34.184442176301447012),
    (2500.0, 1.0, 1000000.0, None, 49.954911777971759118),
    (1e-4, 3.0, 40.0, 0.99999859243493687499, -4.6838667802079425521),
    (1e-30, 20.0, 50.0, 1.0, -36.789179655049571368),
    (0.1, 2.0, 170.0, 0.90489060362060188244, -1.3099321413314643843),
]


@pytest.mark.parametrize(("t", "dof", "p", "z"), T_REFERENCE)
def test_p_and_z_of_t_agree_with_sixty_digit_arithmetic(t, dof, p, z):
    # 1e-12: the continued fraction for a million degrees of freedom has that error in log p
    np.testing.assert_allclose(t_to_z(t, dof), z, rtol=1e-12)
    np.testing.assert_allclose(t_to_z(-t, dof), -z, rtol=1e-12)
    if p is None:
        assert t_to_p(t, dof) < 1e-307
    else:
        np.testing.assert_allclose(t_to_p(t, dof), p, rtol=1e-12)


@pytest.mark.parametrize(("f", "dof1", "dof2", "p", "z"), F_REFERENCE)
def test_p_and_z_of_f_agree_with_sixty_digit_arithmetic(f, dof1, dof2, p, z):
    np.testing.assert_allclose(f_to_z(f, dof1, dof2), z, rtol=1e-12)
    if p is None:
        assert f_to_p(f, dof1, dof2) < 1e-307
    else:
        np.testing.assert_allclose(f_to_p(f, dof1, dof2), p, rtol=1e-12)


@given(st.floats(-1e5, 1e5), st.floats(1.0, 1e6))
def test_z_of_minus_t_is_minus_z_and_has_the_sign_of_t(t, dof):
    z = float(t_to_z(t, dof))

    assert np.isfinite(z)
    assert z == -float(t_to_z(-t, dof))
    assert z * t >= 0


@pytest.mark.parametrize("dof", [1.0, 4.5, 170.0, 2000.0, 1e6])
def test_z_rises_with_t_through_the_change_to_logarithms(dof):
    t = np.concatenate([[0.0], np.geomspace(1e-6, 1e5, 20001)])

    z = t_to_z(t, dof)

    assert z[0] == 0
    assert (np.diff(z) >= 0).all()
    assert (np.diff(z[t > 1e-3]) > 0).all()


@pytest.mark.parametrize("dofs", [(1, 20), (3, 170.0), (12, 1000)])
def test_z_of_f_rises_with_f_from_tail_to_tail(dofs):
    z = f_to_z(np.geomspace(1e-40, 1e8, 20001), *dofs)

    assert np.isfinite(z).all()
    assert (np.diff(z) > 0).all()


def test_the_logarithm_takes_over_from_ordinary_values_without_a_step():
    dof, low, high = 170.0, 10.0, 1e5
    for _ in range(60):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if t_to_p(middle, dof) > 1e-200 else (low, middle)
    around = t_to_z(np.linspace(low * 0.999, low * 1.001, 4001), dof)

    steps = np.diff(around)

    np.testing.assert_allclose(steps, np.median(steps), rtol=0.01)


def test_degrees_of_freedom_may_differ_by_voxel_and_be_infinite():
    z = t_to_z(np.full(3, 2.0), [10.0, 170.0, np.inf])

    np.testing.assert_allclose(z[0], 1.7904099322688289101, rtol=1e-12)
    assert z[0] < z[1] < z[2] == 2.0
    np.testing.assert_allclose(t_to_p(2.0, np.inf), 0.0227501319481792, rtol=1e-12)


def test_f_of_known_variance_is_chi_squared():
    f = np.array([0.01, 0.5, 1.0, 4.0, 50.0])

    p, z = f_to_p(f, 3, np.inf), f_to_z(f, 3, np.inf)

    np.testing.assert_allclose(p, stats.chi2.sf(3 * f, 3), rtol=1e-12)
    np.testing.assert_allclose(z, stats.norm.isf(stats.chi2.sf(3 * f, 3)), rtol=1e-12)


@pytest.mark.parametrize("dof", [1e9, 1e12, 1e14, 1e300])
def test_very_many_degrees_of_freedom_are_nearly_normal(dof):
    t = np.array([0.5, 5.0, 39.0])

    # Cornish and Fisher: z = t - (t³ + t) / 4ν + ...
    np.testing.assert_allclose(t_to_z(t, dof), t - (t**3 + t) / (4 * dof), rtol=1e-7)


def test_the_two_tails_of_t_sum_to_one():
    t = np.linspace(-40, 40, 81)

    np.testing.assert_allclose(t_to_p(t, 7.5) + t_to_p(-t, 7.5), 1.0, rtol=1e-14)


def test_f_with_one_numerator_degree_of_freedom_is_t_squared_two_sided():
    t = np.array([0.1, 1.0, 5.0, 30.0])

    np.testing.assert_allclose(f_to_p(t**2, 1, 33.3), 2 * t_to_p(t, 33.3), rtol=1e-11)


def test_missing_values_stay_missing_and_infinite_ones_infinite():
    np.testing.assert_array_equal(t_to_z([np.nan, np.inf, -np.inf], 10), [np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(f_to_z([np.nan, np.inf, 0.0], 2, 10), [np.nan, np.inf, -np.inf])
    assert np.isfinite(t_to_z(1e300, 10))


@given(st.floats(-60, 60), st.floats(1, 1e14))
def test_p_and_z_together_are_p_and_z(t, dof):
    p, z = t_to_p_and_z(t, dof)

    np.testing.assert_allclose(p, t_to_p(t, dof), rtol=1e-12)
    np.testing.assert_array_equal(z, t_to_z(t, dof))


@pytest.mark.parametrize(("fewest", "most"), [(170, 170), (100, 170), (20, 1e6), (4, 400)])
def test_many_values_together_are_what_each_is_alone(fewest, most):
    rng = np.random.default_rng(3)
    t = np.concatenate([rng.normal(size=9000) * 3, [0.0, 40.0, -1e5, np.inf]])
    dof = rng.uniform(fewest, most, t.size)

    p, z = t_to_p_and_z(t, dof)

    # both are computed from integrals with errors near 1e-13, or through a polynomial
    np.testing.assert_allclose(p, t_to_p(t, dof), rtol=1e-11)
    alone = [t_to_z(t[k : k + 1000], dof[k : k + 1000]) for k in range(0, t.size, 1000)]
    np.testing.assert_allclose(z, np.concatenate(alone), rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(t_to_z(-t, dof), -z)


def test_z_of_many_values_rises_with_t_across_the_end_of_the_polynomial():
    t = np.linspace(6, 16, 20001)

    assert (np.diff(t_to_z(t, 40.0)) > 0).all()


@pytest.mark.parametrize(("t", "dof", "p", "z"), T_REFERENCE)
def test_many_values_agree_with_sixty_digit_arithmetic(t, dof, p, z):
    many_p, many_z = t_to_p_and_z(np.full(6000, t), dof)

    np.testing.assert_allclose(many_z, z, rtol=1e-12)
    if p is not None:
        np.testing.assert_allclose(many_p, p, rtol=1e-12)
