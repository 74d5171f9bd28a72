"""Fit one design to every voxel, and store what contrasts need.

For each voxel a fit stores a few numbers times the rank of the design. Contrasts can be added
later, in another process, without the data.

Arrays are (time, voxel), never (voxel, time).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boldglm.glm.arrays.types import FloatArray, IndexArray
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.design.linear_model import LinearModel, linear_model
from boldglm.glm.design.named_columns import default_names, named_columns
from boldglm.glm.design.summaries import counted, listed, summary_html, summary_text
from boldglm.glm.first_level.contrasts import (
    Contrast,
    ContrastForm,
    contrast_weights,
    evaluate_contrast,
    evaluate_contrasts,
    named_weights,
)
from boldglm.glm.first_level.r_squared import fitted_blocks, r_squared
from boldglm.glm.first_level.validation import checked_bold, checked_chunks
from boldglm.glm.noise.blocks import BoldSeries
from boldglm.glm.noise.contrast_variance import NoiseEstimates
from boldglm.glm.noise.noise_models import noise_model
from boldglm.vocabulary import NOISE_MODEL


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """Estimates of one design at every voxel; made by `fit`.

    Parameters
    ----------
    names : tuple of str
        Names of the regressors.
    noise : str
        Noise model, one of `NOISE_MODELS`.
    model : LinearModel
        The design, in the form in which it was fitted.
    estimates : NoiseEstimates
        Estimates of the noise model at every voxel.
    bold : array_like of shape (n_scans, n_voxels), optional
        The data that were passed to `fit`: a reference, not a copy, for `residuals` and
        `r_squared`. It is neither pickled nor part of `to_arrays`.

    See Also
    --------
    fit : Makes a fit.

    Examples
    --------
    >>> design = np.column_stack([[-1.0, 0.0, 1.0, 2.0], np.ones(4)])
    >>> fit([[1.0, 9], [2, 8], [3, 7], [4, 7]], design, noise="ols")
    Fit of 4 scans, 2 voxels, 2 regressors (rank 2)
      noise model: ols
      degrees of freedom: 2
    """

    names: tuple[str, ...]
    noise: str
    model: LinearModel
    estimates: NoiseEstimates
    bold: BoldSeries | None = None

    @cached_property
    def betas(self) -> FloatArray:
        """Regression weights, shape (n_regressors, n_voxels), in units of the data.

        For a rank-deficient design, the minimum-norm solution, as from the pseudo-inverse.
        """
        betas = np.asarray(self.model.back_projection @ self.estimates.coordinates)
        for row, weight in zip(betas, self.model.constant_weights.tolist(), strict=True):
            if weight:
                row += weight * self.estimates.means
        return betas

    @property
    def sigma2(self) -> FloatArray:
        """Noise variance, shape (n_voxels,), squared units of the data; of AR innovations."""
        return self.estimates.sigma2

    @property
    def ar(self) -> FloatArray | None:
        """Autoregressive coefficients, shape (order, n_voxels); None for white noise."""
        return self.estimates.ar

    @property
    def dof(self) -> int:
        """Residual degrees of freedom: number of scans minus rank."""
        return self.model.dof

    @property
    def rank(self) -> int:
        """Number of linearly independent regressors."""
        return self.model.rank

    @property
    def n_scans(self) -> int:
        """Number of scans."""
        return self.model.n_scans

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return int(self.estimates.means.size)

    @property
    def residuals(self) -> FloatArray:
        """Data minus fitted values, shape (n_scans, n_voxels), in units of the data.

        They are not whitened. Each access computes all of them in float64; use
        `fitted_blocks` for data that do not fit into memory. A fit that was loaded or unpickled
        holds no data and raises ValueError.
        """
        residuals = np.empty((self.n_scans, self.n_voxels))
        for voxels, _, block in fitted_blocks(self._data("residuals"), self):
            residuals[:, voxels] = block
        return residuals

    @cached_property
    def r_squared(self) -> FloatArray:
        """Share of variance over time that the design explains, shape (n_voxels,).

        As the function `boldglm.glm.r_squared` computes it, in blocks of voxels. A fit that was
        loaded or unpickled holds no data and raises ValueError.
        """
        return r_squared(self._data("r_squared"), self)

    def _data(self, attribute: str) -> BoldSeries:
        if self.bold is None:
            raise ValueError(
                f"{attribute} needs the data, and this fit was loaded without them. Pass them to "
                f"boldglm.glm.{'r_squared' if attribute == 'r_squared' else 'fitted_blocks'}"
                "(bold, fit)."
            )
        return self.bold

    def predict(self, design: ArrayLike | Design | None = None) -> FloatArray:
        """Return the fitted values, or predictions for another design.

        Parameters
        ----------
        design : Design, data frame, or array_like of shape (n_other_scans, n_regressors)
            The same regressors at other scans, such as those of another run; by default the
            design that was fitted.

        Returns
        -------
        ndarray of shape (n_scans, n_voxels)
            X β, in units of the data, not whitened.

        Raises
        ------
        ValueError
            If the regressors are not those that were fitted.

        See Also
        --------
        fitted : Fitted values of some voxels and scans.

        Notes
        -----
        If the design that was fitted is rank deficient, predictions for another one are those of
        the minimum-norm `betas`.

        Examples
        --------
        >>> f = fit([[1.0], [2], [3], [5]], [[0.0, 1], [1, 1], [2, 1], [3, 1]], noise="ols")
        >>> f.predict([[10.0, 1.0]]).round(6).tolist()
        [[13.8]]
        """
        if design is None:
            return self.fitted(slice(None))
        names, columns = named_columns(design)
        unnamed = default_names(len(self.names))
        if len(names) != len(self.names) or names not in (self.names, unnamed):
            raise ValueError(
                f"the design has the regressors {listed(names)}, but {listed(self.names)} were "
                "fitted. Pass the same regressors in the same order."
            )
        return np.asarray(columns @ self.betas)

    def fitted(self, voxels: slice, scans: slice | IndexArray = slice(None)) -> FloatArray:
        """Return the fitted values of some voxels and scans.

        Parameters
        ----------
        voxels : slice
            The voxels.
        scans : slice or ndarray of int
            The scans; by default all.

        Returns
        -------
        ndarray of shape (n_scans, n_voxels)
            X β of these, in units of the data, not whitened.

        See Also
        --------
        predict : Fitted values of all, and predictions for another design.

        Examples
        --------
        >>> fit([[1.0], [2], [6]], np.ones(3), noise="ols").fitted(slice(None)).round(12).tolist()
        [[3.0], [3.0], [3.0]]
        """
        signals = self.model.basis[scans] @ self.estimates.coordinates[:, voxels]
        signals += self.estimates.means[voxels]
        return np.asarray(signals)

    def contrast(self, contrast: ContrastForm, name: str | None = None) -> Contrast:
        """Test a contrast at every voxel.

        Parameters
        ----------
        contrast : str, mapping of str to array_like, or array_like
            An expression such as ``"faces - houses"`` or ``"name = faces - houses"``, in which
            commas separate the rows of F; weights by regressor, such as
            ``{"faces": 1, "houses": -1}``; or weights of all regressors, of shape
            (n_regressors,) for t or (q, n_regressors) for F.
        name : str, optional
            Name of the contrast; by default the one in the text, or the expression.

        Returns
        -------
        Contrast
            Effect, variance, t or F, p, z and degrees of freedom.

        Raises
        ------
        NotEstimableError
            If the design does not determine the contrast.
        ValueError
            If an expression or weights do not fit the design.

        See Also
        --------
        contrasts : Test several contrasts.

        Examples
        --------
        >>> design = np.kron(np.eye(2), np.ones((3, 1)))
        >>> f = fit([[1.0], [2], [3], [3], [4], [5]], design, noise="ols")
        >>> c = f.contrast("change = column_2 - column_1")
        >>> c.effect.round(6).item(), c.t.round(3).item(), c.dof
        (2.0, 2.449, 4.0)
        """
        weights = contrast_weights(contrast, self.names, name)
        return evaluate_contrast(weights, self.names, self.model, self.estimates)

    def contrasts(
        self,
        contrasts: Iterable[ContrastForm | tuple[str, ContrastForm]] | Mapping[str, ContrastForm],
    ) -> Iterator[Contrast]:
        """Test several contrasts; for some noise models this costs little more than one.

        Parameters
        ----------
        contrasts : sequence or mapping
            Contrasts in any form that `contrast` takes, pairs of a name and a contrast, or a
            mapping from names to contrasts.

        Returns
        -------
        iterator of Contrast
            What `contrast` returns for each, in order. Each is computed when it is requested.

        Raises
        ------
        NotEstimableError
            If the design does not determine a contrast. No contrast is tested then.
        ValueError
            If an expression or weights do not fit the design.

        See Also
        --------
        contrast : Test one contrast.

        Examples
        --------
        >>> f = fit([[1.0], [2], [3], [5]], np.kron(np.eye(2), [[1.0], [1]]), noise="ols")
        >>> tested = f.contrasts({"first": [1, 0], "change": "column_2 - column_1"})
        >>> {contrast.name: contrast.effect.round(6).item() for contrast in tested}
        {'first': 1.5, 'change': 2.5}
        """
        weights = named_weights(contrasts, self.names)
        return evaluate_contrasts(weights, self.names, self.model, self.estimates)

    def to_arrays(self) -> dict[str, NDArray]:
        """Return the fit as arrays, to save them with `numpy.savez`.

        Returns
        -------
        dict of str to ndarray
            Arrays from which `from_arrays` makes the same fit, without the data.

        See Also
        --------
        from_arrays : Make a fit from these arrays.

        Examples
        --------
        >>> sorted(fit([1.0, 2.0, 6.0], np.ones(3), noise="ols").to_arrays())[:2]
        ['estimates.coordinates', 'estimates.dof']
        """
        arrays: dict[str, NDArray] = {
            "names": np.array(self.names, dtype=np.str_),
            "noise": np.array(self.noise),
        }
        for group, part in (("model", self.model), ("estimates", self.estimates)):
            arrays |= {f"{group}.{key}": value for key, value in field_arrays(part).items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Fit":
        """Make a fit from the arrays of `to_arrays`.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            A dict or an open npz file.

        Returns
        -------
        Fit
            The same fit, bit by bit, without the data.

        Raises
        ------
        ValueError
            If the noise model is unknown.

        See Also
        --------
        to_arrays : Return the arrays of a fit.

        Examples
        --------
        >>> f = fit([1.0, 2.0, 6.0], np.ones(3), noise="ols")
        >>> Fit.from_arrays(f.to_arrays()).betas.round(6).tolist()
        [[3.0]]
        """
        noise = str(arrays["noise"])
        parts: dict[str, dict[str, Any]] = {"model": {}, "estimates": {}}
        for key in arrays:
            group, _, attribute = key.partition(".")
            if attribute:
                value = np.asarray(arrays[key])
                parts[group][attribute] = value if value.ndim else value.item()
        return cls(
            tuple(np.asarray(arrays["names"]).tolist()),
            noise,
            LinearModel(**parts["model"]),
            noise_model(noise).estimates(**parts["estimates"]),
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "bold": None}

    def _summary(self) -> tuple[str, list[tuple[str, str]]]:
        regressors = f"{counted(len(self.names), 'regressor')} (rank {self.rank})"
        shape = f"{counted(self.n_scans, 'scan')}, {counted(self.n_voxels, 'voxel')}"
        rows = [("noise model", self.noise), ("degrees of freedom", str(self.dof))]
        return f"Fit of {shape}, {regressors}", rows

    def __repr__(self) -> str:
        return summary_text(*self._summary())

    def _repr_html_(self) -> str:
        title, rows = self._summary()
        return summary_html(title, [*rows, ("regressors", listed(self.names))])


def field_arrays(part: Any) -> dict[str, NDArray]:
    """Return the fields of a dataclass as arrays."""
    return {each.name: np.asarray(getattr(part, each.name)) for each in fields(part)}


def fit(
    bold: ArrayLike | BoldSeries,
    design: ArrayLike | Design,
    noise: str = NOISE_MODEL,
    block_size: int = 2048,
    n_threads: int | None = None,
) -> Fit:
    """Fit one design to every voxel.

    Parameters
    ----------
    bold : array_like of shape (n_scans, n_voxels) or (n_scans,)
        BOLD data of any real type and unit, each column fitted separately. Calculations are in
        float64, a block of voxels at a time, so a memory map, an HDF5 dataset, or anything else
        with a shape and ``bold[:, start:stop]`` works as well.
    design : Design, data frame, or array_like of shape (n_scans, n_regressors) or (n_scans,)
        Regressors sampled at the scan times; may be rank deficient. Names come from a `Design`
        or the columns of a pandas DataFrame; the index of a frame is ignored. Columns of a bare
        array are named ``column_1`` and so on.
    noise : str
        One of `NOISE_MODELS`. ``"auto"``: autoregressive, of an order that suits the length of
        the run, with coefficients that voxels share as far as the run justifies. ``"ols"``:
        white. ``"ar1"``: first-order autoregressive, with a coefficient for each voxel;
        ``"ar2"`` to ``"ar6"``: the same of higher order. ``"arma11"``: autoregressive plus
        white, on a grid of coefficients. ``"nilearn-ar1"``: as in nilearn, for comparison only.
    block_size : int
        Voxels in a block; changes memory and speed, not results.
    n_threads : int, optional
        Number of blocks that are fitted in parallel; changes memory and speed, not results. By
        default OMP_NUM_THREADS, or the number of processors.

    Returns
    -------
    Fit
        Betas, noise estimates, and contrasts on request.

    Raises
    ------
    ValueError
        If the numbers of scans differ, a value is not finite, no residual degree of freedom is
        left, or the noise model is unknown.

    See Also
    --------
    build_design : Build a design from events.
    Fit.contrast : Test a contrast.
    fit_second_level : Combine effects of runs or participants.

    Notes
    -----
    ``betas = pinv(X) @ Y`` with ``dof = n_scans - rank(X)`` [1]_. For autoregressive noise,
    generalized least squares with the estimated coefficients.

    References
    ----------
    .. [1] Friston KJ, Holmes AP, Worsley KJ, Poline J-B, Frith CD, Frackowiak RSJ (1994).
       Statistical parametric maps in functional imaging: a general linear approach. Human
       Brain Mapping 2:189-210. https://doi.org/10.1002/hbm.460020402

    Examples
    --------
    A slope and a mean, at two voxels:

    >>> design = np.column_stack([[-1.0, 0.0, 1.0, 2.0], np.ones(4)])
    >>> f = fit([[1.0, 9], [2, 8], [3, 7], [4, 7]], design, noise="ols")
    >>> f.betas.round(6).tolist()
    [[1.0, -0.7], [2.0, 8.1]]
    >>> f.dof, f.rank, f.sigma2.round(6).tolist()
    (2, 2, [0.0, 0.15])
    """
    estimator = noise_model(noise)
    names, columns = named_columns(design)
    chunks = checked_chunks(block_size, n_threads)
    signals = checked_bold(bold, len(columns))
    model = _checked_model(columns)
    model, estimates = estimator.estimate(signals, model, chunks)
    return Fit(names, noise, model, estimates, signals)


def check_noise_model(design: ArrayLike | Design, noise: str) -> None:
    """Check whether a design leaves enough degrees of freedom for a noise model.

    Parameters
    ----------
    design : Design, data frame, or array_like of shape (n_scans, n_regressors)
        Regressors.
    noise : str
        One of `NOISE_MODELS`.

    Raises
    ------
    ValueError
        If `fit` would raise it for any data.

    Examples
    --------
    >>> check_noise_model(np.ones((40, 1)), "ar2")
    >>> check_noise_model(np.ones((5, 1)), "ar2")
    Traceback (most recent call last):
        ...
    ValueError: 5 scans and a design of rank 1 leave 4 degrees of freedom, too few for
    autoregression of order 2: it needs 6. Use the noise model auto or ar1.
    """
    noise_model(noise).check(_checked_model(named_columns(design)[1]))


def _checked_model(columns: FloatArray) -> LinearModel:
    model = linear_model(columns)
    if model.dof < 1:
        raise ValueError(
            f"a design of rank {model.rank} leaves no residual degree of freedom in "
            f"{len(columns)} scans. Use fewer regressors, or at least {model.rank + 1} scans."
        )
    return model
