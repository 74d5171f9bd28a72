"""Fit each slice of a run with a design at the time at which the slice was acquired.

The voxels of all slices with one slice time are a part of the run. Each part is fitted with its
own design and nothing is interpolated. What a noise model learns from all voxels (`auto`), it
learns from all parts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boldglm.glm.arrays.types import FloatArray, IndexArray
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.design.linear_model import LinearModel, linear_model
from boldglm.glm.design.named_columns import named_columns
from boldglm.glm.first_level.contrasts import (
    Contrast,
    ContrastForm,
    check_estimable,
    contrast_variances,
    evaluated_contrast,
    named_weights,
)
from boldglm.glm.first_level.fit import Fit, field_arrays
from boldglm.glm.first_level.validation import checked_bold, checked_chunks
from boldglm.glm.noise.auto import AutoEstimates, ContrastCorrection
from boldglm.glm.noise.blocks import BoldSeries
from boldglm.glm.noise.contrast_variance import ContrastVariance, NoiseEstimates
from boldglm.glm.noise.noise_models import noise_model
from boldglm.vocabulary import NOISE_MODEL


@dataclass(frozen=True, eq=False)
class SliceFit:
    """Estimates of a run whose slices have designs of their own; made by `fit_slices`.

    Everything is in the order of the data: the voxels of the first part, then those of the second,
    and so on. `in_voxel_order` puts values in the order of the voxels' numbers.

    Parameters
    ----------
    reference : LinearModel
        The design at the reference time, which stands for the run as a whole.
    parts : tuple of Fit
        The fit of each part.
    voxels : ndarray of int, of shape (n_voxels,)
        Number of each voxel among those of the run.
    run : AutoEstimates, optional
        Noise of the run, if the noise model pools it over parts.
    """

    reference: LinearModel
    parts: tuple[Fit, ...]
    voxels: IndexArray
    run: AutoEstimates | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regressors."""
        return self.parts[0].names

    @property
    def noise(self) -> str:
        """Noise model."""
        return self.parts[0].noise

    @property
    def model(self) -> LinearModel:
        """The design at the reference time."""
        return self.reference

    @property
    def estimates(self) -> NoiseEstimates:
        """Estimates of the noise model for the run if there are any, else for the first part."""
        return self.parts[0].estimates if self.run is None else self.run

    @property
    def dof(self) -> int:
        """Residual degrees of freedom, the same in all parts."""
        return self.reference.dof

    @property
    def n_scans(self) -> int:
        """Number of scans."""
        return self.reference.n_scans

    @property
    def n_voxels(self) -> int:
        """Number of voxels in all parts."""
        return int(self.voxels.size)

    @cached_property
    def edges(self) -> tuple[int, ...]:
        """Where parts begin in the data, and the end of the last."""
        return tuple(np.cumsum([0, *(part.n_voxels for part in self.parts)]).tolist())

    @cached_property
    def sigma2(self) -> FloatArray:
        """Noise variance, shape (n_voxels,)."""
        return np.concatenate([part.sigma2 for part in self.parts])

    @cached_property
    def ar(self) -> FloatArray | None:
        """Autoregressive coefficients, shape (order, n_voxels); None for white noise."""
        coefficients = [part.ar for part in self.parts if part.ar is not None]
        return np.concatenate(coefficients, axis=1) if coefficients else None

    def in_voxel_order(self, values: NDArray) -> NDArray:
        """Return values, whose last axis is in the order of the data, in that of the voxels."""
        ordered = np.empty_like(values)
        ordered[..., self.voxels] = values
        return ordered

    def fitted(self, voxels: slice, scans: slice | IndexArray = slice(None)) -> FloatArray:
        """Return the fitted values of some voxels and scans, as `Fit.fitted`."""
        start, stop, _ = voxels.indices(self.n_voxels)
        pieces = [
            part.fitted(slice(max(start - first, 0), min(stop, last) - first), scans)
            for part, first, last in zip(self.parts, self.edges[:-1], self.edges[1:], strict=True)
            if first < stop and last > start
        ]
        return np.concatenate(pieces, axis=1)

    def contrasts(
        self,
        contrasts: Iterable[ContrastForm | tuple[str, ContrastForm]] | Mapping[str, ContrastForm],
    ) -> Iterator[Contrast]:
        """Test several contrasts, as `Fit.contrasts`.

        Parameters
        ----------
        contrasts : sequence or mapping
            As for `Fit.contrasts`.

        Returns
        -------
        iterator of Contrast
            Maps over all parts, in the order of the data.

        Raises
        ------
        NotEstimableError
            If the design of some part does not determine a contrast.
        """
        weights = named_weights(contrasts, self.names)
        shared = self._corrections(weights)
        by_part = [self._evaluated(number, weights, shared) for number in range(len(self.parts))]
        return (_joined(pieces) for pieces in zip(*by_part, strict=True))

    def _evaluated(
        self,
        number: int,
        weights: Sequence[tuple[str, FloatArray]],
        shared: Sequence[tuple[FloatArray, ContrastCorrection]],
    ) -> list[Contrast]:
        """Test contrasts in one part; `shared` are the results of `_corrections`."""
        part = self.parts[number]
        sets = [check_estimable(contrast, self.names, part.model) for contrast in weights]
        variances: Iterable[ContrastVariance]
        if self.run is None:
            projected = [rows @ part.model.back_projection for rows in sets]
            variances = contrast_variances(projected, part.estimates)
        else:
            sets = [rows for rows, _ in shared]
            clusters = np.unique(self.run.labels[self.edges[number] : self.edges[number + 1]])
            variances = [
                part.estimates.corrected(  # type: ignore[attr-defined]
                    rows @ part.model.back_projection, correction.of(clusters)
                )
                for rows, correction in shared
            ]
        return [
            evaluated_contrast(contrast, rows, variance, part.model, part.estimates)
            for contrast, rows, variance in zip(weights, sets, variances, strict=True)
        ]

    def _corrections(
        self, weights: Sequence[tuple[str, FloatArray]]
    ) -> list[tuple[FloatArray, ContrastCorrection]]:
        """Return the rows of contrasts in the reference design with their corrections.

        Empty if each part has estimates of its own.
        """
        if self.run is None:
            return []
        sets = [check_estimable(contrast, self.names, self.reference) for contrast in weights]
        back = self.reference.back_projection
        return [(rows, self.run.correction(rows @ back)) for rows in sets]

    def to_arrays(self) -> dict[str, NDArray]:
        """Return the fit as arrays, to save them with `numpy.savez`.

        Returns
        -------
        dict of str to ndarray
            Arrays from which `from_arrays` makes the same fit, without the data.
        """
        arrays: dict[str, NDArray] = {"voxels": self.voxels, "n_parts": np.array(len(self.parts))}
        arrays |= {
            f"reference.{key}": value for key, value in field_arrays(self.reference).items()
        }
        shared = {} if self.run is None else field_arrays(self.run)
        arrays |= {f"run.{key}": value for key, value in shared.items()}
        held = {id(value) for value in shared.values()}
        for number, part in enumerate(self.parts):
            arrays |= {
                f"part{number}.{key}": value
                for key, value in part.to_arrays().items()
                if id(value) not in held
            }
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "SliceFit":
        """Make a fit from the arrays of `to_arrays`.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            A dict or an open npz file.

        Returns
        -------
        SliceFit
            The same fit, bit by bit.
        """
        groups: dict[str, dict[str, Any]] = {}
        for key in arrays:
            group, _, attribute = key.partition(".")
            groups.setdefault(group, {})[attribute] = np.asarray(arrays[key])
        run = groups.get("run", {})
        shared = {f"estimates.{key}": value for key, value in run.items()}
        parts = tuple(
            Fit.from_arrays(shared | groups[f"part{number}"])
            for number in range(int(groups["n_parts"][""]))
        )
        return cls(
            LinearModel(**groups["reference"]),
            parts,
            groups["voxels"][""],
            AutoEstimates(**run) if run else None,
        )


def _joined(pieces: Sequence[Contrast]) -> Contrast:
    """Join the maps of parts."""
    first = pieces[0]

    def join(name: str) -> Any:
        values = [getattr(piece, name) for piece in pieces]
        return None if values[0] is None else np.concatenate(values)

    dof: float | FloatArray = first.dof
    if any(isinstance(piece.dof, np.ndarray) for piece in pieces):
        dof = np.concatenate(
            [np.broadcast_to(piece.dof, piece.statistic.shape) for piece in pieces]
        )
    return Contrast(
        first.name, first.weights, first.test, join("effect"), join("variance"),
        join("statistic"), dof, first.dof_numerator,
    )  # fmt: skip


class _Columns:
    """Consecutive voxels of a series, as a series."""

    ndim = 2

    def __init__(self, bold: BoldSeries, start: int, stop: int) -> None:
        self._bold, self._start, self._stop = bold, start, stop
        self.dtype = np.dtype(bold.dtype)
        self.shape = (bold.shape[0], stop - start)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any, /) -> NDArray:
        scans, voxels = index
        start, stop, _ = voxels.indices(self.shape[1])
        return np.asarray(self._bold[scans, self._start + start : self._start + max(start, stop)])


def fit_slices(
    bold: ArrayLike | BoldSeries,
    designs: Sequence[ArrayLike | Design],
    voxels: Sequence[IndexArray],
    reference: ArrayLike | Design,
    noise: str = NOISE_MODEL,
    n_threads: int | None = None,
) -> SliceFit:
    """Fit a design of its own to each part of the voxels.

    Parameters
    ----------
    bold : array_like of shape (n_scans, n_voxels)
        BOLD data: the voxels of the first part, then those of the second, and so on.
    designs : sequence of Design, data frame, or array_like of shape (n_scans, n_regressors)
        The design of each part: the same regressors, sampled at the times of the part.
    voxels : sequence of ndarray of int
        For each part, the numbers of its voxels. Together they hold every number from 0 once. A
        part may be empty.
    reference : Design, data frame, or array_like of shape (n_scans, n_regressors)
        The design at the reference time. Estimates of what voxels of all parts share are made
        with it.
    noise : str
        As for `fit`. ``"auto"`` estimates the distribution of the noise and the corrections for
        its uncertainty from all voxels, once, with the reference design; only the weights of the
        least squares are those of each part.
    n_threads : int, optional
        As for `fit`.

    Returns
    -------
    SliceFit

    Raises
    ------
    ValueError
        If designs differ in names or rank, or as `fit`.

    See Also
    --------
    fit : Fits one design to all voxels.

    Examples
    --------
    Two slices with the same ramp, which the second sees one unit of time later:

    >>> times = np.arange(5.0)
    >>> designs = [np.column_stack([times + late, np.ones(5)]) for late in (0, 1)]
    >>> bold = np.column_stack([2 * times, 2 * (times + 1)]) + [[0], [1], [0], [-1], [0]]
    >>> f = fit_slices(bold, designs, [np.array([0]), np.array([1])], designs[0], noise="ols")
    >>> [contrast] = f.contrasts({"level": [0, 1]})
    >>> contrast.effect.round(6).tolist()
    [0.4, 0.6]
    """
    names, columns = named_columns(reference)
    chunks = checked_chunks(2048, n_threads)
    signals = checked_bold(bold, len(columns))
    used = [number for number, those in enumerate(voxels) if len(those)]
    models = [_model_of(designs[number], names) for number in used]
    model = linear_model(columns)
    ranks = sorted({each.rank for each in (model, *models)})
    if len(ranks) > 1 or model.dof < 1:
        raise ValueError(
            f"the designs of the slices have ranks {ranks} in {model.n_scans} scans. They need "
            "the same rank, below the number of scans. Model fewer conditions or confounds."
        )
    edges = np.cumsum([0, *(len(voxels[number]) for number in used)]).tolist()
    parts = [
        (_Columns(signals, start, stop), own)
        for start, stop, own in zip(edges[:-1], edges[1:], models, strict=True)
    ]
    estimator = noise_model(noise)
    run = None
    if estimator.estimate_parts is not None:
        run, estimates = estimator.estimate_parts(parts, model, chunks)
        fitted: list[tuple[LinearModel, Any]] = [*estimates]
    else:
        fitted = [estimator.estimate(series, own, chunks) for series, own in parts]
    fits = tuple(Fit(names, noise, own, estimate) for own, estimate in fitted)
    numbers = np.concatenate([np.asarray(voxels[number]) for number in used])
    return SliceFit(model, fits, numbers, run)


def _model_of(design: ArrayLike | Design, names: tuple[str, ...]) -> LinearModel:
    own, columns = named_columns(design)
    if own != names:
        raise ValueError(
            f"the designs of the slices have other regressors ({', '.join(own)}) than the "
            f"reference ({', '.join(names)}). Events at the very end of a run may lie within it "
            "for some slices only. Leave out such a condition."
        )
    return linear_model(columns)
