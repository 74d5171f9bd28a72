"""Two published tutorials, number by number, through the public interface.

"Estimation for many voxels at the same time" prints one design, data and estimates to two
decimals (two versions with different random numbers are kept). "Correlated regressors", by
M. Brett and J.-B. Poline, seeds numpy's legacy generator with 42, so that its simulation can
be run again and all its digits compared.
"""

import numpy as np
import pytest

from boldglm.glm import collinearity, fit, orthogonalize, textbook_hrf

# --- Estimation for many voxels at the same time

PRINTED_PINV = [
    [-0.21, -0.17, -0.13, -0.1, -0.06, -0.02, 0.02, 0.06, 0.1, 0.13, 0.17, 0.21],
    [0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08],
]
# Y of 12 scans and 3 voxels, and the betas, in both versions of the text
PRINTED_RUNS = {
    "first": (
        [
            [0.56, 0.99, -1.81],
            [0.95, 1.62, -0.02],
            [0.7, 0.31, 0.08],
            [-0.1, 1.5, 0.12],
            [-0.25, 0.21, -0.23],
            [-0.19, 0.87, -0.4],
            [-0.76, 0.32, 2.18],
            [0.92, 2.4, 1.18],
            [0.87, 0.49, -1.51],
            [-0.86, -0.12, -1.06],
            [-0.13, 2.35, -2.24],
            [-2.05, 0.5, -0.82],
        ],
        [[-0.8, -0.02, -0.35], [-0.03, 0.95, -0.38]],
    ),
    "second": (
        [
            [-0.73, 1.28, -0.76],
            [0.8, 0.29, 0.33],
            [-0.52, 1.71, -1.63],
            [-1.64, -0.18, 1.19],
            [-1.23, 0.48, 0.3],
            [-1.01, -2.79, 0.2],
            [-0.73, 1.37, -0.03],
            [-0.53, -0.94, 1.16],
            [-0.09, 0.84, 1.17],
            [0.26, -0.25, 0.38],
            [0.22, 0.36, 0.04],
            [-1.72, -0.33, 0.79],
        ],
        [[-0.01, -0.5, 0.59], [-0.58, 0.15, 0.26]],
    ),
}


@pytest.fixture
def trend():
    """Return the tutorial's design: a linear trend and a constant."""
    X = np.ones((12, 2))
    X[:, 0] = np.linspace(-1, 1, 12)
    return X


def test_the_pseudo_inverse_is_the_printed_one(trend):
    # the betas of unit signals, one per scan, are the columns of the pseudo-inverse
    pinv = fit(np.eye(12), trend, noise="ols").betas

    assert pinv.shape == (2, 12)
    np.testing.assert_allclose(pinv, PRINTED_PINV, atol=0.005 + 1e-12)
    np.testing.assert_allclose(pinv, np.linalg.pinv(trend), atol=1e-15)


@pytest.mark.parametrize("run", PRINTED_RUNS)
def test_betas_of_the_printed_data_are_the_printed_betas(trend, run):
    Y, printed = (np.array(values) for values in PRINTED_RUNS[run])
    # both the data and the betas are rounded to within .005
    rounding = 0.005 * np.abs(np.linalg.pinv(trend)).sum(axis=1, keepdims=True) + 0.005

    betas = fit(Y, trend, noise="ols").betas

    assert betas.shape == (2, 3)
    assert (np.abs(betas - printed) <= rounding).all()
    assert rounding.max() < 0.013


@pytest.mark.parametrize("run", PRINTED_RUNS)
def test_one_voxel_at_a_time_gives_the_same_as_all_at_once(trend, run):
    Y = np.array(PRINTED_RUNS[run][0])

    together = fit(Y, trend, noise="ols").betas

    for voxel in range(3):
        np.testing.assert_allclose(
            fit(Y[:, voxel], trend, noise="ols").betas[:, 0], together[:, voxel]
        )


# --- Correlated regressors


class Simulation:
    """The tutorial's variables, by its names, in the order in which it draws them."""

    def __init__(self):
        draw = np.random.RandomState(42)
        times = np.arange(0, 30, 2)
        hrf1, hrf2 = textbook_hrf(times), textbook_hrf(times - 2)
        self.hrf1, self.hrf2 = hrf1 - hrf1.mean(), hrf2 - hrf2.mean()
        signal = self.hrf1 + self.hrf2
        draw.normal(size=times.shape)  # of the tutorial's first figure
        self.Ys = draw.normal(size=(15, 10000)) + signal[:, np.newaxis]
        self.unique_hrf2 = orthogonalize(self.hrf2, against=self.hrf1)
        ones = np.ones_like(self.hrf1)
        self.X_one = np.column_stack([self.hrf1, ones])
        self.X_both = np.column_stack([self.hrf1, self.hrf2, ones])
        self.X_both_o = np.column_stack([self.hrf1, self.unique_hrf2, ones])
        self.B_ones = fit(self.Ys, self.X_one, noise="ols").betas
        self.B_boths = fit(self.Ys, self.X_both, noise="ols").betas
        self.B_boths_o = fit(self.Ys, self.X_both_o, noise="ols").betas


@pytest.fixture(scope="module")
def simulation():
    return Simulation()


def test_the_two_responses_correlate_as_printed(simulation):
    correlation = np.corrcoef(simulation.hrf1, simulation.hrf2)[0, 1]

    np.testing.assert_allclose(correlation, 0.7023, atol=5e-5)
    found = collinearity(simulation.X_both)
    np.testing.assert_allclose(found.correlations[0, 1], correlation, rtol=1e-12)


@pytest.mark.parametrize(
    ("estimates", "row", "mean", "deviation"),
    [
        ("B_ones", 0, 1.68134012906, 1.47669405469),
        ("B_boths", 0, 0.968933589198, 2.08274190893),
        ("B_boths", 1, 1.01451944676, 2.08038932821),
        ("B_boths_o", 0, 1.68134012906, 1.47669405469),
    ],
)
def test_means_and_deviations_of_ten_thousand_estimates_are_as_printed(
    simulation, estimates, row, mean, deviation
):
    betas = getattr(simulation, estimates)[row]

    # twelve significant digits are printed
    np.testing.assert_allclose(betas.mean(), mean, rtol=1e-11)
    np.testing.assert_allclose(betas.std(), deviation, rtol=1e-11)


@pytest.mark.parametrize(
    ("design", "weights", "printed"),
    [
        ("X_one", [1, 0], 1.485),
        ("X_both", [1, 0, 0], 2.0861),
        ("X_both", [0, 1, 0], 2.0865),
        ("X_both_o", [1, 0, 0], 1.485),
    ],
)
def test_predicted_standard_errors_are_as_printed(simulation, design, weights, printed):
    X = getattr(simulation, design)

    predicted = collinearity(X, {"beta": weights}).predicted_standard_error["beta"]

    np.testing.assert_allclose(predicted, printed, atol=5e-5)
    # and the fit uses the same: variance of the effect over that of the noise
    found = fit(simulation.Ys[:, :5], X, noise="ols")
    ratio = np.sqrt(found.contrast(weights).variance / found.sigma2)
    np.testing.assert_allclose(ratio, predicted, rtol=1e-12)


@pytest.mark.parametrize(
    ("one", "other", "printed"),
    [
        (("B_boths", 0), ("B_boths", 1), -0.7052),
        (("B_boths", 0), ("B_boths_o", 0), 0.7128),
        (("B_boths_o", 0), ("B_boths_o", 1), -0.0053),
    ],
)
def test_estimates_correlate_as_printed(simulation, one, other, printed):
    first, second = (getattr(simulation, name)[row] for name, row in (one, other))

    np.testing.assert_allclose(np.corrcoef(first, second)[0, 1], printed, atol=5e-5)


def test_the_share_of_the_first_response_in_the_second_is_as_printed(simulation):
    share = fit(simulation.hrf2, simulation.hrf1, noise="ols").betas.item()

    np.testing.assert_allclose(share, 0.7022, atol=5e-5)
    np.testing.assert_allclose(simulation.B_boths[0].mean() + share, 1.6711, atol=5e-5)
    np.testing.assert_allclose(
        simulation.hrf2, share * simulation.hrf1 + simulation.unique_hrf2, atol=1e-15
    )


@pytest.mark.parametrize(
    ("estimates", "printed"),
    [
        (
            "B_ones",
            [
                [2.5395, -1.7854, 0.1398, 1.6884, 4.5348],
                [-0.1606, -0.0069, 0.3315, -0.1837, -0.2644],
            ],
        ),
        (
            "B_boths",
            [
                [2.0143, -2.4845, -2.5391, -0.9706, 4.9768],
                [0.7481, 0.9955, 3.815, 3.7866, -0.6295],
                [-0.1606, -0.0069, 0.3315, -0.1837, -0.2644],
            ],
        ),
        (
            "B_boths_o",
            [
                [2.5395, -1.7854, 0.1398, 1.6884, 4.5348],
                [0.7481, 0.9955, 3.815, 3.7866, -0.6295],
                [-0.1606, -0.0069, 0.3315, -0.1837, -0.2644],
            ],
        ),
    ],
)
def test_the_first_five_estimates_are_as_printed(simulation, estimates, printed):
    np.testing.assert_allclose(getattr(simulation, estimates)[:, :5], printed, atol=5e-5)


def test_orthogonalizing_gives_the_first_response_what_it_has_alone(simulation):
    np.testing.assert_allclose(simulation.B_ones[0], simulation.B_boths_o[0], rtol=1e-9)


def test_orthogonalizing_leaves_the_estimate_of_what_is_orthogonalized(simulation):
    np.testing.assert_allclose(simulation.B_boths[1], simulation.B_boths_o[1], rtol=1e-9)
