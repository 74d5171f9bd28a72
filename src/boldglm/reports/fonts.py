"""The font of all pictures, which comes with matplotlib, so that they are the same anywhere."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from PIL import ImageFont

Face = Literal["", "-Bold", "-Oblique"]


@cache
def font(face: Face, pixels: float) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans in a size."""
    return ImageFont.truetype(
        _folder() / f"DejaVuSans{face}.ttf", pixels, layout_engine=ImageFont.Layout.BASIC
    )


@cache
def text_width(words: str, size: float, face: Face = "") -> float:
    """Return how wide a line of text is, in the unit of its size.

    A browser without this font uses one that is narrower.
    """
    return font(face, 32).getlength(words) / 32 * size


@cache
def _folder() -> Path:
    # importing the package takes a third of a second; only its files are needed
    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
