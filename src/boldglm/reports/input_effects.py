"""The effect of every input, such as a participant, at the peaks of a map above the run."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.glm.arrays.types import BoolArray, IndexArray, RealArray
from boldglm.reports.content import Figure
from boldglm.reports.drawing import INCH, PAGE_WIDTH, Axes, short_name
from boldglm.reports.svg import BLUE, ORANGE, RULE, SOFT, Drawing

MOST_PEAKS = 3
_PARTICIPANT = re.compile(r"sub-[^_]+")
_OUTLYING = 3.5  # robust z of a residual from which an input is named
_MAD = 1.4826  # of a normal distribution, standard deviations in a median absolute deviation
_NORMAL_95 = 1.96
_MOST_NAMED = 16  # inputs up to which all have their names below
_MOST_LISTED = 8  # inputs up to which a caption names all of one kind at a peak
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

    @property
    def noun(self) -> str:
        """What an input is called."""
        return "participant" if all(map(_PARTICIPANT.fullmatch, self.names)) else "input"

    @property
    def has_mean(self) -> bool:
        """Whether the level estimates nothing but the mean of all inputs."""
        return self.design.shape[1] == 1 and bool(np.ptp(self.design) == 0)


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
    unclear: list[str] = []  # peaks with intervals that include zero
    for number, (peak, _) in enumerate(peaks):
        at, error = effects[:, number], None if errors is None else errors[:, number]
        is_far = outlying(at, maps.design)
        panel = _Panel(drawing, maps, number)
        panel.draw(at, error, is_far)
        panel.axes.title(peak)
        far += _named_at(peak, maps.names, is_far)
        if error is not None:
            unclear += _named_at(peak, maps.names, np.abs(at) < _NORMAL_95 * error)
    noun = maps.noun
    unit = f" ({maps.unit})" if maps.unit else ""
    parts = [
        f"Effects{unit} of {name} in each {noun} at the largest peaks",
        _dots_text(maps, errors),
    ]
    if errors is not None:
        parts.append(
            f"Intervals include zero: {'; '.join(unclear)}"
            if unclear
            else "No interval includes zero"
        )
    limit = f"more than {_OUTLYING} robust standard deviations from the others"
    outliers = f"Outliers (orange), {limit}: {'; '.join(far)}" if far else f"No {noun} is {limit}"
    parts += [outliers, "The peaks were chosen in the same data, which makes effects look larger"]
    return Figure(
        drawing.save(path.with_name(f"{path.name}-Inputs.svg")),
        ". ".join(parts) + ".",
        f"Dots: effects of {name} in {len(maps.names)} {noun}s at {len(peaks)} peaks. "
        + " ".join(
            _range_text(peak, effects[:, k], maps.unit) for k, (peak, _) in enumerate(peaks)
        )
        + f" {outliers}.",
    )


def _dots_text(maps: InputMaps, errors: RealArray | None) -> str:
    bars = ", bars their 95 % confidence intervals" if errors is not None else ""
    line = ", the dark line their mean" if maps.has_mean else ""
    return f"Dots are effects{bars}{line}"


def _named_at(peak: str, names: tuple[str, ...], chosen: BoolArray) -> list[str]:
    """Name the chosen inputs at a peak; count them if there are many."""
    found = [names[k] for k in np.flatnonzero(chosen)]
    if len(found) > _MOST_LISTED:
        return [f"{len(found)} of {len(names)} at {peak}"]
    return [f"{', '.join(found)} at {peak}"] if found else []


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
        if self.maps.has_mean and known.any():
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
