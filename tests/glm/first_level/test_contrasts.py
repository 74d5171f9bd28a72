"""Contrasts: how they are written, which the design determines, and what they test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from boldglm.glm import NotEstimableError, fit, parse_contrast
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.first_level.contrasts import (
    MissingRegressorError,
    contrast_weights,
    format_weights,
    split_named_contrast,
)

NAMES = ("trial_type.face", "trial_type.house", "rot_x", "constant")


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# --- how a contrast is written


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("face", [1, 0, 0, 0]),
        ("-face", [-1, 0, 0, 0]),
        ("face - house", [1, -1, 0, 0]),
        ("face-house", [1, -1, 0, 0]),
        ("trial_type.face - trial_type.house", [1, -1, 0, 0]),
        ("(face + house)/2 - rot_x", [0.5, 0.5, -1, 0]),
        ("1/3*face + 2/3 * house", [1 / 3, 2 / 3, 0, 0]),
        ("face*2", [2, 0, 0, 0]),
        ("2*(face - (house - rot_x)/4)", [2, -0.5, 0.5, 0]),
        ("- -face - -house", [1, 1, 0, 0]),
        (".5e1*face - 1.5*house", [5, -1.5, 0, 0]),
        ("face/-2", [-0.5, 0, 0, 0]),
        ("face + 1 - 1 - house", [1, -1, 0, 0]),
        ("'trial_type.face' - `house`", [1, -1, 0, 0]),
        ("face, house", [[1, 0, 0, 0], [0, 1, 0, 0]]),
        ("face - house, house - rot_x, face", [[1, -1, 0, 0], [0, 1, -1, 0], [1, 0, 0, 0]]),
    ],
)
def test_expressions_mean_what_they_say(expression, expected):
    np.testing.assert_allclose(parse_contrast(expression, NAMES), expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("expression", "names", "expected"),
    [
        ("go left - go", ["go", "go left"], [-1, 1]),
        ("go-left - go", ["go", "left", "go-left"], [-1, 0, 1]),
        ("'go'-left", ["go", "left", "go-left"], [1, -1, 0]),
        ("a + b - a", ["a", "b", "a + b"], [-1, 0, 1]),
        ("cond[0.5] - cond[1]", ["cond[0.5]", "cond[1]"], [1, -1]),
        ("rt (ms) + go", ["rt (ms)", "go"], [1, 1]),
        ("2 - 1", ["1", "2"], [-1, 1]),
        ("(1 + 2)/2 - 3", ["1", "2", "3"], [0.5, 0.5, -1]),
        ("2*3", ["go", "3 ", "2*3"], [0, 0, 1]),
        ("2*'2'", ["1", "2"], [0, 2]),
        ("2*go", ["go", "2"], [2, 0]),
        ("trial_type.1 - 2", ["trial_type.1", "trial_type.2"], [1, -1]),
        ("2back - 0back", ["0back", "2back"], [-1, 1]),
        ("a.b.c", ["a.b.c", "x"], [1, 0]),
        ("b.c", ["a.b.c", "x"], [1, 0]),
        ("größe - go", ["go", "größe"], [-1, 1]),
    ],
)
def test_names_may_hold_blanks_operators_brackets_and_digits(expression, names, expected):
    np.testing.assert_allclose(parse_contrast(expression, names), expected)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("fase - house", r"character 1: there is no regressor 'fase'.*Did you mean 'trial_type.f"),
        ("face - howse", r"character 8: there is no regressor 'howse'. Known: trial_type.face"),
        ("face_left", r"there is no regressor 'face_left'"),
        ("'fase'", r"there is no 'fase'"),
        ("face house", r"cannot read 'h': an operator or a comma is missing"),
        ("face *", r"missing at the end"),
        ("", r"missing at the end"),
        ("face,", r"missing at the end"),
        ("face - * house", r"missing before '\*'"),
        ("(face - house", r"closing parenthesis is missing"),
        ("face)", r"cannot read '\)'"),
        ("'face", r"quote ' is not closed"),
        ("face*house", r"cannot be multiplied with each other"),
        ("1/face", r"can only divide by a number other than 0, not by 'face'"),
        ("face/0", r"can only divide by a number other than 0, not by '0'"),
        ("face/(1-1)", r"not by '\(1-1\)'"),
        ("3", r"adds the number 3"),
        ("face - 1", r"adds the number -1"),
        ("face - face", r"all weights of 'face - face' are 0"),
        ("face, 0*house", r"all weights of '0\*house' are 0"),
        ("1e400*face", r"not finite"),
        ("1e300*1e300*face", r"not finite"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(expression, message):
    with pytest.raises(ValueError, match=message):
        parse_contrast(expression, NAMES)


def test_a_short_name_of_two_regressors_is_refused():
    with pytest.raises(ValueError, match=r"'go' could be any of a\.go, b\.go"):
        parse_contrast("go", ["a.go", "b.go"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("conflict = a - b", ("conflict", "a - b")),
        ("a - b", (None, "a - b")),
        ("'x=1' - b", (None, "'x=1' - b")),
        ("name with blanks='x=1'", ("name with blanks", "'x=1'")),
    ],
)
def test_a_name_may_stand_before_the_equals_sign(text, expected):
    assert split_named_contrast(text) == expected


@pytest.mark.parametrize("text", ["= a", "name =", "="])
def test_a_lonely_equals_sign_is_refused(text):
    with pytest.raises(ValueError, match="Write 'name = expression'"):
        split_named_contrast(text)


names_of_regressors = st.lists(
    st.one_of(
        st.text("ab1 .-+*/()[]_", min_size=1, max_size=5),
        st.sampled_from(["1", "2", "a", "b", "a - b", "trial_type.a", "a.1", "2*a", "e5"]),
    )
    .map(str.strip)
    .filter(bool),
    min_size=1,
    max_size=5,
    unique=True,
)


@given(st.data(), names_of_regressors)
def test_weights_written_as_text_are_read_back_the_same(data, names):
    value = st.one_of(st.integers(-3, 3), st.floats(-1e3, 1e3)).map(float)
    row = st.lists(value, min_size=len(names), max_size=len(names)).filter(any)
    weights = np.array(data.draw(st.lists(row, min_size=1, max_size=3)))
    weights = weights[0] if len(weights) == 1 else weights

    read = parse_contrast(format_weights(weights, names), names)

    np.testing.assert_array_equal(read, weights)


def test_weights_are_written_as_a_person_would():
    assert format_weights([0.5, 0.5, -1, 0], NAMES) == (
        "0.5*trial_type.face + 0.5*trial_type.house - rot_x"
    )
    assert format_weights([-1, 0, 0, 2], NAMES) == "-trial_type.face + 2*constant"


def test_contrasts_are_named_after_what_was_written():
    assert contrast_weights("visual = face - house", NAMES)[0] == "visual"
    assert contrast_weights("visual = face - house", NAMES, "mine")[0] == "mine"
    assert contrast_weights("face - house", NAMES)[0] == "face - house"
    assert contrast_weights([1, -1, 0, 0], NAMES)[0] == "trial_type.face - trial_type.house"


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1, 0], "weights of shape \\(3,\\), but the design has 4 regressors"),
        (np.ones((2, 2, 4)), "weights of shape"),
        (np.zeros((0, 4)), "weights of shape"),
        ([0, 0, 0, 0], "all 0"),
        ([[1, 0, 0, 0], [0, 0, 0, 0]], "all 0"),
        ([1, np.nan, 0, 0], "not finite"),
        (["face", "house"], r"a contrast is \['face', 'house'\]. Give one number for each"),
        ([[1, 0, 0, 0], [1, 0]], "an expression such as 'trial_type.face - constant'"),
        ({"face": 1}, "lacks. Known: .* Did you mean 'trial_type.face'"),
        ({}, "Give each regressor one weight for t"),
        ({"rot_x": [[1]]}, "Give each regressor one weight for t"),
        ({"rot_x": 1, "constant": [1, 0]}, "a list of equally many weights for F"),
        ({"rot_x": "face"}, "Give one number for each regressor"),
        ({"rot_x": 0}, "all 0"),
    ],
)
def test_weights_that_do_not_fit_the_design_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        contrast_weights(weights, NAMES)
    with pytest.raises(ValueError, match=r"^contrast 'mine' "):
        contrast_weights(weights, NAMES, "mine")


def test_weights_by_regressor_are_laid_out_over_the_design():
    t = contrast_weights({"constant": 2, "trial_type.face": -1}, NAMES)
    F = contrast_weights({"rot_x": [1, 0], "constant": [0, 3]}, NAMES, "both")

    assert (t[0], t[1].tolist()) == ("-trial_type.face + 2*constant", [-1, 0, 0, 2])
    assert (F[0], F[1].tolist()) == ("both", [[0, 0, 1, 0], [0, 0, 0, 3]])
    assert contrast_weights({"rot_x": [1]}, NAMES)[1].shape == (1, 4)


def test_regressors_that_the_design_lacks_can_be_read_from_the_error():
    with pytest.raises(MissingRegressorError) as caught:
        contrast_weights({"rot_x": 1, "rot_y": 1, "rot_z": -2}, NAMES)

    assert caught.value.regressors == ("rot_y", "rot_z")


FORMS = ["face - house", "pair = face - house", [1, -1, 0, 0], {"rot_x": 1}, np.eye(4)[:2]]


def test_contrasts_takes_every_form_that_contrast_takes():
    found = fit(noise((30, 2)), Design(noise((30, 4), 1), NAMES, range(30), ["confound"] * 4))
    singly = [found.contrast(form) for form in FORMS]

    together = list(found.contrasts(FORMS))
    named = list(found.contrasts({str(k): form for k, form in enumerate(FORMS)}))
    paired = list(found.contrasts([(str(k), form) for k, form in enumerate(FORMS)]))

    assert [contrast.name for contrast in together] == [contrast.name for contrast in singly]
    assert [contrast.name for contrast in named] == ["0", "1", "2", "3", "4"]
    for contrasts in (together, named, paired):
        for contrast, alone in zip(contrasts, singly, strict=True):
            np.testing.assert_array_equal(contrast.statistic, alone.statistic)
            np.testing.assert_array_equal(contrast.weights, alone.weights)
    with pytest.raises(ValueError, match=r"is a single contrast\. Put it in a list"):
        found.contrasts("face - house")


# --- what a contrast tests


def test_t_is_the_effect_over_its_standard_error():
    bold, X = noise((30, 5)), noise((30, 3), 1)
    c = np.array([1.0, -2.0, 0.5])

    found = fit(bold, X, noise="ols")
    tested = found.contrast(c)

    variance = found.sigma2 * (c @ np.linalg.inv(X.T @ X) @ c)
    np.testing.assert_allclose(tested.effect, c @ found.betas, rtol=1e-12)
    np.testing.assert_allclose(tested.variance, variance, rtol=1e-12)
    np.testing.assert_allclose(tested.t, c @ found.betas / np.sqrt(variance), rtol=1e-12)
    np.testing.assert_allclose(tested.p, stats.t.sf(tested.t, 27), rtol=1e-12)
    np.testing.assert_allclose(tested.z, stats.norm.isf(tested.p), rtol=1e-12)
    assert (tested.test, tested.dof, tested.dof_numerator, tested.F) == ("t", 27, 1, None)


def test_f_is_the_extra_sum_of_squares():
    bold, X = noise((30, 5)), noise((30, 4), 1)

    full, reduced = fit(bold, X, noise="ols"), fit(bold, X[:, :2], noise="ols")
    tested = full.contrast(np.eye(4)[2:])

    extra = reduced.sigma2 * reduced.dof - full.sigma2 * full.dof
    np.testing.assert_allclose(tested.F, extra / 2 / full.sigma2, rtol=1e-11)
    np.testing.assert_allclose(tested.p, stats.f.sf(tested.F, 2, 26), rtol=1e-11)
    np.testing.assert_allclose(tested.z, stats.norm.isf(tested.p), rtol=1e-10)
    assert (tested.test, tested.dof_numerator, tested.t) == ("F", 2, None)
    assert tested.effect is tested.variance is None


def test_expressions_use_the_names_of_the_design():
    X = np.column_stack([noise((20, 2)), np.ones(20)])
    names = ["trial_type.a", "trial_type.b", "constant"]
    design = Design(X, names, np.arange(20.0), ["condition", "condition", "constant"])
    found = fit(noise((20, 4), 1), design)

    np.testing.assert_array_equal(found.contrast("a - b").t, found.contrast([1, -1, 0]).t)
    assert found.contrast("a, b").dof_numerator == 2
    assert found.names == design.names
    with pytest.raises(ValueError, match="no regressor 'c'"):
        found.contrast("a - c")


# --- what the design does not determine


def dependent_design():
    X = np.column_stack([noise((25, 3)), np.zeros(25), np.ones(25)])
    return np.column_stack([X, X[:, 0] - 2 * X[:, 1]])


def test_a_contrast_of_dependent_regressors_is_refused_by_name():
    found = fit(noise((25, 2), 1), dependent_design())

    with pytest.raises(NotEstimableError) as caught:
        found.contrast([1, 0, 0, 0, 0, 0], name="first alone")

    message = str(caught.value)
    assert "'first alone'" in message
    assert "'column_1', 'column_2', 'column_6' are linearly dependent" in message
    assert "column_3" not in message


def test_a_contrast_of_an_empty_regressor_is_refused():
    found = fit(noise((25, 2), 1), dependent_design())

    with pytest.raises(NotEstimableError, match="'column_4' is 0 in every scan"):
        found.contrast("column_4 - column_3")
    with pytest.raises(NotEstimableError, match="'column_4' is 0 in every scan"):
        found.contrast("column_3, column_4")


def test_a_sum_that_the_dependence_does_not_touch_is_estimated():
    X, bold = dependent_design(), noise((25, 4), 1)
    found = fit(bold, X, noise="ols")
    independent = fit(bold, X[:, [0, 1, 2, 4]], noise="ols")

    # betas of columns 1 and 6 are shared, column_1 + column_6 goes with the first alone
    np.testing.assert_allclose(
        found.contrast([1, 0, 0, 0, 0, 1]).t, independent.contrast([1, 0, 0, 0]).t, rtol=1e-10
    )
    np.testing.assert_allclose(
        found.contrast("column_3").t, independent.contrast("column_3").t, rtol=1e-10
    )


def test_whether_a_contrast_can_be_estimated_does_not_depend_on_units():
    X, bold = dependent_design(), noise((25, 2), 1)
    units = np.array([1e-8, 1.0, 1e9, 1.0, 1e4, 1.0])

    found = fit(bold, X * units, noise="ols")

    assert found.rank == 4
    np.testing.assert_allclose(
        found.contrast([0, 0, 1, 0, 0, 0]).t,
        fit(bold, X, noise="ols").contrast("column_3").t,
        rtol=1e-9,
    )
    with pytest.raises(NotEstimableError):
        found.contrast([1, 0, 0, 0, 0, 0])
