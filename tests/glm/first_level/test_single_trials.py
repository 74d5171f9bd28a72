"""Estimates of single trials: the closed form is the loop, and trials are recovered."""

import numpy as np
import pytest

from boldglm.glm import convolve_events, fit
from boldglm.glm.design.kernels import SPM
from boldglm.glm.first_level.single_trials import (
    UnestimableTrialsError,
    check_trials,
    least_squares_all,
    least_squares_separate,
    pattern_correlations,
    spread_within_conditions,
)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    frame_times = np.arange(150) * 2.0
    onsets = np.sort(rng.uniform(5, 270, 24))
    trials = np.column_stack(
        [convolve_events([onset], [1.0], [1.0], SPM, frame_times) for onset in onsets]
    )
    conditions = rng.choice(["a", "b"], 24).tolist()
    others = np.column_stack([rng.normal(size=(150, 4)).cumsum(axis=0), np.ones(150)])
    effects = rng.normal(2, 1, size=(24, 30))
    bold = trials @ effects + rng.normal(size=(150, 30)) * 0.05 + 100
    return bold, trials, conditions, others, effects


def one_by_one(bold, trials, conditions, others):
    """Return effect and t of every trial from a model of its own, fitted by itself."""
    labels = np.array(conditions)
    for k in range(trials.shape[1]):
        rest = []
        for name in dict.fromkeys(conditions):
            chosen = (labels == name) & (np.arange(len(labels)) != k)
            if chosen.any():
                rest.append(trials[:, chosen].sum(axis=1))
        X = np.column_stack([trials[:, k], *rest, others])
        tested = fit(bold, X, noise="ols").contrast(np.eye(X.shape[1])[0])
        yield tested.effect, tested.t, tested.dof


def test_one_pass_gives_what_a_fit_for_every_trial_gives(problem):
    bold, trials, conditions, others, _ = problem

    found = least_squares_separate(bold, trials, conditions, others, block_size=7)

    for k, (effect, t, dof) in enumerate(one_by_one(bold, trials, conditions, others)):
        np.testing.assert_allclose(found.effect[k], effect, rtol=1e-10)
        np.testing.assert_allclose(found.t[k], t, rtol=1e-8)
        assert found.dof[k] == dof


def test_a_condition_of_a_single_trial_has_no_others(problem):
    bold, trials, conditions, others, _ = problem
    conditions = ["alone", *conditions[1:]]

    found = least_squares_separate(bold, trials, conditions, others)

    effect, t, dof = next(one_by_one(bold, trials, conditions, others))
    np.testing.assert_allclose(found.effect[0], effect, rtol=1e-10)
    np.testing.assert_allclose(found.t[0], t, rtol=1e-8)
    assert found.dof[0] == dof


def test_all_trials_in_one_model_are_contrasts_of_one_fit(problem):
    bold, trials, _, others, _ = problem
    X = np.column_stack([trials, others])

    found = least_squares_all(bold, trials, others, noise="ar1")

    expected = fit(bold, X, noise="ar1")
    np.testing.assert_allclose(found.effect, expected.betas[:24], rtol=1e-9)
    np.testing.assert_allclose(found.t[5], expected.contrast(np.eye(29)[5]).t, rtol=1e-9)


@pytest.mark.parametrize("method", ["all", "separate"])
def test_trials_are_recovered(problem, method):
    bold, trials, conditions, others, effects = problem

    if method == "all":
        found = least_squares_all(bold, trials, others, noise="ols")
    else:
        found = least_squares_separate(bold, trials, conditions, others)

    each = [np.corrcoef(found.effect[k], effects[k])[0, 1] for k in range(24)]
    assert np.median(each) > 0.7


def test_the_variance_factor_is_the_spread_of_estimates_from_white_noise(problem):
    _, trials, conditions, others, _ = problem
    noise = np.random.default_rng(1).normal(size=(150, 20_000))

    found = least_squares_separate(noise, trials, conditions, others)

    np.testing.assert_allclose(found.effect.var(axis=1), found.variance_factor, rtol=0.06)
    assert abs((found.p < 0.05).mean() - 0.05) < 0.002


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda W: W * (np.arange(24) != 3), "trial 3 .* cannot be estimated"),
        (lambda W: W[:, :0], "there is no trial"),
        (lambda W: W[:-1], "all need one row per scan"),
        (lambda W: W[:, :-1], "23 trials have 24 conditions"),
    ],
)
def test_what_cannot_be_estimated_is_refused(problem, change, message):
    bold, trials, conditions, others, _ = problem

    with pytest.raises(ValueError, match=message):
        least_squares_separate(bold, change(trials), conditions, others)


def test_trials_that_are_too_many_for_one_model_are_counted():
    rng = np.random.default_rng(0)
    trials = rng.normal(size=(40, 10))
    trials[:, 4] = trials[:, 2]

    with pytest.raises(
        ValueError, match=r"2 of 10 trials cannot be estimated .* trial 2, counted"
    ):
        least_squares_all(rng.normal(size=(40, 3)), trials, np.ones((40, 1)))


def test_patterns_correlate_as_numpy_says_and_spread_is_about_the_mean_of_the_condition():
    rng = np.random.default_rng(1)
    maps, kinds = rng.normal(size=(7, 5000)) + 3, list("abacaba")

    np.testing.assert_allclose(pattern_correlations(maps), np.corrcoef(maps), atol=1e-12)
    parts = [maps[[k == kind for k in kinds]] for kind in "abc"]
    squares = sum(((part - part.mean(axis=0)) ** 2).sum(axis=0) for part in parts)
    expected = np.sqrt(squares / 4)
    np.testing.assert_allclose(spread_within_conditions(maps, kinds), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "estimate"),
    [
        ("lsa", lambda y, W, Z: least_squares_all(y, W, Z, noise="ols")),
        ("lss", lambda y, W, Z: least_squares_separate(y, W, ["a"], Z)),
    ],
)
def test_a_trial_that_the_rest_explains_is_refused_even_when_it_is_the_only_one(
    problem, method, estimate
):
    bold, trials, *_ = problem
    alone = trials[:, [3]]
    hiding = np.eye(150)[:, np.flatnonzero(alone[:, 0])]
    others = np.column_stack([hiding, np.ones(150)])

    with pytest.raises(UnestimableTrialsError, match="cannot be estimated") as refused:
        check_trials(alone, ["a"], others, method, "ols")
    assert refused.value.trials == (0,)
    with pytest.raises(UnestimableTrialsError, match="cannot be estimated"):
        estimate(bold, alone, others)


def test_trials_that_leave_nothing_for_the_noise_are_refused_before_there_are_data():
    trials, nothing = np.eye(12)[:, :9], np.eye(12)[:, 9:]

    check_trials(trials, ["a"] * 9, nothing[:, :2], "lsa", "ols")
    with pytest.raises(ValueError, match="12 scans leave no residual degree of freedom"):
        check_trials(trials, ["a"] * 9, nothing, "lsa", "ols")
    with pytest.raises(ValueError, match="too few for autoregression"):
        check_trials(trials, ["a"] * 9, nothing[:, :1], "lsa", "ar2")
