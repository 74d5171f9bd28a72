"""Wilkinson formulas."""

import pytest

from boldglm.stats_model.formula import parse_formula


def test_a_product_holds_its_parts_and_their_interaction():
    formula = parse_formula("1 + age * sex.M")
    assert formula.terms == (("age",), ("sex.M",), ("age", "sex.M"))
    assert formula.has_constant


def test_names_may_hold_blanks_as_variables_do():
    formula = parse_formula("0 + trial_type.parametric gain + RT")
    assert formula.terms == (("trial_type.parametric gain",), ("RT",))


def test_cells_of_a_published_anova_are_read():
    formula = parse_formula("~ 0 + grp.1:sex.M+ grp.1:sex.F+ grp.2:sex.M")
    assert formula.terms == (("grp.1", "sex.M"), ("grp.1", "sex.F"), ("grp.2", "sex.M"))
    assert not formula.has_constant


@pytest.mark.parametrize("text", ["age - 1", "-1 + age", "0 + age", "age + 0"])
def test_the_constant_can_be_taken_out(text):
    formula = parse_formula(text)
    assert (formula.terms, formula.has_constant) == ((("age",),), False)


def test_a_category_is_remembered():
    assert parse_formula("0 + C(group)").categorical == ("group",)


@pytest.mark.parametrize("text", ["", "~", "log(age)", "age - sex", "age *"])
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(ValueError, match=r"formula|taken out|missing"):
        parse_formula(text)
