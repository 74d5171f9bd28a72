"""Polynomials of several variables, to approximate smooth functions by regression."""

from itertools import combinations_with_replacement

import numpy as np

from boldglm.glm.arrays.types import FloatArray


def polynomial(x: FloatArray, degree: int) -> FloatArray:
    """Return the terms of a polynomial: all products of up to `degree` rows of x.

    Parameters
    ----------
    x : ndarray of shape (n_variables, n)
        Variables.
    degree : int
        Degree of the polynomial.

    Returns
    -------
    ndarray of shape (n_terms, n)

    Examples
    --------
    >>> polynomial(np.array([[2.0], [3.0]]), 2).ravel().tolist()
    [1.0, 2.0, 3.0, 4.0, 6.0, 9.0]
    """
    terms: dict[tuple[int, ...], FloatArray] = {}
    for term in monomials(len(x), degree):
        terms[term] = terms[term[:-1]] * x[term[-1]] if term else np.ones(x.shape[1])
    return np.stack(list(terms.values()))


def monomials(n_variables: int, degree: int) -> list[tuple[int, ...]]:
    """Return the variables whose products are the terms of `polynomial`.

    Parameters
    ----------
    n_variables, degree : int
        As for `polynomial`.

    Returns
    -------
    list of tuple of int
        The indices of the variables of each term.

    Examples
    --------
    >>> monomials(2, 2)
    [(), (0,), (1,), (0, 0), (0, 1), (1, 1)]
    """
    lengths = range(degree + 1)
    return [
        term
        for length in lengths
        for term in combinations_with_replacement(range(n_variables), length)
    ]


def derivatives(n_variables: int, degree: int) -> FloatArray:
    """Return the derivatives of the terms of `polynomial` as weights on terms of one degree less.

    Parameters
    ----------
    n_variables, degree : int
        As for `polynomial`.

    Returns
    -------
    ndarray of shape (n_variables, n_terms, n_terms of one degree less)

    Examples
    --------
    The derivatives of 1, x and x² are 0, 1 and 2x.

    >>> derivatives(1, 2).tolist()
    [[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]]
    """
    terms, lower = monomials(n_variables, degree), monomials(n_variables, degree - 1)
    index = {term: k for k, term in enumerate(lower)}
    result = np.zeros((n_variables, len(terms), len(lower)))
    for k, term in enumerate(terms):
        for variable in set(term):
            factors = list(term)
            factors.remove(variable)
            result[variable, k, index[tuple(factors)]] = term.count(variable)
    return result
