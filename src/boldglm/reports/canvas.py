"""A picture in few colors with words around it: what maps of volumes and of surfaces share."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray
from PIL import Image

from boldglm.reports.mosaic import WHITE, Colors, overlay_colors, palette

FloatArray = NDArray[np.floating]

BAR_LEFT = 40  # pixels right of the picture; a page shows two pixels as one of its own
_BAR_WIDTH = 220  # of the color bar with its labels
_FOOTER = 34
_LEAST_WIDTH = 880  # that the words below need
_DPI = 192  # so that text of 8 points is as large as that of the drawings beside it
_N_SHADES = 4  # steps from black to white in the edges of letters
INK_GREY, SOFT_GREY = "0.1", "0.35"


class Canvas:
    """A picture of palette colors with text around it, kept apart until it is saved.

    matplotlib draws only the text. Drawing the mosaic as well would cost three times as
    long, and lose the palette.
    """

    def __init__(self, mosaic: Colors) -> None:
        height, width = mosaic.shape
        self.height, self.width = height + _FOOTER, max(width + _BAR_WIDTH, _LEAST_WIDTH)
        self.picture = np.full((self.height, self.width), WHITE, dtype=np.uint8)
        self.picture[:height, :width] = mosaic
        self.shape = mosaic.shape
        self._figure = Figure(figsize=(self.width / _DPI, self.height / _DPI), dpi=_DPI)
        self._canvas = FigureCanvasAgg(self._figure)

    def write(
        self,
        left: float,
        top: float,
        words: str,
        *,
        size: float = 8.0,
        align: str = "left",
        vertical: str = "top",
        color: str = INK_GREY,
        weight: str = "normal",
        style: str = "normal",
    ) -> None:
        """Put words at pixels from the upper left corner."""
        self._figure.text(
            left,
            self.height - top,
            words,
            transform=IdentityTransform(),
            ha=align,
            va=vertical,
            fontsize=size,
            color=color,
            fontweight=weight,
            fontstyle=style,
            fontfamily="DejaVu Sans",
            parse_math=False,
        )

    def save(self, path: Path) -> None:
        """Write the picture with the text on it as a PNG with a palette."""
        self._canvas.draw()
        # text is grey on white, so one channel tells all; few greys keep its edges smooth
        # enough at this resolution and the file a quarter smaller
        shades = np.rint(np.arange(256) * (_N_SHADES / 255))
        greys = np.rint(shades * (WHITE / _N_SHADES)).astype(np.uint8)
        text = greys[np.asarray(self._canvas.buffer_rgba())[..., 0]]
        image = Image.fromarray(np.where(text < WHITE, text, self.picture))
        image.putpalette(palette().ravel().tolist())
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, format="PNG", compress_level=9 if image.width * image.height < 5e5 else 6)


def color_end(above: FloatArray, threshold: float) -> float:
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
    canvas.write(left, 0, statistic, size=9, style="italic")
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
    """Write in place of the color bar that nothing is colored."""
    symbol = f"|{statistic}|" if two_sided else statistic
    words = f"no {noun} at\n{symbol} ≥ {short_number(threshold)}"
    canvas.write(canvas.shape[1] + BAR_LEFT, 0, words, size=8.5, weight="bold")


def short_number(value: float) -> str:
    """A number of three digits, with a true minus sign."""
    return f"{value:.3g}".replace("-", "−")
