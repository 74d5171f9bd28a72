"""The fit: how it travels, and what is refused. Laws are in `test_every_noise_model.py`."""

import copy
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from boldglm.glm import NOISE_MODELS, Fit, fit, r_squared
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.design.linear_model import linear_model
from boldglm.glm.first_level.fit import check_noise_model

# "ar3" and so on are the same code as "ar2"
MODELS = [name for name in NOISE_MODELS if name not in {"ar3", "ar4", "ar5", "ar6"}]
EVERY = pytest.mark.parametrize("noise", MODELS)


# --- numbers that could go wrong


def test_regressors_of_very_different_size_all_count():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4))
    units = np.array([1e-9, 1.0, 1e9, 1e-3])
    bold = rng.normal(size=(50, 3))

    found = fit(bold, X * units, noise="ols")

    assert found.rank == 4
    np.testing.assert_allclose(
        found.betas * units[:, np.newaxis], fit(bold, X, noise="ols").betas, rtol=1e-9
    )


def test_the_basis_is_orthonormal_and_knows_the_constant():
    rng = np.random.default_rng(0)
    indicators = np.kron(np.eye(3), np.ones((5, 1)))

    model = linear_model(np.c_[indicators, rng.normal(size=15)])

    np.testing.assert_allclose(model.basis.T @ model.basis, np.eye(4), atol=1e-14)
    np.testing.assert_allclose(model.constant_weights, [1, 1, 1, 0], atol=1e-14)
    assert not linear_model(rng.normal(size=(15, 3))).spans_constant


# --- a fit travels


@EVERY
def test_a_fit_survives_a_file_in_every_bit(noise, tmp_path):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(30, 2)), np.ones(30)])
    design = Design(
        X, ["a b", "größe", "constant"], np.arange(30), ["condition"] * 2 + ["constant"]
    )
    before = fit(rng.normal(size=(30, 4)), design, noise=noise)

    np.savez(tmp_path / "fit.npz", **before.to_arrays())
    with np.load(tmp_path / "fit.npz", allow_pickle=False) as arrays:
        after = Fit.from_arrays(arrays)

    assert (after.names, after.noise, after.dof) == (before.names, before.noise, before.dof)
    np.testing.assert_array_equal(after.betas, before.betas)
    np.testing.assert_array_equal(after.sigma2, before.sigma2)
    one, two = before.contrast("a b - größe"), after.contrast("a b - größe")
    np.testing.assert_array_equal(two.z, one.z)
    np.testing.assert_array_equal(two.dof, one.dof)


@EVERY
def test_a_fit_holds_a_few_numbers_per_voxel_not_the_scans(noise):
    bold = np.random.default_rng(0).normal(size=(200, 600))

    def n_numbers(n_voxels):
        arrays = fit(bold[:, :n_voxels], np.ones(200), noise=noise).to_arrays().values()
        return sum(np.size(array) for array in arrays)

    assert 3 <= (n_numbers(600) - n_numbers(300)) / 300 < 10


def peak_of(work):
    """Return what some work returns, and how many bytes it had at once, these included."""
    tracemalloc.start()
    result = work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return result, peak


@EVERY
def test_contrasts_and_betas_take_little_more_memory_than_they_are(noise):
    rng = np.random.default_rng(0)
    n_voxels, X = 30_000, np.column_stack([rng.normal(size=(60, 19)), np.ones(60)])
    found = fit(rng.normal(size=(60, n_voxels)), X, noise=noise, n_threads=1)
    found.contrast(np.eye(20)[0])  # what is kept for all contrasts is there after the first

    betas, of_betas = peak_of(lambda: found.betas)
    _, of_f = peak_of(lambda: found.contrast(np.eye(20)[:5]))

    assert of_betas < 1.2 * betas.nbytes
    covariances = 8 * n_voxels * 5**2
    assert of_f < 4 * covariances


# --- what is refused


@pytest.mark.parametrize(
    ("bold", "design", "options", "message"),
    [
        (np.ones((5, 2)), np.ones((6, 1)), {}, "bold has 5 scans, but the design has 6 rows"),
        (np.ones((2, 6)), np.ones((6, 1)), {}, "It looks transposed"),
        (np.ones((6, 2, 2)), np.ones((6, 1)), {}, "needs two axes"),
        (np.ones((6, 2)), np.ones((6, 1, 1)), {}, "design has shape"),
        (np.ones((6, 2)), np.ones((6, 0)), {}, "design has shape"),
        (np.ones((6, 2)), np.zeros((6, 2)), {}, "0 in every scan"),
        (np.ones((6, 2)) * 1j, np.ones((6, 1)), {}, "needs real numbers"),
        (np.array([["a"]] * 6), np.ones((6, 1)), {}, "needs real numbers"),
        (
            np.ones((3, 2)),
            np.eye(3),
            {},
            "a design of rank 3 leaves no residual degree of freedom in 3 scans",
        ),
        (
            np.ones((6, 2)),
            np.ones((6, 1)),
            {"noise": "atuo"},
            "Known: auto, ols.*mean 'auto'",
        ),
        (np.ones((6, 2)), np.ones((6, 1)), {"noise": None}, "no noise model None. Known: auto"),
        (np.ma.masked_less(np.arange(12.0).reshape(6, 2), 3), np.ones((6, 1)), {}, "has 3 masked"),
        (
            np.ones((6, 2)),
            np.ones((6, 1)),
            {"block_size": 0},
            "block_size must be at least 1 voxel, not 0",
        ),
        (
            np.ones((6, 2)),
            np.ones((6, 1)),
            {"n_threads": 0},
            "n_threads must be at least 1, not 0",
        ),
    ],
)
def test_input_that_cannot_be_fitted_is_refused(bold, design, options, message):
    with pytest.raises(ValueError, match=message):
        fit(bold, design, **options)


def test_missing_values_are_counted_and_named():
    bold, X = np.ones((6, 5)), np.random.default_rng(0).normal(size=(6, 2))
    bold[2, 1] = bold[3, 1] = np.nan
    bold[0, 4] = np.inf

    for n_threads in (1, 3):
        with pytest.raises(ValueError, match="not finite at 2 of 5 voxels"):
            fit(bold, X, block_size=2, n_threads=n_threads)
    X[4, 1] = np.nan
    with pytest.raises(ValueError, match="not finite, in 'column_2'"):
        fit(np.ones((6, 5)), X, noise="ols")


def test_a_file_that_is_stored_as_integers_may_lack_values_all_the_same():
    class Scaled:
        """Integers on disk, and a type of theirs; what is read is scaled."""

        shape, dtype = (6, 5), np.int16

        def __init__(self, values):
            self.values = values

        def __getitem__(self, key):
            return self.values[key]

        def __array__(self, dtype=None, copy=None):
            return self.values

    bold, X = np.random.default_rng(0).normal(size=(6, 5)), np.ones((6, 1))
    np.testing.assert_array_equal(
        fit(Scaled(bold), X, noise="ols").betas, fit(bold, X, noise="ols").betas
    )
    bold[2, 1] = np.nan

    with pytest.raises(ValueError, match="not finite at 1 of 5 voxels"):
        fit(Scaled(bold), X, noise="ols")


@pytest.mark.parametrize("noise", [name for name in MODELS if name not in {"ar2", "arma11"}])
def test_one_residual_degree_of_freedom_is_enough(noise):
    rng = np.random.default_rng(0)

    found = fit(rng.normal(size=(6, 3)), rng.normal(size=(6, 5)), noise=noise)

    assert found.dof == 1
    assert np.isfinite(found.contrast([1, 0, 0, 0, 0]).z).all()


@pytest.mark.parametrize("noise", NOISE_MODELS)
@pytest.mark.parametrize("dof", [0, 1, 3, 5, 8, 30])
def test_what_is_refused_is_refused_before_there_are_data(noise, dof):
    X = np.random.default_rng(dof).normal(size=(dof + 4, 4))

    def refusal(attempt):
        try:
            attempt()
        except ValueError as error:
            return str(error)
        return None

    told = refusal(lambda: check_noise_model(X, noise))

    assert told == refusal(
        lambda: fit(np.random.default_rng(1).normal(size=(len(X), 2)), X, noise)
    )
    assert (told is None) == (dof >= {"arma11": 6}.get(noise, 1)) or noise[2:].isdigit()


# --- names, fitted values, residuals


def two_conditions(n_voxels=5):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(30, 2)), np.ones(30)])
    return X, 100 + X @ rng.normal(size=(3, n_voxels)) + rng.normal(size=(30, n_voxels))


def test_the_columns_of_a_data_frame_name_the_regressors():
    X, bold = two_conditions()
    frame = pd.DataFrame(X, columns=["a", "b", "constant"], index=np.arange(30) * 2.0)
    frame["odd"] = np.arange(30) % 2 == 1  # a frame of mixed types

    found = fit(bold, frame, noise="ols")

    assert found.names == ("a", "b", "constant", "odd")
    bare = fit(bold, np.column_stack([X, np.arange(30) % 2]), noise="ols")
    np.testing.assert_array_equal(found.betas, bare.betas)
    np.testing.assert_array_equal(found.contrast("a - b").t, bare.contrast([1, -1, 0, 0]).t)


def test_data_frames_that_cannot_be_a_design_are_refused():
    _, bold = two_conditions()
    twice = pd.DataFrame(np.ones((30, 2)), columns=["a", "a"])
    text = pd.DataFrame({"a": np.ones(30), "b": ["x"] * 30})
    holes = pd.DataFrame({"a": np.ones(30), "b": [np.nan] * 30})

    with pytest.raises(ValueError, match="more than one column named 'a'"):
        fit(bold, twice)
    with pytest.raises(ValueError, match="column 'b' of the design has type"):
        fit(bold, text)
    with pytest.raises(ValueError, match="not finite, in 'b'"):
        fit(bold, holes)


@EVERY
def test_residuals_and_fitted_values_add_up_to_the_data(noise):
    X, bold = two_conditions()

    found = fit(bold, X, noise=noise)

    np.testing.assert_allclose(found.predict(), X @ found.betas, rtol=1e-12)
    np.testing.assert_allclose(found.residuals, bold - X @ found.betas, atol=1e-11)
    np.testing.assert_array_equal(found.r_squared, r_squared(bold, found))


def test_another_design_is_predicted_if_its_regressors_are_those_fitted():
    X, bold = two_conditions()
    names = ["a", "b", "constant"]
    found = fit(bold, pd.DataFrame(X, columns=names), noise="ols")
    other = X[::-1][:7]

    for design in (other, pd.DataFrame(other, columns=names)):
        np.testing.assert_allclose(found.predict(design), other @ found.betas, rtol=1e-12)
    with pytest.raises(ValueError, match="same regressors in the same order"):
        found.predict(pd.DataFrame(other, columns=["b", "a", "constant"]))
    with pytest.raises(ValueError, match="same regressors in the same order"):
        found.predict(other[:, :2])


def test_a_fit_holds_a_reference_to_the_data_and_travels_without_them():
    X, bold = two_conditions()
    found = fit(bold, X, noise="ols")

    assert found.bold is bold
    for travelled in (pickle.loads(pickle.dumps(found)), Fit.from_arrays(found.to_arrays())):
        np.testing.assert_array_equal(travelled.betas, found.betas)
        np.testing.assert_array_equal(travelled.predict(), found.predict())
        with pytest.raises(ValueError, match=r"without them.*fitted_blocks\(bold, fit\)"):
            travelled.residuals  # noqa: B018
        with pytest.raises(ValueError, match=r"without them.*r_squared\(bold, fit\)"):
            travelled.r_squared  # noqa: B018
    assert len(pickle.dumps(fit(np.tile(bold, 100), X, noise="ols"))) < 100 * bold.nbytes / 2
    assert copy.copy(found).names == found.names


# --- what is printed


def test_three_lines_describe_a_fit_and_its_contrasts():
    X, bold = two_conditions(1200)
    found = fit(bold, pd.DataFrame(X, columns=["a<b", "b", "constant"]), noise="ar1")

    assert repr(found).splitlines() == [
        "Fit of 30 scans, 1,200 voxels, 3 regressors (rank 3)",
        "  noise model: ar1",
        "  degrees of freedom: 27",
    ]
    assert "<th>regressors</th><td>a&lt;b, b, constant</td>" in found._repr_html_()
    t, F = found.contrast("b", "go"), found.contrast("b, constant")
    title, dof, values = repr(t).splitlines()
    assert title == "Contrast 'go', t at 1,200 voxels"
    assert dof == f"  degrees of freedom: {t.dof.min():.4g} to {t.dof.max():.4g}"
    assert values == f"  t: {t.statistic.min():.4g} to {t.statistic.max():.4g}"
    assert repr(F).splitlines()[1].startswith("  degrees of freedom: 2 and ")
    assert t._repr_html_().startswith("<table><caption>Contrast 'go', t at 1,200 voxels</caption>")


def test_a_fit_of_no_voxels_can_be_printed():
    found = fit(np.zeros((30, 0)), two_conditions()[0], noise="ols")

    assert "0 voxels" in repr(found)
    assert "t: no voxels" in repr(found.contrast([1, 0, 0]))
