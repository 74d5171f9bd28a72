"""A picture in few colors with words around it: what maps of volumes and of surfaces share."""

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.fonts import Face, font
from boldglm.reports.mosaic import WHITE, Colors, overlay_colors, palette
from boldglm.reports.png import write_png

BAR_LEFT = 40  # pixels right of the picture; a page shows two pixels as one of its own
_BAR_WIDTH = 220  # of the color bar with its labels
_FOOTER = 34
_LEAST_WIDTH = 880  # that the words below need
_PIXELS = 192 / 72  # of a point, so that 8 points are as large as in the drawings beside it
_LINE_STEP = 1.2  # of lines of text, in their heights
_N_SHADES = 4  # steps from black to white in the edges of letters
_LIGHTEST = 256 - 256 // (2 * _N_SHADES)  # shade that is still drawn
INK, SOFT = 26, 89  # shades of text, of 255

_ANCHORS = {"left": "ls", "center": "ms", "right": "rs"}  # of a line, on its baseline


class Canvas:
    """A picture of palette colors with text around it, kept apart until it is saved.

    Parameters
    ----------
    mosaic : ndarray of uint8, shape (height, width)
        Rows of `palette`.
    with_bar : bool
        Whether there is room for a color bar, and words below.
    """

    def __init__(self, mosaic: Colors, *, with_bar: bool = True) -> None:
        height, width = mosaic.shape
        self.height, self.width = height, width
        if with_bar:
            self.height, self.width = height + _FOOTER, max(width + _BAR_WIDTH, _LEAST_WIDTH)
        self.picture = np.full((self.height, self.width), WHITE, dtype=np.uint8)
        self.picture[:height, :width] = mosaic
        self.shape = mosaic.shape
        self._text = Image.new("L", (self.width, self.height), 255)
        self._pen = ImageDraw.Draw(self._text)

    def write(
        self,
        left: float,
        top: float,
        words: str,
        *,
        size: float = 8.0,
        align: Literal["left", "center", "right"] = "left",
        vertical: Literal["top", "center", "bottom"] = "top",
        shade: int = INK,
        face: Face = "",
    ) -> None:
        """Put words at pixels from the upper left corner."""
        letters = font(face, size * _PIXELS)
        _, above, _, below = letters.getbbox("lp", anchor="ls")  # of the baseline
        baseline = top - {"top": above, "center": (above + below) / 2, "bottom": below}[vertical]
        for number, line in enumerate(words.split("\n")):
            height = baseline + number * _LINE_STEP * (below - above)
            self._pen.text(
                (left, height), line, shade, letters, anchor=align[0].replace("c", "m") + "s"
            )

    def save(self, path: Path) -> None:
        """Write the picture with the text on it as a PNG with a palette."""
        # few grays keep the edges of letters smooth enough at this resolution, and the file a
        # quarter smaller
        shades = np.rint(np.arange(256) * (_N_SHADES / 255))
        grays = np.rint(shades * (WHITE / _N_SHADES)).astype(np.uint8)
        text = np.asarray(self._text).ravel()
        drawn = np.flatnonzero(text < _LIGHTEST)
        self.picture.ravel()[drawn] = grays[text[drawn]]
        write_png(self.picture, palette(), path)


def color_end(above: RealArray, threshold: float) -> float:
    """Value of the brightest color, always a little above the threshold."""
    finite = above[np.isfinite(above)]
    end = float(np.percentile(finite, 99.5)) if finite.size else 0.0
    least = threshold * 1.05 if 0 < threshold < np.inf else 1e-12
    return max(end, least)


def color_bar(
    canvas: Canvas,
    statistic: str,
    ends: tuple[float, float, float],
    *,
    gap: int,
    two_sided: bool,
) -> None:
    """Positive colors, and below a gap (what is not colored) the negative ones.

    ``ends`` are the threshold, the value of the brightest color and the largest value.
    The gap is not to scale, so labels keep their distance.
    """
    threshold, maximum, largest = ends
    left, top = canvas.shape[1] + BAR_LEFT, 40
    total = int(np.clip(canvas.shape[0] - top - gap, 150, 400))
    height = int(0.45 * total) if two_sided else total
    canvas.write(left, 0, statistic, size=9, face="-Oblique")
    is_beyond = largest > maximum * 1.005
    for sign, start in ((1, top), (-1, top + total - height))[: 2 if two_sided else 1]:
        values = np.linspace(maximum, threshold, height)[::sign]
        colors = overlay_colors(sign * values, threshold=threshold, maximum=maximum)
        canvas.picture[start : start + height, left : left + 22] = colors[:, None]
        places = (start, start + height - 1)[::sign]
        beyond = ("≥ " if sign > 0 else "≤ ") if is_beyond else ""
        canvas.write(
            left + 30, places[0], beyond + short_number(sign * maximum), vertical="center"
        )
        canvas.write(left + 30, places[1], short_number(sign * threshold), vertical="center")


def say_nothing_is_above(
    canvas: Canvas, statistic: str, threshold: float, *, noun: str, two_sided: bool
) -> None:
    """Write, in place of the color bar, that nothing is above the threshold."""
    symbol = f"|{statistic}|" if two_sided else statistic
    words = f"no {noun} with\n{symbol} ≥ {short_number(threshold)}"
    canvas.write(canvas.shape[1] + BAR_LEFT, 0, words, size=8.5, face="-Bold")


def short_number(value: float) -> str:
    """A number of three digits, with a true minus sign."""
    return f"{value:.3g}".replace("-", "−")
