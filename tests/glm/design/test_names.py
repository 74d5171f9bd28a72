"""Names written by hand: short forms, mistakes, names that hold operators."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boldglm.glm.design.names import resolve_name
from boldglm.glm.design.orthogonalize import parse_orthogonalization
from boldglm.suggestions import list_known

NAMES = ["trial_type.face", "trial_type.house", "response_time", "rot_x"]


def test_an_exact_name_wins_over_a_short_form():
    assert resolve_name("face", ["trial_type.face", "face"]) == "face"


def test_a_short_form_is_what_follows_the_first_dot():
    assert resolve_name("face.left", ["trial_type.face.left"]) == "trial_type.face.left"


def test_a_short_form_of_several_names_is_refused():
    with pytest.raises(ValueError, match=r"'go' could be any of trial_type.go, cue.go"):
        resolve_name("go", ["trial_type.go", "cue.go"])


def test_a_mistyped_name_gets_the_nearest_one_even_by_its_short_form():
    with pytest.raises(ValueError, match=r"there is no 'fase'.*Did you mean 'trial_type.face'"):
        resolve_name("fase", NAMES)
    with pytest.raises(ValueError, match=r"Known: trial_type.face, trial_type.house"):
        resolve_name("zzzz", NAMES)


def test_nothing_known_says_so():
    assert list_known("x", []) == " Known: none."


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("house ~ face", ("trial_type.house", ("trial_type.face",))),
        ("  house~face+rot_x ", ("trial_type.house", ("trial_type.face", "rot_x"))),
        ("trial_type.house ~ response_time", ("trial_type.house", ("response_time",))),
    ],
)
def test_a_rule_is_read(rule, expected):
    assert parse_orthogonalization(rule, NAMES) == expected


def test_names_may_hold_blanks_and_operators():
    names = ["a", "b", "a + b", "c ~ d", "a long name"]

    assert parse_orthogonalization("c ~ d ~ a + b", names) == ("c ~ d", ("a + b",))
    assert parse_orthogonalization("a ~ a long name + b", names) == ("a", ("a long name", "b"))
    assert parse_orthogonalization("a + b ~ b", names) == ("a + b", ("b",))


def test_the_start_of_a_longer_word_is_not_a_name():
    with pytest.raises(ValueError, match="there is no 'face_left'"):
        parse_orthogonalization("house ~ face_left", NAMES)


@pytest.mark.parametrize("rule", ["house", "house + face", "house ~ face ~ rot_x"])
def test_a_rule_of_another_form_is_refused(rule):
    with pytest.raises(ValueError, match=r"cannot read the orthogonalization .*Write 'B ~ A'"):
        parse_orthogonalization(rule, NAMES)


@pytest.mark.parametrize("rule", ["", "~ face", "house ~", "house ~ face +", "house ~ + face"])
def test_a_rule_without_a_name_is_refused(rule):
    with pytest.raises(ValueError, match="a name is missing"):
        parse_orthogonalization(rule, NAMES)


@given(
    st.lists(
        st.text("ab ._-*+~", min_size=1, max_size=6).map(str.strip).filter(bool),
        min_size=2,
        max_size=5,
        unique=True,
    )
)
def test_reading_a_rule_of_any_names_gives_known_names_or_a_reason(names):
    rule = f"{names[0]} ~ {' + '.join(names[1:])}"

    try:
        target, against = parse_orthogonalization(rule, names)
    except ValueError:
        return  # a name such as "a ~ b" can make the rule ambiguous; other errors fail
    assert {target, *against} <= set(names)
