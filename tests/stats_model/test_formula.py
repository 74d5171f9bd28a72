"""Wilkinson formulas."""

import pytest

from boldglm.stats_model.formula import parse_formula


def test_a_crossed_term_has_main_effects_and_interaction():
    formula = parse_formula("1 + age * sex.M")
    assert formula.terms == (("age",), ("sex.M",), ("age", "sex.M"))
    assert formula.has_constant


def test_names_may_contain_blanks():
    formula = parse_formula("0 + trial_type.parametric gain + RT")
    assert formula.terms == (("trial_type.parametric gain",), ("RT",))


def test_the_cells_of_a_published_anova_are_parsed():
    formula = parse_formula("~ 0 + grp.1:sex.M+ grp.1:sex.F+ grp.2:sex.M")
    assert formula.terms == (("grp.1", "sex.M"), ("grp.1", "sex.F"), ("grp.2", "sex.M"))
    assert not formula.has_constant


@pytest.mark.parametrize("text", ["age - 1", "-1 + age", "0 + age", "age + 0"])
def test_the_constant_can_be_removed(text):
    formula = parse_formula(text)
    assert (formula.terms, formula.has_constant) == ((("age",),), False)


def test_categories_are_listed():
    assert parse_formula("0 + C(group)").categorical == ("group",)


@pytest.mark.parametrize("text", ["", "~", "log(age)", "age - sex", "age *"])
def test_text_that_is_not_a_formula_is_refused(text):
    with pytest.raises(ValueError, match=r"cannot be parsed|subtracts a term|lacks a name"):
        parse_formula(text)
