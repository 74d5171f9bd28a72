"""Polynomials of several variables, as rows of terms: what smooth functions are fitted by."""

from itertools import combinations_with_replacement

import numpy as np

from boldglm.glm.arrays.types import FloatArray


def polynomial(x: FloatArray, degree: int) -> FloatArray:
    """Return all products of up to `degree` rows of x; (n_terms, n).

    Examples
    --------
    >>> polynomial(np.array([[2.0], [3.0]]), 2).ravel().tolist()
    [1.0, 2.0, 3.0, 4.0, 6.0, 9.0]
    """
    terms: dict[tuple[int, ...], FloatArray] = {}
    for which in monomials(len(x), degree):
        terms[which] = terms[which[:-1]] * x[which[-1]] if which else np.ones(x.shape[1])
    return np.stack(list(terms.values()))


def monomials(n_variables: int, degree: int) -> list[tuple[int, ...]]:
    """Return of which variables the terms of `polynomial` are products.

    Examples
    --------
    >>> monomials(2, 2)
    [(), (0,), (1,), (0, 0), (0, 1), (1, 1)]
    """
    lengths = range(degree + 1)
    return [
        which
        for length in lengths
        for which in combinations_with_replacement(range(n_variables), length)
    ]


def derivatives(n_variables: int, degree: int) -> FloatArray:
    """Return the derivatives of the terms of `polynomial`, in terms of one degree less.

    Returns
    -------
    ndarray of shape (n_variables, n_terms, n_terms of one degree less)

    Examples
    --------
    Of 1, x and x², by x: 0, 1 and 2x.

    >>> derivatives(1, 2).tolist()
    [[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]]
    """
    terms, lower = monomials(n_variables, degree), monomials(n_variables, degree - 1)
    place = {which: k for k, which in enumerate(lower)}
    result = np.zeros((n_variables, len(terms), len(lower)))
    for k, which in enumerate(terms):
        for variable in set(which):
            left = list(which)
            left.remove(variable)
            result[variable, k, place[tuple(left)]] = which.count(variable)
    return result
