"""Smoothness of the noise of a run in each part of the image, for sidecars and reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm.spatial.domains import Smoother
from boldglm.glm.spatial.target_smoothness import TargetSmoothness, smooth_to_target
from boldglm.io.images.domains import DomainPart, PartwiseSmoother
from boldglm.notices import Notice, warning

SmoothnessByPart = dict[str, dict[str, Any]]


def measure_smoothness(rows: np.ndarray, parts: Sequence[DomainPart]) -> SmoothnessByPart:
    """Measure the smoothness of residuals.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_voxels)
        Residuals of some volumes.
    parts : sequence of DomainPart
        Parts of the image.

    Returns
    -------
    dict of str to dict
        For each part (``"volume"``, ``"left hemisphere"``, a structure of CIFTI) ``FWHM`` in mm,
        the geometric mean over axes, or None if it is unknown. ``FWHMAxes`` has the FWHM along
        each axis of a volume. ``Note`` tells why the smoothness is unknown.
    """
    smoothness: SmoothnessByPart = {}
    for part in parts:
        if part.domain is None:
            smoothness[part.name] = {"FWHM": None, "Note": "no mesh, so distances are unknown"}
        else:
            smoothness[part.name] = describe_widths(part.domain.fwhm(rows[:, part.columns]))
    return smoothness


@dataclass(frozen=True, eq=False)
class SmoothingToTarget:
    """Smoother that gives the noise in each part of a run a target smoothness."""

    smoother: Smoother
    description: SmoothnessByPart  # FWHMBefore, and KernelFWHM along each axis
    notices: tuple[Notice, ...]  # warnings about parts that miss the target


def smooth_parts_to_target(
    rows: np.ndarray, parts: Sequence[DomainPart], target: float, file_name: str
) -> SmoothingToTarget:
    """Find a smoother that gives the noise in each part of a run a target smoothness.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_voxels)
        Residuals of some volumes before smoothing.
    parts : sequence of DomainPart
        Parts of the image.
    target : float
        Target FWHM of the noise, mm.
    file_name : str
        Name of the BOLD file, for warnings.

    Raises
    ------
    BadDataError
        If the distances of a part are unknown.
    """
    smoothers, description, notices = [], {}, []
    for part in parts:
        if part.domain is None:
            raise BadDataError(part.source)
        smoother, result = smooth_to_target(part.domain, rows[:, part.columns], target)
        if smoother is not None:
            smoothers.append((part.columns, smoother))
        kernel = [round(float(width), 4) for width in result.kernel]
        before = describe_widths(result.before, "FWHMBefore")
        description[part.name] = {**before, "KernelFWHM": kernel}
        deviation = _deviation(result)
        if deviation:
            notices.append(warning(f"{file_name}, {part.name}: {deviation}"))
    return SmoothingToTarget(PartwiseSmoother(smoothers), description, tuple(notices))


def _deviation(result: TargetSmoothness) -> str:
    """Describe how a part misses its target smoothness; empty if it does not."""
    before, after = (_widths_text(widths) for widths in (result.before, result.after))
    target = f"the target of {result.target:g} mm"
    if not np.isfinite(result.before).any():
        return "no voxels are neighbors, so the smoothness is unknown and nothing was smoothed"
    if result.too_smooth and not result.is_needed:
        return f"the noise is smoother ({before} FWHM) than {target}, so it was not smoothed"
    if result.too_smooth:
        return (
            f"the noise is smoother ({before} FWHM) than {target} along at least one axis, which "
            "was not smoothed"
        )
    if not result.is_reached:
        return f"the noise was smoothed to {after} FWHM instead of {target}"
    return ""


def _widths_text(widths: np.ndarray) -> str:
    return ", ".join(f"{width:.2f}" for width in widths) + " mm"


def describe_widths(widths: np.ndarray, key: str = "FWHM") -> dict[str, Any]:
    """Return the geometric mean of widths, and the width along each axis, as values of JSON.

    Examples
    --------
    >>> describe_widths(np.array([4.0, 9.0, np.nan]))
    {'FWHM': 6.0, 'FWHMAxes': [4.0, 9.0, None]}
    >>> describe_widths(np.array([0.0]), "FWHMBefore")
    {'FWHMBefore': 0.0}
    """
    known = widths[np.isfinite(widths)]
    mean = None if not known.size else round(float(np.prod(known) ** (1 / known.size)), 4)
    if widths.size == 1:
        return {key: mean}
    axes = [round(float(width), 4) if np.isfinite(width) else None for width in widths]
    return {key: mean, f"{key}Axes": axes}


def smoothness_text(smoothness: Mapping[str, Mapping[str, Any]]) -> str:
    """Describe the smoothness of the residuals in one line.

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
    for name, widths in smoothness.items():
        text = _millimeters(widths["FWHM"], " mm")
        if "FWHMAxes" in widths:
            axes = ", ".join(_millimeters(width) for width in widths["FWHMAxes"])
            text += f" ({axes} along the axes)" if widths["FWHM"] is not None else ""
        if any(widths.get("KernelFWHM", ())):
            kernel = ", ".join(f"{width:.3g}" for width in widths["KernelFWHM"])
            before = _millimeters(widths["FWHMBefore"], " mm")
            text += f", smoothed from {before} by a Gaussian of {kernel} mm"
        elif "KernelFWHM" in widths:
            text += ", not smoothed"
        if "Note" in widths:
            text += f" ({widths['Note']})"
        parts.append(text if name == "volume" else f"{name} {text}")
    return f"FWHM {'; '.join(parts)}"


def _millimeters(width: float | None, unit: str = "") -> str:
    if width is None:
        return "unknown"
    # 0: neighbors are no more similar than distant voxels, as in white noise
    return f"{width:.2f}{unit}" if width else "none"
