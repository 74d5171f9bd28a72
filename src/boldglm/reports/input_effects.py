"""The effect of every input, such as a participant, at the peaks of a map above the run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.glm.arrays.types import BoolArray, IndexArray, RealArray
from boldglm.reports.content import Figure
from boldglm.reports.drawing import INCH, PAGE_WIDTH, Axes, short_name
from boldglm.reports.svg import BLUE, ORANGE, RULE, SOFT, Drawing

MOST_PEAKS = 3
_OUTLYING = 3.5  # robust z of a residual from which an input is named
_MAD = 1.4826  # of a normal distribution, standard deviations in a median absolute deviation
_NORMAL_95 = 1.96
_MOST_NAMED = 16  # inputs up to which all have their names below
_HEIGHT, _GAP = 1.5 * INCH, 0.75 * INCH


@dataclass(frozen=True)
class InputMaps:
    """The maps that came in, to be read at some voxels.

    Parameters
    ----------
    names : tuple of str
        Of each input.
    design : ndarray of shape (n_inputs, n_columns)
        Design of the level.
    unit : str
        Of the effects.
    read : callable
        Gives the effects at voxels, (n_inputs, n_voxels), and their standard errors, or None
        where there are no variances.
    """

    names: tuple[str, ...]
    design: RealArray
    unit: str
    read: Callable[[IndexArray], tuple[RealArray, RealArray | None]]


def outlying(effects: RealArray, design: RealArray) -> BoolArray:
    """Tell which inputs are far from what the design says of them.

    Parameters
    ----------
    effects : ndarray of shape (n_inputs,)
        At a voxel; NaN where an input has no data.
    design : ndarray of shape (n_inputs, n_columns)
        Design of the level.

    Returns
    -------
    ndarray of bool, shape (n_inputs,)
        Whether the residual is more than 3.5 robust standard deviations (1.4826 times the median
        absolute deviation) from the median of all residuals.

    Examples
    --------
    >>> outlying(np.array([1.0, 1.1, 0.9, 1.05, 9.0]), np.ones((5, 1)))
    array([False, False, False, False,  True])
    """
    known = np.isfinite(effects)
    is_far = np.zeros(effects.shape, dtype=bool)
    if not known.any():
        return is_far
    fitted = design[known] @ (np.linalg.pinv(design[known]) @ effects[known])
    residuals = effects[known] - fitted
    distances = np.abs(residuals - np.median(residuals))
    spread = _MAD * float(np.median(distances))
    is_far[known] = distances > _OUTLYING * spread if spread > 0 else False
    return is_far


def draw_input_effects(
    maps: InputMaps, peaks: Sequence[tuple[str, int]], path: Path, name: str
) -> Figure:
    """Draw the effects of all inputs at peaks, with their 95 % intervals.

    Parameters
    ----------
    maps : InputMaps
        What to read.
    peaks : sequence of (str, int)
        Name and voxel of each peak.
    path : Path
        Without the ending.
    name : str
        Of the contrast.

    Returns
    -------
    Figure
        The picture, ``<path>-Inputs.svg``.
    """
    effects, errors = maps.read(np.array([voxel for _, voxel in peaks]))
    drawing = Drawing()
    far: list[str] = []  # peaks with outliers
    for number, (peak, _) in enumerate(peaks):
        is_far = outlying(effects[:, number], maps.design)
        panel = _Panel(drawing, maps, number)
        panel.draw(effects[:, number], None if errors is None else errors[:, number], is_far)
        panel.axes.title(peak)
        if is_far.any():
            named = ", ".join(maps.names[k] for k in np.flatnonzero(is_far))
            far.append(f"{named} at {peak}")
    unit = f" ({maps.unit})" if maps.unit else ""
    bars = ", bars their 95 % intervals" if errors is not None else ""
    is_mean = maps.design.shape[1] == 1 and np.ptp(maps.design) == 0
    line = " The line is their mean." if is_mean else ""
    limit = f"more than {_OUTLYING} robust standard deviations away"
    outliers = f"Outliers (orange), {limit}: {'; '.join(far)}" if far else f"No input is {limit}"
    return Figure(
        drawing.save(path.with_name(f"{path.name}-Inputs.svg")),
        f"Effects{unit} of {name} in each input at the largest peaks. Dots are effects{bars}."
        f"{line} {outliers}. The peaks were chosen by the same data, so effects are too large.",
        f"Dots: effects of {name} in {len(maps.names)} inputs at {len(peaks)} peaks. "
        + " ".join(
            _range_text(peak, effects[:, k], maps.unit) for k, (peak, _) in enumerate(peaks)
        )
        + f" {outliers}.",
    )


@dataclass(frozen=True)
class _Panel:
    """The effects at one peak."""

    drawing: Drawing
    maps: InputMaps
    number: int

    @property
    def axes(self) -> Axes:
        """The frame, without values."""
        width = (PAGE_WIDTH - MOST_PEAKS * _GAP) / MOST_PEAKS
        return Axes(self.drawing, self.number * (width + _GAP), 0, width, _HEIGHT)

    def draw(self, effects: RealArray, errors: RealArray | None, is_far: BoolArray) -> None:
        """Draw dots, their intervals and names."""
        n = effects.size
        half = np.zeros(n) if errors is None else _NORMAL_95 * errors
        known = np.isfinite(effects)
        ends = np.concatenate([(effects - half)[known], (effects + half)[known], [0.0]])
        room = 0.06 * (float(np.ptp(ends)) or 1.0)
        frame = self.axes
        axes = Axes(
            self.drawing, frame.left, 0, frame.width, _HEIGHT, (-0.8, n - 0.2),
            (float(ends.min()) - room, float(ends.max()) + room),
        )  # fmt: skip
        places, heights = axes.across(np.arange(n, dtype=float)), axes.up(effects)
        self._line(axes, 0.0, RULE)
        if self.maps.design.shape[1] == 1 and np.ptp(self.maps.design) == 0 and known.any():
            self._line(axes, float(effects[known].mean()), SOFT)
        size = float(np.clip(300 / n, 2.0, 5.0))
        for chosen, color in ((known & ~is_far, BLUE), (known & is_far, ORANGE)):
            if not chosen.any():
                continue
            if errors is not None:
                low, high = axes.up(effects - half), axes.up(effects + half)
                gaps = np.full(int(chosen.sum()), np.nan)
                xs = np.stack([places[chosen], places[chosen], gaps], axis=1).ravel()
                ys = np.stack([low[chosen], high[chosen], gaps], axis=1).ravel()
                self.drawing.line(xs, ys, color, 0.8)
            self.drawing.dots(places[chosen], heights[chosen], color, size)
        axes.axis_left(self.maps.unit if self.number == 0 else "")
        self._name(axes, places, heights, is_far)

    def _line(self, axes: Axes, value: float, color: str) -> None:
        height = float(axes.up([value])[0])
        self.drawing.line([axes.left, axes.left + axes.width], [height, height], color, 0.8)

    def _name(self, axes: Axes, places: RealArray, heights: RealArray, is_far: BoolArray) -> None:
        """Write all names below if there are few, and else those of outliers at their dots."""
        names = [short_name(name, 20) for name in self.maps.names]
        if len(names) <= _MOST_NAMED:
            length = max(map(len, names)) * 4.9
            for place, name, far in zip(places, names, is_far, strict=True):
                self.drawing.text(
                    float(place), axes.height + 6 + length, name, size=7, is_upright=True,
                    color=ORANGE if far else SOFT,
                )  # fmt: skip
            return
        for k in np.flatnonzero(is_far):
            is_left = places[k] < axes.left + axes.width / 2
            self.drawing.text(
                float(places[k]) + (5 if is_left else -5), float(heights[k]), names[k], size=7,
                color=ORANGE, align="left" if is_left else "right",
            )  # fmt: skip


def _range_text(peak: str, effects: RealArray, unit: str) -> str:
    known = effects[np.isfinite(effects)]
    if not known.size:
        return f"{peak}: no effects."
    low, middle, high = (f"{v:.3g}" for v in (known.min(), np.median(known), known.max()))
    return f"{peak}: {low} to {high}{unit and ' ' + unit}, median {middle}.".replace("-", "−")


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """Leave out of names of files what all of them share.

    Examples
    --------
    >>> short_names(["sub-01_task-a", "sub-02_task-a"])
    ('sub-01', 'sub-02')
    """
    parts = [name.split("_") for name in names]
    shared = set(parts[0]).intersection(*parts[1:]) if parts else set()
    return tuple(
        "_".join(part for part in own if part not in shared) or name
        for own, name in zip(parts, names, strict=True)
    )
