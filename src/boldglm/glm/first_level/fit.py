"""Fit one design to every voxel, and keep what any contrast needs.

A fit keeps a few numbers times the rank of the design for each voxel, so that contrasts can
be added later, in another process, without the data.

Arrays are (time, voxel), never (voxel, time).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boldglm.glm.arrays.memory import keep_freed_memory
from boldglm.glm.arrays.types import FloatArray, IndexArray
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.design.linear_model import LinearModel, linear_model
from boldglm.glm.first_level.contrasts import (
    Contrast,
    ContrastForm,
    contrast_weights,
    evaluate_contrast,
    evaluate_contrasts,
    named_weights,
)
from boldglm.glm.first_level.validation import checked_bold, checked_chunks, checked_design
from boldglm.glm.noise.blocks import BoldSeries
from boldglm.glm.noise.contrast_variance import NoiseEstimates
from boldglm.glm.noise.noise_models import noise_model


@dataclass(frozen=True, eq=False)
class Fit:
    """Estimates of one design at every voxel; made by `fit`.

    Parameters
    ----------
    names : tuple of str
        Names of the regressors.
    noise : str
        Noise model, one of `NOISE_MODELS`.
    model : LinearModel
        The design, as it was fitted.
    estimates : NoiseEstimates
        What the noise model keeps of each voxel.
    """

    names: tuple[str, ...]
    noise: str
    model: LinearModel
    estimates: NoiseEstimates

    @cached_property
    def betas(self) -> FloatArray:
        """Regression weights, shape (n_regressors, n_voxels), signal per regressor unit.

        One row per regressor, one column per voxel. Of a rank deficient design the shortest
        solution, as from the pseudo-inverse.
        """
        betas = np.asarray(self.model.back_projection @ self.estimates.coordinates)
        for row, weight in zip(betas, self.model.constant_weights.tolist(), strict=True):
            if weight:
                row += weight * self.estimates.means
        return betas

    @property
    def sigma2(self) -> FloatArray:
        """Noise variance, shape (n_voxels,), signal units squared; of the innovations for AR."""
        return self.estimates.sigma2

    @property
    def ar(self) -> FloatArray | None:
        """Autoregressive coefficients, shape (order, n_voxels); None for white noise."""
        return self.estimates.ar

    @property
    def dof(self) -> int:
        """Residual degrees of freedom, scans less rank."""
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

    def fitted(self, voxels: slice, scans: slice | IndexArray = slice(None)) -> FloatArray:
        """Return fitted signals, in their unit, not whitened.

        Parameters
        ----------
        voxels : slice
            Of which voxels.
        scans : slice or ndarray of int
            At which scans; by default all.

        Returns
        -------
        ndarray of shape (n_scans, n_voxels)
            X β.

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
            If weights or expression do not fit the design.

        Examples
        --------
        >>> design = np.kron(np.eye(2), np.ones((3, 1)))
        >>> found = fit([[1.0], [2], [3], [3], [4], [5]], design, noise="ols")
        >>> tested = found.contrast([-1, 1])
        >>> tested.effect.round(6).item(), tested.t.round(3).item(), tested.dof
        (2.0, 2.449, 4.0)
        """
        named = contrast_weights(contrast, self.names, name)
        return evaluate_contrast(named, self.names, self.model, self.estimates)

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

        Yields
        ------
        Contrast
            What `contrast` returns for each, in order, computed when it is asked for.

        Raises
        ------
        NotEstimableError
            If the design does not determine one of them. It is raised before any is tested.
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
        """Return everything as arrays, for `numpy.savez` and the like.

        Returns
        -------
        dict of str to ndarray
            From which `from_arrays` makes the same fit.
        """
        arrays: dict[str, NDArray] = {
            "names": np.array(self.names, dtype=np.str_),
            "noise": np.array(self.noise),
        }
        for group, part in (("model", self.model), ("estimates", self.estimates)):
            for attribute in fields(part):  # type: ignore[arg-type]
                arrays[f"{group}.{attribute.name}"] = np.asarray(getattr(part, attribute.name))
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Fit":
        """Return the fit that `to_arrays` took apart.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            A dict or an open npz file.

        Returns
        -------
        Fit
            Equal in every bit.

        Raises
        ------
        ValueError
            If the noise model is not known.
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


def fit(
    bold: ArrayLike | BoldSeries,
    design: ArrayLike | Design,
    noise: str = "auto",
    block_size: int = 2048,
    n_threads: int | None = None,
) -> Fit:
    """Fit one design to every voxel at the same time.

    Parameters
    ----------
    bold : array_like of shape (n_scans, n_voxels) or (n_scans,)
        BOLD signal of any real type and unit; columns are independent problems, and one
        dimension is one voxel. Calculations are in float64, a block of voxels at a time, so
        anything with a shape and ``bold[:, start:stop]`` will do: a memory map, an HDF5
        dataset.
    design : Design or array_like of shape (n_scans, n_regressors) or (n_scans,)
        Regressors sampled at the scan times; may be rank deficient. Columns of a bare array
        are called ``column_1`` and so on.
    noise : str
        One of `NOISE_MODELS`: ``"auto"``, autoregressive of an order that suits the length
        of the run, with coefficients that voxels share as far as the run justifies it;
        ``"ols"``, white noise; ``"ar1"``, first order autoregressive with its own coefficient
        at every voxel, ``"ar2"`` to ``"ar6"`` likewise of higher order; ``"arma11"``,
        autoregressive plus white, on a grid of coefficients;
        ``"nilearn-ar1"``, as nilearn does it, for comparison only.
    block_size : int
        Voxels at a time; changes memory and speed, not results.
    n_threads : int, optional
        Blocks at a time, likewise; by default as many as linear algebra would use, which is
        OMP_NUM_THREADS or the number of processors.

    Returns
    -------
    Fit
        Betas, noise, and any contrast.

    Raises
    ------
    ValueError
        If the numbers of scans differ, a value is not finite, no residual degree of freedom
        is left, or there is no such noise model.

    Notes
    -----
    ``betas = pinv(X) @ Y``, with ``dof = n_scans - rank(X)`` [1]_; for autoregressive noise
    the generalized least squares estimate at the estimated coefficient.

    References
    ----------
    .. [1] Friston KJ, Holmes AP, Worsley KJ, Poline J-B, Frith CD, Frackowiak RSJ (1994).
       Statistical parametric maps in functional imaging: a general linear approach. Human
       Brain Mapping 2:189-210. https://doi.org/10.1002/hbm.460020402

    Examples
    --------
    A slope and a mean, at two voxels:

    >>> design = np.column_stack([[-1.0, 0.0, 1.0, 2.0], np.ones(4)])
    >>> found = fit([[1.0, 9], [2, 8], [3, 7], [4, 7]], design, noise="ols")
    >>> found.betas.round(6).tolist()
    [[1.0, -0.7], [2.0, 8.1]]
    >>> found.dof, found.rank, found.sigma2.round(6).tolist()
    (2, 2, [0.0, 0.15])
    """
    keep_freed_memory()
    model_of_noise = noise_model(noise)
    names, columns = checked_design(design)
    chunks = checked_chunks(block_size, n_threads)
    signals = checked_bold(bold, len(columns))
    model = _model_with_noise(columns)
    model, estimates = model_of_noise.estimate(signals, model, chunks)
    return Fit(names, noise, model, estimates)


def check_noise_model(design: ArrayLike | Design, noise: str) -> None:
    """Refuse, before there are any data, a noise model that a design leaves too little to learn.

    Parameters
    ----------
    design : Design or array_like of shape (n_scans, n_regressors)
        Regressors.
    noise : str
        One of `NOISE_MODELS`.

    Raises
    ------
    ValueError
        As `fit` would for any data.

    Examples
    --------
    >>> check_noise_model(np.ones((40, 1)), "ar2")
    >>> check_noise_model(np.ones((5, 1)), "ar2")
    Traceback (most recent call last):
        ...
    ValueError: 5 scans and a design of rank 1 leave 4 degrees of freedom, too few for
    autoregression of order 2: it needs 6. Use the noise model auto or ar1.
    """
    noise_model(noise).refuse(_model_with_noise(checked_design(design)[1]))


def _model_with_noise(columns: FloatArray) -> LinearModel:
    model = linear_model(columns)
    if model.dof < 1:
        raise ValueError(
            f"{len(columns)} scans cannot be fitted by a design of rank {model.rank}: noise needs "
            f"at least {model.rank + 1} scans. Use fewer regressors or more scans."
        )
    return model
