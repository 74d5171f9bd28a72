"""The share of variance that the task explains, against sums of squares of nested designs."""

import numpy as np
import pytest

from boldglm.glm import Design, build_design, fit
from boldglm.glm.first_level.partial_r_squared import partial_r_squared
from boldglm.glm.first_level.slice_fit import fit_slices

N_SCANS = 200
TIMES = np.arange(N_SCANS) * 2.0


@pytest.fixture
def design():
    rng = np.random.default_rng(0)
    events = {
        "onset": np.sort(rng.uniform(5, 380, 40)),
        "duration": np.ones(40),
        "trial_type": np.array(["go", "stop"])[rng.integers(0, 2, 40)],
    }
    motion = np.cumsum(rng.normal(size=(N_SCANS, 2)), axis=0)
    return build_design(
        events, TIMES, high_pass=128, confounds=motion, confound_names=["trans_x", "trans_y"]
    )


def remaining(columns, bold):
    fitted = columns @ np.linalg.lstsq(columns, bold, rcond=None)[0]
    return ((bold - fitted) ** 2).sum(axis=0)


def nested(design, bold, chosen):
    without = remaining(np.delete(design.matrix, chosen, axis=1), bold)
    return 1 - remaining(design.matrix, bold) / without


def noisy(design, rng, n_voxels=30):
    conditions = design.columns("condition")
    strength = np.linspace(0, 20, n_voxels)
    bold = 100 + design.matrix[:, conditions] @ np.vstack([strength] * len(conditions))
    return bold + rng.normal(size=bold.shape) + 3 * design.matrix[:, design.columns("drift")[:1]]


def test_it_is_what_nested_designs_say(design):
    bold = noisy(design, np.random.default_rng(1))
    found = fit(bold, design, noise="ols")

    share = partial_r_squared(found, design)

    np.testing.assert_allclose(share, nested(design, bold, design.columns("condition")))
    assert share[-1] > 0.5
    one = [design.names.index("trans_x")]
    np.testing.assert_allclose(partial_r_squared(found, design, one), nested(design, bold, one))


def test_the_expected_share_without_effects():
    """It is q / (q + dof) with 4 conditions in 40 volumes, whichever the nuisance is."""
    rng = np.random.default_rng(12)
    matrix = np.column_stack([rng.normal(size=(40, 6)), np.ones(40)])
    roles = ["condition"] * 4 + ["confound"] * 2 + ["constant"]
    design = Design(matrix, list("abcdefg"), np.arange(40.0), roles)
    bold = rng.normal(size=(40, 40000))

    share = partial_r_squared(fit(bold, design, noise="ols"), design)

    assert share.mean() == pytest.approx(4 / (4 + 33), rel=0.02)


def test_columns_that_say_the_same_count_once(design):
    go, stop = design.matrix[:, 0], design.matrix[:, 1]
    matrix = np.column_stack([go, stop, go + 2 * stop, 0 * go, design.matrix[:, 2:]])
    roles = ["condition"] * 4 + list(design.roles[2:])
    names = ["go", "stop", "both", "never", *design.names[2:]]
    redundant = Design(matrix, names, TIMES, roles)
    bold = noisy(design, np.random.default_rng(3))

    share = partial_r_squared(fit(bold, redundant, noise="ols"), redundant)

    np.testing.assert_allclose(share, nested(design, bold, design.columns("condition")))


def test_what_confounds_explain_already_is_not_the_task(design):
    matrix = np.column_stack([design.matrix, design.matrix[:, 0]])
    roles = [*design.roles[:-1], "constant", "confound"]
    copied = Design(matrix, [*design.names, "copy"], TIMES, roles)
    bold = noisy(design, np.random.default_rng(4))

    share = partial_r_squared(fit(bold, copied, noise="ols"), copied)

    np.testing.assert_allclose(share, nested(copied, bold, [0, 1]), atol=1e-9)
    assert share[-1] < nested(design, bold, [0, 1])[-1]


def test_prewhitened_shares_are_near_those_of_white_noise(design):
    bold = noisy(design, np.random.default_rng(5), n_voxels=300)

    shares = [
        partial_r_squared(fit(bold, design, noise=noise), design)
        for noise in ("ols", "ar1", "auto")
    ]

    for share in shares[1:]:
        assert np.corrcoef(share, shares[0])[0, 1] > 0.99
        assert share.mean() == pytest.approx(shares[0].mean(), abs=0.01)


def test_without_conditions_there_is_no_share():
    design = Design(np.ones((20, 1)), ["constant"], np.arange(20.0), ["constant"])
    bold = np.random.default_rng(6).normal(size=(20, 3))

    assert partial_r_squared(fit(bold, design, noise="ols"), design).tolist() == [0, 0, 0]


def test_slices_with_designs_of_their_own(design):
    bold = noisy(design, np.random.default_rng(7))
    parts = [np.arange(0, 10), np.arange(10, 30)]

    share = partial_r_squared(fit_slices(bold, [design, design], parts, design, "ols"), design)

    np.testing.assert_allclose(share, nested(design, bold, design.columns("condition")))
