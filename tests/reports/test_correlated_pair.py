"""Correlated regressors in the report: chosen by the rule, with the numbers that formulas give."""

from dataclasses import replace

import numpy as np
import pytest

from boldglm.glm import Design, orthogonalize_design
from boldglm.glm.design.regressor_pairs import most_correlated_pair, named_pair, read_pair
from boldglm.reports.correlated_pair import license_table, pair_sentence, pair_table

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
    design = design_of(correlation)
    pair = most_correlated_pair(design)
    table = pair_table(design, pair)

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
    assert f"share {100 * correlation**2:.0f} % of their variance" in pair_sentence(design, pair)
    assert "Never subtract cue and target afterwards" in str(license_table(pair).rows)


def test_regressors_that_hardly_correlate_are_explained_only_if_asked_for():
    design = design_of(0.15)
    assert most_correlated_pair(design) is None

    pair = named_pair(design, *read_pair("rest ~ cue", design.names))
    assert "share only 0.0 % of their variance" in pair_sentence(design, pair)


def test_columns_of_one_condition_are_not_compared():
    same = ["trial_type.cue", "trial_type.cue", "trial_type.rest", ""]

    assert most_correlated_pair(design_of(0.9, conditions=same)) is None


def test_what_cannot_be_told_apart_is_not_explained_but_the_plan_gives_notice():
    assert most_correlated_pair(design_of(1.0)) is None


def test_an_inflated_variance_is_enough():
    """Two conditions correlate little, but a confound makes each nearly the other's mirror."""
    design = design_of(0.2)
    noise = np.random.default_rng(2).normal(size=design.n_scans)
    both = design.matrix[:, 0] / 3 + design.matrix[:, 1] / 5 + 0.02 * (noise - noise.mean())
    matrix = design.matrix.copy()
    matrix[:, 2] = both
    roles = ["condition", "condition", "confound", "constant"]
    design = Design(matrix, [*NAMES[:2], "motion", "constant"], design.frame_times, roles)

    pair = most_correlated_pair(design)
    assert pair.rule == "target ~ cue"


def test_the_regressor_that_was_orthogonalized_is_the_second():
    design = design_of(0.6)
    changed = orthogonalize_design(design, [("trial_type.cue", ("trial_type.target",))])

    assert most_correlated_pair(design).rule == "target ~ cue"
    assert most_correlated_pair(replace(changed, matrix=design.matrix)).rule == "cue ~ target"


def test_it_is_said_where_orthogonalizing_is_not_leaving_out():
    design = design_of(0.6)
    pair = most_correlated_pair(design)
    assert "not quite the model without" not in pair_table(design, pair).caption

    matrix = design.matrix.copy()
    matrix[:, 1] += 2 * matrix[:, 2]  # the target shares variance with rest as well
    matrix[:, 0] += 0.5 * matrix[:, 2]
    design = replace(design, matrix=matrix)
    table = pair_table(design, named_pair(design, *NAMES[1::-1]))
    assert "not quite the model without target" in table.caption
    assert table.rows[2][2].startswith("much as without target")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "tarjet ~ cue",
            "there is no 'tarjet'. Known: .*mean 'trial_type.target'",
        ),
        ("target ~ cue + rest", "Ask for 'target ~ cue' and 'target ~ rest', each by itself"),
        ("cue ~ cue", "'trial_type.cue' is compared with itself"),
        ("cue", "cannot read the orthogonalization 'cue'. Write 'B ~ A'"),
    ],
)
def test_what_is_no_pair_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        read_pair(text, NAMES)
