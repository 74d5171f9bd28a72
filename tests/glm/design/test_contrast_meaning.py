"""What contrasts mean after orthogonalization, against planted effects."""

import numpy as np
import pytest

from boldglm.glm import Design, fit, orthogonalize_design
from boldglm.glm.design.contrast_meaning import orthogonalized_parts, weights_before

NAMES = ("A", "A2", "B", "C")
PLANTED = {"A": 2.0, "A2": -1.0, "B": 2.0, "C": 0.5}
NOISE_MODELS = ("ols", "ar1", "auto")


def design(*rules, n_scans=120):
    rng = np.random.default_rng(1)
    columns = rng.normal(size=(n_scans, 4))
    columns[:, 2] += 0.7 * columns[:, 0] - 0.4 * columns[:, 1]
    columns[:, 3] += 0.5 * columns[:, 2]
    matrix = np.column_stack([columns, np.ones(n_scans)])
    roles = ["condition"] * 4 + ["constant"]
    made = Design(matrix, (*NAMES, "constant"), 2.0 * np.arange(n_scans), roles)
    return orthogonalize_design(made, rules) if rules else made


def weights(**named):
    return np.array([named.get(name, 0.0) for name in (*NAMES, "constant")])


def bold(n_scans=120):
    rng = np.random.default_rng(2)
    noise = 0.1 * rng.normal(size=(n_scans, 30))
    return design().matrix[:, :4] @ np.tile(list(PLANTED.values()), (30, 1)).T + noise + 100


RULES = [
    (("B", ["A"]),),
    (("B", ["A", "A2"]),),
    (("B", ["A"]), ("C", ["B"])),
    (("C", ["A", "B"]), ("B", ["A"])),
]
CONTRASTS = [
    weights(A=1), weights(B=1), weights(C=1), weights(A=1, B=-1), weights(A=1, C=-1),
    weights(B=1, C=-1), weights(A=0.5, B=0.5),
    np.stack([weights(A=1), weights(B=1)]), np.stack([weights(A=1), weights(C=1)]),
    np.stack([weights(A=1, B=-1)]),
    np.stack([weights(A=1), weights(A2=1), weights(B=1), weights(C=1)]),
]  # fmt: skip


@pytest.mark.parametrize("noise", NOISE_MODELS)
@pytest.mark.parametrize("rules", RULES)
def test_the_weights_before_give_the_same_statistic_without_orthogonalization(noise, rules):
    changed = design(*rules)
    after, before = fit(bold(), changed, noise=noise), fit(bold(), design(), noise=noise)

    for contrast in CONTRASTS:
        original = weights_before(contrast, changed.names, changed.shared)
        tested, expected = after.contrast(contrast), before.contrast(original)
        np.testing.assert_allclose(tested.statistic, expected.statistic, rtol=1e-6)
        if tested.effect is not None:
            np.testing.assert_allclose(tested.effect, expected.effect, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rules", RULES)
def test_exactly_the_contrasts_that_are_named_change(rules):
    changed = design(*rules)
    after, before = fit(bold(), changed, noise="ols"), fit(bold(), design(), noise="ols")

    named = []
    for contrast in CONTRASTS:
        changes = after.contrast(contrast).statistic - before.contrast(contrast).statistic
        same = abs(changes).max() < 1e-6 * abs(before.contrast(contrast).statistic).max()
        parts = orthogonalized_parts(contrast, changed.names, changed.shared)
        assert bool(parts) != same
        named.append(bool(parts))
    assert True in named
    assert False in named


def test_a_difference_of_zero_becomes_one_and_is_named():
    changed = design(("B", ["A"]))
    difference = weights(A=1, B=-1)

    plain = fit(bold(), design(), noise="ols").contrast(difference)
    after = fit(bold(), changed, noise="ols").contrast(difference)

    assert abs(plain.effect.mean()) < 0.01  # as planted: 2 - 2
    assert after.effect.mean() > 1  # 2 + gamma * 2 - 2
    assert orthogonalized_parts(difference, changed.names, changed.shared) == (("B", ("A",)),)


def test_regressors_that_share_nothing_change_nothing():
    rng = np.random.default_rng(3)
    columns = np.linalg.qr(rng.normal(size=(60, 3)) - rng.normal(size=3))[0]
    made = Design(
        np.column_stack([columns[:, 1:], columns[:, 0]]),
        ("A", "B", "constant"), np.arange(60.0), ("condition", "condition", "constant"),
    )  # fmt: skip
    changed = orthogonalize_design(made, [("B", ["A"])])

    assert orthogonalized_parts(np.array([1.0, -1, 0]), changed.names, changed.shared) == ()


def test_weights_that_are_not_known_do_not_cancel():
    names, unknown = ["A", "A2", "B"], (("B", {"A": np.nan, "A2": np.nan}),)
    difference, both = np.array([1.0, -1, 0]), np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])

    assert orthogonalized_parts(difference, names, unknown) == (("B", ("A", "A2")),)
    assert orthogonalized_parts(both, names, unknown) == ()
    # known and the same, they do cancel: A - A2 has no part of B
    assert orthogonalized_parts(difference, names, (("B", {"A": 0.5, "A2": 0.5}),)) == ()
