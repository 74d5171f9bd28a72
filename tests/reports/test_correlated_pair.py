"""The table of what two correlated regressors share has the numbers that formulas give."""

import numpy as np
import pytest

from boldglm.glm import Design
from boldglm.reports.correlated_pair import pair_table

ROLES = ["condition", "condition", "condition", "constant"]
NAMES = ["trial_type.cue", "trial_type.target", "trial_type.rest", "constant"]


def design_of(correlation, n_scans=200, roles=ROLES, conditions=None):
    """Three centered regressors, the first two with a correlation, and a constant."""
    rng = np.random.default_rng(7)
    columns, _ = np.linalg.qr(rng.normal(size=(n_scans, 4)) - 0.0)
    columns = columns - columns.mean(axis=0)
    columns, _ = np.linalg.qr(columns)
    first, other, third = columns[:, :3].T
    second = correlation * first + np.sqrt(1 - correlation**2) * other
    matrix = np.column_stack([3 * first, 5 * second, third, np.ones(n_scans)])
    return Design(matrix, NAMES, np.arange(n_scans) * 2.0, roles, conditions or ())


@pytest.mark.parametrize("correlation", [0.5, -0.6, 0.9])
def test_standard_errors_are_those_of_the_formulas(correlation):
    table = pair_table(design_of(correlation))

    loss = 1 / np.sqrt(1 - correlation**2)
    alone = {"cue": 1 / 3, "target": 1 / 5}
    difference = loss * np.sqrt(1 / 9 + 1 / 25 + 2 * correlation / 15)
    expected = [
        ("cue", alone["cue"], 1),
        ("cue", alone["cue"] * loss, loss**2),
        ("cue", alone["cue"], 1),  # after target ~ cue
        ("target", alone["target"], 1),
        ("target", alone["target"] * loss, loss**2),
        ("target", alone["target"] * loss, loss**2),
        ("cue - target", difference, None),
        ("cue - target", None, None),  # no difference any more
    ]
    found = [(row[0], row[3], row[4]) for row in table.rows]
    assert found == [
        (
            name,
            "" if error is None else f"{error:.3g}",
            "" if ratio is None else f"× {ratio:.2g}",
        )
        for name, error, ratio in expected
    ]
    assert f"share {100 * correlation**2:.0f} % of their variance" in table.caption


def test_regressors_that_hardly_correlate_have_no_table():
    assert pair_table(design_of(0.2)) is None


def test_columns_of_one_condition_are_not_compared():
    same = ["trial_type.cue", "trial_type.cue", "trial_type.rest", ""]

    assert pair_table(design_of(0.9, conditions=same)) is None


def test_what_cannot_be_told_apart_has_no_table_but_a_notice_of_the_plan():
    assert pair_table(design_of(1.0)) is None
