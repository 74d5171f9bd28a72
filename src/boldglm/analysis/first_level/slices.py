"""Fits of runs whose slices are modeled at times of their own, beside fits of one design."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from boldglm.analysis.first_level.settings import SliceDesigns
from boldglm.glm import Contrast, Design, Fit, fit
from boldglm.glm.first_level.slice_fit import SliceFit, fit_slices
from boldglm.io.images.bold_series import MaskedRun

RunFit = Fit | SliceFit


def fit_run(
    run: MaskedRun, design: Design, slices: SliceDesigns | None, noise_model: str, n_threads: int
) -> RunFit:
    """Fit a run with one design, or with one for each slice time.

    Parameters
    ----------
    run : MaskedRun
        The series. With `slices`, it was loaded with their groups.
    design : Design
        The design; with `slices`, that of the reference time.
    slices : SliceDesigns or None
        Designs at the times of the slices.
    noise_model : str
        As for `boldglm.glm.fit`.
    n_threads : int
        Number of threads.

    Returns
    -------
    Fit or SliceFit
    """
    if slices is None:
        return fit(run.bold, design, noise=noise_model, n_threads=n_threads)
    designs = [replace(design, matrix=matrix) for matrix in slices.matrices]
    return fit_slices(run.bold, designs, run.slice_voxels, design, noise_model, n_threads)


def in_voxel_order(fitted: RunFit, values: np.ndarray) -> np.ndarray:
    """Return values at all voxels, in the order of the data, in that of the mask."""
    return fitted.in_voxel_order(values) if isinstance(fitted, SliceFit) else values


def contrasts_in_voxel_order(
    fitted: RunFit, contrasts: Iterable[tuple[str, np.ndarray]]
) -> Iterator[Contrast]:
    """Test contrasts; their maps are in the order of the mask."""
    for contrast in fitted.contrasts(list(contrasts)):
        if not isinstance(fitted, SliceFit):
            yield contrast
            continue
        maps: dict[str, Any] = {
            name: fitted.in_voxel_order(values)
            for name in ("effect", "variance", "statistic", "dof")
            if isinstance(values := getattr(contrast, name), np.ndarray)
        }
        yield replace(contrast, **maps)
