"""How smooth the noise of a run is, in each part of it, as records and reports say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm.spatial.domains import Smoother
from boldglm.glm.spatial.target_smoothness import TargetSmoothness, smooth_to_target
from boldglm.io.images.domains import DomainPart, PartwiseSmoother
from boldglm.notices import Notice, warning

Described = dict[str, dict[str, Any]]  # of each part


def measure_smoothness(rows: np.ndarray, parts: Sequence[DomainPart]) -> Described:
    """Measure how smooth residuals are.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_voxels)
        Residuals of some scans.
    parts : sequence of DomainPart
        What they lie on.

    Returns
    -------
    dict of str to dict
        For each part (``"volume"``, ``"left hemisphere"``, a structure of CIFTI): ``FWHM``, the
        geometric mean over axes in mm, None if it cannot be told; in a volume ``FWHMAxes``;
        ``Note`` says what is missing.
    """
    found: Described = {}
    for part in parts:
        if part.domain is None:
            found[part.name] = {"FWHM": None, "Note": "there is no mesh to tell distances"}
            continue
        found[part.name] = described(part.domain.fwhm(rows[:, part.columns]))
    return found


@dataclass(frozen=True, eq=False)
class SmoothingToTarget:
    """How a run is brought to a target smoothness, each part by itself."""

    smoother: Smoother
    description: Described  # of each part ``FWHMBefore``, and ``KernelFWHM`` along its axes
    notes: tuple[Notice, ...]  # where the target was not what came out


def blurring(
    rows: np.ndarray, parts: Sequence[DomainPart], target: float, of: str
) -> SmoothingToTarget:
    """Find what smooths each part of a run to a target.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_voxels)
        Residuals of some scans, not smoothed.
    parts : sequence of DomainPart
    target : float
        Full width at half maximum of noise, mm.
    of : str
        Name of the run, for notes.

    Raises
    ------
    BadDataError
        If the distances of a part are not known.
    """
    smoothers, said, notes = [], {}, []
    for part in parts:
        if part.domain is None:
            raise BadDataError(part.source)
        smoother, blur = smooth_to_target(part.domain, rows[:, part.columns], target)
        if smoother is not None:
            smoothers.append((part.columns, smoother))
        kernel = [round(float(width), 4) for width in blur.kernel]
        said[part.name] = {**described(blur.before, "FWHMBefore"), "KernelFWHM": kernel}
        note = _blur_note(blur)
        if note:
            notes.append(warning(f"the {part.name} of {of} {note}"))
    return SmoothingToTarget(PartwiseSmoother(smoothers), said, tuple(notes))


def _blur_note(blur: TargetSmoothness) -> str:
    """Say where noise could not be brought to its target."""
    before, after = (_widths_text(widths) for widths in (blur.before, blur.after))
    if not np.isfinite(blur.before).any():
        return "has no neighbors to tell its smoothness from, and was not smoothed"
    asked = f"than the {blur.target:g} mm that were asked for"
    if blur.too_smooth and not blur.is_needed:
        return f"is smoother ({before} FWHM) {asked}, and was left as it is"
    if blur.too_smooth:
        return f"is smoother along an axis ({before} FWHM) {asked}; that axis was left as it is"
    if not blur.is_reached:
        return f"was to be smoothed to {blur.target:g} mm, but its noise now has {after} FWHM"
    return ""


def _widths_text(widths: np.ndarray) -> str:
    return ", ".join(f"{width:.2f}" for width in widths) + " mm"


def described(widths: np.ndarray, key: str = "FWHM") -> dict[str, Any]:
    """Return widths along axes, and their geometric mean, as JSON has them.

    Examples
    --------
    >>> described(np.array([4.0, 9.0, np.nan]))
    {'FWHM': 6.0, 'FWHMAxes': [4.0, 9.0, None]}
    >>> described(np.array([0.0]), "FWHMBefore")
    {'FWHMBefore': 0.0}
    """
    known = widths[np.isfinite(widths)]
    mean = None if not known.size else round(float(np.prod(known) ** (1 / known.size)), 4)
    if widths.size == 1:
        return {key: mean}
    axes = [round(float(one), 4) if np.isfinite(one) else None for one in widths]
    return {key: mean, f"{key}Axes": axes}


def smoothness_text(smoothness: Mapping[str, Mapping[str, Any]]) -> str:
    """Say in one line how smooth the residuals are.

    Examples
    --------
    >>> smoothness_text({"volume": {"FWHM": 6.0, "FWHMAxes": [4.0, 9.0, None]}})
    'FWHM 6.00 mm (4.00, 9.00, unknown along the axes)'
    >>> smoothness_text({"volume": {"FWHM": 0.0, "FWHMAxes": [2.0, 0.0, 1.5]}})
    'FWHM none (2.00, none, 1.50 along the axes)'
    >>> smoothness_text({"left hemisphere": {"FWHM": 6.25}, "thalamus left": {"FWHM": None}})
    'FWHM left hemisphere 6.25 mm; thalamus left unknown'
    >>> smoothness_text({"volume": {"FWHM": 8.0, "FWHMBefore": 4.0, "KernelFWHM": [7, 7, 6.5]}})
    'FWHM 8.00 mm, smoothed from 4.00 mm by a Gaussian of 7, 7, 6.5 mm'
    """
    parts = []
    for name, one in smoothness.items():
        text = _millimeters(one["FWHM"], " mm")
        if "FWHMAxes" in one:
            axes = ", ".join(_millimeters(width) for width in one["FWHMAxes"])
            text += f" ({axes} along the axes)" if one["FWHM"] is not None else ""
        if any(one.get("KernelFWHM", ())):
            kernel = ", ".join(f"{width:.3g}" for width in one["KernelFWHM"])
            before = _millimeters(one["FWHMBefore"], " mm")
            text += f", smoothed from {before} by a Gaussian of {kernel} mm"
        elif "KernelFWHM" in one:
            text += ", not smoothed"
        if "Note" in one:
            text += f" ({one['Note']})"
        parts.append(text if name == "volume" else f"{name} {text}")
    return f"FWHM {'; '.join(parts)}"


def _millimeters(width: float | None, unit: str = "") -> str:
    if width is None:
        return "unknown"
    # neighbors that are no more alike than others, as in unsmoothed noise
    return f"{width:.2f}{unit}" if width else "none"
