"""How smooth the noise of a run is, in each part of it, as records and reports say it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.glm import Fit
from boldglm.glm.smoothness import sampled_residuals
from boldglm.io.domains import DomainPart
from boldglm.io.series import MaskedRun


def residual_smoothness(
    run: MaskedRun, found: Fit, meshes: Sequence[Path] = ()
) -> dict[str, dict[str, Any]]:
    """Measure how smooth the residuals of a run are.

    Parameters
    ----------
    run : MaskedRun
        The signals.
    found : Fit
        Their fit.
    meshes : sequence of Path
        Surfaces that tell the distances of vertices.

    Returns
    -------
    dict of str to dict
        For each part (``"volume"``, ``"left hemisphere"``, a structure of CIFTI): ``FWHM``, the
        geometric mean over axes in mm, None if it cannot be told; in a volume ``FWHMAxes``;
        ``Note`` says what is missing.
    """
    parts = run.geometry.with_meshes(meshes).domains()
    return measured(sampled_residuals(run.bold, found), parts)


def measured(rows: np.ndarray, parts: Sequence[DomainPart]) -> dict[str, dict[str, Any]]:
    """Measure how smooth some rows of residuals, (n_rows, n_voxels), are in each part."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        if part.domain is None:
            found[part.name] = {"FWHM": None, "Note": "there is no mesh to tell distances"}
            continue
        found[part.name] = described(part.domain.fwhm(rows[:, part.columns]))
    return found


def described(widths: np.ndarray) -> dict[str, Any]:
    """Return widths along axes, and their geometric mean, as JSON has them.

    Examples
    --------
    >>> described(np.array([4.0, 9.0, np.nan]))
    {'FWHM': 6.0, 'FWHMAxes': [4.0, 9.0, None]}
    >>> described(np.array([0.0]))
    {'FWHM': 0.0}
    """
    known = widths[np.isfinite(widths)]
    mean = None if not known.size else round(float(np.prod(known) ** (1 / known.size)), 4)
    if widths.size == 1:
        return {"FWHM": mean}
    axes = [round(float(one), 4) if np.isfinite(one) else None for one in widths]
    return {"FWHM": mean, "FWHMAxes": axes}


def smoothness_fact(smoothness: Mapping[str, Mapping[str, Any]]) -> str:
    """Say in one line how smooth the residuals are.

    Examples
    --------
    >>> smoothness_fact({"volume": {"FWHM": 6.0, "FWHMAxes": [4.0, 9.0, None]}})
    'FWHM 6.00 mm (4.00, 9.00, unknown along the axes)'
    >>> smoothness_fact({"left hemisphere": {"FWHM": 6.25}, "thalamus left": {"FWHM": None}})
    'FWHM left hemisphere 6.25 mm, thalamus left unknown'
    """
    parts = []
    for name, one in smoothness.items():
        text = _millimeters(one["FWHM"], " mm")
        if "FWHMAxes" in one:
            axes = ", ".join(_millimeters(width) for width in one["FWHMAxes"])
            text += f" ({axes} along the axes)" if one["FWHM"] is not None else ""
        if "Note" in one:
            text += f" ({one['Note']})"
        parts.append(text if name == "volume" else f"{name} {text}")
    return f"FWHM {', '.join(parts)}"


def _millimeters(width: float | None, unit: str = "") -> str:
    return "unknown" if width is None else f"{width:.2f}{unit}"
