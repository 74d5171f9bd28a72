"""Maps of a run that belong to no contrast: what is explained, and how white what is left is."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from boldglm.glm import Fit, whiteness
from boldglm.glm.first_level.r_squared import fitted_blocks, r_squared
from boldglm.io.images.bold_series import MaskedRun
from boldglm.notices import Notice, warning

N_SAMPLE = 3000  # voxels, to say whether residuals are white when no map of it is asked for
EXPECTED, ALARMING = 0.01, 0.05  # share of voxels that are not white at p < .01
CRITICAL = 2.326  # standard normal, p = .01


def write_run_maps(
    run: MaskedRun, found: Fit, wanted: Sequence[str], repetition_time: float, folder: Path
) -> tuple[dict[str, Path], dict[str, float]]:
    """Write the maps that are wanted, and say how white the residuals are.

    Parameters
    ----------
    run : MaskedRun
        The signals.
    found : Fit
        Their fit.
    wanted : sequence of str
        Of ``"rsquared"``, ``"whiteness"``, ``"ar"``, ``"residuals"`` and ``"fitted"``; others
        are not the business of this function.
    repetition_time : float
        Seconds between volumes, for maps that are series.
    folder : Path
        Where they go.

    Returns
    -------
    maps : dict of str to Path
        Label to file.
    white : dict of str to float
        ``NotWhite``, the share of voxels whose residuals are not white at p < .01;
        ``Expected``, what it should be; ``Voxels``, how many were tested.
    """
    maps: dict[str, Path] = {}
    if "whiteness" in wanted:
        z = whiteness(run.bold, found)
        maps["whiteness"] = _write(z, "whiteness", run, folder)
    else:
        z = whiteness(run.bold, found, n_sample=N_SAMPLE)
    if "rsquared" in wanted:
        maps["rsquared"] = _write(r_squared(run.bold, found), "rsquared", run, folder)
    if "ar" in wanted and found.ar is not None:
        maps["ar"] = run.geometry.write_series(folder, "stat-ar_statmap", found.ar)
    series = [label for label in ("residuals", "fitted") if label in wanted]
    for label in series:
        maps[label] = _write_signals(label, run, found, repetition_time, folder)
    z = z[z != 0]  # exactly 0 is what was not tested
    not_white = float((z > CRITICAL).mean()) if z.size else 0.0
    return maps, {"NotWhite": not_white, "Expected": EXPECTED, "Voxels": float(z.size)}


def whiteness_warning(white: dict[str, float], noise_model: str) -> Notice | None:
    """Return a warning where the noise model plainly fails, with what to do about it."""
    if white["NotWhite"] <= ALARMING:
        return None
    remedy = "add nuisance regressors, or censor volumes with motion"
    if noise_model != "auto":
        remedy = f"use --noise-model auto, {remedy}"
    return warning(
        f"the noise model {noise_model} leaves autocorrelation: the residuals of "
        f"{100 * white['NotWhite']:.0f} % of voxels are not white at p < .01 (1 % expected). "
        f"Do not trust p values there; {remedy}"
    )


def whiteness_summary(white: dict[str, float]) -> str:
    """Say in one line how white the residuals are."""
    if not white["Voxels"]:
        return "not tested: too few residual degrees of freedom, or no noise"
    return (
        f"not white at p < .01 in {100 * white['NotWhite']:.1f} % of {white['Voxels']:.0f} voxels "
        "(1 % expected)"
    )


def _write(values: np.ndarray, label: str, run: MaskedRun, folder: Path) -> Path:
    return run.geometry.write_map(folder, f"stat-{label}_statmap", values)


def _write_signals(
    label: str, run: MaskedRun, found: Fit, repetition_time: float, folder: Path
) -> Path:
    """Write fitted signals or residuals, which come voxel by voxel, volume by volume."""
    n_scans, n_voxels = found.n_scans, found.n_voxels
    with TemporaryFile(dir=folder) as file:
        file.truncate(n_scans * n_voxels * 4)
        values = np.memmap(file, np.float32, "r+", shape=(n_scans, n_voxels))
        for voxels, fitted, left in fitted_blocks(run.bold, found):
            values[:, voxels] = run.scale[voxels] * (left if label == "residuals" else fitted)
        return run.geometry.write_series(folder, f"desc-{label}_bold", values, repetition_time)
