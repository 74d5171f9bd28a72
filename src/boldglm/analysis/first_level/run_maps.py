"""Maps of a run that belong to no contrast, such as R squared and the whiteness of residuals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from boldglm.analysis.first_level.slices import RunFit, in_voxel_order
from boldglm.glm import Design
from boldglm.glm import whiteness as whiteness_z
from boldglm.glm.first_level.partial_r_squared import partial_r_squared
from boldglm.glm.first_level.r_squared import fitted_blocks, r_squared
from boldglm.glm.first_level.slice_fit import SliceFit
from boldglm.glm.first_level.temporal_quality import TemporalQuality, temporal_quality
from boldglm.io.images.bold_series import MaskedRun
from boldglm.notices import Notice, warning

N_SAMPLE = 3000  # voxels whose residuals are tested for whiteness if no map is requested
EXPECTED, ALARMING = 0.01, 0.05  # share of voxels that are not white at p < .01
CRITICAL = 2.326  # standard normal, p = .01


@dataclass(frozen=True)
class RunMaps:
    """Maps of a run as a whole, and what was measured for all runs.

    Parameters
    ----------
    files : dict of str to Path
        File of each map, by label.
    whiteness : dict of str to float
        ``NotWhite``, the share of voxels whose residuals are not white at p < .01;
        ``Expected``, its expectation for white residuals; ``Voxels``, the number of voxels tested.
    quality : dict
        ``DegreesOfFreedom`` that the design leaves; ``Voxels``, the number of voxels measured.
        Unless the mean of the series was removed, ``MedianTSNR`` of those with noise, and
        ``DVARS`` of each volume in percent of the mean, None for the first.
    """

    files: dict[str, Path]
    whiteness: dict[str, float]
    quality: dict[str, Any]


def write_run_maps(
    run: MaskedRun, fit: RunFit, design: Design, labels: Sequence[str], folder: Path
) -> RunMaps:
    """Write the requested maps of a run and test whether its residuals are white.

    Parameters
    ----------
    run : MaskedRun
        The BOLD series of the run.
    fit : Fit or SliceFit
        Its fit.
    design : Design
        The design that was fitted; of slices with designs of their own, that at the reference
        time.
    labels : sequence of str
        Maps to write, of ``"rsquared"``, ``"taskrsquared"``, ``"tsnr"``, ``"whiteness"``,
        ``"ar"``, ``"residuals"`` and ``"fitted"``. Other labels are ignored.
    folder : Path
        Folder for the maps.

    Returns
    -------
    RunMaps
        Whiteness and quality are those of a sample of voxels, unless all are in a map.
    """
    maps: dict[str, Path] = {}
    if "whiteness" in labels:
        z = whiteness_z(run.bold, fit)
        maps["whiteness"] = _write(in_voxel_order(fit, z), "whiteness", run, folder)
    else:
        z = whiteness_z(run.bold, fit, n_sample=N_SAMPLE)
    if "rsquared" in labels:
        maps["rsquared"] = _write(
            in_voxel_order(fit, r_squared(run.bold, fit)), "rsquared", run, folder
        )
    if "taskrsquared" in labels and design.columns("condition"):
        share = partial_r_squared(fit, design)
        maps["taskrsquared"] = _write(in_voxel_order(fit, share), "taskrsquared", run, folder)
    measured, quality = measure_quality(run, fit, None if "tsnr" in labels else N_SAMPLE)
    if "tsnr" in labels:
        maps["tsnr"] = _write(in_voxel_order(fit, measured.snr), "tsnr", run, folder)
    if "ar" in labels and fit.ar is not None:
        maps["ar"] = run.geometry.write_series(
            folder, "stat-ar_statmap", in_voxel_order(fit, fit.ar)
        )
    series = [label for label in ("residuals", "fitted") if label in labels]
    for label in series:
        maps[label] = _write_series(label, run, fit, _repetition_time(design), folder)
    z = z[z != 0]  # voxels that were not tested have exactly 0
    not_white = float((z > CRITICAL).mean()) if z.size else 0.0
    whiteness = {"NotWhite": not_white, "Expected": EXPECTED, "Voxels": float(z.size)}
    return RunMaps(maps, whiteness, quality)


def _repetition_time(design: Design) -> float:
    first, *_, last = design.frame_times
    return round(float(last - first) / (design.n_scans - 1), 6)


def measure_quality(
    run: MaskedRun, fit: RunFit, n_sample: int | None = N_SAMPLE
) -> tuple[TemporalQuality, dict[str, Any]]:
    """Measure the signal-to-noise ratio and DVARS of a run, in a sample of voxels or in all.

    Parameters
    ----------
    run : MaskedRun
        The BOLD series of the run.
    fit : Fit or SliceFit
        Its fit.
    n_sample : int or None
        Approximate number of voxels; None for all.

    Returns
    -------
    measured : TemporalQuality
        At these voxels.
    quality : dict
        As for `RunMaps`.
    """
    measured = temporal_quality(run.bold, fit, n_sample=n_sample)
    return measured, _quality(measured, fit.dof)


def _quality(measured: TemporalQuality, dof: int) -> dict[str, Any]:
    """Return what was measured over time as content of a record."""
    noisy = measured.snr[measured.snr != 0]
    median = float(np.median(noisy)) if noisy.size else 0.0
    quality: dict[str, Any] = {"DegreesOfFreedom": dof, "Voxels": measured.snr.size}
    if median < 1 or not np.isfinite(measured.dvars[1:]).all():
        return quality  # the mean of the series was removed
    dvars = [None, *(float(f"{value:.4g}") for value in measured.dvars[1:])]
    return {**quality, "MedianTSNR": round(median, 2), "DVARS": dvars}


def whiteness_warning(whiteness: dict[str, float], noise_model: str) -> Notice | None:
    """Return a warning if the residuals of many voxels are not white, with a remedy."""
    if whiteness["NotWhite"] <= ALARMING:
        return None
    remedy = "add nuisance regressors, or censor volumes with motion"
    if noise_model != "auto":
        remedy = f"use --noise-model auto, {remedy}"
    return warning(
        f"the noise model {noise_model} leaves autocorrelation: the residuals of "
        f"{100 * whiteness['NotWhite']:.0f} % of voxels are not white at p < .01 (1 % expected). "
        f"Do not trust p values there; {remedy}"
    )


def whiteness_summary(whiteness: dict[str, float]) -> str:
    """Summarize in one line how white the residuals are."""
    if not whiteness["Voxels"]:
        return "not tested: too few residual degrees of freedom, or no noise"
    return (
        f"not white at p < .01 in {100 * whiteness['NotWhite']:.1f} % of "
        f"{whiteness['Voxels']:,.0f} voxels (1 % expected)"
    )


def _write(values: np.ndarray, label: str, run: MaskedRun, folder: Path) -> Path:
    return run.geometry.write_map(folder, f"stat-{label}_statmap", values)


def _write_series(
    label: str, run: MaskedRun, fit: RunFit, repetition_time: float, folder: Path
) -> Path:
    """Write fitted values or residuals, which are computed by voxels, as an image of volumes."""
    n_scans, n_voxels = fit.n_scans, fit.n_voxels
    positions = fit.voxels if isinstance(fit, SliceFit) else np.arange(n_voxels)
    with TemporaryFile(dir=folder) as file:
        file.truncate(n_scans * n_voxels * 4)
        values = np.memmap(file, np.float32, "r+", shape=(n_scans, n_voxels))
        for voxels, fitted, residuals in fitted_blocks(run.bold, fit):
            places = positions[voxels]
            values[:, places] = run.scale[places] * (residuals if label == "residuals" else fitted)
        return run.geometry.write_series(folder, f"desc-{label}_bold", values, repetition_time)
