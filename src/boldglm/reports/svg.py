"""An SVG drawing: lines, boxes, text and pictures as text, cropped to what was drawn.

A drawing is a list of elements in points (1/72 inch), y downwards. Writing them directly takes
a hundredth of the time of a plotting library, which a report of many short runs spends mostly on
laying out axes. The same drawing gives the same bytes.
"""

import io
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from math import inf
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.fonts import text_width

PAPER = "#ffffff"
INK = "#1b1f24"
SOFT = "#57606a"
RULE = "#d8dde3"
BLUE = "#1f5a96"
ORANGE = "#c2570c"
RED = "#b3261e"

# In a report on a dark screen, colors that lie on paper are replaced; those of cells stay.
_DARK = {
    PAPER: "#15181c", INK: "#e4e7eb", SOFT: "#9aa4af", RULE: "#3a424b",
    BLUE: "#6fb1f0", ORANGE: "#f0913f", RED: "#ff7b72",
}  # fmt: skip
_MARGIN = 2.0
_LETTER_HEIGHT = 0.73  # of a capital, in sizes; a line of text reaches as far below as above
_DESCENT = 0.24

Align = Literal["left", "center", "right"]
_ANCHORS = {"left": "start", "center": "middle", "right": "end"}


class Drawing:
    """Elements of a drawing and the box that they take."""

    def __init__(self) -> None:
        self._elements: list[str] = []
        self._box = [inf, inf, -inf, -inf]

    def line(
        self,
        xs: RealArray | Sequence[float],
        ys: RealArray | Sequence[float],
        color: str = BLUE,
        width: float = 1.2,
        *,
        dashes: str = "",
    ) -> None:
        """Draw a line through points; NaN lifts the pen."""
        places = np.column_stack([xs, ys]).astype(float)
        is_drawn = np.isfinite(places).all(axis=1)
        self._include(places[is_drawn], width / 2)
        words, pen = [], "M"
        for (x, y), drawn in zip(places.tolist(), is_drawn, strict=True):
            if drawn:
                words.append(f"{pen}{_number(x)} {_number(y)}")
            pen = "L" if drawn else "M"
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self._elements.append(
            f'<path d="{"".join(words)}" fill="none" stroke="{color}" '
            f'stroke-width="{_number(width)}"{dashed}/>'
        )

    def boxes(
        self, boxes: RealArray | Sequence[Sequence[float]], color: str, *, edge: float = 0.0
    ) -> None:
        """Fill boxes, (left, top, width, height) each, as one path."""
        places = np.asarray(boxes, dtype=float).reshape(-1, 4)
        self._include(np.concatenate([places[:, :2], places[:, :2] + places[:, 2:]]), edge / 2)
        words = "".join(
            f"M{_number(x)} {_number(y)}h{_number(w)}v{_number(h)}h{_number(-w)}z"
            for x, y, w, h in places.tolist()
        )
        stroke = f' stroke="{color}" stroke-width="{_number(edge)}"' if edge else ""
        self._elements.append(f'<path d="{words}" fill="{color}"{stroke}/>')

    def dots(
        self,
        xs: RealArray | Sequence[float],
        ys: RealArray | Sequence[float],
        color: str = BLUE,
        size: float = 5.0,
        *,
        is_hollow: bool = False,
    ) -> None:
        """Draw dots of a diameter."""
        places = np.column_stack([xs, ys]).astype(float)
        self._include(places, size / 2 + 0.5)
        words = "".join(f"M{_number(x)} {_number(y)}h0" for x, y in places.tolist())
        style = f'fill="none" stroke-linecap="round" stroke="{color}"'
        self._elements.append(f'<path d="{words}" {style} stroke-width="{_number(size)}"/>')
        if is_hollow:
            style = style.replace(color, PAPER)
            self._elements.append(
                f'<path d="{words}" {style} stroke-width="{_number(size - 2)}"/>'
            )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 8.0,
        color: str = INK,
        align: Align = "left",
        is_upright: bool = False,
        is_bold: bool = False,
    ) -> None:
        """Write a line of text, centered on a height; upright text runs to the top."""
        long = text_width(words, size, "-Bold" if is_bold else "")
        start = {"left": 0.0, "center": long / 2, "right": long}[align]
        above, below = size * (_LETTER_HEIGHT / 2 + 0.1), size * (_LETTER_HEIGHT / 2 + _DESCENT)
        if is_upright:
            corners = [[x - above, y + start], [x + below, y + start - long]]
            place = f'transform="translate({_number(x + 0.36 * size)} {_number(y)}) rotate(-90)"'
        else:
            corners = [[x - start, y - above], [x - start + long, y + below]]
            place = f'x="{_number(x)}" y="{_number(y + 0.36 * size)}"'
        self._include(np.array(corners))
        bold = ' font-weight="bold"' if is_bold else ""
        anchor = "" if align == "left" else f' text-anchor="{_ANCHORS[align]}"'
        self._elements.append(
            f'<text {place} font-size="{_number(size)}"{anchor}{bold} fill="{color}">'
            f"{escape(words)}</text>"
        )

    def picture(
        self, left: float, top: float, width: float, height: float, pixels: NDArray[np.uint8]
    ) -> None:
        """Show gray, (rows, columns), or colored, (rows, columns, 3), pixels as blocks."""
        self._include(np.array([[left, top], [left + width, top + height]]))
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, format="PNG", compress_level=6)
        self._elements.append(
            f'<image x="{_number(left)}" y="{_number(top)}" width="{_number(width)}" '
            f'height="{_number(height)}" preserveAspectRatio="none" image-rendering="pixelated" '
            f'href="data:image/png;base64,{b64encode(content.getvalue()).decode()}"/>'
        )

    def save(self, path: Path) -> Path:
        """Write what was drawn, with a small margin; the folder is made if needed."""
        left, top, right, bottom = self._box
        width, height = right - left + 2 * _MARGIN, bottom - top + 2 * _MARGIN
        style = "".join(
            f'[fill="{light}"]{{fill:{dark}}}[stroke="{light}"]{{stroke:{dark}}}'
            for light, dark in _DARK.items()
        )
        content = (
            '<svg xmlns="http://www.w3.org/2000/svg" '
            f'width="{_number(width)}pt" height="{_number(height)}pt" '
            f'viewBox="0 0 {_number(width)} {_number(height)}" '
            "font-family=\"'DejaVu Sans',Helvetica,Arial,'Liberation Sans',sans-serif\" "
            'stroke-linejoin="round">\n'
            f"<style>@media screen and (prefers-color-scheme:dark){{{style}}}</style>\n"
            f'<rect width="100%" height="100%" fill="{PAPER}"/>\n'
            f'<g transform="translate({_number(_MARGIN - left)} {_number(_MARGIN - top)})">\n'
            + "\n".join(self._elements)
            + "\n</g>\n</svg>\n"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    def _include(self, places: RealArray, margin: float = 0.0) -> None:
        if not len(places):
            return
        low, high = places.min(axis=0) - margin, places.max(axis=0) + margin
        box = self._box
        self._box = [
            *(min(box[k], float(low[k])) for k in (0, 1)),
            *(max(box[k + 2], float(high[k])) for k in (0, 1)),
        ]


def _number(value: float) -> str:
    """A hundredth of a point is finer than any screen."""
    return f"{value:z.2f}".rstrip("0").rstrip(".")
