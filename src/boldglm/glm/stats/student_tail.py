"""Convert many t values to z by polynomial interpolation.

z is a smooth function of t. For a map of many voxels it is faster to compute z at a few nodes and
to interpolate, with an error near rounding, than to evaluate the incomplete beta function at every
voxel.

Notation: ν degrees of freedom, w = √(ν log(1 + t²/ν)), T_k Chebyshev polynomials.
"""

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from scipy import special

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.types import FloatArray

# Range in which z / w is interpolated. Fewer degrees of freedom or larger w would need more nodes.
FEWEST_DOF, LARGEST_W = 20.0, 8.0
N_NODES_W, N_NODES_DOF = 20, 12

# Coefficients below this are rounding errors of the values at the nodes.
NEGLIGIBLE = 2e-16

VALUES_AT_ONCE = 4096


class TailPolynomial:
    """Polynomial that converts \\|t\\| to z, for degrees of freedom within a range.

    Parameters
    ----------
    fewest, most : float
        Range of ν, from `FEWEST_DOF` to infinity.

    Notes
    -----
    Both z and w are odd functions of t, and w is close to z for all ν [1]_. Hence z / w is a
    nearly constant function of w² and 1/ν, which is interpolated at Chebyshev nodes in both
    variables. The error of z is below 1e-13 of z.

    References
    ----------
    .. [1] Wallace DL (1959). Bounds on normal approximations to Student's and the chi-square
       distributions. Annals of Mathematical Statistics 30:1121-1130.
       https://doi.org/10.1214/aoms/1177706096

    Examples
    --------
    >>> polynomial = TailPolynomial(20.0, 40.0)
    >>> w = np.sqrt(30 * np.log1p(2.0**2 / 30))
    >>> polynomial(np.array([w]), np.array([30.0])).round(4).tolist()
    [1.9218]
    """

    def __init__(self, fewest: float, most: float) -> None:
        self.middle = (1 / fewest + 1 / most) / 2
        self.half = (1 / fewest - 1 / most) / 2
        n_dof = N_NODES_DOF if self.half > 0 else 1
        x, y = _nodes(N_NODES_W), _nodes(n_dof)
        w = LARGEST_W * np.sqrt((x[:, np.newaxis] + 1) / 2)
        dof = 1 / (self.middle + self.half * y)
        t = np.sqrt(dof * np.expm1(w**2 / dof))
        ratios = -special.ndtri(special.stdtr(dof, -t)) / w
        of_x, of_y = (chebvander(nodes, nodes.size - 1) for nodes in (x, y))
        coefficients = np.linalg.solve(of_y, np.linalg.solve(of_x, ratios).T)
        needed = abs(coefficients) > NEGLIGIBLE
        rows, columns = np.flatnonzero(needed.any(axis=1)), np.flatnonzero(needed.any(axis=0))
        self.coefficients = coefficients[: rows[-1] + 1, : max(columns[-1] + 1, 2)]

    def __call__(self, w: FloatArray, dof: FloatArray) -> FloatArray:
        """Return z for n values of w, at most `LARGEST_W`, with n degrees of freedom; (n,)."""
        z = np.empty_like(w)
        n_dof, n_w = self.coefficients.shape
        terms = np.empty((n_w, min(VALUES_AT_ONCE, w.size)))
        for block in blocks_of(w.size, VALUES_AT_ONCE):
            basis = terms[:, : w[block].size]
            _chebyshev(2 * (w[block] / LARGEST_W) ** 2 - 1, basis)
            rows = self.coefficients @ basis
            if n_dof > 1:
                y = (1 / dof[block] - self.middle) / self.half
                for row in range(n_dof - 1, 1, -1):  # Clenshaw's recurrence
                    rows[row - 1] += 2 * y * rows[row]
                    rows[row - 2] -= rows[row]
                rows[0] += y * rows[1]
            np.multiply(w[block], rows[0], out=z[block])
        return z


def _nodes(n: int) -> FloatArray:
    return np.cos(np.pi * (np.arange(n) + 0.5) / n)


def _chebyshev(x: FloatArray, out: FloatArray) -> None:
    """Fill the rows of `out`, at least two, with T₀(x), T₁(x), and so on."""
    out[0], out[1] = 1.0, x
    twice = 2 * x
    for k in range(2, len(out)):
        np.multiply(twice, out[k - 1], out=out[k])
        out[k] -= out[k - 2]
