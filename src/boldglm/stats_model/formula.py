"""Wilkinson formulas over variables, such as ``0 + RT * gain`` or ``1 + C(group)``.

A model's `Formula` says which products of its variables are columns of the design. Names may
hold blanks and dots, as BIDS variables do; operators are ``+``, ``-``, ``*``, ``:`` and ``C()``.
"""

import re
from dataclasses import dataclass
from itertools import combinations

from boldglm.errors import BadDataError
from boldglm.stats_model.specification import NodeSpec


@dataclass(frozen=True)
class Formula:
    """Terms of a formula; each is the names of the variables that are multiplied.

    `categorical` are variables to code by level even where they hold numbers.
    """

    terms: tuple[tuple[str, ...], ...]
    has_constant: bool
    categorical: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Names that the formula uses, in order."""
        return tuple(dict.fromkeys(name for term in self.terms for name in term))


def parse_formula(text: str) -> Formula:
    """Read a Wilkinson formula (Wilkinson & Rogers 1973, doi:10.2307/2346786).

    Parameters
    ----------
    text : str
        Right-hand side, perhaps after ``~``. ``a * b`` is ``a + b + a:b``; ``0`` or ``-1``
        takes out the constant, which is there otherwise.

    Returns
    -------
    Formula

    Raises
    ------
    ValueError
        If the text is no such formula.

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
            f"{text!r} is no formula that boldglm reads: write names joined by +, * and :, such "
            "as '1 + age + sex:age', and C(name) for a category."
        )
    constant, terms, categorical = True, [], []
    body = re.sub(r"(?:^|\s)-\s*1(?=\s|$)", " + 0", body)
    for term in filter(None, (part.strip() for part in body.split("+"))):
        if term in ("0", "1"):
            constant = term == "1"
            continue
        if " - " in f" {term}":
            raise ValueError(f"{text!r}: only the constant can be taken out, as '- 1' or '0'.")
        factors = []
        for name in term.split("*"):
            product = []
            for one in name.split(":"):
                found = re.fullmatch(r"\s*(?:C\(\s*([^()]+?)\s*\)|(\S.*?))\s*", one)
                if found is None:
                    raise ValueError(f"{text!r}: a name is missing in {term!r}.")
                product.append(found[1] or found[2])
                categorical += [found[1]] if found[1] else []
            factors.append(tuple(product))
        for size in range(1, len(factors) + 1):
            for chosen in combinations(factors, size):
                joined = tuple(name for product in chosen for name in product)
                terms += [joined]
    return Formula(tuple(dict.fromkeys(terms)), constant, tuple(dict.fromkeys(categorical)))


def formula_of(node: NodeSpec) -> Formula:
    """Read the formula of a node.

    Raises
    ------
    BadDataError
        If it is none, with its JSON path.
    """
    try:
        return parse_formula(node.formula or "")
    except ValueError as error:
        raise BadDataError(f"At {node.path}.Model.Formula: {error}") from error
