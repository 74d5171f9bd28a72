"""Power by formula, by hand and by simulation."""

import numpy as np
import pytest
from scipy import stats

from boldglm.glm import (
    DesignOfRun,
    collinearity,
    least_participants,
    least_runs,
    one_sample_power,
    participant_deviation,
    simulate_power,
)

N_SIMULATED = 4000


def run_of(rng, scale, n_scans=60):
    """Return a run whose tested regressor correlates with another one."""
    task = rng.normal(size=n_scans) * scale
    other = 0.6 * task + rng.normal(size=n_scans) * scale
    return DesignOfRun(np.column_stack([task, other, np.ones(n_scans)]), np.array([1.0, -1, 0]))


def test_power_is_that_of_simulated_t_tests():
    rng = np.random.default_rng(1)
    for effect, n in ((0.3, 12), (0.6, 20), (1.2, 8)):
        p = stats.ttest_1samp(rng.normal(effect, 1.5, size=(n, 20_000)), 0).pvalue
        for alpha in (0.05, 0.001):
            share = (p <= alpha).mean()
            error = np.sqrt(share * (1 - share) / p.size) + 1e-4
            assert one_sample_power(effect, 1.5, n, alpha) == pytest.approx(share, abs=4 * error)


def test_both_tails_count_and_the_sign_of_the_effect_does_not():
    assert one_sample_power(0.0, 2.0, 5, 0.05) == pytest.approx(0.05, rel=1e-9)
    assert one_sample_power(-0.4, 1.0, 30) == one_sample_power(0.4, 1.0, 30)


def test_power_is_a_probability_for_every_size():
    effects = np.array([0.0, 1e-3, 0.2, 3.0, 40.0, 1e4])[:, None, None]
    people = np.array([2, 3, 10, 100, 5000, 10_000])[:, None]
    for alpha in (0.05, 1e-6):
        power = one_sample_power(effects, 1.0, people, alpha)[..., 0]
        assert np.isfinite(power).all()
        assert (power >= alpha * (1 - 1e-6)).all()
        assert (np.diff(power, axis=0) >= -1e-9).all()  # larger effects
        assert (np.diff(power, axis=1) >= -1e-9).all()  # more participants
        assert power[-1, -1] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, 0.0, 10), "standard deviation"),
        ((1.0, 1.0, 1), "at least 2"),
        ((1.0, 1.0, 10, 1.0), "alpha"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        one_sample_power(*arguments)


def test_the_smallest_number_of_participants_has_the_power_and_one_less_has_not():
    for effect in (0.05, 0.31, 0.9, 4.0):
        for target in (0.8, 0.9):
            n = least_participants(effect, 1.0, target, 0.001)
            assert one_sample_power(effect, 1.0, n, 0.001) >= target
            assert n == 2 or one_sample_power(effect, 1.0, n - 1, 0.001) < target
    assert least_participants(1e-4, 1.0, most=500) is None


def test_the_smallest_number_of_runs_has_the_power_and_one_less_has_not():
    variances = [[0.9, 1.4], [1.1]]
    given = {"noise_sd": 1.5, "between_sd": 0.5}
    for n in (16, 25, 60):
        runs = least_runs(0.5, variances, n, **given)
        power = [
            one_sample_power(0.5, participant_deviation(variances, k, **given), n)
            for k in (runs, max(1, runs - 1))
        ]
        assert power[0] >= 0.8
        assert runs == 1 or power[1] < 0.8
    assert least_runs(0.5, variances, 8, **given) is None


def test_runs_are_combined_by_precision_and_repeat_where_there_are_fewer():
    # one participant with u of 1 and 1/3, one with 2: three runs of each
    precisions = np.array([1 + 3 + 1, 0.5 * 3])
    expected = np.sqrt(0.3**2 + 1.4**2 * np.mean(1 / precisions))

    found = participant_deviation([[1.0, 1 / 3], [2.0]], 3, noise_sd=1.4, between_sd=0.3)

    assert found == pytest.approx(expected, rel=1e-12)


def test_the_variance_of_a_run_is_that_of_its_collinearity_also_without_full_rank():
    rng = np.random.default_rng(2)
    run = run_of(rng, 1.0)
    redundant = DesignOfRun(
        np.column_stack([run.matrix, run.matrix[:, 0] + run.matrix[:, 2]]),
        np.array([0, 1.0, 0, 0]),
    )
    for one in (run, redundant):
        predicted = collinearity(one.matrix, {"c": one.weights}).predicted_standard_error["c"]
        assert one.variance == pytest.approx(predicted**2, rel=1e-9)
        assert one.dof == 60 - 3


@pytest.mark.parametrize("method", ["ols", "mixed"])
def test_simulated_studies_find_what_the_formula_says(method):
    rng = np.random.default_rng(3)
    people = [[run_of(rng, 0.5), run_of(rng, 0.5)] for _ in range(6)]
    variances = [[run.variance for run in runs] for runs in people]
    sizes = {"n_runs": [1, 2, 3], "n_participants": [8, 20], "alphas": [0.05, 0.001]}

    found = simulate_power(
        people, effects=[0.0, 0.4], noise_sd=1.5, between_sd=0.4, method=method,
        n_simulations=N_SIMULATED, **sizes,
    )  # fmt: skip

    assert found.shape == (2, 3, 2, 2)
    for row, effect in enumerate((0.0, 0.4)):
        for run, n_runs in enumerate(sizes["n_runs"]):
            sd = participant_deviation(variances, n_runs, noise_sd=1.5, between_sd=0.4)
            for column, n in enumerate(sizes["n_participants"]):
                for place, alpha in enumerate(sizes["alphas"]):
                    power = float(one_sample_power(effect, sd, n, alpha))
                    error = np.sqrt(power * (1 - power) / N_SIMULATED)
                    # designs differ a little, which the formula averages; mixed effects weigh them
                    room = 4 * error + (0.02 if method == "ols" else 0.05)
                    assert found[row, run, column, place] == pytest.approx(power, abs=room)


def test_more_noise_and_more_differences_lower_power():
    rng = np.random.default_rng(4)
    people = [[run_of(rng, 0.5)] for _ in range(4)]
    common = {"effects": [0.5], "n_runs": [1], "n_participants": [15], "alphas": [0.05]}

    shares = [
        simulate_power(people, noise_sd=noise, between_sd=between, **common).item()
        for noise, between in ((0.5, 0.1), (2.0, 0.1), (0.5, 1.0))
    ]

    assert shares[0] > shares[1] + 0.2
    assert shares[0] > shares[2] + 0.2
