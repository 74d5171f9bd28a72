"""Wilkinson formulas over variables, such as ``0 + RT * gain`` or ``1 + C(group)``.

The `Formula` of a model lists the terms of the design, including interactions. Names may contain
blanks and dots, as BIDS variables do; operators are ``+``, ``-``, ``*``, ``:`` and ``C()``.
"""

import re
from dataclasses import dataclass
from itertools import combinations

from boldglm.errors import BadDataError
from boldglm.stats_model.specification import NodeSpec

MOST_FACTORS = 8  # of a product: with n factors, a * b * ... has 2**n - 1 terms


@dataclass(frozen=True)
class Formula:
    """A parsed formula.

    Parameters
    ----------
    terms : tuple of tuple of str
        Each term is a product of variables.
    has_constant : bool
    categorical : tuple of str
        Variables in ``C()``: they get an indicator for each level even if they are numeric.
    """

    terms: tuple[tuple[str, ...], ...]
    has_constant: bool
    categorical: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables in the formula, in order."""
        return tuple(dict.fromkeys(name for term in self.terms for name in term))


def parse_formula(text: str) -> Formula:
    """Parse a Wilkinson formula.

    Parameters
    ----------
    text : str
        Right-hand side, with or without ``~``. ``a * b`` is ``a + b + a:b``. A formula has a
        constant unless it contains ``0`` or ``- 1``.

    Returns
    -------
    Formula

    Raises
    ------
    ValueError
        If the text cannot be parsed.

    References
    ----------
    Wilkinson & Rogers (1973), doi:10.2307/2346786.

    Examples
    --------
    >>> formula = parse_formula("0 + RT * gain")
    >>> formula.terms, formula.has_constant
    ((('RT',), ('gain',), ('RT', 'gain')), False)
    >>> parse_formula("C(group)")
    Formula(terms=(('group',),), has_constant=True, categorical=('group',))
    """
    body = text.split("~", 1)[-1].strip()
    if not body or "(" in re.sub(r"\bC\([^()]*\)", "", body):
        raise ValueError(
            f"the formula {text!r} cannot be parsed. Join names with +, * and :, as in "
            "'1 + age + sex:age', and write C(name) for a category."
        )
    has_constant, terms, categorical = True, [], []
    body = re.sub(r"(?:^|\s)-\s*1(?=\s|$)", " + 0", body)
    for term in filter(None, (part.strip() for part in body.split("+"))):
        if term in ("0", "1"):
            has_constant = term == "1"
            continue
        if " - " in f" {term}":
            raise ValueError(
                f"the formula {text!r} subtracts a term. Only the constant can be removed, by "
                "'- 1' or '0'."
            )
        factors = []
        for name in _crossed(term, text):
            product = []
            for factor in name.split(":"):
                match = re.fullmatch(r"\s*(?:C\(\s*([^()]+?)\s*\)|(\S.*?))\s*", factor)
                if match is None:
                    raise ValueError(
                        f"the formula {text!r} lacks a name in {term.strip()!r}. Write a name on "
                        "both sides of each operator."
                    )
                product.append(match[1] or match[2])
                categorical += [match[1]] if match[1] else []
            factors.append(tuple(product))
        for size in range(1, len(factors) + 1):
            for crossed in combinations(factors, size):
                terms += [tuple(variable for product in crossed for variable in product)]
    return Formula(tuple(dict.fromkeys(terms)), has_constant, tuple(dict.fromkeys(categorical)))


def _crossed(term: str, text: str) -> list[str]:
    """Split a term at its asterisks."""
    names = term.split("*")
    if len(names) > MOST_FACTORS:
        raise ValueError(
            f"the formula {text!r:.80} crosses {len(names)} variables in one product, more than "
            f"{MOST_FACTORS}. Name the interactions that you need, as in 'a + b + a:b'."
        )
    return names


def formula_of(node: NodeSpec) -> Formula:
    """Parse the formula of a node.

    Raises
    ------
    BadDataError
        If the formula cannot be parsed; the message gives its JSON path.
    """
    try:
        return parse_formula(node.formula or "")
    except ValueError as error:
        raise BadDataError(f"At {node.path}.Model.Formula: {error}") from error
